-- From an oracle to a distilled supernet: the loops that a schedule policy steers.
--
-- elastify asks the policy for each block's options. A distiller then does, step by step, what the
-- policy's `next` answers: the least-squares start, batches block by block on the oracle's own
-- activations, batches of whole subnets. The oracle stays frozen throughout.
local core = require 'anet.core'
local json = require 'anet.json'
local labels = require 'anet.labels'
local supernet = require 'anet.supernet'
local tensor = require 'anet.tensor'
local train = require 'anet.train'
local plan = require 'anet.plan'
local ffi, C = core.ffi, core.C

local M = {}

-- ---- elastification ---------------------------------------------------------------------------------

-- A supernet of `oracle` with the options that `policy` (a schedule) gives each block. images: f32
-- inputs (n, h, w, c) that tell which hidden channels matter; nil: by the norm of their weights.
---@param oracle anet.Net
---@param policy anet.Policy
---@param images? anet.Tensor
---@param norms? boolean options of blocks without norms get some
-- Returns the supernet, and what it refused of the policy's options: {{position, kind, reason}, …}.
---@return anet.Supernet? supernet, table[]|string refused, string? code
function M.elastify(oracle, policy, images, pool, norms)
  local s, refused, message = supernet.new(oracle, {norms = norms}), {}, nil
  for position, block in ipairs(s:blocks()) do
    local options
    options, message = policy:options(block)
    if not options then return nil, message, 'policy' end
    local importance = images and block.hidden > 0 and s:importance(position, images, pool) or nil
    for _, option in ipairs(options) do
      option.position = position
      local ok, reason = s:offer(option, importance)
      if not ok then refused[#refused + 1] = {position = position, kind = option.kind, reason = reason} end
    end
  end
  s:seal()
  for i = 1, images and norms and #s:space():options() or 0 do s:settle(i, images, pool) end
  return s, refused
end

-- ---- the distiller -----------------------------------------------------------------------------------

---@class anet.Distiller
---@field step integer steps done so far
local Distiller = {__name = 'distiller'}
Distiller.__index = Distiller
M.Distiller = Distiller

M.DEFAULTS = {
  batch = 128, optimizer = 'adamw', decay = 1e-4, momentum = 0.9, clip = 1, crop = 2, flip = true, cutout = 0, seed = 1,
}

-- Distils `s` on a data set; policy: a schedule. The weights after any step depend on the settings
-- and the policy alone, not on threads nor on how often it stopped and went on.
---@return anet.Distiller
function M.new(s, dataset, input, policy, settings, pool)
  local self = setmetatable({
    supernet = s, data = dataset, input = input, policy = policy, pool = core.pool(pool), step = 0,
    settings = setmetatable(settings or {}, {__index = M.DEFAULTS}), tapes = {}, told = json.array(),
  }, Distiller)
  local c = self.settings
  core.must(dataset:count() > 0, 'distill: there are no images')
  labels.check(dataset, s:oracle())
  self.steps_per_epoch = math.ceil(dataset:count() / c.batch)
  local _, message = policy:space(s:describe(), {space = s:space()})
  if message then core.raise('%s', message) end
  self.optim = train.optim(c.optimizer, {decay = c.decay, momentum = c.momentum, clip = c.clip})
  self.augment = ffi.new('anet_augment', c.crop, c.flip and 1 or 0, c.cutout, 0)
  self.images = tensor.new{c.batch, input.height, input.width, input.channels}
  self.targets = dataset:missing_labels() < dataset:count() and tensor.new{c.batch, dataset:classes()} or nil
  local taps
  taps, self.entry, self.exit = s:taps()
  self.oracle = plan.new(taps, {batch = c.batch, pool = self.pool})
  return self
end

-- The answer for the next step; nil when the policy is done.
function Distiller:ask()
  local answer, message = self.policy:next(self.step + 1, {
    steps_per_epoch = self.steps_per_epoch, batch = self.settings.batch, last = self.last,
  })
  if message then core.raise('%s', message) end
  return answer
end

-- Batch of the current step: how many images, and the oracle's outputs: its answer, then what it has at the ends
-- of its blocks (self.entry, self.exit).
function Distiller:fetch()
  local epoch = math.floor(self.step / self.steps_per_epoch) + 1
  local index = self.step % self.steps_per_epoch + 1
  local n = self.data:batch(self.input, self.images, self.targets, index,
                            {augment = self.augment, seed = self.settings.seed, epoch = epoch, pool = self.pool})
  return n, {self.oracle:run(n == self.settings.batch and self.images or self.images:first(n))}
end

-- Options without weights of their own.
local WEIGHTLESS = {keep = true, skip = true, int8 = true}

local stages = {}

-- Do the parts of a step one after the other; a step that was stopped goes on behind the last that it did.
-- progress: {done, loss, correct, losses, …}, of those so far.
function Distiller:each(list, part)
  local progress = self.progress
  for i = progress.done + 1, #list do
    part(list[i], progress, i)
    progress.done = i
  end
end

-- Options with weights of their own.
function Distiller:learners()
  local list = {}
  for _, option in ipairs(self.supernet:space():options()) do
    if not WEIGHTLESS[option.kind] then list[#list + 1] = option end
  end
  return list
end

function stages.solve(self, answer)
  local images = self.data:tensor(self.input, answer.images)
  self:each(self:learners(), function(option)
    self.supernet:solve(option.index, images, {ridge = answer.ridge, pool = self.pool})
  end)
  return {loss = 0}
end

-- A tape a piece, made once: pieces are small and live as long as the distiller.
function Distiller:piece_tape(option)
  local tape = self.tapes[option.index]
  if not tape then
    tape = train.tape(self.supernet:piece(option.index),
                      {batch = self.settings.batch, pool = self.pool, losses = {{kind = 'feature'}}})
    self.tapes[option.index] = tape
  end
  return tape
end

function stages.block(self, answer)
  local n, oracle = self:fetch()
  local options = self:learners()
  self:each(options, function(option, progress)
    local tape = self:piece_tape(option)
    local entry, exit = self.entry[option.position], self.exit[option.position + option.span - 1]
    local stats = tape:step({oracle[entry]}, {oracle[exit]}, n, self.step)
    tape:apply(self.optim, answer.rate)
    progress.loss = progress.loss + stats.loss
  end)
  return {loss = self.progress.loss / math.max(#options, 1)}
end

-- The losses of a joint step and their targets, labels where there are any; feature terms sit on the outputs that region_outputs added.
function Distiller:joint_terms(answer, oracle, regions)
  local losses, wanted = {}, {}
  local function term(loss, target)
    losses[#losses + 1] = loss
    wanted[#wanted + 1] = target
  end
  if (answer.teacher or 0) > 0 then
    term({kind = 'teacher', weight = answer.teacher, temperature = answer.temperature or 1}, oracle[1])
  end
  if (answer.labels or 0) > 0 and self.targets then
    term({kind = 'labels', weight = answer.labels, smoothing = answer.smoothing or 0}, self.targets)
  end
  for i, position in ipairs(regions) do
    term({kind = 'feature', output = i + 1, weight = answer.feature / #regions}, oracle[self.exit[position]])
  end
  return losses, wanted
end

-- One subnet of a joint step.
function Distiller:teach(genome, answer, oracle, n)
  local net = self.supernet:subnet(genome)
  local regions = (answer.feature or 0) > 0 and self.supernet:region_outputs(net, genome) or {}
  local terms, wanted = self:joint_terms(answer, oracle, regions)
  self.tape = self.tape and self.tape:renew(net, terms) or
                train.tape(net, {batch = self.settings.batch, pool = self.pool, losses = terms})
  -- An option meets many predecessors; statistics of a single batch would mix them all.
  self.tape:fix_norms(answer.fixed_norms ~= false)
  local stats = self.tape:step({self.images}, wanted, n, self.step)
  self.tape:apply(self.optim, answer.rate)
  return stats
end

function stages.joint(self, answer)
  local n, oracle = self:fetch()
  self:each(answer.genomes, function(genome, progress, i)
    progress.losses[i] = 0
    if genome == self.keep then return end -- the oracle itself has nothing to learn
    local stats = self:teach(genome, answer, oracle, n)
    progress.loss, progress.correct = progress.loss + stats.loss, progress.correct + stats.correct / n
    progress.losses[i] = stats.loss
  end)
  local progress, count = self.progress, #answer.genomes
  return {loss = progress.loss / count, correct = progress.correct / count, losses = progress.losses}
end

-- Do the next step. Returns {stage, loss, correct, …}, nil when the policy is done.
function Distiller:advance()
  self.answer = self.answer or self:ask()
  local answer = self.answer
  if not answer then return nil end
  self.progress = self.progress or {done = 0, loss = 0, correct = 0, losses = json.array()}
  self.keep = self.keep or self.supernet:space():keep()
  self.last = stages[answer.stage](self, answer)
  self.answer, self.progress = nil, nil
  self.last.stage = answer.stage
  self.step = self.step + 1
  self.told[self.step] = self.last
  return self.last
end

-- ---- stopping and going on ------------------------------------------------------------------------------

-- Everything that learns, in one fixed order.
local function pieces(s)
  local list = {}
  for _, option in ipairs(s:space():options()) do list[#list + 1] = s:piece(option.index) end
  local nets = ffi.new('anet_net *[?]', #list)
  for i, piece in ipairs(list) do nets[i - 1] = piece.handle end
  return nets, #list, list
end

-- Put the whole state into a bundle.
function Distiller:save(bundle)
  bundle:set_supernet(self.supernet):set_input(self.input):set_value('distiller', {told = self.told, progress = self.progress})
  local nets, count = pieces(self.supernet)
  core.check(C.anet_bundle_set_optim(bundle.handle, self.optim.handle, nets, count))
  return bundle
end

-- Go on from a bundle that `save` filled (its supernet is this distiller's). The policy is asked again, and told
-- again what came of it, for the steps that were done, so that its own state is what it was.
function Distiller:restore(bundle)
  local state = bundle:value 'distiller'
  for _, last in ipairs(state.told) do
    self:ask()
    self.step, self.last = self.step + 1, last
    self.told[self.step] = last
  end
  self.progress = state.progress
  local nets, count = pieces(self.supernet)
  core.check(C.anet_bundle_optim(bundle.handle, self.optim.handle, nets, count))
  return self
end

function Distiller:__tostring()
  return ('distiller after %d steps of %d an epoch'):format(self.step, self.steps_per_epoch)
end

return M
