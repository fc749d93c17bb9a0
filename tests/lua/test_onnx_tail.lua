-- Models whose end cannot be imported: what is left out and said of it, what a bundle keeps, and what comes back in an
-- exported file.
local case = dofile 'tests/support/onnx_case.lua'
local test, onnx = case.test, case.onnx
local floats, ints = case.floats, case.ints
local anet = require 'anet'

local function copy(t, more)
  local all = {}
  for k, v in pairs(t) do all[k] = v end
  for k, v in pairs(more or {}) do all[k] = v end
  return all
end

-- x -> a -> b, of which an op that nobody here has makes d; e is made of d and c.
local MODEL = {
  opset = 13, inputs = {{'x', {'N', 3}}}, outputs = {{'e'}, {'b'}},
  nodes = {{'Relu', {'x'}, {'a'}}, {'Neg', {'a'}, {'b'}}, {'NonZero', {'b'}, {'d'}}, {'Add', {'d', 'a'}, {'e'}}},
}

local function import(model, options)
  options = options or {}
  options.partial = true
  local net, about, code = case.import(model, options)
  if not test.check(net, tostring(about)) then return end
  return net, about, about:value 'left_out', code
end

local function names(list)
  local words = {}
  for i, v in ipairs(list or {}) do words[i] = type(v) == 'table' and v[1] or v end
  return table.concat(words, ' ')
end

local function outputs(net)
  local list = {}
  for i, v in ipairs(net:outputs()) do list[i] = net:get(v).name end
  return table.concat(list, ' ')
end

local function ops(nodes)
  local words = {}
  for i, n in ipairs(nodes) do words[i] = n[1] end
  return table.concat(words, ' ')
end

test.case('what is left out, and why', function()
  local net, _, left = import(MODEL)
  test.equal(outputs(net), 'b a')
  test.equal(left.ops.NonZero, 1)
  test.equal(left.ops.Add, 1)
  test.equal(left.ops.Relu, nil)
  test.equal(#left.why, 1)
  test.equal(left.why[1], "NonZero 'd' (opset 13): op 'NonZero' of node 'd' is not one this engine has")
  test.equal(names(left.outputs), 'e')
  test.equal(names(left.reads), 'a b')
  test.equal(left.gone, nil)
  local other = case.import(MODEL)
  test.check(not other, 'without the option it is refused')
  net, _, left = import{opset = 13, inputs = MODEL.inputs, outputs = {{'y'}}, nodes = {{'Relu', {'x'}, {'y'}}}}
  test.equal(left, nil)
  test.equal(outputs(net), 'y')
end)

-- What nobody wants is no loss, and what an end reads of inputs is no output.
test.case('dead ends', function()
  local dead = copy(MODEL, {outputs = {{'b'}}})
  local net, _, left = import(dead)
  test.equal(outputs(net), 'b')
  test.equal(left, nil)
  local straight = copy(MODEL, {nodes = {MODEL.nodes[1], {'NonZero', {'x'}, {'d'}}, {'Add', {'d', 'a'}, {'e'}}}, outputs = {{'e'}}})
  net, _, left = import(straight)
  test.equal(outputs(net), 'a')
  test.equal(names(left.reads), 'x a')
end)

test.case('it comes back', function()
  local net, about = import(MODEL)
  local model = case.export(net, about)
  test.equal(ops(model.nodes), 'Relu Mul NonZero Add')
  test.equal(names(model.outputs), 'e b')
  test.equal(names(model.inputs), 'x')
  test.equal(model.opset, 17)
  test.same(model.nodes[3][2], {'b'})
  test.same(model.nodes[4][2], {'d', 'a'})
  local alone = case.export(net) -- who does not know of it writes what there is
  test.equal(names(alone.outputs), 'b a')
end)

-- ---- what goes with it --------------------------------------------------------------------------------

test.case('constants and inputs of the end', function()
  local m = copy(MODEL, {
    inputs = {{'x', {'N', 3}}, {'limit', {1}}, {'text', {1}, type = onnx.STRING}, {'given', {2}}}, outputs = {{'e'}},
    constants = {k = floats(1, 2), whole = ints(1, 2, 3), three = ints(3)},
    nodes = {{'Relu', {'x'}, {'a'}}, {'Constant', {}, {'c'}, value_float = {real = 2}}, {'Mul', {'c', 'k'}, {'f'}}, {'Shape', {'whole'}, {'s'}},
             {'Oddity', {'a', 'f', 'k', 's', 'limit', 'text', 'given', ''}, {'d'}, {domain = 'com.other'}}, {'Identity', {'d'}, {'e'}}},
    domains = {['com.other'] = 3},
  })
  local given = anet.tensor{2}
  given:data()[0], given:data()[1] = 5, 6
  local net, about, left = import(m, {constants = {given = given}})
  test.equal(left.gone, nil)
  test.equal(left.ops.Oddity, 1)
  test.equal(names(left.reads), 'limit a')
  local again = case.export(net, about)
  test.equal(names(again.outputs), 'e')
  test.equal(names(again.inputs), 'x limit text')
  test.equal(again.inputs[3].type, onnx.STRING)
  test.same(again.constants.k[2], {1, 2})
  test.same(again.constants.given[2], {5, 6})
  test.equal(again.constants.three, nil)
  test.equal(again.domains['com.other'], 3)
  local made = {}
  for _, n in ipairs(again.nodes) do
    for _, name in ipairs(n[3]) do made[name] = n end
  end
  for name in pairs(again.constants) do made[name] = true end
  for _, face in ipairs(again.inputs) do made[face[1]] = true end
  for _, n in ipairs(again.nodes) do
    for _, name in ipairs(n[2]) do test.check(name == '' or made[name], 'nothing makes ' .. name) end
  end
end)

test.case('attributes that became inputs', function()
  local m = {opset = 11, inputs = MODEL.inputs, outputs = {{'p'}, {'q'}, {'r'}, {'s'}},
             nodes = {{'Relu', {'x'}, {'a'}}, {'NonZero', {'a'}, {'n'}}, {'Squeeze', {'n'}, {'p'}, axes = {0}}, {'Unsqueeze', {'n'}, {'q'}, axes = {2, 3}},
                      {'ReduceSum', {'n'}, {'r'}, axes = {1}, keepdims = 0}, {'Split', {'n'}, {'s'}, axis = 1, split = {3}}}}
  local net, about = import(m)
  local again = case.export(net, about)
  test.equal(ops(again.nodes), 'Relu NonZero Squeeze Unsqueeze ReduceSum Split')
  for i, want in pairs{[3] = {'p.axes', {0}}, [4] = {'q.axes', {2, 3}}, [5] = {'r.axes', {1}}, [6] = {'s.split', {3}}} do
    local n = again.nodes[i]
    test.same(n[2], {'n', want[1]})
    test.same(again.constants[want[1]][2], want[2])
    test.equal(n.axes or n.split, nil)
  end
  test.equal(again.nodes[5].keepdims, 0)
  test.equal(again.nodes[6].axis, 1)
  m.opset = 13
  m.nodes[3] = {'Squeeze', {'n', 'axis'}, {'p'}}
  m.constants = {axis = ints(0)}
  again = case.export((import(m)), (select(2, import(m))))
  test.same(again.nodes[3][2], {'n', 'axis'})
end)

test.case('graphs within', function()
  local inner = {nodes = {{'Neg', {'a'}, {'u'}}, {'Squeeze', {'u'}, {'v'}, axes = {1}}}, outputs = {{'v'}}}
  local m = {opset = 11, inputs = MODEL.inputs, outputs = {{'e'}}, constants = {t = {{}, {1}, type = onnx.BOOL}},
             nodes = {{'Relu', {'x'}, {'a'}}, {'If', {'t'}, {'e'}, then_branch = {graph = inner}, else_branch = {graph = inner}}}}
  local net, about, left = import(m)
  test.equal(outputs(net), 'a')
  test.equal(names(left.reads), 'a')
  test.equal(left.gone, nil)
  local again = case.export(net, about)
  test.equal(ops(again.nodes), 'Relu If')
  test.same(again.constants['v.axes'][2], {1})
  inner.nodes[1][1] = 'Oddity'
  left = select(3, import(m))
  test.equal(left.gone, 'Oddity of opset 11 has no like in opset 17')
end)

-- ---- what cannot come back ------------------------------------------------------------------------------

test.case('why it is gone', function()
  local function gone(model, options) return (select(3, import(model, options)) or {}).gone end
  test.equal(gone(MODEL), nil)
  test.equal(gone(MODEL, {outputs = {'e', 'b'}}), 'outputs were named')
  test.equal(gone(copy(MODEL, {nodes = {MODEL.nodes[1], MODEL.nodes[2], {'Oddity', {'b'}, {'d'}}, MODEL.nodes[4]}})),
             'Oddity of opset 13 has no like in opset 17')
  test.equal(gone(copy(MODEL, {opset = 8})), 'NonZero of opset 8 has no like in opset 17')
  test.equal(gone(copy(MODEL, {opset = 9})), nil)
  test.equal(gone(copy(MODEL, {opset = 21})), nil)
  test.equal(gone(copy(MODEL, {opset = 22})), 'NonZero of opset 22 has no like in opset 17')
  local whole = copy(MODEL, {inputs = {{'x', {2, 3}}}, nodes = {{'Transpose', {'x'}, {'a'}}, unpack(MODEL.nodes, 2)}})
  test.equal(gone(whole), 'the model has no batch') -- with one nothing would be left of it
  local cast = copy(MODEL, {nodes = {MODEL.nodes[1], {'Cast', {'a'}, {'b'}, to = onnx.INT64}, MODEL.nodes[3], MODEL.nodes[4]}})
  test.equal(gone(cast), 'what it reads is not of f32 numbers')
  test.equal(gone(copy(MODEL, {inputs = {{'x', {'N', 3}, type = onnx.INT64}}})), "the model's numbers are not f32")
  local batch = copy(MODEL, {nodes = {MODEL.nodes[1], MODEL.nodes[2], {'Shape', {'x'}, {'s'}}, {'NonZero', {'s'}, {'d'}}, MODEL.nodes[4]}})
  test.equal(gone(batch), 'it needs the size of the batch')
  local typed = copy(MODEL, {constants = {k = {{2}, {1, 2}, type = onnx.INT32}},
                             nodes = {MODEL.nodes[1], MODEL.nodes[2], {'Mul', {'k', 'k'}, {'s'}}, {'NonZero', {'s'}, {'d'}}, MODEL.nodes[4]}})
  test.equal(gone(typed), nil) -- it goes along, as all that constants make
  local picked = copy(typed, {nodes = {MODEL.nodes[1], MODEL.nodes[2], {'Shape', {'b'}, {'s'}, start = 1}, {'Cast', {'s'}, {'t'}, to = onnx.INT32},
                                       {'NonZero', {'t'}, {'d'}}, MODEL.nodes[4]}, opset = 15})
  test.equal(gone(picked), nil)
  local given = anet.tensor{2}
  local handed = copy(MODEL, {inputs = {{'x', {'N', 3}}, {'k', {2}, type = onnx.INT64}},
                              nodes = {MODEL.nodes[1], MODEL.nodes[2], {'NonZero', {'k'}, {'d'}}, MODEL.nodes[4]}})
  test.equal(gone(handed, {constants = {k = given}}), 'a constant that it needs is of no f32 numbers')
end)

-- ---- ends that are none ---------------------------------------------------------------------------------

test.case('only the end can be left out', function()
  local function refused(nodes, ...)
    local net, message, code = case.import(copy(MODEL, {nodes = nodes, outputs = {{'e'}}, inputs = {{'x', {'N', 3, 4, 4}}},
                                                        constants = {w = {{3, 3, 1, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9}}}}), {partial = true})
    test.check(not net, 'is imported')
    test.equal(code, 'unsupported')
    for _, words in ipairs{...} do test.mentions(message, words) end
  end
  refused({{'Oddity', {'x'}, {'a'}}, {'Conv', {'a', 'w'}, {'e'}}}, "op 'Oddity' of node 'a'",
          "Only the end of a model can be left out, and 1 convolution would be, 'e' the first: name outputs before it")
  refused({{'Oddity', {'x'}, {'a'}}, {'Conv', {'a', 'w'}, {'b'}}, {'Conv', {'b', 'w'}, {'e'}}}, "and 2 convolutions would be, 'b' the first")
  refused({{'Oddity', {'x'}, {'e'}}}, 'and nothing is left of the model without it')
end)

test.case('an end of another model', function()
  local _, about = import(MODEL)
  local function other(nodes, outs)
    return (case.import{opset = 13, inputs = MODEL.inputs, outputs = outs, nodes = nodes})
  end
  test.raises("what was left out reads 'b', which is no output", case.export, other({{'Relu', {'x'}, {'a'}}}, {{'a'}}), about)
  local again, message = case.export(other({{'Relu', {'x'}, {'a'}}, {'Neg', {'a'}, {'d'}}, {'Abs', {'d'}, {'b'}}}, {{'a'}, {'b'}}), about)
  test.check(not again, 'is exported')
  test.mentions(message, "what was left out makes 'd', and so does the rest")
  _, about = import(copy(MODEL, {outputs = {{'e'}, {'b'}, {'c'}}, nodes = {{'Abs', {'x'}, {'c'}}, unpack(MODEL.nodes)}}))
  test.raises("the model's output 'c' is made by nothing", case.export,
              other({{'Relu', {'x'}, {'a'}}, {'Neg', {'a'}, {'b'}}}, {{'a'}, {'b'}}), about)
end)

return test.finish()
