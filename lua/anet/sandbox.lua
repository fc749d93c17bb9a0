-- A policy's own Lua state, with bounds on steps, time and memory. Values cross as plain data.
local core = require 'anet.core'
local new_native = require 'anet.native_sandbox'

---@class anet.Sandbox
local Sandbox = {__name = 'sandbox'}
Sandbox.__index = Sandbox

local M = {Sandbox = Sandbox}

-- options: text of the policy; name for messages; steps and seconds of one call (50 million, 10);
-- bytes of everything (64 MiB).
---@return anet.Sandbox? sandbox, string? message, string? code
function M.new(options)
  core.must(type(options.text) == 'string', 'sandbox: want the text of a policy')
  local native, message = new_native(options.text, options.name or 'policy', options.steps,
                                     options.seconds, options.bytes)
  if not native then core.poll() end
  if not native then return nil, message, 'policy' end
  return setmetatable({native = native, name = options.name or 'policy'}, Sandbox)
end

local function give(ok, ...)
  if ok then return ... end
  core.poll() -- a call that a stop ended says the same as one over its budget
  return nil, (...), 'policy'
end

-- Ask a method of the prelude's dispatcher. Its results, or nil, message and 'policy'.
function Sandbox:call(method, ...) return give(self.native:ask(method, ...)) end

-- Steps that the last call was charged, and bytes held.
function Sandbox:steps() return self.native:steps() end
function Sandbox:bytes() return self.native:bytes() end

function Sandbox:__tostring() return ('sandbox of %s'):format(self.name) end

return M
