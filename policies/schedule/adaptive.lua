-- The default schedule: which options each block gets, and how they are trained.
--
-- Options: merges of 2 and 3 blocks (AdaptiveNet, §3.1), hidden widths, and skips where shapes allow.
-- Training: every option starts by least squares on the oracle's features; then some epochs block by
-- block on the oracle's own activations (no labels, all options at once); then joint epochs in which
-- subnets of all sizes learn from the oracle's answers and the labels: some drawn at random, the others near
-- the front of (multiply-adds, believed damage), where a search will look for its picks.

local Adaptive = {}
Adaptive.__index = Adaptive

local function round(x)
  return math.floor(x + 0.5)
end

function Adaptive:options(block)
  local list = {}
  for span = 2, math.min(self.settings.span, block.most_span) do
    list[#list + 1] = {kind = 'merge', span = span}
  end
  if block.hidden > 0 then
    for _, width in ipairs(self.settings.widths) do
      list[#list + 1] = {kind = 'shrink', width = width}
    end
  end
  if self.settings.skip and block.can_skip then list[#list + 1] = {kind = 'skip'} end
  return list
end

-- Cosine from 1 to 0 after a short linear warm-up.
local function anneal(at, total)
  local warm = math.max(1, total * 0.03)
  if at <= warm then return at / warm end
  return 0.5 * (1 + math.cos(math.pi * (at - warm) / math.max(1, total - warm)))
end

-- Before anything was seen, an option is believed to do damage as it saves work.
function Adaptive:first_beliefs(space)
  local keep, total, damage = {}, 0, {}
  for p = 1, space.positions do
    keep[p] = space:options(p)[1].macs
    total = total + keep[p]
  end
  for _, option in ipairs(space.flat) do
    local saved = -option.macs
    for p = option.position, option.position + option.span - 1 do saved = saved + keep[p] end
    damage[option.index] = math.max(saved, 0) / total
  end
  self.damage, self.keep_macs = damage, total
end

-- What the options of a genome are believed to add to the loss, from the subnets seen so far.
function Adaptive:believed(space, genome)
  local sum = 0
  for _, option in ipairs(space:chosen(genome)) do sum = sum + self.damage[option.index] end
  return sum
end

-- Least mean squares: what a subnet's loss was beyond belief is shared out among its changed options.
function Adaptive:learn(space, genomes, losses)
  for i, genome in ipairs(genomes) do
    local changed = {}
    for _, option in ipairs(space:chosen(genome)) do
      if option.kind ~= 'keep' then changed[#changed + 1] = option.index end
    end
    local surprise = math.log(1 + losses[i]) - self:believed(space, genome)
    for _, index in ipairs(changed) do
      self.damage[index] = self.damage[index] + self.settings.belief * surprise / #changed
    end
  end
end

-- A subnet with a share of its positions changed; the best believed of a few, because hopeless subnets would
-- drown what the good ones have to learn.
function Adaptive:wander(space)
  local share, best, least = self.rng:uniform() ^ 0.7, nil, nil
  for _ = 1, self.settings.tournament do
    local genome = space:mutate(space:keep(), self.rng, share)
    local believed = self:believed(space, genome)
    if not best or believed < least then best, least = genome, believed end
  end
  return best
end

-- The best subnet within a random budget, were each belief off by up to half: near the front, never twice the same.
function Adaptive:aim(space)
  local least = self.settings.least_macs
  local budget = self.keep_macs * (least + (1 - least) * self.rng:uniform())
  local function doubted(option) return self.damage[option.index] * (0.5 + self.rng:uniform()) end
  return space:best(doubted, budget, 1, function(option) return option.macs end)[1]
end

function Adaptive:draw(space)
  local genome = self.rng:uniform() < self.settings.focus and self:aim(space) or self:wander(space)
  return genome ~= space:keep() and genome or space:sample(self.rng)
end

-- stats: {steps_per_epoch =, space =, last =}. Answers the work of one step, nil when all is done.
function Adaptive:next(step, stats)
  local s = self.settings
  if step == 1 and s.solve_images > 0 then
    return {stage = 'solve', images = s.solve_images, ridge = s.ridge}
  end
  local at = step - (s.solve_images > 0 and 1 or 0)
  local block_steps = round(s.block_epochs * stats.steps_per_epoch)
  if at <= block_steps then
    return {stage = 'block', rate = s.block_rate * anneal(at, block_steps)}
  end
  at = at - block_steps
  local joint_steps = round(s.joint_epochs * stats.steps_per_epoch)
  if at > joint_steps then return nil end
  if not self.damage then self:first_beliefs(stats.space) end
  if stats.last and stats.last.losses then self:learn(stats.space, self.genomes, stats.last.losses) end
  local genomes = {}
  for i = 1, s.paths do genomes[i] = self:draw(stats.space) end
  self.genomes = genomes
  return {stage = 'joint', genomes = genomes, rate = s.joint_rate * anneal(at, joint_steps),
          teacher = s.teacher, labels = s.labels, temperature = s.temperature}
end

return {
  api = 1, kind = 'schedule', name = 'adaptive',
  defaults = {
    span = 3,                 -- most blocks that a merge covers
    widths = {0.5, 0.25},     -- shares of hidden channels
    skip = true,
    solve_images = 512,       -- images for the least-squares start; 0: none
    ridge = 1e-3,
    block_epochs = 0.5,       -- epochs block by block
    block_rate = 0.001,
    joint_epochs = 6,         -- epochs of whole subnets
    joint_rate = 0.001,
    paths = 2,                -- subnets a step
    focus = 0.7,              -- share of the subnets drawn near the front; the others are drawn at random,
    tournament = 3,           -- the best believed of so many
    least_macs = 0.2,         -- the lowest budget aimed at, of the blocks' multiply-adds
    belief = 0.1,             -- how fast beliefs about options follow what is seen
    teacher = 1, labels = 0.3, temperature = 2,
  },
  new = function(options, rng)
    return setmetatable({settings = options, rng = rng}, Adaptive)
  end,
}
