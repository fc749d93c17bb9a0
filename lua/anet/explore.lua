-- The search on the device: the loop that a search policy steers, and the ladder made of its picks.
--
-- The policy proposes genomes, each to be run on the first so many images; the explorer runs only what
-- it has not run before, and hands back the results. Its picks are recalibrated, compiled, measured end to
-- end and made a ladder.
local core = require 'anet.core'
local json = require 'anet.json'
local evaluate = require 'anet.evaluate'

local M = {}

local IDLE_ROUNDS = 50 -- without a genome that was not run before

---@class anet.Explorer
local Explorer = {__name = 'explorer'}
Explorer.__index = Explorer
M.Explorer = Explorer

-- options: budgets (ms, a list), n (genomes a question, 64), byte_limit.
---@return anet.Explorer
function M.new(s, times, dataset, input, policy, options, pool)
  local self = setmetatable({
    supernet = s, policy = policy, budgets = options.budgets, n = options.n or 64, byte_limit = options.byte_limit,
    times = times, images = dataset:count(), evaluator = evaluate.new(s, dataset, input, pool), seen = {}, order = {},
    runs = {done = 0, ideal = 0, naive = 0}, idle = 0,
  }, Explorer)
  local description = s:describe(times)
  description.images, description.budgets = self.images, options.budgets
  local _, message = policy:space(description, {space = s:space(), budgets = options.budgets, ms = function(genome) return self:ms(genome) end})
  if message then core.raise('%s', message) end
  return self
end

local function join(old, fresh, have, count)
  if not old then return fresh end
  local hits = old.hits .. fresh.hits
  local _, right = hits:gsub('1', '')
  return {hits = hits, score = right / count, loss = (old.loss * have + fresh.loss * (count - have)) / count}
end

-- Bring genomes to `count` images each. Those that have seen as many go together, to share prefixes.
function Explorer:fill(wanted)
  local groups, keys = {}, {}
  for genome, count in pairs(wanted) do
    local have = self.seen[genome] and #self.seen[genome].hits or 0
    if have < count then
      local key = have .. ':' .. count
      if not groups[key] then
        groups[key] = {have = have, count = count}
        keys[#keys + 1] = key
      end
      table.insert(groups[key], genome)
    end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local group = groups[key]
    table.sort(group)
    local results, stats, code = self.evaluator:run(group, {
      first = group.have + 1, count = group.count - group.have, byte_limit = self.byte_limit,
    })
    if not results then return nil, stats, code end
    local runs = self.runs
    runs.done, runs.ideal = runs.done + stats.block_runs, runs.ideal + stats.ideal_runs
    runs.naive = runs.naive + stats.naive_runs
    for i, genome in ipairs(group) do
      if not self.seen[genome] then self.order[#self.order + 1] = genome end
      self.seen[genome] = join(self.seen[genome], results[i], group.have, group.count)
    end
  end
  return true
end

-- The first `count` images of what is known of a genome, as the policy sees it.
function Explorer:result(genome, count)
  local known = self.seen[genome]
  local hits = known.hits:sub(1, count)
  local _, right = hits:gsub('1', '')
  return {genome = genome, ms = self:ms(genome), score = right / count, loss = known.loss, count = count, hits = hits}
end

-- Predicted time of a genome, ms.
function Explorer:ms(genome) return self.times:predict(self.supernet:space(), genome) end

-- One question and its answer to the policy. Returns how many genomes it asked for; nil when it is done.
---@return integer? asked, string? message, string? code
function Explorer:advance()
  local done, why = self.policy:done()
  if done or why then return nil, why, why and 'policy' end
  local before = self.runs.naive
  local proposals, message = self.policy:propose(self.n)
  if not proposals then return nil, message, 'policy' end
  local wanted, asked = {}, {}
  for i, p in ipairs(proposals) do
    if type(p) == 'string' then p = {genome = p} end
    local count = math.min(p.count or self.images, self.images)
    asked[i] = {p.genome, count}
    wanted[p.genome] = math.max(wanted[p.genome] or 0, count)
  end
  local ok, code
  ok, message, code = self:fill(wanted)
  if not ok then return nil, message, code end
  self.idle = self.runs.naive > before and 0 or self.idle + 1
  if self.idle >= IDLE_ROUNDS then
    self.note = ('the policy proposed nothing new in %d rounds'):format(IDLE_ROUNDS)
    return nil
  end
  local results = {}
  for i, a in ipairs(asked) do results[i] = self:result(a[1], a[2]) end
  local _, failed = self.policy:observe(results)
  if failed then return nil, failed, 'policy' end
  return #asked
end

-- The best scores within each budget of what was run on all images; the policy's own picks come first.
---@return table<integer, string>? genomes one a budget, none where none was found
---@return string? message, string? code
function Explorer:picks()
  local own, message, code = self.policy:picks()
  if message then return nil, message, code end
  local picks = {}
  for b, genome in pairs(own or {}) do picks[b] = genome end
  for b, budget in ipairs(self.budgets) do
    if not picks[b] then picks[b] = self:best_under(budget) end
  end
  return picks
end

-- The genome of the best score, among those predicted to take at most `budget` ms.
function Explorer:best_under(budget)
  local best
  for _, genome in ipairs(self.order) do
    local r = self.seen[genome]
    local full = #r.hits >= self.images
    if full and self:ms(genome) <= budget and (not best or r.score > self.seen[best].score) then best = genome end
  end
  return best
end

-- Genomes seen that are predicted within a budget: those that were run on all images, and the others.
function Explorer:within(budget)
  local full, partial = {}, {}
  for _, genome in ipairs(self.order) do
    if self:ms(genome) <= budget then table.insert(#self.seen[genome].hits >= self.images and full or partial, genome) end
  end
  return full, partial
end

-- Up to n genomes that are predicted to take at most `ms`, in order of merit: by score and loss. Of those that have not seen all images,
-- the n of least loss are run on the rest first.
---@return string[]? genomes, string? message, string? code
function Explorer:candidates(ms, n)
  local seen, wanted = self.seen, {}
  local function by_loss(x, y)
    if seen[x].loss ~= seen[y].loss then return seen[x].loss < seen[y].loss end
    return x < y
  end
  local function by_merit(x, y)
    if seen[x].score ~= seen[y].score then return seen[x].score > seen[y].score end
    return by_loss(x, y)
  end
  local list, partial = self:within(ms)
  table.sort(partial, by_loss)
  for i = 1, math.min(n, #partial) do
    list[#list + 1], wanted[partial[i]] = partial[i], self.images
  end
  local ok, message, code = self:fill(wanted)
  if not ok then return nil, message, code end
  table.sort(list, by_merit)
  return {unpack(list, 1, n)}
end

-- Shares of block runs that shared prefixes saved, and that an ideal trie saves.
---@return number saving, number ideal
function Explorer:saving()
  local naive = math.max(self.runs.naive, 1)
  return 1 - self.runs.done / naive, 1 - self.runs.ideal / naive
end

-- Every genome that was run: {{ms, score}, …}, for plots.
function Explorer:cloud()
  local list = json.array()
  for i, genome in ipairs(self.order) do list[i] = {self:ms(genome), self.seen[genome].score} end
  return list
end

function Explorer:__tostring()
  return ('explorer of %d genomes so far'):format(#self.order)
end

return M
