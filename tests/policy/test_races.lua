-- Races: their rounds word for word, and how often they drop the right and the wrong ones, by chance that is known.
local anet = require 'anet'
local Race = require 'anet.policy.race'
local test = dofile 'tests/support/test.lua'

local function tell(race, hits)
  for _, name in ipairs((race:ask())) do race:tell(name, hits[name]) end
end

-- ---- rounds ----------------------------------------------------------------------------------------------

test.case('rounds grow to all images', function()
  local function counts(options)
    local race, list = Race.new({'a', 'b'}, options), {}
    while not race:done() do
      local alive, count = race:ask()
      list[#list + 1] = count
      for _, name in ipairs(alive) do race:tell(name, ('1'):rep(count)) end
      race:settle()
    end
    return list, race
  end
  test.same(counts{total = 35, first = 10, grow = 2}, {10, 20, 35})
  test.same(counts{total = 300}, {64, 103, 165, 264, 300})
  test.same(counts{total = 40}, {40})
  local _, race = counts{total = 35, first = 10, grow = 2}
  test.equal(race.work, 70) -- each image of each candidate once
  test.equal(race:winner(), 'a') -- the first of equals
  test.equal(#race.alive, 1)
  _, race = counts{total = 35, first = 10, grow = 2, ties = true}
  test.same(race.alive, {'a', 'b'})
end)

-- What is left of candidates after one look; hits by name.
local function after(hits, options)
  local names = {}
  for name in pairs(hits) do names[#names + 1] = name end
  table.sort(names)
  local race = Race.new(names, options)
  tell(race, hits)
  race:settle()
  return race.alive, race
end

test.case('beaten is whose difference is beyond the bound, not at it', function()
  local hits = {a = '1111' .. ('1'):rep(96), b = '0000' .. ('1'):rep(96)} -- 4 images ahead of 4: 2 deviations
  test.same(after(hits, {total = 100, first = 100, ties = true, deviations = 2}), {'a', 'b'})
  test.same(after(hits, {total = 100, first = 100, ties = true, deviations = 1.99}), {'a'})
  -- Of 400 images a quarter is seen: sqrt(3/4) of the bound.
  test.same(after(hits, {total = 400, first = 100, deviations = 2.3}), {'a'})
  test.same(after(hits, {total = 400, first = 100, deviations = 2.32}), {'a', 'b'})
  test.same(after(hits, {total = 400, first = 100, deviations = 2.3, ties = true}), {'a', 'b'})
  -- 2.4 deviations where nothing is said: 6 images are more than that, 5 are not.
  test.same(after({a = ('1'):rep(10), b = '00000' .. ('1'):rep(5)}, {total = 1e6, first = 10}), {'a', 'b'})
  test.same(after({a = ('1'):rep(10), b = '000000' .. ('1'):rep(4)}, {total = 1e6, first = 10}), {'a'})
  -- What both get wrong is no difference; what the other is right in counts against it.
  test.same(after({a = '1111110000', b = '0000000000'}, {total = 10, first = 10, ties = true}), {'a'})
  test.same(after({a = '1111111000', b = '0000000100'}, {total = 10, first = 10, ties = true, deviations = 2.2}), {'a', 'b'})
end)

test.case('the leader has the most hits on what is seen, whoever is first', function()
  local alive, race = after({a = '0000000000', b = '1111111110', c = '1111111111'}, {total = 10, first = 10, ties = true})
  test.same(alive, {'b', 'c'})
  test.equal(race:winner(), 'b') -- not told apart: the first
  alive = after({a = '0000000000', b = '1111111110', c = '1111111111'}, {total = 10, first = 10})
  test.same(alive, {'c'})
  -- Of longer texts only the images that all were asked for count.
  alive, race = after({a = '1111111111' .. ('0'):rep(90), b = '0000000000' .. ('1'):rep(90)}, {total = 100, first = 10})
  test.same(alive, {'a'})
  test.equal(race.work, 200)
end)

test.case('a race of one is over, and work is what is new', function()
  local race = Race.new({'only'}, {total = 100})
  test.check(race:done(), 'of one')
  test.equal(race:winner(), 'only')
  test.equal(Race.new({}, {total = 10}):winner(), nil)
  race = Race.new({'a', 'b'}, {total = 100, first = 10})
  test.check(not race:done(), 'of two')
  race:tell('a', ('1'):rep(10))
  race:tell('a', ('1'):rep(16))
  test.equal(race.work, 16)
  local candidates = {'a', 'b'}
  race = Race.new(candidates, {total = 10})
  candidates[1] = 'x'
  test.same(race.alive, {'a', 'b'})
end)

-- ---- chance ----------------------------------------------------------------------------------------------

local SEEDS = 1000

-- Hits of two candidates on n images: each image is one that only a gets with probability pa, only b with pb.
local function pair(random, n, pa, pb)
  local a, b = {}, {}
  for i = 1, n do
    local u = random:uniform()
    a[i], b[i] = u < pa and '1' or u < pa + pb and '0' or '1', u < pa and '0' or '1'
  end
  return table.concat(a), table.concat(b)
end

-- How often each of the two is dropped.
local function dropped(options, draw)
  local random, a, b = anet.rng.new(7), 0, 0
  for _ = 1, SEEDS do
    local hits = {}
    hits.a, hits.b = draw(random)
    local race = Race.new({'a', 'b'}, options)
    repeat
      tell(race, hits)
      race:settle()
    until race:done() or options.first == race.total
    if #race.alive == 1 then
      if race.alive[1] == 'a' then b = b + 1 else a = a + 1 end
    end
  end
  return a / SEEDS, b / SEEDS
end

test.case('equals are dropped as seldom as the deviations say', function()
  -- Both tails of the normal distribution beyond 1.6 and 1.
  for _, case in ipairs{{1.6, 0.1096}, {1, 0.3173}} do
    local deviations, want = case[1], case[2]
    local a, b = dropped({total = 1000, first = 1000, ties = true, deviations = deviations},
                         function(random) return pair(random, 1000, 0.06, 0.06) end)
    print(('race: of equals %.3f and %.3f are dropped at %.1f deviations, want %.3f'):format(a, b, deviations, want))
    test.near(a + b, want, 0.045)
    test.near(a - b, 0, 0.045)
  end
end)

test.case('the worse is dropped as often as its difference says, the better hardly ever', function()
  -- 20 images of a mean difference, 10 of deviation: beyond 1.6 deviations with probability 0.655.
  local a, b = dropped({total = 1000, first = 1000, ties = true, deviations = 1.6},
                       function(random) return pair(random, 1000, 0.06, 0.04) end)
  print(('race: the worse is dropped in %.3f, want 0.655; the better in %.3f'):format(b, a))
  test.near(b, 0.655, 0.05)
  test.check(a <= 0.003, ('the better is dropped in %.4f'):format(a))
end)

-- A finite set on which both have as many hits, in random order.
local function shuffled(random, n, differences)
  local kinds = {}
  for i = 1, n do kinds[i] = i <= differences and 'a' or i <= 2 * differences and 'b' or '-' end
  for i = n, 2, -1 do
    local k = random:int(1, i)
    kinds[i], kinds[k] = kinds[k], kinds[i]
  end
  local text = table.concat(kinds)
  return (text:gsub('[a-]', '1'):gsub('b', '0')), (text:gsub('[b-]', '1'):gsub('a', '0'))
end

test.case('what is not yet seen of a finite set bounds what can change', function()
  for _, first in ipairs{200, 500, 900} do
    local random, count = anet.rng.new(first), 0
    for _ = 1, SEEDS do
      local race, hits = Race.new({'a', 'b'}, {total = 1000, first = first, deviations = 1.3}), {}
      hits.a, hits.b = shuffled(random, 1000, 150)
      tell(race, hits)
      race:settle()
      count = count + (#race.alive == 1 and 1 or 0)
    end
    print(('race: equal on all of 1000 images, told apart on %d in %.3f, want 0.194'):format(first, count / SEEDS))
    test.near(count / SEEDS, 0.194, 0.06)
  end
end)

test.case('many looks: the best of all images wins, the close ones on more work than the far', function()
  local works = {}
  for k, gap in ipairs{0.005, 0.05} do
    local random, wrong, work = anet.rng.new(k), 0, 0
    for _ = 1, 200 do
      local hits = {}
      hits.a, hits.b = pair(random, 1500, 0.03 + gap, 0.03)
      local _, a = hits.a:gsub('1', '')
      local _, b = hits.b:gsub('1', '')
      local race = Race.new({'a', 'b'}, {total = 1500})
      while not race:done() do
        local alive, count = race:ask()
        for _, name in ipairs(alive) do race:tell(name, hits[name]:sub(1, count)) end
        race:settle()
      end
      wrong = wrong + ((race:winner() == 'a') ~= (a >= b) and 1 or 0)
      work = work + race.work / 3000
    end
    works[k] = work / 200
    print(('race: gap %.3f: %d of 200 wrong on %.1f %% of the work'):format(gap, wrong, 100 * works[k]))
    test.check(wrong <= 16, ('%d wrong'):format(wrong))
  end
  test.check(works[2] < 0.5 * works[1] and works[2] < 0.2, ('%.3f of the work where far apart, %.3f where close'):format(works[2], works[1]))
end)

return test.finish()
