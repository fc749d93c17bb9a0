-- From a search's picks to a ladder, in a world of figures: networks are names, and what the clock and the images say of them is in tables.
local test = dofile 'tests/support/test.lua'
local json = require 'anet.json'
local plan = require 'anet.plan'
local rungs = require 'anet.rungs'

local ui = dofile 'tests/support/voice.lua'()

-- ---- the world --------------------------------------------------------------------------------------------------

local World = {}
World.__index = World

local KEEP, ORACLE_MS, COUNT = '000', 10, 300

-- genomes: {[genome] = {predicted (ms), ratio (measured), score, better (score of the recalibrated; nil: it collapsed), error, disturbed}}.
local function new_world(genomes, budgets)
  genomes[KEEP] = genomes[KEEP] or {predicted = 10.5, ratio = 1, score = 0.9, better = 0.99}
  return setmetatable({genomes = genomes, explorer_budgets = budgets, oracle_ms = 20, log = {}}, World)
end

function World:note(...) self.log[#self.log + 1] = (...):format(select(2, ...)) end

function World:net(genome, calibrated)
  local world = self
  return {genome = genome, calibrated = calibrated, calibrate = function(_, sample, options)
    world:note('calibrate %s on %s, batch %d, pool %s', genome, sample, options.batch, options.pool)
    return world.genomes[genome].better and world:net(genome, true) or nil
  end}
end

-- What plan.new and plan.time are while a ladder is made.
function World:plan(net, options)
  self:note('plan %s%s', net.genome, options and (' batch %d, pool %s'):format(options.batch, options.pool) or '')
  local g = self.genomes[net.genome]
  return {genome = net.genome, accuracy = function(_, dataset, input)
    test.equal(input, 'the input')
    test.equal(dataset, self.dataset)
    return net.calibrated and g.better or g.score, 'hits'
  end}
end

function World:time(plans, options)
  local names, list = {}, {}
  for i, p in ipairs(plans) do
    local g = self.genomes[p.genome]
    names[i] = p.genome
    list[i] = {ms = g.ratio * self.oracle_ms, ratio = g.ratio, error = g.error or 0, disturbed = g.disturbed or 0}
  end
  self:note('time %s: rounds %d, error %g, pool %s', table.concat(names, ' '), options.rounds, options.error or 0, options.pool)
  return list
end

-- The ladder that is made. picks: one a budget; list: what the explorer has besides, the best first.
function World:make(picks, list, options)
  local s = {space = function() return {keep = function() return KEEP end} end, subnet = function(_, genome) return self:net(genome) end}
  local times = {info = function() return {oracle_ms = ORACLE_MS} end}
  local e = {budgets = self.explorer_budgets, ms = function(_, genome) return self.genomes[genome].predicted end}
  function e.candidates(_, ms, n)
    self:note('candidates %.6g, %d', ms, n)
    local found = {}
    for _, genome in ipairs(list or {}) do
      if self.genomes[genome].predicted <= ms then found[#found + 1] = genome end
    end
    return found
  end
  self.dataset = {count = function() return COUNT end, tensor = function(_, input, n) return ('%d of %s'):format(n, input) end}
  local new, time = plan.new, plan.time
  plan.new, plan.time = function(...) return self:plan(...) end, function(...) return self:time(...) end
  local ok, made = pcall(rungs.make, ui, s, times, e, picks, self.dataset, 'the input', options, 'workers')
  plan.new, plan.time = new, time
  assert(ok, made)
  return made
end

function World:logged(word)
  local found = {}
  for _, line in ipairs(self.log) do
    if line:find(word, 1, true) then found[#found + 1] = line end
  end
  return found
end

local function names(list)
  local words = {}
  for i, r in ipairs(list) do words[i] = r.genome end
  return words
end

local function budgets_of(made)
  local list = {}
  for i, b in ipairs(made.budgets) do list[i] = ('%s %s'):format(b.genome or '-', b.rung or '-') end
  return list
end

-- ---- choosing -----------------------------------------------------------------------------------------------------

test.case('picks that keep their budgets are the ladder, with what was measured', function()
  local w = new_world({a = {predicted = 7.8, ratio = 0.75, score = 0.8}, b = {predicted = 4.9, ratio = 0.5, score = 0.7, better = 0.6}}, {7.92, 4.95})
  local made = w:make({'a', 'b'}, {}, {budgets = {8, 5}, pool = 'one'})
  test.same(names(made.rungs), {'b', 'a', KEEP})
  test.same(budgets_of(made), {'a 2', 'b 1'})
  test.equal(made.oracle, made.rungs[3])
  local a = made.rungs[2]
  test.same({a.score, a.accuracy, a.calibrated, a.predicted_ms, a.measured_ms, a.ratio}, {0.8, 0.8, false, 7.8, 15, 0.75})
  test.same({made.oracle.measured_ms, made.oracle.ratio, made.oracle.predicted_ms}, {20, 1, 10.5})
  test.near(a.prediction_error, 7.8 / 15 - 1, 1e-12)
  test.near(made.prediction.median, 1 - 7.8 / 15, 1e-12) -- of 0.475, 0.48 and 0.51
  test.near(made.prediction.worst, 1 - 4.9 / 10, 1e-12)
  test.same({made.budgets[1].share, made.budgets[1].ms, made.budgets[2].share, made.budgets[2].ms}, {0.8, 16, 0.5, 10})
  test.same({made.budgets[1].settled, made.budgets[1].measured}, {true, 1})
  test.same(w:logged 'time', {'time 000 a b: rounds 24, error 0.005, pool one'})
  test.same(w:logged 'candidates', {})
  test.equal(made.doubt, nil)
  test.same(rungs.remarks(made), {})
  w = new_world({a = {predicted = 7.8, ratio = 0.75, score = 0.8}}, {7.92})
  w:make({'a'}, {}, {budgets = {8}, rounds = 7, pool = 'one'})
  test.same(w:logged 'time', {'time 000 a: rounds 7, error 0.005, pool one'})
end)

test.case('a pick over its budget leaves the ladder, and the best that keeps it takes its place', function()
  local w = new_world({
    a = {predicted = 7.8, ratio = 0.85, score = 0.85}, b = {predicted = 7.3, ratio = 0.79, score = 0.8}, c = {predicted = 7, ratio = 0.7, score = 0.75},
    d = {predicted = 7.7, ratio = 0.7, score = 0.84},
  }, {7.92})
  local made = w:make({'a'}, {'a', 'd', 'b', 'c'}, {budgets = {8}, pool = 'one'})
  test.same(names(made.rungs), {'b', KEEP})
  test.same(budgets_of(made), {'b 1'})
  test.equal(made.budgets[1].measured, 2)
  test.near(made.budgets[1].nearest, 0.85, 1e-12)
  -- Of what is predicted as a was, as much over as a: 7.8 * 0.8 / 0.85 * 1.005; d (7.7) is not looked at.
  test.same(w:logged 'candidates', {('candidates %.6g, 12'):format(7.8 * 0.8 / 0.85 * 1.005)})
  test.same(w:logged 'time', {'time 000 a: rounds 24, error 0.005, pool one', 'time 000 b: rounds 24, error 0.005, pool one'})
  test.same(w:logged 'plan a', {'plan a'}) -- timed, and not scored
  w = new_world({a = {predicted = 7.8, ratio = 0.8008, score = 0.85}, c = {predicted = 7, ratio = 0.7, score = 0.75}}, {7.5})
  w:make({'a'}, {'c'}, {budgets = {8}, pool = 'one'})
  test.same(w:logged 'candidates', {'candidates 7.5, 12'}) -- no more than was searched for
end)

test.case('where there is no pick the candidates are asked, a budget that nobody keeps stays empty', function()
  local w = new_world({a = {predicted = 4, ratio = 0.45, score = 0.5}, b = {predicted = 1.9, ratio = 0.25, score = 0.4}}, {4.5, 2})
  local made = w:make({nil, 'b'}, {'a'}, {budgets = {5, 2}, pool = 'one'})
  test.same(budgets_of(made), {'a 1', '- -'})
  test.same(names(made.rungs), {'a', KEEP})
  test.equal(w:logged('candidates')[1], 'candidates 4.5, 12')
  test.same(rungs.remarks(made), {'budget of 4.000 ms (20.0 % of the oracle): not met: of 1 subnets that were measured for it the nearest takes 25.0 %'})
  w = new_world({}, {2})
  test.same(rungs.remarks(w:make({}, {}, {budgets = {2}, pool = 'one'})),
            {'budget of 4.000 ms (20.0 % of the oracle): not met: no subnet that was evaluated is predicted to keep it'})
end)

test.case('a budget in ms is one of the oracle as it is measured, a share is not', function()
  local function with(fixed)
    local w = new_world({a = {predicted = 7.5, ratio = 0.75, score = 0.8}, b = {predicted = 3.5, ratio = 0.35, score = 0.5}}, {8})
    return w:make({'a'}, {'a', 'b'}, {budgets = {8}, fixed = fixed, pool = 'one'})
  end
  test.same(budgets_of(with(nil)), {'a 1'})
  test.same(budgets_of(with{}), {'a 1'})
  local made = with{true} -- 8 ms of the 20 that it takes
  test.same(budgets_of(made), {'b 1'})
  test.same({made.budgets[1].share, made.budgets[1].ms}, {0.4, 8})
end)

test.case('one rung for budgets that choose alike; what is dominated is none', function()
  local w = new_world({a = {predicted = 4, ratio = 0.4, score = 0.7}, b = {predicted = 6, ratio = 0.6, score = 0.7}, c = {predicted = 9, ratio = 0.9, score = 0.95}}, {10, 9.5, 8, 7, 5, 4.5})
  local made = w:make({KEEP, 'c', 'b', 'b', 'a', 'a'}, {}, {budgets = {10, 9.5, 8, 7, 5, 4.5}, pool = 'one'})
  test.same(names(made.rungs), {'a', 'c'})
  test.same(budgets_of(made), {KEEP .. ' -', 'c 2', 'b -', 'b -', 'a 1', 'a 1'})
  test.same({made.oracle.genome, made.oracle.score}, {KEEP, 0.9}) -- beside them
  test.near(made.prediction.median, (1 - 6 / 12 + 1 - 9 / 18) / 2, 1e-12) -- each once: 0.475, and 0.5 three times
  test.equal(#w:logged 'plan b', 2) -- to be timed and to be scored, for both of its budgets
  local said = rungs.remarks(made)
  test.equal(#said, 3)
  test.equal(said[1], 'budget of 20.000 ms (100.0 % of the oracle): 000 is no rung, for a faster one is as accurate')
  test.equal(said[2], 'budget of 16.000 ms (80.0 % of the oracle): b is no rung, for a faster one is as accurate')
  made = new_world({}, {10}):make({KEEP}, {}, {budgets = {10}, pool = 'one'})
  test.same(budgets_of(made), {KEEP .. ' 1'}) -- the oracle, where nothing dominates it
  test.equal(#made.rungs, 1)
end)

test.case('what measuring could not settle is said, and what the machine did to it', function()
  local w = new_world({a = {predicted = 7.8, ratio = 0.79, score = 0.8, error = 0.05, disturbed = 0.4}, b = {predicted = 5, ratio = 0.5, score = 0.7, error = 0.02}}, {8, 6})
  local made = w:make({'a', 'b'}, {}, {budgets = {8, 6}, pool = 'one'})
  test.same({made.budgets[1].settled, made.budgets[2].settled}, {false, true})
  -- 0.05 of the ratio to the oracle is 0.0395 of the oracle: three times, each twice as long, and b but once.
  test.same(w:logged 'time', {'time 000 a b: rounds 24, error 0.005, pool one', 'time 000 a: rounds 48, error 0.005, pool one', 'time 000 a: rounds 96, error 0.005, pool one'})
  test.equal(#w:logged 'plan a', 2) -- compiled once to be timed, and once to be scored
  local said = rungs.remarks(made)
  test.same(said, {'budget of 16.000 ms (80.0 % of the oracle): measuring did not settle whether rung 2 keeps it',
                   'could not measure within 3 %: the machine is busy (times vary by 5.0 %, 40 % of the runs were disturbed)'})
  test.equal(made.doubt, said[2])
  -- The error is relative, 0.05 * 0.5 = 0.025 of the oracle: within 0.53.
  w = new_world({a = {predicted = 5, ratio = 0.5, score = 0.8, error = 0.05}}, {5.3})
  test.equal(w:make({'a'}, {}, {budgets = {5.3}, pool = 'one'}).budgets[1].settled, true)
end)

-- ---- recalibration ----------------------------------------------------------------------------------------------------

test.case('norms are recalibrated where that is better, and nowhere else', function()
  local w = new_world({
    better = {predicted = 8, ratio = 0.8, score = 0.8, better = 0.81}, same = {predicted = 6, ratio = 0.6, score = 0.7, better = 0.7},
    worse = {predicted = 4, ratio = 0.4, score = 0.6, better = 0.5}, lost = {predicted = 2, ratio = 0.2, score = 0.5},
  }, {9, 7, 5, 3})
  local made = w:make({'better', 'same', 'worse', 'lost'}, {}, {budgets = {9, 7, 5, 3}, calibrate = 50, pool = 'one'})
  local got = {}
  for i, r in ipairs(made.rungs) do got[i] = ('%s %s %s %g'):format(r.genome, r.calibrated, r.net.calibrated or false, r.score) end
  test.same(got, {'lost false false 0.5', 'worse false false 0.6', 'same false false 0.7', 'better true true 0.81', KEEP .. ' false false 0.9'})
  test.same(w:logged 'calibrate', {
    'calibrate better on 50 of the input, batch 128, pool workers', 'calibrate same on 50 of the input, batch 128, pool workers',
    'calibrate worse on 50 of the input, batch 128, pool workers', 'calibrate lost on 50 of the input, batch 128, pool workers'}) -- and never the oracle
  test.same(w:logged 'plan better', {'plan better', 'plan better batch 100, pool workers', 'plan better batch 100, pool workers'})
  w = new_world({a = {predicted = 8, ratio = 0.8, score = 0.8, better = 0.81}}, {9})
  w:make({'a'}, {}, {budgets = {9}, pool = 'one'})
  test.same(w:logged 'calibrate', {'calibrate a on 300 of the input, batch 128, pool workers'}) -- all there are
  COUNT = 5000
  w:make({'a'}, {}, {budgets = {9}, pool = 'one'})
  COUNT = 300
  test.equal(w:logged('calibrate')[2], 'calibrate a on 1024 of the input, batch 128, pool workers')
end)

-- ---- what is said of it --------------------------------------------------------------------------------------------------

test.case('a description has the figures of all rungs, and no nets', function()
  local w = new_world({a = {predicted = 8, ratio = 0.8, score = 0.45, better = 0.6}}, {9})
  local made = w:make({'a'}, {}, {budgets = {9}, pool = 'one'})
  made.rungs[1].test_accuracy, made.threads = 0.55, 3
  local about = json.decode(json.encode(rungs.describe(made, {policy = 'front', seed = 4})))
  test.same({about.policy, about.seed, about.threads, #about.rungs, #about.budgets}, {'front', 4, 3, 2, 1})
  local r = about.rungs[1]
  test.same({r.genome, r.predicted_ms, r.measured_ms, r.ratio, r.score, r.test_accuracy, r.calibrated, r.net or 'none'}, {'a', 8, 16, 0.8, 0.6, 0.55, true, 'none'})
  test.near(r.retained, 0.6 / 0.9, 1e-12)
  test.near(r.prediction_error, -0.5, 1e-12)
  test.same({about.rungs[2].retained, about.rungs[2].calibrated, about.oracle.genome, about.oracle.score}, {1, false, KEEP, 0.9})
  test.same({about.budgets[1].genome, about.budgets[1].rung, about.budgets[1].ms, about.budgets[1].settled}, {'a', 1, 18, true})
  test.near(about.prediction.worst, 0.5, 1e-12)
  made.oracle.score = 0
  test.equal(rungs.describe(made).rungs[1].retained, nil)
  made.budgets = nil
  test.equal(json.encode(rungs.describe(made).budgets), '[]')
  test.equal(rungs.figures{genome = 'x'}.calibrated, false)
end)

-- ---- bundles --------------------------------------------------------------------------------------------------------------

test.case('norms of recalibrated rungs are stored by the number of the rung', function()
  local stored, value = {}, nil
  local bundle = {
    set_tensor = function(_, name, t) stored[#stored + 1] = name .. ' ' .. t end,
    set_value = function(_, key, v)
      value = v
      return key .. ' stored'
    end,
  }
  local nodes = {{op = 'conv', name = 'c'}, {op = 'norm', name = 'n'}}
  local net = {params = function(_, i) return {scale = 's' .. i, mean = 'm' .. i, var = 'v' .. i, weight = 'w' .. i} end,
               nodes = function() return ipairs(nodes) end}
  local function rung(genome, score, calibrated) return {genome = genome, score = score, net = net, calibrated = calibrated} end
  local made = {rungs = {rung('a', 0.1), rung('b', 0.2, true), rung(KEEP, 0.4, false)}, oracle = rung(KEEP, 0.4)}
  test.equal(rungs.save(bundle, made, {seed = 5}), 'ladder stored')
  test.same(stored, {'ladder/2/n.mean m2', 'ladder/2/n.var v2'})
  test.same({value.seed, value.rungs[2].genome, value.rungs[2].retained}, {5, 'b', 0.5})
end)

-- A bundle whose text 'ladder' is a table.
local function bundle_of(about, message)
  return {value = function(_, key)
    test.equal(key, 'ladder')
    return about, message
  end, rung = function(_, s, i)
    if s == 'damaged' then return nil, 'no rung ' .. i end
    return ('net %d of %s'):format(i, s)
  end}
end

test.case('a ladder is read in order, with shares of the oracle it names', function()
  local function about()
    return {rungs = {{genome = 'b', measured_ms = 8, predicted_ms = 9, score = 0.8, test_accuracy = 0.7}, {genome = 'a', measured_ms = 5, predicted_ms = 5, score = 0.6, accuracy = 0.5},
                     {genome = 'poor', measured_ms = 9, predicted_ms = 18, score = 0.3}},
            oracle = {genome = KEEP, measured_ms = 10, predicted_ms = 9, score = 0.9}, note = 'x'}
  end
  local l = assert(rungs.read(bundle_of(about())))
  test.same(names(l.rungs), {'a', 'b'})
  test.same({l.rungs[1].ratio, l.rungs[2].ratio, l.note}, {0.5, 0.8, 'x'})
  test.same({l.rungs[1].accuracy, l.rungs[1].test_accuracy, l.rungs[2].accuracy, l.rungs[2].test_accuracy, l.oracle.accuracy}, {0.6, 0.5, 0.8, 0.7, 0.9})
  test.near(l.prediction.worst, 0.125, 1e-12) -- of those that stay, and the oracle: 0, 0.125, 0.1
  test.near(l.prediction.median, 0.1, 1e-12)
  test.near(l.rungs[2].prediction_error, 0.125, 1e-12)
  local own = about()
  own.prediction = 'as it was'
  test.equal(rungs.read(bundle_of(own)).prediction, 'as it was')
  own = about()
  own.oracle = nil -- up to version 0.1 it was the first
  l = rungs.read(bundle_of(own))
  test.same({l.oracle.genome, l.rungs[1].ratio, l.rungs[2].ratio}, {'b', 0.625, 1})
  test.near(l.prediction.median, 0.0625, 1e-12) -- the oracle, once, and a
end)

test.case('a ladder that is none, or is damaged, is told apart', function()
  test.equal(select(3, rungs.read(bundle_of(nil))), 'absent')
  test.fails('odd', 'format', rungs.read(bundle_of(nil, 'odd')))
  test.fails('it has no rungs', 'format', rungs.read(bundle_of{rungs = {}}))
  local one = {rungs = {{genome = KEEP, measured_ms = 1, predicted_ms = 1, score = 1}}}
  test.check(rungs.read(bundle_of(one)), 'one rung is enough')
  test.equal(rungs.open(bundle_of(one), 's').rungs[1].net, 'net 1 of s')
  local l, message = rungs.open(bundle_of(one), 'damaged')
  test.same({l == nil, message}, {true, 'no rung 1'})
  l, message = rungs.open(bundle_of(nil, 'odd'), 's')
  test.same({l == nil, message}, {true, 'odd'})
end)

test.case('rungs for frames are compiled for their size, and timed beside each other', function()
  local w = new_world({a = {predicted = 4, ratio = 0.5, score = 0.7}}, {})
  local new, time = plan.new, plan.time
  plan.new = function(net, options)
    w:note('plan %s, batch %d, pool %s', net, options.batch, options.pool)
    return {genome = net == 'A' and 'a' or KEEP}
  end
  plan.time = function(plans, options)
    w:note('batch %d', options.batch)
    return w:time(plans, options)
  end
  local list = {{genome = 'a', net = 'A', predicted_ms = 4, accuracy = 0.7, measured_ms = 1}, {genome = KEEP, net = 'K', predicted_ms = 10, accuracy = 0.9, measured_ms = 2}}
  local ok, got = pcall(rungs.compile, list, 32, {}, 'workers')
  local _, more = pcall(rungs.compile, list, 8, {rounds = 5}, 'workers')
  plan.new, plan.time = new, time
  assert(ok, got)
  test.same(w.log, {'plan A, batch 32, pool workers', 'plan K, batch 32, pool workers', 'batch 32', 'time a 000: rounds 10, error 0, pool workers',
                    'plan A, batch 8, pool workers', 'plan K, batch 8, pool workers', 'batch 8', 'time a 000: rounds 5, error 0, pool workers'})
  for i, r in ipairs{{'a', 4, 10, 0.7}, {KEEP, 10, 20, 0.9}} do
    test.same({got[i].genome, got[i].predicted_ms, got[i].measured_ms, got[i].accuracy, got[i].plan.genome}, {r[1], r[2], r[3], r[4], r[1]})
  end
  test.equal(#more, 2)
  test.same({list[1].measured_ms, list[2].measured_ms}, {1, 2}) -- those of single images stay
end)

return test.finish()
