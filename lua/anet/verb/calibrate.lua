-- anet calibrate: what images without labels tell a network: norm statistics anew, or the ranges of its values, so that it
-- can run in bytes.
local anet = require 'anet'
local road = require 'anet.road'

local function accuracy(net, pool, dataset, input)
  return anet.plan(net, {batch = 20, pool = pool}):accuracy(dataset, input)
end

local function provenance(options, model, dataset)
  return {
    verb = 'calibrate', version = anet.version, model = options.model, genome = options.genome, int8 = options.int8,
    data = options.data, images = dataset:count(), source = model.bundle:value 'provenance',
  }
end

-- Options in bytes at all blocks of a supernet.
local function widen(options, ui, model, dataset, pool)
  local before = #model.supernet:space():options()
  local supernet = ui:try(model.supernet:quantize(dataset:tensor(model.input), pool))
  local after = #supernet:space():options()
  ui:try(road.bundle_for(model):set_supernet(supernet):set_value('provenance', provenance(options, model, dataset)):save(options.out))
  ui:line('%s: %d options, %d of them in bytes', options.out, after, after - before)
  ui:result{out = options.out, images = dataset:count(), options = after, int8 = after - before}
end

-- A network, or a subnet of its own.
local function calibrate(options, ui, model, dataset, pool)
  local net = road.pick_net(ui, model, options.genome)
  local images = dataset:tensor(model.input)
  local calibrated = ui:try(options.int8 and net:quantize(images, {pool = pool}) or
                              net:calibrate(images, {batch = options.batch, pool = pool}))
  local labelled = dataset:labelled()
  local before = labelled and accuracy(net, pool, dataset, model.input) or nil
  local after = labelled and accuracy(calibrated, pool, dataset, model.input) or nil
  ui:try(road.bundle_for(model):set_net(calibrated):set_value('provenance', provenance(options, model, dataset)):save(options.out))
  ui:line('%s: calibrated on %d images', options.out, dataset:count())
  if labelled then ui:line('on these images %.2f %% before, %.2f %% after', 100 * before, 100 * after) end
  ui:result{out = options.out, images = dataset:count(), before = before, after = after}
end

local function run(options, ui)
  local pool = anet.pool(options.threads)
  local model = road.open_model(ui, options.model)
  local images = options.images or (options.int8 and 256 or 2048)
  local dataset = road.open_data(ui, options.data, options.part, images, options.seed)
  local wide = options.int8 and model.supernet and not options.genome
  return (wide and widen or calibrate)(options, ui, model, dataset, pool)
end

return {
  summary = 'norm statistics anew, or a network in bytes, from images without labels',
  arguments = {{name = 'model', help = 'bundle of a network or a supernet'}},
  flags = {
    {name = 'out', short = 'o', value = 'FILE', default = 'calibrated.anet', help = 'bundle to write'},
    {name = 'int8', help = 'run in bytes: measure ranges; a supernet without --genome gets such an option a block'},
    {name = 'genome', value = 'G', help = 'subnet of a supernet; the oracle where not given'},
    {name = 'data', value = 'PATH', default = 'fashion-mnist', help = 'images'},
    {name = 'part', value = 'NAME', default = 'train', help = 'train or test, where the data has both'},
    {name = 'images', value = 'N', type = 'integer', min = 2, help = 'how many of them (2048; with --int8 256)'},
    {name = 'batch', value = 'N', type = 'integer', min = 2, default = 128, help = 'images a batch, of norms'},
    {name = 'seed', value = 'N', type = 'integer', min = 0, default = 1, help = 'which images'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  },
  run = run,
}
