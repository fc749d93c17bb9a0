/* Steps as calls of the functions in cexport_code.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codegen/cexport.h"
#include "op/bytes.h"

enum { PLACE_TEXT = 40 };

typedef struct caller {
  const anet__c_program *p;
  anet__c_writer *w;
  const anet__c_step *step;
  const anet__node *node;
  const anet_shape *in; /* of the node's first input */
} caller;

static const char *at(size_t offset, const char *base, char text[PLACE_TEXT])
{
  snprintf(text, PLACE_TEXT, offset ? "%s + %zu" : "%s", base, offset);
  return text;
}

static const char *place_text(const anet__c_program *p, int32_t source, char text[PLACE_TEXT])
{
  const anet__c_place *place = &p->place[source];
  if (place->kind == ANET_C_ARENA) return at(place->offset, "arena", text);
  if (place->kind == ANET_C_WEIGHTS) return at(place->offset, "weights", text);
  snprintf(text, PLACE_TEXT, "%s%d", place->kind == ANET_C_INPUT ? "in" : "out", place->index);
  return text;
}

static const char *weight_text(const anet__c_step *step, int32_t part, char text[PLACE_TEXT])
{
  return at(step->weight[part], "weights", text);
}

/* "  function(out, in" of all inputs. */
static void open_call(const caller *c, const char *function)
{
  char text[PLACE_TEXT];
  anet__c_put(c->w, "  %s(%s", function, place_text(c->p, c->step->value, text));
  for (int32_t i = 0; i < c->node->inputs; i++)
    anet__c_put(c->w, ", %s", place_text(c->p, c->p->source[c->node->in[i]], text));
}

static void begin(const caller *c, const char *function)
{
  anet__c_use(c->w, function);
  open_call(c, function);
}

static void put_weight(const caller *c, int32_t part)
{
  char text[PLACE_TEXT];
  anet__c_put(c->w, ", %s", weight_text(c->step, part, text));
}

static void put_bias(const caller *c)
{
  if (c->step->bias)
    put_weight(c, 1);
  else
    anet__c_put(c->w, ", NULL");
}

static void put_sizes(const caller *c, const size_t *size, int32_t count)
{
  for (int32_t i = 0; i < count; i++) anet__c_put(c->w, ", %zu", size[i]);
}

static void put_number(const caller *c, float value)
{
  char text[ANET_C_NUMBER];
  anet__c_put(c->w, ", %s", anet__c_number(value, 0, text));
}

static void put_clamp(const caller *c, float low, float high)
{
  put_number(c, low);
  put_number(c, high);
}

static void put_add(const caller *c)
{
  char text[PLACE_TEXT];
  anet__c_put(c->w, ", %s", c->step->add < 0 ? "NULL" : place_text(c->p, c->step->add, text));
  put_clamp(c, c->step->low, c->step->high);
}

static void end(const caller *c)
{
  anet__c_put(c->w, ");\n");
}

/* ---- windows
 * ------------------------------------------------------------------------------------- */

static void put_window(const caller *c, const anet_shape *in, const anet_shape *out)
{
  const anet_attr *a = &c->node->attr;
  const int32_t groups =
      c->node->op == ANET_OP_CONV || c->node->op == ANET_OP_CONV_TRANSPOSE ? a->groups : 1;
  anet__c_put(c->w,
              ",\n    (window){.in = {%d, %d, %d}, .out = {%d, %d, %d}, .kernel = {%d, %d},\n",
              in->dim[0], in->dim[1], in->dim[2], out->dim[0], out->dim[1], out->dim[2],
              a->kernel[0], a->kernel[1]);
  anet__c_put(
      c->w, "             .stride = {%d, %d}, .dilation = {%d, %d}, .pad = {%d, %d}, .groups = %d}",
      a->stride[0], a->stride[1], a->dilation[0], a->dilation[1], a->pad[0], a->pad[1], groups);
}

static void call_conv(const caller *c)
{
  begin(c, c->node->op == ANET_OP_CONV ? "op_conv" : "op_depthwise");
  put_weight(c, 0);
  put_bias(c);
  put_add(c);
  put_window(c, c->in, &c->node->shape);
  end(c);
}

static void call_conv_transpose(const caller *c)
{
  begin(c, "op_conv_transpose");
  put_weight(c, 0);
  put_bias(c);
  put_window(c, &c->node->shape, c->in);
  end(c);
}

static void call_pool(const caller *c)
{
  begin(c, c->node->op == ANET_OP_MAX_POOL ? "op_max_pool" : "op_avg_pool");
  if (c->node->op == ANET_OP_AVG_POOL) anet__c_put(c->w, ", %d", c->node->attr.mode != 0);
  put_window(c, c->in, &c->node->shape);
  end(c);
}

static void call_pad(const caller *c)
{
  static const char *const mode[] = {"PAD_CONSTANT", "PAD_REFLECT", "PAD_EDGE"};
  const anet_attr *a = &c->node->attr;
  const int32_t *in = c->in->dim, *out = c->node->shape.dim;
  begin(c, "op_pad");
  put_number(c, a->alpha);
  anet__c_put(c->w,
              ",\n    (margin){.in = {%d, %d, %d}, .out = {%d, %d, %d}, .top = %d, .left = %d,\n",
              in[0], in[1], in[2], out[0], out[1], out[2], a->pad[0], a->pad[1]);
  anet__c_put(c->w, "             .before = %d, .mode = %s}", a->dim[0], mode[a->mode]);
  end(c);
}

static void call_resize(const caller *c)
{
  static const char *const mode[] = {"NEAREST", "BILINEAR"};
  static const char *const centre[] = {"CENTRE", "CORNER", "ALIGN"};
  static const char *const round[] = {"HALF_DOWN", "DOWN", "UP", "HALF_UP"};
  const anet_attr *a = &c->node->attr;
  const int32_t *in = c->in->dim, *out = c->node->shape.dim;
  begin(c, "op_resize");
  anet__c_put(c->w, ",\n    (scaling){.in = {%d, %d}, .out = {%d, %d}, .channels = %d,\n", in[0],
              in[1], out[0], out[1], in[2]);
  anet__c_put(c->w, "              .mode = %s, .centre = %s, .round = %s}", mode[a->mode],
              centre[a->begin], round[a->size]);
  end(c);
}

/* ---- products, norms, sums
 * -------------------------------------------------------------------------- */

static void call_linear(const caller *c)
{
  begin(c, "op_linear");
  put_weight(c, 0);
  put_bias(c);
  put_add(c);
  put_sizes(c, (size_t[]){(size_t)c->in->dim[0], (size_t)c->node->shape.dim[0]}, 2);
  end(c);
}

static void call_matmul(const caller *c)
{
  const anet_shape *out = &c->node->shape;
  const size_t m = (size_t)out->dim[out->rank - 2], n = (size_t)out->dim[out->rank - 1];
  begin(c, "op_matmul");
  put_sizes(c, (size_t[]){anet__shape_size(out) / m / n, m, (size_t)c->in->dim[c->in->rank - 1], n},
            4);
  end(c);
}

static void put_rows(const caller *c)
{
  const anet_shape *s = &c->node->shape;
  put_sizes(c, (size_t[]){anet__pixels(s), (size_t)anet__channels(s)}, 2);
}

static void call_channels(const caller *c)
{
  begin(c, "op_channels");
  put_weight(c, 0);
  put_weight(c, 1);
  put_rows(c);
  put_clamp(c, c->step->low, c->step->high);
  end(c);
}

static void call_line_norm(const caller *c)
{
  begin(c, c->node->op == ANET_OP_LAYER_NORM ? "op_layer_norm" : "op_instance_norm");
  put_weight(c, 0);
  put_weight(c, 1);
  put_rows(c);
  put_number(c, c->node->attr.epsilon);
  end(c);
}

static void call_prelu(const caller *c)
{
  begin(c, "op_prelu");
  put_weight(c, 0);
  put_rows(c);
  end(c);
}

static void call_global_pool(const caller *c)
{
  begin(c, "op_global_pool");
  put_sizes(c, (size_t[]){anet__pixels(c->in), (size_t)anet__channels(c->in)}, 2);
  end(c);
}

/* The input as (outer, count, inner), count being the attribute's axis. */
static void put_lines(const caller *c)
{
  const anet_shape *s = c->in;
  const int32_t axis = s->rank - 1 - c->node->attr.axis;
  size_t size[3] = {1, (size_t)s->dim[axis], 1};
  for (int32_t i = 0; i < axis; i++) size[0] *= (size_t)s->dim[i];
  for (int32_t i = axis + 1; i < s->rank; i++) size[2] *= (size_t)s->dim[i];
  put_sizes(c, size, 3);
}

static void call_lines(const caller *c)
{
  const anet__op_id op = c->node->op;
  begin(c, op == ANET_OP_SOFTMAX       ? "op_softmax"
           : op == ANET_OP_LOG_SOFTMAX ? "op_log_softmax"
           : op == ANET_OP_REDUCE_MAX  ? "op_reduce_max"
           : op == ANET_OP_REDUCE_PROD ? "op_reduce_prod"
           : op == ANET_OP_TOP_K       ? "op_top_k"
                                       : "op_reduce_sum");
  put_lines(c);
  if (op == ANET_OP_REDUCE_SUM) put_number(c, 1);
  if (op == ANET_OP_REDUCE_MEAN)
    put_number(c, 1.0F / (float)c->in->dim[c->in->rank - 1 - c->node->attr.axis]);
  if (op == ANET_OP_TOP_K)
    anet__c_put(c->w, ", %d, %d, %d", c->node->attr.size,
                c->node->attr.begin == ANET_TOP_SMALLEST, c->node->attr.mode == ANET_TOP_PLACES);
  end(c);
}

static void call_lrn(const caller *c)
{
  const anet_attr *a = &c->node->attr;
  begin(c, "op_lrn");
  put_sizes(c, (size_t[]){anet__pixels(c->in), (size_t)anet__channels(c->in), (size_t)a->size}, 3);
  put_number(c, a->alpha);
  put_number(c, a->beta);
  put_number(c, a->epsilon);
  end(c);
}

/* ---- element by element
 * ---------------------------------------------------------------------------------- */

static void call_clamp(const caller *c)
{
  const anet_attr *a = &c->node->attr;
  const anet__op_id op = c->node->op;
  begin(c, "op_clamp");
  put_sizes(c, (size_t[]){anet__shape_size(&c->node->shape)}, 1);
  put_clamp(c, op == ANET_OP_CLIP ? a->alpha : 0,
            op == ANET_OP_CLIP    ? a->beta
            : op == ANET_OP_RELU6 ? 6
                                  : INFINITY);
  end(c);
}

static void call_quantize(const caller *c)
{
  const anet__levels l = anet__levels_of(&c->node->attr);
  begin(c, "op_quantize");
  put_sizes(c, (size_t[]){anet__shape_size(&c->node->shape)}, 1);
  put_number(c, l.levels);
  put_number(c, l.zero);
  end(c);
}

/* An addition or product of equals, or with a row of channels. */
static bool is_wide(const caller *c)
{
  return !anet__shape_equal(c->in, &c->p->net->node[c->node->in[1]].shape);
}

static void call_add(const caller *c)
{
  const bool wide = is_wide(c);
  begin(c, wide ? "op_add_row" : "op_add");
  if (wide)
    put_rows(c);
  else
    put_sizes(c, (size_t[]){anet__shape_size(&c->node->shape)}, 1);
  put_clamp(c, c->step->low, c->step->high);
  end(c);
}

static const anet__c_formula *formula_of(const anet__c_formula *list, anet__op_id op)
{
  while (list->op != op && list->op != ANET_OP_COUNT) list++;
  return list;
}

static void call_unary(const caller *c)
{
  const anet_attr *a = &c->node->attr;
  const bool by_tanh = c->node->op == ANET_OP_GELU && a->mode;
  const anet__c_formula *f = formula_of(anet__c_unary, c->node->op);
  char name[ANET_C_TEXT];
  snprintf(name, sizeof name, "op_%s%s", anet__op_get(c->node->op)->name, by_tanh ? "_tanh" : "");
  anet__c_use(c->w, f->needs);
  *(by_tanh ? &c->w->gelu_tanh : &c->w->formula[c->node->op]) = true;
  open_call(c, name);
  put_sizes(c, (size_t[]){anet__shape_size(&c->node->shape)}, 1);
  if (f->parameters > 0) put_number(c, a->alpha);
  if (f->parameters > 1) put_number(c, a->beta);
  end(c);
}

static void call_binary(const caller *c)
{
  char name[ANET_C_TEXT];
  snprintf(name, sizeof name, "op_%s", anet__op_get(c->node->op)->name);
  c->w->formula[c->node->op] = true;
  open_call(c, name);
  put_sizes(c, (size_t[]){anet__shape_size(&c->node->shape)}, 1);
  end(c);
}

static void call_where(const caller *c)
{
  begin(c, "op_where");
  put_sizes(c, (size_t[]){anet__shape_size(&c->node->shape)}, 1);
  end(c);
}

static void call_mul(const caller *c)
{
  if (!is_wide(c)) {
    call_binary(c);
    return;
  }
  begin(c, "op_mul_row");
  put_rows(c);
  end(c);
}

/* ---- moving data
 * ---------------------------------------------------------------------------------------- */

/* Elements behind a step along `axis`, counted from the last. */
static size_t inner_of(const anet_shape *s, int32_t axis)
{
  size_t n = 1;
  for (int32_t i = s->rank - axis; i < s->rank; i++) n *= (size_t)s->dim[i];
  return n;
}

static size_t run_of(const anet_shape *s, int32_t axis)
{
  return inner_of(s, axis) * (size_t)s->dim[s->rank - 1 - axis];
}

static void call_concat(const caller *c)
{
  char text[PLACE_TEXT], base[PLACE_TEXT];
  const int32_t axis = c->node->attr.axis;
  const size_t row = run_of(&c->node->shape, axis);
  size_t begin_at = 0;
  anet__c_use(c->w, "op_copy");
  for (int32_t i = 0; i < c->node->inputs; i++) {
    const anet_shape *s = &c->p->net->node[c->node->in[i]].shape;
    const size_t run = run_of(s, axis);
    anet__c_put(c->w, "  op_copy(%s + %zu, %zu, %s", place_text(c->p, c->step->value, base),
                begin_at, row, place_text(c->p, c->p->source[c->node->in[i]], text));
    put_sizes(c, (size_t[]){run, run, anet__shape_size(s) / run}, 3);
    end(c);
    begin_at += run;
  }
}

static void call_split(const caller *c)
{
  char to[PLACE_TEXT], from[PLACE_TEXT];
  const anet_attr *a = &c->node->attr;
  const size_t inner = inner_of(c->in, a->axis), row = run_of(c->in, a->axis);
  const size_t run = (size_t)a->size * inner;
  anet__c_use(c->w, "op_copy");
  anet__c_put(c->w, "  op_copy(%s, %zu, %s + %zu", place_text(c->p, c->step->value, to), run,
              place_text(c->p, c->p->source[c->node->in[0]], from), (size_t)a->begin * inner);
  put_sizes(c, (size_t[]){row, run, anet__shape_size(c->in) / row}, 3);
  end(c);
}

static void put_walk(anet__c_writer *w, const anet__c_walk *walk)
{
  anet__c_put(w, ",\n    (walk){.rank = %d, .size = {", walk->rank);
  for (int32_t i = 0; i < walk->rank; i++) anet__c_put(w, i ? ", %zu" : "%zu", walk->size[i]);
  anet__c_put(w, "}, .step = {");
  for (int32_t i = 0; i < walk->rank; i++) anet__c_put(w, i ? ", %zu" : "%zu", walk->step[i]);
  anet__c_put(w, "}}");
}

/* transpose: axis i is one of the input's; expand: axes of size 1 are repeated. */
static void call_gather(const caller *c)
{
  const bool turns = c->node->op == ANET_OP_TRANSPOSE;
  anet__c_walk walk = {.rank = c->in->rank};
  for (int32_t i = 0; i < walk.rank; i++) {
    const int32_t axis = turns ? c->node->attr.dim[i] - 1 : i;
    walk.size[i] = (size_t)c->node->shape.dim[i];
    walk.step[i] = inner_of(c->in, c->in->rank - 1 - axis);
    if (!turns && c->in->dim[i] == 1) walk.step[i] = 0;
  }
  anet__c_walk_simplify(&walk);
  begin(c, "op_gather");
  put_walk(c->w, &walk);
  end(c);
}

static void put_steps(const caller *c, const char *name, const size_t *step, int32_t count)
{
  anet__c_put(c->w, ", .%s = {", name);
  for (int32_t i = 0; i < count; i++) anet__c_put(c->w, i ? ", %zu" : "%zu", step[i]);
  anet__c_put(c->w, "}");
}

static void call_take(const caller *c)
{
  const anet_shape *places = &c->p->net->node[c->node->in[1]].shape;
  const int32_t rank = c->in->rank, axis = rank - 1 - c->node->attr.axis;
  size_t size[ANET_MAX_RANK], data[ANET_MAX_RANK], index[ANET_MAX_RANK];
  for (int32_t d = 0; d < rank; d++) {
    size[d] = (size_t)c->node->shape.dim[d];
    data[d] = d == axis ? 0 : inner_of(c->in, rank - 1 - d);
    index[d] = places->dim[d] == 1 ? 0 : inner_of(places, rank - 1 - d);
  }
  begin(c, "op_take");
  anet__c_put(c->w, ",\n    (taking){.rank = %d", rank);
  put_steps(c, "size", size, rank);
  put_steps(c, "data", data, rank);
  put_steps(c, "index", index, rank);
  anet__c_put(c->w, ", .count = %d, .stride = %zu}", c->in->dim[axis],
              inner_of(c->in, rank - 1 - axis));
  end(c);
}

/* ---- all
 * ------------------------------------------------------------------------------------------------
 */

typedef void call_of(const caller *c);

/* NULL: it cannot leave. Inputs, constants and what moves no data make no call. */
static call_of *call_for(anet__op_id op)
{
  switch (op) {
    case ANET_OP_CONV:
    case ANET_OP_DEPTHWISE:
      return call_conv;
    case ANET_OP_CONV_TRANSPOSE:
      return call_conv_transpose;
    case ANET_OP_LINEAR:
      return call_linear;
    case ANET_OP_MATMUL:
      return call_matmul;
    case ANET_OP_NORM:
    case ANET_OP_SCALE:
      return call_channels;
    case ANET_OP_INSTANCE_NORM:
    case ANET_OP_LAYER_NORM:
      return call_line_norm;
    case ANET_OP_RELU:
    case ANET_OP_RELU6:
    case ANET_OP_CLIP:
      return call_clamp;
    case ANET_OP_QUANTIZE:
      return call_quantize;
    case ANET_OP_PRELU:
      return call_prelu;
    case ANET_OP_ADD:
      return call_add;
    case ANET_OP_MUL:
      return call_mul;
    case ANET_OP_CONCAT:
      return call_concat;
    case ANET_OP_SPLIT:
      return call_split;
    case ANET_OP_MAX_POOL:
    case ANET_OP_AVG_POOL:
      return call_pool;
    case ANET_OP_GLOBAL_POOL:
      return call_global_pool;
    case ANET_OP_REDUCE_MEAN:
    case ANET_OP_REDUCE_SUM:
    case ANET_OP_REDUCE_MAX:
    case ANET_OP_REDUCE_PROD:
    case ANET_OP_TOP_K:
    case ANET_OP_SOFTMAX:
    case ANET_OP_LOG_SOFTMAX:
      return call_lines;
    case ANET_OP_LRN:
      return call_lrn;
    case ANET_OP_PAD:
      return call_pad;
    case ANET_OP_RESIZE:
      return call_resize;
    case ANET_OP_TRANSPOSE:
    case ANET_OP_EXPAND:
      return call_gather;
    case ANET_OP_WHERE:
      return call_where;
    case ANET_OP_GATHER:
      return call_take;
    default:
      if (formula_of(anet__c_unary, op)->op == op) return call_unary;
      if (formula_of(anet__c_binary, op)->op == op) return call_binary;
      return NULL;
  }
}

static void put_comment(const caller *c)
{
  char text[ANET_C_TEXT], shape[ANET_SHAPE_TEXT];
  const anet__c_program *p = c->p;
  anet__c_put(c->w, "\n  /* %s '%s'", anet__op_get(c->node->op)->name,
              anet__c_safe(c->node->name, text));
  for (int32_t v = c->step->node + 1; v <= c->step->value; v++)
    if (p->step_of[v] == p->step_of[c->step->node])
      anet__c_put(c->w, ", %s '%s'", anet__op_get(p->net->node[v].op)->name,
                  anet__c_safe(p->net->node[v].name, text));
  for (int32_t i = 0; i < c->node->inputs; i++)
    anet__c_put(c->w, "%s%s", i ? ", " : ": ",
                anet__shape_text(&p->net->node[c->node->in[i]].shape, shape));
  anet__c_put(c->w, " -> %s */\n", anet__shape_text(&c->node->shape, shape));
}

static int call_step(const anet__c_program *p, anet__c_writer *w, const anet__c_step *step)
{
  caller c = {.p = p, .w = w, .step = step, .node = anet__net_at(p->net, step->node)};
  if (c.node->op == ANET_OP_CONSTANT) return ANET_OK;
  call_of *call = call_for(c.node->op);
  if (!call)
    return anet_fail(ANET_UNSUPPORTED, "op '%s' of node '%s' cannot leave as C",
                     anet__op_get(c.node->op)->name, c.node->name);
  c.in = &p->net->node[c.node->in[0]].shape;
  put_comment(&c);
  call(&c);
  return ANET_OK;
}

static void gather_inputs(const anet__c_program *p, anet__c_writer *w)
{
  char text[PLACE_TEXT];
  anet__c_walk walk;
  for (int32_t i = 0; i < p->net->inputs; i++) {
    const int32_t value = p->net->input[i];
    if (p->place[value].kind != ANET_C_ARENA || !anet__c_walk_in(p, i, &walk)) continue;
    anet__c_use(w, "op_gather");
    anet__c_put(w, "\n  /* in%d in the order (rows, columns, channels) */\n", i);
    anet__c_put(w, "  op_gather(%s, in%d", place_text(p, value, text), i);
    put_walk(w, &walk);
    anet__c_put(w, ");\n");
  }
}

/* Outputs that no step writes where they belong. */
static void write_outputs(const anet__c_program *p, anet__c_writer *w)
{
  char text[PLACE_TEXT];
  anet__c_walk walk;
  for (int32_t i = 0; i < p->net->outputs; i++) {
    const int32_t value = p->source[p->net->output[i]];
    const anet__c_place *place = &p->place[value];
    if (place->kind == ANET_C_OUTPUT && place->index == i) continue;
    /* an input that comes in another order has been put into the engine's */
    const bool turned = anet__c_walk_out(p, i, &walk);
    anet__c_put(w, "\n  /* out%d */\n", i);
    if (turned) {
      anet__c_use(w, "op_gather");
      anet__c_put(w, "  op_gather(out%d, %s", i, place_text(p, value, text));
      put_walk(w, &walk);
      anet__c_put(w, ");\n");
    } else {
      anet__c_put(w, "  memcpy(out%d, %s, %zu * sizeof(float));\n", i, place_text(p, value, text),
                  anet__shape_size(&p->net->node[value].shape));
    }
  }
}

int anet__c_calls(const anet__c_program *p, anet__c_writer *w)
{
  gather_inputs(p, w);
  for (int32_t i = 0; i < p->steps; i++) ANET_TRY(call_step(p, w, &p->step[i]));
  write_outputs(p, w);
  return w->rc;
}
