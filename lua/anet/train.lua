-- Training: optimisers, tapes, learning rates, and a trainer that can stop and go on.
local core = require 'anet.core'
local labels = require 'anet.labels'
local net = require 'anet.net'
local plan = require 'anet.plan'
local tensor = require 'anet.tensor'
local text = require 'anet.text'
local ffi, C = core.ffi, core.C

local M = {}

local optim_out, take_optim = core.cell 'anet_optim'
local tape_out, take_tape = core.cell 'anet_tape'

-- ---- optimisers and tapes ---------------------------------------------------------------------

local OPTIMIZERS = {
  sgd = {kind = C.ANET_SGD, momentum = 0.9, nesterov = 1, decay = 5e-4},
  adamw = {kind = C.ANET_ADAMW, momentum = 0.9, decay = 0.01},
}

---@class anet.Optim
local Optim = {__name = 'optim'}
Optim.__index = Optim
M.Optim = Optim

-- An optimiser by name, 'sgd' or 'adamw'. options: momentum, nesterov, beta2, epsilon, decay, clip.
---@return anet.Optim
function M.optim(name, options)
  local defaults = core.must(OPTIMIZERS[name], "no optimizer '%s'%s", name,
                             text.hint(name, text.keys(OPTIMIZERS)))
  local desc = ffi.new('anet_optim_desc', defaults)
  for key, v in pairs(options or {}) do
    if type(v) == 'boolean' then v = v and 1 or 0 end
    desc[key] = v
  end
  core.check(C.anet_optim_new(desc, optim_out))
  return setmetatable({handle = take_optim(), name = name}, Optim)
end

function Optim:__tostring() return 'optim ' .. self.name end

---@class anet.Tape
local Tape = {__name = 'tape'}
Tape.__index = Tape
M.Tape = Tape

local LOSSES = {
  labels = C.ANET_LOSS_LABELS, teacher = C.ANET_LOSS_TEACHER, feature = C.ANET_LOSS_FEATURE,
}

local function set_losses(tape, losses)
  losses = losses or {{kind = 'labels'}}
  tape.count = #losses
  tape.losses, tape.targets = ffi.new('anet_loss[?]', #losses), ffi.new('const float *[?]', #losses)
  for i, loss in ipairs(losses) do
    local kind = core.must(LOSSES[loss.kind], "no loss '%s'%s", loss.kind,
                           text.hint(tostring(loss.kind), text.keys(LOSSES)))
    tape.losses[i - 1] = {kind, (loss.output or 1) - 1, loss.weight or 1, loss.temperature or 1, loss.smoothing or 0, 0}
  end
end

-- How many numbers each input of a net reads, an image.
local function numbers_of(n)
  local list = {}
  for i, v in ipairs(n:inputs()) do
    list[i] = 1
    for _, dim in ipairs(n:shape(v)) do list[i] = list[i] * dim end
  end
  return list
end

-- A net compiled for training with batches of up to `batch` images. losses: a list of {kind, output,
-- weight, temperature, smoothing}; kind 'labels', 'teacher' or 'feature', output from 1.
---@return anet.Tape
function M.tape(n, options)
  local self = setmetatable({
    net = n, pool = core.pool(options.pool), stats = ffi.new 'anet_step_stats',
    inputs = ffi.new('const float *[?]', #n:inputs()), input_numbers = numbers_of(n),
  }, Tape)
  set_losses(self, options.losses)
  core.check(C.anet_tape_new(core.handle(n, net.Net, 'tape'), options.batch, self.pool, tape_out))
  self.handle = take_tape()
  return self
end

-- Norms normalise by their running statistics while scale and shift still learn.
function Tape:fix_norms(fixed)
  C.anet_tape_fix_norms(self.handle, fixed == false and 0 or 1)
  return self
end

-- Compile another net, with its losses, in the memory of this tape.
function Tape:renew(n, losses)
  set_losses(self, losses)
  self.net, self.inputs, self.input_numbers = n, ffi.new('const float *[?]', #n:inputs()), numbers_of(n)
  core.check(C.anet_tape_renew(self.handle, core.handle(n, net.Net, 'renew')))
  return self
end

-- Where each of some tensors begins; of dense f32 images, n at least.
local function point(cells, tensors, n, what)
  for i, t in ipairs(tensors) do
    core.handle(t, tensor.Tensor, what)
    core.must(t:dense() and t:type() == 'f32' and t:dim(1) >= n, '%s %d: want a dense f32 tensor of %d images, got %s',
              what, i, n, tostring(t))
    cells[i - 1] = t:data()
  end
  return cells
end

-- As point, of the inputs of a net.
local function point_inputs(self, tensors, n)
  for i, t in ipairs(tensors) do
    local want = self.input_numbers[i]
    core.must(t:count() / t:dim(1) == want, 'input %d: %d numbers an image, the net reads %d', i, t:count() / t:dim(1), want)
  end
  core.must(#tensors == #self.input_numbers, 'got %d inputs, the net has %d', #tensors, #self.input_numbers)
  return point(self.inputs, tensors, n, 'input')
end

-- Forward and backward over the first n images of the inputs; a tensor a loss as its target.
-- Returns a struct {loss, correct, gradient} that the next step overwrites.
function Tape:step(inputs, targets, n, seed)
  core.must(#targets == self.count, 'step: got %d targets for %d losses', #targets, self.count)
  for i, t in ipairs(targets) do self.losses[i - 1].numbers = t:count() / t:dim(1) end
  core.check(C.anet_tape_step(self.handle, point_inputs(self, inputs, n), n, self.losses,
                              point(self.targets, targets, n, 'target'), self.count, seed or 0, self.stats))
  return self.stats
end

-- Forward alone, with running statistics unless `training`.
function Tape:forward(inputs, n, training, seed)
  core.check(C.anet_tape_forward(self.handle, point_inputs(self, inputs, n), n, training and 1 or 0,
                                 seed or 0))
  return self
end

-- Apply the gradients of the last step.
function Tape:apply(optim, rate)
  core.check(C.anet_optim_step(optim.handle, self.handle, rate, self.stats))
  return self.stats
end

function Tape:__tostring() return 'tape, ' .. text.bytes(C.anet_tape_bytes(self.handle)) end

-- ---- learning rates ------------------------------------------------------------------------------

-- Each maps progress 0 .. 1 to a share of the highest rate.
local SCHEDULES = {
  constant = function() return 1 end,
  cosine = function(t) return 0.5 * (1 + math.cos(math.pi * t)) end,
  step = function(t) return t < 0.5 and 1 or t < 0.75 and 0.1 or 0.01 end,
  onecycle = function(t)
    if t < 0.3 then return 0.04 + 0.96 * t / 0.3 end
    return 0.5 * (1 + math.cos(math.pi * (t - 0.3) / 0.7))
  end,
}
M.SCHEDULES = SCHEDULES

-- Rate of step `at` (from 0) of `total`, with a linear warm-up over the first `warmup` steps.
function M.rate(schedule, at, total, warmup)
  if at < warmup then return (at + 1) / (warmup + 1) end
  return SCHEDULES[schedule]((at - warmup) / math.max(total - warmup, 1))
end

-- ---- moving averages --------------------------------------------------------------------------------

-- An exponential moving average of all parameters, statistics included.
local Average = {}
Average.__index = Average

local function new_average(n, decay)
  local self = setmetatable({decay = decay, steps = 0, params = n:all_params(), means = {}}, Average)
  for i, p in ipairs(self.params) do self.means[i] = p.tensor:clone() end
  return self
end

local step = ffi.new 'float[1]'

-- Through a float cell: so that compiled code cannot fuse the product into the sum on any machine,
-- and a run that was resumed gives the same bits.
local function blend(mean, value, count, keep)
  local share = 1 - keep
  for i = 0, count - 1 do
    step[0] = share * (value[i] - mean[i])
    mean[i] = mean[i] + step[0]
  end
end

-- The first steps weigh more, so that the start is soon forgotten.
function Average:update()
  self.steps = self.steps + 1
  local keep = math.min(self.decay, (1 + self.steps) / (10 + self.steps))
  for i, p in ipairs(self.params) do
    blend(self.means[i]:data(), p.tensor:data(), p.tensor:count(), keep)
  end
end

-- Exchange the averages with the net's own values.
function Average:swap()
  for i, p in ipairs(self.params) do
    local own = p.tensor:clone()
    p.tensor:copy(self.means[i])
    self.means[i]:copy(own)
  end
end

-- ---- the trainer ---------------------------------------------------------------------------------------

---@class anet.Trainer
---@field epoch integer the epoch of the next step, from 1
---@field index integer the batch of the next step, from 1
local Trainer = {__name = 'trainer'}
Trainer.__index = Trainer
M.Trainer = Trainer

-- What a trainer assumes; `settings` of M.trainer override.
M.DEFAULTS = {
  epochs = 10, batch = 128, lr = 0.1, schedule = 'cosine', warmup = 0, optimizer = 'sgd',
  momentum = 0.9, decay = 5e-4, clip = 0, smoothing = 0, crop = 0, flip = false, cutout = 0, mixup = 0,
  ema = 0, seed = 1,
}

local function settings_of(given)
  local settings = {}
  for key, v in pairs(M.DEFAULTS) do settings[key] = v end
  for key, v in pairs(given or {}) do
    if M.DEFAULTS[key] == nil then
      core.raise("trainer: no setting '%s'%s", key, text.hint(key, text.keys(M.DEFAULTS)))
    end
    settings[key] = v
  end
  core.must(SCHEDULES[settings.schedule], "no schedule '%s'%s", settings.schedule,
            text.hint(settings.schedule, text.keys(SCHEDULES)))
  core.must(settings.batch >= 1 and settings.epochs >= 0, 'trainer: got batch %s and %s epochs',
            settings.batch, settings.epochs)
  return settings
end

-- A trainer of a classifier. The weights after any step depend on the settings alone, not on
-- the number of threads nor on how often it stopped and went on.
---@param n anet.Net
---@param dataset anet.Dataset
---@param input anet.Input
---@param settings? table see M.DEFAULTS
---@return anet.Trainer
function M.trainer(n, dataset, input, settings, pool)
  local s = settings_of(settings)
  core.must(dataset:missing_labels() < dataset:count(), 'trainer: none of the %d images has a label', dataset:count())
  labels.check(dataset, n)
  local self = setmetatable({
    net = n, data = dataset, input = input, settings = s, pool = core.pool(pool), epoch = 1, index = 1,
  }, Trainer)
  self.batches = math.ceil(dataset:count() / s.batch)
  self.augment = ffi.new('anet_augment', s.crop, s.flip and 1 or 0, s.cutout, s.mixup)
  self.optim = M.optim(s.optimizer, {momentum = s.momentum, decay = s.decay, clip = s.clip})
  self.tape = M.tape(n, {batch = s.batch, pool = pool,
                         losses = {{kind = 'labels', smoothing = s.smoothing}}})
  self.average = s.ema > 0 and new_average(n, s.ema) or nil
  self.images = tensor.new{s.batch, input.height, input.width, input.channels}
  self.targets = tensor.new{s.batch, dataset:classes()}
  self.batch_options = {augment = self.augment, seed = s.seed, pool = self.pool}
  return self
end

-- Whether all epochs are done.
function Trainer:done() return self.epoch > self.settings.epochs end

-- Steps done so far.
function Trainer:steps() return (self.epoch - 1) * self.batches + self.index - 1 end

-- Learning rate of the next step.
function Trainer:rate()
  local s = self.settings
  return s.lr * M.rate(s.schedule, self:steps(), s.epochs * self.batches, s.warmup * self.batches)
end

-- One step. Returns {loss, correct, gradient} and how many images it saw.
function Trainer:step()
  local options = self.batch_options
  options.epoch = self.epoch
  local n = self.data:batch(self.input, self.images, self.targets, self.index, options)
  local seed = self.settings.seed * 2 ^ 20 + self:steps()
  local stats = self.tape:step({self.images}, {self.targets}, n, seed)
  self.tape:apply(self.optim, self:rate())
  if self.average then self.average:update() end
  self.index = self.index + 1
  if self.index > self.batches then self.epoch, self.index = self.epoch + 1, 1 end
  return stats, n
end

-- Do something with the averaged weights in place, where there are any.
function Trainer:with_average(work)
  if self.average then self.average:swap() end
  local ok, result = pcall(work)
  if self.average then self.average:swap() end
  if not ok then error(result, 0) end
  return result
end

-- Accuracy on a data set, of the averaged weights where there are any.
function Trainer:accuracy(dataset)
  return self:with_average(function()
    return plan.new(self.net, {batch = 100, pool = self.pool}):accuracy(dataset, self.input)
  end)
end

-- Put the whole state into a bundle.
function Trainer:save(bundle)
  bundle:set_net(self.net):set_input(self.input)
  local nets = ffi.new('anet_net *[1]', self.net.handle)
  core.check(C.anet_bundle_set_optim(bundle.handle, self.optim.handle, nets, 1))
  if self.average then
    for i, t in ipairs(self.average.means) do bundle:set_tensor('average.' .. i, t) end
  end
  return bundle:set_value('trainer', {
    settings = self.settings, epoch = self.epoch, index = self.index,
    average_steps = self.average and self.average.steps,
  })
end

-- Go on from what `save` put into a bundle; the net must be the bundle's and the settings those saved.
function Trainer:restore(bundle)
  local state = bundle:value 'trainer'
  local nets = ffi.new('anet_net *[1]', self.net.handle)
  core.check(C.anet_bundle_optim(bundle.handle, self.optim.handle, nets, 1))
  if self.average then
    for i, t in ipairs(self.average.means) do t:copy(bundle:tensor('average.' .. i)) end
    self.average.steps = state.average_steps
  end
  self.epoch, self.index = state.epoch, state.index
  return self
end

function Trainer:__tostring()
  return ('trainer at epoch %d of %d, batch %d of %d'):format(self.epoch, self.settings.epochs,
    self.index, self.batches)
end

return M
