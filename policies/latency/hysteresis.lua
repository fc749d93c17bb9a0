-- Down at once, up with care. A rung's time under load is its unloaded time times the slowdown seen
-- now, so one switch goes straight to the best rung that fits. Going up waits for a calm while; for a long one
-- as long as the other processes that pushed it down are still busy, and for twice as long after
-- each climb that had to be taken back.

local Hysteresis = {}
Hysteresis.__index = Hysteresis

-- The most accurate rung whose time, slowed down as now, stays under `limit`; 1 if none does.
local function best_under(ladder, slowdown, limit)
  for i = #ladder, 1, -1 do
    if ladder[i].ms * slowdown <= limit then return i end
  end
  return 1
end

function Hysteresis:down(ladder, state)
  self.calm, self.load = 0, state.load
  -- Falling back soon after a climb: the climb was a mistake, be slower to try again.
  if state.frames - self.climbed_at < 4 * self.options.patience then
    self.patience = math.min(self.patience * 2, 64 * self.options.patience)
  end
  self.fell_at = state.frames
  return math.min(state.rung, best_under(ladder, state.slowdown, self.options.target * state.budget_ms))
end

-- Whether the load that made it fall is still there. Load is measured over a tenth of a second, so
-- what is seen soon after a fall still belongs to it.
function Hysteresis:still_loaded(state)
  if state.frames - self.fell_at < 4 * self.options.settle then self.load = math.max(self.load, state.load) end
  return self.load > 0.1 and state.load > 0.5 * self.load
end

function Hysteresis:up(ladder, state)
  local rung = best_under(ladder, state.slowdown, self.options.climb * state.budget_ms)
  local wait = self:still_loaded(state) and 10 * self.patience or self.patience
  self.calm = rung > state.rung and self.calm + 1 or 0
  if self.calm < wait then return state.rung end
  self.calm = 0
  self.climbed_at = state.frames
  return rung
end

function Hysteresis:pick(ladder, state)
  if state.frames_on_rung < self.options.settle then return state.rung end
  if state.p50_ms > state.budget_ms then return self:down(ladder, state) end
  if state.frames - self.climbed_at > 16 * self.patience then self.patience = self.options.patience end
  return self:up(ladder, state)
end

return {
  api = 1, kind = 'latency', name = 'hysteresis',
  defaults = {
    settle = 5,        -- frames on a rung before its median is believed
    target = 0.75,     -- share of the budget to aim at when going down
    climb = 0.85,      -- share of the budget that a better rung must stay under to be tried
    patience = 20,     -- calm frames before a climb
  },
  new = function(options)
    return setmetatable({options = options, calm = 0, patience = options.patience, load = 0, fell_at = -1e9,
                         climbed_at = -1e9}, Hysteresis)
  end,
}
