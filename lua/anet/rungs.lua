-- Ladders in bundles: genomes, figures, and the norm statistics that recalibration gave each rung.
local plan = require 'anet.plan'

local M = {}

-- Store the running statistics of a net, as core/io/bundle_ladder.c reads them.
local function save_statistics(bundle, number, n)
  for i, node in n:nodes() do
    if node.op == 'norm' then
      local params = n:params(i)
      for _, name in ipairs{'mean', 'var'} do
        bundle:set_tensor(('ladder/%d/%s.%s'):format(number, node.name, name), params[name])
      end
    end
  end
end

-- Put rungs {genome, net, calibrated, predicted_ms, measured_ms, ratio, score} into a bundle.
function M.save(bundle, rungs, about)
  local list = {}
  for i, r in ipairs(rungs) do
    list[i] = {genome = r.genome, predicted_ms = r.predicted_ms, measured_ms = r.measured_ms, ratio = r.ratio,
               score = r.score, accuracy = r.accuracy, calibrated = r.calibrated or false}
    if r.calibrated then save_statistics(bundle, i, r.net) end
  end
  about.rungs = list
  return bundle:set_value('ladder', about)
end

-- The rungs of a bundle, with nets; nil where it has none, and a message where they are damaged.
function M.open(bundle, supernet)
  local about = bundle:value 'ladder'
  if not about then return nil end
  for i, r in ipairs(about.rungs) do
    local n, message = bundle:rung(supernet, i)
    if not n then return nil, message end
    r.net = n
  end
  return about.rungs, about
end

-- The rungs compiled for frames of `batch` images and measured side by side; those given keep their own figures.
function M.compile(rungs, batch, options, pool)
  local plans, compiled = {}, {}
  for i, r in ipairs(rungs) do plans[i] = plan.new(r.net, {batch = batch, pool = pool}) end
  local medians = plan.time(plans, {rounds = options.rounds or 60, batch = batch, pool = pool})
  for i, r in ipairs(rungs) do
    compiled[i] = {plan = plans[i], measured_ms = medians[i]}
    for key, value in pairs(r) do compiled[i][key] = compiled[i][key] or value end
  end
  return compiled
end

return M
