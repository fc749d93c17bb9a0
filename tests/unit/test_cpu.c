/* Which instruction set a processor gets, over all processors there can be; how many processors a
 * process has, and what they are called, as other machines say it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cpu.h"
#include "support/scratch.h"
#include "support/test.h"

/* ---- instruction sets --------------------------------------------------------------------- */

static const uint32_t WIDE =
    ANET_CPU_AVX512F | ANET_CPU_AVX512DQ | ANET_CPU_AVX512BW | ANET_CPU_AVX512VL;

static anet__isa best_of(uint32_t features)
{
  return anet__isa_choose(NULL, features);
}

TEST(the_best_set_that_a_processor_has)
{
  for (uint32_t bits = 0; bits < 1 << 7; bits++) {
    const bool fma = bits & ANET_CPU_FMA;
    const bool avx2 = fma && bits & ANET_CPU_AVX2, avx512 = fma && (bits & WIDE) == WIDE;
    CHECK_EQ_I(best_of(bits | ANET_CPU_X86), avx512 ? ANET_ISA_AVX512
                                             : avx2 ? ANET_ISA_AVX2
                                                    : ANET_ISA_SSE2);
    CHECK_EQ_I(anet__isa_runs(ANET_ISA_AVX2, bits | ANET_CPU_X86), avx2);
    CHECK_EQ_I(best_of(bits), ANET_ISA_REF); /* bits that mean nothing elsewhere */
    CHECK_EQ_I(best_of(bits | ANET_CPU_ARM), ANET_ISA_NEON);
    CHECK(!anet__isa_runs(ANET_ISA_NEON, bits | ANET_CPU_X86));
    CHECK(anet__isa_runs(ANET_ISA_REF, bits));
    CHECK(!anet__isa_runs(ANET_ISA_COUNT, bits | ANET_CPU_X86 | ANET_CPU_ARM));
  }
}

TEST(a_name_is_taken_where_the_processor_has_it)
{
  const uint32_t old = ANET_CPU_X86, full = ANET_CPU_X86 | ANET_CPU_AVX2 | ANET_CPU_FMA | WIDE;
  CHECK_EQ_I(anet__isa_choose("ref", full), ANET_ISA_REF);
  CHECK_EQ_I(anet__isa_choose("sse2", full), ANET_ISA_SSE2);
  CHECK_EQ_I(anet__isa_choose("avx2", full), ANET_ISA_AVX2);
  CHECK_EQ_I(anet__isa_choose("avx512", full), ANET_ISA_AVX512);
  CHECK_EQ_I(anet__isa_choose("avx2", old), ANET_ISA_SSE2);
  CHECK_EQ_I(anet__isa_choose("neon", full), ANET_ISA_AVX512);
  CHECK_EQ_I(anet__isa_choose("sse2", ANET_CPU_ARM), ANET_ISA_NEON);
  static const char *const wrong[] = {"", "AVX2", "avx", "avx2 ", "avx5122", "unknown"};
  for (int i = 0; i < ANET_COUNT(wrong); i++)
    CHECK_EQ_I(anet__isa_choose(wrong[i], full), ANET_ISA_AVX512);
}

/* This machine is what the questions about it are asked of. */
TEST(this_machine)
{
  const uint32_t here = anet__cpu_features();
  anet__isa isa;
  unsetenv("ANET_ISA");
  CHECK_EQ_I(anet__cpu_best(), best_of(here));
  CHECK_EQ_I(anet__cpu_chosen(), best_of(here));
  for (int32_t i = 0; i <= ANET_ISA_COUNT; i++) {
    const char *name = anet__isa_name((anet__isa)i);
    CHECK_EQ_I(anet__cpu_has((anet__isa)i), anet__isa_runs((anet__isa)i, here));
    CHECK_EQ_I(anet__isa_parse(name, &isa), i < ANET_ISA_COUNT);
    setenv("ANET_ISA", name, 1);
    CHECK_EQ_I(anet__cpu_chosen(), anet__isa_choose(name, here));
  }
  unsetenv("ANET_ISA");
  CHECK_EQ_S(anet__isa_name(ANET_ISA_COUNT), "unknown");
  CHECK_EQ_I(anet__cpu_dots(), (here & (ANET_CPU_VNNI | ANET_CPU_DOTPROD)) != 0);
#if defined(__x86_64__) || defined(__aarch64__)
  CHECK(anet__cpu_best() != ANET_ISA_REF);
#endif
}

#if defined(__x86_64__)
/* The flags of the first processor, as the kernel lists them. */
static bool is_flag(const char *line, const char *flag)
{
  const size_t length = strlen(flag);
  for (const char *at = line; (at = strstr(at, flag)); at += length)
    if (at[-1] == ' ' && strchr(" \n", at[length])) return true;
  return false;
}

TEST(features_are_those_the_kernel_lists)
{
  static char line[8192];
  FILE *file = fopen("/proc/cpuinfo", "r");
  bool found = false;
  while (file && !found && fgets(line, sizeof line, file)) found = !strncmp(line, "flags", 5);
  if (file) fclose(file);
  if (!found) {
    printf("features_are_those_the_kernel_lists: skipped, no flags in /proc/cpuinfo\n");
    return;
  }
  const uint32_t here = anet__cpu_features();
  CHECK(here & ANET_CPU_X86 && !(here & (ANET_CPU_ARM | ANET_CPU_DOTPROD)));
  CHECK_EQ_I((here & ANET_CPU_VNNI) != 0, is_flag(line, "avx512_vnni"));
#define X(upper, bit, name)                                                                        \
  if (ANET_CPU_##upper != ANET_CPU_VNNI)                                                           \
    CHECK_EQ_I((here & ANET_CPU_##upper) != 0, is_flag(line, name));
  ANET_CPU_X86_MAP(X)
#undef X
}
#endif

/* ---- processors: this program's own kernel ------------------------------------------------- */

static struct {
  bool faked;
  int32_t known; /* processors: a smaller mask is refused */
  int32_t allowed, online;
  size_t asked[32]; /* bytes of the masks */
  int32_t calls;
} kernel;

int sched_getaffinity(pid_t process, size_t bytes, cpu_set_t *mask)
{
  if (!kernel.faked) return syscall(SYS_sched_getaffinity, process, bytes, mask) < 0 ? -1 : 0;
  if (kernel.calls < ANET_COUNT(kernel.asked)) kernel.asked[kernel.calls] = bytes;
  kernel.calls++;
  if (bytes * 8 < (size_t)kernel.known) {
    errno = EINVAL;
    return -1;
  }
  CPU_ZERO_S(bytes, mask);
  for (int32_t i = 0; i < kernel.allowed; i++)
    CPU_SET_S((size_t)(kernel.known - 1 - i), bytes, mask);
  return 0;
}

long sysconf(int name)
{
  if (name == _SC_NPROCESSORS_ONLN) return kernel.online;
  return name == _SC_PAGESIZE ? 4096 : -1;
}

static int32_t count_of(int32_t known, int32_t allowed, int32_t online)
{
  kernel.faked = true;
  kernel.known = known;
  kernel.allowed = allowed;
  kernel.online = online;
  kernel.calls = 0;
  const int32_t count = anet__cpu_count();
  CHECK_EQ_I(anet_cpu_count(), count);
  kernel.faked = false;
  return count;
}

TEST(processors_are_those_that_the_process_may_use)
{
  CHECK_EQ_I(count_of(1, 1, 9), 1);
  CHECK_EQ_I(count_of(64, 3, 9), 3);
  CHECK_EQ_I(count_of(1024, 1024, 9), 1024);
  CHECK_EQ_I(kernel.calls, 2); /* one a question: the first mask had room */
  CHECK_EQ_I(count_of(1025, 7, 9), 7);
  CHECK_EQ_I(kernel.asked[0], 1024 / 8);
  CHECK_EQ_I(kernel.asked[1], 2048 / 8);
  CHECK_EQ_I(count_of(65536, 5, 9), 5);
  CHECK_EQ_I(count_of(65537, 5, 9), 9); /* more than any kernel has: what is online */
  CHECK_EQ_I(count_of(65537, 5, 1), 1);
  CHECK_EQ_I(count_of(65537, 5, 0), 1);
  CHECK_EQ_I(count_of(65537, 5, -1), 1);
  CHECK_EQ_I(count_of(64, 0, 6), 6); /* an empty mask is none */
}

/* ---- the fingerprint: files as recorded on other machines ----------------------------------- */

static char folder[SCRATCH_PATH];
static bool recorded, no_name;

FILE *fopen(const char *path, const char *mode)
{
  char at[SCRATCH_PATH];
  if (recorded) {
    if (strcmp(path, "/proc/cpuinfo") == 0)
      test_scratch_path(folder, "cpuinfo", at);
    else if (strstr(path, "/cpu0/cpufreq/scaling_governor"))
      test_scratch_path(folder, "governor", at);
    else
      return NULL;
    path = at;
  }
  const int file =
      open(path, *mode == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  return file < 0 ? NULL : fdopen(file, mode);
}

int uname(struct utsname *out)
{
  memset(out, 0, sizeof *out);
  snprintf(out->machine, sizeof out->machine, "riscv64");
  return no_name ? -1 : 0;
}

static void check_fingerprint(const char *cpuinfo, const char *governor, const char *want)
{
  char text[512], whole[512];
  test_scratch_new(folder);
  if (cpuinfo) test_scratch_write(folder, "cpuinfo", cpuinfo, strlen(cpuinfo));
  if (governor) test_scratch_write(folder, "governor", governor, strlen(governor));
  recorded = true;
  setenv("ANET_ISA", "ref", 1);
  anet__cpu_fingerprint(3, text, sizeof text);
  unsetenv("ANET_ISA");
  recorded = false;
  snprintf(whole, sizeof whole, "%s/ref/%s", want, anet_version());
  CHECK_EQ_S(text, whole);
  test_scratch_remove(folder);
}

TEST(fingerprints_of_other_machines)
{
  check_fingerprint("processor\t: 0\nvendor_id\t: GenuineIntel\n"
                    "model name\t: Intel(R) Xeon(R) CPU/E5 @ 2.20GHz  \nmodel name\t: other\n",
                    "performance\n", "Intel(R) Xeon(R) CPU-E5 @ 2.20GHz/3/performance");
  check_fingerprint("processor\t: 0\nBogoMIPS\t: 108.00\nHardware\t: BCM2835\n"
                    "Model\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
                    NULL, "BCM2835/3/none");
  check_fingerprint("BogoMIPS\t: 1\nModel\t\t:\tRaspberry Pi 4\t\n", " on demand / slow \n",
                    "Raspberry Pi 4/3/on demand - slow");
  /* a key that only begins so, one without a value, no file */
  check_fingerprint("Modelling\t: x\nmodel name\nmodel\t: 85\n", "", "riscv64/3/none");
  check_fingerprint("model name: no tab\n", "x", "no tab/3/x");
  check_fingerprint(NULL, NULL, "riscv64/3/none");
  no_name = true;
  check_fingerprint(NULL, NULL, "unknown/3/none");
  no_name = false;
}

TEST(fields_are_cut_and_the_text_ends)
{
  char cpuinfo[400], want[300], text[10];
  memset(cpuinfo, 'y', sizeof cpuinfo);
  memcpy(cpuinfo, "model name: ", 12);
  cpuinfo[sizeof cpuinfo - 1] = 0;
  memset(want, 'y', 127);
  snprintf(want + 127, sizeof want - 127, "/3/none");
  check_fingerprint(cpuinfo, NULL, want);
  anet__cpu_fingerprint(12, text, sizeof text);
  CHECK_EQ_I(strlen(text), 9);
}

#if defined(__x86_64__)
#define FLAGS CASE(features_are_those_the_kernel_lists),
#else
#define FLAGS
#endif
TEST_MAIN(FLAGS CASE(the_best_set_that_a_processor_has),
          CASE(a_name_is_taken_where_the_processor_has_it), CASE(this_machine),
          CASE(processors_are_those_that_the_process_may_use), CASE(fingerprints_of_other_machines),
          CASE(fields_are_cut_and_the_text_ends))
