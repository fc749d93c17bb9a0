/* ONNX files: the importer, and what it makes of them. */
#include "anet.h"
#include "fuzz/fuzz.h"

const char door_name[] = "onnx";
/* The importer gives an array of a byte an element eight bytes each and stores it once more in
 * another order (16); an empty message of two bytes becomes a struct of some 300, for which its
 * pool has 160 bytes a byte; a node of the file may become several of the net, of some 400 bytes
 * each, in twenty bytes of the file. */
const double door_ratio = 1000;

void door_open(const uint8_t *data, size_t bytes)
{
  const char *path = fuzz_file(data, bytes);
  char name[32];
  anet_net *net = NULL;
  anet_bundle *about = NULL;
  if (anet_bundle_new(&about)) return;
  (void)anet_onnx_input(path, 0, name, sizeof name);
  if (!anet_net_import_onnx(path, NULL, &net, about)) fuzz_visit(net);
  anet_net_release(net);
  if (!anet_net_import_onnx(path, &(anet_onnx_desc){.partial = 1}, &net, about)) fuzz_visit(net);
  anet_net_release(net);
  anet_bundle_release(about);
}
