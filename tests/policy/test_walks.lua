-- Searches that walk: on made-up supernets they improve, keep their budgets and the best they have, and each option
-- changes something.
local anet = require 'anet'
local test = dofile 'tests/support/test.lua'
local worlds = dofile 'tests/support/worlds.lua'

-- A world where accuracy is 1 - harm, without noise.
local function exact_world(seed)
  local w = worlds.new{seed = seed, trunks = {4, 3}}
  w.score = function(genome) return 1 - w:harm(genome) end
  return w
end

-- The least harm within a budget among proposals, and how they went: the least harm after each round.
local function found(w, log, budget)
  local least, course = math.huge, {}
  for r, round in ipairs(log.rounds) do
    for _, p in ipairs(round) do
      if w:time(p.genome) <= budget then least = math.min(least, w:harm(p.genome)) end
    end
    course[r] = least
  end
  return least, course
end

local function mean_harm(w, round)
  local sum = 0
  for _, p in ipairs(round) do sum = sum + w:harm(p.genome) end
  return sum / #round
end

-- ---- evolution -------------------------------------------------------------------------------------------

test.case('evolution: each generation is fitter, the budget is kept, the best are nearly found', function()
  for seed = 1, 8 do
    local w = exact_world(seed)
    local budget = 0.55 * w.full
    local log = w:search('evolution', {budgets = {budget}, seed = seed})
    test.equal(#log.rounds, 8)
    for _, round in ipairs(log.rounds) do
      for _, p in ipairs(round) do
        test.check(w:time(p.genome) <= budget, p.genome .. ' is over the budget')
      end
    end
    local first, last = mean_harm(w, log.rounds[1]), mean_harm(w, log.rounds[8])
    test.check(last < 0.75 * first, ('harm %.3f at the end, %.3f at first'):format(last, first))
    local _, least = w:best(budget)
    local harm = found(w, log, budget)
    test.check(harm <= least + 0.35 * (first - least), ('found %.3f, there is %.3f, began with %.3f'):format(harm, least, first))
  end
end)

test.case('evolution: parents are the fittest quarter that was ever seen', function()
  local w = exact_world(3)
  local budget = 0.55 * w.full
  -- Without change, children are of their parents' choices alone.
  local log = w:search('evolution', {budgets = {budget}, options = {mutate = 0, population = 16, generations = 3}})
  local first = {}
  for _, p in ipairs(log.rounds[1]) do first[#first + 1] = p.genome end
  table.sort(first, function(a, b) return w:harm(a) < w:harm(b) end)
  local allowed = {}
  for i = 1, 4 do
    for p, o in ipairs(w.space:chosen(first[i])) do allowed[o.index] = p end
  end
  for _, p in ipairs(log.rounds[2]) do
    for _, o in ipairs(w.space:chosen(p.genome)) do
      test.check(allowed[o.index], p.genome .. ' has a choice of no parent')
    end
  end
end)

test.case('evolution: population, generations and mutate', function()
  local w = exact_world(4)
  local budgets = {0.8 * w.full, 0.5 * w.full}
  local log = w:search('evolution', {budgets = budgets, options = {population = 10, generations = 3}})
  test.equal(#log.rounds, 6) -- one budget after the other
  for r, round in ipairs(log.rounds) do
    test.check(#round <= 10, 'population')
    for _, p in ipairs(round) do test.check(w:time(p.genome) <= budgets[r <= 3 and 1 or 2], 'the budget of its turn') end
  end
  test.check(#log.rounds[1] >= 8, ('%d of 10 at first'):format(#log.rounds[1]))
  local wide = exact_world(5, {5, 4}) -- so many that no two of ten are the same
  test.equal(#wide:search('evolution', {budgets = {wide.full}, options = {population = 10, generations = 1}}).rounds[1], 10)
  -- Each budget begins anew: its first genomes are drawn, not bred.
  local same = 0
  for _, p in ipairs(log.rounds[4]) do
    for _, q in ipairs(log.rounds[3]) do same = same + (p.genome == q.genome and 1 or 0) end
  end
  test.check(same <= 2, 'the second budget begins with the first one\'s genomes')
  local spread = {}
  for k, mutate in ipairs{0, 0.1, 1} do
    spread[k] = 0
    for seed = 1, 5 do
      local round = w:search('evolution', {budgets = {w.full}, seed = seed, options = {mutate = mutate}}).rounds[8]
      spread[k] = spread[k] + #round -- without what was already in the round
    end
  end
  test.check(spread[1] < spread[2] and spread[2] < spread[3],
             ('different genomes at the end: %s, by more mutation more'):format(table.concat(spread, ' ')))
  -- A room smaller than the population is kept.
  test.check(#w:search('evolution', {budgets = {w.full}, room = 5, most = 1}).rounds[1] <= 5, 'room for five')
  -- A budget that hardly anything meets begins with the fastest genome.
  local fastest, least = nil, math.huge
  for _, genome in ipairs(w.genomes) do
    if w:time(genome) < least then fastest, least = genome, w:time(genome) end
  end
  local tight = w:search('evolution', {budgets = {least * 1.0001}, options = {generations = 2}})
  for _, round in ipairs(tight.rounds) do
    for _, p in ipairs(round) do test.equal(p.genome, fastest) end
  end
  test.equal(#tight.rounds[1], 1)
end)

-- ---- annealing -------------------------------------------------------------------------------------------

-- Where a walker stands after each round, from its proposals, if it takes what is not worse: for heat 0.
local function hill(w, rounds, b)
  local now, steps = nil, {}
  for r, round in ipairs(rounds) do
    local genome = round[b].genome
    steps[r] = {from = now, to = genome}
    if not now or w:harm(genome) <= w:harm(now) then now = genome end
  end
  return now, steps
end

local function differences(a, b)
  local n = 0
  for p = 1, #a do n = n + (a:sub(p, p) ~= b:sub(p, p) and 1 or 0) end
  return n
end

test.case('annealing without heat climbs and never falls', function()
  for seed = 1, 6 do
    local w = exact_world(seed)
    local budgets = {0.8 * w.full, 0.5 * w.full}
    local log = w:search('annealing', {budgets = budgets, seed = seed, options = {heat = 0, mutate = 0.08, steps = 200}})
    test.equal(#log.rounds, 200)
    for b, budget in ipairs(budgets) do
      local finish, steps = hill(w, log.rounds, b)
      local near = 0
      for r, step in ipairs(steps) do
        test.check(w:time(step.to) <= budget, 'within its budget')
        if step.from then near = near + (differences(step.from, step.to) <= 3 and 1 or 0) end
        test.check(r == 1 or step.to ~= nil, 'a step')
      end
      -- Neighbours of the best so far; if a worse one were taken, some later steps would be far away.
      test.check(near >= 0.85 * #steps, ('%d of %d steps are near the best so far'):format(near, #steps))
      local start = w:harm(log.rounds[1][b].genome)
      local _, least = w:best(budget)
      test.check(w:harm(finish) <= least + 0.4 * (start - least) + 1e-9,
                 ('ends at %.3f, began at %.3f, best %.3f'):format(w:harm(finish), start, least))
    end
  end
end)

test.case('annealing: more heat takes more losses, and less of them with time', function()
  local w = exact_world(2)
  local function mean_late(options)
    local sum, count = 0, 0
    for seed = 1, 8 do
      local log = w:search('annealing', {budgets = {0.6 * w.full}, seed = seed, options = options})
      for r = #log.rounds - 19, #log.rounds do sum, count = sum + w:harm(log.rounds[r][1].genome), count + 1 end
    end
    return sum / count
  end
  local cold, hot = mean_late{heat = 0, steps = 120}, mean_late{heat = 100, steps = 120}
  test.check(hot > 1.2 * cold, ('late harm %.3f hot, %.3f cold'):format(hot, cold))
  -- Heat falls to nothing at the end, so a hot walk ends cooler than it goes half-way.
  local halfway, late, rounds = 0, 0, 400
  for seed = 1, 8 do
    local log = w:search('annealing', {budgets = {0.6 * w.full}, seed = seed, options = {heat = 0.2, steps = rounds}})
    for r = 1, 60 do
      halfway = halfway + w:harm(log.rounds[20 + r][1].genome)
      late = late + w:harm(log.rounds[rounds - 60 + r][1].genome)
    end
  end
  test.check(late < 0.9 * halfway, ('harm %.2f late, %.2f early'):format(late, halfway))
  local function changed(mutate)
    local places = 0
    for seed = 1, 4 do
      local log = w:search('annealing', {budgets = {w.full}, seed = seed, options = {heat = 0, mutate = mutate}})
      local _, steps = hill(w, log.rounds, 1)
      for r = 2, #steps do places = places + differences(steps[r].from, steps[r].to) end
    end
    return places
  end
  local near, far = changed(0.05), changed(0.8)
  test.check(far > 1.5 * near, ('%d places changed by mutate 0.8, %d by 0.05'):format(far, near))
  test.equal(#w:search('annealing', {budgets = {w.full}}).rounds, 60)
end)

-- ---- greedy ----------------------------------------------------------------------------------------------

test.case('greedy takes the least damage for the time it saves', function()
  for seed = 1, 6 do
    local w = exact_world(seed)
    local budgets = {0.8 * w.full, 0.4 * w.full}
    local log = w:search('greedy', {budgets = budgets})
    local now = ('0'):rep(7)
    for r, round in ipairs(log.rounds) do
      local best, price = nil, math.huge
      local seen = {}
      for _, p in ipairs(round) do
        test.equal(p.count, math.min(1000, w.images))
        test.check(not seen[p.genome], 'each once')
        test.check(p.genome ~= now, 'none as it is')
        seen[p.genome] = true
        test.check(w:time(p.genome) < w:time(now), 'every proposal is faster')
        local cost = (w:harm(p.genome) - w:harm(now) + 1e-4) / (w:time(now) - w:time(p.genome))
        if cost < price then best, price = p.genome, cost end
      end
      -- All changes of one option that are faster are there.
      for _, o in ipairs(w.options) do
        local genome = w:with(now, o)
        if w:time(genome) < w:time(now) then test.check(seen[genome], ('round %d leaves out %s'):format(r, genome)) end
      end
      now = best
    end
    test.check(w:time(now) <= budgets[2], 'ends within the smallest budget')
  end
end)

test.case('greedy: images, and budgets that cannot be met', function()
  local w = exact_world(1)
  local log = w:search('greedy', {budgets = {0.7 * w.full}, options = {images = 40}})
  for _, round in ipairs(log.rounds) do test.equal(round[1].count, 40) end
  log = w:search('greedy', {budgets = {1e-9}})
  test.check(#log.rounds < 40, 'it ends where nothing is faster')
  test.equal(#log.rounds[#log.rounds], 0)
end)

-- ---- random ----------------------------------------------------------------------------------------------

test.case('random is uniform over all genomes, and so many', function()
  local w = worlds.new{seed = 1, trunks = {2, 1}}
  local log = w:search('random', {budgets = {w.full}, options = {evaluations = 12000}})
  test.equal(log.proposals, 12000)
  local times = {}
  for _, round in ipairs(log.rounds) do
    for _, p in ipairs(round) do times[p.genome] = (times[p.genome] or 0) + 1 end
  end
  local mean, square = 12000 / #w.genomes, 0
  for _, genome in ipairs(w.genomes) do square = square + ((times[genome] or 0) - mean) ^ 2 / mean end
  -- Chi squared of n - 1 degrees of freedom: its mean, and five deviations.
  local freedom = #w.genomes - 1
  test.check(math.abs(square - freedom) < 5 * math.sqrt(2 * freedom), ('chi squared %.1f, want about %d'):format(square, freedom))
  test.equal(tonumber(w.space:size()), #w.genomes)
  test.equal(#w:search('random', {budgets = {w.full}, options = {evaluations = 7}, room = 5}).rounds[1], 5)
  test.equal(w:search('random', {budgets = {w.full}, options = {evaluations = 7}, room = 5}).proposals, 7)
end)

-- ---- all -------------------------------------------------------------------------------------------------

test.case('what they do when nothing is said', function()
  local defaults = {
    evolution = {population = 40, generations = 8, mutate = 0.1}, annealing = {steps = 60, heat = 0.01, mutate = 0.15},
    greedy = {images = 1000}, random = {evaluations = 300},
    front = {probe = 256, candidates = 12, rounds = 3, racers = 10, deviations = 1.6, ridge = 2},
  }
  for name, want in pairs(defaults) do
    local policy = assert(anet.policy.load(name, {kind = 'search'}))
    test.equal(policy.name, name)
    test.equal(policy.kind, 'search')
    for key, value in pairs(want) do test.equal(policy.defaults[key], value) end
    for key in pairs(policy.defaults) do test.check(want[key] ~= nil, name .. ' has an option ' .. key) end
  end
end)

return test.finish()
