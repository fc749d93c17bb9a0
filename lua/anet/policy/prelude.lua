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

-- ---- libraries whose work is charged ----------------------------------------------------------

local MOST_TEXT = 2 ^ 20  -- bytes of a string that rep, concat or format makes
local MOST_MATCH = 1e7    -- steps that a pattern may take

local text = {byte = string.byte, char = string.char, len = string.len, sub = string.sub}

for _, name in ipairs{'lower', 'reverse', 'upper'} do
  local change = string[name]
  text[name] = function(s)
    charge(#s / 16)
    return change(s)
  end
end

function text.rep(s, n, separator)
  local bytes = (#s + (separator and #separator or 0)) * n
  if bytes > MOST_TEXT then error(('rep: %.0f bytes, at most %d'):format(bytes, MOST_TEXT), 2) end
  charge(bytes / 16)
  return string.rep(s, n, separator)
end

function text.format(format, ...)
  local bytes = #format
  for i = 1, select('#', ...) do
    local v = select(i, ...)
    if type(v) == 'table' then error('format: a table is no text', 2) end
    if type(v) == 'string' then bytes = bytes + #v end
  end
  if bytes > MOST_TEXT then error(('format: %d bytes, at most %d'):format(bytes, MOST_TEXT), 2) end
  charge(bytes / 16)
  return string.format(format, ...)
end

-- A pattern with q repetitions may try as many as size ^ (q + 1) ways.
local function charge_match(s, pattern)
  s, pattern = tostring(s), tostring(pattern)
  local repeats = 0
  for i = 1, #pattern do
    local c = string.byte(pattern, i)
    if c == 42 or c == 43 or c == 45 or c == 63 or c == 98 or c == 102 then repeats = repeats + 1 end
  end
  local ways = (#s + 1) ^ (repeats + 1) * (#pattern + 1)
  if ways > MOST_MATCH then
    error(('a text of %d bytes and a pattern with %d repetitions take too long'):format(#s, repeats), 3)
  end
  charge(ways / 16)
end

function text.find(s, pattern, first, plain)
  if plain then charge((#s + 1) * (#pattern + 1) / 64) else charge_match(s, pattern) end
  return string.find(s, pattern, first, plain)
end

function text.match(s, pattern, first)
  charge_match(s, pattern)
  return string.match(s, pattern, first)
end

function text.gmatch(s, pattern)
  charge_match(s, pattern)
  return string.gmatch(s, pattern)
end

function text.gsub(s, pattern, replacement, most)
  if type(replacement) ~= 'string' then error('gsub: the replacement must be a string here', 2) end
  charge_match(s, pattern)
  charge(#s * #replacement / 16)
  if (#s + 1) * (#replacement + 1) * (#s + 1) > 64 * MOST_TEXT then error('gsub: the result may be too large', 2) end
  return string.gsub(s, pattern, replacement, most)
end

-- Methods of strings are these too, and nobody can replace them.
local string_meta = getmetatable ''
string_meta.__index = text
string_meta.__metatable = 'strings are locked'

local tables = {maxn = table.maxn}

function tables.concat(list, separator, first, last)
  first, last = first or 1, last or #list
  if last - first > MOST_TEXT then error('concat: too many items', 2) end
  local bytes = 0
  for i = first, last do
    local v = rawget(list, i)
    bytes = bytes + (type(v) == 'string' and #v or 24) + (separator and #separator or 0)
  end
  if bytes > MOST_TEXT then error(('concat: %d bytes, at most %d'):format(bytes, MOST_TEXT), 2) end
  return table.concat(list, separator, first, last)
end

function tables.insert(list, ...)
  if select('#', ...) > 1 then charge(#list / 8) end
  return table.insert(list, ...)
end

function tables.remove(list, at)
  if at then charge(#list / 8) end
  return table.remove(list, at)
end

function tables.sort(list, before)
  local n = #list
  charge(n * math.log(n + 2))
  return table.sort(list, before)
end

local function checked_unpack(list, first, last)
  first, last = first or 1, last or #list
  if last - first > 1000 then error('unpack: more than 1000 values', 2) end
  return unpack(list, first, last)
end
tables.unpack = checked_unpack

local maths = {}
for name, value in pairs(math) do maths[name] = value end
maths.random, maths.randomseed = nil, nil -- not the same everywhere: policies get an rng

-- These catch errors, so none of them may be a native call alone: once a call is over its budget the
-- next instruction of these functions raises again.
local function caught(...) return ... end
local function safe_pcall(f, ...) return caught(pcall(f, ...)) end
local function safe_xpcall(f, handler, ...) return caught(xpcall(f, handler, ...)) end
local routines = {
  create = coroutine.create, yield = coroutine.yield, status = coroutine.status,
  running = coroutine.running, wrap = coroutine.wrap,
  resume = function(...) return caught(coroutine.resume(...)) end,
}

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

-- {positions =, trunk = {…}, fixed_ms =, options = {{position, gene, kind, span, width, ms, …}, …}}
local function new_space(description)
  local space = setmetatable(description, Space)
  space.flat, space.at = description.options, {}
  space.options = nil -- the method
  for p = 1, space.positions do space.at[p] = {} end
  for i, option in ipairs(space.flat) do
    option.index = i
    local here = space.at[option.position]
    here[#here + 1] = option
  end
  -- Genomes from each position on, in its trunk and all later ones.
  local ways = {[space.positions + 1] = 1}
  for p = space.positions, 1, -1 do
    ways[p] = 0
    for _, option in ipairs(space.at[p]) do ways[p] = ways[p] + ways[p + option.span] end
  end
  space.ways = ways
  return space
end

-- The options of a position; the first is keep.
function Space:options(position) return self.at[position] end

-- How many genomes there are (rounded above 2^53).
function Space:size() return self.ways[1] end

-- The genome of the oracle.
function Space:keep() return string.rep('0', self.positions) end

-- Uniform over all genomes.
local function draw(self, position, rng)
  local left = rng:uniform() * self.ways[position]
  local here = self.at[position]
  for i = 1, #here do
    left = left - self.ways[position + here[i].span]
    if left < 0 then return here[i] end
  end
  return here[1]
end

-- A genome of what choose(position) answers at each position that is not covered.
local function walk(self, choose)
  local genes, position = {}, 1
  while position <= self.positions do
    local option = choose(position)
    genes[position] = digit(option.gene)
    for p = position + 1, position + option.span - 1 do genes[p] = '-' end
    position = position + option.span
  end
  return table.concat(genes)
end

function Space:sample(rng)
  return walk(self, function(position) return draw(self, position, rng) end)
end

-- The option that a genome has at a position, or nil where it is covered or no option.
local function option_at(self, genome, position)
  local c = string.byte(genome, position)
  if not c or c == 45 then return nil end
  local gene = c >= 97 and c - 87 or c - 48
  return self.at[position][gene + 1]
end

-- Whether a genome is legal, and why not.
function Space:check(genome)
  if type(genome) ~= 'string' then return false, 'a genome is a text' end
  if #genome ~= self.positions then
    return false, ('got %d positions, want %d'):format(#genome, self.positions)
  end
  local position = 1
  while position <= self.positions do
    local option = option_at(self, genome, position)
    if not option then return false, ('position %d has no such option'):format(position) end
    for p = position + 1, position + option.span - 1 do
      if string.byte(genome, p) ~= 45 then return false, ('position %d must be covered'):format(p) end
    end
    position = position + option.span
  end
  return true
end

local function must_be_legal(self, genome)
  local ok, why = self:check(genome)
  if not ok then error('genome: ' .. why, 3) end
end

-- The options of a genome, in order.
function Space:chosen(genome)
  must_be_legal(self, genome)
  local list, position = {}, 1
  while position <= self.positions do
    local option = option_at(self, genome, position)
    list[#list + 1] = option
    position = position + option.span
  end
  return list
end

-- The genome with this option; what it tears apart falls back to keep.
function Space:with(genome, wanted)
  must_be_legal(self, genome)
  return walk(self, function(position)
    if position == wanted.position then return wanted end
    local option = option_at(self, genome, position) or self.at[position][1]
    local reaches = position + option.span
    local torn = position < wanted.position and reaches > wanted.position
    return torn and self.at[position][1] or option
  end)
end

-- Another genome: each choice is drawn anew with a probability, the others stay where they still fit.
function Space:mutate(genome, rng, probability)
  must_be_legal(self, genome)
  return walk(self, function(position)
    if rng:uniform() < probability then return draw(self, position, rng) end
    return option_at(self, genome, position) or self.at[position][1]
  end)
end

-- A child of two genomes: between the places where both begin an option, the choices of one of them.
function Space:cross(a, b, rng)
  must_be_legal(self, a)
  must_be_legal(self, b)
  local from
  return walk(self, function(position)
    if string.byte(a, position) ~= 45 and string.byte(b, position) ~= 45 then
      from = rng:uniform() < 0.5 and a or b
    end
    return option_at(self, from, position)
  end)
end

-- Predicted time of a genome, ms.
function Space:latency(genome)
  local ms = self.fixed_ms or 0
  for _, option in ipairs(self:chosen(genome)) do ms = ms + (option.ms or 0) end
  return ms
end

local function figures(self, what, given)
  local list = {}
  for i, option in ipairs(self.flat) do
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
  local front = native.front(self.trunk, self.flat, figures(self, 'cost', time_of), figures(self, 'damage', damage))
  charge(#front * self.positions)
  for _, point in ipairs(front) do
    point.ms, point.cost = point.cost + (self.fixed_ms or 0), nil
  end
  return front
end

-- The k genomes of least damage that are predicted to take at most `budget` ms, best first. cost: what the budget
-- is of instead (as damage), summed over a genome's options.
function Space:best(damage, budget, k, cost)
  charge((k or 1) * self.positions * 16)
  if not cost then budget = budget - (self.fixed_ms or 0) end
  return native.best(self.trunk, self.flat, figures(self, 'cost', cost or time_of),
                     figures(self, 'damage', damage), budget, k or 1)
end

-- ---- what a policy sees ---------------------------------------------------------------------------

local environment = {
  assert = assert, error = error, getmetatable = getmetatable, ipairs = ipairs, next = next,
  pairs = pairs, pcall = safe_pcall, rawequal = rawequal, rawget = rawget, rawset = rawset,
  select = select, setmetatable = setmetatable, tonumber = tonumber, tostring = tostring,
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
  want(policy.api == 1, 'its api is %s, want 1', tostring(policy.api))
  want(METHODS[policy.kind], "its kind is '%s', want schedule, search or latency", tostring(policy.kind))
  want(type(policy.new) == 'function', 'its `new` is a %s, want a function', type(policy.new))
  want(type(policy.defaults or {}) == 'table', 'its `defaults` are no table')
end

function asked.describe()
  return {kind = policy.kind, name = policy.name, defaults = policy.defaults or {}}
end

-- The given options over the defaults; an unknown one or one of another type is an error.
local function settle(given)
  local options, defaults = {}, policy.defaults or {}
  for key, value in pairs(defaults) do options[key] = value end
  for key, value in pairs(given) do
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

return function(method, ...) return asked[method](...) end, environment
