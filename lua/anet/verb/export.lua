-- anet export: one subnet, or the oracle, as a bundle of its own that holds nothing else.
local anet = require 'anet'
local road = require 'anet.road'
local text = require 'anet.text'

local function run(options, ui)
  local model = road.open_model(ui, options.model)
  local net = road.pick_net(ui, model, options.genome, options.rung):copy()
  ui:try(road.bundle_for(model):set_net(net):set_value('provenance', {
    verb = 'export', version = anet.version, model = options.model, genome = options.genome, rung = options.rung,
  }):save(options.out))
  local cost = net:cost()
  ui:line('%s: %s, %s MACs', options.out, text.bytes(cost.param_bytes), text.count(cost.macs))
  ui:result{out = options.out, bytes = cost.param_bytes, macs = cost.macs}
end

return {
  summary = 'write one subnet or the oracle as a bundle of its own',
  arguments = {{name = 'model', help = 'bundle of a supernet or a network'}},
  flags = {
    {name = 'out', value = 'FILE', default = 'exported.anet', help = 'bundle to write'},
    {name = 'genome', value = 'G', help = 'the subnet'},
    {name = 'rung', value = 'N', type = 'integer', min = 1, help = 'a rung of the ladder that search made, 1 the oracle'},
  },
  run = run,
}
