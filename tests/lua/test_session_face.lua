-- Ladders and sessions through the Lua face: fields, refusals, reloads; latency tables without a clock; pictures.
local anet = require 'anet'
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local latency = require 'anet.latency'

local data = tiny.data(6)
local input = data:input()
local nets = {tiny.net(1), tiny.net(2), tiny.net(3)}

local function ladder_of(...)
  local ladder = anet.session.ladder()
  for i, ms in ipairs{...} do
    ladder:add(anet.plan(nets[i], {batch = 2, pool = tiny.pool}), {genome = 'g' .. i, predicted_ms = ms + 0.5, measured_ms = ms, accuracy = i / 10})
  end
  return ladder
end

-- ---- ladders ---------------------------------------------------------------------------------------------

test.case('ladders', function()
  local ladder = ladder_of(3, 2, 4)
  test.equal(ladder:count(), 3)
  test.equal(tostring(ladder), 'ladder of 3 rungs')
  test.equal(ladder:sort(), ladder)
  local rungs = ladder:rungs() -- the first was slower than the second, and no more accurate
  test.equal(#rungs, 2)
  test.same({rungs[1].genome, rungs[1].ms, rungs[1].predicted_ms, rungs[1].accuracy}, {'g2', 2, 2.5, 0.2})
  test.same({rungs[2].genome, rungs[2].ms, rungs[2].predicted_ms, rungs[2].accuracy}, {'g3', 4, 4.5, 0.3})
  local images = data:slice(1, 2):tensor(input)
  test.check(tiny.same_bits(ladder:plan(2):run(images), tiny.answers(nets[3], images)))
  test.raises('plan: the ladder has 2 rungs, not 3', ladder.plan, ladder, 3)
  test.raises('plan: the ladder has 2 rungs, not 0', ladder.plan, ladder, 0)
  local bare = anet.session.ladder():add(anet.plan(nets[1]), {genome = 'g', measured_ms = 7, accuracy = 1})
  test.equal(bare:rungs()[1].predicted_ms, 0)
  test.raises('0 ms', bare.add, bare, anet.plan(nets[1]), {genome = 'g', measured_ms = 0, accuracy = 1})
  test.raises('add', bare.add, bare, {}, {genome = 'g', measured_ms = 1, accuracy = 1})
  -- A plan outlives its ladder.
  local plan = ladder_of(1):plan(1)
  collectgarbage() collectgarbage()
  test.equal(#plan:run(images):list(), 6)
end)

-- ---- sessions --------------------------------------------------------------------------------------------

local function picking(body)
  return assert(anet.policy.load('probe', {kind = 'latency', text =
    'return {api = 1, kind = "latency", new = function() local calls = 0 return {pick = function(self, ladder, state) calls = calls + 1 ' ..
    body .. ' end} end}'}))
end

test.case('a session begins as it is told', function()
  local ladder = ladder_of(1, 2, 4)
  local function rung(options)
    options.pool = tiny.pool
    return anet.session(ladder, options):state().rung
  end
  test.equal(rung{budget_ms = 3}, 2) -- the best that fits
  test.equal(rung{budget_ms = 3, rung = 3}, 3)
  test.equal(rung{budget_ms = 3, rung = 1}, 1)
  test.equal(rung{budget_ms = 3, policy = 'host'}, 2)
  test.equal(rung{budget_ms = 3, policy = picking 'return 1', rung = 3}, 3)
  test.raises('first rung 3, want -1 .. 2', anet.session, ladder, {budget_ms = 3, rung = 4})
  test.raises('a window of 70000 frames', anet.session, ladder, {budget_ms = 3, window = 70000})
  test.raises("session: no policy 'hist'", anet.session, ladder, {budget_ms = 3, policy = 'hist'})
  test.raises("did you mean 'fixed'?", anet.session, ladder, {budget_ms = 3, policy = 'fixd'})
  test.raises('session: want ladder, got table', anet.session, {}, {budget_ms = 3})
  test.raises('a budget of 0 ms', anet.session, ladder, {budget_ms = 0})
end)

test.case('built-in policies by name', function()
  -- A budget that no frame keeps: only one of them moves, and that down.
  local ladder = ladder_of(1, 2, 4)
  for name, want in pairs{host = 3, fixed = 3, hysteresis = 1} do
    local session = anet.session(ladder, {budget_ms = 1e-6, policy = name, rung = 3, pool = tiny.pool})
    for _ = 1, 5 do session:run(data:slice(1, 1):tensor(input)) end
    test.equal(session:state().rung, want)
  end
  local session = anet.session(ladder, {budget_ms = 1e-6, rung = 3, pool = tiny.pool})
  for _ = 1, 5 do session:run(data:slice(1, 1):tensor(input)) end
  test.equal(session:state().rung, 1) -- hysteresis, where nothing is said
end)

test.case('frames, state and what changes it', function()
  local ladder = ladder_of(1, 2, 4)
  local session = anet.session(ladder, {budget_ms = 100, policy = 'host', rung = 2, window = 3, pool = tiny.pool})
  local two, one = data:slice(1, 2):tensor(input), data:slice(3, 1):tensor(input)
  local state = session:state()
  for name, want in pairs{budget_ms = 100, rung = 2, rungs = 3, frames = 0, frames_on_rung = 0, last_ms = -1, frame_ms = -1, late = -1,
                          slowdown = -1, time_left_ms = -1, drift = 0, failures = 0} do test.equal(state[name], want) end
  local answers = session:run(two)
  test.check(tiny.same_bits(answers, tiny.answers(nets[2], two)))
  test.equal(session:run(two), answers) -- the same tensor, written anew
  test.same(session:run(one):shape(), {1, tiny.CLASSES})
  state = session:state()
  test.equal(state.frames, 3)
  test.check(state.last_ms > 0 and state.p50_ms > 0 and state.frame_ms == state.last_ms)
  test.equal(session:switch(3), session)
  test.check(tiny.same_bits(session:run(two), tiny.answers(nets[3], two)))
  test.equal(session:state().frames_on_rung, 1)
  test.equal(session:budget(5), session)
  test.equal(session:state().budget_ms, 5)
  test.equal(tostring(session), 'session on rung 3 of 3, budget 5 ms, 4 frames')
  test.equal(session:deadline(1e6), session)
  test.check(session:state().time_left_ms > 9e5 and session:state().time_left_ms <= 1e6)
  test.raises('session: rung 3 of 3', session.switch, session, 4)
  test.raises('session: rung -1 of 3', session.switch, session, 0)
  test.raises('a budget of -1 ms', session.budget, session, -1)
  test.raises('a deadline in -1 ms', session.deadline, session, -1)
end)

test.case('frames that are none', function()
  local session = anet.session(ladder_of(1), {budget_ms = 100, pool = tiny.pool})
  test.equal(getmetatable(session), anet.session.Session)
  test.equal(anet.session.Session.__name, 'session')
  local words = 'run: want a dense f32 tensor of images 8x8x1'
  test.raises(words, session.run, session, anet.tensor{2, 8, 8, 2})
  test.raises(words, session.run, session, anet.tensor{2, 64})
  test.raises(words, session.run, session, anet.tensor({2, 8, 8, 1}, 'u8'))
  test.raises(words, session.run, session, anet.tensor{2, 8, 9, 1}:view({1, 1, 1, 1}, {2, 8, 8, 1}))
  test.raises('run', session.run, session, {})
  test.raises('3', session.run, session, data:slice(1, 3):tensor(input)) -- more than the plans' batch
end)

test.case('a scripted policy fails, and is reloaded', function()
  local ladder = ladder_of(1, 2, 4)
  local images = data:slice(1, 1):tensor(input)
  local session = anet.session(ladder, {budget_ms = 1e9, policy = picking 'if calls == 2 then error("oh", 0) end return 3', rung = 1, pool = tiny.pool})
  local function frame() return select(2, session:run(images)), session:state().rung end
  local function same(warning, rung)
    local got, where = frame()
    test.equal(got, warning)
    test.equal(where, rung)
  end
  same(nil, 3)
  same("policy 'probe': oh", 3)
  same(nil, 3)
  test.equal(session:state().failures, 1)
  test.equal(session:reload(picking 'return 2', 2), session)
  same(nil, 3)
  same(nil, 3)
  same(nil, 2)
  -- One that cannot even be loaded for this ladder is refused, and the old goes on.
  local broken = picking 'return 1'
  broken.source.text = 'return {'
  test.fails("policy 'probe'", 'policy', session:reload(broken))
  same(nil, 2)
  test.raises('reload: got 0 frames, want 1 or more', session.reload, session, picking 'return 1', 0)
  test.raises('reload: the session has no scripted policy', function()
    anet.session(ladder, {budget_ms = 1}):reload(picking 'return 1')
  end)
  -- 32 frames, where nothing is said.
  session:reload(picking 'return 1')
  for _ = 1, 32 do same(nil, 2) end
  same(nil, 1)
end)

test.case('limits and options reach the policy', function()
  local ladder = ladder_of(1, 2, 4)
  local images = data:slice(1, 1):tensor(input)
  local text = [[return {api = 1, kind = 'latency', defaults = {rung = 1, most = 1}, new = function(options, rng) return {pick = function()
    if options.most > 1 then while true do end end
    return options.rung == 0 and rng:int(1, 3) or options.rung end} end}]]
  local function warning(settings)
    settings.kind, settings.text = 'latency', text
    local session = anet.session(ladder, {budget_ms = 1, policy = assert(anet.policy.load('mine', settings)), pool = tiny.pool})
    local _, said = session:run(images)
    return said, session:state().rung
  end
  test.equal(select(2, warning{options = {rung = 3}}), 3)
  test.equal(warning{options = {most = 2}}, "policy 'mine': over its budget of 1000000 steps or 0.1 s")
  local policy = assert(anet.policy.load('mine', {kind = 'latency', text = text, options = {most = 2}}))
  policy.source.steps, policy.source.seconds = 5000, 2
  local _, said = anet.session(ladder, {budget_ms = 1, policy = policy, pool = tiny.pool}):run(images)
  test.equal(said, "policy 'mine': over its budget of 5000 steps or 2 s")
  policy.source.bytes = 1000
  local ok, message = pcall(anet.session, ladder, {budget_ms = 1, policy = policy, pool = tiny.pool})
  test.check(not ok and tostring(message):find "policy 'mine'", tostring(message))
  local seen = {}
  for seed = 1, 20 do seen[select(2, warning{options = {rung = 0}, seed = seed})] = true end
  test.check(seen[1] and seen[2] and seen[3], 'the seed counts')
end)

-- ---- latency tables --------------------------------------------------------------------------------------

-- A table of these times, as its methods see it.
local function table_of(times, info)
  return setmetatable({times = function() return times end, info = function() return info end}, {__index = latency.Latency})
end

test.case('options in bytes that are no faster are dropped', function()
  local kinds = {{'keep', 1}, {'merge', 1}, {'int8', 1}, {'keep', 2}, {'int8', 2}, {'keep', 3}, {'int8', 3}, {'shrink', 3},
                 {'keep', 4}, {'int8', 4}, {'int8', 4}}
  local options = {}
  for i, k in ipairs(kinds) do options[i] = {index = i, kind = k[1], position = k[2]} end
  local space = {options = function() return options end}
  local t = table_of{5, 4, 5, 5, 4.9, 5, 9, 4, 5, 4, 6}
  local dropped = t:dropped(space)
  local list = {}
  for i = 1, #kinds do if dropped[i] then list[#list + 1] = i end end
  -- 3 is as slow as its block; 5 is faster; behind 7 comes one that stays; 11 goes, 10 is faster.
  test.same(list, {3, 11})
  test.same({t:count_dropped(space)}, {2, 5})
  t = table_of{5, 4, 5, 5, 5, 5, 9, 4, 5, 6, 6}
  test.same({t:count_dropped(space)}, {4, 5})
end)

test.case('how far predictions are off', function()
  local function errors(...)
    local list = {}
    for i, p in ipairs{...} do list[i] = {predicted_ms = p, measured_ms = 10} end
    return {latency.errors(list)}
  end
  local function near(got, median, worst)
    test.near(got[1], median, 1e-12)
    test.near(got[2], worst, 1e-12)
  end
  near(errors(11), 0.1, 0.1)
  near(errors(11, 7), 0.2, 0.3)
  near(errors(5, 10, 12), 0.2, 0.5)
  near(errors(11, 12, 6, 10), 0.15, 0.4)
end)

test.case('a table says what it is and what to doubt', function()
  local info = {options = 12, oracle_ms = 3.25, median_error = 0.0213, seconds = 90, oracle_error = 0.04, disturbed = 0.5}
  test.equal(latency.Latency.__tostring(table_of({}, info)), 'latency table of 12 options, oracle 3.25 ms, predictions within 2.1 % (median), measured in ' ..
    require('anet.text').duration(90))
  test.equal(table_of({}, info):doubt(), 'could not measure within 3 %: the machine is busy (times vary by 4.0 %, 50 % of the runs were disturbed)')
  test.equal(table_of({}, info):doubt(0.04), nil)
  test.mentions(table_of({}, info):doubt(0.039), 'within 3.9 %')
end)

test.case('a table that was measured', function()
  local oracle = tiny.net()
  local s = tiny.supernet(oracle, data:tensor(input))
  local t = assert(anet.latency.profile(s, {batch = 2, rounds = 4, held_out = 3, seed = 5, pool = tiny.pool}))
  local info = t:info()
  test.same({info.options, info.batch, info.threads, info.rounds}, {#s:space():options(), 2, 1, 4})
  test.check(info.fixed_ms > 0 and info.oracle_ms > 0 and info.seconds > 0 and #info.fingerprint > 3, 'it has figures')
  test.check(info.oracle_error >= 0 and info.disturbed >= 0 and info.disturbed <= 1 and info.median_error <= info.p95_error)
  local times = t:times()
  test.equal(#times, info.options)
  local sum = info.fixed_ms
  for _, o in ipairs(s:space():options()) do
    local ms, err, cold = t:get(o.index)
    test.equal(times[o.index], ms)
    test.check(err >= 0 and (cold == -1 or cold >= 0), 'errors and cold times')
    if o.kind == 'keep' then sum = sum + ms end
  end
  test.near(t:predict(s:space(), s:space():keep()), sum, 1e-9)
  test.equal(t:check(1), true)
  test.fails('threads', 'stale', t:check(7))
  test.raises(tostring(info.options), t.get, t, info.options + 1)
  test.raises('batch 1, rounds -1, held out 4', anet.latency.profile, s, {rounds = -1, held_out = 4, pool = tiny.pool})
  test.raises('profile', anet.latency.profile, {})
end)

-- ---- pictures --------------------------------------------------------------------------------------------

test.case('pictures in and out', function()
  local image = anet.tensor({3, 5, 3}, 'u8')
  for i = 0, 44 do image:data()[i] = i * 5 end
  local path = command.path 'picture.png'
  test.equal(anet.image.save(image, path), true)
  local core = require 'anet.core'
  test.equal(core.written[#core.written], path) -- a stop tells of it
  test.check(tiny.same_bits(assert(anet.image.load(path)), image))
  test.same(assert(anet.image.load(path, 1)):shape(), {3, 5, 1})
  local file = io.open(path, 'rb')
  local bytes = file:read '*a'
  file:close()
  test.check(tiny.same_bits(assert(anet.image.decode(bytes)), image))
  test.same(assert(anet.image.decode(bytes, 1)):shape(), {3, 5, 1})
  test.fails('no-such.png', 'io', anet.image.load(command.path 'no-such.png'))
  test.fails('', 'format', anet.image.decode 'no picture')
  test.fails('', 'format', anet.image.decode(bytes:sub(1, 30)))
  test.fails('no-such', 'io', anet.image.save(image, command.path 'no-such/a.png'))
  test.raises('save', anet.image.save, {}, path)
  test.same(anet.image.resize(image, 6, 10):shape(), {6, 10, 3})
  local flat = anet.image.resize(anet.tensor({4, 4, 1}, 'u8'):fill(77), 2, 3)
  for i = 0, 5 do test.equal(flat:data()[i], 77) end
  test.raises('resize', anet.image.resize, {}, 1, 1)
end)

os.execute(("rm -r '%s'"):format(command.folder))
return test.finish()
