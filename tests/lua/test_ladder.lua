-- How rungs are chosen: by a clock of our own, quiet or disturbed.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local ladder = require 'anet.ladder'

local SHARES = {0.9, 0.8, 0.7, 0.6, 0.5, 0.4}

-- Candidates of six budgets, ten each in order of merit, whose predictions are off by one percent, all of them also by `bias`.
local function make_world(seed, bias)
  local rng = anet.rng(seed)
  local world = {predicted = {oracle = 1}, ratio = {oracle = 1}, list = {}}
  local function normal() return rng:uniform() + rng:uniform() + rng:uniform() + rng:uniform() - 2 end -- of deviation 0.58
  for b, share in ipairs(SHARES) do
    world.list[b] = {}
    for k = 1, 10 do
      local genome = ('%d:%d'):format(b, k)
      world.predicted[genome] = share * (0.99 - 0.04 * rng:uniform())
      world.ratio[genome] = world.predicted[genome] * (1 + bias + 0.018 * normal())
      world.list[b][k] = genome
    end
  end
  return world
end

local function candidates_of(world)
  return function(b, limit)
    local list = {}
    for _, genome in ipairs(world.list[b]) do
      local predicted = world.predicted[genome]
      if predicted <= limit then list[#list + 1] = {genome = genome, predicted = predicted} end
    end
    return list
  end
end

-- Rounds of pairs, a run of a subnet and one of the oracle, and the median of the ratios of the pairs: its error is what the order of the
-- samples says. share: of samples that are slowed 1.2 to 3 times; burst: how many of them follow each other.
local function clock(world, seed, share, burst)
  local rng, calls, slow = anet.rng(seed), {}, false
  local function sample(genome)
    slow = rng:uniform() < (slow and 1 - (1 - share) / burst or share / burst)
    return world.ratio[genome] * (1 + 0.004 * rng:uniform()) * (slow and 1.2 + 1.8 * rng:uniform() or 1)
  end
  local function summary(times, ratios)
    local middle, half = math.ceil(#times / 2), math.ceil(math.sqrt(#times)) -- two deviations of the place of the median
    table.sort(times)
    table.sort(ratios)
    local low, high = ratios[math.max(middle - half, 1)], ratios[math.min(middle + half, #ratios)]
    return {ms = times[middle], ratio = ratios[middle], error = (high - low) / 2}
  end
  return function(genomes, options)
    local figures = {}
    calls[#calls + 1] = genomes
    for i in ipairs(genomes) do figures[i] = {{}, {}} end
    for round = 1, options.rounds do
      for i, genome in ipairs(genomes) do
        local ms = sample(genome)
        figures[i][1][round], figures[i][2][round] = ms, i == 1 and 1 or ms / sample 'oracle'
      end
    end
    for i, f in ipairs(figures) do figures[i] = summary(f[1], f[2]) end
    return figures
  end, calls
end

local function choose(world, measure) return ladder.choose(SHARES, candidates_of(world), 'oracle', measure, {rounds = 100}) end

local function differences(a, b)
  local count = 0
  for i in ipairs(SHARES) do count = count + (a[i].genome ~= b[i].genome and 1 or 0) end
  return count
end

test.case('a disturbed clock makes the ladder of a quiet one', function()
  for _, burst in ipairs{1, 20, 100} do
    for _, bias in ipairs{0, 0.01, -0.01} do
      local equal = 0
      for seed = 1, 100 do
        local world = make_world(seed, bias)
        local quiet = choose(world, (clock(world, seed, 0, 1)))
        local noisy = choose(world, (clock(world, 1000 + seed, 0.3, burst)))
        equal = equal + (differences(quiet, noisy) <= 1 and 1 or 0)
        for b, share in ipairs(SHARES) do
          local genome = noisy[b].genome
          if test.check(genome, ('seed %d, budget %.1f: no genome'):format(seed, share)) then
            test.check(world.ratio[genome] < share * 1.01, ('seed %d, budget %.1f: %.4f'):format(seed, share, world.ratio[genome]))
            test.equal(genome:sub(1, 1), tostring(b))
          end
        end
      end
      test.check(equal >= 95, ('bursts of %d, bias %g: %d of 100 ladders are alike'):format(burst, bias, equal))
    end
  end
end)

-- ---- one budget at a time ------------------------------------------------------------------------------------

-- Choose for a budget of 0.5 (of an oracle that takes 2 ms) among genomes 'a', 'b', … by what each measuring of them says, {ratio, error}.
local function choose_one(says, predicted, fixed)
  local names, turn, log = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'}, {}, {}
  local function measure(genomes, options)
    local figures = {}
    test.equal(genomes[1], 'oracle')
    for i, genome in ipairs(genomes) do
      turn[genome] = math.min((turn[genome] or 0) + 1, says[genome] and #says[genome] or 1)
      local said = says[genome] and says[genome][turn[genome]] or {1, 0}
      figures[i] = {ms = 2 * said[1], ratio = said[1], error = said[2]}
      if i > 1 then log[#log + 1] = genome .. options.rounds end
    end
    return figures
  end
  local function candidates(_, limit)
    local list = {}
    for _, genome in ipairs(names) do
      local share = predicted and predicted[genome] or 0.49
      if says[genome] and share <= limit then list[#list + 1] = {genome = genome, predicted = share} end
    end
    return list
  end
  local choices, known = ladder.choose({0.5}, candidates, 'oracle', measure, {rounds = 100, fixed = fixed})
  return choices[1], table.concat(log, ' '), known
end

test.case('the best that keeps its budget, and no more measuring than that takes', function()
  local choice, log, known = choose_one{a = {{0.48, 0.01}}, b = {{0.2, 0.01}}}
  test.equal(choice.genome, 'a')
  test.check(choice.settled)
  test.equal(log, 'a100')
  test.equal(known.oracle.ms, 2)
  choice, log = choose_one({a = {{0.52, 0.01}}, b = {{0.49, 0.005}}, c = {{0.1, 0.001}}}, {b = 0.47})
  test.equal(choice.genome, 'b')
  test.equal(log, 'a100 b100')
end)

test.case('what is near its budget is measured again, and twice as long', function()
  local choice, log = choose_one{a = {{0.51, 0.02}, {0.49, 0.005}}, b = {{0.2, 0.01}}}
  test.equal(choice.genome, 'a')
  test.check(choice.settled)
  test.equal(log, 'a100 a200')
end)

test.case('what cannot be settled is said', function()
  local choice, log = choose_one{a = {{0.49, 0.2}}, b = {{0.2, 0.01}}}
  test.equal(choice.genome, 'a')
  test.equal(choice.settled, false)
  test.equal(log, 'a100 a200 a400')
  choice = choose_one{a = {{0.501, 0.2}}, b = {{0.2, 0.01}}}
  test.equal(choice.genome, 'b')
end)

test.case('hairs are not split', function()
  local choice, log = choose_one{a = {{0.49995, 0.0005}}}
  test.equal(choice.genome, 'a')
  test.equal(log, 'a100')
end)

test.case('bounds: an error that is just fine, a ratio that is just the budget', function()
  local choice, log = choose_one{a = {{0.4995, 0.001}}, b = {{0.2, 0.01}}}
  test.same({choice.genome, choice.settled, log}, {'a', true, 'a100'})
  choice, log = choose_one{a = {{0.5, 0.2}}, b = {{0.2, 0.01}}}
  test.same({choice.genome, choice.settled, log}, {'a', false, 'a100 a200 a400'})
  choice, log = choose_one{a = {{0.5, 0}}, b = {{0.2, 0.01}}}
  test.same({choice.genome, choice.settled, log}, {'a', true, 'a100'})
  choice, log = choose_one({a = {{0.51, 0.02}, {0.505, 0.001}}, b = {{0.2, 0.01}}}, {b = 0.3}) -- it may still be within, until it is measured again
  test.same({choice.genome, choice.settled, log}, {'b', true, 'a100 a200 b100'})
end)

test.case('of several times of the oracle the least holds, of the others the last', function()
  local _, _, known = choose_one{oracle = {{1.1, 0}, {1, 0}, {1.05, 0}}, a = {{0.49, 0.2}, {0.5, 0.2}, {0.495, 0.2}}}
  test.same({known.oracle.ms, known.a.ms, known.a.ratio, known.oracle.times, known.a.times}, {2, 0.99, 0.495, 3, 3})
end)

test.case('a budget that nobody keeps has no genome', function()
  local says = {}
  for _, name in ipairs{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'} do says[name] = {{0.502, 0.001}} end
  local choice, log = choose_one(says)
  test.equal(choice.genome, nil)
  test.equal(choice.measured, 8)
  test.equal(choice.nearest, 0.502)
  test.equal(select(2, log:gsub('100', '')), 8)
  test.equal(choose_one({}).genome, nil)
end)

test.case('what must be over the budget too is not measured', function()
  local choice, log = choose_one({a = {{0.6, 0.001}}, b = {{0.3, 0.001}}, c = {{0.3, 0.001}}}, {a = 0.49, b = 0.45, c = 0.4})
  test.equal(choice.genome, 'c')
  test.equal(log, 'a100 c100')
end)

test.case('a budget in milliseconds holds against the oracle as it is measured', function()
  local says = {a = {{0.49, 0.001}}, b = {{0.44, 0.001}}}
  test.equal(choose_one(says, {a = 0.49, b = 0.44}).genome, 'a')
  local choice = choose_one(says, {a = 0.49, b = 0.44}, {0.9})
  test.equal(choice.genome, 'b')
  test.near(choice.share, 0.45, 1e-12)
end)

test.case('budgets share what was measured', function()
  local world = {predicted = {x = 0.3, oracle = 1}, ratio = {x = 0.3, oracle = 1}, list = {{'x'}, {'x'}, {'oracle'}}}
  local measure, calls = clock(world, 1, 0, 1)
  local choices = ladder.choose({0.8, 0.4, 1.2}, candidates_of(world), 'oracle', measure, {rounds = 20})
  test.equal(choices[1].genome, 'x')
  test.equal(choices[2].genome, 'x')
  test.equal(choices[3].genome, 'oracle')
  test.equal(#calls, 1)
  test.same(calls[1], {'oracle', 'x'})
end)

-- ---- order ------------------------------------------------------------------------------------------------------

test.case('fastest first, and none that is dominated', function()
  local rungs = {{name = 'oracle', measured_ms = 3, score = 0.9}, {name = 'twin', measured_ms = 1, score = 0.8},
                 {name = 'fast', measured_ms = 1, score = 0.8}, {name = 'poor', measured_ms = 2, score = 0.7}}
  local names = {}
  for i, r in ipairs(ladder.arrange(rungs)) do names[i] = r.name end
  test.same(names, {'twin', 'oracle'})
  test.same(ladder.arrange{}, {})
end)

return test.finish()
