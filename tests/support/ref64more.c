/* The ops that came with ONNX in double, by naive loops. */
#include <math.h>
#include <string.h>

#include "support/ref64.h"

static size_t size_of(const anet_shape *s)
{
  size_t n = 1;
  for (int32_t i = 0; i < s->rank; i++) n *= (size_t)s->dim[i];
  return n;
}

/* ---- functions of one number -------------------------------------------------------------------
 */

static double softplus(double x)
{
  return log(1 + exp(x));
}

static bool unary(anet__op_id op, const anet_attr *attr, double x, double *y)
{
  const double a = (double)attr->alpha, b = (double)attr->beta;
  switch (op) {
    case ANET_OP_CLIP:
      *y = x < a ? a : x > b ? b : x;
      break;
    case ANET_OP_QUANTIZE: {
      const double levels = 255 / (b - a), zero = rint(-a * levels);
      *y = (fmin(fmax(rint(x * levels + zero), 0), 255) - zero) / levels;
      break;
    }
    case ANET_OP_AFFINE:
      *y = a * x + b;
      break;
    case ANET_OP_ELU:
      *y = x > 0 ? x : a * (exp(x) - 1);
      break;
    case ANET_OP_GELU:
      *y = attr->mode ? x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)))
                      : x / 2 * (1 + erf(x / sqrt(2)));
      break;
    case ANET_OP_MISH:
      *y = x * tanh(softplus(x));
      break;
    case ANET_OP_SOFTPLUS:
      *y = softplus(x);
      break;
    case ANET_OP_TANH:
      *y = tanh(x);
      break;
    case ANET_OP_SOFTSIGN:
      *y = x / (1 + fabs(x));
      break;
    case ANET_OP_THRESHOLD:
      *y = x > a ? x : 0;
      break;
    case ANET_OP_SQRT:
      *y = sqrt(x);
      break;
    case ANET_OP_EXP:
      *y = exp(x);
      break;
    case ANET_OP_LOG:
      *y = log(x);
      break;
    case ANET_OP_ABS:
      *y = fabs(x);
      break;
    case ANET_OP_RECIPROCAL:
      *y = 1 / x;
      break;
    case ANET_OP_POWER:
      *y = pow(x, a);
      break;
    case ANET_OP_ERF:
      *y = erf(x);
      break;
    case ANET_OP_SIN:
      *y = sin(x);
      break;
    case ANET_OP_COS:
      *y = cos(x);
      break;
    case ANET_OP_FLOOR:
      *y = floor(x);
      break;
    case ANET_OP_CEIL:
      *y = ceil(x);
      break;
    case ANET_OP_ROUND:
      *y = rint(x);
      break;
    case ANET_OP_TRUNC:
      *y = trunc(x);
      break;
    case ANET_OP_SIGN:
      *y = x > 0 ? 1 : x < 0 ? -1 : 0;
      break;
    default:
      return false;
  }
  return true;
}

static bool binary(anet__op_id op, double x, double y, double *z)
{
  switch (op) {
    case ANET_OP_SUB:
      *z = x - y;
      break;
    case ANET_OP_DIV:
      *z = x / y;
      break;
    case ANET_OP_MINIMUM:
      *z = x < y ? x : y;
      break;
    case ANET_OP_MAXIMUM:
      *z = x > y ? x : y;
      break;
    case ANET_OP_POW:
      *z = pow(x, y);
      break;
    case ANET_OP_MOD:
      *z = fmod(x, y);
      break;
    case ANET_OP_EQUAL:
      *z = x == y;
      break;
    case ANET_OP_LESS:
      *z = x < y;
      break;
    case ANET_OP_LESS_EQUAL:
      *z = x <= y;
      break;
    default:
      return false;
  }
  return true;
}

/* ---- a value for each place ---------------------------------------------------------------------
 */

/* Index of the place `i` of shape s along each axis. */
static void places(const anet_shape *s, size_t i, int32_t *index)
{
  for (int32_t d = s->rank - 1; d >= 0; d--) {
    index[d] = (int32_t)(i % (size_t)s->dim[d]);
    i /= (size_t)s->dim[d];
  }
}

static size_t place(const anet_shape *s, const int32_t *index)
{
  size_t at = 0;
  for (int32_t d = 0; d < s->rank; d++) at = at * (size_t)s->dim[d] + (size_t)index[d];
  return at;
}

static double transpose(const ref64_call *k, const double *x, size_t i)
{
  int32_t to[ANET_MAX_RANK], from[ANET_MAX_RANK];
  places(&k->out_shape, i, to);
  for (int32_t d = 0; d < k->out_shape.rank; d++) from[k->attr->dim[d] - 1] = to[d];
  return x[place(&k->in_shape[0], from)];
}

static double expand(const ref64_call *k, const double *x, size_t i)
{
  int32_t index[ANET_MAX_RANK];
  places(&k->out_shape, i, index);
  for (int32_t d = 0; d < k->out_shape.rank; d++)
    if (k->in_shape[0].dim[d] == 1) index[d] = 0;
  return x[place(&k->in_shape[0], index)];
}

/* Over all places of the input that the output's place i stands for. */
static double reduce(const ref64_call *k, const double *x, size_t i)
{
  const anet_shape *s = &k->in_shape[0];
  const int32_t axis = s->rank - 1 - k->attr->axis;
  int32_t to[ANET_MAX_RANK], from[ANET_MAX_RANK];
  double sum = 0, product = 1, most = -INFINITY;
  places(&k->out_shape, i, to);
  for (int32_t d = 0; d < s->rank; d++) from[d] = to[d - (d > axis)];
  for (from[axis] = 0; from[axis] < s->dim[axis]; from[axis]++) {
    const double v = x[place(s, from)];
    sum += v;
    product *= v;
    most = fmax(most, v);
  }
  if (k->op == ANET_OP_REDUCE_PROD) return product;
  if (k->op == ANET_OP_REDUCE_MAX) return most;
  return k->op == ANET_OP_REDUCE_MEAN ? sum / s->dim[axis] : sum;
}

/* The place that so many others of its line come before. */
static double top_k(const ref64_call *k, const double *x, size_t i)
{
  const anet_shape *s = &k->in_shape[0];
  const int32_t axis = s->rank - 1 - k->attr->axis;
  const double sign = k->attr->begin ? -1 : 1;
  int32_t to[ANET_MAX_RANK], from[ANET_MAX_RANK], other[ANET_MAX_RANK];
  places(&k->out_shape, i, to);
  memcpy(from, to, sizeof from);
  memcpy(other, to, sizeof other);
  for (from[axis] = 0; from[axis] < s->dim[axis]; from[axis]++) {
    const double v = sign * x[place(s, from)];
    int32_t before = 0;
    for (other[axis] = 0; other[axis] < s->dim[axis]; other[axis]++) {
      const double w = sign * x[place(s, other)];
      before += w > v || (w == v && other[axis] < from[axis]);
    }
    if (before == to[axis]) return k->attr->mode ? from[axis] : sign * v;
  }
  return NAN;
}

static double gather(const ref64_call *k, size_t image, size_t i)
{
  const anet_shape *s = &k->in_shape[0], *t = &k->in_shape[1];
  const int32_t axis = s->rank - 1 - k->attr->axis;
  int32_t to[ANET_MAX_RANK], at[ANET_MAX_RANK];
  places(&k->out_shape, i, to);
  for (int32_t d = 0; d < t->rank; d++) at[d] = t->dim[d] == 1 ? 0 : to[d];
  double which = trunc(k->in[1][image * size_of(t) + place(t, at)]);
  if (which < 0) which += s->dim[axis];
  to[axis] = (int32_t)fmin(fmax(which, 0), s->dim[axis] - 1);
  return k->in[0][image * size_of(s) + place(s, to)];
}

static double where(const ref64_call *k, size_t image, size_t i)
{
  const size_t at = image * size_of(&k->out_shape) + i;
  return k->in[0][at] != 0 ? k->in[1][at] : k->in[2][at];
}

static double log_softmax(const ref64_call *k, const double *x, size_t i)
{
  const anet_shape *s = &k->in_shape[0];
  const int32_t axis = s->rank - 1 - k->attr->axis;
  int32_t index[ANET_MAX_RANK];
  double sum = 0;
  places(s, i, index);
  for (index[axis] = 0; index[axis] < s->dim[axis]; index[axis]++) sum += exp(x[place(s, index)]);
  return x[i] - log(sum);
}

/* Mean and variance of a pixel's channels, or of a channel's pixels. */
static double line_norm(const ref64_call *k, const double *x, size_t i)
{
  const size_t c = (size_t)k->out_shape.dim[k->out_shape.rank - 1];
  const size_t count = k->op == ANET_OP_LAYER_NORM ? c : size_of(&k->out_shape) / c;
  const size_t first = k->op == ANET_OP_LAYER_NORM ? i / c * c : i % c;
  const size_t step = k->op == ANET_OP_LAYER_NORM ? 1 : c;
  double mean = 0, variance = 0;
  for (size_t p = 0; p < count; p++) mean += x[first + p * step] / (double)count;
  for (size_t p = 0; p < count; p++) variance += pow(x[first + p * step] - mean, 2) / (double)count;
  return (x[i] - mean) / sqrt(variance + (double)k->attr->epsilon) * k->param[0][i % c] +
         k->param[1][i % c];
}

static double lrn(const ref64_call *k, const double *x, size_t i)
{
  const int32_t channels = k->out_shape.dim[k->out_shape.rank - 1], c = (int32_t)i % channels;
  double sum = 0;
  for (int32_t d = -(k->attr->size - 1) / 2; d <= k->attr->size / 2; d++)
    if (c + d >= 0 && c + d < channels) sum += x[(int64_t)i + d] * x[(int64_t)i + d];
  return x[i] * pow((double)k->attr->epsilon + (double)k->attr->alpha / k->attr->size * sum,
                    -(double)k->attr->beta);
}

static double matmul(const ref64_call *k, size_t image, size_t i)
{
  const anet_shape *s = &k->in_shape[0], *t = &k->in_shape[1];
  const size_t inner = (size_t)s->dim[s->rank - 1], n = (size_t)t->dim[t->rank - 1];
  const size_t m = (size_t)s->dim[s->rank - 2], matrix = i / (m * n);
  const double *a = k->in[0] + image * size_of(s) + matrix * m * inner + i / n % m * inner;
  const double *b = k->in[1] + image * size_of(t) + matrix * inner * n + i % n;
  double sum = 0;
  for (size_t p = 0; p < inner; p++) sum += a[p] * b[p * n];
  return sum;
}

/* Every input pixel adds to the pixels of its window. */
static void conv_transpose(const ref64_call *k)
{
  const anet_attr *a = k->attr;
  const anet_shape *s = &k->in_shape[0], *o = &k->out_shape;
  const int32_t cin = s->dim[2] / a->groups, cout = a->channels / a->groups;
  for (size_t i = 0; i < (size_t)k->n * size_of(o); i++)
    k->out[i] = a->bias ? k->param[1][i % (size_t)a->channels] : 0;
  for (size_t i = 0; i < (size_t)k->n * size_of(s); i++) {
    int32_t at[3];
    places(s, i % size_of(s), at);
    for (int32_t t = 0; t < a->kernel[0] * a->kernel[1]; t++) {
      const int32_t y = at[0] * a->stride[0] - a->pad[0] + t / a->kernel[1] * a->dilation[0];
      const int32_t x = at[1] * a->stride[1] - a->pad[1] + t % a->kernel[1] * a->dilation[1];
      if (y < 0 || y >= o->dim[0] || x < 0 || x >= o->dim[1]) continue;
      for (int32_t c = 0; c < cout; c++) {
        const int32_t to[3] = {y, x, at[2] / cin * cout + c};
        k->out[i / size_of(s) * size_of(o) + place(o, to)] +=
            k->in[0][i] * k->param[0][(t * cout + c) * s->dim[2] + at[2]];
      }
    }
  }
}

static double value_of(const ref64_call *k, size_t image, size_t i)
{
  const double *x = k->inputs ? k->in[0] + image * size_of(&k->in_shape[0]) : NULL;
  const size_t c = (size_t)k->out_shape.dim[k->out_shape.rank - 1];
  switch (k->op) {
    case ANET_OP_TRANSPOSE:
      return transpose(k, x, i);
    case ANET_OP_EXPAND:
      return expand(k, x, i);
    case ANET_OP_REDUCE_MEAN:
    case ANET_OP_REDUCE_SUM:
    case ANET_OP_REDUCE_MAX:
    case ANET_OP_REDUCE_PROD:
      return reduce(k, x, i);
    case ANET_OP_TOP_K:
      return top_k(k, x, i);
    case ANET_OP_GATHER:
      return gather(k, image, i);
    case ANET_OP_WHERE:
      return where(k, image, i);
    case ANET_OP_LOG_SOFTMAX:
      return log_softmax(k, x, i);
    case ANET_OP_LRN:
      return lrn(k, x, i);
    case ANET_OP_LAYER_NORM:
    case ANET_OP_INSTANCE_NORM:
      return line_norm(k, x, i);
    case ANET_OP_MATMUL:
      return matmul(k, image, i);
    case ANET_OP_CONSTANT:
      return k->param[0][i];
    case ANET_OP_SCALE:
      return x[i] * k->param[0][i % c] + k->param[1][i % c];
    case ANET_OP_PRELU:
      return x[i] > 0 ? x[i] : k->param[0][i % c] * x[i];
    default:
      return NAN;
  }
}

bool ref64_more(const ref64_call *k)
{
  const size_t size = size_of(&k->out_shape), total = (size_t)k->n * size;
  double y;
  if (k->op == ANET_OP_CONV_TRANSPOSE) {
    conv_transpose(k);
    return true;
  }
  if (k->inputs == 1 && unary(k->op, k->attr, 0.5, &y)) {
    for (size_t i = 0; i < total; i++) unary(k->op, k->attr, k->in[0][i], &k->out[i]);
    return true;
  }
  if (k->inputs == 2 && binary(k->op, 1, 1, &y)) {
    for (size_t i = 0; i < total; i++) binary(k->op, k->in[0][i], k->in[1][i], &k->out[i]);
    return true;
  }
  switch (k->op) {
    case ANET_OP_TRANSPOSE:
    case ANET_OP_EXPAND:
    case ANET_OP_REDUCE_MEAN:
    case ANET_OP_REDUCE_SUM:
    case ANET_OP_REDUCE_MAX:
    case ANET_OP_REDUCE_PROD:
    case ANET_OP_TOP_K:
    case ANET_OP_GATHER:
    case ANET_OP_WHERE:
    case ANET_OP_LOG_SOFTMAX:
    case ANET_OP_LRN:
    case ANET_OP_LAYER_NORM:
    case ANET_OP_INSTANCE_NORM:
    case ANET_OP_MATMUL:
    case ANET_OP_CONSTANT:
    case ANET_OP_SCALE:
    case ANET_OP_PRELU:
      for (size_t i = 0; i < total; i++) k->out[i] = value_of(k, i / size, i % size);
      return true;
    default:
      return false;
  }
}
