-- The verbs of the device, run in this process: what they ask the modules for, what they make of the answers. What takes time or depends
-- on the machine is replaced by figures.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local voice = dofile 'tests/support/voice.lua'
local anet = require 'anet'
local bench = require 'anet.bench'
local cli = require 'anet.cli'
local core = require 'anet.core'
local json = require 'anet.json'
local latency = require 'anet.latency'
local plan = require 'anet.plan'
local policy = require 'anet.policy'
local provenance = require 'anet.provenance'
local rungs = require 'anet.rungs'
local stream = require 'anet.stream'

local path = command.path
local data = tiny.data(60)
local input = data:input()
local oracle = tiny.net(3)
local s = tiny.supernet(oracle, data:tensor(input, 32))
local KEEP = s:space():keep()

-- Run a verb by its words; what it said, and its status.
local function run(name, words)
  local verb, list, ui = require('anet.verb.' .. name), {}, voice()
  for word in words:gmatch '%S+' do list[#list + 1] = (word:gsub('^F/', command.folder .. '/')) end
  local options = assert(cli.parse(verb, list))
  return ui, verb.run(options, ui)
end

local function with(module, fields, f, ...)
  local before = {}
  for key, value in pairs(fields) do before[key], module[key] = module[key], value end
  local got = {pcall(f, ...)}
  for key in pairs(fields) do module[key] = before[key] end
  if not got[1] then error(got[2], 0) end
  return unpack(got, 2, table.maxn(got))
end

local function threads_of(pool) return tonumber(core.C.anet_pool_threads(pool)) end

-- ---- the world: images in folders, a net, a supernet, one with a ladder ----------------------------------------------

for _, part in ipairs{'train', 'test'} do
  for class = 0, 2 do os.execute(('mkdir -p %s/photos/%s/%d'):format(command.folder, part, class)) end
  local drawn = tiny.data(part == 'train' and 20 or 12, part == 'train' and 5 or 6)
  for i = 1, drawn:count() do
    assert(anet.image.save(drawn:slice(i, 1):images():clone():reshape{8, 8, 1}, ('%s/photos/%s/%d/%03d.png'):format(
      command.folder, part, drawn:labels():data()[i - 1], i)))
  end
end
assert(anet.bundle():set_net(oracle):set_input(input):save(path 'net.anet'))
assert(anet.bundle():set_supernet(s):set_input(input):save(path 'super.anet'))
local GENOME
for _, o in ipairs(s:space():options()) do
  if o.kind == 'shrink' and o.position == 2 then GENOME = '0' .. o.gene .. '00' end
end
local list = {{genome = GENOME, net = s:subnet(GENOME), measured_ms = 1, predicted_ms = 1.1, ratio = 0.5, score = 0.6},
              {genome = KEEP, net = s:subnet(KEEP), measured_ms = 2, predicted_ms = 2.2, ratio = 1, score = 0.9}}
assert(rungs.save(anet.bundle():set_supernet(s):set_input(input), {rungs = list, oracle = list[2]}, {cloud = {{1, 0.5}}}):save(path 'ladder.anet'))

local train, exam = assert(anet.data.open(path 'photos', {part = 'train'})), assert(anet.data.open(path 'photos', {part = 'test'}))

-- Share of images that a net is right on, and by class, by its own answers.
local function count_right(net, d)
  local answers, right, of, all = tiny.answers(net, d:tensor(input)), {0, 0, 0}, {0, 0, 0}, 0
  for i = 1, d:count() do
    local best, label = 1, d:labels():data()[i - 1] + 1
    for c = 2, 3 do best = answers:get(i, c) > answers:get(i, best) and c or best end
    of[label] = of[label] + 1
    if best == label then right[label], all = right[label] + 1, all + 1 end
  end
  return all, right, of
end

-- ---- eval -----------------------------------------------------------------------------------------------------------

test.case('eval counts what is right, by class too', function()
  for _, case in ipairs{{'F/net.anet', oracle, exam}, {'F/super.anet --genome ' .. GENOME, s:subnet(GENOME), exam}, {'F/net.anet --part train', oracle, train},
                        {'F/net.anet --limit 7 --batch 3', oracle, exam:slice(1, 7)}} do
    local ui = run('eval', case[1] .. ' --data F/photos --classes --threads 1')
    local all, right, of = count_right(case[2], case[3])
    local v = ui.value
    test.near(v.accuracy, all / case[3]:count(), 1e-12)
    test.equal(v.images, case[3]:count())
    test.equal(v.genome, case[1]:match 'genome (%S+)')
    test.equal(v.model, path(case[1]:match '^F/(%S+)'))
    test.check(v.seconds > 0 and v.seconds < 60)
    test.equal(#v.classes, 3)
    test.equal(ui.rows[1], 'class | images | accuracy')
    for c = 1, 3 do
      test.same({v.classes[c].class, v.classes[c].name, v.classes[c].images, v.classes[c].right}, {c - 1, tostring(c - 1), of[c], right[c]})
      test.equal(v.classes[c].accuracy, of[c] > 0 and right[c] / of[c] or nil)
      test.equal(ui.rows[c + 1], ('%d | %d | %s'):format(c - 1, of[c], of[c] > 0 and ('%.2f %%'):format(100 * right[c] / of[c]) or ''))
    end
    test.check(ui.lines[#ui.lines]:find(('^%d of %d right: %.2f %%%%, '):format(all, v.images, 100 * v.accuracy)), ui.lines[#ui.lines])
    test.mentions(ui.lines[#ui.lines], (' %.0f images/s'):format(v.images / v.seconds))
  end
  test.equal(#run('eval', 'F/net.anet --data F/photos').rows, 0)
end)

test.case('eval runs as many images at a time as it is told, on as many threads', function()
  local new, batch, threads = plan.new, nil, nil
  local function note(net, options)
    batch, threads = options.batch, options.pool
    return new(net, options)
  end
  local function ask(words)
    with(anet, {plan = note}, run, 'eval', 'F/net.anet --data F/photos ' .. words)
    return batch, threads_of(threads)
  end
  test.same({ask '--batch 3 --threads 3'}, {3, 3})
  test.equal((ask '--threads 1'), 100)
end)

test.case('eval wants a label for each image', function()
  with(anet.data, {open = function() return anet.data(exam:images(), anet.tensor({12}, 'i32'):fill(1), 3):slice(1, 12) end}, function()
    test.equal(run('eval', 'F/net.anet --data x').value.images, 12)
    test.equal(run('eval', 'F/net.anet --data x').value.classes[2].name, '1') -- a class without a name
  end)
  local labels = anet.tensor({12}, 'i32')
  for i = 0, 1 do labels:data()[i] = -1 end
  with(anet.data, {open = function() return anet.data(exam:images(), labels, 3) end}, function()
    test.raises('x: 2 of its 12 images have no label', run, 'eval', 'F/net.anet --data x')
  end)
end)

-- ---- profile ----------------------------------------------------------------------------------------------------------

test.case('profile shows what was measured of each option, and puts it into a bundle', function()
  local asked, doubt
  local t = assert(latency.profile(s, {rounds = 3, held_out = 3, pool = tiny.pool}))
  local function profile(words)
    return with(latency, {profile = function(of, options)
      asked = options
      return t
    end}, with, latency.Latency, {doubt = function() return doubt end, dropped = function() return {[2] = true} end, count_dropped = function() return 1, 4 end},
                run, 'profile', 'F/super.anet ' .. words)
  end
  local ui = profile '--out F/made.anet'
  test.same({asked.batch, asked.rounds, asked.held_out, asked.seed, threads_of(asked.pool)}, {1, 20, 50, 1, 1})
  local options = s:space():options()
  test.equal(#ui.value.options, #options)
  test.equal(ui.rows[1], 'option | block | kind | ms | error | cold ms | ')
  for i, o in ipairs(options) do
    local ms, err, cold = t:get(i)
    local v = ui.value.options[i]
    test.same({v.position, v.gene, v.kind, v.ms, v.error, v.cold_ms, v.dropped}, {o.position, o.gene, o.kind, ms, err, cold, i == 2})
    local kind = o.kind == 'merge' and 'merge ' .. o.span or o.kind == 'shrink' and ('%g %%'):format(100 * o.width) or o.kind
    test.equal(ui.rows[i + 1], ('%d | %d | %s | %.4f | %.4f | %.4f | %s'):format(i, o.position, kind, ms, err, cold, i == 2 and 'dropped' or ''))
  end
  test.same({ui.value.oracle_ms, ui.value.doubt or 'none'}, {t:info().oracle_ms, 'none'})
  test.equal(#ui.lines, 3)
  test.mentions(ui.lines[3], path 'made.anet' .. ': table of ' .. t:info().fingerprint)
  test.equal(assert(anet.bundle.open(path 'made.anet')):latency():info().oracle_ms, t:info().oracle_ms)
  test.equal(assert(anet.bundle.open(path 'super.anet')):latency(), nil)
  doubt = 'it was busy, 5%'
  ui = profile '--out F/made.anet --batch 4 --rounds 7 --held-out 9 --seed 3 --threads 3'
  test.same({asked.batch, asked.rounds, asked.held_out, asked.seed, threads_of(asked.pool)}, {4, 7, 9, 3, 3})
  test.same({ui.value.doubt, ui.lines[3]}, {doubt, doubt})
  assert(anet.bundle.open(path 'super.anet')):save(path 'own.anet')
  ui = with(latency, {profile = function() return t end}, run, 'profile', 'F/own.anet')
  test.mentions(ui.lines[#ui.lines], path 'own.anet' .. ': table of ')
  test.check(assert(anet.bundle.open(path 'own.anet')):latency(), 'without --out it is added to the bundle')
end)

-- ---- adapt ------------------------------------------------------------------------------------------------------------------

test.case('adapt serves what it is told to, and tells what became of it', function()
  local asked, loaded
  local result = {
    frames = 30, budget_ms = 2.5, late_frames = 3, switches = 2, accuracy = 0.875, failures = 0, recovered_frames = 4, recovered_ms = 12.4,
    ladder = {{genome = KEEP, ms = 4.444, accuracy = 0.9}},
    phases = {{from = 1, to = 9, load = 0, median_ms = 1.234, late = 0, switches = 0, failures = 0, rung = 2}, {from = 10, to = 30, load = 2, median_ms = 3, late = 3, switches = 2, failures = 1, rung = 1}},
  }
  local load_policy = policy.load
  local function adapt(words)
    return with(stream, {run = function(_, l, d, i, p, settings, pool)
      asked = {list = l, images = d:count(), labelled = d:labelled(), height = i.height, policy = p.name, settings = settings,
               threads = threads_of(pool), data = d}
      return result
    end}, with, policy, {load = function(spec, options)
      loaded = {spec, options.kind, options.seed}
      return load_policy(spec, options)
    end}, run, 'adapt', 'F/ladder.anet --data F/photos ' .. words)
  end
  local ui, status = adapt '--threads 1'
  test.same({#asked.list, asked.list[1].genome, asked.list[2].genome, asked.images, asked.labelled, asked.height, asked.policy, asked.threads},
            {2, GENOME, KEEP, 12, true, 8, 'hysteresis', 1})
  test.same(loaded, {'hysteresis', 'latency', 1})
  test.same({asked.settings.batch, asked.settings.frames, asked.settings.budget}, {32, 400, 1.25})
  local phases = {}
  for i, p in ipairs(asked.settings.phases) do phases[i] = p.share .. ' ' .. p.load end
  test.same(phases, {'0.3 0', '0.4 2', '0.3 0'})
  test.same(ui.rows, {'rung | genome | ms of 32 images | accuracy', '1 | ' .. KEEP .. ' | 4.44 | 90.00 %',
                      'frames | busy processes | median ms | late | switches | failures | rung at the end', '1-9 | 0 | 1.23 | 0 | 0 | 0 | 2', '10-30 | 2 | 3.00 | 3 | 2 | 1 | 1'})
  test.same(ui.lines, {'1 of the 2 rungs of the bundle left out: with frames of 32 images another is faster and as accurate',
                       '30 frames, budget 2.50 ms: 3 late, 2 switches, accuracy 87.50 %', 'back under the budget 4 frames (12 ms) after the load came'})
  test.equal(ui.value, result)
  test.equal(status, 0)
  result.failures, result.recovered_frames, result.ladder[2] = 2, nil, {genome = GENOME, ms = 1, accuracy = 0.5}
  ui, status = adapt '--frame 6 --frames 50 --budget 80 --load 5 --part train --seed 9 --policy deadline --threads 3'
  test.same({asked.settings.batch, asked.settings.frames, asked.settings.budget, asked.settings.phases[2].load, asked.images, asked.policy, asked.threads},
            {6, 50, 0.8, 5, 20, 'deadline', 3})
  test.same(loaded, {'deadline', 'latency', 9})
  test.same(ui.lines, {'30 frames, budget 2.50 ms: 3 late, 2 switches, accuracy 87.50 %', 'the policy failed in 2 frames, after which another one picked'})
  test.equal(ui.rows[1], 'rung | genome | ms of 6 images | accuracy')
  test.equal(status, 0)
  test.equal(select(2, adapt '--strict'), 1)
  result.failures = 0
  test.equal(select(2, adapt '--strict'), 0)
  local open = anet.data.open
  with(anet.data, {open = function(...) return assert(open(...)):unlabelled() end}, adapt, '')
  test.check(asked.labelled, 'agreement with the oracle, where there are no labels')
  test.equal((anet.plan(oracle, {batch = 12, pool = tiny.pool}):accuracy(asked.data, input)), 1)
end)

-- ---- bench ------------------------------------------------------------------------------------------------------------------

local MACS, PEAK = 4e6, 1e11

local function job_of(name, options)
  if name == 'none' then return nil, 'no architecture 5%' end
  return {name = name, macs = MACS * options.batch, weight_bytes = 2000, peak_bytes = 5000, options = options}
end

test.case('bench model shows times of an image, and a share of what the machine can do', function()
  local asked, error_of = nil, 0.01
  local function models(words)
    return with(bench, {
      model = job_of, peak = function(isa, pool) return isa == nil and pool and PEAK end,
      time_models = function(jobs, options)
        asked = {jobs = #jobs, options = options}
        local times = {}
        for i in ipairs(jobs) do
          times[i] = {ms = 2 * i, ratio = i, error = error_of * i, cold_ms = 3 * i, least_ms = 1.6 * i, median_ms = 2.2 * i, disturbed = 0.25, rounds = 30, settled = true}
        end
        return times
      end,
    }, run, 'bench', words)
  end
  local ui = models 'model a b --batch 2 --rounds 7 --threads 3'
  test.same({asked.jobs, asked.options.rounds, asked.options.batch}, {2, 7, 2})
  test.same(ui.rows, {'model | ms/image | ± % | least | median | cold | gflops | % of peak | memory/weights | weights',
                      'a | 1.0000 | 1.0 | 0.8000 | 1.1000 | 1.5000 | 10.0 | 10.0 | 2.50 | 2 kB', 'b | 2.0000 | 2.0 | 1.6000 | 2.2000 | 3.0000 | 5.0 | 5.0 | 2.50 | 2 kB'})
  test.same(ui.steps, {'7 rounds'})
  local v, m = ui.value, ui.value.models[2]
  test.same({v.batch, v.threads, v.rounds, v.peak_flops, v.kernels, v.doubt or 'none'}, {2, 3, 7, PEAK, core.string(core.C.anet_isa()), 'none'})
  test.same({m.model, m.min_ms, m.median_ms, m.macs, m.ms, m.ratio, m.error, m.cold_ms, m.weight_bytes, m.peak_bytes}, {'b', 3.2, 4.4, 2 * MACS, 4, 2, 0.02, 6, 2000, 5000})
  test.near(m.flops, 2 * 2 * MACS / 3.2e-3, 1)
  test.near(m.share, m.flops / PEAK, 1e-12)
  test.same(ui.lines, {})
  error_of = 0.02
  ui = models 'model a b'
  test.same({asked.options.rounds, asked.options.batch, ui.value.threads}, {30, 1, 1})
  test.equal(ui.value.doubt, 'could not measure within 3 %: the machine is busy (times vary by 4.0 %, 25 % of the runs were disturbed)')
  test.same(ui.lines, {ui.value.doubt})
  test.same(ui.notes, {})
  ui = models 'model a b --tsv'
  test.same({#ui.rows, #ui.lines, ui.notes[1]}, {0, 3, ui.value.doubt})
  test.equal(ui.lines[1], 'model\tms/image\t± %\tleast\tmedian\tcold\tgflops\t% of peak\tmemory/weights\tweights')
  test.equal(ui.lines[2], 'a\t2.0000\t2.0\t1.6000\t2.2000\t3.0000\t5.0\t5.0\t2.50\t2 kB')
  ui = models 'x.anet a'
  test.same({ui.value.models[1].model, ui.value.models[2].model}, {'x.anet', 'a'})
  test.raises('no architecture 5%', models, 'model a none')
  test.raises('want NAMES: architectures or bundles', models, 'model')
  test.raises("no bench 'modl'; did you mean 'model'?; there are kernels, model, train", models, 'modl')
end)

test.case('bench train shows steps, by turns', function()
  local said
  local function training(words)
    return with(bench, {
      train = job_of, peak = function() return PEAK end,
      time = function(jobs, rounds, after)
        for round = 1, rounds do after(round) end
        said = {#jobs, rounds}
        return {{min = 8, median = 9.5}}
      end,
    }, run, 'bench', words)
  end
  local ui = training 'train a --batch 3 --rounds 2'
  test.same(said, {1, 2})
  test.same(ui.steps, {'round 1 of 2', 'round 2 of 2'})
  test.same(ui.rows, {'model | ms/step min | ms/step median | gflops | % of peak | memory/weights | weights', 'a | 8.0000 | 9.5000 | 3.0 | 3.0 | 2.50 | 2 kB'})
  local m = ui.value.models[1]
  test.same({m.min_ms, m.median_ms, m.macs, ui.value.batch, ui.value.rounds}, {8, 9.5, 3 * MACS, 3, 2})
end)

test.case('bench kernels compares instruction sets with the plain one', function()
  local asked = {}
  local NAMES = {'conv_a', 'conv_b', 'copy'}
  local function kernels(words)
    asked = {}
    return with(bench, {
      isas = function() return {'ref', 'fast'} end, kernel_cases = function() return 3 end, peak = function(isa) return isa == 'ref' and 1e9 or 4e9 end,
      kernel = function(case, isa, ms)
        if ms > 0 then asked[#asked + 1] = case .. isa .. ms end
        local ns = isa == 'fast' and 100 or 400
        return {name = NAMES[case], isa = isa, shape = '3x3', ns = ns, flops = case < 3 and 200 or 0, bytes = 800, sgemm_ns = case == 1 and 50 or nil, sgemm_core = case == 1 and 'Zen 5%' or nil}
      end,
    }, run, 'bench', words)
  end
  local ui = kernels 'kernels --ms 3'
  test.same(asked, {'1ref3', '1fast3', '2ref3', '2fast3', '3ref3', '3fast3'})
  test.same(ui.rows, {
    'name | isa | shape | ns | gflops | gb/s | over ref | over sgemm | % of peak', 'conv_a | ref | 3x3 | 400 | 0.5 | 2.0 | 1.00 | 0.13 | 50.0', 'conv_a | fast | 3x3 | 100 | 2.0 | 8.0 | 4.00 | 0.50 | 50.0',
    'conv_b | ref | 3x3 | 400 | 0.5 | 2.0 | 1.00 | - | 50.0', 'conv_b | fast | 3x3 | 100 | 2.0 | 8.0 | 4.00 | - | 50.0', 'copy | ref | 3x3 | 400 | 0.0 | 2.0 | 1.00 | - | -',
    'copy | fast | 3x3 | 100 | 0.0 | 8.0 | 4.00 | - | -'})
  test.same(ui.notes, {'ref: 1.0 GFLOP/s in registers, one thread', 'fast: 4.0 GFLOP/s in registers, one thread',
                       'OpenBLAS takes this processor for: Zen 5% (OPENBLAS_CORETYPE says otherwise)'})
  test.equal(ui.steps[2], 'conv_a fast 3x3')
  test.same({ui.value.peaks.fast, #ui.value.kernels, ui.value.kernels[2].share, ui.value.kernels[2].ref_ns}, {4e9, 6, 0.5, 400})
  ui = kernels 'kernels conv_b co.y'
  test.same(asked, {'2ref20', '2fast20'}) -- names are plain words
  test.equal(#ui.notes, 2)
  test.equal(#kernels('kernels opy conv').rows, 7)
  test.raises("no kernel's name has 'q' or 'z' in it", kernels, 'kernels q z')
end)

-- ---- calibrate ----------------------------------------------------------------------------------------------------------------

test.case('calibrate heeds its flags, and says what it judged', function()
  local asked
  local function calibrate(words, f, verdict)
    return with(anet.calibrate, {
      measure = function(before, after, reference, judges, images, i, timed, pool)
        asked = {before = before, after = after, reference = reference, judges = judges:count(), images = images:dim(1), timed = timed, labelled = judges:labelled(),
                 first = images:get(1, 1, 1, 1), threads = threads_of(pool)}
        return f or {judged = 5, by = 'labels', before = 0.9, after = 0.875, lost = 2.5, ratio = timed and 0.6 or nil}
      end,
      verdict = function(_, _, limits)
        asked.limits = limits
        return unpack(verdict or {{}, {}})
      end,
    }, run, 'calibrate', ('%s --data F/photos --out F/c.anet'):format(words))
  end
  local ui = calibrate 'F/net.anet --threads 1'
  test.same({asked.images, asked.judges, asked.timed or false, asked.labelled, asked.threads}, {15, 5, false, true, 1})
  test.same({asked.limits.max_loss, asked.limits.max_time}, {5, 110})
  test.same(ui.lines, {path 'c.anet' .. ': calibrated on 15 images', 'on 5 others 90.00 % before, 87.50 % after (right)'})
  local v = ui.value
  test.same({v.out, v.images, v.judged, v.by, v.before, v.after, v.lost, v.ratio or 'none', #v.warnings, v.int8 or 'none'},
            {path 'c.anet', 15, 5, 'labels', 0.9, 0.875, 2.5, 'none', 0, 'none'})
  test.equal(json.encode(v.warnings), '[]')
  local record = provenance.read(assert(anet.bundle.open(path 'c.anet')))
  test.same({record.verb, record.model, record.data, record.images, record.genome or 'none', record.int8 or 'none'}, {'calibrate', path 'net.anet', path 'photos', 15, 'none', 'none'})
  test.check(record.seconds >= 0 and record.seconds < 60)
  local first = asked.first
  calibrate 'F/net.anet --part test --images 6 --held-out 2 --unlabelled --max-loss 7 --max-time 120'
  test.same({asked.images, asked.judges, asked.labelled, asked.limits.max_loss, asked.limits.max_time}, {6, 2, false, 7, 120})
  local seeds = {}
  for seed = 1, 6 do
    calibrate('F/net.anet --seed ' .. seed)
    seeds[asked.first] = true
    if seed == 1 then test.equal(asked.first, first) end
  end
  test.check(next(seeds, next(seeds)), 'other images for other seeds')

  local wanted, split = {}, anet.calibrate.split
  with(anet.calibrate, {split = function(d, images, held_out, seed)
    wanted[#wanted + 1] = ('%d %d %d'):format(images, held_out, seed)
    return split(d, images, held_out, seed)
  end}, function()
    calibrate 'F/net.anet'
    calibrate 'F/net.anet --int8'
    calibrate 'F/net.anet --int8 --images 5 --seed 3'
  end)
  test.same(wanted, {'2048 1000 1', '256 1000 1', '5 1000 3'})
  test.check(assert(anet.bundle.open(path 'c.anet')):net(), 'a net in bytes is a net')

  ui = calibrate('F/super.anet --int8 --genome ' .. GENOME)
  test.same({asked.timed, asked.before:count(), ui.value.ratio, ui.value.int8 or 'none'}, {true, s:subnet(GENOME):count(), 0.6, 'none'})
  test.check(asked.after:find 'block1.bytes' or asked.after:count() > asked.before:count(), 'in bytes')
  test.equal(asked.reference:count(), oracle:count())
  test.equal(ui.lines[3], "int8 takes 60 % of the floats' time for an image, on one thread")
  record = provenance.read(assert(anet.bundle.open(path 'c.anet')))
  test.same({record.genome, record.int8}, {GENOME, true})
  test.check(assert(anet.bundle.open(path 'c.anet')):net())

  ui = calibrate 'F/super.anet --int8'
  test.same({ui.value.int8, ui.value.options, ui.lines[1]},
            {4, #s:space():options() + 4, ('%s: %d options, 4 of them in bytes'):format(path 'c.anet', #s:space():options() + 4)})
  test.check(asked.before:count() == oracle:count() and asked.after:count() > oracle:count(), 'the oracle, and the subnet of all of them')
  test.check(assert(anet.bundle.open(path 'c.anet')):supernet())
end)

test.case('calibrate without --force writes nothing that is refused', function()
  local function calibrate(words, refusals, warnings)
    os.remove(path 'r.anet')
    return with(anet.calibrate, {
      measure = function() return {judged = 5, by = 'answers', before = 0.9, after = 0.4, lost = 50} end, verdict = function() return refusals, warnings end,
    }, run, 'calibrate', 'F/net.anet --data F/photos --out F/r.anet ' .. words)
  end
  test.equal(tostring(test.raises('bad', calibrate, '', {'bad 5%', 'worse'}, {'hm'})), 'bad 5%; worse (nothing was written; --force writes it all the same)')
  test.equal(io.open(path 'r.anet'), nil)
  local ui = calibrate('--force', {'bad 5%', 'worse'}, {'hm'})
  test.same(ui.value.warnings, {'hm', 'bad 5%', 'worse'})
  test.same({unpack(ui.lines, 2)}, {'on 5 others 90.00 % before, 40.00 % after (as the network answers)', 'warning: hm', 'warning: bad 5%', 'warning: worse'})
  test.check(io.open(path 'r.anet'))
  local few = train:slice(1, 6)
  with(anet.data, {open = function() return few end}, function() ui = calibrate('', {}, {}) end)
  test.equal(ui.lines[2], 'on 5 of them 90.00 % before, 40.00 % after (as the network answers)') -- too few to hold some out
end)

test.case('norms are calibrated in batches of the size that is said', function()
  local batch
  local calibrate = oracle.calibrate
  for _, want in ipairs{{'--batch 4', 4}, {'', 128}} do
    with(require 'anet.road', {pick_net = function()
      return setmetatable({calibrate = function(_, images, options)
        batch = options.batch
        return calibrate(oracle, images, options)
      end}, {__index = function(_, key) return oracle[key] end})
    end}, with, anet.calibrate, {measure = function() return {judged = 5, by = 'labels', before = 1, after = 1, lost = 0} end, verdict = function() return {}, {} end},
         run, 'calibrate', 'F/net.anet --data F/photos --out F/b.anet ' .. want[1])
    test.equal(batch, want[2])
  end
end)

-- ---- report -----------------------------------------------------------------------------------------------------------------------

test.case('a report of a bundle has its ladder, its cloud and its oracle', function()
  local got
  local function report(words)
    return with(require 'anet.report', {save = function(results, folder)
      got = {results, folder}
      return {'a', 'b'}, words:find 'cairo' and 'no cairo 5%' or nil
    end}, run, 'report', words)
  end
  local ui = report 'F/ladder.anet --out F/page'
  local r = got[1]
  test.same({r.model, r.oracle.accuracy, r.oracle.test_accuracy or 'none', r.oracle.ms, #r.ladder, r.ladder[1].genome, r.cloud[1][2], r.labelled or 'none'},
            {path 'ladder.anet', 0.9, 'none', 2, 2, GENOME, 0.5, 'none'})
  test.equal(got[2], path 'page')
  local b = assert(anet.bundle.open(path 'ladder.anet'))
  list[2].test_accuracy = 0.85
  rungs.save(b, {rungs = list, oracle = list[2]}, {labelled = false})
  list[2].test_accuracy = nil
  b:save(path 'agreeing.anet')
  report 'F/agreeing.anet --out F/page'
  test.same({got[1].labelled, got[1].oracle.test_accuracy}, {false, 0.85})
  report 'F/ladder.anet --out F/page'
  test.same({ui.lines[1], ui.lines[2], ui.value.files[2], #ui.notes}, {'a', 'b', 'b', 0})
  test.same(report 'F/ladder.anet --out F/cairo'.notes, {'no PNG files: no cairo 5%'})
  with(require 'anet.report', {save = function() return nil, 'no room 5%' end}, function()
    test.equal(tostring(test.raises('no room', run, 'report', 'F/ladder.anet --out F/page')), 'no room 5%')
  end)
  test.raises(path 'super.anet' .. ": it has no ladder ('anet search' makes one)", report, 'F/super.anet')
  test.raises('not a supernet', report, 'F/net.anet')
  test.equal(tostring(test.raises('want a folder', report, 'F/ladder.anet --out=')), '--out: want a folder')
  b:set_text('ladder', '{"rungs": 3}'):save(path 'broken.anet')
  test.raises(path 'broken.anet' .. ": the text 'ladder'", report, 'F/broken.anet')
end)

-- ---- info ---------------------------------------------------------------------------------------------------------------------------

test.case('info says how a bundle was made', function()
  local function made_by(record)
    assert(anet.bundle():set_net(oracle):set_input(input):set_value('provenance', record):save(path 'made.anet'))
    local ui = run('info', 'F/made.anet')
    local lines = {}
    for _, line in ipairs(ui.lines) do
      if line:find '^  anet' or line == 'made by' then lines[#lines + 1] = line end
    end
    return lines, ui
  end
  local lines, ui = made_by{
    verb = 'distill', version = '1', data = 'photos', images = 70, of = 100, policy = 'adaptive', settings = {decay = 0.5, batch = 8}, seconds = 61,
    from = {verb = 'train', version = '0', accuracy = 0.9125, job = {architecture = 'resnet8', data = 'photos', limit = 70, of = 70, part = 'train'}},
  }
  test.same(lines, {'made by', '  anet train (0): resnet8; 70 images of photos, part train; test accuracy 91.25 %',
                    '  anet distill (1): 70 of 100 images of photos; adaptive; batch 8, decay 0.5; 1 min 01 s'})
  test.equal(ui.value.provenance.from.verb, 'train')
  test.same(made_by{verb = 'export', model = 'x.anet', settings = {}}, {'made by', '  anet export (nil): x.anet'})
  test.same(made_by{verb = 'search', data = 'photos', images = 5}, {'made by', '  anet search (nil): 5 images of photos'})
  test.same(made_by{verb = 'search', data = 'photos', of = 5}, {'made by', '  anet search (nil): photos'})
  test.same((made_by(nil)), {})
end)

test.case('info shows a ladder with its shares of the oracle', function()
  list[1].test_accuracy = 0.55
  local b = anet.bundle():set_supernet(s):set_input(input)
  rungs.save(b, {rungs = list, oracle = list[2]}, {threads = 2})
  b:save(path 'shown.anet')
  local ui = run('info', 'F/shown.anet')
  test.same(ui.rows, {'rung | genome | ms | % of oracle | accuracy | test accuracy', ('1 | %s | 1.000 | 50.0 | 60.00 %% | 55.00 %%'):format(GENOME),
                      ('2 | %s | 2.000 | 100.0 | 90.00 %% | '):format(KEEP), ('oracle | %s | 2.000 | 100.0 | 90.00 %% | '):format(KEEP)})
  local found = {}
  for _, line in ipairs(ui.lines) do found[line] = true end
  test.check(found['ladder, 2 threads:'])
  local v = ui.value
  test.same({v.file, #v.ladder.rungs, v.ladder.threads, v.supernet.subnets, v.supernet.positions, #v.supernet.options, v.nodes, v.input.height},
            {path 'shown.anet', 2, 2, s:space():size(), 4, #s:space():options(), oracle:count(), 8})
  test.equal(v.net.macs, oracle:cost().macs)
  rungs.save(b, {rungs = list, oracle = list[2]}, {threads = 1, labelled = false})
  b:save(path 'shown.anet')
  ui = run('info', 'F/shown.anet')
  test.equal(ui.rows[1], 'rung | genome | ms | % of oracle | agreement | test accuracy')
  found = {}
  for _, line in ipairs(ui.lines) do found[line] = true end
  test.check(found['ladder, 1 thread:'])
  list[1].test_accuracy = nil
  rungs.save(b, {rungs = list, oracle = list[2]})
  b:save(path 'shown.anet')
  found = table.concat(run('info', 'F/shown.anet').lines, '\n')
  test.mentions(found, '\nladder:')
  test.equal(run('info', 'F/net.anet').value.supernet, nil)
  local t = assert(latency.profile(s, {rounds = 3, held_out = 3, pool = tiny.pool}))
  assert(b:set_latency(t):save(path 'shown.anet'))
  ui = run('info', 'F/shown.anet')
  test.same({ui.value.latency.oracle_ms, ui.value.latency.options}, {t:info().oracle_ms, t:info().options})
  test.equal(ui.lines[1], tostring(s))
  test.equal(ui.lines[2], 'oracle: ' .. tostring(oracle))
  test.equal(ui.lines[3], ('input 8x8x1, mean %.4g, deviation %.4g'):format(input:fields().mean[1], input:fields().deviation[1]))
  test.equal(ui.lines[4], tostring(t))
  test.same({#ui.value.ladder.rungs, ui.value.ladder.rungs[1].retained, ui.value.ladder.rungs[1].net}, {2, 0.6 / 0.9, nil})
  assert(anet.bundle():set_net(oracle):set_text('ladder', '[1'):save(path 'broken.anet'))
  test.raises(path 'broken.anet' .. ": the text 'ladder'", run, 'info', 'F/broken.anet')
  assert(anet.bundle():set_tensor('x', anet.tensor{2}):save(path 'loose.anet'))
  test.same(run('info', 'F/loose.anet').lines, {'1 loose tensors, no model'})
end)

test.case('info lists options by block, nodes, and why', function()
  local plain, blocks = run('info', 'F/super.anet'), run('info', 'F/super.anet --blocks')
  test.equal(#plain.rows, 0)
  test.equal(blocks.rows[1], 'position | kind | name | in | out | options')
  test.equal(#blocks.rows, 5)
  for i, b in ipairs(s:blocks()) do
    local words = {}
    for _, o in ipairs(s:space():options()) do
      if o.position == i then
        words[#words + 1] = o.kind == 'merge' and 'merge ' .. o.span or o.kind == 'shrink' and ('shrink to %.0f %%'):format(100 * o.width) or o.kind
      end
    end
    test.equal(blocks.rows[i + 1], ('%d | %s | %s | %s | %s | %s'):format(i, b.kind, b.name, table.concat(b.in_shape, 'x'), table.concat(b.out_shape, 'x'), table.concat(words, ', ')))
  end
  local frozen = s:frozen()
  test.equal(#blocks.lines, #plain.lines + #frozen)
  local why = run('info', 'F/net.anet --why')
  test.mentions(table.concat(why.lines, '\n'), ('4 blocks in %d trunk'):format(anet.supernet.blocks(oracle)[4].trunk))
  test.equal(why.rows[1], 'trunk | block | kind | name | in | out | hidden | MACs')
  for i, b in ipairs(anet.supernet.blocks(oracle)) do
    test.equal(why.rows[i + 1], ('%d | %d | %s | %s | %s | %s | %d | %s'):format(b.trunk, i, b.kind, b.name, table.concat(b.in_shape, 'x'), table.concat(b.out_shape, 'x'), b.hidden, require('anet.text').count(b.macs)))
  end
  test.same({#why.value.blocks, #why.value.frozen}, {4, #select(2, anet.supernet.blocks(oracle))})
  test.equal(plain.value.blocks, nil)
  local nodes = run('info', 'F/net.anet --nodes')
  test.equal(#nodes.lines, #run('info', 'F/net.anet').lines + select(2, oracle:describe():gsub('[^\n]+', '')))
  local one, x = anet.net{input = {8, 8, 1}}
  one:output(one:linear(one:global_pool(x), {channels = 3})):init(1)
  assert(anet.bundle():set_net(one):set_value('left_out', {ops = {Abs = 1}, why = {'because'}, outputs = {'y'}, reads = {'z'}}):save(path 'one.anet'))
  local ui = run('info', 'F/one.anet --why')
  test.mentions(table.concat(ui.lines, '\n'), '0 blocks in 0 trunks')
  test.mentions(table.concat(ui.lines, '\n'), 'left out: Abs')
  test.equal(ui.value.left_out.ops.Abs, 1)
  test.equal(#ui.rows, 0)
end)

test.case('info of nothing is of this machine', function()
  local ui = run('info', '')
  test.equal(ui.lines[1], ('anet %s, %s kernels, %d processors'):format(anet.version, ui.value.kernels, ui.value.processors))
  test.mentions(ui.lines[2], 'policies: ')
  test.mentions(ui.lines[2], 'search/front')
  test.mentions(ui.lines[3], 'resnet20')
  test.equal(#ui.value.policies, #policy.list())
  test.equal('policies: ' .. table.concat(ui.value.policies, ', '), ui.lines[2])
  test.equal('architectures: ' .. table.concat(ui.value.architectures, ', '), ui.lines[3])
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
