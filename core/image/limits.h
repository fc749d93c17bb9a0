/* How large an image may be. A small file must never make us reserve gigabytes. */
#ifndef ANET_LIMITS_H
#define ANET_LIMITS_H

enum {
  ANET_IMAGE_SIDE = 1 << 16,
  ANET_IMAGE_PIXELS = 1 << 26,
  ANET_IMAGE_FREE = 1 << 21, /* pixels that an image of any number of bytes may have */
  ANET_IMAGE_FILE = 1 << 28 /* bytes */
};

#endif
