-- Supernets, latency tables, evaluators, ladders and sessions through the Lua face.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'

local CLASSES = 4

local function make_oracle()
  local n, x = anet.net{input = {8, 8, 1}}
  x = n:relu(n:norm(n:conv(x, {channels = 8, kernel = 3, pad = 1})))
  for b = 1, 4 do
    local y = n:relu(n:norm(n:conv(x, {channels = 8, kernel = 3, pad = 1})))
    y = n:norm(n:conv(y, {channels = 8, kernel = 3, pad = 1}))
    x = n:relu(n:add(y, x), {name = 'block' .. b})
  end
  return n:output(n:linear(n:global_pool(x), {channels = CLASSES})):init(1)
end

local function make_data(count)
  local images, labels = anet.tensor({count, 8, 8, 1}, 'u8'), anet.tensor({count}, 'i32')
  local random, pixels, values = anet.rng(7), images:data(), labels:data()
  for i = 0, count * 64 - 1 do pixels[i] = random:int(0, 255) end
  for i = 0, count - 1 do values[i] = random:int(0, CLASSES - 1) end
  return anet.data(images, labels, CLASSES)
end

local function make_supernet()
  local s = anet.supernet(make_oracle())
  s:add{kind = 'merge', position = 1, span = 2}:add{kind = 'merge', position = 2, span = 3}
  s:add{kind = 'shrink', position = 3, width = 0.5}:add{kind = 'skip', position = 4}
  return s:seal()
end

test.case('blocks and options', function()
  local oracle = make_oracle()
  local blocks, frozen = anet.supernet.blocks(oracle)
  test.equal(#blocks, 4)
  test.equal(blocks[2].kind, 'basic')
  test.same(blocks[2].out_shape, {8, 8, 8})
  test.equal(blocks[2].index, 2)
  test.check(#frozen >= 1 and #frozen[1].reason > 0, 'what is frozen has a reason')
  local s = make_supernet()
  test.equal(#s:space():options(), 8)
  test.equal(s:space():check '1-10', true)
  test.check(s:bytes() > 0)
  test.raises('sealed', s.add, s, {kind = 'merge', position = 1, span = 2})
  local open = anet.supernet(oracle)
  test.raises('position', open.add, open, {kind = 'merge', position = 9, span = 2})
  test.raises("no option kind 'widen'", open.add, open, {kind = 'widen', position = 1})
end)

test.case('subnets', function()
  local s, d = make_supernet(), make_data(8)
  local input = d:input()
  local images = d:tensor(input)
  local function answer(n) return anet.plan(n, {batch = 8}):run(images):list() end
  test.same(answer(s:subnet '0000'), answer(s:oracle()))
  test.check(s:subnet('01--'):cost().macs < s:oracle():cost().macs, 'a merge is cheaper')
  test.raises('position', s.subnet, s, '1000')
  test.equal(#s:taps():outputs(), 1 + 5)
  local subnet = s:subnet '0010'
  test.same(s:region_outputs(subnet, '0010'), {3, 4})
  test.equal(#subnet:outputs(), 3)
  local ranks = s:importance(3, images)
  test.same(ranks:shape(), {8})
  test.check(ranks:get(1) > 0)
  for _, o in ipairs(s:space():options()) do
    if o.kind == 'merge' then test.check(s:solve(o.index, images), 'a merge is solved') end
  end
end)

test.case('blocks in bytes', function()
  local s, d = make_supernet(), make_data(60)
  local input, pool = d:input(), anet.pool(1)
  local images, path = d:tensor(input), os.tmpname()
  local wide = assert(s:quantize(images, pool))
  local kinds, bytes = {}, {}
  for _, o in ipairs(wide:space():options()) do
    kinds[o.kind] = (kinds[o.kind] or 0) + 1
    if o.kind == 'int8' then bytes[#bytes + 1] = tostring(o.gene) end
  end
  test.same(kinds, {keep = 4, merge = 2, shrink = 1, skip = 1, int8 = 4})
  local genome, mixed = table.concat(bytes), bytes[1] .. '010' 
  assert(anet.bundle():set_supernet(wide):set_input(input):save(path))
  local back = assert(assert(anet.bundle.open(path)):supernet())
  local function answer(n) return anet.plan(n, {batch = 60, pool = pool}):run(images):list() end
  test.same(answer(back:subnet(genome)), answer(wide:subnet(genome)))
  local rounded, exact, apart = answer(wide:subnet(genome)), answer(s:oracle()), 0
  for c = 1, #exact do apart = math.max(apart, math.abs(rounded[c] - exact[c])) end
  test.check(apart > 0, 'bytes round')
  local results = anet.evaluate(wide, d, input, pool):run{genome, mixed}
  for i, g in ipairs{genome, mixed} do
    local accuracy = anet.plan(wide:subnet(g), {batch = 60, pool = pool}):accuracy(d, input)
    test.near(results[i].score, accuracy, 2 / 60)
  end
  local times = assert(anet.latency.profile(wide, {rounds = 5, held_out = 3, pool = pool}))
  test.equal(times:info().options, 12)
  os.remove(path)
  test.raises('already', wide.quantize, wide, images, pool)
  local net = assert(s:oracle():quantize(images, {pool = pool}))
  test.check(net:find 'block1.bytes', 'what a block reads is rounded')
end)

test.case('profile, evaluate, ladder, session', function()
  local s, d = make_supernet(), make_data(60)
  local input, pool = d:input(), anet.pool(1)
  local times = assert(anet.latency.profile(s, {rounds = 5, held_out = 3, pool = pool}))
  test.equal(times:info().options, 8)
  test.equal(times:check(1), true)
  test.check(times:get(1) > 0)
  local sum = times:info().fixed_ms
  for _, o in ipairs(s:space():chosen '1-10') do sum = sum + times:get(o.index) end
  test.near(times:predict(s:space(), '1-10'), sum, 1e-9)
  test.equal(#s:describe(times).options, 8)

  local genomes = {'0000', '1-00', '01--', '0010'}
  local results, stats = anet.evaluate(s, d, input, pool):run(genomes)
  test.check(stats.block_runs <= stats.naive_runs, 'prefixes are shared')
  for i, genome in ipairs(genomes) do
    local accuracy, hits = anet.plan(s:subnet(genome), {batch = 60, pool = pool}):accuracy(d, input)
    test.equal(results[i].genome, genome)
    test.equal(#results[i].hits, 60)
    test.near(results[i].score, accuracy, 2 / 60)
    test.equal(select(2, hits:gsub('1', '')), math.floor(accuracy * 60 + 0.5))
  end

  local path, ladder = os.tmpname(), anet.session.ladder()
  for i, genome in ipairs{'01--', '1-00', '0000'} do
    ladder:add(anet.plan(s:subnet(genome), {batch = 2}), {genome = genome, measured_ms = i, accuracy = 0.5 + i / 10})
  end
  ladder:sort()
  test.equal(ladder:rungs()[3].genome, '0000')
  assert(anet.bundle():set_supernet(s):set_latency(times):set_input(input):save(path))
  local back = assert(anet.bundle.open(path))
  test.equal(back:supernet():space():size(), s:space():size())
  test.equal(back:latency():info().options, 8)
  os.remove(path)

  local images = d:slice(1, 2):tensor(input)
  local session = anet.session(ladder, {budget_ms = 1000, policy = 'fixed', rung = 3, pool = pool})
  test.same(session:run(images):list(), anet.plan(s:oracle(), {batch = 2}):run(images):list())
  test.equal(session:switch(1):run(images) ~= nil, true)
  test.equal(session:state().rung, 1)
  test.equal(session:state().rungs, 3)
  test.raises("no policy 'hysteresys'; did you mean 'hysteresis'?", anet.session.new, ladder,
              {budget_ms = 1, policy = 'hysteresys'})

  local scripted = assert(anet.policy.load('climb', {text = [[
    return {api = 1, kind = 'latency', new = function() return {pick = function(self, ladder, state)
      if state.frames >= 3 then error 'tired' end
      return math.min(state.rung + 1, #ladder)
    end} end}]]}))
  session = anet.session(ladder, {budget_ms = 1000, policy = scripted, rung = 1, pool = pool})
  local warnings = 0
  for _ = 1, 5 do
    local answers, warning = session:run(images)
    test.check(answers, 'the frame is served')
    if warning then
      warnings = warnings + 1
      test.mentions(warning, 'tired')
    end
  end
  test.equal(warnings, 1) -- it is not asked again
  test.equal(session:state().failures, 1)
  test.equal(session:state().rung, 3)

  local function constant(rung, calls)
    return assert(anet.policy.load('constant', {text = ([[
      return {api = 1, kind = 'latency', new = function()
        local calls = 0
        return {pick = function() calls = calls + 1 if calls > %d then error 'late' end return %d end}
      end}]]):format(calls or 1e9, rung)}))
  end
  local function frame()
    session:run(images)
    session:run(images) -- the rung that was picked is in use
    return session:state().rung
  end
  session = anet.session(ladder, {budget_ms = 1000, policy = constant(1), rung = 2, pool = pool})
  test.equal(frame(), 1)
  session:reload(constant(3, 5), 4) -- asked beside the old for two double frames, then alone
  test.equal(frame(), 1)
  frame()
  test.equal(frame(), 3) -- it fails after this one, and the old is back
  test.equal(frame(), 1)
end)

return test.finish()
