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

local SPACE = '\226\128\175' -- narrow, no line ends at it

-- Digits in groups of three: '1234567' -> '1 234 567'.
function M.group(digits)
  local sign, plain = digits:match '^(%-?)(%d+)$'
  if not plain then return digits end
  return sign .. plain:reverse():gsub('%d%d%d', '%0 '):reverse():gsub('^ ', ''):gsub(' ', SPACE)
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

-- ---- characters ------------------------------------------------------------------------------------

-- The last byte and the code point of the UTF-8 character at a byte; no code point: it is none, of one byte.
local function character(s, at)
  local first = s:byte(at)
  if first < 0x80 then return at, first end
  local more = first < 0xC2 and 0 or first < 0xE0 and 1 or first < 0xF0 and 2 or first < 0xF5 and 3 or 0
  local code = first % 2 ^ (6 - more)
  for i = at + 1, at + more do
    local byte = s:byte(i) or 0
    if byte < 0x80 or byte > 0xBF then return at, nil end
    code = code * 64 + byte - 0x80
  end
  local least = more == 2 and 0x800 or 0x10000
  local surrogate = code >= 0xD800 and code < 0xE000
  if more == 0 or (more > 1 and code < least) or surrogate or code > 0x10FFFF then return at, nil end
  return at + more, code
end

-- for from, to, code in text.characters(s): the bytes of each character and its code point, nil where it is no UTF-8.
function M.characters(s)
  local to, code = 0, nil
  return function()
    if to == #s then return nil end
    local from = to + 1
    to, code = character(s, from)
    return from, to, code
  end
end

-- Whether a code point steers a terminal or ends a line: C0, DEL, C1, line separators, overrides of the direction of
-- writing. The same as in core/base/error.c.
function M.is_control(code)
  return code < 0x20 or (code >= 0x7F and code < 0xA0) or (code >= 0x2028 and code <= 0x202E) or
           (code >= 0x2066 and code <= 0x2069)
end

local function escape_bytes(s)
  return (s:gsub('.', function(c) return ('\\x%02x'):format(c:byte()) end))
end

-- A stranger's text (a name, a message, a file's line) for a terminal: control characters and what is no UTF-8 as \xNN
-- a byte. lines: it may have several, line ends and tabs stay.
---@return string
function M.printable(s, lines)
  s = tostring(s)
  if not s:find '[^\32-\126]' then return s end
  local parts = {}
  for from, to, code in M.characters(s) do
    local plain = code and (not M.is_control(code) or (lines and (code == 9 or code == 10)))
    parts[#parts + 1] = plain and s:sub(from, to) or escape_bytes(s:sub(from, to))
  end
  return table.concat(parts)
end

-- The first characters of a text, at most so many.
function M.cut(s, columns)
  for from in M.characters(s) do
    if columns == 0 then return s:sub(1, from - 1) end
    columns = columns - 1
  end
  return s
end

-- How many characters a text has: bytes that go on with one of UTF-8 do not count.
local function width(s) return #s:gsub('[\128-\191]', '') end

-- Of any length: string.format knows widths of two digits only.
local function pad(s, columns, right)
  local space = (' '):rep(columns - width(s))
  return right and space .. s or s .. space
end

-- Lines of a table: columns line up, numbers to the right. rows[1] is the head.
function M.table(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, width(tostring(cell))) end
  end
  for r, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local right = type((rows[2] or row)[i]) == 'number' or type(cell) == 'number'
      cells[i] = pad(tostring(cell), widths[i], right)
    end
    lines[r] = (table.concat(cells, '  '):gsub('%s+$', ''))
  end
  return lines
end

return M
