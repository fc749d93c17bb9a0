-- The latency policies on a simulated machine: late frames, switches and the time to recover are bounded for steps,
-- ramps and bursts of load, and every option does what its comment says.
local anet = require 'anet'
local test = dofile 'tests/support/test.lua'
local frames = dofile 'tests/support/frames.lua'

local MS, BUDGET = {3, 4.5, 6, 8, 10}, 11

local function run(name, settings)
  settings.ms, settings.budget, settings.frames = settings.ms or MS, settings.budget or BUDGET, settings.frames or 600
  return frames.run(name, settings)
end

-- Twice as slow from frame 101 to 300.
local function step(i) return i > 100 and i <= 300 and 2 or 1 end

-- The load of others that goes with it.
local function step_load(i) return i > 100 and i <= 300 and 0.6 or 0 end

-- ---- hysteresis ------------------------------------------------------------------------------------------

test.case('hysteresis: an idle machine is served by the best rung', function()
  local log = run('hysteresis', {noise = 0.05})
  test.equal(log.switches, 0)
  test.equal(log.late_count, 0)
  -- From below it climbs there, after some calm frames.
  log = run('hysteresis', {first = 1, budget = 13})
  test.equal(log.rung[600], 5)
  test.check(frames.reaches(log, 1, 5) >= 20, 'it waits')
  test.check(frames.reaches(log, 1, 5) <= 60, ('on top at frame %s'):format(frames.reaches(log, 1, 5)))
  -- But never to a rung that leaves less than the share of the budget that a climb wants.
  log = run('hysteresis', {first = 1})
  test.equal(log.rung[600], 4) -- 10 ms are more than 0.85 of 11
end)

test.case('hysteresis: a step of load', function()
  local log = run('hysteresis', {budget = 13, slow = step, others = step_load, noise = 0.05})
  test.check(frames.late_between(log, 101, 300) <= 20, ('%d frames late'):format(frames.late_between(log, 101, 300)))
  test.check(frames.late_between(log, 125, 300) == 0, 'none once it has settled')
  -- One switch down goes straight to the best rung that fits: 4.5 ms twice are within 0.75 of 13.
  local down = frames.reaches(log, 101, 2)
  test.check(down ~= nil, 'it falls')
  for i = 101, down - 1 do test.equal(log.rung[i], 5) end
  for i = down, 300 do test.equal(log.rung[i], 2) end
  test.check(frames.reaches(log, 301, 5) <= 301 + 100, ('recovers at frame %s'):format(frames.reaches(log, 301, 5)))
  test.check(log.switches <= 4, ('%d switches'):format(log.switches))
end)

test.case('hysteresis: a ramp', function()
  local log = run('hysteresis', {budget = 13, noise = 0.05, slow = function(i) return 1 + 2 * math.min(1, i / 400) end})
  test.check(log.late_count <= 0.12 * 600, ('%d of 600 frames late'):format(log.late_count))
  test.check(log.switches <= 6, ('%d switches'):format(log.switches))
  test.equal(log.rung[600], 1)
end)

-- Loaded for 25 frames of 50.
local function bursts(i) return i % 50 < 25 and 2 or 1 end

test.case('hysteresis: bursts do not make it flutter', function()
  local log = run('hysteresis', {budget = 13, frames = 2000, slow = bursts, noise = 0.05})
  test.check(log.switches <= 24, ('%d switches in 40 bursts'):format(log.switches))
  test.check(log.late_count <= 0.1 * 2000, ('%d of 2000 frames late'):format(log.late_count))
  local hasty = run('hysteresis', {budget = 13, frames = 2000, slow = bursts, noise = 0.05, options = {patience = 1}})
  test.check(hasty.switches >= 2 * log.switches, ('%d switches without patience, %d with it'):format(hasty.switches, log.switches))
end)

test.case('hysteresis: a climb that had to be taken back makes it slower to try again', function()
  -- The load comes whenever it runs on top for a while, as heat does.
  local on_top, climbs = 0, {}
  local policy = assert(anet.policy.load('hysteresis', {kind = 'latency'}))
  local rungs = {}
  for i, ms in ipairs(MS) do rungs[i] = {genome = tostring(i), ms = ms, predicted_ms = ms, accuracy = i / 10} end
  assert(policy:ladder(rungs))
  local here, rung = 0, 5
  for i = 1, 6000 do
    on_top = rung == 5 and on_top + 1 or 0
    local factor = on_top > 6 and 2 or 1
    local state = {budget_ms = 13, rung = rung, rungs = 5, frames = i - 1, frames_on_rung = here, p50_ms = MS[rung] * factor,
                   p90_ms = MS[rung] * factor, p99_ms = MS[rung] * factor, slowdown = factor, load = 0, time_left_ms = -1}
    local pick = assert(policy:pick(state))
    here = pick == rung and here + 1 or 0
    if pick > rung then climbs[#climbs + 1] = i end
    rung = pick
  end
  test.check(#climbs >= 3, ('%d climbs'):format(#climbs))
  test.check(climbs[2] - climbs[1] < climbs[3] - climbs[2], ('climbs at %s'):format(table.concat(climbs, ' ')))
  -- Twice the wait after each, up to 64 times the patience.
  test.check(#climbs <= 16, ('%d climbs in 6000 frames'):format(#climbs))
  for k = 4, #climbs do test.check(climbs[k] - climbs[k - 1] <= 64 * 20 + 60, 'the wait has an end') end
end)

test.case('hysteresis: while others are still busy it waits ten times as long', function()
  -- The load of the others stays after the slowdown has gone.
  local function others(i) return i > 100 and 0.6 or 0 end
  local log = run('hysteresis', {budget = 13, frames = 1200, slow = step, others = others})
  local alone = run('hysteresis', {budget = 13, frames = 1200, slow = step, others = step_load})
  local back, back_alone = frames.reaches(log, 301, 5), frames.reaches(alone, 301, 5)
  test.check(back_alone < 301 + 60, ('back at %s without others'):format(back_alone))
  test.check(back and back - 301 > 4 * (back_alone - 301), ('back at %s with others, %s without'):format(back, back_alone))
  -- Half of that load is no longer the load that it fell to.
  local half = run('hysteresis', {budget = 13, frames = 1200, slow = step, others = function(i) return i > 300 and 0.28 or step_load(i) end})
  test.equal(frames.reaches(half, 301, 5), back_alone)
  -- A load seen soon after the fall belongs to it; it is seen late, for it is measured over a tenth of a second.
  local tardy = run('hysteresis', {budget = 13, frames = 1200, slow = step, others = function(i) return i > 112 and 0.6 or 0 end})
  test.check(frames.reaches(tardy, 301, 5) - 301 > 4 * (back_alone - 301), 'load that shows a little later counts')
  -- The own process alone is no load.
  local own = run('hysteresis', {budget = 13, frames = 1200, slow = step, others = function() return 0.08 end})
  test.equal(frames.reaches(own, 301, 5), back_alone)
end)

test.case('hysteresis: its options', function()
  -- Frames on a rung before its median is believed: a load from the first frame on.
  local function first_fall(settle)
    local log = run('hysteresis', {budget = 13, slow = function() return 2 end, options = {settle = settle}, frames = 100})
    return frames.reaches(log, 1, 2)
  end
  test.equal(first_fall(5), 6)
  test.equal(first_fall(20), 21)
  -- The share to aim at: 2 x 4.5 of 13 are 0.69, 2 x 6 are 0.92.
  local function lowest(target)
    local log, least = run('hysteresis', {budget = 13, slow = step, options = {target = target}, frames = 140}), 5
    for _, rung in ipairs(log.rung) do least = math.min(least, rung) end
    return least
  end
  test.equal(lowest(0.95), 3)
  test.equal(lowest(0.75), 2)
  test.equal(lowest(0.5), 1)
  local function top(climb) return run('hysteresis', {first = 1, options = {climb = climb}}).rung[600] end
  test.equal(top(0.95), 5) -- 10 of 11 are 0.91
  test.equal(top(0.85), 4)
  test.equal(top(0.5), 2)
  local function reached(patience)
    return frames.reaches(run('hysteresis', {first = 1, budget = 13, options = {patience = patience}, frames = 300}), 1, 5)
  end
  test.equal(reached(20), 5 + 20)
  test.equal(reached(60), 5 + 60)
end)

-- ---- deadline --------------------------------------------------------------------------------------------

test.case('deadline: the time left decides, frame by frame', function()
  local log = run('deadline', {left = function(i) return i % 2 == 0 and 20 or 5.5 end, noise = 0.02, frames = 400})
  test.equal(log.late_count, 0)
  for i = 1, 399, 2 do test.equal(log.rung[i], 2) end -- 4.5 ms of 5.5
  -- Without deadlines the budget is the limit.
  log = run('deadline', {budget = 7, first = 1, noise = 0.02})
  test.equal(log.rung[600], 3)
  test.equal(log.late_count, 0)
  -- A time left counts even where the budget is larger or smaller.
  log = run('deadline', {budget = 3, first = 1, left = function() return 12 end})
  test.equal(log.rung[600], 5)
  log = run('deadline', {budget = 100, left = function() return 0 end, frames = 50})
  test.equal(log.rung[1], 1)
  test.equal(log.rung[50], 1)
end)

test.case('deadline: falls at once, rises one rung at a time when measured', function()
  local log = run('deadline', {budget = 13, slow = step, noise = 0.02})
  test.check(frames.late_between(log, 101, 300) <= 40, ('%d late'):format(frames.late_between(log, 101, 300)))
  test.check(frames.late_between(log, 200, 300) == 0, 'none once it has settled')
  for i = 2, 600 do
    test.check(log.rung[i] <= log.rung[i - 1] + 1, 'one rung up at a time')
    if log.rung[i] > log.rung[i - 1] then
      for k = 1, 8 do test.equal(log.rung[i - k], log.rung[i - 1]) end -- measured before
    end
  end
  test.equal(log.rung[600], 5)
  test.check(frames.reaches(log, 301, 5) > 320, 'slowly back')
end)

test.case('deadline: a ramp and bursts', function()
  local log = run('deadline', {budget = 13, noise = 0.05, slow = function(i) return 1 + 2 * math.min(1, i / 400) end})
  test.check(log.late_count <= 0.06 * 600, ('%d of 600 frames late'):format(log.late_count))
  log = run('deadline', {budget = 13, frames = 2000, slow = bursts, noise = 0.05})
  test.check(log.late_count <= 0.2 * 2000, ('%d of 2000 frames late'):format(log.late_count))
end)

test.case('deadline: its options', function()
  -- Every eighth frame takes twice as long: the 90th percentile sees it. Every fiftieth: only the 99th.
  local function often(every, options)
    return run('deadline', {budget = 13, frames = 800, options = options,
                            slow = function(i) return i % every == 0 and 2 or 1 end}).rung[800]
  end
  test.check(often(8, {quantile = 90}) < 5, 'the 90th percentile sees every eighth')
  test.equal(often(31, {quantile = 90}), 5)
  test.check(often(31, {quantile = 99}) < 5, 'the 99th sees one of 31')
  local function top(margin) return run('deadline', {first = 1, options = {margin = margin}}).rung[600] end
  test.equal(top(0.95), 5)
  test.equal(top(0.8), 4)
  local function back(forget)
    return frames.reaches(run('deadline', {budget = 13, slow = step, frames = 2000, options = {forget = forget}}), 301, 5)
  end
  test.check(back(0.01) > back(0.05) and back(0.05) > back(0.5), ('back at %s, %s, %s'):format(back(0.01), back(0.05), back(0.5)))
  local function climb(settle) return frames.reaches(run('deadline', {first = 1, options = {settle = settle}}), 1, 3) end
  test.equal(climb(8), 2 * 8 + 1)
  test.equal(climb(30), 2 * 30 + 1)
end)

-- ---- fixed -----------------------------------------------------------------------------------------------

test.case('fixed stays', function()
  local log = run('fixed', {slow = step, first = 2, budget = 8.5})
  for i = 1, 600 do test.equal(log.rung[i], 4) end
  test.equal(run('fixed', {budget = 8, frames = 3}).rung[3], 4) -- the limit itself fits
  test.equal(run('fixed', {budget = 0.1, frames = 3}).rung[3], 1)
  test.equal(run('fixed', {options = {rung = 3}, slow = step}).rung[600], 3)
  test.equal(run('fixed', {options = {rung = 1}}).rung[600], 1)
  test.equal(run('fixed', {options = {rung = 9}}).rung[600], 5)
end)

test.case('what they do when nothing is said', function()
  local defaults = {fixed = {rung = 0}, hysteresis = {settle = 5, target = 0.75, climb = 0.85, patience = 20},
                    deadline = {quantile = 90, margin = 0.95, forget = 0.05, settle = 8}}
  for name, want in pairs(defaults) do
    local policy = assert(anet.policy.load(name, {kind = 'latency'}))
    test.equal(policy.name, name)
    test.equal(policy.kind, 'latency')
    for key, value in pairs(want) do test.equal(policy.defaults[key], value) end
    for key in pairs(policy.defaults) do test.check(want[key] ~= nil, name .. ' has an option ' .. key) end
  end
end)

return test.finish()
