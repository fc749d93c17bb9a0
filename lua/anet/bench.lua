-- Things to time: networks that run or are trained, with random weights or a bundle's; and kernels.
local bundle = require 'anet.bundle'
local core = require 'anet.core'
local plan = require 'anet.plan'
local tensor = require 'anet.tensor'
local text = require 'anet.text'
local train = require 'anet.train'
local zoo = require 'anet.zoo'
local ffi, C = core.ffi, core.C

local M = {}

-- What a name of the zoo is fed with where it does not say: pixels, channels, classes.
local IMAGENET, SMALL = {224, 3, 1000}, {32, 3, 10}
local USUAL = {
  resnet18 = IMAGENET, resnet50 = IMAGENET, mobilenet_v1 = IMAGENET, mobilenet_v2 = IMAGENET,
  squeezenet1_1 = IMAGENET,
}

-- ---- networks --------------------------------------------------------------------------------------

-- 'resnet18' as it is usual, 'resnet18_32' for images of 32 pixels and 10 classes.
local function split(name)
  if zoo[name] then return name, USUAL[name] or SMALL end
  local base, size = name:match('^(.-)_(%d+)$')
  size = tonumber(size)
  if not base or not zoo[base] or size < 1 then return nil end
  return base, size < 64 and {size, 3, 10} or {size, 3, 1000}
end

-- The net of a name of the zoo, with '_SIZE' after it or not, or of a bundle (of a supernet: the oracle).
---@return anet.Net? net, string? message
function M.net(name)
  if name:find('%.anet$') then
    local b, message, code = bundle.open(name)
    if not b then return nil, message, code end
    if b:text 'supernet' then
      local supernet, why, status = b:supernet()
      if not supernet then return nil, why, status end
      return supernet:oracle()
    end
    return b:net()
  end
  local base, usual = split(name)
  if not base then
    local names = text.keys(zoo)
    return nil, ("no architecture '%s'%s (there are %s, each also with _SIZE, and FILE.anet)"):format(
      name, text.hint(name, names), table.concat(names, ', ')), 'absent'
  end
  return zoo[base]{input = {usual[1], usual[1], usual[2]}, classes = usual[3]}:init(1)
end

-- A dense f32 tensor of n times a shape; its values repeat, between -1 and 1.
local function noise(n, shape)
  local t = tensor.new{n, unpack(shape)}
  local values, state = t:data(), 1
  for i = 0, t:count() - 1 do
    state = (state * 16807) % 2147483647
    values[i] = state / 1073741823.5 - 1
  end
  return t
end

-- ---- jobs ------------------------------------------------------------------------------------------

---@class anet.Job
---@field net anet.Net
---@field batch integer
---@field macs number of one run
local Job = {}
Job.__index = Job

-- Bytes the engine holds, and the most since M.mark.
local memory = ffi.new 'anet_memory'
local function read_memory()
  C.anet_memory_read(memory)
  return memory.live_bytes, memory.peak_bytes
end

local function mark()
  collectgarbage()
  collectgarbage() -- the first run only queues what finalizers release
  C.anet_memory_mark()
  return (read_memory())
end

-- Let `build` fill a job and run it once; notes the memory that took.
local function new_job(name, options, build)
  local before = mark()
  local net, message, code = M.net(name)
  if not net then return nil, message, code end
  local job = setmetatable({name = name, net = net, batch = options.batch or 1}, Job)
  build(job)
  job:run()
  local _, peak = read_memory()
  local cost = net:cost()
  job.weight_bytes, job.peak_bytes = cost.param_bytes, peak - before
  return job
end

-- Inference of `batch` images. options: batch, pool.
---@return anet.Job? job, string? message
function M.model(name, options)
  return new_job(name, options, function(job)
    job.plan = plan.new(job.net, {batch = job.batch, pool = options.pool})
    job.images = noise(job.batch, job.plan:input_shape()) -- as long as the plan points at it
    job.plan:run(job.images)
    job.macs = job.plan:info().macs * job.batch
    job.run = function() job.plan:again() end
  end)
end

-- One step of training on `batch` images: forward, backward and update by SGD with momentum.
---@return anet.Job? job, string? message
function M.train(name, options)
  return new_job(name, options, function(job)
    local net, n = job.net, job.batch
    net:freeze(nil, false)
    local classes = net:shape()[1]
    local images, targets = {noise(n, net:shape(net:inputs()[1]))}, {tensor.new{n, classes}}
    for i = 1, n do targets[1]:set(i, (i - 1) % classes + 1, 1) end
    local tape = train.tape(net, {batch = n, pool = options.pool})
    local optim = train.optim('sgd')
    job.macs = 3 * net:cost().macs * n -- forward, gradient for data, gradient for weights
    job.run = function()
      tape:step(images, targets, n)
      tape:apply(optim, 1e-4)
    end
  end)
end

-- Times of jobs that M.model made, beside the first. options: rounds, batch, pool.
---@param jobs anet.Job[]
---@return anet.Timing[]
function M.time_models(jobs, options)
  local plans = {}
  for i, job in ipairs(jobs) do plans[i] = job.plan end
  return plan.time(plans, options)
end

-- Milliseconds of one run.
function Job:time()
  local began = C.anet_clock_ms()
  self:run()
  return C.anet_clock_ms() - began
end

-- Least and middle of a list of numbers, which is sorted.
function M.summary(list)
  table.sort(list)
  local middle = #list / 2
  return list[1], (list[math.floor(middle + 0.5)] + list[math.floor(middle) + 1]) / 2
end

-- Milliseconds of runs, least and middle of each job; jobs take turns. after(round): called after each.
---@param jobs anet.Job[]
---@return {min: number, median: number}[]
function M.time(jobs, rounds, after)
  local times = {}
  for i = 1, #jobs do times[i] = {} end
  for round = 1, rounds do
    for i, job in ipairs(jobs) do times[i][round] = job:time() end
    if after then after(round) end
  end
  for i = 1, #jobs do
    local least, middle = M.summary(times[i])
    times[i] = {min = least, median = middle}
  end
  return times
end

-- ---- the machine -----------------------------------------------------------------------------------

-- Operations a second that an instruction set (nil: the one in use) reaches in registers.
function M.peak(isa, pool)
  local flops = ffi.new 'double[1]'
  core.check(C.anet_isa_peak(isa, pool, flops))
  return flops[0]
end

-- Names of the instruction sets that this machine can run.
function M.isas()
  local list = {}
  while true do
    local name = core.string(C.anet_isa_at(#list))
    if not name then return list end
    list[#list + 1] = name
  end
end

-- Kernels by case: for case = 1, M.kernel_cases(). ms 0: only say what it is.
function M.kernel_cases() return C.anet_kernel_cases() end

local speed = ffi.new 'anet_kernel_speed'

-- {name, isa, shape, ns, flops, bytes, sgemm_ns, sgemm_core}.
function M.kernel(case, isa, ms)
  core.check(C.anet_kernel_time(case - 1, isa, ms, speed))
  return {
    name = ffi.string(speed.name), isa = isa, shape = ffi.string(speed.shape), ns = speed.ns, flops = speed.flops,
    bytes = speed.bytes, sgemm_ns = speed.sgemm_ns > 0 and speed.sgemm_ns or nil,
    sgemm_core = speed.sgemm_ns > 0 and ffi.string(speed.sgemm_core) or nil,
  }
end

return M
