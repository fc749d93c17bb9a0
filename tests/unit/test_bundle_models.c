/* What bundles hold as texts: networks and their windows, supernets, optimisers' state, inputs and
 * latency tables. Each field comes back, and each that is wrong is named. */
#include <float.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "bundle/bundle.h"
#include "elastic/supernet.h"
#include "measure/table.h"
#include "support/elastic.h"
#include "support/fault.h"
#include "support/nets.h"
#include "support/scratch.h"
#include "tensor/tensor.h"
#include "train/optim.h"

static anet_bundle *new_bundle(void)
{
  anet_bundle *bundle = NULL;
  CHECK_OK(anet_bundle_new(&bundle));
  return bundle;
}

/* The JSON text of the bundle under `key`, to be changed and put back. */
static json_t *text_of(anet_bundle *bundle, const char *key)
{
  json_t *json = NULL;
  CHECK_OK(anet__bundle_json(bundle, key, &json));
  return json;
}

static void put_back(anet_bundle *bundle, const char *key, json_t *json)
{
  CHECK_OK(anet__bundle_set_json(bundle, key, json));
}

/* Sets a field of a text (NULL: drops it), and gives the old text back. */
static char *change(anet_bundle *bundle, const char *text, const char *field, const char *value)
{
  char *old = anet__strdup(anet_bundle_text(bundle, text));
  json_t *json = text_of(bundle, text);
  if (value)
    json_object_set_new(json, field, json_loads(value, JSON_DECODE_ANY, NULL));
  else
    json_object_del(json, field);
  put_back(bundle, text, json);
  return old;
}

static void undo(anet_bundle *bundle, const char *text, char *old)
{
  CHECK_OK(anet_bundle_set_text(bundle, text, old));
  anet__free(old);
}

/* ---- inputs --------------------------------------------------------------------------------- */

static void check_input(anet_bundle *bundle, const char *field, const char *value,
                        const char *words)
{
  anet_input out;
  char *old = change(bundle, "input", field, value);
  test_checks++;
  const int rc = anet_bundle_input(bundle, &out);
  if (rc != ANET_FORMAT || strcmp(anet_error(), words) != 0)
    TEST_FAIL("%s = %s: %d, '%s', want '%s'", field, value ? value : "", rc, anet_error(), words);
  undo(bundle, "input", old);
}

TEST(inputs)
{
  anet_bundle *bundle = new_bundle();
  anet_input in = {5, 7, 4, {0.1F, -2, 3e30F, 4}, {1, 0.5F, 1e-30F, 8}}, out;
  CHECK_FAILS(anet_bundle_input(bundle, &out), ANET_ABSENT, "bundle: it holds no input");
  for (in.channels = 1; in.channels <= 4; in.channels++) {
    CHECK_OK(anet_bundle_set_input(bundle, &in));
    CHECK_OK(anet_bundle_input(bundle, &out));
    CHECK(out.height == 5 && out.width == 7 && out.channels == in.channels);
    for (int32_t c = 0; c < 4; c++) {
      const bool there = c < in.channels;
      CHECK(out.mean[c] == (there ? in.mean[c] : 0));
      CHECK(out.deviation[c] == (there ? in.deviation[c] : 0));
    }
  }
  CHECK_FAILS(anet_bundle_set_input(bundle, &in), ANET_RANGE, "input: 5 channels, want 1 to 4");
  in.channels = 0;
  CHECK_FAILS(anet_bundle_set_input(bundle, &in), ANET_RANGE, "input: 0 channels, want 1 to 4");
  in = (anet_input){1 << 16, 1 << 16, 2, {-FLT_MAX, FLT_MAX}, {1, 1}}; /* the largest */
  CHECK_OK(anet_bundle_set_input(bundle, &in));
  CHECK_OK(anet_bundle_input(bundle, &out));
  CHECK(out.height == 1 << 16 && out.width == 1 << 16);
  CHECK(out.mean[0] == -FLT_MAX && out.mean[1] == FLT_MAX);
  check_input(bundle, "height", "0", "JSON: 'height' is 0, want 1 .. 65536");
  check_input(bundle, "height", "65537", "JSON: 'height' is 65537, want 1 .. 65536");
  check_input(bundle, "width", "0", "JSON: 'width' is 0, want 1 .. 65536");
  check_input(bundle, "width", "65537", "JSON: 'width' is 65537, want 1 .. 65536");
  check_input(bundle, "channels", "0", "JSON: 'channels' is 0, want 1 .. 4");
  check_input(bundle, "channels", "5", "JSON: 'channels' is 5, want 1 .. 4");
  check_input(bundle, "channels", "3", "JSON: 'mean' has 2 numbers, want 3");
  check_input(bundle, "deviation", "[1]", "JSON: 'deviation' has 1 numbers, want 2");
  check_input(bundle, "mean", "[0, 1e39]", "input: 1e+39 in 'mean', want a float");
  check_input(bundle, "deviation", "[1e39, 1]", "input: 1e+39 in 'deviation', want a float");
  check_input(bundle, "mean", "[-1e39, 0]",
              "JSON: item 0 of 'mean' is -1e+39, want at least -3.40282e+38");
  check_input(bundle, "deviation", "[1, 0]", "input: deviation 0 of channel 1, want more than 0");
  check_input(bundle, "deviation", "[-2, 1]", "input: deviation -2 of channel 0, want more than 0");
  check_input(bundle, "height", NULL, "JSON: 'height' is missing, want an integer");
  check_input(bundle, "width", NULL, "JSON: 'width' is missing, want an integer");
  check_input(bundle, "channels", NULL, "JSON: 'channels' is missing, want an integer");
  check_input(bundle, "mean", NULL, "JSON: 'mean' is missing, want an array");
  check_input(bundle, "deviation", NULL, "JSON: 'deviation' is missing, want an array");
  anet_bundle_release(bundle);
}

/* ---- latency tables ------------------------------------------------------------------------- */

static anet_table *numbered_table(void)
{
  anet_table *t = NULL;
  CHECK_OK(anet__table_new(3, &t));
  t->batch = 2, t->threads = 3, t->rounds = 5;
  double *const fields[] = {&t->fixed_ms,     &t->oracle_ms, &t->oracle_error, &t->disturbed,
                            &t->median_error, &t->p95_error, &t->drift,        &t->seconds};
  for (int32_t i = 0; i < 8; i++) *fields[i] = 10 + i / 3.0;
  for (int32_t i = 0; i < 3; i++) t->ms[i] = -1.5 + i, t->error[i] = i, t->cold_ms[i] = -i / 7.0;
  memset(t->fingerprint, 'f', ANET_FINGERPRINT_BYTES - 1); /* the longest */
  return t;
}

static void check_table(anet_bundle *bundle, const char *field, const char *value,
                        const char *words)
{
  anet_table *out = (anet_table *)bundle;
  anet_memory before, after;
  char *old = change(bundle, "table", field, value);
  anet_memory_read(&before);
  test_checks++;
  const int rc = anet_bundle_table(bundle, &out);
  if (rc != ANET_FORMAT || strcmp(anet_error(), words) != 0)
    TEST_FAIL("%s = %s: %d, '%s', want '%s'", field, value ? value : "", rc, anet_error(), words);
  anet_memory_read(&after);
  CHECK(out == NULL);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  undo(bundle, "table", old);
}

TEST(tables)
{
  static const char *const numbers[] = {"fixed_ms",  "oracle_ms", "median_error",
                                        "p95_error", "drift",     "seconds"};
  anet_bundle *bundle = new_bundle();
  anet_table *table = numbered_table(), *out = NULL;
  CHECK_FAILS(anet_bundle_table(bundle, &out), ANET_ABSENT, "bundle: it holds no table");
  CHECK_OK(anet_bundle_set_table(bundle, table));
  CHECK_OK(anet_bundle_table(bundle, &out));
  if (!out) return;
  CHECK(out->options == 3 && out->batch == 2 && out->threads == 3 && out->rounds == 5);
  CHECK_EQ_S(out->fingerprint, table->fingerprint);
  CHECK(out->fixed_ms == table->fixed_ms && out->oracle_ms == table->oracle_ms);
  CHECK(out->oracle_error == table->oracle_error && out->disturbed == table->disturbed);
  CHECK(out->median_error == table->median_error && out->p95_error == table->p95_error);
  CHECK(out->drift == table->drift && out->seconds == table->seconds);
  for (int32_t i = 0; i < 3; i++) {
    CHECK(out->ms[i] == table->ms[i] && out->error[i] == table->error[i]);
    CHECK(out->cold_ms[i] == table->cold_ms[i]);
  }
  anet_table_release(out);
  char words[100];
  for (int i = 0; i < ANET_COUNT(numbers); i++) {
    snprintf(words, sizeof words, "JSON: '%s' is missing, want a number", numbers[i]);
    check_table(bundle, numbers[i], NULL, words);
  }
  check_table(bundle, "batch", "0", "JSON: 'batch' is 0, want 1 .. 2147483647");
  check_table(bundle, "threads", "0", "JSON: 'threads' is 0, want 1 .. 2147483647");
  check_table(bundle, "rounds", "-1", "JSON: 'rounds' is -1, want 0 .. 2147483647");
  check_table(bundle, "rounds", NULL, "JSON: 'rounds' is missing, want an integer");
  check_table(bundle, "fingerprint", NULL, "JSON: 'fingerprint' is missing, want a string");
  check_table(bundle, "ms", NULL, "JSON: 'ms' is missing, want an array");
  check_table(bundle, "ms", "[1, 2]", "JSON: 'error' has 3 numbers, want 2");
  check_table(bundle, "error", "[0, 0, -1]", "JSON: item 2 of 'error' is -1, want at least 0");
  check_table(bundle, "cold_ms", "[0, 0]", "JSON: 'cold_ms' has 2 numbers, want 3");
  check_table(bundle, "oracle_error", "\"x\"", "JSON: 'oracle_error' is a string, want a number");
  check_table(bundle, "disturbed", "[]", "JSON: 'disturbed' is an array, want a number");
  char text[ANET_FINGERPRINT_BYTES + 3];
  memset(text, 'f', sizeof text);
  text[0] = text[ANET_FINGERPRINT_BYTES + 1] = '"', text[ANET_FINGERPRINT_BYTES + 2] = 0;
  check_table(bundle, "fingerprint", text, "table: a fingerprint of 512 bytes, at most 511");
  /* files of 0.1.0 say less */
  anet__free(change(bundle, "table", "oracle_error", NULL));
  anet__free(change(bundle, "table", "disturbed", NULL));
  CHECK_OK(anet_bundle_table(bundle, &out));
  CHECK(out && out->oracle_error == 0 && out->disturbed == 0);
  anet_table_release(out);
  /* as many options as any space has, and one more */
  for (int32_t more = 0; more < 2; more++) {
    const int32_t most = ANET_MAX_POSITIONS * ANET_MAX_GENES;
    json_t *json = text_of(bundle, "table"), *list = json_array();
    for (int32_t i = 0; i < most + more; i++) json_array_append_new(list, json_integer(1));
    json_object_set(json, "ms", list), json_object_set(json, "error", list);
    json_object_set_new(json, "cold_ms", list);
    put_back(bundle, "table", json);
    const int rc = anet_bundle_table(bundle, &out);
    CHECK_EQ_I(rc, more ? ANET_FORMAT : ANET_OK);
    CHECK_EQ_I(out ? out->options : -1, more ? -1 : most);
    anet_table_release(out);
    snprintf(words, sizeof words, "table: %d options, at most %d", most + 1, most);
    if (more) CHECK_EQ_S(anet_error(), words);
  }
  anet_table_release(table);
  anet_bundle_release(bundle);
}

/* ---- networks ------------------------------------------------------------------------------- */

/* Two linear layers: the second's weights are rows 1 and 2 of a larger array, of which a third has
 * the whole. */
static anet_net *shared_net(void)
{
  anet_net *net = NULL;
  int32_t x = 0, y, z;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "in", &(anet_shape){1, {4}}, &x));
  const anet_attr four = {.channels = 4}, two = {.channels = 2};
  CHECK_OK(anet_net_add(net, "linear", "first", &four, &x, 1, &y));
  CHECK_OK(anet_net_add(net, "linear", "second", &two, &y, 1, &z));
  CHECK_OK(anet_net_add(net, "linear", "third", &four, &y, 1, &x));
  CHECK_OK(anet_net_output(net, z));
  CHECK_OK(anet_net_output(net, x));
  CHECK_OK(anet_net_init(net, 3));
  anet_tensor *whole = anet_net_param(net, anet_net_find(net, "third"), 0), *part = NULL;
  anet_shape shape;
  anet_tensor_shape(anet_net_param(net, anet_net_find(net, "second"), 0), &shape);
  int32_t begin[2] = {1, 0};
  if (shape.dim[0] == 4) begin[0] = 0, begin[1] = 1;
  CHECK_OK(anet_tensor_view(whole, begin, &shape, &part));
  CHECK_OK(anet_net_set_param(net, anet_net_find(net, "second"), 0, part));
  anet_tensor_release(part);
  return net;
}

static anet_tensor *weight(anet_net *net, const char *name)
{
  return anet_net_param(net, anet_net_find(net, name), 0);
}

static bool same_values(anet_tensor *a, anet_tensor *b)
{
  anet_tensor *x = NULL, *y = NULL;
  if (!a || !b || !anet__shape_equal(&a->shape, &b->shape)) return false;
  CHECK_OK(anet_tensor_new(ANET_F32, &a->shape, &x));
  CHECK_OK(anet_tensor_new(ANET_F32, &a->shape, &y));
  CHECK_OK(anet_tensor_copy(x, a));
  CHECK_OK(anet_tensor_copy(y, b));
  const bool same = memcmp(anet__f32(x), anet__f32(y), x->storage->bytes) == 0;
  anet_tensor_release(x), anet_tensor_release(y);
  return same;
}

static int get_net(anet_bundle *bundle)
{
  anet_net *net = (anet_net *)bundle;
  const int rc = anet_bundle_net(bundle, &net);
  CHECK_EQ_I(rc == ANET_OK, net != NULL);
  anet_net_release(net);
  return rc;
}

TEST(memory_is_shared_as_it_was)
{
  anet_bundle *bundle = new_bundle();
  anet_net *net = shared_net(), *back = NULL;
  CHECK_FAILS(get_net(bundle), ANET_ABSENT, "bundle: it holds no net");
  CHECK_OK(anet_bundle_set_net(bundle, net));
  CHECK_EQ_I(anet_bundle_tensors(bundle), 2); /* each memory once, under its first user's name */
  CHECK_EQ_S(anet_bundle_tensor_name(bundle, 0), "first.weight");
  CHECK_EQ_S(anet_bundle_tensor_name(bundle, 1), "second.weight");
  CHECK_EQ_I(anet_tensor_count(anet_bundle_tensor(bundle, "second.weight")), 16);
  json_t *windows = text_of(bundle, "windows");
  CHECK_EQ_I(json_object_size(windows), 2);
  const json_t *part = json_object_get(windows, "second.weight");
  CHECK_EQ_S(json_string_value(json_object_get(part, "tensor")), "second.weight");
  part = json_object_get(windows, "third.weight");
  CHECK_EQ_S(json_string_value(json_object_get(part, "tensor")), "second.weight");
  json_decref(windows);
  CHECK_OK(anet_bundle_net(bundle, &back));
  static const char *const names[] = {"first", "second", "third"};
  for (int i = 0; back && i < 3; i++)
    CHECK(same_values(weight(net, names[i]), weight(back, names[i])));
  CHECK(weight(back, "second")->storage == weight(back, "third")->storage);
  CHECK(weight(back, "second")->storage != weight(back, "first")->storage);
  CHECK_EQ_I(weight(back, "second")->offset, weight(net, "second")->offset);
  anet_net_release(back);
  /* again, it is the same; without windows there is no such text */
  char *text = anet__strdup(anet_bundle_text(bundle, "windows"));
  CHECK_OK(anet_bundle_set_net(bundle, net));
  CHECK_EQ_S(anet_bundle_text(bundle, "windows"), text);
  CHECK_EQ_I(anet_bundle_tensors(bundle), 2);
  anet__free(text);
  anet_net_release(net), anet_bundle_release(bundle);
  bundle = new_bundle();
  net = net_resnet(8, 3, 4, 1, 4);
  CHECK_OK(anet_bundle_set_net(bundle, net));
  CHECK(!anet_bundle_text(bundle, "windows"));
  anet_net_release(net), anet_bundle_release(bundle);
}

static void check_window(anet_bundle *bundle, const char *name, const char *window,
                         const char *words)
{
  char *old = change(bundle, "windows", name, window);
  const int rc = get_net(bundle);
  char whole[300];
  snprintf(whole, sizeof whole, "net: linear 'third': %s", words);
  test_checks++;
  if (rc != ANET_FORMAT || strcmp(anet_error(), whole) != 0)
    TEST_FAIL("%s: %d, '%s', want '%s'", window, rc, anet_error(), words);
  undo(bundle, "windows", old);
}

TEST(wrong_windows)
{
  anet_bundle *bundle = new_bundle();
  anet_net *net = shared_net();
  CHECK_OK(anet_bundle_set_net(bundle, net));
  check_window(bundle, "third.weight", "{\"tensor\":\"x\",\"begin\":[0,0],\"size\":[4,4]}",
               "bundle: 'third.weight' is a window of 'x', which is not there");
  check_window(bundle, "third.weight", "{\"begin\":[0,0],\"size\":[4,4]}",
               "bundle: 'third.weight' is a window of 'nothing', which is not there");
  static const char *const numbers[][2] = {{"[0]", "[4,4]"},       {"[0,0]", "[4,4,1]"},
                                           {"[0,-1]", "[4,4]"},    {"[0,0.5]", "[4,4]"},
                                           {"[0,0]", "[4,\"4\"]"}, {"0", "[4,4]"},
                                           {"[0,0]", "null"},      {"[0,2147483648]", "[4,4]"}};
  for (int i = 0; i < ANET_COUNT(numbers); i++) {
    char text[200];
    snprintf(text, sizeof text, "{\"tensor\":\"second.weight\",\"begin\":%s,\"size\":%s}",
             numbers[i][0], numbers[i][1]);
    check_window(bundle, "third.weight", text,
                 "bundle: the window 'third.weight' does not have 2 numbers for begin and size");
  }
  check_window(bundle, "third.weight",
               "{\"tensor\":\"second.weight\",\"begin\":[1,0],\"size\":[4,4]}",
               "bundle: the window 'third.weight': view: 4 from 1 in dimension 0, which has 4");
  /* a text that is no object has no windows; what they were for is then missing */
  char *old = anet__strdup(anet_bundle_text(bundle, "windows"));
  CHECK_OK(anet_bundle_set_text(bundle, "windows", NULL));
  CHECK_EQ_I(get_net(bundle) == ANET_OK, 0);
  CHECK_OK(anet_bundle_set_text(bundle, "windows", "{"));
  CHECK_FAILS(get_net(bundle), ANET_FORMAT, "windows: JSON, line 1");
  undo(bundle, "windows", old);
  old = anet__strdup(anet_bundle_text(bundle, "net"));
  char *at = strstr(old, "first");
  CHECK(at != NULL);
  if (at) {
    char *other = anet__strdup(old);
    while ((at = strstr(other, "first"))) memcpy(at, "worst", 5);
    CHECK_OK(anet_bundle_set_text(bundle, "net", other));
    anet__free(other);
  }
  CHECK_FAILS(get_net(bundle), ANET_FORMAT, "bundle: the weights 'worst.weight' are missing");
  undo(bundle, "net", old);
  CHECK_OK(get_net(bundle));
  anet_net_release(net), anet_bundle_release(bundle);
}

/* Names are 511 characters with all that is put to them, and no more. */
TEST(names_that_are_too_long)
{
  for (int32_t length = 503; length <= 506; length++) {
    char name[600];
    anet_net *net = NULL;
    int32_t x;
    memset(name, 'n', sizeof name);
    name[length] = 0;
    anet_bundle *bundle = new_bundle();
    CHECK_OK(anet_net_new(&net));
    CHECK_OK(anet_net_input(net, "in", &(anet_shape){1, {4}}, &x));
    const int rc = anet_net_add(net, "linear", name, &(anet_attr){.channels = 1}, &x, 1, &x);
    if (rc) {
      printf("names_that_are_too_long: a node refuses %d characters: %s\n", length, anet_error());
    } else {
      CHECK_OK(anet_net_output(net, x));
      CHECK_OK(anet_net_init(net, 1));
      char words[200];
      snprintf(words, sizeof words, "bundle: the name '%.40s…' has %d characters, at most 511 fit",
               name, length + 7);
      if (length + 7 > 511)
        CHECK_FAILS(anet_bundle_set_net(bundle, net), ANET_RANGE, words);
      else
        CHECK_OK(anet_bundle_set_net(bundle, net));
    }
    anet_net_release(net), anet_bundle_release(bundle);
  }
}

/* ---- supernets ------------------------------------------------------------------------------ */

static int get_supernet(anet_bundle *bundle)
{
  anet_supernet *supernet = (anet_supernet *)bundle;
  const int rc = anet_bundle_supernet(bundle, &supernet);
  CHECK_EQ_I(rc == ANET_OK, supernet != NULL);
  anet_supernet_release(supernet);
  return rc;
}

static void check_option(anet_bundle *bundle, const char *field, const char *value,
                         const char *words)
{
  char *old = anet__strdup(anet_bundle_text(bundle, "supernet"));
  json_t *json = text_of(bundle, "supernet");
  json_t *option = json_array_get(json_object_get(json, "options"), 0);
  if (value)
    json_object_set_new(option, field, json_loads(value, JSON_DECODE_ANY, NULL));
  else
    json_object_del(option, field);
  put_back(bundle, "supernet", json);
  anet_memory before, after;
  anet_memory_read(&before);
  const int rc = get_supernet(bundle);
  anet_memory_read(&after);
  test_checks++;
  if (rc != ANET_FORMAT || strcmp(anet_error(), words) != 0)
    TEST_FAIL("%s = %s: %d, '%s', want '%s'", field, value ? value : "", rc, anet_error(), words);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  undo(bundle, "supernet", old);
}

/* Options of two supernets are alike, with their weights. */
static void check_same(anet_supernet *a, anet_supernet *b)
{
  const anet_space *s = anet_supernet_space(a), *t = anet_supernet_space(b);
  CHECK_EQ_I(anet_space_options(s), anet_space_options(t));
  for (int32_t i = 0; i < anet_space_options(s) && i < anet_space_options(t); i++) {
    anet_option x, y;
    CHECK_OK(anet_space_option(s, i, &x));
    CHECK_OK(anet_space_option(t, i, &y));
    CHECK(x.kind == y.kind && x.position == y.position && x.span == y.span && x.gene == y.gene);
    CHECK(x.width == y.width && x.hidden == y.hidden);
    anet_net *p = a->piece[i], *q = b->piece[i];
    if (!p || !q) continue;
    CHECK_EQ_I(anet_net_count(p), anet_net_count(q));
    for (int32_t v = 0; v < anet_net_count(p); v++)
      for (int32_t k = 0; anet_net_param(p, v, k); k++)
        CHECK(same_values(anet_net_param(p, v, k), anet_net_param(q, v, k)));
  }
}

TEST(supernets)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH];
  anet_net *oracle = net_resnet(8, 3, 8, 2, 4);
  anet_supernet *supernet = elastic_supernet(oracle), *back = NULL;
  anet_bundle *bundle = new_bundle(), *again = NULL;
  CHECK_OK(anet_supernet_seal(supernet));
  CHECK_FAILS(get_supernet(bundle), ANET_ABSENT, "bundle: it holds no supernet");
  CHECK_OK(anet_bundle_set_supernet(bundle, supernet));
  CHECK_OK(anet_bundle_supernet(bundle, &back));
  if (back) check_same(supernet, back);
  anet_supernet_release(back);
  test_scratch_new(folder);
  test_scratch_path(folder, "x.anet", path);
  CHECK_OK(anet_bundle_save(bundle, path));
  CHECK_OK(anet_bundle_open(path, &again));
  CHECK_OK(anet_bundle_supernet(again, &back));
  if (back) check_same(supernet, back);
  anet_supernet_release(back);
  anet_bundle_release(again);
  test_scratch_remove(folder);

  char words[200];
  check_option(bundle, "kind", "\"fold\"", "bundle: no kind of option is called 'fold'");
  check_option(bundle, "kind", NULL, "JSON: 'kind' is missing, want a string");
  snprintf(words, sizeof words, "JSON: 'position' is -1, want 0 .. %d", ANET_MAX_POSITIONS - 1);
  check_option(bundle, "position", "-1", words);
  char value[16];
  snprintf(value, sizeof value, "%d", ANET_MAX_POSITIONS);
  snprintf(words, sizeof words, "JSON: 'position' is %s, want 0 .. %d", value,
           ANET_MAX_POSITIONS - 1);
  check_option(bundle, "position", value, words);
  snprintf(words, sizeof words, "JSON: 'span' is 0, want 1 .. %d", ANET_MAX_POSITIONS);
  check_option(bundle, "span", "0", words);
  snprintf(value, sizeof value, "%d", ANET_MAX_POSITIONS + 1);
  snprintf(words, sizeof words, "JSON: 'span' is %s, want 1 .. %d", value, ANET_MAX_POSITIONS);
  check_option(bundle, "span", value, words);
  check_option(bundle, "hidden", "-1", "JSON: 'hidden' is -1, want 0 .. 2147483647");
  check_option(bundle, "hidden", "2147483648",
               "JSON: 'hidden' is 2147483648, want 0 .. 2147483647");
  check_option(bundle, "width", "\"x\"", "JSON: 'width' is a string, want a number");
  check_option(bundle, "piece", "3", "JSON: 'piece' is an integer, want an object");
  char *old = change(bundle, "supernet", "options", NULL);
  CHECK_FAILS(get_supernet(bundle), ANET_FORMAT, "JSON: 'options' is missing, want an array");
  undo(bundle, "supernet", old);
  CHECK_OK(get_supernet(bundle));
  old = anet__strdup(anet_bundle_text(bundle, "net"));
  CHECK_OK(anet_bundle_set_text(bundle, "net", NULL));
  CHECK_FAILS(get_supernet(bundle), ANET_ABSENT, "bundle: it holds no net");
  undo(bundle, "net", old);
  anet_bundle_release(bundle);
  anet_supernet_release(supernet);
  anet_net_release(oracle);
}

/* ---- optimisers ----------------------------------------------------------------------------- */

static anet_optim *new_optim(int32_t kind)
{
  anet_optim *optim = NULL;
  const anet_optim_desc desc = {.kind = kind, .momentum = 0.9F, .beta2 = 0.99F};
  CHECK_OK(anet_optim_new(&desc, &optim));
  return optim;
}

/* Every parameter's state: numbers of its own, and steps. */
static void number_states(anet_optim *optim, anet_net *const *nets, int32_t count, int32_t times)
{
  int32_t number = 0;
  for (int32_t n = 0; n < count; n++)
    for (int32_t v = 0; v < anet_net_count(nets[n]); v++)
      for (int32_t p = 0; anet_net_param(nets[n], v, p); p++, number++) {
        anet_tensor *state[2];
        int64_t *steps;
        CHECK_OK(anet__optim_state(optim, anet_net_param(nets[n], v, p), state, &steps));
        *steps = times * (100 + number);
        for (int32_t i = 0; i < 2; i++)
          for (int32_t k = 0; state[i] && k < (int32_t)anet_tensor_count(state[i]); k++)
            anet__f32(state[i])[k] = (float)(times * (1000 * number + 10 * k + i));
      }
}

static bool same_states(anet_optim *a, anet_optim *b, anet_net *const *nets, int32_t count)
{
  bool same = true;
  for (int32_t n = 0; n < count; n++)
    for (int32_t v = 0; v < anet_net_count(nets[n]); v++)
      for (int32_t p = 0; anet_net_param(nets[n], v, p); p++) {
        anet_tensor *x[2], *y[2];
        int64_t *steps, *other;
        CHECK_OK(anet__optim_state(a, anet_net_param(nets[n], v, p), x, &steps));
        CHECK_OK(anet__optim_state(b, anet_net_param(nets[n], v, p), y, &other));
        same &= *steps == *other;
        for (int32_t i = 0; i < 2; i++) {
          CHECK_EQ_I(x[i] != NULL, y[i] != NULL);
          if (x[i]) same &= same_values(x[i], y[i]);
        }
      }
  return same;
}

TEST(states_of_optimisers)
{
  for (int32_t kind = ANET_SGD; kind <= ANET_ADAMW; kind++) {
    anet_net *const nets[2] = {shared_net(), shared_net()};
    anet_optim *optim = new_optim(kind), *back = new_optim(kind);
    anet_bundle *bundle = new_bundle();
    CHECK_FAILS(anet_bundle_optim(bundle, back, nets, 2), ANET_ABSENT, "bundle: it holds no optim");
    number_states(optim, nets, 2, 1);
    CHECK_OK(anet_bundle_set_optim(bundle, optim, nets, 2));
    /* first and the shared one, of each net: so many tensors, and a count of steps a parameter */
    CHECK_EQ_I(anet_bundle_tensors(bundle), 2 * 2 * (kind == ANET_ADAMW ? 2 : 1));
    CHECK(anet_bundle_tensor(bundle, "optim/0.first.weight/0") != NULL);
    CHECK(anet_bundle_tensor(bundle, "optim/1.second.weight/0") != NULL);
    CHECK(!anet_bundle_tensor(bundle, "optim/1.third.weight/0"));
    CHECK_EQ_I(anet_bundle_tensor(bundle, "optim/1.first.weight/1") != NULL, kind == ANET_ADAMW);
    CHECK(!same_states(optim, back, nets, 2));
    CHECK_OK(anet_bundle_optim(bundle, back, nets, 2));
    CHECK(same_states(optim, back, nets, 2));
    json_t *steps = text_of(bundle, "optim");
    CHECK_EQ_I(json_object_size(steps), 6);
    json_decref(steps);
    char *old = change(bundle, "optim", "optim/0.first.weight", "-1");
    CHECK_FAILS(anet_bundle_optim(bundle, back, nets, 2), ANET_FORMAT,
                "JSON: 'optim/0.first.weight' is -1, want 0 .. 9223372036854775807");
    undo(bundle, "optim", old);
    old = change(bundle, "optim", "optim/1.third.weight", NULL);
    CHECK_FAILS(anet_bundle_optim(bundle, back, nets, 2), ANET_FORMAT,
                "JSON: 'optim/1.third.weight' is missing, want an integer");
    undo(bundle, "optim", old);
    /* nodes that are frozen have no state */
    anet_bundle *frozen = new_bundle();
    CHECK_OK(anet_net_freeze(nets[0], anet_net_find(nets[0], "first"), 1));
    CHECK_OK(anet_bundle_set_optim(frozen, optim, nets, 1));
    CHECK(!anet_bundle_tensor(frozen, "optim/0.first.weight/0"));
    CHECK(anet_bundle_tensor(frozen, "optim/0.second.weight/0") != NULL);
    anet_bundle_release(frozen), anet_bundle_release(bundle);
    anet_optim_release(optim), anet_optim_release(back);
    anet_net_release(nets[0]), anet_net_release(nets[1]);
  }
}

TEST(nothing_is_left)
{
  anet_memory memory;
  anet_memory_read(&memory);
  CHECK_EQ_I(memory.live_bytes, 0);
}

TEST_MAIN(CASE(inputs), CASE(tables), CASE(memory_is_shared_as_it_was), CASE(wrong_windows),
          CASE(names_that_are_too_long), CASE(supernets), CASE(states_of_optimisers),
          CASE(nothing_is_left))
