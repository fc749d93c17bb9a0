-- JSON for settings and reports. Arrays are tables with items 1 .. n; null is json.null.
local strings = require 'anet.text'

local M = {null = setmetatable({}, {__tostring = function() return 'null' end})}

local ESCAPES = {['"'] = '\\"', ['\\'] = '\\\\', ['\n'] = '\\n', ['\r'] = '\\r', ['\t'] = '\\t'}

local REPLACEMENT = '\239\191\189' -- U+FFFD

-- Whatever bytes a text has, what is written is JSON, and nothing in it can steer a terminal: control characters are
-- escaped, what is no UTF-8 becomes U+FFFD.
local function quote(s)
  if not s:find '[^\32-\126]' then return '"' .. s:gsub('["\\]', ESCAPES) .. '"' end
  local parts = {}
  for from, to, code in strings.characters(s) do
    local c = s:sub(from, to)
    local plain = code and not strings.is_control(code) and c or code and ('\\u%04x'):format(code)
    parts[#parts + 1] = ESCAPES[c] or plain or REPLACEMENT
  end
  return '"' .. table.concat(parts) .. '"'
end

-- Marks a table as an array, so that an empty one is written [].
local Array = {}
function M.array(list) return setmetatable(list or {}, Array) end
function M.is_array(value) return getmetatable(value) == Array end

local encode

local function encode_table(t, path)
  if path[t] then error('json: a table contains itself', 0) end
  path[t] = true
  local parts = {}
  local is_array = #t > 0 or getmetatable(t) == Array
  if is_array then
    for i, v in ipairs(t) do parts[i] = encode(v, path) end
  else
    for _, key in ipairs(strings.keys(t)) do parts[#parts + 1] = quote(tostring(key)) .. ': ' .. encode(t[key], path) end
  end
  path[t] = nil
  local text = table.concat(parts, ', ')
  return is_array and '[' .. text .. ']' or '{' .. text .. '}'
end

local function encode_number(n)
  if n ~= n or n == math.huge or n == -math.huge then return 'null' end
  if n == math.floor(n) and math.abs(n) < 2 ^ 53 then return ('%d'):format(n) end
  local short = ('%.9g'):format(n)
  return tonumber(short) == n and short or ('%.17g'):format(n)
end

function encode(v, path)
  local kind = type(v)
  if v == M.null or v == nil then return 'null' end
  if kind == 'table' then return encode_table(v, path) end
  if kind == 'string' then return quote(v) end
  if kind == 'number' then return encode_number(v) end
  if kind == 'boolean' then return tostring(v) end
  error(('json: cannot write a %s'):format(kind), 0)
end

-- One line of text.
function M.encode(v) return encode(v, {}) end

-- ---- reading ---------------------------------------------------------------------------------

local UNESCAPES = {b = '\b', f = '\f', n = '\n', r = '\r', t = '\t'}

local function utf8(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then
    return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
  end
  if code < 0x10000 then
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64,
                       0x80 + code % 64)
  end
  return string.char(0xF0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
                     0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local function fail(text, at, want)
  local _, line = text:sub(1, at):gsub('\n', '')
  error(('json: line %d: want %s'):format(line + 1, want), 0)
end

local function skip(text, at) return text:find('[^ \t\r\n]', at) or #text + 1 end

local function unescape(text, at)
  return function(c, hex)
    if c ~= 'u' then return (UNESCAPES[c] or c) .. hex end
    if #hex < 4 then fail(text, at, 'four digits after \\u') end
    return utf8(tonumber(hex, 16))
  end
end

local function read_string(text, at)
  local stop = at + 1
  while true do
    stop = text:find('["\\]', stop)
    if not stop then fail(text, at, 'the end of a string') end
    if text:byte(stop) == 34 then break end
    stop = stop + 2
  end
  local raw = text:sub(at + 1, stop - 1)
  raw = raw:gsub('\\u[dD]([89abAB]%x%x)\\u[dD]([c-fC-F]%x%x)', function(high, low)
    return utf8(0x10000 + (tonumber(high, 16) - 0x800) * 0x400 + tonumber(low, 16) - 0xC00)
  end)
  return raw:gsub('\\(.)(%x?%x?%x?%x?)', unescape(text, at)), stop + 1
end

local read

local function read_array(text, at, depth)
  local list = M.array()
  at = skip(text, at + 1)
  if text:byte(at) == 93 then return list, at + 1 end
  while true do
    list[#list + 1], at = read(text, at, depth)
    at = skip(text, at)
    local c = text:byte(at)
    if c == 93 then return list, at + 1 end
    if c ~= 44 then fail(text, at, "',' or ']'") end
    at = at + 1
  end
end

local function read_object(text, at, depth)
  local object = {}
  at = skip(text, at + 1)
  if text:byte(at) == 125 then return object, at + 1 end
  while true do
    at = skip(text, at)
    if text:byte(at) ~= 34 then fail(text, at, 'a key') end
    local key
    key, at = read_string(text, at)
    at = skip(text, at)
    if text:byte(at) ~= 58 then fail(text, at, "':'") end
    object[key], at = read(text, at + 1, depth)
    at = skip(text, at)
    local c = text:byte(at)
    if c == 125 then return object, at + 1 end
    if c ~= 44 then fail(text, at, "',' or '}'") end
    at = at + 1
  end
end

local WORDS = {['true'] = true, ['false'] = false, null = M.null}

function read(text, at, depth)
  if depth > 100 then fail(text, at, 'less than 100 levels') end
  at = skip(text, at)
  local c = text:sub(at, at)
  if c == '{' then return read_object(text, at, depth + 1) end
  if c == '[' then return read_array(text, at, depth + 1) end
  if c == '"' then return read_string(text, at) end
  local word = text:match('^%l+', at)
  if word and WORDS[word] ~= nil then return WORDS[word], at + #word end
  local number = text:match('^-?%d+%.?%d*[eE]?[+-]?%d*', at)
  if not tonumber(number) then fail(text, at, 'a value') end
  return tonumber(number), at + #number
end

-- The value, or nil and a message.
function M.decode(text)
  local ok, value, at = pcall(read, text, 1, 0)
  if not ok then return nil, value end
  if skip(text, at) <= #text then return nil, 'json: there is more after the value' end
  return value
end

return M
