-- anet: adapts a pretrained convolutional network to the device it runs on.
local core = require 'anet.core'

---@class anet
local M = {
  version = core.ffi.string(core.C.anet_version()),
  pool = core.new_pool,
  clock = function() return core.C.anet_clock_ms() / 1000 end, -- seconds, monotonic
}

-- Modules load when first asked for: anet.net, anet.data, anet.bundle, …; each is also a function
-- where it has a constructor: anet.net{…} is anet.net.new{…}.
local function load_module(_, name)
  local ok, module = pcall(require, 'anet.' .. tostring(name))
  if not ok then
    if not module:find("module 'anet." .. tostring(name) .. "' not found", 1, true) then error(module, 0) end
    return nil
  end
  if type(module) == 'table' and module.new and not getmetatable(module) then
    setmetatable(module, {__call = function(_, ...) return module.new(...) end})
  end
  rawset(M, name, module)
  return module
end

return setmetatable(M, {__index = load_module, __tostring = function() return 'anet ' .. M.version end})
