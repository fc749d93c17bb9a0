/* anet in a C program, without Lua: link libanet alone.
 *
 * Opens a bundle, compiles the oracle and a smaller subnet, runs an image through both, and
 * then serves frames in a session that changes between the two as its budget changes. Run it from
 * the top of the repository.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "anet.h"

enum { MOST_POSITIONS = 64, MOST_OPTIONS = 1024, CLASSES = 10, IMAGES = 100 };

/* Every call that can fail gives a status; anet_error() then says what went wrong. A program that
 * must go on would return the status instead. */
static void must(int status)
{
  if (status == ANET_OK) return;
  fprintf(stderr, "embed: %s\n", anet_error());
  exit(1);
}

/* ---- opening ------------------------------------------------------------------------------- */

/* The supernet that comes with anet, or its oracle alone. */
static anet_bundle *open_model(void)
{
  anet_bundle *bundle;
  if (anet_bundle_open("data/resnet20-supernet.anet", &bundle))
    must(anet_bundle_open("data/resnet20.anet", &bundle));
  return bundle;
}

/* The supernet of a bundle. Where it holds a network alone, every block that can be skipped gets
 * that option: a supernet of nothing but the oracle's own weights. */
static anet_supernet *open_supernet(anet_bundle *bundle)
{
  anet_supernet *supernet;
  int status = anet_bundle_supernet(bundle, &supernet);
  if (status != ANET_ABSENT) {
    must(status);
    return supernet;
  }
  anet_net *oracle;
  must(anet_bundle_net(bundle, &oracle));
  must(anet_supernet_new(oracle, &supernet));
  anet_net_release(oracle); /* the supernet holds it now */
  anet_blocks *blocks = anet_supernet_blocks(supernet);
  for (int32_t p = 0; p < anet_blocks_count(blocks); p++) {
    anet_block block;
    const anet_option skip = {.kind = ANET_SKIP, .position = p, .span = 1, .width = 1};
    must(anet_blocks_get(blocks, p, &block));
    if (block.can_skip) must(anet_supernet_add(supernet, &skip, NULL));
  }
  must(anet_supernet_seal(supernet));
  return supernet;
}

/* ---- subnets -------------------------------------------------------------------------------- */

/* The genome that changes least of the oracle and has at most `share` of its multiply-adds in
 * blocks. On a device the costs would be times that anet_profile measured, the damages losses that
 * anet_evaluate found. */
static void find_smaller(anet_supernet *supernet, double share, uint8_t *genome)
{
  anet_space *space = anet_supernet_space(supernet);
  double macs[MOST_OPTIONS], changes[MOST_OPTIONS], budget = 0;
  int32_t found;
  for (int32_t i = 0; i < anet_space_options(space) && i < MOST_OPTIONS; i++) {
    anet_option option;
    anet_cost cost;
    must(anet_space_option(space, i, &option));
    anet_net_cost(anet_supernet_piece(supernet, i), &cost);
    macs[i] = cost.macs;
    changes[i] = option.kind != ANET_KEEP;
    if (option.kind == ANET_KEEP) budget += share * cost.macs;
  }
  must(anet_space_best(space, macs, changes, budget, 1, genome, &found));
}

/* A subnet is a network that shares the supernet's weights; a plan is that network compiled. */
static anet_plan *compile(anet_supernet *supernet, const uint8_t *genome)
{
  anet_net *net;
  anet_plan *plan;
  must(anet_supernet_subnet(supernet, genome, &net));
  must(anet_plan_new(net, 1, &plan)); /* one image at a time */
  anet_net_release(net);
  return plan;
}

static int32_t largest(const float *row)
{
  int32_t best = 0;
  for (int32_t i = 1; i < CLASSES; i++)
    if (row[i] > row[best]) best = i;
  return best;
}

/* The probability of a class. What the numbers of an answer are depends on what the network ends in. */
static double probability(const anet_answers *answers, const float *row, int32_t class)
{
  double sum = 0;
  if (answers->kind != ANET_ANSWER_LOGITS) return row[class];
  for (int32_t i = 0; i < CLASSES; i++) sum += exp(row[i] - row[class]);
  return 1 / sum;
}

/* Running a plan takes a workspace, which is all the memory that runs need; they allocate none. */
static void classify(anet_plan *plan, const anet_answers *answers, const float *image, int32_t label)
{
  float answer[CLASSES], *out = answer;
  anet_workspace *workspace;
  must(anet_workspace_new(plan, NULL, &workspace));
  must(anet_run(plan, workspace, &image, &out, 1));
  const int32_t class = largest(answer);
  printf("  the first image is of class %d (%.1f %%), its label is %d\n", (int)class,
         100 * probability(answers, answer, class), (int)label);
  anet_workspace_release(workspace);
}

/* ---- a session ------------------------------------------------------------------------------ */

/* Measures both plans side by side and on images, and makes them a ladder, fastest first. After `anet search` the bundle
 * has one, and all this is anet_bundle_ladder(bundle, 1, &ladder). */
static anet_ladder *make_ladder(anet_supernet *supernet, uint8_t genomes[2][MOST_POSITIONS],
                                anet_plan *plans[2], anet_dataset *data, const anet_input *input)
{
  anet_timing time[2];
  double correct;
  char text[MOST_POSITIONS + 1];
  anet_ladder *ladder;
  must(anet_ladder_new(&ladder));
  must(anet_time_plans(plans, 2, NULL, &(anet_timing_desc){.rounds = 10}, time));
  for (int32_t i = 0; i < 2; i++) {
    must(anet_genome_print(anet_supernet_space(supernet), genomes[i], text));
    must(anet_plan_accuracy(plans[i], data, input, NULL, &correct, NULL));
    const anet_rung rung = {text, time[i].ms, time[i].ms, correct / IMAGES};
    printf("%s: %.3f ms, %.0f of %d images right\n", text, time[i].ms, correct, IMAGES);
    must(anet_ladder_add(ladder, plans[i], &rung));
  }
  must(anet_ladder_sort(ladder));
  return ladder;
}

/* Serve frames under a budget; gives the rung at the end, 0 the fastest. */
static int32_t serve(anet_session *session, const float *image, int32_t frames, double budget_ms)
{
  float answer[CLASSES];
  anet_state state;
  must(anet_session_budget(session, budget_ms));
  for (int32_t i = 0; i < frames; i++) must(anet_session_run(session, image, answer, 1));
  must(anet_session_read(session, &state));
  printf("budget %10.4f ms: %3d frames, median %.3f ms, at the end on rung %d of %d\n", budget_ms,
         (int)frames, state.p50_ms, (int)state.rung + 1, (int)state.rungs);
  return state.rung;
}

/* The built-in policy steps down as soon as frames are late and climbs after a calm while. The
 * budgets here are so far apart that no other process matters. Gives whether it did so. */
static int adapt(anet_ladder *ladder, const float *image)
{
  anet_session *session;
  const anet_session_desc desc = {.budget_ms = 1e4, .policy = ANET_POLICY_HYSTERESIS, .rung = -1};
  must(anet_session_new(ladder, NULL, &desc, &session));
  const int32_t best = anet_ladder_count(ladder) - 1;
  const int good = serve(session, image, 20, 1e4) == best && serve(session, image, 20, 1e-4) == 0 &&
                   serve(session, image, 100, 1e4) == best;
  anet_session_release(session);
  return good;
}

int main(void)
{
  anet_dataset *all, *data;
  anet_tensor *images;
  int32_t filled;
  anet_bundle *bundle = open_model();
  anet_input input; /* how the bytes of an image become the network's input */
  must(anet_bundle_input(bundle, &input));
  anet_supernet *supernet = open_supernet(bundle);
  must(anet_dataset_open("/usr/share/datasets/fashion-mnist", "test", 0, NULL, &all));
  must(anet_dataset_slice(all, 0, IMAGES, &data));

  /* One image as an input: bytes become floats, with the mean and deviation that the model wants.
   */
  const anet_shape shape = {4, {1, input.height, input.width, input.channels}};
  must(anet_tensor_new(ANET_F32, &shape, &images));
  must(anet_dataset_batch(data, &input, NULL, 0, -1, 0, NULL, images, NULL, &filled));
  const float *image = anet_tensor_data(images);
  const int32_t first[1] = {0};
  const int32_t label = (int32_t)anet_tensor_get(anet_dataset_labels(data), first);

  /* A genome is one byte a block; all zero keeps every block, which is the oracle. */
  uint8_t genomes[2][MOST_POSITIONS] = {{0}, {0}};
  find_smaller(supernet, 0.6, genomes[1]);
  anet_answers answers;
  must(anet_net_answers(anet_supernet_oracle(supernet), 0, &answers)); /* and so of every subnet */
  if (answers.rows != 1 || answers.classes != CLASSES) return 1;
  anet_plan *plans[2];
  for (int32_t i = 0; i < 2; i++) {
    anet_plan_info info;
    plans[i] = compile(supernet, genomes[i]);
    anet_plan_read(plans[i], &info);
    printf("%s: %.1f million multiply-adds\n", i ? "smaller" : "oracle", info.macs * 1e-6);
    classify(plans[i], &answers, image, label);
  }
  anet_ladder *ladder = make_ladder(supernet, genomes, plans, data, &input);
  const int good = adapt(ladder, image);

  anet_ladder_release(ladder);
  for (int32_t i = 0; i < 2; i++) anet_plan_release(plans[i]);
  anet_tensor_release(images);
  anet_dataset_release(data);
  anet_dataset_release(all);
  anet_supernet_release(supernet);
  anet_bundle_release(bundle);
  return good ? 0 : 1;
}
