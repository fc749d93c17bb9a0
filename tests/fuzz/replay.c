/* Runs a door over its seeds, whole and damaged in ways that are the same each time: no clang
 * needed, and with the address sanitizer most of what a fuzzer's first minute is. What brings it
 * down is left in the file replay-NAME.found of the folder it runs in. Arguments: files to run
 * instead, as they are. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "anet.h"
#include "fuzz/fuzz.h"

enum { MUTANTS = 1200, MOST_BYTES = 1 << 22, MOST_GROWTH = 64 }; /* mutants of all seeds together */

/* What is being run, for keep. */
static char kept_as[64];
static const uint8_t *now;
static size_t now_bytes;

static void keep(int signal_number)
{
  const int file = open(kept_as, O_CREAT | O_TRUNC | O_WRONLY, 0666);
  if (file < 0 || write(file, now, now_bytes) != (ssize_t)now_bytes) _exit(3);
  close(file);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

static void run(const uint8_t *data, size_t bytes)
{
  now = data;
  now_bytes = bytes;
  LLVMFuzzerTestOneInput(data, bytes);
}

static size_t below(anet_rng *rng, size_t n)
{
  return n ? (size_t)anet_rng_int(rng, 0, (int32_t)n - 1) : 0;
}

/* Numbers that lengths and dimensions are easily wrong at. */
static void put_number(uint8_t *at, size_t room, anet_rng *rng)
{
  static const uint64_t numbers[] = {
      0,          1,          0x7f,        0x80,      0xff,       0x7fff,  0xffff,    0x7fffffff,
      0x80000000, 0xffffffff, 0x100000000, INT64_MAX, UINT64_MAX, 0x10000, 0x8000001, 0x40000000};
  const uint64_t number = numbers[below(rng, sizeof numbers / sizeof numbers[0])];
  const size_t width = (size_t)1 << below(rng, 4), count = width < room ? width : room;
  for (size_t i = 0; i < count; i++) {
    const size_t shift = rng->state[0] & 1 ? i : count - 1 - i; /* either endian */
    at[i] = (uint8_t)(number >> 8 * shift);
  }
}

/* A run of digits in a text becomes another number. */
static void put_digits(uint8_t *data, size_t bytes, anet_rng *rng)
{
  size_t at = below(rng, bytes);
  while (at < bytes && (data[at] < '0' || data[at] > '9')) at++;
  for (; at < bytes && data[at] >= '0' && data[at] <= '9'; at++)
    data[at] = (uint8_t)('0' + below(rng, 10));
}

/* One change, in place; gives the new length. `data` has room for MOST_GROWTH more. */
static size_t change(uint8_t *data, size_t bytes, size_t most, anet_rng *rng)
{
  const size_t at = below(rng, bytes), rest = bytes - at;
  const size_t run = 1 + below(rng, MOST_GROWTH < rest ? MOST_GROWTH : rest);
  switch (bytes ? below(rng, 7) : 6) {
    case 0:
      return at; /* cut off */
    case 1:
      data[at] ^= (uint8_t)(1 << below(rng, 8));
      return bytes;
    case 2:
      data[at] = (uint8_t)below(rng, 256);
      return bytes;
    case 3:
      put_number(data + at, rest, rng);
      return bytes;
    case 4:
      put_digits(data, bytes, rng);
      return bytes;
    case 5: /* left out */
      if (run > rest) return at;
      memmove(data + at, data + at + run, rest - run);
      return bytes - run;
    default: /* said twice */
      if (bytes + run > most || run > rest) return bytes;
      memmove(data + at + run, data + at, rest);
      return bytes + run;
  }
}

static void run_mutants(const uint8_t *seed, size_t bytes, int32_t count)
{
  const size_t most = bytes + MOST_GROWTH;
  for (int32_t i = 0; i < count; i++) {
    uint8_t *data = malloc(most);
    size_t length = bytes;
    anet_rng rng;
    if (!data) fuzz_stop("no memory");
    memcpy(data, seed, bytes);
    anet_rng_seed(&rng, i);
    for (size_t k = below(&rng, 4) + 1; k > 0; k--) length = change(data, length, most, &rng);
    uint8_t *exact = malloc(length ? length : 1); /* so that a byte too far is one outside */
    if (!exact) fuzz_stop("no memory");
    memcpy(exact, data, length);
    free(data);
    run(exact, length);
    free(exact);
  }
}

static void run_file(const char *path, int32_t mutants)
{
  uint8_t *data = malloc(MOST_BYTES);
  FILE *file = fopen(path, "rb");
  if (!data || !file) fuzz_stop(path);
  const size_t bytes = fread(data, 1, MOST_BYTES, file);
  fclose(file);
  printf("%s: %zu bytes, %d mutants\n", path, bytes, mutants);
  fflush(stdout); /* the last line tells which seed it was */
  run(data, bytes);
  run_mutants(data, bytes, mutants);
  free(data);
}

static int is_file(const struct dirent *entry)
{
  return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
  char folder[256], path[512];
  struct dirent **entry;
  snprintf(kept_as, sizeof kept_as, "replay-%s.found", door_name);
  signal(SIGABRT, keep);
  signal(SIGILL, keep);
  for (int i = 1; i < argc; i++) run_file(argv[i], 0);
  if (argc > 1) return 0;
  snprintf(folder, sizeof folder, "tests/fuzz/seeds/%s", door_name);
  const int count = scandir(folder, &entry, is_file, alphasort);
  if (count < 1) fuzz_stop("no seeds: run it in the top folder");
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
    run_file(path, MUTANTS / count + 1);
    free(entry[i]);
  }
  free(entry);
  printf("%s: %d seeds, none found a fault\n", door_name, count);
  return 0;
}
