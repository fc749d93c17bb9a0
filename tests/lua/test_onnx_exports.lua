-- What the engine's ops are in an ONNX file: names, attributes, constants, as opset 17 words them. That it computes the same
-- is checked where files come in again; other engines read these words.
local case = dofile 'tests/support/onnx_case.lua'
local test, onnx = case.test, case.onnx
local anet = require 'anet'

local function show(v)
  if type(v) == 'table' then return table.concat(v, ',') end
  return type(v) == 'number' and ('%.6g'):format(v) or tostring(v)
end

-- A node in one line: "Op in … > out; attribute=…", attributes by their names.
local function line(n)
  local words = {}
  for name, value in pairs(n) do
    if type(name) == 'string' then words[#words + 1] = name .. '=' .. show(value) end
  end
  table.sort(words)
  return ('%s %s > %s'):format(n[1], table.concat(n[2], ' '), table.concat(n[3], ' ')) .. (#words > 0 and '; ' .. table.concat(words, ' ') or '')
end

-- The model that a net becomes which build(net, x) makes of an input of a shape.
local function exported(shape, build)
  local net, x = anet.net{input = shape, name = 'x'}
  net:output(build(net, x))
  net:init(1)
  return case.export(net)
end

local function check(shape, build, ...)
  local model = exported(shape, build)
  local lines = {}
  for i, n in ipairs(model.nodes) do lines[i] = line(n) end
  test.same(lines, {...})
  return model
end

-- One node of an op on x, called y.
local function op(name, options)
  options = options or {}
  options.name = 'y'
  return function(net, x) return net:node(name, {x}, options) end
end

local IMAGE = {4, 6, 2}

test.case('windows', function()
  local window = {kernel = {3, 2}, stride = {1, 2}, dilation = {2, 1}, pad = {1, 0, 2, 1}, name = 'y'}
  local function with(more)
    local all = {}
    for _, t in ipairs{window, more} do for k, v in pairs(t) do all[k] = v end end
    return all
  end
  local words = 'dilations=2,1 %skernel_shape=3,2 %spads=1,0,2,1 strides=1,2'
  local m = check(IMAGE, op('conv', with{channels = 4, groups = 2, bias = true}), 'Conv x y.weight y.bias > y; ' .. words:format('group=2 ', ''))
  test.same(m.constants['y.weight'][1], {4, 1, 3, 2})
  test.same(m.constants['y.bias'][1], {4})
  check(IMAGE, op('conv', with{channels = 4}), 'Conv x y.weight > y; ' .. words:format('group=1 ', ''))
  check(IMAGE, op('depthwise', window), 'Conv x y.weight > y; ' .. words:format('group=2 ', ''))
  m = check(IMAGE, op('conv_transpose', with{channels = 4, groups = 2, dim = {0, 1}, bias = true}),
            'ConvTranspose x y.weight y.bias > y; ' .. words:format('group=2 ', 'output_padding=0,1 '))
  test.same(m.constants['y.weight'][1], {2, 2, 3, 2})
  check(IMAGE, op('max_pool', window), 'MaxPool x > y; ' .. words:format('', ''))
  local plain = with{dilation = {1, 1}}
  check(IMAGE, op('avg_pool', plain), 'AveragePool x > y; count_include_pad=0 kernel_shape=3,2 pads=1,0,2,1 strides=1,2')
  plain.mode = 1
  check(IMAGE, op('avg_pool', plain), 'AveragePool x > y; count_include_pad=1 kernel_shape=3,2 pads=1,0,2,1 strides=1,2')
  check(IMAGE, op 'global_pool', 'GlobalAveragePool x > anet.part.1', 'Flatten anet.part.1 > y')
end)

test.case('pads and sizes', function()
  for i, mode in ipairs{'constant', 'reflect', 'edge'} do
    local m = check(IMAGE, op('pad', {pad = {1, 2, 3, 0}, mode = mode, alpha = i, dim = mode == 'constant' and {5, 6} or nil}),
                    'Pad x y.pads y.value > y; mode=' .. mode)
    test.same(m.constants['y.pads'][2], mode == 'constant' and {0, 5, 1, 2, 0, 6, 3, 0} or {0, 0, 1, 2, 0, 0, 3, 0})
    test.equal(m.constants['y.pads'].type, onnx.INT64)
    test.same(m.constants['y.value'], m.constants['y.value'])
    test.same(m.constants['y.value'][2], {i})
    test.same(m.constants['y.value'][1], {})
  end
  local where, round = {'half_pixel', 'asymmetric', 'align_corners'}, {'round_prefer_floor', 'floor', 'ceil', 'round_prefer_ceil'}
  for b = 1, 3 do
    for s = 0, 3 do
      for _, mode in ipairs{'nearest', 'linear'} do
        local m = check(IMAGE, op('resize', {dim = {8, 9}, begin = b, size = s, mode = mode == 'linear' and 'bilinear' or mode}),
                        ('Resize x  y.scales > y; coordinate_transformation_mode=%s mode=%s nearest_mode=%s'):format(where[b], mode, round[s + 1]))
        test.same(m.constants['y.scales'][2], {1, 1, 2, 1.5})
      end
    end
  end
  -- a scale of floats must not round a size down, to any who multiply in float or in double
  for out = 1, 40 do
    local m = exported({7, 23, 1}, op('resize', {dim = {out, out}}))
    for i, size in ipairs{7, 23} do
      local scale = m.constants['y.scales'][2][i + 2]
      test.equal(math.floor(size * scale), out)
      test.near(scale, out / size, 1e-5)
    end
  end
end)

test.case('products and norms', function()
  local m = check({3}, op('linear', {channels = 2}), 'Gemm x y.weight y.bias > y')
  test.same(m.constants['y.weight'][1], {3, 2})
  check({3}, op('linear', {channels = 2, bias = false}), 'Gemm x y.weight > y')
  check(IMAGE, op('norm', {epsilon = 0.25, momentum = 0.125}), 'BatchNormalization x y.gamma y.beta y.mean y.var > y; epsilon=0.25 momentum=0.875')
  check(IMAGE, op('instance_norm', {epsilon = 0.25}), 'InstanceNormalization x y.gamma y.beta > y; epsilon=0.25')
  check({3}, op('layer_norm', {epsilon = 0.25}), 'LayerNormalization x y.gamma y.beta > anet.part.1; axis=-1 epsilon=0.25', 'Identity anet.part.1 > y')
  check(IMAGE, op('layer_norm', {epsilon = 0.25}), 'Transpose x > anet.part.1; perm=0,2,3,1',
        'LayerNormalization anet.part.1 y.gamma y.beta > anet.part.2; axis=-1 epsilon=0.25', 'Transpose anet.part.2 > y; perm=0,3,1,2')
  check(IMAGE, op('lrn', {size = 3, alpha = 0.5, beta = 0.25, epsilon = 2}), 'LRN x > y; alpha=0.5 beta=0.25 bias=2 size=3')
  m = check(IMAGE, op 'scale', 'Mul x y.gamma > anet.part.1', 'Add anet.part.1 y.beta > y')
  test.same(m.constants['y.gamma'][1], {2, 1, 1})
  m = check({3}, op 'scale', 'Mul x y.gamma > anet.part.1', 'Add anet.part.1 y.beta > y')
  test.same(m.constants['y.beta'][1], {3})
  test.same(check(IMAGE, op 'prelu', 'PRelu x y.slope > y').constants['y.slope'][1], {2, 1, 1})
  test.same(check({3}, op 'prelu', 'PRelu x y.slope > y').constants['y.slope'][1], {3})
  check({3, 4}, function(net, x) return net:node('matmul', {x, net:transpose(x, {dim = {2, 1}, name = 't'})}, {name = 'y'}) end,
        'Transpose x > t; perm=0,2,1', 'MatMul x t > anet.part.1', 'Identity anet.part.1 > y')
  for _, name in ipairs{'norm', 'instance_norm', 'lrn'} do
    local ok, message = exported({3, 4}, op(name, {size = name == 'lrn' and 3 or nil}))
    test.check(not ok, name .. ' is exported')
    test.mentions(message, "'y': its 2 axes have no channels in ONNX")
  end
end)

test.case('functions', function()
  for name, word in pairs{relu = 'Relu', sigmoid = 'Sigmoid', hard_swish = 'HardSwish', softplus = 'Softplus', tanh = 'Tanh', softsign = 'Softsign',
                          sqrt = 'Sqrt', exp = 'Exp', log = 'Log', abs = 'Abs', reciprocal = 'Reciprocal', erf = 'Erf', sin = 'Sin', cos = 'Cos',
                          floor = 'Floor', ceil = 'Ceil', round = 'Round', sign = 'Sign', identity = 'Identity'} do
    check({3}, op(name), word .. ' x > y')
  end
  check({3}, op('leaky_relu', {alpha = 0.25}), 'LeakyRelu x > y; alpha=0.25')
  check({3}, op('elu', {alpha = 0.25}), 'Elu x > y; alpha=0.25')
  check({3}, op('threshold', {alpha = 0.25}), 'ThresholdedRelu x > y; alpha=0.25')
  check({3}, op 'hard_sigmoid', 'HardSigmoid x > y; alpha=0.166667 beta=0.5')
  local function bounds(name, options, low, high)
    local m = check({3}, op(name, options), 'Clip x y.min y.max > y')
    test.same(m.constants['y.min'][2], {low})
    test.same(m.constants['y.max'][2], {high})
  end
  bounds('relu6', nil, 0, 6)
  bounds('clip', {alpha = -2, beta = 5}, -2, 5)
  local m = check({3}, op('affine', {alpha = 2, beta = 3}), 'Mul x y.alpha > anet.part.1', 'Add anet.part.1 y.beta > y')
  test.same(m.constants['y.alpha'][2], {2})
  test.same(m.constants['y.beta'][2], {3})
  check({3}, op('affine', {alpha = 2}), 'Mul x y.alpha > y')
  test.same(check({3}, op('power', {alpha = 2.5}), 'Pow x y.exponent > y').constants['y.exponent'][2], {2.5})
  check({3}, op 'swish', 'Sigmoid x > anet.part.1', 'Mul x anet.part.1 > y')
  check({3}, op 'mish', 'Softplus x > anet.part.1', 'Tanh anet.part.1 > anet.part.2', 'Mul x anet.part.2 > y')
  m = check({3}, op 'gelu', 'Mul x y.slope > anet.part.1', 'Erf anet.part.1 > anet.part.2', 'Add anet.part.2 y.one > anet.part.3',
            'Mul anet.part.3 y.half > anet.part.4', 'Mul x anet.part.4 > y')
  test.near(m.constants['y.slope'][2][1], math.sqrt(0.5), 1e-7)
  m = check({3}, op('gelu', {mode = 1}), 'Pow x y.three > anet.part.1', 'Mul anet.part.1 y.cubic > anet.part.2', 'Add x anet.part.2 > anet.part.3',
            'Mul anet.part.3 y.slope > anet.part.4', 'Tanh anet.part.4 > anet.part.5', 'Add anet.part.5 y.one > anet.part.6',
            'Mul anet.part.6 y.half > anet.part.7', 'Mul x anet.part.7 > y')
  test.near(m.constants['y.slope'][2][1], math.sqrt(2 / math.pi), 1e-7)
  test.same(check({3}, op('dropout', {alpha = 0.25}), 'Dropout x y.ratio > y').constants['y.ratio'][2], {0.25})
  check({3}, op 'trunc', ('Cast x > anet.part.1; to=%d'):format(onnx.INT64), 'Cast anet.part.1 > y; to=1')
  m = check({3}, op('quantize', {alpha = -1, beta = 0.9921875}), 'QuantizeLinear x y.scale y.zero > anet.part.1', 'DequantizeLinear anet.part.1 y.scale y.zero > y')
  check({3}, function(net, x) return net:node('quantize', {net:relu(x, {name = 'r'})}, {alpha = 0, beta = 1, name = 'y'}) end,
        'Relu x > r', 'QuantizeLinear r y.scale y.zero > anet.part.1', 'DequantizeLinear anet.part.1 y.scale y.zero > y')
  test.equal(m.constants['y.zero'].type, onnx.UINT8)
  test.same(m.constants['y.zero'][2], {128})
  test.near(m.constants['y.scale'][2][1], 1 / 128, 1e-9)
end)

test.case('two values', function()
  for name, word in pairs{add = 'Add', sub = 'Sub', mul = 'Mul', div = 'Div', minimum = 'Min', maximum = 'Max', pow = 'Pow'} do
    check({3}, function(net, x) return net:node(name, {x, net:relu(x, {name = 'r'})}, {name = 'y'}) end, 'Relu x > r', word .. ' x r > y')
  end
  check({3}, function(net, x) return net:mod(x, net:relu(x, {name = 'r'}), {name = 'y'}) end, 'Relu x > r', 'Mod x r > y; fmod=1')
  for name, word in pairs{equal = 'Equal', less = 'Less', less_equal = 'LessOrEqual'} do
    check({3}, function(net, x) return net:node(name, {x, net:relu(x, {name = 'r'})}, {name = 'y'}) end, 'Relu x > r', word .. ' x r > anet.part.1',
          'Cast anet.part.1 > y; to=1')
  end
  check({3}, function(net, x) return net:where(x, net:relu(x, {name = 'r'}), x, {name = 'y'}) end, 'Relu x > r',
        ('Cast x > anet.part.1; to=%d'):format(onnx.BOOL), 'Where anet.part.1 r x > y')
  local m = check(IMAGE, function(net, x) return net:mul(x, net:global_pool(x, {name = 'g'}), {name = 'y'}) end, 'GlobalAveragePool x > anet.part.1',
                  'Flatten anet.part.1 > g', 'Unsqueeze g y.axes > anet.part.2', 'Mul x anet.part.2 > y')
  test.same(m.constants['y.axes'][2], {2, 3})
end)

test.case('axes', function()
  -- attr.axis counts stored axes from the last: channels, columns, rows
  for axis, want in pairs{[0] = 1, [1] = 3, [2] = 2} do
    check(IMAGE, op('softmax', {axis = axis}), 'Softmax x > y; axis=' .. want)
    check(IMAGE, op('log_softmax', {axis = axis}), 'LogSoftmax x > y; axis=' .. want)
    check(IMAGE, function(net, x) return net:concat(x, x, {axis = axis, name = 'y'}) end, 'Concat x x > y; axis=' .. want)
    local m = check(IMAGE, op('split', {axis = axis, begin = 2, size = 1}), 'Slice x y.starts y.ends y.axes > y')
    test.same({m.constants['y.starts'][2][1], m.constants['y.ends'][2][1], m.constants['y.axes'][2][1]}, {1, 2, want})
    m = check(IMAGE, op('top_k', {axis = axis, size = 2, begin = 1, mode = 'values'}), ('TopK x y.k > y anet.part.1; axis=%d largest=1'):format(want))
    test.same(m.constants['y.k'][2], {2})
    check(IMAGE, op('top_k', {axis = axis, size = 1, begin = 2, mode = 'places'}),
          ('TopK x y.k > anet.part.1 anet.part.2; axis=%d largest=0'):format(want), 'Cast anet.part.2 > y; to=1')
  end
  check({4, 6}, op('softmax', {axis = 1}), 'Softmax x > y; axis=1')
  check(IMAGE, op('transpose', {dim = {3, 1, 2}}), 'Transpose x > y; perm=0,3,1,2')
  check({4, 6}, op('transpose', {dim = {2, 1}}), 'Transpose x > y; perm=0,2,1')
  for name, word in pairs{reduce_mean = 'ReduceMean', reduce_max = 'ReduceMax', reduce_prod = 'ReduceProd'} do
    check({4, 6}, op(name, {axis = 1}), word .. ' x > anet.part.1; axes=1 keepdims=0', 'Identity anet.part.1 > y')
  end
  check({4}, op 'reduce_mean', 'ReduceMean x > anet.part.1; axes=1 keepdims=1', 'Identity anet.part.1 > y')
  check({4, 6}, op 'reduce_sum', 'ReduceSum x y.axes > anet.part.1; keepdims=0', 'Identity anet.part.1 > y')
  local function dims(shape, build, ...) return check(shape, build, ...).constants['y.shape'][2] end
  test.same(dims({4, 6}, op('reshape', {dim = {3, 8}}), 'Reshape x y.shape > y'), {0, 3, 8})
  test.same(dims({24}, op('reshape', {dim = {2, 3, 4}}), 'Reshape x y.shape > anet.part.1', 'Transpose anet.part.1 > y; perm=0,3,1,2'), {0, 2, 3, 4})
  test.same(dims({24}, op('reshape', {dim = {1, 1, 24}}), 'Reshape x y.shape > y'), {0, 24, 1, 1})
  test.same(dims({1, 1, 24}, op('reshape', {dim = {4, 6}}), 'Reshape x y.shape > y'), {0, 4, 6})
  test.same(dims({4, 6, 1}, op 'flatten', 'Reshape x x.nhwc.1 > anet.part.2', 'Reshape anet.part.2 y.shape > y'), {0, 24}) -- no transposition
  test.same(dims(IMAGE, op 'flatten', 'Transpose x > anet.part.1; perm=0,2,3,1', 'Reshape anet.part.1 y.shape > y'), {0, 48})
  test.same(dims({4, 1, 2}, op('expand', {dim = {4, 6, 2}}), 'Expand x y.shape > y'), {1, 2, 4, 6})
end)

test.case('constants', function()
  local net, x = anet.net{input = {2, 3, 2}, name = 'x'}
  local k = net:constant{dim = {2, 3, 2}, name = 'k'}
  net:output(net:add(x, k, {name = 'y'}))
  local values = net:params(k).value or select(2, next(net:params(k)))
  for i = 0, 11 do values:data()[i] = i end
  local m = case.export(net)
  test.same(m.constants.k[1], {1, 2, 2, 3})
  test.same(m.constants.k[2], {0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11}) -- channels first
end)

test.case('what has no like in ONNX', function()
  local function refused(build, words, shape)
    local model, message = exported(shape or {3}, build)
    test.check(not model, 'is exported: ' .. words)
    test.mentions(message, words)
  end
  refused(function(net, x)
    net:output(x)
    return net:relu(x)
  end, "output 0, 'x', is an input or another output")
  refused(function(net, x)
    local y = net:relu(x, {name = 'y'})
    net:output(y)
    return y
  end, "output 1, 'y', is an input or another output")
  refused(function(net, x)
    net:output(net:relu(x))
    return net:constant{dim = {3}, name = 'k'}
  end, "output 'k' is the same for every image: a constant")
  refused(function(net, x) return net:concat(x, net:constant{dim = {3}, name = 'k'}, {name = 'y'}) end,
          "'y' reads 'k', a constant, which it does not repeat for every image")
end)

return test.finish()
