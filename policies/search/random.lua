-- Uniform random genomes: the baseline that every other search must beat at equal work.

local Random = {}
Random.__index = Random

function Random:propose(space, n)
  local genomes = {}
  for i = 1, math.min(n, self.left) do genomes[i] = space:sample(self.rng) end
  self.left = self.left - #genomes
  return genomes
end

function Random:observe()
end

function Random:done()
  return self.left <= 0
end

return {
  api = 1, kind = 'search', name = 'random',
  defaults = {evaluations = 300},
  new = function(options, rng)
    return setmetatable({rng = rng, left = options.evaluations}, Random)
  end,
}
