#define _GNU_SOURCE /* sched_getaffinity */
#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "anet.h"

#ifndef ANET_VERSION
#define ANET_VERSION "0.1.0"
#endif

const char *anet_version(void)
{
  return ANET_VERSION;
}

/* ---- instruction sets --------------------------------------------------------------------- */

/* The builtin asks the processor and whether the operating system saves the registers. */
uint32_t anet__cpu_features(void)
{
  uint32_t features = 0;
#if defined(__x86_64__)
  features |= ANET_CPU_X86;
#define X(upper, bit, name) features |= __builtin_cpu_supports(name) ? ANET_CPU_##upper : 0;
  ANET_CPU_X86_MAP(X)
#undef X
#elif defined(__aarch64__)
  const unsigned long dotprod = 1ul << 20; /* HWCAP_ASIMDDP */
  features |= ANET_CPU_ARM | (getauxval(AT_HWCAP) & dotprod ? ANET_CPU_DOTPROD : 0);
#endif
  return features;
}

bool anet__isa_runs(anet__isa isa, uint32_t features)
{
  static const uint32_t avx2 = ANET_CPU_X86 | ANET_CPU_AVX2 | ANET_CPU_FMA;
  static const uint32_t avx512 = ANET_CPU_X86 | ANET_CPU_FMA | ANET_CPU_AVX512F |
                                 ANET_CPU_AVX512DQ | ANET_CPU_AVX512BW | ANET_CPU_AVX512VL;
  switch (isa) {
    case ANET_ISA_REF:
      return true;
    case ANET_ISA_SSE2:
      return (features & ANET_CPU_X86) != 0;
    case ANET_ISA_AVX2:
      return (features & avx2) == avx2;
    case ANET_ISA_AVX512:
      return (features & avx512) == avx512;
    case ANET_ISA_NEON:
      return (features & ANET_CPU_ARM) != 0;
    default:
      return false;
  }
}

anet__isa anet__isa_choose(const char *name, uint32_t features)
{
  anet__isa isa;
  if (name && anet__isa_parse(name, &isa) && anet__isa_runs(isa, features)) return isa;
  isa = (anet__isa)(ANET_ISA_COUNT - 1);
  while (!anet__isa_runs(isa, features)) isa = (anet__isa)(isa - 1);
  return isa;
}

bool anet__cpu_has(anet__isa isa)
{
  return anet__isa_runs(isa, anet__cpu_features());
}

bool anet__cpu_dots(void)
{
  return (anet__cpu_features() & (ANET_CPU_VNNI | ANET_CPU_DOTPROD)) != 0;
}

anet__isa anet__cpu_best(void)
{
  return anet__isa_choose(NULL, anet__cpu_features());
}

anet__isa anet__cpu_chosen(void)
{
  return anet__isa_choose(getenv("ANET_ISA"), anet__cpu_features());
}

const char *anet__isa_name(anet__isa isa)
{
  switch (isa) {
#define X(upper, lower)                                                                            \
  case ANET_ISA_##upper:                                                                           \
    return #lower;
    ANET_ISA_MAP(X)
#undef X
    default:
      return "unknown";
  }
}

bool anet__isa_parse(const char *name, anet__isa *out)
{
  for (int32_t i = 0; i < ANET_ISA_COUNT; i++) {
    if (strcmp(name, anet__isa_name((anet__isa)i)) != 0) continue;
    *out = (anet__isa)i;
    return true;
  }
  return false;
}

/* ---- processors --------------------------------------------------------------------------- */

/* The mask must have room for every processor the kernel knows, else the call says EINVAL. */
int32_t anet__cpu_count(void)
{
  enum { MOST = 1 << 16 };
  for (int32_t room = CPU_SETSIZE; room <= MOST; room *= 2) {
    cpu_set_t *mask = CPU_ALLOC((size_t)room);
    if (!mask) break;
    const size_t bytes = CPU_ALLOC_SIZE((size_t)room);
    const int count = sched_getaffinity(0, bytes, mask) ? 0 : CPU_COUNT_S(bytes, mask);
    CPU_FREE(mask);
    if (count > 0) return count;
  }
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int32_t)online : 1;
}

int32_t anet_cpu_count(void)
{
  return anet__cpu_count();
}

/* ---- fingerprint -------------------------------------------------------------------------- */

enum { FIELD = 128 };

/* A field holds no separator and no blanks at its ends. */
static void set_field(char *field, const char *text)
{
  text += strspn(text, " \t\n");
  snprintf(field, FIELD, "%.*s", FIELD - 1, text);
  size_t length = strcspn(field, "\n");
  while (length > 0 && strchr(" \t", field[length - 1])) length--;
  field[length] = '\0';
  for (char *c = field; *c; c++)
    if (*c == '/') *c = '-';
}

/* "key<tabs>: value" of /proc/cpuinfo; its keys are the architecture's own. */
static bool is_model_line(const char *line)
{
  static const char *const key[] = {"model name", "Model", "Hardware"};
  for (int32_t i = 0; i < ANET_COUNT(key); i++) {
    const size_t length = strlen(key[i]);
    if (strncmp(line, key[i], length) == 0 && strspn(line + length, " \t:") > 0) return true;
  }
  return false;
}

static void read_model(char *field)
{
  struct utsname host;
  set_field(field, uname(&host) == 0 ? host.machine : "unknown");
  FILE *file = fopen("/proc/cpuinfo", "r");
  if (!file) return;
  char line[256];
  while (fgets(line, sizeof line, file)) {
    const char *colon = strchr(line, ':');
    if (!colon || !is_model_line(line)) continue;
    set_field(field, colon + 1);
    break;
  }
  fclose(file);
}

static void read_governor(char *field)
{
  set_field(field, "none");
  FILE *file = fopen("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "r");
  if (!file) return;
  char line[FIELD];
  if (fgets(line, sizeof line, file)) set_field(field, line);
  fclose(file);
}

void anet__cpu_fingerprint(int32_t threads, char *text, size_t size)
{
  char model[FIELD], governor[FIELD];
  read_model(model);
  read_governor(governor);
  snprintf(text, size, "%s/%d/%s/%s/%s", model, threads, governor,
           anet__isa_name(anet__cpu_chosen()), anet_version());
}
