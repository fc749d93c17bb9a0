/* Supernets: options and their weights, subnets, segments. */
#include <stdlib.h>

#include "base/alloc.h"
#include "elastic/supernet.h"
#include "support/test.h"
#include "support/zoo.h"

enum { IMAGES = 2, MOST_VALUES = 1 << 20 };

static const int32_t few[4] = {2, 2, 3, 2};

/* ---- helpers ------------------------------------------------------------------------------------
 */

typedef struct sample {
  const char *name;
  anet_net *(*make)(void);
} sample;

static anet_net *make_resnet20(void)
{
  return zoo_resnet20(16, (const int32_t[]){8, 12, 16}, 2, 5, 1);
}
static anet_net *make_resnet50(void)
{
  return zoo_resnet50(32, 12, few, 5, 2);
}
static anet_net *make_detector(void)
{
  return zoo_detector(32, 12, few, 3);
}
static anet_net *make_segmenter(void)
{
  return zoo_segmenter(32, 12, few, 4);
}
static anet_net *make_mobilenetv2(void)
{
  return zoo_mobilenetv2(32, 4, 5, 5);
}
static anet_net *make_efficientnet(void)
{
  return zoo_efficientnet(32, 5, 6);
}
static anet_net *make_mobilenetv1(void)
{
  return zoo_mobilenetv1(32, 8, 5, 7);
}
static anet_net *make_squeezenet(void)
{
  return zoo_squeezenet(32, 8, 5, 8);
}
static anet_net *make_vgg(void)
{
  return zoo_vgg(16, 8, 1, 5, 9);
}
static anet_net *make_folded(void)
{
  return zoo_vgg(16, 8, 0, 5, 10);
}
static anet_net *make_preact(void)
{
  return zoo_preact(16, 8, 3, 5, 11);
}
static anet_net *make_edsr(void)
{
  return zoo_edsr(8, 12, 4, 12);
}
static anet_net *make_unet(void)
{
  return zoo_unet(16, 8, 13);
}

static anet_net *make_oddities(void)
{
  return zoo_oddities(16, 5, 14);
}

static anet_net *make_densenet(void)
{
  return zoo_densenet(16, 4, 5, 15);
}

static anet_net *make_inception(void)
{
  return zoo_inception(16, 4, 5, 16);
}

#define SAMPLE(name)                                                                               \
  {                                                                                                \
#name, make_##name                                                                             \
  }
static const sample samples[] = {
    SAMPLE(resnet20),    SAMPLE(resnet50),     SAMPLE(detector),    SAMPLE(segmenter),
    SAMPLE(mobilenetv2), SAMPLE(efficientnet), SAMPLE(mobilenetv1), SAMPLE(squeezenet),
    SAMPLE(vgg),         SAMPLE(folded),       SAMPLE(preact),      SAMPLE(edsr),
    SAMPLE(unet),        SAMPLE(oddities),     SAMPLE(densenet),    SAMPLE(inception)};
enum { SAMPLES = sizeof samples / sizeof *samples };

static anet_option option_of(int32_t kind, int32_t position, int32_t span, float width)
{
  return (anet_option){.kind = kind, .position = position, .span = span, .width = width};
}

/* Every option that the blocks allow: merges up to 4, two shrinks, skips. */
static int add_all(anet_supernet *s)
{
  const anet_blocks *blocks = anet_supernet_blocks(s);
  int rc = ANET_OK;
  for (int32_t p = 0; p < anet_blocks_count(blocks); p++) {
    anet_block face;
    anet_option o;
    anet_blocks_get(blocks, p, &face);
    for (int32_t span = 2; !rc && span <= face.most_span && span <= 4; span++)
      o = option_of(ANET_MERGE, p, span, 1), rc = anet_supernet_add(s, &o, NULL);
    for (int32_t w = 1; !rc && face.hidden > 8 && w <= 2; w++)
      o = option_of(ANET_SHRINK, p, 1, 0.25f * (float)w), rc = anet_supernet_add(s, &o, NULL);
    if (!rc && face.can_skip)
      o = option_of(ANET_SKIP, p, 1, 1), rc = anet_supernet_add(s, &o, NULL);
  }
  return rc ? rc : anet_supernet_seal(s);
}

static anet_supernet *make_supernet(const sample *sample)
{
  anet_net *net = sample->make();
  anet_supernet *s;
  CHECK(net);
  CHECK_OK(anet_supernet_new(net, &s));
  const int rc = add_all(s);
  if (rc) TEST_FAIL("%s: %s", sample->name, anet_error());
  anet_net_release(net);
  return s;
}

/* Outputs one after the other; gives their number of floats. */
static int32_t run_net(anet_net *net, const float *in, float *out)
{
  anet_plan *plan;
  anet_workspace *workspace;
  anet_plan_info info;
  float *to[ANET_MAX_OUTPUTS];
  int32_t used = 0;
  CHECK_OK(anet_plan_new(net, IMAGES, &plan));
  CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
  anet_plan_read(plan, &info);
  for (int32_t i = 0; i < info.outputs; i++) {
    anet_shape shape;
    anet_plan_output_shape(plan, i, &shape);
    to[i] = out + used;
    used += IMAGES * (int32_t)anet__shape_size(&shape);
  }
  CHECK(used <= MOST_VALUES);
  CHECK_OK(anet_run(plan, workspace, &in, to, IMAGES));
  anet_workspace_release(workspace);
  anet_plan_release(plan);
  return used;
}

/* Largest difference over the largest value. */
static double distance(const float *a, const float *b, int32_t count)
{
  double most = 0, size = 1e-6;
  for (int32_t i = 0; i < count; i++) {
    if (!isfinite(a[i]) || !isfinite(b[i])) return INFINITY;
    most = fmax(most, fabs((double)a[i] - b[i]));
    size = fmax(size, fabs((double)a[i]));
  }
  return most / size;
}

static float image[MOST_VALUES], left[MOST_VALUES], right[MOST_VALUES];

/* ---- subnets
 * ------------------------------------------------------------------------------------- */

TEST(all_keep_is_the_oracle)
{
  for (int32_t i = 0; i < SAMPLES; i++) {
    anet_supernet *s = make_supernet(&samples[i]);
    uint8_t genome[ANET_MAX_POSITIONS] = {0};
    anet_net *net;
    CHECK_OK(anet_supernet_subnet(s, genome, &net));
    CHECK_EQ_I(anet_net_count(net), anet_net_count(anet_supernet_oracle(s)));
    const int32_t count = run_net(anet_supernet_oracle(s), image, left);
    CHECK_EQ_I(run_net(net, image, right), count);
    if (memcmp(left, right, (size_t)count * sizeof *left) != 0)
      TEST_FAIL("%s: all-keep differs from the oracle", samples[i].name);
    anet_net_release(net);
    anet_supernet_release(s);
  }
}

/* A genome run piece by piece, with the oracle's values in a frame. */
typedef struct frame {
  float *value[512]; /* by the oracle's numbers */
} frame;

static float *slot(const anet_supernet *s, frame *f, int32_t value)
{
  if (!f->value[value])
    f->value[value] =
        malloc(IMAGES * anet__shape_size(&s->oracle->node[value].shape) * sizeof(float));
  return f->value[value];
}

static void run_piece(anet_net *net, const float *const *in, float *const *out)
{
  anet_plan *plan;
  anet_workspace *workspace;
  CHECK_OK(anet_plan_new(net, IMAGES, &plan));
  CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
  CHECK_OK(anet_run(plan, workspace, in, out, IMAGES));
  anet_workspace_release(workspace);
  anet_plan_release(plan);
}

static void run_segments(const anet_supernet *s, const anet__segments *segments, frame *f,
                         int32_t at)
{
  for (int32_t i = 0; i < segments->count; i++) {
    const anet__segment *g = &segments->segment[i];
    const float *in[ANET_MAX_INPUTS];
    float *out[ANET_MAX_OUTPUTS];
    if (g->at != at) continue;
    for (int32_t r = 0; r < g->reads; r++) in[r] = slot(s, f, g->read[r]);
    for (int32_t w = 0; w < g->writes; w++) out[w] = slot(s, f, g->write[w]);
    run_piece(g->net, in, out);
  }
}

static int32_t walk(const anet_supernet *s, const uint8_t *genome, float *out)
{
  static frame f;
  anet__segments segments;
  int32_t used = 0;
  memset(&f, 0, sizeof f);
  CHECK_OK(anet__supernet_segments(s, &segments));
  memcpy(slot(s, &f, s->oracle->input[0]), image,
         IMAGES * anet__shape_size(&s->oracle->node[s->oracle->input[0]].shape) * sizeof(float));
  run_segments(s, &segments, &f, 0);
  for (int32_t p = 0; p < s->space->positions;) {
    const int32_t option = anet_space_index(s->space, p, genome[p]),
                  span = s->space->option[option].span;
    const float *in = slot(s, &f, s->blocks->block[p].face.entry);
    float *to = slot(s, &f, s->blocks->block[p + span - 1].face.exit);
    run_piece(s->piece[option], &in, &to);
    p += span;
    run_segments(s, &segments, &f, p);
  }
  for (int32_t i = 0; i < s->oracle->outputs; i++) {
    const size_t count = IMAGES * anet__shape_size(&s->oracle->node[s->oracle->output[i]].shape);
    memcpy(out + used, slot(s, &f, s->oracle->output[i]), count * sizeof *out);
    used += (int32_t)count;
  }
  for (int32_t v = 0; v < 512; v++) free(f.value[v]);
  anet__segments_free(&segments);
  return used;
}

TEST(random_subnets_equal_their_pieces)
{
  for (int32_t i = 0; i < SAMPLES; i++) {
    anet_supernet *s = make_supernet(&samples[i]);
    anet_rng rng;
    anet_rng_seed(&rng, i);
    for (int32_t n = 0; n < 8; n++) {
      uint8_t genome[ANET_MAX_POSITIONS];
      char text[ANET_MAX_POSITIONS + 1];
      anet_net *net;
      CHECK_OK(anet_genome_sample(s->space, &rng, genome));
      CHECK_OK(anet_genome_print(s->space, genome, text));
      CHECK_OK(anet_supernet_subnet(s, genome, &net));
      const int32_t count = run_net(net, image, left);
      CHECK_EQ_I(walk(s, genome, right), count);
      const double d = distance(left, right, count);
      if (!(d < 1e-4)) TEST_FAIL("%s %s: distance %g", samples[i].name, text, d);
      for (int32_t v = 0; v < net->count; v++) CHECK(net->node[v].region < s->space->positions);
      anet_net_release(net);
    }
    anet_supernet_release(s);
  }
}

TEST(taps)
{
  for (int32_t i = 0; i < SAMPLES; i++) {
    anet_supernet *s = make_supernet(&samples[i]);
    anet_net *net;
    const int32_t own = s->oracle->outputs, positions = s->space->positions;
    int32_t entry[ANET_MAX_POSITIONS], exit[ANET_MAX_POSITIONS];
    CHECK_OK(anet_supernet_taps(s, &net, entry, exit));
    for (int32_t i = 0; i < own; i++) CHECK_EQ_I(anet_net_output_at(net, i), s->oracle->output[i]);
    for (int32_t p = 0; p < positions; p++) {
      CHECK_EQ_I(anet_net_output_at(net, entry[p]), s->blocks->block[p].face.entry);
      CHECK_EQ_I(anet_net_output_at(net, exit[p]), s->blocks->block[p].face.exit);
    }
    anet_net_release(net);
    anet_supernet_release(s);
  }
}

/* ---- merges
 * -------------------------------------------------------------------------------------- */

static int32_t count_ops(const anet_net *net, anet__op_id op)
{
  int32_t count = 0;
  for (int32_t v = 0; v < net->count; v++) count += net->node[v].op == op;
  return count;
}

static const anet_net *piece_of(anet_supernet *s, int32_t kind, int32_t position, int32_t span)
{
  for (int32_t i = 0; i < s->space->options; i++) {
    const anet_option *o = &s->space->option[i];
    if (o->kind == kind && o->position == position && o->span == span) return s->piece[i];
  }
  TEST_FAIL("no option of kind %d, span %d at %d", kind, span, position);
  return s->piece[0];
}

/* Two stages of 2 blocks: 0 1 | 2 3 | 4 5. */
TEST(merges_of_basic_blocks)
{
  anet_supernet *s = make_supernet(&samples[0]);
  const anet_net *flat = piece_of(s, ANET_MERGE, 0, 2), *across = piece_of(s, ANET_MERGE, 1, 2),
                 *from_strided = piece_of(s, ANET_MERGE, 2, 2);
  CHECK_EQ_I(count_ops(flat, ANET_OP_CONV), 2); /* identity */
  CHECK_EQ_I(count_ops(flat, ANET_OP_ADD), 1);
  CHECK_EQ_I(count_ops(across, ANET_OP_CONV), 3); /* projection */
  CHECK_EQ_I(count_ops(across, ANET_OP_NORM), 3);
  CHECK_EQ_I(across->node[1].attr.stride[0], 2); /* on the first spatial convolution */
  CHECK_EQ_I(across->node[1].attr.channels, 8);  /* hidden: the first block's */
  CHECK_EQ_I(across->node[across->output[0]].shape.dim[2], 12);
  CHECK_EQ_I(from_strided->node[1].attr.stride[0], 2);
  CHECK_EQ_I(count_ops(from_strided, ANET_OP_CONV), 3);
  CHECK(!flat->node[1].frozen);

  /* all tensors of the first block that fit are copied */
  const anet_net *keep = s->piece[s->space->first[0]];
  for (int32_t v = 1; v < keep->count; v++)
    for (int32_t p = 0; p < keep->node[v].params; p++) {
      const anet_tensor *a = keep->node[v].param[p], *b = flat->node[v].param[p];
      CHECK(a->storage != b->storage);
      CHECK(memcmp(anet__f32(a), anet__f32(b), anet__shape_size(&a->shape) * 4) == 0);
    }
  /* a narrower first block's weights are the corner of the wider convolution's */
  const anet_net *first = s->piece[s->space->first[1]];
  const int32_t last =
      first->node[first->node[first->output[0]].in[0]].in[0] - 1; /* conv, norm, add */
  const int32_t at[4] = {2, 1, 7, 5};
  CHECK_EQ_I(first->node[last].op, ANET_OP_CONV);
  CHECK_NEAR(anet_tensor_get(first->node[last].param[0], at),
             anet_tensor_get(across->node[last].param[0], at), 0);
  anet_supernet_release(s);
}

TEST(merges_of_inverted_residuals)
{
  anet_supernet *s = make_supernet(&samples[4]);
  for (int32_t i = 0; i < s->space->options; i++) {
    const anet_option *o = &s->space->option[i];
    if (o->kind != ANET_MERGE) continue;
    const anet_block *first = &s->blocks->block[o->position].face,
                     *last = &s->blocks->block[o->position + o->span - 1].face;
    CHECK_EQ_I(count_ops(s->piece[i], ANET_OP_ADD), anet__shape_equal(&first->in, &last->out));
    CHECK_EQ_I(count_ops(s->piece[i], ANET_OP_CONV), 1 + (o->position > 0));
    CHECK_EQ_I(o->hidden, first->hidden);
  }
  anet_supernet_release(s);
}

/* ---- shrinks
 * -------------------------------------------------------------------------------------- */

/* Zero what reads all but the first `keep` channels of each hidden group. */
static void silence(anet_supernet *s, int32_t position, float width)
{
  const anet_net *keep = s->piece[s->space->first[position]];
  anet__groups groups;
  CHECK_OK(anet__groups_find(keep, &groups));
  for (int32_t v = 0; v < keep->count; v++) {
    const anet__node *node = &keep->node[v];
    if (node->op != ANET_OP_CONV && node->op != ANET_OP_LINEAR) continue;
    const int32_t group = groups.of[node->in[0]];
    if (groups.role[group] != ANET_GROUP_HIDDEN) continue;
    const int32_t channels = groups.channels[group];
    const int32_t stay = (int32_t)fmax(4, 4 * lroundf(width * (float)channels / 4));
    const anet_shape *shape = &node->param[0]->shape;
    const int32_t out = shape->dim[shape->rank - 1], rows = (int32_t)anet__shape_size(shape) / out;
    for (int32_t r = 0; r < rows; r++)
      if (r * 7 % channels >= stay) /* 7 shares no factor with the channels: a permutation */
        memset(anet__f32(node->param[0]) + (size_t)r * (size_t)out, 0, (size_t)out * 4);
  }
  anet__groups_free(&groups);
}

/* A shrink that drops channels which no one listens to computes what the block does. */
TEST(shrinks_drop_the_least_important)
{
  const int32_t which[] = {0, 1, 4, 5, 7, 10, 11};
  for (size_t n = 0; n < sizeof which / sizeof *which; n++) {
    anet_net *oracle = samples[which[n]].make();
    anet_supernet *s;
    CHECK_OK(anet_supernet_new(oracle, &s));
    int32_t tried = 0;
    for (int32_t p = 0; p < s->space->positions; p++) {
      anet_option o = option_of(ANET_SHRINK, p, 1, 0.5f);
      if (s->blocks->block[p].face.hidden <= 8) continue;
      silence(s, p, o.width);
      CHECK_OK(anet_supernet_add(s, &o, NULL));
      const anet_net *keep = s->piece[s->space->first[p]];
      const int32_t count = run_net(s->piece[s->space->first[p]], image, left);
      CHECK_EQ_I(run_net(s->piece[s->space->first[p] + 1], image, right), count);
      const double d = distance(left, right, count);
      if (!(d < 1e-4)) TEST_FAIL("%s, position %d: distance %g", samples[which[n]].name, p, d);
      CHECK(keep->node[1].frozen);
      tried++;
    }
    CHECK(tried > 0);
    anet_supernet_release(s);
    anet_net_release(oracle);
  }
}

TEST(widths_share_one_buffer)
{
  anet_net *oracle = make_mobilenetv2(), *before;
  anet_supernet *s;
  CHECK_OK(anet_net_copy(oracle, &before));
  CHECK_OK(anet_supernet_new(oracle, &s));
  const double bytes = anet_supernet_bytes(s);
  float importance[36];
  for (int32_t c = 0; c < 36; c++) importance[c] = (float)(c * 5 % 36);
  anet_option o = option_of(ANET_SHRINK, 2, 1, 0.75f);
  CHECK_OK(anet_supernet_add(s, &o, importance));
  const double one = anet_supernet_bytes(s);
  o.width = 0.25f;
  CHECK_OK(anet_supernet_add(s, &o, NULL));
  const anet_net *keep = s->piece[s->space->first[2]], *wide = s->piece[s->space->first[2] + 1],
                 *narrow = s->piece[s->space->first[2] + 2];
  CHECK_EQ_I(s->space->option[s->space->first[2] + 1].hidden, 28); /* 27 to a multiple of 4 */
  CHECK_EQ_I(s->space->option[s->space->first[2] + 2].hidden, 8);
  for (int32_t v = 1; v < keep->count; v++)
    for (int32_t p = 0; p < keep->node[v].params; p++) {
      const bool norm = keep->node[v].op == ANET_OP_NORM;
      const anet_tensor *k = keep->node[v].param[p], *w = wide->node[v].param[p],
                        *n = narrow->node[v].param[p];
      CHECK(k->storage != w->storage);
      CHECK((w->storage == n->storage) == !norm);
      CHECK_EQ_I(n->offset, 0);
    }
  /* the first channel is the most important one: 5 c = 35 mod 36 at c = 7 */
  CHECK_EQ_I(keep->node[1].op, ANET_OP_CONV);
  for (int32_t i = 0; i < keep->node[1].param[0]->shape.dim[2]; i++)
    CHECK_NEAR(anet_tensor_get(keep->node[1].param[0], (const int32_t[]){0, 0, i, 7}),
               anet_tensor_get(narrow->node[1].param[0], (const int32_t[]){0, 0, i, 0}), 0);
  CHECK_NEAR(anet_tensor_get(keep->node[2].param[2], (const int32_t[]){7}),
             anet_tensor_get(narrow->node[2].param[2], (const int32_t[]){0}), 0);
  /* a second width costs its norms alone: two of 8 channels, one of 6 */
  CHECK_EQ_I(anet_supernet_bytes(s) - one, 4 * 4 * (8 + 8 + 6));
  CHECK(one > bytes);
  for (int32_t v = 0; v < oracle->count; v++)
    for (int32_t p = 0; p < oracle->node[v].params; p++)
      CHECK(memcmp(anet__f32(oracle->node[v].param[p]), anet__f32(before->node[v].param[p]),
                   anet__shape_size(&oracle->node[v].param[p]->shape) * 4) == 0);
  anet_supernet_release(s);
  anet_net_release(before);
  anet_net_release(oracle);
}

/* ---- with data
 * --------------------------------------------------------------------------------------- */

TEST(importance)
{
  anet_supernet *s = make_supernet(&samples[4]);
  const anet__block *block = &s->blocks->block[2];
  anet_pool *pool;
  float got[36], again[36];
  anet_net *part;
  anet_shape shape;
  CHECK_OK(anet_pool_new(2, &pool));
  CHECK_EQ_I(block->face.hidden, 36);
  CHECK_OK(anet_supernet_importance(s, 2, image, IMAGES, NULL, got));
  CHECK_OK(anet_supernet_importance(s, 2, image, IMAGES, pool, again));
  CHECK(memcmp(got, again, sizeof got) == 0);

  /* what the last convolution reads, and how it weighs it */
  const anet__node *last =
      &s->oracle->node[s->oracle->node[s->oracle->node[block->face.exit].in[1]].in[0]];
  CHECK_EQ_I(last->op, ANET_OP_CONV);
  CHECK_OK(anet__net_extract(s->oracle, s->oracle->input, 1, last->in, 1, NULL, &part));
  const int32_t values = run_net(part, image, left);
  shape = last->param[0]->shape;
  for (int32_t c = 0; c < 36; c++) {
    double square = 0, weight = 0;
    for (int32_t i = c; i < values; i += 36) square += (double)left[i] * left[i];
    for (int32_t o = 0; o < shape.dim[3]; o++)
      weight += pow(anet_tensor_get(last->param[0], (const int32_t[]){0, 0, c, o}), 2);
    const double want = sqrt(square / (values / 36) * weight);
    CHECK_NEAR(got[c], want, 1e-4 * want);
  }
  CHECK_FAILS(anet_supernet_importance(s, 0, image, IMAGES, NULL, got), ANET_UNSUPPORTED,
              "no hidden");
  CHECK_FAILS(anet_supernet_importance(s, 17, image, IMAGES, NULL, got), ANET_RANGE, "17");
  CHECK_FAILS(anet_supernet_importance(s, 2, image, 0, NULL, got), ANET_RANGE, "0 images");
  anet_net_release(part);
  anet_pool_release(pool);
  anet_supernet_release(s);
}

static int32_t before_activation(const anet_net *net, int32_t value)
{
  return anet__op_activates(net->node[value].op) ? net->node[value].in[0] : value;
}

/* Mean squared error of an option before its activation, on the oracle's own input to it. */
static double option_error(const anet_supernet *s, const anet_option *o, int32_t option)
{
  const anet__block *block = s->blocks->block;
  const anet_net *piece = s->piece[option];
  const int32_t want[2] = {
      block[o->position].face.entry,
      before_activation(s->oracle, block[o->position + o->span - 1].face.exit)};
  const int32_t exit = before_activation(piece, piece->output[0]);
  anet_net *oracle, *part;
  double sum = 0;
  CHECK_OK(anet__net_extract(s->oracle, s->oracle->input, 1, want, 2, NULL, &oracle));
  CHECK_OK(anet__net_extract(piece, piece->input, 1, &exit, 1, NULL, &part));
  const int32_t entries = IMAGES * (int32_t)anet__shape_size(&block[o->position].face.in);
  const int32_t count = run_net(oracle, image, left) - entries;
  CHECK_EQ_I(run_net(part, left, right), count);
  for (int32_t i = 0; i < count; i++) sum += pow((double)right[i] - left[entries + i], 2);
  anet_net_release(oracle);
  anet_net_release(part);
  return sum / count;
}

TEST(least_squares)
{
  const int32_t which[] = {0, 1, 2, 4, 5, 6, 8, 9, 10, 11};
  for (size_t n = 0; n < sizeof which / sizeof *which; n++) {
    anet_supernet *s = make_supernet(&samples[which[n]]);
    double before_all = 0, after_all = 0;
    for (int32_t i = 0; i < s->space->options; i++) {
      const anet_option *o = &s->space->option[i];
      if (o->kind == ANET_KEEP || o->kind == ANET_SKIP) continue;
      const double before = option_error(s, o, i);
      CHECK_OK(anet_supernet_solve(s, i, image, IMAGES, 1e-4, NULL));
      const double after = option_error(s, o, i);
      if (!(after <= before * (1 + 1e-4)))
        TEST_FAIL("%s, option %d (kind %d, position %d, span %d): error %g, was %g",
                  samples[which[n]].name, i, o->kind, o->position, o->span, after, before);
      before_all += before;
      after_all += after;
    }
    if (!(after_all < 0.5 * before_all))
      TEST_FAIL("%s: error %g, was %g", samples[which[n]].name, after_all, before_all);
    anet_supernet_release(s);
  }
}

/* What the last convolution of another width had is not changed. */
TEST(least_squares_leaves_others_alone)
{
  anet_supernet *s = make_supernet(&samples[4]);
  int32_t option[2], found = 0;
  for (int32_t i = 0; i < s->space->options && found < 2; i++)
    if (s->space->option[i].kind == ANET_SHRINK) option[found++] = i;
  CHECK_EQ_I(s->space->option[option[0]].position, s->space->option[option[1]].position);
  const int32_t count =
      IMAGES *
      (int32_t)anet__shape_size(&s->blocks->block[s->space->option[option[0]].position].face.out);
  CHECK_EQ_I(run_net(s->piece[option[1]], image, left), count);
  CHECK_OK(anet_supernet_solve(s, option[0], image, IMAGES, 1e-4, NULL));
  CHECK_EQ_I(run_net(s->piece[option[1]], image, right), count);
  CHECK(memcmp(left, right, (size_t)count * sizeof *left) == 0);
  CHECK_FAILS(anet_supernet_solve(s, 0, image, IMAGES, 1e-4, NULL), ANET_UNSUPPORTED, "no weights");
  CHECK_FAILS(anet_supernet_solve(s, 9999, image, IMAGES, 1e-4, NULL), ANET_RANGE, "9999");
  CHECK_FAILS(anet_supernet_solve(s, option[0], image, IMAGES, -1, NULL), ANET_RANGE, "-1");
  anet_supernet_release(s);
  s = make_supernet(&samples[7]); /* fires end in a concatenation */
  CHECK_FAILS(anet_supernet_solve(s, 1, image, IMAGES, 1e-4, NULL), ANET_UNSUPPORTED, "concat");
  anet_supernet_release(s);
}

/* MobileNetV2 whole, with merges to 3 blocks and two shrinks: 14.2 MB become 31.1, where
 * AdaptiveNet, whose widths share nothing, has 32.9. */
TEST(bytes)
{
  anet_net *oracle = zoo_mobilenetv2(32, 1, 1000, 1);
  anet_supernet *s;
  CHECK_OK(anet_supernet_new(oracle, &s));
  CHECK_NEAR(anet_supernet_bytes(s) / 1e6, 14.2, 0.05);
  for (int32_t p = 1; p < 17; p++) {
    anet_option o;
    for (int32_t span = 2; span <= 3 && span <= s->blocks->block[p].face.most_span; span++) {
      o = option_of(ANET_MERGE, p, span, 1);
      CHECK_EQ_I(anet_supernet_add(s, &o, NULL), 0);
    }
    for (int32_t w = 1; w <= 2 && p < 16; w++) {
      o = option_of(ANET_SHRINK, p, 1, 0.25f * (float)w);
      CHECK_EQ_I(anet_supernet_add(s, &o, NULL), 0);
    }
  }
  char size[64];
  CHECK_OK(anet_space_size(s->space, size, sizeof size));
  CHECK_EQ_S(size, "102895390");
  CHECK_NEAR(anet_supernet_bytes(s) / 1e6, 31.1, 0.1);
  anet_supernet_release(s);
  anet_net_release(oracle);
}

/* ---- errors
 * ---------------------------------------------------------------------------------------- */

TEST(bad_options)
{
  anet_net *oracle = make_resnet20();
  anet_supernet *s;
  anet_option o;
  CHECK_OK(anet_supernet_new(oracle, &s));
  CHECK_FAILS(anet_supernet_seal(s), ANET_STATE, "nothing is elastic");
  o = option_of(ANET_MERGE, 1, 4, 1); /* 2 and 4 are strided */
  CHECK_FAILS(anet_supernet_add(s, &o, NULL), ANET_RANGE, "at most 3");
  o = option_of(ANET_SKIP, 2, 1, 1);
  CHECK_FAILS(anet_supernet_add(s, &o, NULL), ANET_RANGE, "cannot be skipped");
  o = option_of(ANET_SHRINK, 0, 1, 0.99f);
  CHECK_FAILS(anet_supernet_add(s, &o, NULL), ANET_RANGE, "leaves all");
  o = option_of(ANET_MERGE, 6, 2, 1);
  CHECK_FAILS(anet_supernet_add(s, &o, NULL), ANET_RANGE, "position 6");
  o = option_of(ANET_SKIP, 1, 1, 1);
  CHECK_FAILS(anet_space_add(anet_supernet_space(s), &o), ANET_STATE, "supernet");
  CHECK_FAILS(anet__supernet_add_piece(s, &o, oracle), ANET_SHAPE, "position 1");
  CHECK_OK(anet_supernet_add(s, &o, NULL));
  CHECK_FAILS(anet_supernet_add(s, &o, NULL), ANET_RANGE, "already");
  CHECK_EQ_I(anet_space_options(anet_supernet_space(s)), 7);
  CHECK_OK(anet_supernet_seal(s));
  CHECK_FAILS(anet_supernet_add(s, &o, NULL), ANET_STATE, "sealed");
  CHECK(anet_supernet_piece(s, 7) == NULL);
  CHECK(anet_supernet_piece(s, 6) != NULL);
  uint8_t genome[6] = {0, 2};
  anet_net *net;
  CHECK_FAILS(anet_supernet_subnet(s, genome, &net), ANET_RANGE, "position 1");
  CHECK(!net);
  anet_supernet_release(s);
  anet_net_release(oracle);
}

TEST(nothing_elastic)
{
  anet_net *net;
  anet_supernet *s;
  int32_t value;
  const anet_shape shape = {1, {4}};
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "x", &shape, &value));
  CHECK_OK(anet_net_add(net, "linear", NULL, &(anet_attr){.channels = 3}, &value, 1, &value));
  CHECK_OK(anet_net_output(net, value));
  CHECK_FAILS(anet_supernet_new(net, &s), ANET_STATE, "no blocks");
  CHECK(!s);
  anet_net_release(net);
}

/* Every allocation fails once: a clear status, nothing leaks. */
static int build_and_weave(anet_net *oracle)
{
  anet_supernet *s = NULL;
  anet_net *net = NULL, *taps = NULL;
  anet_rng rng;
  uint8_t genome[ANET_MAX_POSITIONS];
  int32_t entry[ANET_MAX_POSITIONS], exit[ANET_MAX_POSITIONS];
  anet__segments segments = {0};
  anet_rng_seed(&rng, 3);
  int rc = anet_supernet_new(oracle, &s);
  if (!rc) rc = add_all(s);
  if (!rc) rc = anet_genome_sample(anet_supernet_space(s), &rng, genome);
  if (!rc) rc = anet_supernet_subnet(s, genome, &net);
  if (!rc) rc = anet_supernet_taps(s, &taps, entry, exit);
  if (!rc) rc = anet__supernet_segments(s, &segments);
  if (!rc) rc = anet_supernet_solve(s, 1, image, 1, 1e-3, NULL);
  anet__segments_free(&segments);
  anet_net_release(taps);
  anet_net_release(net);
  anet_supernet_release(s);
  return rc;
}

TEST(memory_runs_out)
{
  anet_net *oracle = zoo_mobilenetv1(16, 8, 3, 1);
  anet_memory before, after;
  CHECK_OK(build_and_weave(oracle));
  anet_memory_read(&before);
  int64_t n = 0;
  for (; n < 100000; n++) {
    anet__alloc_arm(n);
    const int rc = build_and_weave(oracle);
    const bool fired = anet__alloc_fired();
    anet__alloc_arm(-1);
    anet_memory_read(&after);
    if (after.live_bytes != before.live_bytes)
      TEST_FAIL("allocation %d: %g bytes leak", (int)n, after.live_bytes - before.live_bytes);
    if (!fired) break;
    if (rc != ANET_NOMEM) TEST_FAIL("allocation %d: status %d (%s)", (int)n, rc, anet_error());
  }
  CHECK(n > 100);
  anet_net_release(oracle);
}

TEST(images)
{
  zoo_images(image, MOST_VALUES, 1);
}

TEST_MAIN(CASE(images), CASE(all_keep_is_the_oracle), CASE(random_subnets_equal_their_pieces),
          CASE(taps), CASE(merges_of_basic_blocks), CASE(merges_of_inverted_residuals),
          CASE(shrinks_drop_the_least_important), CASE(widths_share_one_buffer), CASE(importance),
          CASE(bytes), CASE(least_squares), CASE(least_squares_leaves_others_alone),
          CASE(bad_options), CASE(nothing_elastic), CASE(memory_runs_out))
