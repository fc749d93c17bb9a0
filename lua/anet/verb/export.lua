-- anet export: one subnet, or the oracle, in a file of its own that holds nothing else.
local anet = require 'anet'
local provenance = require 'anet.provenance'
local road = require 'anet.road'
local text = require 'anet.text'

local function write_bundle(ui, options, model, net)
  ui:try(provenance.put(road.bundle_for(model):set_net(net), 'export', {
    model = options.model, genome = options.genome, rung = options.rung,
  }, model.bundle):save(options.out))
end

-- Arrays as `anet run` takes them: in the order of the file that the network came from.
local function write_c(ui, options, model, net)
  local border = model.bundle:value 'border'
  ui:try(net:export_c(options.out, {
    name = options.name, blob = options.weights == 'blob', faces = border and ui:try(anet.border.of(net, border)),
  }))
end

local WRITERS = {
  anet = write_bundle,
  onnx = function(ui, options, model, net) ui:try(net:export(options.out, model.bundle)) end,
  c = write_c,
}

-- As said, or as the file's name ends; a bundle else.
local function format_of(options)
  if options.format then return options.format end
  local suffix = options.out and options.out:match '%.(%w+)$'
  return WRITERS[suffix] and suffix or 'anet'
end

local function run(options, ui)
  local format = format_of(options)
  for _, flag in ipairs{'name', 'weights'} do
    if options[flag] and format ~= 'c' then ui:fail("--%s: the format is '%s', want 'c'", flag, format) end
  end
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
    {name = 'out', short = 'o', value = 'FILE', help = 'file to write (exported.anet, exported.onnx or exported.c)'},
    {name = 'format', value = 'F', choices = {'anet', 'onnx', 'c'}, help = "as the file's name ends where not given"},
    {name = 'name', value = 'NAME', help = "of C: what its functions and macros begin with; the file's name where not given"},
    {name = 'weights', value = 'HOW', choices = {'inside', 'blob'}, help = 'of C: in the file, or in one beside it (.bin) that the program reads'},
    {name = 'genome', value = 'G', help = 'the subnet'},
    {name = 'rung', value = 'N', type = 'integer', min = 1, help = 'a rung of the ladder that search made, 1 the fastest'},
  },
  run = run,
  notes = 'C is one C99 file and a header (.h) that says how to call it, with arrays laid out as anet run takes them.',
}
