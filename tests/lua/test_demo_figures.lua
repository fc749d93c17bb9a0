-- `anet demo` on figures: which images each stretch sees, what its flags reach, what is said and left. What takes time is replaced.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local voice = dofile 'tests/support/voice.lua'
local anet = require 'anet'
local cli = require 'anet.cli'
local core = require 'anet.core'
local provenance = require 'anet.provenance'
local report = require 'anet.report'
local road = require 'anet.road'
local rungs = require 'anet.rungs'
local stream = require 'anet.stream'
local unseen = require 'anet.unseen'
local verb = require 'anet.verb.demo'

local path = command.path
local train, exam = tiny.data(300, 1), tiny.data(120, 2)
local input = train:input()
local oracle = tiny.net(3)
local s = tiny.supernet(oracle, train:tensor(input, 32))
local KEEP = s:space():keep()
local GENOME
for _, o in ipairs(s:space():options()) do
  if o.kind == 'shrink' and o.position == 2 then GENOME = '0' .. o.gene .. '00' end
end
local times = assert(anet.latency.profile(s, {rounds = 3, held_out = 3, pool = tiny.pool}))
assert(anet.bundle():set_net(oracle):set_input(input):save(path 'net.anet'))
assert(provenance.put(anet.bundle():set_supernet(s):set_input(input), 'distill', {seconds = 42}):save(path 'super.anet'))

local function threads_of(pool) return tonumber(core.C.anet_pool_threads(pool)) end

-- Fields of modules while f runs: {{module, {name = value}}, …}.
local function with(changes, f)
  local before = {}
  for i, change in ipairs(changes) do
    before[i] = {}
    for key, value in pairs(change[2]) do before[i][key], change[1][key] = change[1][key], value end
  end
  local ok, message = pcall(f)
  for i, change in ipairs(changes) do
    for key in pairs(change[2]) do change[1][key] = before[i][key] end
  end
  if not ok then error(message, 0) end
end

-- Images by their pixels, so that parts can be told.
local function keys(d)
  local list, pixels = {}, d:images():data()
  for i = 0, d:count() - 1 do list[i + 1] = ('%d %d %d %d %d'):format(pixels[i * 64], pixels[i * 64 + 9], pixels[i * 64 + 30], pixels[i * 64 + 50], pixels[i * 64 + 63]) end
  return list
end

local function overlap(a, b)
  local seen, count = {}, 0
  for _, key in ipairs(keys(a)) do seen[key] = true end
  for _, key in ipairs(keys(b)) do count = count + (seen[key] and 1 or 0) end
  return count
end

-- Run the demo. left: what unseen.open gives, {data, about}. What each stretch saw, and what was said.
local function demo(words, left, change)
  local ui, saw, list = voice(), {policies = {}}, {}
  for word in words:gmatch '%S+' do list[#list + 1] = (word:gsub('^F/', command.folder .. '/'):gsub("^''$", '')) end
  local ladder = {rungs = {{genome = GENOME, net = s:subnet(GENOME), predicted_ms = 0.51, measured_ms = 0.5, ratio = 0.25, score = 0.5, calibrated = true},
                           {genome = KEEP, net = oracle, predicted_ms = 2.02, measured_ms = 2, ratio = 1, score = 0.75}}, prediction = {median = 0.01, worst = 0.02},
                  budgets = {{share = 0.3, ms = 0.6, genome = GENOME, rung = 1, measured = 1, settled = false}}}
  ladder.oracle = ladder.rungs[2]
  local open_policy = road.open_policy
  local changes = {
    {unseen, {open = function(_, what, wanted)
      saw.unseen = {what, wanted}
      return left[1], left[2]
    end}},
    {anet.data, {open = function(_, options) return options.part == 'train' and train or exam end}},
    {road, {
      open_policy = function(u, kind, spec, seed)
        saw.policies[#saw.policies + 1] = ('%s %s %d'):format(kind, spec, seed)
        return open_policy(u, kind, spec, seed)
      end,
      elastify = function(_, _, policy, d, n, pool)
        saw.elastify = {policy.name, d, n, threads_of(pool)}
        return s
      end,
      distill = function(_, distiller) saw.distilled = distiller end,
      profile = function(_, of, options, pool)
        saw.profile = {of, options.held_out, options.seed, threads_of(pool)}
        return times
      end,
      search = function(_, of, _, d, _, policy, options, pool)
        saw.search = {of, d, policy.name, options, threads_of(pool), threads_of(options.pool)}
        return {seconds = 3, order = {1, 2, 3, 4}, saving = function() return 0.456, 0.5 end, cloud = function() return {{1, 0.5}} end}, {'picks'}
      end,
      make_ladder = function(_, _, _, _, picks, d, _, options)
        saw.ladder = {picks[1], d, options}
        return ladder
      end,
      must_know = function(_, net, d, i, pool, what)
        test.same({net:count(), i.height, threads_of(pool)}, {oracle:count(), 8, threads_of(pool)})
        saw.known = {d, what}
      end,
    }},
    {anet.distill, {new = function(of, d, _, policy, options, pool)
      saw.distill = {of, d, policy.name, options.seed, threads_of(pool)}
      return {step = 17}
    end}},
    {stream, {run = function(_, l, d, _, policy, options, pool)
      saw.stream = {l, d, policy.name, options, threads_of(pool)}
      return {frames = 20, budget_ms = 2.5, late_frames = 3, switches = 1, recovered_ms = saw.recovered, recovered_frames = 6, trace = {}, phases = {}}
    end}},
    {report, {save = function(results, folder)
      saw.report = {results, folder}
      return {'a.png', 'b.html'}, saw.note
    end}},
  }
  if change then change(changes, saw) end
  with(changes, function() verb.run(assert(cli.parse(verb, list)), ui) end)
  return saw, ui, ui.value
end

local function rest_of_train(first)
  return {train:slice(first, 300 - first + 1), {data = 'd', part = 'train', first = first, of = 300, unseen = true, said = 'images left over'}}
end

local function all_of_test() return {exam, {data = 'd', part = 'test', first = 1, of = 120, unseen = true, said = 'test images'}} end

-- ---- which images ------------------------------------------------------------------------------------------------

test.case('what training left over is private; what it saw is distilled on; tests are tests', function()
  local saw, ui = demo('F/net.anet --data d --images 100 --threads 1 --out F/a', rest_of_train(151))
  test.same({saw.unseen[1], saw.unseen[2]}, {'d', 100})
  test.equal(saw.search[2]:count(), 100)
  test.equal(saw.search[2], saw.ladder[2])
  test.same(keys(saw.elastify[2]), keys(train:slice(1, 150)))
  test.equal(saw.distill[2], saw.elastify[2])
  test.same({overlap(saw.search[2], train:slice(151, 150)), overlap(saw.search[2], train:slice(1, 150))}, {100, 0})
  test.same(keys(saw.stream[2]), keys(exam))
  test.equal(saw.known[1], saw.stream[2])
  test.equal(saw.known[2], 'd')
  test.equal(ui.lines[1], 'private images: 100 of the 150 images left over')
  saw = demo('F/net.anet --data d --images 5000 --out F/a', rest_of_train(151))
  test.equal(saw.search[2]:count(), 150) -- all there are
end)

test.case('of images that nothing used, those that are not private are distilled on', function()
  local saw = demo('F/net.anet --data d --images 100 --out F/a', rest_of_train(1))
  test.same({saw.search[2]:count(), saw.elastify[2]:count(), overlap(saw.search[2], saw.elastify[2])}, {100, 200, 0})
  test.same(keys(saw.stream[2]), keys(exam))
  saw = demo('F/net.anet --data d --images 5000 --out F/a', rest_of_train(1))
  test.same({saw.search[2]:count(), saw.elastify[2]:count()}, {299, 1}) -- one is left to distil on
  local seeds = {}
  for seed = 1, 2 do seeds[seed] = table.concat(keys(demo('F/net.anet --data d --images 100 --out F/a --seed ' .. seed, rest_of_train(1)).search[2]), ',') end
  test.check(seeds[1] ~= seeds[2], 'the seed says which')
end)

test.case('of test images at most a half is private, the others are tests', function()
  local saw = demo('F/net.anet --data d --images 100 --out F/a', all_of_test())
  test.same({saw.search[2]:count(), saw.stream[2]:count(), overlap(saw.search[2], saw.stream[2])}, {60, 60, 0})
  test.same(keys(saw.elastify[2]), keys(train))
  local few = {exam:slice(1, 1), all_of_test()[2]}
  test.raises('d: 1 images are too few to set some apart', demo, 'F/net.anet --data d', few)
  test.raises('none 5%', demo, 'F/net.anet --data d', {nil, 'none 5%'})
end)

-- ---- flags -----------------------------------------------------------------------------------------------------------

test.case('flags reach what they are of', function()
  local saw, _, results = demo('F/net.anet --data d --images 100 --threads 3 --out F/a --seed 5 --block-epochs 0.5 --joint-epochs 2.5 --held-out 9 --budgets 90%,0.25ms --frames 33', rest_of_train(101))
  test.same(saw.policies, {'schedule adaptive:block_epochs=0.5,joint_epochs=2.5 5', 'search front 5', 'latency hysteresis 5'})
  test.same({saw.elastify[1], saw.elastify[3], saw.elastify[4], saw.distill[3], saw.distill[4], saw.distill[5]}, {'adaptive', 512, 3, 'adaptive', 5, 3})
  test.same({saw.profile[2], saw.profile[3], saw.profile[4]}, {9, 5, 1}) -- times are of one thread
  test.same({saw.search[3], saw.search[5], saw.search[6], saw.stream[3], saw.stream[5]}, {'front', 3, 1, 'hysteresis', 3})
  local oracle_ms = times:info().oracle_ms
  local budgets, fixed = saw.search[4].budgets, saw.search[4].fixed
  local at = budgets[1] == 0.25 and 1 or 2
  test.same({budgets[at], fixed[at], fixed[3 - at] or 'none'}, {0.25, true, 'none'})
  test.near(budgets[3 - at], 0.9 * oracle_ms, 1e-9)
  test.equal(saw.ladder[3], saw.search[4])
  test.equal(saw.ladder[1], 'picks')
  local stream_options = saw.stream[4]
  test.same({stream_options.batch, stream_options.frames, stream_options.budget}, {32, 33, 1.25})
  local phases = {}
  for i, p in ipairs(stream_options.phases) do phases[i] = p.share .. ' ' .. p.load end
  test.same(phases, {'0.3 0', '0.4 2', '0.3 0'})
  test.equal(#s:space():options() + 4, results.supernet.options) -- int8 by default
  test.equal(saw.profile[1], saw.search[1])
  saw, _, results = demo('F/net.anet --data d --no-int8 --out F/a', rest_of_train(101))
  test.same({results.supernet.options, results.supernet.bytes}, {#s:space():options(), s:bytes()})
  test.equal(saw.profile[1], s)
  test.same(saw.policies, {'schedule adaptive:block_epochs=0.25,joint_epochs=1 1', 'search front 1', 'latency hysteresis 1'})
  test.same({saw.profile[2], saw.stream[4].frames}, {200, 400})
end)

-- ---- results ------------------------------------------------------------------------------------------------------------

local function accuracy_of(net, d) return (anet.plan(net, {batch = 100, pool = tiny.pool}):accuracy(d, input)) end

test.case('results have the figures of each stretch', function()
  local saw, ui, r = demo('F/net.anet --data d --images 100 --no-int8 --out F/a', rest_of_train(101), function(_, x) x.recovered = 70 end)
  test.same({r.model, r.machine, r.distill.steps, r.distill.shipped or 'none'}, {path 'net.anet', times:info().fingerprint, 17, 'none'})
  test.check(r.distill.seconds >= 0 and r.distill.seconds < 60 and r.seconds >= 0 and r.seconds < 60)
  test.same({r.search.seconds, r.search.evaluated, r.search.saving, r.search.ideal_saving}, {3, 4, 0.456, 0.5})
  test.same({r.profile.seconds, r.profile.median_error, r.profile.p95_error}, {times:info().seconds, times:info().median_error, times:info().p95_error})
  test.same({r.supernet.subnets, r.cloud[1][2], r.budgets[1].genome, r.prediction.worst}, {s:space():size(), 0.5, GENOME, 0.02})
  local whole, part = accuracy_of(oracle, exam), accuracy_of(s:subnet(GENOME), exam)
  test.same({r.oracle.accuracy, r.oracle.ms}, {0.75, 2})
  test.near(r.oracle.test_accuracy, whole, 1e-12)
  test.equal(#r.ladder, 2)
  local l = r.ladder[1]
  test.same({l.genome, l.measured_ms, l.predicted_ms, l.ratio, l.score, l.accuracy, l.calibrated, l.net or 'none'}, {GENOME, 0.5, 0.51, 0.25, 0.5, 0.5, true, 'none'})
  test.near(l.test_accuracy, part, 1e-12)
  test.near(l.retained, part / whole, 1e-12)
  test.equal(r.adapt.frames, 20)
  local function row(name, genome, predicted, measured, ratio, score, accuracy)
    return ('%s | %s | %.3f | %.3f | %.1f | %.2f %% | %.2f %% | %.2f %%'):format(name, genome, predicted, measured, ratio, score, 100 * accuracy, 100 * accuracy / whole)
  end
  test.same(ui.rows, {'rung | genome | predicted ms | measured ms | % of oracle | score | test accuracy | retained', row(1, GENOME, 0.51, 0.5, 25, 50, part),
                      row(2, KEEP, 2.02, 2, 100, 75, whole), row('oracle', KEEP, 2.02, 2, 100, 75, whole)})
  local lines = {}
  for i, line in ipairs(ui.lines) do lines[i] = line:gsub('distilled in .*', 'distilled') end
  test.same(lines, {
    'private images: 100 of the 200 images left over', 'elastify: blocks become merged, narrower or skipped ones', 'distill: the new options learn from the oracle',
    'distilled', 'profile: the time of every option on this machine', 'search: the best subnet for every budget',
    '4 subnets on 100 private images in 3.0 s; shared prefixes saved 45.6 %', 'budget of 0.600 ms (30.0 % of the oracle): measuring did not settle whether rung 1 keeps it',
    'adapt: a stream of images, and two processes that compete for the processors',
    '20 frames, budget 2.50 ms: 3 late, 1 switches, back under the budget 6 frames after the load came', 'a.png, b.html, ' .. path 'a' .. '/supernet.anet'})
  test.equal(saw.report[1], r)
  test.equal(saw.report[2], path 'a')
  ui = select(2, demo('F/net.anet --data d --out F/a', rest_of_train(101)))
  test.equal(ui.lines[#ui.lines - 1], '20 frames, budget 2.50 ms: 3 late, 1 switches')
end)

test.case('a supernet that is distilled is taken as it is', function()
  local saw, ui, r = demo('F/super.anet --data d --no-int8 --out F/a', rest_of_train(101))
  test.same({saw.elastify or 'none', saw.distill or 'none', r.distill.seconds, r.distill.shipped}, {'none', 'none', 42, true})
  test.equal(ui.lines[2], path 'super.anet' .. ': ' .. tostring(s))
  test.equal(provenance.read(assert(anet.bundle.open(path 'a/supernet.anet'))).distilled, false)
  saw, ui, r = demo('F/super.anet --data d --out F/b', rest_of_train(101))
  test.equal(r.supernet.options, #s:space():options() + 4)
  test.mentions(ui.lines[3], 'each block in bytes too: ')
  saw, ui, r = demo('F/b/supernet.anet --data d --out F/c', rest_of_train(101)) -- which has them
  test.equal(r.supernet.options, #s:space():options() + 4)
  assert(anet.bundle():set_supernet(s):set_input(input):save(path 'fresh.anet'))
  test.equal(select(3, demo("F/fresh.anet --data d --out ''", rest_of_train(101))).distill.seconds, 0)
end)

-- ---- files ----------------------------------------------------------------------------------------------------------------

test.case('what it leaves says how it came to be', function()
  demo('F/net.anet --data d --images 100 --seed 3 --no-int8 --out F/made/here', rest_of_train(101))
  local b = assert(anet.bundle.open(path 'made/here/supernet.anet'))
  local record, about = provenance.read(b), b:value 'ladder'
  test.same({record.verb, record.model, record.data, record.images, record.of, record.seed, record.distilled, record.search.first, record.search.images, record.search.seed},
            {'demo', path 'net.anet', 'd', 100, 300, 3, true, 101, 100, 3})
  test.check(record.seconds >= 0 and record.seconds < 60)
  test.same({about.threads, about.cloud[1][1], about.data, about.part, about.first, about.of, about.unseen, about.images, #about.rungs}, {1, 1, 'd', 'train', 101, 300, true, 100, 2})
  test.same({b:latency():info().options, b:supernet():space():size(), b:input().height}, {times:info().options, s:space():size(), 8})
  demo('F/net.anet --data d --images 100 --no-int8 --out F/made', rest_of_train(1))
  test.equal(provenance.read(assert(anet.bundle.open(path 'made/supernet.anet'))).images, nil) -- any of them: not the first so many
  demo('F/net.anet --data d --images 100 --no-int8 --out F/made', all_of_test())
  test.equal(provenance.read(assert(anet.bundle.open(path 'made/supernet.anet'))).images, 300)
end)

test.case('nothing is left where nothing is wanted, and a report that fails is no end', function()
  local saw = demo("F/net.anet --data d --no-int8 --out ''", rest_of_train(101))
  test.equal(saw.report, nil)
  local _, ui = demo('F/net.anet --data d --no-int8 --out F/n', rest_of_train(101), function(changes)
    changes[#changes][2].save = function() return nil, 'no room 5%' end
  end)
  test.same(ui.notes, {'no report: no room 5%'})
  test.check(io.open(path 'n/supernet.anet'))
  _, ui = demo('F/net.anet --data d --no-int8 --out F/n', rest_of_train(101), function(_, x) x.note = 'no cairo 5%' end)
  test.same(ui.notes, {'no PNG files: no cairo 5%'})
  with({{rungs, {save = function() return {save = function() return nil, 'no room 5%' end} end}}}, function()
    test.raises('no room 5%', demo, 'F/net.anet --data d --no-int8 --out F/n', rest_of_train(101))
  end)
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
