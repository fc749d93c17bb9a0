-- Ops of ONNX models that move, cut and join elements, and that pick some, against their definition.
local case = dofile 'tests/support/onnx_case.lua'
local R = dofile 'tests/support/onnx_reference.lua'
local test, one, onnx = case.test, case.one, case.onnx
local ints = case.ints

local function node(op, inputs, attributes, outputs)
  local n = {op, inputs, outputs or {'y'}}
  for name, value in pairs(attributes or {}) do n[name] = value end
  return n
end

local function open(dims) return {'N', unpack(dims, 2)} end

-- y = op(x, constants …) for a random x with a batch of dims[1].
local function check(what, opset, dims, op, inputs, attributes, constants, want, options)
  local x = R.random(dims, 4)
  return case.check(what, one(opset, open(dims), node(op, inputs, attributes), constants), {x}, {want(x)}, options)
end

-- Words of a refusal, of an x of these dims.
local function refused(code, opset, dims, op, inputs, attributes, constants, ...)
  local where = case.refused(one(opset, dims, node(op, inputs, attributes), constants), code, ...)
  test.equal(where, ("%s 'y' (opset %d)"):format(op, opset))
end

-- ---- regrouping -------------------------------------------------------------------------------------

test.case('Reshape', function()
  local function shaped(from, to, result, attributes)
    check('Reshape to ' .. table.concat(to, 'x'), 14, from, 'Reshape', {'x', 's'}, attributes, {s = ints(unpack(to))},
          function(x) return R.reshape(x, result) end)
  end
  shaped({2, 3, 4}, {0, 12}, {2, 12})
  shaped({2, 3, 4}, {-1, 12}, {2, 12})
  shaped({1, 3, 4}, {1, 12}, {1, 12})
  shaped({2, 3, 4}, {0, -1, 2}, {2, 6, 2})
  shaped({2, 3, 4}, {0, 0, 2, 2}, {2, 3, 2, 2})
  shaped({2, 3, 4}, {-1, 0, 4}, {2, 3, 4}, {allowzero = 0})
  shaped({2, 6, 2, 3}, {0, 4, 9}, {2, 4, 9})
  shaped({2, 6, 2, 3}, {0, 2, 3, 6}, {2, 2, 3, 6})
  shaped({2, 6, 2, 3}, {0, 36}, {2, 36})
  shaped({2, 6, 2, 3}, {0, 6, -1}, {2, 6, 6})
  shaped({2, 6}, {0, 2, 3, 1}, {2, 2, 3, 1})
  check('an attribute before opset 5', 4, {2, 3, 4}, 'Reshape', {'x'}, {shape = {0, 12}}, nil,
        function(x) return R.reshape(x, {2, 12}) end)
  local x = R.random({3, 2, 4}, 1)
  case.check('the batch that the file fixes', one(14, {3, 2, 4}, node('Reshape', {'x', 's'}), {s = ints(3, 8)}), {x},
             {R.reshape(x, {3, 8})})
  case.check('no batch any more', one(14, {3, 2, 4}, node('Reshape', {'x', 's'}), {s = ints(6, 4)}), {x},
             {R.reshape(x, {6, 4})}, {no_return = true})
  refused('unsupported', 14, {'N', 3, 4}, 'Reshape', {'x', 's'}, {}, {s = ints(0, 5, -1)}, 'dimension 1, 5, does not divide the 12 elements left')
  refused('unsupported', 14, {'N', 3, 4}, 'Reshape', {'x', 's'}, {}, {s = ints(0, 6)}, 'its shape leaves 2 elements of an image over')
  refused('unsupported', 14, {'N', 3, 4}, 'Reshape', {'x', 's'}, {}, {s = ints(-1, 6)}, 'its shape leaves 2 elements of an image over')
  refused('unsupported', 14, {'N', 3, 4}, 'Reshape', {'x', 's'}, {}, {s = ints(2, 12)}, 'it puts 2 where the batch was')
  refused('unsupported', 14, {'N', 3, 4}, 'Reshape', {'x', 's'}, {}, {s = ints()}, 'it drops the batch')
  refused('unsupported', 14, {'N', 3, 4}, 'Reshape', {'x', 's'}, {}, {s = ints(0, -1, -1)}, 'dimension 2, -1, does not divide')
  refused('unsupported', 14, {'N', 3, 4}, 'Reshape', {'x', 's'}, {allowzero = 1}, {s = ints(-1, 0, 4)}, 'dimension 1, 0, does not divide')
  refused('unsupported', 14, {'N', 3, 4}, 'Reshape', {'x', 's'}, {}, {s = ints(-1, 3, 4, 0)}, 'dimension 3, 0, does not divide')
  refused('format', 14, {'N', 3, 4}, 'Reshape', {'x'}, {}, nil, 'it has no shape')
  refused('format', 14, {'N', 3, 4}, 'Reshape', {'x', 's'}, {}, {s = ints(0, 1, 1, 1, 1, 1, 1, 1, 12)}, "'shape' has 9 numbers, want at most 8")
  refused('format', 14, {'N', 3, 4}, 'Reshape', {'x', 's'}, {}, {s = {{2}, {0, 0 / 0}}}, 'want whole numbers')
end)

test.case('Flatten, Squeeze, Unsqueeze', function()
  local function flat(x) return R.reshape(x, {2, 24}) end
  check('Flatten', 13, {2, 3, 2, 4}, 'Flatten', {'x'}, {}, nil, flat)
  check('Flatten 1', 13, {2, 3, 2, 4}, 'Flatten', {'x'}, {axis = 1}, nil, flat)
  check('Flatten -3', 13, {2, 3, 2, 4}, 'Flatten', {'x'}, {axis = -3}, nil, flat)
  refused('unsupported', 13, {'N', 3, 2, 4}, 'Flatten', {'x'}, {axis = 2}, nil, 'axis 2 would fold the batch into the features')
  refused('unsupported', 13, {'N', 3, 2, 4}, 'Flatten', {'x'}, {axis = 0}, nil, 'axis 0 would fold')
  refused('format', 13, {'N', 3, 2, 4}, 'Flatten', {'x'}, {axis = 5}, nil, 'axis 5 of a value with 4')
  refused('format', 13, {'N', 3, 2, 4}, 'Flatten', {'x'}, {axis = -5}, nil, 'axis -1 of a value with 4')
  for axis, dims in pairs{[0] = {1, 24}, [2] = {6, 4}, [3] = {24, 1}} do
    local x = R.random({2, 3, 4}, 1)
    case.check('Flatten of one image, axis ' .. axis, one(13, {2, 3, 4}, node('Flatten', {'x'}, {axis = axis})), {x},
               {R.reshape(x, dims)}, {no_return = true})
  end
  check('Squeeze of all', 13, {2, 1, 3, 1}, 'Squeeze', {'x'}, {}, nil, function(x) return R.reshape(x, {2, 3}) end)
  check('Squeeze of some', 13, {2, 1, 3, 1}, 'Squeeze', {'x', 'a'}, {}, {a = ints(-1)}, function(x) return R.reshape(x, {2, 1, 3}) end)
  check('Squeeze by an attribute', 11, {2, 1, 3, 1}, 'Squeeze', {'x'}, {axes = {1}}, nil, function(x) return R.reshape(x, {2, 3, 1}) end)
  refused('unsupported', 13, {'N', 1, 3}, 'Squeeze', {'x', 'a'}, {}, {a = ints(2)}, 'axis 2 has size 3, not 1')
  refused('unsupported', 13, {'N', 1, 3}, 'Squeeze', {'x', 'a'}, {}, {a = ints(0)}, 'axis 0 has size -1, not 1')
  refused('format', 13, {'N', 1, 3}, 'Squeeze', {'x', 'a'}, {}, {a = ints(1, -2)}, 'axis 1 is named twice')
  refused('format', 13, {'N', 1, 3}, 'Squeeze', {'x', 'a'}, {}, {a = ints(3)}, 'axis 3 of a value with 3')
  refused('format', 13, {'N', 1, 3}, 'Squeeze', {'x', 'a'}, {}, {a = ints(-4)}, 'axis -4 of a value with 3')
  check('Unsqueeze', 13, {2, 3, 4}, 'Unsqueeze', {'x', 'a'}, {}, {a = ints(1, -1)}, function(x) return R.reshape(x, {2, 1, 3, 4, 1}) end)
  check('Unsqueeze by an attribute', 11, {2, 3, 4}, 'Unsqueeze', {'x'}, {axes = {2}}, nil, function(x) return R.reshape(x, {2, 3, 1, 4}) end)
  refused('unsupported', 13, {'N', 3}, 'Unsqueeze', {'x', 'a'}, {}, {a = ints(0)}, 'it moves the batch to axis 1')
  refused('unsupported', 13, {'N', 3, 4}, 'Unsqueeze', {'x', 'a'}, {}, {a = ints(1, 2, 3, 4, 5, 6)}, 'it makes 9 axes')
  refused('format', 13, {'N', 3}, 'Unsqueeze', {'x', 'a'}, {}, {a = ints(1, 1)}, 'axis 1 is named twice')
  refused('format', 13, {'N', 3}, 'Unsqueeze', {'x', 'a'}, {}, {a = ints(3)}, 'axis 3 of a value with 3')
end)

test.case('Transpose', function()
  local function turned(dims, perm)
    check('Transpose ' .. table.concat(perm, ' '), 13, dims, 'Transpose', {'x'}, {perm = perm}, nil,
          function(x) return R.transpose(x, perm) end)
  end
  turned({2, 3, 4, 5}, {0, 2, 3, 1})
  turned({2, 3, 4, 5}, {0, 3, 1, 2})
  turned({2, 3, 4, 5}, {0, 3, 2, 1})
  turned({2, 3, 4}, {0, 2, 1})
  turned({2, 3, 1, 5}, {0, 2, 3, 1})
  turned({2, 2, 3, 4, 5}, {0, 4, 2, 1, 3})
  local x = R.random({2, 3, 4}, 2)
  case.check('without an order it is turned round', one(13, {2, 3, 4}, node('Transpose', {'x'})), {x}, {R.transpose(x, {2, 1, 0})},
             {no_return = true})
  refused('unsupported', 13, {'N', 3, 4}, 'Transpose', {'x'}, {perm = {1, 0, 2}}, nil, 'it moves axis 0, the batch')
  refused('format', 13, {'N', 3, 4}, 'Transpose', {'x'}, {perm = {0, 1}}, nil, "perm is no order of its input's 3 axes")
  refused('format', 13, {'N', 3, 4}, 'Transpose', {'x'}, {perm = {0, 1, 1}}, nil, 'perm is no order')
  refused('format', 13, {'N', 3, 4}, 'Transpose', {'x'}, {perm = {0, 1, 3}}, nil, 'perm is no order')
  refused('format', 13, {'N', 3, 4}, 'Transpose', {'x'}, {perm = {0, 1, -1}}, nil, 'perm is no order')
end)

-- Orders of five axes, of which the engine's op has four: all of them, one after the other.
test.case('transpositions of many axes', function()
  local x = R.random({2, 2, 3, 2, 3, 2}, 3)
  for _, perm in ipairs{{0, 2, 4, 1, 3, 5}, {0, 5, 4, 3, 2, 1}, {0, 3, 1, 5, 2, 4}, {0, 4, 2, 5, 1, 3}, {0, 2, 5, 4, 1, 3}} do
    local to = {2, 2 * 3 * 2 * 3 * 2}
    case.check('Transpose ' .. table.concat(perm, ' '),
               {opset = 13, inputs = {{'x', {'N', 72}}}, outputs = {{'y'}}, constants = {cut = ints(0, 2, 3, 2, 3, 2), to = ints(0, -1)},
                nodes = {{'Reshape', {'x', 'cut'}, {'a'}}, {'Transpose', {'a'}, {'b'}, perm = perm}, {'Reshape', {'b', 'to'}, {'y'}}}},
               {R.reshape(x, to)}, {R.reshape(R.transpose(x, perm), to)})
  end
end)

-- ---- channels and pixels ----------------------------------------------------------------------------

test.case('DepthToSpace and SpaceToDepth', function()
  local function deep(x, mode)
    local cut = mode == 'CRD' and {2, 3, 2, 2, 4, 5} or {2, 2, 2, 3, 4, 5}
    local perm = mode == 'CRD' and {0, 1, 4, 2, 5, 3} or {0, 3, 4, 1, 5, 2}
    return R.reshape(R.transpose(R.reshape(x, cut), perm), {2, 3, 8, 10})
  end
  check('DepthToSpace', 13, {2, 12, 4, 5}, 'DepthToSpace', {'x'}, {blocksize = 2}, nil, function(x) return deep(x, 'DCR') end)
  for _, mode in ipairs{'DCR', 'CRD'} do
    check('DepthToSpace ' .. mode, 13, {2, 12, 4, 5}, 'DepthToSpace', {'x'}, {blocksize = 2, mode = mode}, nil,
          function(x) return deep(x, mode) end)
  end
  check('SpaceToDepth', 13, {2, 3, 4, 6}, 'SpaceToDepth', {'x'}, {blocksize = 2}, nil, function(x)
    return R.reshape(R.transpose(R.reshape(x, {2, 3, 2, 2, 3, 2}), {0, 3, 5, 1, 2, 4}), {2, 12, 2, 3})
  end)
  check('blocks of one', 13, {2, 3, 4, 6}, 'SpaceToDepth', {'x'}, {blocksize = 1}, nil, function(x) return x end)
  refused('shape', 13, {'N', 6, 4, 6}, 'DepthToSpace', {'x'}, {blocksize = 2}, nil, '6 channels, blocks of 2')
  refused('shape', 13, {'N', 6, 4, 5}, 'SpaceToDepth', {'x'}, {blocksize = 2}, nil, '4 x 5 pixels, blocks of 2')
  refused('shape', 13, {'N', 6, 5, 4}, 'SpaceToDepth', {'x'}, {blocksize = 2}, nil, '5 x 4 pixels, blocks of 2')
  refused('unsupported', 13, {'N', 6, 4}, 'SpaceToDepth', {'x'}, {blocksize = 2}, nil, 'blocks of 2 of a value with 3 axes')
  refused('unsupported', 13, {'N', 6, 4, 4}, 'SpaceToDepth', {'x'}, {}, nil, 'blocks of 0 of a value with 4 axes')
end)

-- Axes that a file has grouped across memory: what an op cannot cut so is stored anew.
test.case('axes that are mixed in memory', function()
  local x = R.random({2, 3, 5, 4}, 1)
  local grouped = R.reshape(R.transpose(x, {0, 1, 3, 2}), {2, 12, 5, 1}) -- channels of two factors, apart in memory
  local function with(what, node_of, constants, want, options)
    local m = {opset = 13, inputs = {{'x', {'N', 3, 5, 4}}}, outputs = {{'y'}}, constants = constants or {},
               nodes = {{'Transpose', {'x'}, {'t'}, perm = {0, 1, 3, 2}}, {'Reshape', {'t', 'to'}, {'g'}}, node_of}}
    m.constants.to = ints(0, 12, 5, 1)
    if type(want) == 'string' then return case.refused(m, 'unsupported', want) end
    case.check(what, m, {x}, {want}, options)
  end
  with('DepthToSpace', {'DepthToSpace', {'g'}, {'y'}, blocksize = 2}, nil,
       R.reshape(R.transpose(R.reshape(grouped, {2, 2, 2, 3, 5, 1}), {0, 3, 4, 1, 5, 2}), {2, 3, 10, 2}))
  with('a scale a channel', {'Mul', {'g', 'k'}, {'y'}}, {k = R.random({12, 1, 1}, 2)},
       R.broadcast(function(a, b) return a * b end, grouped, R.random({12, 1, 1}, 2)))
  with('a matrix', {'Add', {'g', 'k'}, {'y'}}, {k = R.random({12, 5, 1}, 2)}, R.broadcast(function(a, b) return a + b end, grouped, R.random({12, 5, 1}, 2)))
  with('a slice', {'Slice', {'g', 's', 'e', 'a'}, {'y'}}, {s = ints(5), e = ints(11), a = ints(1)}, R.slice(grouped, 1, 5, 11, 1))
  with('a reduction', {'ReduceSum', {'g', 'a'}, {'y'}, keepdims = 0}, {a = ints(1)}, R.reduce(grouped, {1}, false, R.sum))
  with('a place', {'ArgMax', {'g'}, {'y'}, axis = 1}, nil, R.lines(grouped, 1, function(list)
    local at = 1
    for i, v in ipairs(list) do if v > list[at] then at = i end end
    return {at - 1}
  end))
  with('seven pieces', {'Reshape', {'g', 'to7'}, {'y'}}, {to7 = ints(0, 5, 12)}, R.reshape(grouped, {2, 5, 12}))
end)

test.case('more axes than values have', function()
  local m = {opset = 13, inputs = {{'x', {'N', 72}}}, outputs = {{'y'}}, constants = {cut = ints(0, 2, 3, 2, 3, 2), k = R.random({2, 1, 2, 1, 2}, 1)},
             nodes = {{'Reshape', {'x', 'cut'}, {'a'}}, {'Transpose', {'a'}, {'y'}, perm = {0, 2, 4, 1, 3, 5}}}}
  case.refused(m, 'unsupported', 'it needs a value of 5 dimensions, the most is 4')
  m.nodes[2] = {'Sub', {'a', 'k'}, {'y'}}
  case.refused(m, 'unsupported', 'is broadcast in over 4 places')
  m.constants.k = R.random({2, 3, 2, 3, 2}, 1)
  case.refused(m, 'unsupported', "constant 'k' has over 4 dimensions")
end)

-- ---- joining and cutting ----------------------------------------------------------------------------

test.case('Concat', function()
  local x, k = R.random({1, 2, 3, 4}, 1), R.random({1, 2, 3, 4}, 2)
  for axis = -3, 3 do
    if axis ~= 0 then
      local model = {opset = 13, inputs = {{'x', {'N', 2, 3, 4}}, {'k', {'N', 2, 3, 4}}}, outputs = {{'y'}},
                     nodes = {node('Concat', {'x', 'k', 'x'}, {axis = axis})}}
      case.check('Concat ' .. axis, model, {x, k}, {R.concat(axis < 0 and axis + 4 or axis, x, k, x)})
    end
  end
  case.check('axis 1 before opset 4', one(3, {'N', 2, 3, 4}, node('Concat', {'x', 'x'})), {x}, {R.concat(1, x, x)})
  local many, wants = {}, {}
  for i = 1, 17 do many[i], wants[i] = 'x', x end -- more than the op takes at once
  case.check('of seventeen', one(13, {'N', 2, 3, 4}, node('Concat', many, {axis = 1})), {x}, {R.concat(1, unpack(wants))})
  refused('unsupported', 13, {'N', 2}, 'Concat', {'x', 'x'}, {axis = 0}, nil, 'it works on axis 0, the batch')
  refused('unsupported', 13, {'N', 2}, 'Concat', {'x', 'k'}, {axis = 1}, {k = {{1, 2}, {1, 2}}}, 'input 1 has no batch, others have')
  refused('format', 13, {'N', 2}, 'Concat', {'x', 'x'}, {axis = 2}, nil, 'axis 2 of a value with 2')
  refused('format', 13, {'N', 2}, 'Concat', {}, {axis = 0}, nil, 'input 0 is missing')
end)

test.case('Split', function()
  local x = R.random({2, 7, 3}, 1)
  local function parts(what, opset, inputs, attributes, constants, sizes, axis)
    local outputs, faces, wants, at = {}, {}, {}, 0
    for i, size in ipairs(sizes) do
      outputs[i], faces[i] = 'y' .. i, {'y' .. i}
      wants[i] = R.slice(x, axis, at, at + size, 1)
      at = at + size
    end
    case.check(what, {opset = opset, inputs = {{'x', {'N', 7, 3}}}, outputs = faces, constants = constants,
                      nodes = {node('Split', inputs, attributes, outputs)}}, {x}, wants)
  end
  parts('an input', 13, {'x', 's'}, {axis = 1}, {s = ints(2, 4, 1)}, {2, 4, 1}, 1)
  parts('an attribute', 11, {'x'}, {axis = -2, split = {5, 2}}, nil, {5, 2}, 1)
  parts('alike', 13, {'x'}, {axis = 2}, nil, {1, 1, 1}, 2)
  parts('the last is smaller', 18, {'x'}, {axis = 1, num_outputs = 2}, nil, {4, 3}, 1)
  parts('not all of it', 11, {'x'}, {axis = 1, split = {2, 1}}, nil, {2, 1}, 1)
  local model = one(13, {'N', 7, 3}, node('Split', {'x', 's'}, {axis = 1}, {'y', 'z'}), {s = ints(3, 5)})
  case.refused(model, 'unsupported', 'part 1 has 5 of 4')
  model.constants.s = ints(7, 0)
  case.refused(model, 'unsupported', 'part 1 has 0 of 0')
  model.constants.s = ints(3, 3, 1)
  case.refused(model, 'format', 'it has 3 parts and 2 outputs')
  model.nodes[1].axis = nil
  case.refused(model, 'unsupported', 'it works on axis 0, the batch')
end)

-- Every sign of start, end and step, beyond both ends, of odd and even sizes.
test.case('Slice', function()
  local x = R.random({2, 3, 7, 4}, 1)
  local function sliced(list, attribute_only)
    local starts, ends, axes, steps, want, words = {}, {}, {}, {}, x, {}
    for i, s in ipairs(list) do
      axes[i], starts[i], ends[i], steps[i] = unpack(s)
      want = R.slice(want, axes[i] < 0 and axes[i] + 4 or axes[i], starts[i], ends[i], steps[i] or 1)
      words[i] = table.concat(s, ' ')
    end
    local what = 'Slice ' .. table.concat(words, '; ')
    if attribute_only then
      case.check(what, one(9, {'N', 3, 7, 4}, node('Slice', {'x'}, {starts = starts, ends = ends, axes = axes})), {x}, {want})
      return
    end
    case.check(what, one(13, {'N', 3, 7, 4}, node('Slice', {'x', 's', 'e', 'a', 't'}),
                         {s = ints(unpack(starts)), e = ints(unpack(ends)), a = ints(unpack(axes)), t = #steps > 0 and ints(unpack(steps)) or ints(1)}),
               {x}, {want})
  end
  for _, start in ipairs{-9, -7, -3, 0, 2, 6, 8} do
    for _, finish in ipairs{-99, -8, -7, -2, 0, 4, 7, 99} do
      for _, step in ipairs{1, 2, 3, 7, 9, -1, -2, -3, -9} do
        if #R.slice({{7}, {1, 2, 3, 4, 5, 6, 7}}, 0, start, finish, step)[2] > 0 then sliced{{2, start, finish, step}} end
      end
    end
  end
  sliced{{-1, 1, 3, 1}}
  sliced{{1, 2, 0, -1}}
  sliced{{1, 0, 2, 1}, {3, -1, -9, -2}, {2, 1, 7, 3}}
  sliced({{3, 1, -1}, {1, 0, 1}}, true)
  case.check('without axes', one(9, {2, 3, 4}, node('Slice', {'x'}, {starts = {1, 0}, ends = {2, 2}})), {R.random({2, 3, 4}, 1)},
             {R.slice(R.slice(R.random({2, 3, 4}, 1), 0, 1, 2, 1), 1, 0, 2, 1)}, {no_return = true})
  check('the whole batch', 13, {2, 3, 4}, 'Slice', {'x', 's', 'e', 'a'}, {}, {s = ints(0, 1), e = ints(2147483647, 2), a = ints(0, 2)},
        function(v) return R.slice(v, 2, 1, 2, 1) end)
  local function bad(code, s, e, a, t, ...)
    refused(code, 13, {'N', 3, 7}, 'Slice', {'x', 's', 'e', 'a', 't'}, {}, {s = s, e = e, a = a, t = t}, ...)
  end
  bad('unsupported', ints(3), ints(3), ints(2), ints(1), 'nothing is left of axis 2')
  bad('unsupported', ints(3), ints(3), ints(2), ints(-1), 'nothing is left of axis 2')
  bad('unsupported', ints(4), ints(3), ints(1), ints(1), 'nothing is left of axis 1')
  bad('format', ints(0), ints(3), ints(2), ints(0), 'its step is 0')
  bad('format', ints(0, 1), ints(3), ints(2), ints(1), 'it has 2 starts, 1 ends, 1 axes, 1 steps')
  bad('format', ints(0), ints(3), ints(2, 1), ints(1), 'it has 1 starts, 1 ends, 2 axes, 1 steps')
  bad('format', ints(0), ints(3), ints(2), ints(1, 1), 'it has 1 starts, 1 ends, 1 axes, 2 steps')
  bad('format', ints(0), ints(3), ints(3), ints(1), 'axis 3 of a value with 3')
  bad('unsupported', ints(0), ints(1), ints(0), ints(1), 'it works on axis 0, the batch')
  bad('unsupported', ints(1), ints(2147483647), ints(0), ints(1), 'it works on axis 0, the batch')
  bad('unsupported', ints(0), ints(2147483647), ints(0), ints(2), 'it works on axis 0, the batch')
end)

-- ---- Pad --------------------------------------------------------------------------------------------

test.case('Pad', function()
  local function padded(dims, mode, before, after, value, how)
    local pads = {}
    for i in ipairs(dims) do pads[i], pads[i + #dims] = before[i], after[i] end
    local function want(x) return R.pad(x, before, after, mode or 'constant', value or 0) end
    local what = ('Pad %s %s'):format(tostring(mode), table.concat(pads, ','))
    if how == 'old' then return check(what, 2, dims, 'Pad', {'x'}, {mode = mode, pads = pads, value = value and {real = value}}, nil, want) end
    if how == 'first' then return check(what, 1, dims, 'Pad', {'x'}, {mode = mode, paddings = pads}, nil, want) end
    return check(what, 13, dims, 'Pad', {'x', 'p', value and 'v'}, {mode = mode},
                 {p = ints(unpack(pads)), v = value and {{}, {value}}}, want)
  end
  padded({2, 3, 4, 5}, nil, {0, 0, 1, 2}, {0, 0, 3, 0})
  padded({2, 3, 4, 5}, 'constant', {0, 1, 1, 2}, {0, 2, 0, 0}, 1.5)
  padded({2, 3, 4, 5}, 'constant', {0, 1, 1, 2}, {0, 2, 0, 0}, 1.5, 'old')
  padded({2, 3, 4, 5}, 'constant', {0, 0, 1, 2}, {0, 0, 0, 0}, nil, 'first')
  for _, mode in ipairs{'reflect', 'edge'} do
    padded({2, 3, 4, 5}, mode, {0, 0, 3, 2}, {0, 0, 1, 4})
    padded({2, 3, 4, 5}, mode, {0, 0, 4, 0}, {0, 0, 0, 9})
    padded({2, 3, 4, 5}, mode, {0, 2, 0, 1}, {0, 1, 0, 0})
    padded({2, 3, 4}, mode, {0, 2, 3}, {0, 5, 4})
  end
  padded({2, 3, 4, 5}, 'wrap', {0, 0, 3, 2}, {0, 1, 5, 0})
  padded({2, 3, 4}, 'constant', {0, 1, 2}, {0, 0, 3}, -1)
  padded({2, 3}, 'constant', {0, 1}, {0, 3}, 2)
  padded({2, 3, 4, 5}, 'constant', {0, 0, -1, 2}, {0, -1, 1, -3}, 1)
  padded({2, 3, 4, 5}, 'edge', {0, 0, -1, 2}, {0, 0, 0, -1})
  padded({2, 1, 1, 1}, 'edge', {0, 0, 1, 2}, {0, 0, 2, 0})
  check('some axes', 18, {2, 3, 4, 5}, 'Pad', {'x', 'p', '', 'a'}, {}, {p = ints(1, 2, 0, 3), a = ints(-1, 1)},
        function(x) return R.pad(x, {0, 2, 0, 1}, {0, 3, 0, 0}, 'constant', 0) end)
  local function bad(code, opset, mode, constants, ...)
    refused(code, opset, {'N', 3, 4, 5}, 'Pad', {'x', 'p', '', constants.a and 'a'}, {mode = mode}, constants, ...)
  end
  bad('unsupported', 13, 'mirror', {p = ints(0, 0, 0, 0, 0, 0, 0, 0)}, "mode 'mirror' is none of constant, reflect, edge, wrap")
  bad('format', 13, nil, {p = ints(0, 0, 0, 0)}, 'it has 4 pads for 4 axes')
  bad('format', 18, nil, {p = ints(0, 0, 0, 0), a = ints(1)}, 'it has 4 pads for 1 axes')
  bad('unsupported', 13, nil, {p = ints(1, 0, 0, 0, 0, 0, 0, 0)}, 'it pads axis 0, the batch')
  bad('unsupported', 13, nil, {p = ints(0, 0, 0, 0, 1, 0, 0, 0)}, 'it pads axis 0, the batch')
  bad('unsupported', 13, nil, {p = ints(0, 0, 0, 0, 0, 0, -4, 0)}, 'nothing is left of axis 2')
  bad('unsupported', 13, nil, {p = ints(0, 0, 0, 32768, 0, 0, 0, 0)}, 'it pads axis 3 by 32768 and 0, the most is 32767')
  bad('unsupported', 13, nil, {p = ints(0, 0, 0, 0, 0, 0, 0, -32768)}, 'it pads axis 3 by 0 and -32768')
  bad('format', 18, nil, {p = ints(0, 0), a = ints(4)}, 'axis 4 of a value with 4')
  refused('unsupported', 13, {'N', 2, 2, 2, 2}, 'Pad', {'x', 'p'}, {}, {p = ints(0, 1, 0, 0, 0, 0, 0, 0, 0, 0)}, 'its input has 4 axes beside the batch')
end)

-- ---- Expand -----------------------------------------------------------------------------------------

test.case('Expand', function()
  local function expanded(dims, to, options)
    check('Expand to ' .. table.concat(to, 'x'), 13, dims, 'Expand', {'x', 's'}, {}, {s = ints(unpack(to))},
          function(x) return R.expand(x, to) end, options)
  end
  expanded({2, 3, 1, 4}, {1, 3, 5, 1})
  expanded({2, 3, 1, 4}, {5, 4})
  expanded({2, 1, 3}, {1, 4, 3})
  expanded({2, 1}, {1, 6})
  expanded({2, 3, 4}, {1})
  expanded({1, 1, 3, 1}, {1, 2, 3, 4})
  local x = R.random({3, 1, 2}, 1)
  case.check('the batch of the file', one(13, {3, 1, 2}, node('Expand', {'x', 's'}), {s = ints(3, 4, 2)}), {x}, {R.expand(x, {3, 4, 2})})
  refused('unsupported', 13, {'N', 1, 3}, 'Expand', {'x', 's'}, {}, {s = ints(2, 1, 3)}, 'it repeats the batch')
  refused('unsupported', 13, {'N', 1, 3}, 'Expand', {'x', 's'}, {}, {s = ints(2, 1, 1, 3)}, 'it puts axes before the batch')
  refused('shape', 13, {'N', 1, 3}, 'Expand', {'x', 's'}, {}, {s = ints(1, 4, 2)}, 'axis 2 of size 3 cannot become 2')
  refused('shape', 13, {'N', 1, 3}, 'Expand', {'x', 's'}, {}, {s = ints(1, 0, 3)}, 'axis 1 of size 1 cannot become 0')
end)

-- ---- elements by their places -----------------------------------------------------------------------

test.case('Gather of constant places', function()
  local function gathered(dims, axis, places, shape)
    local a = axis and (axis < 0 and axis + #dims or axis) or 0
    check(('Gather %s of axis %d'):format(table.concat(places, ' '), a), 13, dims, 'Gather', {'x', 'i'}, {axis = axis},
          {i = {shape or {#places}, places, type = onnx.INT64}}, function(x)
      local own = {}
      for i, p in ipairs(places) do own[i] = p < 0 and p + dims[a + 1] or p end
      local to = {}
      for i, d in ipairs(dims) do
        if i ~= a + 1 then to[#to + 1] = d end
        for _, s in ipairs(i == a + 1 and (shape or {#places}) or {}) do to[#to + 1] = s end
      end
      return R.reshape(R.take(x, a, own), to)
    end)
  end
  gathered({2, 5, 3}, 1, {3})
  gathered({2, 5, 3}, 1, {-1}, {})
  gathered({2, 5, 3}, -1, {2, 0})
  gathered({2, 5, 3}, 1, {1, 2, 3})
  gathered({2, 5, 3}, 1, {0, 1, 4, 3, -5, 1})
  gathered({2, 12, 3}, 1, {11, 9, 7, 5, 3, 1, 10, 8}) -- eight runs are parts that are joined
  gathered({2, 12, 3}, 1, {11, 9, 7, 5, 3, 1, 10, 8, 6})
  gathered({2, 4, 3, 5}, 1, {3, 1})
  gathered({2, 4, 3, 5}, 3, {0, 2, 4})
  gathered({2, 4, 3}, 1, {0, 1, 2, 3, 3, 2}, {2, 3})
  local function op_of(places)
    local net = case.import(one(13, {'N', 12, 3}, node('Gather', {'x', 'i'}, {axis = 1}), {i = ints(unpack(places))}))
    return net:get(net:count()).op
  end
  test.equal(op_of{11, 9, 7, 5, 3, 1, 10, 8}, 'concat')
  test.equal(op_of{11, 9, 7, 5, 3, 1, 10, 8, 6}, 'gather')
  test.equal(op_of{3, 4, 5}, 'split')
  refused('range', 13, {'N', 5, 3}, 'Gather', {'x', 'i'}, {axis = 1}, {i = ints(5)}, 'place 5 of an axis of 5')
  refused('range', 13, {'N', 5, 3}, 'Gather', {'x', 'i'}, {axis = 1}, {i = ints(-6)}, 'place -6 of an axis of 5')
  refused('unsupported', 13, {'N', 5, 3}, 'Gather', {'x', 'i'}, {axis = 1}, {i = ints()}, 'it gathers 0 places')
  refused('unsupported', 13, {'N', 5, 3}, 'Gather', {'x', 'i'}, {}, {i = ints(1)}, 'it works on axis 0, the batch')
end)

test.case('Gather of computed places', function()
  local i, table_of = {{2, 3}, {0, 3, 1, 2, 2, 0}}, R.random({4, 5}, 1)
  local function model(table_dims, attributes)
    return {opset = 13, inputs = {{'i', {'N', 3}, type = onnx.INT64}}, outputs = {{'y'}}, constants = {t = R.random(table_dims, 1)},
            nodes = {node('Gather', {'t', 'i'}, attributes)}}
  end
  local want = R.take(table_of, 0, i[2])
  case.check('lines of a table', model{4, 5}, {i}, {R.reshape(want, {2, 3, 5})})
  case.check('lines of lines', model{4, 2, 5}, {i}, {R.reshape(R.take(R.random({4, 2, 5}, 1), 0, i[2]), {2, 3, 2, 5})})
  case.check('numbers', model{4}, {i}, {R.reshape(R.take(R.random({4}, 1), 0, i[2]), {2, 3})})
  case.refused(model({5, 4}, {axis = 1}), 'unsupported', 'places that are computed point into a batch')
  local both = {opset = 13, inputs = {{'x', {'N', 4}}, {'i', {'N', 3}, type = onnx.INT64}}, outputs = {{'y'}},
                nodes = {node('Gather', {'x', 'i'}, {axis = 1})}}
  case.refused(both, 'unsupported', 'places that are computed point into a batch')
end)

test.case('GatherElements', function()
  local function model(axis, dims, places)
    return {opset = 13, inputs = {{'x', {'N', unpack(dims)}}, {'i', {'N', unpack(places)}, type = onnx.INT64}}, outputs = {{'y'}},
            nodes = {node('GatherElements', {'x', 'i'}, {axis = axis})}}
  end
  local x, i = R.random({2, 3, 4}, 1), {{2, 3, 2}, {0, 3, 1, 2, 2, 0, 3, 3, 1, 0, 2, 1}}
  local want = {{2, 3, 2}, {}}
  for k, p in ipairs(i[2]) do want[2][k] = x[2][math.floor((k - 1) / 2) * 4 + p + 1] end
  case.check('along the last axis', model(2, {3, 4}, {3, 2}), {x, i}, {want})
  case.check('counted from the end', model(-1, {3, 4}, {3, 2}), {x, i}, {want})
  case.refused(model(2, {3, 4}, {2, 2}), 'unsupported', 'places along axis 2 leave out some of axis 1')
  case.refused(model(2, {3, 4}, {3}), 'unsupported', 'its inputs have 3 and 2 axes, and a batch')
  case.refused(model(nil, {3, 4}, {3, 4}), 'unsupported', 'it works on axis 0, the batch')
  local constant = one(13, {'N', 3}, node('GatherElements', {'x', 'i'}, {axis = 1}), {i = {{1, 3}, {0, 1, 2}, type = onnx.INT64}})
  case.refused(constant, 'unsupported', 'its inputs have 2 and 2 axes, and not both a batch')
end)

test.case('TopK, ArgMax, ArgMin', function()
  local dims = {2, 5, 3}
  local function top(axis, k, largest)
    local order = {}
    local function sorted(list)
      local places = {}
      for i = 1, #list do places[i] = i end
      table.sort(places, function(a, b)
        if list[a] ~= list[b] then return (list[a] > list[b]) == largest end
        return a < b
      end)
      for i = #places, k + 1, -1 do places[i] = nil end
      order = places
      return order
    end
    return function(list)
      local values = {}
      for i, p in ipairs(sorted(list)) do values[i] = list[p] end
      return values
    end, function(list)
      local places = {}
      for i, p in ipairs(sorted(list)) do places[i] = p - 1 end
      return places
    end, axis
  end
  local x = R.map(R.random(dims, 8), math.floor) -- some are equal
  local function check_top(opset, attributes, inputs, axis, k, largest)
    local model = one(opset, {'N', 5, 3}, node('TopK', inputs, attributes, {'y', 'i'}), {k = ints(k)})
    model.outputs[2] = {'i'}
    local values, places = top(axis, k, largest)
    local _, faces = case.check('TopK', model, {x}, {R.lines(x, axis, values), R.lines(x, axis, places)})
    test.equal(faces.outputs[2].type, 'int64')
    test.equal(faces.outputs[1].type, 'float')
  end
  check_top(11, {}, {'x', 'k'}, 2, 2, true)
  check_top(11, {axis = 1, largest = 0}, {'x', 'k'}, 1, 5, false)
  check_top(11, {axis = -2, largest = 1}, {'x', 'k'}, 1, 1, true)
  check_top(10, {axis = 1}, {'x', 'k'}, 1, 3, true)
  check_top(9, {axis = 1, k = 3}, {'x'}, 1, 3, true)
  local only = one(11, {'N', 5, 3}, node('TopK', {'x', 'k'}, {axis = 1}, {'', 'y'}), {k = ints(2)})
  local _, places = top(1, 2, true)
  case.check('places alone', only, {x}, {R.lines(x, 1, places)})
  refused('unsupported', 11, {'N', 5, 3}, 'TopK', {'x', 'k'}, {}, {k = ints(4)}, 'it takes 4 of 3')
  refused('unsupported', 11, {'N', 5, 3}, 'TopK', {'x', 'k'}, {}, {k = ints(0)}, 'it takes 0 of 3')
  refused('format', 11, {'N', 5, 3}, 'TopK', {'x'}, {k = 2}, nil, 'its second input is not one number')
  refused('unsupported', 11, {'N', 5, 3}, 'TopK', {'x', 'k'}, {axis = 0}, {k = ints(1)}, 'it works on axis 0, the batch')
  for _, op in ipairs{'ArgMax', 'ArgMin'} do
    for _, axis in ipairs{1, 2, -1} do
      for keeps = 0, 1 do
        for last = 0, 1 do
          local a = axis < 0 and axis + 3 or axis
          local y = R.lines(x, a, function(list)
            local at = 1
            for i, v in ipairs(list) do
              local better = op == 'ArgMax' and v > list[at] or op == 'ArgMin' and v < list[at]
              if better or (last == 1 and v == list[at]) then at = i end
            end
            return {at - 1}
          end)
          local dims_of = keeps == 1 and y[1] or (a == 1 and {2, 3} or {2, 5})
          case.check(('%s of %d, keepdims %d, last %d'):format(op, axis, keeps, last),
                     one(13, {'N', 5, 3}, node(op, {'x'}, {axis = axis, keepdims = keeps, select_last_index = last})), {x},
                     {R.reshape(y, dims_of)})
        end
      end
    end
    refused('unsupported', 13, {'N', 5, 3}, op, {'x'}, {}, nil, 'it works on axis 0, the batch')
  end
  local _, first = top(1, 1, true)
  case.check('keepdims is 1, the first of equals', one(13, {'N', 5, 3}, node('ArgMax', {'x'}, {axis = 1})), {x}, {R.lines(x, 1, first)})
end)

return test.finish()
