/* From an image of bytes to a network's input: random changes and normalisation in one pass. */
#ifndef ANET_AUGMENT_H
#define ANET_AUGMENT_H

#include "anet.h"
#include "base/compiler.h"

/* What is done to one image. Zero: nothing. */
typedef struct anet__change {
  int32_t shift_y, shift_x; /* the output's (0, 0) is the image's (shift_y, shift_x) */
  bool flip;
  int32_t cut_y, cut_x,
      cut; /* a square of side `cut` from (cut_y, cut_x), partly outside perhaps */
} anet__change;

/* x = scale[c] * byte + shift[c] */
typedef struct anet__normal {
  float scale[4], shift[4];
} anet__normal;

/* ANET_RANGE: a size or a deviation is not positive. */
int anet__input_normal(const anet_input *input, anet__normal *out);
int anet__augment_check(const anet_augment *augment);
void anet__change_draw(const anet_augment *augment, const anet_input *input, anet_rng *rng,
                       anet__change *out);
/* image, out: dense (height, width, channels) of the input. Places from outside the image and cut
 * ones are 0, which is the mean. */
void anet__change_apply(const anet__change *change, const anet_input *input,
                        const anet__normal *normal, const uint8_t *image, float *out);
/* lambda ~ Beta(alpha, alpha) */
float anet__mixup_draw(float alpha, anet_rng *rng);

#endif
