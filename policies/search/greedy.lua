-- Greedy descent: from the oracle, again and again the change that saves the most time for the
-- accuracy it costs, as measured, until the smallest budget is met.

local Greedy = {}
Greedy.__index = Greedy

function Greedy:propose(space)
  self.now = self.now or {genome = space:keep(), score = 1, ms = space:latency(space:keep())}
  self.least = space.budgets[#space.budgets]
  for _, budget in ipairs(space.budgets) do self.least = math.min(self.least, budget) end
  local genomes, seen = {}, {}
  for _, option in ipairs(space.flat) do
    local genome = space:with(self.now.genome, option)
    if genome and genome ~= self.now.genome and not seen[genome] and space:latency(genome) < self.now.ms then
      seen[genome] = true
      genomes[#genomes + 1] = genome
    end
  end
  self.stuck = #genomes == 0
  local list = {}
  for i, genome in ipairs(genomes) do
    list[i] = {genome = genome, count = math.min(space.images, self.options.images)}
  end
  return list
end

function Greedy:observe(results)
  local best, best_price
  for _, r in ipairs(results) do
    local price = (self.now.score - r.score + 1e-4) / (self.now.ms - r.ms)
    if not best or price < best_price then best, best_price = r, price end
  end
  if best then self.now = best end
end

function Greedy:done()
  return self.stuck or self.now ~= nil and self.least ~= nil and self.now.ms <= self.least
end

return {
  api = 1, kind = 'search', name = 'greedy',
  defaults = {images = 1000},
  new = function(options)
    return setmetatable({options = options}, Greedy)
  end,
}
