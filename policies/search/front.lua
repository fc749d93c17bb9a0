-- The default search. The space is a path problem: with a damage and a latency for every option, one
-- label-setting pass gives the best genomes for every budget at once.
--
--   1 probe    each option alone in the oracle, on some images: its damage is the loss it adds
--   2 propose  for each budget the genomes of least predicted damage (exact, k best paths)
--   3 refit    what was seen corrects the damages (ridge regression on the candidates' losses), and
--              the corrected front may add candidates
--   4 race     the candidates of each budget on more and more images; of those that accuracy cannot tell
--              apart the one of least loss is picked: a mean divergence from the oracle varies far less than a
--              count of hits

local Front = {}
Front.__index = Front

-- ---- damages ------------------------------------------------------------------------------------

function Front:probes(space)
  local list = {space:keep()}
  self.probe_of = {}
  for _, option in ipairs(space.flat) do
    if option.kind ~= 'keep' then
      local genome = space:with(space:keep(), option)
      list[#list + 1] = genome
      self.probe_of[genome] = option.index
    end
  end
  return list
end

function Front:learn_damages(space)
  local base = self.loss[space:keep()]
  local damage = {}
  for i = 1, #space.flat do damage[i] = 0 end
  for genome, index in pairs(self.probe_of) do damage[index] = self.loss[genome] - base end
  self.base, self.damage, self.prior = base, damage, {}
  for i, d in ipairs(damage) do self.prior[i] = d end
end

-- Ridge regression towards the probes' damages, by coordinate descent: losses of genomes with many
-- options tell how damages add up.
function Front:refit(space)
  local rows = {}
  for genome, loss in pairs(self.loss) do
    rows[#rows + 1] = {genome = genome, chosen = space:chosen(genome), gain = loss - self.base}
  end
  table.sort(rows, function(a, b) return a.genome < b.genome end)
  local residual, users = {}, {}
  for r, row in ipairs(rows) do
    residual[r] = row.gain
    for _, option in ipairs(row.chosen) do
      residual[r] = residual[r] - self.damage[option.index]
      users[option.index] = users[option.index] or {}
      table.insert(users[option.index], r)
    end
  end
  for _ = 1, 20 do
    for index = 1, #self.damage do
      local list = users[index]
      if list and space.flat[index].kind ~= 'keep' then
        local sum = self.options.ridge * (self.prior[index] - self.damage[index])
        for _, r in ipairs(list) do sum = sum + residual[r] end
        local change = sum / (#list + self.options.ridge)
        self.damage[index] = self.damage[index] + change
        for _, r in ipairs(list) do residual[r] = residual[r] - change end
      end
    end
  end
end

-- ---- candidates ----------------------------------------------------------------------------------

-- New genomes for each budget; those of a smaller budget stand for larger ones too.
function Front:candidates(space)
  local fresh = {}
  for b, budget in ipairs(space.budgets) do
    self.group[b] = self.group[b] or {}
    for _, genome in ipairs(space:best(self.damage, budget, self.options.candidates)) do
      if not self.group[b][genome] then
        self.group[b][genome] = true
        table.insert(self.group[b], genome)
        if not self.loss[genome] and not fresh[genome] then
          fresh[genome] = true
          table.insert(fresh, genome)
        end
      end
    end
  end
  return fresh
end

function Front:begin_races(space)
  for b in ipairs(space.budgets) do
    local group = self.group[b]
    -- Only the likeliest run: by the loss seen on the probe images.
    table.sort(group, function(x, y)
      if self.loss[x] ~= self.loss[y] then return self.loss[x] < self.loss[y] end
      return x < y
    end)
    local names = {}
    for i = 1, math.min(#group, self.options.racers) do names[i] = group[i] end
    self.race[b] = race.new(names, {
      total = space.images, first = self.options.probe, deviations = self.options.deviations, ties = true,
    })
  end
end

-- What the races still alive want next, each genome once, with the most images anyone asked for.
function Front:race_round()
  local want, list = {}, {}
  for _, r in ipairs(self.race) do
    if not r:done() then
      local alive, count = r:ask()
      for _, genome in ipairs(alive) do
        if not want[genome] then list[#list + 1] = genome end
        want[genome] = math.max(want[genome] or 0, count)
      end
    end
  end
  for i, genome in ipairs(list) do list[i] = {genome = genome, count = want[genome]} end
  return list
end

-- ---- the policy's answers ---------------------------------------------------------------------------

local function counted(genomes, count)
  local list = {}
  for i, genome in ipairs(genomes) do list[i] = {genome = genome, count = count} end
  return list
end

function Front:propose(space)
  self.space = space
  local probe = math.min(self.options.probe, space.images)
  if self.phase == 'probe' then return counted(self:probes(space), probe) end
  if self.phase == 'propose' then return counted(self:candidates(space), probe) end
  if self.phase == 'race' then return self:race_round() end
  return {}
end

function Front:observe(results)
  for _, r in ipairs(results) do
    if self.phase ~= 'race' then self.loss[r.genome] = r.loss end
    self.raced[r.genome], self.hits[r.genome] = r.loss, r.hits
  end
  if self.phase == 'probe' then
    self:learn_damages(self.space)
    self.phase = 'propose'
  elseif self.phase == 'propose' then
    self:refit(self.space)
    self.round = self.round + 1
    if self.round >= self.options.rounds or #results == 0 then
      self:begin_races(self.space)
      self.phase = 'race'
    end
  else
    self:settle_races()
  end
  self:finish()
end

function Front:settle_races()
  for _, r in ipairs(self.race) do
    if not r:done() then
      local alive, count = r:ask()
      for _, genome in ipairs(alive) do r:tell(genome, self.hits[genome]:sub(1, count)) end
      r:settle()
    end
  end
end

function Front:finish()
  if self.phase ~= 'race' then return end
  for _, r in ipairs(self.race) do
    if not r:done() then return end
  end
  self.phase = 'done'
end

function Front:done()
  return self.phase == 'done'
end

-- One genome a budget, in their order; nil where the budget cannot be met.
function Front:picks()
  local list = {}
  for b, r in ipairs(self.race) do
    for _, genome in ipairs(r.alive) do
      if not list[b] or self.raced[genome] < self.raced[list[b]] then list[b] = genome end
    end
  end
  return list
end

return {
  api = 1, kind = 'search', name = 'front',
  defaults = {
    probe = 256,        -- images that damages are measured on, and that the races begin with
    candidates = 12,    -- genomes of least predicted damage a budget and round
    rounds = 3,         -- of proposing and refitting
    racers = 10,        -- genomes that race a budget
    deviations = 1.6,   -- of a paired difference in hits, beyond which a racer is dropped
    ridge = 2,          -- trust in the single-option probes, in observations
  },
  new = function(options)
    return setmetatable({options = options, phase = 'probe', round = 0, loss = {}, raced = {}, hits = {},
                         group = {}, race = {}}, Front)
  end,
}
