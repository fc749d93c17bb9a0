/* Bytes on SSE2: pairs of products by pmaddwd. */
#include "kernel/sse2.inc"

#include "kernel/int8.h"

enum { INT8_GROUP = 2, INT8_OFFSET = 0 };
#define ANET_INT8_TILES(X, v) ANET_UP_TO_4(X, v)

typedef struct int8_x {
  vi v[2];
} int8_x;

/* Pairs as 16-bit integers. */
ANET_FORCE int8_x v_four(const uint8_t *p)
{
  const __m128i four = _mm_unpacklo_epi8(_mm_loadu_si32(p), _mm_setzero_si128());
  return (int8_x){{(vi)_mm_shuffle_epi32(four, 0x00), (vi)_mm_shuffle_epi32(four, 0x55)}};
}

ANET_FORCE vi v_weights(const int8_t *w)
{
  const __m128i bytes = _mm_loadl_epi64((const __m128i *)w);
  return (vi)_mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8);
}

ANET_FORCE vi v_dot(vi sum, vi x, vi w)
{
  return sum + (vi)_mm_madd_epi16((__m128i)x, (__m128i)w);
}

ANET_FORCE vi v_round(vf v)
{
  return (vi)_mm_cvtps_epi32((__m128)v);
}

ANET_FORCE void v_store_bytes(uint8_t *p, vi v)
{
  const __m128i shorts = _mm_packs_epi32((__m128i)v, (__m128i)v);
  _mm_storeu_si32(p, _mm_packus_epi16(shorts, shorts));
}

#include "kernel/int8.inc"

INT8_TABLE(anet__int8_sse2, "sse2", plain)
