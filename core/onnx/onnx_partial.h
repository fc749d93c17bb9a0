/* Importing a part of a model: up to outputs that the caller names, or without an end that this engine
 * cannot run. */
#ifndef ANET_ONNX_PARTIAL_H
#define ANET_ONNX_PARTIAL_H

#include "onnx/onnx_import.h"

/* The names that a node reads, those that its subgraphs take from around them among them. */
typedef int anet__onnx_visitor(void *context, const char *name);
int anet__onnx_visit_reads(const anet__onnx_node *node, anet__onnx_visitor *visit, void *context);

/* Named values become the outputs of the model, which loses the nodes they do not need. */
int anet__onnx_name_outputs(anet__onnx_model *model, const anet_onnx_desc *desc);

/* Why a node must be left out: an input of it is. NULL: it need not be. */
const char *anet__onnx_reads_left(const anet__onnx_import *im, const anet__onnx_node *node);
/* Node `index` is not imported; why: "" where it only reads what is left out. */
int anet__onnx_leave(anet__onnx_import *im, int32_t index, const char *why);
/* So is an input of the model. */
int anet__onnx_leave_input(anet__onnx_import *im, const char *name, const char *why);
/* Is node `index` of the part that is left out: behind the cut, or a constant that only it needs? After the cut. */
bool anet__onnx_in_tail(const anet__onnx_import *im, int32_t index);
/* Is this value, which was imported, read by the part that is left out? */
bool anet__onnx_feeds_tail(const anet__onnx_value *value);
/* After the walk: the outputs of the model are those that are left, then what was left out reads.
 * ANET_UNSUPPORTED: it is no end of the model. */
int anet__onnx_cut_end(anet__onnx_import *im);
/* After the outputs: the net loses what nothing needs, inputs too. */
int anet__onnx_trim(anet__onnx_import *im);
/* The text "left_out", and what it tells of; nothing where all was imported. */
int anet__onnx_left_write(anet__onnx_import *im, anet_bundle *about);

#endif
