-- anet train: a network from scratch, or on from a bundle's weights.
local anet = require 'anet'
local host = require 'anet.host'
local provenance = require 'anet.provenance'
local script = require 'anet.script'
local json = require 'anet.json'
local text = require 'anet.text'

local core = require 'anet.core'
local ffi, C = core.ffi, core.C

local flags = {
  {name = 'out', short = 'o', value = 'FILE', default = 'model.anet', help = 'bundle to write; FILE.ckpt while training'},
  {name = 'data', value = 'PATH', default = 'fashion-mnist', help = 'training and test images'},
  {name = 'size', value = 'N', type = 'integer', min = 1, help = 'rows and columns to scale images of a folder to'},
  {name = 'limit', value = 'N', type = 'integer', min = 1, help = 'use only the first N training images'},
  {name = 'epochs', value = 'N', type = 'integer', min = 1, max = 1e6, default = 10, help = 'passes over the data'},
  {name = 'batch', value = 'N', type = 'integer', min = 1, max = 65536, default = 128, help = 'images a step'},
  {name = 'lr', value = 'X', type = 'number', min = 0, default = 0.1, help = 'highest learning rate'},
  {name = 'schedule', value = 'NAME', choices = {'constant', 'cosine', 'onecycle', 'step'}, default = 'cosine',
   help = 'how the rate falls'},
  {name = 'warmup', value = 'X', type = 'number', min = 0, default = 0, help = 'epochs of linear warm-up'},
  {name = 'optimizer', value = 'NAME', choices = {'sgd', 'adamw'}, default = 'sgd', help = 'update rule'},
  {name = 'momentum', value = 'X', type = 'number', min = 0, max = 1, default = 0.9, help = 'of sgd; beta1 of adamw'},
  {name = 'decay', value = 'X', type = 'number', min = 0, default = 5e-4, help = 'weight decay'},
  {name = 'clip', value = 'X', type = 'number', min = 0, default = 0, help = 'largest norm of the gradient; 0: any'},
  {name = 'smoothing', value = 'X', type = 'number', min = 0, max = 1, default = 0, help = 'label smoothing'},
  {name = 'crop', value = 'N', type = 'integer', min = 0, default = 0, help = 'pad by N pixels and crop at random'},
  {name = 'flip', help = 'mirror images at random'},
  {name = 'cutout', value = 'N', type = 'integer', min = 0, default = 0, help = 'blank a random square of side N'},
  {name = 'mixup', value = 'X', type = 'number', min = 0, default = 0, help = 'mix pairs of images; alpha of Beta'},
  {name = 'ema', value = 'X', type = 'number', min = 0, max = 1, default = 0,
   help = 'moving average of the weights, 0.999 for one; 0: none'},
  {name = 'seed', value = 'N', type = 'integer', min = 0, max = 2 ^ 30, default = 1, help = 'of all randomness'},
  {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  {name = 'resume', help = 'go on from FILE.ckpt, with its settings'},
}

-- Flags that go to the trainer as they are.
local SETTINGS = anet.train.DEFAULTS
-- Flags that may be given beside --resume.
local FREE = {out = true, threads = true, resume = true, json = true, quiet = true}

-- ---- what to train -------------------------------------------------------------------------------

local function net_from_file(ui, path, options)
  local chunk = ui:try(script.load(path))
  local made = chunk()
  if type(made) == 'function' then made = made(options) end
  if getmetatable(made) ~= anet.net.Net then
    ui:fail('%s: want a net or a function that returns one, got %s', path, type(made))
  end
  return made
end

-- A name of the zoo, a Lua file, or a bundle whose weights are the start; of that, how images become its input and the
-- names of its classes, where it says so.
local function make_net(ui, name, input, classes, seed)
  local options = {input = {input.height, input.width, input.channels}, classes = classes}
  if name:find('%.anet$') then
    local bundle = ui:try(anet.bundle.open(name))
    return ui:try(bundle:net()):freeze(nil, false), bundle:input(), bundle:value 'classes'
  end
  if name:find('%.lua$') then return net_from_file(ui, name, options):init(seed) end
  local build = anet.zoo[name]
  if not build then
    local names = text.keys(anet.zoo)
    ui:fail("no architecture '%s'%s (there are %s, FILE.lua, FILE.anet)", name, text.hint(name, names),
            table.concat(names, ', '))
  end
  return build(options):init(seed)
end

-- Whether two data sets begin alike and are of one size: data without parts gives all of it for each.
local function same_images(a, b)
  local x, y = a:images(), b:images()
  if x:count() ~= y:count() then return false end
  local bytes = math.min(x:count(), 2 ^ 20)
  return ffi.string(x:data(), bytes) == ffi.string(y:data(), bytes)
end

local function open_data(ui, job)
  local train = ui:try(anet.data.open(job.data, {part = 'train', size = job.size}))
  if train:missing_labels() == train:count() then
    ui:fail('%s: none of its %d images has a label', job.data, train:count())
  end
  local test = anet.data.open(job.data, {part = 'test', size = job.size})
  if test and (not test:labelled() or same_images(train, test)) then test = nil end
  if job.limit and job.limit < train:count() then train = train:slice(1, job.limit) end
  return train, test
end

-- Both with labels that are numbers of the net's answers. names: of these, where it has some already.
local function match(ui, job, net, names, train, test)
  train = ui:try(anet.labels.match(train, net, names, job.data))
  names = names or train:class_names()
  return train, test and ui:try(anet.labels.match(test, net, names, job.data .. ' (test)'))
end

-- ---- starting and going on -------------------------------------------------------------------------

local function start(ui, options, pool)
  if not options.architecture then ui:fail('want ARCHITECTURE, or --resume') end
  if host.exists(options.out .. '.ckpt') then
    ui:fail('%s.ckpt is of a training that did not end; go on with --resume, or remove it', options.out)
  end
  local job = {command = options.command, architecture = options.architecture, data = options.data, size = options.size,
               limit = options.limit}
  local train, test = open_data(ui, job)
  local input = train:input()
  local settings = {}
  for key in pairs(SETTINGS) do settings[key] = options[key] end
  local net, own, names = make_net(ui, job.architecture, input, train:classes(), options.seed)
  train, test = match(ui, job, net, names, train, test)
  local trainer = anet.train.trainer(net, train, own or input, settings, pool)
  local from = job.architecture:find('%.anet$') and provenance.read(ui:try(anet.bundle.open(job.architecture))) or nil
  return trainer, test, {job = job, seconds = 0, history = json.array(), classes = names, from = from}
end

local function resume(ui, options, pool)
  for key in pairs(options.given) do
    if not FREE[key] then ui:fail('--%s: with --resume the settings are those of the checkpoint', key) end
  end
  local path = options.out .. '.ckpt'
  local bundle = ui:try(anet.bundle.open(path))
  local run, state = bundle:value 'run', bundle:value 'trainer'
  if not run or not state then ui:fail('%s is not a checkpoint of `anet train`', path) end
  local train, test = open_data(ui, run.job)
  local net = ui:try(bundle:net())
  train, test = match(ui, run.job, net, run.classes, train, test)
  local trainer = anet.train.trainer(net, train, bundle:input(), state.settings, pool)
  return trainer:restore(bundle), test, run
end

local function save_checkpoint(ui, trainer, run, out)
  ui:try(trainer:save(anet.bundle.new()):set_value('run', run):save(out .. '.ckpt'))
end


local function save_model(ui, trainer, run, options, accuracy)
  local bundle = anet.bundle.new()
  trainer:with_average(function()
    bundle:set_net(trainer.net):set_input(trainer.input):set_value('classes', trainer.data:class_names())
    bundle:set_value('provenance', {
      verb = 'train', version = anet.version, job = run.job, settings = trainer.settings,
      accuracy = accuracy, seconds = run.seconds, history = run.history, from = run.from,
    })
    ui:try(bundle:save(options.out))
    return true
  end)
  os.remove(options.out .. '.ckpt')
end

-- ---- the loop -------------------------------------------------------------------------------------------

local function show(ui, trainer, sums, began)
  local rate = sums.images / math.max((C.anet_clock_ms() - began) / 1000, 1e-3)
  local left = (trainer.settings.epochs * trainer.batches - trainer:steps()) * trainer.settings.batch / rate
  local at = (trainer:steps() - 1) % trainer.batches + 1
  ui:progress('epoch %d/%d %s loss %.3f  train %.1f %%  %.0f images/s  %s left',
    trainer.index == 1 and trainer.epoch - 1 or trainer.epoch, trainer.settings.epochs,
    ui:bar(at / trainer.batches), sums.loss / sums.images, 100 * sums.correct / sums.images, rate,
    text.duration(left))
end

-- To the end of the epoch.
local function run_epoch(ui, trainer)
  local epoch, began = trainer.epoch, C.anet_clock_ms()
  local sums = {loss = 0, correct = 0, images = 0}
  while trainer.epoch == epoch do
    core.poll()
    local stats, n = trainer:step()
    sums.loss, sums.correct = sums.loss + stats.loss * n, sums.correct + stats.correct
    sums.images = sums.images + n
    if stats.loss ~= stats.loss then
      ui:fail('the loss is no number any more at step %d; a lower --lr may help', trainer:steps())
    end
    show(ui, trainer, sums, began)
  end
  sums.seconds = (C.anet_clock_ms() - began) / 1000
  return sums
end

local function report_epoch(ui, trainer, sums, test, run)
  local entry = {
    epoch = trainer.epoch - 1, loss = sums.loss / sums.images, train = sums.correct / sums.images, seconds = sums.seconds,
  }
  run.history[#run.history + 1] = entry
  local accuracy = test and trainer:accuracy(test)
  entry.test = accuracy
  ui:line('epoch %3d/%d  loss %.4f  train %6.2f %%%s  %4.0f images/s  %s', entry.epoch, trainer.settings.epochs,
    entry.loss, 100 * entry.train, accuracy and ('  test %6.2f %%'):format(100 * accuracy) or '',
    sums.images / sums.seconds, text.duration(sums.seconds))
  return accuracy
end

local function run(options, ui)
  local pool = anet.pool(options.threads)
  local trainer, test, run_state = (options.resume and resume or start)(ui, options, pool)
  ui:line('%s', tostring(trainer.net))
  ui:line('%s; %d steps an epoch; %s', tostring(trainer.data), trainer.batches, tostring(trainer.tape))
  local began, before, accuracy = C.anet_clock_ms(), run_state.seconds, nil
  local function clock() run_state.seconds = before + (C.anet_clock_ms() - began) / 1000 end
  local function work()
    while not trainer:done() do
      local sums = run_epoch(ui, trainer)
      clock()
      accuracy = report_epoch(ui, trainer, sums, test, run_state)
      if not trainer:done() then save_checkpoint(ui, trainer, run_state, options.out) end
    end
  end
  core.hold()
  core.rescue(work, function()
    clock()
    save_checkpoint(ui, trainer, run_state, options.out)
    return ('stopped at epoch %d, batch %d; go on with: anet train --resume --out %s'):format(trainer.epoch, trainer.index,
                                                                                           options.out)
  end)
  accuracy = accuracy or (test and trainer:accuracy(test))
  save_model(ui, trainer, run_state, options, accuracy)
  ui:line('%s: %s', options.out, accuracy and ('test accuracy %.2f %%, %s'):format(100 * accuracy,
    text.duration(run_state.seconds)) or text.duration(run_state.seconds))
  ui:result{out = options.out, accuracy = accuracy, seconds = run_state.seconds, history = run_state.history}
  return 0
end

return {
  summary = 'train a network on labelled images',
  arguments = {
    {name = 'architecture', optional = true,
     help = 'name (resnet20, …), FILE.lua that returns a net, or FILE.anet to go on from'},
  },
  flags = flags,
  notes = 'Ctrl-C saves a checkpoint and says how to go on; the outcome is the same as without the stop.',
  run = run,
}
