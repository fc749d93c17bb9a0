-- Architectures: as many parameters as published, and as many multiplications in convolutions and linear layers; shapes on the way.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'

local function build(name, rows, classes) return anet.zoo[name]{input = {rows, rows, 3}, classes = classes} end

-- Multiplications of what has weights, as the literature counts them.
local function multiplications(n)
  local total = 0
  for _, node in n:nodes() do
    if node.op == 'conv' or node.op == 'depthwise' or node.op == 'linear' then total = total + node.macs end
  end
  return total
end

-- How many nodes of each op: 'add 3, conv 9, …'.
local function ops(n)
  local count, list = {}, {}
  for _, node in n:nodes() do count[node.op] = (count[node.op] or 0) + 1 end
  for op, k in pairs(count) do
    if op ~= 'input' then list[#list + 1] = op .. ' ' .. k end
  end
  table.sort(list)
  return table.concat(list, ', ')
end

-- {name, rows, classes, parameters, multiplications, nodes}
local PUBLISHED = {
  -- torchvision's
  {'resnet18', 224, 1000, 11689512, 1814073344, 'add 8, conv 20, global_pool 1, linear 1, max_pool 1, norm 20, relu 17'},
  {'resnet50', 224, 1000, 25557032, 4089184256, 'add 16, conv 53, global_pool 1, linear 1, max_pool 1, norm 53, relu 49'},
  {'mobilenet_v2', 224, 1000, 3504872, 300774272, 'add 10, conv 35, depthwise 17, dropout 1, global_pool 1, linear 1, norm 52, relu6 35'},
  {'squeezenet1_1', 224, 1000, 1235496, 349151936, 'concat 8, conv 26, dropout 1, global_pool 1, max_pool 3, relu 26'},
  -- the paper's, with norms
  {'mobilenet_v1', 224, 1000, 4231976, 568740352, 'conv 14, depthwise 13, global_pool 1, linear 1, norm 27, relu 27'},
  -- those of CIFAR with projections (option B), and the usual forms of the large ones
  {'resnet20', 32, 10, 272474, 40813184, 'add 9, conv 21, global_pool 1, linear 1, norm 21, relu 19'},
  {'resnet32', 32, 10, 466906, 69124736, 'add 15, conv 33, global_pool 1, linear 1, norm 33, relu 31'},
  {'resnet56', 32, 10, 855770, 125747840, 'add 27, conv 57, global_pool 1, linear 1, norm 57, relu 55'},
  {'resnet18', 32, 10, 11173962, 555422720, 'add 8, conv 20, global_pool 1, linear 1, norm 20, relu 17'},
  -- our own
  {'resnet8', 32, 10, 78042, 12501632, 'add 3, conv 9, global_pool 1, linear 1, norm 9, relu 7'},
  {'resnet50', 32, 10, 23520842, 1297829888, 'add 16, conv 53, global_pool 1, linear 1, norm 53, relu 49'},
  {'mobilenet_v2', 32, 10, 2236682, 87976448, 'add 10, conv 35, depthwise 17, dropout 1, global_pool 1, linear 1, norm 52, relu6 35'},
  {'mobilenet_v2_small', 32, 10, 298538, 25020928, 'add 7, conv 21, depthwise 10, global_pool 1, linear 1, norm 31, relu6 21'},
  {'vgg_small', 32, 10, 288746, 38634752, 'conv 6, global_pool 1, linear 1, norm 6, relu 6'},
}

test.case('parameters and multiplications', function()
  for _, p in ipairs(PUBLISHED) do
    local name, rows, classes, params, macs, nodes = unpack(p)
    local n = build(name, rows, classes)
    test.equal(name .. ' ' .. n:cost().params, name .. ' ' .. params)
    test.equal(name .. ' ' .. multiplications(n), name .. ' ' .. macs)
    test.equal(name .. ' ' .. ops(n), name .. ' ' .. nodes)
    test.same(n:shape(), {classes})
    test.same(n:shape(1), {rows, rows, 3})
    test.equal(n:get(n:outputs()[1]).op, name == 'squeezenet1_1' and 'global_pool' or 'linear')
    test.check(n:find 'classes' and n:find 'pool', name .. ' has names')
  end
end)

local function shape(n, name) return table.concat(n:shape(assert(n:find(name), name)), 'x') end

test.case('shapes on the way', function()
  local function passes(name, rows, wanted)
    local n = build(name, rows, 10)
    for _, w in ipairs(wanted) do test.equal(name .. ' ' .. w[1] .. ' ' .. shape(n, w[1]), name .. ' ' .. w[1] .. ' ' .. w[2]) end
  end
  passes('resnet8', 32, {{'stem', '32x32x16'}, {'stage1_1', '32x32x16'}, {'stage2_1', '16x16x32'}, {'stage3_1', '8x8x64'}})
  passes('resnet20', 32, {{'stage2_1', '16x16x32'}, {'stage2_3', '16x16x32'}, {'stage3_3', '8x8x64'}})
  passes('resnet18', 224, {{'stem', '112x112x64'}, {'stem_pool', '56x56x64'}, {'stage1_2', '56x56x64'}, {'stage2_1', '28x28x128'}, {'stage4_2', '7x7x512'}})
  passes('resnet18', 32, {{'stem', '32x32x64'}, {'stage1_2', '32x32x64'}, {'stage2_1', '16x16x128'}, {'stage4_2', '4x4x512'}})
  passes('resnet50', 224, {{'stage1_3', '56x56x256'}, {'stage2_1_conv1', '56x56x128'}, {'stage2_1_conv2', '28x28x128'}, {'stage4_3', '7x7x2048'}})
  passes('mobilenet_v1', 224, {{'stem', '112x112x32'}, {'block1_point', '112x112x64'}, {'block13_point', '7x7x1024'}})
  passes('mobilenet_v2', 224, {{'stem', '112x112x32'}, {'stage1_1_project', '112x112x16'}, {'stage2_2', '56x56x24'}, {'stage7_1_project', '7x7x320'}, {'head', '7x7x1280'}})
  passes('mobilenet_v2', 32, {{'stem', '32x32x32'}, {'stage2_1_project', '32x32x24'}, {'stage2_1_expand', '32x32x96'}, {'head', '4x4x1280'}})
  passes('mobilenet_v2_small', 32, {{'stem', '32x32x16'}, {'stage2_3', '16x16x32'}, {'stage4_2', '8x8x96'}, {'head', '8x8x256'}})
  passes('squeezenet1_1', 224, {{'stem', '111x111x64'}, {'fire2', '55x55x128'}, {'fire2_squeeze', '55x55x16'}, {'fire11', '13x13x512'}})
  passes('vgg_small', 32, {{'stage1_2', '32x32x32'}, {'stage2_1', '16x16x64'}, {'stage3_2', '8x8x128'}})
end)

test.case('small images are those under 64 pixels', function()
  for _, name in ipairs{'resnet18', 'resnet50', 'mobilenet_v2'} do
    test.equal(build(name, 63, 10):shape(2)[1], 63)
    test.equal(build(name, 64, 10):shape(2)[1], 32)
  end
  test.equal(build('resnet18', 63, 10):find 'stem_pool', nil)
  test.same(anet.zoo.resnet18{input = {63, 80, 3}, classes = 10}:shape(2), {63, 80, 64}) -- rows count
end)

-- Dropout is for training: as strong as published.
test.case('dropout', function()
  for name, alpha in pairs{mobilenet_v2 = 0.2, squeezenet1_1 = 0.5} do
    local written = anet.bundle():set_net(build(name, 64, 10)):text 'net'
    test.near(tonumber(written:match '"op":"dropout"[^}]-"alpha":([%d.]+)'), alpha, 1e-7)
  end
end)

-- Poolings overlap: a window of 3 every 2.
test.case('windows of poolings', function()
  for name, pools in pairs{squeezenet1_1 = 3, resnet18 = 1} do
    local written = anet.bundle():set_net(build(name, 224, 10)):text 'net'
    local found = 0
    for node in written:gmatch '"op":"max_pool"[^}]*' do
      found = found + 1
      test.check(node:find('"kernel":[3,3],"stride":[2,2]', 1, true), node)
    end
    test.equal(found, pools)
  end
end)

-- What was built is for nets of other inputs, too.
test.case('other inputs', function()
  local n = anet.zoo.resnet8{input = {28, 20, 1}, classes = 3}
  test.same(n:shape(), {3})
  test.equal(shape(n, 'stage3_1'), '7x5x64')
end)

return test.finish()
