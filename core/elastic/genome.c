/* Genomes: counted, checked, printed, drawn. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "elastic/space.h"

/* ---- counting ------------------------------------------------------------------------------ */

static const uint32_t BASE = 1000000000;

static void big_add(anet__big *a, const anet__big *b)
{
  uint32_t carry = 0;
  for (int32_t i = 0; i < b->used || carry; i++) {
    ANET_ASSERT(i < ANET_BIG_LIMBS);
    if (i == a->used) a->used++; /* a path count's limbs above are zero */
    const uint32_t sum = a->limb[i] + (i < b->used ? b->limb[i] : 0) + carry;
    carry = sum >= BASE;
    a->limb[i] = carry ? sum - BASE : sum;
  }
}

static bool big_less(const anet__big *a, const anet__big *b)
{
  if (a->used != b->used) return a->used < b->used;
  for (int32_t i = a->used - 1; i >= 0; i--)
    if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i];
  return false;
}

static void big_trim(anet__big *a)
{
  while (a->used > 0 && a->limb[a->used - 1] == 0) a->used--;
}

/* a -= b, which is not greater. */
static void big_sub(anet__big *a, const anet__big *b)
{
  uint32_t borrow = 0;
  for (int32_t i = 0; i < a->used; i++) {
    const uint32_t take = (i < b->used ? b->limb[i] : 0) + borrow;
    borrow = a->limb[i] < take;
    a->limb[i] += (borrow ? BASE : 0) - take;
  }
  big_trim(a);
}

/* Uniform below n > 0: limbs are drawn until the number they make is. */
static anet__big big_below(const anet__big *n, anet_rng *rng)
{
  anet__big a;
  do {
    a.used = n->used;
    for (int32_t i = 0; i < n->used - 1; i++) a.limb[i] = anet__rng_below(rng, BASE);
    a.limb[n->used - 1] = anet__rng_below(rng, n->limb[n->used - 1] + 1);
    big_trim(&a);
  } while (!big_less(&a, n));
  return a;
}

int anet__space_paths(const anet_space *space, anet__big **out)
{
  anet__big *paths = anet__alloc_array((size_t)space->positions + 1, sizeof *paths);
  *out = paths;
  if (!paths) return ANET_NOMEM;
  paths[space->positions] = (anet__big){.used = 1, .limb = {1}};
  for (int32_t p = space->positions - 1; p >= 0; p--)
    for (int32_t i = space->first[p]; i < space->first[p + 1]; i++)
      big_add(&paths[p], &paths[p + space->option[i].span]);
  return ANET_OK;
}

int anet_space_size(const anet_space *space, char *text, int32_t bytes)
{
  char digits[9 * ANET_BIG_LIMBS + 1];
  anet__big *paths;
  ANET_TRY(anet__space_paths(space, &paths));
  int used = snprintf(digits, sizeof digits, "%u", paths[0].limb[paths[0].used - 1]);
  for (int32_t i = paths[0].used - 2; i >= 0; i--)
    used += snprintf(digits + used, sizeof digits - (size_t)used, "%09u", paths[0].limb[i]);
  anet__free(paths);
  if (used >= bytes)
    return anet_fail(ANET_RANGE, "space: its size has %d digits, the text has room for %d", used,
                     bytes - 1);
  memcpy(text, digits, (size_t)used + 1);
  return ANET_OK;
}

/* The walk that picks a path by its number: each edge stands for as many paths as follow it. */
int anet_genome_sample(const anet_space *space, anet_rng *rng, uint8_t *genome)
{
  anet__big *paths;
  ANET_TRY(anet__space_paths(space, &paths));
  anet__big left = big_below(&paths[0], rng);
  memset(genome, ANET_COVERED, (size_t)space->positions);
  for (int32_t p = 0; p < space->positions;) {
    int32_t i = space->first[p];
    while (!big_less(&left, &paths[p + space->option[i].span]))
      big_sub(&left, &paths[p + space->option[i++].span]);
    genome[p] = (uint8_t)space->option[i].gene;
    p += space->option[i].span;
  }
  anet__free(paths);
  return ANET_OK;
}

/* ---- checking and text ----------------------------------------------------------------------- */

int anet_genome_check(const anet_space *space, const uint8_t *genome)
{
  int32_t end = 0; /* the boundary that the last option reaches */
  for (int32_t p = 0; p < space->positions; p++) {
    const bool covered = genome[p] == ANET_COVERED;
    const int32_t genes = anet_space_genes(space, p);
    if (p < end && !covered)
      return anet_fail(ANET_RANGE,
                       "genome: position %d has gene %d, but the option before covers "
                       "it up to %d",
                       p, genome[p], end - 1);
    if (p < end) continue;
    if (covered) return anet_fail(ANET_RANGE, "genome: position %d is covered by no option", p);
    if (genome[p] >= genes)
      return anet_fail(ANET_RANGE, "genome: position %d has gene %d, want 0 to %d", p, genome[p],
                       genes - 1);
    end = p + space->option[space->first[p] + genome[p]].span;
  }
  return ANET_OK;
}

static const char gene_digits[ANET_MAX_GENES + 1] = "0123456789abcdefghijklmnopqrstuvwxyz";

int anet_genome_print(const anet_space *space, const uint8_t *genome, char *text)
{
  ANET_TRY(anet_genome_check(space, genome));
  for (int32_t p = 0; p < space->positions; p++)
    text[p] = genome[p] == ANET_COVERED ? '-' : gene_digits[genome[p]];
  text[space->positions] = 0;
  return ANET_OK;
}

int anet_genome_parse(const anet_space *space, const char *text, uint8_t *genome)
{
  const size_t length = strlen(text);
  if (length != (size_t)space->positions)
    return anet_fail(ANET_RANGE, "genome '%.300s' has %zu characters, want %d", text, length,
                     space->positions);
  for (int32_t p = 0; p < space->positions; p++) {
    const char *digit = strchr(gene_digits, text[p]);
    if (!digit && text[p] != '-')
      return anet_fail(ANET_RANGE, "genome '%s': position %d has '%c', want 0-9, a-z or -", text, p,
                       text[p]);
    genome[p] = digit ? (uint8_t)(digit - gene_digits) : ANET_COVERED;
  }
  return anet_genome_check(space, genome);
}
