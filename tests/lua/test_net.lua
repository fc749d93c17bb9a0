-- The face of networks: attributes as Lua says them, what is told of nodes, parameters, and what is refused.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'

local function shape(net, v) return table.concat(net:shape(v), 'x') end

-- ---- attributes ---------------------------------------------------------------------------------------

test.case('kernels, strides, padding', function()
  local net, x = anet.net{input = {8, 9, 2}}
  local function conv(options)
    options.channels = 4
    return shape(net, net:conv(x, options))
  end
  test.equal(conv{kernel = 3}, '6x7x4')
  test.equal(conv{kernel = {3, 2}}, '6x8x4')
  test.equal(conv{kernel = 3, stride = 2}, '3x4x4')
  test.equal(conv{kernel = 3, stride = {1, 2}}, '6x4x4')
  test.equal(conv{kernel = 3, dilation = {2, 1}}, '4x7x4')
  test.equal(conv{kernel = 3, pad = 1}, '8x9x4')
  test.equal(conv{kernel = 3, pad = {1, 0}}, '8x7x4')
  test.equal(conv{kernel = 3, pad = {1, 0, 2, 1}}, '9x8x4')
  test.equal(conv{pad = 'same', kernel = 3}, '8x9x4')
  test.equal(conv{pad = 'same', kernel = {2, 5}}, '8x9x4')
  test.equal(conv{pad = 'same', kernel = 3, dilation = 3}, '8x9x4')
  test.equal(conv{pad = 'same', kernel = 3, stride = 2}, '4x5x4')
end)

-- Where an even kernel is 'same', the odd pixel is behind.
test.case('the odd pixel of same', function()
  local net, x = anet.net{input = {1, 3, 1}}
  net:output(net:max_pool(x, {kernel = {1, 2}, pad = 'same'}))
  local image = anet.tensor{1, 1, 3, 1}
  for i = 0, 2 do image:data()[i] = 3 - i end
  test.same(anet.plan(net):run(image):list(), {3, 2, 1})
end)

test.case('begin counts from 1, modes have names', function()
  local net, x = anet.net{input = {6}}
  net:output(net:split(x, {begin = 3, size = 2}))
  local t = anet.tensor{1, 6}
  for i = 0, 5 do t:data()[i] = i end
  test.same(anet.plan(net):run(t):list(), {2, 3})
  net, x = anet.net{input = {1, 3, 1}}
  for _, mode in ipairs{'constant', 'reflect', 'edge'} do net:output(net:pad(x, {pad = {0, 2, 0, 0}, mode = mode, alpha = 9})) end
  local row = anet.tensor{1, 1, 3, 1}
  for i = 0, 2 do row:data()[i] = i end
  local constant, reflect, edge = anet.plan(net):run(row)
  test.same(constant:list(), {9, 9, 0, 1, 2})
  test.same(reflect:list(), {2, 1, 0, 1, 2})
  test.same(edge:list(), {0, 0, 0, 1, 2})
  net, x = anet.net{input = {1, 2, 1}}
  for _, mode in ipairs{'nearest', 'bilinear'} do net:output(net:resize(x, {dim = {1, 4}, mode = mode, size = 0})) end
  local two = anet.tensor{1, 1, 2, 1}
  two:data()[0], two:data()[1] = 0, 4
  local nearest, bilinear = anet.plan(net):run(two)
  test.same(nearest:list(), {0, 0, 4, 4})
  test.same(bilinear:list(), {0, 1, 3, 4})
  net, x = anet.net{input = {3}}
  for _, mode in ipairs{'values', 'places'} do net:output(net:top_k(x, {size = 1, begin = 1, mode = mode})) end
  local three = anet.tensor{1, 3}
  three:data()[0], three:data()[1], three:data()[2] = 4, 9, 2
  local value, place = anet.plan(net):run(three)
  test.same({value:get(1, 1), place:get(1, 1)}, {9, 1})
end)

test.case('a bias, or none', function()
  local net, x = anet.net{input = {4, 4, 2}}
  local function biased(v) return net:params(v).bias ~= nil end
  test.equal(biased(net:conv(x, {channels = 3, kernel = 1})), false)
  test.equal(biased(net:conv(x, {channels = 3, kernel = 1, bias = true})), true)
  test.equal(biased(net:conv(x, {channels = 3, kernel = 1, bias = 1})), true)
  test.equal(biased(net:conv(x, {channels = 3, kernel = 1, bias = false})), false)
  test.equal(biased(net:conv(x, {channels = 3, kernel = 1, bias = 0})), false)
  local flat = net:flatten(x)
  test.equal(biased(net:linear(flat, {channels = 3})), true)
  test.equal(biased(net:linear(flat, {channels = 3, bias = false})), false)
end)

-- ---- looking ------------------------------------------------------------------------------------------

local function small()
  local net, x = anet.net{input = {6, 6, 2}, name = 'image'}
  local y = net:relu(net:norm(net:conv(x, {channels = 4, kernel = 3, pad = 1, name = 'first'})), {name = 'middle'})
  return net:output(net:linear(net:global_pool(y), {channels = 5, name = 'last'})):init(2)
end

test.case('nodes', function()
  local net = small()
  test.equal(net:count(), 6)
  local conv = net:get(2)
  test.equal(conv.op, 'conv')
  test.equal(conv.name, 'first')
  test.same(conv.inputs, {1})
  test.same(conv.shape, {6, 6, 4})
  test.equal(conv.params, 1)
  test.equal(conv.macs, 6 * 6 * 9 * 2 * 4)
  test.equal(conv.frozen, false)
  test.equal(conv.region, nil)
  test.equal(conv.bytes, 4 * (6 * 6 * 2 + 6 * 6 * 4 + 9 * 2 * 4)) -- read, written, weights
  test.equal(net:find 'middle', 4)
  test.equal(net:find 'image', 1)
  test.equal(net:find 'nothing', nil)
  test.same(net:inputs(), {1})
  test.same(net:outputs(), {6})
  test.same(net:shape(), {5})
  local seen = {}
  for i, n in net:nodes() do seen[i] = n.op end
  test.same(seen, {'input', 'conv', 'norm', 'relu', 'global_pool', 'linear'})
  local rows = {}
  for row in net:describe():gmatch '[^\n]+' do rows[#rows + 1] = row:gsub('%s+', ' ') end
  test.equal(#rows, 7)
  test.equal(rows[1], 'node op name inputs shape MACs')
  test.check(rows[3]:find('2 conv first 1 6x6x4 2.59 k', 1, true), rows[3])
  test.check(rows[5]:find('4 relu middle 3 6x6x4', 1, true), rows[5])
  test.equal(tostring(net), 'net 6x6x2 -> 5, 6 nodes, 105 parameters, 2.76 k MACs')
  local cost = net:cost()
  test.equal(cost.params, 72 + 8 + 25)
  test.equal(cost.param_bytes, 4 * (cost.params + 8)) -- running statistics too
  test.equal(cost.macs, 2592 + 144 + 20)
end)

test.case('two of both', function()
  local net = anet.net()
  local a, b = net:input({3}, 'a'), net:input({3}, 'b')
  local s = net:add(a, b)
  net:output(s):output(net:sub(a, b))
  test.same(net:inputs(), {1, 2})
  test.same(net:outputs(), {3, 4})
  test.equal(tostring(net), 'net 3 + 3 -> 3 + 3, 4 nodes, 0 parameters, 0 MACs')
  local x, y = anet.tensor{1, 3}, anet.tensor{1, 3}
  x:fill(5)
  y:fill(2)
  local sum, difference = anet.plan(net):run(x, y)
  test.same({sum:get(1, 1), difference:get(1, 1)}, {7, 3})
end)

test.case('what is frozen', function()
  local net = small()
  local function frozen()
    local list = {}
    for i, n in net:nodes() do list[#list + 1] = n.frozen and i or nil end
    return table.concat(list, ' ')
  end
  net:freeze(2)
  test.equal(frozen(), '2')
  net:freeze()
  test.equal(#frozen(), #'1 2 3 4 5 6')
  net:freeze(3, false)
  test.equal(frozen(), '1 2 4 5 6')
  net:freeze(nil, false)
  test.equal(frozen(), '')
end)

test.case('answers', function()
  local function answers(op)
    local net, x = anet.net{input = {4}}
    local y = net:linear(x, {channels = 3})
    net:output(op and net:node(op, {y}) or y):init(1)
    return net, net:answers()
  end
  local net, a = answers()
  test.equal(a.kind, 'logits')
  test.equal(a.classes, 3)
  test.equal(a.logits, 2)
  local row = net:probabilities{1, 2, 700}
  test.near(row[3], 1, 1e-9)
  row = net:probabilities{0, math.log(3), 0}
  test.near(row[1], 0.2, 1e-9)
  test.near(row[2], 0.6, 1e-9)
  net, a = answers 'softmax'
  test.equal(a.kind, 'probabilities')
  test.equal(a.logits, 2)
  test.same(net:probabilities{0.5, 0.25, 0.25}, {0.5, 0.25, 0.25})
  net, a = answers 'sigmoid'
  test.equal(a.kind, 'independent')
  test.same(net:probabilities{0.5, 0.75, 0.25}, {0.5, 0.75, 0.25})
  test.raises('output', function() net:answers(2) end)
end)

-- ---- parameters ---------------------------------------------------------------------------------------

test.case('parameters', function()
  local net, other = small(), small():init(9)
  local norm = net:params(3)
  test.same({norm.gamma:get(1), norm.beta:get(1), norm.mean:get(1), norm.var:get(1)}, {1, 0, 0, 1})
  net:set_param(3, 'beta', anet.tensor.of{1, 2, 3, 4})
  test.same(net:params(3).beta:list(), {1, 2, 3, 4})
  test.same(net:params(3).gamma:list(), {1, 1, 1, 1})
  net:set_param(2, 'weight', other:params(2).weight)
  test.same(net:params(2).weight:list(), other:params(2).weight:list())
  test.raises("set_param: node 3 has no parameter 'delta'", function() net:set_param(3, 'delta', anet.tensor.of{1}) end)
  test.raises('(4', function() net:set_param(3, 'beta', anet.tensor.of{1, 2}) end)
  test.raises('set_param', function() net:set_param(3, 'beta', 7) end)
  local names = {}
  for i, p in ipairs(net:all_params()) do names[i] = p.node .. '.' .. p.name end
  test.equal(#names, 7)
  test.equal(names[1], 'first.weight')
  test.equal(names[7], 'last.bias')
  -- one that two nodes hold is listed once
  local shared, x = anet.net{input = {4}}
  local a = shared:linear(x, {channels = 4, bias = false})
  local b = shared:linear(a, {channels = 4, bias = false})
  shared:set_param(b, 'weight', shared:params(a).weight)
  test.equal(#shared:all_params(), 1)
end)

test.case('weights of a seed', function()
  local a, b, c = small():init(4), small():init(4), small():init(5)
  test.same(a:params(2).weight:list(), b:params(2).weight:list())
  test.check(a:params(2).weight:get(1, 1, 1, 1) ~= c:params(2).weight:get(1, 1, 1, 1), 'another seed, other weights')
  test.same(small():init():params(2).weight:list(), small():init(0):params(2).weight:list())
end)

-- ---- what is refused ----------------------------------------------------------------------------------

test.case('images of another kind', function()
  local net = small()
  test.raises('calibrate: images are 5x6x2, the net reads 6x6x2', function() net:calibrate(anet.tensor{3, 5, 6, 2}) end)
  test.raises('quantize: images are 6x6, the net reads 6x6x2', function() net:quantize(anet.tensor{3, 6, 6}) end)
  test.raises('calibrate: want a dense f32 tensor', function() net:calibrate(anet.tensor({3, 6, 6, 2}, 'u8')) end)
  test.raises('calibrate', function() net:calibrate(7) end)
  test.fails('calibrate: got 1 image, want 2 or more', 'range', net:calibrate(anet.tensor{1, 6, 6, 2}))
end)

test.case('norms after other images', function()
  local net, images, rng = small(), anet.tensor{5, 6, 6, 2}, anet.rng(3)
  for i = 0, tonumber(images:count()) - 1 do images:data()[i] = 4 + rng:uniform() end
  local fitted = assert(net:calibrate(images, {batch = 2}))
  test.equal(fitted:params(2).weight:get(1, 1, 1, 1), net:params(2).weight:get(1, 1, 1, 1))
  test.same(net:params(3).mean:list(), {0, 0, 0, 0})
  local sum, count = {0, 0, 0, 0}, 5 * 36
  local conv, x = anet.net{input = {6, 6, 2}}
  local y = conv:conv(x, {channels = 4, kernel = 3, pad = 1})
  conv:output(y):set_param(y, 'weight', net:params(2).weight)
  local out = anet.plan(conv, {batch = 5}):run(images)
  for i = 0, count * 4 - 1 do sum[i % 4 + 1] = sum[i % 4 + 1] + out:data()[i] / count end
  for c = 1, 4 do test.near(fitted:params(3).mean:get(c), sum[c], 1e-3 * math.abs(sum[c]) + 1e-3) end
end)

test.case('in bytes', function()
  local net, images, rng = small(), anet.tensor{4, 6, 6, 2}, anet.rng(3)
  for i = 0, tonumber(images:count()) - 1 do images:data()[i] = rng:uniform() end
  local bytes = assert(net:quantize(images))
  local ops = {}
  for _, n in bytes:nodes() do ops[n.op] = (ops[n.op] or 0) + 1 end
  test.equal(ops.quantize, 2)
  local a, b = anet.plan(net, {batch = 4}):run(images), anet.plan(bytes, {batch = 4}):run(images)
  for i = 0, 19 do test.near(b:data()[i], a:data()[i], 0.1) end
end)

test.case('files that cannot be', function()
  local net = small()
  test.fails('no-such', 'io', net:export '/no-such-folder/a.onnx')
  test.fails('no-such', 'io', net:export_c '/no-such-folder/a.c')
  test.fails('no-such', 'io', anet.net.import '/no-such-folder/a.onnx')
  test.fails('no-such', 'io', anet.net.onnx_inputs '/no-such-folder/a.onnx')
  test.raises('constant', function() anet.net.import('x.onnx', {constants = {constant = 7}}) end)
end)

-- After a stop nothing is written any more; what was written is known to who tells of it.
test.case('writing and stops', function()
  local core = require 'anet.core'
  local net, poll, written = small(), core.poll, core.written
  local path = os.tmpname()
  core.written = {}
  core.poll = function() error('stopped', 0) end
  test.raises('stopped', function() net:export(path .. '.onnx') end)
  test.raises('stopped', function() net:export_c(path .. '.c') end)
  core.poll = poll
  test.same(core.written, {})
  test.check(not io.open(path .. '.onnx') and not io.open(path .. '.c'), 'nothing is written')
  net:export(path .. '.onnx')
  net:export_c(path .. '.c')
  test.same(core.written, {path .. '.onnx', path .. '.c'})
  core.written = written
  for _, suffix in ipairs{'', '.onnx', '.c', '.h'} do os.remove(path .. suffix) end
end)

return test.finish()
