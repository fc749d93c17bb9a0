-- What a policy finds in its sandbox. This file runs once in the policy's own state, before it; it gives
-- the dispatcher that the host talks to, and the environment that the policy's chunk gets. Whatever is
-- not granted here does not exist for a policy.
local native = ...

local bit, math, string, table = bit, math, string, table
local error, getmetatable, ipairs, next, pairs = error, getmetatable, ipairs, next, pairs
local pcall, rawequal, rawget, rawset, select = pcall, rawequal, rawget, rawset, select
local setmetatable, tonumber, tostring, type, unpack = setmetatable, tonumber, tostring, type, unpack
local xpcall, coroutine = xpcall, coroutine
local charge, floor = native.charge, math.floor

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

-- ---- random numbers ---------------------------------------------------------------------------

-- sfc32 by Chris Doty-Humphrey: sums and shifts of 32 bits, the same numbers everywhere.
local Rng = {}
Rng.__index = Rng

local bor, bxor = bit.bor, bit.bxor
local lshift, rshift, tobit = bit.lshift, bit.rshift, bit.tobit

local function word(rng)
  local a, b, c, counter = rng[1], rng[2], rng[3], rng[4]
  local result = tobit(tobit(a + b) + counter)
  rng[4] = tobit(counter + 1)
  rng[1] = bxor(b, rshift(b, 9))
  rng[2] = tobit(c + lshift(c, 3))
  rng[3] = tobit(bor(lshift(c, 21), rshift(c, 11)) + result)
  return result
end

local function new_rng(seed)
  local rng = setmetatable({tobit(seed % 2 ^ 32), tobit(floor(seed / 2 ^ 32) % 2 ^ 32), 0x5eed, 1}, Rng)
  for _ = 1, 12 do word(rng) end
  return rng
end

-- A number of [0, 1).
function Rng:uniform()
  local high, low = rshift(word(self), 5), rshift(word(self), 6)
  return (high * 2 ^ 26 + low) / 2 ^ 53
end

-- A whole number from low to high, both included.
function Rng:int(low, high)
  if not (low <= high) then error(('int: from %s to %s'):format(tostring(low), tostring(high)), 2) end
  return low + floor(self:uniform() * (high - low + 1))
end

-- A number of the normal distribution, by its central limit: twelve uniform ones, exact arithmetic.
function Rng:normal()
  local sum = -6
  for _ = 1, 12 do sum = sum + self:uniform() end
  return sum
end

-- An item of a list.
function Rng:pick(list)
  if #list == 0 then error('pick: the list is empty', 2) end
  return list[self:int(1, #list)]
end

-- Put a list into random order, in place.
function Rng:shuffle(list)
  for i = #list, 2, -1 do
    local k = self:int(1, i)
    list[i], list[k] = list[k], list[i]
  end
  return list
end

-- ---- spaces --------------------------------------------------------------------------------------

-- Genomes are texts, one character a position: 0-9 a-z the option, '-' covered by the one before.
local Space = {}
Space.__index = Space

local DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'

local function digit(gene) return string.sub(DIGITS, gene + 1, gene + 1) end

-- What the host said of the space. A policy may write into the space that it gets, but these lists are not in it,
-- and the front and the best genomes come from C's own description.
-- {positions =, flat = {options}, at = {options of a position}, ways = {genomes from a position on}, fixed_ms =, native =}
local known

-- Genomes from each position on, in its trunk and all later ones.
local function count_ways(positions, at)
  local ways = {[positions + 1] = 1}
  for p = positions, 1, -1 do
    ways[p] = 0
    for _, option in ipairs(at[p]) do ways[p] = ways[p] + ways[p + option.span] end
  end
  return ways
end

-- {positions =, trunk = {…}, fixed_ms =, options = {{position, gene, kind, span, width, ms, …}, …}}
local function new_space(description)
  local space = setmetatable(description, Space)
  space.flat = description.options
  space.options = nil -- the method
  known = {positions = space.positions, at = {}, flat = {}, fixed_ms = space.fixed_ms or 0,
           native = native.space(space.trunk, space.flat)}
  for p = 1, known.positions do known.at[p] = {} end
  for i, option in ipairs(space.flat) do
    option.index = i
    known.flat[i] = option
    local here = known.at[option.position]
    here[#here + 1] = option
  end
  known.ways = count_ways(known.positions, known.at)
  return space
end

local function options_at(what, position)
  local here = known.at[position]
  if not here then error(('%s: position %s, want 1 to %d'):format(what, to_text(position), known.positions), 3) end
  return here
end

-- The options of a position; the first is keep.
function Space:options(position)
  local list = {}
  for i, option in ipairs(options_at('options', position)) do list[i] = option end
  return list
end

-- How many genomes there are (rounded above 2^53).
function Space:size() return known.ways[1] end

-- The genome of the oracle.
function Space:keep() return string.rep('0', known.positions) end

-- Uniform over all genomes.
local function draw(position, rng)
  local left, here = rng:uniform() * known.ways[position], known.at[position]
  for i = 1, #here do
    left = left - known.ways[position + here[i].span]
    if left < 0 then return here[i] end
  end
  return here[1]
end

-- A genome of what choose(position) answers at each position that is not covered.
local function walk(choose)
  local genes, position = {}, 1
  while position <= known.positions do
    local option = choose(position)
    genes[position] = digit(option.gene)
    for p = position + 1, position + option.span - 1 do genes[p] = '-' end
    position = position + option.span
  end
  return table.concat(genes)
end

local function want_rng(what, rng)
  if type(rng) ~= 'table' or type(rng.uniform) ~= 'function' then
    error(('%s: want the random numbers, got a %s'):format(what, type(rng)), 3)
  end
end

function Space:sample(rng)
  want_rng('sample', rng)
  return walk(function(position) return draw(position, rng) end)
end

-- The option that a genome has at a position, or nil where it is covered or no option.
local function option_at(genome, position)
  local c = string.byte(genome, position)
  if not c or c == 45 then return nil end
  local gene = c >= 97 and c - 87 or c - 48
  return known.at[position][gene + 1]
end

local function check_genome(genome)
  if type(genome) ~= 'string' then return false, 'a genome is a text' end
  if #genome ~= known.positions then
    return false, ('got %d positions, want %d'):format(#genome, known.positions)
  end
  local position = 1
  while position <= known.positions do
    local option = option_at(genome, position)
    if not option then return false, ('position %d has no such option'):format(position) end
    for p = position + 1, position + option.span - 1 do
      if string.byte(genome, p) ~= 45 then return false, ('position %d must be covered'):format(p) end
    end
    position = position + option.span
  end
  return true
end

-- Whether a genome is legal, and why not.
function Space:check(genome) return check_genome(genome) end

local function must_be_legal(genome)
  local ok, why = check_genome(genome)
  if not ok then error('genome: ' .. why, 3) end
end

-- The options of a genome, in order.
local function chosen(genome)
  local list, position = {}, 1
  while position <= known.positions do
    local option = option_at(genome, position)
    list[#list + 1] = option
    position = position + option.span
  end
  return list
end

function Space:chosen(genome)
  must_be_legal(genome)
  return chosen(genome)
end

-- The genome with this option; what it tears apart falls back to keep.
function Space:with(genome, wanted)
  must_be_legal(genome)
  wanted = type(wanted) == 'table' and known.flat[wanted.index]
  if not wanted then error('with: want an option of the space', 2) end
  return walk(function(position)
    if position == wanted.position then return wanted end
    local option = option_at(genome, position) or known.at[position][1]
    local reaches = position + option.span
    local torn = position < wanted.position and reaches > wanted.position
    return torn and known.at[position][1] or option
  end)
end

-- Another genome: each choice is drawn anew with a probability, the others stay where they still fit.
function Space:mutate(genome, rng, probability)
  must_be_legal(genome)
  want_rng('mutate', rng)
  if type(probability) ~= 'number' then error('mutate: want a probability', 2) end
  return walk(function(position)
    if rng:uniform() < probability then return draw(position, rng) end
    return option_at(genome, position) or known.at[position][1]
  end)
end

-- A child of two genomes: between the places where both begin an option, the choices of one of them.
function Space:cross(a, b, rng)
  must_be_legal(a)
  must_be_legal(b)
  want_rng('cross', rng)
  local from
  return walk(function(position)
    if string.byte(a, position) ~= 45 and string.byte(b, position) ~= 45 then
      from = rng:uniform() < 0.5 and a or b
    end
    return option_at(from, position)
  end)
end

-- Predicted time of a genome, ms.
function Space:latency(genome)
  local ms = known.fixed_ms
  must_be_legal(genome)
  for _, option in ipairs(chosen(genome)) do ms = ms + (option.ms or 0) end
  return ms
end

local function figures(what, given)
  local list = {}
  for i, option in ipairs(known.flat) do
    local v = given
    if type(given) == 'function' then v = given(option) elseif type(given) == 'table' then v = given[i] end
    if type(v) ~= 'number' then error(('%s of option %d: want a number, got %s'):format(what, i, type(v)), 3) end
    list[i] = v
  end
  return list
end

-- What an option costs unless a policy says otherwise: its time.
local function time_of(option) return option.ms or 0 end

-- All genomes of which none is faster and less damaged: {{genome, ms, damage}, …}, fastest first.
-- damage: a number an option, in the order of space.flat, or a function of an option.
function Space:front(damage)
  local front = native.front(known.native, figures('cost', time_of), figures('damage', damage))
  charge(#front * known.positions)
  for _, point in ipairs(front) do
    point.ms, point.cost = point.cost + known.fixed_ms, nil
  end
  return front
end

-- The k genomes of least damage that are predicted to take at most `budget` ms, best first. cost: what the budget
-- is of instead (as damage), summed over a genome's options.
function Space:best(damage, budget, k, cost)
  k = k or 1
  if type(budget) ~= 'number' or type(k) ~= 'number' then error('best: want a budget and how many genomes', 2) end
  charge(k * known.positions * 16)
  if not cost then budget = budget - known.fixed_ms end
  return native.best(known.native, figures('cost', cost or time_of),
                     figures('damage', damage), budget, k)
end

-- ---- what a policy sees ---------------------------------------------------------------------------

local environment = {
  assert = assert, error = error, getmetatable = getmetatable, ipairs = ipairs, next = ordered_next,
  pairs = ordered_pairs, pcall = safe_pcall, rawequal = rawequal, rawget = rawget, rawset = rawset,
  select = select, setmetatable = set_metatable, tonumber = to_number, tostring = to_text,
  type = type, unpack = checked_unpack, xpcall = safe_xpcall,
  race = native.race, bit = bits, coroutine = routines, math = maths, string = text, table = tables,
}
environment._G = environment

-- ---- what the host asks ----------------------------------------------------------------------------

local METHODS = {
  schedule = {'options', 'next'}, search = {'propose', 'observe', 'done'}, latency = {'pick'},
}

local policy, instance, space, ladder
local asked = {}

local function want(condition, format, ...)
  if not condition then error(format:format(...), 0) end
end

-- Run the policy's chunk and check what it returns.
function asked.admit(chunk)
  policy = chunk()
  want(type(policy) == 'table', 'it returns a %s, want a table', type(policy))
  want(policy.api == 1, 'its api is %s, want 1', to_text(policy.api))
  want(METHODS[policy.kind], "its kind is '%s', want schedule, search or latency", to_text(policy.kind))
  want(type(policy.new) == 'function', 'its `new` is a %s, want a function', type(policy.new))
  want(policy.name == nil or type(policy.name) == 'string', 'its `name` is a %s, want a text', type(policy.name))
  want(type(policy.defaults or {}) == 'table', 'its `defaults` are a %s, want a table', type(policy.defaults))
  for key, value in ordered_pairs(policy.defaults or {}) do
    want(type(key) == 'string' and (PRINTED[type(value)] or type(value) == 'table'),
         'its `defaults` have a %s at %s, want plain values by name', type(value), to_text(key))
  end
end

function asked.describe()
  return {kind = policy.kind, name = policy.name, defaults = policy.defaults or {}}
end

-- The given options over the defaults; an unknown one or one of another type is an error.
local function settle(given)
  local options, defaults = {}, policy.defaults or {}
  for key, value in ordered_pairs(defaults) do options[key] = value end
  for key, value in ordered_pairs(given) do
    local default = defaults[key]
    want(default ~= nil, "no option '%s'%s", tostring(key),
         native.text.hint(tostring(key), native.text.keys(defaults)))
    want(type(value) == type(default), "option '%s' is a %s, want a %s", key, type(value), type(default))
    options[key] = value
  end
  return options
end

-- A new instance, of the kind that the host has a use for.
function asked.start(given, seed, kind)
  want(policy.kind == (kind or policy.kind), "its kind is '%s', want %s", policy.kind, kind)
  instance = policy.new(settle(given), new_rng(seed))
  want(type(instance) == 'table', '`new` gives a %s, want a table', type(instance))
  for _, method in ipairs(METHODS[policy.kind]) do
    want(type(instance[method]) == 'function', "it has no method '%s'", method)
  end
end

function asked.has(method) return instance[method] ~= nil end

function asked.space(description) space = new_space(description) end

function asked.ladder(rungs) ladder = rungs end

function asked.options(block) return instance:options(block, space) end

function asked.next(step, stats)
  stats.space = space
  return instance:next(step, stats)
end

function asked.propose(n) return instance:propose(space, n) end

function asked.observe(results) return instance:observe(results) end

function asked.picks()
  if instance.picks then return instance:picks() end
end

function asked.done() return instance:done() and true or false end

function asked.pick(state) return instance:pick(ladder, state) end

function asked.save()
  if instance.save then return instance:save() end
end

function asked.load(saved)
  if instance.load then instance:load(saved) end
end

return function(method, ...)
  nested, resumes = 0, 0
  return asked[method](...)
end, environment
