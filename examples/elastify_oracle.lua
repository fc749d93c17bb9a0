-- Elastification: a pretrained network (the oracle) becomes a supernet, which holds many subnets.
--
--   anet examples/elastify_oracle.lua
--
-- oracle -> blocks -> options -> genome -> subnet -> plan -> answers
local anet = require 'anet'

local bundle = assert(anet.bundle.open 'data/resnet20.anet')
local oracle, input = assert(bundle:net()), bundle:input()
print('oracle: ' .. tostring(oracle))

-- Blocks are the pieces that could be replaced: one way in, one way out. They are found by structure.
local blocks, frozen = anet.supernet.blocks(oracle)
for _, b in ipairs(blocks) do
  print(('  block %d: %s %-9s %s -> %s, %d hidden channels'):format(b.index, b.kind, b.name,
    table.concat(b.in_shape, 'x'), table.concat(b.out_shape, 'x'), b.hidden))
end
for _, f in ipairs(frozen) do
  print(('  nodes %d to %d stay as they are: %s'):format(f.first, f.last, f.reason))
end

-- A schedule policy says which options stand beside each block: here merges of 2 blocks, half the width, and skips.
-- The oracle itself is frozen from now on.
local schedule = assert(anet.policy.load('adaptive', {kind = 'schedule', options = {span = 2, widths = {0.5}}}))
local supernet = assert(anet.distill.elastify(oracle, schedule))
print(supernet)

-- Fresh options start from the oracle's weights and still have to learn from it (`anet distill`). A supernet that
-- has learnt already comes with anet; without it the accuracies below are poor.
local learnt = anet.bundle.open 'data/resnet20-supernet.anet'
if learnt then
  supernet, input = assert(learnt:supernet()), learnt:input()
  print('distilled: ' .. tostring(supernet))
end

-- A genome has one character a block: 0 keeps it, 1 … z are its options, - is covered by a merge before it.
local space = supernet:space()
local keep = space:keep()
local random = anet.rng(4)
local genomes = {keep, space:sample(random), space:sample(random)}
for _, genome in ipairs(genomes) do
  local words = {}
  for _, o in ipairs(space:chosen(genome)) do
    words[#words + 1] = o.kind == 'merge' and 'merge ' .. o.span or
                        o.kind == 'shrink' and ('%g %%'):format(100 * o.width) or o.kind
  end
  print(genome, table.concat(words, ', '))
end
local legal, why = space:check('-' .. keep:sub(2))
print('an illegal genome: ' .. tostring(why))
assert(not legal)

-- A subnet is an ordinary network that shares the supernet's weights, and a plan is that network compiled.
local data = assert(anet.data.open('fashion-mnist', {part = 'test'})):slice(1, 100)
local pool, plans = anet.pool(1), {} -- one thread: its times are the steadiest
for i, genome in ipairs(genomes) do plans[i] = anet.plan(supernet:subnet(genome)) end
local times = anet.plan.time(plans, {rounds = 10, pool = pool}) -- beside the first, so that a busy moment slows both
for i, genome in ipairs(genomes) do
  local accuracy = anet.plan(supernet:subnet(genome), {batch = 50}):accuracy(data, input)
  print(('%s: %.3f ms an image, accuracy %.0f %%'):format(genome, times[i].ms, 100 * accuracy))
end

-- The genome that keeps everything is the oracle, to the last bit.
local images = data:tensor(input, 4)
local a = anet.plan(supernet:subnet(keep), {batch = 4}):run(images):list()
local b = anet.plan(supernet:oracle(), {batch = 4}):run(images):list()
for i = 1, #a do assert(a[i] == b[i]) end
