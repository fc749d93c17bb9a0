-- anet elastify: a supernet of a pretrained network.
local anet = require 'anet'
local provenance = require 'anet.provenance'
local road = require 'anet.road'
local text = require 'anet.text'

local function show(ui, s)
  local rows = {{'block', 'kind', 'name', 'in', 'out', 'hidden', 'options'}}
  local by_position = {}
  for _, o in ipairs(s:space():options()) do
    local list = by_position[o.position] or {}
    by_position[o.position] = list
    list[#list + 1] = o.kind == 'merge' and 'merge ' .. o.span or
                        o.kind == 'shrink' and ('%g %%'):format(100 * o.width) or o.kind
  end
  for p, b in ipairs(s:blocks()) do
    rows[#rows + 1] = {p, b.kind, b.name, table.concat(b.in_shape, 'x'), table.concat(b.out_shape, 'x'), b.hidden,
                       table.concat(by_position[p], ', ')}
  end
  ui:table(rows)
  road.show_frozen(ui, s:oracle(), s:frozen())
end

local NORMS = {yes = true, no = false} -- auto: nil

local function run(options, ui)
  local pool, began = anet.pool(options.threads), anet.clock()
  local model = road.open_model(ui, options.model)
  local schedule = road.open_policy(ui, 'schedule', options.policy, options.seed)
  local dataset = options.data ~= '' and road.open_data(ui, options.data, 'train', options.images, options.seed) or nil
  local s = road.elastify(ui, model, schedule, dataset, options.images, pool, NORMS[options.norms])
  show(ui, s)
  ui:try(provenance.put(road.bundle_for(model):set_supernet(s), 'elastify', {
    model = options.model, policy = options.policy, data = dataset and options.data, images = dataset and dataset:count(),
    norms = options.norms, seed = options.seed, seconds = anet.clock() - began,
  }, model.bundle):save(options.out))
  local count = #s:space():options()
  ui:line('%s: %d options, %s subnets, %s', options.out, count, s:space():size(), text.bytes(s:bytes()))
  ui:result{out = options.out, blocks = s:blocks(), frozen = s:frozen(), options = count, subnets = s:space():size(),
            bytes = s:bytes()}
end

return {
  summary = 'make a supernet of a pretrained network',
  arguments = {{name = 'model', help = 'bundle of a network (the oracle)'}},
  flags = {
    {name = 'out', short = 'o', value = 'FILE', default = 'supernet.anet', help = 'bundle to write'},
    {name = 'policy', value = 'NAME', default = 'adaptive', help = 'schedule policy: name or FILE.lua, :key=value,… sets its options'},
    {name = 'data', value = 'PATH', default = 'fashion-mnist', help = "images that tell which channels matter; '' none"},
    {name = 'images', value = 'N', type = 'integer', min = 1, default = 512, help = 'how many of them'},
    {name = 'norms', value = 'W', choices = {'auto', 'yes', 'no'}, default = 'auto',
     help = 'norms in options of blocks that have none; auto: of imported models'},
    {name = 'seed', value = 'N', type = 'integer', min = 0, default = 1, help = 'of all randomness'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  },
  run = run,
}
