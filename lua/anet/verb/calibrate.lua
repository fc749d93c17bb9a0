-- anet calibrate: norm statistics of a network or of one subnet anew, from images without labels.
local anet = require 'anet'
local road = require 'anet.road'

local function run(options, ui)
  local pool = anet.pool(options.threads)
  local model = road.open_model(ui, options.model)
  local net = road.pick_net(ui, model, options.genome)
  local dataset = road.open_data(ui, options.data, options.part, options.images, options.seed)
  local before = anet.plan(net, {batch = 100, pool = pool}):accuracy(dataset, model.input)
  local calibrated = ui:try(net:calibrate(dataset:tensor(model.input), {batch = options.batch, pool = pool}))
  local after = anet.plan(calibrated, {batch = 100, pool = pool}):accuracy(dataset, model.input)
  ui:try(road.bundle_for(model):set_net(calibrated):set_value('provenance', {
    verb = 'calibrate', version = anet.version, model = options.model, genome = options.genome,
    data = options.data, images = dataset:count(),
  }):save(options.out))
  ui:line('%s: on these %d images %.2f %% before, %.2f %% after', options.out, dataset:count(), 100 * before, 100 * after)
  ui:result{out = options.out, images = dataset:count(), before = before, after = after}
end

return {
  summary = 'norm statistics anew, from images without labels',
  arguments = {{name = 'model', help = 'bundle of a network or a supernet'}},
  flags = {
    {name = 'out', value = 'FILE', default = 'calibrated.anet', help = 'bundle to write'},
    {name = 'genome', value = 'G', help = 'subnet of a supernet; the oracle where not given'},
    {name = 'data', value = 'PATH', default = 'fashion-mnist', help = 'images'},
    {name = 'part', value = 'NAME', default = 'train', help = 'train or test, where the data has both'},
    {name = 'images', value = 'N', type = 'integer', min = 2, default = 2048, help = 'how many of them'},
    {name = 'batch', value = 'N', type = 'integer', min = 2, default = 128, help = 'images a batch'},
    {name = 'seed', value = 'N', type = 'integer', min = 0, default = 1, help = 'which images'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  },
  run = run,
}
