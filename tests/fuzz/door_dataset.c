/* Data sets: the first byte picks a form, then come its files: two bytes of length (little endian)
 * and their bytes, the last one to the end. Files that the input does not reach are not there. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "anet.h"
#include "fuzz/fuzz.h"
#include "support/scratch.h"

const char door_name[] = "dataset";
/* As for images, which sheets and folders are made of, and once more for the tiles. */
const double door_ratio = 16 * 8256;

enum { MOST_FILES = 6, MOST_BYTES = 1 << 20 };

typedef struct form {
  const char *part, *file[MOST_FILES];
  int32_t size;
} form;

static const form forms[] = {
    {"train", {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "classes.txt"}, 0},
    {"test", {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}, 0},
    {"test", {"test_batch.bin", "batches.meta.txt"}, 0},
    {"test", {"test.bin", "fine_label_names.txt"}, 0},
    {"train",
     {"train_00.labels", "train_00.png", "classes.txt", "train_01.labels", "train_01.png"},
     0},
    {NULL, {"1_a.png", "labels.txt", "3_b.png"}, 0},
    {NULL, {"1_a.png", "labels.txt", "3_b.png"}, 4},
};

static char folder[SCRATCH_PATH];

static void remove_folder(void)
{
  test_scratch_remove(folder);
}

static void write_files(const form *f, const uint8_t *data, size_t bytes)
{
  for (int32_t i = 0; i < MOST_FILES && f->file[i] && bytes >= 2; i++) {
    const size_t said = (size_t)data[0] | (size_t)data[1] << 8, rest = bytes - 2;
    const int last = i + 1 == MOST_FILES || !f->file[i + 1];
    const size_t count = last || said > rest ? rest : said;
    test_scratch_write(folder, f->file[i], data + 2, count);
    data += 2 + count;
    bytes = rest - count;
  }
}

void door_open(const uint8_t *data, size_t bytes)
{
  char path[SCRATCH_PATH];
  anet_dataset *set = NULL;
  if (!folder[0]) {
    test_scratch_new(folder);
    atexit(remove_folder);
  }
  if (bytes == 0 || bytes > MOST_BYTES) return;
  const form *f = &forms[data[0] % (sizeof forms / sizeof forms[0])];
  write_files(f, data + 1, bytes - 1);
  if (!anet_dataset_open(folder, f->part, f->size, NULL, &set)) (void)anet_dataset_class(set, 0);
  anet_dataset_release(set);
  for (int32_t i = 0; i < MOST_FILES && f->file[i]; i++)
    unlink(test_scratch_path(folder, f->file[i], path));
}
