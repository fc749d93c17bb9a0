-- The genetic search of AdaptiveNet (MobiCom 2023, §3.3): a population for one budget after the other,
-- a quarter survives, half the children are mutants and half crossed. Children over the budget are
-- drawn again a few times, and the first population is drawn under it.

local Evolution = {}
Evolution.__index = Evolution

-- A genome that meets the budget, from make(); the fastest genome when luck fails.
local function under(space, budget, tries, make)
  for _ = 1, tries do
    local genome = make()
    if space:latency(genome) <= budget then return genome end
  end
  return nil
end

function Evolution:first(space, budget)
  local genome = under(space, budget, 20, function() return space:sample(self.rng) end)
  return genome or space:best(0, budget, 1)[1]
end

function Evolution:child(space, budget)
  local o = self.options
  local genome = under(space, budget, 10, function()
    local a = self.parents[self.rng:int(1, #self.parents)]
    if self.rng:uniform() < 0.5 then return space:mutate(a, self.rng, o.mutate) end
    return space:cross(a, self.parents[self.rng:int(1, #self.parents)], self.rng)
  end)
  return genome or self.parents[self.rng:int(1, #self.parents)]
end

function Evolution:propose(space, n)
  local budget = space.budgets[self.budget]
  local genomes, seen = {}, {}
  for _ = 1, math.min(n, self.options.population) do
    local genome = #self.parents == 0 and self:first(space, budget) or self:child(space, budget)
    if not seen[genome] then genomes[#genomes + 1] = genome end
    seen[genome] = true
  end
  self.budgets = #space.budgets
  return genomes
end

function Evolution:observe(results)
  for _, r in ipairs(results) do self.pool[#self.pool + 1] = r end
  table.sort(self.pool, function(a, b)
    if a.score ~= b.score then return a.score > b.score end
    return a.genome < b.genome
  end)
  self.parents = {}
  for i = 1, math.min(#self.pool, math.max(2, math.floor(self.options.population / 4))) do
    self.parents[i] = self.pool[i].genome
  end
  for i = #self.pool, self.options.population + 1, -1 do self.pool[i] = nil end
  self.generation = self.generation + 1
  if self.generation >= self.options.generations then
    self.budget, self.generation, self.pool, self.parents = self.budget + 1, 0, {}, {}
  end
end

function Evolution:done()
  return self.budgets ~= nil and self.budget > self.budgets
end

return {
  api = 1, kind = 'search', name = 'evolution',
  defaults = {population = 40, generations = 8, mutate = 0.1},
  new = function(options, rng)
    return setmetatable({options = options, rng = rng, pool = {}, parents = {}, budget = 1, generation = 0},
                        Evolution)
  end,
}
