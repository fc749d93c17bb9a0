/* Files that strangers' files name: only what lies in the folder is read, wherever links, pipes and
 * names lead. And arrays of NumPy whose header says something odd. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "support/scratch.h"
#include "support/test.h"

static char folder[SCRATCH_PATH], inside[SCRATCH_PATH], outside[SCRATCH_PATH];

static const char *in(const char *name)
{
  static char path[4][SCRATCH_PATH];
  static int turn;
  return test_scratch_path(inside, name, path[turn++ % 4]);
}

/* ---- a model with external data -----------------------------------------------------------------
 */

/* Protobuf by hand, a field at a time: what no writer would write can then be written. */
typedef struct message {
  char data[2048];
  size_t bytes;
} message;

static void put_bytes(message *m, int field, const void *data, size_t bytes)
{
  m->data[m->bytes++] = (char)(field << 3 | 2);
  if (bytes > 127) m->data[m->bytes++] = (char)((bytes & 127) | 128);
  m->data[m->bytes++] = (char)(bytes > 127 ? bytes >> 7 : bytes);
  memcpy(m->data + m->bytes, data, bytes);
  m->bytes += bytes;
}

static void put_text(message *m, int field, const char *text)
{
  put_bytes(m, field, text, strlen(text));
}

static void put_message(message *m, int field, const message *inner)
{
  put_bytes(m, field, inner->data, inner->bytes);
}

static void put_int(message *m, int field, int value)
{
  m->data[m->bytes++] = (char)(field << 3);
  m->data[m->bytes++] = (char)value;
}

/* A TensorProto "w" of two floats, in the file `location` (of `length` bytes, a zero may be among
 * them). */
static message external_tensor(const char *location, size_t length)
{
  message t = {.bytes = 0}, entry = {.bytes = 0};
  put_int(&t, 1, 2);
  put_int(&t, 2, 1);
  put_text(&t, 8, "w");
  put_text(&entry, 1, "location");
  put_bytes(&entry, 2, location, length);
  put_message(&t, 13, &entry);
  put_int(&t, 14, 1);
  return t;
}

/* y = x + w. */
static void write_model(const char *location, size_t length)
{
  message model = {.bytes = 0}, graph = {.bytes = 0}, node = {.bytes = 0}, opset = {.bytes = 0};
  message dim[2] = {0}, shape = {.bytes = 0}, tensor = {.bytes = 0}, type = {.bytes = 0},
          x = {.bytes = 0}, y = {.bytes = 0};
  const message w = external_tensor(location, length);
  put_text(&node, 1, "x");
  put_text(&node, 1, "w");
  put_text(&node, 2, "y");
  put_text(&node, 4, "Add");
  put_int(&dim[0], 1, 1);
  put_int(&dim[1], 1, 2);
  put_message(&shape, 1, &dim[0]);
  put_message(&shape, 1, &dim[1]);
  put_int(&tensor, 1, 1);
  put_message(&tensor, 2, &shape);
  put_message(&type, 1, &tensor);
  put_text(&x, 1, "x");
  put_message(&x, 2, &type);
  put_text(&y, 1, "y");
  put_message(&graph, 1, &node);
  put_message(&graph, 5, &w);
  put_message(&graph, 11, &x);
  put_message(&graph, 12, &y);
  put_int(&opset, 2, 13);
  put_int(&model, 1, 8);
  put_message(&model, 7, &graph);
  put_message(&model, 8, &opset);
  test_scratch_write(inside, "model.onnx", model.data, model.bytes);
}

static int import(const char *path)
{
  anet_net *net = NULL;
  const int rc = anet_net_import_onnx(path, NULL, &net, NULL);
  anet_net_release(net);
  return rc;
}

static int import_with(const char *location)
{
  write_model(location, strlen(location));
  return import(in("model.onnx"));
}

static void link_to(const char *target, const char *name)
{
  unlink(in(name));
  CHECK_EQ_I(symlink(target, in(name)), 0);
}

TEST(data_lies_in_the_folder)
{
  const float numbers[2] = {1, 2};
  char path[SCRATCH_PATH];
  test_scratch_write(inside, "data.bin", numbers, sizeof numbers);
  test_scratch_write(outside, "secret.bin", numbers, sizeof numbers);
  test_scratch_folder(inside, "deep");
  test_scratch_path(inside, "deep", path);
  test_scratch_write(path, "data.bin", numbers, sizeof numbers);
  CHECK_OK(import_with("data.bin"));
  CHECK_OK(import_with("./data.bin"));
  CHECK_OK(import_with("deep/data.bin"));
  CHECK_OK(import_with("deep//data.bin"));

  link_to(test_scratch_path(outside, "secret.bin", path), "link.bin");
  CHECK_FAILS(import_with("link.bin"), ANET_FORMAT, "out of the folder");
  CHECK(strstr(anet_error(), "secret.bin") && strstr(anet_error(), "'w'"));
  char words[2 * SCRATCH_PATH + 80];
  snprintf(words, sizeof words, "the file 'link.bin' is a link to '%s', out of the folder '%s'",
           path, inside);
  CHECK(strstr(anet_error(), words) != NULL);
  link_to("../outside", "elsewhere");
  CHECK_FAILS(import_with("elsewhere/secret.bin"), ANET_FORMAT, "out of the folder");
  link_to("link.bin", "twice.bin");
  CHECK_FAILS(import_with("twice.bin"), ANET_FORMAT, "out of the folder");
  link_to("deep/data.bin", "near.bin");
  CHECK_OK(import_with("near.bin"));
  link_to("loop.bin", "loop.bin");
  CHECK_FAILS(import_with("loop.bin"), ANET_IO, "loop.bin");
  link_to("nowhere", "gone.bin");
  CHECK_FAILS(import_with("gone.bin"), ANET_IO, "gone.bin");
  /* a folder whose name begins as the model's does is another one */
  test_scratch_folder(folder, "inside2");
  test_scratch_path(folder, "inside2", path);
  test_scratch_write(path, "data.bin", numbers, sizeof numbers);
  link_to("../inside2/data.bin", "beside.bin");
  CHECK_FAILS(import_with("beside.bin"), ANET_FORMAT, "out of the folder");

  static const char *const names[] = {"../outside/secret.bin",
                                      "deep/../../outside/secret.bin",
                                      "..",
                                      "/etc/passwd",
                                      "",
                                      "a\\b",
                                      "deep/.."};
  for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
    CHECK_FAILS(import_with(names[i]), ANET_FORMAT, "is not in the folder");
}

/* The hub's caches keep a model and its data as links into one folder: that is the model's real
 * folder. */
TEST(links_of_a_cache)
{
  const float numbers[2] = {1, 2};
  char blobs[SCRATCH_PATH], path[SCRATCH_PATH], other[SCRATCH_PATH];
  test_scratch_folder(folder, "blobs");
  test_scratch_path(folder, "blobs", blobs);
  test_scratch_write(blobs, "0123", numbers, sizeof numbers);
  write_model("weights.bin", 11);
  unlink(test_scratch_path(blobs, "4567", path));
  CHECK_EQ_I(rename(in("model.onnx"), path), 0);
  link_to("../blobs/4567", "model.onnx");
  link_to("../blobs/0123", "weights.bin");
  CHECK_OK(import(in("model.onnx")));
  link_to(test_scratch_path(outside, "secret.bin", other), "weights.bin");
  CHECK_FAILS(import(in("model.onnx")), ANET_FORMAT, "out of the folder");
  unlink(in("model.onnx"));
}

/* From within the folder, with no folder in the path. */
TEST(relative_paths)
{
  char here[SCRATCH_PATH];
  CHECK(getcwd(here, sizeof here) != NULL);
  write_model("data.bin", 8);
  CHECK_EQ_I(chdir(inside), 0);
  CHECK_OK(import("model.onnx"));
  CHECK_OK(import("./model.onnx"));
  CHECK_OK(import("../inside/model.onnx"));
  CHECK_EQ_I(chdir(here), 0);
}

/* None is opened, and none is waited for. */
TEST(only_regular_files)
{
  CHECK_EQ_I(mkfifo(in("pipe.bin"), 0600), 0);
  CHECK_FAILS(import_with("pipe.bin"), ANET_IO, "regular file");
  CHECK_FAILS(import_with("deep"), ANET_IO, "regular file");
  link_to("/dev/zero", "zero.bin");
  CHECK_FAILS(import_with("zero.bin"), ANET_FORMAT, "out of the folder");
  anet_bundle *bundle = NULL;
  CHECK_FAILS(anet_bundle_open(in("pipe.bin"), &bundle), ANET_IO, "pipe.bin");
  anet_tensor *t = NULL;
  CHECK_EQ_I(mkfifo(in("pipe.npy"), 0600), 0);
  CHECK_FAILS(anet_tensor_load(in("pipe.npy"), &t), ANET_IO, "regular file");
}

TEST(names_have_no_zero)
{
  static const char zero[] = "data.bin\0/../../outside/secret.bin";
  write_model(zero, sizeof zero - 1);
  CHECK_FAILS(import(in("model.onnx")), ANET_FORMAT, "zero byte");
}

/* Data of an array in a file of its own lies beside that file, not where the program runs. */
TEST(arrays_of_their_own)
{
  anet_tensor *t = NULL;
  message m = external_tensor("data.bin", 8);
  test_scratch_write(inside, "array.pb", m.data, m.bytes);
  CHECK_OK(anet_tensor_load(in("array.pb"), &t));
  if (t) CHECK_NEAR(anet_tensor_get(t, (int32_t[]){1}), 2, 0);
  anet_tensor_release(t);
  m = external_tensor("link.bin", 8);
  test_scratch_write(inside, "array.pb", m.data, m.bytes);
  CHECK_FAILS(anet_tensor_load(in("array.pb"), &t), ANET_FORMAT, "out of the folder");
}

/* ---- a race -------------------------------------------------------------------------------------
 */

static atomic_bool stop;

/* Something inside is now a file, now a link out, as fast as can be. */
static void *swap(void *context)
{
  char a[SCRATCH_PATH], b[SCRATCH_PATH], c[SCRATCH_PATH];
  test_scratch_path(inside, "race", a);
  test_scratch_path(inside, "race.link", b);
  test_scratch_path(inside, "race.spare", c);
  while (!atomic_load(&stop)) {
    (void)!rename(a, c);
    (void)!rename(b, a);
    (void)!rename(a, b);
    (void)!rename(c, a);
  }
  return context;
}

/* The data outside differs: it must never come in. */
TEST(changed_while_it_is_read)
{
  const float good[2] = {1, 2}, bad[2] = {77, 77};
  char path[SCRATCH_PATH];
  pthread_t thread;
  int opened = 0, wrong = 0;
  test_scratch_folder(inside, "race");
  test_scratch_path(inside, "race", path);
  test_scratch_write(path, "data.bin", good, sizeof good);
  test_scratch_write(outside, "data.bin", bad, sizeof bad);
  link_to("../outside", "race.link");
  write_model("race/data.bin", 13);
  atomic_store(&stop, false);
  CHECK_EQ_I(pthread_create(&thread, NULL, swap, NULL), 0);
  for (int i = 0; i < 3000; i++) {
    int file;
    float read[2] = {0};
    if (anet__file_beside(in("model.onnx"), "race/data.bin", &file)) continue;
    opened++;
    if (anet__file_part(file, "data", 0, read, sizeof read) || read[0] != 1) wrong++;
    anet__file_close(file);
  }
  atomic_store(&stop, true);
  pthread_join(thread, NULL);
  CHECK_EQ_I(wrong, 0);
  printf("of 3000 races %d opened the file inside\n", opened);
}

/* ---- .npy ---------------------------------------------------------------------------------------
 */

static int load_npy(const char *dict, size_t data)
{
  char file[1024] = "\x93NUMPY\x01\x00";
  anet_tensor *t = NULL;
  const size_t length = strlen(dict);
  file[8] = (char)(length & 255);
  file[9] = (char)(length >> 8);
  memcpy(file + 10, dict, length);
  test_scratch_write(inside, "odd.npy", file, 10 + length + data);
  const int rc = anet_tensor_load(in("odd.npy"), &t);
  anet_tensor_release(t);
  return rc;
}

TEST(odd_headers)
{
  static const char *const odd[] = {"'<f400'",   "'<f40'",
                                    "'>f4'",     "'=f4'",
                                    "'f4'",      "'<f'",
                                    "''",        "'<U4'",
                                    "'|O'",      "'<c8'",
                                    "'|V8'",     "'<M8[ns]'",
                                    "'|S10'",    "[('a', '<f4'), ('b', '<i4')]",
                                    "\"<f400\"", "'<f4",
                                    "<f4"};
  char dict[256];
  for (int i = 0; i < (int)(sizeof odd / sizeof *odd); i++) {
    snprintf(dict, sizeof dict, "{'descr': %s, 'fortran_order': False, 'shape': (2,), }", odd[i]);
    const int rc = load_npy(dict, 8);
    test_checks++;
    if (rc != ANET_UNSUPPORTED || !strstr(anet_error(), "odd.npy") ||
        !strstr(anet_error(), "<f4, <f8"))
      TEST_FAIL("%s: %d, %s", odd[i], rc, anet_error());
  }
  CHECK_FAILS(load_npy("{'descr': '<f400', 'fortran_order': False, 'shape': (2,), }", 8),
              ANET_UNSUPPORTED, "'<f400'");
  CHECK_OK(load_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 8));
  CHECK_OK(load_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", 1));
  CHECK_OK(load_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", 0));
  static const char *const shapes[] = {"(-2,)",
                                       "(2",
                                       "2",
                                       "(2,2,2,2,2,2,2,2,2)",
                                       "(99999999999999999999,)",
                                       "(4294967296, 4294967296)",
                                       "(2.5,)",
                                       "('a',)",
                                       "(2, 'a')"};
  for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++) {
    snprintf(dict, sizeof dict, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }",
             shapes[i]);
    const int rc = load_npy(dict, 8);
    test_checks++;
    if (rc == ANET_OK || !strstr(anet_error(), "odd.npy"))
      TEST_FAIL("%s: %d, %s", shapes[i], rc, anet_error());
  }
}

int main(int argc, char **argv)
{
  static const test_case cases[] = {
      CASE(data_lies_in_the_folder),  CASE(links_of_a_cache),   CASE(relative_paths),
      CASE(only_regular_files),       CASE(names_have_no_zero), CASE(arrays_of_their_own),
      CASE(changed_while_it_is_read), CASE(odd_headers),
  };
  test_scratch_new(folder);
  test_scratch_folder(folder, "inside");
  test_scratch_folder(folder, "outside");
  test_scratch_path(folder, "inside", inside);
  test_scratch_path(folder, "outside", outside);
  const int rc = test_run(cases, (int)(sizeof cases / sizeof *cases), argc, argv);
  test_scratch_remove(folder);
  return rc;
}
