/* How methods are tried: by turns, on a clock that tells each try the time that the test gives it.
 * And what the file of choices looks like. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "anet.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "plan/tune.h"
#include "support/nets.h"
#include "support/scratch.h"
#include "support/test.h"

/* ---- a clock in the place of base/clock.c ---------------------------------------------------- */

enum { ROUNDS = 5 };

/* Nanoseconds of each round of each method that is tried, in turn. */
static int64_t took[ROUNDS][ANET_METHOD_COUNT], wall_ns = 1000;
static int32_t looks, tried = 1;

/* What another program writes to the file while the first try runs; NULL: nothing. */
static char file[512];
static const char *other_line;

static void write_other(void)
{
  FILE *out = other_line && looks == 1 ? fopen(file, "a") : NULL;
  if (!out) return;
  fputs(other_line, out);
  fclose(out);
}

/* Looks come in pairs, about a try each. */
int64_t anet__now_ns(void)
{
  write_other();
  const int32_t nth = looks / 2;
  if (looks++ % 2) wall_ns += took[nth / tried % ROUNDS][nth % tried];
  return ++wall_ns;
}

int64_t anet__cpu_ns(void)
{
  return 0;
}

double anet_clock_ms(void)
{
  return 0;
}

/* ---- nets of one convolution -------------------------------------------------------------------
 */

static char folder[SCRATCH_PATH];

static anet_net *one_conv(int32_t size, int32_t in, int32_t channels)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_output(net, net_conv(net, NULL, net_image(net, size, in), channels, 3, 1, 0)));
  CHECK_OK(anet_net_init(net, 1));
  return net;
}

/* What the op says of each method: its cost, and the price of its packed weights. */
typedef struct estimates {
  double cost[ANET_METHOD_COUNT], price[ANET_METHOD_COUNT];
  anet__method method[ANET_METHOD_COUNT]; /* those worth a try, in order */
  int32_t count;
} estimates;

static estimates estimate(anet_net *net)
{
  estimates e = {.count = 0};
  anet_plan *plan;
  double least = INFINITY;
  setenv("ANET_TUNE", "off", 1);
  CHECK_OK(anet_plan_new(net, 1, &plan));
  const anet__op *op = anet__op_get(plan->step[0].op);
  for (int32_t m = 0; m < ANET_METHOD_COUNT; m++) {
    anet__step step = plan->step[0];
    anet__call call;
    step.method = (anet__method)m;
    step.packed = NULL;
    anet__step_call(&step, 1, NULL, &call);
    e.cost[m] = op->cost(&call, (anet__method)m);
    if (e.cost[m] <= 0) continue;
    least = fmin(least, e.cost[m]);
    const double bytes = 4.0 * (double)op->pack_size(&call), near = fmin(bytes, 1 << 20);
    e.price[m] =
        near / 50 + (bytes - near) / 20; /* 0.02 ns a byte, 0.05 where the cache has no room */
  }
  for (int32_t m = 0; m < ANET_METHOD_COUNT; m++)
    if (e.cost[m] > 0 && e.cost[m] <= 3 * least) e.method[e.count++] = (anet__method)m;
  anet_plan_release(plan);
  return e;
}

/* The method of a first plan, when nothing is known yet. */
static anet__method choose(anet_net *net)
{
  anet_plan *plan;
  unlink(file);
  setenv("ANET_TUNE", file, 1);
  looks = 0;
  CHECK_OK(anet_plan_new(net, 1, &plan));
  const anet__method method = plan->step[0].method;
  anet_plan_release(plan);
  return method;
}

static void all_take(int64_t ns)
{
  for (int32_t r = 0; r < ROUNDS; r++)
    for (int32_t m = 0; m < ANET_METHOD_COUNT; m++) took[r][m] = ns;
}

/* ---- tries -------------------------------------------------------------------------------------
 */

/* All that cost at most three times the least, five times each. */
TEST(what_is_not_hopeless_is_tried)
{
  static const int32_t shape[][3] = {
      {12, 16, 16}, {4, 16, 16}, {8, 64, 4}, {5, 64, 64}, {28, 32, 32}};
  int32_t some = 0, all = 0;
  all_take(1000);
  for (int32_t i = 0; i < ANET_COUNT(shape); i++) {
    anet_net *net = one_conv(shape[i][0], shape[i][1], shape[i][2]);
    const estimates e = estimate(net);
    tried = e.count;
    choose(net);
    CHECK_EQ_I(looks, 2 * ROUNDS * e.count);
    some += e.count == 2, all += e.count == 3;
    anet_net_release(net);
  }
  CHECK(some > 0 && all > 0);
}

/* The least time of a method counts, whichever round it comes in, and only if it is less. */
TEST(the_best_round_of_each_method_counts)
{
  anet_net *net = one_conv(12, 16, 16);
  const estimates e = estimate(net);
  tried = e.count;
  CHECK(e.count > 1);
  for (int32_t i = 0; i < e.count; i++)
    for (int32_t r = 0; r < ROUNDS; r++) {
      all_take(1000000);
      took[r][i] = 500000;
      CHECK_EQ_I(choose(net), e.method[i]);
      looks = 0; /* known now */
      setenv("ANET_TUNE", file, 1);
      anet_plan *plan;
      CHECK_OK(anet_plan_new(net, 1, &plan));
      CHECK_EQ_I(plan->step[0].method, e.method[i]);
      CHECK_EQ_I(looks, 0);
      anet_plan_release(plan);
    }
  anet_net_release(net);
}

/* A method with larger weights must gain more than they are worth. */
TEST(memory_has_its_price)
{
  static const int32_t channels[] = {16, 128, 256}; /* in the caches, some of them, and none */
  for (int32_t n = 0; n < ANET_COUNT(channels); n++) {
    anet_net *net = one_conv(5, channels[n], channels[n]);
    const estimates e = estimate(net);
    tried = e.count;
    CHECK(e.count > 1);
    for (int32_t i = 1; i < e.count; i++) {
      const double more = e.price[e.method[i]] - e.price[e.method[0]];
      CHECK(more > 10);
      for (int32_t gain = 0; gain < 2; gain++) {
        all_take(100000000);
        for (int32_t r = 0; r < ROUNDS; r++) took[r][0] = 50000000;
        for (int32_t r = 0; r < ROUNDS; r++)
          took[r][i] = 50000000 - (int64_t)more + (gain ? -2 : 2);
        const anet__method got = choose(net), want = e.method[gain ? i : 0];
        if (got != want)
          TEST_FAIL("%d channels, method %d gains %g and %d: method %d, want %d", channels[n], i,
                    more, gain, got, want);
      }
    }
    anet_net_release(net);
  }
}

/* ---- the file ----------------------------------------------------------------------------------
 */

static char *text_of(const char *path)
{
  char *text = NULL;
  size_t bytes;
  CHECK_OK(anet__file_read(path, 1 << 20, &text, &bytes));
  return text;
}

/* This machine, the shapes with all that the time depends on, and the choice. */
TEST(a_line_of_the_file)
{
  static const char *const name[] = {"direct", "winograd2", "winograd4"};
  const anet_attr attr = {.kernel = {3, 3}, .pad = {2, 1, 0, 3}, .channels = 24};
  char machine[300], want[1024];
  anet_net *net;
  int32_t x;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "x", &(anet_shape){3, {12, 10, 16}}, &x));
  CHECK_OK(anet_net_output(net, net_put(net, "conv", NULL, &attr, x, -1)));
  const anet_shape *out = &net->node[1].shape;
  const estimates e = estimate(net);
  tried = e.count;
  all_take(1000);
  const anet__method got = choose(net);
  anet__cpu_fingerprint(1, machine, sizeof machine);
  snprintf(
      want, sizeof want,
      "%s\tconv 3x3 stride 1,1 dilation 1,1 pad 2,1,0,3 groups 1 (12, 10, 16) (%d, %d, 24)\t%s\n",
      machine, out->dim[0], out->dim[1], name[got]);
  char *text = text_of(file);
  CHECK_EQ_S(text, want);
  anet__free(text);
  anet_net_release(net);
}

/* Everybody goes by the first line, even who has tried for himself. */
TEST(another_program_was_first)
{
  anet_net *net = one_conv(12, 16, 16);
  const estimates e = estimate(net);
  tried = e.count;
  all_take(1000);
  const anet__method own = choose(net);
  CHECK_EQ_I(own, e.method[0]);
  char *line = text_of(file), *tab = strrchr(line, '\t');
  char other[2048];
  snprintf(other, sizeof other, "%.*s\twinograd2\n", (int)(tab - line), line);
  other_line = other;
  CHECK_EQ_I(choose(net), ANET_METHOD_WINOGRAD_2);
  CHECK_EQ_I(looks, 2 * ROUNDS * e.count);
  other_line = NULL;
  anet__free(line);
  anet_net_release(net);
}

/* Convolutions that write their part of a concat are tried on their own. */
TEST(parts_of_a_concat_are_tried_apart)
{
  anet_net *net;
  anet_plan *plan;
  CHECK_OK(anet_net_new(&net));
  const int32_t x = net_image(net, 12, 16);
  const int32_t a = net_conv(net, NULL, x, 16, 3, 1, 0), b = net_conv(net, NULL, x, 500, 1, 1, 0);
  CHECK_OK(anet_net_output(net, net_put(net, "concat", NULL, NULL, a, b)));
  CHECK_OK(anet_net_init(net, 1));
  tried = 3;
  all_take(1000);
  unlink(file);
  setenv("ANET_TUNE", file, 1);
  CHECK_OK(anet_plan_new(net, 1, &plan));
  CHECK_EQ_I(plan->step[0].wide, 516);
  char *text = text_of(file);
  CHECK(strstr(text, " (12, 12, 16) (12, 12, 16)\t") != NULL);
  anet__free(text);
  anet_plan_release(plan);
  anet_net_release(net);
}

/* No file stays open. */
TEST(files_are_closed)
{
  anet_net *net = one_conv(12, 16, 16);
  const int before = dup(0);
  close(before);
  choose(net);
  CHECK_OK(anet_tune_check());
  const int after = dup(0);
  close(after);
  CHECK_EQ_I(after, before);
  anet_net_release(net);
}

/* A name that only begins as a method's does is none; the next line counts. */
TEST(names_count_whole)
{
  anet_net *net = one_conv(12, 16, 16);
  const estimates e = estimate(net);
  char line[2048];
  tried = e.count;
  choose(net);
  char *text = text_of(file), *tab = strrchr(text, '\t');
  *tab = 0;
  snprintf(line, sizeof line, "%s\twinograd44\n%s\twino\n%s\t\n%s\twinograd4\n%s\tdirect\n", text,
           text, text, text, text);
  CHECK_OK(anet__file_write(file, line, strlen(line)));
  anet_plan *plan;
  looks = 0;
  CHECK_OK(anet_plan_new(net, 1, &plan));
  CHECK_EQ_I(plan->step[0].method, ANET_METHOD_WINOGRAD_4);
  CHECK_EQ_I(looks, 0);
  anet_plan_release(plan);
  anet__free(text);
  anet_net_release(net);
}

static int32_t mode_of(const char *path)
{
  struct stat s = {0};
  CHECK(stat(path, &s) == 0);
  return (int32_t)(s.st_mode & 0777);
}

/* As the user's mask says; folders on the way too. */
TEST(others_may_read_what_the_mask_allows)
{
  static const struct {
    mode_t mask;
    int32_t file, folder;
  } modes[] = {{0, 0666, 0777}, {022, 0644, 0755}, {027, 0640, 0750}};
  char made[SCRATCH_PATH], path[SCRATCH_PATH];
  anet__tune tune;
  for (int32_t i = 0; i < ANET_COUNT(modes); i++) {
    snprintf(made, sizeof made, "%.400s/made%d", folder, i);
    snprintf(path, sizeof path, "%.400s/deep/methods", made);
    const mode_t was = umask(modes[i].mask);
    setenv("ANET_TUNE", path, 1);
    anet__tune_open(&tune);
    umask(was);
    CHECK_EQ_S(tune.path, path);
    anet__tune_close(&tune);
    CHECK_EQ_I(mode_of(path), modes[i].file);
    CHECK_EQ_I(mode_of(made), modes[i].folder);
  }
}

/* A path of all that there is room for, and one more. */
TEST(long_paths)
{
  char path[600];
  for (int32_t length = 511; length <= 512; length++) {
    size_t used = (size_t)snprintf(path, sizeof path, "%s", folder);
    while (used + 2 < (size_t)length - 8) memcpy(path + used, "/.", 3), used += 2;
    snprintf(path + used, sizeof path - used, "/%0*d", length - (int)used - 1, 7);
    CHECK_EQ_I(strlen(path), length);
    setenv("ANET_TUNE", path, 1);
    if (length == 511)
      CHECK_OK(anet_tune_check());
    else
      CHECK_FAILS(anet_tune_check(), ANET_RANGE, "ANET_TUNE: a path of 512 bytes, at most 511");
  }
}

/* A pipe that nobody reads is refused at once. */
TEST(a_pipe_is_no_file)
{
  char path[SCRATCH_PATH];
  anet__tune tune;
  CHECK(mkfifo(test_scratch_path(folder, "pipe", path), 0600) == 0);
  setenv("ANET_TUNE", path, 1);
  CHECK_FAILS(anet_tune_check(), ANET_IO, "cannot write");
  anet__tune_open(&tune);
  CHECK_EQ_S(tune.path, "");
  anet__tune_close(&tune);
}

/* Without ANET_TUNE: in XDG_CACHE_HOME, else in HOME; only where they are whole paths. */
TEST(where_the_file_is)
{
  char home[SCRATCH_PATH], cache[SCRATCH_PATH], in_home[SCRATCH_PATH], in_cache[SCRATCH_PATH];
  test_scratch_path(folder, "home", home);
  test_scratch_path(folder, "cache", cache);
  test_scratch_path(home, ".cache/anet/methods.tsv", in_home);
  test_scratch_path(cache, "anet/methods.tsv", in_cache);
  const struct {
    const char *said, *cache, *home, *want;
  } cases[] = {{NULL, cache, home, in_cache},  {"", cache, home, in_cache},
               {NULL, "cache", home, in_home}, {NULL, "", home, in_home},
               {NULL, NULL, home, in_home},    {NULL, NULL, "home", ""},
               {NULL, "cache", NULL, ""},      {"off", cache, home, ""}};
  for (int32_t i = 0; i < ANET_COUNT(cases); i++) {
    anet__tune tune;
    const char *const name[] = {"ANET_TUNE", "XDG_CACHE_HOME", "HOME"};
    const char *const value[] = {cases[i].said, cases[i].cache, cases[i].home};
    for (int32_t v = 0; v < 3; v++) value[v] ? setenv(name[v], value[v], 1) : unsetenv(name[v]);
    anet__tune_open(&tune);
    CHECK_EQ_S(tune.path, cases[i].want);
    anet__tune_close(&tune);
  }
}

/* A try that finds no memory leaves the estimate; nothing leaks. */
TEST(memory_runs_out)
{
  anet_net *net = one_conv(12, 16, 16);
  const estimates e = estimate(net);
  anet__alloc_stats before, after;
  tried = e.count;
  all_take(1000);
  bool fired = true;
  for (int64_t nth = 0; fired; nth++) {
    anet_plan *plan = NULL;
    unlink(file);
    setenv("ANET_TUNE", file, 1);
    looks = 0;
    anet__alloc_read(&before);
    anet__alloc_arm(nth);
    const int rc = anet_plan_new(net, 1, &plan);
    fired = anet__alloc_fired();
    anet__alloc_arm(-1);
    CHECK(rc == ANET_OK || (rc == ANET_NOMEM && fired));
    if (!rc) CHECK(e.cost[plan->step[0].method] > 0);
    anet_plan_release(plan);
    anet__alloc_read(&after);
    CHECK_EQ_I(after.live_bytes, before.live_bytes);
  }
  anet_net_release(net);
}

int main(void)
{
  test_scratch_new(folder);
  test_scratch_path(folder, "methods.tsv", file);
  what_is_not_hopeless_is_tried();
  the_best_round_of_each_method_counts();
  memory_has_its_price();
  a_line_of_the_file();
  another_program_was_first();
  parts_of_a_concat_are_tried_apart();
  files_are_closed();
  names_count_whole();
  others_may_read_what_the_mask_allows();
  long_paths();
  a_pipe_is_no_file();
  where_the_file_is();
  memory_runs_out();
  test_scratch_remove(folder);
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures > 0;
}
