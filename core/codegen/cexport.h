/* A net as a C file: what its files share. Only cexport*.c see it.
 *
 * cexport_steps.c turns nodes into steps and gives every value a place, cexport_weights.c gathers
 * the parameters, cexport_calls.c says each step as a call, cexport.c writes the files. The
 * functions that are called stand in cexport_code.c. */
#ifndef ANET_CEXPORT_H
#define ANET_CEXPORT_H

#include "base/error.h"
#include "base/file.h"
#include "graph/net.h"
#include "op/work.h"

/* ---- texts (cexport_code.c) ------------------------------------------------------------------ */

typedef struct anet__c_function {
  const char *name, *needs, *text; /* needs: names with spaces between */
} anet__c_function;
typedef struct anet__c_formula {
  anet__op_id op;
  const char *needs, *text;
  int32_t parameters; /* of a, b: how many it names */
} anet__c_formula;
extern const anet__c_function anet__c_functions[];              /* up to a NULL */
extern const anet__c_formula anet__c_unary[], anet__c_binary[]; /* up to ANET_OP_COUNT */
extern const anet__c_formula anet__c_gelu_tanh;
enum { ANET_C_FUNCTIONS = 64 }; /* that there may be */

/* ---- steps (cexport_steps.c) ------------------------------------------------------------------
 */

typedef enum anet__c_kind {
  ANET_C_NOWHERE,
  ANET_C_INPUT,  /* in<index> */
  ANET_C_OUTPUT, /* out<index> */
  ANET_C_ARENA,  /* arena + offset */
  ANET_C_WEIGHTS /* weights + offset: a constant */
} anet__c_kind;
typedef struct anet__c_place {
  anet__c_kind kind;
  int32_t index;
  size_t offset; /* in floats */
} anet__c_place;

/* A node with what was taken into it: value = clamp(op + add, low, high), norms being in the
 * weights. */
typedef struct anet__c_step {
  int32_t node, value; /* the node whose op it is, and the last one taken in */
  int32_t add;         /* the value that is added; -1: none */
  float low, high;
  size_t weight[ANET_MAX_PARAMS]; /* where its parts of the weights begin, in floats */
  bool bias; /* it has a second part: conv, depthwise, linear, conv_transpose */
} anet__c_step;

/* Some of the weights, for the comment above them. */
typedef struct anet__c_part {
  int32_t node;
  const char *name;
  size_t begin, count;
} anet__c_part;

/* An array read in another order: along axis i of the result `size` elements, `step` apart. */
enum { ANET_C_WALK = 16 };
typedef struct anet__c_walk {
  int32_t rank;
  size_t size[ANET_C_WALK], step[ANET_C_WALK];
} anet__c_walk;

/* Values are numbers of nodes; ops that move no data have none of their own: source[v] has it.
 * Invariants: a step reads values that an earlier step made, inputs and constants; places in the
 * arena that are alive together are apart. */
typedef struct anet__c_program {
  const anet_net *net;
  const anet_c_desc *desc;
  char *name, *upper; /* the prefix, and in capitals; owned */
  int32_t *memory;    /* of the next four, (values) each; owned */
  int32_t *source;
  int32_t *readers;     /* of a source: how many steps-to-be and outputs read it */
  int32_t *reader;      /* the node that reads it last; -1: an output */
  int32_t *step_of;     /* the step that has taken the node in, -1 */
  anet__c_place *place; /* (values), of sources; owned */
  anet__c_step *step;   /* (steps); owned */
  int32_t steps;
  size_t arena;       /* floats */
  anet__c_part *part; /* (parts); owned */
  int32_t parts;
  float *weights; /* (floats); owned */
  size_t floats;
} anet__c_program;

int anet__c_fuse(anet__c_program *p);
int anet__c_place_values(anet__c_program *p);
/* How input or output `index` is read from, or written to, the arrays of the caller; false: as it
 * is. */
bool anet__c_walk_in(const anet__c_program *p, int32_t index, anet__c_walk *walk);
bool anet__c_walk_out(const anet__c_program *p, int32_t index, anet__c_walk *walk);
/* Axes of size 1 dropped, those that follow each other joined. */
void anet__c_walk_simplify(anet__c_walk *walk);

/* ---- weights (cexport_weights.c) ---------------------------------------------------------------
 */

int anet__c_weights(anet__c_program *p);

/* ---- text (cexport.c, cexport_calls.c)
 * ----------------------------------------------------------- */

/* Where text goes. Without a sink nowhere: that tells which functions are called. After a failure
 * nothing is written any more. */
typedef struct anet__c_writer {
  anet__sink *sink;
  int rc;
  bool used[ANET_C_FUNCTIONS];
  bool formula[ANET_OP_COUNT], gelu_tanh;
  size_t fill;
  char buffer[1 << 14];
} anet__c_writer;

void anet__c_put(anet__c_writer *w, const char *format, ...) ANET_PRINTF(2, 3);
void anet__c_use(anet__c_writer *w, const char *functions); /* names with spaces between */
enum { ANET_C_NUMBER = 32, ANET_C_TEXT = 96 };
/* A float as C says it, whatever the locale; digits 0: as few as give it back. */
const char *anet__c_number(float value, int32_t digits, char text[ANET_C_NUMBER]);
/* A name with nothing in it that could end a comment. */
const char *anet__c_safe(const char *name, char text[ANET_C_TEXT]);
/* The calls of all steps, with comments. */
int anet__c_calls(const anet__c_program *p, anet__c_writer *w);

#endif
