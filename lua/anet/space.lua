-- Spaces of genomes. A genome is a text, one character a position: 0-9 a-z the option, '-' covered.
local core = require 'anet.core'
local rng = require 'anet.rng'
local ffi, C = core.ffi, core.C

---@class anet.Space
local Space = {__name = 'space'}
Space.__index = Space

local KINDS = {
  keep = C.ANET_KEEP, merge = C.ANET_MERGE, shrink = C.ANET_SHRINK, skip = C.ANET_SKIP, int8 = C.ANET_INT8,
}
local KIND_NAMES = {}
for name, number in pairs(KINDS) do KIND_NAMES[tonumber(number)] = name end

local out, take = core.cell 'anet_space'
local front_out, take_front = core.cell 'anet_front'
local option = ffi.new 'anet_option'

local M = {Space = Space}

-- A face for a handle that is already owned.
function M.wrap(handle)
  local positions = C.anet_space_positions(handle)
  return setmetatable({
    handle = handle, positions = positions, genes = ffi.new('uint8_t[?]', math.max(positions, 1)),
    chars = ffi.new('char[?]', positions + 1),
  }, Space)
end

-- A face for a borrowed handle: it is retained.
function M.borrow(handle) return M.wrap(core.retain('anet_space', handle)) end

-- An anet_option from {kind, position, span, width, hidden}; the struct is overwritten by the next call.
function M.option_struct(fields)
  local kind = core.must(KINDS[fields.kind], "no option kind '%s'", tostring(fields.kind))
  option.kind, option.position, option.gene = kind, fields.position - 1, 0
  option.span, option.width = fields.span or 1, fields.width or 1
  option.hidden = fields.hidden or 0
  return option
end

-- A space from the trunk number of each position: space.new{0, 0, 0, 1, 1}. Every position has keep.
---@return anet.Space
function M.new(trunks)
  local list = ffi.new('int32_t[?]', math.max(#trunks, 1), trunks)
  core.check(C.anet_space_new(list, #trunks, out))
  local self = M.wrap(take())
  self.trunks = trunks
  return self
end

-- Add an option: {kind = 'merge', position = 1, span = 2}.
function Space:add(fields)
  core.check(C.anet_space_add(self.handle, M.option_struct(fields)))
  return self
end

-- All options in order: {{index, kind, position, gene, span, width, hidden}, …}.
---@return table[]
function Space:options()
  local list = {}
  for i = 1, C.anet_space_options(self.handle) do
    core.check(C.anet_space_option(self.handle, i - 1, option))
    list[i] = {
      index = i, kind = KIND_NAMES[option.kind], position = option.position + 1, gene = option.gene,
      span = option.span, width = option.width, hidden = option.hidden,
    }
  end
  return list
end

-- Index of the option that `gene` (from 0) names at a position, or nil.
function Space:index(position, gene)
  local i = C.anet_space_index(self.handle, position - 1, gene)
  return i >= 0 and i + 1 or nil
end

-- Exact number of genomes, as digits.
---@return string
function Space:size()
  local digits = ffi.new 'char[512]'
  core.check(C.anet_space_size(self.handle, digits, 512))
  return ffi.string(digits)
end

-- The bytes of a genome, in a buffer that the next call overwrites; raises where it is illegal.
function Space:bytes(genome)
  core.must(type(genome) == 'string', 'genome: want a text, got %s', type(genome))
  core.check(C.anet_genome_parse(self.handle, genome, self.genes))
  core.check(C.anet_genome_check(self.handle, self.genes))
  return self.genes
end

-- The bytes of many, one after the other.
function Space:many(genomes)
  local all = ffi.new('uint8_t[?]', math.max(#genomes * self.positions, 1))
  for i, genome in ipairs(genomes) do
    ffi.copy(all + (i - 1) * self.positions, self:bytes(genome), self.positions)
  end
  return all
end

-- The text of a genome's bytes.
function Space:text(bytes)
  core.check(C.anet_genome_print(self.handle, bytes, self.chars))
  return ffi.string(self.chars)
end

-- true, or false and why a genome is illegal.
---@return boolean legal, string? why
function Space:check(genome)
  if type(genome) ~= 'string' then return false, 'a genome is a text' end
  if genome:find '%z' then return false, 'a genome has no byte 0' end
  local status = C.anet_genome_parse(self.handle, genome, self.genes)
  if status == 0 then status = C.anet_genome_check(self.handle, self.genes) end
  if status ~= 0 then return false, core.message(status) end
  return true
end

-- The genome of the oracle.
function Space:keep() return ('0'):rep(self.positions) end

-- The options of a genome, in order.
---@return table[]
function Space:chosen(genome)
  local bytes, all, list = self:bytes(genome), self:options(), {}
  for p = 1, self.positions do
    local index = bytes[p - 1] ~= C.ANET_COVERED and self:index(p, bytes[p - 1])
    if index then list[#list + 1] = all[index] end
  end
  return list
end

-- A genome, uniform over all.
---@param random anet.Rng
function Space:sample(random)
  core.check(C.anet_genome_sample(self.handle, core.handle(random, rng.Rng, 'sample'), self.genes))
  return self:text(self.genes)
end

local function figures(self, what, list)
  local n = C.anet_space_options(self.handle)
  core.must(#list == n, '%s: got %d figures, want one for each of %d options', what, #list, n)
  return ffi.new('double[?]', math.max(n, 1), list)
end

-- All genomes of which none is cheaper and less damaged: {{genome, cost, damage}, …}, cheapest first.
-- cost and damage: one figure an option.
---@return table[]
function Space:front(cost, damage)
  core.check(C.anet_space_front(self.handle, figures(self, 'front', cost),
                                figures(self, 'front', damage), front_out))
  local front, list, pair = take_front(), {}, ffi.new 'double[2]'
  for i = 1, C.anet_front_count(front) do
    core.check(C.anet_front_get(front, i - 1, self.genes, pair, pair + 1))
    list[i] = {genome = self:text(self.genes), cost = pair[0], damage = pair[1]}
  end
  return list
end

-- The k genomes of least damage with cost <= budget, best first.
---@return string[]? genomes, string? message, string? code
function Space:best(cost, damage, budget, k)
  k = k or 1
  local genomes = ffi.new('uint8_t[?]', math.max(k * self.positions, 1))
  local found = ffi.new 'int32_t[1]'
  local status = C.anet_space_best(self.handle, figures(self, 'best', cost),
                                   figures(self, 'best', damage), budget, k, genomes, found)
  local message, code = core.failure(status)
  if message then return nil, message, code end
  local list = {}
  for i = 1, found[0] do list[i] = self:text(genomes + (i - 1) * self.positions) end
  return list
end

-- What a policy is told: plain data. `times` gives each option's ms by index, `fixed_ms` the rest.
function Space:describe(times, fixed_ms)
  local options, trunk = self:options(), {}
  for _, o in ipairs(options) do o.ms = times and times[o.index] end
  for p = 1, self.positions do trunk[p] = self.trunks and self.trunks[p] or 0 end
  return {positions = self.positions, trunk = trunk, fixed_ms = fixed_ms or 0, options = options}
end

function Space:__tostring()
  return ('space of %s genomes, %d positions, %d options'):format(self:size(), self.positions,
    C.anet_space_options(self.handle))
end

return M
