-- How calibration judges what it made: figures of small nets whose answers are known, and the words for them.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local anet = require 'anet'
local plan = require 'anet.plan'

local calibrate = anet.calibrate
local input = tiny.data(4):input()
local images = anet.tensor{4, 8, 8, 1}

-- A net that answers so, whatever it sees: a row of logits.
local function constant(row)
  local n, x = anet.net{input = {8, 8, 1}}
  n:output(n:linear(n:global_pool(x), {channels = #row, bias = true})):init(1)
  for _, p in ipairs(n:all_params()) do
    p.tensor:fill(0)
    if #p.tensor:shape() == 1 then
      for i, v in ipairs(row) do p.tensor:set(i, v) end
    end
  end
  return n
end

local function labelled_as(labels)
  local l = anet.tensor({#labels}, 'i32')
  for i, label in ipairs(labels) do l:data()[i - 1] = label end
  return anet.data(anet.tensor({#labels, 8, 8, 1}, 'u8'), l, 3)
end

local function measure(before, after, reference, judges, timed)
  return calibrate.measure(before, after, reference, judges, images, input, timed, tiny.pool)
end

local A, B, C = constant{1, 0, 0}, constant{0, 1, 0}, constant{0, 0, 1}

test.case('labels tell, where a net is right on half of them', function()
  local f = measure(A, B, A, labelled_as{0, 0, 1, 2})
  test.same({f.judged, f.by, f.before, f.after, f.lost, f.ratio or 'none'}, {4, 'labels', 0.5, 0.25, 25, 'none'})
  f = measure(B, A, B, labelled_as{0, 0, 0, 2})
  test.same({f.by, f.before, f.after, f.lost}, {'labels', 0, 0.75, -75}) -- after may be the better
  f = measure(A, B, A, labelled_as{0, 1, 1, 2, 2})
  test.same({f.by, f.judged, f.before, f.after, f.lost}, {'answers', 5, 1, 0, 100}) -- 0.2 and 0.4: they tell nothing
  f = measure(B, C, C, labelled_as{0, -1, 1, 1})
  test.same({f.by, f.before, f.after}, {'answers', 0, 1}) -- not all are labelled
end)

-- A net that gives one row of `classes` numbers, or a map, times a factor.
local function map(factor, bias)
  local n, x = anet.net{input = {8, 8, 1}}
  n:output(n:conv(x, {channels = 2, kernel = 1, bias = true})):init(1)
  for _, p in ipairs(n:all_params()) do p.tensor:fill(#p.tensor:shape() == 1 and bias or factor) end
  return n
end

test.case('nets of maps, or of one number, are judged by their values', function()
  local pixels = anet.tensor({20, 8, 8, 1}, 'u8')
  for i = 0, 20 * 64 - 1 do pixels:data()[i] = i % 200 end
  local judges = anet.data(pixels) -- more than a batch, not a whole number of them
  local plain = anet.data.input{height = 8, width = 8, channels = 1}
  local function by_values(before, after, reference) return calibrate.measure(before, after, reference, judges, images, plain, false, tiny.pool) end
  local f = by_values(map(1, 0), map(0.9, 0), map(1, 0))
  test.same({f.by, f.before}, {'values', 1})
  test.near(f.after, 1 - 0.01, 1e-5) -- a tenth off everywhere
  test.near(f.lost, 1, 1e-3)
  test.equal(by_values(map(1, 0), map(-1, 0), map(1, 0)).after, 0) -- never below
  test.equal(by_values(map(1, 0), map(0 / 0, 0), map(1, 0)).after, 0)
  local square = 0
  for i = 0, 20 * 64 - 1 do
    pixels:data()[i] = 10 * math.floor(i / 64) + 20 -- each image of its own brightness
    square = square + (pixels:data()[i] / 255) ^ 2
  end
  judges = anet.data(pixels)
  test.near(by_values(map(1, 0), map(1, 0.1), map(1, 0)).after, 1 - 20 * 64 * 0.01 / square, 1e-5) -- each of them once
  f = by_values(map(0.5, 0), map(1, 0), map(1, 0))
  test.near(f.before, 0.75, 1e-5)
  test.equal(f.after, 1)
  f = calibrate.measure(constant{4}, constant{3}, constant{4}, labelled_as{0, 0}, images, input, false, tiny.pool)
  test.same({f.by, f.before}, {'values', 1})
  test.near(f.after, 1 - 1 / 16, 1e-6)
end)

test.case('int8 is timed where that is wanted, an image on one thread', function()
  local asked
  local time, new = plan.time, plan.new
  plan.time = function(plans, options)
    asked = {#plans, plans[1]:info().batch, tonumber(require('anet.core').C.anet_pool_threads(options.pool)), plans[1]:info().outputs}
    return {{ratio = 1}, {ratio = 0.7}}
  end
  local f = measure(A, B, A, labelled_as{0, 0}, true)
  plan.time, plan.new = time, new
  test.equal(f.ratio, 0.7)
  test.same(asked, {2, 1, 1, 1})
end)

test.case('brightness and contrast of the images', function()
  local t = anet.tensor{1, 2, 2, 1}
  for i = 0, 3 do t:data()[i] = ({1, 3, 5, 7})[i + 1] end
  local mean, deviation = calibrate.moments(t)
  test.equal(mean, 4)
  test.near(deviation, math.sqrt(5), 1e-6)
  test.same({calibrate.moments(anet.tensor{3}:fill(0.1))}, {calibrate.moments(anet.tensor{3}:fill(0.1))})
  test.near(select(2, calibrate.moments(anet.tensor{300}:fill(0.1))), 0, 1e-6)
  local f = calibrate.measure(A, B, A, labelled_as{0, 0}, t, input, false, tiny.pool)
  test.same({f.mean, f.deviation}, {calibrate.moments(t)})
end)

-- ---- the verdict -----------------------------------------------------------------------------------------------------

local KNOWN = anet.data.input{height = 8, width = 8, channels = 2, mean = {0, 0}, deviation = {1, 0.5}}
local SHIFTED = anet.data.input{height = 8, width = 8, channels = 2, mean = {0, 0.1}}
local RAW = anet.data.input{height = 8, width = 8, channels = 2}

local function verdict(changes, of, limits)
  local f = {judged = 10, by = 'answers', before = 0.9, after = 0.9, lost = 0, mean = 0, deviation = 1}
  for key, v in pairs(changes) do f[key] = v end
  local refusals, warnings = calibrate.verdict(f, of or KNOWN, limits or {max_loss = 4, max_time = 120})
  return {#refusals, #warnings}, refusals[1] or warnings[1]
end

test.case('bounds of what is lost', function()
  for _, case in ipairs{{0, 0, 0}, {2, 0, 0}, {2.01, 0, 1}, {4, 0, 1}, {4.01, 1, 0}, {-50, 0, 0}} do test.same((verdict{lost = case[1]}), {case[2], case[3]}) end
  test.equal(select(2, verdict{lost = 12.34, before = 0.5, after = 0.3766}),
             '12.3 points lost on 10 images, 50.00 % as the network answers before, 37.66 % after; --max-loss allows 4')
  test.equal(select(2, verdict{lost = 3, by = 'labels'}), '3.0 points lost on 10 images, 90.00 % right before, 90.00 % after')
  test.mentions(select(2, verdict{lost = 3, by = 'values'}), "90.00 % of the network's values before")
end)

test.case('bounds of time', function()
  for _, case in ipairs{{nil, 0, 0}, {0.99, 0, 0}, {1, 0, 1}, {1.2, 0, 1}, {1.21, 1, 0}} do test.same((verdict{ratio = case[1]}), {case[2], case[3]}) end
  test.equal(select(2, verdict{ratio = 1.25}), "int8 takes 125 % of the floats' time on this machine; --max-time allows 120")
  test.equal(select(2, verdict{ratio = 1.1}), "int8 takes 110 % of the floats' time on this machine")
end)

test.case('bounds of the images, by what is known of the input', function()
  for _, of in ipairs{KNOWN, SHIFTED} do
    for _, case in ipairs{{0, 0.19, 1, 0}, {0, 0.2, 0, 1}, {0, 0.49, 0, 1}, {0, 0.5, 0, 0}, {0, 2, 0, 0}, {0, 2.01, 0, 1}, {1, 1, 0, 0}, {1.01, 1, 0, 1}, {-1, 1, 0, 0},
                          {-1.01, 1, 0, 1}} do
      test.same((verdict({mean = case[1], deviation = case[2]}, of)), {case[3], case[4]})
    end
  end
  for _, case in ipairs{{0, 0.009, 1, 0}, {0, 0.01, 0, 0}, {9, 9, 0, 0}} do test.same((verdict({mean = case[1], deviation = case[2]}, RAW)), {case[3], case[4]}) end
  test.equal(select(2, verdict{mean = 0.25, deviation = 0.1}),
             'the images become inputs of mean 0.25 and deviation 0.10, where the network was trained on about 0 and 1: there is hardly anything in them')
  test.equal(select(2, verdict{mean = -2, deviation = 1}), 'the images become inputs of mean -2.00 and deviation 1.00, where the network was trained on about 0 and 1')
end)

test.case('what was assumed', function() test.same({calibrate.LIMITS.max_loss, calibrate.LIMITS.max_time}, {5, 110}) end)

test.case('images are parted, at most a quarter to judge by', function()
  local d = tiny.data(40)
  local function parted(...)
    local sample, judges, own = calibrate.split(...)
    return {sample:count(), judges:count(), own}
  end
  test.same(parted(d, 1000, 1000, 1), {30, 10, true})
  test.same(parted(d, 1000, 4, 1), {36, 4, true})
  test.same(parted(d, 20, 10, 1), {20, 10, true})
  test.same(parted(d:slice(1, 8), 1000, 1000, 1), {6, 2, true})
  test.same(parted(d:slice(1, 7), 1000, 1000, 1), {7, 7, false})
  test.same(parted(d:slice(1, 7), 3, 1000, 1), {3, 3, false})
  test.same(parted(d:slice(1, 39), 1000, 1000, 1), {30, 9, true})
end)

return test.finish()
