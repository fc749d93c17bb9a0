-- Writing a search policy: examples/my_search.lua, first on a made-up space whose answer is known, then on real
-- images with measured times.
--
--   anet examples/search_policy.lua
local anet = require 'anet'

local function load_policy(options)
  return assert(anet.policy.load('examples/my_search.lua', {kind = 'search', seed = 1, options = options}))
end

-- ---- 1. by hand -------------------------------------------------------------------------------------
-- The host owns the loop: it asks for genomes, runs them, and tells the scores. Here the "run" is a sum, so that
-- the best answer can be computed exactly and compared.

local space = anet.space{0, 0, 0, 0, 0, 0, 0, 0} -- eight blocks in one chain (trunk 0)
for p = 1, 8 do
  if p < 8 then space:add{kind = 'merge', position = p, span = 2} end
  space:add{kind = 'shrink', position = p, width = 0.5}
end
local times, damages, random = {}, {}, anet.rng(2)
for i, o in ipairs(space:options()) do -- keep costs 1 ms and no accuracy; the others less, and some
  times[i] = o.kind == 'keep' and 1 or 0.4 + 0.4 * random:uniform()
  damages[i] = o.kind == 'keep' and 0 or 0.05 * random:uniform()
end
local function sum(figures, genome)
  local total = 0
  for _, o in ipairs(space:chosen(genome)) do total = total + figures[o.index] end
  return total
end

local policy = load_policy{evaluations = 200}
local description = space:describe(times)
description.budgets, description.images = {6, 4.5}, 100
assert(policy:space(description))
while not policy:done() do
  local results = {}
  for i, genome in ipairs(assert(policy:propose(8))) do
    assert(space:check(genome))
    results[i] = {genome = genome, ms = sum(times, genome), score = 0.95 - sum(damages, genome), loss = 0,
                  count = 100, hits = ''}
  end
  policy:observe(results)
end
for b, genome in ipairs(policy:picks()) do
  local budget = description.budgets[b]
  local best = assert(space:best(times, damages, budget, 1))[1]
  print(('%.1f ms: the policy found %s (damage %.3f), the best of all %s genomes is %s (%.3f)'):format(
    budget, genome, sum(damages, genome), space:size(), best, sum(damages, best)))
  assert(sum(times, genome) <= budget)
  assert(sum(damages, genome) >= sum(damages, best) - 1e-9, 'nothing beats an exact search')
end

-- A mistake in a policy cannot hurt the host: the question fails with a message.
local broken = assert(anet.policy.load('broken', {text = [[
  return {api = 1, kind = 'search', new = function()
    return {propose = function() while true do end end, observe = function() end, done = function() end}
  end}]], steps = 1e6}))
local _, message = broken:propose(1)
print('a policy that never answers: ' .. message)

-- ---- 2. on a device ----------------------------------------------------------------------------------
-- The same policy, with times that are measured here and scores from real images.

local model = anet.bundle.open 'data/resnet20-supernet.anet'
local supernet, input
if model then
  supernet, input = assert(model:supernet()), model:input()
else -- options that have not learnt yet will do to see the search at work
  model = assert(anet.bundle.open 'data/resnet20.anet')
  input = model:input()
  supernet = assert(anet.distill.elastify(model:net(), assert(anet.policy.load('adaptive', {kind = 'schedule'}))))
end

local pool = anet.pool(1) -- the deployed network shall run on one thread, so it is measured on one
local latency = assert(anet.latency.profile(supernet, {rounds = 2, held_out = 3, pool = pool}))
print(latency)
local oracle_ms = latency:info().oracle_ms
local budgets = {0.8 * oracle_ms, 0.6 * oracle_ms}

-- The explorer asks the policy, runs what it has not run before (subnets with a common beginning share it), and
-- answers. A policy sees its own images only: these stand for the device's private ones.
local data = assert(anet.data.open('fashion-mnist', {part = 'test'})):slice(1, 40)
local explorer = anet.explore.new(supernet, latency, data, input, load_policy{evaluations = 48},
                                  {budgets = budgets, n = 12}, pool)
while explorer:advance() do end
for b, genome in pairs(explorer:picks()) do
  local found = explorer:result(genome, data:count())
  print(('budget %.3f ms: %s, predicted %.3f ms, %.0f %% of %d images'):format(budgets[b], genome, found.ms,
    100 * found.score, found.count))
  assert(found.ms <= budgets[b])
end
print(('%d subnets were run; shared prefixes saved %.0f %% of the work'):format(#explorer.order, 100 * explorer:saving()))
