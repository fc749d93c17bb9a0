-- What an ONNX file says besides its ops: element types and where data lies, attributes, inputs and outputs, names, and what
-- a bundle remembers of them.
local case = dofile 'tests/support/onnx_case.lua'
local R = dofile 'tests/support/onnx_reference.lua'
local test, onnx = case.test, case.onnx
local floats, ints = case.floats, case.ints
local anet = require 'anet'

-- y = Relu x, and the constant k, or what k becomes.
local function holds(k, more)
  local m = {opset = 13, inputs = {{'x', {'N', 3}}}, outputs = {{'y'}, {'c'}}, constants = {k = k},
             nodes = {{'Relu', {'x'}, {'y'}}, {'Identity', {'k'}, {'c'}}}}
  for name, value in pairs(more or {}) do m[name] = value end
  return m
end

local X = {{2, 3}, {-1, 2, -3, 4, 5, -6}}
local Y = {{2, 3}, {0, 2, 0, 4, 5, 0}}
local CONSTANT = {no_return = 'is the same for every image: a constant'}

local function check_array(what, k, want, type)
  local net, faces = case.check(what, holds(k), {X}, {Y, want}, CONSTANT)
  if net then test.equal(faces.outputs[2].type, type) end
end

-- ---- arrays -----------------------------------------------------------------------------------------

-- type, its name, its field, values as they are written, and what they are.
local TYPES = {
  {onnx.FLOAT, 'float', {4, 'packed'}, {1.5, -2, 1e30}},
  {onnx.DOUBLE, 'double', {10, 'packed'}, {1.5, -2, 1e30}},
  {onnx.FLOAT16, 'float16', {5, 'varint'}, {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x83FF, 0x0400, 0x3555}, -- the last is a third, nearly
   {1, -2, 65504, 2 ^ -24, -1023 * 2 ^ -24, 2 ^ -14, 0x555 * 2 ^ -12}},
  {onnx.BFLOAT16, 'bfloat16', {5, 'varint'}, {0x3FC0, 0xC000, 0x0080}, {1.5, -2, 2 ^ -126}},
  {onnx.UINT8, 'uint8', {5, 'varint'}, {0, 1, 255}}, {onnx.INT8, 'int8', {5, 'varint'}, {-128, 0, 127}},
  {onnx.UINT16, 'uint16', {5, 'varint'}, {1, 65535}}, {onnx.INT16, 'int16', {5, 'varint'}, {-32768, 32767}},
  {onnx.INT32, 'int32', {5, 'varint'}, {-2 ^ 31, 7}}, {onnx.UINT32, 'uint32', {11, 'varint'}, {2 ^ 31, 7}},
  {onnx.INT64, 'int64', {7, 'varint'}, {-2 ^ 40, 7}}, {onnx.UINT64, 'uint64', {11, 'varint'}, {2 ^ 40, 7}},
  {onnx.BOOL, 'bool', {5, 'varint'}, {0, 1, 1}},
}

test.case('element types, in bytes and in their fields', function()
  for _, t in ipairs(TYPES) do
    local type, name, field, values = t[1], t[2], t[3], t[4]
    local want = {{#values}, t[5] or values}
    check_array(name .. ' in bytes', {{#values}, values, type = type}, want, name)
    check_array(name .. ' in its field', {{#values}, values, type = type, field = field}, want, name)
  end
  check_array('a boolean of another byte', {{2}, {2, 0}, type = onnx.BOOL}, {{2}, {1, 0}}, 'bool')
  check_array('infinity', {{1}, {0x7C00}, type = onnx.FLOAT16}, {{1}, {math.huge}}, 'float16')
  check_array('no number', {{1}, {0x7C01}, type = onnx.FLOAT16}, {{1}, {0 / 0}}, 'float16')
end)

test.case('arrays that cannot be', function()
  local function refused(k, code, ...) case.refused(holds(k), code, ...) end
  refused({{3}, {1, 2}}, 'format', "array 'k': 8 bytes of data, its shape wants 12")
  refused({{2}, {1, 2, 3}, type = onnx.INT8}, 'format', "array 'k': 3 bytes of data, its shape wants 2")
  for _, t in ipairs(TYPES) do
    refused({{#t[4] + 1}, t[4], type = t[1], field = t[3]}, 'format', ("array 'k': %d elements, its shape wants %d"):format(#t[4], #t[4] + 1))
  end
  refused({{1}, {}, type = onnx.STRING, bytes = 'a'}, 'unsupported', "array 'k' has element type 8, which holds no numbers")
  refused({{1}, {}, type = 17, bytes = 'a'}, 'unsupported', "array 'k' has element type 17, which holds no numbers")
  refused({{1, 1, 1, 1, 1, 1, 1, 1, 1}, {1}}, 'unsupported', "array 'k' has 9 dimensions, the most is 8")
  refused({{-1}, {1}}, 'format', "array 'k': dimension 0 is -1")
  test.check(case.import(holds{{1, 1, 1, 2, 1, 1, 1, 1}, {1, 2}}), 'eight dimensions are imported')
end)

test.case('data in a file of its own', function()
  local name, remove = case.beside('pad!' .. onnx.tensor('', floats(1.5, -2)):sub(-8) .. 'more')
  local function apart(external) return {{2}, {}, external = external} end
  check_array('by its place', apart{location = name, offset = '4', length = '8'}, {{2}, {1.5, -2}}, 'float')
  check_array('without a length', apart{location = name, offset = '4'}, {{2}, {1.5, -2}}, 'float')
  check_array('at the end', {{4}, {}, type = onnx.UINT8, external = {location = name, offset = '12'}}, {{4}, {109, 111, 114, 101}}, 'uint8')
  check_array('at the beginning', {{3}, {}, type = onnx.UINT8, external = {location = name}}, {{3}, {112, 97, 100}}, 'uint8')
  local function refused(external, code, ...) case.refused(holds(apart(external)), code, ...) end
  refused({location = name, offset = '4', length = '9'}, 'format', "'k': its data has 9 bytes, its shape wants 8")
  refused({location = name, offset = '9'}, 'format', 'has 16 bytes, its data ends at 17')
  refused({location = name, offset = '17'}, 'format', 'has 16 bytes, its data ends at 25')
  refused({location = name, offset = '4x'}, 'format', "'k': its data's offset is '4x', no number")
  refused({location = name, length = '-8'}, 'format', "'k': its data's length is '-8', no number")
  refused({location = name, offset = '99999999999999999999'}, 'format', "its data's offset is '99999999999999999999', no number")
  remove()
  refused({location = name}, 'io', "'k': its data", name)
  local _, message = case.import(holds(apart{location = '../' .. name}))
  test.mentions(message, "'k': its data")
end)

-- ---- attributes, and the model ----------------------------------------------------------------------

test.case('attributes without their type', function()
  local x = R.random({2, 3, 4, 4}, 1)
  local function one(n, want, constants) case.check(n[1], case.one(10, {'N', 3, 4, 4}, n, constants), {x}, {want}) end
  one({'Elu', {'x'}, {'y'}, alpha = {bare = {real = 0.5}}}, R.map(x, function(v) return v < 0 and 0.5 * (math.exp(v) - 1) or v end))
  one({'Flatten', {'x'}, {'y'}, axis = {bare = 1}}, R.reshape(x, {2, 48}))
  one({'Pad', {'x'}, {'y'}, mode = {bare = 'edge'}, pads = {bare = {0, 0, 1, 0, 0, 0, 0, 1}}}, R.pad(x, {0, 0, 1, 0}, {0, 0, 0, 1}, 'edge'))
  local net = case.import(holds(floats(1), {nodes = {{'Relu', {'x'}, {'y'}}, {'Constant', {}, {'c'}, value = {bare = {array = floats(7)}}}}}))
  test.check(net, 'an array')
  net = case.import(holds(floats(1), {nodes = {{'Relu', {'x'}, {'y'}}, {'Constant', {}, {'c'}, value_floats = {bare = {reals = {1, 2}}}}}}))
  test.check(net, 'floats')
end)

-- An attribute of another kind is as if it were not there.
test.case('attributes of another kind', function()
  local x = R.random({2, 3}, 1)
  case.check('Elu', case.one(10, {'N', 3}, {'Elu', {'x'}, {'y'}, alpha = 3}), {x}, {R.map(x, function(v) return v < 0 and math.exp(v) - 1 or v end)})
  case.check('Flatten', case.one(10, {'N', 3}, {'Flatten', {'x'}, {'y'}, axis = {real = 0}}), {x}, {x})
  case.check('Gelu', case.one(20, {'N', 3}, {'Relu', {'x'}, {'y'}, mode = {1}}), {x}, {R.map(x, function(v) return math.max(v, 0) end)})
end)

test.case('models that cannot be', function()
  local function refused(bytes, code, ...)
    local net, message, got = case.import(bytes)
    test.check(not net, 'is imported')
    test.equal(got, code)
    for _, words in ipairs{...} do test.mentions(message, words) end
  end
  local good = onnx.bytes(holds(floats(1)))
  refused(onnx.number(1, 8), 'format', 'it holds no graph')
  refused(good .. onnx.blob(25, onnx.blob(1, 'f')), 'unsupported', 'it defines 1 functions of its own; inline them before the export')
  refused(onnx.bytes(holds(floats(1), {more = onnx.blob(15, '')})), 'unsupported', 'it has 1 sparse initialisers; export it with dense ones')
  refused(good:sub(1, -2), 'format', 'are cut off, or are none')
  refused(good .. '\7', 'format', 'are cut off, or are none')
  refused(onnx.bytes(holds(floats(1), {nodes = {{'Relu', {'x'}, {'y\0z'}}}})), 'format', 'have a text with a zero byte in it')
  refused(onnx.bytes(holds(floats(1), {nodes = {{'Relu', {'x'}, {'\255'}}}})), 'format', 'of a value is not UTF-8')
  refused(onnx.bytes(holds(floats(1), {nodes = {{'Relu', {'x'}, {'y'}}, {'Relu', {'x'}, {'y'}}}})), 'format', "'y' is made twice")
  refused(onnx.bytes(holds(floats(1), {outputs = {}})), 'format', 'it has no outputs')
  refused(onnx.bytes(holds(floats(1), {outputs = {{'nothing'}}})), 'format', "'nothing'")
end)

test.case('opsets and domains', function()
  local function relu(more, domain)
    local m = {inputs = {{'x', {'N', 3}}}, outputs = {{'y'}}, nodes = {{'Relu', {'x'}, {'y'}, {domain = domain}}}}
    for name, value in pairs(more) do m[name] = value end
    return m
  end
  local function opset_of(more)
    local _, about = case.import(relu(more))
    return about:value 'border'.opset
  end
  test.equal(opset_of{opset = 13}, 13)
  test.equal(opset_of{opset = 13, domains = {['com.other'] = 1}}, 13)
  test.equal(opset_of{domains = {['ai.onnx'] = 9}}, 9)
  test.equal(opset_of{}, 1)
  case.check('the domain of ONNX', relu({opset = 13}, 'ai.onnx'), {X}, {Y})
  case.refused(relu({opset = 13}, 'com.other'), 'unsupported', "op 'com.other:Relu' of node 'y' is not one this engine has: simplify the model")
  local named = relu{opset = 13}
  named.nodes[1][1], named.nodes[1][4] = 'Oddity', {name = 'first'}
  test.equal(case.refused(named, 'unsupported', "op 'Oddity' of node 'first' is not one"), "Oddity 'first' (opset 13)")
end)

-- ---- inputs -----------------------------------------------------------------------------------------

test.case('inputs that cannot be', function()
  local function refused(face, code, ...) case.refused({opset = 13, inputs = {face}, outputs = {{'y'}}, nodes = {{'Relu', {'x'}, {'y'}}}}, code, ...) end
  refused({'x', {'N', 3}, type = onnx.STRING}, 'unsupported', "input 'x' has element type 8, want numbers or booleans")
  refused({'x'}, 'unsupported', "input 'x' has no shape; export the model with one")
  refused({'x', {'N', 3, 'N'}}, 'unsupported', "input 'x' has shape (?, 3, ?): only the batch may stay open; export it with fixed sizes")
  refused({'x', {'N'}}, 'unsupported', "input 'x' has shape (?): only the batch may stay open")
  refused({'x', {'N', 0}}, 'unsupported', "input 'x' has shape (?, ?): only the batch")
  refused({'x', {'N', 1, 1, 1, 1, 1, 1, 1, 1}}, 'unsupported', "'x' has 9 dimensions, the most is 8")
  refused({'x', {'N', 2, 2, 2, 2, 2}}, 'unsupported', "input 'x' has 6 axes")
end)

test.case('shapes of inputs', function()
  local function shape(dims) return table.concat((case.import(case.one(13, dims, {'Relu', {'x'}, {'y'}}))):shape(1), 'x') end
  test.equal(shape{'N', 3, 4, 5}, '4x5x3')
  test.equal(shape{'N', 3, 4}, '3x4')
  test.equal(shape{'N', 3}, '3')
  test.equal(shape{'N', 2, 3, 4, 5}, '2x3x4x5')
  test.equal(shape{7}, '7')
  test.equal(shape{}, '1')
  test.equal(shape{2, 3, 4, 5}, '4x5x3') -- a batch of 2
end)

-- Where the ops cannot do with a batch, a file that fixes all sizes is one image of one axis more.
test.case('one image of one axis more', function()
  local function turned(dims)
    local perm, back = {}, {}
    for i = 1, #dims do perm[i], back[i] = #dims - i, dims[#dims + 1 - i] end
    local x = R.random(dims, 1)
    local net, faces = case.check('turned', case.one(13, dims, {'Transpose', {'x'}, {'y'}}), {x}, {R.transpose(x, perm)}, {no_return = true})
    test.equal(faces.inputs[1].batch, false)
    return table.concat(net:shape(1), 'x')
  end
  test.equal(turned{2, 3}, '2x3')
  test.equal(turned{2, 3, 4}, '2x3x4')
  test.equal(turned{2, 3, 2, 3}, '2x3x2x3')
  local many = {2, 1, 3, 2, 2} -- axes of 1 are left out where there are many
  local x = R.random(many, 1)
  local net = case.check('many axes', case.one(11, many, {'ReduceSum', {'x'}, {'y'}, axes = {0}, keepdims = 0}), {x}, {R.reduce(x, {0}, false, R.sum)},
                         {no_return = true})
  test.equal(table.concat(net:shape(1), 'x'), '2x3x2x2')
  case.refused(case.one(13, {'N', 3}, {'Transpose', {'x'}, {'y'}}), 'unsupported', 'it moves axis 0, the batch')
  case.refused(case.one(13, {2, 2, 2, 2, 2}, {'Transpose', {'x'}, {'y'}}), 'unsupported', 'it moves axis 0, the batch')
end)

test.case('inputs that are constants', function()
  local m = {opset = 13, inputs = {{'x', {'N', 3}}, {'k', {3}}}, outputs = {{'y'}}, nodes = {{'Add', {'x', 'k'}, {'y'}}}, constants = {k = floats(1, 2, 3)}}
  local want = {{2, 3}, {0, 4, 0, 5, 7, -3}}
  test.equal(#case.check('initialisers', m, {X}, {want}):inputs(), 1) -- files of the first versions list them
  m.constants = nil
  local given = anet.tensor{3}
  for i = 0, 2 do given:data()[i] = i + 1 end
  local net = case.check('given', m, {X}, {want}, {constants = {k = given}})
  test.equal(#net:inputs(), 1)
  local whole = {opset = 13, inputs = {{'x', {'N', 3}}, {'k', {1}, type = onnx.INT64}}, outputs = {{'y'}}, nodes = {{'Unsqueeze', {'x', 'k'}, {'y'}}}}
  local axis = anet.tensor{1}
  axis:data()[0] = 1
  case.check('of whole numbers', whole, {X}, {R.reshape(X, {2, 1, 3})}, {constants = {k = axis}})
  local _, message, code = case.import(m, {constants = {k = anet.tensor({3}, 'u8')}})
  test.mentions(message, "the constant for input 'k' is no dense f32 tensor")
  test.equal(code, 'state')
  case.refused(whole, 'unsupported', "input 1, 'k', must be a constant")
end)

test.case('names of inputs', function()
  local path = os.tmpname()
  local file = io.open(path, 'wb')
  file:write(onnx.bytes{opset = 13, inputs = {{'first', {'N', 3}}, {'k', {1}}, {'second', {'N', 3}}}, outputs = {{'y'}}, constants = {k = floats(1)},
                        nodes = {{'Add', {'first', 'second'}, {'y'}}}})
  file:close()
  test.same(anet.net.onnx_inputs(path), {'first', 'second'})
  local ffi = require 'ffi'
  local name = ffi.new('char[16]', 'untouched')
  local C = require 'anet.core'.C
  test.equal(C.anet_onnx_input(path, 1, name, 4), 0)
  test.equal(ffi.string(name), 'sec')
  test.check(C.anet_onnx_input(path, 2, name, 16) ~= 0 and C.anet_onnx_input(path, -1, name, 16) ~= 0, 'there are two')
  test.mentions(ffi.string(C.anet_error()), 'there is no input -1, it has 2')
  test.equal(ffi.string(name), 'sec')
  os.remove(path)
end)

-- ---- outputs and the border -------------------------------------------------------------------------

test.case('names of outputs', function()
  local x = {{2, 3}, X[2]}
  local function names(m)
    local list, net = {}, case.check('names', m, {x}, {})
    for i, v in ipairs(net:outputs()) do list[i] = net:get(v).name end
    return list
  end
  local m = {opset = 13, inputs = {{'x', {'N', 3}}}, outputs = {{'y'}}, nodes = {{'Relu', {'x'}, {'y'}}}}
  test.same(names(m), {'y'})
  m.outputs = {{'same'}}
  m.nodes = {{'Relu', {'x'}, {'r'}}, {'Squeeze', {'r', 'none'}, {'same'}}} -- the layout alone changes
  m.constants = {none = {{0}, {}, type = onnx.INT64}}
  test.same(names(m), {'same'})
  m.outputs[2], m.outputs[3] = {'r'}, nil
  test.same(names(m), {'same', 'r'})
  local straight = {opset = 13, inputs = {{'x', {'N', 3}}}, outputs = {{'x'}}, nodes = {}}
  local net, about = case.import(straight)
  test.equal(net:get(net:outputs()[1]).op, 'identity')
  test.same(case.run(net, about, {x})[1][2], X[2])
end)

-- What the text 'border' says of a value.
local function face(model, side, index)
  local net, about = case.import(model)
  local f = about:value 'border'[side][index]
  return table.concat({f.name, f.type, tostring(f.batch), table.concat(f.dims, 'x'), table.concat(f.atoms, 'x'), table.concat(f.order, ' ')}, '; '), about, net
end

test.case('borders', function()
  local function of(dims, ...)
    local nodes = {}
    for i, n in ipairs{...} do nodes[i] = n end
    return {opset = 13, producer = 'someone', inputs = {{'x', dims}}, outputs = {{'y'}}, nodes = nodes,
            constants = {to = ints(0, 2, 3, -1), all = ints(0, -1)}}
  end
  local relu = {'Relu', {'x'}, {'y'}}
  local text, about = face(of({'N', 3, 4, 5}, relu), 'inputs', 1)
  test.equal(text, 'x; float; true; 3x4x5; 3x4x5; 1 2 0')
  test.equal(about:value 'border'.producer, 'someone')
  test.equal(about:value 'border'.format, 'onnx')
  test.equal((face(of({'N', 3, 1, 5}, relu), 'outputs', 1)), 'y; float; true; 3x1x5; 3x5; 1 0')
  test.equal((face(of({'N', 3, 4}, relu), 'outputs', 1)), 'y; float; true; 3x4; 3x4; 0 1')
  test.equal((face(of({7}, relu), 'outputs', 1)), 'y; float; false; 7; 7; 0')
  test.equal((face(of({'N', 6, 4, 5}, {'Reshape', {'x', 'all'}, {'y'}}), 'outputs', 1)), 'y; float; true; 120; 120; 0')
  test.equal((face(of({'N', 3, 4}, {'Cast', {'x'}, {'y'}, to = onnx.INT32}), 'outputs', 1)), 'y; int32; true; 3x4; 3x4; 0 1')
  -- an order that only this file has is stored as images are
  test.equal((face(of({'N', 3, 4, 5}, {'Transpose', {'x'}, {'y'}, perm = {0, 2, 1, 3}}), 'outputs', 1)), 'y; float; true; 4x3x5; 4x3x5; 1 2 0')
  test.equal((face(of({'N', 3, 4, 5}, {'Transpose', {'x'}, {'y'}, perm = {0, 2, 3, 1}}), 'outputs', 1)), 'y; float; true; 4x5x3; 4x5x3; 0 1 2')
end)

test.case('a border that does not fit is left out', function()
  local function exported(change)
    local net, about = case.import(case.one(13, {'N', 6, 4, 5}, {'Transpose', {'x'}, {'y'}, perm = {0, 2, 3, 1}}))
    local border = about:value 'border'
    change(border.outputs[1])
    about:set_value('border', border)
    return table.concat(case.export(net, about).outputs[1][2], 'x')
  end
  test.equal(exported(function() end), 'Nx4x5x6')
  test.equal(exported(function(f) f.dims = {20, 2, 3} end), 'Nx20x2x3')
  test.equal(exported(function(f) f.dims, f.atoms, f.order = {120}, {20, 6}, {1, 0} end), 'Nx120')
  local function without(change) test.equal(exported(change), 'Nx6x4x5') end
  without(function(f) f.name = 'another' end)
  without(function(f) f.batch = false end)
  without(function(f) f.atoms = {4, 5, 5} end)
  without(function(f) f.atoms = {4, 5, 7} end)
  without(function(f) f.atoms, f.order = {4, 5, 6, 1}, {0, 1, 2, 3} end)
  without(function(f) f.order = {0, 1, 1} end)
  without(function(f) f.order = {1, 2, 3} end)
  without(function(f) f.order = {0, 1} end)
  without(function(f) f.order = {0, 1, 2, 2} end)
  without(function(f) f.order = {0, 1, -1} end)
  without(function(f) f.dims = {119} end)
  without(function(f) f.dims = {4, 5, 6, 0} end)
  without(function(f) f.dims = nil end)
  without(function(f) f.dims = {1, 1, 1, 1, 1, 4, 5, 6} end) -- with the batch one too many
  without(function(f) f.atoms = {4, 5, 6.5} end)
  without(function(f) f.atoms = 'many' end)
end)

-- ---- named outputs ----------------------------------------------------------------------------------

test.case('outputs by their names', function()
  local m = {opset = 13, inputs = {{'x', {'N', 3}}, {'z', {'N', 3}, type = onnx.STRING}}, outputs = {{'odd'}},
             nodes = {{'Relu', {'x'}, {'a'}}, {'Oddity', {'z'}, {'b'}}, {'Neg', {'a'}, {'c'}}, {'Abs', {'c'}, {'d'}}, {'Oddity', {'b', 'd'}, {'odd'}}}}
  local net, message, code = case.import(m, {outputs = {'e'}})
  test.fails("outputs: no node makes 'e'", 'range', net, message, code)
  net, message, code = case.import(m, {outputs = {'x'}})
  test.fails("outputs: no node makes 'x'", 'range', net, message, code)
  m.inputs[2].type = nil
  local about
  net, about = case.import(m, {outputs = {'d', 'a'}})
  local out = case.run(net, about, {X})
  test.same(out[1][2], Y[2])
  test.same(out[2][2], Y[2])
  test.equal(#net:inputs(), 1) -- what nobody needs is gone
  test.equal(about:value 'left_out', nil)
end)

return test.finish()
