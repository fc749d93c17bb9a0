/* Bytes on AVX-512 VNNI: four products a lane and instruction. */
#include "kernel/avx512.inc"

#include "kernel/int8.h"

enum { INT8_GROUP = 4, INT8_OFFSET = 0 };
#define ANET_INT8_TILES(X, v) ANET_UP_TO_14(X, v)

typedef struct int8_x {
  vi v[1];
} int8_x;

ANET_FORCE int8_x v_four(const uint8_t *p)
{
  return (int8_x){{(vi)_mm512_broadcastd_epi32(_mm_loadu_si32(p))}};
}

ANET_FORCE vi v_weights(const int8_t *w)
{
  return (vi)_mm512_loadu_si512(w);
}

ANET_FORCE vi v_dot(vi sum, vi x, vi w)
{
  return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)w);
}

#include "kernel/avx512_bytes.inc"
#include "kernel/int8.inc"

/* -- depthwise 3 x 3: four bytes of a lane are the three lines of a column, and a zero -------------------
 *
 * A block is 32 channels. Interleaving the bytes of lines puts them in another order, a vector (of 8) q, q = 0 .. 3,
 * has channels {4q .. 4q+3} and {16+4q .. 16+4q+3} of the block; packing the sums as bytes undoes it.
 * Packed weights: (blocks, columns 3, q 4, lane 8, line 4), lines 3 and channels beyond the last zero.
 */

enum { WIDE = 32, QUARTERS = 4 };

static bool is_square(int32_t rows, int32_t columns)
{
  return rows == 3 && columns == 3;
}

static int32_t channel_of(int32_t q, int32_t lane)
{
  return lane / 4 * 16 + 4 * q + lane % 4;
}

static size_t vnni_depthwise_pack_size(int32_t rows, int32_t columns, int32_t channels)
{
  if (!is_square(rows, columns)) return plain_depthwise_pack_size(rows, columns, channels);
  return (size_t)((channels + WIDE - 1) / WIDE) * 3 * WIDE * 4;
}

static void vnni_depthwise_pack(int8_t *packed, const int8_t *w, int32_t rows, int32_t columns,
                                int32_t channels)
{
  if (!is_square(rows, columns)) {
    plain_depthwise_pack(packed, w, rows, columns, channels);
    return;
  }
  for (int32_t c0 = 0; c0 < channels; c0 += WIDE)
    for (int32_t kx = 0; kx < 3; kx++)
      for (int32_t i = 0; i < WIDE; i++)
        for (int32_t ky = 0; ky < 4; ky++) {
          const int32_t c = c0 + channel_of(i / 8, i % 8);
          const size_t at = (size_t)(ky * 3 + kx) * (size_t)channels + (size_t)c;
          *packed++ = ky < 3 && c < channels ? w[at] : 0;
        }
}

/* A column of the image as operands of vpdpbusd. */
typedef struct column {
  __m256i q[QUARTERS];
} column;

typedef struct lines_at {
  const uint8_t *line[3]; /* at the block's channels of column 0 */
  size_t pixel[3];        /* 0: the line is padding */
  int32_t columns;
  __mmask32 mask; /* of the block's channels */
  __m256i zero;
} lines_at;

ANET_FORCE column interleave(__m256i a, __m256i b, __m256i c)
{
  const __m256i none = _mm256_setzero_si256();
  const __m256i ab0 = _mm256_unpacklo_epi8(a, b), ab1 = _mm256_unpackhi_epi8(a, b);
  const __m256i c0 = _mm256_unpacklo_epi8(c, none), c1 = _mm256_unpackhi_epi8(c, none);
  return (column){{_mm256_unpacklo_epi16(ab0, c0), _mm256_unpackhi_epi16(ab0, c0),
                   _mm256_unpacklo_epi16(ab1, c1), _mm256_unpackhi_epi16(ab1, c1)}};
}

ANET_FORCE column column_at(const lines_at *l, int32_t x, const bool whole)
{
  __m256i v[3];
  if (x < 0 || x >= l->columns) return interleave(l->zero, l->zero, l->zero);
  ANET_TIMES (k, 3) {
    const uint8_t *p = l->line[k] + (size_t)x * l->pixel[k];
    v[k] = whole ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskz_loadu_epi8(l->mask, p);
  }
  return interleave(v[0], v[1], v[2]);
}

/* The post of a block, in the order of the sums. */
typedef struct block_post {
  __m256 scale[QUARTERS], shift[QUARTERS];
  const anet__int8_post *post;
  int32_t c0, n;
} block_post;

static block_post block_post_load(const anet__int8_post *post, int32_t c0, int32_t n)
{
  float scale[WIDE] = {0}, shift[WIDE] = {0};
  for (int32_t i = 0; i < WIDE; i++) {
    const int32_t c = channel_of(i / 8, i % 8);
    if (c < n) scale[i] = post->scale[c0 + c], shift[i] = post->shift[c0 + c];
  }
  block_post b = {.post = post, .c0 = c0, .n = n};
  ANET_TIMES (q, QUARTERS) {
    b.scale[q] = _mm256_loadu_ps(scale + 8 * q);
    b.shift[q] = _mm256_loadu_ps(shift + 8 * q);
  }
  return b;
}

/* Sums as bytes, the channels in their own order again. */
ANET_FORCE void store_block_bytes(uint8_t *out, const __m256 *v, __mmask32 mask, const bool whole)
{
  __m256i i[QUARTERS];
  ANET_TIMES (q, QUARTERS) i[q] = _mm256_cvtps_epi32(v[q]);
  const __m256i low = _mm256_packs_epi32(i[0], i[1]), high = _mm256_packs_epi32(i[2], i[3]);
  const __m256i bytes = _mm256_packus_epi16(low, high);
  if (whole)
    _mm256_storeu_si256((__m256i *)out, bytes);
  else
    _mm256_mask_storeu_epi8(out, mask, bytes);
}

static void store_block_floats(float *out, const __m256 *v, const block_post *b)
{
  float value[WIDE];
  ANET_TIMES (q, QUARTERS) _mm256_storeu_ps(value + 8 * q, v[q]);
  for (int32_t i = 0; i < WIDE; i++) {
    const int32_t c = channel_of(i / 8, i % 8);
    if (c < b->n) out[c] = value[i];
  }
}

/* An addition is rare behind a depthwise convolution. */
static void add_block(const block_post *b, size_t row, __m256 *v)
{
  float add[WIDE] = {0};
  const float *from = b->post->add + row * b->post->add_ld + b->c0;
  for (int32_t i = 0; i < WIDE; i++) {
    const int32_t c = channel_of(i / 8, i % 8);
    if (c < b->n) add[i] = b->post->add_scale * from[c];
  }
  ANET_TIMES (q, QUARTERS) v[q] = _mm256_add_ps(v[q], _mm256_loadu_ps(add + 8 * q));
}

ANET_FORCE void store_block(const anet__int8_depthwise_args *a, const __m256i *sum,
                            const block_post *b, int32_t x, __mmask32 mask, const bool whole)
{
  const size_t at = (size_t)x * (size_t)a->channels + (size_t)b->c0;
  const __m256 low = _mm256_set1_ps(a->post.low), high = _mm256_set1_ps(a->post.high);
  __m256 v[QUARTERS];
  ANET_TIMES (q, QUARTERS)
    v[q] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[q]), b->scale[q], b->shift[q]);
  if (ANET_UNLIKELY(b->post->add)) add_block(b, (size_t)x, v);
  ANET_TIMES (q, QUARTERS) v[q] = _mm256_min_ps(high, _mm256_max_ps(low, v[q]));
  if (a->post.bytes)
    store_block_bytes((uint8_t *)a->out + at, v, mask, whole);
  else
    store_block_floats((float *)a->out + at, v, b);
}

/* One pixel of a block from its three columns. */
ANET_FORCE void block_pixel(const anet__int8_depthwise_args *a, const int8_t *w, const column *c0,
                            const column *c1, const column *c2, const block_post *b, int32_t x,
                            __mmask32 mask, const bool whole)
{
  const column *c[3] = {c0, c1, c2};
  __m256i sum[QUARTERS];
  ANET_TIMES (q, QUARTERS) sum[q] = _mm256_setzero_si256();
  ANET_TIMES (k, 3)
    ANET_TIMES (q, QUARTERS) {
      const __m256i weight = _mm256_loadu_si256((const __m256i *)(w + (k * QUARTERS + q) * WIDE));
      sum[q] = _mm256_dpbusd_epi32(sum[q], c[k]->q[q], weight);
    }
  store_block(a, sum, b, x, mask, whole);
}

/* The columns of a pixel that the next one reads as well stay in registers. */
ANET_FORCE void block_line(const anet__int8_depthwise_args *a, const lines_at *l, const int8_t *w,
                           const block_post *b, const bool whole)
{
  const int32_t stride = a->stride, first = a->offset;
  int32_t x = 0;
  if (stride == 1 && a->step == 1) {
    column c0 = column_at(l, first, whole), c1 = column_at(l, first + 1, whole), c2;
    for (; x + 3 <= a->pixels; x += 3) {
      c2 = column_at(l, first + x + 2, whole);
      block_pixel(a, w, &c0, &c1, &c2, b, x, l->mask, whole);
      c0 = column_at(l, first + x + 3, whole);
      block_pixel(a, w, &c1, &c2, &c0, b, x + 1, l->mask, whole);
      c1 = column_at(l, first + x + 4, whole);
      block_pixel(a, w, &c2, &c0, &c1, b, x + 2, l->mask, whole);
    }
  }
  for (; x < a->pixels; x++) {
    const int32_t at = first + x * stride;
    const column c0 = column_at(l, at, whole), c1 = column_at(l, at + a->step, whole);
    const column c2 = column_at(l, at + 2 * a->step, whole);
    block_pixel(a, w, &c0, &c1, &c2, b, x, l->mask, whole);
  }
}

static void vnni_depthwise(const anet__int8_depthwise_args *a)
{
  if (!is_square(a->kernel[0], a->kernel[1])) {
    plain_depthwise(a);
    return;
  }
  uint8_t outside[WIDE];
  memset(outside, a->zero, sizeof outside);
  const int8_t *w = a->packed;
  for (int32_t c = 0; c < a->channels; c += WIDE, w += 3 * WIDE * 4) {
    const int32_t n = ANET_MIN(WIDE, a->channels - c);
    const block_post post = block_post_load(&a->post, c, n);
    lines_at l = {.columns = a->columns, .zero = _mm256_set1_epi8((char)a->zero)};
    l.mask = (__mmask32)(n == WIDE ? ~0u : (1u << n) - 1u);
    for (int32_t k = 0; k < 3; k++) {
      l.line[k] = a->line[k] ? a->line[k] + c : outside;
      l.pixel[k] = a->line[k] ? (size_t)a->channels : 0;
    }
    if (n == WIDE)
      block_line(a, &l, w, &post, true);
    else
      block_line(a, &l, w, &post, false);
  }
}

INT8_TABLE(anet__int8_vnni, "avx512 vnni", vnni)
