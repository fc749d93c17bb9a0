-- Bundles from Lua: what is put in comes out, from memory and from the file; what is not there is said by its code.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local anet = require 'anet'
local core = require 'anet.core'
local host = require 'anet.host'

local net, data = tiny.net(3), tiny.data(24)
local input = anet.data.input{height = 8, width = 8, channels = 1, mean = {0.25}, deviation = {0.5}}
local images = data:tensor(input, 4)
local supernet = tiny.supernet(net, data:tensor(input, 16))
local path = os.tmpname()

-- A bundle written and read again.
local function again(b)
  assert(b:save(path))
  return assert(anet.bundle.open(path))
end

test.case('texts and values', function()
  local b = anet.bundle()
  test.equal(b:text 'note', nil)
  test.equal(b:value 'note', nil)
  test.equal(b:set_text('note', 'hello'), b)
  test.equal(b:text 'note', 'hello')
  test.equal(b:set_text('note', 'again'):text 'note', 'again')
  test.equal(b:set_text('note', nil):text 'note', nil)
  test.equal(b:set_value('list', {1, {a = true}}), b)
  test.equal(b:text 'list', '[1, {"a": true}]')
  test.equal(b:value('list')[2].a, true)
  test.equal(b:set_value('list', false):value 'list', false) -- a value, too
  test.equal(b:set_value('list', nil):text 'list', nil)
  b:set_text('note', '{')
  local value, message = b:value 'note'
  test.equal(value, nil)
  test.mentions(message, 'note')
end)

test.case('tensors', function()
  local b = anet.bundle()
  test.same(b:tensors(), {})
  test.equal(b:tensor 'x', nil)
  test.equal(b:set_tensor('x', anet.tensor.of{1, 2}), b)
  b:set_tensor('y', anet.tensor.of({3}, 'u8'))
  for _, from in ipairs{b, again(b)} do
    test.same(from:tensors(), {'x', 'y'})
    test.same(from:tensor('x'):list(), {1, 2})
    test.equal(from:tensor('y'):type(), 'u8')
  end
  test.raises('x: want tensor, got number', b.set_tensor, b, 'x', 5)
  test.equal(tostring(b), 'bundle of 2 tensors')
  test.equal(tostring(anet.bundle()), 'bundle of 0 tensors')
end)

test.case('nets and inputs', function()
  local b = anet.bundle()
  test.fails('', 'absent', b:net())
  test.fails('', 'absent', b:input())
  test.equal(b:set_net(net), b)
  test.equal(b:set_input(input), b)
  for _, from in ipairs{b, again(b)} do
    test.check(tiny.same_bits(tiny.answers(from:net(), images), tiny.answers(net, images)), 'the same answers')
    test.same({from:input().height, from:input().mean[1], from:input().deviation[1]}, {8, 0.25, 0.5})
    test.equal(tostring(from), 'bundle of a ' .. tostring(net))
  end
  test.raises('set_net: want net, got table', b.set_net, b, input)
  test.raises('set_input: want input, got table', b.set_input, b, {height = 8})
end)

test.case('supernets, tables and ladders', function()
  local b = anet.bundle()
  test.fails('', 'absent', b:supernet())
  test.fails('', 'absent', b:latency())
  test.check(not b:ladder())
  test.equal(b:set_supernet(supernet), b)
  local times = assert(anet.latency.profile(supernet, {rounds = 2, held_out = 2, pool = tiny.pool}))
  test.equal(b:set_latency(times), b)
  local keep = supernet:space():keep()
  local other = '1-' .. keep:sub(3)
  b:set_value('ladder', {rungs = {
    {genome = other, predicted_ms = 1, measured_ms = 1.5, ratio = 0.5, score = 0.25, calibrated = false},
    {genome = keep, predicted_ms = 2, measured_ms = 2.5, ratio = 1, score = 0.5, calibrated = false},
  }})
  local read = again(b)
  local s = read:supernet()
  test.same({s:space():size(), s:space():keep()}, {supernet:space():size(), keep})
  test.same(read:latency():times(), times:times())
  test.equal(tostring(read), 'bundle of a ' .. tostring(supernet))
  for i, genome in ipairs{other, keep} do
    test.check(tiny.same_bits(tiny.answers(assert(read:rung(s, i)), images), tiny.answers(supernet:subnet(genome), images)), 'rung ' .. i)
  end
  for _, wrong in ipairs{0, 3} do test.check(not read:rung(s, wrong), 'there is no rung ' .. wrong) end
  local ladder = assert(read:ladder())
  test.equal(ladder:count(), 2)
  local rung = ladder:rungs()[1]
  test.equal(rung.genome, other)
  test.equal(rung.ms, 1.5)
  test.equal(rung.predicted_ms, 1)
  test.equal(ladder:rungs()[2].accuracy, 0.5)
  test.raises('rung: want supernet, got table', read.rung, read, net, 1)
  test.raises('set_supernet: want supernet, got table', b.set_supernet, b, net)
  test.raises('set_latency: want', b.set_latency, b, net)
end)

-- How many images at a time: one, or as many as are asked for.
test.case('batches of a ladder', function()
  local b = anet.bundle():set_supernet(supernet):set_value('ladder', {rungs = {
    {genome = supernet:space():keep(), predicted_ms = 2, measured_ms = 2.5, ratio = 1, score = 0.5, calibrated = false}}})
  local function serves(ladder, n)
    return (pcall(function() return anet.session.new(ladder, {budget_ms = 10, policy = 'fixed', pool = tiny.pool}):run(images:first(n):clone()) end))
  end
  local one, three = assert(b:ladder()), assert(b:ladder(3))
  test.check(serves(one, 1) and not serves(one, 2), 'one image')
  test.check(serves(three, 3) and not serves(three, 4), 'three images')
  test.check(not pcall(b.ladder, b, 0) or not b:ladder(0))
end)

test.case('files', function()
  local b, written, interrupted = anet.bundle():set_text('note', 'x'), core.written, host.interrupted
  core.written = {}
  test.equal(b:save(path), b)
  test.same(core.written, {path})
  test.fails('no-such', 'io', b:save '/no-such-folder/x.anet')
  test.same(core.written, {path})
  host.interrupted = function() return 2 end
  test.check(core.is_stop(select(2, pcall(b.save, b, path))))
  core.written, host.interrupted = written, interrupted
  test.fails('no-such', 'io', anet.bundle.open '/no-such-folder/x.anet')
  b:set_text('classes', '5'):save(path)
  local value, message, code = anet.bundle.open(path)
  test.fails(path .. ": the text 'classes': classes is 5, want an array", 'format', value, message, code)
end)

os.remove(path)
return test.finish()
