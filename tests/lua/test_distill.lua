-- Elastification and distillation: what is learnt, what never changes, stopping and going on.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local anet = require 'anet'
local core = require 'anet.core'
local ffi = require 'ffi'

local data = tiny.data(48)
local input = data:input()
local images = data:tensor(input)
local SETTINGS = {batch = 16, crop = 1, seed = 3}

local function elastic() return tiny.supernet(tiny.oracle(data, input), images) end

local function distiller(s) return anet.distill.new(s, data, input, tiny.schedule(), SETTINGS, tiny.pool) end

-- Steps to the end, or `most` steps.
local function advance(d, most)
  local stats = {}
  while most ~= 0 do
    local step = d:advance()
    if not step then return stats end
    stats[#stats + 1] = step
    most = most and most - 1
  end
  return stats
end

local function copies(net)
  local list = {}
  for i, p in ipairs(net:all_params()) do list[i] = p.tensor:clone() end
  return list
end

-- Names of the parameters of a net that are not, bit for bit, those of a list.
local function changed(net, before)
  local names = {}
  for i, p in ipairs(net:all_params()) do
    if not tiny.same_bits(p.tensor, before[i]) then names[#names + 1] = p.node .. '.' .. p.name end
  end
  return table.concat(names, ' ')
end

-- Options of two supernets whose weights differ.
local function differing(a, b)
  local list = {}
  for _, o in ipairs(a:space():options()) do
    if changed(a:piece(o.index), copies(b:piece(o.index))) ~= '' then list[#list + 1] = o.index end
  end
  return table.concat(list, ' ')
end

test.case('elastification gives the options that the blocks allow, and says what it refused', function()
  local s, refused = anet.distill.elastify(tiny.net(), tiny.schedule(), images, tiny.pool)
  local kinds = {}
  for _, o in ipairs(s:space():options()) do kinds[o.kind] = (kinds[o.kind] or 0) + 1 end
  test.equal(#s:blocks(), 4)
  test.equal(kinds.keep, 4)
  test.equal(kinds.skip, 3) -- not the block that halves the rows
  test.check(kinds.merge >= 3, ('%d merges'):format(kinds.merge))
  test.equal(kinds.shrink, 6) -- a quarter of 8 channels is too narrow
  test.equal(#refused, 2)
  for i, r in ipairs(refused) do test.same({r.position, r.kind, #r.reason > 0}, {i, 'shrink', true}) end
  local few = anet.distill.elastify(tiny.net(), tiny.schedule ',span=2,skip=false', images, tiny.pool)
  for _, o in ipairs(few:space():options()) do test.check(o.span <= 2 and o.kind ~= 'skip', o.kind) end
end)

test.case('the default schedule aims at many subnets, and never at the oracle', function()
  local s = elastic()
  local space, seen, count = s:space(), {}, 0
  local policy = assert(anet.policy.load('adaptive:solve_images=0,block_epochs=0,joint_epochs=1,focus=1,paths=1', {seed = 3}))
  policy:space(s:describe())
  for step = 1, 60 do
    local last = step > 1 and {losses = {0.5}} or nil
    local answer = assert(policy:next(step, {steps_per_epoch = 60, batch = 16, last = last}))
    local genome = answer.genomes[1]
    test.check(space:check(genome), genome)
    if not seen[genome] then seen[genome], count = true, count + 1 end
  end
  test.check(count >= 10, count .. ' different subnets')
  test.check(not seen[space:keep()], 'the oracle has nothing to learn')
end)

test.case('training changes the options, and never the oracle', function()
  local s = elastic()
  local oracle = s:oracle()
  local before, answers = copies(oracle), tiny.answers(oracle, images)
  local fresh = copies(s:piece(2))
  local stats = advance(distiller(s))
  test.equal(#stats, 1 + 3 + 6)
  test.equal(changed(oracle, before), '')
  test.check(tiny.same_bits(tiny.answers(oracle, images), answers), "the oracle's answers are the same")
  test.check(changed(s:piece(2), fresh) ~= '', 'the options have learnt')
  for i, step in ipairs(stats) do test.check(step.loss == step.loss and step.loss < 100, ('step %d: loss %g'):format(i, step.loss)) end
end)

test.case('the subnet that keeps every block is the oracle, bit for bit', function()
  local s = elastic()
  advance(distiller(s))
  local keep = s:space():keep()
  test.equal(keep, '0000')
  test.check(tiny.same_bits(tiny.answers(s:subnet(keep), images), tiny.answers(s:oracle(), images)))
end)

-- Mean squared error of each option's output to the oracle's, over the mean square of that.
local function errors(s)
  local taps = {anet.plan(s:taps(), {batch = images:dim(1), pool = tiny.pool}):run(images)}
  local list = {}
  for _, o in ipairs(s:space():options()) do
    local got = tiny.answers(s:piece(o.index), taps[1 + o.position]:clone())
    local want = taps[1 + o.position + o.span]
    local x, y, square, total = got:data(), want:data(), 0, 0
    for k = 0, got:count() - 1 do square, total = square + (x[k] - y[k]) ^ 2, total + y[k] ^ 2 end
    list[o.index] = square / total
  end
  return list
end

test.case('the least-squares start brings every option nearer to the oracle', function()
  local s = elastic()
  local before = errors(s)
  local d = distiller(s)
  test.equal(d:advance().stage, 'solve')
  local after = errors(s)
  for _, o in ipairs(s:space():options()) do
    local what = ('%s at %d: error %.4f before, %.4f after'):format(o.kind, o.position, before[o.index], after[o.index])
    if o.kind == 'keep' then
      test.equal(after[o.index], 0)
    elseif o.kind == 'skip' then
      test.equal(after[o.index], before[o.index])
    else
      test.check(after[o.index] < before[o.index], what)
      test.check(after[o.index] < 1, what)
    end
  end
end)

test.case('block by block, the options come nearer still', function()
  local s = elastic()
  local policy = tiny.schedule ',block_epochs=20,block_rate=0.003'
  local d = anet.distill.new(s, data, input, policy, {batch = 16, crop = 0, flip = false}, tiny.pool)
  d:advance()
  local first, last = d:advance().loss, nil
  for _ = 2, 60 do last = d:advance() end
  test.equal(last.stage, 'block')
  test.check(last.loss < first, ('loss %.4f at first, %.4f at last'):format(first, last.loss))
end)

test.case('stopped and resumed, it gives the same weights bit for bit', function()
  local whole = elastic()
  advance(distiller(whole))
  local path = os.tmpname()
  local d = distiller(elastic())
  for _, steps in ipairs{1, 2, 3, 2} do -- after the start, among the blocks, twice among whole subnets
    advance(d, steps)
    assert(d:save(anet.bundle.new()):save(path))
    local bundle = assert(anet.bundle.open(path))
    d = distiller(assert(bundle:supernet())):restore(bundle)
  end
  test.equal(d.step, 8)
  test.equal(#advance(d), 2)
  test.equal(differing(whole, d.supernet), '')
  os.remove(path)
end)

-- Step until the part `at` of the next step, which is stopped by the pool's flag; and that it says so.
local function stop_at(d, at)
  local flag = ffi.new 'volatile int32_t[1]'
  function d:each(list, part)
    return getmetatable(self).each(self, list, function(item, progress, i)
      if i >= at then flag[0] = 1 end
      return part(item, progress, i)
    end)
  end
  ffi.C.anet_pool_watch(tiny.pool, flag)
  local ok, err = pcall(d.advance, d)
  ffi.C.anet_pool_watch(tiny.pool, nil)
  d.each = nil
  test.check(not ok and core.is_stop(err), ('stopped at part %d: %s'):format(at, tostring(err)))
end

test.case('stopped within steps and resumed, it gives the same weights bit for bit', function()
  local whole = elastic()
  local want = advance(distiller(whole))
  local path, losses = os.tmpname(), {}
  local d = distiller(elastic())
  while true do
    -- each step stops twice, at its first part and at a later one; then goes on, in a new process or in this one
    stop_at(d, 1)
    stop_at(d, 2)
    assert(d:save(anet.bundle.new()):save(path))
    local bundle = assert(anet.bundle.open(path))
    if d.step % 3 ~= 2 then d = distiller(assert(bundle:supernet())):restore(bundle) end
    local stats = advance(d, 1)
    losses[#losses + 1] = stats[1].loss
    if d.step == #want then break end
  end
  test.equal(differing(whole, d.supernet), '')
  for i, step in ipairs(want) do test.equal(losses[i], step.loss) end
  os.remove(path)
end)

test.case('the weights do not depend on the number of threads', function()
  local supernets = {}
  for threads = 1, 3, 2 do
    local s = elastic()
    advance(anet.distill.new(s, data, input, tiny.schedule(), SETTINGS, anet.pool(threads)))
    supernets[#supernets + 1] = s
  end
  test.equal(differing(supernets[1], supernets[2]), '')
end)

test.case('a supernet that was saved and opened again gives the same answers', function()
  local s, path = elastic(), os.tmpname()
  advance(distiller(s))
  assert(anet.bundle():set_supernet(s):set_input(input):save(path))
  local back = assert(assert(anet.bundle.open(path)):supernet())
  test.equal(differing(s, back), '')
  test.equal(back:bytes(), s:bytes()) -- what was shared still is
  local space, random = s:space(), anet.rng(5)
  test.equal(back:space():size(), space:size())
  for _ = 1, 25 do
    local genome = space:sample(random)
    test.check(tiny.same_bits(tiny.answers(back:subnet(genome), images), tiny.answers(s:subnet(genome), images)), genome)
  end
  os.remove(path)
end)

test.case('the widths of a block share their weights, in memory and after a file', function()
  local s, path = elastic(), os.tmpname()
  assert(anet.bundle():set_supernet(s):set_input(input):save(path))
  local back = assert(assert(anet.bundle.open(path)):supernet())
  for _, net in ipairs{s, back} do
    local widths = {}
    for _, o in ipairs(net:space():options()) do
      if o.kind == 'shrink' and o.position == 3 then widths[o.width] = net:piece(o.index) end
    end
    local wide, narrow = widths[0.5]:all_params()[1].tensor, widths[0.25]:all_params()[1].tensor
    test.same({wide:dim(-1), narrow:dim(-1)}, {8, 4})
    wide:set(1, 1, 1, 2, 0.625)
    test.equal(narrow:get(1, 1, 1, 2), 0.625)
  end
  os.remove(path)
end)

return test.finish()
