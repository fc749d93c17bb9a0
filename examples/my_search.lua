-- A search policy of one's own: hill climbing, one climber a budget.
--
--   anet search supernet.anet --policy examples/my_search.lua:evaluations=200
--   anet examples/search_policy.lua        shows it at work
--
-- A climber stands on the best genome it knows within its budget and tries mutants of it. What one finds
-- serves all that can afford it. policies/README.md lists all that `space` can do.

local Climb = {}
Climb.__index = Climb

-- Adds mutants of the best genome so far that are new and within the budget, until there are `most` genomes.
function Climb:try(space, budget, best, genomes, most)
  for _ = 1, 20 * most do
    if #genomes >= most then return end
    local genome = space:mutate(best, self.rng, self.options.mutate)
    if not self.score[genome] and space:latency(genome) <= budget then
      self.score[genome] = -1 -- asked for: nobody else needs to
      genomes[#genomes + 1] = genome
    end
  end
end

-- Where a climber begins: the genome with the fewest changes to the oracle that is fast enough.
local function start(space, budget)
  return space:best(function(option) return option.kind == 'keep' and 0 or 1 end, budget, 1)[1]
end

-- `n` is how many genomes the host would like; the climbers share them.
function Climb:propose(space, n)
  self.space = space
  local genomes = {}
  for b, budget in ipairs(space.budgets) do
    local first = not self.best[b] and start(space, budget)
    if first and not self.score[first] then
      self.score[first] = -1
      genomes[#genomes + 1] = first
    elseif self.best[b] then
      self:try(space, budget, self.best[b], genomes, math.ceil(n * b / #space.budgets))
    end
  end
  self.asked = self.asked + #genomes
  self.stuck = #genomes == 0
  return genomes
end

-- What came of the genomes: {{genome, ms, score, …}, …}.
function Climb:observe(results)
  for _, r in ipairs(results) do
    self.score[r.genome] = r.score
    for b, budget in ipairs(self.space.budgets) do
      local best = self.best[b]
      if r.ms <= budget and (not best or r.score > self.score[best]) then self.best[b] = r.genome end
    end
  end
end

function Climb:done() return self.stuck or self.asked >= self.options.evaluations end

-- One genome a budget, in the order of space.budgets. Without this method the host takes the best it saw.
function Climb:picks() return self.best end

return {
  api = 1, kind = 'search', name = 'climb',
  defaults = {
    evaluations = 300, -- genomes to run before it is content
    mutate = 0.2,      -- probability that a choice is drawn anew
  },
  new = function(options, rng)
    return setmetatable({options = options, rng = rng, score = {}, best = {}, asked = 0}, Climb)
  end,
}
