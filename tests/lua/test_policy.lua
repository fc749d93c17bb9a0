-- Policies from outside: loading, options, and what the sandbox gives them about spaces and chance.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'

-- A search policy whose propose(space, n) runs `body`; observe keeps, done says what it was.
local function probe(body, settings)
  settings = settings or {}
  settings.text = ([[
    local P = {}
    P.__index = P
    function P:propose(space, n) local rng, options = self.rng, self.options %s end
    function P:observe(results) self.seen = results end
    function P:done() return self.seen ~= nil end
    return {api = 1, kind = 'search', name = 'probe', defaults = {population = 20, rate = 0.5, deep = false, list = {1}},
            new = function(options, rng) return setmetatable({options = options, rng = rng}, P) end}]]):format(body)
  return assert(anet.policy.load('probe', settings))
end

-- Two trunks of 4 and 5 blocks with merges of 2 and 3, a shrink and a skip.
local function make_space()
  local s = anet.space{0, 0, 0, 0, 1, 1, 1, 1, 1}
  local lengths = {4, 4, 4, 4, 9, 9, 9, 9, 9}
  for p, last in ipairs(lengths) do
    for span = 2, 3 do
      if p + span - 1 <= last then s:add{kind = 'merge', position = p, span = span} end
    end
    if p % 3 == 0 then s:add{kind = 'shrink', position = p, width = 0.5} end
  end
  return s:add{kind = 'skip', position = 7}
end

local function figures(s)
  local random, times, damages = anet.rng(4), {}, {}
  for i, o in ipairs(s:options()) do
    times[i] = o.kind == 'skip' and 0 or (0.5 + random:uniform()) * math.sqrt(o.span)
    damages[i] = o.kind == 'keep' and 0 or random:uniform() * o.span
  end
  return times, damages
end

test.case('loading', function()
  for _, p in ipairs(anet.policy.list()) do
    local policy, message = anet.policy.load(p.name, {kind = p.kind})
    test.check(policy, message)
    test.equal(policy and policy.kind, p.kind)
  end
  test.fails("there is no search policy 'evolutoin'; did you mean 'evolution'?", 'absent',
             anet.policy.load('evolutoin', {kind = 'search'}))
  test.fails('no-such', 'io', anet.policy.load './no-such-file.lua')
  test.fails("its kind is 'latency', want search", 'policy', anet.policy.load('policies/latency/fixed.lua', {kind = 'search'}))
end)

test.case('options', function()
  local name, options = anet.policy.parse 'x:a=1,b=two,c=true'
  test.equal(name, 'x')
  test.equal(options.a, 1)
  test.equal(options.b, 'two')
  test.equal(options.c, true)
  test.equal(probe('return options.population, options.rate', {options = {population = 7}}):propose(1), 7)
  local function refused(word, given)
    local body = 'return {api = 1, kind = "search", defaults = {population = 20}, new = function() return {} end}'
    test.fails(word, 'policy', anet.policy.load('x', {text = body, options = given}))
  end
  refused("no option 'popultion'; did you mean 'population'?", {popultion = 3})
  refused("option 'population' is a string, want a number", {population = 'many'})
  refused("it has no method 'propose'", {})
end)

test.case('random numbers are the same everywhere', function()
  local policy = probe('local t = {} for i = 1, 5 do t[i] = rng:int(0, 999999) end return t', {seed = 42})
  test.same(policy:propose(1), {807102, 380806, 110000, 529152, 96124})
  local other = probe('local t = {} for i = 1, 5 do t[i] = rng:int(0, 999999) end return t', {seed = 43})
  test.check(other:propose(1)[1] ~= policy:propose(1)[1])
  local stats = probe([[
    local sum, least, most, counts = 0, 1, 0, {0, 0, 0}
    for i = 1, 30000 do
      local u = rng:uniform()
      sum, least, most = sum + u, math.min(least, u), math.max(most, u)
      local k = rng:int(1, 3)
      counts[k] = counts[k] + 1
    end
    return {sum / 30000, least, most, counts[1], counts[2], counts[3]}]]):propose(1)
  test.near(stats[1], 0.5, 0.01)
  test.check(stats[2] >= 0 and stats[3] < 1)
  for k = 4, 6 do test.near(stats[k], 10000, 400) end
end)

test.case('a space in the sandbox is the same space', function()
  local s = make_space()
  local times, damages = figures(s)
  local policy = probe [[
    local damages = space.damages
    return {size = space:size(), keep = space:keep(), front = space:front(damages), best = space:best(damages, space.budget, 5),
            latency = space:latency(space:keep()), none = space:best(damages, 0.1, 1),
            other = space:best(damages, 3, 4, function(option) return option.span end)}]]
  local description = s:describe(times, 2)
  description.damages, description.budget = damages, s:front(times, damages)[1].cost + 4
  test.check(policy:space(description))
  local got = policy:propose(1)
  test.equal(('%.0f'):format(got.size), s:size())
  test.equal(got.keep, s:keep())
  local front = s:front(times, damages)
  test.equal(#got.front, #front)
  for i, point in ipairs(front) do
    test.equal(got.front[i].genome, point.genome)
    test.near(got.front[i].ms, point.cost + 2, 1e-9)
  end
  test.same(got.best, s:best(times, damages, description.budget - 2, 5))
  local spans = {}
  for i, o in ipairs(s:options()) do spans[i] = o.span end
  test.same(got.other, s:best(spans, damages, 3, 4) or {})
  test.equal(#got.none, 0)
  local sum = 2
  for _, o in ipairs(s:options()) do if o.kind == 'keep' then sum = sum + times[o.index] end end
  test.near(got.latency, sum, 1e-9)
end)

test.case('samples, mutants and children are legal', function()
  local s = make_space()
  local policy = probe [[
    local list = {}
    for i = 1, 300 do
      local a, b = space:sample(rng), space:sample(rng)
      list[#list + 1] = a
      list[#list + 1] = space:mutate(a, rng, 0.3)
      list[#list + 1] = space:cross(a, b, rng)
      list[#list + 1] = space:with(a, rng:pick(space:options(rng:int(1, space.positions))))
    end
    return list]]
  policy:space(s)
  local list, seen, distinct = policy:propose(1), {}, 0
  for _, genome in ipairs(list) do
    local ok, why = s:check(genome)
    test.check(ok, genome .. ': ' .. tostring(why))
    if not seen[genome] then seen[genome], distinct = true, distinct + 1 end
  end
  test.check(distinct > 0.9 * tonumber(s:size()), ('%d distinct of %s'):format(distinct, s:size()))
end)

test.case('samples are uniform', function()
  local s = anet.space{0, 0, 0}
  s:add{kind = 'merge', position = 1, span = 2}:add{kind = 'merge', position = 2, span = 2}
  local policy = probe [[
    local counts = {}
    for i = 1, 9000 do
      local g = space:sample(rng)
      counts[g] = (counts[g] or 0) + 1
    end
    return counts]]
  policy:space(s)
  local counts = policy:propose(1)
  test.equal(s:size(), '3')
  for _, genome in ipairs{'000', '1-0', '01-'} do test.near(counts[genome], 3000, 250) end
end)

test.case('mutation and crossing keep what they may', function()
  local s = make_space()
  local policy = probe [[
    local a, b = space:sample(rng), space:sample(rng)
    return {space:mutate(a, rng, 0) == a, space:cross(a, a, rng) == a, #space:chosen(a) > 0,
            space:with(space:keep(), space:options(1)[2]), (space:check('x')), (space:check('1-------1'))}]]
  policy:space(s)
  test.same(policy:propose(1), {true, true, true, '1-0000000', false, false})
  for _, body in ipairs{'space:latency("zz")', 'space:mutate("0", rng, 1)', 'space:front({})', 'rng:int(3, 1)', 'rng:pick({})'} do
    local broken = probe('return ' .. body)
    broken:space(s)
    local value, message = broken:propose(1)
    test.equal(value, nil)
    test.mentions(message, 'probe')
  end
end)

test.case('a search that ships finds the front', function()
  local s = make_space()
  local times, damages = figures(s)
  local policy = assert(anet.policy.load('random', {kind = 'search', seed = 3}))
  local description = s:describe(times, 1)
  description.images, description.budgets = 100, {6, 5}
  test.check(policy:space(description))
  for _ = 1, 3 do
    local proposals = policy:propose(8)
    test.check(type(proposals) == 'table' and #proposals > 0)
    local results = {}
    for i, p in ipairs(proposals) do
      local genome = type(p) == 'table' and p.genome or p
      test.check(s:check(genome))
      results[i] = {genome = genome, ms = 5, score = 0.5, loss = 1, count = 100, hits = ('10'):rep(50)}
    end
    local _, message = policy:observe(results)
    test.equal(message, nil)
  end
end)

return test.finish()
