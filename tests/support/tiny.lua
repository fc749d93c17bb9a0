-- A small world for tests of the road: four blocks on 8x8 images, each stretch of the road in a second.
local anet = require 'anet'

-- pool: one thread, for what is too small to share.
local M = {CLASSES = 3, pool = anet.pool(1)}

local function conv_norm(n, x, channels, stride)
  return n:norm(n:conv(x, {channels = channels, kernel = 3, stride = stride, pad = 1}))
end

-- Residual blocks of 8, 8, 16 and 16 channels; the third halves the rows. ending: an op behind the classifier.
function M.net(seed, ending)
  local n, x = anet.net{input = {8, 8, 1}}
  x = n:relu(conv_norm(n, x, 8))
  for b, channels in ipairs{8, 8, 16, 16} do
    local stride = b == 3 and 2 or 1
    local y = conv_norm(n, n:relu(conv_norm(n, x, channels, stride)), channels)
    if stride > 1 then x = n:norm(n:conv(x, {channels = channels, kernel = 1, stride = stride})) end
    x = n:relu(n:add(y, x), {name = 'block' .. b})
  end
  x = n:linear(n:global_pool(x), {channels = M.CLASSES, name = 'classes'})
  return n:output(ending and n[ending](n, x, {name = 'ending'}) or x):init(seed or 1)
end

-- A net of the same weights with an op behind its classifier.
function M.ending_in(ending, from)
  local n = M.net(1, ending)
  local own = n:all_params()
  for i, p in ipairs(from:all_params()) do own[i].tensor:copy(p.tensor) end
  return n
end

-- Noise with a bright band of rows, which is the label.
function M.data(count, seed)
  local images, labels = anet.tensor({count, 8, 8, 1}, 'u8'), anet.tensor({count}, 'i32')
  local random, pixels, values = anet.rng(seed or 1), images:data(), labels:data()
  for i = 0, count - 1 do
    values[i] = random:int(0, M.CLASSES - 1)
    for k = 0, 63 do
      local bright = math.floor(k / 24) == values[i]
      pixels[i * 64 + k] = random:int(0, 120) + (bright and 60 or 0)
    end
  end
  return anet.data(images, labels, M.CLASSES)
end

-- A net that has learnt the data a little.
function M.oracle(data, input)
  local n = M.net()
  local trainer = anet.train.trainer(n, data, input, {batch = 16, epochs = 6, lr = 0.05}, M.pool)
  while not trainer:done() do trainer:step() end
  return n
end

-- The default schedule in a few steps.
function M.schedule(options)
  local spec = 'adaptive:solve_images=32,block_epochs=1,joint_epochs=2' .. (options or '')
  return assert(anet.policy.load(spec, {kind = 'schedule', seed = 7}))
end

function M.supernet(oracle, images) return assert(anet.distill.elastify(oracle, M.schedule(), images, M.pool)) end

-- Whether two tensors hold the same bits.
function M.same_bits(a, b)
  a, b = a:clone(), b:clone()
  local x, y = a:data(), b:data()
  for k = 0, a:count() - 1 do
    if x[k] ~= y[k] then return false end
  end
  return a:count() == b:count()
end

-- Answers of a net to images, as one tensor of its own.
function M.answers(net, images) return anet.plan(net, {batch = images:dim(1), pool = M.pool}):run(images):clone() end

return M
