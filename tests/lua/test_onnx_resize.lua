-- Resize and Upsample of ONNX models against their definition: coordinates, roundings, kernels, parts of the input.
local case = dofile 'tests/support/onnx_case.lua'
local R = dofile 'tests/support/onnx_reference.lua'
local test, one = case.test, case.one

-- ONNX's attributes of the reference's options.
local function attributes(o)
  return {mode = o.mode, coordinate_transformation_mode = o.where, nearest_mode = o.round,
          cubic_coeff_a = o.cubic and {real = o.cubic}, exclude_outside = o.excludes and 1,
          extrapolation_value = o.beyond and {real = o.beyond}, antialias = o.antialias}
end

local function node(inputs, o)
  local n = {'Resize', inputs, {'y'}}
  for name, value in pairs(attributes(o)) do n[name] = value or nil end
  return n
end

-- An image, or what dims say, by scales or to sizes (of all axes); x has a batch of dims[1].
local function check(dims, how, o, opset)
  local x, want = R.random(dims, 3), nil
  want = x
  for i, d in ipairs(dims) do
    local scale = how.scales and how.scales[i] or how.sizes[i] / d
    local out = how.sizes and how.sizes[i] or math.floor(d * scale + 1e-4) -- files round their scales
    if math.abs(d * scale - out) < 1e-3 then scale = out / d end
    local part = how.roi or {}
    if i > 1 and (scale ~= 1 or how.roi) then
      want = R.resize_axis(want, i - 1, scale, out, o, part[i] or 0, part[i + #dims] or 1)
    end
  end
  local words = {}
  for k, v in pairs(attributes(o)) do words[#words + 1] = k .. '=' .. (type(v) == 'table' and v.real or tostring(v)) end
  table.sort(words)
  local constants = {scales = how.scales and case.floats(unpack(how.scales)), roi = how.roi and case.floats(unpack(how.roi)),
                     sizes = how.sizes and case.ints(unpack(how.sizes))}
  local open = {'N', unpack(dims, 2)}
  return case.check(('Resize %s by %s, %s'):format(table.concat(dims, 'x'), table.concat(how.scales or how.sizes, ','),
                                                   table.concat(words, ' ')),
                    one(opset or 13, open, node({'x', how.roi and 'roi' or '', how.scales and 'scales' or '',
                                                 how.sizes and 'sizes'}, o), constants), {x}, {want})
end

local WHERE = {'half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel'}
local ROUND = {'round_prefer_floor', 'floor', 'ceil', 'round_prefer_ceil'}

-- Whole sizes, more and fewer, with places halfway between pixels; one row; a scale that makes no whole size.
local HOW = {
  {scales = {1, 1, 2, 3}}, {scales = {1, 1, 2, 0.5}}, {sizes = {2, 2, 3, 7}}, {sizes = {2, 2, 1, 3}}, {scales = {1, 1, 1.7, 0.65}},
}

test.case('coordinates and roundings', function()
  for _, where in ipairs(WHERE) do
    for _, how in ipairs(HOW) do
      for _, round in ipairs(ROUND) do check({2, 2, 4, 6}, how, {where = where, mode = 'nearest', round = round}) end
      check({2, 2, 4, 6}, how, {where = where, mode = 'linear'})
      check({2, 2, 4, 6}, how, {where = where, mode = 'cubic'})
    end
  end
  for _, round in ipairs(ROUND) do
    check({2, 2, 4, 6}, HOW[1], {where = 'tf_half_pixel_for_nn', mode = 'nearest', round = round}, 11)
    check({2, 2, 4, 6}, HOW[2], {where = 'tf_half_pixel_for_nn', mode = 'nearest', round = round}, 11)
    check({2, 2, 4, 6}, HOW[5], {where = 'half_pixel_symmetric', mode = 'nearest', round = round}, 19)
  end
  check({2, 2, 4, 6}, HOW[5], {where = 'half_pixel_symmetric', mode = 'linear'}, 19)
  check({2, 2, 4, 6}, HOW[5], {where = 'half_pixel_symmetric', mode = 'cubic'}, 19)
end)

test.case('cubic kernels', function()
  for _, how in ipairs(HOW) do
    for _, cubic in ipairs{-0.5, -0.75, -1} do
      for _, where in ipairs{'half_pixel', 'asymmetric'} do
        check({1, 2, 4, 6}, how, {where = where, mode = 'cubic', cubic = cubic, excludes = true})
        check({1, 2, 4, 6}, how, {where = where, mode = 'cubic', cubic = cubic, excludes = false})
      end
    end
  end
  check({1, 2, 4, 6}, HOW[1], {mode = 'linear', excludes = true})
end)

test.case('parts of the input', function()
  local roi = {0, 0, 0.25, -0.2, 1, 1, 0.75, 1.1}
  for _, mode in ipairs{'nearest', 'linear', 'cubic'} do
    for _, beyond in ipairs{0, 2.5} do
      local o = {where = 'tf_crop_and_resize', mode = mode, beyond = beyond}
      check({2, 2, 5, 6}, {sizes = {2, 2, 4, 9}, roi = roi}, o)
      check({2, 2, 5, 6}, {sizes = {2, 2, 1, 9}, roi = roi}, o)
      check({2, 2, 5, 6}, {sizes = {2, 2, 5, 6}, roi = roi}, o) -- of the same size, but elsewhere
      check({2, 2, 5, 6}, {sizes = {2, 2, 5, 6}, roi = {0, 0, 0, 0.5, 1, 1, 1, 1}}, o)
      check({2, 2, 5, 6}, {sizes = {2, 2, 5, 6}, roi = {0, 0, 0, 0, 1, 1, 0.5, 1}}, o)
    end
  end
  check({2, 2, 5, 6}, {scales = {1, 1, 2, 0.5}, roi = roi}, {where = 'tf_crop_and_resize', mode = 'linear'})
  check({2, 2, 5, 6}, {sizes = {2, 2, 4, 9}, roi = {0, 0, 0, 0, 1, 1, 1, 1}}, {where = 'tf_crop_and_resize', mode = 'linear'})
end)

test.case('what is no image', function()
  check({2, 3, 5}, {scales = {1, 1, 2}}, {mode = 'linear'})
  check({2, 3, 5}, {sizes = {2, 3, 9}}, {mode = 'nearest'})
  check({2, 5}, {scales = {1, 1.6}}, {mode = 'linear'})
  check({2, 3, 4, 4}, {sizes = {2, 5, 4, 4}}, {mode = 'linear'}) -- channels
  check({2, 3, 4, 4}, {sizes = {2, 5, 7, 3}}, {mode = 'nearest', round = 'ceil'})
  check({1, 2, 3, 4, 3}, {scales = {1, 1, 2, 0.5, 1}}, {mode = 'linear'})
end)

test.case('defaults of each opset', function()
  local function plain(opset, op, inputs, attributes, o, scales)
    local x, n = R.random({2, 2, 4, 4}, 9), {op, inputs, {'y'}}
    for name, value in pairs(attributes) do n[name] = value end
    local want = R.resize_axis(R.resize_axis(x, 2, scales[3], 4 * scales[3], o), 3, scales[4], 4 * scales[4], o)
    case.check(('%s of opset %d'):format(op, opset), one(opset, {'N', 2, 4, 4}, n, {s = case.floats(unpack(scales))}), {x}, {want})
  end
  local old = {mode = 'nearest', where = 'asymmetric', round = 'floor'}
  local blended = {mode = 'linear', where = 'asymmetric'}
  local scales = {1, 1, 2, 2.5}
  plain(7, 'Upsample', {'x'}, {scales = {reals = scales}}, old, scales)
  plain(7, 'Upsample', {'x'}, {scales = {reals = scales}, mode = 'linear'}, blended, scales)
  plain(7, 'Upsample', {'x'}, {scales = {reals = scales}, mode = 'bilinear'}, blended, scales)
  plain(9, 'Upsample', {'x', 's'}, {}, old, scales)
  plain(10, 'Resize', {'x', 's'}, {}, old, {1, 1, 0.5, 2.5})
  plain(10, 'Resize', {'x', 's'}, {mode = 'linear'}, blended, {1, 1, 0.5, 2.5})
  plain(11, 'Resize', {'x', '', 's'}, {}, {mode = 'nearest'}, scales)
  plain(11, 'Resize', {'x', '', 's'}, {mode = 'linear'}, {mode = 'linear'}, scales)
  plain(11, 'Resize', {'x', '', 's'}, {mode = 'cubic'}, {mode = 'cubic', cubic = -0.75}, scales)
end)

-- Which op does it: the engine's own where it can, else a matrix an axis.
test.case('what the engine resizes by itself', function()
  local function op_of(how, o, dims)
    local net = check(dims or {1, 2, 4, 6}, how, o, 19)
    local ops = {}
    for _, n in net:nodes() do ops[n.op] = true end
    return ops.resize and 'resize' or ops.matmul and 'matmul' or 'neither'
  end
  for _, where in ipairs(WHERE) do
    test.equal(op_of(HOW[3], {where = where, mode = 'linear'}), 'resize')
    test.equal(op_of(HOW[3], {where = where, mode = 'nearest'}), 'resize')
  end
  test.equal(op_of(HOW[3], {mode = 'cubic'}), 'matmul')
  test.equal(op_of(HOW[3], {where = 'half_pixel_symmetric', mode = 'linear'}), 'matmul')
  test.equal(op_of(HOW[3], {where = 'tf_half_pixel_for_nn', mode = 'linear'}), 'matmul')
  test.equal(op_of(HOW[4], {where = 'pytorch_half_pixel', mode = 'linear'}), 'matmul') -- one row
  test.equal(op_of(HOW[5], {mode = 'linear'}), 'matmul') -- no whole size
  test.equal(op_of({sizes = {1, 5, 4, 6}}, {mode = 'linear'}), 'matmul')
  test.equal(op_of({sizes = {1, 3, 9}}, {mode = 'linear'}, {1, 3, 5}), 'resize')
  test.equal(op_of({sizes = {1, 2, 4, 6}}, {mode = 'cubic'}), 'neither')
  test.equal(op_of({scales = {1, 1, 0.33333, 2}}, {mode = 'linear'}, {1, 1, 6, 4}), 'resize') -- a rounded scale
  test.equal(op_of({scales = {1, 1, 0.3334, 2}}, {mode = 'linear'}, {1, 1, 6, 4}), 'resize')
  test.equal(op_of({scales = {1, 1, 0.3333, 2}}, {mode = 'linear'}, {1, 1, 6, 4}), 'matmul') -- one row, of six
end)

test.case('a batch that the file fixes', function()
  local x = R.random({1, 2, 3, 4}, 1)
  local want = R.resize_axis(R.resize_axis(x, 2, 2, 6, {mode = 'linear'}), 3, 1.5, 6, {mode = 'linear'})
  case.check('sizes with it', one(13, {1, 2, 3, 4}, {'Resize', {'x', '', '', 's'}, {'y'}, mode = 'linear'}, {s = case.ints(1, 2, 6, 6)}),
             {x}, {want})
end)

test.case('what is refused', function()
  local dims = {'N', 2, 4, 4}
  local function refused(code, opset, inputs, attributes, constants, ...)
    local n = {'Resize', inputs, {'y'}}
    for name, value in pairs(attributes) do n[name] = value end
    test.equal(case.refused(one(opset, dims, n, constants), code, ...), ("Resize 'y' (opset %d)"):format(opset))
  end
  local s = {s = case.floats(1, 1, 2, 2)}
  refused('unsupported', 13, {'x', '', 's'}, {mode = 'lanczos'}, s, "mode 'lanczos' is not supported")
  refused('unsupported', 13, {'x', '', 's'}, {coordinate_transformation_mode = 'mitte'}, s,
          "coordinate_transformation_mode 'mitte' is not supported")
  refused('unsupported', 13, {'x', '', 's'}, {nearest_mode = 'up'}, s, "nearest_mode 'up' is not supported")
  refused('unsupported', 18, {'x', '', '', 's'}, {keep_aspect_ratio_policy = 'nearly'}, {s = case.ints(1, 2, 6, 6)},
          "keep_aspect_ratio_policy 'nearly' is not supported")
  refused('shape', 13, {'x'}, {}, nil, 'it has 0 scales or sizes for 4 axes')
  refused('shape', 13, {'x', '', 's'}, {}, {s = case.floats(2, 2)}, 'it has 2 scales or sizes for 4 axes')
  refused('shape', 18, {'x', '', 's'}, {axes = {2}}, {s = case.floats(2, 2)}, 'it has 2 scales or sizes for 1 axes')
  refused('range', 13, {'x', '', 's'}, {}, {s = case.floats(1, 1, 0.24, 1)}, 'scale 0.24 of axis 2 makes 0.96')
  refused('range', 13, {'x', '', 's'}, {}, {s = case.floats(1, 1, 1, 1e9)}, 'of axis 3 makes 4e+09')
  refused('range', 13, {'x', '', '', 's'}, {}, {s = case.ints(1, 2, 0, 4)}, 'axis 2 of 4 becomes 0')
  refused('unsupported', 13, {'x', '', 's'}, {}, {s = case.floats(2, 1, 1, 1)}, 'it resizes axis 0, the batch')
  refused('shape', 13, {'x', '', 's'}, {coordinate_transformation_mode = 'tf_crop_and_resize'}, s, 'its roi has 0 numbers, want 8')
  refused('shape', 13, {'x', 'r', 's'}, {coordinate_transformation_mode = 'tf_crop_and_resize'},
          {s = s.s, r = case.floats(0, 0, 1, 1)}, 'its roi has 4 numbers, want 8')
  refused('range', 13, {'x', 'r', 's'}, {coordinate_transformation_mode = 'tf_crop_and_resize'},
          {s = s.s, r = case.floats(0, 0, 0, 1e30, 1, 1, 1, 1)}, 'pixel 0 comes from 3e+30')
  refused('format', 18, {'x', '', 's'}, {axes = {4}}, {s = case.floats(2)}, 'axis 4 of a value with 4')
  refused('format', 7, {'x'}, {scales = {1, 1, 2, 2}}, nil, 'its scales are no floats')
end)

return test.finish()
