-- What the schedules ask for, step by step: nothing is trained, losses are made up.
local anet = require 'anet'
local test = dofile 'tests/support/test.lua'
local worlds = dofile 'tests/support/worlds.lua'

-- ---- a toy oracle ----------------------------------------------------------------------------------------

-- A space of six blocks of equal work; what each option costs of it, as Supernet:describe tells.
local function toy(seed)
  local w = worlds.new{seed = seed or 1, trunks = {3, 3}}
  local about = w.space:describe()
  for _, o in ipairs(about.options) do
    o.macs = ({keep = 100, merge = 80, shrink = 50, skip = 0})[o.kind]
  end
  w.macs = {}
  for i, o in ipairs(about.options) do w.macs[i] = o.macs end
  return w, about
end

local function load(spec, about, seed)
  local policy = assert(anet.policy.load(spec, {kind = 'schedule', seed = seed or 1}))
  assert(policy:space(about))
  return policy
end

local JOINT = 'adaptive:solve_images=0,block_epochs=0'

-- Joint steps with losses by `harm` (a function of a genome): the genomes of each step.
local function teach(policy, w, steps, harm)
  local log, last = {}, nil
  for step = 1, steps do
    local answer = policy:next(step, {steps_per_epoch = steps, batch = 8, last = last})
    if not answer then break end
    local losses = {}
    for i, genome in ipairs(answer.genomes) do
      assert(w.space:check(genome))
      losses[i] = harm(genome)
    end
    log[step], last = answer.genomes, {losses = losses}
  end
  return log
end

local function work(w, genome)
  local sum = 0
  for _, o in ipairs(w.space:chosen(genome)) do sum = sum + w.macs[o.index] end
  return sum
end

-- How often each kind of option was drawn, by position, in the steps from `first` on.
local function drawn(w, log, first)
  local times, all = {}, 0
  for step = first, #log do
    for _, genome in ipairs(log[step]) do
      all = all + 1
      for _, o in ipairs(w.space:chosen(genome)) do times[o.index] = (times[o.index] or 0) + 1 end
    end
  end
  for _, o in ipairs(w.options) do times[o.index] = (times[o.index] or 0) / all end
  return times
end

-- ---- beliefs ---------------------------------------------------------------------------------------------

test.case('what does damage is drawn less, what does none more', function()
  local w, about = toy()
  -- Of the widths, those of odd positions ruin the net; those of even ones do nothing, though they save as much.
  local function harm(genome)
    local sum = 0
    for _, o in ipairs(w.space:chosen(genome)) do
      if o.kind == 'shrink' and o.position % 2 == 1 then sum = sum + 0.8 end
      if o.kind == 'skip' or o.kind == 'merge' then sum = sum + 0.6 * o.span end
    end
    return math.exp(sum) - 1 -- beliefs are of log(1 + loss)
  end
  local function odd_and_even(log, first)
    local times, odd, even = drawn(w, log, first), 0, 0
    for _, o in ipairs(w.options) do
      if o.kind == 'shrink' then
        if o.position % 2 == 1 then odd = odd + times[o.index] else even = even + times[o.index] end
      end
    end
    return odd, even
  end
  local log = teach(load(JOINT .. ',joint_epochs=1,focus=1,least_macs=0.6', about), w, 600, harm)
  test.equal(#log, 600)
  local odd, even = odd_and_even(log, 400)
  test.check(even > 3 * odd, ('harmless widths drawn %.2f times a subnet, harmful ones %.2f'):format(even, odd))
  -- Without belief nothing is learnt.
  log = teach(load(JOINT .. ',joint_epochs=1,focus=1,least_macs=0.6,belief=0', about), w, 600, harm)
  odd, even = odd_and_even(log, 400)
  test.check(even < 2 * odd and odd < 2 * even, ('no belief: %.2f and %.2f'):format(even, odd))
  -- Those of a tournament are believed to be the best of it: the late ones harm less than the early ones.
  local function mean(list, first, final)
    local sum, count = 0, 0
    for step = first, final do
      for _, genome in ipairs(list[step]) do sum, count = sum + math.log(1 + harm(genome)), count + 1 end
    end
    return sum / count
  end
  local one = teach(load(JOINT .. ',joint_epochs=1,focus=0,tournament=1', about), w, 600, harm)
  local three = teach(load(JOINT .. ',joint_epochs=1,focus=0,tournament=3', about), w, 600, harm)
  test.check(mean(three, 400, 600) < 0.85 * mean(one, 400, 600),
             ('harm %.2f of the best of three, %.2f of one'):format(mean(three, 400, 600), mean(one, 400, 600)))
end)

test.case('beliefs become the true damages', function()
  -- One position, two options: subnets of the one cost as much as they save, the others cost nothing. With a loss that grows
  -- where beliefs are too small, beliefs of either meet the truth, and the choice between the two is what a search would take.
  local w, about = toy(3)
  local truth = {}
  for i, o in ipairs(w.options) do truth[i] = o.kind == 'keep' and 0 or 0.05 + 0.1 * ((i * 7) % 10) end
  local function harm(genome)
    local sum = 0
    for _, o in ipairs(w.space:chosen(genome)) do sum = sum + truth[o.index] end
    return math.exp(sum) - 1
  end
  local log = teach(load(JOINT .. ',joint_epochs=1,focus=1,belief=0.3,least_macs=0.3', about), w, 3000, harm)
  -- Near the front: what is drawn costs little more than the least that its work allows.
  local function gap(first, final)
    local sum, count = 0, 0
    for step = first, final, 7 do
      for _, genome in ipairs(log[step]) do
        local best = math.huge
        for _, other in ipairs(w.genomes) do
          if work(w, other) <= work(w, genome) then best = math.min(best, math.log(1 + harm(other))) end
        end
        sum, count = sum + math.log(1 + harm(genome)) - best, count + 1
      end
    end
    return sum / count
  end
  local early, late = gap(1, 100), gap(2500, 3000)
  test.check(late < 0.5 * early, ('%.3f above the least late, %.3f early'):format(late, early))
end)

test.case('focus, least_macs and paths', function()
  local w, about = toy()
  local function none() return 0 end
  local function least(spec)
    local smallest = math.huge
    for _, genomes in ipairs(teach(load(JOINT .. ',joint_epochs=1,' .. spec, about), w, 300, none)) do
      for _, genome in ipairs(genomes) do smallest = math.min(smallest, work(w, genome)) end
    end
    return smallest / 600
  end
  -- A budget of least_macs to all of it is met by taking what is believed best within, which is mostly near it.
  test.check(least 'focus=1,least_macs=0.2' < 0.4, 'aims low')
  test.check(least 'focus=1,least_macs=0.9' > 0.5, 'aims high')
  for _, n in ipairs{1, 5} do
    local answer = load(JOINT .. ',paths=' .. n, about):next(1, {steps_per_epoch = 10, batch = 8})
    test.equal(#answer.genomes, n)
  end
  -- At random, everything comes; the oracle never, for it has nothing to learn.
  for _, focus in ipairs{0, 1} do
    local seen, count = {}, 0
    for _, genomes in ipairs(teach(load(JOINT .. ',joint_epochs=1,focus=' .. focus, about), w, 2000, none)) do
      for _, genome in ipairs(genomes) do
        if not seen[genome] then seen[genome], count = true, count + 1 end
      end
    end
    test.check(not seen[w.space:keep()], 'the oracle')
    test.check(count > (focus == 0 and 0.5 or 0.05) * #w.genomes, ('focus %d: %d of %d genomes'):format(focus, count, #w.genomes))
  end
end)

-- ---- the course ------------------------------------------------------------------------------------------

local function all_answers(spec, about, epoch)
  local policy, list, last = load(spec, about), {}, nil
  for step = 1, 10000 do
    local answer, message = policy:next(step, {steps_per_epoch = epoch, batch = 8, last = last})
    assert(message == nil, message)
    if not answer then return list end
    list[step], last = answer, {loss = 0.1, losses = answer.genomes and {0.1, 0.1} or nil}
  end
end

test.case('a start, some epochs block by block, some of whole subnets, and an end', function()
  local _, about = toy()
  local list = all_answers('adaptive:solve_images=64,ridge=0.25,block_epochs=0.5,joint_epochs=1.5', about, 100)
  test.equal(#list, 1 + 50 + 150)
  test.equal(list[1].stage, 'solve')
  test.equal(list[1].images, 64)
  test.equal(list[1].ridge, 0.25)
  for step = 2, 51 do test.equal(list[step].stage, 'block') end
  for step = 52, 201 do
    test.equal(list[step].stage, 'joint')
    test.equal(list[step].teacher, 1)
    test.equal(list[step].labels, 0.3)
    test.equal(list[step].temperature, 2)
    test.equal(#list[step].genomes, 2)
  end
  list = all_answers('adaptive:solve_images=0,block_epochs=0.25,joint_epochs=0.03,teacher=0.5,labels=0.7,temperature=4', about, 100)
  test.equal(#list, 25 + 3)
  test.equal(list[1].stage, 'block')
  test.equal(list[28].teacher, 0.5)
  test.equal(list[28].labels, 0.7)
  test.equal(list[28].temperature, 4)
  test.equal(#all_answers('adaptive:solve_images=1,block_epochs=0,joint_epochs=0', about, 100), 1)
end)

-- A short rise, then half a cosine down to nothing.
local function check_curve(list, first, count, top)
  local warm, peak = count * 0.03, 0
  for k = 1, count do
    local rate = list[first + k - 1].rate
    local want = k <= warm and top * k / warm or top * 0.5 * (1 + math.cos(math.pi * (k - warm) / (count - warm)))
    test.near(rate, want, 1e-12)
    peak = math.max(peak, rate)
  end
  test.near(peak, top, 0.01 * top)
  test.near(list[first + count - 1].rate, 0, 1e-12)
end

test.case('the rate rises and falls', function()
  local _, about = toy()
  local list = all_answers('adaptive:solve_images=0,block_epochs=2,joint_epochs=4,block_rate=0.01,joint_rate=0.5', about, 100)
  check_curve(list, 1, 200, 0.01)
  check_curve(list, 201, 400, 0.5)
end)

-- ---- options of blocks -----------------------------------------------------------------------------------

local function said(policy, block)
  local words = {}
  for _, o in ipairs(assert(policy:options(block))) do words[#words + 1] = o.kind .. (o.span or o.width or '') end
  return table.concat(words, ' ')
end

test.case('which options a block gets', function()
  local _, about = toy()
  local block = {index = 1, kind = 'residual', most_span = 4, hidden = 16, can_skip = true}
  local narrow = {index = 2, kind = 'residual', most_span = 1, hidden = 0, can_skip = false}
  test.equal(said(load('adaptive', about), block), 'merge2 merge3 shrink0.5 shrink0.25 skip')
  test.equal(said(load('adaptive', about), narrow), '')
  test.equal(said(load('adaptive:span=2,skip=false', about), block), 'merge2 shrink0.5 shrink0.25')
  test.equal(said(load('adaptive:span=4', about), block), 'merge2 merge3 merge4 shrink0.5 shrink0.25 skip')
  block.most_span = 2
  test.equal(said(load('adaptive', about), block), 'merge2 shrink0.5 shrink0.25 skip')
  block.can_skip, block.hidden = false, 1
  test.equal(said(load('adaptive', about), block), 'merge2 shrink0.5 shrink0.25')
  local widths = assert(anet.policy.load('adaptive', {kind = 'schedule', options = {widths = {0.75}}}))
  test.equal(said(widths, block), 'merge2 shrink0.75')
  -- The paper merges; it shrinks inverted residuals alone.
  block.most_span = 5
  test.equal(said(load('paper', about), block), 'merge2 merge3')
  block.kind = 'inverted'
  test.equal(said(load('paper', about), block), 'merge2 merge3 shrink0.5 shrink0.25')
  block.hidden, block.most_span = 0, 1
  test.equal(said(load('paper', about), block), '')
end)

-- ---- the paper's -----------------------------------------------------------------------------------------

test.case("the paper's: features first, then labels alone, one random path a batch", function()
  local w, about = toy()
  local list, seen, count = all_answers('paper:distill_epochs=0.5,task_epochs=2,rate=0.25', about, 100), {}, 0
  test.equal(#list, 50 + 200)
  for step, answer in ipairs(list) do
    test.equal(answer.stage, 'joint')
    test.equal(answer.fixed_norms, false)
    test.equal(#answer.genomes, 1)
    local genome = answer.genomes[1]
    test.check(w.space:check(genome), genome)
    if not seen[genome] then seen[genome], count = true, count + 1 end
    if step <= 50 then
      test.equal(answer.feature, 1)
      test.equal(answer.labels, nil)
      test.equal(answer.rate, 0.25)
    else
      test.equal(answer.feature, nil)
      test.equal(answer.labels, 1)
      test.near(answer.rate, 0.125 * (1 + math.cos(math.pi * (step - 50) / 200)), 1e-12)
    end
    test.equal(answer.teacher, nil)
  end
  test.check(count > 150, count .. ' different paths')
end)

test.case('what they do when nothing is said', function()
  local defaults = {
    adaptive = {span = 3, skip = true, solve_images = 512, ridge = 1e-3, block_epochs = 0.5, block_rate = 0.001, joint_epochs = 6,
                joint_rate = 0.001, paths = 2, focus = 0.7, tournament = 3, least_macs = 0.2, belief = 0.1, teacher = 1,
                labels = 0.3, temperature = 2},
    paper = {distill_epochs = 2, task_epochs = 10, rate = 0.002},
  }
  for name, want in pairs(defaults) do
    local policy = assert(anet.policy.load(name, {kind = 'schedule'}))
    test.equal(policy.name, name)
    test.equal(policy.kind, 'schedule')
    test.same(policy.defaults.widths, {0.5, 0.25})
    for key, value in pairs(want) do test.equal(policy.defaults[key], value) end
    for key in pairs(policy.defaults) do test.check(want[key] ~= nil or key == 'widths', name .. ' has an option ' .. key) end
  end
end)

return test.finish()
