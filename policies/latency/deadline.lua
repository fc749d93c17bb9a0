-- Meets deadlines frame by frame: picks the most accurate rung whose high quantile of latency fits
-- the time that is left (or the budget where the host gives no deadline). The spread between the
-- median and the quantile is taken from the frames seen lately.

local Deadline = {}
Deadline.__index = Deadline

function Deadline:pick(ladder, state)
  local limit = state.time_left_ms >= 0 and state.time_left_ms or state.budget_ms
  if state.frames_on_rung >= self.options.settle and state.p50_ms > 0 then
    local spread = (self.options.quantile == 99 and state.p99_ms or state.p90_ms) / state.p50_ms
    -- Falls at once with new load, rises slowly back: late frames cost more than accuracy.
    local seen = state.slowdown * math.max(1, spread)
    self.factor = math.max(seen, self.factor + (seen - self.factor) * self.options.forget)
  end
  local rung = 1
  for i = #ladder, 1, -1 do
    if ladder[i].ms * self.factor <= limit * self.options.margin then rung = i break end
  end
  -- One rung up at a time, and not before the last choice has been measured.
  if rung > state.rung then
    if state.frames_on_rung < self.options.settle then return state.rung end
    return state.rung + 1
  end
  return rung
end

return {
  api = 1, kind = 'latency', name = 'deadline',
  defaults = {
    quantile = 90,     -- 90 or 99: which quantile must meet the deadline
    margin = 0.95,     -- share of the time left that may be planned for
    forget = 0.05,     -- how fast a past slowdown is forgotten, a frame
    settle = 8,        -- frames on a rung before its quantiles are believed
  },
  new = function(options)
    return setmetatable({options = options, factor = 1}, Deadline)
  end,
}
