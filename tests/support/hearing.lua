-- What the code under test says, caught in this process: standard output, standard error, terminals and the environment are the test's own.
local core = require 'anet.core'
local host = require 'anet.host'

local M = {}

-- Run f; both streams, and what it raised. world: terminal ({[stream] = columns}), environment ({[name] = value}) and clock (a
-- function, ms), each as it is where not given; lines: a list that is the standard input.
function M.hear(f, world)
  world = world or {}
  local real = {print = print, stdout = io.stdout, stderr = io.stderr, write = io.write, read = io.read, terminal = host.terminal, getenv = os.getenv, C = core.C}
  local out, err = {}, {}
  local function stream(list)
    local s = {flush = function() list.flushed = true end}
    function s.write(_, ...)
      list.flushed = false
      list[#list + 1] = table.concat{...}
      return s
    end
    return s
  end
  io.stdout, io.stderr = stream(out), stream(err)
  io.write = function(...) return io.stdout:write(...) end
  print = function(...)
    local words = {...}
    for i = 1, select('#', ...) do words[i] = tostring(words[i]) end
    io.stdout:write(table.concat(words, '\t'), '\n')
  end
  if world.terminal then host.terminal = function(fd) return world.terminal[fd] end end
  if world.environment then os.getenv = function(name) return world.environment[name] end end
  if world.lines then
    local at = 0
    io.read = function()
      at = at + 1
      return world.lines[at]
    end
  end
  if world.clock then core.C = setmetatable({anet_clock_ms = world.clock}, {__index = real.C}) end
  local ok, raised = pcall(f)
  print, io.stdout, io.stderr, io.write, io.read = real.print, real.stdout, real.stderr, real.write, real.read
  host.terminal, os.getenv, core.C = real.terminal, real.getenv, real.C
  return {out = table.concat(out), err = table.concat(err), raised = not ok and raised or nil, out_flushed = out.flushed, err_flushed = err.flushed}
end

return M
