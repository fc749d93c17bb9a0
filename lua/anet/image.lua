-- Images as u8 tensors (height, width, channels).
local core = require 'anet.core'
local tensor = require 'anet.tensor'
local C = core.C

local out, take = core.cell 'anet_tensor'

local M = {}

local function give(status)
  local message, code = core.failure(status)
  if message then return nil, message, code end
  return tensor.wrap(take())
end

-- Read a PNG, JPEG, BMP, TGA, PNM or GIF file. channels: 1 or 3 (default).
---@return anet.Tensor? image, string? message, string? code
function M.load(path, channels) return give(C.anet_image_load(path, channels or 3, out)) end

-- As load, from the bytes of such a file.
---@return anet.Tensor? image, string? message, string? code
function M.decode(bytes, channels) return give(C.anet_image_decode(bytes, #bytes, channels or 3, out)) end

-- Write a PNG file.
---@return true? ok, string? message, string? code
function M.save(image, path)
  core.may_write()
  local message, code = core.failure(C.anet_image_save(core.handle(image, tensor.Tensor, 'save'), path))
  if message then return nil, message, code end
  core.wrote(path)
  return true
end

-- Another size: bilinear, with antialiasing where it shrinks.
---@return anet.Tensor
function M.resize(image, height, width)
  core.check(C.anet_image_resize(core.handle(image, tensor.Tensor, 'resize'), height, width, out))
  return tensor.wrap(take())
end

return M
