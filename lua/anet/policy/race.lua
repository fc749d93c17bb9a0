-- Racing: finds the best of some candidates on a finite set of images with a fraction of the work.
-- All candidates that are alive see the same images, more and more of them; one whose paired
-- difference to the leader is beyond its confidence bound is dropped (Maron & Moore 1997; the pairing
-- cancels what is hard about an image). When the images are used up the leader has won; or, where they
-- stand for more of their kind (`ties`), all are left whom it does not beat beyond chance.
-- Pure Lua: policies have it as the global `race`.

local byte, ceil, ipairs, max, min, setmetatable, sqrt =
  string.byte, math.ceil, ipairs, math.max, math.min, setmetatable, math.sqrt

local Race = {}
Race.__index = Race

local RIGHT = byte '1'

local function count_hits(hits, n)
  local ones = 0
  for i = 1, n do
    if byte(hits, i) == RIGHT then ones = ones + 1 end
  end
  return ones
end

-- Images of the first n where a is right and b wrong, and the other way round.
local function discordant(a, b, n)
  local a_only, b_only = 0, 0
  for i = 1, n do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then
      if x == RIGHT then a_only = a_only + 1 else b_only = b_only + 1 end
    end
  end
  return a_only, b_only
end

-- candidates: list of names. options: total (images there are), first (images of round one), grow
-- (factor a round), deviations (of the paired difference, beyond which a candidate is dropped), ties.
function Race.new(candidates, options)
  local self = setmetatable({
    total = options.total, count = min(options.first or 64, options.total),
    grow = options.grow or 1.6,
    deviations = options.deviations or 2.4, ties = options.ties, finished = false, alive = {}, hits = {}, work = 0,
  }, Race)
  for i, name in ipairs(candidates) do self.alive[i] = name end
  return self
end

-- What must be known next: names, and the images each must have been run on.
function Race:ask()
  return self.alive, self.count
end

-- hits: '1' right, '0' wrong, one character an image, in order.
function Race:tell(name, hits)
  self.work = self.work + #hits - #(self.hits[name] or '')
  self.hits[name] = hits
end

function Race:leader(n)
  local best, most = nil, -1
  for _, name in ipairs(self.alive) do
    local ones = count_hits(self.hits[name], n)
    if ones > most then best, most = name, ones end
  end
  return best, most
end

-- Ends the round: drops the beaten, asks for more images.
function Race:settle()
  local n = self.count
  local leader = self:leader(n)
  -- Of a finite set: what is not yet seen bounds what can still change.
  local unseen = self.ties and 1 or sqrt(max(0, 1 - n / self.total))
  local kept = {}
  for _, name in ipairs(self.alive) do
    local ahead, behind = discordant(self.hits[leader], self.hits[name], n)
    local beaten = name ~= leader and ahead - behind > self.deviations * unseen * sqrt(ahead + behind)
    if not beaten then kept[#kept + 1] = name end
  end
  self.finished = n >= self.total
  if self.finished and not self.ties then kept = {leader} end
  self.alive = kept
  self.count = min(self.total, ceil(n * self.grow))
end

function Race:done()
  return self.finished or #self.alive <= 1
end

-- Who has won; with ties, the first of those that are left in the order of the candidates.
function Race:winner()
  return self.alive[1]
end

return Race
