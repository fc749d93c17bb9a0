-- Where a net meets arrays of the world it came from: which of them fit, and how they are turned.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local border = anet.border

local function filled(dims, from)
  local t = anet.tensor(dims)
  for i = 0, tonumber(t:count()) - 1 do t:data()[i] = (from or 0) + i end
  return t
end

local function values(t)
  local list = {}
  for i = 1, tonumber(t:count()) do list[i] = t:data()[i - 1] end
  return list
end

-- (c, h, w) there, (h, w, c) here.
local IMAGE = {name = 'x', batch = true, dims = {2, 3, 2}, atoms = {2, 3, 2}, order = {1, 2, 0}}
-- Six features there, in two factors that lie the other way round here.
local FLAT = {name = 'f', batch = true, dims = {6}, atoms = {2, 3}, order = {1, 0}}
local ALONE = {name = 'k', batch = false, dims = {2, 3}, atoms = {2, 3}, order = {1, 0}}
local NUMBER = {name = 'n', batch = false, dims = {}, atoms = {}, order = {}}

test.case('how many images', function()
  test.equal(border.images(IMAGE, anet.tensor{4, 2, 3, 2}), 4)
  test.equal(border.images(IMAGE, anet.tensor{2, 3, 2}), 1)
  test.equal(border.images(ALONE, anet.tensor{2, 3}), 1)
  test.equal(border.images(NUMBER, anet.tensor{1}), 1)
  test.equal(border.images(NUMBER, anet.tensor{1, 1}), 1)
  local function wrong(face, dims, words)
    local n, message = border.images(face, anet.tensor(dims))
    test.equal(n, nil)
    test.equal(message, words)
  end
  wrong(IMAGE, {4, 2, 3, 3}, "input 'x': the array is 4x2x3x3, want Nx2x3x2")
  wrong(IMAGE, {3, 2}, "input 'x': the array is 3x2, want Nx2x3x2")
  wrong(IMAGE, {1, 4, 2, 3, 2}, "input 'x': the array is 1x4x2x3x2, want Nx2x3x2")
  wrong(ALONE, {4, 2, 3}, "input 'k': the array is 4x2x3, want 2x3")
  wrong(NUMBER, {2}, "input 'n': the array is 2, want ")
end)

test.case('arrays become images', function()
  test.same(values(border.to_net(IMAGE, filled{2, 3, 2}, 1, {3, 2, 2})), {0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11})
  local two = border.to_net(IMAGE, filled{2, 2, 3, 2}, 2, {3, 2, 2})
  test.same(two:shape(), {2, 3, 2, 2})
  test.same({two:get(2, 1, 1, 1), two:get(2, 1, 1, 2), two:get(2, 3, 2, 2)}, {12, 18, 23})
  test.same(values(border.to_net(FLAT, filled{2, 6}, 2, {6})), {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11})
end)

test.case('one for all images is repeated', function()
  local all = border.to_net(IMAGE, filled{2, 3, 2}, 3, {3, 2, 2})
  test.same(all:shape(), {3, 3, 2, 2})
  for i = 1, 3 do test.same({all:get(i, 1, 1, 1), all:get(i, 1, 1, 2), all:get(i, 3, 2, 2)}, {0, 6, 11}) end
  local alone = border.to_net(ALONE, filled{2, 3}, 2, {3, 2})
  test.same(values(alone), {0, 3, 1, 4, 2, 5, 0, 3, 1, 4, 2, 5})
  test.same(values(border.to_net(ALONE, filled{2, 3}, 1, {3, 2})), {0, 3, 1, 4, 2, 5})
  test.same(values(border.to_net(NUMBER, filled({1}, 7), 2, {1})), {7, 7})
end)

test.case('images become arrays', function()
  for _, face in ipairs{IMAGE, FLAT} do
    local array = filled(#face.dims == 1 and {2, 6} or {2, 2, 3, 2})
    local back = border.from_net(face, border.to_net(face, array, 2, #face.dims == 1 and {6} or {3, 2, 2}))
    test.same(back:shape(), array:shape())
    test.same(values(back), values(array))
  end
  local one = border.from_net(ALONE, border.to_net(ALONE, filled{2, 3}, 2, {3, 2}))
  test.same(one:shape(), {2, 3})
  test.same(values(one), {0, 1, 2, 3, 4, 5})
  test.same(border.from_net(NUMBER, filled({2, 1}, 7)):shape(), {1})
end)

test.case('a border of another net', function()
  local net, x = anet.net{input = {3, 2, 2}, name = 'image'}
  net:output(net:relu(x, {name = 'y'}))
  local faces = border.of(net)
  test.same(faces.inputs[1].dims, {3, 2, 2})
  test.same(faces.inputs[1].order, {0, 1, 2})
  test.equal(faces.inputs[1].name, 'image')
  test.equal(faces.outputs[1].name, 'y')
  test.equal(faces.outputs[1].batch, true)
  test.equal(border.of(net, {inputs = {IMAGE}, outputs = {IMAGE}}).inputs[1], IMAGE)
  test.equal(border.of(net, {inputs = {IMAGE}}).outputs[1].name, 'y')
  local function wrong(change)
    local face = {name = 'x', batch = true, dims = {2, 3, 2}, atoms = {2, 3, 2}, order = {1, 2, 0}}
    change(face)
    local got, message = border.of(net, {inputs = {face}})
    test.equal(got, nil)
    return message
  end
  test.equal(wrong(function(f) f.dims = {2, 3, 3} end),
             "the text 'border': 'x' has dims 2x3x3, atoms 2x3x2 and order 1 2 0, which do not fit 'image' of shape 3x2x2")
  wrong(function(f) f.atoms = {2, 3, 3} end)
  wrong(function(f) f.order = {1, 2, 1} end)
  wrong(function(f) f.order = {1, 2, 3} end)
  wrong(function(f) f.order = {0, 1, 2, 0} end)
  wrong(function(f) f.order = {0, 1} end)
end)

return test.finish()
