-- anet export: one subnet, or the oracle, in a file of its own that holds nothing else.
local anet = require 'anet'
local road = require 'anet.road'
local text = require 'anet.text'

local function write_bundle(ui, options, model, net)
  ui:try(road.bundle_for(model):set_net(net):set_value('provenance', {
    verb = 'export', version = anet.version, model = options.model, genome = options.genome, rung = options.rung,
  }):save(options.out))
end

local WRITERS = {
  anet = write_bundle,
  onnx = function(ui, options, model, net) ui:try(net:export(options.out, model.bundle)) end,
}

-- As said, or as the file's name ends; a bundle else.
local function format_of(options)
  if options.format then return options.format end
  return options.out and options.out:match '%.onnx$' and 'onnx' or 'anet'
end

local function run(options, ui)
  local format = format_of(options)
  options.out = options.out or 'exported.' .. format
  local model = road.open_model(ui, options.model, true)
  local net = road.pick_net(ui, model, options.genome, options.rung):copy()
  WRITERS[format](ui, options, model, net)
  local cost = net:cost()
  ui:line('%s: %s, %s MACs', options.out, text.bytes(cost.param_bytes), text.count(cost.macs))
  ui:result{out = options.out, format = format, bytes = cost.param_bytes, macs = cost.macs}
end

return {
  summary = 'write one subnet or the oracle in a file of its own',
  arguments = {{name = 'model', help = 'bundle of a supernet or a network'}},
  flags = {
    {name = 'out', value = 'FILE', help = 'file to write (exported.anet or exported.onnx)'},
    {name = 'format', value = 'F', choices = {'anet', 'onnx'}, help = "as the file's name ends where not given"},
    {name = 'genome', value = 'G', help = 'the subnet'},
    {name = 'rung', value = 'N', type = 'integer', min = 1, help = 'a rung of the ladder that search made, 1 the oracle'},
  },
  run = run,
}
