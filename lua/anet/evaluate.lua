-- Many subnets on some data at once, with shared prefixes computed once.
local core = require 'anet.core'
local data = require 'anet.data'
local supernet = require 'anet.supernet'
local ffi, C = core.ffi, core.C

---@class anet.Evaluator
local Evaluator = {__name = 'evaluator'}
Evaluator.__index = Evaluator

local out, take = core.cell 'anet_evaluator'

local M = {Evaluator = Evaluator}

-- An evaluator of a supernet on data, against its labels or, where it has none, the oracle's answers.
---@param s anet.Supernet
---@param dataset anet.Dataset
---@param input anet.Input
---@return anet.Evaluator
function M.new(s, dataset, input, pool)
  pool = core.pool(pool)
  core.check(C.anet_evaluator_new(core.handle(s, supernet.Supernet, 'evaluator'),
    core.handle(dataset, data.Dataset, 'data'), core.handle(input, data.Input, 'input'), pool, out))
  return setmetatable({
    handle = take(), space = s:space(), data = dataset, supernet = s, input = input, pool = pool,
  }, Evaluator)
end

-- Evaluate genomes on `count` images from `first` on (all by default). options: first, count, chunk, byte_limit.
-- Returns {{genome, score, loss, hits}, …}, hits one '1' (right) or '0' an image; and figures of the run.
---@param genomes string[]
---@return table[]? results, table|string stats, string? code
function Evaluator:run(genomes, options)
  options = options or {}
  local first = options.first or 1
  local count = options.count or self.data:count() - first + 1
  local desc = ffi.new('anet_evaluation_desc', {
    begin = first - 1, count = count, chunk = options.chunk or 0, byte_limit = options.byte_limit or 0,
  })
  local n = #genomes
  local hits, loss = ffi.new('uint8_t[?]', math.max(n * count, 0)), ffi.new('double[?]', n)
  local stats = ffi.new 'anet_evaluation_stats'
  local status = C.anet_evaluate(self.handle, self.space:many(genomes), n, desc, hits, loss, stats)
  local message, code = core.failure(status)
  if message then return nil, message, code end
  local results = {}
  for i, genome in ipairs(genomes) do
    local row, right = hits + (i - 1) * count, 0
    for k = 0, count - 1 do
      right = right + row[k]
      row[k] = row[k] + 48 -- the digit
    end
    results[i] = {
      genome = genome, score = right / count, loss = loss[i - 1], hits = ffi.string(row, count),
    }
  end
  return results, {
    block_runs = stats.block_runs, ideal_runs = stats.ideal_runs, naive_runs = stats.naive_runs,
    saved_time = stats.saved_time, feature_bytes = stats.feature_bytes, seconds = stats.seconds,
  }
end

function Evaluator:__tostring() return ('evaluator on %s'):format(tostring(self.data)) end

return M
