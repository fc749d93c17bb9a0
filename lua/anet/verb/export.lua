-- anet export: one subnet, or the oracle, as a bundle of its own that holds nothing else.
local anet = require 'anet'
local road = require 'anet.road'
local rungs = require 'anet.rungs'
local text = require 'anet.text'

local function pick(ui, model, options)
  if options.rung then
    local list = model.supernet and rungs.open(model.bundle, model.supernet)
    if not list then ui:fail("--rung: %s has no ladder ('anet search' makes one)", options.model) end
    if not list[options.rung] then ui:fail('--rung: got %d, the ladder has 1 to %d', options.rung, #list) end
    return list[options.rung].net
  end
  if not options.genome then return model.oracle end
  if not model.supernet then ui:fail('--genome: %s holds a network, not a supernet', options.model) end
  local ok, why = model.supernet:space():check(options.genome)
  if not ok then ui:fail('--genome: %s', why) end
  return model.supernet:subnet(options.genome)
end

local function run(options, ui)
  local model = road.open_model(ui, options.model)
  local net = pick(ui, model, options):copy()
  ui:try(anet.bundle.new():set_net(net):set_input(model.input):set_value('provenance', {
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
