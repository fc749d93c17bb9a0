-- A machine with a ladder, as a latency policy sees it: each frame takes the rung's time, slowed down by what the
-- test says of that frame, with noise. No clock but the count of frames.
local anet = require 'anet'

local M = {}

local function quantile(sorted, q)
  return sorted[math.max(1, math.ceil(q * #sorted))]
end

local function last(list, n)
  local out = {}
  for i = math.max(1, #list - n + 1), #list do out[#out + 1] = list[i] end
  return out
end

-- settings: options of the policy; ms (rungs' times, fastest first); budget; frames; slow(i) -> factor (1); others(i) -> busy share
-- by other processes (0); left(i) -> ms until the frame's deadline (-1: none); noise (share); first rung; seed;
-- window, the frames that are looked back on (32).
-- Gives {rung = {of each frame}, ms = {…}, late = {…}, switches =, late_count =}.
function M.run(name, settings)
  local policy = assert(anet.policy.load(name, {kind = 'latency', options = settings.options}))
  local rungs, random = {}, anet.rng.new(settings.seed or 1)
  for i, ms in ipairs(settings.ms) do rungs[i] = {genome = tostring(i), ms = ms, predicted_ms = ms, accuracy = 0.5 + 0.05 * i} end
  assert(policy:ladder(rungs))
  local log = {rung = {}, ms = {}, late = {}, switches = 0, late_count = 0}
  local rung, here, slowdowns, window = settings.first or #rungs, {}, {}, settings.window or 32
  for i = 1, settings.frames do
    local factor = (settings.slow and settings.slow(i) or 1) * (1 + (settings.noise or 0) * (2 * random:uniform() - 1))
    local left = settings.left and settings.left(i) or -1
    -- Before the frame the policy picks; it knows the frames before.
    local sorted, mean = last(here, window), 0
    for _, ms in ipairs(sorted) do mean = mean + ms / #sorted end
    table.sort(sorted)
    local slow = last(slowdowns, window)
    table.sort(slow)
    local late = 0
    for _, was in ipairs(last(log.late, window)) do late = late + (was and 1 or 0) end
    local state = {
      budget_ms = settings.budget, rung = rung, rungs = #rungs, frames = i - 1, frames_on_rung = #here,
      last_ms = here[#here] or -1, mean_ms = #here > 0 and mean or -1, p50_ms = quantile(sorted, 0.5) or -1,
      p90_ms = quantile(sorted, 0.9) or -1, p99_ms = quantile(sorted, 0.99) or -1, slowdown = quantile(slow, 0.5) or -1,
      late = #log.late > 0 and late / math.min(window, #log.late) or -1, load = settings.others and settings.others(i) or 0,
      free_bytes = 1e9, temperature = 40, battery = 1, time_left_ms = left, drift = 0, frame_ms = here[#here] or -1, failures = 0,
    }
    local pick, message = policy:pick(state)
    if not pick then error(message) end
    if pick ~= rung then rung, here, log.switches = pick, {}, log.switches + 1 end
    local ms = settings.ms[rung] * factor
    here[#here + 1], slowdowns[#slowdowns + 1] = ms, factor
    log.rung[i], log.ms[i], log.late[i] = rung, ms, ms > (left >= 0 and left or settings.budget)
    log.late_count = log.late_count + (log.late[i] and 1 or 0)
  end
  return log
end

-- Frames from one to another that were late.
function M.late_between(log, first, final)
  local n = 0
  for i = first, final do n = n + (log.late[i] and 1 or 0) end
  return n
end

-- The first frame from `i` on that runs on this rung, or nil.
function M.reaches(log, i, rung)
  for k = i, #log.rung do
    if log.rung[k] == rung then return k end
  end
  return nil
end

return M
