/* Speed of kernels: every case says what it is, and those that are short run. */
#include "support/fault.h"

TEST(peak)
{
  double flops;
  const char *isa;
  int32_t count = 0;
  for (; (isa = anet_isa_at(count)); count++) {
    CHECK_OK(anet_isa_peak(isa, NULL, &flops));
    CHECK(flops > 0 && isfinite(flops));
  }
  CHECK(count >= 2); /* ref and a vector one */
  CHECK(anet_isa_at(-1) == NULL);
  CHECK_OK(anet_isa_peak(NULL, NULL, &flops));
  CHECK_FAILS(anet_isa_peak("sse9", NULL, &flops), ANET_ABSENT, "'sse9'");
  CHECK(flops == 0);
}

TEST(every_case)
{
  const double MOST = 3e7;
  anet_kernel_speed s;
  int32_t products = 0, timed = 0;
  for (int32_t i = 0; i < anet_kernel_cases(); i++) {
    CHECK_OK(anet_kernel_time(i, NULL, 0, &s));
    CHECK(s.name[0] && s.ns == 0 && s.sgemm_ns == 0);
    products += s.flops > 0;
    if (s.flops > MOST) continue; /* takes too long to emulate */
    CHECK_OK(anet_kernel_time(i, NULL, 1e-3, &s));
    CHECK(s.name[0] && s.shape[0] && s.ns > 0 && isfinite(s.ns) && s.bytes > 0);
    CHECK((s.sgemm_ns > 0) == (strncmp(s.name, "conv", 4) == 0));
    CHECK((s.sgemm_core[0] != 0) == (s.sgemm_ns > 0));
    timed += s.flops > 0;
  }
  CHECK(timed >= 8 && products > timed && products < anet_kernel_cases());
  char words[80];
  snprintf(words, sizeof words, "kernel case -1, there are %d", anet_kernel_cases());
  CHECK_FAILS(anet_kernel_time(-1, NULL, 0, &s), ANET_RANGE, words);
  CHECK_FAILS(anet_kernel_time(anet_kernel_cases(), NULL, 0, &s), ANET_RANGE, "there are");
  CHECK_FAILS(anet_kernel_time(0, "sse9", 0, &s), ANET_ABSENT, "'sse9'");
}

/* The operations of a 3x3 convolution from 3 to 16 channels on 4 images of 28 x 28, the first case.
 */
TEST(operations)
{
  anet_kernel_speed s;
  CHECK_OK(anet_kernel_time(0, "ref", 0, &s));
  CHECK_EQ_S(s.name, "conv");
  CHECK_EQ_S(s.shape, "4x28x28 k3 3->16");
  CHECK_NEAR(s.flops, 2.0 * 4 * 28 * 28 * 9 * 3 * 16, 0);
}

static int first_case(void *context)
{
  return anet_kernel_time(0, NULL, 1e-3, context);
}

static int last_case(void *context)
{
  return anet_kernel_time(anet_kernel_cases() - 1, NULL, 1e-3, context);
}

TEST(memory)
{
  anet_kernel_speed s;
  test_each_allocation(first_case, &s);
  test_each_allocation(last_case, &s);
}

TEST(mark)
{
  const anet_shape shape = {1, {1000}};
  anet_memory before, after;
  anet_tensor *t;
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &t));
  anet_tensor_release(t);
  anet_memory_mark();
  anet_memory_read(&before);
  CHECK(before.peak_bytes == before.live_bytes);
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &t));
  anet_tensor_release(t);
  anet_memory_read(&after);
  CHECK(after.peak_bytes >= before.live_bytes + 4000);
  CHECK(after.live_bytes == before.live_bytes);
}

TEST_MAIN(CASE(peak), CASE(every_case), CASE(operations), CASE(memory), CASE(mark))
