/* Images: the first byte says how many channels are wanted, the rest is the file. */
#include "anet.h"
#include "fuzz/fuzz.h"

const char door_name[] = "image";
/* image/decode.c lets a byte say 8256 pixels at most (deflate, one bit a pixel), of which three
 * channels and the steps before them take some twelve bytes. */
const double door_ratio = 12 * 8256;

void door_open(const uint8_t *data, size_t bytes)
{
  anet_tensor *image = NULL;
  if (bytes == 0) return;
  (void)anet_image_decode(data + 1, (double)(bytes - 1), data[0] & 1 ? 3 : 1, &image);
  anet_tensor_release(image);
}
