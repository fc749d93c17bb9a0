/* Images of one size and number of channels made into those that a network takes. */
#ifndef ANET_FIT_H
#define ANET_FIT_H

#include "anet.h"
#include "image/resample.h"

/* Immutable, so that threads may share it; each brings its own scratch. */
typedef struct anet__fit {
  int32_t height, width, from, to; /* of the result; channels of the source and of the result */
  int32_t source_width;
  bool resize;
  anet__resampler resampler; /* if resize */
  size_t scratch_bytes;      /* 0: images fit as they are */
} anet__fit;

/* from: shape (…, height, width, channels). ANET_SHAPE: these channels cannot become those. */
int anet__fit_new(const anet_shape *from, const anet_input *to, anet__fit *out);
void anet__fit_free(anet__fit *fit);
/* Gives the dense image back if it fits, else a new one in the scratch (ANET_ALIGN). */
const uint8_t *anet__fit_run(const anet__fit *fit, const uint8_t *image, void *scratch);

#endif
