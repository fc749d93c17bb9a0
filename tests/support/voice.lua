-- A stand-in for anet.ui that keeps what it is told: lines, notes, tables (as rows of text), progress and the result.
local ui = require 'anet.ui'

local Voice = {fail = function(_, ...) return ui.fail(...) end, try = function(_, ...) return ui.try(...) end}
Voice.__index = Voice

local function format(words, ...) return select('#', ...) > 0 and words:format(...) or words end

-- What values of a list are as text, so that tables and other things with __tostring may be formatted.
local function plain(...)
  local count, list = select('#', ...), {...}
  for i = 1, count do list[i] = type(list[i]) == 'number' and list[i] or tostring(list[i]) end
  return unpack(list, 1, count)
end

function Voice:line(words, ...) self.lines[#self.lines + 1] = format(words, plain(...)) end

function Voice:note(words, ...) self.notes[#self.notes + 1] = format(words, plain(...)) end

function Voice:progress(words, ...) self.steps[#self.steps + 1] = format(words, plain(...)) end

function Voice:bold(words) return words end

function Voice:table(rows)
  for _, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do cells[i] = tostring(cell) end
    self.rows[#self.rows + 1] = table.concat(cells, ' | ')
  end
end

function Voice:result(value) self.value = value end

return function() return setmetatable({lines = {}, notes = {}, steps = {}, rows = {}}, Voice) end
