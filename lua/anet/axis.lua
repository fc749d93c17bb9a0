-- The axes of plots: what they span, where their ticks are, what these are called.
local text = require 'anet.text'

local M = {}

-- Round steps of 1, 2 or 5 times a power of ten, at most about `count` of them over [low, high]. whole: of whole numbers.
---@return number[] values, number step
function M.ticks(low, high, count, whole)
  local raw = math.max((high - low) / count, whole and 1 or 0)
  local power = 10 ^ math.floor(math.log10(raw))
  local step = power
  for _, k in ipairs{1, 2, 5, 10} do
    step = k * power
    if step >= raw then break end
  end
  local list = {}
  -- + 0: no minus zero, which compiled code would not have
  for i = math.ceil(low / step - 1e-9) + 0, math.floor(high / step + 1e-9) do list[#list + 1] = i * step end
  return list, step
end

-- What an axis spans. axis: {low, high} where they are fixed, most: the largest value that there can be. series that have
-- axis = `number` count, of the x axis (coordinate 1) all.
function M.range(axis, series, number, coordinate)
  local low, high = math.huge, -math.huge
  for _, s in ipairs(series) do
    if coordinate == 1 or (s.axis or 1) == number then
      for _, p in ipairs(s.points) do low, high = math.min(low, p[coordinate]), math.max(high, p[coordinate]) end
    end
  end
  if low > high then low, high = 0, 1 end
  local size = math.max(math.abs(low), math.abs(high))
  local room = (high - low) * 0.06
  if high - low <= math.max(size * 1e-3, 1e-12) then room = size > 1e-9 and size * 0.05 or 0.5 end -- ticks of few digits
  low, high = axis.low or low - room, axis.high or high + room
  if axis.most and high > axis.most then high = math.max(axis.most, low + room) end
  return low, high
end

-- 12000 -> '12 000'; from 100 000 on '100 k'.
function M.label(value, step)
  if value == 0 then return '0' end -- no minus zero
  local size = math.abs(value)
  for _, unit in ipairs{{1e9, 'G'}, {1e6, 'M'}, {1e3, 'k'}} do
    if size >= 100 * unit[1] or (size >= unit[1] and unit[1] > 1e3) then return ('%.4g %s'):format(value / unit[1], unit[2]) end
  end
  local digits = math.max(0, math.min(6, -math.floor(math.log10(step) + 1e-9)))
  return text.group((('%%.%df'):format(digits)):format(value))
end

return M
