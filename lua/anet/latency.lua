-- Latency tables: the measured time of every option on this device.
local core = require 'anet.core'
local plan = require 'anet.plan'
local space = require 'anet.space'
local supernet = require 'anet.supernet'
local text = require 'anet.text'
local ffi, C = core.ffi, core.C

---@class anet.Latency
local Latency = {__name = 'latency table'}
Latency.__index = Latency

local out, take = core.cell 'anet_table'
local info = ffi.new 'anet_table_info'

local M = {Latency = Latency}

-- A face for a handle that is already owned.
function M.wrap(handle) return setmetatable({handle = handle}, Latency) end

-- Measure. options: batch, rounds, held_out, seed, pool.
---@param s anet.Supernet
---@return anet.Latency? table, string? message, string? code
function M.profile(s, options)
  options = options or {}
  local desc = ffi.new('anet_profile_desc', {
    batch = options.batch or 0, rounds = options.rounds or 0, held_out = options.held_out or 0,
    seed = options.seed or 0,
  })
  local status = C.anet_profile(core.handle(s, supernet.Supernet, 'profile'),
                                core.pool(options.pool), desc, out)
  local message, code = core.failure(status)
  if message then return nil, message, code end
  return M.wrap(take())
end

-- {options, batch, threads, rounds, fixed_ms, oracle_ms, oracle_error, disturbed, median_error, p95_error, drift, seconds, fingerprint}.
function Latency:info()
  C.anet_table_read(self.handle, info)
  return {
    options = info.options, batch = info.batch, threads = info.threads, rounds = info.rounds,
    fixed_ms = info.fixed_ms, oracle_ms = info.oracle_ms, oracle_error = info.oracle_error, disturbed = info.disturbed,
    median_error = info.median_error, p95_error = info.p95_error, drift = info.drift, seconds = info.seconds,
    fingerprint = core.string(info.fingerprint),
  }
end

-- Time of an option, its error, and its time with cold caches, ms.
---@return number ms, number error, number cold_ms
function Latency:get(option)
  local ms = ffi.new 'double[3]'
  core.check(C.anet_table_get(self.handle, option - 1, ms, ms + 1, ms + 2))
  return ms[0], ms[1], ms[2]
end

-- The times of all options, by index.
---@return number[]
function Latency:times()
  local list = {}
  for i = 1, self:info().options do list[i] = (self:get(i)) end
  return list
end

-- Options that no search needs on this machine: in bytes, and no faster than the block in floats that they stand beside.
-- They cost accuracy for nothing. Only the last ones of a position, so that the genes of the others stay.
---@param s anet.Space
---@return table<integer, boolean> dropped by index
function Latency:dropped(s)
  local times, options, keep, dropped, needed = self:times(), s:options(), {}, {}, {}
  for _, o in ipairs(options) do
    if o.kind == 'keep' then keep[o.position] = times[o.index] end
  end
  for i = #options, 1, -1 do
    local o = options[i]
    if o.kind == 'int8' and times[o.index] >= keep[o.position] and not needed[o.position] then
      dropped[o.index] = true
    else
      needed[o.position] = true
    end
  end
  return dropped
end

-- How many those are, and how many options in bytes there are.
---@return integer dropped, integer int8
function Latency:count_dropped(s)
  local dropped, count, int8 = self:dropped(s), 0, 0
  for _, o in ipairs(s:options()) do
    count, int8 = count + (dropped[o.index] and 1 or 0), int8 + (o.kind == 'int8' and 1 or 0)
  end
  return count, int8
end

-- Predicted time of a genome, ms.
function Latency:predict(s, genome)
  local ms = ffi.new 'double[1]'
  local bytes = s:bytes(genome)
  core.check(C.anet_table_predict(self.handle, core.handle(s, space.Space, 'predict'), bytes, ms))
  return ms[0]
end

-- What to say where other programs spoilt the measuring; nil: nothing.
---@return string?
function Latency:doubt(bound)
  local i = self:info()
  return plan.doubt(i.oracle_error, i.disturbed, bound)
end

-- How far predictions are from what was measured. rungs: {predicted_ms =, measured_ms =} each, the oracle among them.
---@return number median, number worst relative
function M.errors(rungs)
  local list = {}
  for i, r in ipairs(rungs) do list[i] = math.abs(r.predicted_ms - r.measured_ms) / r.measured_ms end
  table.sort(list)
  local middle = (#list + 1) / 2
  return (list[math.floor(middle)] + list[math.ceil(middle)]) / 2, list[#list]
end

-- true where the table was measured on this machine as it is now; else nil and what differs.
---@return boolean? fresh, string? message, string? code
function Latency:check(threads)
  local message, code = core.failure(C.anet_table_check(self.handle, threads or 0))
  if message then return nil, message, code end
  return true
end

function Latency:__tostring()
  local i = self:info()
  return ('latency table of %d options, oracle %.3g ms, predictions within %.1f %% (median), measured in %s')
    :format(i.options, i.oracle_ms, 100 * i.median_error, text.duration(i.seconds))
end

return M
