-- anet search: the best subnets for budgets of latency, on this machine and its own data.
local anet = require 'anet'
local provenance = require 'anet.provenance'
local road = require 'anet.road'
local rungs = require 'anet.rungs'
local text = require 'anet.text'
local unseen = require 'anet.unseen'

-- The latency table of the bundle, or a new one; a stale one is refused by name.
local function table_of(ui, model, options, pool)
  local t = not options.profile and road.part(ui, model.path, model.bundle:latency()) or nil
  if t then
    ui:try(t:check(options.threads == 0 and anet.pool(0) or options.threads))
    return t
  end
  ui:note('%s: measuring the options first', options.supernet)
  return road.profile(ui, model.supernet, {seed = options.seed}, pool)
end

-- The images to search on, and what is to be known of them: those of --part, or some that the model was not trained on.
local function images_of(ui, model, options)
  local pool, about
  if options.part then
    pool, about = unseen.open_part(model.bundle, options.data, options.part)
  else
    pool, about = unseen.open(model.bundle, options.data, options.images)
  end
  if not pool then ui:fail('%s', about) end
  about.images, about.seed = math.min(options.images, pool:count()), options.seed
  about.said = ('on %d of the %d %s'):format(about.images, pool:count(), about.said)
  local dataset = about.images < pool:count() and pool:sample(about.images, options.seed) or pool
  return road.match_labels(ui, model, dataset, options.data, options.unlabelled or false), about
end

-- ---- the ladder ----------------------------------------------------------------------------------------------

local function row(name, budgets, r, oracle)
  return {name, table.concat(budgets, ', '), r.genome, ('%.3f'):format(r.predicted_ms), ('%.3f'):format(r.measured_ms),
          ('%+.1f %%'):format(100 * r.prediction_error), ('%.1f'):format(100 * r.ratio), ('%.2f %%'):format(100 * r.score),
          oracle.score > 0 and ('%.2f %%'):format(100 * r.score / oracle.score) or ''}
end

local function show(ui, ladder)
  local rows = {{'rung', 'budget', 'genome', 'predicted', 'measured', 'off by', '% of oracle', 'score', 'retained'}}
  for i, r in ipairs(ladder.rungs) do
    local serves = {}
    for _, b in ipairs(ladder.budgets) do serves[#serves + 1] = b.rung == i and ('%.3g %%'):format(100 * b.share) or nil end
    rows[#rows + 1] = row(i, serves, r, ladder.oracle)
  end
  rows[#rows + 1] = row('oracle', {}, ladder.oracle, ladder.oracle)
  ui:table(rows)
  for _, line in ipairs(rungs.remarks(ladder)) do ui:line('%s', line) end
  ui:line('predictions were off by %.1f %% (median) and %.1f %% (most) on the oracle and these genomes', 100 * ladder.prediction.median,
          100 * ladder.prediction.worst)
end

local function save(ui, options, model, times, ladder, about, cloud)
  local out = options.out or options.supernet
  provenance.put(model.bundle, 'search', about, model.bundle)
  local all = {cloud = cloud}
  for key, value in pairs(about) do all[key] = value end
  ui:try(rungs.save(model.bundle:set_latency(times), ladder, all):save(out))
  return out
end

local function run(options, ui)
  local pool = anet.pool(0)
  local timing_pool = anet.pool(options.threads)
  local model = road.open_supernet(ui, options.supernet)
  local dataset, about = images_of(ui, model, options)
  road.must_know(ui, model.oracle, dataset, model.input, pool, options.data)
  local policy = road.open_policy(ui, 'search', options.policy, options.seed)
  road.budgets(ui, options.budgets, 1) -- what is no budget is said before anything is measured
  local times = table_of(ui, model, options, timing_pool)
  local settings = {margin = options.margin / 100, byte_limit = options.memory * 2 ^ 20, pool = timing_pool}
  settings.budgets, settings.fixed = road.budgets(ui, options.budgets, times:info().oracle_ms)
  local explorer, picks = road.search(ui, model.supernet, times, dataset, model.input, policy, settings, pool)
  local saving, ideal = explorer:saving()
  ui:line('%d subnets in %s; shared prefixes saved %.1f %% of the work (ideal %.1f %%)', #explorer.order,
          text.duration(explorer.seconds), 100 * saving, 100 * ideal)
  ui:line('%s', about.said)
  local ladder = road.make_ladder(ui, model.supernet, times, explorer, picks, dataset, model.input, settings, pool)
  show(ui, ladder)
  about.policy, about.seconds, about.threads = options.policy, explorer.seconds, times:info().threads
  about.labelled = dataset:labelled()
  local result = rungs.describe(ladder, about)
  result.out = save(ui, options, model, times, ladder, about, explorer:cloud())
  result.evaluated, result.saving, result.ideal_saving = #explorer.order, saving, ideal
  result.ladder, result.rungs = result.rungs, nil
  ui:result(result)
end

return {
  summary = 'find the best subnets for budgets of latency on this machine',
  arguments = {{name = 'supernet', help = 'bundle of a supernet; the ladder is added to it'}},
  flags = {
    {name = 'out', short = 'o', value = 'FILE', help = 'write to another bundle'},
    {name = 'budgets', value = 'LIST', default = '90%,80%,70%,60%,50%,40%', help = 'times like 0.5ms, or shares of the oracle like 60%'},
    {name = 'policy', value = 'NAME', default = 'front', help = 'search policy: name or FILE.lua, :key=value,… sets its options'},
    {name = 'data', value = 'PATH', default = 'fashion-mnist', help = "the device's own images"},
    {name = 'part', value = 'NAME', help = 'train or test, where the data has both; where not given, images that the model was not trained on'},
    {name = 'images', value = 'N', type = 'integer', min = 1, default = 3000, help = 'how many of them'},
    {name = 'unlabelled', help = "score by agreement with the oracle, without labels"},
    {name = 'margin', value = 'X', type = 'number', min = 0, max = 50, default = 1, help = '% of each budget kept free for the error of predictions'},
    {name = 'memory', value = 'N', type = 'number', min = 0.001, default = 256, help = 'MiB for features that are kept'},
    {name = 'profile', help = 'measure the options anew'},
    {name = 'seed', value = 'N', type = 'integer', min = 0, default = 1, help = 'of all randomness'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 1, help = 'that the deployed network runs on; 0: all processors'},
  },
  run = run,
  notes = [[
Rungs count from 1, the fastest. The oracle is one of them unless another is faster and as accurate.

Images that the model was trained on tell nothing: its hits are all there. The bundle knows which those are. Where it leaves training
images over (train and distill --limit), the search runs on them; else on the test part, whose figures are then no longer those of
images that nothing was chosen by. --part overrules it.]],
}
