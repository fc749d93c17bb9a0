-- What a verb says: lines for people or one JSON object for machines, progress, failures.
local host = require 'anet.host'
local json = require 'anet.json'
local text = require 'anet.text'
local core = require 'anet.core'

---@class anet.Ui
local Ui = {}
Ui.__index = Ui

local M = {}

local Failure = {__tostring = function(f) return f.message end}
M.Failure = Failure

---@return anet.Ui
function M.new(options)
  local columns = host.terminal(2)
  return setmetatable({
    json = options.json, quiet = options.quiet, columns = columns,
    colour = host.terminal(1) and not os.getenv 'NO_COLOR' and os.getenv 'TERM' ~= 'dumb',
    shown = false, next_ms = 0,
  }, Ui)
end

-- End the verb with one clear line and a status of 1.
function M.fail(message, ...)
  if select('#', ...) > 0 then message = message:format(...) end
  error(setmetatable({message = message}, Failure), 0)
end
Ui.fail = function(_, ...) return M.fail(...) end

-- The value of a call that returns nil (or false) and a message on failure; ends the verb then.
function M.try(value, message)
  if not value then M.fail('%s', tostring(message)) end
  return value
end
Ui.try = function(_, ...) return M.try(...) end

-- Words that the terminal shows in bold.
local Bold = {}
function Bold:__tostring() return '\27[1m' .. text.printable(self.words) .. '\27[0m' end

-- A formatted line. Whatever texts it is made of, they cannot steer the terminal or begin a line of their own.
local function say(format, ...)
  local count, values = select('#', ...), {...}
  if count == 0 then return text.printable(format) end
  for i = 1, count do
    local value = values[i]
    local is_text = type(value) == 'string' or type(value) == 'table'
    if is_text and getmetatable(value) ~= Bold then values[i] = text.printable(value) end
  end
  return format:format(unpack(values, 1, count))
end

local function clear(self)
  if self.shown then io.stderr:write('\r\27[K') end
  self.shown = false
end

-- A line on the standard output; silent where JSON is asked for.
function Ui:line(format, ...)
  clear(self)
  if self.json then return end
  print(say(format, ...))
  io.stdout:flush()
end

-- A note on the standard error, for people in either mode.
function Ui:note(format, ...)
  clear(self)
  if not self.quiet then io.stderr:write(say(format, ...), '\n') end
end

-- A line that the next one overwrites, at most ten a second, on a terminal only.
function Ui:progress(format, ...)
  if not self.columns or self.quiet then return end
  local now = core.C.anet_clock_ms()
  if now < self.next_ms then return end
  self.next_ms = now + 100
  io.stderr:write('\r', text.cut(say(format, ...), self.columns - 1), '\27[K')
  io.stderr:flush()
  self.shown = true
end

-- A bar of a share 0 .. 1, for progress lines.
function Ui:bar(share)
  local width = 12
  local full = math.floor(share * width + 0.5)
  return '[' .. ('='):rep(full) .. (' '):rep(width - full) .. ']'
end

-- Bold where the terminal shows it: a value for Ui:line.
function Ui:bold(s) return self.colour and setmetatable({words = s}, Bold) or s end

-- Rows as aligned lines; the first is the head.
function Ui:table(rows)
  local plain = {}
  for r, row in ipairs(rows) do
    plain[r] = {}
    for i, cell in ipairs(row) do plain[r][i] = type(cell) == 'number' and cell or text.printable(cell) end
  end
  for i, line in ipairs(text.table(plain)) do self:line('%s', i == 1 and self:bold(line) or line) end
end

-- The outcome as one JSON object; silent for people.
function Ui:result(value)
  clear(self)
  if not self.json then return end
  print(json.encode(value))
  io.stdout:flush()
end

return M
