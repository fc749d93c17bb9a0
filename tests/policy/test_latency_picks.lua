-- Latency policies pick by pick: at which frame, and at which figure, each of them changes its mind.
local anet = require 'anet'
local test = dofile 'tests/support/test.lua'
local frames = dofile 'tests/support/frames.lua'

local MS, BUDGET = {3, 4.5, 6, 8, 10}, 13

-- ---- single picks ----------------------------------------------------------------------------------------

-- Asks with the fields given, the others as on an idle machine.
local function asker(name, options, ms)
  local policy, rungs = assert(anet.policy.load(name, {kind = 'latency', options = options})), {}
  for i, t in ipairs(ms or MS) do rungs[i] = {genome = tostring(i), ms = t, predicted_ms = t, accuracy = i / 10} end
  assert(policy:ladder(rungs))
  return function(fields)
    local rung = fields.rung or 3
    local state = {budget_ms = BUDGET, rung = rung, rungs = #rungs, frames = 100, frames_on_rung = 50, p50_ms = 1, p90_ms = 1,
                   p99_ms = 1, slowdown = 1, load = 0, time_left_ms = -1}
    for key, value in pairs(fields) do state[key] = value end
    return assert(policy:pick(state))
  end
end

test.case('deadline: what is left, down to nothing', function()
  local ask = asker('deadline', {margin = 1})
  test.equal(ask{rung = 5, time_left_ms = 10}, 5) -- all of it may be used
  test.equal(ask{rung = 5, time_left_ms = 9.99}, 4)
  test.equal(ask{rung = 5, time_left_ms = 0}, 1) -- too late, and no reason to go by the budget
  test.equal(ask{rung = 5, time_left_ms = -1}, 5)
  test.equal(ask{rung = 5, time_left_ms = -1, budget_ms = 8}, 4)
  test.equal(asker('deadline', {margin = 0.5}){rung = 5, time_left_ms = 16}, 4)
end)

test.case('deadline: the slowdown and the spread', function()
  local function rung(fields, options) return asker('deadline', options or {margin = 1}){
    rung = 5, time_left_ms = 16, frames_on_rung = fields.frames_on_rung or 8, p50_ms = fields.p50_ms or 10, p90_ms = fields.p90_ms or 10,
    p99_ms = fields.p99_ms or 10, slowdown = fields.slowdown or 1} end
  test.equal(rung{slowdown = 1.6}, 5) -- 10 x 1.6 = 16
  test.equal(rung{slowdown = 1.61}, 4)
  test.equal(rung{slowdown = 2}, 4)
  test.equal(rung{slowdown = 2.01}, 3)
  test.equal(rung{p90_ms = 16}, 5) -- a spread of 1.6
  test.equal(rung{p90_ms = 16.1}, 4)
  test.equal(rung{p90_ms = 16.1, p50_ms = 20}, 5) -- no spread makes it faster
  test.equal(rung{p90_ms = 16.1, p50_ms = 20, slowdown = 2}, 4)
  test.equal(rung{p90_ms = 20, slowdown = 1.3}, 3) -- both: 2.6
  test.equal(rung{p99_ms = 20}, 5)
  test.equal(rung({p99_ms = 20}, {margin = 1, quantile = 99}), 4)
  test.equal(rung({p90_ms = 20}, {margin = 1, quantile = 99}), 5)
  -- What is not measured yet is not believed.
  test.equal(rung{slowdown = 3, frames_on_rung = 7}, 5)
  test.equal(rung{slowdown = 3, frames_on_rung = 8}, 2)
  test.equal(rung{slowdown = 3, p50_ms = 0}, 5)
  test.equal(rung{slowdown = 3, p50_ms = -1}, 5)
end)

test.case('deadline: a slowdown is forgotten by a share a frame', function()
  local ask = asker('deadline', {margin = 1, forget = 0.25}, {1, 2, 4})
  test.equal(ask{rung = 1, slowdown = 3, time_left_ms = 5.99}, 1) -- 2 x 3 = 6
  local factor = 3
  for _ = 1, 12 do
    factor = factor + (1 - factor) * 0.25
    test.equal(ask{rung = 3, slowdown = 1, time_left_ms = 4 * factor + 1e-9}, 3)
    factor = factor + (1 - factor) * 0.25
    test.equal(ask{rung = 3, slowdown = 1, time_left_ms = 4 * factor - 1e-9}, 2)
  end
  -- It rises at once.
  test.equal(ask{rung = 3, slowdown = 2, time_left_ms = 8 - 1e-9}, 2)
  test.equal(ask{rung = 3, slowdown = 2.5, time_left_ms = 10}, 3)
end)

test.case('deadline: one rung up, when it is measured', function()
  local ask = asker 'deadline'
  test.equal(ask{rung = 1, frames_on_rung = 8}, 2)
  test.equal(ask{rung = 4, frames_on_rung = 8}, 5)
  test.equal(ask{rung = 1, frames_on_rung = 7}, 1)
  test.equal(ask{rung = 5, frames_on_rung = 0, time_left_ms = 5}, 2) -- down at any time, however far
  test.equal(ask{rung = 3, frames_on_rung = 0, time_left_ms = 6.4}, 3)
end)

test.case('fixed: the budget itself fits', function()
  test.equal(asker('fixed'){budget_ms = 8}, 4)
  test.equal(asker('fixed'){budget_ms = 7.99}, 3)
  test.equal(asker('fixed'){budget_ms = 1}, 1)
  test.equal(asker('fixed', {rung = 5}){budget_ms = 1}, 5)
  test.equal(asker('fixed', {rung = 6}){}, 5)
end)

test.case('hysteresis: what makes it fall, and how far', function()
  local function fall(fields)
    fields.rung = fields.rung or 5
    return asker('hysteresis', {settle = 4}, {3, 4.5, 6, 8, 10})(fields)
  end
  test.equal(fall{p50_ms = 13, slowdown = 1.3}, 5) -- the whole budget is no more than it
  test.equal(fall{p50_ms = 13.01, slowdown = 1.3}, 3) -- 6 x 1.3 <= 0.75 x 13 < 8 x 1.3
  test.equal(fall{p50_ms = 13.01, slowdown = 1.625}, 3) -- 6 x 1.625 = 9.75
  test.equal(fall{p50_ms = 13.01, slowdown = 1.63}, 2)
  test.equal(fall{p50_ms = 100, slowdown = 10}, 1)
  test.equal(fall{p50_ms = 100, slowdown = 10, rung = 1}, 1)
  test.equal(fall{p50_ms = 13.01, slowdown = 1, rung = 3}, 3) -- slow here alone: never up
  test.equal(fall{p50_ms = 100, slowdown = 10, frames_on_rung = 3}, 5)
  test.equal(fall{p50_ms = 100, slowdown = 10, frames_on_rung = 4}, 1)
end)

-- ---- hysteresis, frame by frame --------------------------------------------------------------------------

-- It looks back on one frame, settles in two and waits for 20 calm ones. Frames where `slow` has a factor are slow.
local function run(slow, settings)
  settings = settings or {}
  local options = {settle = 2, patience = 20}
  for key, value in pairs(settings.options or {}) do options[key] = value end
  return frames.run('hysteresis', {ms = settings.ms or MS, budget = BUDGET, window = 1, first = settings.first or 3, options = options,
                                   frames = settings.frames or 400, others = settings.others, slow = function(i) return slow[i] or 1 end})
end

-- The frames at which the rung changes, and to which.
local function changes(log)
  local list = {}
  for i = 2, #log.rung do
    if log.rung[i] ~= log.rung[i - 1] then list[#list + 1] = i .. ':' .. log.rung[i] end
  end
  return table.concat(list, ' ')
end

test.case('hysteresis: calm frames are counted from a fall on', function()
  test.equal(changes(run({})), '22:5') -- calm from pick 3 on
  test.equal(changes(run({[13] = 3})), '14:1 35:5') -- settled at pick 16, and 20 calm ones
  -- One that is not calm begins the count anew, though nothing falls: 1.5 leaves nothing better within 0.85 of the budget.
  test.equal(changes(run({[13] = 1.5}, {first = 4})), '34:5')
  test.equal(changes(run({[13] = 1.1}, {first = 4})), '22:5') -- 10 x 1.1 is within it
  -- And from a climb on, though the next rung fits as soon as it is there.
  local slow = {}
  for i = 1, 22 do slow[i] = 1.3 end
  test.equal(changes(run(slow)), '22:4 43:5')
end)

test.case('hysteresis: load that makes it wait ten times as long', function()
  -- It falls at frame 14, so what is seen up to 8 frames (4 x settle) later belongs to the fall.
  local function from(first, load, last)
    return changes(run({[13] = 3}, {others = function(i) return i >= first and i <= (last or 1e9) and load or 0 end}))
  end
  test.equal(from(1, 0.6), '14:1 215:5') -- 200 calm ones
  test.equal(from(14, 0.6), '14:1 215:5')
  test.equal(from(21, 0.6), '14:1 215:5')
  test.equal(from(22, 0.6), '14:1 35:5')
  test.equal(from(14, 0.6, 20), '14:1 35:5') -- it went away
  test.equal(from(14, 0.6, 99), '14:1 100:5') -- calm for long: at once
  test.equal(from(14, 0.1), '14:1 35:5')
  test.equal(from(14, 0.11), '14:1 215:5')
  local function then_less(load)
    return changes(run({[13] = 3}, {others = function(i) return i <= 24 and 0.6 or load end}))
  end
  test.equal(then_less(0.3), '14:1 35:5')
  test.equal(then_less(0.31), '14:1 215:5')
  -- A second fall has a load of its own.
  local function second(load)
    return changes(run({[13] = 3, [200] = 3}, {frames = 500, others = function(i) return i < 20 and 0.6 or i < 200 and 0 or load end}))
  end
  test.equal(second(0.25), '14:1 35:5 201:1 402:5')
  test.equal(second(0), '14:1 35:5 201:1 222:5')
end)

test.case('hysteresis: climbs that were taken back', function()
  -- Up at frame 22; a fall within 80 frames (4 x patience) doubles the wait.
  local function after(frame) return changes(run({[frame] = 3}, {first = 3, frames = 300})) end
  test.equal(after(30), '22:5 31:1 72:5')
  test.equal(after(100), '22:5 101:1 142:5')
  test.equal(after(101), '22:5 102:1 123:5')
  -- Twice as long each time, and not beyond 64 times.
  local slow = {}
  local log = run(setmetatable({}, {__index = function(_, i) return slow[i] end}), {first = 1, frames = 1})
  test.equal(log.rung[1], 1)
  local waits, at = {}, 22
  for k = 1, 9 do
    slow[at + 2] = 3 -- falls at the pick after, which is frame at + 3
    waits[k] = math.min(20 * 2 ^ k, 64 * 20)
    at = at + 3 + 1 + waits[k]
  end
  log = run(slow, {first = 3, frames = at + 5})
  local ups = {}
  for i = 2, #log.rung do
    if log.rung[i] > log.rung[i - 1] then ups[#ups + 1] = i end
  end
  test.equal(#ups, 10)
  for k = 1, 9 do test.equal(ups[k + 1] - ups[k] - 4, waits[k]) end
end)

test.case('hysteresis: a climb that lasted is forgiven', function()
  -- The wait is 40 after the fall at 31; up at 72. It is 20 again once more than 640 frames (16 x 40) went by, on whatever rung.
  local function after(frame) return changes(run({[30] = 3, [frame] = 3}, {frames = 900})) end
  test.equal(after(600), '22:5 31:1 72:5 601:1 642:5')
  test.equal(after(670), '22:5 31:1 72:5 671:1 712:5')
  test.equal(after(680), '22:5 31:1 72:5 681:1 713:5')
  test.equal(after(712), '22:5 31:1 72:5 713:1 734:5')
end)

return test.finish()
