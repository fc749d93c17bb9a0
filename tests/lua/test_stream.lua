-- Streams through a session that the test makes up: every figure of a summary is known by hand.
local anet = require 'anet'
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local host = require 'anet.host'
local rungs = require 'anet.rungs'
local session = require 'anet.session'
local stream = require 'anet.stream'

local BATCH, IMAGES, BUDGET = 4, 23, 10
local data = tiny.data(IMAGES)
local input = data:input()
local plan = anet.plan(tiny.net(), {batch = BATCH, pool = tiny.pool})

-- ---- the world -------------------------------------------------------------------------------------------

-- What the stream asked of the world around it.
local asked = {}

rungs.compile = function(list, batch)
  asked.compiled = batch
  local out = {}
  for i, r in ipairs(list) do out[i] = {genome = r.genome, predicted_ms = r.ms, measured_ms = r.ms, accuracy = r.accuracy, plan = plan} end
  return out
end

local counts
stream.load = function(seconds)
  asked.seconds, counts = seconds, {}
  return {set = function(_, n) counts[#counts + 1] = n end}
end

-- A session whose frames go as `script` says: {ms, rung, wrong =, warning =, fails =} each.
local script
session.new = function(ladder, options)
  asked.ladder, asked.options = ladder:rungs(), options
  local fake, frame, out = {}, 0, anet.tensor{BATCH, tiny.CLASSES}
  function fake:state()
    local now = script[frame] or {}
    local coming = script[frame + 1] or {}
    return {rung = coming[2] or 1, frame_ms = now[1] or -1, rungs = 2}
  end
  function fake:run(images)
    local first = frame % math.floor(IMAGES / BATCH) * BATCH
    test.check(tiny.same_bits(images, data:slice(first + 1, BATCH):tensor(input)), ('images of frame %d'):format(frame + 1))
    frame = frame + 1
    local now = script[frame]
    if now.fails then error(now.fails, 0) end
    out:fill(0)
    for i = 0, BATCH - 1 do
      local label = data:labels():data()[first + i]
      if i < (now.wrong or 0) then label = (label + 1) % tiny.CLASSES end
      out:data()[i * tiny.CLASSES + label] = 1 + i
    end
    return out, now.warning
  end
  return fake
end

local function make_ui()
  local ui = {notes = {}, lines = {}}
  function ui:note(...) self.notes[#self.notes + 1] = string.format(...) end
  function ui:progress(...) self.lines[#self.lines + 1] = string.format(...) end
  function ui:bar(share) return ('<%.2f>'):format(share) end
  return ui
end

local LIST = {{genome = 'slow', ms = 8, accuracy = 0.9}, {genome = 'fast', ms = 2, accuracy = 0.5}}

local function run(frames, phases, options)
  script = frames
  local settings, ui = {batch = BATCH, frames = #frames, budget_ms = BUDGET, phases = phases}, make_ui()
  for key, value in pairs(options or {}) do settings[key] = value end
  return stream.run(ui, LIST, data, input, 'fixed', settings, tiny.pool), ui
end

local function repeated(ms, n, rung)
  local list = {}
  for i = 1, n do list[i] = {ms, rung or 1} end
  return list
end

local function join(...)
  local all = {}
  for _, list in ipairs{...} do
    for _, item in ipairs(list) do all[#all + 1] = item end
  end
  return all
end

local WHOLE = {{share = 1, load = 0}}

-- ---- what it asks ----------------------------------------------------------------------------------------

test.case('the session it makes', function()
  local result = run(repeated(1, 3), WHOLE)
  test.equal(asked.compiled, BATCH)
  test.equal(asked.options.budget_ms, 10)
  test.equal(asked.options.policy, 'fixed')
  test.equal(asked.options.window, 12)
  test.equal(asked.options.pool, tiny.pool)
  test.equal(asked.seconds, 600)
  test.same({asked.ladder[1].genome, asked.ladder[2].genome}, {'fast', 'slow'}) -- in order
  test.equal(result.ladder[1].genome, 'fast')
  test.equal(result.budget_ms, 10)
  result = run(repeated(1, 3), WHOLE, {budget_ms = false, budget = 1.5, window = 5})
  test.equal(result.budget_ms, 12) -- a share of the slowest rung
  test.equal(asked.options.budget_ms, 12)
  test.equal(asked.options.window, 5)
end)

test.case('phases share the frames, and say how many others are busy', function()
  local result = run(repeated(1, 10), {{share = 0.25, load = 0}, {share = 0.5, load = 3}, {share = 0.2, load = 1}})
  test.same(counts, {0, 3, 1, 0}) -- none when it is over
  test.equal(#result.phases, 3)
  test.same({result.phases[1].from, result.phases[1].to, result.phases[2].from, result.phases[2].to, result.phases[3].to}, {1, 3, 4, 8, 10})
  test.same({result.phases[1].load, result.phases[2].load, result.phases[3].load}, {0, 3, 1})
  test.equal(result.trace[3].load, 0)
  test.equal(result.trace[4].load, 3)
  -- Phases of the same load are one.
  result = run(repeated(1, 10), {{share = 0.3, load = 0}, {share = 0.7, load = 0}})
  test.equal(#result.phases, 1)
  test.equal(result.phases[1].to, 10)
end)

test.case('what it says meanwhile', function()
  local frames = repeated(2.5, 3)
  frames[2].warning, frames[3][1] = 'policy oh', 50
  local result, ui = run(frames, {{share = 1, load = 2}})
  test.same(ui.notes, {'frame 2: policy oh; another policy picks from here on'})
  test.equal(ui.lines[1], 'frame 1     2.50 ms of 10.00  rung 1/2  <0.13>  under load')
  test.equal(ui.lines[3], 'frame 3    50.00 ms of 10.00  rung 1/2  <1.00>  under load')
  test.equal(result.failures, 1)
  test.equal(result.phases[1].failures, 1)
  test.equal(result.trace[2].failed, true)
  test.equal(result.trace[3].failed, nil)
  _, ui = run(repeated(2.5, 1), WHOLE)
  test.equal(ui.lines[1], 'frame 1     2.50 ms of 10.00  rung 1/2  <0.13>')
end)

test.case('what goes wrong', function()
  local frames = repeated(1, 5)
  frames[3].fails = 'the disk is gone'
  test.raises('the disk is gone', run, frames, {{share = 1, load = 2}})
  test.same(counts, {2, 0}) -- nobody is left busy
  test.raises('stream: 23 images are fewer than a frame of 24', run, repeated(1, 1), WHOLE, {batch = 24})
end)

-- ---- summaries -------------------------------------------------------------------------------------------

test.case('late frames, switches, and answers that are right', function()
  local frames = join(repeated(10, 5, 2), repeated(10.01, 3, 1), repeated(4, 4, 2))
  frames[1].wrong, frames[7].wrong, frames[12].wrong = 1, 4, 2
  local result = run(frames, {{share = 0.5, load = 0}, {share = 0.5, load = 1}})
  test.equal(result.frames, 12)
  test.equal(result.late_frames, 3) -- the budget itself is not late
  test.equal(result.switches, 2)
  test.equal(result.failures, 0)
  test.near(result.accuracy, 1 - 7 / 48, 1e-12)
  test.same({result.trace[5].rung, result.trace[6].rung, result.trace[9].rung}, {2, 1, 2})
  test.same({result.trace[5].frame, result.trace[6].ms}, {5, 10.01})
  local first, second = result.phases[1], result.phases[2]
  test.same({first.switches, first.late, first.rung, first.median_ms}, {1, 1, 1, 10})
  test.same({second.switches, second.late, second.rung, second.median_ms}, {1, 2, 2, 4})
end)

test.case('a switch at the border of phases is of the later', function()
  local result = run(join(repeated(1, 3, 1), repeated(1, 3, 2)), {{share = 0.5, load = 0}, {share = 0.5, load = 1}})
  test.same({result.phases[1].switches, result.phases[2].switches, result.switches}, {0, 1, 1})
end)

-- Phases of 4 frames idle, the rest loaded; frames under load.
local function recovered(loaded)
  local frames = join(repeated(1, 4), loaded)
  local result = run(frames, {{share = 4 / #frames, load = 0}, {share = 1 - 4 / #frames, load = 2}})
  return result.recovered_frames, result.recovered_ms
end

test.case('how soon it is back under the budget', function()
  local n, ms = recovered(repeated(9, 12))
  test.same({n, ms}, {0, 0})
  n, ms = recovered(join(repeated(30, 3), repeated(9, 12)))
  test.same({n, ms}, {3, 90})
  n, ms = recovered(join(repeated(30, 3), repeated(10, 12)))
  test.same({n, ms}, {3, 90})
  -- One that is in time among late ones is no recovery: of the ten from it on, half must be.
  n, ms = recovered(join({{30}, {9}}, repeated(30, 6), repeated(9, 12)))
  test.same({n, ms}, {8, 30 + 9 + 180})
  n = recovered(join({{30}, {9}}, repeated(30, 5), repeated(9, 12)))
  test.equal(n, 1) -- five of ten
  -- Nor is one that is late, whatever follows.
  n, ms = recovered(join({{30}, {11}}, repeated(9, 12)))
  test.same({n, ms}, {2, 41})
  n, ms = recovered(repeated(30, 12))
  test.check(n == nil and ms == nil)
  n = recovered(join(repeated(30, 12), {{9}})) -- at the end there are fewer than ten
  test.equal(n, 12)
  -- Where there was no load there is nothing to recover from.
  local result = run(repeated(30, 12), WHOLE)
  test.equal(result.recovered_frames, nil)
  -- The first phase with load counts.
  result = run(join(repeated(1, 4), repeated(30, 2), repeated(1, 10), repeated(30, 8), repeated(1, 12)),
               {{share = 4 / 36, load = 0}, {share = 12 / 36, load = 1}, {share = 20 / 36, load = 2}})
  test.equal(result.recovered_frames, 2)
end)

test.case('the largest answer counts, and of equal ones the first', function()
  local classes = tiny.CLASSES
  local make = session.new
  session.new = function(...)
    local fake = make(...)
    fake.run = function()
      local out = anet.tensor{BATCH, classes}
      for i = 0, BATCH * classes - 1 do out:data()[i] = -1 end -- all alike: class 0
      return out
    end
    return fake
  end
  local zeros = 0
  for i = 0, BATCH * 2 - 1 do zeros = zeros + (data:labels():data()[i] == 0 and 1 or 0) end
  local result = run(repeated(1, 2), WHOLE)
  session.new = make
  test.near(result.accuracy, zeros / (2 * BATCH), 1e-12)
end)

-- ---- busy processes --------------------------------------------------------------------------------------

test.case('as many processes as are asked for', function()
  package.loaded['anet.stream'] = nil
  local fresh = require 'anet.stream'
  local busy, idle, next_pid, log = host.busy, host.idle, 100, {}
  host.busy = function(seconds)
    next_pid = next_pid + 1
    log[#log + 1] = ('busy %d'):format(seconds)
    if next_pid > 104 then return nil, 'no more' end
    return next_pid
  end
  host.idle = function(pid) log[#log + 1] = 'idle ' .. pid end
  local load = fresh.load(77)
  test.equal(load:set(2), load)
  test.same(log, {'busy 77', 'busy 77'})
  load:set(2)
  test.equal(#log, 2)
  load:set(3):set(1)
  test.same({log[3], log[4], log[5]}, {'busy 77', 'idle 103', 'idle 102'})
  local message = test.raises('load: no more', load.set, load, 9)
  test.check(not tostring(message):find 'table')
  load:set(0)
  test.same({log[#log - 1], log[#log]}, {'idle 104', 'idle 101'})
  host.busy, host.idle = busy, idle
end)

return test.finish()
