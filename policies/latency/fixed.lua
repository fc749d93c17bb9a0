-- Stays on one rung: the baseline of the other latency policies.

local Fixed = {}
Fixed.__index = Fixed

function Fixed:pick(ladder, state)
  if self.options.rung > 0 then return math.min(self.options.rung, #ladder) end
  -- The most accurate rung that fits the budget on an idle machine.
  for i = #ladder, 1, -1 do
    if ladder[i].ms <= state.budget_ms then return i end
  end
  return 1
end

return {
  api = 1, kind = 'latency', name = 'fixed',
  defaults = {
    rung = 0,          -- which rung, fastest first; 0: the best that fits the budget unloaded
  },
  new = function(options)
    return setmetatable({options = options}, Fixed)
  end,
}
