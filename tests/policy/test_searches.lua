-- Every search policy that comes with anet: legal over 10 000 proposals, the same for the same seed, with
-- the compiler on and off, and better than chance; racing against the full evaluation.
local anet = require 'anet'
local Race = require 'anet.policy.race'
local test = dofile 'tests/support/test.lua'

local POSITIONS, IMAGES = 12, 400

-- A space of three trunks with merges, two widths and skips, and a time for every option.
local function build_space()
  local trunks = {}
  for p = 1, POSITIONS do trunks[p] = math.floor((p - 1) / 4) end
  local space = anet.space.new(trunks)
  for p = 1, POSITIONS do
    for span = 2, math.min(3, 4 - (p - 1) % 4) do space:add{kind = 'merge', position = p, span = span} end
    for _, width in ipairs{0.5, 0.25} do space:add{kind = 'shrink', position = p, width = width} end
    space:add{kind = 'skip', position = p}
  end
  local times, damages = {}, {}
  local random = anet.rng.new(11)
  for i, o in ipairs(space:options()) do
    local share = ({keep = 1, merge = 0.9, shrink = o.width, skip = 0})[o.kind]
    times[i] = share * (0.8 + 0.4 * random:uniform())
    damages[i] = o.kind == 'keep' and 0 or (1 - share / o.span) * (0.005 + 0.03 * random:uniform())
  end
  return space, times, damages
end

local space, times, damages = build_space()
local keep_ms = 0
for i, o in ipairs(space:options()) do
  if o.kind == 'keep' then keep_ms = keep_ms + times[i] end
end

local function figure(list, genome)
  local sum = 0
  for _, o in ipairs(space:chosen(genome)) do sum = sum + list[o.index] end
  return sum
end

-- A made-up task: image i is right where its difficulty is below the genome's accuracy, with noise of its own.
local function answer(genome, count)
  local accuracy = 0.95 - figure(damages, genome)
  local hits, right, state = {}, 0, 17
  for c = 1, #genome do state = (state * 31 + genome:byte(c)) % 65521 end
  for i = 1, count do
    state = (state * 171 + 11) % 30269
    local difficulty = (i * 7919 % 997) / 997
    local ok = difficulty + (state / 30269 - 0.5) * 0.06 < accuracy
    hits[i] = ok and '1' or '0'
    right = right + (ok and 1 or 0)
  end
  return {genome = genome, ms = figure(times, genome), score = right / count, loss = 1 - accuracy, count = count,
          hits = table.concat(hits)}
end

local BUDGETS = {0.9 * keep_ms, 0.7 * keep_ms, 0.5 * keep_ms}

local function start(name, seed)
  local policy = assert(anet.policy.load(name, {kind = 'search', seed = seed}))
  local about = space:describe(times)
  about.images, about.budgets = IMAGES, BUDGETS
  assert(policy:space(about))
  return policy
end

-- Asks until the policy is done or `most` genomes were proposed. Returns all proposals as text, how many, and the policy.
local function drive(name, seed, most)
  local policy, said, count = start(name, seed), {}, 0
  while count < most do
    local done, message = policy:done()
    test.check(message == nil, tostring(message))
    if done then break end
    local proposals
    proposals, message = policy:propose(64)
    test.check(proposals ~= nil, name .. ': ' .. tostring(message))
    if not proposals then break end
    local results = {}
    for i, p in ipairs(proposals) do
      local genome, images = p.genome or p, p.count or IMAGES
      local ok, why = space:check(genome)
      if not ok then test.check(false, ('%s proposes %s: %s'):format(name, tostring(genome), tostring(why))) end
      said[#said + 1] = genome .. ':' .. images
      results[i] = answer(genome, math.min(images, IMAGES))
    end
    count = count + #proposals
    local _, failed = policy:observe(results)
    test.check(failed == nil, name .. ': ' .. tostring(failed))
  end
  return said, count, policy
end

local SEARCHES = {'random:evaluations=400', 'evolution', 'annealing', 'greedy:images=100', 'front:probe=100'}

test.case('10 000 proposals of each are legal', function()
  for _, name in ipairs(SEARCHES) do
    local total, seed = 0, 0
    while total < 10000 and seed < 400 do
      seed = seed + 1
      local _, count = drive(name, seed, 10000 - total)
      total = total + count
      -- Without randomness one run is all there is.
      if (name:find '^greedy' or name:find '^front') and seed >= 3 then break end
    end
    test.check(total > 0, name .. ' proposes nothing')
  end
end)

test.case('the same seed gives the same proposals, compiled or not', function()
  for _, name in ipairs(SEARCHES) do
    local first = drive(name, 5, 600)
    local again = drive(name, 5, 600)
    jit.off()
    jit.flush()
    local interpreted = drive(name, 5, 600)
    jit.on()
    test.equal(table.concat(again, ' '), table.concat(first, ' '))
    test.equal(table.concat(interpreted, ' '), table.concat(first, ' '))
  end
end)

test.case('the exact front finds at least what evolution finds', function()
  local _, _, front = drive('front:probe=400', 1, 1e5)
  local picks = front:picks()
  -- What evolution would pick: its best score within each budget. Scores are noisy, so picks are compared by the
  -- accuracy that the made-up task gives them.
  local function truth(genome) return 0.95 - figure(damages, genome) end
  local best = {}
  local _, _, evolution = drive('evolution', 1, 1e5)
  test.check(evolution ~= nil)
  for _, said in ipairs((drive('evolution', 1, 1e5))) do
    local genome = said:match '^[^:]+'
    for b, budget in ipairs(BUDGETS) do
      local score = answer(genome, IMAGES).score
      if figure(times, genome) <= budget and not (best[b] and best[b].score >= score) then
        best[b] = {genome = genome, score = score}
      end
    end
  end
  for b, budget in ipairs(BUDGETS) do
    test.check(picks[b] ~= nil and figure(times, picks[b]) <= budget, 'a pick within budget ' .. b)
    test.check(truth(picks[b]) >= truth(best[b].genome),
               ('budget %d: %.4f, evolution has %.4f'):format(b, truth(picks[b]), truth(best[b].genome)))
  end
end)

-- Candidates whose accuracies lie `gap` apart, on images that are hard or easy for all.
local function made_up(seed, candidates, images, gap)
  local random = anet.rng.new(seed)
  local difficulty, hits, best, most = {}, {}, nil, -1
  for i = 1, images do difficulty[i] = random:uniform() end
  for k = 1, candidates do
    local row, right = {}, 0
    for i = 1, images do
      local ok = difficulty[i] + (random:uniform() - 0.5) * 0.1 < 0.93 - gap * (k - 1)
      row[i] = ok and '1' or '0'
      right = right + (ok and 1 or 0)
    end
    hits[k] = table.concat(row)
    if right > most then best, most = k, right end
  end
  return hits, best
end

test.case("racing finds the full evaluation's winner on a third of the work", function()
  local candidates, images = 24, 3000
  local names, found, work = {}, 0, 0
  for k = 1, candidates do names[k] = k end
  for seed = 1, 100 do
    local hits, best = made_up(seed, candidates, images, 0.004)
    local race = Race.new(names, {total = images})
    while not race:done() do
      local alive, count = race:ask()
      for _, k in ipairs(alive) do race:tell(k, hits[k]:sub(1, count)) end
      race:settle()
    end
    found = found + (race:winner() == best and 1 or 0)
    work = work + race.work / (candidates * images)
  end
  print(('racing: %d of 100 winners found on %.1f %% of the work'):format(found, work))
  test.check(found >= 95, ('found %d of 100'):format(found))
  test.check(work / 100 <= 1 / 3, ('work %.3f of the full evaluation'):format(work / 100))
end)

return test.finish()
