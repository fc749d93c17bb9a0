-- Architectures by name. Each takes {input = {h, w, c}, classes = n} and returns a net.
--
-- resnet18, resnet50, mobilenet_v1, mobilenet_v2 and squeezenet1_1 are those of ImageNet (224 x 224 x 3, 1000
-- classes), parameter for parameter. For images under 64 pixels resnet18 and mobilenet_v2 take the form that is usual
-- there, which keeps the resolution at first: ResNet-18 has a 3x3 stem of stride 1 and no pooling after it (strides
-- 1 | 1 2 2 2); MobileNetV2 has a stem and a second stage of stride 1 (1 | 1 1 2 2 1 2 1). Both end at 4 x 4 for 32 x 32.
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

-- Narrow, 3x3 with the stride, wide by 4 (He et al. 2016; the stride is where torchvision has it).
local function bottleneck_block(n, x, name, channels, stride)
  local y = n:relu(conv_norm(n, x, name .. '_conv1', {channels = channels, kernel = 1}))
  y = n:relu(conv_norm(n, y, name .. '_conv2', {channels = channels, kernel = 3, stride = stride}))
  y = conv_norm(n, y, name .. '_conv3', {channels = 4 * channels, kernel = 1})
  if stride > 1 or n:shape(x)[3] ~= 4 * channels then
    x = conv_norm(n, x, name .. '_short', {channels = 4 * channels, kernel = 1, stride = stride})
  end
  return n:relu(n:add(y, x), {name = name})
end

-- Images for which the networks of ImageNet keep their resolution at first.
local function is_small(options) return options.input[1] < 64 end

local function imagenet_resnet(block, blocks)
  return function(options)
    local n, x = net.new{input = options.input}
    local small = is_small(options)
    x = n:relu(conv_norm(n, x, 'stem', {channels = 64, kernel = small and 3 or 7, stride = small and 1 or 2}))
    if not small then x = n:max_pool(x, {kernel = 3, stride = 2, pad = 1, name = 'stem_pool'}) end
    for stage, channels in ipairs{64, 128, 256, 512} do
      for b = 1, blocks[stage] do
        x = block(n, x, ('stage%d_%d'):format(stage, b), channels, stage > 1 and b == 1 and 2 or 1)
      end
    end
    return finish(n, x, options.classes)
  end
end

M.resnet18 = imagenet_resnet(basic_block, {2, 2, 2, 2})
M.resnet50 = imagenet_resnet(bottleneck_block, {3, 4, 6, 3})

-- Depthwise, then 1x1 (Howard et al. 2017, width 1.0). {channels, stride}.
function M.mobilenet_v1(options)
  local n, x = net.new{input = options.input}
  x = n:relu(conv_norm(n, x, 'stem', {channels = 32, kernel = 3, stride = 2}))
  for i, s in ipairs{
    {64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {512, 1},
    {1024, 2}, {1024, 1},
  } do
    local name = 'block' .. i
    x = n:relu(conv_norm(n, x, name .. '_depth', {kernel = 3, stride = s[2]}, 'depthwise'))
    x = n:relu(conv_norm(n, x, name .. '_point', {channels = s[1], kernel = 1}))
  end
  return finish(n, x, options.classes)
end

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

-- Stages of {expand, channels, blocks, stride}.
local function inverted_stages(n, x, stages)
  for stage, s in ipairs(stages) do
    for b = 1, s[3] do
      local stride = b == 1 and s[4] or 1
      x = inverted_block(n, x, ('stage%d_%d'):format(stage, b), s[1], s[2], stride)
    end
  end
  return x
end

-- For small images: full resolution until the second stage.
function M.mobilenet_v2_small(options)
  local n, x = net.new{input = options.input}
  x = n:relu6(conv_norm(n, x, 'stem', {channels = 16, kernel = 3}))
  x = inverted_stages(n, x, {{1, 16, 1, 1}, {4, 32, 3, 2}, {4, 64, 4, 2}, {4, 96, 2, 1}})
  x = n:relu6(conv_norm(n, x, 'head', {channels = 256, kernel = 1}))
  return finish(n, x, options.classes)
end

function M.mobilenet_v2(options)
  local n, x = net.new{input = options.input}
  local early = is_small(options) and 1 or 2
  x = n:relu6(conv_norm(n, x, 'stem', {channels = 32, kernel = 3, stride = early}))
  x = inverted_stages(n, x, {
    {1, 16, 1, 1}, {6, 24, 2, early}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
  })
  x = n:relu6(conv_norm(n, x, 'head', {channels = 1280, kernel = 1}))
  x = n:dropout(n:global_pool(x, {name = 'pool'}), {alpha = 0.2})
  return n:output(n:linear(x, {channels = options.classes, name = 'classes'}))
end

-- Squeeze to a few channels, expand by 1x1 and 3x3 side by side (Iandola et al. 2016).
local function fire_block(n, x, name, squeeze, expand)
  local function conv(from, part, channels, kernel)
    local options = {name = name .. part, channels = channels, kernel = kernel, pad = 'same', bias = true}
    return n:relu(n:conv(from, options))
  end
  x = conv(x, '_squeeze', squeeze, 1)
  return n:concat(conv(x, '_expand1', expand, 1), conv(x, '_expand3', expand, 3), {name = name})
end

-- No norms: biases. A number is a fire block's squeeze, which expands to 8 times of it; 0 is a pooling.
function M.squeezenet1_1(options)
  local n, x = net.new{input = options.input}
  x = n:relu(n:conv(x, {name = 'stem', channels = 64, kernel = 3, stride = 2, bias = true}))
  for i, squeeze in ipairs{0, 16, 16, 0, 32, 32, 0, 48, 48, 64, 64} do
    if squeeze == 0 then
      x = n:max_pool(x, {kernel = 3, stride = 2})
    else
      x = fire_block(n, x, 'fire' .. i, squeeze, 4 * squeeze)
    end
  end
  x = n:conv(n:dropout(x, {alpha = 0.5}), {name = 'classes', channels = options.classes, kernel = 1, bias = true})
  return n:output(n:global_pool(n:relu(x), {name = 'pool'}))
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
