-- Bundles: one file a model, with everything that belongs to it.
local core = require 'anet.core'
local data = require 'anet.data'
local json = require 'anet.json'
local latency = require 'anet.latency'
local net = require 'anet.net'
local session = require 'anet.session'
local supernet = require 'anet.supernet'
local tensor = require 'anet.tensor'
local text = require 'anet.text'
local texts = require 'anet.texts'
local ffi, C = core.ffi, core.C

---@class anet.Bundle
---@field handle ffi.cdata*
local Bundle = {__name = 'bundle'}
Bundle.__index = Bundle

local out, take = core.cell 'anet_bundle'
local net_out, take_net = core.cell 'anet_net'
local supernet_out, take_supernet = core.cell 'anet_supernet'
local input_out = ffi.new 'anet_input'
local table_out, take_table = core.cell 'anet_table'
local ladder_out, take_ladder = core.cell 'anet_ladder'

local M = {Bundle = Bundle}

local function wrap(handle) return setmetatable({handle = handle}, Bundle) end

-- An empty bundle.
---@return anet.Bundle
function M.new()
  core.check(C.anet_bundle_new(out))
  return wrap(take())
end

-- A file's bundle, of which the texts that Lua reads are what the engine writes.
---@return anet.Bundle? bundle, string? message, string? code
function M.open(path)
  local message, code = core.refusal(C.anet_bundle_open(path, out))
  if message then return nil, message, code end
  local b = wrap(take())
  for _, key in ipairs(text.keys(texts.SPECS)) do
    message = select(2, b:value(key))
    if message then return nil, ('%s: %s'):format(path, message), 'format' end
  end
  return b
end

-- Write it under a temporary name and rename.
---@return anet.Bundle? self, string? message, string? code
function Bundle:save(path)
  core.may_write()
  local message, code = core.failure(C.anet_bundle_save(self.handle, path))
  if message then return nil, message, code end
  core.wrote(path)
  return self
end

-- A text entry, or nil.
function Bundle:text(key) return core.string(C.anet_bundle_text(self.handle, key)) end

-- Set a text entry; nil removes it.
function Bundle:set_text(key, value)
  core.check(C.anet_bundle_set_text(self.handle, key, value))
  return self
end

-- A text entry that is JSON, as a plain value; nil where there is none, and a message where it is not what it should be.
---@return any value, string? message
function Bundle:value(key)
  local written = self:text(key)
  if written then return texts.read(key, written) end
end

function Bundle:set_value(key, value)
  return self:set_text(key, value ~= nil and json.encode(value) or nil)
end

-- A loose tensor, or nil.
---@return anet.Tensor?
function Bundle:tensor(name) return tensor.borrow(C.anet_bundle_tensor(self.handle, name)) end

function Bundle:set_tensor(name, t)
  core.check(C.anet_bundle_set_tensor(self.handle, name, core.handle(t, tensor.Tensor, name)))
  return self
end

-- Names of the loose tensors.
---@return string[]
function Bundle:tensors()
  local names = {}
  for i = 1, C.anet_bundle_tensors(self.handle) do
    names[i] = ffi.string(C.anet_bundle_tensor_name(self.handle, i - 1))
  end
  return names
end

---@return anet.Net? net, string? message, string? code
function Bundle:net()
  local message, code = core.refusal(C.anet_bundle_net(self.handle, net_out))
  if message then return nil, message, code end
  return net.wrap(take_net())
end

function Bundle:set_net(n)
  core.check(C.anet_bundle_set_net(self.handle, core.handle(n, net.Net, 'set_net')))
  return self
end

-- How images become the model's input; nil (and the code 'absent') where the bundle does not say.
---@return anet.Input? input, string? message, string? code
function Bundle:input()
  local message, code = core.refusal(C.anet_bundle_input(self.handle, input_out))
  if message then return nil, message, code end
  return data.from_struct(input_out)
end

---@return anet.Supernet? supernet, string? message, string? code
function Bundle:supernet()
  local message, code = core.refusal(C.anet_bundle_supernet(self.handle, supernet_out))
  if message then return nil, message, code end
  return supernet.wrap(take_supernet())
end

function Bundle:set_supernet(s)
  core.check(C.anet_bundle_set_supernet(self.handle, core.handle(s, supernet.Supernet, 'set_supernet')))
  return self
end

---@return anet.Latency? table, string? message, string? code
function Bundle:latency()
  local message, code = core.refusal(C.anet_bundle_table(self.handle, table_out))
  if message then return nil, message, code end
  return latency.wrap(take_table())
end

function Bundle:set_latency(t)
  core.check(C.anet_bundle_set_table(self.handle, core.handle(t, latency.Latency, 'set_latency')))
  return self
end

-- The net of rung `index` of the ladder that a search left; s: the bundle's supernet.
---@return anet.Net? net, string? message, string? code
function Bundle:rung(s, index)
  local message, code = core.refusal(C.anet_bundle_rung(self.handle, core.handle(s, supernet.Supernet, 'rung'), index - 1, net_out))
  if message then return nil, message, code end
  return net.wrap(take_net())
end

-- The whole ladder, compiled for at most `batch` images (1) and sorted, with the times that the search measured.
---@return anet.Ladder? ladder, string? message, string? code
function Bundle:ladder(batch)
  local message, code = core.refusal(C.anet_bundle_ladder(self.handle, batch or 1, ladder_out))
  if message then return nil, message, code end
  return session.wrap_ladder(take_ladder())
end

function Bundle:set_input(input)
  core.check(C.anet_bundle_set_input(self.handle, core.handle(input, data.Input, 'set_input')))
  return self
end

function Bundle:__tostring()
  local model = self:supernet() or self:net()
  return model and 'bundle of a ' .. tostring(model) or 'bundle of ' .. text.count(#self:tensors()) .. ' tensors'
end

return M
