/* Bytes on AVX-512 without VNNI: pairs of products by vpmaddwd. */
#include "kernel/avx512.inc"

#include "kernel/int8.h"

enum { INT8_GROUP = 2, INT8_OFFSET = 0 };
#define ANET_INT8_TILES(X, v) ANET_UP_TO_10(X, v)

typedef struct int8_x {
  vi v[2];
} int8_x;

/* Pairs as 16-bit integers. */
ANET_FORCE int8_x v_four(const uint8_t *p)
{
  const __m512i bytes = _mm512_broadcastd_epi32(_mm_loadu_si32(p));
  const __m512i four = _mm512_unpacklo_epi8(bytes, _mm512_setzero_si512());
  return (int8_x){{(vi)_mm512_shuffle_epi32(four, 0x00), (vi)_mm512_shuffle_epi32(four, 0x55)}};
}

ANET_FORCE vi v_weights(const int8_t *w)
{
  return (vi)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)w));
}

ANET_FORCE vi v_dot(vi sum, vi x, vi w)
{
  return sum + (vi)_mm512_madd_epi16((__m512i)x, (__m512i)w);
}

#include "kernel/avx512_bytes.inc"
#include "kernel/int8.inc"

INT8_TABLE(anet__int8_avx512, "avx512", plain)
