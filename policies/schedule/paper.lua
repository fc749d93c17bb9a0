-- AdaptiveNet as published (MobiCom 2023, §3.2): merges only (shrinks for inverted residuals), one
-- random path a batch; first features are matched to the oracle's, then the task's loss alone. For
-- comparison with the default.

local Paper = {}
Paper.__index = Paper

function Paper:options(block)
  local list = {}
  for span = 2, math.min(3, block.most_span) do list[#list + 1] = {kind = 'merge', span = span} end
  if block.kind == 'inverted' and block.hidden > 0 then
    for _, width in ipairs(self.settings.widths) do list[#list + 1] = {kind = 'shrink', width = width} end
  end
  return list
end

function Paper:next(step, stats)
  local s = self.settings
  local first = math.floor(s.distill_epochs * stats.steps_per_epoch + 0.5)
  local second = math.floor(s.task_epochs * stats.steps_per_epoch + 0.5)
  if step > first + second then return nil end
  local genomes = {stats.space:sample(self.rng)}
  if step <= first then
    return {stage = 'joint', genomes = genomes, rate = s.rate, feature = 1, fixed_norms = false}
  end
  local at = (step - first) / math.max(1, second)
  return {stage = 'joint', genomes = genomes, rate = s.rate * 0.5 * (1 + math.cos(math.pi * at)), labels = 1,
          fixed_norms = false}
end

return {
  api = 1, kind = 'schedule', name = 'paper',
  defaults = {
    widths = {0.5, 0.25},
    distill_epochs = 2, task_epochs = 10,
    rate = 0.002,
  },
  new = function(options, rng)
    return setmetatable({settings = options, rng = rng}, Paper)
  end,
}
