#include "base/utf8.h"

int32_t anet__utf8(const uint8_t *s, uint32_t *code)
{
  static const uint32_t least[] = {0, 0, 0, 0x800, 0x10000}; /* 2 bytes: by their first */
  const int32_t bytes = *s < 0x80   ? 1
                        : *s < 0xc2 ? 0
                        : *s < 0xe0 ? 2
                        : *s < 0xf0 ? 3
                        : *s < 0xf5 ? 4
                                    : 0;
  uint32_t point = bytes < 2 ? *s : *s & (0x7fU >> bytes);
  for (int32_t i = 1; i < bytes; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
    point = point << 6 | (s[i] & 0x3f);
  }
  if (code) *code = point;
  const bool surrogate = point >= 0xd800 && point < 0xe000;
  return point < least[bytes] || surrogate || point > 0x10ffff ? 0 : bytes;
}
