-- Evaluators: accuracy and loss of many subnets on one data set, shared prefixes computed once.
local core = require 'anet.core'
local data = require 'anet.data'
local supernet = require 'anet.supernet'
local ffi, C = core.ffi, core.C

---@class anet.Evaluator
---@field handle ffi.cdata*
local Evaluator = {__name = 'evaluator'}
Evaluator.__index = Evaluator

local out, take = core.cell 'anet_evaluator'

local M = {Evaluator = Evaluator}

-- Against the labels of `dataset`, or the oracle's own answers where it has none.
---@return anet.Evaluator
function M.new(s, dataset, input, pool)
  core.check(C.anet_evaluator_new(core.handle(s, supernet.Supernet, 'evaluator'),
    core.handle(dataset, data.Dataset, 'data'), core.handle(input, data.Input, 'input'), core.pool(pool), out))
  return setmetatable({
    handle = take(), supernet = s, images = dataset:count(),
    total = {block_runs = 0, ideal_runs = 0, naive_runs = 0, seconds = 0, evaluated = 0},
  }, Evaluator)
end

-- Run genomes on images first .. first + count - 1 (all by default). For each {hits, loss, score}: hits is a
-- string of one '1' or '0' an image. nil, message, code where the byte limit is too small.
---@param genomes string[]
---@param options? {first?: integer, count?: integer, chunk?: integer, byte_limit?: number}
---@return table[]? results, string? message, string? code
function Evaluator:run(genomes, options)
  options = options or {}
  local space, n = self.supernet:space(), #genomes
  local first = options.first or 1
  local count = options.count or self.images - first + 1
  local genes = ffi.new('uint8_t[?]', math.max(n * space:positions(), 1))
  for i, genome in ipairs(genomes) do space:parse(genome, genes + (i - 1) * space:positions()) end
  local hits, loss = ffi.new('uint8_t[?]', math.max(n * count, 1)), ffi.new('double[?]', math.max(n, 1))
  local desc = ffi.new('anet_evaluation_desc', first - 1, count, options.chunk or 0, options.byte_limit or 0)
  local stats = ffi.new 'anet_evaluation_stats'
  local message, code = core.failure(C.anet_evaluate(self.handle, genes, n, desc, hits, loss, stats))
  if message then return nil, message, code end
  self:note(stats, n)
  local results = {}
  for i = 1, n do results[i] = self:result(hits + (i - 1) * count, count, loss[i - 1]) end
  return results
end

function Evaluator:result(hits, count, loss)
  local text, right = ffi.new('uint8_t[?]', count), 0
  for k = 0, count - 1 do
    text[k] = 48 + hits[k]
    right = right + hits[k]
  end
  return {hits = ffi.string(text, count), score = right / count, loss = loss}
end

-- What all runs so far did, and would have done without sharing.
function Evaluator:note(stats, n)
  local t = self.total
  t.block_runs, t.ideal_runs = t.block_runs + stats.block_runs, t.ideal_runs + stats.ideal_runs
  t.naive_runs, t.seconds = t.naive_runs + stats.naive_runs, t.seconds + stats.seconds
  t.evaluated = t.evaluated + n
end

-- Shares of block runs that were saved, and that an ideal trie would save.
---@return number saving, number ideal
function Evaluator:saving()
  local t = self.total
  local naive = math.max(t.naive_runs, 1)
  return 1 - t.block_runs / naive, 1 - t.ideal_runs / naive
end

function Evaluator:__tostring()
  return ('evaluator on %d images, %d runs so far'):format(self.images, self.total.evaluated)
end

return M
