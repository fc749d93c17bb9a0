-- What an ONNX graph computes of shapes and constants alone, while it is read: each op against its definition, and what
-- the numbers of a batch that is open may be used for.
local case = dofile 'tests/support/onnx_case.lua'
local R = dofile 'tests/support/onnx_reference.lua'
local test, onnx = case.test, case.onnx
local floats, ints = case.floats, case.ints

local function node(op, inputs, attributes, outputs)
  local n = {op, inputs, outputs or {'c'}}
  for name, value in pairs(attributes or {}) do n[name] = value end
  return n
end

-- A net of an image x, and c, which nodes compute of constants.
local function model(opset, nodes, constants)
  local m = {opset = opset, nodes = {{'Relu', {'x'}, {'y'}}}, inputs = {{'x', {'N', 3, 4, 5}}}, outputs = {{'y'}, {'c'}}, constants = constants}
  for _, n in ipairs(nodes[1][1] and type(nodes[1]) == 'table' and nodes or {nodes}) do m.nodes[#m.nodes + 1] = n end
  return m
end

-- c is these numbers, of that type, and no node of the net computes them.
local function folds(what, opset, nodes, constants, dims, values, type)
  local x = R.random({2, 3, 4, 5}, 1)
  local net, faces = case.check(what, model(opset, nodes, constants), {x}, {R.map(x, function(v) return math.max(v, 0) end), {dims, values}},
                                {no_return = 'is the same for every image: a constant'})
  if not net then return end
  if type then test.equal(faces.outputs[2].type, type) end
  for _, n in net:nodes() do
    test.check(n.op == 'input' or n.op == 'relu' or n.op == 'constant' or n.op == 'identity', what .. ' runs a ' .. n.op)
  end
end

local function refused(opset, nodes, constants, code, ...)
  case.refused(model(opset, nodes, constants), code, ...)
end

-- ---- sources ----------------------------------------------------------------------------------------

test.case('Constant', function()
  folds('an array', 13, node('Constant', {}, {value = {array = {{2, 2}, {1, 2, 3, 4}}}}), nil, {2, 2}, {1, 2, 3, 4}, 'float')
  folds('of whole numbers', 13, node('Constant', {}, {value = {array = {{2}, {1, -2}, type = onnx.INT32}}}), nil, {2}, {1, -2}, 'int32')
  folds('a float', 13, node('Constant', {}, {value_float = {real = 1.5}}), nil, {}, {1.5}, 'float')
  folds('an int', 13, node('Constant', {}, {value_int = -7}), nil, {}, {-7}, 'int64')
  folds('floats', 13, node('Constant', {}, {value_floats = {reals = {1.5, 2, -3}}}), nil, {3}, {1.5, 2, -3}, 'float')
  folds('ints', 13, node('Constant', {}, {value_ints = {4, 5}}), nil, {2}, {4, 5}, 'int64')
  refused(13, node('Constant', {}, {value_string = 'word'}), nil, 'unsupported', 'its value is no array of numbers')
  refused(13, node('Constant', {}, {}), nil, 'unsupported', 'its value is no array of numbers')
end)

test.case('ConstantOfShape, Shape, Size, Range', function()
  folds('zeros', 13, node('ConstantOfShape', {'s'}), {s = ints(2, 3)}, {2, 3}, {0, 0, 0, 0, 0, 0}, 'float')
  folds('sevens', 13, node('ConstantOfShape', {'s'}, {value = {array = {{1}, {7}, type = onnx.INT64}}}), {s = ints(3)}, {3}, {7, 7, 7}, 'int64')
  refused(13, node('ConstantOfShape', {'s'}), {s = floats(2)}, 'unsupported', 'its shape has 1 numbers')
  refused(13, node('ConstantOfShape', {'s'}), {s = ints(1, 1, 1, 1, 1, 1, 1, 1, 1)}, 'unsupported', 'its shape has 9 numbers')
  refused(13, node('ConstantOfShape', {'s'}), {s = ints(-1)}, 'shape', 'an array of shape (?) cannot be')
  local k = {k = R.random({2, 3, 4}, 1)}
  folds('Shape', 13, node('Shape', {'k'}), k, {3}, {2, 3, 4}, 'int64')
  for _, s in ipairs{{1, nil, {3, 4}}, {nil, 2, {2, 3}}, {-2, -1, {3}}, {-9, 9, {2, 3, 4}}, {1, 2, {3}}} do
    folds(('Shape %s %s'):format(tostring(s[1]), tostring(s[2])), 15, node('Shape', {'k'}, {start = s[1], ['end'] = s[2]}), k, {#s[3]}, s[3])
  end
  folds('nothing of it', 15, {node('Shape', {'k'}, {start = 2, ['end'] = 1}, {'s'}), node('Concat', {'s', 'k1'}, {axis = 0})},
        {k = k.k, k1 = ints(9)}, {1}, {9})
  folds('Shape of what is computed', 15, node('Shape', {'y'}, {start = 1}), nil, {3}, {3, 4, 5})
  folds('Size', 13, node('Size', {'k'}), k, {}, {24}, 'int64')
  refused(13, node('Size', {'y'}), nil, 'unsupported', 'it counts the batch')
  local function range(from, to, step, want)
    folds(('Range %g %g %g'):format(from[2][1], to[2][1], step[2][1]), 13, node('Range', {'a', 'b', 's'}), {a = from, b = to, s = step}, {#want}, want)
  end
  local function number(v, type) return {{}, {v}, type = type} end
  range(number(0, onnx.INT64), number(4, onnx.INT64), number(1, onnx.INT64), {0, 1, 2, 3})
  range(number(10, onnx.INT64), number(4, onnx.INT64), number(-3, onnx.INT64), {10, 7})
  range(number(1), number(2), number(0.375), {1, 1.375, 1.75})
  range(number(1), number(1.75), number(0.375), {1, 1.375})
  refused(13, node('Range', {'a', 'a', 'b'}), {a = number(1), b = number(0)}, 'shape', 'a value of shape (0)')
  refused(13, node('Range', {'a', 'b', 'a'}), {a = number(1), b = number(1e30)}, 'range', 'from 1 in steps of 1 it has no end')
  refused(13, node('Range', {'a', 'a', 'b'}), {a = number(1), b = floats(1, 2)}, 'shape', 'input 2 has 2 numbers')
  refused(13, node('Range', {'a', 'a'}), {a = number(1)}, 'format', 'input 2 is missing')
end)

-- ---- moving -----------------------------------------------------------------------------------------

local K = R.count_up({2, 3, 4})

test.case('elements stay, axes change', function()
  local k = {k = K, one = ints(-1), zero = ints(0, 2)}
  folds('Identity', 13, node('Identity', {'k'}), k, {2, 3, 4}, K[2])
  folds('Unsqueeze', 13, node('Unsqueeze', {'k', 'zero'}), k, {1, 2, 1, 3, 4}, K[2])
  folds('Unsqueeze by an attribute', 11, node('Unsqueeze', {'k'}, {axes = {-1}}), k, {2, 3, 4, 1}, K[2])
  refused(13, node('Unsqueeze', {'k', 'a'}), {k = K, a = ints(0, 0)}, 'format', 'an axis is named twice')
  refused(13, node('Unsqueeze', {'k', 'a'}), {k = K, a = ints(0, 1, 2, 3, 4, 5)}, 'unsupported', 'it makes 9 axes')
  local thin = {k = R.count_up({1, 3, 1}), a = ints(0)}
  folds('Squeeze of all', 13, node('Squeeze', {'k'}), thin, {3}, {1, 2, 3})
  folds('Squeeze of one', 13, node('Squeeze', {'k', 'a'}), thin, {3, 1}, {1, 2, 3})
  folds('Squeeze by an attribute', 11, node('Squeeze', {'k'}, {axes = {-1}}), thin, {1, 3}, {1, 2, 3})
  refused(13, node('Squeeze', {'k', 'a'}), {k = thin.k, a = ints(1)}, 'shape', '(1, 3, 1) cannot become (1, 1)')
  local function reshaped(to, want, attributes)
    folds('Reshape', 14, node('Reshape', {'k', 's'}, attributes), {k = K, s = ints(unpack(to))}, want, K[2])
  end
  reshaped({6, 4}, {6, 4})
  reshaped({0, -1}, {2, 12})
  reshaped({-1, 0, 2}, {4, 3, 2})
  reshaped({2, 2, -1, 3}, {2, 2, 2, 3})
  folds('Reshape to a number', 14, node('Reshape', {'k', 's'}), {k = floats(5), s = ints()}, {}, {5})
  refused(14, node('Reshape', {'k', 's'}), {k = K, s = ints(5, -1)}, 'shape', '(2, 3, 4) cannot become (5, 4)')
  refused(14, node('Reshape', {'k', 's'}), {k = K, s = ints(24, 0)}, 'shape', '(2, 3, 4) cannot become (24, 3)')
  refused(14, node('Reshape', {'k', 's'}, {allowzero = 1}), {k = K, s = ints(24, 0)}, 'shape', '(2, 3, 4) cannot become (24, 0)')
  folds('Flatten', 13, node('Flatten', {'k'}), k, {2, 12}, K[2])
  folds('Flatten 0', 13, node('Flatten', {'k'}, {axis = 0}), k, {1, 24}, K[2])
  folds('Flatten 2', 13, node('Flatten', {'k'}, {axis = 2}), k, {6, 4}, K[2])
  folds('Flatten -1', 13, node('Flatten', {'k'}, {axis = -1}), k, {6, 4}, K[2])
  folds('Flatten 3', 13, node('Flatten', {'k'}, {axis = 3}), k, {24, 1}, K[2])
end)

test.case('elements move', function()
  local k = {k = K}
  for _, perm in ipairs{{1, 0, 2}, {2, 0, 1}, {0, 2, 1}} do
    local want = R.transpose(K, perm)
    folds('Transpose', 13, node('Transpose', {'k'}, {perm = perm}), k, want[1], want[2])
  end
  local turned = R.transpose(K, {2, 1, 0})
  folds('Transpose without an order', 13, node('Transpose', {'k'}), k, turned[1], turned[2])
  refused(13, node('Transpose', {'k'}, {perm = {0, 1}}), k, 'format', 'perm has 2 axes')
  refused(13, node('Transpose', {'k'}, {perm = {0, 1, 1}}), k, 'format', 'perm names an axis twice')
  local other = R.random({2, 3, 4}, 5)
  for _, axis in ipairs{0, 1, 2, -1} do
    local want = R.concat(axis % 3, K, other, K)
    folds('Concat ' .. axis, 13, node('Concat', {'k', 'o', 'k'}, {axis = axis}), {k = K, o = other}, want[1], want[2])
  end
  folds('axis 1 before opset 4', 3, node('Concat', {'k', 'k'}), {k = {{1, 2}, {1, 2}}}, {1, 4}, {1, 2, 1, 2})
  refused(13, node('Concat', {'k', 'o'}, {axis = 1}), {k = K, o = R.random({2, 3, 5}, 1)}, 'shape', 'inputs 0 and 1 differ beside axis 1')
  refused(13, node('Concat', {'k', 'o'}, {axis = 1}), {k = K, o = R.random({2, 3}, 1)}, 'shape', 'inputs 0 and 1 differ beside axis 1')
  refused(13, node('Concat', {'k', 'o'}, {axis = 0}), {k = floats(1), o = ints(1)}, 'shape', 'inputs 0 and 1 differ beside axis 0')
  local function gathered(axis, places, shape)
    local a = axis % 3
    local taken, dims = R.take(K, a, places), {}
    for i, d in ipairs(K[1]) do
      for _, s in ipairs(i == a + 1 and shape or {d}) do dims[#dims + 1] = s end
    end
    local given = {}
    for i, p in ipairs(places) do given[i] = i % 2 == 0 and p - K[1][a + 1] or p end -- some from the end
    folds('Gather ' .. axis, 13, node('Gather', {'k', 'i'}, {axis = axis}), {k = K, i = {shape, given, type = onnx.INT64}}, dims, taken[2])
  end
  gathered(0, {1, 0, 1}, {3})
  gathered(1, {2}, {})
  gathered(-1, {3, 0, 2, 2}, {2, 2})
  folds('axis 0 where nothing is said', 13, node('Gather', {'k', 'i'}), {k = floats(5, 6, 7), i = ints(2, 0)}, {2}, {7, 5})
  refused(13, node('Gather', {'k', 'i'}, {axis = 1}), {k = K, i = ints(3)}, 'range', 'place 3 of an axis of 3')
  refused(13, node('Gather', {'k', 'i'}, {axis = 1}), {k = K, i = ints(-4)}, 'range', 'place -4 of an axis of 3')
  refused(13, node('Gather', {'k', 'i'}, {axis = 3}), {k = K, i = ints(0)}, 'format', 'axis 3 of a value with 3')
  local want = R.expand({{2, 1}, {1, 2}}, {3, 1, 4})
  folds('Expand', 13, node('Expand', {'k', 's'}), {k = {{2, 1}, {1, 2}}, s = ints(3, 1, 4)}, want[1], want[2])
  folds('Expand to less', 13, node('Expand', {'k', 's'}), {k = {{2, 1}, {1, 2}}, s = ints(1)}, {2, 1}, {1, 2})
  refused(13, node('Expand', {'k', 's'}), {k = floats(1, 2), s = ints(3)}, 'shape', '(2) and (3) cannot be broadcast')
  refused(13, node('Expand', {'k'}), {k = floats(1, 2)}, 'format', 'it has no shape')
end)

test.case('Slice', function()
  local seven = R.count_up({7})
  for _, start in ipairs{-9, -7, -3, 0, 2, 6, 8} do
    for _, finish in ipairs{-99, -8, -7, -2, 0, 4, 7, 99} do
      for _, step in ipairs{1, 2, 7, 9, -1, -3, -9} do
        local want = R.slice(seven, 0, start, finish, step)[2]
        if #want > 0 then
          folds(('Slice %d %d %d'):format(start, finish, step), 13, node('Slice', {'k', 's', 'e', 'a', 't'}),
                {k = seven, s = ints(start), e = ints(finish), a = ints(0), t = ints(step)}, {#want}, want)
        end
      end
    end
  end
  local want = R.slice(R.slice(K, 2, 3, 0, -2), 0, 1, 2, 1)
  folds('of two axes', 13, node('Slice', {'k', 's', 'e', 'a', 't'}), {k = K, s = ints(3, 1), e = ints(0, 2), a = ints(-1, 0), t = ints(-2, 1)},
        want[1], want[2])
  want = R.slice(R.slice(K, 0, 1, 2, 1), 1, 0, 2, 1)
  folds('by attributes', 9, node('Slice', {'k'}, {starts = {1, 0}, ends = {2, 2}}), {k = K}, want[1], want[2])
  folds('nothing is left', 13, {node('Slice', {'k', 's', 'e'}, {}, {'n'}), node('Concat', {'n', 'k'}, {axis = 0})},
        {k = seven, s = ints(5), e = ints(3)}, {7}, seven[2])
  local function bad(s, e, a, t, ...) refused(13, node('Slice', {'k', 's', 'e', 'a', 't'}), {k = seven, s = s, e = e, a = a, t = t}, ...) end
  bad(ints(0), ints(1), ints(0), ints(0), 'format', 'its step is 0')
  bad(ints(0, 0), ints(1, 1), ints(0, -1), ints(1, 1), 'format', 'axis 0 is named twice')
  bad(ints(0), ints(1, 2), ints(0), ints(1), 'format', 'it has 1 starts, 2 ends, 1 axes, 1 steps')
  bad(ints(0), ints(1), ints(1), ints(1), 'format', 'axis 1 of a value with 1')
end)

test.case('Cast', function()
  local k = {k = floats(-1.5, -0.5, 0, 0.5, 2.75)}
  folds('to whole numbers', 13, node('Cast', {'k'}, {to = onnx.INT64}), k, {5}, {-1, 0, 0, 0, 2}, 'int64')
  folds('to booleans', 13, node('Cast', {'k'}, {to = onnx.BOOL}), k, {5}, {1, 1, 0, 1, 1}, 'bool')
  folds('to floats', 13, node('Cast', {'k'}, {to = onnx.FLOAT}), {k = ints(1, -2)}, {2}, {1, -2}, 'float')
  folds('to doubles', 13, node('Cast', {'k'}, {to = onnx.DOUBLE}), k, {5}, k.k[2], 'double')
  refused(13, node('Cast', {'k'}, {to = onnx.STRING}), k, 'unsupported', 'a constant cannot become element type 8')
end)

-- ---- arithmetic -------------------------------------------------------------------------------------

local function bit(v) return v and 1 or 0 end

local BINARY = {
  Add = function(a, b) return a + b end, Sub = function(a, b) return a - b end, Mul = function(a, b) return a * b end,
  Div = function(a, b) return a / b end, Pow = function(a, b) return a ^ b end, Min = math.min, Max = math.max,
  Equal = function(a, b) return bit(a == b) end, Less = function(a, b) return bit(a < b) end, LessOrEqual = function(a, b) return bit(a <= b) end,
  Greater = function(a, b) return bit(a > b) end, GreaterOrEqual = function(a, b) return bit(a >= b) end, Mod = math.fmod,
}

test.case('two constants', function()
  local a, b = {{2, 1, 3}, {4, -1, 2.5, 3, 0.5, -2}}, {{2, 3}, {2, -1, 2.5, 1, 4, 3}}
  for op, f in pairs(BINARY) do
    local compares = op:match '^[EGL]'
    local x = op == 'Pow' and R.map(a, math.abs) or a
    local want = R.broadcast(f, x, b)
    folds(op, 13, node(op, {'a', 'b'}, op == 'Mod' and {fmod = 1} or {}), {a = x, b = b}, want[1], want[2], compares and 'bool' or 'float')
    want = R.broadcast(f, b, x)
    if op ~= 'Pow' then
      folds(op, 13, node(op, {'b', 'a'}, op == 'Mod' and {fmod = 1} or {}), {a = a, b = b}, want[1], want[2])
    end
  end
  folds('one alone', 13, node('Max', {'a'}), {a = a}, a[1], a[2])
  refused(13, node('Add', {'a', 'b'}), {a = floats(1, 2), b = floats(1, 2, 3)}, 'shape', '(2) and (3) cannot be broadcast')
  refused(13, node('Add', {'a', 'b'}), {a = R.random({2, 2}, 1), b = R.random({3, 2}, 1)}, 'shape', '(2, 2) and (3, 2) cannot be broadcast')
end)

test.case('whole numbers', function()
  local a, b = ints(-7, 7, -6, 5, 9, -9, 2, -1), ints(3, -3, -4, 2, 4, 4, -5, 0)
  local function whole(op, attributes, want, type) folds(op, 13, node(op, {'a', 'b'}, attributes), {a = a, b = b}, {8}, want, type or 'int64') end
  whole('Add', {}, {-4, 4, -10, 7, 13, -5, -3, -1})
  whole('Div', {}, {-2, -2, 1, 2, 2, -2, 0, 0}) -- by 0 as well
  whole('Mod', {}, {2, -2, -2, 1, 1, 3, -3, 0}) -- has the sign of what divides
  whole('Mod', {fmod = 1}, {-1, 1, -2, 1, 1, -1, 2, 0})
  whole('Less', {}, {1, 0, 1, 0, 0, 1, 0, 1}, 'bool')
  whole('Max', {}, {3, 7, -4, 5, 9, 4, 2, 0})
  folds('by a real', 13, node('Mul', {'a', 'b'}), {a = ints(3, 4), b = floats(0.5, 0.25)}, {2}, {1.5, 1})
  folds('a power is of the base', 13, node('Pow', {'a', 'b'}), {a = ints(2, 3), b = floats(3.5, 2)}, {2}, {11, 9}, 'int64')
  folds('of a real base', 13, node('Pow', {'a', 'b'}), {a = floats(2, 3), b = ints(-1, 2)}, {2}, {0.5, 9}, 'float')
  folds('beyond 64 bits', 13, node('Mul', {'a', 'a'}), {a = ints(2 ^ 40, -3)}, {2}, {0, 9})
  folds('up to there', 13, {node('Mul', {'a', 'b'}, {}, {'p'}), node('Div', {'p', 'a'})}, {a = ints(2 ^ 31, -2 ^ 30), b = ints(2 ^ 30, 2 ^ 31)},
        {2}, {2 ^ 30, 2 ^ 31})
end)

test.case('booleans', function()
  local a, b = {{4}, {0, 0, 1, 1}, type = onnx.BOOL}, {{4}, {0, 1, 0, 1}, type = onnx.BOOL}
  for op, want in pairs{And = {0, 0, 0, 1}, Or = {0, 1, 1, 1}, Xor = {0, 1, 1, 0}} do
    folds(op, 13, node(op, {'a', 'b'}), {a = a, b = b}, {4}, want, 'bool')
  end
  folds('Not', 13, node('Not', {'a'}), {a = a}, {4}, {1, 1, 0, 0}, 'bool')
end)

test.case('one constant', function()
  local k = {1, 4, 0.25, 2.5, 3.5, 0.7}
  local function f(op, want, values) folds(op, 13, node(op, {'k'}), {k = floats(unpack(values or k))}, {#want}, want) end
  local function of(g)
    local list = {}
    for i, v in ipairs(k) do list[i] = g(v) end
    return list
  end
  f('Sqrt', of(math.sqrt))
  f('Exp', of(math.exp))
  f('Log', of(math.log))
  f('Floor', of(math.floor))
  f('Ceil', of(math.ceil))
  f('Round', {1, 4, 0, 2, 4, 1})
  f('Reciprocal', of(function(v) return 1 / v end))
  f('Neg', of(function(v) return -v end))
  f('Abs', {1, 0, 2.5}, {-1, 0, 2.5})
  folds('Neg of whole numbers', 13, node('Neg', {'k'}), {k = ints(3, -4)}, {2}, {-3, 4}, 'int64')
end)

test.case('Where', function()
  local c, a, b = {{3, 1}, {1, 0, 1}, type = onnx.BOOL}, {{1, 2}, {1, 2}}, {{2, 1, 1}, {10, 20}}
  local want = R.broadcast(function(t, x, y) return t ~= 0 and x or y end, c, a, b)
  folds('Where', 13, node('Where', {'q', 'a', 'b'}), {q = c, a = a, b = b}, want[1], want[2])
  refused(13, node('Where', {'q', 'a', 'b'}), {q = c, a = a, b = ints(1)}, 'format', 'its inputs have different types')
  refused(13, node('Where', {'q', 'a'}), {q = c, a = a}, 'format', 'input 2 is missing')
end)

test.case('reductions', function()
  local k = {k = ints(2, 3, 4)}
  folds('ReduceProd', 13, node('ReduceProd', {'k'}, {keepdims = 0}), k, {}, {24}, 'int64')
  folds('ReduceSum', 13, node('ReduceSum', {'k'}), k, {1}, {9}, 'int64')
  folds('of two axes', 11, node('ReduceProd', {'k'}, {axes = {0, 1}}), {k = {{2, 2}, {1, 2, 3, 4}}}, {1, 1}, {24})
  folds('of all, by no axes', 11, node('ReduceSum', {'k'}, {keepdims = 0}), {k = {{2, 2}, {1, 2, 3, 4}}}, {}, {10})
  local m, x = model(11, node('ReduceSum', {'k'}, {axes = {1}, keepdims = 0}), {k = {{2, 2}, {1, 2, 3, 4}}}), R.random({2, 3, 4, 5}, 1)
  case.check('of one of two axes', m, {x}, {R.map(x, function(v) return math.max(v, 0) end), {{2}, {3, 7}}},
             {no_return = 'is the same for every image: a constant'})
end)

test.case('DequantizeLinear', function()
  local function whole(type, dims, ...) return {dims, {...}, type = type} end
  local k = whole(onnx.INT8, {2, 3}, 1, 2, 3, -4, 5, 6)
  folds('one scale', 13, node('DequantizeLinear', {'k', 's'}), {k = k, s = floats(0.5)}, {2, 3}, {0.5, 1, 1.5, -2, 2.5, 3}, 'float')
  folds('and a zero', 13, node('DequantizeLinear', {'k', 's', 'z'}), {k = k, s = floats(0.5), z = whole(onnx.INT8, {}, 2)}, {2, 3},
        {-0.5, 0, 0.5, -3, 1.5, 2})
  folds('one a column', 13, node('DequantizeLinear', {'k', 's'}), {k = k, s = floats(1, 10, 100)}, {2, 3}, {1, 20, 300, -4, 50, 600})
  folds('one a row', 13, node('DequantizeLinear', {'k', 's', 'z'}, {axis = 0}), {k = k, s = floats(1, 10), z = whole(onnx.INT8, {2}, 1, -1)}, {2, 3},
        {0, 1, 2, -30, 60, 70})
  local function bad(constants, attributes, ...)
    constants.k = k
    refused(13, node('DequantizeLinear', {'k', 's', constants.z and 'z' or nil}, attributes), constants, ...)
  end
  bad({s = floats(1, 2)}, {}, 'shape', 'it has 2 scales for an axis of 3')
  bad({s = floats(1, 2, 3), z = whole(onnx.INT8, {2}, 1, 2)}, {}, 'shape', 'it has 3 scales for an axis of 3')
  bad({s = floats()}, {}, 'shape', 'it has no scale')
  bad({s = floats(1), z = whole(onnx.INT8, {0})}, {}, 'shape', 'it has no scale')
  bad({s = floats(1)}, {block_size = 2}, 'unsupported', "its scales are a block's; want one, or one a place of an axis")
end)

-- ---- the batch --------------------------------------------------------------------------------------

test.case('the size of the batch is passed on', function()
  local x = R.random({2, 3, 4, 5}, 1)
  local function through(what, nodes, constants)
    local m = {opset = 13, inputs = {{'x', {'N', 3, 4, 5}}}, outputs = {{'y'}}, constants = constants, nodes = {{'Shape', {'x'}, {'s'}}}}
    for _, n in ipairs(nodes) do m.nodes[#m.nodes + 1] = n end
    m.nodes[#m.nodes + 1] = {'Reshape', {'x', 'to'}, {'y'}}
    return m
  end
  local k = {zero = ints(0), one = {{}, {1}, type = onnx.INT64}, rest = ints(60), two = {{}, {2}, type = onnx.INT64}}
  local first = {'Gather', {'s', 'zero'}, {'n'}}
  local join = {'Concat', {'m', 'rest'}, {'to'}, axis = 0}
  case.check('moved', through('', {first, {'Identity', {'n'}, {'m'}}, join}, k), {x}, {R.reshape(x, {2, 60})})
  case.check('times 1', through('', {first, {'Mul', {'n', 'one'}, {'m'}}, join}, k), {x}, {R.reshape(x, {2, 60})})
  case.check('1 times', through('', {first, {'Mul', {'one', 'n'}, {'m'}}, join}, k), {x}, {R.reshape(x, {2, 60})})
  case.check('by 1', through('', {first, {'Div', {'n', 'one'}, {'m'}}, join}, k), {x}, {R.reshape(x, {2, 60})})
  for _, n in ipairs{{'Mul', {'n', 'two'}, {'m'}}, {'Mul', {'two', 'n'}, {'m'}}, {'Div', {'n', 'two'}, {'m'}}, {'Div', {'one', 'n'}, {'m'}},
                     {'Add', {'n', 'one'}, {'m'}}, {'Sub', {'n', 'one'}, {'m'}}, {'ReduceProd', {'s'}, {'m'}}, {'ReduceSum', {'n'}, {'m'}}} do
    case.refused(through('', {first, n, join}, k), 'unsupported', 'it calculates with the size of the batch')
  end
  local m = through('', {first, {'Cast', {'n'}, {'m'}, to = onnx.INT32}, join}, k)
  m.nodes[#m.nodes + 1] = {'Relu', {'y'}, {'z'}}
  case.check('cast', m, {x}, {R.reshape(x, {2, 60})})
  local shown = through('', {first, {'Cast', {'n'}, {'m'}, to = onnx.FLOAT}}, k)
  shown.nodes[#shown.nodes] = {'Relu', {'x'}, {'y'}}
  shown.outputs[2] = {'n'}
  case.refused(shown, 'unsupported', "'n' holds the size of the batch")
end)

return test.finish()
