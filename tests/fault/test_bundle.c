/* Bundles: what is saved comes back; what is damaged is refused by name; a crash loses nothing. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/clock.h"
#include "support/test.h"

static char path[64];

static void make_path(void)
{
  snprintf(path, sizeof path, "anet-bundle-%d.anet", (int)getpid());
}

static anet_tensor *ramp(int32_t rows, int32_t columns, float from)
{
  anet_tensor *t = NULL;
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){2, {rows, columns}}, &t));
  float *data = anet_tensor_data(t);
  for (int32_t i = 0; i < rows * columns; i++) data[i] = from + (float)i;
  return t;
}

static anet_net *small_net(void)
{
  anet_net *net = NULL;
  int32_t x = 0;
  const anet_attr conv = {.kernel = {3, 3}, .pad = {1, 1, 1, 1}, .channels = 5, .bias = 1},
                  none = {0};
  const anet_attr head = {.channels = 3, .bias = 1};
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "image", &(anet_shape){3, {6, 6, 2}}, &x));
  CHECK_OK(anet_net_add(net, "conv", "stem", &conv, &x, 1, &x));
  CHECK_OK(anet_net_add(net, "norm", "norm", &none, &x, 1, &x));
  CHECK_OK(anet_net_add(net, "relu", "act", &none, &x, 1, &x));
  CHECK_OK(anet_net_add(net, "global_pool", "pool", &none, &x, 1, &x));
  CHECK_OK(anet_net_add(net, "linear", "head", &head, &x, 1, &x));
  CHECK_OK(anet_net_output(net, x));
  CHECK_OK(anet_net_init(net, 7));
  return net;
}

static int save_sample(const char *to, float from)
{
  anet_bundle *bundle = NULL;
  anet_net *net = small_net();
  anet_tensor *loose = ramp(3, 7, from);
  int rc = anet_bundle_new(&bundle);
  if (!rc) rc = anet_bundle_set_text(bundle, "provenance", "made by a test: \"quoted\" \\ µ");
  if (!rc) rc = anet_bundle_set_tensor(bundle, "loose", loose);
  if (!rc) rc = anet_bundle_set_net(bundle, net);
  if (!rc) rc = anet_bundle_save(bundle, to);
  anet_bundle_release(bundle);
  anet_tensor_release(loose);
  anet_net_release(net);
  return rc;
}

static char *read_file(size_t *bytes)
{
  FILE *file = fopen(path, "rb");
  char *data = malloc(1 << 20);
  *bytes = file ? fread(data, 1, 1 << 20, file) : 0;
  if (file) fclose(file);
  return data;
}

static void write_file(const char *data, size_t bytes)
{
  FILE *file = fopen(path, "wb");
  CHECK(file && fwrite(data, 1, bytes, file) == bytes);
  if (file) fclose(file);
}

static void run_net(anet_net *net, float *out)
{
  anet_plan *plan = NULL;
  anet_workspace *workspace = NULL;
  float in[6 * 6 * 2];
  for (int i = 0; i < 72; i++) in[i] = (float)(i % 11) - 5;
  const float *ins[] = {in};
  float *outs[] = {out};
  CHECK_OK(anet_plan_new(net, 1, &plan));
  CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
  CHECK_OK(anet_run(plan, workspace, ins, outs, 1));
  anet_workspace_release(workspace);
  anet_plan_release(plan);
}

TEST(comes_back)
{
  anet_bundle *bundle = NULL;
  anet_net *net = NULL, *made = small_net();
  float want[3], got[3];
  CHECK_OK(save_sample(path, 1));
  CHECK_OK(anet_bundle_open(path, &bundle));
  CHECK_EQ_S(anet_bundle_text(bundle, "provenance"), "made by a test: \"quoted\" \\ µ");
  anet_tensor *loose = anet_bundle_tensor(bundle, "loose");
  CHECK(loose != NULL);
  CHECK_NEAR(((float *)anet_tensor_data(loose))[20], 21, 0);
  for (int32_t i = 0; i < anet_bundle_tensors(bundle); i++) {
    anet_tensor *t = anet_bundle_tensor(bundle, anet_bundle_tensor_name(bundle, i));
    CHECK_EQ_I((uintptr_t)anet_tensor_data(t) % 64, 0);
  }
  CHECK_OK(anet_bundle_net(bundle, &net));
  anet_bundle_release(bundle); /* the net keeps the map alive */
  run_net(made, want);
  run_net(net, got);
  CHECK(memcmp(want, got, sizeof want) == 0);
  anet_net_release(net);
  anet_net_release(made);
}

TEST(training_never_writes_to_the_file)
{
  anet_bundle *bundle = NULL;
  size_t before, after;
  CHECK_OK(save_sample(path, 1));
  char *old = read_file(&before);
  CHECK_OK(anet_bundle_open(path, &bundle));
  memset(anet_tensor_data(anet_bundle_tensor(bundle, "loose")), 0, 3 * 7 * 4);
  anet_bundle_release(bundle);
  char *now = read_file(&after);
  CHECK_EQ_I(before, after);
  CHECK(memcmp(old, now, before) == 0);
  free(old);
  free(now);
}

TEST(every_cut_is_refused)
{
  size_t bytes;
  CHECK_OK(save_sample(path, 1));
  char *data = read_file(&bytes);
  for (size_t n = 0; n < bytes; n += n < 600 ? 1 : 37) {
    anet_bundle *bundle = NULL;
    write_file(data, n);
    int rc = anet_bundle_open(path, &bundle);
    CHECK(rc == ANET_FORMAT || rc == ANET_CHECKSUM);
    CHECK(strstr(anet_error(), path) != NULL);
    CHECK(bundle == NULL);
  }
  write_file(data, bytes);
  FILE *file = fopen(path, "ab");
  fputc(0, file);
  fclose(file);
  anet_bundle *bundle = NULL;
  CHECK_FAILS(anet_bundle_open(path, &bundle), ANET_FORMAT, path);
  free(data);
}

TEST(every_changed_byte_is_refused)
{
  size_t bytes;
  CHECK_OK(save_sample(path, 1));
  char *data = read_file(&bytes);
  for (size_t i = 0; i < bytes; i++) {
    anet_bundle *bundle = NULL;
    const char old = data[i];
    data[i] = (char)(old ^ (1 << (i % 8)));
    write_file(data, bytes);
    int rc = anet_bundle_open(path, &bundle);
    if (rc != ANET_FORMAT && rc != ANET_CHECKSUM)
      TEST_FAIL("byte %zu: status %d (%s)", i, rc, anet_error());
    if (!strstr(anet_error(), path))
      TEST_FAIL("byte %zu: the message '%s' lacks the path", i, anet_error());
    test_checks++;
    anet_bundle_release(bundle);
    data[i] = old;
  }
  free(data);
}

TEST(absent_and_unwritable_are_named)
{
  anet_bundle *bundle = NULL;
  CHECK_FAILS(anet_bundle_open("no/such/model.anet", &bundle), ANET_IO, "no/such/model.anet");
  CHECK_OK(anet_bundle_new(&bundle));
  CHECK_FAILS(anet_bundle_save(bundle, "no/such/model.anet"), ANET_IO, "no/such/model.anet");
  anet_net *net = NULL;
  CHECK_FAILS(anet_bundle_net(bundle, &net), ANET_ABSENT, "net");
  anet_tensor *t = ramp(1, 1, 0);
  CHECK_FAILS(anet_bundle_set_tensor(bundle, "__pad.0", t), ANET_RANGE, "__pad.0");
  anet_tensor_release(t);
  anet_bundle_release(bundle);
}

/* A process killed at any moment of a save leaves the old file or the new one, whole. */
TEST(a_killed_save_leaves_a_whole_file)
{
  int old = 0, new = 0;
  for (int round = 0; round < 40; round++) {
    CHECK_OK(save_sample(path, 1));
    const pid_t child = fork();
    if (child == 0) {
      for (;;) save_sample(path, 2);
    }
    usleep((useconds_t)(rand() % 3000));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    anet_bundle *bundle = NULL;
    CHECK_OK(anet_bundle_open(path, &bundle));
    anet_tensor *loose = bundle ? anet_bundle_tensor(bundle, "loose") : NULL;
    const float first = loose ? *(float *)anet_tensor_data(loose) : 0;
    CHECK(first == 1 || first == 2);
    first == 1 ? old++ : new ++;
    anet_bundle_release(bundle);
  }
  printf("killed saves: %d left the old file, %d the new\n", old, new);
}

TEST(every_allocation_may_fail)
{
  CHECK_OK(save_sample(path, 1));
  for (int what = 0; what < 2; what++) {
    for (int64_t n = 0;; n++) {
      anet__alloc_stats before, after;
      anet_bundle *bundle = NULL;
      anet_net *net = NULL;
      anet__alloc_read(&before);
      anet__alloc_arm(n);
      int rc = anet_bundle_open(path, &bundle);
      if (!rc) rc = what ? anet_bundle_save(bundle, path) : anet_bundle_net(bundle, &net);
      const bool fired = anet__alloc_fired();
      anet__alloc_arm(-1);
      anet_net_release(net);
      anet_bundle_release(bundle);
      anet__alloc_read(&after);
      CHECK_EQ_I(before.live_bytes, after.live_bytes);
      if (!fired) {
        CHECK_OK(rc);
        break;
      }
      CHECK_EQ_I(rc, ANET_NOMEM);
    }
  }
}

TEST(tidy)
{
  unlink(path);
  char command[128];
  snprintf(command, sizeof command, "rm -f %s.*", path); /* what killed processes left */
  CHECK_EQ_I(system(command), 0);
}

int main(int argc, char **argv)
{
  static const test_case cases[] = {
      CASE(comes_back),
      CASE(training_never_writes_to_the_file),
      CASE(every_cut_is_refused),
      CASE(every_changed_byte_is_refused),
      CASE(absent_and_unwritable_are_named),
      CASE(a_killed_save_leaves_a_whole_file),
      CASE(every_allocation_may_fail),
      CASE(tidy),
  };
  make_path();
  return test_run(cases, ANET_COUNT(cases), argc, argv);
}
