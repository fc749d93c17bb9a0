/* An op: its shape rule, its parameters, forward, backward and cost. One file an op.
 *
 * Ops map a batch of n images; shapes are of one image, activations dense NHWC. Forward and
 * backward cannot fail: all checks were made by `shape` and `params`. They split their work over
 * the pool in parts whose results do not depend on the number of workers.
 */
#ifndef ANET_OP_H
#define ANET_OP_H

#include "anet.h"
#include "base/pool.h"
#include "kernel/kernel.h"
#include "op/ops.def"
#include "tensor/tensor.h"

typedef enum anet__op_id {
#define X(upper, lower) ANET_OP_##upper,
  ANET_OP_MAP(X)
#undef X
  ANET_OP_COUNT
} anet__op_id;

/* How a parameter starts, and whether training changes it. */
typedef enum anet__param_role {
  ANET_PARAM_WEIGHT,   /* He-normal; decays */
  ANET_PARAM_BIAS,     /* zero; no decay */
  ANET_PARAM_SCALE,    /* one; no decay */
  ANET_PARAM_MEAN,     /* zero; a running statistic: the forward pass updates it */
  ANET_PARAM_VARIANCE  /* one; likewise */
} anet__param_role;

typedef struct anet__param_spec {
  const char *name;
  anet__param_role role;
  anet_shape shape; /* conv (kh, kw, cin / groups, cout), depthwise (kh, kw, c), linear (in, out), norm (c) */
  double fan;       /* of He initialisation; weights only */
} anet__param_spec;


/* How an op computes its output, where there is a choice. Weights are packed for one method. */
typedef enum anet__method {
  ANET_METHOD_DIRECT,
  ANET_METHOD_WINOGRAD_2, /* conv, tiles of 2 x 2 and 4 x 4 output pixels (op/winograd.h) */
  ANET_METHOD_WINOGRAD_4,
  ANET_METHOD_COUNT, /* of those that compute the same */
  ANET_METHOD_BYTES = ANET_METHOD_COUNT /* on whole numbers, since its input was quantised (op/bytes.h) */
} anet__method;

/* Which of a call's values are bytes, behind pointers to floats. */
typedef struct anet__bytes {
  bool in, out;    /* in[0]; out: post gives levels */
  uint8_t zero;    /* the level of 0 in in[0] */
  float add_scale; /* of post.add */
} anet__bytes;

/* Weights laid out for the kernels. Made by `pack` when a plan is compiled; NULL in training,
 * where the op packs into scratch. */
typedef struct anet__call {
  const anet_attr *attr;
  const anet__kernels *kernels;
  anet_pool *pool;
  int32_t n;                                   /* images */
  int32_t inputs;
  const float *in[ANET_MAX_INPUTS];            /* may equal out where the op says `in_place` */
  anet_shape in_shape[ANET_MAX_INPUTS], out_shape;
  float *out;
  size_t out_ld;                               /* conv: floats from an output pixel to the next; 0: its channels */
  const anet_tensor *param[ANET_MAX_PARAMS];   /* windows allowed; NULL: absent */
  anet__method method;
  const float *packed;                         /* by `pack`, for the method, or NULL */
  const float *packed_back;                    /* by `pack_back`, or NULL: backward packs into scratch */
  anet__post post;                             /* conv, depthwise, linear: the fused epilogue. Without
                                                  fusion: no scale, shift = bias, no clamp */
  anet__bytes bytes;
  bool training, frozen;                       /* norm: batch statistics iff training && !frozen */
  bool settled;                                /* norm: its statistics were settled (op/norm.h) */
  bool folded;                                 /* norm: it ran in the epilogue of the op before, frozen: backward, in[0] is
                                                  not there but out is, after the clamp */
  uint64_t seed;                               /* dropout */
  void *saved;                                 /* training: saved_bytes, kept for backward */
  void *scratch;                               /* scratch_bytes(n, workers), contents undefined */
} anet__call;

/* din[i] and dparam[i] NULL: not wanted. add[i]: din[i] += instead of =. dparam is always +=, dense,
 * with the shape of the parameter. */
typedef struct anet__grad_call {
  anet__call call;     /* as in forward; out holds the forward's output */
  bool clamped;        /* norm: dout is of the output after the clamp of call.post, which its backward undoes too */
  const float *dout;
  float *din[ANET_MAX_INPUTS];
  bool add[ANET_MAX_INPUTS];
  float *dparam[ANET_MAX_PARAMS];
} anet__grad_call;

typedef struct anet__op {
  const char *name;
  int32_t min_inputs, max_inputs;
  bool in_place;      /* forward may write over in[0] (same shape, element by element); with one input,
                         backward may write din[0] over dout */
  bool by_image;      /* forward and backward (but for parameters, and batch statistics) treat each image on its own: a batch
                         may be run some images at a time */
  bool has_post;      /* forward applies call->post: norms, clamps and additions can be fused into it */
  bool grad_needs_in, grad_needs_out; /* backward reads in[] / out */
  /* Fill *out; on a mismatch ANET_SHAPE with both shapes (the caller adds the node's name). Zero
   * attributes were already replaced by their defaults (anet__attr_default). */
  int (*shape)(const anet_attr *attr, const anet_shape *in, int32_t inputs, anet_shape *out);
  /* Fill spec (ANET_MAX_PARAMS); *count. NULL: no parameters. */
  int (*params)(const anet_attr *attr, const anet_shape *in, anet__param_spec *spec, int32_t *count);
  void (*forward)(const anet__call *call);
  void (*backward)(const anet__grad_call *grad); /* NULL: not differentiable (input) */
  /* Bytes of scratch that forward (and backward, in training) needs; NULL: none. */
  size_t (*scratch)(const anet__call *call, bool training);
  size_t (*saved)(const anet__call *call);       /* NULL: none */
  /* Floats of packed weights, and the packing; NULL: the op uses its parameters as they are. */
  size_t (*pack_size)(const anet__call *call);
  void (*pack)(const anet__call *call, float *packed);
  /* What a method is thought to cost for the call's images, in multiply-adds; 0: the op cannot do it so. NULL: it has
   * one method. */
  double (*cost)(const anet__call *call, anet__method method);
  /* The same for the gradient of in[0]; uses scratch. */
  size_t (*pack_back_size)(const anet__call *call);
  void (*pack_back)(const anet__call *call, float *packed);
  double (*macs)(const anet_attr *attr, const anet_shape *in, const anet_shape *out); /* NULL: 0 */
} anet__op;

const anet__op *anet__op_get(anet__op_id id);
bool anet__op_find(const char *name, anet__op_id *id);
/* Zero means the usual: replaces it (stride, dilation 1, groups 1, epsilon 1e-5, momentum 0.1). */
void anet__attr_default(anet_attr *attr);
/* A post that does nothing. */
anet__post anet__post_none(void);

/* Elements of one image's shape. */
static inline size_t anet__shape_size(const anet_shape *s)
{
  size_t n = 1;
  for (int32_t i = 0; i < s->rank; i++) n *= (size_t)s->dim[i];
  return n;
}

/* Each op's table, defined in its own file (activation.c, for one, defines several). */
#define X(upper, lower) extern const anet__op anet__op_##lower;
ANET_OP_MAP(X)
#undef X

#endif
