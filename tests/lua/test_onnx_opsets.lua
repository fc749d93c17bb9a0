-- What opsets 18 to 21 changed of the ops that networks use, and whole numbers and booleans, on models made by
-- hand: Debian's conformance suite ends with opset 17.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local onnx = dofile 'tests/support/onnx_model.lua'

local path = os.tmpname()
os.remove(path)
path = path .. '.onnx'

local INT64, BOOL = onnx.INT64, onnx.BOOL

local function ints(...) return {{select('#', ...)}, {...}, type = INT64} end

local function import(model)
  local file = assert(io.open(path, 'wb'))
  file:write(onnx.bytes(model))
  file:close()
  local about = anet.bundle()
  local net, message = anet.net.import(path, {about = about})
  os.remove(path)
  return net, net and about:value 'border' or message
end

local function array(dims, values)
  local t = anet.tensor(dims)
  for i, v in ipairs(values) do t:data()[i - 1] = v end
  return t
end

local function values(t)
  local list = {}
  for i = 1, tonumber(t:count()) do list[i] = t:data()[i - 1] end
  return list
end

local function count_up(n, from)
  local list = {}
  for i = 1, n do list[i] = (from or 1) + i - 1 end
  return list
end

-- Runs a model of one input x, and other inputs y, … of the same dims; arrays as the file has them.
local function run(model, ...)
  local net, border = import(model)
  if not test.check(net, tostring(border)) then return {} end
  local faces, given = anet.border.of(net, border), {...}
  for i, v in ipairs(net:inputs()) do
    local dims = {}
    for k, d in ipairs(model.inputs[i][2]) do dims[k] = d == 'N' and 1 or d end
    given[i] = anet.border.to_net(faces.inputs[i], array(dims, given[i]), 1, net:shape(v))
  end
  local out = {anet.plan(net, {batch = 1}):run(unpack(given))}
  for i, t in ipairs(out) do out[i] = anet.border.from_net(faces.outputs[i], t) end
  return out, faces, net
end

-- One node `op` of x (and constants) that makes y.
local function one(opset, dims, node, constants, type)
  return {opset = opset, nodes = {node}, constants = constants, inputs = {{'x', dims, type = type}}, outputs = {{'y'}}}
end

local function near(t, want, what)
  local got = t and values(t) or {}
  test.equal(#got, #want)
  for i = 1, #want do
    if math.abs((got[i] or 0 / 0) - want[i]) > 1e-5 * math.max(1, math.abs(want[i])) or not got[i] then
      test.check(false, ('%s: element %d is %s, want %.9g'):format(what, i, got[i], want[i]))
      return
    end
  end
  test.check(true, what)
end

-- ---- axes as inputs ---------------------------------------------------------------------------------

test.case('opset 18: reductions take their axes from an input', function()
  local x = {1, 2, 3, 4, 5, 6}
  for op, want in pairs{ReduceMean = {2, 5}, ReduceMax = {3, 6}, ReduceMin = {1, 4}, ReduceSum = {6, 15},
                        ReduceProd = {6, 120}, ReduceL1 = {6, 15}, ReduceSumSquare = {14, 77}} do
    local out = run(one(18, {'N', 2, 3}, {op, {'x', 'axes'}, {'y'}, keepdims = 0}, {axes = ints(-1)}), x)
    near(out[1], want, op)
  end
  local out = run(one(18, {'N', 2, 3}, {'ReduceMax', {'x'}, {'y'}, noop_with_empty_axes = 1}), x)
  near(out[1], x, 'no axes, nothing done')
end)

test.case('opset 18: Split says how many, the last is what is left', function()
  local model = one(18, {'N', 7}, {'Split', {'x'}, {'a', 'b', 'c'}, axis = 1, num_outputs = 3})
  model.outputs = {{'a'}, {'b'}, {'c'}}
  local out = run(model, count_up(7))
  near(out[1], {1, 2, 3}, 'a')
  near(out[2], {4, 5, 6}, 'b')
  near(out[3], {7}, 'c')
end)

test.case('opset 18: Pad of some axes; 19: wrapped', function()
  local x = {1, 2, 3, 4, 5, 6}
  local function pad(opset, mode, pads, axes)
    return run(one(opset, {'N', 1, 2, 3}, {'Pad', {'x', 'pads', '', 'axes'}, {'y'}, mode = mode},
                   {pads = pads, axes = axes}), x)[1]
  end
  near(pad(18, 'constant', ints(1, 0), ints(-1)), {0, 1, 2, 3, 0, 4, 5, 6}, 'constant')
  near(pad(18, 'edge', ints(0, 2), ints(3)), {1, 2, 3, 3, 3, 4, 5, 6, 6, 6}, 'edge')
  near(pad(18, 'reflect', ints(2, 1), ints(3)), {3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5}, 'reflect')
  near(pad(19, 'wrap', ints(1, 2), ints(3)), {3, 1, 2, 3, 1, 2, 6, 4, 5, 6, 4, 5}, 'wrap')
  near(pad(19, 'wrap', ints(1, 4, 0, 0), ints(2, 3)),
       {6, 4, 5, 6, 4, 5, 6, 3, 1, 2, 3, 1, 2, 3, 6, 4, 5, 6, 4, 5, 6}, 'wrapped more than once')
end)

test.case('opset 18: channels are padded as rows are', function()
  local out = run(one(18, {'N', 2, 1, 2}, {'Pad', {'x', 'pads'}, {'y'}, mode = 'edge'},
                      {pads = ints(0, 1, 0, 0, 0, 0, 0, 0)}), {1, 2, 3, 4})
  near(out[1], {1, 2, 1, 2, 3, 4}, 'edge')
end)

-- ---- Resize; the wanted values are those of ONNX's own cases ------------------------------------------

local function resize(opset, dims, x, attributes, constants)
  local node = {'Resize', {'x', '', constants.scales and 'scales' or '', constants.sizes and 'sizes' or nil}, {'y'}}
  for name, value in pairs(attributes) do node[name] = value end
  return run(one(opset, dims, node, constants), x)[1]
end

test.case('opset 18: Resize without aliases', function()
  local scales, sizes = {{4}, {1, 1, 0.6, 0.6}}, ints(1, 1, 3, 3)
  local dims, x = {'N', 1, 4, 4}, count_up(16)
  near(resize(18, dims, x, {mode = 'linear', antialias = 1}, {scales = scales}), {2.875, 4.5, 9.375, 11}, 'linear')
  near(resize(18, dims, x, {mode = 'linear', antialias = 1}, {sizes = sizes}),
       {2.3636363, 3.590909, 4.818182, 7.2727275, 8.5, 9.727273, 12.181818, 13.409091, 14.636364}, 'linear, sizes')
  near(resize(18, dims, x, {mode = 'cubic', antialias = 1}, {scales = scales}),
       {2.5180721, 4.2858863, 9.589329, 11.357142}, 'cubic')
  near(resize(18, dims, x, {mode = 'cubic', antialias = 1}, {sizes = sizes}),
       {1.7750092, 3.1200073, 4.4650054, 7.1550016, 8.5, 9.844998, 12.534994, 13.8799925, 15.224991}, 'cubic, sizes')
  near(resize(18, {'N', 1, 2, 2}, {1, 2, 3, 4}, {mode = 'linear', antialias = 1}, {sizes = ints(1, 1, 4, 4)}),
       {1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4}, 'nothing to smooth')
end)

test.case('opset 18: Resize of some axes, whose ratio stays', function()
  local function sized(policy)
    return resize(18, {'N', 1, 2, 2}, {1, 2, 3, 4}, {axes = {2, 3}, keep_aspect_ratio_policy = policy},
                  {sizes = ints(7, 8)})
  end
  local function rows(top, bottom, upper, lower)
    local list = {}
    for i = 1, upper + lower do
      for _, v in ipairs(i <= upper and top or bottom) do list[#list + 1] = v end
    end
    return list
  end
  local seven = rows({1, 1, 1, 1, 2, 2, 2}, {3, 3, 3, 3, 4, 4, 4}, 4, 3)
  near(sized 'not_larger', seven, 'not larger')
  near(sized 'not_smaller', rows({1, 1, 1, 1, 2, 2, 2, 2}, {3, 3, 3, 3, 4, 4, 4, 4}, 4, 4), 'not smaller')
  near(resize(18, {'N', 1, 2, 2}, {1, 2, 3, 4}, {axes = {3, 2}}, {scales = {{2}, {1, 2}}}), {1, 2, 1, 2, 3, 4, 3, 4},
       'axes in their order')
end)

test.case('opset 19: Resize by symmetric half pixels', function()
  local function symmetric(dims, x, ...)
    return resize(19, dims, x, {mode = 'linear', coordinate_transformation_mode = 'half_pixel_symmetric'},
                  {scales = {{4}, {1, 1, ...}}})
  end
  near(symmetric({'N', 1, 1, 4}, {1, 2, 3, 4}, 1, 0.6), {1.6666667, 3.3333333}, 'less')
  near(symmetric({'N', 1, 2, 2}, {1, 2, 3, 4}, 2.3, 2.94),
       {1, 1.15986395, 1.5, 1.84013605, 2, 1.56521738, 1.72508133, 2.06521738, 2.40535343, 2.56521738, 2.43478262,
        2.59464657, 2.93478262, 3.27491867, 3.43478262, 3, 3.15986395, 3.5, 3.84013605, 4}, 'more')
end)

-- ---- functions and norms ----------------------------------------------------------------------------

test.case('opset 20: Gelu is an op', function()
  local x = {-2, -0.5, 0, 1, 3}
  local exact, tanh = {}, {}
  local erf = {[-2] = -0.95449974, [-0.5] = -0.38292492, [0] = 0, [1] = 0.68268949, [3] = 0.99730020} -- of x / sqrt 2
  for i, v in ipairs(x) do
    exact[i] = v / 2 * (1 + erf[v])
    tanh[i] = v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v ^ 3)))
  end
  near(run(one(20, {'N', 5}, {'Gelu', {'x'}, {'y'}}), x)[1], exact, 'exact')
  near(run(one(20, {'N', 5}, {'Gelu', {'x'}, {'y'}, approximate = 'tanh'}), x)[1], tanh, 'by tanh')
end)

test.case('opset 21: GroupNormalization scales channels, before it groups', function()
  local ones = {1, 3, 5, 7, 2, 6, 10, 14} -- 4 channels of 2, in 2 groups
  local function group(opset, count, scale)
    return run(one(opset, {'N', 4, 1, 2}, {'GroupNormalization', {'x', 's', 'b'}, {'y'}, num_groups = 2},
                   {s = {{count}, scale}, b = {{count}, count == 2 and {0, 0} or {0, 0, 0, 0}}}), ones)[1]
  end
  local a, b = 1 / math.sqrt(5 + 1e-5), 1 / math.sqrt(20 + 1e-5)
  near(group(18, 2, {1, 10}), {-3 * a, -a, a, 3 * a, -60 * b, -20 * b, 20 * b, 60 * b}, 'a scale a group')
  near(group(21, 4, {1, 2, 3, 4}), {-3 * a, -a, 2 * a, 6 * a, -18 * b, -6 * b, 8 * b, 24 * b}, 'a scale a channel')
end)

test.case('opset 17: LayerNormalization, and its statistics', function()
  local model = one(21, {'N', 2, 2}, {'LayerNormalization', {'x', 's'}, {'y', 'mean'}, epsilon = {real = 1e-6}},
                    {s = {{2}, {1, 2}}})
  model.outputs = {{'y'}, {'mean'}}
  local out = run(model, {1, 3, 10, 30})
  near(out[1], {-1, 2, -1, 2}, 'normalised')
  near(out[2], {2, 20}, 'means')
end)

test.case('opset 19: AveragePool with gaps', function()
  local out = run(one(19, {'N', 1, 3, 3}, {'AveragePool', {'x'}, {'y'}, kernel_shape = {2, 2}, dilations = {2, 2}}),
                  count_up(9))
  near(out[1], {5}, 'the corners')
end)

-- ---- shapes -----------------------------------------------------------------------------------------

test.case('opset 21: Reshape, Identity, Flatten, Squeeze, Shape as ever', function()
  local model = {opset = 21, inputs = {{'x', {'N', 2, 3}}}, outputs = {{'y'}}, constants = {to = ints(0, -1), one = ints(1)},
                 nodes = {{'Identity', {'x'}, {'a'}}, {'Unsqueeze', {'a', 'one'}, {'b'}}, {'Squeeze', {'b', 'one'}, {'c'}},
                          {'Reshape', {'c', 'to'}, {'d'}, allowzero = 0}, {'Flatten', {'d'}, {'y'}}}}
  near(run(model, count_up(6))[1], count_up(6), 'through')
  local net, message = import(one(21, {2, 3}, {'Reshape', {'x', 'to'}, {'y'}, allowzero = 1}, {to = ints(0, 6)}))
  test.check(not net and message:find 'Reshape', 'an axis of size 0 is refused: ' .. tostring(message))
end)

-- ---- whole numbers and booleans -----------------------------------------------------------------------

test.case('whole numbers are cut as ONNX cuts them', function()
  local out, faces = run(one(19, {'N', 4}, {'Cast', {'x'}, {'y'}, to = INT64, saturate = 1}), {-1.7, 1.7, 0.2, 5})
  near(out[1], {-1, 1, 0, 5}, 'Cast')
  test.equal(faces.inputs[1].type, 'float')
  test.equal(faces.outputs[1].type, 'int64')
  out, faces = run(one(14, {'N', 4}, {'Div', {'x', 'three'}, {'y'}}, {three = ints(3)}, INT64), {-7, 7, 16777215, -16777215})
  near(out[1], {-2, 2, 5592405, -5592405}, 'Div')
  test.equal(faces.inputs[1].type, 'int64')
  test.equal(faces.outputs[1].type, 'int64')
  out = run(one(13, {'N', 4}, {'Mod', {'x', 'three'}, {'y'}}, {three = ints(3)}, INT64), {-7, 7, -6, 5})
  near(out[1], {2, 1, 0, 2}, 'Mod has the sign of what divides')
  out = run(one(13, {'N', 4}, {'Mod', {'x', 'three'}, {'y'}, fmod = 1}, {three = ints(3)}, INT64), {-7, 7, -6, 5})
  near(out[1], {-1, 1, 0, 2}, 'or of what is divided')
end)

test.case('sums and products are exact up to 2^24', function()
  local model = one(14, {'N', 3}, {'Add', {'x', 'y'}, {'s'}}, nil, INT64)
  model.nodes[2] = {'Mul', {'x', 'y'}, {'p'}}
  model.inputs[2], model.outputs = {'y', {'N', 3}, type = INT64}, {{'s'}, {'p'}}
  local out = run(model, {8388607, 4095, -4096}, {8388608, 4096, 4095})
  test.same(values(out[1]), {16777215, 8191, -1})
  test.equal(values(out[2])[2], 4095 * 4096)
  test.equal(values(out[2])[3], -4096 * 4095)
end)

test.case('booleans: comparisons, logic, choices', function()
  local model = {opset = 16, inputs = {{'x', {'N', 4}}, {'y', {'N', 4}}}, outputs = {{'chosen'}, {'both'}, {'odd'}},
                 constants = {zero = {{}, {0}}},
                 nodes = {{'Greater', {'x', 'y'}, {'g'}}, {'LessOrEqual', {'x', 'zero'}, {'l'}}, {'Not', {'l'}, {'n'}},
                          {'And', {'g', 'n'}, {'both'}}, {'Xor', {'g', 'n'}, {'odd'}},
                          {'Where', {'both', 'x', 'zero'}, {'chosen'}}}}
  local out, faces = run(model, {1, -1, 3, 0}, {0, -2, 5, 0})
  near(out[1], {1, 0, 0, 0}, 'chosen')
  near(out[2], {1, 0, 0, 0}, 'both')
  near(out[3], {0, 1, 1, 0}, 'one of two')
  test.equal(faces.outputs[1].type, 'float')
  test.equal(faces.outputs[2].type, 'bool')
end)

test.case('each of two values is repeated along axes that the other has', function()
  local model = {opset = 13, inputs = {{'x', {'N', 2, 1, 2}}, {'y', {'N', 1, 2, 2}}}, outputs = {{'z'}},
                 nodes = {{'Add', {'x', 'y'}, {'z'}}}}
  near(run(model, {1, 10, 2, 20}, {100, 200, 300, 400})[1], {101, 210, 301, 410, 102, 220, 302, 420}, 'sums')
end)

test.case('places: TopK, ArgMax, Gather', function()
  local model = one(21, {'N', 5}, {'TopK', {'x', 'k'}, {'v', 'i'}, axis = -1}, {k = ints(2), table = {{5, 2}, count_up(10)}})
  model.nodes[2] = {'Gather', {'table', 'i'}, {'rows'}}
  model.nodes[3] = {'ArgMin', {'x'}, {'least'}, axis = 1, keepdims = 0, select_last_index = 1}
  model.outputs = {{'v'}, {'i'}, {'rows'}, {'least'}}
  local out, faces = run(model, {3, 9, 1, 9, 1})
  near(out[1], {9, 9}, 'values')
  near(out[2], {1, 3}, 'the first of equals is first')
  near(out[3], {3, 4, 7, 8}, 'rows of a table')
  near(out[4], {4}, 'the last of equals')
  test.equal(faces.outputs[2].type, 'int64')
  test.equal(faces.outputs[3].type, 'float')
end)

test.case('bytes that come in are numbers to DequantizeLinear', function()
  local model = one(13, {'N', 2, 1, 2}, {'DequantizeLinear', {'x', 's', 'z'}, {'y'}, axis = 1},
                    {s = {{2}, {0.5, 2}}, z = ints(128, 0)}, onnx.UINT8)
  near(run(model, {128, 130, 3, 4})[1], {0, 1, 6, 8}, 'scaled')
end)

test.case('places back to front', function()
  local out = run(one(13, {'N', 5}, {'Slice', {'x', 's', 'e', 'a', 't'}, {'y'}},
                      {s = ints(-1), e = ints(-100), a = ints(1), t = ints(-2)}), count_up(5))
  near(out[1], {5, 3, 1}, 'every second')
end)

-- ---- out again ----------------------------------------------------------------------------------------

-- Out, in again, and run: the same as before.
local function check_return(model, dims, x)
  local _, _, net = run(model, x)
  assert(net:export(path))
  local again, message = anet.net.import(path)
  os.remove(path)
  if not test.check(again, tostring(message)) then return end
  local one = array(dims, x)
  near(anet.plan(again, {batch = 1}):run(one), values(anet.plan(net, {batch = 1}):run(one)), 'again')
end

test.case('choices go out and in', function()
  local model = one(21, {'N', 5}, {'TopK', {'x', 'k'}, {'v', 'i'}, axis = -1}, {k = ints(3), two = {{}, {2}}})
  model.nodes[2] = {'Cast', {'i'}, {'f'}, to = onnx.FLOAT}
  model.nodes[3] = {'Less', {'f', 'two'}, {'c'}}
  model.nodes[4] = {'Where', {'c', 'v', 'f'}, {'y'}}
  near(run(model, {3, 9, 1, 9, 1})[1], {9, 3, 3}, 'chosen')
  check_return(model, {1, 5}, {3, 9, 1, 9, 1})
end)

test.case('matrices of Resize go out and in', function()
  local model = one(18, {'N', 2, 4, 4}, {'Resize', {'x', '', 's'}, {'y'}, mode = 'cubic'}, {s = {{4}, {1, 1, 2, 1.5}}})
  check_return(model, {1, 4, 4, 2}, count_up(32))
end)

test.case('rows of a table go out and in', function()
  local model = one(13, {'N', 3}, {'Gather', {'table', 'x'}, {'y'}}, {table = {{5, 2}, count_up(10)}}, INT64)
  near(run(model, {4, 0, 2})[1], {9, 10, 1, 2, 5, 6}, 'rows')
  check_return(model, {1, 3}, {4, 0, 2})
end)

return test.finish()
