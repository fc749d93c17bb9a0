#include "image/guard.h"

#include <string.h>

#include "base/compiler.h"
#include "base/error.h"
#include "image/limits.h"

/* ---- JPEG's tables of codes
 * ------------------------------------------------------------------------ */

enum {
  JPEG_MARK = 0xff,
  JPEG_CODES = 0xc4,
  JPEG_SCAN = 0xda,
  JPEG_RESTART = 0xd0,
  LENGTHS = 16,
  MOST_CODES = 256
};

/* Invariant: at <= end. */
typedef struct cursor {
  const uint8_t *at, *end;
} cursor;

/* Goes past the next marker and gives it; -1: there is none. Inside a scan (`coded`) 0xff 0 is a
 * byte of 0xff, and restarts are part of it. */
static int next_marker(cursor *c, bool coded)
{
  while (c->at < c->end) {
    c->at = memchr(c->at, JPEG_MARK, (size_t)(c->end - c->at));
    if (!c->at) return c->at = c->end, -1;
    while (c->at < c->end && *c->at == JPEG_MARK) c->at++;
    if (c->at == c->end) return -1;
    const int marker = *c->at++;
    const bool inside = marker == 0 || (marker & ~7) == JPEG_RESTART;
    if (!(coded && inside)) return marker;
  }
  return -1;
}

/* A class and number, how many codes have 1, 2, … 16 bits, and as many bytes; then the next, for
 * `bytes` in all. The last may say that it goes on beyond these, and is read there. */
static int check_tables(cursor c, size_t bytes)
{
  const uint8_t *const last = c.at + ANET_MIN(bytes, (size_t)(c.end - c.at));
  while (c.at < last) {
    const size_t rest = (size_t)(c.end - c.at);
    size_t codes = 0;
    for (size_t i = 1; i <= LENGTHS && i < rest; i++) codes += c.at[i];
    if (codes > MOST_CODES)
      return anet_fail(ANET_FORMAT, "image: a table of %zu Huffman codes, the most is %d", codes,
                       MOST_CODES);
    c.at += ANET_MIN(1 + LENGTHS + codes, rest);
  }
  return ANET_OK;
}

/* Every marker that stb_image stops at is stopped at here, and perhaps some after it has given up.
 */
static int check_jpeg(cursor c)
{
  bool coded = false;
  (void)next_marker(&c, false); /* the image's start, which has no length */
  for (int marker; (marker = next_marker(&c, coded)) >= 0; coded = marker == JPEG_SCAN) {
    if (c.end - c.at < 2) return ANET_OK;
    const size_t said = (size_t)c.at[0] << 8 | c.at[1];
    const size_t length = ANET_MIN(ANET_MAX(said, 2), (size_t)(c.end - c.at));
    if (marker == JPEG_CODES) ANET_TRY(check_tables((cursor){c.at + 2, c.end}, length - 2));
    c.at += length;
  }
  return ANET_OK;
}

/* ---- PNG's pieces
 * ----------------------------------------------------------------------------------- */

enum { PNG_MARK = 0x89, PNG_HEAD = 8, PNG_SUM = 4 };

static uint32_t big_endian(const uint8_t *at)
{
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Pieces are a length, a name of four letters, so many bytes and a checksum; IEND is the last. */
static int check_png(cursor c)
{
  c.at += ANET_MIN((size_t)PNG_HEAD, (size_t)(c.end - c.at));
  while (c.end - c.at >= PNG_HEAD && memcmp(c.at + 4, "IEND", 4) != 0) {
    const uint32_t said = big_endian(c.at);
    const size_t rest = (size_t)(c.end - c.at) - PNG_HEAD;
    if (said > rest)
      return anet_fail(ANET_FORMAT, "image: a piece of a PNG has %zu bytes, it says %u", rest,
                       said);
    c.at += PNG_HEAD + ANET_MIN((size_t)said + PNG_SUM, rest);
  }
  return ANET_OK;
}

int anet__guard_parts(const uint8_t *data, size_t bytes)
{
  const cursor all = {data, data + bytes};
  if (bytes < 2) return ANET_OK;
  return data[0] == JPEG_MARK ? check_jpeg(all) : data[0] == PNG_MARK ? check_png(all) : ANET_OK;
}

/* ---- sizes
 * ------------------------------------------------------------------------------------------ */

/* Pixels that a byte can say at most. Deflate makes 1032 bytes of one, of eight pixels each. A code
 * of GIF has 12 bits for at most 4095 pixels. JPEG has a bit for each block of 64 in one of its
 * channels at least. The others have runs of 128. */
enum { PNG_RATIO = 1032 * 8, GIF_RATIO = 4095 * 8 / 12, JPEG_RATIO = 64 * 8, RUN_RATIO = 128 };

static int64_t ratio_of(uint8_t first)
{
  if (first == PNG_MARK) return PNG_RATIO;
  if (first == 'G') return GIF_RATIO;
  return first == JPEG_MARK ? JPEG_RATIO : RUN_RATIO;
}

static int64_t most_pixels(size_t bytes, int64_t ratio)
{
  const int64_t room = ANET_IMAGE_PIXELS / ratio; /* no sum overflows */
  const int64_t said = (int64_t)ANET_MIN(bytes, (size_t)room) * ratio;
  return ANET_MIN(ANET_IMAGE_FREE + said, (int64_t)ANET_IMAGE_PIXELS);
}

int64_t anet__guard_most(size_t bytes)
{
  return most_pixels(bytes, PNG_RATIO);
}

int anet__guard_pixels(const uint8_t *data, size_t bytes, int64_t pixels)
{
  const int64_t most = most_pixels(bytes, bytes ? ratio_of(data[0]) : 1);
  if (pixels <= most) return ANET_OK;
  return anet_fail(ANET_FORMAT, "image: %lld pixels in %zu bytes, which can hold %lld at most",
                   (long long)pixels, bytes, (long long)most);
}
