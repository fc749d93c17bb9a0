-- Ask and answer: reads Lua from a terminal or a pipe, prints the values of expressions.
local anet = require 'anet'
local core = require 'anet.core'
local doc = require 'anet.doc'
local edit = require 'anet.edit'
local host = require 'anet.host'
local text = require 'anet.text'

local M = {}

-- ---- showing values ---------------------------------------------------------------------------------

local MOST_ITEMS = 40

local function show_key(key)
  if type(key) == 'string' and key:find('^[%a_][%w_]*$') then return key end
  return '[' .. (type(key) == 'string' and ('%q'):format(key) or tostring(key)) .. ']'
end

local show

local function show_table(t, depth)
  if depth > 3 then return '{…}' end
  local parts, n = {}, #t
  for i = 1, math.min(n, MOST_ITEMS) do parts[i] = show(t[i], depth + 1) end
  local names = {}
  for key in pairs(t) do
    if not (type(key) == 'number' and key >= 1 and key <= n and key % 1 == 0) then names[#names + 1] = key end
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for i = 1, math.min(#names, MOST_ITEMS) do
    parts[#parts + 1] = show_key(names[i]) .. ' = ' .. show(t[names[i]], depth + 1)
  end
  if n > MOST_ITEMS or #names > MOST_ITEMS then parts[#parts + 1] = '…' end
  local line = '{' .. table.concat(parts, ', ') .. '}'
  if depth > 0 or #line <= 100 then return line end
  return '{\n  ' .. table.concat(parts, ',\n  ') .. '\n}'
end

-- A value as text: plain tables by their items, everything else by its own __tostring.
function show(v, depth)
  if type(v) == 'string' then return depth > 0 and ('%q'):format(v) or v end
  local meta = type(v) == 'table' and getmetatable(v)
  if type(v) == 'function' then return 'function' end
  if type(v) ~= 'table' or (meta and meta.__tostring) then return tostring(v) end
  return show_table(v, depth)
end
M.show = function(v) return show(v, 0) end

-- ---- completion -------------------------------------------------------------------------------------

local KEYWORDS = {
  'and', 'break', 'do', 'else', 'elseif', 'end', 'false', 'for', 'function', 'if', 'in', 'local', 'nil', 'not', 'or',
  'repeat', 'return', 'then', 'true', 'until', 'while',
}

-- Names that a value answers to, its class's included.
local function names_of(value, found)
  local meta = getmetatable(value)
  if type(value) == 'table' then
    for key in pairs(value) do
      if type(key) == 'string' and key:find('^[%a_][%w_]*$') then found[key] = true end
    end
  end
  if value == anet then
    for _, path in ipairs(host.files()) do
      local module = path:match('^lua/anet/([%w_]+)%.lua$')
      if module then found[module] = true end
    end
  end
  if type(meta) ~= 'table' then return found end
  local class = type(meta.__index) == 'table' and meta.__index or meta.__methods
  if class and class ~= value then names_of(class, found) end
  return found
end

-- The value of a dotted path, without calling anything.
local function value_of(path)
  local value = _G
  for name in path:gmatch '[%w_]+' do
    if type(value) ~= 'table' then return nil end
    value = value[name]
  end
  return value
end

-- Completions of a word like 'anet.net.n'.
---@return string[]
function M.complete(word)
  local path, separator, stem = word:match('^(.-)([.:]?)([%w_]*)$')
  local found = {}
  if separator == '' then
    names_of(_G, found)
    for _, keyword in ipairs(KEYWORDS) do found[keyword] = true end
  elseif not path:find '^[%a_]' then
    return {} -- of what a call or a text gives
  else
    local ok, value = pcall(value_of, path)
    if not ok or value == nil then return {} end
    names_of(value, found)
  end
  local matches = {}
  for name in pairs(found) do
    if name:sub(1, #stem) == stem then matches[#matches + 1] = path .. separator .. name end
  end
  table.sort(matches)
  return matches
end

-- ---- statements ---------------------------------------------------------------------------------------

local HELP = [[
Lua expressions print their value; statements run. `anet` is the engine.
  ? NAME       documentation: ? anet.net.new, ? Plan:run, ? anet_run
  :time CODE   run it and show how long it took (always shown above 100 ms)
  :help        this
  :quit        leave (or Ctrl-D)
Ctrl-C stops what runs; a second one ends the program. So that it can, code typed here is interpreted;
for speed put it into a file and use dofile.]]

local function explain(name)
  local found = doc.find(name)
  if #found == 0 then
    local names = {}
    for i, entry in ipairs(doc.entries()) do names[i] = entry.name end
    print(text.printable(("nothing is known about '%s'%s"):format(name, text.hint(name, names))))
  end
  for _, entry in ipairs(found) do
    print(entry.signature)
    if entry.text ~= '' then print('  ' .. entry.text:gsub('\n', '\n  ')) end
  end
end

-- A chunk; nil and 'more' where the text is not finished, or nil and the error.
local function compile(code)
  local chunk = loadstring('return ' .. code, '=stdin')
  if chunk then return chunk end
  local statement, message = loadstring(code, '=stdin')
  if statement then return statement end
  return nil, message:find("near '<eof>'", 1, true) and 'more' or message
end

local function pack(...) return {n = select('#', ...), ...} end

local STOP = select(2, pcall(core.stop))

-- Run a chunk and print what it gives. Whether it succeeded. On a terminal a stop is the end of the chunk alone.
local function execute(chunk, timed, interactive)
  local began = core.C.anet_clock_ms()
  jit.off(chunk, true) -- compiled loops look at no hook
  host.hook(STOP)
  local results = pack(pcall(chunk))
  host.hook(nil)
  if interactive then host.forget() end
  local ms = core.C.anet_clock_ms() - began
  if not results[1] then
    if core.is_stop(results[2]) and not interactive then error(results[2], 0) end
    io.stderr:write(text.printable(results[2], true), '\n')
    return false
  end
  for i = 2, results.n do results[i] = text.printable(show(results[i], 0), true) end
  if results.n > 1 then print(table.concat(results, '\t', 2)) end
  if timed or ms > 100 then print(('(%s)'):format(text.duration(ms / 1000))) end
  return true
end

-- ---- the loop -----------------------------------------------------------------------------------------

local function history_path()
  local state = os.getenv 'XDG_STATE_HOME'
  if not state or state == '' then
    local home = os.getenv 'HOME'
    if not home then return nil end
    state = home .. '/.local/state'
  end
  host.make_folder(state .. '/anet')
  return state .. '/anet/history'
end

-- A function that reads a line after a prompt; the history is saved line by line.
local function line_reader(interactive)
  if not interactive then return function() return io.read '*l' end end
  if not edit.read then
    return function(prompt)
      io.write(prompt)
      io.flush()
      return io.read '*l'
    end
  end
  local path = history_path()
  edit.start(M.complete)
  if path then edit.load(path) end
  return function(prompt)
    local line = edit.read(prompt)
    if line and line:find '%S' then
      edit.remember(line)
      if path then edit.save(path) end
    end
    return line
  end
end

-- A command that starts with ':' or '?'; whether to stay.
local function command(line)
  local name = line:match('^%?%s*(.-)%s*$')
  if name then
    if name == '' then print(HELP) else explain(name) end
    return true
  end
  if line:find('^:q') then return false end
  if line:find('^:h') then print(HELP) else print("no such command; :help lists them") end
  return true
end

-- What was typed so far, until it is a whole chunk.
local Reader = {}
Reader.__index = Reader

-- Take a line: a command, or a further line of code. false: leave.
function Reader:take(line)
  if self.code == '' and line:find('^%s*$') then return true end
  if self.code == '' and line:find('^[?:]') and not line:find('^:time%s') then return command(line) end
  self.timed = self.timed or line:find('^:time%s') ~= nil
  self.code = self.code .. line:gsub('^:time%s+', '') .. '\n'
  local chunk, message = compile(self.code)
  if not chunk and message == 'more' then return true end
  if not chunk then io.stderr:write(text.printable(message), '\n') end
  self.failed = not (chunk and execute(chunk, self.timed, self.interactive)) or self.failed
  self:forget()
  return true
end

function Reader:forget() self.code, self.timed = '', false end

-- Read, run, print until the end of input. The exit status: 1 where something failed in a pipe.
function M.run()
  local interactive = host.terminal(0) ~= nil
  local read, reader = line_reader(interactive), setmetatable({code = '', failed = false, interactive = interactive}, Reader)
  _G.anet = anet
  if interactive then host.catch(0, true) end -- Ctrl-C is the end of what runs, not of the session
  if interactive then
    print(('%s, %s kernels; :help for help'):format(tostring(anet), core.string(core.C.anet_isa())))
  end
  while true do
    local line = read(reader.code == '' and '> ' or '. ')
    if line then
      if not reader:take(line) then break end
    elseif interactive and host.interrupted() then
      host.forget()
      reader:forget() -- Ctrl-C at the prompt
      print()
    else
      break
    end
  end
  if reader.code ~= '' then
    io.stderr:write('stdin: the last statement is not finished\n')
    reader.failed = true
  end
  if interactive then print() end
  return reader.failed and not interactive and 1 or 0
end

return M
