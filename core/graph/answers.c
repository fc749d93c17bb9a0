#include "graph/answers.h"

#include <math.h>

#include "base/error.h"

/* Does this op hand its input on as it is, in the same order? */
static bool hands_on(anet__op_id op)
{
  return op == ANET_OP_IDENTITY || op == ANET_OP_DROPOUT || op == ANET_OP_RESHAPE ||
         op == ANET_OP_FLATTEN;
}

/* The numbers that belong together: the last axis, or all where no other axis has more than one. */
static int32_t row_of(const anet_shape *shape)
{
  const size_t size = anet__shape_size(shape);
  for (int32_t d = 0; d < shape->rank; d++)
    if ((size_t)shape->dim[d] == size) return (int32_t)size;
  return shape->rank ? shape->dim[shape->rank - 1] : 1;
}

/* The length of a softmax's lines; 0: their numbers do not follow each other in memory. */
static int32_t line_of(const anet__node *node)
{
  const anet_shape *s = &node->shape;
  const int32_t axis = s->rank - 1 - node->attr.axis;
  for (int32_t d = axis + 1; d < s->rank; d++)
    if (s->dim[d] != 1) return 0;
  return s->dim[axis];
}

anet_answers anet__net_answers(const anet_net *net, int32_t value)
{
  anet_answers a = {.kind = ANET_ANSWER_LOGITS, .logits = value};
  const anet_shape *shape = &net->node[value].shape;
  a.classes = row_of(shape);
  int32_t v = value;
  while (hands_on(net->node[v].op)) v = net->node[v].in[0];
  const anet__node *last = &net->node[v];
  const int32_t line = last->op == ANET_OP_SOFTMAX ? line_of(last) : 0;
  if (line) {
    a = (anet_answers){ANET_ANSWER_PROBABILITIES, line, 0, last->in[0]};
  } else if (last->op == ANET_OP_SIGMOID) {
    a.kind = ANET_ANSWER_INDEPENDENT;
    a.logits = last->in[0];
  }
  a.rows = (int32_t)(anet__shape_size(shape) / (size_t)a.classes);
  return a;
}

int anet_net_answers(const anet_net *net, int32_t output, anet_answers *out)
{
  if (output < 0 || output >= net->outputs)
    return anet_fail(ANET_RANGE, "answers: output %d of a net with %d", output, net->outputs);
  *out = anet__net_answers(net, net->output[output]);
  return ANET_OK;
}

int32_t anet__answers_top(const float *y, int32_t n)
{
  int32_t best = 0;
  for (int32_t i = 0; i < n; i++) {
    if (isnan(y[i])) return -1;
    if (y[i] > y[best]) best = i;
  }
  return best;
}

double anet__answers_confidence(const anet_answers *answers, const float *y)
{
  float most = y[0], sum = 0;
  for (int32_t i = 1; i < answers->classes; i++) most = fmaxf(most, y[i]);
  if (answers->kind != ANET_ANSWER_LOGITS) return (double)most;
  for (int32_t i = 0; i < answers->classes; i++) sum += expf(y[i] - most);
  return (double)(1 / sum);
}
