-- Random numbers that are the same on every machine.
local core = require 'anet.core'
local ffi, C = core.ffi, core.C

---@class anet.Rng
local Rng = {__name = 'rng'}
Rng.__index = Rng

local M = {Rng = Rng}

---@param seed? integer
---@return anet.Rng
function M.new(seed)
  local handle = ffi.new 'anet_rng'
  C.anet_rng_seed(handle, seed or 0)
  return setmetatable({handle = handle}, Rng)
end

-- A number of [0, 1).
function Rng:uniform() return C.anet_rng_uniform(self.handle) end

-- A whole number from low to high, both included.
function Rng:int(low, high) return C.anet_rng_int(self.handle, low, high) end

-- Put a list into random order, in place.
function Rng:shuffle(list)
  for i = #list, 2, -1 do
    local k = self:int(1, i)
    list[i], list[k] = list[k], list[i]
  end
  return list
end

-- Another that goes on from here by itself.
function Rng:fork()
  local copy = M.new(0)
  ffi.copy(copy.handle, self.handle, ffi.sizeof 'anet_rng')
  return copy
end

function Rng:__tostring() return 'rng' end

return M
