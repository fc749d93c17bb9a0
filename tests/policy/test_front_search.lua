-- The default search on made-up supernets, whose best genome of every budget is known.
local test = dofile 'tests/support/test.lua'
local worlds = dofile 'tests/support/worlds.lua'

local function budgets_of(w) return {0.85 * w.full, 0.6 * w.full, 0.4 * w.full, 0.2 * w.full} end

local function count_genomes(round)
  local n = 0
  for _ in pairs(round) do n = n + 1 end
  return n
end

test.case('where damages add up, each pick is the best there is', function()
  for seed = 1, 12 do
    local w = worlds.new{seed = seed}
    local log = w:search('front', {budgets = budgets_of(w)})
    for b, budget in ipairs(budgets_of(w)) do
      test.equal(log.picks[b], (w:best(budget)))
    end
  end
end)

-- Harm of the picks above that of the best, over all budgets and worlds.
local function excess(options, pairs_of, seeds)
  local total, exact, count = 0, 0, 0
  for seed = 1, seeds do
    local w = worlds.new{seed = seed, pairs = pairs_of, extra = 0.4}
    local log = w:search('front', {budgets = budgets_of(w), options = options})
    for b, budget in ipairs(budgets_of(w)) do
      local _, least = w:best(budget)
      local harm = w:harm(log.picks[b])
      total, count = total + harm - least, count + 1
      exact = exact + (harm <= least + 1e-12 and 1 or 0)
    end
  end
  return total, exact / count
end

test.case('where options harm each other, refitting finds what adding up does not', function()
  local once, exact_once = excess({rounds = 1, candidates = 4}, 40, 12)
  local refitted, exact = excess({rounds = 4, candidates = 4}, 40, 12)
  print(('front: excess harm %.3f, refitted %.3f; best found %.2f, %.2f'):format(once, refitted, exact_once, exact))
  test.check(refitted < 0.06 * once, ('%.3f after refits, %.3f without'):format(refitted, once))
  test.check(exact > exact_once, ('%.2f exact after refits, %.2f without'):format(exact, exact_once))
  -- Trust in the probes alone is no refit: the rounds propose nothing new, and the search goes on to its races.
  local trusting = excess({rounds = 4, candidates = 4, ridge = 1e9}, 40, 12)
  test.check(math.abs(trusting - once) < 1e-9, ('%.3f by the probes alone, %.3f'):format(trusting, once))
  local doubting = excess({rounds = 4, candidates = 4, ridge = 0.2}, 40, 12)
  test.check(doubting < once, 'little trust in probes refits')
end)

-- Worlds where an option alone does other damage than among others: what the probes say is wrong.
local function lying(seed)
  local w = worlds.new{seed = seed}
  local plain, random, lies = w.harm, require('anet').rng.new(seed + 100), {}
  for i in ipairs(w.options) do lies[i] = (random:uniform() - 0.5) * 0.2 end
  function w.harm(self, genome)
    local changed, index = 0, nil
    for _, o in ipairs(self.space:chosen(genome)) do
      if o.kind ~= 'keep' then changed, index = changed + 1, o.index end
    end
    return plain(self, genome) + (changed == 1 and math.max(lies[index], -plain(self, genome)) or 0)
  end
  return w
end

test.case('where the probes mislead, many looks at whole subnets put it right', function()
  local function total(options)
    local sum = 0
    for seed = 1, 10 do
      local w = lying(seed)
      local log = w:search('front', {budgets = budgets_of(w), options = options})
      for b, budget in ipairs(budgets_of(w)) do
        local _, least = w:best(budget)
        sum = sum + w:harm(log.picks[b]) - least
      end
    end
    return sum
  end
  local blind, once = total{rounds = 1, candidates = 2, ridge = 0.05}, total{rounds = 2, candidates = 2, ridge = 0.05}
  local often = total{rounds = 16, candidates = 2, ridge = 0.05}
  print(('front: excess harm where probes mislead %.3f, refitted once %.3f, often %.3f'):format(blind, once, often))
  test.check(once < 0.65 * blind and often < 0.42 * blind, ('%.3f, %.3f, %.3f'):format(blind, once, often))
end)

test.case('more candidates a round are nearer to the best', function()
  local few = excess({rounds = 1, candidates = 1}, 40, 8)
  local more = excess({rounds = 1, candidates = 30}, 40, 8)
  test.check(more < few, ('%.3f of 30 candidates, %.3f of one'):format(more, few))
end)

test.case('the probes are the oracle and each option alone, on so many images', function()
  local w = worlds.new{seed = 3, images = 80}
  local log = w:search('front', {budgets = budgets_of(w), options = {probe = 30}})
  local round, changed, keep = log.rounds[1], 0, ('0'):rep(6)
  for _, o in ipairs(w.options) do changed = changed + (o.kind == 'keep' and 0 or 1) end
  test.equal(#round, changed + 1)
  test.equal(round[1].genome, keep)
  local seen = {}
  for i, p in ipairs(round) do
    test.equal(p.count, 30)
    test.check(not seen[p.genome], 'each once')
    seen[p.genome] = true
    local others = 0
    for _, o in ipairs(w.space:chosen(p.genome)) do others = others + (o.kind == 'keep' and 0 or 1) end
    test.equal(others, i == 1 and 0 or 1)
  end
  for k, p in ipairs(log.rounds[2]) do
    test.equal(p.count, 30)
    test.check(not seen[p.genome], 'candidate ' .. k .. ' is new')
  end
  -- Races begin with the probes' images and end with all of them.
  test.equal(log.rounds[#log.rounds][1].count, 80)
  local all = worlds.new{seed = 3, images = 20}
  test.equal(all:search('front', {budgets = budgets_of(all)}).rounds[1][1].count, 20)
end)

-- Nothing can be told apart: of a budget all that race stay to the end.
local function racing(w, options)
  local log = w:search('front', {budgets = {0.5 * w.full}, options = options})
  return log.rounds[#log.rounds], log
end

test.case('the likeliest race, and so many of them', function()
  local w = worlds.new{seed = 5}
  local few, log = racing(w, {racers = 3, probe = 10, rounds = 1})
  test.equal(#few, 3)
  local candidates = {}
  for _, p in ipairs(log.rounds[2]) do candidates[#candidates + 1] = w:harm(p.genome) end
  table.sort(candidates)
  local raced = {}
  for i, p in ipairs(few) do raced[i] = w:harm(p.genome) end
  table.sort(raced)
  for i = 1, 3 do test.check(raced[i] <= candidates[i], ('racer %d of harm %g, want at most %g'):format(i, raced[i], candidates[i])) end
  test.equal(#racing(w, {racers = 7, probe = 10}), 7)
  local rounds = {}
  for r = 1, 4 do
    local _, said = racing(worlds.new{seed = 5, pairs = 40, extra = 0.4}, {rounds = r, probe = 100, candidates = 2})
    rounds[r] = #said.rounds
  end
  test.check(rounds[1] < rounds[2] and rounds[2] <= rounds[3] and rounds[3] <= rounds[4], table.concat(rounds, ' '))
  test.equal(rounds[1], 3) -- probes, candidates, races
end)

test.case('candidates a budget', function()
  local w = worlds.new{seed = 6}
  for _, n in ipairs{1, 5} do
    local log = w:search('front', {budgets = {0.5 * w.full}, options = {candidates = n, rounds = 1}})
    local fresh = count_genomes(log.rounds[2])
    test.check(fresh <= n and fresh >= n - 1, ('%d candidates, want %d'):format(fresh, n))
  end
end)

test.case('accuracy decides where it can tell, the loss where it cannot', function()
  local w = worlds.new{seed = 7, images = 400}
  local best = w:best(0.5 * w.full)
  w.hits = function(genome, i) return genome ~= best or i % 4 ~= 0 end
  local log = w:search('front', {budgets = {0.5 * w.full}, options = {probe = 100}})
  test.check(log.picks[1] ~= best, 'a quarter of all images wrong is no pick')
  w.hits = function(genome, i) return genome ~= best or i ~= 3 end -- one image is chance
  log = w:search('front', {budgets = {0.5 * w.full}, options = {probe = 100}})
  test.equal(log.picks[1], best)
  -- As many deviations as no difference reaches: nothing is dropped.
  w.hits = function(genome, i) return genome ~= best or i % 4 ~= 0 end
  log = w:search('front', {budgets = {0.5 * w.full}, options = {probe = 100, deviations = 1e6}})
  test.equal(log.picks[1], best)
end)

test.case('a budget that nothing meets has no pick', function()
  local w = worlds.new{seed = 8}
  local log = w:search('front', {budgets = {1e-6, 0.5 * w.full}})
  test.equal(log.picks[1], nil)
  test.equal(log.picks[2], (w:best(0.5 * w.full)))
end)

return test.finish()
