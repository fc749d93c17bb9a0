/* Nets as C files: every op and the well-known families are written, compiled with all warnings as
 * errors, run, and give what the engine gives. */
#include <ctype.h>
#include <locale.h>
#include <stdlib.h>

#include "../grad/opcases.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/rng.h"
#include "codegen/cexport.h"
#include "support/fault.h"
#include "support/nets.h"
#include "support/scratch.h"
#include "support/test.h"
#include "support/zoo.h"

static char folder[SCRATCH_PATH];

/* ---- a program of many nets
 * --------------------------------------------------------------------------- */

enum { MOST = 32 };

/* A net that leaves, what it reads and what it ought to say. */
typedef struct leaving {
  char name[32];
  anet_net *net; /* held */
  bool blob;
  size_t in_size[ANET_MAX_INPUTS], out_size[ANET_MAX_OUTPUTS];
  float *in[ANET_MAX_INPUTS], *want[ANET_MAX_OUTPUTS]; /* as the caller lays them out; owned */
} leaving;

typedef struct program {
  leaving item[MOST];
  int32_t count;
} program;

static size_t size_of(const anet_net *net, int32_t value)
{
  return anet__shape_size(&net->node[value].shape);
}

/* The engine's answer to the inputs. */
static void answer(leaving *l)
{
  anet_plan *plan = NULL;
  anet_workspace *work = NULL;
  CHECK_OK(anet_plan_new(l->net, 1, &plan));
  CHECK_OK(anet_workspace_new(plan, NULL, &work));
  CHECK_OK(anet_run(plan, work, (const float *const *)l->in, l->want, 1));
  anet_workspace_release(work);
  anet_plan_release(plan);
}

/* Takes the net; writes its files. positive: its inputs are. */
static leaving *leave(program *p, anet_net *net, const char *name, const anet_c_desc *desc,
                      bool positive)
{
  char path[SCRATCH_PATH], file[48];
  anet_rng rng;
  leaving *l = &p->item[p->count++];
  *l = (leaving){.net = net, .blob = desc && desc->blob};
  snprintf(l->name, sizeof l->name, "%s", name);
  snprintf(file, sizeof file, "%s.c", name);
  anet_rng_seed(&rng, p->count);
  for (int32_t i = 0; i < net->inputs; i++) {
    l->in_size[i] = size_of(net, net->input[i]);
    l->in[i] = malloc(l->in_size[i] * sizeof(float));
    for (size_t e = 0; e < l->in_size[i]; e++) {
      l->in[i][e] = anet__rng_normal(&rng);
      if (positive) l->in[i][e] = 0.3F + fabsf(l->in[i][e]);
    }
  }
  for (int32_t i = 0; i < net->outputs; i++) {
    l->out_size[i] = size_of(net, net->output[i]);
    l->want[i] = malloc(l->out_size[i] * sizeof(float));
  }
  answer(l);
  CHECK_OK(anet_net_export_c(net, test_scratch_path(folder, file, path), desc));
  return l;
}

static void put_arguments(FILE *f, const leaving *l, int32_t round)
{
  if (l->blob) fprintf(f, "weights, ");
  for (int32_t i = 0; i < l->net->inputs; i++) fprintf(f, "in[%d], ", i);
  for (int32_t i = 0; i < l->net->outputs; i++)
    fprintf(f, "%sout[%d][%d]", i ? ", " : "", round, i);
}

/* A function that reads the inputs, runs the net in both ways, in memory that is all NaN, and
 * writes the outputs; not 0 where the ways differ or something fails. */
static void put_driver(FILE *f, const leaving *l)
{
  char upper[32];
  for (size_t i = 0; i < sizeof upper; i++) upper[i] = (char)toupper((unsigned char)l->name[i]);
  fprintf(f,
          "static int drive_%s(FILE *from, FILE *to)\n{\n  float *in[8], *out[2][64], *arena, "
          "*weights;\n",
          l->name);
  fprintf(f,
          "  int bad = 0;\n  arena = dirty(%s_ARENA_BYTES);\n  weights = read_all(\"%s.bin\", %d * "
          "%s_WEIGHTS);\n",
          upper, l->name, l->blob, upper);
  for (int32_t i = 0; i < l->net->inputs; i++)
    fprintf(f,
            "  in[%d] = dirty(%s_IN%d_SIZE * sizeof(float));\n"
            "  bad |= fread(in[%d], sizeof(float), %s_IN%d_SIZE, from) != %s_IN%d_SIZE;\n",
            i, upper, i, i, upper, i, upper, i);
  for (int32_t i = 0; i < l->net->outputs; i++)
    for (int32_t round = 0; round < 2; round++)
      fprintf(f, "  out[%d][%d] = dirty(%s_OUT%d_SIZE * sizeof(float));\n", round, i, upper, i);
  fprintf(f, "  bad |= %s_run_in(arena, ", l->name);
  put_arguments(f, l, 0);
  fprintf(f, ");\n  bad |= %s_run(", l->name);
  put_arguments(f, l, 1);
  fprintf(f, ");\n  bad |= !%s_run_in(NULL, ", l->name);
  put_arguments(f, l, 0);
  fprintf(f, ");\n");
  for (int32_t i = 0; i < l->net->outputs; i++)
    fprintf(f,
            "  bad |= memcmp(out[0][%d], out[1][%d], %s_OUT%d_SIZE * sizeof(float)) != 0;\n"
            "  fwrite(out[0][%d], sizeof(float), %s_OUT%d_SIZE, to);\n",
            i, i, upper, i, i, upper, i);
  fprintf(f, "  (void)weights;\n  return bad;\n}\n\n");
}

/* Maps of 16 x 16 x 8 one after the other need the room of two. */
TEST(a_chain_needs_two_maps)
{
  char text[4096] = "", path[SCRATCH_PATH];
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  int32_t x = net_image(net, 16, 3);
  for (int32_t i = 0; i < 7; i++)
    x = net_op(net, i % 2 ? "relu" : "sigmoid", net_conv(net, NULL, x, 8, 3, 1, 1));
  CHECK_OK(anet_net_output(net, net_conv(net, NULL, x, 2, 3, 1, 1)));
  CHECK_OK(anet_net_init(net, 1));
  CHECK_OK(anet_net_export_c(net, test_scratch_path(folder, "chain.c", path), NULL));
  FILE *f = fopen(test_scratch_path(folder, "chain.h", path), "r");
  CHECK(f && fread(text, 1, sizeof text - 1, f) > 0);
  if (f) fclose(f);
  const char *at = strstr(text, "#define CHAIN_ARENA_BYTES ");
  CHECK(at != NULL);
  CHECK(strstr(text,
               "#ifdef __cplusplus\nextern \"C\" {\n#endif\n")); /* programs in C++ read it, too */
  CHECK_EQ_I(at ? atoi(at + strlen("#define CHAIN_ARENA_BYTES ")) : 0, 2 * 16 * 16 * 8 * 4);
  anet_net_release(net);
}

static void put_main(const program *p)
{
  char path[SCRATCH_PATH];
  FILE *f = fopen(test_scratch_path(folder, "main.c", path), "w");
  fprintf(f, "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
  for (int32_t i = 0; i < p->count; i++) fprintf(f, "#include \"%s.h\"\n", p->item[i].name);
  fprintf(
      f,
      "static void *dirty(size_t n)\n{\n  void *m = malloc(n);\n  memset(m, 255, n);\n  return "
      "m;\n}\n"
      "static float *read_all(const char *name, size_t n)\n{\n"
      "  float *m = dirty((n + 1) * sizeof(float));\n  FILE *f = n ? fopen(name, \"rb\") : NULL;\n"
      "  if (f && fread(m, sizeof(float), n + 1, f) != n) exit(9);\n  if (f) fclose(f);\n  return "
      "m;\n}\n\n");
  for (int32_t i = 0; i < p->count; i++) put_driver(f, &p->item[i]);
  fprintf(f, "int main(void)\n{\n  FILE *from = fopen(\"in\", \"rb\"), *to = fopen(\"out\", "
             "\"wb\");\n  int bad = 0;\n");
  for (int32_t i = 0; i < p->count; i++)
    fprintf(f, "  bad |= drive_%s(from, to) << %d;\n", p->item[i].name, i % 7);
  fprintf(f, "  fclose(to);\n  return bad;\n}\n");
  fclose(f);
}

static void check_item(const leaving *l, FILE *f)
{
  for (int32_t i = 0; i < l->net->outputs; i++) {
    float *got = malloc(l->out_size[i] * sizeof *got);
    double most = 1e-3, worst = 0;
    CHECK_EQ_I(fread(got, sizeof *got, l->out_size[i], f), l->out_size[i]);
    for (size_t e = 0; e < l->out_size[i]; e++) {
      const double difference = fabs((double)got[e] - (double)l->want[i][e]);
      most = fmax(most, fabs((double)l->want[i][e]));
      if (!(difference <= worst)) worst = difference;
    }
    test_checks++;
    if (!(worst <= 1e-5 * most))
      TEST_FAIL("%s, output %d '%s': off by %g of %g", l->name, i,
                l->net->node[l->net->output[i]].name, worst, most);
    free(got);
  }
}

/* Compiles, runs and compares; frees everything. */
static void check_program(program *p)
{
  char command[2 * SCRATCH_PATH + 200], path[SCRATCH_PATH];
  FILE *f = fopen(test_scratch_path(folder, "in", path), "wb");
  for (int32_t i = 0; i < p->count; i++)
    for (int32_t k = 0; k < p->item[i].net->inputs; k++)
      fwrite(p->item[i].in[k], sizeof(float), p->item[i].in_size[k], f);
  fclose(f);
  put_main(p);
  snprintf(command, sizeof command,
           "cd '%s' && cc -std=c99 -Wall -Wextra -Werror -pedantic -O1 -o main *.c -lm && ./main "
           "&& rm *.c *.h",
           folder);
  CHECK_EQ_I(system(command), 0);
  f = fopen(test_scratch_path(folder, "out", path), "rb");
  CHECK(f != NULL);
  for (int32_t i = 0; i < p->count; i++) {
    leaving *l = &p->item[i];
    if (f) check_item(l, f);
    for (int32_t k = 0; k < l->net->inputs; k++) free(l->in[k]);
    for (int32_t k = 0; k < l->net->outputs; k++) free(l->want[k]);
    anet_net_release(l->net);
  }
  if (f) fclose(f);
}

/* ---- every op
 * --------------------------------------------------------------------------------------------- */

/* Rank 1 to 4: what a reshape can say. */
static int32_t cut(anet_net *net, int32_t from, const anet_shape *shape, int32_t *begin)
{
  const int32_t size = (int32_t)anet__shape_size(shape);
  anet_attr reshape = {0};
  int32_t value;
  CHECK_OK(anet_net_add(net, "split", NULL, &(anet_attr){.begin = *begin, .size = size}, &from, 1,
                        &value));
  for (int32_t i = 0; i < shape->rank; i++) reshape.dim[i] = shape->dim[i];
  CHECK_OK(anet_net_add(net, "reshape", NULL, &reshape, &value, 1, &value));
  *begin += size;
  return value;
}

/* The cases [begin, end) that want such inputs side by side: one long input, of which each takes
 * its parts. */
static anet_net *cases_net(int32_t begin, int32_t end, bool positive)
{
  anet_net *net;
  anet_rng rng;
  int32_t in[ANET_MAX_INPUTS], flat, value, taken = 0, total = 0;
  CHECK_OK(anet_net_new(&net));
  for (int32_t k = begin; k < end; k++)
    for (int32_t i = 0; i < op_cases[k].inputs; i++)
      total += (int32_t)anet__shape_size(&op_cases[k].in[i]);
  CHECK_OK(anet_net_input(net, "all", &(anet_shape){1, {total}}, &flat));
  for (int32_t k = begin; k < end; k++) {
    char name[64];
    const op_case *c = &op_cases[k];
    if (op_case_positive(c->op) != positive) continue;
    for (int32_t i = 0; i < c->inputs; i++) {
      in[i] = cut(net, flat, &c->in[i], &taken);
      if (op_case_input(c->op, 0.3F) == 0) /* wants whole numbers */
        CHECK_OK(anet_net_add(net, "round", NULL, NULL, &in[i], 1, &in[i]));
    }
    snprintf(name, sizeof name, "%s*/%d", c->op, k); /* which must not end a comment */
    CHECK_OK(anet_net_add(net, c->op, name, &c->attr, in, c->inputs, &value));
    CHECK_OK(anet_net_output(net, value));
  }
  CHECK_OK(anet_net_init(net, 3));
  anet_rng_seed(&rng, begin);
  for (int32_t v = 0; v < net->count; v++)
    for (int32_t p = 0; p < net->node[v].params; p++)
      for (int32_t i = 0; i < (int32_t)anet_tensor_count(net->node[v].param[p]); i++)
        anet__f32(net->node[v].param[p])[i] =
            0.5F + (p == 3 ? 0.03F : 0.3F) * anet__rng_normal(&rng);
  return net;
}

TEST(every_op_leaves)
{
  enum { SHARE = 40 };
  static program p;
  for (int32_t k = 0; k < ANET_COUNT(op_cases); k += SHARE)
    for (int32_t positive = 0; positive < 2; positive++) {
      char name[32];
      anet_net *net = cases_net(k, ANET_MIN(k + SHARE, ANET_COUNT(op_cases)), positive);
      snprintf(name, sizeof name, "cases_%d_%d", k, positive);
      if (net->outputs)
        leave(&p, net, name, NULL, positive);
      else
        anet_net_release(net);
    }
  CHECK(p.count > 3);
  check_program(&p);
}

/* ---- families
 * ------------------------------------------------------------------------------------------------
 */

/* A model that ships. */
static anet_net *shipped(const char *path)
{
  anet_bundle *bundle = NULL;
  anet_net *net = NULL;
  CHECK_OK(anet_bundle_open(path, &bundle));
  CHECK_OK(anet_bundle_net(bundle, &net));
  anet_bundle_release(bundle);
  return net;
}

/* How the arrays are turned: (h, w, c) to (c, h, w). */
static void turn(float **image, const anet_shape *s)
{
  const int32_t pixels = s->dim[0] * s->dim[1], channels = s->dim[2];
  float *to = malloc((size_t)(pixels * channels) * sizeof *to);
  for (int32_t i = 0; i < pixels; i++)
    for (int32_t c = 0; c < channels; c++) to[c * pixels + i] = (*image)[i * channels + c];
  free(*image);
  *image = to;
}

static anet_c_face turned_face(const anet_shape *s)
{
  const int32_t h = s->dim[0], w = s->dim[1], c = s->dim[2];
  return (anet_c_face){.name = "turned",
                       .dims = 3,
                       .atoms = 3,
                       .dim = {c, h, w},
                       .atom = {c, h, w},
                       .order = {1, 2, 0}};
}

/* Inputs and outputs as ONNX numbers them. */
static void leave_turned(program *p, anet_net *net, const char *name)
{
  const anet_shape *in = &net->node[net->input[0]].shape, *out = &net->node[net->output[0]].shape;
  const anet_c_face faces[2] = {turned_face(in), turned_face(out)};
  leaving *l = leave(p, net, name, &(anet_c_desc){.input = &faces[0], .output = &faces[1]}, false);
  turn(&l->in[0], in);
  turn(&l->want[0], out);
}

/* Outputs that no step makes: the input, a constant, one that is asked for twice; and clamps in a
 * row. */
static anet_net *awkward_net(void)
{
  anet_net *net;
  int32_t x, y, c;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "image", &(anet_shape){3, {4, 5, 3}}, &x));
  CHECK_OK(anet_net_add(net, "constant", "c", &(anet_attr){.dim = {4, 5, 3}}, NULL, 0, &c));
  CHECK_OK(anet_net_add(net, "conv", NULL, &(anet_attr){.kernel = {1, 1}, .channels = 3, .bias = 1},
                        &x, 1, &y));
  CHECK_OK(anet_net_add(net, "scale", NULL, NULL, &y, 1, &y));
  CHECK_OK(anet_net_add(net, "norm", NULL, NULL, &y, 1, &y));
  CHECK_OK(anet_net_add(net, "add", NULL, NULL, (int32_t[]){c, y}, 2, &y));
  CHECK_OK(anet_net_add(net, "relu6", NULL, NULL, &y, 1, &y));
  CHECK_OK(anet_net_add(net, "clip", NULL, &(anet_attr){.alpha = 0.25F, .beta = 1.5F}, &y, 1, &y));
  CHECK_OK(anet_net_add(net, "add", NULL, NULL, (int32_t[]){y, y}, 2, &y));
  CHECK_OK(anet_net_add(net, "clip", NULL, &(anet_attr){.alpha = -1, .beta = 2.5F}, &y, 1, &y));
  for (int32_t i = 0; i < 2; i++) CHECK_OK(anet_net_output(net, y));
  CHECK_OK(anet_net_output(net, x));
  CHECK_OK(anet_net_output(net, c));
  CHECK_OK(zoo_fill(net, 5));
  return net;
}

TEST(families_leave)
{
  static program p;
  const int32_t three[3] = {8, 12, 16}, four[4] = {1, 2, 1, 1};
  const anet_c_desc blob = {.blob = 1};
  leave(&p, shipped("data/resnet20.anet"), "resnet20", NULL, false);
  leave(&p, shipped("data/mobilenet_v2.anet"), "mobilenet_v2", NULL, false);
  leave(&p, zoo_resnet20(16, three, 2, 10, 1), "small", &blob, false);
  leave(&p, zoo_squeezenet(32, 8, 10, 1), "squeezenet", NULL, false);
  leave(&p, zoo_detector(64, 8, four, 1), "detector", NULL, false);
  leave(&p, zoo_efficientnet(32, 10, 1), "efficientnet", NULL, false);
  leave(&p, zoo_preact(16, 8, 2, 10, 1), "preact", &blob, false);
  leave_turned(&p, zoo_unet(16, 8, 1), "unet");
  leave_turned(&p, zoo_edsr(12, 8, 2, 1), "edsr");
  leave(&p, zoo_oddities(16, 10, 1), "oddities", NULL, false);
  leave(&p, zoo_densenet(16, 10, 10, 1), "densenet", NULL, false);
  leave(&p, zoo_inception(16, 2, 10, 1), "inception", NULL, false);
  leave(&p, awkward_net(), "awkward", NULL, false);
  leave(&p, awkward_net(), "awkward_blob", &blob, false);
  check_program(&p);
}

/* ---- numbers, names, refusals
 * ----------------------------------------------------------------------------------- */

/* What C reads is the same float. */
static void check_number(float value)
{
  char text[ANET_C_NUMBER];
  const char *said = anet__c_number(value, 9, text);
  char *end;
  const float back = strtof(said, &end);
  test_checks++;
  if (back != value || strcmp(end, "f") != 0 || !strpbrk(said, ".e"))
    TEST_FAIL("%a is said as %s", (double)value, said);
}

TEST(numbers_come_back)
{
  char text[ANET_C_NUMBER];
  anet_rng rng;
  anet_rng_seed(&rng, 1);
  for (int32_t i = 0; i < 20000; i++) {
    const uint32_t bits = anet__rng_below(&rng, UINT32_MAX);
    float value;
    memcpy(&value, &bits, sizeof value);
    if (isfinite(value)) check_number(value);
  }
  for (int32_t i = -20; i <= 20; i++) check_number((float)i / 8);
  CHECK_EQ_S(anet__c_number(0.1F, 0, text), "0.1f");
  CHECK_EQ_S(anet__c_number(-3, 0, text), "-3.0f");
  CHECK_EQ_S(anet__c_number(1e10F, 0, text), "1e+10f");
  CHECK_EQ_S(anet__c_number(-INFINITY, 0, text), "-INFINITY");
  static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
  bool foreign = false;
  for (int32_t i = 0; i < ANET_COUNT(locales) && !foreign; i++)
    foreign = setlocale(LC_NUMERIC, locales[i]);
  if (foreign)
    CHECK_EQ_S(anet__c_number(0.1F, 0, text), "0.1f");
  else
    printf("skipped: no locale with a decimal comma is installed\n");
  setlocale(LC_NUMERIC, "C");
}

static void refused(const anet_net *net, const char *file, const anet_c_desc *desc, int want,
                    const char *words)
{
  char path[SCRATCH_PATH];
  CHECK_EQ_I(anet_net_export_c(net, test_scratch_path(folder, file, path), desc), want);
  test_checks++;
  if (!strstr(anet_error(), words)) TEST_FAIL("'%s' does not say '%s'", anet_error(), words);
  CHECK(!anet__file_exists(path));
}

TEST(what_does_not_fit_is_refused)
{
  anet_net *net, *empty;
  int32_t x;
  anet_c_face face = turned_face(&(anet_shape){3, {4, 5, 3}});
  CHECK_OK(anet_net_new(&empty));
  CHECK_OK(anet_net_input(empty, "image", &(anet_shape){3, {4, 5, 3}}, &x));
  net = awkward_net();
  refused(empty, "empty.c", NULL, ANET_STATE, "no output");
  refused(net, "net.h", NULL, ANET_RANGE, "does not end in '.c'");
  refused(net, ".c", NULL, ANET_RANGE, "does not end in '.c'");
  refused(net, "net.c", &(anet_c_desc){.name = "9a"}, ANET_RANGE, "'9a' is not a name");
  refused(net, "net.c", &(anet_c_desc){.name = ""}, ANET_RANGE, "is not a name");
  refused(net, "none/net.c", NULL, ANET_IO, "none/net.h");
  face.order[0] = 0;
  refused(net, "net.c", &(anet_c_desc){.input = &face}, ANET_SHAPE, "'image'");
  face = turned_face(&(anet_shape){3, {4, 5, 4}});
  refused(net, "net.c", &(anet_c_desc){.input = &face}, ANET_SHAPE, "(4, 5, 3)");
  anet_net_release(net);
  anet_net_release(empty);
}

static int export_net(void *context)
{
  char path[SCRATCH_PATH];
  const anet_shape *in = &((anet_net *)context)->node[0].shape;
  const anet_c_face face = turned_face(in);
  return anet_net_export_c(context, test_scratch_path(folder, "again.c", path),
                           &(anet_c_desc){.input = &face});
}

TEST(every_allocation_may_fail)
{
  anet_net *net = awkward_net();
  test_each_allocation(export_net, net);
  anet_net_release(net);
}

int main(int argc, char **argv)
{
  static const test_case cases[] = {
      CASE(every_op_leaves),           CASE(families_leave),
      CASE(numbers_come_back),         CASE(what_does_not_fit_is_refused),
      CASE(every_allocation_may_fail), CASE(a_chain_needs_two_maps),
  };
  test_scratch_new(folder);
  const int rc = test_run(cases, ANET_COUNT(cases), argc, argv);
  test_scratch_remove(folder);
  return rc;
}
