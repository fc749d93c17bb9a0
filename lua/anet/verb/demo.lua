-- anet demo: the whole road on real data, from a pretrained oracle to a session under load.
local anet = require 'anet'
local host = require 'anet.host'
local report = require 'anet.report'
local road = require 'anet.road'
local rungs = require 'anet.rungs'
local stream = require 'anet.stream'
local text = require 'anet.text'

local function accuracy_of(net, dataset, input, pool) return anet.plan(net, {batch = 100, pool = pool}):accuracy(dataset, input) end

-- Elastify the oracle, distil its options for a short while, and give every block one in bytes.
local function make_supernet(ui, options, model, train, results, pool)
  local schedule = road.open_policy(ui, 'schedule', ('adaptive:block_epochs=%g,joint_epochs=%g'):format(
    options.block_epochs, options.joint_epochs), options.seed)
  ui:line('%s', ui:bold 'elastify: blocks become merged, narrower or skipped ones')
  local s = road.elastify(ui, model, schedule, train, 512, pool)
  ui:line('%s', ui:bold 'distill: the new options learn from the oracle')
  local began = anet.clock()
  local distiller = anet.distill.new(s, train, model.input, schedule, {seed = options.seed}, pool)
  road.distill(ui, distiller)
  results.distill = {seconds = anet.clock() - began, steps = distiller.step}
  ui:line('distilled in %s', text.duration(results.distill.seconds))
  if not options.int8 then return s end
  s = ui:try(s:quantize(train:tensor(model.input, 256), pool))
  ui:line('each block in bytes too: %s', tostring(s))
  return s
end

local function show_ladder(ui, list, test, input, results, pool)
  local ladder, rows = {}, {{'genome', 'predicted ms', 'measured ms', '% of oracle', 'test accuracy', 'retained'}}
  for i, r in ipairs(list) do
    r.accuracy = accuracy_of(r.net, test, input, pool)
    local retained = r.accuracy / list[1].accuracy
    ladder[i] = {genome = r.genome, predicted_ms = r.predicted_ms, measured_ms = r.measured_ms, ratio = r.ratio,
                 accuracy = r.accuracy, retained = retained}
    rows[#rows + 1] = {r.genome, ('%.3f'):format(r.predicted_ms), ('%.3f'):format(r.measured_ms),
                       ('%.1f'):format(100 * r.ratio), ('%.2f %%'):format(100 * r.accuracy), ('%.2f %%'):format(100 * retained)}
  end
  ui:table(rows)
  results.ladder = ladder
end

-- The supernet: the model's own where it is distilled already, else made here.
local function obtain(ui, options, model, train, results, pool)
  local s = model.supernet
  if s then
    local made = model.bundle:value 'provenance'
    results.distill = {seconds = made and made.seconds or 0, shipped = true}
    ui:line('%s: %s', options.model, tostring(s))
  else
    s = make_supernet(ui, options, model, train, results, pool)
  end
  results.supernet = {options = #s:space():options(), subnets = s:space():size(), bytes = s:bytes()}
  return s
end

local function profile(ui, options, s, results, pool)
  ui:line('%s', ui:bold 'profile: the time of every option on this machine')
  local times = road.profile(ui, s, {held_out = options.held_out, seed = options.seed}, pool)
  local info = times:info()
  results.machine = info.fingerprint
  results.profile = {seconds = info.seconds, median_error = info.median_error, p95_error = info.p95_error}
  return times
end

-- Rungs for all budgets, the oracle first; their accuracy on test images that the search never sees.
local function search(ui, options, s, times, private, test, input, results, pool, timing_pool)
  ui:line('%s', ui:bold 'search: the best subnet for every budget')
  local settings = {budgets = road.budgets(ui, options.budgets, times:info().oracle_ms), pool = timing_pool}
  local policy = road.open_policy(ui, 'search', 'front', options.seed)
  local explorer, picks = road.search(ui, s, times, private, input, policy, settings, pool)
  local saving, ideal = explorer:saving()
  results.search = {seconds = explorer.seconds, evaluated = #explorer.order, saving = saving, ideal_saving = ideal}
  ui:line('%d subnets on %d private images in %s; shared prefixes saved %.1f %%', #explorer.order, private:count(),
          text.duration(explorer.seconds), 100 * saving)
  local list = road.measure_rungs(ui, s, times, explorer, picks, private, input, settings, pool)
  show_ladder(ui, list, test, input, results, pool)
  results.oracle = {accuracy = list[1].accuracy, ms = list[1].measured_ms}
  results.cloud = explorer:cloud()
  return list
end

local function adapt(ui, options, list, test, input, results, pool)
  ui:line('%s', ui:bold 'adapt: a stream of images, and two processes that compete for the processors')
  local policy = road.open_policy(ui, 'latency', 'hysteresis', options.seed)
  results.adapt = stream.run(ui, list, test, input, policy, {
    batch = 32, frames = options.frames, budget = 1.25,
    phases = {{share = 0.3, load = 0}, {share = 0.4, load = 2}, {share = 0.3, load = 0}},
  }, pool)
  local a = results.adapt
  ui:line('%d frames, budget %.2f ms: %d late, %d switches%s', a.frames, a.budget_ms, a.late_frames, a.switches,
          a.recovered_ms and (', back under the budget %d frames after the load came'):format(a.recovered_frames) or '')
end

local function save(ui, options, s, model, times, list, results)
  if options.out == '' then return end
  ui:try(host.make_folder(options.out))
  local bundle = road.bundle_for(model):set_supernet(s):set_latency(times)
  ui:try(rungs.save(bundle, list, {cloud = results.cloud}):save(options.out .. '/supernet.anet'))
  local paths, message = report.save(results, options.out)
  if not paths then return ui:note('no report: %s', message) end
  if message then ui:note('no PNG files: %s', message) end
  ui:line('%s, %s/supernet.anet', table.concat(paths, ', '), options.out)
end

local function run(options, ui)
  local pool, timing_pool = anet.pool(options.threads), anet.pool(1)
  local results = {model = options.model}
  local model = road.open_model(ui, options.model)
  local train = road.open_labelled(ui, model, options.data, 'train')
  local test = road.labelled(model.oracle, road.open_labelled(ui, model, options.data, 'test'), model.input, pool)
  road.must_know(ui, model.oracle, test, model.input, pool, options.data)
  -- The device's private images: none that this distillation sees, and none of the test set.
  local seen = train:count() - options.images
  if seen < 1 then ui:fail('--images: got %d, there are %d training images', options.images, train:count()) end
  local private = train:slice(seen + 1, options.images)
  local s = obtain(ui, options, model, train:slice(1, seen), results, pool)
  local times = profile(ui, options, s, results, timing_pool)
  local list = search(ui, options, s, times, private, test, model.input, results, pool, timing_pool)
  adapt(ui, options, list, test, model.input, results, pool)
  save(ui, options, s, model, times, list, results)
  ui:result(results)
end

return {
  summary = 'the whole road on real data, in a few minutes',
  arguments = {{name = 'model', optional = true, default = 'data/resnet20.anet',
                help = 'bundle of an oracle, or of a supernet that is distilled already'}},
  flags = {
    {name = 'data', value = 'PATH', default = 'fashion-mnist', help = 'images'},
    {name = 'images', value = 'N', type = 'integer', min = 100, default = 3000, help = "the device's private images"},
    {name = 'block-epochs', value = 'X', type = 'number', min = 0, default = 0.25, help = 'of distillation block by block'},
    {name = 'joint-epochs', value = 'X', type = 'number', min = 0, default = 1, help = 'of distillation of whole subnets'},
    {name = 'int8', default = true, help = 'give every block an option in bytes as well'},
    {name = 'held-out', value = 'N', type = 'integer', min = 1, default = 200, help = 'random subnets that tell the error of predictions'},
    {name = 'budgets', value = 'LIST', default = '90%,80%,70%,60%,50%,40%', help = 'of latency'},
    {name = 'frames', value = 'N', type = 'integer', min = 10, default = 400, help = 'of the stream'},
    {name = 'out', short = 'o', value = 'FOLDER', default = 'demo', help = "for the report and the supernet; '' for none"},
    {name = 'seed', value = 'N', type = 'integer', min = 0, default = 1, help = 'of all randomness'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  },
  run = run,
}
