-- For tests of the command line: a folder of their own, `anet` as its users run it, and arrays.
local anet = require 'anet'
local json = require 'anet.json'
local ffi = require 'ffi'

local M = {folder = os.tmpname()}
os.remove(M.folder)
os.execute('mkdir -p ' .. M.folder)

function M.path(name) return M.folder .. '/' .. name end

-- Run `anet`; what it says, and its status. before: a command that starts it.
function M.run(arguments, before)
  local pipe = io.popen(("%s '%s' %s 2>&1; echo \"status $?\""):format(before or '', arg[-1], arguments))
  local output = pipe:read '*a'
  pipe:close()
  local text, status = output:match('^(.*)status (%d+)\n$')
  return text, tonumber(status)
end

-- Run it with --json, successfully; its object.
function M.run_json(arguments)
  local output, status = M.run(arguments .. ' --json')
  if status ~= 0 then error(('anet %s: status %d: %s'):format(arguments, status, output), 2) end
  return json.decode(output)
end

-- Uniform in [-1, 1].
function M.random(dims, seed)
  local t, rng = anet.tensor(dims), ffi.new 'anet_rng'
  ffi.C.anet_rng_seed(rng, seed)
  for i = 0, tonumber(t:count()) - 1 do t:data()[i] = 2 * ffi.C.anet_rng_uniform(rng) - 1 end
  return t
end

return M
