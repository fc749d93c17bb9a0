-- anet import: an ONNX file as a bundle.
local anet = require 'anet'
local host = require 'anet.host'
local road = require 'anet.road'
local text = require 'anet.text'

local MOST_BYTES = 2 ^ 20 -- of a file of names

-- '0.5' or '0.485,0.456,0.406' as one number a channel.
local function numbers(ui, flag, given, channels)
  local list = {}
  for word in given:gmatch '[^,]+' do
    list[#list + 1] = tonumber(word) or ui:fail("--%s: '%s' is no number", flag, word)
  end
  if #list == 1 then
    for c = 2, channels do list[c] = list[1] end
  end
  if #list ~= channels then ui:fail('--%s: got %d numbers, the input has %d channels', flag, #list, channels) end
  return list
end

-- How a byte image becomes the input of a net; nil where its input is no image.
local function input_of(ui, net, options)
  local shape = net:shape(net:inputs()[1])
  if #net:inputs() ~= 1 or #shape ~= 3 or shape[3] > 4 then
    if options.given.mean or options.given.std or options.given.scale then
      ui:fail('--mean, --std, --scale: the input is %s, no image', table.concat(shape, 'x'))
    end
    return nil
  end
  local mean = numbers(ui, 'mean', options.mean, shape[3])
  local deviation = numbers(ui, 'std', options.std, shape[3])
  for c = 1, shape[3] do
    mean[c], deviation[c] = mean[c] / options.scale, deviation[c] / options.scale
    if not (deviation[c] > 0) then ui:fail('--std: %g, want more than 0', deviation[c]) end
  end
  return anet.data.input{height = shape[1], width = shape[2], channels = shape[3], mean = mean, deviation = deviation}
end

local function class_names(ui, path)
  local names = {}
  for line in ui:try(host.read(path, MOST_BYTES)):gmatch '[^\r\n]+' do names[#names + 1] = line end
  return names
end

local function words(list)
  local names = {}
  for word in list:gmatch '[^,]+' do names[#names + 1] = word end
  return names
end

local function run(options, ui)
  local bundle, began = anet.bundle(), anet.clock()
  local net = ui:try(anet.net.import(options.model, {
    about = bundle, partial = options.partial, outputs = options.outputs and words(options.outputs),
  }))
  local input = input_of(ui, net, options)
  if input then bundle:set_input(input) end
  if options.labels then bundle:set_value('classes', class_names(ui, options.labels)) end
  ui:try(bundle:set_value('provenance', {
    verb = 'import', version = anet.version, model = options.model, opset = bundle:value 'border'.opset,
    producer = bundle:value 'border'.producer, seconds = anet.clock() - began,
  }):save(options.out))
  local cost, left = net:cost(), bundle:value 'left_out'
  ui:line('%s', tostring(net))
  if input then
    ui:line('a byte x becomes (x/255 - mean)/deviation, mean %s, deviation %s', table.concat(input.mean, ' '),
            table.concat(input.deviation, ' '))
  end
  if left then road.show_left_out(ui, left) end
  ui:line('%s: %s, %s MACs', options.out, text.bytes(cost.param_bytes), text.count(cost.macs))
  ui:result{out = options.out, nodes = net:count(), params = cost.params, bytes = cost.param_bytes, macs = cost.macs,
            input = input and input:fields(), left_out = left}
end

return {
  summary = 'make a bundle of an ONNX model',
  arguments = {{name = 'model', help = 'ONNX file; its external data lies beside it'}},
  flags = {
    {name = 'out', short = 'o', value = 'FILE', default = 'imported.anet', help = 'bundle to write'},
    {name = 'mean', value = 'M,…', default = '0', help = 'mean of the images it was trained on, one number or one a channel'},
    {name = 'std', value = 'S,…', default = '1', help = 'their standard deviation'},
    {name = 'scale', value = 'N', type = 'number', min = 1e-6, default = 1,
     help = 'what white was before mean and std: 1, or 255'},
    {name = 'outputs', value = 'NAME,…', help = 'values that become the outputs; what they do not need is not looked at'},
    {name = 'partial', help = 'leave out an end of the model that cannot be imported, as non-maximum suppression'},
    {name = 'labels', value = 'FILE', help = "the classes' names, one a line"},
  },
  run = run,
  notes = [[
An ONNX file does not say how images become its input. A byte x becomes (x/255 - mean)/std with --scale 1:
  models of torchvision: --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  for x/127.5 - 1:       --mean 0.5 --std 0.5
  for bytes as they are: --scale 255

What a detector ends in (non-maximum suppression, and what picks the boxes) may be of ops that this engine has not. --partial leaves
it out: outputs are then the values that it reads, and ONNX files written of the network or its subnets have it again. Only
what no convolution needs can be left out; --outputs cuts anywhere.]],
}
