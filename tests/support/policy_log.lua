-- What every policy that ships answers in a made-up world, and one that walks over keys and prints addresses: lines that
-- must be the same in every process. Run by tests/policy/test_same.lua.
local anet = require 'anet'

-- Answers as text, keys in order.
local function written(v)
  if type(v) ~= 'table' then return type(v) == 'number' and ('%.17g'):format(v) or tostring(v) end
  local keys, parts = {}, {}
  for key in pairs(v) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do parts[i] = tostring(key) .. '=' .. written(v[key]) end
  return '{' .. table.concat(parts, ' ') .. '}'
end

-- The answer, and the steps that it took: they decide what is over a budget.
local function log(policy, question, ...)
  local answer, message = policy[question](policy, ...)
  print(('%s %s: %s %s %.3f'):format(policy.name, question, written(answer), tostring(message), policy.box:steps()))
  return answer
end

-- ---- the world ---------------------------------------------------------------------------------------------------

local POSITIONS, IMAGES, random = 10, 200, anet.rng(11)
local trunks = {}
for p = 1, POSITIONS do trunks[p] = math.floor((p - 1) / 5) end
local space, times, damages, whole = anet.space.new(trunks), {}, {}, 0
for p = 1, POSITIONS do
  if p % 5 ~= 0 then space:add{kind = 'merge', position = p, span = 2} end
  space:add{kind = 'shrink', position = p, width = 0.5}:add{kind = 'skip', position = p}
end
for i, o in ipairs(space:options()) do
  local share = ({keep = 1, merge = 0.9, shrink = 0.5, skip = 0})[o.kind]
  times[i] = share * (0.8 + 0.4 * random:uniform())
  damages[i] = o.kind == 'keep' and 0 or (1 - share / o.span) * random:uniform() * 0.1
  if o.kind == 'keep' then whole = whole + times[i] end
end

local function sum(list, genome)
  local total = 0
  for _, o in ipairs(space:chosen(genome)) do total = total + list[o.index] end
  return total
end

local function result(p)
  local genome, count = p.genome or p, math.min(p.count or IMAGES, IMAGES)
  local accuracy, hits, right = 0.95 - sum(damages, genome), {}, 0
  for i = 1, count do
    local ok = (i * 7919 % 997) / 997 + ((i * #genome * 31 + genome:byte(1 + i % #genome) * 17) % 101 / 101 - 0.5) * 0.1 < accuracy
    hits[i], right = ok and '1' or '0', right + (ok and 1 or 0)
  end
  return {genome = genome, ms = sum(times, genome), score = right / count, loss = 1 - accuracy, count = count, hits = table.concat(hits)}
end

local function describe()
  local about = space:describe(times)
  about.images, about.budgets = IMAGES, {0.8 * whole, 0.5 * whole}
  for i, o in ipairs(about.options) do o.macs = o.macs or 1000 * times[i] end
  return about
end

-- ---- the three kinds -----------------------------------------------------------------------------------------------

local drive = {}

function drive.search(policy)
  assert(policy:space(describe(), {space = space}))
  for _ = 1, 12 do
    if log(policy, 'done') then break end
    local results = {}
    for i, p in ipairs(log(policy, 'propose', 24)) do results[i] = result(p) end
    log(policy, 'observe', results)
  end
  log(policy, 'picks')
end

function drive.schedule(policy)
  for p = 1, 4 do
    log(policy, 'options', {index = p, kind = 'residual', name = 'b' .. p, trunk = 0, hidden = 16, stride = 1, most_span = 5 - p,
                            can_skip = true, macs = 1000, params = 100, in_shape = {8, 8, 16}, out_shape = {8, 8, 16}})
  end
  assert(policy:space(describe(), {space = space}))
  local last
  for step = 1, 60 do
    local answer = log(policy, 'next', step, {steps_per_epoch = 10, batch = 8, last = last})
    if not answer then break end
    last = {stage = answer.stage, loss = 1 / step}
    if answer.stage == 'joint' then
      last.losses, last.correct = {}, 0.5
      for i, genome in ipairs(answer.genomes) do last.losses[i] = 0.1 + sum(damages, genome) end
    end
  end
end

function drive.latency(policy)
  assert(policy:ladder{{genome = '2', ms = 1, accuracy = 0.8}, {genome = '1', ms = 2, accuracy = 0.9}, {genome = '0', ms = 3, accuracy = 1}})
  local rung, since = 3, 0
  for frame = 1, 120 do
    local slow = frame > 30 and frame < 80 and 2.2 or 1
    rung = log(policy, 'pick', {budget_ms = 4, time_left_ms = -1, rung = rung, rungs = 3, frames = frame, frames_on_rung = since,
                                last_ms = rung * slow, mean_ms = rung * slow, p50_ms = rung * slow, p90_ms = rung * slow * 1.1,
                                p99_ms = rung * slow * 1.2, slowdown = slow, late = 0, load = slow > 1 and 0.7 or 0, free_bytes = 1e9,
                                temperature = -1, battery = -1, drift = 0})
    since = since + 1
  end
end

for _, p in ipairs(anet.policy.list()) do
  drive[p.kind](assert(anet.policy.load(p.name, {kind = p.kind, seed = 5})))
end

-- ---- what differs between processes in plain LuaJIT --------------------------------------------------------------------

local walker = [[
  local W = {} W.__index = W
  function W:done() return false end
  function W:observe(results) for _, r in ipairs(results) do self.seen[r.genome] = r.score end end
  function W:propose(space, n)
    local said, list = {}, {}
    for i = 1, 200 do self.seen['k' .. i * 7919 % 1009] = i end
    for i = 1, 100 do self.seen['k' .. i * 7919 % 1009] = nil end
    for key in pairs(self.seen) do said[#said + 1] = key end
    for key in next, self.seen do said[#said + 1] = key end
    said[#said + 1] = next(self.seen)
    for _, v in ipairs{{}, print or pairs, coroutine.create(pairs), self.rng} do said[#said + 1] = tostring(v) .. ('%s'):format(pairs) end
    for name in pairs(string) do said[#said + 1] = name end
    for name in pairs(_G) do said[#said + 1] = name end
    local ok, why = pcall(function() return ('x'):rep(1e5) end)
    said[#said + 1] = why
    local sum = 0
    for c = 1, #table.concat(said) do sum = (sum * 31 + table.concat(said):byte(c)) % 65521 end
    for i = 1, 4 do list[i] = i % 2 == 0 and space:sample(self.rng) or space:mutate(space:keep(), self.rng, sum / 65521) end
    return list
  end
  return {api = 1, kind = 'search', name = 'walker', new = function(options, rng) return setmetatable({rng = rng, seen = {}}, W) end}]]
drive.search(assert(anet.policy.load('walker', {kind = 'search', text = walker, seed = 3})))
