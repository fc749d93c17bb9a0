/* What an import left out, in a bundle that a stranger made: put behind a small net, and what that
 * is read again. */
#include <stdlib.h>
#include <string.h>

#include "anet.h"
#include "fuzz/fuzz.h"
#include "support/scratch.h"

const char door_name[] = "tail";
/* As for ONNX files: empty messages of two bytes become structs, and all is packed again. */
const double door_ratio = 1000;

static char folder[SCRATCH_PATH];

static void remove_folder(void)
{
  test_scratch_remove(folder);
}

/* Image 'x' to 'a', and that to 'b' and 'c', which leave. */
static anet_net *make_net(void)
{
  static const char *const op[] = {"relu", "sigmoid", "tanh"}, *const name[] = {"a", "b", "c"};
  const anet_shape shape = {3, {2, 2, 1}};
  anet_net *net = NULL;
  int32_t from, value;
  if (anet_net_new(&net) || anet_net_input(net, "x", &shape, &from)) fuzz_stop("no net");
  for (int i = 0; i < 3; i++) {
    if (anet_net_add(net, op[i], name[i], NULL, &from, 1, &value)) fuzz_stop("no node");
    if (i == 0) from = value;
    if (i > 0 && anet_net_output(net, value)) fuzz_stop("no output");
  }
  return net;
}

static anet_bundle *make_bundle(const uint8_t *data, size_t bytes)
{
  const anet_shape shape = {1, {(int32_t)bytes}};
  anet_bundle *bundle = NULL;
  anet_tensor *tensor = NULL;
  if (anet_bundle_new(&bundle) || anet_tensor_new(ANET_U8, &shape, &tensor)) fuzz_stop("no bundle");
  memcpy(anet_tensor_data(tensor), data, bytes);
  if (anet_bundle_set_tensor(bundle, "onnx.tail", tensor)) fuzz_stop("no tensor");
  anet_tensor_release(tensor);
  return bundle;
}

void door_open(const uint8_t *data, size_t bytes)
{
  char path[SCRATCH_PATH];
  anet_net *again = NULL;
  if (bytes == 0 || bytes > INT16_MAX) return;
  if (!folder[0]) {
    test_scratch_new(folder);
    atexit(remove_folder);
  }
  anet_net *net = make_net();
  anet_bundle *bundle = make_bundle(data, bytes);
  test_scratch_path(folder, "tail.onnx", path);
  if (!anet_net_export_onnx(net, path, bundle) &&
      !anet_net_import_onnx(path, &(anet_onnx_desc){.partial = 1}, &again, bundle))
    fuzz_visit(again);
  anet_net_release(again);
  anet_net_release(net);
  anet_bundle_release(bundle);
}
