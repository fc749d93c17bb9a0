-- What the environment asks for that is not there: ANET_ISA, ANET_TUNE and ANET_LUA are never ignored in silence.
local core = require 'anet.core'
local C = core.C

local M = {}

-- A folder can be entered; a file cannot.
local function is_folder(path)
  local here = io.open(path .. '/.')
  if here then here:close() end
  return here ~= nil
end

local function lua_trouble()
  local root = os.getenv 'ANET_LUA'
  if not root or root == '' or is_folder(root .. '/lua') or is_folder(root .. '/policies') then return nil end
  return ("ANET_LUA: '%s' is no source tree: it has neither lua/ nor policies/"):format(root)
end

-- One line that names what is wrong, or nil.
---@return string? message
function M.trouble() return core.refusal(C.anet_isa_check()) or core.refusal(C.anet_tune_check()) or lua_trouble() end

return M
