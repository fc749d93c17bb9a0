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

-- What its propose gave, whatever that is.
local function ask(policy) return policy.box:call('propose', 1) end

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
  test.equal(ask(probe('return options.population, options.rate', {options = {population = 7}})), 7)
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
  test.same(ask(policy), {807102, 380806, 110000, 529152, 96124})
  local other = probe('local t = {} for i = 1, 5 do t[i] = rng:int(0, 999999) end return t', {seed = 43})
  test.check(ask(other)[1] ~= ask(policy)[1])
  local stats = ask(probe[[
    local sum, least, most, counts = 0, 1, 0, {0, 0, 0}
    for i = 1, 30000 do
      local u = rng:uniform()
      sum, least, most = sum + u, math.min(least, u), math.max(most, u)
      local k = rng:int(1, 3)
      counts[k] = counts[k] + 1
    end
    return {sum / 30000, least, most, counts[1], counts[2], counts[3]}]])
  test.near(stats[1], 0.5, 0.01)
  test.check(stats[2] >= 0 and stats[3] < 1)
  for k = 4, 6 do test.near(stats[k], 10000, 400) end
  -- Orders of four, from both generators: each of the 24 as often as any other.
  local orders = ask(probe [[
    local counts = {}
    for i = 1, 12000 do
      local order = table.concat(rng:shuffle{1, 2, 3, 4})
      counts[order] = (counts[order] or 0) + 1
    end
    return counts]])
  local own, mine = anet.rng(5), {}
  for _ = 1, 12000 do
    local order = table.concat(own:shuffle{1, 2, 3, 4})
    mine[order] = (mine[order] or 0) + 1
  end
  for _, counts in ipairs{orders, mine} do
    local n = 0
    for order, count in pairs(counts) do
      n = n + 1
      test.check(count > 380 and count < 620, order .. ' ' .. count)
    end
    test.equal(n, 24)
  end
  local normal = ask(probe [[
    local sum, square = 0, 0
    for i = 1, 20000 do local x = rng:normal() sum, square = sum + x, square + x * x end
    return {sum / 20000, square / 20000}]])
  test.near(normal[1], 0, 0.03)
  test.near(normal[2], 1, 0.05)
  own = anet.rng(9)
  own:uniform()
  local fork = own:fork()
  local ahead = {fork:uniform(), fork:uniform()}
  test.same({own:uniform(), own:uniform()}, ahead)
end)

test.case('memory is what was granted', function()
  local body = 'local list = {} for i = 1, 2e5 do list[i] = i end return #list'
  test.equal(ask(probe(body, {bytes = 64 * 2 ^ 20})), 2e5)
  local value, message = ask(probe(body, {bytes = 2 ^ 20}))
  test.equal(value, nil)
  test.mentions(message, 'memory')
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
  local got = ask(policy)
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
  local list, seen, distinct = ask(policy), {}, 0
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
  local counts = ask(policy)
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
  test.same(ask(policy), {true, true, true, '1-0000000', false, false})
  for _, body in ipairs{'space:latency("zz")', 'space:mutate("0", rng, 1)', 'space:front({})', 'rng:int(3, 1)', 'rng:pick({})'} do
    local broken = probe('return ' .. body)
    broken:space(s)
    local value, message = ask(broken)
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

-- ---- junk -------------------------------------------------------------------------------------------------------

-- A policy of a kind whose method gives `value`, Lua text.
local function giving(kind, method, value)
  local methods = {}
  for _, name in ipairs(({schedule = {'options', 'next'}, search = {'propose', 'observe', 'done', 'picks'}, latency = {'pick'}})[kind]) do
    methods[#methods + 1] = ('%s = function() return %s end'):format(name, name == method and value or 'nil')
  end
  local policy = assert(anet.policy.load('junk', {kind = kind, text = ("return {api = 1, kind = '%s', new = function() return {%s} end}")
    :format(kind, table.concat(methods, ', '))}))
  local s = anet.space{0, 0, 0}
  s:add{kind = 'skip', position = 1}
  if kind == 'latency' then
    assert(policy:ladder{{genome = '000', ms = 1, accuracy = 1}, {genome = '100', ms = 2, accuracy = 1}})
  else
    assert(policy:space(s:describe(), {space = s, budgets = {5, 3}, ms = function(g) return g == '000' and 4 or 2 end}))
  end
  return policy
end

-- The answer is refused in one line that names the policy, the method, and has these words.
local function refused(kind, method, value, words)
  local answer, message, code = giving(kind, method, value)[method](giving(kind, method, value), 1, {})
  local what = method .. ' -> ' .. value
  test.check(answer == nil and code == 'policy', what .. ' is refused')
  message = tostring(message)
  for _, word in ipairs{"policy 'junk'", method, words} do test.mentions(message, word) end
  test.check(not message:find('\n', 1, true) and not message:find 'lua/anet' and #message < 250, what .. ' is one line: ' .. message)
end

test.case('junk answers are refused in one line', function()
  for _, value in ipairs{'5', 'true', '"x"', 'nil'} do
    refused('search', 'propose', value, 'want a list of genomes')
    refused('schedule', 'options', value, 'want a list of options')
    if value ~= 'nil' then
      refused('schedule', 'next', value, 'want a table')
      refused('search', 'picks', value, 'want a table of genomes')
    end
  end
  refused('search', 'propose', '{5}', 'its answer[1] is 5, want a genome')
  refused('search', 'propose', '{"000", [4] = "000"}', '2 items')
  refused('search', 'propose', '{a = "000"}', 'want a list')
  refused('search', 'propose', '{"0"}', "its answer[1] is '0', want a legal genome")
  refused('search', 'propose', '{"0000"}', 'want a legal genome')
  refused("search", "propose", '{"000\\0junk"}', "3 characters, not 8")
  refused('search', 'propose', '{("z"):rep(6e4)}', 'want a legal genome')
  refused('search', 'propose', '{{count = -5}}', "no 'genome'")
  for _, count in ipairs{'-5', '0', '0/0', '1e99', '2.5', '"x"', '{}', 'true'} do
    refused('search', 'propose', ('{{genome = "000", count = %s}}'):format(count), 'want a number of images')
  end
  refused('search', 'propose', '{{genom = "000", genome = "000"}}', "no 'genom'; did you mean 'genome'?")
  refused('search', 'propose', '{{genome = "000", [("k"):rep(6e4)] = 1}}', "has no 'kkk")
  refused('search', 'propose', '(function() local t = {} for i = 1, 5000 do t[i] = "000" end return t end)()', 'at most 4096')
  refused('search', 'picks', '{[3] = "000"}', 'there are 2 budgets')
  refused('search', 'picks', '{x = "000"}', 'there are 2 budgets')
  refused('search', 'picks', '{7}', 'want a genome')
  refused('search', 'picks', '{"000", "000"}', "is '000' of 4 ms, want one within its budget of 3 ms")
  refused('schedule', 'options', '{5}', 'want a table')
  refused('schedule', 'options', '{{}}', 'its answer[1].kind is nil, want one of merge, shrink, skip')
  refused('schedule', 'options', '{{kind = "keep"}}', 'want one of')
  refused('schedule', 'options', '{{kind = {}}}', 'want one of')
  refused('schedule', 'options', '{{kind = "merge"}}', "no 'span'")
  for _, span in ipairs{'1', '-3', '0/0', '2.5', '1e300', '"2"'} do
    refused('schedule', 'options', ('{{kind = "merge", span = %s}}'):format(span), 'want a number of blocks')
  end
  for _, width in ipairs{'0', '-1', '2', '0/0', '"x"', '{}'} do
    refused('schedule', 'options', ('{{kind = "shrink", width = %s}}'):format(width), 'want a share')
  end
  refused('schedule', 'options', '{{kind = "skip", span = 2}}', "no 'span'")
  refused('schedule', 'next', '{}', 'its answer.stage is nil')
  refused('schedule', 'next', '{stage = "jont"}', "want one of block, joint, solve")
  refused('schedule', 'next', '{stage = "solve"}', "no 'images'")
  refused('schedule', 'next', '{stage = "solve", images = -1}', 'want a number of images')
  refused('schedule', 'next', '{stage = "block"}', "no 'rate'")
  for _, rate in ipairs{'-1', '0/0', '1/0', '"fast"', '{}'} do
    refused('schedule', 'next', ('{stage = "block", rate = %s}'):format(rate), 'want a number of at least 0')
  end
  refused('schedule', 'next', '{stage = "joint", rate = 1, teacher = 1}', "no 'genomes'")
  refused('schedule', 'next', '{stage = "joint", rate = 1, teacher = 1, genomes = {}}', 'at least one')
  refused('schedule', 'next', '{stage = "joint", rate = 1, teacher = 1, genomes = {"00"}}', 'want a legal genome')
  refused('schedule', 'next', '{stage = "joint", rate = 1, genomes = {"000"}}', 'has no loss')
  refused('schedule', 'next', '{stage = "joint", rate = 1, teachr = 1, genomes = {"000"}}', "no 'teachr'; did you mean 'teacher'?")
  refused('schedule', 'next', '{stage = "joint", rate = 1, teacher = 1, temperature = 0, genomes = {"000"}}', 'want a number above 0')
  refused('schedule', 'next', '{stage = "joint", rate = 1, teacher = 1, fixed_norms = 1, genomes = {"000"}}', 'want true or false')
  for _, rung in ipairs{'0', '3', '2.37', '0/0', '"2"', '{}', 'true', 'nil', '1/0'} do
    refused('latency', 'pick', rung, 'want the number of a rung, 1 to 2')
  end
end)

test.case('what is asked for is answered', function()
  test.same(giving('search', 'propose', '{"000", {genome = "100", count = 3}}'):propose(1)[2], {genome = '100', count = 3})
  test.equal(giving('search', 'picks', '{"000", "100"}'):picks()[2], '100')
  test.equal(#giving('schedule', 'options', '{{kind = "merge", span = 2}, {kind = "shrink", width = 0.5}, {kind = "skip"}}'):options{}, 3)
  test.equal(giving('schedule', 'next', '{stage = "block", rate = 0.1}'):next(1, {}).rate, 0.1)
  test.equal(giving('latency', 'pick', '2'):pick{}, 2)
end)

test.case('what a policy has', function()
  local policy = giving('latency', 'pick', '1')
  test.equal(policy:has 'pick', true)
  for _, name in ipairs{'save', 'has', 'never'} do test.equal(policy:has(name), false) end
end)

test.case('wrong words about genomes and chance are told', function()
  local policy = probe [[
    local said = {}
    for _, name in ipairs{'sample', 'mutate', 'cross'} do
      for _, wrong in ipairs{5, 'text', {}} do
        local arguments = name == 'sample' and {wrong} or name == 'mutate' and {space:keep(), wrong} or {space:keep(), space:keep(), wrong}
        said[#said + 1] = select(2, pcall(space[name], space, unpack(arguments)))
      end
    end
    for _, genome in ipairs{5, {}, '0', '0000000000', space:keep()} do
      said[#said + 1] = select(2, space:check(genome)) or 'legal'
    end
    return said]]
  policy:space(make_space())
  local said, k = ask(policy), 0
  for _, name in ipairs{'sample', 'mutate', 'cross'} do
    for _, kind in ipairs{'number', 'string', 'table'} do
      k = k + 1
      test.mentions(said[k], ('%s: want the random numbers, got a %s'):format(name, kind))
    end
  end
  test.same({unpack(said, 10)}, {'a genome is a text', 'a genome is a text', 'got 1 positions, want 9', 'got 10 positions, want 9', 'legal'})
end)

test.case('what a space says outside', function()
  local s = make_space()
  test.same(s:describe().trunk, {0, 0, 0, 0, 1, 1, 1, 1, 1})
  for genome, words in pairs{['0000\0000'] = 'no byte 0', ['00000000'] = '8', ['00000000z'] = 'gene 35'} do
    local legal, why = s:check(genome)
    test.equal(legal, false)
    test.mentions(why, words)
  end
  test.same({s:check(5)}, {false, 'a genome is a text'})
  test.raises('sample: want rng, got number', s.sample, s, 5)
  local tiny = dofile 'tests/support/tiny.lua'
  local net = anet.net{input = {8, 8, 1}}
  local x = net:relu(net:conv(net:inputs()[1], {channels = 4, kernel = 3, pad = 1}))
  for i = 1, 4 do
    local y = net:relu(net:conv(x, {channels = 4, kernel = 3, pad = 1}))
    x = net:relu(net:add(net:conv(y, {channels = 4, kernel = 3, pad = 1}), x))
    if i == 2 then x = net:max_pool(x, {kernel = 2, stride = 2}) end -- what is no block ends a trunk
  end
  net:output(net:linear(net:flatten(net:global_pool(x)), {channels = 3})):init(1)
  local images = anet.tensor{4, 8, 8, 1}:fill(0.5)
  local supernet, trunks = tiny.supernet(net, images), {}
  for i, b in ipairs(supernet:blocks()) do trunks[i] = b.trunk - 1 end
  test.same(trunks, {0, 0, 1, 1})
  test.same(supernet:space():describe().trunk, trunks)
  test.raises('importance: no position 99', supernet.importance, supernet, 99, images)
  test.fails('not finite', 'collapsed', supernet:quantize(anet.tensor{4, 8, 8, 1}:fill(0 / 0)))
end)

test.case('what a policy says of itself is checked', function()
  local function bad(fields, words)
    local policy, message, code = anet.policy.load('junk', {text = ('local cyclic = {} cyclic.c = cyclic return {api = 1, kind = "latency", %s}')
      :format(fields)})
    test.fails(words, 'policy', policy, message, code)
  end
  local fine = 'new = function() return {pick = function() return 1 end} end'
  bad('name = cyclic, ' .. fine, 'its `name` is a table, want a text')
  bad('defaults = 5, ' .. fine, 'want a table')
  bad('defaults = {1}, ' .. fine, 'by name')
  bad('defaults = {f = pairs}, ' .. fine, 'plain values by name')
  bad('defaults = {c = cyclic}, ' .. fine, 'contains itself')
  bad('defaults = {[cyclic] = 1}, ' .. fine, 'no order')
  bad('new = function() return 5 end', '`new` gives a number')
  bad('new = function() return {} end', "no method 'pick'")
  bad('new = function() return {pick = 5} end', "no method 'pick'")
  bad('new = function() error({}) end', 'the error is a table')
  bad('new = 7', 'its `new` is a number')
end)

return test.finish()
