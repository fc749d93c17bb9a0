-- Supernets: an oracle, its blocks, their options and the weights.
local core = require 'anet.core'
local net = require 'anet.net'
local space = require 'anet.space'
local tensor = require 'anet.tensor'
local text = require 'anet.text'
local ffi, C = core.ffi, core.C

---@class anet.Supernet
---@field handle ffi.cdata*
local Supernet = {__name = 'supernet'}
Supernet.__index = Supernet

local out, take = core.cell 'anet_supernet'
local net_out, take_net = core.cell 'anet_net'
local block = ffi.new 'anet_block'
local frozen = ffi.new 'anet_frozen'

local M = {Supernet = Supernet}

-- A face for a handle that is already owned.
function M.wrap(handle) return setmetatable({handle = handle}, Supernet) end

-- The supernet of an oracle, which it freezes: blocks are found, options are added next.
---@return anet.Supernet? supernet, string? message, string? code
function M.new(oracle)
  local message, code = core.failure(C.anet_supernet_new(core.handle(oracle, net.Net, 'supernet'), out))
  if message then return nil, message, code end
  return M.wrap(take())
end

-- ---- blocks -------------------------------------------------------------------------------------------

local function read_blocks(handle)
  local list = {}
  for i = 1, C.anet_blocks_count(handle) do
    core.check(C.anet_blocks_get(handle, i - 1, block))
    list[i] = {
      index = i, kind = ffi.string(block.kind), name = ffi.string(block.name), trunk = block.trunk + 1,
      in_shape = core.dims(block['in']), out_shape = core.dims(block.out), nodes = block.nodes,
      hidden = block.hidden, stride = block.stride, shortcut = block.shortcut ~= 0, most_span = block.most_span,
      can_skip = block.can_skip ~= 0, macs = block.macs, params = block.params,
    }
  end
  return list
end

local function read_frozen(handle, n)
  local list = {}
  for i = 1, C.anet_blocks_frozen_count(handle) do
    core.check(C.anet_blocks_frozen(handle, i - 1, frozen))
    local first, last = n:get(frozen.first + 1), n:get(frozen.last + 1)
    list[i] = {first = first.name, last = last.name, reason = ffi.string(frozen.reason)}
  end
  return list
end

-- Blocks found in any net, and the runs of nodes that stay frozen, with the reason.
---@return table[]? blocks, table[]|string frozen, string? code
function M.blocks(n)
  local cell, take_blocks = core.cell 'anet_blocks'
  local message, code = core.failure(C.anet_blocks_find(core.handle(n, net.Net, 'blocks'), cell))
  if message then return nil, message, code end
  local handle = take_blocks()
  return read_blocks(handle), read_frozen(handle, n)
end

---@return table[]
function Supernet:blocks()
  self.block_list = self.block_list or read_blocks(C.anet_supernet_blocks(self.handle))
  return self.block_list
end

---@return table[]
function Supernet:frozen() return read_frozen(C.anet_supernet_blocks(self.handle), self:oracle()) end

-- ---- options ------------------------------------------------------------------------------------------

-- Add {position, kind = 'merge' | 'shrink' | 'skip', span, width}. importance: from :importance, or nil.
function Supernet:add(fields, importance)
  core.check(C.anet_supernet_add(self.handle, space.option(fields), importance))
  return self
end

-- No more options. nil, message, code where nothing is elastic.
function Supernet:seal()
  local message, code = core.failure(C.anet_supernet_seal(self.handle))
  if message then return nil, message, code end
  return self
end

local function pointer(images) return ffi.cast('const float *', images:data()) end

-- How much each hidden channel of a position matters on images, an f32 tensor (n, h, w, c).
function Supernet:importance(position, images, pool)
  local values = ffi.new('float[?]', self:blocks()[position].hidden)
  core.check(C.anet_supernet_importance(self.handle, position - 1, pointer(images), images:dim(1),
                                        core.pool(pool), values))
  return values
end

-- Start an option by least squares on images. false where it has no convolution to solve.
function Supernet:solve(option, images, ridge, pool)
  local status = C.anet_supernet_solve(self.handle, option - 1, pointer(images), images:dim(1), ridge,
                                       core.pool(pool))
  if status == C.ANET_UNSUPPORTED then return false end
  core.check(status)
  return true
end

-- ---- nets ---------------------------------------------------------------------------------------------

---@return anet.Net
function Supernet:oracle() return net.wrap(core.retain('anet_net', C.anet_supernet_oracle(self.handle))) end

-- The net of one option (by its index in the space); shares its weights.
---@return anet.Net
function Supernet:piece(option)
  local handle = C.anet_supernet_piece(self.handle, option - 1)
  core.must(handle ~= nil, 'supernet: there is no option %d', option)
  return net.wrap(core.retain('anet_net', handle))
end

-- What a genome selects, sharing all weights.
---@return anet.Net
function Supernet:subnet(genome)
  core.check(C.anet_supernet_subnet(self.handle, self:space():parse(genome), net_out))
  return net.wrap(take_net())
end

-- The oracle with outputs: its own, then the boundary values 0 … positions.
---@return anet.Net
function Supernet:taps()
  core.check(C.anet_supernet_taps(self.handle, net_out))
  return net.wrap(take_net())
end

-- Make the last value of each region of a subnet an output, where a region ends at a boundary of the oracle.
-- Returns the boundary of each output that was added.
---@return integer[] boundaries
function Supernet:region_outputs(subnet, genome)
  local last = {}
  for i, node in subnet:nodes() do
    if node.region then last[node.region] = i end
  end
  local boundaries = {}
  for _, used in ipairs(self:space():used(genome)) do
    if last[used.position] then
      subnet:output(last[used.position])
      boundaries[#boundaries + 1] = used.position + used.span
    end
  end
  return boundaries
end

---@return anet.Space
function Supernet:space()
  self.space_face = self.space_face or
                      space.wrap(core.retain('anet_space', C.anet_supernet_space(self.handle)))
  return self.space_face
end

-- The space as plain data for a policy's sandbox, with times where there is a latency table.
---@param times? anet.Table
function Supernet:describe(times)
  local description = {positions = #self:blocks(), trunk = {}, options = self:space():options(), fixed_ms = 0}
  for p, b in ipairs(self:blocks()) do description.trunk[p] = b.trunk end
  if times then
    description.fixed_ms = times:info().fixed_ms
    for i, ms in ipairs(times:times()) do description.options[i].ms = ms end
  end
  return description
end

-- All weights, shared ones once.
function Supernet:bytes() return C.anet_supernet_bytes(self.handle) end

function Supernet:__tostring()
  return ('supernet of %d blocks, %s, %s'):format(#self:blocks(), tostring(self:space()), text.bytes(self:bytes()))
end

return M
