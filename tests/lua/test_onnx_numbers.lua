-- Functions of ONNX models against their definition: of one value, of two that are broadcast, along axes; matrices, norms.
local case = dofile 'tests/support/onnx_case.lua'
local R = dofile 'tests/support/onnx_reference.lua'
local test, one, onnx = case.test, case.one, case.onnx
local floats, ints = case.floats, case.ints

local function node(op, inputs, attributes, outputs)
  local n = {op, inputs, outputs or {'y'}}
  for name, value in pairs(attributes or {}) do n[name] = value end
  return n
end

local function open(dims) return {'N', unpack(dims, 2)} end

local function real(v) return {real = v} end

local function op_of(net) return net and net:get(net:count()).op end

-- y = op(x, constants …) for a random x with a batch of dims[1].
local function check(what, opset, dims, op, inputs, attributes, constants, want, options)
  local x = R.random(dims, 4)
  return case.check(what, one(opset, open(dims), node(op, inputs, attributes), constants, options and options.type), {x},
                    {want(x)}, options)
end

local function refused(code, opset, dims, op, inputs, attributes, constants, ...)
  local where = case.refused(one(opset, dims, node(op, inputs, attributes), constants), code, ...)
  test.equal(where, ("%s 'y' (opset %d)"):format(op, opset))
end

-- ---- functions of one value -------------------------------------------------------------------------

local function erf(x) -- by its series
  local sum, term = 0, x
  for n = 0, 80 do
    sum = sum + term / (2 * n + 1)
    term = -term * x * x / (n + 1)
  end
  return 2 / math.sqrt(math.pi) * sum
end

local function round(x) -- halves to even
  local low = math.floor(x)
  if x - low ~= 0.5 then return math.floor(x + 0.5) end
  return low % 2 == 0 and low or low + 1
end

local function positive(f) return function(x) return f(math.abs(x) + 0.25) end end

local FUNCTIONS = {
  Relu = function(x) return math.max(x, 0) end, Sigmoid = function(x) return 1 / (1 + math.exp(-x)) end,
  HardSwish = function(x) return x * math.min(math.max(x / 6 + 0.5, 0), 1) end,
  Mish = function(x) return x * math.tanh(math.log(1 + math.exp(x))) end, Softplus = function(x) return math.log(1 + math.exp(x)) end,
  Softsign = function(x) return x / (1 + math.abs(x)) end, Tanh = math.tanh, Exp = math.exp, Abs = math.abs, Erf = erf,
  Sin = math.sin, Cos = math.cos, Floor = math.floor, Ceil = math.ceil, Round = round,
  Sign = function(x) return x > 0 and 1 or x < 0 and -1 or 0 end, Identity = function(x) return x end,
  Neg = function(x) return -x end, Dropout = function(x) return x end,
  LeakyRelu = function(x) return x < 0 and 0.01 * x or x end, ThresholdedRelu = function(x) return x > 1 and x or 0 end,
  Elu = function(x) return x < 0 and math.exp(x) - 1 or x end, Celu = function(x) return x < 0 and math.exp(x) - 1 or x end,
  Selu = function(x) return 1.05070102 * (x < 0 and 1.67326319 * (math.exp(x) - 1) or x) end,
  HardSigmoid = function(x) return math.min(math.max(0.2 * x + 0.5, 0), 1) end,
  Gelu = function(x) return x / 2 * (1 + erf(x / math.sqrt(2))) end, Clip = function(x) return x end,
}

test.case('functions, and what they take where the file says nothing', function()
  for op, f in pairs(FUNCTIONS) do
    check(op, op == 'Gelu' and 20 or 18, {2, 3, 5}, op, {'x'}, {}, nil, function(x) return R.map(x, f) end)
  end
  for op, f in pairs{Sqrt = math.sqrt, Log = math.log, Reciprocal = function(x) return 1 / x end} do
    local x = R.map(R.random({2, 3, 5}, 1), positive(function(v) return v end))
    case.check(op, one(13, {'N', 3, 5}, node(op, {'x'})), {x}, {R.map(x, f)})
  end
end)

test.case('functions with numbers', function()
  local function with(op, attributes, f, opset)
    return check(op, opset or 13, {2, 3, 5}, op, {'x'}, attributes, nil, function(x) return R.map(x, f) end)
  end
  with('LeakyRelu', {alpha = real(0.3)}, function(x) return x < 0 and 0.3 * x or x end)
  with('ThresholdedRelu', {alpha = real(2)}, function(x) return x > 2 and x or 0 end)
  with('Elu', {alpha = real(0.5)}, function(x) return x < 0 and 0.5 * (math.exp(x) - 1) or x end)
  with('Celu', {alpha = real(2)}, function(x) return x < 0 and 2 * (math.exp(x / 2) - 1) or x end)
  with('Selu', {alpha = real(2), gamma = real(3)}, function(x) return 3 * (x < 0 and 2 * (math.exp(x) - 1) or x) end)
  with('Gelu', {approximate = 'tanh'}, function(x)
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ^ 3)))
  end, 20)
  with('Gelu', {approximate = 'none'}, FUNCTIONS.Gelu, 20)
  local function hard(alpha, beta)
    return with('HardSigmoid', {alpha = real(alpha), beta = real(beta)}, function(x) return math.min(math.max(alpha * x + beta, 0), 1) end)
  end
  test.equal(op_of(hard(1 / 6, 0.5)), 'hard_sigmoid')
  test.equal(op_of(hard(0.2, 0.5)), 'clip')
  test.equal(op_of(hard(1 / 6, 0.25)), 'clip')
  test.equal(op_of(hard(0.16667, 0.5)), 'clip') -- near it is not it
end)

test.case('Clip', function()
  local function clipped(opset, low, high)
    local attributes, constants, inputs = {}, {}, {'x'}
    if opset < 11 then
      attributes = {min = low and real(low), max = high and real(high)}
    else
      constants = {low = low and {{}, {low}}, high = high and {{}, {high}}}
      inputs = {'x', low and 'low' or '', high and 'high'}
    end
    return op_of(check(('Clip %s %s of opset %d'):format(tostring(low), tostring(high), opset), opset, {2, 3, 5}, 'Clip', inputs, attributes,
                       constants, function(x)
      return R.map(x, function(v) return math.min(math.max(v, low or -math.huge), high or math.huge) end)
    end))
  end
  for _, opset in ipairs{6, 13} do
    test.equal(clipped(opset, 0, 6), 'relu6')
    test.equal(clipped(opset, 0, nil), 'relu')
    test.equal(clipped(opset, 0, 2.5), 'clip')
    test.equal(clipped(opset, -1, 6), 'clip')
    test.equal(clipped(opset, nil, 0.5), 'clip')
    test.equal(clipped(opset, nil, nil), 'clip')
  end
  refused('shape', 13, {'N', 3}, 'Clip', {'x', 'k'}, {}, {k = floats(1, 2)}, 'input 1 has 2 numbers, want 1')
end)

test.case('Dropout', function()
  local x = R.random({2, 3}, 1)
  local model = one(13, {'N', 3}, node('Dropout', {'x', 'r', 't'}, {}, {'y', 'mask'}), {r = {{}, {0.25}}, t = {{}, {0}, type = onnx.BOOL}})
  model.outputs[2] = {'mask'}
  local _, faces = case.check('Dropout', model, {x}, {x, R.array({2, 3}, 1)})
  test.equal(faces.outputs[2].type, 'bool')
  local again = case.export(case.import(one(13, {'N', 3}, node('Dropout', {'x', 'r'}), {r = {{}, {0.25}}})))
  test.equal(again.constants['y.ratio'][2][1], 0.25)
  again = case.export(case.import(one(7, {'N', 3}, node('Dropout', {'x'}))))
  test.equal(again.constants['y.ratio'][2][1], 0.5)
  again = case.export(case.import(one(7, {'N', 3}, node('Dropout', {'x'}, {ratio = real(0.125)}))))
  test.equal(again.constants['y.ratio'][2][1], 0.125)
  model.constants.t[2][1] = 1
  case.refused(model, 'unsupported', 'it is in training mode; export the model for inference')
  model.constants.r[2][1] = 0 -- of which nothing is dropped
  case.check('nothing dropped', model, {x}, {x, R.array({2, 3}, 1)})
end)

test.case('Cast', function()
  local x = {{1, 6}, {-1.5, -0.5, 0, 0.5, 1.5, 2}}
  local function cast(from, to, want, values)
    local _, faces = case.check(('Cast of %d to %d'):format(from, to), one(13, {1, 6}, node('Cast', {'x'}, {to = to}), nil, from),
                                {values or x}, {{{1, 6}, want}}, {no_return = true})
    return faces.outputs[1].type
  end
  local whole = {{1, 6}, {-3, -1, 0, 1, 2, 3}}
  test.equal(cast(onnx.FLOAT, onnx.INT32, {-1, 0, 0, 0, 1, 2}), 'int32')
  test.equal(cast(onnx.FLOAT, onnx.UINT8, {-1, 0, 0, 0, 1, 2}), 'uint8')
  test.equal(cast(onnx.FLOAT, onnx.BOOL, {1, 1, 0, 1, 1, 1}), 'bool')
  test.equal(cast(onnx.FLOAT, onnx.DOUBLE, x[2]), 'double')
  test.equal(cast(onnx.INT64, onnx.FLOAT16, whole[2], whole), 'float16')
  test.equal(cast(onnx.INT64, onnx.INT8, whole[2], whole), 'int8')
  test.equal(cast(onnx.INT64, onnx.BOOL, {1, 1, 0, 1, 1, 1}, whole), 'bool')
  test.equal(cast(onnx.BOOL, onnx.INT64, {1, 0, 1, 1, 0, 0}, {{1, 6}, {1, 0, 1, 1, 0, 0}}), 'int64')
  refused('unsupported', 13, {'N', 3}, 'Cast', {'x'}, {to = onnx.STRING}, nil, 'a computed value cannot become element type 8')
  local net = case.import(one(13, {'N', 3}, node('Cast', {'x'}, {to = onnx.INT64}), nil, onnx.INT32))
  test.equal(op_of(net), 'identity')
end)

-- ---- two values -------------------------------------------------------------------------------------

local BINARY = {
  Add = function(a, b) return a + b end, Sub = function(a, b) return a - b end, Mul = function(a, b) return a * b end,
  Div = function(a, b) return a / b end, Pow = function(a, b) return a ^ b end, Min = math.min, Max = math.max,
  Equal = function(a, b) return a == b and 1 or 0 end, Less = function(a, b) return a < b and 1 or 0 end,
  LessOrEqual = function(a, b) return a <= b and 1 or 0 end, Greater = function(a, b) return a > b and 1 or 0 end,
  GreaterOrEqual = function(a, b) return a >= b and 1 or 0 end, Mod = math.fmod,
}

-- None is 0, and all are above it where a power is asked for.
local function operands(op, a, b)
  local x, y = R.random(a, 1), R.random(b, 2)
  if op == 'Pow' then return R.map(x, positive(function(v) return v end)), R.map(y, function(v) return v / 4 end) end
  if op == 'Div' or op == 'Mod' then y = R.map(y, function(v) return v + 0.0625 end) end
  if op:match '^[EGL]' then -- some are equal
    return R.map(x, function(v) return math.floor(v / 2) end), R.map(y, function(v) return math.floor(v / 2) end)
  end
  return x, y
end

-- Shapes that are broadcast: rows, columns, channels, single numbers, fewer axes; and both at once.
local SHAPES = {
  {{2, 3, 4, 5}, {2, 3, 4, 5}}, {{2, 3, 4, 5}, {2, 3, 1, 1}}, {{2, 3, 4, 5}, {2, 1, 4, 5}}, {{2, 3, 4, 5}, {2, 1, 4, 1}},
  {{2, 3, 1, 5}, {2, 1, 4, 1}}, {{2, 3, 4}, {2, 3, 4}}, {{2, 3, 4}, {2, 1, 4}}, {{2, 3, 4}, {2, 3, 1}}, {{2, 3}, {2, 1}},
  {{2, 3, 1, 1}, {2, 3, 4, 5}},
}

test.case('two computed values', function()
  for op, f in pairs(BINARY) do
    for k, s in ipairs(SHAPES) do
      if k < 6 or op == 'Add' or op == 'Sub' or op == 'Mul' then
        local x, z = operands(op, s[1], s[2])
        case.check(('%s of %s and %s'):format(op, table.concat(s[1], 'x'), table.concat(s[2], 'x')),
                   {opset = 13, inputs = {{'x', open(s[1])}, {'z', open(s[2])}}, outputs = {{'y'}},
                    nodes = {node(op, {'x', 'z'}, op == 'Mod' and {fmod = 1} or {})}}, {x, z}, {R.broadcast(f, x, z)})
      end
    end
  end
end)

-- A constant on either side: one number, one a channel, one a column, and what is neither.
local CONSTANTS = {{}, {1}, {5}, {3, 1, 1}, {1, 3, 1, 1}, {4, 1}, {4, 5}, {1, 1, 4, 5}, {3, 4, 5}, {1, 1, 1, 1}}

test.case('both operands are spread, one of them of axes that were joined', function()
  local x, z = R.random({2, 3, 1}, 1), R.random({2, 2, 4}, 2)
  local joined = R.reshape(R.transpose(z, {0, 2, 1}), {2, 1, 8})
  for _, turned in ipairs{false, true} do
    local a, b = turned and 'r' or 'x', turned and 'x' or 'r'
    case.check('Sub of 3x1 and 1x8', {
      opset = 13, inputs = {{'x', {'N', 3, 1}}, {'z', {'N', 2, 4}}}, outputs = {{'y'}}, constants = {s = case.ints(0, 1, 8)},
      nodes = {{'Transpose', {'z'}, {'t'}, perm = {0, 2, 1}}, {'Reshape', {'t', 's'}, {'r'}}, {'Sub', {a, b}, {'y'}}},
    }, {x, z}, {R.broadcast(function(p, q) return turned and q - p or p - q end, x, joined)})
  end
end)

test.case('a constant on either side', function()
  for op, f in pairs(BINARY) do
    for _, dims in ipairs(CONSTANTS) do
      for side = 1, 2 do
        local x, k = operands(op, {2, 3, 4, 5}, dims)
        if side == 2 then k, x = operands(op, dims, {2, 3, 4, 5}) end
        local inputs = side == 1 and {'x', 'k'} or {'k', 'x'}
        case.check(('%s, constant %s on side %d'):format(op, table.concat(dims, 'x'), 3 - side),
                   one(13, {'N', 3, 4, 5}, node(op, inputs, op == 'Mod' and {fmod = 1} or {}), {k = k}), {x},
                   {side == 1 and R.broadcast(f, x, k) or R.broadcast(f, k, x)})
      end
    end
  end
end)

test.case('which op a constant becomes', function()
  local function becomes(op, dims, side, value)
    local k = R.array(dims, value or 2)
    return op_of(case.import(one(13, {'N', 3, 4, 5}, node(op, side == 1 and {'k', 'x'} or {'x', 'k'}), {k = k})))
  end
  for _, op in ipairs{'Add', 'Mul', 'Sub'} do
    for side = 1, 2 do test.equal(becomes(op, {}, side), 'affine') end
  end
  test.equal(becomes('Div', {}, 2), 'affine')
  test.equal(becomes('Div', {}, 1), 'div')
  test.equal(becomes('Pow', {}, 2), 'power')
  test.equal(becomes('Pow', {}, 1), 'pow')
  test.equal(becomes('Div', {}, 2, 0), 'div')
  test.equal(becomes('Add', {}, 2, math.huge), 'add')
  for _, op in ipairs{'Add', 'Mul', 'Sub', 'Div'} do
    test.equal(becomes(op, {3, 1, 1}, 2), 'scale')
    test.check(becomes(op, {5}, 2) ~= 'scale', op .. ' of columns is no scale of channels')
  end
  test.equal(becomes('Add', {3, 1, 1}, 1), 'scale')
  test.equal(becomes('Sub', {3, 1, 1}, 1), 'sub')
  test.equal(becomes('Div', {3, 1, 1}, 1), 'div')
  local rows = case.import(one(13, {'N', 3, 4}, node('Mul', {'x', 'k'}), {k = R.array({4}, 2)}))
  test.equal(op_of(rows), 'scale')
end)

-- A product without a bias takes what is added as its bias, where nobody else reads it.
test.case('sums that are biases', function()
  local w, b = R.random({4, 3, 1, 1}, 1), R.random({4, 1, 1}, 2)
  local function model(more)
    local m = {opset = 13, inputs = {{'x', {'N', 3, 2, 2}}}, outputs = {{'y'}}, constants = {w = w, b = b},
               nodes = {{'Conv', {'x', 'w'}, {'c'}}, {'Add', {'c', 'b'}, {'y'}}}}
    for _, n in ipairs(more or {}) do table.insert(m.nodes, n) end
    return m
  end
  local x = R.random({2, 3, 2, 2}, 3)
  local product = R.conv(x, w, nil, {})
  local want = R.broadcast(BINARY.Add, product, b)
  local net = case.check('a bias', model(), {x}, {want})
  test.equal(net:count(), 2)
  test.equal(net:params(2).bias ~= nil, true)
  local read_twice = model{{'Relu', {'c'}, {'r'}}}
  read_twice.outputs[2] = {'r'}
  net = case.check('read twice', read_twice, {x}, {want, R.map(product, FUNCTIONS.Relu)})
  test.equal(net:count(), 4)
  local out = model()
  out.outputs[2] = {'c'}
  case.check('an output', out, {x}, {want, product})
  local other = model()
  table.insert(other.nodes, 2, {'Relu', {'x'}, {'r'}})
  other.outputs[2] = {'r'}
  case.check('something in between', other, {x}, {want, R.map(x, FUNCTIONS.Relu)})
  local has = model()
  has.constants.own, has.nodes[1] = R.random({4}, 5), {'Conv', {'x', 'w', 'own'}, {'c'}}
  case.check('a bias already', has, {x}, {R.broadcast(BINARY.Add, R.conv(x, w, has.constants.own, {}), b)})
  local times = model()
  times.nodes[2][1] = 'Mul'
  case.check('a factor', times, {x}, {R.broadcast(BINARY.Mul, product, b)})
  local minus = model()
  minus.nodes[2][1] = 'Sub'
  case.check('a difference', minus, {x}, {R.broadcast(BINARY.Sub, product, b)})
  local deep = {opset = 13, inputs = {{'x', {'N', 4, 3, 3}}}, outputs = {{'y'}}, constants = {w = R.random({4, 1, 2, 2}, 1), b = b},
                nodes = {{'Conv', {'x', 'w'}, {'c'}, group = 4}, {'Add', {'b', 'c'}, {'y'}}}}
  local v = R.random({2, 4, 3, 3}, 3)
  net = case.check('a bias of a depthwise one', deep, {v}, {R.broadcast(BINARY.Add, R.conv(v, deep.constants.w, nil, {group = 4}), b)})
  test.equal(net:count(), 2)
end)

test.case('operands before opset 7', function()
  local x = R.random({2, 3, 4, 5}, 1)
  local function placed(axis, dims, want_dims)
    local k = R.random(dims, 2)
    case.check('axis ' .. tostring(axis), one(6, {'N', 3, 4, 5}, node('Add', {'x', 'k'}, {axis = axis, broadcast = 1}), {k = k}), {x},
               {R.broadcast(BINARY.Add, x, R.reshape(k, want_dims))})
  end
  placed(1, {3}, {3, 1, 1})
  placed(1, {3, 4}, {3, 4, 1})
  placed(2, {4, 5}, {4, 5})
  placed(-2, {4}, {4, 1})
  placed(nil, {5}, {5})
  local k = R.random({5}, 3) -- the attribute says nothing from opset 7 on
  case.check('opset 7', one(7, {'N', 3, 4, 5}, node('Add', {'x', 'k'}, {axis = 1}), {k = k}), {x}, {R.broadcast(BINARY.Add, x, k)})
  refused('format', 6, {'N', 3}, 'Add', {'x', 'k'}, {axis = 2}, {k = floats(1, 2, 3)}, 'axis 2 of a value with 2')
end)

test.case('any number of values', function()
  local x, a, b = R.random({2, 3, 4}, 1), R.random({3, 1}, 2), R.random({4}, 3)
  local function all(op, f, finish)
    local want = R.broadcast(f, R.broadcast(f, x, a), b)
    case.check(op, one(13, {'N', 3, 4}, node(op, {'x', 'a', 'b'}), {a = a, b = b}), {x}, {finish and R.map(want, finish) or want})
    case.check(op .. ' of one', one(13, {'N', 3, 4}, node(op, {'x'})), {x}, {x})
  end
  all('Sum', BINARY.Add)
  all('Mean', BINARY.Add, function(v) return v / 3 end)
  all('Max', math.max)
  all('Min', math.min)
end)

test.case('two that do not fit', function()
  local function two(x, z, ...)
    local model = {opset = 13, inputs = {{'x', x}, {'z', z}}, outputs = {{'y'}}, nodes = {{'Sub', {'x', 'z'}, {'y'}}}}
    test.equal(case.refused(model, ...), "Sub 'y' (opset 13)")
  end
  two({'N', 3, 4}, {'N', 3, 5}, 'shape', '(?, 3, 4) and (?, 3, 5) cannot be broadcast')
  two({'N', 3, 4}, {'N', 4}, 'unsupported', "'z' has 2 axes, 'x' 3: its batch is no batch there")
  two({'N', 4}, {'N', 3, 4}, 'unsupported', "'x' has 2 axes, 'z' 3: its batch is no batch there")
  refused('unsupported', 13, {'N', 4}, 'Sub', {'x', 'k'}, {}, {k = R.random({2, 4}, 1)}, "has 2 where 'x' has its batch")
  refused('unsupported', 13, {'N', 4}, 'Sub', {'x', 'k'}, {}, {k = R.random({3, 1, 4}, 1)}, 'its batch is no batch there')
  refused('shape', 13, {'N', 4}, 'Sub', {'x', 'k'}, {}, {k = floats(1, 2, 3)}, '(?, 4) and (1, 3) cannot be broadcast')
  refused('format', 13, {'N', 4}, 'Add', {'x'}, {}, nil, 'it has 1 inputs, want 2')
  refused('format', 13, {'N', 4}, 'Add', {'x', 'x', 'x'}, {}, nil, 'it has 3 inputs, want 2')
end)

-- ---- whole numbers and booleans ---------------------------------------------------------------------

test.case('whole numbers', function()
  local x, z = {{2, 4}, {-7, 7, -6, 5, 9, -9, 2, 3}}, {{2, 4}, {3, -3, -4, 2, 4, 4, -5, -3}}
  local function whole(op, attributes, f, type)
    case.check(op, {opset = 13, inputs = {{'x', {'N', 4}, type = type or onnx.INT64}, {'z', {'N', 4}, type = type or onnx.INT64}},
                    outputs = {{'y'}}, nodes = {node(op, {'x', 'z'}, attributes)}}, {x, z}, {R.broadcast(f, x, z)})
  end
  local function cut(v) return v < 0 and math.ceil(v) or math.floor(v) end
  whole('Div', {}, function(a, b) return cut(a / b) end)
  whole('Div', {}, function(a, b) return cut(a / b) end, onnx.INT32)
  whole('Div', {}, function(a, b) return a / b end, onnx.FLOAT)
  whole('Mod', {}, function(a, b) return a % b end) -- Lua's has the sign of b too
  whole('Mod', {fmod = 1}, math.fmod)
  local base = {{1, 3}, {2, 3, 4}}
  local function powers(base_type, power_type, power, want)
    case.check('Pow', {opset = 13, inputs = {{'x', {'N', 3}, type = base_type}, {'z', {'N', 3}, type = power_type}}, outputs = {{'y'}},
                       nodes = {node('Pow', {'x', 'z'})}}, {base, {{1, 3}, power}}, {{{1, 3}, want}})
  end
  powers(onnx.INT64, onnx.INT64, {3, 2, 0}, {8, 9, 1})
  powers(onnx.INT64, onnx.FLOAT, {-1, 2, 0.75}, {0, 9, 2}) -- is of the base's type
  powers(onnx.FLOAT, onnx.INT64, {-1, 2, 0}, {0.5, 9, 1})
end)

test.case('booleans', function()
  local x, z = {{1, 4}, {0, 0, 1, 1}}, {{1, 4}, {0, 1, 0, 1}}
  for op, want in pairs{And = {0, 0, 0, 1}, Or = {0, 1, 1, 1}, Xor = {0, 1, 1, 0}} do
    local _, faces = case.check(op, {opset = 13, inputs = {{'x', {'N', 4}, type = onnx.BOOL}, {'z', {'N', 4}, type = onnx.BOOL}},
                                     outputs = {{'y'}}, nodes = {node(op, {'x', 'z'})}}, {x, z}, {{{1, 4}, want}})
    test.equal(faces.outputs[1].type, 'bool')
  end
  case.check('Not', one(13, {'N', 4}, node('Not', {'x'}), nil, onnx.BOOL), {x}, {{{1, 4}, {1, 1, 0, 0}}})
end)

test.case('Where', function()
  local shapes = {{{2, 3, 4}, {2, 3, 4}, {2, 3, 4}}, {{2, 1, 4}, {2, 3, 4}, {2, 3, 1}}, {{2, 3, 4}, {2, 1, 1}, {2, 3, 4}},
                  {{2, 3, 4, 5}, {2, 3, 1, 1}, {2, 3, 4, 5}}, {{2, 3, 4, 5}, {2, 3, 4, 5}, {2, 1, 1, 5}}}
  for k, s in ipairs(shapes) do
    local c, a, b = R.map(R.random(s[1], 1), function(v) return v > 0 and 1 or 0 end), R.random(s[2], 2), R.random(s[3], 3)
    local want = R.broadcast(function(t, x, y) return t ~= 0 and x or y end, c, a, b)
    case.check('Where ' .. k, {opset = 16, inputs = {{'c', open(s[1]), type = onnx.BOOL}, {'a', open(s[2])}, {'b', open(s[3])}},
                               outputs = {{'y'}}, nodes = {node('Where', {'c', 'a', 'b'})}}, {c, a, b}, {want})
  end
  local c = {{2, 3}, {1, 0, 1, 0, 0, 1}}
  case.check('Where of constants', one(16, {'N', 3}, node('Where', {'x', 'a', 'b'}), {a = {{}, {5}}, b = floats(1, 2, 3)}, onnx.BOOL), {c},
             {{{2, 3}, {5, 2, 5, 1, 2, 5}}})
end)

-- ---- along axes -------------------------------------------------------------------------------------

test.case('Softmax and LogSoftmax', function()
  local function along(opset, dims, axis, from, to)
    for op, f in pairs{Softmax = function(v) return v end, LogSoftmax = math.log} do
      local function want(x)
        local flat = {1, 1, 1}
        for i, d in ipairs(dims) do
          local k = i - 1 < from and 1 or i - 1 < to and 2 or 3
          flat[k] = flat[k] * d
        end
        return R.reshape(R.map(R.lines(R.reshape(x, flat), 1, R.softmax), f), dims)
      end
      check(('%s of opset %d, axis %s of %s'):format(op, opset, tostring(axis), table.concat(dims, 'x')), opset, dims, op, {'x'},
            {axis = axis}, nil, want)
    end
  end
  along(13, {2, 3, 4, 5}, nil, 3, 4)
  along(13, {2, 3, 4, 5}, 1, 1, 2)
  along(13, {2, 3, 4, 5}, 2, 2, 3)
  along(13, {2, 3, 4}, -2, 1, 2)
  along(13, {2, 3, 4}, nil, 2, 3)
  along(11, {2, 3, 4, 5}, nil, 1, 4) -- all axes from 1 on
  along(11, {2, 3, 4, 5}, 1, 1, 4)
  along(11, {2, 3, 4, 5}, 2, 2, 4)
  along(11, {2, 3, 4, 5}, 3, 3, 4)
  along(11, {2, 3, 4}, -1, 2, 3)
  along(11, {2, 3}, nil, 1, 2)
  refused('unsupported', 13, {'N', 3}, 'Softmax', {'x'}, {axis = 0}, nil, 'it runs over axis 0, the batch')
  refused('format', 13, {'N', 3}, 'Softmax', {'x'}, {axis = 2}, nil, 'axis 2 of a value with 2')
end)

local REDUCE = {
  ReduceSum = R.sum, ReduceMean = function(l) return R.sum(l) / #l end, ReduceMax = function(l) return math.max(unpack(l)) end,
  ReduceMin = function(l) return math.min(unpack(l)) end, ReduceProd = function(l) local p = 1 for _, v in ipairs(l) do p = p * v end return p end,
  ReduceL1 = function(l) local s = 0 for _, v in ipairs(l) do s = s + math.abs(v) end return s end,
  ReduceL2 = function(l) local s = 0 for _, v in ipairs(l) do s = s + v * v end return math.sqrt(s) end,
  ReduceSumSquare = function(l) local s = 0 for _, v in ipairs(l) do s = s + v * v end return s end,
  ReduceLogSum = function(l) return math.log(R.sum(l)) end,
  ReduceLogSumExp = function(l) local s = 0 for _, v in ipairs(l) do s = s + math.exp(v) end return math.log(s) end,
}

test.case('reductions', function()
  for op, f in pairs(REDUCE) do
    local x = R.random({2, 3, 4, 2}, 6)
    if op == 'ReduceLogSum' then x = R.map(x, positive(function(v) return v end)) end
    local function reduced(axes, keeps, opset)
      local own = {}
      for i, a in ipairs(axes) do own[i] = a < 0 and a + 4 or a end
      local by_input = opset >= (op == 'ReduceSum' and 13 or 18)
      local attributes = {keepdims = keeps, axes = not by_input and axes or nil}
      case.check(('%s of %s, keepdims %s'):format(op, table.concat(axes, ' '), tostring(keeps)),
                 one(opset, {'N', 3, 4, 2}, node(op, {'x', by_input and 'a' or nil}, attributes), {a = by_input and ints(unpack(axes)) or nil}),
                 {x}, {R.reduce(x, own, keeps ~= 0, f)})
    end
    for _, axes in ipairs{{1}, {2}, {3}, {1, 3}, {2, 3}, {1, 2, 3}, {-1, -3}} do
      reduced(axes, 0, 11)
      reduced(axes, nil, 18)
    end
    reduced({2, 3}, 1, 13)
  end
  local x = R.random({2, 3, 4}, 1)
  case.check('an empty list means all, of one image', one(18, {2, 3, 4}, node('ReduceSum', {'x'}, {keepdims = 0})), {x},
             {R.reduce(x, {0, 1, 2}, false, R.sum)}, {no_return = true})
  check('no axes, nothing done', 18, {2, 3, 4}, 'ReduceSumSquare', {'x'}, {noop_with_empty_axes = 1, keepdims = 0}, nil, function(v) return v end)
  check('no axes, nothing done after either', 18, {2, 3, 4}, 'ReduceL2', {'x'}, {noop_with_empty_axes = 1}, nil, function(v) return v end)
  refused('unsupported', 11, {'N', 3}, 'ReduceSum', {'x'}, {}, nil, 'it runs over axis 0, the batch')
  refused('unsupported', 11, {'N', 3}, 'ReduceSum', {'x'}, {axes = {0}}, nil, 'it runs over axis 0, the batch')
  refused('format', 11, {'N', 3}, 'ReduceMax', {'x'}, {axes = {2}}, nil, 'axis 2 of a value with 2')
end)

-- ---- matrices ---------------------------------------------------------------------------------------

test.case('Gemm', function()
  local x = R.random({2, 6}, 1)
  local function transposed(a) return R.transpose(a, {1, 0}) end
  local function gemm(attributes, c, c_dims)
    local b = attributes.transB == 1 and R.random({4, 6}, 2) or R.random({6, 4}, 2)
    local k = c and R.random(c_dims, 3)
    local alpha, beta = attributes.alpha and attributes.alpha.real or 1, attributes.beta and attributes.beta.real or 1
    local want = R.map(R.matmul(x, attributes.transB == 1 and transposed(b) or b), function(v) return alpha * v end)
    if k then want = R.broadcast(function(v, s) return v + beta * s end, want, k) end
    return case.check('Gemm ' .. tostring(c), one(13, {'N', 6}, node('Gemm', {'x', 'b', c and 'c'}, attributes), {b = b, c = k}), {x}, {want})
  end
  for t = 0, 1 do
    gemm{transB = t}
    test.equal(op_of(gemm({transB = t, alpha = real(0.5), beta = real(2)}, 'a bias', {4})), 'linear')
    test.equal(op_of(gemm({transB = t, alpha = real(0.5), beta = real(2)}, 'one number', {})), 'linear')
    test.equal(op_of(gemm({transB = t}, 'a row', {1, 4})), 'linear')
    gemm({transB = t, alpha = real(0.5), beta = real(2)}, 'a column', {1, 1})
  end
  local a, b, c = R.random({2, 6}, 4), R.random({2, 4}, 5), R.random({2, 4}, 6)
  local function computed(what, nodes, want, inputs, given)
    case.check(what, {opset = 13, inputs = inputs, outputs = {{'y'}}, nodes = nodes}, given, {want}, {no_return = true})
  end
  local square = R.random({6, 4}, 5)
  computed('two of one image', {node('Gemm', {'a', 'b'}, {alpha = real(0.5)})}, R.map(R.matmul(a, square), function(v) return v / 2 end),
           {{'a', {2, 6}}, {'b', {6, 4}}}, {a, square})
  computed('the first turned', {node('Gemm', {'a', 'b', 'c'}, {transA = 1, alpha = real(0.5), beta = real(3)})},
           R.broadcast(function(p, q) return p / 2 + 3 * q end, R.matmul(transposed(a), b), R.random({6, 4}, 7)),
           {{'a', {2, 6}}, {'b', {2, 4}}, {'c', {6, 4}}}, {a, b, R.random({6, 4}, 7)})
  computed('the second turned', {node('Gemm', {'a', 'b', 'c'}, {transB = 1})},
           R.broadcast(BINARY.Add, R.matmul(a, transposed(R.random({4, 6}, 8))), c), {{'a', {2, 6}}, {'b', {4, 6}}, {'c', {2, 4}}},
           {a, R.random({4, 6}, 8), c})
  computed('nothing is added by beta 0', {node('Gemm', {'a', 'b', 'c'}, {beta = real(0)})}, R.matmul(a, square),
           {{'a', {2, 6}}, {'b', {6, 4}}, {'c', {2, 4}}}, {a, square, c})
  local whole = R.random({2, 4}, 9)
  case.check('a matrix that is added', one(13, {2, 6}, node('Gemm', {'x', 'b', 'c'}, {beta = real(2), alpha = real(3)}), {b = square, c = whole}), {a},
             {R.broadcast(function(p, q) return 3 * p + 2 * q end, R.matmul(a, square), whole)}, {no_return = true})
  refused('shape', 13, {'N', 6}, 'Gemm', {'x', 'b'}, {}, {b = R.random({4, 6}, 1)}, 'its matrix (4, 6) does not fit 6 features')
  refused('shape', 13, {'N', 6}, 'Gemm', {'x', 'b'}, {transB = 1}, {b = R.random({6, 4}, 1)}, 'its matrix (6, 4), transposed, does not fit 6 features')
  refused('shape', 13, {'N', 6}, 'Gemm', {'x', 'b'}, {}, {b = R.random({6}, 1)}, 'its matrix (6) does not fit 0 features')
  refused('unsupported', 13, {'N', 6}, 'Gemm', {'x', 'b'}, {transA = 1}, {b = R.random({6, 4}, 1)}, 'transA would transpose the batch')
  local model = {opset = 13, inputs = {{'x', {'N', 6}}, {'b', {'N', 6}}}, outputs = {{'y'}}, nodes = {node('Gemm', {'x', 'b'}, {transB = 1})}}
  case.refused(model, 'unsupported', 'transB would transpose the batch')
end)

test.case('features follow their memory', function()
  local x, w = R.random({2, 2, 3, 2}, 1), R.random({12, 5}, 2)
  local flat = {'Flatten', {'x'}, {'f'}}
  local model = {opset = 13, inputs = {{'x', {'N', 2, 3, 2}}}, outputs = {{'y'}}, constants = {w = w}, nodes = {flat, {'Gemm', {'f', 'w'}, {'y'}}}}
  case.check('Gemm', model, {x}, {R.matmul(R.reshape(x, {2, 12}), w)})
  model.nodes[2] = {'MatMul', {'f', 'w'}, {'y'}}
  case.check('MatMul', model, {x}, {R.matmul(R.reshape(x, {2, 12}), w)})
  local s = {}
  for i, name in ipairs{'gamma', 'beta', 'mean', 'var'} do s[name] = R.map(R.random({12}, i), function(v) return math.abs(v) + 0.5 end) end
  model.nodes[2], model.constants = {'BatchNormalization', {'f', 'gamma', 'beta', 'mean', 'var'}, {'y'}}, s
  local k = -1
  case.check('BatchNormalization', model, {x}, {R.map(R.reshape(x, {2, 12}), function(v)
    k = k + 1
    local c = k % 12 + 1
    return (v - s.mean[2][c]) / math.sqrt(s.var[2][c] + 1e-5) * s.gamma[2][c] + s.beta[2][c]
  end)})
end)

test.case('MatMul', function()
  local function product(a, b, opset)
    local x, w = R.random(a, 1), R.random(b, 2)
    return case.check(('MatMul %s by %s'):format(table.concat(a, 'x'), table.concat(b, 'x')),
                      one(opset or 13, open(a), node('MatMul', {'x', 'w'}), {w = w}), {x}, {R.matmul(x, w)})
  end
  test.equal(op_of(product({2, 6}, {6, 3})), 'linear')
  product({2, 3, 6}, {6, 4})
  product({2, 3, 5, 6}, {6, 4})
  product({2, 3, 1, 6}, {6, 4})
  product({2, 3, 6}, {1, 6, 4})
  product({2, 2, 3, 6}, {2, 6, 4})
  local a, b = R.random({2, 3, 4}, 1), R.random({2, 4, 5}, 2)
  local both = {opset = 13, inputs = {{'a', {'N', 3, 4}}, {'b', {'N', 4, 5}}}, outputs = {{'y'}}, nodes = {node('MatMul', {'a', 'b'})}}
  case.check('MatMul of two', both, {a, b}, {R.matmul(a, b)})
  local left = R.random({5, 3}, 3)
  case.check('a constant on the left', one(13, {'N', 3, 4}, node('MatMul', {'k', 'x'}), {k = left}), {a}, {R.matmul(left, a)})
  local stacks = {opset = 13, inputs = {{'a', {'N', 2, 3, 4}}, {'b', {'N', 2, 4, 5}}}, outputs = {{'y'}}, nodes = {node('MatMul', {'a', 'b'})}}
  local c, d = R.random({2, 2, 3, 4}, 1), R.random({2, 2, 4, 5}, 2)
  case.check('MatMul of stacks', stacks, {c, d}, {R.matmul(c, d)})
  refused('shape', 13, {'N', 5}, 'MatMul', {'x', 'w'}, {}, {w = R.random({6, 3}, 1)}, 'its matrix (6, 3) does not fit 5 features')
  both.inputs[2][2] = {'N', 4}
  case.refused(both, 'unsupported', 'its inputs have 3 and 2 axes, and a batch')
  both.inputs[1][2] = {'N', 4}
  case.refused(both, 'unsupported', 'its inputs have 2 and 2 axes, and a batch')
end)

-- ---- norms ------------------------------------------------------------------------------------------

-- (x - mean) / sqrt(var + epsilon) of each line along an axis.
local function standard(epsilon)
  return function(list)
    local mean, var, all = R.sum(list) / #list, 0, {}
    for _, v in ipairs(list) do var = var + (v - mean) ^ 2 / #list end
    for i, v in ipairs(list) do all[i] = (v - mean) / math.sqrt(var + epsilon) end
    return all
  end
end

local function per_channel(a, channels) -- (c) against (N, c, …)
  local dims = {channels}
  for i = 3, #a[1] do dims[i - 1] = 1 end
  return dims
end

test.case('BatchNormalization', function()
  for _, dims in ipairs{{2, 3, 4, 5}, {2, 3, 4}, {2, 3}, {2, 3, 2, 2, 2}} do
    for _, epsilon in ipairs{false, 0.25} do
      local k = {}
      for i, name in ipairs{'gamma', 'beta', 'mean', 'var'} do
        k[name] = R.map(R.random({3}, i), function(v) return name == 'var' and math.abs(v) + 0.5 or v end)
      end
      local x, to = R.random(dims, 9), per_channel({dims}, 3)
      local want = x
      want = R.broadcast(BINARY.Sub, want, R.reshape(k.mean, to))
      want = R.broadcast(function(v, s) return v / math.sqrt(s + (epsilon or 1e-5)) end, want, R.reshape(k.var, to))
      want = R.broadcast(BINARY.Add, R.broadcast(BINARY.Mul, want, R.reshape(k.gamma, to)), R.reshape(k.beta, to))
      case.check('BatchNormalization', one(13, open(dims), node('BatchNormalization', {'x', 'gamma', 'beta', 'mean', 'var'},
                                       {epsilon = epsilon and real(epsilon) or nil}), k), {x}, {want})
    end
  end
  local k = {g = floats(1, 1, 1), two = floats(1, 2)}
  local inputs = {'x', 'g', 'g', 'g', 'g'}
  local function exported(attributes)
    local model = case.export(case.import(one(13, {'N', 3}, node('BatchNormalization', inputs, attributes), k)))
    return model.nodes[1]
  end
  test.near(exported({}).momentum, 0.9, 1e-6)
  test.near(exported{momentum = real(0.25)}.momentum, 0.25, 1e-6)
  test.near(exported({}).epsilon, 1e-5, 1e-9)
  refused('unsupported', 14, {'N', 3}, 'BatchNormalization', inputs, {training_mode = 1}, k, 'it is in training mode; export the model for inference')
  refused('unsupported', 8, {'N', 3}, 'BatchNormalization', inputs, {spatial = 0}, k, 'spatial = 0, statistics a pixel, is not supported')
  refused('shape', 13, {'N', 3}, 'BatchNormalization', {'x', 'g', 'two', 'g', 'g'}, {}, k, 'input 2 has 2 numbers, want 3')
  refused('shape', 13, {'N', 3}, 'BatchNormalization', {'x', 'g', 'g', 'g'}, {}, k, 'input 4 has 0 numbers, want 3')
end)

test.case('InstanceNormalization, GroupNormalization', function()
  local x, s, b = R.random({2, 4, 3, 2}, 1), R.random({4}, 2), R.random({4}, 3)
  local function grouped(groups, epsilon)
    return R.reshape(R.lines(R.reshape(x, {2 * groups, 24 / groups}), 1, standard(epsilon)), {2, 4, 3, 2})
  end
  local function scaled(v, gamma, beta)
    return R.broadcast(BINARY.Add, R.broadcast(BINARY.Mul, v, R.reshape(gamma, {4, 1, 1})), R.reshape(beta, {4, 1, 1}))
  end
  for _, epsilon in ipairs{1e-5, 0.25} do
    local attributes = {epsilon = epsilon ~= 1e-5 and real(epsilon) or nil}
    case.check('InstanceNormalization', one(13, {'N', 4, 3, 2}, node('InstanceNormalization', {'x', 's', 'b'}, attributes), {s = s, b = b}), {x},
               {scaled(grouped(4, epsilon), s, b)})
    for _, groups in ipairs{1, 2, 4} do
      attributes.num_groups = groups
      case.check('GroupNormalization', one(21, {'N', 4, 3, 2}, node('GroupNormalization', {'x', 's', 'b'}, attributes), {s = s, b = b}), {x},
                 {scaled(grouped(groups, epsilon), s, b)})
    end
  end
  local two = {s = floats(2, 3), b = floats(-1, 1)}
  case.check('a scale a group', one(18, {'N', 4, 3, 2}, node('GroupNormalization', {'x', 's', 'b'}, {num_groups = 2}), two), {x},
             {scaled(grouped(2, 1e-5), floats(2, 2, 3, 3), floats(-1, -1, 1, 1))})
  refused('shape', 18, {'N', 4, 3, 2}, 'GroupNormalization', {'x', 's', 'b'}, {num_groups = 3}, two, '4 channels in 3 groups')
  refused('shape', 18, {'N', 4, 3, 2}, 'GroupNormalization', {'x', 's', 'b'}, {}, two, '4 channels in 0 groups')
  refused('shape', 18, {'N', 4, 3, 2}, 'GroupNormalization', {'x', 's', 'b'}, {num_groups = 2}, {s = floats(1, 2, 3), b = two.b},
          'its scale has 3 numbers, want 2 or 4')
  refused('shape', 18, {'N', 4, 3, 2}, 'GroupNormalization', {'x', 's'}, {num_groups = 2}, two, 'its shift has 0 numbers, want 2 or 4')
  refused('shape', 13, {'N', 4, 3, 2}, 'InstanceNormalization', {'x', 's', 'b'}, {}, two, 'its scale has 2 numbers, want 4')
  refused('shape', 13, {'N', 4, 3, 2}, 'InstanceNormalization', {'x', 's', 'b'}, {}, {s = s, b = two.b}, 'its shift has 2 numbers, want 4')
end)

test.case('LayerNormalization', function()
  local function layer(dims, axis, inputs, epsilon, transposes)
    local from = axis and (axis < 0 and axis + #dims or axis) or #dims - 1
    local x, tail, row = R.random(dims, 1), {}, 1
    for i = from + 1, #dims do
      tail[#tail + 1] = dims[i]
      row = row * dims[i]
    end
    local s, b = R.random(tail, 2), R.random(tail, 3)
    local lines = R.reshape(x, {R.count(dims) / row, row})
    local want = R.reshape(R.lines(lines, 1, standard(epsilon or 1e-5)), dims)
    if inputs > 1 then want = R.broadcast(BINARY.Mul, want, s) end
    if inputs > 2 then want = R.broadcast(BINARY.Add, want, b) end
    case.check(('LayerNormalization %s from axis %s'):format(table.concat(dims, 'x'), tostring(axis)),
               one(17, open(dims), node('LayerNormalization', {'x', inputs > 1 and 's' or nil, inputs > 2 and 'b' or nil},
                                        {axis = axis, epsilon = epsilon and real(epsilon)}), {s = s, b = b}), {x}, {want})
  end
  layer({2, 3, 4}, nil, 3)
  layer({2, 3, 4}, nil, 2, 0.25)
  layer({2, 3, 4}, 1, 3)
  layer({2, 3, 4, 5}, -1, 3)
  layer({2, 3, 4, 5}, 2, 3)
  layer({2, 3, 4, 5}, 1, 3)
  layer({2, 6}, 1, 3)
  local x = R.random({2, 3, 4}, 5)
  local model = one(17, {'N', 3, 4}, node('LayerNormalization', {'x', 's'}, {epsilon = real(0.5)}, {'y', 'm', 'd'}), {s = floats(1)})
  model.outputs = {{'y'}, {'m'}, {'d'}}
  local mean = R.lines(x, 2, function(l) return {R.sum(l) / #l} end)
  local inverse = R.lines(x, 2, function(l)
    local m, v = R.sum(l) / #l, 0
    for _, e in ipairs(l) do v = v + (e - m) ^ 2 / #l end
    return {1 / math.sqrt(v + 0.5)}
  end)
  case.check('and its statistics', model, {x}, {R.lines(x, 2, standard(0.5)), mean, inverse})
  refused('unsupported', 17, {'N', 3}, 'LayerNormalization', {'x', 's'}, {axis = 0}, {s = floats(1)}, 'it runs over the batch')
  refused('shape', 17, {'N', 3}, 'LayerNormalization', {'x', 's'}, {}, {s = floats(1, 2)}, 'its scale has 2 numbers, want 3')
end)

test.case('LRN', function()
  local x = R.random({2, 6, 2, 2}, 1)
  local function lrn(o)
    local size, alpha, beta, bias = o.size, o.alpha and o.alpha.real or 1e-4, o.beta and o.beta.real or 0.75, o.bias and o.bias.real or 1
    case.check('LRN', one(13, {'N', 6, 2, 2}, node('LRN', {'x'}, o)), {x}, {R.lines(x, 1, function(list)
      local all = {}
      for c = 1, #list do
        local sum = 0
        for i = math.max(1, c - math.floor((size - 1) / 2)), math.min(#list, c + math.ceil((size - 1) / 2)) do sum = sum + list[i] ^ 2 end
        all[c] = list[c] / (bias + alpha / size * sum) ^ beta
      end
      return all
    end)})
  end
  local rows = R.random({2, 6}, 1)
  case.check('LRN of rows', one(13, {'N', 6}, node('LRN', {'x'}, {size = 1, alpha = real(2)})), {rows},
             {R.map(rows, function(v) return v / (1 + 2 * v * v) ^ 0.75 end)})
  lrn{size = 3}
  lrn{size = 4, alpha = real(0.5)}
  lrn{size = 5, alpha = real(0.5), beta = real(0.5), bias = real(2)}
end)

test.case('PRelu', function()
  local function sloped(dims, slope, opset)
    local x, s = R.random(dims, 1), R.random(slope, 2)
    local by_channel = opset == 6 and R.reshape(s, per_channel(x, slope[1])) or s
    return op_of(case.check('PRelu by ' .. table.concat(slope, 'x'), one(opset or 13, open(dims), node('PRelu', {'x', 's'}), {s = s}), {x},
                            {R.broadcast(function(v, k) return v < 0 and k * v or v end, x, by_channel)}))
  end
  test.equal(sloped({2, 3, 4, 5}, {3, 1, 1}), 'prelu')
  test.equal(sloped({2, 3, 4, 5}, {1, 3, 1, 1}), 'prelu')
  test.equal(sloped({2, 3, 4, 5}, {1}), 'prelu')
  test.equal(sloped({2, 3, 4, 5}, {3}, 6), 'prelu')
  test.equal(sloped({2, 3}, {3}), 'prelu')
  test.check(sloped({2, 3, 4}, {3, 1}) ~= 'add', 'lines have channels too')
  test.equal(sloped({2, 3, 4, 5}, {4, 1}), 'add')
  test.equal(sloped({2, 3, 4, 5}, {3, 4, 5}), 'add')
  test.equal(sloped({2, 3, 4, 5}, {1, 1, 5}), 'add')
  local x, s = R.random({2, 3, 4}, 1), R.random({2, 3, 1}, 2)
  case.check('a computed slope', {opset = 13, inputs = {{'x', {'N', 3, 4}}, {'s', {'N', 3, 1}}}, outputs = {{'y'}}, nodes = {node('PRelu', {'x', 's'})}},
             {x, s}, {R.broadcast(function(v, k) return v < 0 and k * v or v end, x, s)})
  refused('format', 13, {'N', 3}, 'PRelu', {'x', 's'}, {}, {s = {{0}, {}}}, 'it has no slope')
end)

-- ---- quantised values -------------------------------------------------------------------------------

test.case('DequantizeLinear of what comes in', function()
  local x = R.map(R.random({2, 3, 4}, 1), function(v) return math.floor(v * 10) end)
  local function scaled(what, attributes, s, z, s_dims)
    local inputs = {'x', 's', z and 'z' or nil}
    local want = R.broadcast(function(v, k) return v * k end, z and R.broadcast(BINARY.Sub, x, R.reshape(z, s_dims)) or x, R.reshape(s, s_dims))
    case.check(what, one(13, {'N', 3, 4}, node('DequantizeLinear', inputs, attributes), {s = s, z = z}, onnx.INT8), {x}, {want})
  end
  local function zeros(...) return {{select('#', ...)}, {...}, type = onnx.INT8} end
  scaled('one', {}, floats(0.5), zeros(3), {1})
  scaled('without a zero', {}, floats(0.5), nil, {1})
  scaled('one a channel', {}, floats(0.5, 0.25, 2), zeros(1, -2, 3), {3, 1})
  scaled('one a column', {axis = 2}, floats(0.5, 0.25, 2, 4), zeros(1, -2, 3, 0), {4})
  scaled('one a column, from the end', {axis = -1}, floats(0.5, 0.25, 2, 4), nil, {4})
  local function bad(constants, attributes, ...)
    local model = one(13, {'N', 3, 4}, node('DequantizeLinear', {'x', 's', constants.z and 'z' or nil}, attributes), constants, onnx.INT8)
    case.refused(model, ...)
  end
  bad({s = floats(1, 2)}, {}, 'shape', 'it has 2 scales and 0 zeros')
  bad({s = floats(1, 2, 3), z = zeros(1, 2)}, {}, 'shape', 'it has 3 scales and 2 zeros')
  bad({s = floats(), z = zeros(1)}, {}, 'shape', 'it has 0 scales and 1 zeros')
  bad({s = floats(1, 2, 3)}, {axis = 3}, 'format', 'axis 3 of a value with 3')
end)

-- Rounding between the two is left out, but a least number of a type that stands for 0 is a Relu.
test.case('QuantizeLinear', function()
  local x = R.random({2, 3}, 1)
  local function quantised(what, before, type, zero, relu, producer)
    local model = {opset = 13, producer = producer, inputs = {{'x', {'N', 3}}}, outputs = {{'y'}},
                   constants = {s = {{}, {0.125}}, z = type and {{}, {zero}, type = type}},
                   nodes = {{before or 'Identity', {'x'}, {'a'}}, {'QuantizeLinear', {'a', 's', type and 'z' or nil}, {'q'}},
                            {'DequantizeLinear', {'q', 's', type and 'z' or nil}, {'y'}}}}
    local net, about = case.import(model)
    local ops = {}
    for _, n in net:nodes() do ops[#ops + 1] = n.op end
    test.equal(table.concat(ops, ' '):find 'relu' ~= nil, relu or before == 'Relu')
    if not producer then
      local want = (relu or before == 'Relu') and R.map(x, FUNCTIONS.Relu) or before == 'Sigmoid' and R.map(x, FUNCTIONS.Sigmoid) or x
      case.check(what, model, {x}, {want})
    end
    return ops, case.run(net, about, {x})[1]
  end
  quantised('no zero', nil, nil, nil, true)
  quantised('the least byte', nil, onnx.UINT8, 0, true)
  quantised('another byte', nil, onnx.UINT8, 1, false)
  quantised('the least of signed bytes', nil, onnx.INT8, -128, true)
  quantised('0 of signed bytes', nil, onnx.INT8, 0, false)
  quantised('the least of shorts', nil, onnx.INT16, -32768, true)
  quantised('0 of shorts', nil, onnx.INT16, 0, false)
  local ops = quantised('a Relu already', 'Relu', onnx.UINT8, 0, false)
  test.equal(table.concat(ops, ' '):gsub('relu', ''), table.concat(ops, ' '):gsub('relu', '', 1)) -- one
  quantised('above 0 already', 'Sigmoid', onnx.UINT8, 0, false)
  local function clipped(low)
    local net = case.import{opset = 13, inputs = {{'x', {'N', 3}}}, outputs = {{'y'}}, constants = {s = {{}, {0.125}}, l = {{}, {low}}, h = {{}, {2.5}}},
                            nodes = {{'Clip', {'x', 'l', 'h'}, {'a'}}, {'QuantizeLinear', {'a', 's'}, {'q'}}, {'DequantizeLinear', {'q', 's'}, {'y'}}}}
    for _, n in net:nodes() do
      if n.op == 'relu' then return true end
    end
    return false
  end
  test.equal(clipped(0), false) -- above 0 as well
  test.equal(clipped(0.5), false)
  test.equal(clipped(-0.5), true)
  local function through(op, inputs, attributes) -- what keeps signs is as its inputs are
    local function relu_after(first)
      local net = case.import{opset = 13, inputs = {{'x', {'N', 3, 4, 4}}}, outputs = {{'y'}}, constants = {s = {{}, {0.125}}},
                              nodes = {{first, {'x'}, {'a'}}, node(op, inputs, attributes, {'b'}), {'QuantizeLinear', {'b', 's'}, {'q'}},
                                       {'DequantizeLinear', {'q', 's'}, {'y'}}}}
      for i, n in net:nodes() do
        if n.op == 'relu' and i > 2 then return true end
      end
      return false
    end
    test.equal(relu_after 'Relu', false)
    test.equal(relu_after 'Tanh', true)
  end
  through('MaxPool', {'a'}, {kernel_shape = {2, 2}})
  through('AveragePool', {'a'}, {kernel_shape = {2, 2}})
  through('GlobalAveragePool', {'a'})
  through('Flatten', {'a'})
  through('Concat', {'a', 'a'}, {axis = 1})
  through('Add', {'a', 'a'})
  through('Mul', {'a', 'a'})
  through('Dropout', {'a'})
  local own, got = quantised('our own', nil, onnx.UINT8, 32, false, 'anet')
  test.check(table.concat(own, ' '):find 'quantize', 'what this engine wrote is a quantize again: ' .. table.concat(own, ' '))
  for i, v in ipairs(x[2]) do test.near(got[2][i], math.min(math.max(v, -4), 223 / 8), 1e-6) end
  test.check(not table.concat(quantised('signed', nil, onnx.INT8, 32, false, 'anet'), ' '):find 'quantize', 'of bytes without a sign only')
end)

return test.finish()
