/* Models in a bundle: networks, supernets and optimiser state as JSON texts and named tensors.
 *
 * A parameter is stored under "prefix" + "node.param". Memory that several parameters share is
 * stored once, whole, under the name of its first user; the text "windows" tells for every other
 * user which tensor it is a window of:  name -> {tensor, begin, size}.
 */
#include <stdio.h>
#include <string.h>
#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "bundle/bundle.h"
#include "elastic/supernet.h"
#include "graph/net.h"
#include "train/optim.h"

enum { NAME_BYTES = 512 };

static int join(char *out, const char *prefix, const char *node, const char *param)
{
  const int n = snprintf(out, NAME_BYTES, "%s%s%s%s", prefix, node, *param ? "." : "", param);
  if (n < 0 || n >= NAME_BYTES)
    return anet_fail(ANET_RANGE, "bundle: the name '%.40s…' has %d characters, at most %d fit",
                     node, n, NAME_BYTES - 1);
  return ANET_OK;
}

/* ---- storing ----------------------------------------------------------------------------------
 */

static json_t *ints_json(const int32_t *values, int32_t count)
{
  json_t *array = json_array();
  for (int32_t i = 0; i < count; i++) array = anet__json_push(array, json_integer(values[i]));
  return array;
}

static int store_param(anet_bundle *bundle, json_t *windows, const char *name, anet_tensor *tensor)
{
  const char *stored = anet__bundle_stored(bundle, tensor->storage);
  int32_t begin[ANET_MAX_RANK] = {0};
  anet_tensor *whole = NULL;
  ANET_TRY(anet__tensor_whole(tensor, &whole, begin));
  int rc = ANET_OK;
  const bool is_whole = anet__shape_equal(&whole->shape, &tensor->shape);
  if (!stored) {
    rc = anet_bundle_set_tensor(bundle, name, whole);
    stored = name;
  }
  if (!rc && (!is_whole || strcmp(stored, name) != 0)) {
    json_t *window = json_pack("{s:s, s:o, s:o}", "tensor", stored, "begin",
                               ints_json(begin, tensor->shape.rank), "size",
                               ints_json(tensor->shape.dim, tensor->shape.rank));
    if (!window || json_object_set_new(windows, name, window))
      rc = anet_fail(ANET_NOMEM, "bundle: no memory for the window '%s'", name);
  }
  anet_tensor_release(whole);
  return rc;
}

/* A net's weights under `prefix`, and its structure as JSON. */
static int store_net(anet_bundle *bundle, anet_net *net, const char *prefix, json_t *windows,
                     json_t **out)
{
  for (int32_t v = 0; v < net->count; v++) {
    for (int32_t p = 0; p < net->node[v].params; p++) {
      char name[NAME_BYTES];
      ANET_TRY(join(name, prefix, net->node[v].name, anet_net_param_name(net, v, p)));
      if (net->node[v].param[p])
        ANET_TRY(store_param(bundle, windows, name, net->node[v].param[p]));
    }
  }
  return anet__net_to_json(net, out);
}

static int begin_windows(const anet_bundle *bundle, json_t **windows)
{
  const int rc = anet__bundle_json(bundle, "windows", windows);
  if (rc != ANET_ABSENT) return rc;
  *windows = json_object();
  return *windows ? ANET_OK : anet_fail(ANET_NOMEM, "bundle: no memory for its windows");
}

/* Sharing lives in the windows; without any the text is left out. */
static int end_windows(anet_bundle *bundle, json_t *windows)
{
  if (json_object_size(windows)) return anet__bundle_set_json(bundle, "windows", windows);
  json_decref(windows);
  return anet_bundle_set_text(bundle, "windows", NULL);
}

int anet_bundle_set_net(anet_bundle *bundle, anet_net *net)
{
  json_t *windows = NULL, *json = NULL;
  ANET_TRY(begin_windows(bundle, &windows));
  int rc = store_net(bundle, net, "", windows, &json);
  if (!rc) rc = anet__bundle_set_json(bundle, "net", json);
  if (rc)
    json_decref(windows);
  else
    rc = end_windows(bundle, windows);
  return rc;
}

static const char *const kind_names[ANET_OPTION_COUNT] = {"keep", "merge", "shrink", "skip",
                                                          "int8"};

/* Weights of an option's piece are called "position.gene/node.param". */
static int piece_prefix(char *prefix, const anet_option *option)
{
  char text[24];
  snprintf(text, sizeof text, "%d.%d/", option->position, option->gene);
  return join(prefix, text, "", "");
}

static int store_option(anet_bundle *bundle, anet_supernet *supernet, int32_t index,
                        json_t *windows, json_t *list)
{
  anet_option option;
  char prefix[NAME_BYTES];
  json_t *piece = NULL;
  ANET_TRY(anet_space_option(supernet->space, index, &option));
  if (option.kind == ANET_KEEP) return ANET_OK;
  ANET_TRY(piece_prefix(prefix, &option));
  ANET_TRY(store_net(bundle, supernet->piece[index], prefix, windows, &piece));
  json_t *json = json_pack("{s:s, s:i, s:i, s:f, s:i, s:o}", "kind", kind_names[option.kind],
                           "position", (int)option.position, "span", (int)option.span, "width",
                           (double)option.width, "hidden", (int)option.hidden, "piece", piece);
  if (!json || json_array_append_new(list, json))
    return anet_fail(ANET_NOMEM, "bundle: no memory for option %d", index);
  return ANET_OK;
}

int anet_bundle_set_supernet(anet_bundle *bundle, anet_supernet *supernet)
{
  json_t *windows = NULL, *list = json_array();
  if (!list) return anet_fail(ANET_NOMEM, "bundle: no memory for the supernet");
  int rc = anet_bundle_set_net(bundle, supernet->oracle);
  if (!rc) rc = begin_windows(bundle, &windows);
  for (int32_t i = 0; i < supernet->space->options && !rc; i++)
    rc = store_option(bundle, supernet, i, windows, list);
  if (rc)
    json_decref(windows);
  else
    rc = end_windows(bundle, windows);
  if (!rc) return anet__bundle_set_json(bundle, "supernet", json_pack("{s:o}", "options", list));
  json_decref(list);
  return rc;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* Finds a net's parameters in a bundle; the windows that it makes live until finder_end. */
typedef struct finder {
  anet_bundle *bundle;
  const json_t *windows;
  const char *prefix;
  anet_tensor **made; /* (count) */
  int32_t count, capacity;
} finder;

static void finder_end(finder *f)
{
  for (int32_t i = 0; i < f->count; i++) anet_tensor_release(f->made[i]);
  anet__free(f->made);
}

static bool read_ints(const json_t *array, int32_t count, int32_t *out)
{
  if (!json_is_array(array) || json_array_size(array) != (size_t)count) return false;
  for (int32_t i = 0; i < count; i++) {
    const json_t *item = json_array_get(array, (size_t)i);
    const json_int_t value = json_integer_value(item);
    if (!json_is_integer(item) || value < 0 || value > INT32_MAX) return false;
    out[i] = (int32_t)value;
  }
  return true;
}

static int find_window(finder *f, const char *name, const json_t *window, anet_tensor **out)
{
  const char *stored = json_string_value(json_object_get(window, "tensor"));
  anet_tensor *whole = stored ? anet_bundle_tensor(f->bundle, stored) : NULL;
  int32_t begin[ANET_MAX_RANK];
  if (!whole)
    return anet_fail(ANET_FORMAT, "bundle: '%s' is a window of '%s', which is not there", name,
                     stored ? stored : "nothing");
  anet_shape size = {.rank = whole->shape.rank};
  if (!read_ints(json_object_get(window, "begin"), size.rank, begin) ||
      !read_ints(json_object_get(window, "size"), size.rank, size.dim))
    return anet_fail(ANET_FORMAT,
                     "bundle: the window '%s' does not have %d numbers for begin and size", name,
                     size.rank);
  ANET_TRY(anet__grow((void **)&f->made, &f->capacity, f->count, sizeof *f->made));
  const int rc = anet_tensor_view(whole, begin, &size, out);
  if (rc)
    return rc == ANET_NOMEM ? rc : anet__fail_in(ANET_FORMAT, "bundle: the window '%s'", name);
  f->made[f->count++] = *out;
  return ANET_OK;
}

static int find_param(void *context, const char *name, anet_tensor **out)
{
  finder *f = context;
  char full[NAME_BYTES];
  ANET_TRY(join(full, f->prefix, name, ""));
  const json_t *window = json_object_get(f->windows, full);
  if (window) return find_window(f, full, window, out);
  *out = anet_bundle_tensor(f->bundle, full);
  return *out ? ANET_OK : anet_fail(ANET_FORMAT, "bundle: the weights '%s' are missing", full);
}

static int load_net(anet_bundle *bundle, const json_t *json, const char *prefix,
                    const json_t *windows, anet_net **out)
{
  finder f = {.bundle = bundle, .windows = windows, .prefix = prefix};
  int rc = anet__net_from_json(json, find_param, &f, out);
  finder_end(&f);
  return rc;
}

int anet_bundle_net(anet_bundle *bundle, anet_net **out)
{
  json_t *json = NULL, *windows = NULL;
  *out = NULL;
  ANET_TRY(anet__bundle_json(bundle, "net", &json));
  int rc = begin_windows(bundle, &windows);
  if (!rc) rc = load_net(bundle, json, "", windows, out);
  json_decref(windows);
  json_decref(json);
  return rc;
}

static int read_option(const json_t *json, anet_option *option)
{
  const char *kind = NULL;
  int64_t position, span;
  double width;
  int64_t hidden;
  ANET_TRY(anet__json_string(json, "kind", &kind));
  ANET_TRY(anet__json_int(json, "position", 0, ANET_MAX_POSITIONS - 1, &position));
  ANET_TRY(anet__json_int(json, "span", 1, ANET_MAX_POSITIONS, &span));
  ANET_TRY(anet__json_int(json, "hidden", 0, INT32_MAX, &hidden));
  ANET_TRY(anet__json_number(json, "width", &width));
  *option = (anet_option){.kind = -1,
                          .position = (int32_t)position,
                          .span = (int32_t)span,
                          .width = (float)width,
                          .hidden = (int32_t)hidden};
  for (int32_t k = 0; k < ANET_OPTION_COUNT; k++)
    if (strcmp(kind, kind_names[k]) == 0) option->kind = k;
  if (option->kind < 0)
    return anet_fail(ANET_FORMAT, "bundle: no kind of option is called '%s'", kind);
  return ANET_OK;
}

/* Options were stored in the space's order, so each gets the gene that its weights are named by. */
static int load_option(anet_bundle *bundle, const json_t *json, const json_t *windows,
                       int32_t *genes, anet_supernet *supernet)
{
  anet_option option;
  char prefix[NAME_BYTES];
  json_t *structure = NULL;
  anet_net *piece = NULL;
  ANET_TRY(read_option(json, &option));
  ANET_TRY(anet__json_object(json, "piece", &structure));
  option.gene = ++genes[option.position];
  ANET_TRY(piece_prefix(prefix, &option));
  ANET_TRY(load_net(bundle, structure, prefix, windows, &piece));
  int rc = anet__supernet_add_piece(supernet, &option, piece);
  anet_net_release(piece);
  return rc;
}

static int load_options(anet_bundle *bundle, const json_t *list, anet_supernet *supernet)
{
  int32_t genes[ANET_MAX_POSITIONS] = {0};
  json_t *windows = NULL;
  const json_t *json;
  size_t i;
  ANET_TRY(begin_windows(bundle, &windows));
  int rc = ANET_OK;
  json_array_foreach (list, i, json) {
    if (!rc) rc = load_option(bundle, json, windows, genes, supernet);
  }
  json_decref(windows);
  return rc ? rc : anet_supernet_seal(supernet);
}

int anet_bundle_supernet(anet_bundle *bundle, anet_supernet **out)
{
  json_t *json = NULL, *list = NULL;
  anet_net *oracle = NULL;
  *out = NULL;
  ANET_TRY(anet__bundle_json(bundle, "supernet", &json));
  int rc;
  if ((rc = anet__json_array(json, "options", &list))) goto done;
  if ((rc = anet_bundle_net(bundle, &oracle))) goto done;
  if ((rc = anet_supernet_new(oracle, out))) goto done;
  if ((rc = load_options(bundle, list, *out))) {
    anet_supernet_release(*out);
    *out = NULL;
  }
done:
  anet_net_release(oracle);
  json_decref(json);
  return rc;
}

/* ---- optimiser state ----------------------------------------------------------------------------
 */

/* The state of every parameter of `nets` in order: "optim/net.node.param/0" and "/1", and its steps
 * in the text "optim". Shared memory appears under its first user's name, both ways. */
typedef int visit_state(anet_bundle *bundle, anet_optim *optim, const anet_tensor *param,
                        const char *name, json_t *steps);

static int each_param(anet_bundle *bundle, anet_optim *optim, anet_net *const *nets, int32_t count,
                      json_t *steps, visit_state *visit)
{
  for (int32_t n = 0; n < count; n++) {
    for (int32_t v = 0; v < nets[n]->count; v++) {
      const anet__node *node = &nets[n]->node[v];
      for (int32_t p = 0; p < node->params; p++) {
        char prefix[32], name[NAME_BYTES];
        snprintf(prefix, sizeof prefix, "optim/%d.", n);
        ANET_TRY(join(name, prefix, node->name, anet_net_param_name(nets[n], v, p)));
        if (!node->frozen && node->param[p])
          ANET_TRY(visit(bundle, optim, node->param[p], name, steps));
      }
    }
  }
  return ANET_OK;
}

static int save_state(anet_bundle *bundle, anet_optim *optim, const anet_tensor *param,
                      const char *name, json_t *steps)
{
  anet_tensor *state[2] = {0};
  int64_t *taken = NULL;
  char full[NAME_BYTES];
  ANET_TRY(anet__optim_state(optim, param, state, &taken));
  for (int32_t i = 0; i < 2; i++) {
    ANET_TRY(join(full, name, i ? "/1" : "/0", ""));
    if (state[i] && !anet__bundle_stored(bundle, state[i]->storage))
      ANET_TRY(anet_bundle_set_tensor(bundle, full, state[i]));
  }
  return json_object_set_new(steps, name, json_integer(*taken)) ? ANET_NOMEM : ANET_OK;
}

static int load_state(anet_bundle *bundle, anet_optim *optim, const anet_tensor *param,
                      const char *name, json_t *steps)
{
  anet_tensor *state[2] = {0};
  int64_t *taken = NULL;
  char full[NAME_BYTES];
  ANET_TRY(anet__optim_state(optim, param, state, &taken));
  for (int32_t i = 0; i < 2; i++) {
    ANET_TRY(join(full, name, i ? "/1" : "/0", ""));
    anet_tensor *stored = anet_bundle_tensor(bundle, full);
    if (state[i] && stored) ANET_TRY(anet_tensor_copy(state[i], stored));
  }
  return anet__json_int(steps, name, 0, INT64_MAX, taken);
}

int anet_bundle_set_optim(anet_bundle *bundle, anet_optim *optim, anet_net *const *nets,
                          int32_t count)
{
  json_t *steps = json_object();
  if (!steps) return anet_fail(ANET_NOMEM, "bundle: no memory for the optimiser's state");
  int rc = each_param(bundle, optim, nets, count, steps, save_state);
  if (rc) return json_decref(steps), rc;
  return anet__bundle_set_json(bundle, "optim", steps);
}

int anet_bundle_optim(anet_bundle *bundle, anet_optim *optim, anet_net *const *nets, int32_t count)
{
  json_t *steps = NULL;
  ANET_TRY(anet__bundle_json(bundle, "optim", &steps));
  int rc = each_param(bundle, optim, nets, count, steps, load_state);
  json_decref(steps);
  return rc;
}
