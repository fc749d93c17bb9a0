/* anet: adapts a pretrained convolutional network to the device it runs on.
 *
 * This header is the engine's whole public face, and its manual. LuaJIT's FFI parses it too (the
 * build generates the cdef from it), so it is plain C: opaque handles, int statuses, no callbacks.
 *
 *   oracle --elastify--> supernet --distil--> bundle ==ship==> profile --search--> ladder --session--> frames
 *
 * Conventions
 *   status     Functions that can fail return ANET_OK or another status; anet_error() then has a
 *              message of the calling thread that names the thing and both numbers: one line of
 *              UTF-8 without control characters, whatever names in files hold.
 *   out        On success *out holds one reference for the caller; on failure *out is NULL.
 *   handles    Reference counted and safe to release from any thread; release(NULL) is fine.
 *   borrowed   `const char *` and data pointers are valid until their owner's last release.
 *   shapes     Of one image, without the batch: (height, width, channels) or (features).
 *   data       float32, NHWC, dense. A batch of n images is n such blocks, one after the other.
 *   threads    Immutable objects (plan, space, table) may be shared by threads; others may not.
 */
#ifndef ANET_H
#define ANET_H

#ifndef ANET_CDEF /* LuaJIT's FFI has these types built in */
#include <stddef.h>
#include <stdint.h>
#endif

#ifndef ANET_API
#if defined(ANET_CDEF)
#define ANET_API
#elif defined(__cplusplus)
#define ANET_API extern "C" __attribute__((visibility("default")))
#else
#define ANET_API extern __attribute__((visibility("default")))
#endif
#endif

/* ---- status ------------------------------------------------------------------------------ */

/* X(NAME, number, text). Numbers are pinned: they are stored and sent. */
#define ANET_STATUS_MAP(X)                                             \
  X(OK, 0, "ok")                                                       \
  X(NOMEM, 1, "out of memory")                                         \
  X(SHAPE, 2, "shapes do not agree")                                   \
  X(RANGE, 3, "a value is out of range")                               \
  X(STATE, 4, "the object is not in a state for this")                 \
  X(IO, 5, "reading or writing failed")                                \
  X(FORMAT, 6, "the data is not in the expected form")                 \
  X(CHECKSUM, 7, "a checksum does not match")                          \
  X(UNSUPPORTED, 8, "not supported")                                   \
  X(STALE, 9, "the latency table is of another machine or build")      \
  X(INFEASIBLE, 10, "no subnet meets the budget")                      \
  X(POLICY, 11, "the policy failed")                                   \
  X(ABSENT, 12, "there is no such thing")                              \
  X(COLLAPSED, 13, "the subnet lost its accuracy")                     \
  X(STOPPED, 14, "stopped")

enum {
#define X(name, number, text) ANET_##name = number,
  ANET_STATUS_MAP(X)
#undef X
  ANET_STATUS_COUNT
};

ANET_API const char *anet_version(void);            /* "1.2.3" */
ANET_API const char *anet_status_text(int status);  /* the table above; "unknown status" else */
ANET_API const char *anet_error(void);              /* message of this thread's last failure, or "" */

/* Limits that appear in structs. */
enum { ANET_MAX_RANK = 5, ANET_MAX_INPUTS = 8, ANET_MAX_PARAMS = 4, ANET_MAX_OUTPUTS = 64 };

/* ---- machine ------------------------------------------------------------------------------ */

typedef struct anet_memory {
  double live_bytes, peak_bytes; /* what the engine holds now, and its most so far */
  double calls;                  /* allocations so far */
} anet_memory;
ANET_API void anet_memory_read(anet_memory *out);
ANET_API void anet_memory_mark(void); /* peak_bytes counts anew, from what is live now */

/* Name of the kernels in use: "ref", "sse2", "avx2", "avx512", "neon". The environment's ANET_ISA
 * chooses; ANET_ABSENT if it names one that this machine or build lacks (the best is used then), with those there are. */
ANET_API const char *anet_isa(void);
ANET_API int anet_isa_check(void);
ANET_API const char *anet_isa_at(int32_t index); /* those this machine can run; NULL: no more */
ANET_API int32_t anet_cpu_count(void); /* processors this process may use */
ANET_API double anet_clock_ms(void);   /* monotonic */

/* Threads that share the work of a call; 1 means the caller alone. threads 0: all processors.
 * A pool serves one call at a time. Results never depend on the number of threads. */
typedef struct anet_pool anet_pool;
ANET_API int anet_pool_new(int32_t threads, anet_pool **out);
ANET_API void anet_pool_release(anet_pool *pool);
ANET_API int32_t anet_pool_threads(const anet_pool *pool);
/* Let another thread, or a signal handler, stop the calls that work with this pool: once *stop is not 0 they end with
 * ANET_STOPPED, after some 50 ms at most (a batch, a measurement, a step of a network at a time), with everything as it was before
 * the call; only memory that it was to fill has arbitrary values. *stop is borrowed until the pool's last release, or until
 * another flag or NULL takes its place, and is not cleared while a call runs. Not while a call runs either. */
ANET_API int anet_pool_watch(anet_pool *pool, const volatile int32_t *stop);

/* Floating-point operations a second of multiply-adds that never leave the registers, all threads of
 * the pool (NULL: the caller alone) together: what no kernel exceeds. isa NULL: the one in use.
 * ANET_ABSENT: this machine has no such instruction set. */
ANET_API int anet_isa_peak(const char *isa, anet_pool *pool, double *flops);

/* Speed of one kernel on one thread: the fastest call. */
typedef struct anet_kernel_speed {
  const char *name;       /* static */
  char shape[48];
  double ns;
  double flops, bytes;    /* of a call: operations (0: bound by memory); what is read and written */
  double sgemm_ns;        /* OpenBLAS on one thread, the same product; 0: there is none */
  const char *sgemm_core; /* static: what OpenBLAS takes this processor for */
} anet_kernel_speed;
ANET_API int32_t anet_kernel_cases(void);
/* Time case `index` for some ms (two calls at least; 0: only say what it is). isa NULL: the one in use.
 * ANET_RANGE: no such case. ANET_ABSENT: no such instruction set. ANET_NOMEM. */
ANET_API int anet_kernel_time(int32_t index, const char *isa, double ms, anet_kernel_speed *out);

/* xoshiro256**: the same numbers on every machine. A plain struct: copy it to fork it. */
typedef struct anet_rng {
  uint64_t state[4];
} anet_rng;
ANET_API void anet_rng_seed(anet_rng *rng, double seed); /* any integer up to 2^53 */
ANET_API double anet_rng_uniform(anet_rng *rng);         /* [0, 1) */
ANET_API int32_t anet_rng_int(anet_rng *rng, int32_t low, int32_t high); /* low <= x <= high */

/* ---- tensors ------------------------------------------------------------------------------ */

typedef enum anet_type { ANET_F32, ANET_U8, ANET_I32, ANET_I8, ANET_TYPE_COUNT } anet_type;

typedef struct anet_shape {
  int32_t rank;
  int32_t dim[ANET_MAX_RANK];
} anet_shape;

/* An array, or a rectangular window of one (a view shares and retains the array's memory). */
typedef struct anet_tensor anet_tensor;
ANET_API int anet_tensor_new(int32_t type, const anet_shape *shape, anet_tensor **out); /* zeros */
/* The window [begin, begin + size) of each dimension; no copy. ANET_RANGE if it does not fit. */
ANET_API int anet_tensor_view(anet_tensor *base, const int32_t *begin, const anet_shape *size,
                              anet_tensor **out);
/* The same values under another shape of as many; ANET_STATE if the tensor is not dense. */
ANET_API int anet_tensor_reshape(anet_tensor *base, const anet_shape *shape, anet_tensor **out);
/* A dense copy whose axis i is axis[i] of `from` (f32). ANET_RANGE: these are not all its axes. */
ANET_API int anet_tensor_transpose(const anet_tensor *from, const int32_t *axis, anet_tensor **out);
/* An array of NumPy (.npy) or ONNX's TensorProto (.pb), of any type of numbers, as f32. */
ANET_API int anet_tensor_load(const char *path, anet_tensor **out);
ANET_API int anet_tensor_save(const anet_tensor *tensor, const char *path); /* dense f32 */
ANET_API int anet_tensor_copy(anet_tensor *to, const anet_tensor *from); /* same shape and type */
ANET_API anet_tensor *anet_tensor_retain(anet_tensor *tensor);
ANET_API void anet_tensor_release(anet_tensor *tensor);
ANET_API void *anet_tensor_data(anet_tensor *tensor); /* first element; borrowed */
ANET_API int32_t anet_tensor_type(const anet_tensor *tensor);
ANET_API void anet_tensor_shape(const anet_tensor *tensor, anet_shape *out);
ANET_API void anet_tensor_strides(const anet_tensor *tensor, int32_t *out); /* (rank) in elements */
ANET_API double anet_tensor_count(const anet_tensor *tensor);               /* elements */
ANET_API int32_t anet_tensor_dense(const anet_tensor *tensor);              /* 1: no gaps */
ANET_API double anet_tensor_get(const anet_tensor *tensor, const int32_t *index);
ANET_API void anet_tensor_set(anet_tensor *tensor, const int32_t *index, double value);

/* ---- images and data ---------------------------------------------------------------------- */

/* Bytes of a PNG, JPEG, BMP, TGA, PNM, GIF into a u8 tensor (height, width, channels 1 or 3). */
ANET_API int anet_image_decode(const void *bytes, double count, int32_t channels, anet_tensor **out);
ANET_API int anet_image_load(const char *path, int32_t channels, anet_tensor **out);
/* u8 (height, width, 1 | 3 | 4) to a PNG file, written under a temporary name and renamed. */
ANET_API int anet_image_save(const anet_tensor *image, const char *path);
/* Bilinear with antialiasing when shrinking; u8 in, u8 out. */
ANET_API int anet_image_resize(const anet_tensor *image, int32_t height, int32_t width,
                               anet_tensor **out);

/* Labelled images of one size: u8 (count, height, width, channels) and i32 (count) labels, -1
 * where unlabelled. `path` may be: an IDX pair or its folder ("…/train-images-idx3-ubyte.gz" or
 * a folder with `part` "train" | "test"), a CIFAR binary folder, a folder with one folder a class (in a folder
 * of the part's name; every part is all where there is neither "train" nor "test"),
 * a folder of PNG sheets with .labels, a folder of images named "NUMBER_…" after their class (with
 * labels.txt, the classes' names, one a line). `size` scales folder images (0: their own, all alike).
 * pool (may be NULL): one whose flag stops the call. */
typedef struct anet_dataset anet_dataset;
ANET_API int anet_dataset_open(const char *path, const char *part, int32_t size, anet_pool *pool,
                               anet_dataset **out);
ANET_API int anet_dataset_new(anet_tensor *images, anet_tensor *labels, int32_t classes,
                              anet_dataset **out); /* labels may be NULL */
/* Items begin .. begin + count - 1 as a dataset that shares memory. */
ANET_API int anet_dataset_slice(anet_dataset *data, int32_t begin, int32_t count, anet_dataset **out);
/* The items that `index` (count) names, copied: shuffled splits, non-IID pools. */
ANET_API int anet_dataset_pick(anet_dataset *data, const int32_t *index, int32_t count,
                               anet_dataset **out);
/* The middle of every image, copied. ANET_RANGE: it is larger than they are. */
ANET_API int anet_dataset_crop(anet_dataset *data, int32_t height, int32_t width,
                               anet_dataset **out);
ANET_API void anet_dataset_release(anet_dataset *data);
ANET_API int32_t anet_dataset_count(const anet_dataset *data);
ANET_API int32_t anet_dataset_classes(const anet_dataset *data);
ANET_API const char *anet_dataset_class(const anet_dataset *data, int32_t label); /* name or NULL */
ANET_API anet_tensor *anet_dataset_images(anet_dataset *data); /* borrowed */
ANET_API anet_tensor *anet_dataset_labels(anet_dataset *data); /* borrowed */

/* How images become a network's input: x = (byte / 255 - mean[c]) / deviation[c], after
 * resampling to (height, width) where they differ. Kept with every model. */
typedef struct anet_input {
  int32_t height, width, channels;
  float mean[4], deviation[4];
} anet_input;

/* Random changes to training images, drawn from (seed, epoch, item): the same for any number of
 * threads and after a resume. Zero everywhere: none. */
typedef struct anet_augment {
  int32_t pad;      /* crop at random after padding by so many pixels with the mean */
  int32_t flip;     /* 1: mirror left-right with probability 1/2 */
  int32_t cutout;   /* side of a square set to the mean (DeVries & Taylor 2017); 0 none */
  float mixup;      /* alpha of the Beta distribution (Zhang et al. 2018); 0 none */
} anet_augment;

/* Fill `images` f32 (n, h, w, c) and `targets` f32 (n, classes) with batch `index` of `epoch`:
 * items in an order shuffled by (seed, epoch), or in their own when epoch is negative; augmented
 * when augment is not NULL. targets (may be NULL) holds one-hot rows, mixed by mixup. *filled =
 * how many items (fewer than n at the end of an epoch). */
ANET_API int anet_dataset_batch(anet_dataset *data, const anet_input *input,
                                const anet_augment *augment, double seed, int32_t epoch,
                                int32_t index, anet_pool *pool, anet_tensor *images,
                                anet_tensor *targets, int32_t *filled);

/* ---- networks ----------------------------------------------------------------------------- */

/* Attributes of all ops in one flat struct; an op reads those that its page in core/op names.
 * X(type, name, count). Zero means "the usual": stride 1, dilation 1, groups 1, no padding. */
typedef struct anet_attr {
  int32_t kernel[2], stride[2], dilation[2]; /* (rows, columns) */
  int32_t pad[4];                            /* top, left, bottom, right */
  int32_t groups;                            /* conv */
  int32_t channels;                          /* outputs of conv, linear */
  int32_t bias;                              /* conv, linear: 1 has one */
  int32_t axis;                              /* concat, split, softmax, reduce_*, top_k, gather: counted from the last, 0 = channels */
  int32_t begin, size;                       /* split: the part [begin, begin + size) of the axis; resize: below; lrn: how many channels;
                                                top_k: how many, and below */
  int32_t dim[4];                            /* reshape, constant: the shape, 0 ends it; resize: height, width;
                                                pad: channels before, after; transpose: axes, from 1;
                                                conv_transpose: rows, columns added at the end */
  int32_t mode;                              /* pad: anet_pad_mode; resize: anet_resize_mode; avg_pool: 1 counts padding; top_k */
  float epsilon;                             /* norm; 0 means 1e-5 */
  float momentum;                            /* norm: weight of a new batch in the running statistics; 0 means 0.1 */
  float alpha;                               /* leaky_relu: slope; dropout: probability; pad: the value; clip: lower
                                                bound; affine, elu, threshold, power: core/op/unary.c; lrn */
  float beta;                                /* clip: upper bound; affine: what is added; lrn: the exponent */
} anet_attr;

enum { ANET_PAD_CONSTANT, ANET_PAD_REFLECT, ANET_PAD_EDGE };
/* top_k.mode: the values, or their places along the axis; top_k.begin: which are the first */
enum { ANET_TOP_VALUES, ANET_TOP_PLACES };
enum { ANET_TOP_LARGEST, ANET_TOP_SMALLEST };
enum { ANET_RESIZE_NEAREST, ANET_RESIZE_BILINEAR };
/* resize.begin: pixels correspond by their centres, by their corners, or the outermost ones to each other */
enum { ANET_RESIZE_CENTRE, ANET_RESIZE_CORNER, ANET_RESIZE_ALIGN };
/* resize.size, of nearest: halves go down (as in PyTorch), all down, all up, halves go up */
enum { ANET_RESIZE_HALF_DOWN, ANET_RESIZE_DOWN, ANET_RESIZE_UP, ANET_RESIZE_HALF_UP };

/* A network: a DAG of nodes in topological order, each with one output value of the same number.
 * Nodes hold references to their parameters, so networks can share them. */
typedef struct anet_net anet_net;
ANET_API int anet_net_new(anet_net **out);
ANET_API anet_net *anet_net_retain(anet_net *net);
ANET_API void anet_net_release(anet_net *net);
ANET_API int anet_net_input(anet_net *net, const char *name, const anet_shape *shape, int32_t *value);
/* Append node `name` (unique, or NULL to have one made) of op `op` ("conv", "norm", … see
 * core/op/ops.def) on values `in`. Checks the shapes, creates its parameters (zeros; see init).
 * ANET_ABSENT: no such op. ANET_SHAPE: names the node and both shapes. */
ANET_API int anet_net_add(anet_net *net, const char *op, const char *name, const anet_attr *attr,
                          const int32_t *in, int32_t inputs, int32_t *value);
ANET_API int anet_net_output(anet_net *net, int32_t value); /* append to the outputs */
/* Fill every parameter: He-normal weights (He et al. 2015, fan-out), zero biases, unit norms. */
ANET_API int anet_net_init(anet_net *net, double seed);
/* Frozen nodes are never changed by training: weights stay, norms use their running statistics.
 * node < 0: all. */
ANET_API int anet_net_freeze(anet_net *net, int32_t node, int32_t frozen);

ANET_API int32_t anet_net_count(const anet_net *net); /* nodes = values, inputs included */
ANET_API int32_t anet_net_inputs(const anet_net *net);
ANET_API int32_t anet_net_outputs(const anet_net *net);
ANET_API int32_t anet_net_input_at(const anet_net *net, int32_t index);  /* value, or -1 */
ANET_API int32_t anet_net_output_at(const anet_net *net, int32_t index); /* value, or -1 */
typedef struct anet_node {
  const char *op, *name; /* borrowed from the net */
  int32_t inputs, in[ANET_MAX_INPUTS];
  int32_t params, frozen, region;   /* region: position in a subnet's space, -1 outside all */
  anet_attr attr;
  anet_shape shape;                 /* of its value */
  double macs, bytes;               /* one image: multiply-adds, and bytes read and written */
} anet_node;
ANET_API int anet_net_node(const anet_net *net, int32_t node, anet_node *out);
ANET_API int32_t anet_net_find(const anet_net *net, const char *name); /* node, or -1 */
/* Parameter `index` of a node and its name ("weight", "bias", "gamma", "beta", "mean", "var"). */
ANET_API anet_tensor *anet_net_param(anet_net *net, int32_t node, int32_t index); /* borrowed, or NULL */
ANET_API const char *anet_net_param_name(const anet_net *net, int32_t node, int32_t index);
/* Replace it by another tensor of the same shape (retained); several nodes may share one. */
ANET_API int anet_net_set_param(anet_net *net, int32_t node, int32_t index, anet_tensor *tensor);
/* A net with copies of all parameters: nothing is shared any more. */
ANET_API int anet_net_copy(const anet_net *net, anet_net **out);
typedef struct anet_cost {
  double macs;
  double params;           /* that training may change */
  double param_bytes;      /* all there is to store: running statistics too */
  double activation_bytes; /* all values, as training keeps them */
} anet_cost;
ANET_API void anet_net_cost(const anet_net *net, anet_cost *out); /* one image */

/* What the numbers of an output say, told by the op that they come from (what hands them on as they are aside: reshape,
 * flatten, dropout, identity). Runs, exports and files leave them as the network makes them. Losses, evaluation, the
 * confidence of sessions and `anet run` go by this; a program that shows probabilities asks it too. */
enum {
  ANET_ANSWER_LOGITS,        /* softmax makes probabilities of them; a network that ends in log_softmax too */
  ANET_ANSWER_PROBABILITIES, /* the network ends in softmax: a row sums to 1 */
  ANET_ANSWER_INDEPENDENT    /* it ends in sigmoid: a probability each */
};
typedef struct anet_answers {
  int32_t kind;    /* of the three above */
  int32_t classes; /* numbers that belong together */
  int32_t rows;    /* of those an image: 1 for a classifier */
  int32_t logits;  /* value that the softmax or sigmoid reads; else the output's own */
} anet_answers;
ANET_API int anet_net_answers(const anet_net *net, int32_t output, anet_answers *out); /* ANET_RANGE: no such output */

/* ---- plans: networks compiled for running --------------------------------------------------- */

/* Immutable, shareable. Norms, activations, biases and residual additions are fused into the
 * step before, weights are packed, activations placed in one arena. */
typedef struct anet_plan anet_plan;
/* ANET_IO: what the environment's ANET_TUNE names (see below) cannot be written. ANET_RANGE: it is too long. */
ANET_API int anet_tune_check(void);
/* batch: the most images a run may have. Fusion stops where node.region changes, so that a
 * run's time can be told region by region. Plans share packed weights: those of one memory that hold
 * the same values and run by the same method.
 * Methods (3x3 convolutions: a sweep, or tiles by Winograd) are tried once on this machine; the choice
 * is kept in a text file, a line a shape, and depends neither on the batch nor on threads. The
 * environment's ANET_TUNE is the file's path (else anet/methods.tsv in XDG_CACHE_HOME or ~/.cache), or
 * "off": then an estimate decides, as it does where the file cannot be written. */
ANET_API int anet_plan_new(anet_net *net, int32_t batch, anet_plan **out);
ANET_API anet_plan *anet_plan_retain(anet_plan *plan);
ANET_API void anet_plan_release(anet_plan *plan);
typedef struct anet_plan_info {
  int32_t batch, steps, inputs, outputs;
  double arena_bytes, packed_bytes, macs;
} anet_plan_info;
ANET_API void anet_plan_read(const anet_plan *plan, anet_plan_info *out);
ANET_API int anet_plan_input_shape(const anet_plan *plan, int32_t index, anet_shape *out);
ANET_API int anet_plan_output_shape(const anet_plan *plan, int32_t index, anet_shape *out);

/* Memory for running plans, one run at a time; it fits the plan it was made for and any other that
 * needs no more (anet_workspace_fit grows it). The pool (retained; NULL: the caller alone) works. */
typedef struct anet_workspace anet_workspace;
ANET_API int anet_workspace_new(anet_plan *plan, anet_pool *pool, anet_workspace **out);
ANET_API int anet_workspace_fit(anet_workspace *workspace, anet_plan *plan);
ANET_API void anet_workspace_release(anet_workspace *workspace);

/* Run n images: in[i] and out[i] are the dense data of input and output i. Many images go in parts that
 * stay in the caches; an image's bits depend neither on the others nor on threads. Allocates nothing.
 * ANET_RANGE: n is over the plan's batch. ANET_STATE: the workspace is too small. */
ANET_API int anet_run(const anet_plan *plan, anet_workspace *workspace, const float *const *in,
                      float *const *out, int32_t n);

/* ---- training ----------------------------------------------------------------------------- */

/* The first two are of answers (anet_net_answers): where the net ends in softmax or sigmoid, the gradient begins at the
 * logits before it. Of independent answers they are sums over the classes, a binary term each. */
typedef enum anet_loss_kind {
  ANET_LOSS_LABELS,  /* cross-entropy with target rows (n, classes); `smoothing` mixes in uniform */
  ANET_LOSS_TEACHER, /* KL to a teacher's answers under a temperature T, times T^2 (Hinton et al. 2015). target: the same
                        output of a net that ends alike, so logits or probabilities as this one */
  ANET_LOSS_FEATURE  /* mean squared error to a target feature, over its mean square */
} anet_loss_kind;
typedef struct anet_loss {
  int32_t kind, output;  /* on which output of the net */
  float weight, temperature, smoothing;
  int32_t numbers;       /* that the target has an image, checked against the output; 0: as many as that */
} anet_loss;

typedef enum anet_optim_kind { ANET_SGD, ANET_ADAMW } anet_optim_kind;
typedef struct anet_optim_desc {
  int32_t kind;
  int32_t nesterov;          /* sgd */
  float momentum;            /* sgd; beta1 of adamw */
  float beta2, epsilon;      /* adamw; 0: 0.999, 1e-8 */
  float decay;               /* weight decay, not on norms and biases */
  float clip;                /* largest norm of the whole gradient; 0: none */
} anet_optim_desc;

/* An optimiser keeps its state by parameter memory, so that one serves all nets that share weights. */
typedef struct anet_optim anet_optim;
ANET_API int anet_optim_new(const anet_optim_desc *desc, anet_optim **out);
ANET_API void anet_optim_release(anet_optim *optim);

/* A net compiled for training, with its nodes, frozen or not, and parameters as they are now:
 * activations that the way back needs are kept, gradients flow only as far back as the first node
 * that learns. ANET_STATE: a frozen node shares a weight with one that learns. */
typedef struct anet_tape anet_tape;
ANET_API int anet_tape_new(anet_net *net, int32_t batch, anet_pool *pool, anet_tape **out);
/* 1: norms normalise by their running statistics and leave these as they are, while scale and shift
 * still learn. What is trained is then the network as it runs, whatever comes before it: for options
 * that are trained in many contexts. Stays through anet_tape_renew. A change takes effect with the
 * next step or forward pass, which lays the tape's memory out anew and may fail with ANET_NOMEM. */
ANET_API void anet_tape_fix_norms(anet_tape *tape, int32_t fixed);
/* Compile another net in the memory of this tape, which grows where it must: for training many nets
 * in turn. On failure the tape is empty and can only be renewed or released. */
ANET_API int anet_tape_renew(anet_tape *tape, anet_net *net);
ANET_API void anet_tape_release(anet_tape *tape);
typedef struct anet_step_stats {
  double loss;      /* weighted sum of the terms, mean over the images */
  double correct;   /* images whose first output's largest entry is the target's */
  double gradient;  /* norm of the whole gradient before clipping (after anet_optim_step) */
} anet_step_stats;
/* Forward and backward over n images. in[i]: input i; target[i]: target of losses[i]. seed: of
 * dropout. Norms of nodes that are not frozen use the batch and update their statistics. ANET_SHAPE: a target has
 * other numbers an image than its output. */
ANET_API int anet_tape_step(anet_tape *tape, const float *const *in, int32_t n,
                            const anet_loss *losses, const float *const *target, int32_t count,
                            double seed, anet_step_stats *stats);
/* Forward alone, as training sees it or (training 0) with running statistics. */
ANET_API int anet_tape_forward(anet_tape *tape, const float *const *in, int32_t n, int32_t training,
                               double seed);
/* A node's value in what ran last; borrowed. Outputs and inputs are always there; NULL: this one's
 * memory was used again, or it never had any. */
ANET_API const float *anet_tape_value(const anet_tape *tape, int32_t node);
/* Gradient of the last step for a node's parameter; NULL if it does not learn. Borrowed. */
ANET_API const float *anet_tape_grad(const anet_tape *tape, int32_t node, int32_t param);
ANET_API double anet_tape_bytes(const anet_tape *tape); /* activations and gradients */
/* Apply the gradients of the tape's last step. ANET_RANGE: a gradient is not finite; then nothing
 * has changed, and the running statistics are back to where they were before the step. */
ANET_API int anet_optim_step(anet_optim *optim, anet_tape *tape, double rate, anet_step_stats *stats);

/* Norm statistics anew from data, frozen norms too; gives a net that shares all weights with `net`
 * but owns its means and variances. (Yu & Huang 2019, "post-statistics".) in: dense images (count),
 * taken `batch` at a time: each batch runs on its own statistics, which are pooled over batches, so
 * take 128 or more. ANET_COLLAPSED if an output or a statistic is not finite. */
ANET_API int anet_net_calibrate(anet_net *net, const float *in, int32_t count, int32_t batch,
                                anet_pool *pool, anet_net **out);

/* The same net in bytes: what its convolutions (without groups), depthwise convolutions and linear layers read
 * passes a `quantize` first, whose range is measured on `count` images (in, dense NHWC): the one of least squared
 * error. Plans run such layers on whole numbers, with weights rounded to 255 levels a channel; parameters are shared
 * with `net`. Quantisation is affine, a channel for weights and a tensor for activations (Krishnamoorthi 2018, sections 2
 * and 3). ANET_COLLAPSED if a value is not finite. */
ANET_API int anet_net_quantize(anet_net *net, const float *in, int32_t count, anet_pool *pool,
                               anet_net **out);

/* ---- elastification ------------------------------------------------------------------------- */

typedef enum anet_option_kind {
  ANET_KEEP, ANET_MERGE, ANET_SHRINK, ANET_SKIP, ANET_INT8, ANET_OPTION_COUNT
} anet_option_kind;

/* The blocks of a network, found by its structure: single-entry, single-exit pieces in chains
 * (trunks). What is not in a block stays frozen, and the report says why. */
typedef struct anet_blocks anet_blocks;
ANET_API int anet_blocks_find(anet_net *net, anet_blocks **out);
ANET_API void anet_blocks_release(anet_blocks *blocks);
ANET_API int32_t anet_blocks_count(const anet_blocks *blocks);
typedef struct anet_block {
  const char *kind;      /* "basic", "bottleneck", "inverted", "fire", "parallel", "plain", "separable", "residual" */
  const char *name;      /* of its last node; borrowed */
  int32_t trunk, entry, exit;  /* trunk number; values that go in and come out */
  int32_t nodes;
  anet_shape in, out;
  int32_t hidden;        /* channels that shrink can narrow, of all layers inside; 0: none */
  int32_t stride, shortcut; /* in/out rows; 1: its input is added to its output */
  int32_t most_span;     /* blocks, itself included, that one merge from here may cover */
  int32_t can_skip;
  double macs, params;
} anet_block;
ANET_API int anet_blocks_get(const anet_blocks *blocks, int32_t index, anet_block *out);
/* Runs of nodes outside all blocks, and why each stayed frozen. */
ANET_API int32_t anet_blocks_frozen_count(const anet_blocks *blocks);
typedef struct anet_frozen {
  int32_t first, last;   /* nodes */
  const char *reason;    /* borrowed */
} anet_frozen;
ANET_API int anet_blocks_frozen(const anet_blocks *blocks, int32_t index, anet_frozen *out);

/* The space of genomes: at each position (block) one of its options, which covers `span`
 * positions. A path problem: boundaries are nodes, options are edges. Immutable once sealed. */
typedef struct anet_space anet_space;
enum { ANET_COVERED = 255 }; /* gene of a position that an earlier option covers */
typedef struct anet_option {
  int32_t kind, position, gene;  /* gene: its index at its position; keep is always 0 */
  int32_t span;                  /* merge: 2, 3, …; others 1 */
  float width;                   /* shrink: the share of hidden channels that stays; else 1 */
  int32_t hidden;                /* channels that this makes; 0 where it has none */
} anet_option;
/* trunk: (positions) the trunk of each; an option never crosses trunks. Every position gets keep. */
ANET_API int anet_space_new(const int32_t *trunk, int32_t positions, anet_space **out);
/* option.gene is set by the call. ANET_RANGE: it does not fit its trunk, or there is one like it. */
ANET_API int anet_space_add(anet_space *space, const anet_option *option);
ANET_API anet_space *anet_space_retain(anet_space *space);
ANET_API void anet_space_release(anet_space *space);
ANET_API int32_t anet_space_positions(const anet_space *space);
ANET_API int32_t anet_space_options(const anet_space *space);                 /* of all positions */
ANET_API int32_t anet_space_genes(const anet_space *space, int32_t position); /* of one */
ANET_API int anet_space_option(const anet_space *space, int32_t index, anet_option *out);
ANET_API int32_t anet_space_index(const anet_space *space, int32_t position, int32_t gene); /* or -1 */
/* Exact number of genomes, in decimal digits (any size). text: at least 64 bytes. */
ANET_API int anet_space_size(const anet_space *space, char *text, int32_t bytes);
/* ANET_RANGE names the position and what is wrong with it. */
ANET_API int anet_genome_check(const anet_space *space, const uint8_t *genome);
/* One character a position: 0-9 a-z the gene, '-' covered. text: positions + 1 bytes. */
ANET_API int anet_genome_print(const anet_space *space, const uint8_t *genome, char *text);
ANET_API int anet_genome_parse(const anet_space *space, const char *text, uint8_t *genome);
/* Uniform over all genomes (by counting paths). */
ANET_API int anet_genome_sample(const anet_space *space, anet_rng *rng, uint8_t *genome);

/* The whole front of (cost, damage), both sums over a genome's options of the given figures
 * (options, in the order of anet_space_option): no genome has less of one and no more of the
 * other. Label setting over the path graph; exact. Sorted by cost, fastest first. */
typedef struct anet_front anet_front;
ANET_API int anet_space_front(const anet_space *space, const double *cost, const double *damage,
                              anet_front **out);
ANET_API void anet_front_release(anet_front *front);
ANET_API int32_t anet_front_count(const anet_front *front);
ANET_API int anet_front_get(const anet_front *front, int32_t index, uint8_t *genome, double *cost,
                            double *damage);
/* The k genomes of least damage with cost <= budget, best first (exact, k shortest paths).
 * *found <= k; ANET_INFEASIBLE names the least cost there is. */
ANET_API int anet_space_best(const anet_space *space, const double *cost, const double *damage,
                             double budget, int32_t k, uint8_t *genomes, int32_t *found);

/* The oracle, plus its options, plus their weights. Positions are the blocks in order. */
typedef struct anet_supernet anet_supernet;
/* The oracle is retained and frozen. The space is built by anet_supernet_add, then sealed. */
ANET_API int anet_supernet_new(anet_net *oracle, anet_supernet **out);
/* Add an option at a position: kind, span, width. Its weights start from the oracle's: merge takes
 * those of the first covered block that fit, shrink the most important hidden channels first.
 * importance: (hidden) from anet_supernet_importance, or NULL: by weight norm; a position's first
 * shrink ranks the channels for all. Not for ANET_INT8, see anet_supernet_quantize. */
ANET_API int anet_supernet_add(anet_supernet *supernet, const anet_option *option,
                               const float *importance);
/* 1: options that are added from now on have norms of their own where their blocks have none, as in a network
 * whose norms were folded into its weights. They change nothing at first and cost nothing at run time. */
ANET_API void anet_supernet_norms(anet_supernet *supernet, int32_t norms);
/* Let such norms of an option take the statistics of images: the option computes what it did, and training,
 * which normalises by the batch, begins there. Other norms stay as they are. */
ANET_API int anet_supernet_settle(anet_supernet *supernet, int32_t option, const float *in,
                                  int32_t count, anet_pool *pool);
ANET_API int anet_supernet_seal(anet_supernet *supernet); /* ANET_STATE: nothing elastic */
ANET_API anet_supernet *anet_supernet_retain(anet_supernet *supernet);
ANET_API void anet_supernet_release(anet_supernet *supernet);
ANET_API anet_net *anet_supernet_oracle(anet_supernet *supernet);   /* borrowed */
ANET_API anet_blocks *anet_supernet_blocks(anet_supernet *supernet); /* borrowed */
ANET_API anet_space *anet_supernet_space(anet_supernet *supernet);  /* borrowed */
/* The net of one option: its block's input to its block's output. Borrowed; shares the weights. */
ANET_API anet_net *anet_supernet_piece(anet_supernet *supernet, int32_t option);
/* What a genome selects, as a net that shares all weights; node.region is its position. */
ANET_API int anet_supernet_subnet(anet_supernet *supernet, const uint8_t *genome, anet_net **out);
/* The oracle with further outputs, each value once: entry[p] and exit[p] (positions) tell which output
 * is the input, and which the output, of position p's block. For distillation block by block. */
ANET_API int anet_supernet_taps(anet_supernet *supernet, anet_net **out, int32_t *entry,
                                int32_t *exit);
/* How much each hidden channel of a position matters: root mean square of its activation over the
 * images times the norm of the weights that read it. importance: (hidden). */
ANET_API int anet_supernet_importance(anet_supernet *supernet, int32_t position, const float *in,
                                      int32_t count, anet_pool *pool, float *importance);
/* Start an option by least squares: its last convolution is solved so that the option's output
 * before the activation is nearest to the oracle's over the images (ridge: relative to the
 * mean diagonal). ANET_UNSUPPORTED where an option has no such convolution. */
ANET_API int anet_supernet_solve(anet_supernet *supernet, int32_t option, const float *in,
                                 int32_t count, double ridge, anet_pool *pool);
/* A sealed supernet like this one, with one more option at each position: the oracle's block in bytes (ANET_INT8), as by
 * anet_net_quantize. Shares oracle, pieces and weights. ANET_RANGE: a position has such an option already. */
ANET_API int anet_supernet_quantize(anet_supernet *supernet, const float *in, int32_t count,
                                    anet_pool *pool, anet_supernet **out);
ANET_API double anet_supernet_bytes(const anet_supernet *supernet); /* all weights, shared ones once */

/* ---- on the device ---------------------------------------------------------------------------- */

/* Measured time of every option and of the frozen rest, with their errors, on this machine. */
typedef struct anet_table anet_table;
typedef struct anet_profile_desc {
  int32_t batch, rounds;  /* 0: 1 and 20 */
  int32_t held_out;       /* random subnets measured end to end to tell the error; 0: 50 */
  double seed;
} anet_profile_desc;
/* Interleaved rounds of subnets that together use every option, timed at the boundaries of
 * positions inside the running network, once it is warm; the oracle is visited between them, for drift. Medians. */
ANET_API int anet_profile(anet_supernet *supernet, anet_pool *pool, const anet_profile_desc *desc,
                          anet_table **out);
ANET_API anet_table *anet_table_retain(anet_table *table);
ANET_API void anet_table_release(anet_table *table);
typedef struct anet_table_info {
  int32_t options, batch, threads, rounds;
  double fixed_ms;                     /* stem, head and all else outside the options */
  double oracle_ms, oracle_error;      /* end to end, as anet_time_plans has them; the error of its prediction, if larger */
  double disturbed;                    /* share of runs that lost the processor */
  double median_error, p95_error;      /* of predictions, relative, on the held-out subnets and the oracle */
  double drift;                        /* reference block: slowest round over fastest */
  double seconds;                      /* what profiling took */
  const char *fingerprint;             /* borrowed */
} anet_table_info;
ANET_API void anet_table_read(const anet_table *table, anet_table_info *out);
ANET_API int anet_table_get(const anet_table *table, int32_t option, double *ms, double *error,
                            double *cold_ms);
ANET_API int anet_table_predict(const anet_table *table, const anet_space *space,
                                const uint8_t *genome, double *ms);
/* ANET_STALE names what differs from the machine as it is now. */
ANET_API int anet_table_check(const anet_table *table, int32_t threads);
/* Times of plans as a program that runs one of them in a loop sees them. Each runs alone until the caches hold what it
 * needs, then a few runs count; plan 0 is visited before and after each other plan, as warm, and a ratio is the median
 * of such pairs in quiet moments. Runs during which the thread lost the processor are dropped. Where the rest disagree
 * by more than `error`, up to three times the rounds are made. */
typedef struct anet_timing_desc {
  int32_t n;            /* images a run; 0: 1 */
  int32_t rounds;       /* visits to each plan; 0: 30. Fewer where limit_ms is over, but 5 */
  double error;         /* relative; 0: 0.03 */
  double limit_ms;      /* of running; 0: 20 000 */
} anet_timing_desc;
typedef struct anet_timing {
  double ms;            /* one run: of plan 0 in the quietest sixth of its visits, of others that times their ratio */
  double ratio;         /* to plan 0 */
  double error;         /* relative: half the ratio's 95 % interval; of plan 0 how far its median is from ms; 1: too few */
  double cold_ms;       /* one run after everything was driven out of the caches */
  double least_ms, median_ms; /* of its runs that counted; of its visits */
  double disturbed;     /* share of its runs that lost the processor */
  int32_t rounds;       /* that were made */
  int32_t settled;      /* 1: error is within what was asked; 0: the machine is too busy to tell */
} anet_timing;
/* out: (count). ANET_RANGE: n is more than a plan's batch. */
ANET_API int anet_time_plans(anet_plan *const *plans, int32_t count, anet_pool *pool,
                             const anet_timing_desc *desc, anet_timing *out);

/* Candidates evaluated together: they form a trie, each shared prefix is computed once a chunk. */
typedef struct anet_evaluation_desc {
  int32_t begin, count;     /* images of the data */
  int32_t chunk;            /* images at a time a worker; 0: what fits the caches */
  double byte_limit;        /* of kept features, all workers; 0: 256 MiB */
} anet_evaluation_desc;
typedef struct anet_evaluation_stats {
  double block_runs, ideal_runs, naive_runs; /* options run a chunk: done, of an ideal trie, without */
  double saved_time;        /* share of the naive cost (MACs) that was saved */
  double feature_bytes, seconds;
} anet_evaluation_stats;
/* One session on some data, against labels or (labels absent) the oracle's own answers. ANET_SHAPE: the data is labelled
 * and has more classes than the oracle gives answers. */
typedef struct anet_evaluator anet_evaluator;
ANET_API int anet_evaluator_new(anet_supernet *supernet, anet_dataset *data, const anet_input *input,
                                anet_pool *pool, anet_evaluator **out);
ANET_API void anet_evaluator_release(anet_evaluator *evaluator);
/* genomes: (n, positions). hits: (n, count) 1 where the answer is right. loss: (n) mean divergence
 * (KL) of the answers from the oracle's: what a subnet lost, whether or not there are labels, and
 * however sure of itself it is. ANET_RANGE: byte_limit below one image. */
ANET_API int anet_evaluate(anet_evaluator *evaluator, const uint8_t *genomes, int32_t n,
                           const anet_evaluation_desc *desc, uint8_t *hits, double *loss,
                           anet_evaluation_stats *stats);
/* Accuracy of one plan on data: *correct of all items, hits (count) may be NULL. ANET_SHAPE: the data has more classes
 * than the plan gives answers. ANET_UNSUPPORTED: the first output is no single row of classes. */
ANET_API int anet_plan_accuracy(anet_plan *plan, anet_dataset *data, const anet_input *input,
                                anet_pool *pool, double *correct, uint8_t *hits);

/* ---- adaptation --------------------------------------------------------------------------- */

/* The plans a device keeps, fastest first, none dominated by another. Here rungs count from 0; rung i is number i + 1 for
 * Lua, policies and the command. */
typedef struct anet_ladder anet_ladder;
typedef struct anet_rung {
  const char *genome;               /* text; borrowed */
  double predicted_ms, measured_ms, accuracy;
} anet_rung;
ANET_API int anet_ladder_new(anet_ladder **out);
ANET_API int anet_ladder_add(anet_ladder *ladder, anet_plan *plan, const anet_rung *rung);
/* Sort by measured time and drop what is dominated (not faster and not more accurate than another). ANET_NOMEM: nothing changed. */
ANET_API int anet_ladder_sort(anet_ladder *ladder);
/* The same of figures alone: order (count) gets the indices of the rungs that stay, fastest first. Returns how many. */
ANET_API int32_t anet_rung_order(const anet_rung *rungs, int32_t count, int32_t *order);
ANET_API anet_ladder *anet_ladder_retain(anet_ladder *ladder);
ANET_API void anet_ladder_release(anet_ladder *ladder);
ANET_API int32_t anet_ladder_count(const anet_ladder *ladder);
ANET_API int anet_ladder_get(const anet_ladder *ladder, int32_t index, anet_rung *out);
ANET_API anet_plan *anet_ladder_plan(anet_ladder *ladder, int32_t index); /* borrowed */

/* What a session sees of its world. Unknown: negative. */
typedef struct anet_state {
  double budget_ms;
  int32_t rung, rungs;
  double frames, frames_on_rung;          /* since the start; since the last switch */
  double last_ms, mean_ms, p50_ms, p90_ms, p99_ms; /* latency of frames in the window, this rung */
  double slowdown;                        /* median of measured over the rung's unloaded time */
  double late;                            /* share of the window's frames over the budget */
  double load;                            /* processors' busy share by others, 0 .. 1 */
  double free_bytes, temperature, battery; /* machine; degrees C; 0 .. 1 */
  double time_left_ms;                    /* until the frame's deadline, where the host gave one */
  double drift;                           /* change of the mean top probability since the start */
  double frame_ms;                        /* the last frame, on whatever rung, the host's policy included */
  double failures;                        /* of the host's policy so far: anet_session_charge */
} anet_state;

/* One deployed model in a host program. One thread at a time. */
typedef struct anet_session anet_session;
typedef enum anet_session_policy {
  ANET_POLICY_HOST,        /* the host (or its Lua policy) calls anet_session_switch */
  ANET_POLICY_FIXED,       /* stay on the first rung chosen */
  ANET_POLICY_HYSTERESIS   /* down at once when over budget, up after a calm while */
} anet_session_policy;
typedef struct anet_session_desc {
  double budget_ms;
  int32_t window;          /* frames the monitor looks back on; 0: 32 */
  int32_t policy;          /* anet_session_policy */
  int32_t rung;            /* first rung; -1: the best that fits the budget unloaded */
} anet_session_desc;
ANET_API int anet_session_new(anet_ladder *ladder, anet_pool *pool, const anet_session_desc *desc,
                              anet_session **out);
ANET_API void anet_session_release(anet_session *session);
/* Serve one frame of n images on the rung of the moment; with a built-in policy the rung for the next frame is
 * chosen after it. Allocates nothing. */
ANET_API int anet_session_run(anet_session *session, const float *in, float *out, int32_t n);
ANET_API int anet_session_read(anet_session *session, anet_state *out);
ANET_API int anet_session_switch(anet_session *session, int32_t rung); /* takes effect next frame */
ANET_API int anet_session_budget(anet_session *session, double budget_ms);
ANET_API int anet_session_deadline(anet_session *session, double ms); /* of the next frame */
/* For hosts that pick (ANET_POLICY_HOST), before they switch: picking took so long, which counts as the last
 * frame's time, and failed (1) or not (0). anet_policy_pick does it by itself. */
ANET_API int anet_session_charge(anet_session *session, double ms, int32_t failed);
/* Who picks from the next frame on: an anet_session_policy. The built-in ones begin anew. */
ANET_API int anet_session_govern(anet_session *session, int32_t policy);

/* ---- bundles -------------------------------------------------------------------------------- */

/* One file a model: a valid safetensors file whose metadata holds the rest. Tensors are 64-byte
 * aligned and opened by mmap without a copy; a checksum a tensor is verified on opening. Saving
 * writes a temporary name, syncs and renames: a crash leaves the old file whole. */
typedef struct anet_bundle anet_bundle;
ANET_API int anet_bundle_new(anet_bundle **out);
ANET_API int anet_bundle_open(const char *path, anet_bundle **out);
ANET_API int anet_bundle_save(anet_bundle *bundle, const char *path);
ANET_API void anet_bundle_release(anet_bundle *bundle);
/* Text entries: provenance, input, policies, ladder … NULL text removes. get: borrowed or NULL. */
ANET_API int anet_bundle_set_text(anet_bundle *bundle, const char *key, const char *text);
ANET_API const char *anet_bundle_text(const anet_bundle *bundle, const char *key);
/* Loose tensors (checkpoints, optimiser state). */
ANET_API int anet_bundle_set_tensor(anet_bundle *bundle, const char *name, anet_tensor *tensor);
ANET_API anet_tensor *anet_bundle_tensor(anet_bundle *bundle, const char *name); /* borrowed or NULL */
ANET_API int32_t anet_bundle_tensors(const anet_bundle *bundle);
ANET_API const char *anet_bundle_tensor_name(const anet_bundle *bundle, int32_t index);
/* Models. A net or supernet that is put in is retained and written on save; what is got from an
 * opened bundle uses the mapped weights (copy on write, so it can be trained). */
ANET_API int anet_bundle_set_net(anet_bundle *bundle, anet_net *net);
ANET_API int anet_bundle_net(anet_bundle *bundle, anet_net **out);            /* ANET_ABSENT: none */
ANET_API int anet_bundle_set_supernet(anet_bundle *bundle, anet_supernet *supernet);
ANET_API int anet_bundle_supernet(anet_bundle *bundle, anet_supernet **out);  /* ANET_ABSENT: none */
/* How images become the model's input. ANET_ABSENT: the bundle does not say. */
ANET_API int anet_bundle_set_input(anet_bundle *bundle, const anet_input *input);
ANET_API int anet_bundle_input(const anet_bundle *bundle, anet_input *out);
ANET_API int anet_bundle_set_table(anet_bundle *bundle, anet_table *table);
ANET_API int anet_bundle_table(anet_bundle *bundle, anet_table **out);        /* ANET_ABSENT: none */
/* The ladder that a search left (text "ladder"), fastest first and without dominated rungs, whatever the order in the file.
 * rung: the net of one, a subnet of the bundle's supernet with the norm statistics that recalibration gave it. ladder: all of
 * them compiled for at most max_batch images; their times are what the search measured on its machine, one image at a time,
 * so a program for which that is not so measures them again (anet_time_plans). ANET_ABSENT: none; ANET_RANGE: no such rung. */
ANET_API int anet_bundle_rung(anet_bundle *bundle, anet_supernet *supernet, int32_t index, anet_net **out);
ANET_API int anet_bundle_ladder(anet_bundle *bundle, int32_t max_batch, anet_ladder **out);
ANET_API int anet_bundle_set_optim(anet_bundle *bundle, anet_optim *optim, anet_net *const *nets,
                                   int32_t count); /* state of these nets' parameters */
ANET_API int anet_bundle_optim(anet_bundle *bundle, anet_optim *optim, anet_net *const *nets,
                               int32_t count);

/* ---- ONNX ------------------------------------------------------------------------------------ */

/* What of a file is imported. Inputs of the graph may become constants: shapes, scales, weights that it leaves
 * open. */
typedef struct anet_onnx_desc {
  int32_t constants;
  const char *const *name;   /* (constants) */
  anet_tensor *const *value; /* (constants) dense f32; whole numbers as such */
  int32_t outputs;           /* 0: those of the file */
  const char *const *output; /* (outputs) values that become the outputs; what they do not need is not looked at */
  int32_t partial;           /* 1: an end of the model that cannot be imported is left out */
} anet_onnx_desc;

/* The net of an ONNX file (opsets 1 to 21). Images are laid out (h, w, c) inside; weights are permuted once,
 * here. Values are f32: whole numbers and booleans (0, 1) travel as f32, exactly up to 2^24. Nodes
 * are called as the values they make. desc may be NULL. `about` (may be NULL) gets the net, and a text
 * "border": how the file numbers the axes of inputs and outputs, and their element types. ANET_UNSUPPORTED names the
 * op, its node, the opset and what to do; ANET_RANGE: no node makes a named output; ANET_FORMAT, ANET_SHAPE: the
 * file is damaged. On failure *out is NULL.
 *
 * partial: nodes that cannot be imported are left out, with all that needs them (non-maximum suppression and
 * what follows it). What they read of the rest takes the place of the outputs that are lost, after the others;
 * an input that only they read is lost too. Only an end: no convolution may be among them. `about` gets a text
 * "left_out", where something was: {"ops": {name: count}, "why": [reason …], "outputs": names lost, "reads":
 * names of what it reads, "gone": why exports are without it, where they are}. Else `about` carries what was left
 * out, and exports have it again. */
ANET_API int anet_net_import_onnx(const char *path, const anet_onnx_desc *desc, anet_net **out,
                                  anet_bundle *about);

/* Name of input `index` of such a file, initialisers aside. ANET_ABSENT: it has no more. name: `bytes`. */
ANET_API int anet_onnx_input(const char *path, int32_t index, char *name, int32_t bytes);

/* Write a net as an ONNX file (opset 17): inputs and outputs (h, w, c) become (N, c, h, w), names stay.
 * about (may be NULL): outputs that its text "border" names get the axes that they had at their source,
 * and what an import left out follows again, with the outputs of the source. ANET_STATE: the net has no output that it reads.
 * ANET_UNSUPPORTED names a node that ONNX cannot say. */
ANET_API int anet_net_export_onnx(const anet_net *net, const char *path, const anet_bundle *about);

/* ---- C ------------------------------------------------------------------------------------------ */

/* How an input or output of one image is laid out in the caller's arrays: `dims` axes, which are `atoms`
 * factors one after the other; the engine stores the factor order[0] slowest, then order[1], …. An image
 * (channels, rows, columns): dim and atom {c, h, w}, order {1, 2, 0}. */
enum { ANET_C_AXES = 16 };
typedef struct anet_c_face {
  const char *name;
  int32_t dims, atoms;
  int32_t dim[16], atom[16], order[16];
} anet_c_face;
typedef struct anet_c_desc {
  const char *name;  /* what functions and macros begin with; NULL: the file's name */
  int32_t blob;      /* 1: weights in a file beside ("net.bin"), which the program hands to each call */
  const anet_c_face *input, *output; /* (inputs), (outputs); NULL: all as the engine has them, (h, w, c) */
} anet_c_desc;

/* Write a net as one C99 file ("net.c") and its header ("net.h"), which says how it is called: no
 * dependencies, no allocation, weights inside, norms folded. desc may be NULL. ANET_UNSUPPORTED names an op
 * and its node; ANET_RANGE: path does not end in ".c", or the name is none; ANET_SHAPE: a face does not fit. */
ANET_API int anet_net_export_c(const anet_net *net, const char *path, const anet_c_desc *desc);

#endif
