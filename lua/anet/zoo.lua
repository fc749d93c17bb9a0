-- Architectures by name. Each takes {input = {h, w, c}, classes = n} and returns a net.
local net = require 'anet.net'

local M = {}

-- A convolution (or depthwise one) without bias and its norm.
local function conv_norm(n, x, name, options, op)
  options.name, options.pad = name, 'same'
  return n:norm(n:node(op or 'conv', {x}, options), {name = name .. '_norm'})
end

local function finish(n, x, classes)
  x = n:linear(n:global_pool(x, {name = 'pool'}), {channels = classes, name = 'classes'})
  return n:output(x)
end

-- Two 3x3 convolutions around a shortcut, which is projected where shapes change (He et al. 2016).
local function basic_block(n, x, name, channels, stride)
  local y = n:relu(conv_norm(n, x, name .. '_conv1', {channels = channels, kernel = 3, stride = stride}))
  y = conv_norm(n, y, name .. '_conv2', {channels = channels, kernel = 3})
  if stride > 1 or n:shape(x)[3] ~= channels then
    x = conv_norm(n, x, name .. '_short', {channels = channels, kernel = 1, stride = stride})
  end
  return n:relu(n:add(y, x), {name = name})
end

local function resnet(blocks)
  return function(options)
    local n, x = net.new{input = options.input}
    x = n:relu(conv_norm(n, x, 'stem', {channels = 16, kernel = 3}))
    for stage, channels in ipairs{16, 32, 64} do
      for b = 1, blocks do
        local stride = stage > 1 and b == 1 and 2 or 1
        x = basic_block(n, x, ('stage%d_%d'):format(stage, b), channels, stride)
      end
    end
    return finish(n, x, options.classes)
  end
end

M.resnet8, M.resnet20, M.resnet32, M.resnet56 = resnet(1), resnet(3), resnet(5), resnet(9)

-- Expand, depthwise, project; its input is added where shapes agree (Sandler et al. 2018).
local function inverted_block(n, x, name, expand, channels, stride)
  local before, y = n:shape(x)[3], x
  if expand > 1 then
    y = n:relu6(conv_norm(n, y, name .. '_expand', {channels = before * expand, kernel = 1}))
  end
  y = n:relu6(conv_norm(n, y, name .. '_depth', {kernel = 3, stride = stride}, 'depthwise'))
  y = conv_norm(n, y, name .. '_project', {channels = channels, kernel = 1})
  if stride == 1 and before == channels then y = n:add(y, x, {name = name}) end
  return y
end

-- For small images: full resolution until the second stage. {expand, channels, blocks, stride}.
function M.mobilenet_v2_small(options)
  local n, x = net.new{input = options.input}
  x = n:relu6(conv_norm(n, x, 'stem', {channels = 16, kernel = 3}))
  for stage, s in ipairs{{1, 16, 1, 1}, {4, 32, 3, 2}, {4, 64, 4, 2}, {4, 96, 2, 1}} do
    for b = 1, s[3] do
      local stride = b == 1 and s[4] or 1
      x = inverted_block(n, x, ('stage%d_%d'):format(stage, b), s[1], s[2], stride)
    end
  end
  x = n:relu6(conv_norm(n, x, 'head', {channels = 256, kernel = 1}))
  return finish(n, x, options.classes)
end

-- Plain 3x3 convolutions, no shortcuts (Simonyan & Zisserman 2015, with norms).
function M.vgg_small(options)
  local n, x = net.new{input = options.input}
  for stage, channels in ipairs{32, 64, 128} do
    for b = 1, 2 do
      local stride = stage > 1 and b == 1 and 2 or 1
      x = n:relu(conv_norm(n, x, ('stage%d_%d'):format(stage, b),
                           {channels = channels, kernel = 3, stride = stride}))
    end
  end
  return finish(n, x, options.classes)
end

return M
