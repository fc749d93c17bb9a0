-- Windows of ONNX models against their definition: convolutions, back and forth, and pools; lines, images and volumes.
local case = dofile 'tests/support/onnx_case.lua'
local R = dofile 'tests/support/onnx_reference.lua'
local test, one = case.test, case.one

local function text(o)
  local words, names = {}, {}
  for name in pairs(o) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    words[i] = name .. '=' .. (type(o[name]) == 'table' and table.concat(o[name], ',') or tostring(o[name]))
  end
  return table.concat(words, ' ')
end

local function open(dims)
  local list = {unpack(dims)}
  list[1] = 'N'
  return list
end

local function node(op, inputs, o)
  local n = {op, inputs, {'y'}}
  for name, value in pairs(o) do n[name] = value end
  return n
end

local function check_conv(dims, weights, o, bias, opset)
  local x, w, b = R.random(dims, 1), R.random(weights, 2), bias and R.random({weights[1]}, 3)
  return case.check(('Conv %s by %s, %s'):format(table.concat(dims, 'x'), table.concat(weights, 'x'), text(o)),
                    one(opset or 13, open(dims), node('Conv', {'x', 'w', b and 'b'}, o), {w = w, b = b}), {x},
                    {R.conv(x, w, b, o)})
end

local function check_back(dims, weights, o, bias)
  local x, w = R.random(dims, 1), R.random(weights, 2)
  local b = bias and R.random({weights[2] * (o.group or 1)}, 3)
  return case.check(('ConvTranspose %s by %s, %s'):format(table.concat(dims, 'x'), table.concat(weights, 'x'), text(o)),
                    one(13, open(dims), node('ConvTranspose', {'x', 'w', b and 'b'}, o), {w = w, b = b}), {x},
                    {R.conv_transpose(x, w, b, o)})
end

local function check_pool(op, dims, o, options)
  local x = R.random(dims, 5)
  return case.check(('%s %s, %s'):format(op, table.concat(dims, 'x'), text(o)),
                    one(options and options.opset or 13, open(dims), node(op, {'x'}, o)), {x},
                    {R.pool(x, o, op == 'AveragePool')}, options)
end

-- ---- automatic padding ------------------------------------------------------------------------------

-- Sizes, kernels, strides and dilations, even and odd: the odd cell of the padding is on the right side.
local LINES = {
  {7, 3, 1, 1}, {7, 2, 1, 1}, {8, 3, 2, 1}, {7, 3, 2, 1}, {8, 2, 2, 1}, {7, 2, 2, 1}, {9, 4, 3, 1}, {10, 4, 3, 1},
  {8, 2, 3, 1}, {8, 3, 1, 2}, {9, 2, 2, 3}, {6, 1, 3, 1}, {5, 5, 4, 1},
}

test.case('SAME_UPPER and SAME_LOWER', function()
  for k, line in ipairs(LINES) do
    local size, kernel, stride, dilation = unpack(line)
    local other = LINES[#LINES + 1 - k] -- of the second axis
    for _, automatic in ipairs{'SAME_UPPER', 'SAME_LOWER'} do
      local o = {auto_pad = automatic, strides = {stride, other[3]}, dilations = {dilation, other[4]}}
      check_conv({2, 2, size, other[1]}, {3, 2, kernel, other[2]}, o)
      o.kernel_shape = {kernel, other[2]}
      check_pool('MaxPool', {2, 2, size, other[1]}, o)
      o.dilations = nil
      check_pool('AveragePool', {2, 2, size, other[1]}, o)
    end
  end
  check_conv({2, 2, 6, 5}, {2, 2, 2, 2}, {auto_pad = 'VALID', strides = {2, 1}})
  check_conv({2, 2, 6, 5}, {2, 2, 2, 2}, {auto_pad = 'NOTSET', pads = {1, 0, 0, 1}})
  check_pool('AveragePool', {1, 2, 6, 5}, {auto_pad = 'SAME_LOWER', kernel_shape = {2, 4}, count_include_pad = 1})
  check_pool('AveragePool', {1, 2, 6, 5}, {auto_pad = 'SAME_UPPER', kernel_shape = {4, 2}, strides = {2, 3}, count_include_pad = 1})
end)

test.case('SAME of a volume', function()
  for _, automatic in ipairs{'SAME_UPPER', 'SAME_LOWER'} do
    check_conv({2, 2, 5, 4, 3}, {2, 2, 2, 3, 2}, {auto_pad = automatic, strides = {2, 1, 2}}, true)
    check_pool('MaxPool', {2, 2, 5, 4, 3}, {auto_pad = automatic, kernel_shape = {2, 2, 2}, strides = {1, 2, 1}})
    check_pool('AveragePool', {2, 2, 5, 4, 3}, {auto_pad = automatic, kernel_shape = {4, 2, 2}, strides = {2, 2, 1}})
  end
end)

-- ---- convolutions -----------------------------------------------------------------------------------

test.case('every number of a convolution', function()
  check_conv({2, 3, 5, 6}, {4, 3, 3, 2}, {strides = {2, 1}, pads = {1, 0, 2, 1}}, true)
  check_conv({2, 3, 7, 6}, {4, 3, 2, 3}, {dilations = {3, 2}, pads = {0, 1, 1, 3}}, true)
  check_conv({2, 4, 5, 5}, {6, 2, 3, 3}, {group = 2, kernel_shape = {3, 3}}, true)
  check_conv({2, 4, 5, 5}, {8, 1, 3, 3}, {group = 4})
  check_conv({2, 1, 5, 5}, {1, 1, 3, 3}, {group = 1})
  check_conv({1, 3, 4, 4}, {2, 3, 1, 1}, {})
  check_conv({1, 3, 4, 4}, {2, 3, 1, 1}, {}, true, 1)
  local net = check_conv({2, 4, 5, 5}, {4, 1, 3, 3}, {group = 4, pads = {1, 1, 1, 1}}, true)
  test.equal(net:get(2).op, 'depthwise')
  test.equal(check_conv({2, 4, 5, 5}, {8, 1, 3, 3}, {group = 4}):get(2).op, 'conv')
  test.equal(check_conv({2, 4, 5, 5}, {4, 2, 3, 3}, {group = 2}):get(2).op, 'conv')
  test.equal(check_conv({2, 1, 5, 5}, {1, 1, 3, 3}, {}):get(2).op, 'conv')
end)

test.case('lines and volumes', function()
  check_conv({2, 3, 7}, {4, 3, 3}, {strides = {2}, pads = {2, 1}}, true)
  check_conv({2, 3, 7}, {4, 3, 2}, {dilations = {2}})
  check_conv({2, 4, 7}, {4, 1, 3}, {group = 4, auto_pad = 'SAME_LOWER', strides = {2}})
  check_conv({2, 2, 4, 5, 6}, {3, 2, 2, 3, 3}, {strides = {2, 1, 2}, pads = {1, 0, 1, 1, 2, 0}}, true)
  check_conv({2, 2, 5, 4, 4}, {3, 2, 2, 2, 1}, {dilations = {3, 2, 1}}, true)
  check_conv({1, 2, 3, 4, 4}, {4, 1, 3, 2, 2}, {group = 2, pads = {2, 0, 0, 2, 0, 0}})
  check_back({2, 2, 3, 3, 2}, {2, 3, 2, 2, 3}, {strides = {2, 1, 2}, pads = {0, 1, 0, 1, 0, 1}}, true)
  check_back({1, 2, 3, 3, 2}, {2, 1, 3, 2, 2}, {strides = {1, 2, 2}, output_padding = {0, 1, 1}, group = 2, dilations = {2, 1, 1}})
  check_pool('MaxPool', {2, 2, 5, 4, 4}, {kernel_shape = {3, 2, 2}, strides = {2, 1, 2}, pads = {1, 0, 1, 1, 1, 0}})
  check_pool('MaxPool', {1, 2, 6, 4, 4}, {kernel_shape = {2, 2, 2}, dilations = {3, 1, 2}})
  check_pool('MaxPool', {1, 2, 6, 5, 5}, {kernel_shape = {3, 2, 2}, strides = {2, 2, 2}, ceil_mode = 1})
  check_pool('AveragePool', {2, 2, 5, 4, 4}, {kernel_shape = {3, 2, 2}, strides = {2, 1, 2}, pads = {1, 0, 1, 1, 1, 0}})
  check_pool('AveragePool', {2, 2, 5, 4, 4}, {kernel_shape = {3, 2, 2}, strides = {2, 2, 2}, pads = {1, 0, 1, 1, 1, 0}, count_include_pad = 1})
  check_pool('AveragePool', {1, 1, 6, 5, 5}, {kernel_shape = {3, 2, 2}, strides = {2, 2, 2}, pads = {1, 0, 0, 0, 0, 0}, ceil_mode = 1, count_include_pad = 1})
  check_pool('AveragePool', {1, 1, 6, 5, 5}, {kernel_shape = {3, 2, 2}, strides = {2, 1, 1}, ceil_mode = 1, count_include_pad = 1})
  check_pool('AveragePool', {1, 2, 4, 4, 4}, {kernel_shape = {1, 2, 2}, strides = {3, 1, 1}})
end)

-- Planes run the same taps: their weights are there once.
test.case('weights of a volume are shared', function()
  local net = check_conv({2, 2, 4, 5, 6}, {3, 2, 2, 3, 3}, {pads = {1, 0, 0, 1, 0, 0}}, true)
  local convolutions = 0
  for _, n in net:nodes() do convolutions = convolutions + (n.op == 'conv' and 1 or 0) end
  test.equal(convolutions, 8) -- 5 planes, of which the outer ones read one plane each
  test.equal(#net:all_params(), 2 + 1)
end)

test.case('the largest depth of a volume', function()
  local deep = check_pool('MaxPool', {1, 1, 512, 1, 1}, {kernel_shape = {8, 1, 1}, strides = {8, 1, 1}})
  test.check(deep, '512 planes')
  local function refused(dims, o)
    case.refused(one(13, dims, node('MaxPool', {'x'}, o)), 'unsupported', 'MaxPool', 'at most 512 are supported')
  end
  refused({'N', 1, 513, 1, 1}, {kernel_shape = {2, 1, 1}, strides = {2, 1, 1}})
  refused({'N', 1, 256, 1, 1}, {kernel_shape = {33, 1, 1}}) -- 224 planes of 33 terms
end)

-- ---- back -------------------------------------------------------------------------------------------

test.case('every number of a transposed convolution', function()
  check_back({2, 3, 4, 5}, {3, 4, 3, 2}, {strides = {2, 3}, pads = {1, 0, 0, 1}, output_padding = {1, 2}}, true)
  check_back({2, 3, 4, 5}, {3, 4, 2, 3}, {dilations = {3, 2}, kernel_shape = {2, 3}})
  check_back({2, 4, 3, 3}, {4, 3, 3, 3}, {group = 2, strides = {2, 2}, pads = {1, 1, 1, 1}}, true)
  check_back({2, 3, 5}, {3, 2, 3}, {strides = {2}, pads = {1, 0}, output_padding = {1}})
  check_back({2, 2, 3, 3}, {2, 1, 1, 1}, {})
end)

test.case('sizes that are asked for', function()
  for _, automatic in ipairs{'SAME_UPPER', 'SAME_LOWER'} do
    check_back({1, 2, 3, 4}, {2, 2, 3, 4}, {strides = {2, 1}, auto_pad = automatic})
    check_back({1, 2, 3, 4}, {2, 2, 4, 3}, {strides = {1, 2}, auto_pad = automatic}, true)
    check_back({1, 2, 3, 4}, {2, 2, 4, 4}, {strides = {2, 2}, output_shape = {7, 9}, auto_pad = automatic})
    check_back({1, 2, 3, 4}, {2, 2, 5, 5}, {strides = {2, 2}, output_shape = {7, 8}, auto_pad = automatic}) -- 2 and 3 too many
    check_back({1, 2, 3, 4}, {2, 2, 1, 2}, {strides = {3, 3}, auto_pad = automatic}) -- larger than what is reached
  end
  check_back({1, 2, 3, 4}, {2, 2, 4, 4}, {strides = {2, 2}, output_shape = {7, 9}})
  check_back({1, 2, 3, 4}, {2, 2, 2, 2}, {strides = {2, 2}, output_shape = {8, 9}})
  check_back({1, 2, 3, 4}, {2, 2, 3, 3}, {strides = {2, 2}, output_padding = {1, 1}, output_shape = {7, 8}})
end)

-- ---- pools ------------------------------------------------------------------------------------------

test.case('every number of a pool', function()
  check_pool('MaxPool', {2, 3, 7, 8}, {kernel_shape = {2, 3}, strides = {2, 3}, pads = {1, 0, 0, 2}})
  check_pool('MaxPool', {2, 3, 7, 8}, {kernel_shape = {2, 3}, dilations = {3, 2}})
  check_pool('MaxPool', {2, 3, 7}, {kernel_shape = {3}, strides = {2}, pads = {1, 1}})
  check_pool('AveragePool', {2, 3, 7, 8}, {kernel_shape = {2, 3}, strides = {2, 3}, pads = {1, 0, 0, 2}})
  check_pool('AveragePool', {2, 3, 7, 8}, {kernel_shape = {2, 3}, strides = {2, 3}, pads = {1, 0, 0, 2}, count_include_pad = 1})
  check_pool('AveragePool', {2, 3, 7}, {kernel_shape = {3}, pads = {1, 2}, count_include_pad = 1})
  check_pool('AveragePool', {2, 3, 7}, {kernel_shape = {3}, pads = {1, 2}, count_include_pad = 0})
  check_pool('AveragePool', {1, 1, 7, 8}, {kernel_shape = {2, 3}, dilations = {3, 2}},
             {opset = 19, no_return = 'no averages with a dilation'})
  check_pool('AveragePool', {1, 1, 7, 8}, {kernel_shape = {2, 3}, dilations = {1, 2}},
             {opset = 19, no_return = 'no averages with a dilation'})
end)

-- Rows: windows that end within; that go over the end; that would begin in the padding behind it, and so are none.
test.case('windows over the end', function()
  local rows = {
    {size = 7, kernel = 3, stride = 2, pads = {0, 0}}, {size = 8, kernel = 3, stride = 2, pads = {0, 0}},
    {size = 8, kernel = 3, stride = 2, pads = {1, 1}}, {size = 5, kernel = 1, stride = 3, pads = {0, 0}},
    {size = 4, kernel = 2, stride = 3, pads = {0, 1}}, {size = 3, kernel = 2, stride = 2, pads = {1, 1}},
    {size = 6, kernel = 2, stride = 4, pads = {1, 0}}, {size = 4, kernel = 3, stride = 5, pads = {2, 2}},
  }
  for k, r in ipairs(rows) do
    local c = rows[k % #rows + 1]
    local o = {kernel_shape = {r.kernel, c.kernel}, strides = {r.stride, c.stride}, ceil_mode = 1,
               pads = {r.pads[1], c.pads[1], r.pads[2], c.pads[2]}}
    check_pool('MaxPool', {2, 2, r.size, c.size}, o)
    check_pool('AveragePool', {2, 2, r.size, c.size}, o)
    o.count_include_pad = 1
    check_pool('AveragePool', {2, 2, r.size, c.size}, o)
    o.count_include_pad, o.ceil_mode = nil, 0
    check_pool('MaxPool', {2, 2, r.size, c.size}, o)
  end
  check_pool('MaxPool', {1, 1, 9, 9}, {kernel_shape = {2, 2}, strides = {3, 3}, dilations = {3, 2}, ceil_mode = 1})
end)

test.case('windows with more taps than are taken at once', function()
  local o = {kernel_shape = {16, 17}, strides = {2, 3}, dilations = {1, 2}, pads = {5, 1, 3, 2}} -- 272
  test.equal(check_pool('MaxPool', {1, 1, 22, 40}, o):count(), 3)
  o = {kernel_shape = {17, 16}, strides = {2, 3}, dilations = {2, 1}, pads = {5, 1, 3, 2}}
  test.equal(check_pool('MaxPool', {1, 1, 40, 22}, o):count(), 3)
  o = {kernel_shape = {16, 16}, strides = {2, 3}, pads = {5, 1, 3, 2}} -- 256
  test.equal(check_pool('MaxPool', {1, 1, 22, 40}, o):count(), 2)
end)

test.case('pools of whole images', function()
  for _, dims in ipairs{{2, 3, 4, 5}, {2, 3, 7}} do
    local x, axes = R.random(dims, 7), dims[4] and {2, 3} or {2}
    case.check('GlobalMaxPool', one(13, open(dims), {'GlobalMaxPool', {'x'}, {'y'}}), {x},
               {R.reduce(x, axes, true, function(list) return math.max(unpack(list)) end)})
    case.check('GlobalAveragePool', one(13, open(dims), {'GlobalAveragePool', {'x'}, {'y'}}), {x},
               {R.reduce(x, axes, true, function(list) return R.sum(list) / #list end)})
  end
end)

-- ---- what is no window ------------------------------------------------------------------------------

local IMAGE = {'N', 2, 5, 6}

local function refused(code, op, dims, o, constants, ...)
  local inputs = {'x', constants and constants.w and 'w', constants and constants.b and 'b'}
  local where = case.refused(one(13, dims, node(op, inputs, o), constants), code, ...)
  test.equal(where, op .. " 'y' (opset 13)")
end

test.case('windows that are refused', function()
  local w = {w = R.random({2, 2, 3, 3}, 1)}
  refused('format', 'Conv', IMAGE, {strides = {2}}, w, 'strides has 1 numbers, want 2 for 2 axes')
  refused('format', 'Conv', IMAGE, {pads = {1, 1}}, w, 'pads has 2 numbers, want 4 for 2 axes')
  refused('format', 'Conv', IMAGE, {dilations = {1, 1, 1}}, w, 'dilations has 3 numbers, want 2 for 2 axes')
  refused('unsupported', 'Conv', IMAGE, {dilations = {1, -1}}, w, 'dilations has -1, want 0 to 32767')
  refused('unsupported', 'Conv', IMAGE, {pads = {0, 32768, 0, 0}}, w, 'pads has 32768, want 0 to 32767')
  refused('unsupported', 'Conv', IMAGE, {strides = {2147483648, 1}}, w, 'strides has 2147483648, want 0 to 2147483647')
  refused('shape', 'Conv', IMAGE, {kernel_shape = {3, 2}}, w, 'kernel_shape has 2, the weights 3')
  refused('shape', 'Conv', IMAGE, {group = 2}, w, 'weights (2, 2, 3, 3) do not fit 2 channels in 2 groups')
  refused('shape', 'Conv', IMAGE, {group = 0}, w, 'do not fit 2 channels in 0 groups')
  refused('shape', 'Conv', IMAGE, {group = 2}, {w = R.random({3, 1, 3, 3}, 1)}, 'do not fit 2 channels in 2 groups')
  refused('shape', 'Conv', IMAGE, {}, {w = R.random({2, 2, 3}, 1)}, 'weights (2, 2, 3) do not fit')
  refused('shape', 'Conv', IMAGE, {}, {w = {{0, 2, 3, 3}, {}}}, 'weights (0, 2, 3, 3) do not fit')
  refused('format', 'Conv', IMAGE, {}, nil, 'it has no weights')
  refused('shape', 'Conv', IMAGE, {}, {w = w.w, b = R.random({3}, 1)}, 'its bias has 3 numbers, want 2')
  refused('unsupported', 'Conv', {'N', 2}, {}, w, 'its input has 2 axes, want images (N, C, H, W)')
  refused('shape', 'Conv', {'N', 2, 4, 5, 5}, {}, w, 'its weights have 4 axes, want 5')
  refused('unsupported', 'ConvTranspose', {'N', 2, 3, 2, 2}, {strides = {2, 1, 1}, output_padding = {1, 0, 0}},
          {w = R.random({2, 1, 2, 2, 2}, 1)}, 'plane 6 of its output reads nothing')
  refused('shape', 'ConvTranspose', IMAGE, {}, {w = R.random({3, 2, 3, 3}, 1)}, 'weights (3, 2, 3, 3) do not fit 2 channels in 1 groups')
  refused('shape', 'ConvTranspose', IMAGE, {group = 0}, w, 'do not fit 2 channels in 0 groups')
  refused('shape', 'ConvTranspose', IMAGE, {}, nil, 'weights () do not fit 2 channels in 1 groups')
  refused('shape', 'ConvTranspose', IMAGE, {output_shape = {0, 8}}, w, 'its output cannot have 0 of 7')
  refused('format', 'ConvTranspose', IMAGE, {output_padding = {1}}, w, 'output_padding has 1 numbers, want 2')
  refused('format', 'MaxPool', IMAGE, {kernel_shape = {2, 2, 2}}, nil, 'kernel_shape has 3 numbers, want 2')
  refused('unsupported', 'MaxPool', {'N', 2}, {kernel_shape = {2, 2}}, nil, 'its input has 2 axes, want images')
end)

test.case('places of a pool are not computed', function()
  local model = one(13, IMAGE, {'MaxPool', {'x'}, {'y', 'places'}, kernel_shape = {2, 2}})
  case.refused(model, 'unsupported', 'its second output, the indices, is not computed')
  model.nodes[1][3][2] = ''
  case.check('without them', model, {R.random({1, 2, 5, 6}, 1)}, {R.pool(R.random({1, 2, 5, 6}, 1), {kernel_shape = {2, 2}})})
end)

test.case('weights must be constants', function()
  local model = {opset = 13, nodes = {{'Conv', {'x', 'w'}, {'y'}}}, outputs = {{'y'}},
                 inputs = {{'x', IMAGE}, {'w', {2, 2, 3, 3}}}}
  case.refused(model, 'unsupported', "input 1, 'w', must be a constant")
end)

return test.finish()
