-- anet search: the best subnets for budgets of latency, on this machine and its own data.
local anet = require 'anet'
local road = require 'anet.road'
local rungs = require 'anet.rungs'
local text = require 'anet.text'

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

local function show(ui, list, budgets, oracle)
  local rows = {{'budget', 'genome', 'predicted', 'measured', '% of oracle', 'score', 'retained'}}
  for i, r in ipairs(list) do
    rows[#rows + 1] = {
      i == 1 and 'oracle' or ('%.3f'):format(budgets[i - 1]), r.genome, ('%.3f'):format(r.predicted_ms),
      ('%.3f'):format(r.measured_ms), ('%.1f'):format(100 * r.ratio), ('%.2f %%'):format(100 * r.score),
      ('%.2f %%'):format(100 * r.score / oracle.score),
    }
  end
  ui:table(rows)
end

local function run(options, ui)
  local pool = anet.pool(0)
  local timing_pool = anet.pool(options.threads)
  local model = road.open_supernet(ui, options.supernet)
  local times = table_of(ui, model, options, timing_pool)
  local dataset = road.open_data(ui, options.data, options.part, options.images, options.seed)
  if options.unlabelled then dataset = anet.data.new(dataset:images(), nil, dataset:classes()) end
  local policy = road.open_policy(ui, 'search', options.policy, options.seed)
  local settings = {
    budgets = road.budgets(ui, options.budgets, times:info().oracle_ms), margin = options.margin / 100,
    byte_limit = options.memory * 2 ^ 20, pool = timing_pool,
  }
  local explorer, picks = road.search(ui, model.supernet, times, dataset, model.input, policy, settings, pool)
  local saving, ideal = explorer:saving()
  ui:line('%d subnets in %s; shared prefixes saved %.1f %% of the work (ideal %.1f %%)', #explorer.order,
          text.duration(explorer.seconds), 100 * saving, 100 * ideal)
  local list = road.measure_rungs(ui, model.supernet, times, explorer, picks, dataset, model.input, settings, pool)
  show(ui, list, settings.budgets, list[1])
  local about = {policy = options.policy, data = options.data, images = dataset:count(), seed = options.seed,
                 seconds = explorer.seconds, cloud = explorer:cloud()}
  local out = options.out or options.supernet
  ui:try(rungs.save(model.bundle:set_latency(times), list, about):save(out))
  local ladder = {}
  for i, r in ipairs(list) do
    ladder[i] = {genome = r.genome, predicted_ms = r.predicted_ms, measured_ms = r.measured_ms, ratio = r.ratio,
                 score = r.score, retained = r.score / list[1].score}
  end
  ui:result{out = out, seconds = explorer.seconds, evaluated = #explorer.order, saving = saving, ideal_saving = ideal,
            ladder = ladder}
end

return {
  summary = 'find the best subnets for budgets of latency on this machine',
  arguments = {{name = 'supernet', help = 'bundle of a supernet; the ladder is added to it'}},
  flags = {
    {name = 'out', short = 'o', value = 'FILE', help = 'write to another bundle'},
    {name = 'budgets', value = 'LIST', default = '90%,80%,70%,60%,50%,40%', help = 'times like 0.5ms, or shares of the oracle like 60%'},
    {name = 'policy', value = 'NAME', default = 'front', help = 'search policy: name or FILE.lua, :key=value,… sets its options'},
    {name = 'data', value = 'PATH', default = 'fashion-mnist', help = "the device's own images"},
    {name = 'part', value = 'NAME', default = 'train', help = 'train or test, where the data has both'},
    {name = 'images', value = 'N', type = 'integer', min = 1, default = 3000, help = 'how many of them'},
    {name = 'unlabelled', help = "score by agreement with the oracle, without labels"},
    {name = 'margin', value = 'X', type = 'number', min = 0, max = 50, default = 1, help = '% of each budget kept free for the error of predictions'},
    {name = 'memory', value = 'N', type = 'number', min = 0.001, default = 256, help = 'MiB for features that are kept'},
    {name = 'profile', help = 'measure the options anew'},
    {name = 'seed', value = 'N', type = 'integer', min = 0, default = 1, help = 'of all randomness'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 1, help = 'that the deployed network runs on; 0: all processors'},
  },
  run = run,
}
