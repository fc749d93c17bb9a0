-- Ladders in bundles: genomes, figures, and the norm statistics that recalibration gave each rung.
local plan = require 'anet.plan'

local M = {}

-- The running statistics of a net: {{node, key, name = 'mean' | 'var', tensor}, …}.
local function statistics(n)
  local list = {}
  for i, node in n:nodes() do
    if node.op == 'norm' then
      local params = n:params(i)
      for _, name in ipairs{'mean', 'var'} do
        list[#list + 1] = {node = i, key = node.name .. '.' .. name, name = name, tensor = params[name]}
      end
    end
  end
  return list
end

-- Put rungs {genome, net, calibrated, predicted_ms, measured_ms, ratio, score} into a bundle.
function M.save(bundle, rungs, about)
  local list = {}
  for i, r in ipairs(rungs) do
    list[i] = {genome = r.genome, predicted_ms = r.predicted_ms, measured_ms = r.measured_ms, ratio = r.ratio,
               score = r.score, accuracy = r.accuracy, calibrated = r.calibrated or false}
    if r.calibrated then
      for _, s in ipairs(statistics(r.net)) do bundle:set_tensor(('ladder/%d/%s'):format(i, s.key), s.tensor) end
    end
  end
  about.rungs = list
  return bundle:set_value('ladder', about)
end

-- The rungs of a bundle, with nets; nil where it has none.
function M.open(bundle, supernet)
  local about = bundle:value 'ladder'
  if not about then return nil end
  for i, r in ipairs(about.rungs) do
    r.net = supernet:subnet(r.genome)
    if r.calibrated then
      for _, s in ipairs(statistics(r.net)) do
        local stored = bundle:tensor(('ladder/%d/%s'):format(i, s.key))
        if stored then r.net:set_param(s.node, s.name, stored) end
      end
    end
  end
  return about.rungs, about
end

-- Compile each for frames of `batch` images and measure them side by side.
function M.compile(rungs, batch, options, pool)
  local plans = {}
  for i, r in ipairs(rungs) do
    r.plan = plan.new(r.net, {batch = batch, pool = pool})
    plans[i] = r.plan
  end
  local medians = plan.time(plans, {rounds = options.rounds or 60, batch = batch, pool = pool})
  for i, r in ipairs(rungs) do r.measured_ms = medians[i] end
  return rungs
end

return M
