/* What is looked at before stb_image is let at a file of a stranger. */
#ifndef ANET_GUARD_H
#define ANET_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* ANET_FORMAT: a JPEG file has a table of Huffman codes that says it has more than 256 of them,
 * which stb_image would write past its own tables; or a PNG file has a piece that is cut off, for
 * which it would ask for as much memory as the piece says. Other files pass. */
int anet__guard_parts(const uint8_t *data, size_t bytes);

/* ANET_FORMAT: so few bytes cannot be an image of so many pixels; memory for it would be asked for
 * in vain. */
int anet__guard_pixels(const uint8_t *data, size_t bytes, int64_t pixels);

/* The most pixels that a file of so many bytes can have, of any form. */
int64_t anet__guard_most(size_t bytes);

#endif
