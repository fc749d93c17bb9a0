-- ONNX through the face and the command line: in, out, arrays in the layout of their source; and pretrained
-- models where ../shared/data has them.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local ffi = require 'ffi'

local command = dofile 'tests/support/command.lua'
local folder, path, run, run_json, random = command.folder, command.path, command.run, command.run_json, command.random

-- Largest difference of two dense tensors over the second's range.
local function distance(a, b)
  local x, y, worst, low, high = a:data(), b:data(), 0, math.huge, -math.huge
  test.equal(a:count(), b:count())
  for i = 0, tonumber(b:count()) - 1 do
    worst = math.max(worst, math.abs(x[i] - y[i]))
    low, high = math.min(low, y[i]), math.max(high, y[i])
  end
  return worst / (high - low)
end

-- A small residual net with a feature map as a second output.
local function small()
  local n, x = anet.net{input = {8, 6, 3}, name = 'image'}
  x = n:relu(n:norm(n:conv(x, {channels = 8, kernel = 3, pad = 1})))
  for _ = 1, 3 do
    local y = n:relu(n:norm(n:conv(x, {channels = 8, kernel = 3, pad = 1})))
    x = n:relu(n:add(n:norm(n:conv(y, {channels = 8, kernel = 3, pad = 1})), x))
  end
  n:output(n:linear(n:flatten(n:max_pool(x, {kernel = 2, stride = 2})), {channels = 5, name = 'logits'}))
  return n:output(n:conv(x, {channels = 4, kernel = 1, name = 'map'})):init(3)
end

local function save(net, name)
  local input = anet.data.input{height = 8, width = 6, channels = 3}
  assert(anet.bundle():set_net(net):set_input(input):save(path(name)))
end

test.case('out and in', function()
  local net = small()
  save(net, 'small.anet')
  test.equal(run_json('export ' .. path 'small.anet' .. ' --out ' .. path 'small.onnx').format, 'onnx')
  test.same(anet.net.onnx_inputs(path 'small.onnx'), {'image'})
  run_json('import ' .. path 'small.onnx' .. ' --out ' .. path 'again.anet')
  local mine = random({5, 8, 6, 3}, 1)
  mine:save(path 'nhwc.npy')
  mine:transpose{1, 4, 2, 3}:save(path 'nchw.npy')
  local a = run_json('run ' .. path 'small.anet' .. ' ' .. path 'nhwc.npy' .. ' -o ' .. path 'a.npy')
  local b = run_json('run ' .. path 'again.anet' .. ' ' .. path 'nchw.npy' .. ' -o ' .. path 'b.npy')
  test.same({a.results[1].output, a.results[2].output}, {'logits', 'map'})
  test.same({b.results[1].output, b.results[2].output}, {'logits', 'map'})
  local maps = {anet.tensor.load(path 'a.2.npy'), anet.tensor.load(path 'b.2.npy')}
  test.same(maps[1]:shape(), {5, 8, 6, 4})
  test.same(maps[2]:shape(), {5, 4, 8, 6})
  test.check(distance(maps[2]:transpose{1, 3, 4, 2}, maps[1]) < 1e-5, 'maps differ')
  test.check(distance(anet.tensor.load(path 'b.npy'), anet.tensor.load(path 'a.npy')) < 1e-5, 'logits differ')
end)

test.case('arrays that do not fit', function()
  random({5, 8, 6, 2}, 1):save(path 'two.npy')
  local output, status = run('run ' .. path 'again.anet' .. ' ' .. path 'two.npy')
  test.equal(status, 1)
  test.mentions(output, "input 'image': the array is 5x8x6x2, want Nx3x8x6")
  output, status = run('run ' .. path 'again.anet' .. ' ' .. path 'two.npy' .. ' ' .. path 'nchw.npy')
  test.equal(status, 1)
  test.mentions(output, 'has 1 inputs, got 2')
  output, status = run('run ' .. path 'again.anet' .. ' README.md -o ' .. path 'x.npy')
  test.equal(status, 1)
  test.mentions(output, 'want arrays')
end)

test.case('damaged files', function()
  local file = assert(io.open(path 'small.onnx', 'rb'))
  local bytes = file:read '*a'
  file:close()
  file = assert(io.open(path 'cut.onnx', 'wb'))
  file:write(bytes:sub(1, 1000))
  file:close()
  for _, name in ipairs{'cut.onnx', 'labels.none', 'nhwc.npy'} do
    local output, status = run('import ' .. path(name))
    test.equal(status, 1)
    test.check(output:match '^anet import: [^\n]*\n$', output)
  end
end)

test.case('a subnet leaves and comes back', function()
  run_json('elastify ' .. path 'small.anet' .. " --data '' --out " .. path 'super.anet')
  local s = assert(anet.bundle.open(path 'super.anet')):supernet()
  local genome = s:space():sample(anet.rng(1))
  run_json(('export %s --genome %s --out %s'):format(path 'super.anet', genome, path 'subnet.onnx'))
  local back = assert(anet.net.import(path 'subnet.onnx'))
  local image = random({2, 8, 6, 3}, 5)
  local want = anet.plan(s:subnet(genome), {batch = 2}):run(image)
  test.check(distance((anet.plan(back, {batch = 2}):run(image)), want) < 1e-5, 'genome ' .. genome)
end)

test.case('what the images were', function()
  local file = assert(io.open(path 'labels.txt', 'w'))
  file:write 'cat\ndog\n\nowl\nfox\nelk\n'
  file:close()
  run_json(('import %s --out %s --mean 127.5 --std 60,70,80 --scale 255 --labels %s'):format(path 'small.onnx',
    path 'named.anet', path 'labels.txt'))
  local b = assert(anet.bundle.open(path 'named.anet'))
  test.same(b:value 'classes', {'cat', 'dog', 'owl', 'fox', 'elk'})
  local input = b:input()
  test.near(input.mean[2], 0.5, 1e-6)
  test.near(input.deviation[3], 80 / 255, 1e-6)
  local output, status = run(('import %s --mean 1,2'):format(path 'small.onnx'))
  test.equal(status, 1)
  test.mentions(output, 'got 2 numbers, the input has 3 channels')
end)

test.case('sizes in the path of images', function()
  os.execute('mkdir -p ' .. path 'photos')
  for i = 0, 2 do
    local image = anet.tensor({20 + i, 30, 3}, 'u8')
    assert(anet.image.save(image, path('photos/' .. i .. '_x.png')))
  end
  test.same(anet.data.open(path 'photos:size=16,crop=12'):shape(), {12, 12, 3})
  test.same(anet.data.open(path 'photos:size=16'):shape(), {16, 16, 3})
  local _, message = anet.data.open(path 'photos:size=16,corp=12')
  test.mentions(message, "'corp=12' is neither size=PIXELS nor crop=PIXELS")
  _, message = anet.data.open(path 'photos')
  test.mentions(message, 'give a size')
end)

test.case('the checker of ONNX', function()
  if os.execute('/usr/bin/python3 -c "from onnx import checker" 2>/dev/null') ~= 0 then
    print('skipped: there is no python3-onnx')
    return
  end
  for _, name in ipairs{'small.onnx', 'subnet.onnx'} do
    local check = ('/usr/bin/python3 -c "import onnx; from onnx import checker; ' ..
                   'checker.check_model(onnx.load(\'%s\'), full_check=True)"'):format(path(name))
    test.equal(os.execute(check), 0)
  end
end)

-- A quantised convolution whose Relu the quantiser has dropped, and a bias by axis as before opset 7.
local PYTHON = [[
import numpy as np, onnx
from onnx import helper as h, numpy_helper as n, TensorProto as T
def save(path, opset, nodes, arrays, out):
    g = h.make_graph(nodes, 'g', [h.make_tensor_value_info('x', T.FLOAT, ['N', 2, 4, 4])],
                     [h.make_tensor_value_info('y', T.FLOAT, ['N'] + out)],
                     [n.from_array(np.array(v), k) for k, v in arrays.items()])
    onnx.save(h.make_model(g, opset_imports=[h.make_opsetid('', opset)]), path)
r = np.random.default_rng(1)
w = r.integers(-128, 127, (3, 2, 1, 1)).astype(np.int8)
q = lambda x, y: [h.make_node('QuantizeLinear', [x, 's', 'z'], [y + 'q']), h.make_node('DequantizeLinear', [y + 'q', 's', 'z'], [y])]
save('FOLDER/qdq.onnx', 13, [h.make_node('DequantizeLinear', ['w', 'ws', 'wz'], ['wf']),
     h.make_node('Conv', ['x', 'wf'], ['c'])] + q('c', 'y'),
     {'w': w, 'ws': np.float32(0.02), 'wz': np.int8(0), 's': np.float32(0.05), 'z': np.uint8(0)}, [3, 4, 4])
b = np.array([0.5, -0.25], np.float32)
save('FOLDER/old.onnx', 6, [h.make_node('Add', ['x', 'b'], ['y'], axis=1, broadcast=1)], {'b': b}, [2, 4, 4])
half = r.normal(size=(3, 2, 1, 1)).astype(np.float16)
save('FOLDER/half.onnx', 13, [h.make_node('Conv', ['x', 'w'], ['y'])], {'w': half}, [3, 4, 4])
save('FOLDER/head.onnx', 13, [h.make_node('Conv', ['x', 'w'], ['c']), h.make_node('Transpose', ['c'], ['t'], perm=[0, 2, 3, 1]),
     h.make_node('Reshape', ['t', 'to'], ['y'])], {'w': half.astype(np.float32), 'to': np.array([0, 2, -1, 3])}, [2, 8, 3])
save('FOLDER/group.onnx', 18, [h.make_node('GroupNormalization', ['x', 'g', 'b'], ['y'], num_groups=1)],
     {'g': np.array([2], np.float32), 'b': b[:1]}, [2, 4, 4])
x = r.normal(size=(5, 2, 4, 4)).astype(np.float32)
np.save('FOLDER/x.npy', x)
conv = lambda k: np.einsum('nchw,oc->nohw', x, k[:, :, 0, 0].astype(np.float32)).astype(np.float32)
np.save('FOLDER/qdq.npy', np.maximum(0, 0.02 * conv(w)).astype(np.float32))
np.save('FOLDER/old.npy', x + b[None, :, None, None])
np.save('FOLDER/half.npy', conv(half))
np.save('FOLDER/head.npy', conv(half).transpose(0, 2, 3, 1).reshape(5, 2, 8, 3))
centred = x - x.mean((1, 2, 3), keepdims=True)
np.save('FOLDER/group.npy', (2 * centred / np.sqrt((centred ** 2).mean((1, 2, 3), keepdims=True) + 1e-5) + b[0]).astype(np.float32))
m = onnx.load('FOLDER/half.onnx')
onnx.save_model(m, 'FOLDER/apart.onnx', save_as_external_data=True, location='apart.bin', size_threshold=0)
np.save('FOLDER/apart.npy', conv(half))
]]

test.case('files of python3-onnx', function()
  if os.execute('/usr/bin/python3 -c "import numpy; from onnx import checker" 2>/dev/null') ~= 0 then
    print('skipped: there is no python3-onnx')
    return
  end
  local file = assert(io.open(path 'make.py', 'w'))
  file:write((PYTHON:gsub('FOLDER', folder)))
  file:close()
  test.equal(os.execute('/usr/bin/python3 ' .. path 'make.py'), 0)
  for _, name in ipairs{'qdq', 'old', 'half', 'apart', 'head', 'group'} do
    run_json(('import %s.onnx --out %s.anet'):format(path(name), path(name)))
    run_json(('run %s.anet %s -o %s.out.npy'):format(path(name), path 'x.npy', path(name)))
    local got, want = anet.tensor.load(path(name .. '.out.npy')), anet.tensor.load(path(name .. '.npy'))
    test.same(got:shape(), want:shape())
    test.check(distance(got, want) < 1e-5, name .. ' is off by ' .. distance(got, want))
    run_json(('export %s.anet --out %s.again.onnx'):format(path(name), path(name)))
    run_json(('import %s.again.onnx --out %s.again.anet'):format(path(name), path(name)))
    run_json(('run %s.again.anet %s -o %s.out.npy'):format(path(name), path 'x.npy', path(name)))
    got = anet.tensor.load(path(name .. '.out.npy'))
    test.same(got:shape(), want:shape())
    test.check(distance(got, want) < 1e-5, name .. ' comes back off by ' .. distance(got, want))
  end
  os.remove(path 'apart.bin')
  local output, status = run('import ' .. path 'apart.onnx')
  test.equal(status, 1)
  test.mentions(output, 'apart.bin')
end)

-- Boxes and scores, then suppression of what overlaps, which nobody here computes.
test.case('the end of a detector', function()
  if os.execute('/usr/bin/python3 -c "import numpy; from onnx import checker" 2>/dev/null') ~= 0 then
    print('skipped: there is no python3-onnx')
    return
  end
  test.equal(os.execute(('/usr/bin/python3 tests/support/exported.py %s detector'):format(folder)), 0)
  local output, status = run('import ' .. path 'detector.onnx')
  test.equal(status, 1)
  for _, word in ipairs{'NonMaxSuppression', 'NonMaxSuppression_', 'opset 11', 'partial'} do test.mentions(output, word) end
  local made = run_json(('import %s --partial --out %s'):format(path 'detector.onnx', path 'detector.anet'))
  test.equal(made.left_out.ops.NonMaxSuppression, 1)
  test.equal(made.left_out.ops.Conv, nil)
  test.same(made.left_out.outputs, {'which', 'picked', 'features'})
  test.same(made.left_out.reads, {'/Relu_6_output_0', 'boxes', 'scores'})
  output = run(('import %s --partial --out %s'):format(path 'detector.onnx', path 'detector.anet'))
  test.mentions(output, 'lost: which, picked, features; instead: /Relu_6_output_0, boxes, scores')
  test.mentions(output, 'ONNX files written of it have that again')
  local image = path 'detector.npy'
  local ran = run_json(('run %s %s -o %s'):format(path 'detector.anet', image, path 'y.npy'))
  test.same({ran.results[1].output, ran.results[2].output, ran.results[3].output}, made.left_out.reads)
  test.same(anet.tensor.load(path 'y.2.npy'):shape(), {1, 64, 4})
  test.equal(run_json(('elastify %s --data "" --out %s'):format(path 'detector.anet', path 'super.anet')).blocks[1].kind, 'basic')
  output = run(('info %s --why'):format(path 'super.anet'))
  for _, word in ipairs{'1 block in 1 trunk', 'basic', 'NonMaxSuppression', 'lost: which, picked'} do
    test.mentions(output, word)
  end
  local named = run_json(('import %s --outputs scores,/Relu_6_output_0 --out %s'):format(path 'detector.onnx',
                         path 'features.anet'))
  test.equal(named.left_out, nil)
  ran = run_json(('run %s %s -o %s'):format(path 'features.anet', image, path 'y.npy'))
  test.same({ran.results[1].output, ran.results[2].output}, {'scores', '/Relu_6_output_0'})
  run_json(('export %s --out %s'):format(path 'super.anet', path 'again.onnx'))
  test.equal(os.execute(('/usr/bin/python3 -c "import onnx; m = onnx.load(\'%s\'); onnx.checker.check_model(m, full_check=True); ' ..
    'assert [o.name for o in m.graph.output] == [\'which\', \'picked\', \'features\']"'):format(path 'again.onnx')), 0)
  output, status = run(('import %s --outputs nothing'):format(path 'detector.onnx'))
  test.equal(status, 1)
  test.mentions(output, "no node makes 'nothing'")
end)

-- ---- pretrained models ------------------------------------------------------------------------------------

local SHARED = (os.getenv 'ANET_SHARED' or '../shared') .. '/data'

local function shared(name)
  local file = io.open(SHARED .. '/' .. name, 'rb')
  if not file then print('skipped: there is no ' .. SHARED .. '/' .. name) end
  if file then file:close() end
  return file and SHARED .. '/' .. name
end

-- Floats of a file as a tensor of rows.
local function floats(name, columns)
  local file = assert(io.open(shared(name), 'rb'))
  local bytes = file:read '*a'
  file:close()
  local t = anet.tensor{#bytes / 4 / columns, columns}
  ffi.copy(t:data(), bytes, #bytes)
  return t
end

local function blocks_of(net) return #anet.supernet.blocks(net) end

for _, size in ipairs{20, 56} do
  test.case('resnet' .. size, function()
    local model = shared(('models/cifar10_resnet%d.onnx'):format(size))
    if not model then return end
    local net = assert(anet.net.import(model))
    local input = anet.data.input{height = 32, width = 32, channels = 3, mean = {0.485, 0.456, 0.406},
                                  deviation = {0.229, 0.224, 0.225}}
    local images = assert(anet.data.open(SHARED .. '/cifar10', {part = 'test'})):slice(1, 200)
    local want = floats(('vectors/cifar_resnet%d_logits_200x10.ort1.20.f32'):format(size), 10)
    local got = anet.plan(net, {batch = 200}):run(images:tensor(input))
    test.check(distance(got, want) < 1e-5, 'logits are off by ' .. distance(got, want) .. ' of their range')
    test.equal(blocks_of(net), size == 20 and 9 or 27)
    net:export(path 'resnet.onnx')
    local again = anet.plan(assert(anet.net.import(path 'resnet.onnx')), {batch = 200}):run(images:tensor(input))
    test.check(distance(again, want) < 1e-5, 'exported: ' .. distance(again, want))
  end)
end

test.case('mobilenet', function()
  local model = shared 'models/imagenet_mobilenetv2_1.0_224.onnx'
  if not model then return end
  local net = assert(anet.net.import(model))
  local pipe = io.popen('xz -dc ' .. SHARED .. '/vectors/imagenet50_224.chw.u8.xz')
  local bytes = pipe:read '*a'
  pipe:close()
  test.equal(#bytes, 50 * 3 * 224 * 224)
  local n = 8 -- enough: they differ in nothing but their pixels
  local chw = anet.tensor{n, 3, 224, 224}
  for i = 0, tonumber(chw:count()) - 1 do chw:data()[i] = bytes:byte(i + 1) / 127.5 - 1 end
  local got = anet.plan(net, {batch = n}):run(chw:transpose{1, 3, 4, 2})
  local want = floats('vectors/mobilenetv2_logits_50x1000.ort1.20.f32', 1000):first(n)
  test.check(distance(got, want) < 1e-5, 'logits are off by ' .. distance(got, want) .. ' of their range')
  test.equal(blocks_of(net), 17)
end)

os.execute('rm -rf ' .. folder)
return test.finish()
