-- A stream of real images through a session, while other processes compete for the processors.
local core = require 'anet.core'
local host = require 'anet.host'
local rungs = require 'anet.rungs'
local session = require 'anet.session'
local tensor = require 'anet.tensor'
local C = core.C

local M = {}

-- ---- competing processes --------------------------------------------------------------------------------

local Load = {}
Load.__index = Load

-- Busy processes, which end with this one, and in any case after `seconds` of processor time.
function M.load(seconds) return setmetatable({seconds = seconds, pids = {}}, Load) end

function Load:set(count)
  while #self.pids > count do host.idle(table.remove(self.pids)) end
  while #self.pids < count do
    local pid, message = host.busy(self.seconds)
    if not pid then core.raise('load: %s', message) end
    self.pids[#self.pids + 1] = pid
  end
  return self
end

-- ---- summaries --------------------------------------------------------------------------------------------

local function median(list, first, last)
  local sorted = {}
  for i = first, math.min(last, #list) do sorted[#sorted + 1] = list[i].ms end
  table.sort(sorted)
  return sorted[math.ceil(#sorted / 2)]
end

-- Frames and milliseconds from frame `from` until latency is back under the budget: that frame and the
-- median of the ten from it on.
local function recovery(trace, from, budget)
  local ms = 0
  for i = from, #trace do
    if trace[i].ms <= budget and median(trace, i, i + 9) <= budget then return i - from, ms end
    ms = ms + trace[i].ms
  end
  return nil, nil
end

local function phases_of(trace)
  local list = {}
  for i, t in ipairs(trace) do
    if i == 1 or t.load ~= trace[i - 1].load then
      list[#list + 1] = {from = i, load = t.load, switches = 0, late = 0, failures = 0}
    end
    local phase = list[#list]
    phase.to = i
    phase.failures = phase.failures + (t.failed and 1 or 0)
    if i > 1 and t.rung ~= trace[i - 1].rung then phase.switches = phase.switches + 1 end
  end
  return list
end

-- {frames, budget_ms, switches, late_frames, failures of the policy, recovered_ms, recovered_frames, phases, accuracy,
-- trace}.
local function summarize(trace, budget, right, images)
  local result = {frames = #trace, budget_ms = budget, switches = 0, late_frames = 0, failures = 0, accuracy = right / math.max(images, 1),
                  phases = phases_of(trace), trace = trace}
  for i, t in ipairs(trace) do
    if t.ms > budget then result.late_frames = result.late_frames + 1 end
    if t.failed then result.failures = result.failures + 1 end
    if i > 1 and t.rung ~= trace[i - 1].rung then result.switches = result.switches + 1 end
  end
  for _, phase in ipairs(result.phases) do
    phase.median_ms = median(trace, phase.from, phase.to)
    phase.rung = trace[phase.to].rung
    for i = phase.from, phase.to do
      if trace[i].ms > budget then phase.late = phase.late + 1 end
    end
    if phase.load > 0 and not result.recovered_frames then
      result.recovered_frames, result.recovered_ms = recovery(trace, phase.from, budget)
    end
  end
  return result
end

-- ---- the stream -----------------------------------------------------------------------------------------

-- Images in which the largest entry is the label's.
local function count_right(out, targets, n, classes)
  local right, o, t = 0, out:data(), targets:data()
  for i = 0, n - 1 do
    local best, label = 0, 0
    for c = 1, classes - 1 do
      if o[i * classes + c] > o[i * classes + best] then best = c end
      if t[i * classes + c] > t[i * classes + label] then label = c end
    end
    if best == label then right = right + 1 end
  end
  return right
end

-- Run `frames` frames of `batch` images on a ladder. options: batch, frames, budget (share of the slowest rung's
-- unloaded time), phases {{share, load}, …}, seed. Returns the summary.
function M.run(ui, list, dataset, input, policy, options, pool)
  local ladder = session.ladder()
  for _, r in ipairs(rungs.compile(list, options.batch, {}, pool)) do ladder:add(r.plan, r) end
  local steps = ladder:sort():rungs()
  local budget = options.budget_ms or steps[#steps].ms * options.budget
  local served = session.new(ladder, {budget_ms = budget, policy = policy, pool = pool, window = options.window or 12})
  local classes = dataset:classes()
  local images = tensor.new{options.batch, input.height, input.width, input.channels}
  local targets = tensor.new{options.batch, classes}
  local load = M.load(600)
  local trace, right, seen, batches = {}, 0, 0, math.floor(dataset:count() / options.batch)
  core.must(batches > 0, 'stream: %d images are fewer than a frame of %d', dataset:count(), options.batch)
  local ok, failure = pcall(function()
    local frame = 0
    for _, phase in ipairs(options.phases) do
      load:set(phase.load)
      for _ = 1, math.floor(options.frames * phase.share + 0.5) do
        core.poll()
        frame = frame + 1
        local n = dataset:batch(input, images, targets, (frame - 1) % batches + 1, {pool = pool})
        local rung = served:state().rung
        local answers, warning = served:run(images)
        if warning then ui:note('frame %d: %s; another policy picks from here on', frame, warning) end
        right, seen = right + count_right(answers, targets, n, classes), seen + n
        local state = served:state()
        trace[frame] = {frame = frame, ms = state.frame_ms, rung = rung, load = phase.load, failed = warning and true or nil}
        ui:progress('frame %d  %7.2f ms of %.2f  rung %d/%d  %s%s', frame, state.frame_ms, budget, rung, state.rungs,
                    ui:bar(math.min(state.frame_ms / budget / 2, 1)), phase.load > 0 and '  under load' or '')
      end
    end
  end)
  load:set(0)
  if not ok then error(failure, 0) end
  local result = summarize(trace, budget, right, seen)
  result.ladder = steps
  return result
end

return M
