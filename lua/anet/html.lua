-- Texts and figures for a page.
local text = require 'anet.text'

local M = {}

local ENTITIES = {['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;', ['"'] = '&quot;', ["'"] = '&#39;'}

-- Any text between tags or in quotes: no markup, no control characters, nothing that turns the direction of what follows.
function M.escape(value) return (text.printable(value):gsub('[&<>"\']', ENTITIES)) end

local SUPER = {['0'] = '⁰', ['1'] = '¹', ['2'] = '²', ['3'] = '³', ['4'] = '⁴', ['5'] = '⁵', ['6'] = '⁶', ['7'] = '⁷', ['8'] = '⁸', ['9'] = '⁹'}

-- 1234.5678, 2 -> '1 234.57'; what is no finite number is a dash.
function M.number(value, digits)
  if type(value) ~= 'number' or value ~= value or math.abs(value) == math.huge then return '–' end
  local whole, fraction = (('%%.%df'):format(digits or 0)):format(value):match '^(%-?%d+)(.*)$'
  return text.group(whole) .. fraction
end

-- Times and the like with about four digits: the fraction's digits that suit the largest of a column.
function M.digits(most)
  return most < 10 and 3 or most < 100 and 2 or most < 1000 and 1 or 0
end

-- A count of any size, a number or its decimal digits: '1 234 567', from 10^10 on '1.23 × 10¹⁰'.
function M.count(value)
  local digits = type(value) == 'number' and value == value and math.abs(value) < 1e300 and ('%.0f'):format(value) or tostring(value)
  if not digits:find '^%d+$' then return '–' end
  if #digits <= 10 then return text.group(digits) end
  local power = tostring(#digits - 1):gsub('%d', SUPER)
  return ('%s.%s × 10%s'):format(digits:sub(1, 1), digits:sub(2, 3), power)
end

return M
