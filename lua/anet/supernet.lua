-- Supernets: an oracle, options beside its blocks, and what genomes select.
local core = require 'anet.core'
local net = require 'anet.net'
local space = require 'anet.space'
local tensor = require 'anet.tensor'
local text = require 'anet.text'
local ffi, C = core.ffi, core.C

---@class anet.Supernet
local Supernet = {__name = 'supernet'}
Supernet.__index = Supernet

local out, take = core.cell 'anet_supernet'
local net_out, take_net = core.cell 'anet_net'
local blocks_out, take_blocks = core.cell 'anet_blocks'
local block = ffi.new 'anet_block'
local frozen = ffi.new 'anet_frozen'

local M = {Supernet = Supernet}

-- ---- blocks -----------------------------------------------------------------------------------

local function block_list(handle)
  local list = {}
  for i = 1, C.anet_blocks_count(handle) do
    core.check(C.anet_blocks_get(handle, i - 1, block))
    list[i] = {
      index = i, kind = ffi.string(block.kind), name = ffi.string(block.name), trunk = block.trunk + 1,
      entry = block.entry + 1, exit = block.exit + 1, nodes = block.nodes, in_shape = core.dims(block['in']),
      out_shape = core.dims(block.out), hidden = block.hidden, stride = block.stride,
      shortcut = block.shortcut ~= 0, most_span = block.most_span, can_skip = block.can_skip ~= 0,
      macs = block.macs, params = block.params,
    }
  end
  return list
end

local function frozen_list(handle)
  local list = {}
  for i = 1, C.anet_blocks_frozen_count(handle) do
    core.check(C.anet_blocks_frozen(handle, i - 1, frozen))
    list[i] = {first = frozen.first + 1, last = frozen.last + 1, reason = ffi.string(frozen.reason)}
  end
  return list
end

-- The blocks of a net, and the runs of nodes outside them with the reason.
---@param n anet.Net
---@return table[] blocks, table[] frozen
function M.blocks(n)
  core.check(C.anet_blocks_find(core.handle(n, net.Net, 'blocks'), blocks_out))
  local handle = take_blocks()
  return block_list(handle), frozen_list(handle)
end

-- ---- building -----------------------------------------------------------------------------------

-- A face for a handle that is already owned.
function M.wrap(handle) return setmetatable({handle = handle}, Supernet) end

-- A supernet of an oracle, which is frozen from now on. Add options, then seal it. norms: options of blocks
-- without norms get some (a network that came with its norms folded).
---@param oracle anet.Net
---@param options? {norms?: boolean}
---@return anet.Supernet
function M.new(oracle, options)
  core.check(C.anet_supernet_new(core.handle(oracle, net.Net, 'supernet'), out))
  local s = M.wrap(take())
  C.anet_supernet_norms(s.handle, options and options.norms and 1 or 0)
  return s
end

-- What each hidden channel of an option's block is worth; NULL: by the norm of its weights.
local function weights_of(self, option, importance)
  if not importance then return nil end
  core.handle(importance, tensor.Tensor, 'importance')
  local block = core.must(self:blocks()[option.position], 'importance: no position %s', tostring(option.position))
  core.must(importance:dense() and importance:type() == 'f32' and importance:count() >= block.hidden,
            'importance: want a dense f32 tensor of %d numbers, got %s', block.hidden, tostring(importance))
  return ffi.cast('const float *', importance:data())
end

-- Add an option: {kind = 'merge'|'shrink'|'skip', position, span, width}. importance: a tensor of the
-- hidden channels, from Supernet:importance; by weight norm without.
function Supernet:add(option, importance)
  local ok, message = self:offer(option, importance)
  return core.must(ok, '%s', message)
end

-- As add, but an option that its blocks do not allow (a width that rounds to one there is, a run that no single
-- block can stand for) gives nil and the reason.
---@return anet.Supernet? self, string? reason
function Supernet:offer(option, importance)
  local weights = weights_of(self, option, importance)
  local status = C.anet_supernet_add(self.handle, space.option_struct(option), weights)
  if status == 0 then return self end
  return nil, core.message(status)
end

-- No more options from here on.
---@return anet.Supernet? self, string? message, string? code
function Supernet:seal()
  core.check(C.anet_supernet_seal(self.handle))
  return self
end

-- How much each hidden channel of a position matters, over images.
---@return anet.Tensor
function Supernet:importance(position, images, pool)
  local data, count = net.images(self:oracle(), images, 'importance')
  local hidden = core.must(self:blocks()[position], 'importance: no position %d', position).hidden
  local result = tensor.new{math.max(hidden, 1)}
  core.check(C.anet_supernet_importance(self.handle, position - 1, data, count, core.pool(pool),
                                        result:data()))
  return result
end

-- A sealed supernet like this one with an option more at each position, the block in bytes (kind 'int8'), by the
-- ranges of the oracle's values on images.
---@return anet.Supernet? supernet, string? message, string? code
function Supernet:quantize(images, pool)
  local data, count = net.images(self:oracle(), images, 'quantize')
  local message, code = core.failure(C.anet_supernet_quantize(self.handle, data, count, core.pool(pool), out))
  if message then return nil, message, code end
  return M.wrap(take())
end

-- Start an option by least squares on images.
---@return anet.Supernet? self, string? message, string? code
function Supernet:solve(option, images, options)
  options = options or {}
  local data, count = net.images(self:oracle(), images, 'solve')
  local status = C.anet_supernet_solve(self.handle, option - 1, data, count, options.ridge or 1e-3,
                                       core.pool(options.pool))
  local message, code = core.failure(status)
  if message then return nil, message, code end
  return self
end

-- Let norms that an option was given take the statistics of images; what it computes stays.
function Supernet:settle(option, images, pool)
  local data, count = net.images(self:oracle(), images, 'settle')
  core.check(C.anet_supernet_settle(self.handle, option - 1, data, count, core.pool(pool)))
  return self
end

-- ---- looking -------------------------------------------------------------------------------------

-- Its blocks, one a position.
function Supernet:blocks() return block_list(C.anet_supernet_blocks(self.handle)) end

-- The runs of nodes outside all blocks: {{first, last, reason}, …}.
function Supernet:frozen() return frozen_list(C.anet_supernet_blocks(self.handle)) end

---@return anet.Space
function Supernet:space()
  local s = space.borrow(C.anet_supernet_space(self.handle))
  s.trunks = {}
  for i, b in ipairs(self:blocks()) do s.trunks[i] = b.trunk - 1 end
  return s
end

local function borrow_net(handle) return net.wrap(core.retain('anet_net', handle)) end

---@return anet.Net
function Supernet:oracle() return borrow_net(C.anet_supernet_oracle(self.handle)) end

-- The net of one option, from its block's input to its block's output.
---@return anet.Net
function Supernet:piece(option)
  local handle = C.anet_supernet_piece(self.handle, option - 1)
  core.must(handle ~= nil, 'piece: no option %s', tostring(option))
  return borrow_net(handle)
end

-- What a genome selects, as a net that shares all weights.
---@return anet.Net
function Supernet:subnet(genome)
  core.check(C.anet_supernet_subnet(self.handle, self:space():bytes(genome), net_out))
  return net.wrap(take_net())
end

-- The oracle with further outputs, and which output is the input and the output of each position.
---@return anet.Net net, integer[] entry, integer[] exit
function Supernet:taps()
  local positions = #self:blocks()
  local cells = ffi.new('int32_t[?]', 2 * math.max(positions, 1))
  core.check(C.anet_supernet_taps(self.handle, net_out, cells, cells + positions))
  local entry, exit = {}, {}
  for p = 1, positions do entry[p], exit[p] = cells[p - 1] + 1, cells[positions + p - 1] + 1 end
  return net.wrap(take_net()), entry, exit
end

-- What a policy is told about its space: plain data, with each option's multiply-adds, and where there is a latency table
-- their times, without the options that are of no use on this machine (Latency:dropped).
---@param latency? anet.Latency
function Supernet:describe(latency)
  local s = self:space()
  local description = s:describe(latency and latency:times(), latency and latency:info().fixed_ms)
  local dropped, options = latency and latency:dropped(s) or {}, {}
  for _, option in ipairs(description.options) do
    option.macs = self:piece(option.index):cost().macs
    if not dropped[option.index] then options[#options + 1] = option end
  end
  description.options = options
  return description
end

-- Append the output of each option of a genome to the outputs of its subnet, from the first position that is not
-- the oracle's on. Returns the last position that each of them covers.
---@param n anet.Net
---@return integer[] positions
function Supernet:region_outputs(n, genome)
  local last = {}
  for i, node in n:nodes() do
    if node.region then last[node.region] = i end
  end
  local positions, changed = {}, false
  for _, option in ipairs(self:space():chosen(genome)) do
    changed = changed or option.kind ~= 'keep'
    local exit = last[option.position]
    if changed and exit then
      n:output(exit)
      positions[#positions + 1] = option.position + option.span - 1
    end
  end
  return positions
end

-- Bytes of all weights, shared ones once.
function Supernet:bytes() return C.anet_supernet_bytes(self.handle) end

function Supernet:__tostring()
  return ('supernet of %s, %s'):format(tostring(self:space()), text.bytes(self:bytes()))
end

return M
