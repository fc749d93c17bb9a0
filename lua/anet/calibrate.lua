-- Whether what calibration made is still as good as what it was made from, and as fast as it was made to be. Calibration
-- believes its images: those that the network is not for ruin norm statistics, and cut off ranges. So the outcome is
-- measured on images that it did not see, int8 is timed beside the floats, and what is worse is refused.
local core = require 'anet.core'
local plan = require 'anet.plan'
local road = require 'anet.road'
local tensor = require 'anet.tensor'

local M = {}

-- What the verb assumes: points that may be lost on images held out, and the time of int8 in % of the floats'; half of
-- the one and the floats' own time bring a warning.
M.LIMITS = {max_loss = 5, max_time = 110}

-- Images to calibrate on and others to judge by, drawn at random: at most `held_out`, and no more than a quarter of all.
-- Of fewer than eight images none are left, and the same judge.
---@param dataset anet.Dataset
---@return anet.Dataset images, anet.Dataset judges, boolean own
function M.split(dataset, images, held_out, seed)
  local count = dataset:count()
  local held = count < 8 and 0 or math.min(held_out, math.floor(count / 4))
  local sample, rest = dataset:sample(math.min(images, count - held), seed)
  if held == 0 then return sample, sample, false end
  for i = #rest, held + 1, -1 do rest[i] = nil end
  return sample, dataset:pick(rest), true
end

-- ---- figures --------------------------------------------------------------------------------------------

-- Share of images that a net is right on.
local function accuracy(net, judges, input, pool)
  return (plan.new(net, {batch = 32, pool = pool}):accuracy(judges, input))
end

-- What a net has in common with a reference, of all its outputs' numbers: 1 less their squared error over their squares.
local function likeness(net, reference, judges, input, pool)
  local batch, square, off = 16, 0, 0
  local plans = {plan.new(net, {batch = batch, pool = pool}), plan.new(reference, {batch = batch, pool = pool})}
  local images = tensor.new{batch, input.height, input.width, input.channels}
  for index = 1, math.ceil(judges:count() / batch) do
    local n = judges:batch(input, images, nil, index, {pool = pool})
    local some = n == batch and images or images:first(n)
    local got, want = {plans[1]:run(some)}, {plans[2]:run(some)}
    for k, t in ipairs(want) do
      local x, y = got[k]:data(), t:data()
      for i = 0, t:count() - 1 do square, off = square + y[i] ^ 2, off + (x[i] - y[i]) ^ 2 end
    end
  end
  if off == 0 then return 1 end
  local share = 1 - off / square
  return share > 0 and share or 0 -- NaN is 0 too
end

-- Time of one image by b over that by a, on one thread.
function M.ratio(a, b) return plan.time({plan.new(a), plan.new(b)}, {pool = core.new_pool(1)})[2].ratio end

-- Mean and deviation of all numbers of an input that is made of images; a network is trained on about 0 and 1.
---@return number mean, number deviation
function M.moments(images)
  local x, n, sum, squares = images:data(), images:count(), 0, 0
  for i = 0, n - 1 do sum, squares = sum + x[i], squares + x[i] * x[i] end
  local mean = sum / n
  return mean, math.sqrt(math.max(squares / n - mean * mean, 0))
end

-- Labels on which a network is right on less than this tell nothing about it: then it is judged by its answers.
local TELLING = 0.5

-- {judged, before, after, lost, by, mean, deviation, ratio}. before, after: shares of judges that the nets are right on
-- ('labels'), or, without labels that tell something, on which they answer as `reference` does ('answers'), or, of a net
-- that gives no row of classes, their likeness to it ('values'); lost: in points; mean, deviation: of the images. timed:
-- with ratio.
function M.measure(before, after, reference, judges, images, input, timed, pool)
  local f = {judged = judges:count(), by = 'labels', ratio = timed and M.ratio(before, after) or nil}
  local function judge(by, with)
    f.by, f.before, f.after = by, accuracy(before, with, input, pool), accuracy(after, with, input, pool)
  end
  if reference:answers().rows ~= 1 or reference:answers().classes == 1 then
    f.by = 'values'
    f.before, f.after = likeness(before, reference, judges, input, pool), likeness(after, reference, judges, input, pool)
  elseif judges:labelled() then
    judge('labels', judges)
  end
  if f.by == 'labels' and math.max(f.before or 0, f.after or 0) < TELLING then
    judge('answers', road.labelled(reference, judges:unlabelled(), input, pool))
  end
  f.lost = 100 * (f.before - f.after)
  f.mean, f.deviation = M.moments(images)
  return f
end

-- What the shares are of.
M.WORDS = {labels = 'right', answers = 'as the network answers', values = "of the network's values"}

-- ---- the verdict ----------------------------------------------------------------------------------------

-- What speaks against the images: their brightness and contrast, where the input says what they should be.
local function judge_images(f, input, refuse, warn)
  local known = false
  for c = 1, input.channels do known = known or input.deviation[c] ~= 1 or input.mean[c] ~= 0 end
  local text = ('the images become inputs of mean %.2f and deviation %.2f, where the network was trained on about 0 and 1'):format(
    f.mean, f.deviation)
  if f.deviation < (known and 0.2 or 0.01) then
    refuse(text .. ': there is hardly anything in them')
  elseif known and (f.deviation < 0.5 or f.deviation > 2 or math.abs(f.mean) > 1) then
    warn(text)
  end
end

-- What speaks against an outcome: texts for which it is refused, and texts that are warnings. f: of measure; limits: as
-- M.LIMITS.
---@return string[] refusals, string[] warnings
function M.verdict(f, input, limits)
  local refusals, warnings = {}, {}
  local function refuse(...) refusals[#refusals + 1] = (...):format(select(2, ...)) end
  local function warn(...) warnings[#warnings + 1] = (...):format(select(2, ...)) end
  judge_images(f, input, function(s) refuse('%s', s) end, function(s) warn('%s', s) end)
  local lost = ('%.1f points lost on %d images, %.2f %% %s before, %.2f %% after'):format(
    f.lost, f.judged, 100 * f.before, M.WORDS[f.by], 100 * f.after)
  if f.lost > limits.max_loss then
    refuse('%s; --max-loss allows %g', lost, limits.max_loss)
  elseif f.lost > limits.max_loss / 2 then
    warn('%s', lost)
  end
  local time = f.ratio and 100 * f.ratio
  if time and time > limits.max_time then
    refuse("int8 takes %.0f %% of the floats' time on this machine; --max-time allows %g", time, limits.max_time)
  elseif time and time >= 100 then
    warn("int8 takes %.0f %% of the floats' time on this machine", time)
  end
  return refusals, warnings
end

return M
