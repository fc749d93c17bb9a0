-- What leaves as ONNX computes the same in ONNX Runtime: oracles and subnets, with their figures. Needs node and
-- onnxruntime-node, in the folder ANET_ORT or where tests/bench/peers.sh installs it.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local ffi = require 'ffi'

local MOST = 1e-4   -- difference over the range of what ONNX Runtime gives
local LEVELS = 0.01 -- where blocks are in bytes: a sum may round to the next of 256 levels

local cache = os.getenv 'XDG_CACHE_HOME' or (os.getenv 'HOME' or '') .. '/.cache'
local module = os.getenv 'ANET_ORT' or cache .. '/anet-peers/node_modules/onnxruntime-node'

local function quiet(command) return os.execute(command .. ' >/dev/null 2>&1') == 0 end

if not quiet 'command -v node' or not quiet(("node -e 'require(\"%s\")'"):format(module)) then
  print(('skipped: there is no onnxruntime-node for node in %s (set ANET_ORT, or run tests/bench/peers.sh)'):format(module))
  return test.finish()
end

local folder = os.tmpname()
os.remove(folder)
os.execute('mkdir -p ' .. folder)
local function path(name) return folder .. '/' .. name end

local function noise(dims, seed)
  local t, rng = anet.tensor(dims), ffi.new 'anet_rng'
  ffi.C.anet_rng_seed(rng, seed)
  for i = 0, tonumber(t:count()) - 1 do t:data()[i] = 2 * ffi.C.anet_rng_uniform(rng) - 1 end
  return t
end

-- Images (n, h, w, c) for a net: two where not said.
local function images_for(net, n)
  local shape = net:shape(net:inputs()[1])
  return noise({n or 2, shape[1], shape[2], shape[3]}, 7)
end

-- As ONNX has it: channels before rows and columns.
local function foreign(t) return #t:shape() == 4 and t:transpose{1, 4, 2, 3} or t end

local function distance(a, b)
  local x, y = a:clone():data(), b:data()
  local worst, low, high = 0, math.huge, -math.huge
  for i = 0, tonumber(b:count()) - 1 do
    local difference = math.abs(x[i] - y[i])
    worst = difference > worst and difference or difference ~= difference and math.huge or worst
    low, high = math.min(low, y[i]), math.max(high, y[i])
  end
  return worst / (high - low)
end

-- {name, net}, …: all leave (but those that came in as `folder/name.onnx`), ONNX Runtime runs them in one process, then
-- they are compared.
local function agree(models)
  local names = {}
  for i, model in ipairs(models) do
    names[i] = model.name
    if not model.came then assert(model.net:export(path(model.name .. '.onnx'))) end
    foreign(images_for(model.net)):save(path(model.name .. '.npy'))
  end
  local command = ("ANET_ORT='%s' node tests/support/ort.js %s %s 2>&1"):format(module, folder, table.concat(names, ' '))
  local pipe = io.popen(command)
  local said = pipe:read '*a'
  pipe:close()
  for _, model in ipairs(models) do
    local outputs = {anet.plan(model.net, {batch = 2}):run(images_for(model.net))}
    test.check(said:find('\n' .. model.name .. ' ', 1, true) or said:find('^' .. model.name:gsub('%p', '%%%0') .. ' '),
               model.name .. ': ' .. said)
    for i, output in ipairs(outputs) do
      local theirs = anet.tensor.load(path(('%s.%d.npy'):format(model.name, i)))
      if not test.check(theirs, model.name .. ' has no output ' .. i) then return end
      test.same(theirs:shape(), foreign(output):shape())
      local off = distance(foreign(output), theirs)
      print(('%-28s output %d: %.2g of the range'):format(model.name, i, off))
      test.check(off <= (model.bytes and LEVELS or MOST), ('%s: output %d is off by %g'):format(model.name, i, off))
    end
    os.remove(path(model.name .. '.onnx'))
  end
end

-- Networks as they are after training: norms have statistics, of enough values that none is near 0.
local function settle(net)
  return assert(net:init(3):calibrate(images_for(net, 16), {batch = 16}))
end

test.case('what ships', function()
  local models = {}
  for _, name in ipairs{'resnet20', 'mobilenet_v2'} do
    models[#models + 1] = {name = name, net = assert(anet.bundle.open(('data/%s.anet'):format(name))):net()}
    local s = assert(anet.bundle.open(('data/%s-supernet.anet'):format(name))):supernet()
    local random = anet.rng(5)
    models[#models + 1] = {name = name .. '-oracle', net = s:oracle()}
    for i = 1, 8 do
      local genome, bytes = s:space():sample(random), false
      for _, option in ipairs(s:space():chosen(genome)) do bytes = bytes or option.kind == 'int8' end
      models[#models + 1] = {name = ('%s-%d'):format(name, i), net = s:subnet(genome), bytes = bytes}
    end
    local genome = {} -- and one without
    for p = 1, s:space().positions do genome[p] = tostring(p % 2 * (#s:space():options(p) > 2 and 3 or 0)) end
    models[#models + 1] = {name = name .. '-plain', net = s:subnet(table.concat(genome))}
  end
  agree(models)
end)

test.case('architectures', function()
  local models = {}
  for _, entry in ipairs{
    {'resnet8', 32}, {'resnet56', 32}, {'resnet18', 64}, {'resnet50', 64}, {'mobilenet_v1', 64}, {'mobilenet_v2', 64},
    {'mobilenet_v2_small', 32}, {'squeezenet1_1', 64}, {'vgg_small', 32},
  } do
    local name, size = entry[1], entry[2]
    models[#models + 1] = {name = name, net = settle(anet.zoo[name]{input = {size, size, 3}, classes = 10})}
  end
  agree(models)
end)

local function conv(n, x, channels, options)
  options = options or {}
  options.channels, options.kernel, options.pad = channels, options.kernel or 3, 'same'
  return n:relu(n:norm(n:conv(x, options)))
end

-- Down twice, up by a transposed convolution and by resizing, joined with what went down; a map and a vector leave.
local function unet()
  local n, x = anet.net{input = {32, 32, 3}, name = 'image'}
  local top = conv(n, conv(n, x, 8), 8)
  local middle = conv(n, conv(n, n:max_pool(top, {kernel = 2, stride = 2}), 16), 16)
  local low = conv(n, conv(n, n:max_pool(middle, {kernel = 2, stride = 2}), 32), 32)
  local up = n:conv_transpose(low, {channels = 16, kernel = 2, stride = 2, bias = true})
  up = conv(n, conv(n, n:concat(up, middle), 16), 16)
  up = n:resize(up, {dim = {32, 32}, mode = 'bilinear'})
  up = conv(n, n:concat(up, top), 8)
  n:output(n:conv(up, {channels = 4, kernel = 1, bias = true, name = 'map'}))
  return n:output(n:linear(n:global_pool(low), {channels = 5, name = 'classes'}))
end

-- Squeeze-excite, hard swish, grouped convolutions, layer norms, gelu: what newer classifiers are made of.
local function newer()
  local n, x = anet.net{input = {24, 24, 3}, name = 'image'}
  x = n:hard_swish(n:norm(n:conv(x, {channels = 16, kernel = 4, stride = 4, bias = true})))
  local gate = n:relu(n:conv(n:reshape(n:global_pool(x), {dim = {1, 1, 16}}), {channels = 4, kernel = 1, bias = true}))
  gate = n:hard_sigmoid(n:conv(gate, {channels = 16, kernel = 1, bias = true}))
  x = n:mul(x, gate)
  local y = n:layer_norm(n:depthwise(x, {kernel = 7, pad = 'same', bias = true}))
  y = n:conv(n:gelu(n:conv(y, {channels = 64, kernel = 1, bias = true})), {channels = 16, kernel = 1, bias = true})
  x = n:add(x, n:conv(y, {channels = 16, kernel = 3, pad = 'same', groups = 4, bias = true}))
  return n:output(n:softmax(n:linear(n:global_pool(x), {channels = 5, name = 'logits'})))
end

test.case('maps, and newer blocks', function()
  agree{{name = 'unet', net = settle(unet())}, {name = 'newer', net = settle(newer())}}
end)

-- Levels alone: plans that run convolutions on bytes round weights too, which the file does not say.
test.case('levels of a byte', function()
  local n, x = anet.net{input = {8, 8, 3}, name = 'image'}
  agree{{name = 'levels', net = n:output(n:node('quantize', {x}, {alpha = -0.5, beta = 0.75}))}}
end)

test.case('what came in leaves again', function()
  local shared, models = (os.getenv 'ANET_SHARED' or '../shared') .. '/data/models/', {}
  for _, name in ipairs{'cifar10_resnet20', 'cifar10_resnet56', 'imagenet_mobilenetv2_1.0_224'} do
    local file = io.open(shared .. name .. '.onnx', 'rb')
    if file then
      file:close()
      models[#models + 1] = {name = name, net = assert(anet.net.import(shared .. name .. '.onnx'))}
    else
      print(('skipped: there is no %s%s.onnx'):format(shared, name))
    end
  end
  if #models > 0 then agree(models) end
end)

-- What exporters write, as it is and as it leaves again.
test.case('as exporters write them', function()
  if not quiet '/usr/bin/python3 -c "import onnx, numpy"' then
    print 'skipped: there is no python3-onnx'
    return
  end
  test.equal(os.execute('/usr/bin/python3 tests/support/exported.py ' .. folder), 0)
  local models = {}
  for file in io.popen('ls ' .. folder):lines() do
    local name = file:match '^(.*)%.onnx$'
    if name then
      local net = assert(anet.net.import(path(file)))
      models[#models + 1] = {name = name, net = net, came = true}
      models[#models + 1] = {name = name .. '-again', net = net}
    end
  end
  test.equal(#models, 26)
  agree(models)
end)

-- What the import of a detector left out is behind its subnets again: the same boxes are chosen.
test.case('the end of a detector', function()
  if not quiet '/usr/bin/python3 -c "import onnx, numpy"' then return end
  test.equal(os.execute(('/usr/bin/python3 tests/support/exported.py %s detector'):format(folder)), 0)
  local about = anet.bundle()
  local net = assert(anet.net.import(path 'detector.onnx', {partial = true, about = about}))
  assert(net:export(path 'again.onnx', about))
  os.execute(('cp %s %s'):format(path 'detector.npy', path 'again.npy'))
  test.equal(os.execute(("ANET_ORT='%s' node tests/support/ort.js %s detector again >/dev/null"):format(module, folder)), 0)
  for i = 1, 3 do
    local want, got = anet.tensor.load(path(('detector.%d.npy'):format(i))), anet.tensor.load(path(('again.%d.npy'):format(i)))
    test.same(got:shape(), want:shape())
    test.check(want:count() > 2, 'too few boxes are chosen')
    local off = distance(got, want)
    print(('%-28s output %d: %.2g of the range'):format('detector', i, off))
    test.check(off <= MOST, 'the end is off by ' .. off)
  end
end)

os.execute('rm -rf ' .. folder)
return test.finish()
