-- From picks to the ladder of a bundle: measured, scored, in order; and back.
--
-- A ladder is {oracle = rung, rungs = {rung, …}, budgets = {…}, prediction = {median, worst}}, rungs fastest first and none of them
-- dominated, the oracle beside them (and among them where nothing dominates it). A rung is {genome, net, calibrated, predicted_ms,
-- measured_ms, ratio, score, …}. A budget is {share, ms, genome, rung (its number; nil: dominated), measured, settled}, without a
-- genome where none of its candidates keeps it.
local json = require 'anet.json'
local ladder = require 'anet.ladder'
local latency = require 'anet.latency'
local plan = require 'anet.plan'

local M = {}

local NEAR = 0.005 -- the relative error of ratios that is aimed at
local CANDIDATES = 12 -- that are looked at where one was over its budget

-- ---- making -----------------------------------------------------------------------------------------

-- A function that measures genomes beside the first of them, and what the clock said of each last: {[genome] = anet.Timing}. Norms take no
-- time, so that they are recalibrated afterwards.
local function timer(s, pool)
  local plans, timings = {}, {}
  return function(genomes, options)
    local list, figures = {}, {}
    for i, genome in ipairs(genomes) do
      plans[genome] = plans[genome] or plan.new(s:subnet(genome))
      list[i] = plans[genome]
    end
    for i, t in ipairs(plan.time(list, {rounds = options.rounds, error = NEAR, pool = pool})) do
      timings[genomes[i]] = t
      figures[i] = {ms = t.ms, ratio = t.ratio, error = t.error * t.ratio}
    end
    return figures
  end, timings
end

-- The candidates of a budget: its pick, and where that does not do, the best of what the explorer has seen within budget and limit.
local function candidates_of(ui, e, picks, oracle_ms)
  return function(b, limit)
    local genomes = limit == math.huge and picks[b] and {picks[b]} or
                      ui:try(e:candidates(math.min(e.budgets[b], limit * oracle_ms), CANDIDATES))
    local list = {}
    for i, genome in ipairs(genomes) do list[i] = {genome = genome, predicted = e:ms(genome) / oracle_ms} end
    return list
  end
end

-- A subnet ready to run: norms recalibrated on unlabelled images where that helps on `dataset`.
local function ready(s, genome, dataset, input, sample, pool)
  local net = s:subnet(genome)
  local own = plan.new(net, {batch = 100, pool = pool})
  local score = own:accuracy(dataset, input)
  if genome == s:space():keep() then return net, score end
  local calibrated = net:calibrate(sample, {batch = 128, pool = pool})
  if not calibrated then return net, score end
  local better = plan.new(calibrated, {batch = 100, pool = pool}):accuracy(dataset, input)
  if better > score then return calibrated, better, true end
  return net, score
end

-- How far off predictions were, {median, worst}, and of each rung its prediction_error.
local function prediction_of(list)
  for _, r in ipairs(list) do r.prediction_error = r.predicted_ms / r.measured_ms - 1 end
  local median, worst = latency.errors(list)
  return {median = median, worst = worst}
end

-- Choices of ladder.choose and their rungs, {[genome] = rung}, as a ladder. oracle: its rung.
local function assemble(choices, made, oracle)
  local all, listed, number = {oracle}, {[oracle] = true}, {}
  for _, choice in ipairs(choices) do
    local rung = made[choice.genome]
    if rung and not listed[rung] then all[#all + 1], listed[rung] = rung, true end
  end
  local list, prediction = ladder.arrange(all), prediction_of(all)
  for i, rung in ipairs(list) do number[rung] = i end
  for _, choice in ipairs(choices) do
    choice.ms, choice.rung = choice.share * oracle.measured_ms, number[made[choice.genome]]
  end
  return {oracle = oracle, rungs = list, budgets = choices, prediction = prediction}
end

-- What to say where the machine was too busy to measure what was chosen.
local function doubt_of(timings, made)
  local list = {}
  for genome in pairs(made) do list[#list + 1] = timings[genome] end
  return plan.doubts(list)
end

-- The ladder of what a search picked, one genome a budget. dataset: labelled images that rungs are scored on; options: budgets (ms),
-- fixed ({[b] = true}: not a share of the oracle's time), rounds, calibrate (images), pool (of timing).
function M.make(ui, s, times, e, picks, dataset, input, options, pool)
  local keep, oracle_ms = s:space():keep(), times:info().oracle_ms
  local shares, fixed = {}, {}
  for b, ms in ipairs(options.budgets) do shares[b], fixed[b] = ms / oracle_ms, options.fixed and options.fixed[b] and ms end
  local measure, timings = timer(s, options.pool)
  local choices, known = ladder.choose(shares, candidates_of(ui, e, picks, oracle_ms), keep, measure,
                                       {rounds = options.rounds or 24, fixed = fixed})
  local sample = dataset:tensor(input, math.min(dataset:count(), options.calibrate or 1024))
  local made = {}
  local function rung_of(genome)
    local net, score, calibrated = ready(s, genome, dataset, input, sample, pool)
    local ratio = known[genome].ratio
    return {genome = genome, net = net, score = score, accuracy = score, calibrated = calibrated or false,
            predicted_ms = e:ms(genome), measured_ms = ratio * known[keep].ms, ratio = ratio}
  end
  made[keep] = rung_of(keep)
  for _, choice in ipairs(choices) do
    local genome = choice.genome
    if genome and not made[genome] then made[genome] = rung_of(genome) end
  end
  local ladder_made = assemble(choices, made, made[keep])
  ladder_made.doubt = doubt_of(timings, made)
  return ladder_made
end

-- What is to be said of a ladder's budgets, in lines.
function M.remarks(made)
  local lines = {}
  local function say(budget, format, ...)
    lines[#lines + 1] = ('budget of %.3f ms (%.1f %% of the oracle): '):format(budget.ms, 100 * budget.share) .. format:format(...)
  end
  for _, b in ipairs(made.budgets) do
    if not b.genome then
      say(b, 'not met: %s', b.nearest and ('of %d subnets that were measured for it the nearest takes %.1f %%'):format(
        b.measured, 100 * b.nearest) or 'no subnet that was evaluated is predicted to keep it')
    elseif not b.rung then
      say(b, '%s is no rung, for a faster one is as accurate', b.genome)
    elseif not b.settled then
      say(b, 'measuring did not settle whether rung %d keeps it', b.rung)
    end
  end
  lines[#lines + 1] = made.doubt
  return lines
end

-- ---- bundles ---------------------------------------------------------------------------------------------

-- Store the running statistics of a net, as core/bundle/bundle_ladder.c reads them.
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

-- The figures of a rung.
function M.figures(rung)
  return {genome = rung.genome, predicted_ms = rung.predicted_ms, measured_ms = rung.measured_ms, ratio = rung.ratio, score = rung.score,
          test_accuracy = rung.test_accuracy, calibrated = rung.calibrated or false, prediction_error = rung.prediction_error}
end

-- The figures of a ladder, without nets; about: what else is to be known of it, {policy, data, threads, cloud, …}.
function M.describe(made, about)
  local list, budgets = {}, {}
  for i, rung in ipairs(made.rungs) do
    list[i] = M.figures(rung)
    list[i].retained = made.oracle.score > 0 and rung.score / made.oracle.score or nil
  end
  for b, budget in ipairs(made.budgets or {}) do budgets[b] = budget end
  local all = {threads = made.threads}
  for key, value in pairs(about or {}) do all[key] = value end
  all.oracle, all.rungs, all.budgets = M.figures(made.oracle), json.array(list), json.array(budgets)
  all.prediction, all.doubt = made.prediction, made.doubt
  return all
end

-- Put a ladder into a bundle.
function M.save(bundle, made, about)
  for i, rung in ipairs(made.rungs) do
    if rung.calibrated then save_statistics(bundle, i, rung.net) end
  end
  return bundle:set_value('ladder', M.describe(made, about))
end

-- The ladder of a bundle as it was described, in order; nil where it has none, and a message where it is damaged.
-- Up to version 0.1 a ladder had its rungs in the order of budgets, the oracle first and not beside them.
function M.read(bundle)
  local about, message = bundle:value 'ladder'
  if not about then return nil, message, message and 'format' or 'absent' end
  if #about.rungs == 0 then return nil, "the text 'ladder': it has no rungs", 'format' end
  about.oracle = about.oracle or about.rungs[1]
  for _, r in ipairs(about.rungs) do
    r.ratio = r.measured_ms / about.oracle.measured_ms
    r.test_accuracy, r.accuracy = r.test_accuracy or r.accuracy, r.score
  end
  about.oracle.accuracy = about.oracle.score
  about.rungs = ladder.arrange(about.rungs)
  if not about.prediction then
    local all = {about.oracle}
    for _, r in ipairs(about.rungs) do all[#all + 1] = r.genome ~= about.oracle.genome and r or nil end
    about.prediction = prediction_of(all)
  end
  return about
end

-- The ladder of a bundle, its rungs with their nets.
function M.open(bundle, supernet)
  local about, message = M.read(bundle)
  if not about then return nil, message end
  for i, r in ipairs(about.rungs) do
    r.net, message = bundle:rung(supernet, i)
    if not r.net then return nil, message end
  end
  return about
end

-- ---- frames ------------------------------------------------------------------------------------------------

-- Rungs compiled for frames of `batch` images and measured side by side: {genome, predicted_ms, measured_ms (of a frame), accuracy, plan}.
function M.compile(rungs, batch, options, pool)
  local plans, list = {}, {}
  for i, r in ipairs(rungs) do plans[i] = plan.new(r.net, {batch = batch, pool = pool}) end
  for i, t in ipairs(plan.time(plans, {rounds = options.rounds or 10, batch = batch, pool = pool})) do
    local r = rungs[i]
    list[i] = {genome = r.genome, predicted_ms = r.predicted_ms, measured_ms = t.ms, accuracy = r.accuracy, plan = plans[i]}
  end
  return list
end

return M
