-- anet calibrate: what images without labels tell a network: norm statistics anew, or the ranges of its values, so that it
-- can run in bytes. What comes out worse than it went in is refused.
local anet = require 'anet'
local json = require 'anet.json'
local provenance = require 'anet.provenance'
local road = require 'anet.road'

local calibration = anet.calibrate

-- The genome of the last option of each position: in bytes, as quantize adds them.
local function all_int8(supernet)
  local genome = {}
  for _, o in ipairs(supernet:space():options()) do
    if o.kind == 'int8' then genome[o.position] = ('0123456789abcdefghijklmnopqrstuvwxyz'):sub(o.gene + 1, o.gene + 1) end
  end
  return table.concat(genome)
end

-- A supernet with options in bytes at all blocks: what is put into the bundle, and the nets before and after.
local function widen(options, ui, model, images, pool, result)
  for _, o in ipairs(model.supernet:space():options()) do
    if o.kind == 'int8' then ui:fail('%s: block %d has an int8 option already', options.model, o.position) end
  end
  local supernet = ui:try(model.supernet:quantize(images, pool))
  result.options = #supernet:space():options()
  result.int8 = result.options - #model.supernet:space():options()
  return road.bundle_for(model):set_supernet(supernet), model.oracle, supernet:subnet(all_int8(supernet))
end

-- The same of a network, or of a subnet of its own.
local function calibrate(options, ui, model, images, pool)
  local net, made = road.pick_net(ui, model, options.genome), nil
  if options.int8 then
    made = ui:try(net:quantize(images, {pool = pool}))
  else
    made = ui:try(net:calibrate(images, {batch = options.batch, pool = pool}))
  end
  return road.bundle_for(model):set_net(made), net, made
end

local function show(options, ui, f, own, result)
  if result.int8 then ui:line('%s: %d options, %d of them in bytes', options.out, result.options, result.int8) end
  ui:line('%s: calibrated on %d images', options.out, result.images)
  ui:line('on %d %s %.2f %% before, %.2f %% after (%s)', f.judged, own and 'others' or 'of them', 100 * f.before,
          100 * f.after, calibration.WORDS[f.by])
  if f.ratio then ui:line("int8 takes %.0f %% of the floats' time for an image, on one thread", 100 * f.ratio) end
  for _, warning in ipairs(result.warnings) do ui:line('warning: %s', warning) end
end

local function run(options, ui)
  local pool, began = anet.pool(options.threads), anet.clock()
  local model = road.open_model(ui, options.model)
  local data = road.open_labelled(ui, model, options.data, options.part, {unlabelled = options.unlabelled or false})
  local sample, judges, own = calibration.split(data, options.images or (options.int8 and 256 or 2048), options.held_out,
                                                options.seed)
  local images = sample:tensor(model.input)
  local result = {out = options.out, images = images:dim(1)}
  local wide = options.int8 and model.supernet and not options.genome
  local bundle, before, after = (wide and widen or calibrate)(options, ui, model, images, pool, result)
  local f = calibration.measure(before, after, model.oracle, judges, images, model.input, options.int8, pool)
  local refusals
  refusals, result.warnings = calibration.verdict(f, model.input, options)
  if #refusals > 0 and not options.force then
    ui:fail('%s (nothing was written; --force writes it all the same)', table.concat(refusals, '; '))
  end
  for _, refusal in ipairs(refusals) do table.insert(result.warnings, refusal) end
  ui:try(provenance.put(bundle, 'calibrate', {
    model = options.model, genome = options.genome, int8 = options.int8, data = options.data, images = images:dim(1),
    seconds = anet.clock() - began,
  }, model.bundle):save(options.out))
  show(options, ui, f, own, result)
  for _, key in ipairs{'judged', 'by', 'before', 'after', 'lost', 'ratio'} do result[key] = f[key] end
  result.warnings = json.array(result.warnings)
  ui:result(result)
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
    {name = 'held-out', value = 'N', type = 'integer', min = 1, default = 1000, help = 'other images that the outcome is judged by; at most a quarter of all'},
    {name = 'unlabelled', help = 'judge by agreement with the network, without labels'},
    {name = 'max-loss', value = 'X', type = 'number', min = 0, max = 100, default = calibration.LIMITS.max_loss, help = 'points that may be lost on those; more is refused'},
    {name = 'max-time', value = 'X', type = 'number', min = 1, default = calibration.LIMITS.max_time, help = "of --int8: % of the floats' time on this machine; more is refused"},
    {name = 'force', help = 'write what is refused'},
    {name = 'batch', value = 'N', type = 'integer', min = 2, default = 128, help = 'images a batch, of norms'},
    {name = 'seed', value = 'N', type = 'integer', min = 0, default = 1, help = 'which images'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  },
  run = run,
}
