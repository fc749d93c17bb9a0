-- The stretches of the road one by one: what they take, what they say, when they end a verb.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local voice = dofile 'tests/support/voice.lua'
local anet = require 'anet'
local explore = require 'anet.explore'
local latency = require 'anet.latency'
local rungs = require 'anet.rungs'
local road = require 'anet.road'

local path = command.path
local data = tiny.data(60)
local input = data:input()
local oracle = tiny.net()
local s = tiny.supernet(oracle, data:tensor(input, 32))
local ui = voice()

-- Call f while fields of a module are others.
local function with(module, fields, f, ...)
  local before = {}
  for key, value in pairs(fields) do before[key], module[key] = module[key], value end
  local got = {pcall(f, ...)}
  for key in pairs(fields) do module[key] = before[key] end
  if not got[1] then error(got[2], 0) end
  return unpack(got, 2, table.maxn(got))
end

-- ---- opening things -----------------------------------------------------------------------------------------------

test.case('a part that is absent is nil, a damaged one ends the verb', function()
  test.equal(road.part(ui, 'x.anet', 'there'), 'there')
  test.equal(road.part(ui, 'x.anet', nil, 'no such text', 'absent'), nil)
  test.equal(tostring(test.raises('x.anet: odd', road.part, ui, 'x.anet', nil, 'odd', 'format')), 'x.anet: odd')
end)

local net_file, supernet_file = path 'net.anet', path 'supernet.anet'
assert(anet.bundle():set_net(oracle):set_input(input):set_text('classes', '["a", "b", "c"]'):save(net_file))
assert(anet.bundle():set_supernet(s):set_input(input):save(supernet_file))

test.case('a model is a net or a supernet, with how images become its input', function()
  local net, super = road.open_model(ui, net_file), road.open_model(ui, supernet_file)
  test.same({net.supernet, net.path, net.oracle:count(), net.input.height}, {nil, net_file, oracle:count(), 8})
  test.equal(net.supernet, nil)
  test.same({super.supernet:space():size(), super.oracle:count(), super.path}, {s:space():size(), oracle:count(), supernet_file})
  test.equal(road.open_supernet(ui, supernet_file).supernet:space():size(), s:space():size())
  test.raises(net_file .. " holds a network, not a supernet ('anet elastify' makes one)", road.open_supernet, ui, net_file)
  test.raises(supernet_file .. ": it has no ladder ('anet search' makes one)", road.open_ladder, ui, super)
  test.raises('none.anet', road.open_model, ui, path 'none.anet')
  local plain = path 'plain.anet'
  assert(anet.bundle():set_net(oracle):save(plain))
  test.raises(plain .. ': it does not say how images become its input', road.open_model, ui, plain)
  test.same({road.open_model(ui, plain, true).input, road.open_model(ui, plain, true).oracle:count()}, {nil, oracle:count()})
  test.equal(road.open_model(ui, plain, true).oracle:count(), oracle:count())
  assert(anet.bundle():set_tensor('x', anet.tensor{2}):set_input(input):save(plain))
  test.raises('net', road.open_model, ui, plain)
end)

test.case('what is true of everything made from a model goes with it', function()
  local b = anet.bundle():set_net(oracle):set_input(input)
  for _, key in ipairs{'classes', 'border', 'left_out', 'run', 'ladder'} do b:set_text(key, '"' .. key .. '"') end
  b:set_tensor('onnx.tail', anet.tensor{3}):set_tensor('other', anet.tensor{2})
  local made = road.bundle_for{bundle = b, input = input}
  for _, key in ipairs{'classes', 'border', 'left_out'} do test.equal(made:text(key), '"' .. key .. '"') end
  for _, key in ipairs{'run', 'ladder', 'net'} do test.equal(made:text(key), nil) end
  test.equal(made:input().height, 8)
  test.equal(#made:tensors(), 1)
  test.same(made:tensor('onnx.tail'):shape(), {3})
  made = road.bundle_for{bundle = anet.bundle()}
  test.same({made:text 'classes' == nil, made:input() == nil, #made:tensors()}, {true, true, 0})
end)

test.case('frozen runs are told by their ends and why', function()
  local said, net = voice(), {get = function(_, i) return {name = 'node' .. i} end}
  road.show_frozen(said, net, {{first = 1, last = 1, reason = 'alone'}, {first = 2, last = 5, reason = 'a run'}})
  test.same(said.lines, {'frozen: node1: alone', 'frozen: node2 … node5: a run'})
end)

test.case('what an import left out is told', function()
  local left = {ops = {Softmax = 1, Abs = 3, Pow = 2, Exp = 1, Log = 1, Sum = 1, Gelu = 1}, why = {'first', 'second'}, outputs = {'y', 'z'}, reads = {'a'}}
  local said = voice()
  road.show_left_out(said, left)
  left.gone = 'it is too large'
  road.show_left_out(said, left)
  test.same(said.lines, {
    'left out: Abs x3, Exp, Gelu, Log, Pow x2, Softmax, Sum', '  first', '  second', '  lost: y, z; instead: a', '  ONNX files written of it have that again',
    'left out: Abs x3, Exp, Gelu, Log, Pow x2, Softmax, Sum', '  first', '  second', '  lost: y, z; instead: a', '  ONNX files written of it are without that: it is too large'})
end)

test.case('the net that is meant', function()
  local net, super = road.open_model(ui, net_file), road.open_model(ui, supernet_file)
  local function nodes(...) return road.pick_net(ui, ...):count() end
  test.equal(nodes(net), oracle:count())
  test.equal(nodes(super), oracle:count())
  local genome
  for _, o in ipairs(s:space():options()) do
    if o.kind == 'merge' and o.position == 1 and o.span == 2 then genome = tostring(o.gene) .. '-00' end
  end
  test.equal(nodes(super, genome), s:subnet(genome):count())
  test.check(nodes(super, genome) < oracle:count(), 'a merge has fewer nodes')
  test.raises('--genome: ' .. net_file .. ' holds a network, not a supernet', road.pick_net, ui, net, '0000')
  test.raises('--rung: ' .. net_file .. ' holds a network, not a supernet', road.pick_net, ui, net, nil, 1)
  test.check(type(test.raises('position', road.pick_net, ui, super, '9999')) == 'table', 'a clean end of the verb')
  local list = {{genome = genome, net = s:subnet(genome), predicted_ms = 1, measured_ms = 1, score = 0.5},
                {genome = '0000', net = s:subnet '0000', predicted_ms = 2, measured_ms = 2, score = 0.9}}
  rungs.save(super.bundle, {rungs = list, oracle = list[2]})
  test.equal(nodes(super, nil, 1), s:subnet(genome):count())
  test.equal(nodes(super, nil, 2), oracle:count())
  test.raises('--rung: got 3, the ladder has 1 to 2', road.pick_net, ui, super, nil, 3)
  test.equal(#road.open_ladder(ui, super).rungs, 2)
  super.bundle:set_text('ladder', '{"rungs": 3}')
  test.raises("the text 'ladder'", road.open_ladder, ui, super)
end)

-- ---- images ------------------------------------------------------------------------------------------------------------

for class = 0, 2 do
  for _, part in ipairs{'train', 'test'} do
    os.execute(('mkdir -p %s/photos/%s/%d'):format(command.folder, part, class))
    for i = 1, part == 'train' and 4 or 2 do
      assert(anet.image.save(anet.tensor({8, 8, 1}, 'u8'):fill(60 * class + 10 * i), ('%s/photos/%s/%d/%d.png'):format(command.folder, part, class, i)))
    end
  end
end
os.execute('mkdir -p ' .. path 'empty')
local photos = path 'photos'

local function shades(d)
  local list, pixels = {}, d:images():data()
  for i = 0, d:count() - 1 do list[i + 1] = pixels[i * 64] end
  return list
end

test.case('images by path, a limit of them, drawn where there is a seed', function()
  local all = shades(road.open_data(ui, photos, 'train'))
  test.equal(#all, 12)
  test.equal(road.open_data(ui, photos, 'test'):count(), 6)
  test.same(shades(road.open_data(ui, photos, 'train', 5)), {unpack(all, 1, 5)})
  test.same(shades(road.open_data(ui, photos, 'train', 12)), all)
  test.same(shades(road.open_data(ui, photos, 'train', 12, 3)), all) -- all of them need no order
  test.same(shades(road.open_data(ui, photos, 'train', 99)), all)
  local drawn = shades(road.open_data(ui, photos, 'train', 11, 3))
  test.equal(#drawn, 11)
  test.check(table.concat(drawn, ' ') ~= table.concat(all, ' ', 1, 11), 'in an order of their own')
  test.same(drawn, shades(road.open_data(ui, photos, 'train', 11, 3)))
  test.check(table.concat(drawn, ' ') ~= table.concat(shades(road.open_data(ui, photos, 'train', 11, 4)), ' '), 'another seed, other images')
  test.raises('no-such', road.open_data, ui, '/no-such/x', 'train')
  with(anet.data, {open = function() return {count = function() return 0 end} end}, function()
    test.raises('x: there are no images', road.open_data, ui, 'x', 'train')
  end)
end)

test.case('labels are matched, left aside, or end the verb', function()
  local model = road.open_model(ui, net_file)
  local said = voice()
  local d = road.open_labelled(said, model, photos, 'train', {limit = 5})
  test.same({d:count(), d:labelled(), d:classes()}, {5, true, 3})
  test.same(shades(d), {unpack(shades(road.open_data(ui, photos, 'train')), 1, 5)})
  test.equal(#said.notes, 0) -- classes called 0, 1, 2 are the numbers of answers
  test.equal(road.open_labelled(ui, model, photos, 'test'):count(), 6)
  test.equal(road.open_labelled(ui, model, photos, 'train', {unlabelled = true}):labelled(), false)
  test.equal(road.open_labelled(ui, model, photos, 'train', {unlabelled = false}):labelled(), true)
  test.same(shades(road.open_labelled(ui, model, photos, 'train', {limit = 4, seed = 9})), shades(road.open_data(ui, photos, 'train', 4, 9)))
  local odd = anet.data(anet.tensor({2, 8, 8, 1}, 'u8'), anet.tensor({2}, 'i32'), 3)
  odd.names = {'5% x', 'y', 'z'}
  test.equal(road.match_labels(said, model, odd, 'odd data'):count(), 2)
  test.equal(#said.notes, 1)
  test.mentions(said.notes[1], "odd data: the network has no class '5% x'")
  local five = anet.data(anet.tensor({2, 8, 8, 1}, 'u8'), anet.tensor({2}, 'i32'), 5)
  local message = tostring(test.raises('five: 5 classes', road.match_labels, ui, model, five, 'five'))
  test.check(not message:find '--unlabelled', message) -- the verb has no such flag
  test.check(not message:find '5 classes.*5 classes' and message:find '^five: ', message)
  test.raises('five: 5 classes, the network gives 3 answers: use data of the classes that it was trained on, or leave labels aside with --unlabelled', road.match_labels, ui, model, five, 'five', false)
  test.equal(road.match_labels(ui, model, five, 'five', true):count(), 2)
end)

-- A net that answers `class` to everything.
local function constant(class)
  local n, x = anet.net{input = {8, 8, 1}}
  n:output(n:linear(n:global_pool(x), {channels = 3, bias = true})):init(1)
  for _, p in ipairs(n:all_params()) do
    p.tensor:fill(0)
    if p.tensor:count() == 3 and #p.tensor:shape() == 1 then p.tensor:set(class + 1, 1) end
  end
  return n
end

local function labelled_as(labels)
  local l = anet.tensor({#labels}, 'i32')
  for i, label in ipairs(labels) do l:data()[i - 1] = label end
  return anet.data(anet.tensor({#labels, 8, 8, 1}, 'u8'), l, 3)
end

test.case('a net that is right on nothing ends a search, on one image it does not', function()
  local labels = {}
  for i = 1, 300 do labels[i] = 1 end
  local message = test.raises('photos: the network is right on 0 of 300 images', road.must_know, ui, constant(2), labelled_as(labels), input, tiny.pool, 'photos')
  test.mentions(tostring(message), 'its labels are of other classes, or mean other ones')
  labels[300] = 2 -- beyond the first 256
  road.must_know(ui, constant(2), labelled_as(labels), input, tiny.pool, 'photos')
  road.must_know(ui, constant(1), labelled_as{0, 1}, input, tiny.pool, 'photos')
  road.must_know(ui, constant(1), labelled_as{0, -1}, input, tiny.pool, 'photos') -- not all are labelled: nothing is known
  local n, x = anet.net{input = {8, 8, 1}}
  n:output(n:conv(x, {channels = 4, kernel = 1})):init(1)
  test.raises('the network gives 4 answers in 64 rows, a search wants one row of classes', road.must_know, ui, n, labelled_as{0}, input, tiny.pool, 'x')
end)

test.case("a net's answers as labels, where there are none", function()
  test.equal(road.labelled(oracle, data, input, tiny.pool), data)
  local many = tiny.data(230, 4) -- more than two batches
  local own = road.labelled(oracle, many:unlabelled(), input, tiny.pool)
  test.same({own:count(), own:classes(), own:labelled()}, {230, 3, true})
  test.equal((anet.plan(oracle, {batch = 230, pool = tiny.pool}):accuracy(own, input)), 1)
  local answers, seen = tiny.answers(oracle, many:tensor(input)), {}
  for i = 1, 230 do
    local best = 1
    for c = 2, 3 do best = answers:get(i, c) > answers:get(i, best) and c or best end
    seen[best] = true
    if own:labels():data()[i - 1] ~= best - 1 then test.equal(own:labels():data()[i - 1], best - 1) end
  end
  local zero = road.labelled(constant(0), many:unlabelled(), input, tiny.pool):labels():data()
  test.same({zero[0], zero[229]}, {0, 0})
  local partly = road.labelled(constant(2), labelled_as{0, -1}, input, tiny.pool):labels():data()
  test.same({partly[0], partly[1]}, {2, 2}) -- all of them, or scores would mix
end)

-- ---- the cloud ----------------------------------------------------------------------------------------------------------

test.case('options that a net refuses are told; norms are for what was imported', function()
  local said, got = voice(), nil
  local function elastify(border, images, norms)
    local b = anet.bundle():set_text('border', border and '{}' or nil)
    return with(anet.distill, {elastify = function(...)
      got = {...}
      return 'a 5% supernet', {{position = 3, kind = 'skip', reason = 'its shape changes'}}
    end}, road.elastify, said, {oracle = 'the oracle', bundle = b, input = input}, 'a schedule', images, 5, 'workers', norms)
  end
  test.equal(elastify(true, data), 'a 5% supernet')
  test.same(said.lines, {'block 3, no skip: its shape changes', 'a 5% supernet'})
  test.same({got[1], got[2], got[3]:dim(1), got[4], got[5]}, {'the oracle', 'a schedule', 5, 'workers', true})
  elastify(false)
  test.same({got[3] == nil, got[5]}, {true, false})
  elastify(true, nil, false)
  test.equal(got[5], false)
  elastify(false, nil, true)
  test.equal(got[5], true)
  with(anet.distill, {elastify = function() return nil, 'it broke at 5% of it' end}, function()
    test.raises('it broke at 5% of it', road.elastify, ui, {bundle = anet.bundle()}, 'a schedule', nil, 5, 'workers', false)
  end)
end)

-- A distiller whose step takes so many seconds.
local function distil(losses, stages, seconds, from, every)
  local said, now, saves = voice(), 5000, {}
  local d = {step = from or 0, steps_per_epoch = 4}
  local first = d.step
  function d:advance()
    local loss = losses[self.step - first + 1]
    if not loss then return nil end
    self.step, now = self.step + 1, now + 1000 * seconds
    return {loss = loss, stage = stages[self.step - first]}
  end
  with(road, {clock_ms = function() return now end}, road.distill, said, d, every and function() saves[#saves + 1] = d.step end)
  return said, saves
end

test.case('a distillation tells step, epoch, the mean loss of late, speed and time', function()
  local said = distil({1, 2, 3, 4, 10}, {'block', 'block', 'block', 'block', 'joint'}, 2)
  local function mean(...)
    local sum, count = 0, 0
    for i = 1, select('#', ...) do sum, count = 0.98 * sum + select(i, ...), 0.98 * count + 1 end
    return sum / count
  end
  test.same(said.steps, {
    'block: step 1 (epoch 0.25), loss 1.0000, 0.5 steps/s, 2.0 s so far', ('block: step 2 (epoch 0.50), loss %.4f, 0.5 steps/s, 4.0 s so far'):format(mean(1, 2)),
    ('block: step 3 (epoch 0.75), loss %.4f, 0.5 steps/s, 6.0 s so far'):format(mean(1, 2, 3)),
    ('block: step 4 (epoch 1.00), loss %.4f, 0.5 steps/s, 8.0 s so far'):format(mean(1, 2, 3, 4)),
    'joint: step 5 (epoch 1.25), loss 10.0000, 0.5 steps/s, 10.0 s so far'}) -- another stage begins anew
  test.same(said.lines, {('block: epoch 1, loss %.4f, 8.0 s'):format(mean(1, 2, 3, 4))})
end)

test.case('a distillation that goes on counts its own steps; it is saved once a minute', function()
  local ones, stage = {}, {}
  for i = 1, 9 do ones[i], stage[i] = 1, 'joint' end
  local said, saves = distil(ones, stage, 20, 6, true)
  test.equal(said.steps[1], 'joint: step 7 (epoch 1.75), loss 1.0000, 0.1 steps/s, 20.0 s so far')
  test.same(said.lines, {'joint: epoch 2, loss 1.0000, 40.0 s', 'joint: epoch 3, loss 1.0000, 2 min 00 s'})
  test.same(saves, {10, 14}) -- after more than 60 s: each fourth step
  distil(ones, stage, 100, 0) -- without a way to save
end)

-- ---- the device ----------------------------------------------------------------------------------------------------------

test.case('a profile says how many options are dropped', function()
  local function profile(dropped)
    local said, got = voice(), nil
    local t = setmetatable({count_dropped = function(_, space)
      test.equal(space, 'the space')
      return dropped, 7
    end}, {__tostring = function() return 'a 5% table' end})
    local same = with(latency, {profile = function(of, options)
      got = {of, options.rounds, options.pool}
      return t
    end}, road.profile, said, {space = function() return 'the space' end}, {rounds = 3}, 'workers')
    test.equal(same, t)
    test.same({got[2], got[3]}, {3, 'workers'})
    return said.lines
  end
  test.same(profile(0), {'a 5% table'})
  test.same(profile(1), {'a 5% table', '1 of 7 int8 options are no faster here than their blocks in floats: searches leave them out'})
  with(latency, {profile = function() return nil, 'too busy' end}, function() test.raises('too busy', road.profile, ui, s, {}, tiny.pool) end)
end)

test.case('budgets as they may be said', function()
  local function said(...)
    local list, fixed = road.budgets(ui, ...)
    local words = {}
    for b, ms in ipairs(list) do words[b] = ('%.6g%s'):format(ms, fixed[b] and ' fixed' or '') end
    return words
  end
  test.same(said('90%,50%,0.4ms', 10), {'9', '5', '0.4 fixed'})
  test.same(said('50 90%  70', 10), {'9', '7', '5'}) -- a number alone is a share too; the slowest first
  test.same(said('.5ms,2ms', 10), {'2 fixed', '0.5 fixed'})
  test.same(said('0.1%', 1000), {'1'})
  test.raises("'0' is neither a time like 0.5ms nor a share like 60%", road.budgets, ui, '5%,0', 10)
  test.raises("'1.2.3%' is neither", road.budgets, ui, '1.2.3%', 10)
  test.raises("'5s' is neither", road.budgets, ui, '5s', 10)
  test.raises("'5%%' is neither", road.budgets, ui, '5%%', 10)
  test.raises('--budgets: want at least one, like 90%,60%,0.4ms', road.budgets, ui, ' , ', 10)
end)

-- A search on figures alone: the least that a subnet takes, and an explorer that takes `rounds` questions of a second each.
local function search(least, options, fields)
  local said, now, made = voice(), 0, nil
  local times = {times = function() return 'all times' end, predict = function(_, _, genome)
    test.equal(genome, 'fastest')
    return least
  end, info = function() return {oracle_ms = 10} end}
  local space = {best = function(_, cost, damage, budget, k)
    test.same({cost, damage, budget, k}, {'all times', 'all times', math.huge, 1})
    return {'fastest'}
  end}
  local e = {order = {}, picks = function() return {'a pick'} end}
  function e:advance()
    if #self.order == 3 then return nil, fields and fields.message end
    now = now + 1000
    self.order[#self.order + 1] = 'x'
    return 1
  end
  for key, value in pairs(fields or {}) do e[key] = value end
  local ok, got, picks = pcall(with, explore, {new = function(...)
    made = {...}
    return e
  end}, with, road, {clock_ms = function() return now end}, road.search, said, {space = function() return space end}, times, 'the images', 'the input', 'a policy',
  options, 'workers')
  if not ok then error(got, 0) end
  return got, picks, said, made
end

test.case('a search aims a little below its budgets', function()
  local e, picks, said, made = search(1, {budgets = {8, 4}, byte_limit = 77})
  test.same(picks, {'a pick'})
  test.near(made[6].budgets[1], 7.92, 1e-12) -- 1 % stays free
  test.near(made[6].budgets[2], 3.96, 1e-12)
  test.same({made[6].byte_limit, made[3], made[4], made[5], made[7]}, {77, 'the images', 'the input', 'a policy', 'workers'})
  test.equal(e.seconds, 3)
  test.same(said.steps, {'search: 1 subnets, 1.0 s', 'search: 2 subnets, 2.0 s', 'search: 3 subnets, 3.0 s'})
  test.same(said.notes, {})
  made = select(4, search(1, {budgets = {8}, margin = 0}))
  test.equal(made[6].budgets[1], 8)
  made = select(4, search(1, {budgets = {8}, margin = 0.25}))
  test.equal(made[6].budgets[1], 6)
  test.same(select(3, search(1, {budgets = {8}}, {note = 'nothing new'})).notes, {'search: nothing new'})
  test.raises('it broke at 5% of it', search, 1, {budgets = {8}}, {message = 'it broke at 5% of it'})
  test.raises('no picks at 5%', search, 1, {budgets = {8}}, {picks = function() return nil, 'no picks at 5%' end})
end)

test.case('a budget that nothing can keep is told with both times', function()
  local message = tostring(test.raises('no subnet meets', search, 4, {budgets = {20.5, 19, 2}, margin = 0.8}))
  test.equal(message, 'no subnet meets the budget of 19.000 ms: the fastest that this supernet has takes 4.000 ms (40.0 % of the oracle), and 80 % of the budget stays free')
  search(4, {budgets = {5}, margin = 0.2}) -- exactly
  search(4, {budgets = {4}, margin = 0})
  test.raises('the budget of 3.999 ms', search, 4, {budgets = {3.999}, margin = 0})
end)

test.case('a ladder is made on labels of the oracle, where there are none', function()
  local got
  local made = with(rungs, {make = function(...)
    got = {...}
    return 'a ladder'
  end}, road.make_ladder, ui, s, 'times', 'e', 'picks', data:unlabelled(), input, 'options', tiny.pool)
  test.equal(made, 'a ladder')
  test.same({got[3], got[4], got[5], got[7], got[8], got[9]}, {'times', 'e', 'picks', input, 'options', tiny.pool})
  test.equal(got[2], s)
  test.equal((anet.plan(oracle, {batch = 60, pool = tiny.pool}):accuracy(got[6], input)), 1)
end)

test.case('policies are of the kind that is wanted', function()
  test.equal(road.open_policy(ui, 'search', 'random:evaluations=7', 3).name, 'random')
  test.raises("no search policy 'hysteresis'", road.open_policy, ui, 'search', 'hysteresis', 3)
  local function first(seed)
    local p = road.open_policy(ui, 'search', 'random:evaluations=7', seed)
    p:space(s:describe(), {space = s:space(), budgets = {1}, ms = function() return 1 end})
    local list = {}
    for i, x in ipairs(assert(p:propose(5))) do list[i] = type(x) == 'table' and x.genome or x end
    return table.concat(list, ' ')
  end
  test.equal(first(3), first(3))
  test.check(first(3) ~= first(4), 'the seed is heeded')
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
