/* How fast each instruction set multiplies and adds when nothing leaves the registers. */
#include <math.h>
#include <string.h>

#include "anet.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/pool.h"
#include "kernel/peak.h"

/* Independent sums: enough to hide the latency of two units, few enough for 16 registers. */
enum { CHAINS = 12 };

/* Every sum goes to 1, so there are never denormals; they are returned so that all must be done. */
#define PEAK(name, lanes, target)                                                                  \
  target static float spin_##name(int64_t turns)                                                   \
  {                                                                                                \
    typedef float vf __attribute__((vector_size((lanes)*4)));                                      \
    vf sum[CHAINS], total = {0};                                                                   \
    const vf keep = 0.5f - (vf){0}, more = 0.5f - (vf){0};                                         \
    for (int i = 0; i < CHAINS; i++) sum[i] = (float)i - (vf){0};                                  \
    for (int64_t t = 0; t < turns; t++) {                                                          \
      _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * keep + more;     \
    }                                                                                              \
    for (int i = 0; i < CHAINS; i++) total += sum[i];                                              \
    return total[0];                                                                               \
  }

PEAK(base, 4, )
#if defined(__x86_64__)
PEAK(avx2, 8, __attribute__((target("avx2,fma"))))
PEAK(avx512, 16, __attribute__((target("avx512f,fma"))))
#endif

typedef struct spinner {
  float (*spin)(int64_t turns);
  int32_t lanes;
} spinner;

/* SSE2, NEON and what the compiler makes of the plain kernels have 4 lanes. */
static spinner spinner_of(anet__isa isa)
{
  switch (isa) {
#if defined(__x86_64__)
    case ANET_ISA_AVX2:
      return (spinner){spin_avx2, 8};
    case ANET_ISA_AVX512:
      return (spinner){spin_avx512, 16};
#endif
    default:
      return (spinner){spin_base, 4};
  }
}

enum { TURNS = 100000, ROUNDS = 20 };

typedef struct spin_job {
  spinner by;
  float *sink; /* (parts) */
} spin_job;

static void spin_part(void *context, int32_t part, int32_t worker)
{
  const spin_job *job = context;
  const float sum = job->by.spin(TURNS);
  if (part == 0) *job->sink = sum;
}

int anet__isa_named(const char *name, const anet__kernels **out)
{
  anet__isa isa;
  *out = NULL;
  if (!name) *out = anet__kernels_best();
  if (!*out && anet__isa_parse(name, &isa)) *out = anet__kernels_for(isa);
  return *out ? ANET_OK : anet_fail(ANET_ABSENT, "this machine has no kernels '%s'", name);
}

int anet_isa_peak(const char *isa, anet_pool *pool, double *flops)
{
  const anet__kernels *kernels;
  float sink;
  *flops = 0;
  ANET_TRY(anet__isa_named(isa, &kernels));
  const int32_t parts = anet__pool_workers(pool);
  spin_job job = {spinner_of(kernels->isa), &sink};
  double best = INFINITY;
  for (int32_t round = 0; round < ROUNDS; round++) {
    ANET_TRY(anet__pool_check(pool));
    const int64_t begin = anet__now_ns();
    anet__pool_run(pool, spin_part, &job, parts);
    best = fmin(best, (double)(anet__now_ns() - begin));
  }
  *flops = 2e9 * CHAINS * TURNS * job.by.lanes * parts / best;
  return ANET_OK;
}

const char *anet_isa_at(int32_t index)
{
  for (int32_t isa = 0; isa < ANET_ISA_COUNT; isa++)
    if (anet__kernels_for((anet__isa)isa) && index-- == 0) return anet__isa_name((anet__isa)isa);
  return NULL;
}
