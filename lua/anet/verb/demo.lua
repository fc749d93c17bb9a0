-- anet demo: the whole road on real data, from a pretrained oracle to a session under load.
local anet = require 'anet'
local host = require 'anet.host'
local provenance = require 'anet.provenance'
local report = require 'anet.report'
local road = require 'anet.road'
local rungs = require 'anet.rungs'
local stream = require 'anet.stream'
local text = require 'anet.text'
local unseen = require 'anet.unseen'

local function accuracy_of(net, dataset, input, pool) return anet.plan(net, {batch = 100, pool = pool}):accuracy(dataset, input) end

-- An option in bytes at every block, where there is none yet.
local function widen(ui, options, model, s, train, pool)
  for _, o in ipairs(s:space():options()) do
    if o.kind == 'int8' then return s end
  end
  if not options.int8 then return s end
  s = ui:try(s:quantize(train:tensor(model.input, math.min(256, train:count())), pool))
  ui:line('each block in bytes too: %s', tostring(s))
  return s
end

-- Elastify the oracle, and distil its options for a short while.
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
  return s
end

-- Scores are of the images of the search, as those of the cloud; test images are what nothing was chosen by.
local function show_ladder(ui, ladder, test, input, results, pool)
  local rows = {{'rung', 'genome', 'predicted ms', 'measured ms', '% of oracle', 'score', 'test accuracy', 'retained'}}
  local function add(name, r)
    r.test_accuracy = r.test_accuracy or accuracy_of(r.net, test, input, pool)
    r.retained = r.test_accuracy / ladder.oracle.test_accuracy
    rows[#rows + 1] = {name, r.genome, ('%.3f'):format(r.predicted_ms), ('%.3f'):format(r.measured_ms), ('%.1f'):format(100 * r.ratio),
                       ('%.2f %%'):format(100 * r.score), ('%.2f %%'):format(100 * r.test_accuracy), ('%.2f %%'):format(100 * r.retained)}
  end
  ladder.oracle.test_accuracy = accuracy_of(ladder.oracle.net, test, input, pool)
  for i, r in ipairs(ladder.rungs) do add(i, r) end
  add('oracle', ladder.oracle)
  ui:table(rows)
  for _, line in ipairs(rungs.remarks(ladder)) do ui:line('%s', line) end
end

-- The ladder as the report wants it.
local function note_ladder(ladder, results)
  local oracle = ladder.oracle
  results.oracle = {accuracy = oracle.score, test_accuracy = oracle.test_accuracy, ms = oracle.measured_ms}
  results.ladder, results.budgets, results.prediction = {}, ladder.budgets, ladder.prediction
  for i, r in ipairs(ladder.rungs) do
    local figures = rungs.figures(r)
    figures.accuracy, figures.retained = r.score, r.retained
    results.ladder[i] = figures
  end
end

local function distill_seconds(bundle)
  local seconds = 0
  for _, record in ipairs(provenance.chain(bundle)) do
    if record.verb == 'distill' then seconds = tonumber(record.seconds) or 0 end
  end
  return seconds
end

-- The supernet: the model's own where it is distilled already, else made here.
local function obtain(ui, options, model, train, results, pool)
  local s = model.supernet
  if s then
    results.distill = {seconds = distill_seconds(model.bundle), shipped = true}
    ui:line('%s: %s', options.model, tostring(s))
  else
    s = make_supernet(ui, options, model, train, results, pool)
  end
  s = widen(ui, options, model, s, train, pool)
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

-- A ladder for all budgets; its accuracy on test images that the search never sees.
local function search(ui, options, s, times, images, input, results, pool, timing_pool)
  ui:line('%s', ui:bold 'search: the best subnet for every budget')
  local settings = {pool = timing_pool}
  settings.budgets, settings.fixed = road.budgets(ui, options.budgets, times:info().oracle_ms)
  local policy = road.open_policy(ui, 'search', 'front', options.seed)
  local explorer, picks = road.search(ui, s, times, images.private, input, policy, settings, pool)
  local saving, ideal = explorer:saving()
  results.search = {seconds = explorer.seconds, evaluated = #explorer.order, saving = saving, ideal_saving = ideal}
  ui:line('%d subnets on %d private images in %s; shared prefixes saved %.1f %%', #explorer.order, images.private:count(),
          text.duration(explorer.seconds), 100 * saving)
  local ladder = road.make_ladder(ui, s, times, explorer, picks, images.private, input, settings, pool)
  show_ladder(ui, ladder, images.test, input, results, pool)
  note_ladder(ladder, results)
  results.cloud = explorer:cloud()
  return ladder
end

local function adapt(ui, options, ladder, test, input, results, pool)
  ui:line('%s', ui:bold 'adapt: a stream of images, and two processes that compete for the processors')
  local policy = road.open_policy(ui, 'latency', 'hysteresis', options.seed)
  results.adapt = stream.run(ui, ladder.rungs, test, input, policy, {
    batch = 32, frames = options.frames, budget = 1.25,
    phases = {{share = 0.3, load = 0}, {share = 0.4, load = 2}, {share = 0.3, load = 0}},
  }, pool)
  local a = results.adapt
  ui:line('%d frames, budget %.2f ms: %d late, %d switches%s', a.frames, a.budget_ms, a.late_frames, a.switches,
          a.recovered_ms and (', back under the budget %d frames after the load came'):format(a.recovered_frames) or '')
end

local function save(ui, options, s, model, times, ladder, images, results)
  if options.out == '' then return end
  ui:try(host.make_folder(options.out))
  local first = images.about.part == 'test' or images.about.first > 1 -- of the training images, not any
  local bundle = provenance.put(road.bundle_for(model):set_supernet(s):set_latency(times), 'demo', {
    model = options.model, data = options.data, images = first and images.train:count() or nil, of = images.of, seed = options.seed, seconds = results.seconds,
    distilled = not results.distill.shipped, search = images.about,
  }, model.bundle)
  local about = {cloud = results.cloud, threads = 1}
  for key, value in pairs(images.about) do about[key] = value end
  ui:try(rungs.save(bundle, ladder, about):save(options.out .. '/supernet.anet'))
  local paths, message = report.save(results, options.out)
  if not paths then return ui:note('no report: %s', message) end
  if message then ui:note('no PNG files: %s', message) end
  ui:line('%s, %s/supernet.anet', table.concat(paths, ', '), options.out)
end

-- {train, private, test, about, of}: what a distillation may see; the device's private images, which neither it nor the oracle's training
-- sees, as far as that is on record; and what nothing sees. about: the private ones, as unseen.open tells them.
local function split(ui, options, model, pool)
  local train = road.open_labelled(ui, model, options.data, 'train')
  local left, about = unseen.open(model.bundle, options.data, options.images)
  if not left then ui:fail('%s', about) end
  left = road.match_labels(ui, model, left, options.data)
  local most = about.part == 'test' and math.floor(left:count() / 2) or about.first > 1 and left:count() or left:count() - 1
  if most < 1 then ui:fail('%s: %d images are too few to set some apart', options.data, left:count()) end
  about.images, about.seed = math.min(options.images, most), options.seed
  local private, others = left:sample(about.images, options.seed)
  local images = {train = train, private = private, about = about, of = train:count()}
  if about.part == 'test' then
    images.test = left:pick(others)
  else
    images.test = road.open_labelled(ui, model, options.data, 'test')
    images.train = about.first > 1 and train:slice(1, about.first - 1) or left:pick(others)
  end
  images.test = road.labelled(model.oracle, images.test, model.input, pool)
  road.must_know(ui, model.oracle, images.test, model.input, pool, options.data)
  ui:line('private images: %d of the %d %s', about.images, left:count(), about.said)
  return images
end

local function run(options, ui)
  local pool, timing_pool, began = anet.pool(options.threads), anet.pool(1), anet.clock()
  local results = {model = options.model}
  local model = road.open_model(ui, options.model)
  local images = split(ui, options, model, pool)
  local s = obtain(ui, options, model, images.train, results, pool)
  local times = profile(ui, options, s, results, timing_pool)
  local ladder = search(ui, options, s, times, images, model.input, results, pool, timing_pool)
  adapt(ui, options, ladder, images.test, model.input, results, pool)
  results.seconds = anet.clock() - began
  save(ui, options, s, model, times, ladder, images, results)
  ui:result(results)
end

return {
  summary = 'the whole road on real data, in a few minutes',
  arguments = {{name = 'model', optional = true, default = 'data/resnet20.anet',
                help = 'bundle of an oracle, or of a supernet that is distilled already'}},
  flags = {
    {name = 'data', value = 'PATH', default = 'fashion-mnist', help = 'images'},
    {name = 'images', value = 'N', type = 'integer', min = 100, default = 3000, help = "the device's private images, none that the model was trained on"},
    {name = 'block-epochs', value = 'X', type = 'number', min = 0, default = 0.25, help = 'of distillation block by block'},
    {name = 'joint-epochs', value = 'X', type = 'number', min = 0, default = 1, help = 'of distillation of whole subnets'},
    {name = 'int8', default = true, help = 'give every block an option in bytes as well, where the model has none'},
    {name = 'held-out', value = 'N', type = 'integer', min = 1, default = 200, help = 'random subnets that tell the error of predictions'},
    {name = 'budgets', value = 'LIST', default = '90%,80%,70%,60%,50%,40%', help = 'of latency'},
    {name = 'frames', value = 'N', type = 'integer', min = 10, default = 400, help = 'of the stream'},
    {name = 'out', short = 'o', value = 'FOLDER', default = 'demo', help = "for the report and the supernet; '' for none"},
    {name = 'seed', value = 'N', type = 'integer', min = 0, default = 1, help = 'of all randomness'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  },
  run = run,
}
