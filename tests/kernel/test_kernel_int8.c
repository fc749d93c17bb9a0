/* Kernels on whole numbers against ref, on every table of this machine. Scales are powers of two
 * and shifts whole numbers, so that epilogues are exact and all results equal ref's to the bit. */
#include "compare.h"
#include "kernel/int8.h"

enum { FENCE = 64 };

/* bytes between fences */
typedef struct bytes {
  uint8_t *memory, *v;
  size_t n;
} bytes;

static bytes bytes_new(size_t n)
{
  bytes b = {.memory = malloc(n + 2 * FENCE), .n = n};
  if (!b.memory) abort();
  memset(b.memory, 0xa5, n + 2 * FENCE);
  b.v = b.memory + FENCE;
  for (size_t i = 0; i < n; i++) b.v[i] = (uint8_t)roll(0, 255);
  return b;
}

static void bytes_free(bytes *b)
{
  for (int32_t i = 0; i < FENCE; i++) {
    CHECK_EQ_I(b->memory[i], 0xa5);
    CHECK_EQ_I(b->v[b->n + (size_t)i], 0xa5);
  }
  free(b->memory);
}

static int8_t weight(int32_t extreme)
{
  return (int8_t)(extreme ? (roll(0, 1) ? 127 : -127) : roll(-127, 127));
}

/* What a table's offset takes from the sums comes back by the shift. */
static void shift_for(const anet__int8 *k, const int8_t *w, size_t terms, size_t channels,
                      float scale, float *shift)
{
  for (size_t c = 0; c < channels; c++) {
    int32_t sum = 0;
    for (size_t t = 0; t < terms; t++) sum += w[t * channels + c];
    shift[c] = (float)((int32_t)(c % 5) - 2) + scale * (float)(k->offset * sum);
  }
}

static const anet__int8 *reference(void)
{
  return anet__int8_at(0);
}

#define EACH_TABLE(k)                                                                              \
  for (int32_t k##_i = 0; anet__int8_at(k##_i); k##_i++)                                           \
    for (const anet__int8 *k = anet__int8_at(k##_i); k; k = NULL)

/* mode bits: 1 bytes, 2 add, 4 clamp */
static anet__int8_post post_of(int32_t mode, const float *scale, const float *shift,
                               const float *add, size_t add_ld)
{
  return (anet__int8_post){.scale = scale,
                           .shift = shift,
                           .add = mode & 2 ? add : NULL,
                           .add_ld = add_ld,
                           .add_scale = 0.5f,
                           .low = mode & 4   ? 3.0f
                                  : mode & 1 ? 0.0f
                                             : -INFINITY,
                           .high = mode & 4   ? 90.0f
                                   : mode & 1 ? 255.0f
                                              : INFINITY,
                           .bytes = mode & 1};
}

static void check_same(const char *table, const void *got, const void *want, size_t n,
                       bool as_bytes)
{
  for (size_t i = 0; i < n; i++) {
    const double g = as_bytes ? ((const uint8_t *)got)[i] : ((const float *)got)[i];
    const double w = as_bytes ? ((const uint8_t *)want)[i] : ((const float *)want)[i];
    if (g == w) continue;
    TEST_FAIL("case %" PRId64 ", %s: element %zu is %g, ref says %g", seed, table, i, g, w);
    return;
  }
  test_checks++;
}

static float power_of_two(int32_t terms)
{
  float scale = 1.0f;
  for (; terms > 0; terms /= 2) scale *= 0.5f;
  return scale / 32;
}

static void conv_case(int32_t mode)
{
  const int32_t taps = roll(1, 9), cin = roll(1, 40), cout = roll(1, 70), rows = roll(1, 40);
  const int32_t extreme = roll(0, 3) == 0;
  const size_t ld = (size_t)cout + (size_t)roll(0, 3), out = (size_t)rows * ld;
  const size_t terms = (size_t)taps * (size_t)cin;
  const float k = power_of_two((int32_t)terms);
  bytes x = bytes_new(4096);
  const uint8_t **tap = malloc((size_t)(rows * taps) * sizeof *tap);
  int8_t *w = malloc(terms * (size_t)cout);
  float *scale = malloc((size_t)cout * 4), *shift = malloc((size_t)cout * 4),
        *add = malloc(out * 4);
  for (int32_t i = 0; i < rows * taps; i++) tap[i] = x.v + roll(0, 4096 - 44);
  for (size_t i = 0; i < terms * (size_t)cout; i++) w[i] = weight(extreme);
  for (int32_t c = 0; c < cout; c++) scale[c] = c % 3 ? k : -2 * k;
  for (size_t i = 0; i < out; i++) add[i] = (float)roll(-50, 50);
  bytes want = bytes_new(out * 4);
  EACH_TABLE(t)
  {
    bytes y = bytes_new(out * 4), packed = bytes_new(t->conv_pack_size(taps, cin, cout));
    memset(y.v, 7, y.n);
    shift_for(t, w, terms, (size_t)cout, 1, shift);
    for (int32_t c = 0; c < cout; c++)
      shift[c] = (float)(c % 5) + scale[c] * (shift[c] - (float)(c % 5 - 2));
    t->conv_pack((int8_t *)packed.v, w, taps, cin, cout);
    t->conv(&(anet__int8_conv_args){.tap = tap,
                                    .rows = rows,
                                    .taps = taps,
                                    .cin = cin,
                                    .cout = cout,
                                    .packed = (int8_t *)packed.v,
                                    .out = y.v,
                                    .out_ld = ld,
                                    .post = post_of(mode, scale, shift, add, ld)});
    if (t == reference()) memcpy(want.v, y.v, y.n);
    check_same(t->name, y.v, want.v, out, mode & 1);
    bytes_free(&packed);
    bytes_free(&y);
  }
  bytes_free(&want);
  bytes_free(&x);
  free(tap), free(w), free(scale), free(shift), free(add);
}

TEST(convolutions)
{
  for (int32_t i = 0; i < 300; i++) {
    reseed(i);
    conv_case(i % 8);
  }
}

static void depthwise_case(int32_t mode, int32_t high, int32_t kernel)
{
  const int32_t columns = roll(1, 15), pad = roll(0, kernel - 1), stride = roll(1, 2);
  const int32_t step = roll(0, 4) ? 1 : 2, reach = (kernel - 1) * step + 1;
  const int32_t pixels = columns + 2 * pad < reach ? 1 : (columns + 2 * pad - reach) / stride + 1;
  const size_t channels = (size_t)roll(1, 100), terms = (size_t)(high * kernel),
               out = (size_t)pixels * channels;
  const float k = power_of_two((int32_t)terms);
  const int32_t extreme = roll(0, 3) == 0;
  bytes x = bytes_new((size_t)(high * columns) * channels);
  const uint8_t *line[8];
  int8_t *w = malloc(terms * channels);
  float *scale = malloc(channels * 4), *shift = malloc(channels * 4), *add = malloc(out * 4);
  for (int32_t i = 0; i < high; i++)
    line[i] = roll(0, 3) ? x.v + (size_t)(i * columns) * channels : NULL;
  for (size_t i = 0; i < terms * channels; i++) w[i] = weight(extreme);
  for (size_t i = 0; i < out; i++) add[i] = (float)roll(-50, 50);
  bytes want = bytes_new(out * 4);
  const uint8_t zero = (uint8_t)roll(0, 255);
  EACH_TABLE(t)
  {
    bytes y = bytes_new(out * 4);
    bytes packed = bytes_new(t->depthwise_pack_size(high, kernel, (int32_t)channels));
    memset(y.v, 7, y.n);
    for (size_t c = 0; c < channels; c++) scale[c] = c % 3 ? k : -2 * k;
    shift_for(t, w, terms, channels, 1, shift);
    for (size_t c = 0; c < channels; c++)
      shift[c] = (float)(c % 5) + scale[c] * (shift[c] - (float)((int32_t)(c % 5) - 2));
    t->depthwise_pack((int8_t *)packed.v, w, high, kernel, (int32_t)channels);
    t->depthwise(&(anet__int8_depthwise_args){.line = line,
                                              .kernel = {high, kernel},
                                              .stride = stride,
                                              .offset = -pad,
                                              .step = step,
                                              .columns = columns,
                                              .pixels = pixels,
                                              .channels = (int32_t)channels,
                                              .zero = zero,
                                              .packed = (int8_t *)packed.v,
                                              .out = y.v,
                                              .post = post_of(mode, scale, shift, add, channels)});
    if (t == reference()) memcpy(want.v, y.v, y.n);
    check_same(t->name, y.v, want.v, out, mode & 1);
    bytes_free(&packed);
    bytes_free(&y);
  }
  bytes_free(&want);
  bytes_free(&x);
  free(w), free(scale), free(shift), free(add);
}

TEST(depthwise)
{
  static const int32_t kernels[][2] = {{3, 3}, {3, 3}, {3, 3}, {5, 5}, {1, 1},
                                       {2, 2}, {3, 2}, {2, 3}, {1, 5}};
  for (int32_t i = 0; i < 600; i++) {
    reseed(i);
    depthwise_case(i % 8, kernels[i % 9][0], kernels[i % 9][1]);
  }
}

TEST(quantize)
{
  static const float hostile[] = {INFINITY, -INFINITY, NAN,   0.5f, 1.5f,
                                  254.5f,   255.5f,    -0.0f, 1e9f, -1e9f};
  for (int32_t i = 0; i < 60; i++) {
    reseed(i);
    const size_t n = (size_t)roll(1, 90);
    float x[96];
    for (size_t j = 0; j < n; j++)
      x[j] = j % 4 ? noise() * 100 : hostile[roll(0, ANET_COUNT(hostile) - 1)];
    bytes want = bytes_new(n);
    anet__ref_int8_quantize(want.v, x, n, 0.5f, 3.0f);
    EACH_TABLE(t)
    {
      bytes got = bytes_new(n);
      t->quantize(got.v, x, n, 0.5f, 3.0f);
      check_same(t->name, got.v, want.v, n, true);
      bytes_free(&got);
    }
    bytes_free(&want);
  }
}

TEST(best_tables)
{
  CHECK_EQ_S(anet__int8_for(ANET_ISA_REF)->name, "ref");
  int32_t count = 0;
  while (anet__int8_at(count)) count++;
  const anet__int8 *best = anet__int8_for(anet__cpu_best());
  CHECK(best == anet__int8_at(count - 1));
}

TEST_MAIN(CASE(convolutions), CASE(depthwise), CASE(quantize), CASE(best_tables))
