-- `anet active_lines.lua FILE…`: "file:line" of every line that has code.
local util = require 'jit.util'

local function visit(f, path, seen)
  local info = util.funcinfo(f)
  for pc = 1, info.bytecodes - 1 do
    local line = util.funcinfo(f, pc).currentline
    if line and line > 0 then seen[line] = true end
  end
  for k = -1, -info.gcconsts, -1 do
    local child = util.funck(f, k)
    if type(child) == 'proto' then visit(child, path, seen) end
  end
end

for _, path in ipairs(arg) do
  local seen, lines = {}, {}
  visit(assert(loadfile(path)), path, seen)
  for line in pairs(seen) do lines[#lines + 1] = line end
  table.sort(lines)
  for _, line in ipairs(lines) do print(path .. ':' .. line) end
end
