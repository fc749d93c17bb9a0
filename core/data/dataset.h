/* What the files of a data set share: the handle, and one opener a form. */
#ifndef ANET_DATASET_H
#define ANET_DATASET_H

#include <stdatomic.h>
#include "anet.h"
#include "base/compiler.h"
#include "data/names.h"

/* Names of classes 0, 1, …, as far as known. A set and its parts share them. */
typedef struct anet__class_names {
  atomic_int refs;
  anet__names names;
} anet__class_names;

/* Labelled images. Invariants: images is dense u8 (count, height, width, channels) with 1 .. 4
 * channels, labels dense i32 (count), each -1 .. classes - 1. */
struct anet_dataset {
  int32_t count, classes;
  anet_tensor *images, *labels; /* retained */
  anet__class_names *named;     /* retained */

  int32_t *order; /* (count) of order_epoch, or NULL; owned */
  uint64_t order_key;
  int32_t order_epoch;
};

/* A set of zeroed images, labelled -1, for an opener to fill. */
int anet__dataset_blank(int32_t count, int32_t height, int32_t width, int32_t channels,
                        int32_t classes, anet_dataset **out);
uint8_t *anet__dataset_image(const anet_dataset *data, int32_t item); /* its first byte */
int32_t *anet__dataset_label(const anet_dataset *data, int32_t item);
/* Takes the names from the lines of a file in the folder, if it is there. */
int anet__dataset_read_names(anet_dataset *data, const char *folder, const char *file);
/* Openers fill images, labels and names; the caller counts the classes, and releases *out if they
 * fail. ANET_ABSENT: the folder is not of this form, or has no such part. part may be NULL. */
int anet__dataset_open_idx(const char *folder, const char *part, int32_t size,
                           const anet_pool *pool, anet_dataset **out);
int anet__dataset_open_cifar(const char *folder, const char *part, int32_t size,
                             const anet_pool *pool, anet_dataset **out);
int anet__dataset_open_sheets(const char *folder, const char *part, int32_t size,
                              const anet_pool *pool, anet_dataset **out);
int anet__dataset_open_classes(const char *folder, const char *part, int32_t size,
                               const anet_pool *pool, anet_dataset **out);
int anet__dataset_open_named(const char *folder, const char *part, int32_t size,
                             const anet_pool *pool, anet_dataset **out);
/* Images of files, label[i] that of file i, scaled so that their shorter side is `size` (0: as they
 * are, all alike) and cut to their middle. ANET_ABSENT: there are none. */
int anet__dataset_read_images(const anet__names *files, const int32_t *label, int32_t size,
                              const anet_pool *pool, anet_dataset **out);
bool anet__dataset_is_image(const char *name); /* by its suffix */
/* An IDX file of images by its own name; its labels lie beside it. */
int anet__dataset_open_idx_file(const char *path, const anet_pool *pool, anet_dataset **out);

#endif
