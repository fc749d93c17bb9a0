-- anet distill: train a supernet's options from its oracle.
local anet = require 'anet'
local core = require 'anet.core'
local provenance = require 'anet.provenance'
local road = require 'anet.road'
local text = require 'anet.text'
local unseen = require 'anet.unseen'

local SETTINGS = {'batch', 'optimizer', 'decay', 'crop', 'flip', 'cutout', 'seed'}
-- Flags that may be given beside --resume.
local FREE = {out = true, threads = true, resume = true, json = true, quiet = true}

-- How many of the first training images: as said, or those that the oracle was trained on, so that the others stay unseen.
local function limit_of(ui, options, model)
  local count = road.open_data(ui, options.data, 'train'):count()
  if options.limit then return math.min(options.limit, count), count end
  local used, verbs, known = unseen.used(model.bundle, options.data, count)
  if not known or used == 0 or used == count then return count, count end
  ui:line('on the first %d of %d images, which %s used: the others stay unseen', used, count, table.concat(verbs, ' and '))
  return used, count
end

local function start(ui, options)
  if not options.supernet then ui:fail('want SUPERNET, or --resume') end
  local model = road.open_supernet(ui, options.supernet)
  local limit, of = limit_of(ui, options, model)
  local run = {data = options.data, limit = limit, of = of, unlabelled = options.unlabelled or false, policy = options.policy, settings = {},
               seconds = 0, from = provenance.read(model.bundle)}
  for _, key in ipairs(SETTINGS) do run.settings[key] = options[key] end
  return model, run
end

local function resume(ui, options)
  for key in pairs(options.given) do
    if not FREE[key] then ui:fail('--%s: with --resume the settings are those of the checkpoint', key) end
  end
  local model = road.open_supernet(ui, options.out .. '.ckpt')
  local run = model.bundle:value 'run'
  if not run then ui:fail('%s.ckpt is not a checkpoint of `anet distill`', options.out) end
  return model, run
end

local function save_model(ui, distiller, model, run, out)
  local bundle = road.bundle_for(model):set_supernet(distiller.supernet)
  ui:try(provenance.put(bundle, 'distill', {
    policy = run.policy, data = run.data, part = 'train', images = distiller.data:count(), of = run.of, settings = run.settings,
    steps = distiller.step, seconds = run.seconds, from = run.from or run.before,
  }):save(out))
  os.remove(out .. '.ckpt')
end

local function work(options, ui)
  local pool = anet.pool(options.threads)
  local model, run = (options.resume and resume or start)(ui, options)
  local schedule = road.open_policy(ui, 'schedule', run.policy, run.settings.seed)
  local dataset = road.open_labelled(ui, model, run.data, 'train', {limit = run.limit, unlabelled = run.unlabelled or false})
  local distiller = anet.distill.new(model.supernet, dataset, model.input, schedule, run.settings, pool)
  if options.resume then distiller:restore(model.bundle) end
  local began, before = anet.clock(), run.seconds
  local function checkpoint()
    run.seconds = before + anet.clock() - began
    ui:try(distiller:save(anet.bundle.new()):set_value('run', run):save(options.out .. '.ckpt'))
  end
  core.hold()
  core.rescue(function() road.distill(ui, distiller, checkpoint) end, function()
    checkpoint()
    return ('stopped after step %d; go on with: anet distill --resume --out %s'):format(distiller.step, options.out)
  end)
  run.seconds = before + anet.clock() - began
  save_model(ui, distiller, model, run, options.out)
  ui:line('%s: %d steps, %s', options.out, distiller.step, text.duration(run.seconds))
  ui:result{out = options.out, steps = distiller.step, seconds = run.seconds}
end

return {
  summary = "train a supernet's options from its oracle",
  arguments = {{name = 'supernet', optional = true, help = "bundle that 'anet elastify' wrote"}},
  flags = {
    {name = 'out', short = 'o', value = 'FILE', default = 'distilled.anet', help = 'bundle to write; FILE.ckpt while training'},
    {name = 'policy', value = 'NAME', default = 'adaptive', help = 'schedule policy: name or FILE.lua, :key=value,… sets its options'},
    {name = 'data', value = 'PATH', default = 'fashion-mnist', help = 'training images'},
    {name = 'limit', value = 'N', type = 'integer', min = 1, help = 'use only the first N of them; those that the oracle was trained on where not given'},
    {name = 'unlabelled', help = "learn from the oracle's answers alone, without labels"},
    {name = 'batch', value = 'N', type = 'integer', min = 1, max = 65536, default = 128, help = 'images a step'},
    {name = 'optimizer', value = 'NAME', choices = {'sgd', 'adamw'}, default = 'adamw', help = 'update rule'},
    {name = 'decay', value = 'X', type = 'number', min = 0, default = 1e-4, help = 'weight decay'},
    {name = 'crop', value = 'N', type = 'integer', min = 0, default = 2, help = 'pad by N pixels and crop at random'},
    {name = 'flip', default = true, help = 'mirror images at random'},
    {name = 'cutout', value = 'N', type = 'integer', min = 0, default = 0, help = 'blank a random square of side N'},
    {name = 'seed', value = 'N', type = 'integer', min = 0, max = 2 ^ 30, default = 1, help = 'of all randomness'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
    {name = 'resume', help = 'go on from FILE.ckpt, with its settings'},
  },
  notes = 'Ctrl-C saves a checkpoint and says how to go on; the outcome is the same as without the stop.',
  run = work,
}
