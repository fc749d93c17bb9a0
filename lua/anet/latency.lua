-- Latency tables: the measured time of every option on this machine.
local core = require 'anet.core'
local space = require 'anet.space'
local supernet = require 'anet.supernet'
local ffi, C = core.ffi, core.C

---@class anet.Table
---@field handle ffi.cdata*
local Table = {__name = 'latency table'}
Table.__index = Table

local out, take = core.cell 'anet_table'
local info = ffi.new 'anet_table_info'

local M = {Table = Table}

-- A face for a handle that is already owned.
function M.wrap(handle) return setmetatable({handle = handle}, Table) end

-- Measure every option of a supernet. options: batch (1), rounds (30), held_out (50), seed.
---@return anet.Table
function M.profile(s, options, pool)
  options = options or {}
  local desc = ffi.new('anet_profile_desc', options.batch or 0, options.rounds or 0, options.held_out or 0,
                       options.seed or 0)
  core.check(C.anet_profile(core.handle(s, supernet.Supernet, 'profile'), core.pool(pool), desc, out))
  return M.wrap(take())
end

-- {options, batch, threads, rounds, fixed_ms, oracle_ms, median_error, p95_error, drift, seconds, fingerprint}.
function Table:info()
  C.anet_table_read(self.handle, info)
  return {
    options = info.options, batch = info.batch, threads = info.threads, rounds = info.rounds,
    fixed_ms = info.fixed_ms, oracle_ms = info.oracle_ms, median_error = info.median_error,
    p95_error = info.p95_error, drift = info.drift, seconds = info.seconds,
    fingerprint = ffi.string(info.fingerprint),
  }
end

-- Time of option i (by its index in the space), its error and its time with cold caches, ms.
---@return number ms, number error, number cold
function Table:get(i)
  local cells = ffi.new 'double[3]'
  core.check(C.anet_table_get(self.handle, i - 1, cells, cells + 1, cells + 2))
  return cells[0], cells[1], cells[2]
end

-- Times of all options in the order of the space.
---@return number[]
function Table:times()
  local list = {}
  for i = 1, self:info().options do list[i] = self:get(i) end
  return list
end

-- Predicted time of a genome, ms.
---@return number
function Table:predict(sp, genome)
  local ms = ffi.new 'double[1]'
  local genes = core.handle(sp, space.Space, 'predict') and sp:parse(genome)
  core.check(C.anet_table_predict(self.handle, sp.handle, genes, ms))
  return ms[0]
end

-- self; nil, message, 'stale' where it is of another machine or build.
function Table:check(threads)
  local message, code = core.failure(C.anet_table_check(self.handle, threads))
  if message then return nil, message, code end
  return self
end

function Table:__tostring()
  local i = self:info()
  return ('latency table of %d options, batch %d, %d threads: oracle %.3f ms, error %.1f %% (95 %%: %.1f %%)'):format(
    i.options, i.batch, i.threads, i.oracle_ms, 100 * i.median_error, 100 * i.p95_error)
end

return M
