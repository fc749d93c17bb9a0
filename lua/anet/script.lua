-- Users' Lua files, as chunks: regular files of at most 16 MiB, so that a pipe or a device cannot hold the command up.
local host = require 'anet.host'

local M = {}

local MOST_BYTES = 16 * 2 ^ 20

-- As loadfile: the chunk, or nil and a message.
---@return function? chunk, string? message
function M.load(path)
  local body, message = host.read(path, MOST_BYTES)
  if not body then return nil, message end
  return loadstring((body:gsub('^#[^\n]*', '')), '@' .. path) -- a first line like #!/usr/bin/env anet
end

return M
