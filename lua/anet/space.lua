-- Spaces: which genomes there are. A genome is text, one character a position: the gene (0-9 a-z), '-'
-- where an earlier merge covers.
local core = require 'anet.core'
local ffi, C = core.ffi, core.C

---@class anet.Space
---@field handle ffi.cdata*
local Space = {__name = 'space'}
Space.__index = Space

local M = {Space = Space}

local KINDS = {[0] = 'keep', 'merge', 'shrink', 'skip'}
M.KINDS = {keep = 0, merge = 1, shrink = 2, skip = 3}

local out, take = core.cell 'anet_space'
local option = ffi.new 'anet_option'

-- A face for a handle that is already owned.
function M.wrap(handle)
  local self = setmetatable({handle = handle}, Space)
  self.genes = ffi.new('uint8_t[?]', self:positions())
  self.text = ffi.new('char[?]', self:positions() + 1)
  return self
end

-- A space of its own: trunk, a list with the trunk of each position.
---@param trunk integer[]
---@return anet.Space
function M.new(trunk)
  local cells = ffi.new('int32_t[?]', #trunk, trunk)
  core.check(C.anet_space_new(cells, #trunk, out))
  return M.wrap(take())
end

-- An anet_option from {position, kind, span, width}.
function M.option(fields)
  local kind = core.must(M.KINDS[fields.kind], "option: no kind '%s'; there are merge, shrink, skip", fields.kind)
  return ffi.new('anet_option', kind, fields.position - 1, 0, fields.span or 1, fields.width or 1, 0)
end

-- Add an option {position, kind, span, width} to a space of its own.
function Space:add(fields)
  core.check(C.anet_space_add(self.handle, M.option(fields)))
  return self
end

function Space:positions() return C.anet_space_positions(self.handle) end

-- All options in order: {index, position, gene, kind, span, width, hidden}.
---@return table[]
function Space:options()
  local list = {}
  for i = 1, C.anet_space_options(self.handle) do
    core.check(C.anet_space_option(self.handle, i - 1, option))
    list[i] = {
      index = i, position = option.position + 1, gene = option.gene, kind = KINDS[option.kind],
      span = option.span, width = option.width, hidden = option.hidden,
    }
  end
  return list
end

-- The options that a genome uses, in order of position.
---@return table[]
function Space:used(genome)
  self.option_list = self.option_list or self:options()
  local genes, list = self:parse(genome), {}
  for p = 1, self:positions() do
    if genes[p - 1] ~= C.ANET_COVERED then
      list[#list + 1] = self.option_list[C.anet_space_index(self.handle, p - 1, genes[p - 1]) + 1]
    end
  end
  return list
end

-- Exact number of genomes, as decimal digits.
---@return string
function Space:size()
  local digits = ffi.new 'char[512]'
  core.check(C.anet_space_size(self.handle, digits, 512))
  return ffi.string(digits)
end

-- The oracle's genome.
---@return string
function Space:keep() return ('0'):rep(self:positions()) end

-- Genes of a genome into `cells` (positions bytes; its own where nil).
function Space:parse(genome, cells)
  cells = cells or self.genes
  core.check(C.anet_genome_parse(self.handle, genome, cells))
  return cells
end

function Space:print(genes)
  core.check(C.anet_genome_print(self.handle, genes, self.text))
  return ffi.string(self.text)
end

-- true, or nil and what is wrong with a genome.
function Space:check(genome)
  local status = C.anet_genome_parse(self.handle, genome, self.genes)
  if status == 0 then status = C.anet_genome_check(self.handle, self.genes) end
  if status ~= 0 then return nil, core.message(status) end
  return true
end

-- A genome, uniform over all of them. rng: an anet_rng.
---@return string
function Space:sample(rng)
  core.check(C.anet_genome_sample(self.handle, rng, self.genes))
  return self:print(self.genes)
end

local function figures(self, list)
  local n = C.anet_space_options(self.handle)
  core.must(#list == n, 'space: got %d figures for %d options', #list, n)
  return ffi.new('double[?]', n, list)
end

-- The whole front over two figures an option, fastest first: {{genome, cost, damage}, …}.
function Space:front(costs, damages)
  local cell, take_front = core.cell 'anet_front'
  core.check(C.anet_space_front(self.handle, figures(self, costs), figures(self, damages), cell))
  local front, list = take_front(), {}
  local cost, damage = ffi.new 'double[1]', ffi.new 'double[1]'
  for i = 1, C.anet_front_count(front) do
    core.check(C.anet_front_get(front, i - 1, self.genes, cost, damage))
    list[i] = {genome = self:print(self.genes), cost = cost[0], damage = damage[0]}
  end
  return list
end

-- The k genomes of least damage with cost <= budget, best first; nil, message, code if there is none.
---@return string[]? genomes, string? message, string? code
function Space:best(costs, damages, budget, k)
  local p = self:positions()
  local genes, found = ffi.new('uint8_t[?]', k * p), ffi.new 'int32_t[1]'
  local message, code = core.failure(C.anet_space_best(self.handle, figures(self, costs), figures(self, damages),
                                                       budget, k, genes, found))
  if message then return nil, message, code end
  local list = {}
  for i = 1, found[0] do list[i] = self:print(genes + (i - 1) * p) end
  return list
end

function Space:__tostring()
  return ('space of %s genomes, %d positions, %d options'):format(self:size(), self:positions(),
    C.anet_space_options(self.handle))
end

return M
