/* A C program whose latency policy is a Lua script: link libanet_host beside libanet.
 *
 *   embed_policies [POLICY]
 *
 * The program serves frames; a policy, a name or the path of a Lua file, picks the rung of each
 * next one. It runs in a sandbox, and the program goes on whatever it does: here it is replaced
 * while the session runs, and once by one that fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include "anet_host.h"

enum { MOST_POSITIONS = 64, CLASSES = 10 };

static void must(int status)
{
  if (status == ANET_OK) return;
  fprintf(stderr, "embed_policies: %s\n", anet_error());
  exit(1);
}

/* ---- the ladder ----------------------------------------------------------------------------- */

/* A supernet in which every block that can be skipped may be; `genome` becomes the one that does.
 */
static anet_supernet *make_supernet(const char *path, uint8_t *genome)
{
  anet_bundle *bundle;
  anet_net *oracle;
  anet_supernet *supernet;
  must(anet_bundle_open(path, &bundle));
  must(anet_bundle_net(bundle, &oracle));
  must(anet_supernet_new(oracle, &supernet));
  anet_blocks *blocks = anet_supernet_blocks(supernet);
  for (int32_t p = 0; p < anet_blocks_count(blocks); p++) {
    anet_block block;
    const anet_option skip = {.kind = ANET_SKIP, .position = p, .span = 1, .width = 1};
    must(anet_blocks_get(blocks, p, &block));
    genome[p] = block.can_skip ? 1 : 0;
    if (block.can_skip) must(anet_supernet_add(supernet, &skip, NULL));
  }
  must(anet_supernet_seal(supernet));
  anet_net_release(oracle);
  anet_bundle_release(bundle); /* the weights stay mapped as long as someone uses them */
  return supernet;
}

/* Two rungs: the subnet that skips, and the oracle. A real ladder comes from `anet search`. */
static anet_ladder *make_ladder(const char *path)
{
  uint8_t genomes[2][MOST_POSITIONS] = {{0}, {0}};
  anet_timing time[2];
  char text[MOST_POSITIONS + 1];
  anet_plan *plans[2];
  anet_ladder *ladder;
  anet_supernet *supernet = make_supernet(path, genomes[0]);
  for (int32_t i = 0; i < 2; i++) {
    anet_net *net;
    must(anet_supernet_subnet(supernet, genomes[i], &net));
    must(anet_plan_new(net, 1, &plans[i]));
    anet_net_release(net);
  }
  must(anet_time_plans(plans, 2, NULL, &(anet_timing_desc){.rounds = 10}, time));
  must(anet_ladder_new(&ladder));
  for (int32_t i = 0; i < 2; i++) {
    must(anet_genome_print(anet_supernet_space(supernet), genomes[i], text));
    const anet_rung rung = {text, time[i].ms, time[i].ms, i ? 0.94 : 0.5};
    must(anet_ladder_add(ladder, plans[i], &rung));
    anet_plan_release(plans[i]);
    printf("rung %d: %s, %.3f ms\n", (int)i + 1, text, time[i].ms);
  }
  must(anet_ladder_sort(ladder));
  anet_supernet_release(supernet);
  return ladder;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Serve frames under a budget and let the policy pick; gives the rung at the end, 0 the fastest. */
static int32_t serve(anet_session *session, anet_policy *policy, const float *image, int32_t frames,
                     double budget_ms)
{
  float answer[CLASSES];
  anet_state state;
  must(anet_session_budget(session, budget_ms));
  for (int32_t i = 0; i < frames; i++) {
    must(anet_session_run(session, image, answer, 1));
    /* A policy that fails is no reason to stop: the frame was served, the rung stays as it is. */
    if (anet_policy_pick(policy, session)) printf("  %s\n", anet_error());
  }
  must(anet_session_read(session, &state));
  printf("%3d frames with a budget of %g ms: now on rung %d\n", (int)frames, budget_ms,
         (int)state.rung + 1);
  return state.rung;
}

/* The first test image, as the model at `path` wants it. */
static anet_tensor *load_image(const char *path, const char *folder)
{
  anet_bundle *bundle;
  anet_dataset *data;
  anet_tensor *images;
  anet_input input;
  int32_t filled;
  must(anet_bundle_open(path, &bundle));
  must(anet_bundle_input(bundle, &input));
  anet_bundle_release(bundle);
  const anet_shape shape = {4, {1, input.height, input.width, input.channels}};
  must(anet_dataset_open(folder, "test", 0, NULL, &data));
  must(anet_tensor_new(ANET_F32, &shape, &images));
  must(anet_dataset_batch(data, &input, NULL, 0, -1, 0, NULL, images, NULL, &filled));
  anet_dataset_release(data);
  return images;
}

int main(int argc, char **argv)
{
  const char *mine = argc > 1 ? argv[1] : "examples/my_latency.lua";
  const char *model = "data/resnet20.anet";
  anet_ladder *ladder = make_ladder(model);
  anet_tensor *images = load_image(model, "/usr/share/datasets/fashion-mnist");
  const float *image = anet_tensor_data(images);

  /* ANET_POLICY_HOST: the session changes its rung only when it is told to. */
  const anet_session_desc desc = {.budget_ms = 1e4, .policy = ANET_POLICY_HOST, .rung = -1};
  anet_session *session;
  must(anet_session_new(ladder, NULL, &desc, &session));

  const anet_policy_desc builtin = {.name = "hysteresis", .options = "{\"patience\": 5}"};
  anet_policy *policy;
  must(anet_policy_new(&builtin, ladder, &policy));
  int good = serve(session, policy, image, 10, 1e4) == 1;
  good &= serve(session, policy, image, 10, 1e-4) == 0;

  /* Another policy, while frames are served: for 8 of them it is asked beside the old one, then it
   * takes over. Given time, both climb back to the oracle. */
  const anet_policy_desc scripted = {.name = mine};
  must(anet_policy_reload(policy, &scripted, ladder, 8));
  good &= serve(session, policy, image, 40, 1e4) == 1 && !anet_policy_shadowed(policy);

  /* One that fails while it is asked beside the old is dropped, and says so once. */
  const anet_policy_desc broken = {
      .name = "broken",
      .text = "return {api = 1, kind = 'latency', new = function()\n"
              "  return {pick = function(self, ladder, state) return ladder[99].ms end}\n"
              "end}",
  };
  must(anet_policy_reload(policy, &broken, ladder, 8));
  good &= serve(session, policy, image, 10, 1e-4) == 0 && !anet_policy_shadowed(policy);

  anet_policy_release(policy);
  anet_session_release(session);
  anet_tensor_release(images);
  anet_ladder_release(ladder);
  return good ? 0 : 1;
}
