-- Simulated annealing, the paper's alternative: one walker a budget, all budgets side by side. A step
-- that loses is taken with a probability that falls with the loss and with time.

local Annealing = {}
Annealing.__index = Annealing

-- Where a walk begins: a random genome within the budget, or the fastest one when luck fails.
function Annealing:start(space, budget)
  for _ = 1, 30 do
    local genome = space:sample(self.rng)
    if space:latency(genome) <= budget then return genome end
  end
  return space:best(0, budget, 1)[1]
end

function Annealing:neighbour(space, walker)
  for _ = 1, 20 do
    local genome = space:mutate(walker.genome, self.rng, self.options.mutate)
    if genome ~= walker.genome and space:latency(genome) <= walker.budget then return genome end
  end
  return walker.genome
end

function Annealing:propose(space)
  local genomes = {}
  for b, budget in ipairs(space.budgets) do
    local walker = self.walkers[b]
    if not walker then
      walker = {budget = budget, genome = self:start(space, budget), score = -1}
      self.walkers[b] = walker
      walker.try = walker.genome
    else
      walker.try = self:neighbour(space, walker)
    end
    genomes[b] = walker.try
  end
  return genomes
end

function Annealing:observe(results)
  local score = {}
  for _, r in ipairs(results) do score[r.genome] = r.score end
  local heat = self.options.heat * (1 - self.steps / self.options.steps)
  for _, walker in ipairs(self.walkers) do
    local gain = score[walker.try] - walker.score
    if gain >= 0 or self.rng:uniform() < math.exp(gain / math.max(heat, 1e-9)) then
      walker.genome, walker.score = walker.try, score[walker.try]
    end
  end
  self.steps = self.steps + 1
end

function Annealing:done()
  return self.steps >= self.options.steps
end

return {
  api = 1, kind = 'search', name = 'annealing',
  defaults = {
    steps = 60,       -- evaluations a budget
    heat = 0.01,      -- accuracy that may be lost by a step at the start
    mutate = 0.15,
  },
  new = function(options, rng)
    return setmetatable({options = options, rng = rng, walkers = {}, steps = 0}, Annealing)
  end,
}
