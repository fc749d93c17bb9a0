-- Made-up supernets whose right answers are known: a small space, a time and a damage for every option, and
-- what two options do to each other; every genome can be listed.
local anet = require 'anet'

local M = {}

local World = {}
World.__index = World

-- settings: seed; trunks (a list of lengths); pairs: how many pairs of options damage more together, and by what (`extra`).
function M.new(settings)
  local random, trunk = anet.rng.new(settings.seed), {}
  for t, length in ipairs(settings.trunks or {3, 3}) do
    for _ = 1, length do trunk[#trunk + 1] = t - 1 end
  end
  local space = anet.space.new(trunk)
  for p = 1, #trunk do
    for span = 2, 3 do
      if trunk[p + span - 1] == trunk[p] then space:add{kind = 'merge', position = p, span = span} end
    end
    space:add{kind = 'shrink', position = p, width = 0.5}
    space:add{kind = 'skip', position = p}
  end
  local self = setmetatable({space = space, options = space:options(), ms = {}, damage = {}, together = {},
                             images = settings.images or 100, probed = 0}, World)
  for i, o in ipairs(self.options) do
    local share = ({keep = 1, merge = 0.8, shrink = 0.5, skip = 0.01})[o.kind]
    self.ms[i] = share * (0.8 + 0.4 * random:uniform())
    self.damage[i] = o.kind == 'keep' and 0 or o.span * (1 - share / o.span) * (0.02 + 0.1 * random:uniform())
  end
  for _ = 1, settings.pairs or 0 do
    local a, b = random:int(1, #self.options), random:int(1, #self.options)
    if self.options[a].kind ~= 'keep' and self.options[b].kind ~= 'keep' then
      self.together[#self.together + 1] = {a, b, settings.extra}
    end
  end
  self.genomes = self:list()
  self.full = self:time(('0'):rep(#trunk))
  return self
end

-- All genomes, by what the space itself says of options and spans.
function World:list()
  local at, list = {}, {}
  for _, o in ipairs(self.options) do
    at[o.position] = at[o.position] or {}
    table.insert(at[o.position], o)
  end
  local function extend(head)
    local here = at[#head + 1]
    if not here then
      list[#list + 1] = head
      return
    end
    for gene, o in ipairs(here) do extend(head .. ('%d'):format(gene - 1) .. ('-'):rep(o.span - 1)) end
  end
  extend ''
  return list
end

local function sum(self, list, genome)
  local total, has = 0, {}
  for _, o in ipairs(self.space:chosen(genome)) do
    total, has[o.index] = total + list[o.index], true
  end
  return total, has
end

-- The genome with an option in it; what that tears apart is kept.
function World:with(genome, option)
  local genes, first, last = {}, option.position, option.position + option.span - 1
  for _, o in ipairs(self.space:chosen(genome)) do
    local torn = o.position <= last and o.position + o.span - 1 >= first
    for p = o.position, o.position + o.span - 1 do
      genes[p] = torn and '0' or genome:sub(p, p)
    end
  end
  for p = first, last do genes[p] = p == first and ('%d'):format(option.gene) or '-' end
  return table.concat(genes)
end

function World:time(genome) return (sum(self, self.ms, genome)) end

-- The loss that a genome adds.
function World:harm(genome)
  local total, has = sum(self, self.damage, genome)
  for _, pair in ipairs(self.together) do
    if has[pair[1]] and has[pair[2]] then total = total + pair[3] end
  end
  return total
end

-- The genome of least harm within a budget, and its harm.
function World:best(budget)
  local best, least = nil, math.huge
  for _, genome in ipairs(self.genomes) do
    if self:time(genome) <= budget then
      local harm = self:harm(genome)
      if harm < least then best, least = genome, harm end
    end
  end
  return best, least
end

-- What an evaluation on so many images says. By default accuracy tells nothing apart and the loss everything; with `hits`
-- (a function of the genome and the image) it is that.
function World:evaluate(genome, count)
  local hits, right = {}, 0
  for i = 1, count do
    local ok = not self.hits or self.hits(genome, i)
    hits[i], right = ok and '1' or '0', right + (ok and 1 or 0)
  end
  local score = self.score and self.score(genome) or right / count
  return {genome = genome, ms = self:time(genome), score = score, loss = 1 + self:harm(genome), count = count,
          hits = table.concat(hits)}
end

-- A conversation with a search from beginning to end: {rounds = {{genome, count} lists}, picks =, proposals =}.
-- settings: options, seed, budgets, room (genomes a round).
function World:search(name, settings)
  local policy = assert(anet.policy.load(name, {kind = 'search', seed = settings.seed or 1, options = settings.options}))
  local about = self.space:describe(self.ms)
  about.images, about.budgets = self.images, settings.budgets
  assert(policy:space(about))
  local log = {rounds = {}, proposals = 0, seen = {}, results = {}}
  for _ = 1, settings.most or 2000 do
    if policy:done() then break end
    local round, results = {}, {}
    for i, p in ipairs(assert(policy:propose(settings.room or 64))) do
      local genome, count = p.genome or p, math.min(p.count or self.images, self.images)
      round[i] = {genome = genome, count = count}
      results[i] = self:evaluate(genome, count)
      log.results[#log.results + 1] = results[i]
      log.seen[genome] = true
    end
    log.rounds[#log.rounds + 1], log.proposals = round, log.proposals + #round
    local _, message = policy:observe(results)
    assert(message == nil, message)
  end
  log.picks = policy:has 'picks' and assert(policy:picks()) or {}
  return log
end

return M
