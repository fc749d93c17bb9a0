-- The Lua face of the engine: values, errors, lifetimes.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local core = require 'anet.core'

local function small_net(seed)
  local n, x = anet.net{input = {8, 8, 3}}
  x = n:relu(n:norm(n:conv(x, {channels = 8, kernel = 3, pad = 1, name = 'first'})))
  local y = n:relu(n:norm(n:depthwise(x, {kernel = 3, pad = 'same'})))
  x = n:add(x, y)
  n:output(n:linear(n:global_pool(x), {channels = 5}))
  return n:init(seed or 1)
end

-- A data set in which the label is how bright the image is.
local function small_data(count)
  local images, labels = anet.tensor({count, 8, 8, 3}, 'u8'), anet.tensor({count}, 'i32')
  local random, pixels, values = anet.rng(3), images:data(), labels:data()
  for i = 0, count - 1 do
    values[i] = random:int(0, 4)
    for k = 0, 191 do pixels[i * 192 + k] = values[i] * 50 + random:int(0, 30) end
  end
  return anet.data(images, labels, 5)
end

test.case('tensors', function()
  local t = anet.tensor.of{{1, 2, 3}, {4, 5, 6}}
  test.same(t:shape(), {2, 3})
  test.equal(t:get(2, 3), 6)
  test.equal(t:set(1, 1, 9):get(1, 1), 9)
  test.equal(t:dim(-1), 3)
  test.same(t:reshape{3, 2}:shape(), {3, 2})
  local column = t:view({1, 2}, {2, 1})
  test.same(column:list(), {2, 5})
  test.equal(column:dense(), false)
  test.equal(tostring(t), 'tensor f32 2x3 {9, 2, 3, 4, 5, 6}')
  test.same(t:clone():fill(1):list(), {1, 1, 1, 1, 1, 1})
  test.equal(t:first(1):get(1, 2), 2)
end)

test.case('wrong calls raise at their caller', function()
  local t = anet.tensor{2, 3}
  local here = debug.getinfo(1, 'l').currentline
  local message = test.raises('index 2 is 4, want 1 to 3', function() t:get(1, 4) end)
  test.mentions(message, ('test_face.lua:%d:'):format(here + 1))
  test.raises('got 1 indices, want 2', function() t:get(1) end)
  test.raises("no type 'f64'", anet.tensor.new, {1}, 'f64')
  test.raises('copy: want tensor', t.copy, t, 5)
  test.raises('a row of dimension 2', anet.tensor.of, {{1, 2}, {3}})
end)

test.case('nets', function()
  local n = small_net()
  test.equal(n:count(), 10)
  test.equal(n:get(2).name, 'first')
  test.same(n:shape(2), {8, 8, 8})
  test.same(n:shape(), {5})
  test.equal(n:find 'first', 2)
  test.equal(n:find 'none', nil)
  test.same(n:params(2).weight:shape(), {3, 3, 3, 8})
  test.equal(n:cost().params, 216 + 16 + 72 + 16 + 45)
  test.mentions(tostring(n), 'net 8x8x3 -> 5')
  test.mentions(n:describe(), 'depthwise')
  local copy = n:copy()
  copy:params(2).weight:fill(0)
  test.check(n:params(2).weight:get(1, 1, 1, 1) ~= 0, 'a copy has weights of its own')
end)

test.case('wrong nets', function()
  local n, x = anet.net{input = {8, 8, 3}}
  test.raises("no attribute 'chanels'; did you mean 'channels'?", function() n:conv(x, {chanels = 3}) end)
  test.raises('cnov', function() n:cnov(x, {channels = 3}) end)
  test.raises('is value 7, the net has 1', function() n:relu(7) end)
  test.raises('input 1 is a string', function() n:node('relu', {'x'}) end)
  local y = n:conv(x, {channels = 4, kernel = 1})
  test.raises('(8, 8, 4)', function() n:add(x, y) end)
  test.equal(n:count(), 2)
end)

test.case('a plan gives what the tape gives', function()
  local n, input = small_net(), anet.tensor{3, 8, 8, 3}
  local random, values = anet.rng(1), input:data()
  for i = 0, input:count() - 1 do values[i] = random:uniform() - 0.5 end
  local tape = anet.train.tape(n, {batch = 3}):forward({input}, 3)
  local want = core.C.anet_tape_value(tape.handle, n:outputs()[1] - 1)
  local got = anet.plan(n, {batch = 4}):run(input)
  test.same(got:shape(), {3, 5})
  for i = 1, 3 do
    for k = 1, 5 do test.near(got:get(i, k), want[(i - 1) * 5 + k - 1], 1e-4) end
  end
  test.raises('want 8x8x3', function() anet.plan(n):run(anet.tensor{1, 7, 8, 3}) end)
end)

test.case('data', function()
  local d = small_data(20)
  test.equal(d:count(), 20)
  test.same(d:shape(), {8, 8, 3})
  test.equal(d:slice(3, 4):count(), 4)
  test.equal(d:slice(3, 4):labels():get(1), d:labels():get(3))
  test.same(d:pick{5, 1}:labels():list(), {d:labels():get(5), d:labels():get(1)})
  local sample, rest = d:sample(7, 1)
  test.equal(sample:count() + #rest, 20)
  local input = d:input()
  test.near(d:tensor(input):get(1, 1, 1, 1), (d:images():get(1, 1, 1, 1) / 255 - input.mean[1]) / input.deviation[1], 1e-5)
  test.fails('no-such', 'io', anet.data.open '/no-such-folder/no-such-file')
end)

test.case('bundles', function()
  local path, n = os.tmpname(), small_net(5)
  local input = small_data(4):input()
  local b = anet.bundle():set_net(n):set_input(input):set_text('note', 'hello'):set_value('list', {1, {a = true}})
  b:set_tensor('extra', anet.tensor.of{1, 2})
  test.check(b:save(path), 'saved')
  local back = assert(anet.bundle.open(path))
  test.equal(back:text 'note', 'hello')
  test.equal(back:value('list')[2].a, true)
  test.equal(back:text 'none', nil)
  test.same(back:tensor('extra'):list(), {1, 2})
  test.equal(back:input().height, 8)
  test.near(back:input().mean[1], input.mean[1], 1e-7)
  test.same(back:net():params(2).weight:list(), n:params(2).weight:list())
  test.fails('no-such', 'io', anet.bundle.open '/no-such-folder/no-such-file')
  test.fails('', 'absent', back:supernet())
  local file = io.open(path, 'wb')
  file:write 'not a bundle at all'
  file:close()
  local value, _, code = anet.bundle.open(path)
  test.equal(value, nil)
  test.equal(code, 'format')
  os.remove(path)
end)

test.case('spaces', function()
  local s = anet.space{0, 0, 0, 0}
  for p = 1, 4 do
    for span = 2, 3 do
      if p + span <= 5 then s:add{kind = 'merge', position = p, span = span} end
    end
  end
  test.equal(s:size(), '7')
  test.equal(s:keep(), '0000')
  test.equal(s:check '1-00', true)
  local ok, why = s:check '1000'
  test.equal(ok, false)
  test.mentions(why, 'position')
  test.equal(s:check(5), false)
  test.same({s:chosen('2--0')[1].span, #s:chosen '2--0'}, {3, 2})
  test.raises('over 2 blocks', function() s:add{kind = 'merge', position = 4, span = 2} end)
  local times, damages = {}, {}
  for i, o in ipairs(s:options()) do
    times[i], damages[i] = 1, o.kind == 'keep' and 0 or o.span
  end
  local front = s:front(times, damages)
  test.equal(front[#front].genome, '0000')
  test.equal(front[1].cost, 2)
  test.equal(s:best(times, damages, 4)[1], '0000')
  test.fails('1 or less', 'infeasible', s:best(times, damages, 1))
  test.raises('got 1 figures', s.front, s, {1}, {1})
end)

test.case('garbage in C memory is collected', function()
  collectgarbage()
  for _ = 1, 200 do anet.tensor{1024, 1024} end -- 800 MB in all
  local memory = core.ffi.new 'anet_memory'
  core.C.anet_memory_read(memory)
  test.check(memory.live_bytes < 300e6, ('%.0f bytes are alive'):format(memory.live_bytes))
end)

test.case('everything has a name', function()
  local n, d = small_net(), small_data(4)
  for _, value in ipairs{n, d, d:input(), anet.plan(n), anet.bundle(), anet.tensor{1}, anet.rng(1), anet.space{0},
                         anet.train.tape(n, {batch = 2}), anet.train.optim 'sgd', anet.session.ladder(),
                         anet.train.trainer(n, d, d:input(), {batch = 2})} do
    test.check(not tostring(value):find '^table:', tostring(value))
  end
end)

test.case('hot loops compile', function()
  local util = require 'jit.util'
  local before = 0
  for i = 1, 1000 do if util.traceinfo(i) then before = i end end
  local n = small_net()
  local trainer = anet.train.trainer(n, small_data(64), small_data(64):input(), {batch = 8, ema = 0.9, epochs = 2})
  while not trainer:done() do trainer:step() end
  local after = 0
  for i = 1, 1000 do if util.traceinfo(i) then after = i end end
  test.check(after > before, ('%d traces before the training, %d after'):format(before, after))
end)

return test.finish()
