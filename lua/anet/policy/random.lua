-- Random numbers for policies; the chunk gives a function that makes them from a seed.
local bit, error, floor, setmetatable, tostring = bit, error, math.floor, setmetatable, tostring

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

return new_rng
