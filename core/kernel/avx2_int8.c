/* Bytes on AVX2: pairs of products by vpmaddwd. (vpmaddubsw would cut sums to 16 bits.) */
#include "kernel/avx2.inc"

#include "kernel/int8.h"

enum { INT8_GROUP = 2, INT8_OFFSET = 0 };
#define ANET_INT8_TILES(X, v) ANET_UP_TO_4(X, v)

typedef struct int8_x {
  vi v[2];
} int8_x;

/* Pairs as 16-bit integers. */
ANET_FORCE int8_x v_four(const uint8_t *p)
{
  const __m256i bytes = _mm256_broadcastd_epi32(_mm_loadu_si32(p));
  const __m256i four = _mm256_unpacklo_epi8(bytes, _mm256_setzero_si256());
  return (int8_x){{(vi)_mm256_shuffle_epi32(four, 0x00), (vi)_mm256_shuffle_epi32(four, 0x55)}};
}

ANET_FORCE vi v_weights(const int8_t *w)
{
  return (vi)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w));
}

ANET_FORCE vi v_dot(vi sum, vi x, vi w)
{
  return sum + (vi)_mm256_madd_epi16((__m256i)x, (__m256i)w);
}

ANET_FORCE vi v_round(vf v)
{
  return (vi)_mm256_cvtps_epi32((__m256)v);
}

ANET_FORCE void v_store_bytes(uint8_t *p, vi v)
{
  const __m256i shorts = _mm256_packs_epi32((__m256i)v, (__m256i)v);
  const __m256i bytes = _mm256_packus_epi16(shorts, shorts);
  const __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
  _mm_storel_epi64((__m128i *)p, _mm_unpacklo_epi32(low, high));
}

#include "kernel/int8.inc"

INT8_TABLE(anet__int8_avx2, "avx2", plain)
