-- Plans: networks compiled for running, and the workspaces they run in.
local core = require 'anet.core'
local data = require 'anet.data'
local net = require 'anet.net'
local tensor = require 'anet.tensor'
local text = require 'anet.text'
local ffi, C = core.ffi, core.C

---@class anet.Plan
---@field handle ffi.cdata*
local Plan = {__name = 'plan'}
Plan.__index = Plan

local out, take = core.cell 'anet_plan'
local work_out, take_work = core.cell 'anet_workspace'
local info = ffi.new 'anet_plan_info'
local shape = ffi.new 'anet_shape'

local M = {Plan = Plan}

-- A face for a handle that is already owned.
function M.wrap(handle) return setmetatable({handle = handle}, Plan) end

-- Compile a net. options: batch, the most images a run may have (1); pool.
---@param n anet.Net
---@return anet.Plan
function M.new(n, options)
  options = options or {}
  core.check(C.anet_plan_new(core.handle(n, net.Net, 'plan'), options.batch or 1, out))
  local plan = M.wrap(take())
  plan.pool = options.pool
  return plan
end

-- {batch, steps, inputs, outputs, arena_bytes, packed_bytes, macs}.
function Plan:info()
  C.anet_plan_read(self.handle, info)
  return {
    batch = info.batch, steps = info.steps, inputs = info.inputs, outputs = info.outputs,
    arena_bytes = info.arena_bytes, packed_bytes = info.packed_bytes, macs = info.macs,
  }
end

-- Shape of input or output i, of one image.
function Plan:input_shape(i)
  core.check(C.anet_plan_input_shape(self.handle, (i or 1) - 1, shape))
  return core.dims(shape)
end

function Plan:output_shape(i)
  core.check(C.anet_plan_output_shape(self.handle, (i or 1) - 1, shape))
  return core.dims(shape)
end

local function prepare(self)
  if self.workspace then return end
  core.check(C.anet_workspace_new(self.handle, core.pool(self.pool), work_out))
  self.workspace = take_work()
  local i = self:info()
  self.batch, self.inputs = i.batch, i.inputs
  self.in_pointers = ffi.new('const float *[?]', i.inputs)
  self.out_pointers = ffi.new('float *[?]', i.outputs)
  self.outputs = {}
  for k = 1, i.outputs do self.outputs[k] = tensor.new{i.batch, unpack(self:output_shape(k))} end
end

-- Run on one tensor an input, each f32 (n, …). Returns one tensor an output; they are the plan's own and
-- the next run overwrites them.
---@param ... anet.Tensor
---@return anet.Tensor ...
function Plan:run(...)
  prepare(self)
  self.ran = false
  local n
  core.must(select('#', ...) == self.inputs, 'run: got %d tensors, the net has %d inputs', select('#', ...), self.inputs)
  for k = 1, select('#', ...) do
    local t = select(k, ...)
    core.handle(t, tensor.Tensor, 'run')
    local dims, want = t:shape(), self:input_shape(k)
    if #dims == #want then table.insert(dims, 1, 1) end
    core.must(t:type() == 'f32' and t:dense(), 'run: input %d is not a dense f32 tensor', k)
    core.must(not n or n == dims[1], 'run: input %d has %d images, the first %d', k, dims[1], n or 0)
    n = dims[1]
    core.must(table.concat(dims, 'x', 2) == table.concat(want, 'x'),
              'run: input %d has images %s, want %s', k, table.concat(dims, 'x', 2), table.concat(want, 'x'))
    self.in_pointers[k - 1] = t:data()
  end
  for k, t in ipairs(self.outputs) do self.out_pointers[k - 1] = t:data() end
  core.check(C.anet_run(self.handle, self.workspace, self.in_pointers, self.out_pointers, n))
  self.ran = true
  local results = {}
  for k, t in ipairs(self.outputs) do results[k] = n == self.batch and t or t:first(n) end
  return unpack(results)
end

-- A full batch once more, on the tensors of the last run; for timing.
function Plan:again()
  core.must(self.ran, 'again: the last run of the plan failed, or there was none')
  core.check(C.anet_run(self.handle, self.workspace, self.in_pointers, self.out_pointers, self.batch))
end

-- Share of images whose label is the first output's largest entry; and which: one '1' or '0' an image.
---@return number accuracy, string hits
function Plan:accuracy(dataset, input)
  local count = dataset:count()
  local correct, hits = ffi.new 'double[1]', ffi.new('uint8_t[?]', math.max(count, 1))
  core.check(C.anet_plan_accuracy(self.handle, core.handle(dataset, data.Dataset, 'data'),
    core.handle(input, data.Input, 'input'), core.pool(self.pool), correct, hits))
  for i = 0, count - 1 do hits[i] = hits[i] + 48 end -- the digit
  return correct[0] / math.max(count, 1), ffi.string(hits, count)
end

---@class anet.Timing
---@field ms number of a run, as a program that runs the plan in a loop sees it
---@field ratio number to the first plan
---@field error number relative: of the ratio; of the first plan, how far most visits are from ms
---@field cold_ms number of a run with cold caches
---@field least_ms number
---@field median_ms number
---@field disturbed number share of the runs that lost the processor
---@field rounds integer
---@field settled boolean whether error is within what was asked

-- Time plans beside the first one. options: batch, images a run (1); rounds, visits to each (30, and up to three times as
-- many where they disagree); error, what is near enough (0.03); limit_ms, of running (20 000); pool.
---@param plans anet.Plan[]
---@return anet.Timing[]
function M.time(plans, options)
  options = options or {}
  local handles = ffi.new('anet_plan *[?]', #plans)
  for i, plan in ipairs(plans) do handles[i - 1] = core.handle(plan, Plan, 'time') end
  local desc = ffi.new('anet_timing_desc', {
    n = options.batch or 0, rounds = options.rounds or 0, error = options.error or 0, limit_ms = options.limit_ms or 0,
  })
  local timings, list = ffi.new('anet_timing[?]', #plans), {}
  core.check(C.anet_time_plans(handles, #plans, core.pool(options.pool), desc, timings))
  for i = 1, #plans do
    local t = timings[i - 1]
    list[i] = {
      ms = t.ms, ratio = t.ratio, error = t.error, cold_ms = t.cold_ms, least_ms = t.least_ms, median_ms = t.median_ms,
      disturbed = t.disturbed, rounds = t.rounds, settled = t.settled ~= 0,
    }
  end
  return list
end

-- What to say of times that other programs spoilt: errors are `error` and should be `bound`. nil: nothing.
---@return string?
function M.doubt(error, disturbed, bound)
  bound = bound or 0.03
  if error <= bound then return nil end
  return ('could not measure within %g %%: the machine is busy (times vary by %.1f %%, %.0f %% of the runs were disturbed)')
    :format(100 * bound, 100 * error, 100 * disturbed)
end

-- The same of what M.time gave: the worst of them.
---@param timings anet.Timing[]
---@return string?
function M.doubts(timings, bound)
  local worst = timings[1]
  for _, t in ipairs(timings) do
    if t.error > worst.error then worst = t end
  end
  return M.doubt(worst.error, worst.disturbed, bound)
end

function Plan:__tostring()
  local i = self:info()
  return ('plan of %d steps, batch %d, %s MACs, arena %s'):format(i.steps, i.batch,
    text.count(i.macs), text.bytes(i.arena_bytes))
end

return M
