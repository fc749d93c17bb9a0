-- Words and figures for people: near misses, short numbers, durations, tables, colour.
local M = {}

-- Levenshtein distance.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
      diagonal, row[j] = row[j], best
    end
  end
  return row[#b]
end

-- The word of a list that is nearest to `word`, or nil when none is near.
function M.nearest(word, list)
  if #word > 64 then return nil end
  local best, least = nil, math.max(2, math.floor(#word / 3)) + 1
  for _, candidate in ipairs(list) do
    local d = distance(word, candidate)
    if candidate:sub(1, #word) == word then d = math.min(d, 1) end
    if d < least then best, least = candidate, d end
  end
  return best
end

-- "; did you mean 'x'?" or "".
function M.hint(word, list)
  local near = M.nearest(word, list)
  return near and ("; did you mean '%s'?"):format(near) or ''
end

-- The keys of a table as a sorted list.
function M.keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

-- 1234567 -> "1.23 M".
function M.count(n)
  local units = {{1e12, ' T'}, {1e9, ' G'}, {1e6, ' M'}, {1e3, ' k'}}
  for _, unit in ipairs(units) do
    if n >= unit[1] then return ('%.3g%s'):format(n / unit[1], unit[2]) end
  end
  return ('%.4g'):format(n)
end

-- Bytes: "12.3 MB".
function M.bytes(n)
  return n < 1000 and ('%d B'):format(n) or M.count(n) .. 'B'
end

-- Seconds: "1 h 02 min", "3 min 20 s", "4.5 s", "12 ms".
function M.duration(s)
  if s >= 3600 then return ('%d h %02d min'):format(s / 3600, s % 3600 / 60) end
  if s >= 60 then return ('%d min %02d s'):format(s / 60, s % 60) end
  if s >= 1 then return ('%.1f s'):format(s) end
  return ('%.3g ms'):format(s * 1000)
end

-- Lines of a table: columns line up, numbers to the right. rows[1] is the head.
function M.table(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, #tostring(cell)) end
  end
  for r, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local right = type((rows[2] or row)[i]) == 'number' or type(cell) == 'number'
      cells[i] = ('%' .. (right and '' or '-') .. widths[i] .. 's'):format(tostring(cell))
    end
    lines[r] = (table.concat(cells, '  '):gsub('%s+$', ''))
  end
  return lines
end

return M
