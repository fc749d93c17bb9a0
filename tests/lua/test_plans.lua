-- Plans and evaluators through the Lua face: what a run takes and gives, what is counted, what is refused.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local anet = require 'anet'
local evaluate = require 'anet.evaluate'
local plan = require 'anet.plan'

local data = tiny.data(60)
local input = data:input()
local oracle = tiny.net(3)
local s = tiny.supernet(oracle, data:tensor(input, 32))
local GENOME
for _, o in ipairs(s:space():options()) do
  if o.kind == 'shrink' and o.position == 2 then GENOME = '0' .. o.gene .. '00' end
end

-- A net of two inputs and two outputs: their sum, and the first times itself.
local function two()
  local n, x, y = anet.net{input = {2, 2, 1}}
  y = n:input({2, 2, 1}, 'other')
  n:output(n:add(x, y))
  return n:output(n:mul(x, x))
end

-- ---- running ----------------------------------------------------------------------------------------------------

test.case('a plan says what it is', function()
  local p = anet.plan(oracle, {batch = 7})
  local i = p:info()
  test.same({i.batch, i.inputs, i.outputs}, {7, 1, 1})
  test.check(i.steps > 5 and i.arena_bytes >= 7 * 64 * 8 * 4 and i.packed_bytes > 0 and i.packed_bytes ~= i.arena_bytes)
  test.near(i.macs / oracle:cost().macs, 1, 0.1)
  test.same(p:input_shape(), {8, 8, 1})
  test.same(p:output_shape(), {3})
  test.equal(anet.plan(oracle):info().batch, 1)
  test.mentions(tostring(p), ('plan of %d steps, batch 7, '):format(i.steps))
  test.mentions(tostring(p), require('anet.text').bytes(i.arena_bytes))
  local q = anet.plan(two(), {batch = 2})
  test.same({q:info().inputs, q:info().outputs}, {2, 2})
  test.same(q:input_shape(2), {2, 2, 1})
  test.same(q:output_shape(2), {2, 2, 1})
  test.raises('input', p.input_shape, p, 2)
  test.raises('output', p.output_shape, p, 2)
end)

local function filled(n, value) return anet.tensor{n, 2, 2, 1}:fill(value) end

test.case('a run takes a tensor an input, and gives one an output', function()
  local p = anet.plan(two(), {batch = 3})
  local sum, square = p:run(filled(3, 3), filled(3, 4))
  test.same(sum:shape(), {3, 2, 2, 1})
  test.same({sum:get(3, 2, 2, 1), square:get(3, 2, 2, 1)}, {7, 9})
  local part, other = p:run(filled(2, 5), filled(2, 1))
  test.same(part:shape(), {2, 2, 2, 1})
  test.same({part:get(2, 2, 2, 1), other:get(2, 2, 2, 1)}, {6, 25})
  test.same({sum:get(2, 1, 1, 1), sum:get(3, 1, 1, 1)}, {6, 7}) -- outputs are the plan's own
  local single = p:run(anet.tensor{2, 2, 1}:fill(2), anet.tensor{2, 2, 1}:fill(1))
  test.same(single:shape(), {1, 2, 2, 1})
  test.equal(single:get(1, 1, 1, 1), 3)
end)

test.case('what a run does not take is told with both numbers', function()
  local p = anet.plan(two(), {batch = 3})
  test.raises('run: got 1 tensors, the net has 2 inputs', p.run, p, filled(3, 1))
  test.raises('run: got 3 tensors, the net has 2 inputs', p.run, p, filled(3, 1), filled(3, 1), filled(3, 1))
  test.raises('run: input 2 has 2 images, the first 3', p.run, p, filled(3, 1), filled(2, 1))
  test.raises('run: input 2 has images 2x3x1, want 2x2x1', p.run, p, filled(3, 1), anet.tensor{3, 2, 3, 1})
  test.raises('run: input 1 is not a dense f32 tensor', p.run, p, anet.tensor({3, 2, 2, 1}, 'u8'), filled(3, 1))
  test.raises('run: input 2 is not a dense f32 tensor', p.run, p, filled(3, 1), anet.tensor{3, 2, 4, 1}:view({1, 1, 1, 1}, {3, 2, 2, 1}))
  test.raises('run', p.run, p, filled(3, 1), 'images')
  test.raises('4', p.run, p, filled(4, 1), filled(4, 1)) -- more than its batch
  test.raises('again: the last run of the plan failed, or there was none', p.again, p)
  test.raises('there was none', p.again, anet.plan(two()))
  local sum = p:run(filled(3, 3), filled(3, 4))
  sum:fill(0)
  p:again()
  test.equal(sum:get(3, 2, 2, 1), 7)
  test.raises('run: got 1 tensors', p.run, p, filled(3, 1))
  test.raises('again: the last run of the plan failed', p.again, p)
  test.raises('plan', anet.plan, 'x')
end)

test.case('accuracy is the share of hits, and says which', function()
  local p = anet.plan(oracle, {batch = 16, pool = tiny.pool})
  local accuracy, hits = p:accuracy(data, input)
  local answers, want = tiny.answers(oracle, data:tensor(input)), {}
  for i = 1, 60 do
    local best = 1
    for c = 2, 3 do best = answers:get(i, c) > answers:get(i, best) and c or best end
    want[i] = best - 1 == data:labels():data()[i - 1] and '1' or '0'
  end
  test.equal(hits, table.concat(want))
  test.near(accuracy, select(2, hits:gsub('1', '')) / 60, 1e-12)
  test.same({p:accuracy(data:slice(1, 0), input)}, {0, ''})
  test.raises('input', p.accuracy, p, data, 'input')
end)

-- ---- timing -------------------------------------------------------------------------------------------------------

test.case('times are beside the first plan, and say whether they settled', function()
  local small, large = anet.plan(s:subnet(GENOME), {batch = 4}), anet.plan(oracle, {batch = 4})
  local list = plan.time({large, small}, {rounds = 3, error = 1e9, pool = tiny.pool, batch = 2})
  test.equal(#list, 2)
  for i, t in ipairs(list) do
    test.check(t.ms > 0 and t.least_ms > 0 and t.median_ms >= t.least_ms and t.cold_ms > 0 and t.disturbed >= 0 and t.disturbed <= 1, 'a time')
    test.same({t.settled, t.rounds}, {true, 3})
    test.near(t.ratio, i == 1 and 1 or t.ms / list[1].ms, 1e-9)
  end
  local busy = plan.time({large}, {rounds = 3, error = 1e-12, pool = tiny.pool, limit_ms = 1})
  test.equal(busy[1].settled, busy[1].error <= 1e-12)
  test.raises('images', plan.time, {large}, {rounds = 3, batch = 5})
  test.raises('time', plan.time, {large, 'x'}, {})
end)

test.case('doubts are of the worst, beyond a bound', function()
  local function doubt(bound, ...)
    local list = {}
    for i, e in ipairs{...} do list[i] = {error = e, disturbed = i / 10} end
    return plan.doubts(list, bound)
  end
  test.equal(doubt(nil, 0.03, 0.01), nil)
  test.mentions(doubt(nil, 0.01, 0.031, 0.02), 'within 3 %: the machine is busy (times vary by 3.1 %, 20 % of the runs')
  test.mentions(doubt(nil, 0.05, 0.05), '10 % of the runs') -- of equals the first
  test.equal(doubt(0.5, 0.5), nil)
  test.mentions(doubt(0.5, 0.51), 'within 50 %')
end)

-- ---- many subnets at once --------------------------------------------------------------------------------------------

test.case('an evaluator tells of ranges of images what a plan does', function()
  local e = anet.evaluate(s, data, input, tiny.pool)
  local genomes = {s:space():keep(), GENOME}
  local whole, stats = assert(e:run(genomes))
  for g, genome in ipairs(genomes) do
    local accuracy, hits = anet.plan(s:subnet(genome), {batch = 20, pool = tiny.pool}):accuracy(data, input)
    test.same({whole[g].genome, whole[g].hits}, {genome, hits})
    test.near(whole[g].score, accuracy, 1e-12)
  end
  test.near(whole[1].loss, 0, 1e-7)
  test.check(whole[2].loss > 1e-6, 'another net diverges')
  test.check(stats.ideal_runs <= stats.block_runs and stats.block_runs <= stats.naive_runs and stats.seconds >= 0 and stats.feature_bytes > 0 and stats.saved_time >= 0)
  test.check(stats.naive_runs > stats.ideal_runs, 'the first block is shared')
  for _, range in ipairs{{1, 60, 7}, {11, 30}, {60, 1}, {1, 13, 100}, {31}} do
    local first, count = range[1], range[2]
    local got = assert(e:run(genomes, {first = first, count = count, chunk = range[3]}))
    for g = 1, 2 do
      local want = whole[g].hits:sub(first, count and first + count - 1)
      test.equal(got[g].hits, want)
      test.near(got[g].score, select(2, want:gsub('1', '')) / #want, 1e-12)
    end
  end
  local a, b = assert(e:run({GENOME}, {first = 1, count = 20}))[1].loss, assert(e:run({GENOME}, {first = 21, count = 40}))[1].loss
  test.near((20 * a + 40 * b) / 60, whole[2].loss, 1e-9)
  local function bytes(options) return select(2, assert(e:run(genomes, options))).feature_bytes end
  test.check(bytes{chunk = 20} > bytes{chunk = 3}, 'a chunk says how many images are in memory at once')
  test.equal(bytes{}, bytes{chunk = 0})
  test.check(bytes{} > bytes{chunk = 1}, 'by default more than one')
  test.check(bytes{byte_limit = 50000} < bytes{}, 'a limit is kept')
  test.equal(tostring(e), 'evaluator on ' .. tostring(data))
end)

test.case('an evaluator says what it cannot do', function()
  local e = anet.evaluate(s, data, input, tiny.pool)
  test.raises('features of one image take', e.run, e, {GENOME}, {byte_limit = 1})
  test.raises('60', e.run, e, {GENOME}, {first = 50, count = 20})
  test.raises('0 genomes, want at least 1', e.run, e, {})
  test.raises('0', e.run, e, {GENOME}, {count = 0})
  test.raises('-1', e.run, e, {GENOME}, {first = 0, count = 5})
  test.raises('-9 images from 69 on, of 60', e.run, e, {GENOME}, {first = 70})
  test.raises('position', e.run, e, {'9999'})
  test.raises('evaluator', evaluate.new, 'x', data, input)
  test.raises('data', evaluate.new, s, 'x', input)
  test.raises('input', evaluate.new, s, data, 'x')
  local unlabelled = anet.evaluate(s, data:unlabelled(), input, tiny.pool)
  test.equal(assert(unlabelled:run{s:space():keep()})[1].score, 1) -- as the oracle answers
end)

return test.finish()
