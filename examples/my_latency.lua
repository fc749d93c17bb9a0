-- A latency policy of one's own: saves the battery.
--
--   anet adapt supernet.anet --policy examples/my_latency.lua:reserve=0.3
--   anet examples/latency_policy.lua       shows it at work
--
-- Within the budget it serves the best rung; below a reserve of charge it takes the fastest, which also costs the
-- least energy. It steps down at once and climbs one rung at a time, after a calm while.

local Thrifty = {}
Thrifty.__index = Thrifty

-- The best rung whose time, slowed down as frames are now, fits the budget; 1 is the fastest.
local function best_within(ladder, state)
  local slowdown = state.slowdown > 0 and state.slowdown or 1 -- negative: not known yet
  for i = #ladder, 1, -1 do
    if ladder[i].ms * slowdown <= state.budget_ms then return i end
  end
  return 1
end

-- ladder: {{genome, ms, accuracy}, …}, fastest first; state: what the session sees (policies/README.md lists it).
function Thrifty:pick(ladder, state)
  if state.battery >= 0 and state.battery < self.options.reserve then return 1 end
  local rung = best_within(ladder, state)
  if rung <= state.rung then
    self.calm = 0
    return rung
  end
  self.calm = self.calm + 1
  if self.calm < self.options.patience then return state.rung end
  self.calm = 0
  return state.rung + 1
end

return {
  api = 1, kind = 'latency', name = 'thrifty',
  defaults = {
    reserve = 0.2, -- share of charge below which the fastest rung serves
    patience = 10, -- frames that must have room for a better rung before it is tried
  },
  new = function(options) return setmetatable({options = options, calm = 0}, Thrifty) end,
}
