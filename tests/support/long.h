/* ONNX models of many nodes, of several shapes: so that a pass over a graph that is not linear
 * shows. */
#ifndef ANET_LONG_H
#define ANET_LONG_H

#include "onnx/onnx.h"
#include "support/test.h"

/* X(name): what follows what. */
#define LONG_MAP(X)                                                                                \
  X(chain)     /* Relu, Add of a constant, Relu, … */                                            \
  X(convs)     /* convolutions that share one weight */                                            \
  X(residual)  /* a convolution and a Relu, with a shortcut over both, one after the other */      \
  X(nested)    /* shortcuts within shortcuts: the first value is added last */                     \
  X(over)      /* all shortcuts from the first value */                                            \
  X(fan)       /* one value with all readers, whose results are summed */                          \
  X(initials)  /* additions of an initialiser each */                                              \
  X(constants) /* additions of a Constant each */                                                  \
  X(folded)    /* arithmetic on constants */                                                       \
  X(dead)      /* nodes that nothing reads, all of one value */                                    \
  X(pads)      /* Identity after Identity: no step of a plan */                                    \
  X(concats)   /* pairs of convolutions that a concat joins */                                     \
  X(tail)      /* a chain with an op in the middle that nobody has */

typedef enum long_shape {
#define X(name) LONG_##name,
  LONG_MAP(X)
#undef X
      LONG_SHAPES
} long_shape;

static const char *const long_name[LONG_SHAPES] = {
#define X(name) #name,
    LONG_MAP(X)
#undef X
};

typedef struct long_model {
  anet__onnx_model m;
  anet__onnx_face in, out;
  anet__onnx_array *array;
  int32_t room;
} long_model;

static inline const char *long_text(long_model *l, const char *what, int32_t i)
{
  return anet__onnx_text(&l->m.pool, "%s%d", what, i);
}

/* A node that reads a and b (NULL: none); gives its output's name. */
static inline const char *long_node(long_model *l, const char *op, const char *a, const char *b)
{
  anet__onnx_pool *pool = &l->m.pool;
  anet__onnx_node *node = &l->m.node[l->m.nodes];
  const char **name = anet__onnx_take(pool, 3, sizeof *name);
  name[0] = long_text(l, "v", l->m.nodes++);
  name[1] = a;
  name[2] = b;
  *node = (anet__onnx_node){.op = op,
                            .name = name[0],
                            .domain = "",
                            .input = name + 1,
                            .output = name,
                            .inputs = !a  ? 0
                                      : b ? 2
                                          : 1,
                            .outputs = 1};
  return name[0];
}

static inline void long_attr(long_model *l, anet__onnx_attr attr)
{
  anet__onnx_node *node = &l->m.node[l->m.nodes - 1];
  node->attr = anet__onnx_take(&l->m.pool, 1, sizeof attr);
  node->attr[node->attrs++] = attr;
}

static inline const anet__onnx_array *long_array(long_model *l, int32_t rank, int64_t size)
{
  anet__onnx_array *a;
  const int64_t dim[4] = {size, size, 1, 1};
  CHECK_OK(anet__onnx_array_new(&l->m.pool, true, rank, dim, &a));
  for (size_t i = 0; i < a->count; i++) a->f[i] = 0.25F;
  return a;
}

static inline const char *long_initial(long_model *l, const char *name, const anet__onnx_array *a)
{
  l->m.initial[l->m.initials++] = (anet__onnx_named){name, a};
  return name;
}

static inline const char *long_step(long_model *l, long_shape shape, const char *x, int32_t i,
                                    int32_t half)
{
  const char *y = x;
  switch (shape) {
    case LONG_tail:
      if (i == half) return long_node(l, "Unheard", x, NULL);
      return long_node(l, "Relu", x, NULL);
    case LONG_chain:
      return i % 2 ? long_node(l, "Add", x, "one") : long_node(l, "Relu", x, NULL);
    case LONG_convs:
      return long_node(l, "Conv", x, "w");
    case LONG_residual:
      y = long_node(l, "Relu", long_node(l, "Conv", x, "w"), NULL);
      return long_node(l, "Add", y, x);
    case LONG_over:
      return long_node(l, "Add", long_node(l, "Relu", x, NULL), "x");
    case LONG_fan:
      return long_node(l, "Add", long_node(l, "Relu", "x", NULL), x);
    case LONG_initials:
      return long_node(l, "Add", x, long_initial(l, long_text(l, "c", i), long_array(l, 0, 0)));
    case LONG_constants:
      y = long_node(l, "Constant", NULL, NULL);
      long_attr(l, (anet__onnx_attr){.name = "value_float", .kind = ANET_ONNX_ATTR_REAL, .f = 1});
      return long_node(l, "Add", x, y);
    case LONG_dead:
      (void)long_node(l, "Relu", "x", NULL);
      return x;
    case LONG_pads:
      return long_node(l, "Identity", x, NULL);
    case LONG_concats:
      y = long_node(l, "Concat", long_node(l, "Conv", x, "w"), long_node(l, "Conv", x, "w"));
      long_attr(l, (anet__onnx_attr){.name = "axis", .kind = ANET_ONNX_ATTR_INT, .i = 1});
      return long_node(l, "Conv", y, "wide");
    default:
      return x;
  }
}

/* Down by Relus, and up by additions of what was met on the way down. */
static inline const char *long_nested(long_model *l, int32_t count)
{
  const char **down = anet__onnx_take(&l->m.pool, (size_t)count + 1, sizeof *down);
  down[0] = "x";
  for (int32_t i = 0; i < count / 2; i++) down[i + 1] = long_node(l, "Relu", down[i], NULL);
  const char *x = long_node(l, "Sigmoid", down[count / 2], NULL);
  for (int32_t i = count / 2; i > 0; i--) x = long_node(l, "Add", x, down[i]);
  return x;
}

static inline const char *long_folded(long_model *l, int32_t count)
{
  const char *c = "one";
  for (int32_t i = 0; i < count; i++) c = long_node(l, "Mul", c, "one");
  return long_node(l, "Add", "x", c);
}

/* A file of about `count` nodes on images (1, 4, 3, 3). */
static inline void long_write(long_shape shape, int32_t count, const char *path)
{
  const int32_t each[LONG_SHAPES] = {[LONG_residual] = 3,
                                     [LONG_over] = 2,
                                     [LONG_fan] = 2,
                                     [LONG_constants] = 2,
                                     [LONG_concats] = 4};
  long_model l = {.m = {.pool = {.left = SIZE_MAX}, .opset = 13, .inputs = 1, .outputs = 1},
                  .in = {.name = "x", .type = ANET_ONNX_FLOAT, .rank = 4, .dim = {1, 4, 3, 3}}};
  l.m.node = anet__onnx_take(&l.m.pool, (size_t)count + 16, sizeof *l.m.node);
  l.m.initial = anet__onnx_take(&l.m.pool, (size_t)count + 16, sizeof *l.m.initial);
  l.m.input = &l.in;
  l.m.output = &l.out;
  long_initial(&l, "one", long_array(&l, 0, 0));
  long_initial(&l, "w", long_array(&l, 4, 4));
  anet__onnx_array *wide = (anet__onnx_array *)long_array(&l, 4, 8);
  wide->dim[0] = 4;
  wide->count = 32;
  long_initial(&l, "wide", wide);
  const char *x = "x";
  if (shape == LONG_nested) x = long_nested(&l, count);
  if (shape == LONG_folded) x = long_folded(&l, count);
  for (int32_t i = 0; i < count / (each[shape] ? each[shape] : 1); i++)
    x = long_step(&l, shape, x, i, count / 2);
  x = long_node(&l, "Relu", x, NULL);
  l.out = (anet__onnx_face){.name = x, .type = ANET_ONNX_FLOAT, .rank = 4, .dim = {1, 4, 3, 3}};
  CHECK_OK(anet__onnx_write(path, &l.m));
  anet__onnx_pool_free(&l.m.pool);
}

#endif
