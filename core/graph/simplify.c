/* Each node is copied to a new net, or, where it ends a pattern, the op that the pattern is takes
 * its place and its name. What only the pattern read is dropped in the end. Patterns look back
 * through the net that is given, so that they do not depend on what was replaced before. */
#include "graph/simplify.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

typedef struct simplifier {
  const anet_net *net;
  anet_net *made;
  int32_t *map; /* (net->count) numbers in `made` */
  bool changed;
} simplifier;

static const anet__node *at(const anet_net *net, int32_t value)
{
  return anet__net_at(net, value);
}

static int put(simplifier *s, int32_t value, const char *op, const anet_attr *attr,
               const int32_t *in, int32_t inputs)
{
  s->changed = true;
  return anet_net_add(s->made, op, at(s->net, value)->name, attr, in, inputs, &s->map[value]);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Constants of files are rounded: 1.4142135, 0.1666667. */
static bool near(float x, float want)
{
  return fabsf(x - want) <= 1e-5F * fabsf(want);
}

/* a * of + b. */
typedef struct line {
  float a, b;
  int32_t of;
} line;

/* Value v as a line of what comes before its affine nodes, a few at most. */
static line line_at(const anet_net *net, int32_t v)
{
  enum { MOST = 4 };
  line l = {1, 0, v};
  for (int32_t i = 0; i < MOST && at(net, l.of)->op == ANET_OP_AFFINE; i++) {
    const anet__node *node = at(net, l.of);
    l.b += l.a * node->attr.beta;
    l.a *= node->attr.alpha;
    l.of = node->in[0];
  }
  return l;
}

/* Is v the line a * x + b? */
static bool is_line_of(const anet_net *net, int32_t v, int32_t x, float a, float b)
{
  const anet__node *node = at(net, v);
  if (v == x) return a == 1 && b == 0;
  return node->op == ANET_OP_AFFINE && node->in[0] == x && near(node->attr.alpha, a) &&
         near(node->attr.beta, b);
}

/* ---- activations ----------------------------------------------------------------------------- */

/* x * (a g + b), or a g + b alone, with g = outer(inner(d x + e)). inner IDENTITY: none. */
typedef struct form {
  bool product;
  anet__op_id outer, inner;
  float d, e, a, b;
  const char *op;
} form;

static const form forms[] = {
    {true, ANET_OP_SIGMOID, ANET_OP_IDENTITY, 1, 0, 1, 0, "swish"},
    {true, ANET_OP_HARD_SIGMOID, ANET_OP_IDENTITY, 1, 0, 1, 0, "hard_swish"},
    {true, ANET_OP_RELU6, ANET_OP_IDENTITY, 1, 3, 1.0F / 6, 0, "hard_swish"},
    {true, ANET_OP_TANH, ANET_OP_SOFTPLUS, 1, 0, 1, 0, "mish"},
    {true, ANET_OP_ERF, ANET_OP_IDENTITY, 0.70710678F, 0, 0.5F, 0.5F, "gelu"},
    {false, ANET_OP_RELU6, ANET_OP_IDENTITY, 1, 3, 1.0F / 6, 0, "hard_sigmoid"},
};

/* Is v the g of a form, of x? */
static bool is_inner(const anet_net *net, const form *f, int32_t v, int32_t x)
{
  if (at(net, v)->op != f->outer) return false;
  v = at(net, v)->in[0];
  if (f->inner != ANET_OP_IDENTITY) {
    if (at(net, v)->op != f->inner) return false;
    v = at(net, v)->in[0];
  }
  return is_line_of(net, v, x, f->d, f->e);
}

static const form *find_form(const anet_net *net, bool product, const line *g, float scale,
                             int32_t x)
{
  for (int32_t i = 0; i < ANET_COUNT(forms); i++) {
    const form *f = &forms[i];
    if (f->product == product && near(scale * g->a, f->a) && near(scale * g->b, f->b) &&
        is_inner(net, f, g->of, x))
      return f;
  }
  return NULL;
}

/* v = k * p * q: one of them is x or a multiple of it, the other its gate. */
static const form *find_product(const anet_net *net, const line *k, int32_t *x)
{
  const anet__node *mul = at(net, k->of);
  const form *found = NULL;
  if (mul->op != ANET_OP_MUL || k->b != 0) return NULL;
  for (int32_t side = 0; side < 2 && !found; side++) {
    const line gate = line_at(net, mul->in[1 - side]);
    *x = mul->in[side];
    found = find_form(net, true, &gate, k->a, *x);
    const anet__node *multiple = at(net, *x);
    if (found || multiple->op != ANET_OP_AFFINE || multiple->attr.beta != 0) continue;
    *x = multiple->in[0];
    found = find_form(net, true, &gate, k->a * multiple->attr.alpha, *x);
  }
  return found;
}

/* The x of a gate that is no factor: what its clamp's argument is a line of. */
static const form *find_gate(const anet_net *net, const line *k, int32_t *x)
{
  if (at(net, k->of)->op != ANET_OP_RELU6) return NULL;
  const int32_t inner = at(net, k->of)->in[0];
  if (at(net, inner)->op != ANET_OP_AFFINE) return NULL;
  *x = at(net, inner)->in[0];
  return find_form(net, false, k, 1, *x);
}

static int put_activation(simplifier *s, int32_t value, bool *done)
{
  const line k = line_at(s->net, value);
  int32_t x = -1;
  const form *f = find_product(s->net, &k, &x);
  if (!f) f = find_gate(s->net, &k, &x);
  if (!f) return ANET_OK;
  *done = true;
  return put(s, value, f->op, NULL, &s->map[x], 1);
}

/* ---- layer norm ------------------------------------------------------------------------------ */

/* The value whose numbers these are, in the same order. */
static int32_t plain(const anet_net *net, int32_t v)
{
  while (at(net, v)->op == ANET_OP_RESHAPE || at(net, v)->op == ANET_OP_FLATTEN)
    v = at(net, v)->in[0];
  return v;
}

static size_t size_of(const anet_net *net, int32_t v)
{
  return anet__shape_size(&at(net, v)->shape);
}

/* v: one number a row, repeated along the rows' `channels` numbers. Gives the value of one each;
 * -1: it is none. */
static int32_t repeated(const anet_net *net, int32_t v, int32_t channels)
{
  v = plain(net, v);
  const anet__node *node = at(net, v);
  if (node->op != ANET_OP_EXPAND) return -1;
  const anet_shape *to = &node->shape, *from = &at(net, node->in[0])->shape;
  const int32_t last = to->rank - 1;
  if (to->dim[last] != channels || from->dim[last] != 1) return -1;
  return size_of(net, v) == size_of(net, node->in[0]) * (size_t)channels ? plain(net, node->in[0])
                                                                         : -1;
}

/* v: the mean (sum, largest: by op) of each row of `channels` numbers. Gives the value of those;
 * -1: it is none. */
static int32_t reduced(const anet_net *net, int32_t v, anet__op_id op, int32_t channels)
{
  const anet__node *node = at(net, v);
  if (node->op != op) return -1;
  const anet_shape *from = &at(net, node->in[0])->shape;
  for (int32_t i = from->rank - node->attr.axis; i < from->rank; i++)
    if (from->dim[i] != 1) return -1;
  if (from->dim[from->rank - 1 - node->attr.axis] != channels) return -1;
  return plain(net, node->in[0]);
}

static bool is_square(const anet_net *net, int32_t v, int32_t of)
{
  const anet__node *node = at(net, v);
  if (node->op == ANET_OP_POWER) return node->in[0] == of && node->attr.alpha == 2;
  return node->op == ANET_OP_MUL && node->in[0] == of && node->in[1] == of;
}

/* (x - mean) / sqrt(variance + epsilon), the variance as the mean of (x - mean)^2. */
static bool find_norm(const anet_net *net, int32_t v, int32_t *x, float *epsilon)
{
  const anet__node *ratio = at(net, v);
  if (ratio->op != ANET_OP_DIV || at(net, ratio->in[0])->op != ANET_OP_SUB) return false;
  const int32_t channels = ratio->shape.dim[ratio->shape.rank - 1], less = ratio->in[0];
  const int32_t mean = repeated(net, at(net, less)->in[1], channels);
  const int32_t root = repeated(net, ratio->in[1], channels);
  if (mean < 0 || root < 0 || at(net, root)->op != ANET_OP_SQRT) return false;
  const line variance = line_at(net, at(net, root)->in[0]);
  const int32_t square = reduced(net, variance.of, ANET_OP_REDUCE_MEAN, channels);
  *x = at(net, less)->in[0];
  *epsilon = variance.b;
  return variance.a == 1 && variance.b >= 0 && square >= 0 && is_square(net, square, less) &&
         reduced(net, mean, ANET_OP_REDUCE_MEAN, channels) == plain(net, *x) &&
         anet__shape_equal(&at(net, *x)->shape, &ratio->shape);
}

/* Scale and shift stay what they are: nodes that follow. */
static int put_norm(simplifier *s, int32_t value, bool *done)
{
  anet_attr attr = {0};
  int32_t x;
  if (!find_norm(s->net, value, &x, &attr.epsilon)) return ANET_OK;
  *done = true;
  ANET_TRY(put(s, value, "layer_norm", &attr, &s->map[x], 1));
  anet_tensor *gamma = at(s->made, s->map[value])->param[0];
  for (size_t i = 0; i < (size_t)anet_tensor_count(gamma); i++) anet__f32(gamma)[i] = 1;
  return ANET_OK;
}

/* ---- softmax --------------------------------------------------------------------------------- */

/* Rows less the largest of each: what they are without that, else the value itself. */
static int32_t without_largest(const anet_net *net, int32_t v, int32_t channels)
{
  const anet__node *less = at(net, v);
  if (less->op != ANET_OP_SUB) return v;
  const int32_t most = repeated(net, less->in[1], channels), x = less->in[0];
  return most >= 0 && reduced(net, most, ANET_OP_REDUCE_MAX, channels) == plain(net, x) ? x : v;
}

/* exp(x) over the sum of each row. */
static int put_softmax(simplifier *s, int32_t value, bool *done)
{
  const anet_net *net = s->net;
  const anet__node *ratio = at(net, value);
  if (ratio->op != ANET_OP_DIV || at(net, ratio->in[0])->op != ANET_OP_EXP) return ANET_OK;
  const int32_t channels = ratio->shape.dim[ratio->shape.rank - 1];
  const int32_t sum = repeated(net, ratio->in[1], channels);
  if (sum < 0 || reduced(net, sum, ANET_OP_REDUCE_SUM, channels) != plain(net, ratio->in[0]))
    return ANET_OK;
  const int32_t x = without_largest(net, at(net, ratio->in[0])->in[0], channels);
  if (!anet__shape_equal(&at(net, x)->shape, &ratio->shape)) return ANET_OK;
  *done = true;
  return put(s, value, "softmax", NULL, &s->map[x], 1);
}

/* ---- constants ------------------------------------------------------------------------------- */

static int move(const anet__node *node, const anet_tensor *from, anet_tensor **out)
{
  int32_t axis[ANET_MAX_RANK];
  for (int32_t i = 0; i < node->shape.rank; i++) axis[i] = node->attr.dim[i] - 1;
  if (node->op == ANET_OP_TRANSPOSE) return anet_tensor_transpose(from, axis, out);
  ANET_TRY(anet_tensor_new(ANET_F32, &node->shape, out));
  memcpy(anet__f32(*out), anet__f32(from), (size_t)anet_tensor_count(from) * sizeof(float));
  return ANET_OK;
}

/* A constant that is only stored in another way is stored in that way. */
static int put_constant(simplifier *s, int32_t value, bool *done)
{
  const anet__node *node = at(s->net, value);
  anet_attr attr = {0};
  anet_tensor *moved;
  if (node->op != ANET_OP_RESHAPE && node->op != ANET_OP_FLATTEN && node->op != ANET_OP_TRANSPOSE)
    return ANET_OK;
  const anet__node *from = at(s->made, s->map[node->in[0]]);
  if (from->op != ANET_OP_CONSTANT || !anet_tensor_dense(from->param[0]) ||
      node->shape.rank > ANET_COUNT(attr.dim))
    return ANET_OK;
  *done = true;
  memcpy(attr.dim, node->shape.dim, (size_t)node->shape.rank * sizeof *attr.dim);
  ANET_TRY(move(node, from->param[0], &moved));
  int rc = put(s, value, "constant", &attr, NULL, 0);
  if (!rc) rc = anet_net_set_param(s->made, s->map[value], 0, moved);
  anet_tensor_release(moved);
  return rc;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static int put_node(simplifier *s, int32_t value)
{
  const anet__node *node = at(s->net, value);
  int32_t in[ANET_MAX_INPUTS];
  bool done = false;
  ANET_TRY(put_activation(s, value, &done));
  if (!done) ANET_TRY(put_norm(s, value, &done));
  if (!done) ANET_TRY(put_softmax(s, value, &done));
  if (!done) ANET_TRY(put_constant(s, value, &done));
  if (done) return ANET_OK;
  for (int32_t i = 0; i < node->inputs; i++) in[i] = s->map[node->in[i]];
  return anet__net_append(s->made, node, in, &s->map[value]);
}

int anet__net_simplify(const anet_net *net, anet_net **out)
{
  simplifier s = {.net = net};
  int32_t exit[ANET_MAX_OUTPUTS];
  *out = NULL;
  s.map = anet__alloc_array((size_t)net->count, sizeof *s.map);
  int rc = s.map ? anet_net_new(&s.made) : ANET_NOMEM;
  for (int32_t v = 0; v < net->count && !rc; v++) rc = put_node(&s, v);
  for (int32_t i = 0; i < net->outputs && !rc; i++) exit[i] = s.map[net->output[i]];
  if (!rc && s.changed)
    rc = anet__net_extract(s.made, s.made->input, s.made->inputs, exit, net->outputs, NULL, out);
  anet_net_release(s.made);
  anet__free(s.map);
  return rc;
}
