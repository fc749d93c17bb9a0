-- Spaces as policies see them; the chunk gives a function that makes one of what the host says of it.
local native = ...

local error, ipairs, setmetatable, string, table, type = error, ipairs, setmetatable, string, table, type
local charge, to_text = native.charge, native.libraries.tostring

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

return new_space
