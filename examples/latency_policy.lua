-- Writing a latency policy: examples/my_latency.lua, first with made-up states, then in a session that serves
-- real images.
--
--   anet examples/latency_policy.lua
local anet = require 'anet'

local function load_policy(options)
  return assert(anet.policy.load('examples/my_latency.lua', {kind = 'latency', options = options}))
end

-- ---- 1. with made-up states --------------------------------------------------------------------------
-- A policy is a function of what it is told, so it can be tried without a device, a network or a clock.

local policy = load_policy{patience = 3}
local ladder = {
  {genome = '22', ms = 2, accuracy = 0.90},
  {genome = '02', ms = 4, accuracy = 0.93},
  {genome = '00', ms = 6, accuracy = 0.94},
}
assert(policy:ladder(ladder))

local rung = 3
local function frames(count, what, state)
  local visited = {}
  state.budget_ms = 7
  for i = 1, count do
    state.rung = rung
    rung = assert(policy:pick(state))
    visited[i] = rung
  end
  print(('%-28s rungs %s'):format(what, table.concat(visited, ' ')))
end
frames(3, 'all is calm', {slowdown = 1, battery = 1})
frames(3, 'others use the processor', {slowdown = 2.5, battery = 1})
assert(rung == 1)
frames(7, 'calm again', {slowdown = 1, battery = 1})
assert(rung == 3)
frames(3, 'the battery runs low', {slowdown = 1, battery = 0.1})
assert(rung == 1)

-- ---- 2. in a session -----------------------------------------------------------------------------------
-- Two rungs: the oracle, and a subnet that changes little of it but has 60 % of the work. A real ladder comes
-- from `anet search`.

local model = anet.bundle.open 'data/resnet20-supernet.anet'
local supernet, input
if model then
  supernet, input = assert(model:supernet()), model:input()
else
  model = assert(anet.bundle.open 'data/resnet20.anet')
  input = model:input()
  supernet = assert(anet.distill.elastify(model:net(), assert(anet.policy.load('adaptive', {kind = 'schedule'}))))
end
local space, macs, changes, budget = supernet:space(), {}, {}, 0
for i, o in ipairs(space:options()) do
  macs[i] = supernet:piece(i):cost().macs
  changes[i] = o.kind == 'keep' and 0 or 1
  if o.kind == 'keep' then budget = budget + 0.6 * macs[i] end
end
local genomes = {assert(space:best(macs, changes, budget))[1], space:keep()}

local pool = anet.pool(1)
local plans = {}
for i, genome in ipairs(genomes) do plans[i] = anet.plan(supernet:subnet(genome), {pool = pool}) end
local times = anet.plan.time(plans, {rounds = 10, pool = pool})
local data = assert(anet.data.open('fashion-mnist', {part = 'test'}))
local real = anet.session.ladder()
for i, plan in ipairs(plans) do
  local accuracy = plan:accuracy(data:slice(1, 100), input)
  real:add(plan, {genome = genomes[i], measured_ms = times[i].ms, accuracy = accuracy})
  print(('%s: %.3f ms, accuracy %.0f %%'):format(genomes[i], times[i].ms, 100 * accuracy))
end

local session = anet.session(real, {budget_ms = 1000 * times[2].ms, policy = load_policy(), pool = pool})
local images = data:slice(1, 1):tensor(input)
local function serve(count, budget_ms, what)
  session:budget(budget_ms)
  for _ = 1, count do
    local _, warning = session:run(images) -- the frame is served whatever the policy does
    assert(not warning, warning)
  end
  print(('%-28s %s'):format(what, tostring(session)))
end
-- The budget changes by far more than any other process could slow us down.
serve(20, 1000 * times[2].ms, 'plenty of time')
assert(session:state().rung == 2)
serve(5, 1e-3 * times[1].ms, 'hardly any')
assert(session:state().rung == 1)
serve(20, 1000 * times[2].ms, 'plenty again')
assert(session:state().rung == 2)
