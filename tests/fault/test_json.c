/* What is written by jansson: each of its allocations fails once, beside the engine's own, and the call
 * says ANET_NOMEM, and neither leaks nor leaves half of anything. What is read by it: the engine's own
 * fail, and jansson's are its own business (its reader goes on where its buffer cannot grow). */
#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "bundle/bundle.h"
#include "measure/table.h"
#include "support/elastic.h"
#include "support/fault.h"
#include "support/nets.h"
#include "support/scratch.h"

static char folder[SCRATCH_PATH], path[SCRATCH_PATH];

/* What a bundle can hold, made once. */
static struct {
  anet_supernet *supernet;
  anet_bundle *full;
  anet_tensor *tensor;
} sample;

/* ---- text and value ---------------------------------------------------------------------------
 */

static const char written[] =
    "{\"a\": [1, -2.5e3, true, false, null, \"\\u00b5\\ud83d\\ude00\\n\"], \"b\": {\"c\": "
    "\"a text that is longer than the first buffers of a reader, twice over, so that it grows\"},"
    " \"number\": 12345678901234567, \"long\": 0.12345678901234567890123456789012345678}";

static int reads(void *context)
{
  json_t *value = NULL;
  const int rc = anet__json_parse(written, strlen(written), "test", &value);
  if (!rc) {
    const char *text = json_string_value(json_object_get(json_object_get(value, "b"), "c"));
    CHECK(text && strlen(text) == 86);
    CHECK_EQ_I(json_integer_value(json_object_get(value, "number")), 12345678901234567);
    CHECK_NEAR(json_real_value(json_object_get(value, "long")), 0.12345678901234568, 0);
    CHECK_EQ_S(json_string_value(json_array_get(json_object_get(value, "a"), 5)), "µ😀\n");
  }
  json_decref(value);
  return rc;
}

static int writes(void *context)
{
  char *text = anet__json_text(context);
  if (text) CHECK(strlen(text) > 60);
  anet__free(text);
  return text ? ANET_OK : ANET_NOMEM;
}

TEST(texts)
{
  json_t *value = NULL;
  test_count_json(false);
  test_each_allocation(reads, NULL);
  test_count_json(true);
  CHECK_OK(anet__json_parse(written, strlen(written), "test", &value));
  test_each_allocation(writes, value);
  json_decref(value);
}

/* ---- bundles ----------------------------------------------------------------------------------
 */

static const anet_input input = {8, 8, 3, {1, 2, 3}, {4, 5, 6}};

static int fill(anet_bundle *bundle)
{
  const int32_t options = anet_space_options(anet_supernet_space(sample.supernet));
  anet_table *table = NULL;
  int rc = anet__table_new(options, &table);
  if (!rc) table->batch = table->threads = 1;
  if (!rc) rc = anet_bundle_set_table(bundle, table);
  anet_table_release(table);
  if (!rc) rc = anet_bundle_set_input(bundle, &input);
  if (!rc) rc = anet_bundle_set_text(bundle, "note", "quoted: \" and \\, and µ");
  if (!rc) rc = anet_bundle_set_tensor(bundle, "loose", sample.tensor);
  return rc ? rc : anet_bundle_set_supernet(bundle, sample.supernet);
}

static int fills(void *context)
{
  anet_bundle *bundle = NULL;
  int rc = anet_bundle_new(&bundle);
  if (!rc) rc = fill(bundle);
  anet_bundle_release(bundle);
  return rc;
}

/* A failed save leaves the old file and nothing beside it. */
static int saves(void *context)
{
  return anet_bundle_save(sample.full, path);
}

static int opens(void *context)
{
  anet_bundle *bundle = NULL;
  anet_supernet *supernet = NULL;
  anet_table *table = NULL;
  anet_input in;
  int rc = anet_bundle_open(path, &bundle);
  if (!rc) rc = anet_bundle_supernet(bundle, &supernet);
  if (!rc) rc = anet_bundle_table(bundle, &table);
  if (!rc) rc = anet_bundle_input(bundle, &in);
  if (!rc) CHECK_EQ_S(anet_bundle_text(bundle, "note"), "quoted: \" and \\, and µ");
  anet_table_release(table);
  anet_supernet_release(supernet);
  anet_bundle_release(bundle);
  return rc;
}

TEST(bundles)
{
  test_each_allocation(fills, NULL);
  CHECK_OK(anet_bundle_new(&sample.full));
  CHECK_OK(fill(sample.full));
  test_each_allocation(saves, NULL);
  CHECK_OK(anet_bundle_save(sample.full, path));
  anet_bundle_release(sample.full);
  test_count_json(false);
  test_each_allocation(opens, NULL);
  test_count_json(true);
}

int main(int argc, char **argv)
{
  static const test_case cases[] = {CASE(texts), CASE(bundles)};
  test_count_json(true);
  test_scratch_new(folder);
  test_scratch_path(folder, "model.anet", path);
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){2, {3, 7}}, &sample.tensor));
  anet_net *oracle = net_resnet(8, 3, 4, 1, 4);
  sample.supernet = elastic_supernet(oracle);
  CHECK_OK(anet_supernet_seal(sample.supernet));
  anet_net_release(oracle);
  const int rc = test_run(cases, ANET_COUNT(cases), argc, argv);
  anet_supernet_release(sample.supernet);
  anet_tensor_release(sample.tensor);
  test_scratch_remove(folder);
  return rc;
}
