-- The libraries that a policy finds in its sandbox: plain Lua's, with what could hang, leak or differ between processes
-- replaced. Run once in the policy's own state, before it; `native` is what C adds (core/host/sandbox.c).
local native = ...

local bit, math, string, table = bit, math, string, table
local error, getmetatable, ipairs, next, pairs = error, getmetatable, ipairs, next, pairs
local pcall, rawget, rawset, select = pcall, rawget, rawset, select
local setmetatable, tonumber, tostring, type, unpack = setmetatable, tonumber, tostring, type, unpack
local coroutine = coroutine
local charge = native.charge

-- Wrong calls raise at the policy's own line: `level` 3 from the function that checks.
local function want_text(what, v)
  if type(v) == 'number' then return tostring(v) end
  if type(v) ~= 'string' then error(('%s: want a text, got a %s'):format(what, type(v)), 3) end
  return v
end

local function want_table(what, v)
  if type(v) ~= 'table' then error(('%s: want a table, got a %s'):format(what, type(v)), 3) end
end

-- ---- what has an order -------------------------------------------------------------------------

-- Stable: two sorted runs of `from` into one of `to`, low .. middle - 1 and middle .. high - 1.
local function merge(from, to, low, middle, high, before)
  local left, right = low, middle
  for i = low, high - 1 do
    if left < middle and (right >= high or not before(from[right], from[left])) then
      to[i], left = from[left], left + 1
    else
      to[i], right = from[right], right + 1
    end
  end
end

local function less(a, b) return a < b end

-- Merge sort, in Lua so that each comparison is counted and none runs inside C.
local function sort(list, before)
  want_table('sort', list)
  before = before or less
  local n, from, to, width = #list, {}, {}, 1
  for i = 1, n do from[i] = rawget(list, i) end
  while width < n do
    for low = 1, n, 2 * width do
      local middle = low + width < n + 1 and low + width or n + 1
      local high = low + 2 * width < n + 1 and low + 2 * width or n + 1
      merge(from, to, low, middle, high, before)
    end
    from, to, width = to, from, 2 * width
  end
  for i = 1, n do rawset(list, i, from[i]) end
end

-- LuaJIT's tables give their keys in an order that differs between processes, and addresses do too. Here
-- keys come in order of kind and value (native.keys), and nothing shows an address.
local KINDS = {number = 1, string = 2, boolean = 3}

local function key_before(a, b)
  local x, y = type(a), type(b)
  if x ~= y then return KINDS[x] < KINDS[y] end
  if x == 'boolean' then return b and not a end
  return a < b
end

-- Keys that are set while it goes on are not seen, those that are removed neither.
local function ordered_pairs(t)
  want_table('pairs', t)
  local keys, i = native.keys(t), 0
  return function()
    while true do
      i = i + 1
      local key = keys[i]
      if key == nil then return nil end
      local value = rawget(t, key)
      if value ~= nil then return key, value end
    end
  end, t, nil
end

-- Where the last walk by `next` through a table is: {keys, at}.
local walks = setmetatable({}, {__mode = 'k'})

local function walk_after(t, key)
  if key ~= nil and not KINDS[type(key)] then error(('next: a %s is no key here'):format(type(key)), 3) end
  local walk = walks[t]
  if key ~= nil and walk and walk.keys[walk.at] == key then return walk end
  walk = {keys = native.keys(t), at = 0}
  while key ~= nil and walk.keys[walk.at + 1] ~= nil and not key_before(key, walk.keys[walk.at + 1]) do
    walk.at = walk.at + 1
  end
  walks[t] = walk
  return walk
end

local function ordered_next(t, key)
  want_table('next', t)
  if key == nil and next(t) == nil then return nil end
  local walk = walk_after(t, key)
  while true do
    walk.at = walk.at + 1
    local found = walk.keys[walk.at]
    if found == nil then
      walks[t] = nil
      return nil
    end
    local value = rawget(t, found)
    if value ~= nil then return found, value end
  end
end

-- tostring without addresses.
local PRINTED = {['nil'] = true, boolean = true, number = true, string = true}

local function to_text(...)
  if select('#', ...) == 0 then error('tostring: want a value', 2) end
  local v = (...)
  if PRINTED[type(v)] then return tostring(v) end
  local meta = native.metatable(v)
  local how = meta and rawget(meta, '__tostring')
  if not how then return type(v) end
  local said = how(v)
  if type(said) ~= 'string' then error("'__tostring' gives a " .. type(said) .. ', want a text', 2) end
  return said
end

-- Weak tables show when the collector ran, which is not the same everywhere.
local function set_metatable(t, meta)
  want_table('setmetatable', t)
  if type(meta) == 'table' and rawget(meta, '__mode') ~= nil then error('setmetatable: there are no weak tables here', 2) end
  if meta ~= nil then want_table('setmetatable', meta) end
  return setmetatable(t, meta)
end

-- ---- libraries whose work is charged ----------------------------------------------------------

local MOST_TEXT = native.most_text  -- bytes of a text that rep, concat or format makes
local MOST_WORK = native.most_work  -- steps that one call of a pattern or a plain search may take

local text = {byte = string.byte, char = string.char}

function text.len(s) return #want_text('len', s) end

function text.sub(s, first, last)
  s = want_text('sub', s)
  charge(#s / 256)
  return string.sub(s, first, last)
end

for _, name in ipairs{'lower', 'reverse', 'upper'} do
  local change = string[name]
  text[name] = function(s)
    s = want_text(name, s)
    if #s > MOST_TEXT then error(('%s: %d bytes, at most %d'):format(name, #s, MOST_TEXT), 2) end
    charge(#s / 16)
    return change(s)
  end
end

function text.rep(s, n, separator)
  s, n = want_text('rep', s), tonumber(n)
  if not n then error('rep: want a number of times', 2) end
  local bytes = (#s + (separator and #want_text('rep', separator) or 0)) * n
  if not (bytes <= MOST_TEXT) then error(('rep: %.0f bytes, at most %d'):format(bytes, MOST_TEXT), 2) end
  charge(n / 8 + bytes / 16)
  return string.rep(s, n, separator)
end

local MOST_ARGUMENTS = 200 -- of format

function text.format(format, ...)
  format = want_text('format', format)
  local given, bytes, values = select('#', ...), #format, {...}
  if given > MOST_ARGUMENTS then error(('format: %d values, at most %d'):format(given, MOST_ARGUMENTS), 2) end
  for conversion in string.gmatch(format, '%%[-+ #0]*%d*%.?%d*(.)') do
    if conversion == 'p' then error('format: addresses are not shown', 2) end
  end
  for i = 1, given do
    local v = values[i]
    if type(v) == 'table' then error('format: a table is no text', 2) end
    if not PRINTED[type(v)] then values[i] = to_text(v) end
    if type(v) == 'string' then bytes = bytes + #v end
  end
  if bytes > MOST_TEXT then error(('format: %d bytes, at most %d'):format(bytes, MOST_TEXT), 2) end
  charge(#format + bytes / 16)
  return string.format(format, unpack(values, 1, given))
end

-- A pattern with q repetitions may try as many as size ^ (q + 1) ways.
local function charge_match(s, pattern)
  local repeats = 0
  for i = 1, #pattern do
    local c = string.byte(pattern, i)
    if c == 42 or c == 43 or c == 45 or c == 63 or c == 98 or c == 102 then repeats = repeats + 1 end
  end
  local ways = (#s + 1) ^ (repeats + 1) * (#pattern + 1)
  if not (ways <= MOST_WORK) then
    error(('a text of %d bytes and a pattern with %d repetitions take too long'):format(#s, repeats), 3)
  end
  charge(ways / 8)
end

function text.find(s, pattern, first, plain)
  s, pattern = want_text('find', s), want_text('find', pattern)
  if plain then
    local work = (#s + 1) * (#pattern + 1)
    if work > 8 * MOST_WORK then error(('find: %d bytes in %d take too long'):format(#pattern, #s), 2) end
    charge(work / 16)
  else
    charge_match(s, pattern)
  end
  return string.find(s, pattern, first, plain)
end

function text.match(s, pattern, first)
  s, pattern = want_text('match', s), want_text('match', pattern)
  charge_match(s, pattern)
  return string.match(s, pattern, first)
end

function text.gmatch(s, pattern)
  s, pattern = want_text('gmatch', s), want_text('gmatch', pattern)
  charge_match(s, pattern)
  local again = string.gmatch(s, pattern)
  -- Each call goes on where the last ended, but may have to go over all that is left.
  return function()
    charge((#s + #pattern) / 8)
    return again()
  end
end

function text.gsub(s, pattern, replacement, most)
  s, pattern = want_text('gsub', s), want_text('gsub', pattern)
  if type(replacement) ~= 'string' then error('gsub: the replacement must be a text here', 2) end
  charge_match(s, pattern)
  charge((#s + 1) * (#replacement + 1) / 16)
  return string.gsub(s, pattern, replacement, most)
end

-- Methods of strings are these too, and nobody can replace them.
local string_meta = getmetatable ''
string_meta.__index = text
string_meta.__metatable = 'strings are locked'

local tables = {sort = sort}

function tables.maxn(list)
  want_table('maxn', list)
  local most = 0
  for key in next, list do
    if type(key) == 'number' and key > most then most = key end
  end
  return most
end

function tables.concat(list, separator, first, last)
  want_table('concat', list)
  first, last = first or 1, last or #list
  if not (last - first <= MOST_TEXT) then error('concat: too many items', 2) end
  local bytes, between = 0, separator and #want_text('concat', separator) or 0
  for i = first, last do
    local v = rawget(list, i)
    bytes = bytes + (type(v) == 'string' and #v or 24) + between
  end
  if bytes > MOST_TEXT then error(('concat: %d bytes, at most %d'):format(bytes, MOST_TEXT), 2) end
  charge(bytes / 16)
  return table.concat(list, separator, first, last)
end

function tables.insert(list, ...)
  want_table('insert', list)
  if select('#', ...) < 2 then return table.insert(list, (...)) end
  local at, value = ...
  local n = #list
  if type(at) ~= 'number' or not (at >= 1 and at <= n + 1) then
    error(('insert: place %s, want 1 to %d'):format(to_text(at), n + 1), 2)
  end
  charge(n / 4)
  return table.insert(list, at, value)
end

function tables.remove(list, at)
  want_table('remove', list)
  if at == nil then return table.remove(list) end
  local n = #list
  if type(at) ~= 'number' then error(('remove: place %s, want a number'):format(to_text(at)), 2) end
  if not (at >= 1 and at <= n) then return nil end
  charge(n / 4)
  return table.remove(list, at)
end

local function checked_unpack(list, first, last)
  want_table('unpack', list)
  first, last = first or 1, last or #list
  if not (last - first <= 1000) then error('unpack: more than 1000 values', 2) end
  return unpack(list, first, last)
end
tables.unpack = checked_unpack

local function to_number(v, base)
  if type(v) == 'string' then charge(#v / 16) end
  return tonumber(v, base)
end

local maths = {}
for name, value in pairs(math) do maths[name] = value end
maths.random, maths.randomseed = nil, nil -- not the same everywhere: policies get an rng

-- What catches errors is never a native call alone: once a call is over its budget the next instruction here raises
-- again. That takes time for each that is under way, and a coroutine that resumes another takes some of the host's
-- stack, whatever stack is its own; so both have a bound.
local MOST_NESTED, MOST_RESUMES = 200, 32 -- pcall, xpcall and resume within each other; resume alone
local nested, resumes = 0, 0
local pending = setmetatable({}, {__mode = 'k'}) -- of a coroutine that yielded: those under way in it

local function enter(what, more)
  if nested + more > MOST_NESTED then error(('%s: more than %d within each other'):format(what, MOST_NESTED), 3) end
  nested = nested + more
end

local function left(...)
  nested = nested - 1
  return ...
end

local function safe_pcall(f, ...)
  enter('pcall', 1)
  return left(pcall(f, ...))
end

-- LuaJIT calls a handler from C; here it runs when the stack is unwound.
local function handled(handler, ok, ...)
  if ok then return true, ... end
  local _, said = safe_pcall(handler, ...)
  return false, said
end
local function safe_xpcall(f, handler, ...) return handled(handler, safe_pcall(f, ...)) end

local function resumed(co, before, ...)
  resumes, pending[co], nested = resumes - 1, nested - before - 1, before
  return ...
end

local function safe_resume(co, ...)
  if type(co) ~= 'thread' then error(('resume: want a coroutine, got a %s'):format(type(co)), 2) end
  if resumes >= MOST_RESUMES then error(('more than %d coroutines resume each other'):format(MOST_RESUMES), 2) end
  local before = nested
  enter('resume', 1 + (pending[co] or 0))
  resumes = resumes + 1
  return resumed(co, before, coroutine.resume(co, ...))
end

local function passed_on(ok, ...)
  if ok then return ... end
  error((...), 0)
end

local routines = {
  create = coroutine.create, yield = coroutine.yield, status = coroutine.status, running = coroutine.running,
  resume = safe_resume,
}

function routines.wrap(f)
  local co = coroutine.create(f)
  return function(...) return passed_on(safe_resume(co, ...)) end
end

local bits = {}
for name, value in pairs(bit) do bits[name] = value end

return {
  string = text, table = tables, math = maths, bit = bits, coroutine = routines, next = ordered_next, pairs = ordered_pairs,
  pcall = safe_pcall, setmetatable = set_metatable, tonumber = to_number, tostring = to_text, unpack = checked_unpack,
  xpcall = safe_xpcall,
  printed = PRINTED, -- types that tostring shows by value
  forget = function() nested, resumes = 0, 0 end, -- a new question: nothing is under way
}
