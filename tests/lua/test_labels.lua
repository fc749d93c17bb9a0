-- Labels against answers: compared once, before anything runs, by every verb that reads labels.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local anet = require 'anet'

local match = anet.labels.match
local net = tiny.net() -- three answers

-- ---- matching -----------------------------------------------------------------------------------------------

-- One image a label, 8x8; names: of the classes, if they have any.
local function data_of(labels, classes, names)
  local images, list = anet.tensor({#labels, 8, 8, 1}, 'u8'), anet.tensor({#labels}, 'i32')
  for i, label in ipairs(labels) do list:data()[i - 1] = label end
  local d = anet.data.new(images, list, classes)
  d.names = names
  return d
end

local function labels_of(dataset)
  local list = {}
  for i = 1, dataset:count() do list[i] = dataset:labels():data()[i - 1] end
  return list
end

test.case('as many classes as answers go by number', function()
  local d = data_of({0, 1, 2}, 3)
  test.equal(match(d, net), d)
  test.equal(match(d, net, {'a', 'b', 'c'}), d)
end)

test.case('classes go by name, in any order and of any number', function()
  local names = {'cat', 'dog', 'emu'}
  local some = assert(match(data_of({0, 1, 1, -1}, 2, {'emu', 'cat'}), net, names))
  test.same(labels_of(some), {2, 0, 0, -1})
  test.equal(some:classes(), 3)
  test.same(some:class_names(), names)
  test.same(labels_of(match(data_of({0, 1, 2}, 3, {'emu', 'cat', 'dog'}), net, names)), {2, 0, 1})
  test.same(labels_of(match(data_of({0, 1}, 2, {'2', '0'}), net)), {2, 0}) -- numbers are names too
  test.same(labels_of(match(data_of({0, 1}, 2, {'2', 'cat'}), net, names)), {2, 0})
end)

test.case('names that are no texts are none', function()
  local d = data_of({0, 1, 2}, 3, {'a', 'b', 'c'})
  for _, odd in ipairs{{{}, {}, {}}, {1, 2, 3}, {}, 'abc', 7, {{'a'}}} do test.equal(match(d, net, odd), d) end
  test.same(labels_of(match(d, net, {'c', 'b'})), {0, 1, 2})
end)

test.case('numbers may lack the last classes', function()
  local d = assert(match(data_of({1, 0, -1}, 2), net))
  test.same(labels_of(d), {1, 0, -1})
  test.equal(d:classes(), 3)
end)

test.case('what cannot be matched is told with both numbers', function()
  test.fails('photos: 2 classes, the network gives 3 answers and has no names for them', 'shape',
             match(data_of({0, 1}, 2, {'a', 'b'}), net, nil, 'photos'))
  local _, message = match(data_of({0, 1}, 2, {'cat', 'cow'}), net, {'cat', 'dog', 'emu'}, 'photos')
  test.mentions(message, "photos: 2 classes, the network gives 3 answers, none of which is called 'cow'")
  test.mentions(message, 'cat, dog, emu')
  test.fails('4 classes, the network gives 3 answers', 'shape', match(data_of({0, 3}, 4), net))
  test.fails("called 'cat'", 'shape', match(data_of({0}, 1, {'cat'}), net, {'cat', 'cat', 'emu'})) -- which of them?
end)

test.case('messages, word for word', function()
  local function said(...) return (select(2, match(...))) end
  local function answers(n)
    local one, x = anet.net{input = {8, 8, 1}}
    return one:output(one:linear(one:global_pool(x), {channels = n})):init(1)
  end
  test.equal(said(data_of({0, 3}, 4), net), 'the data: 4 classes, the network gives 3 answers: use data of the classes that it was trained on')
  test.equal(said(data_of({0, 1}, 2), answers(1), nil, 'photos'), 'photos: 2 classes, the network gives 1 answer: use data of the classes that it was trained on')
  test.equal(said(data_of({0}, 1, {'cow'}), net, {'cat', 'dog', 'emu'}, 'photos'),
             "photos: 1 class, the network gives 3 answers, none of which is called 'cow': name the classes as it does (cat, dog, emu)")
  test.equal(said(data_of({0, 1}, 2, {'a', 'b'}), net, nil, 'photos'),
             "photos: 2 classes, the network gives 3 answers and has no names for them, nor is 'a' the number of one: use data of all 3")
  local function named(n)
    local names = {}
    for i = 1, n do names[i] = 'n' .. i end
    return said(data_of({0}, 1, {'x'}), answers(n), names, 'photos'):match '%((.*)%)'
  end
  test.equal(named(8), 'n1, n2, n3, n4, n5, n6, n7, n8')
  test.equal(named(9), 'n1, n2, n3, n4, n5, n6, n7, n8, …')
  test.equal(said(data_of({0, 1, 2}, 3, {'cat', 'b', 'c'}), net, {'dog', 'cat', 'emu'}, 'photos'),
             "photos: the network has no class 'b': labels are taken by number (0 is cat, there 'dog')")
  test.same(labels_of(match(data_of({0}, 1, {'only'}), answers(2), {'only', 'other'})), {0})
  test.same(labels_of(match(data_of({0}, 1, {'only'}), answers(2), {'other', 'only'})), {1})
  test.equal(match(data_of({0}, 1, {'x'}), answers(1), {'y'}):count(), 1)
  test.equal(said(data_of({0}, 1, {'x'}), answers(1), {'y'}, 'photos'), "photos: the network has no class 'x': labels are taken by number (0 is x, there 'y')")
  test.equal(said(data_of({0, 1, 2}, 3, {'a', 'b', 'c'}), net, {'a', 'b', 3}), nil) -- names that are no texts are none
end)

test.case('other names for as many classes bring a warning', function()
  local d = data_of({0, 1, 2}, 3, {'a', 'b', 'c'})
  local matched, warning = match(d, net, {'cat', 'dog', 'emu'}, 'photos')
  test.equal(matched, d)
  test.mentions(warning, "photos: the network has no class 'a'")
end)

test.case('data without labels fits every network', function()
  local d = assert(match(data_of({-1, -1}, 7, {'a', 'b', 'c', 'd', 'e', 'f', 'g'}), net))
  test.equal(d:classes(), 0)
  test.check(not d:labelled() and d:missing_labels() == 2)
  test.check(not data_of({0, -1}, 3):labelled(), 'one has none')
end)

test.case('parts of data keep the names of its classes', function()
  local d = data_of({0, 1, 2}, 3, {'cat', 'dog', 'emu'})
  for _, part in ipairs{d:slice(2, 2), d:pick{3}, (d:sample(2, 1)), d:crop(4, 4)} do test.equal(part:class(3), 'emu') end
end)

test.case('trainers and distillers refuse what nobody matched', function()
  local two = data_of({0, 1, 0, 1}, 2)
  local input = two:input()
  test.raises('the data: 2 classes, the network gives 3 answers: use data of as many; anet.labels.match makes them fit where it can',
              anet.train.trainer, net, two, input, {batch = 2})
  local s = tiny.supernet(tiny.net(), tiny.data(8):tensor(input))
  test.raises('2 classes, the network gives 3 answers', anet.distill.new, s, two, input, tiny.schedule(), {batch = 2}, tiny.pool)
  test.raises('none of the 2 images has a label', anet.train.trainer, net, data_of({-1, -1}, 3), input, {batch = 2})
  local tape = anet.train.tape(net, {batch = 2, pool = tiny.pool, losses = {{kind = 'labels'}}})
  local images, targets = anet.tensor{2, 8, 8, 1}, anet.tensor{2, 2}
  test.raises('its target has 2 numbers an image, output 0 has 3', tape.step, tape, {images}, {targets}, 2)
  test.raises('want a dense f32 tensor of 2 images', tape.step, tape, {images}, {anet.tensor{1, 3}}, 2)
  test.raises('9 numbers an image, the net reads 64', tape.step, tape, {anet.tensor{2, 3, 3, 1}}, {anet.tensor{2, 3}}, 2)
end)

test.case('inputs of other sizes are told, not read past', function()
  local small, s = anet.tensor{4, 3, 3, 1}, tiny.supernet(tiny.net(), tiny.data(8):tensor(tiny.data(8):input()))
  local word = 'images are 3x3x1, the net reads 8x8x1'
  test.raises(word, net.calibrate, net, small)
  test.raises(word, net.quantize, net, small)
  test.raises(word, s.importance, s, 1, small)
  test.raises(word, s.quantize, s, small)
  test.raises(word, s.solve, s, 2, small)
  test.raises(word, s.settle, s, 2, small)
  local fresh = anet.supernet.new(tiny.net())
  test.raises('of 8 numbers', fresh.add, fresh, {kind = 'shrink', position = 1, width = 0.5}, anet.tensor{2})
  local plan = anet.plan(net, {batch = 4})
  test.raises('got 0 tensors, the net has 1 inputs', plan.run, plan)
  local two, x, y = anet.net{input = {2}}, nil, nil
  x = 1
  y = two:input({2}, 'other')
  two:output(two:add(x, y)):init(1)
  plan = anet.plan(two, {batch = 4})
  test.raises('input 2 has 1 images, the first 3', plan.run, plan, anet.tensor{3, 2}, anet.tensor{1, 2})
end)

-- ---- the command line -----------------------------------------------------------------------------------------

local path, run = command.path, command.run

local function folder_of(name, classes, images)
  for _, class in ipairs(classes) do
    os.execute(("mkdir -p '%s/%s'"):format(path(name), class))
    for i = 1, images do
      local image, random = anet.tensor({8, 8, 1}, 'u8'), anet.rng(i)
      for k = 0, 63 do image:data()[k] = random:int(0, 255) end
      assert(anet.image.save(image, ('%s/%s/%d.png'):format(path(name), class, i)))
    end
  end
  return path(name)
end

local dataset = tiny.data(60)
local input = dataset:input()
local oracle = tiny.oracle(dataset, input)
local s = tiny.supernet(oracle, dataset:tensor(input, 32))
local times = assert(anet.latency.profile(s, {rounds = 3, held_out = 3, pool = tiny.pool}))
local net_file, named_file, supernet_file = path 'net.anet', path 'named.anet', path 'supernet.anet'
assert(anet.bundle():set_net(oracle):set_input(input):save(net_file))
assert(anet.bundle():set_net(oracle):set_input(input):set_value('classes', {'low', 'mid', 'top'}):save(named_file))
assert(anet.bundle():set_supernet(s):set_input(input):set_latency(times):save(supernet_file))
local two, three, four = folder_of('two', {'low', 'top'}, 6), folder_of('three', {'0', '1', '2'}, 4), folder_of('four', {'a', 'b', 'c', 'd'}, 2)

local DISTILL = '--policy adaptive:block_epochs=0,joint_epochs=1,solve_images=0 --batch 4'

-- One line that says all of it, status 1, and nothing written.
local function refuses(arguments, ...)
  local out = path 'out.anet'
  local output, status = run(arguments .. ' --out ' .. out)
  test.equal(status, 1)
  for _, word in ipairs{...} do test.mentions(output, word) end
  test.check(output:match '^anet [^\n]*\n$', ('one line: %q'):format(output))
  test.equal(io.open(out), nil)
  test.equal(io.open(out .. '.ckpt'), nil)
end

test.case('every verb compares classes and answers before anything runs', function()
  local have = '2 classes, the network gives 3 answers'
  refuses(('distill %s --data %s %s'):format(supernet_file, two, DISTILL), two .. ': ' .. have, '--unlabelled')
  refuses(('search %s --data %s'):format(supernet_file, two), have, '--unlabelled')
  refuses(('calibrate %s --data %s'):format(net_file, two), have, '--unlabelled')
  refuses(('train %s --data %s --epochs 1'):format(net_file, two), have)
  refuses(('train %s --data %s --epochs 1'):format(net_file, four), '4 classes, the network gives 3 answers')
  local ladder = path 'ladder.anet'
  command.run_json(('search %s --data %s --unlabelled --budgets 90%% --out %s'):format(supernet_file, three, ladder))
  for _, verb in ipairs{'eval ' .. net_file, 'adapt ' .. ladder, 'demo ' .. supernet_file .. ' --images 100'} do
    local output, status = run(('%s --data %s'):format(verb, two))
    test.equal(status, 1)
    test.check(output:match '^anet [^\n]*\n$', ('one line: %q'):format(output))
    test.mentions(output, have)
  end
end)

test.case('names make two of three classes fit', function()
  local result = command.run_json(('eval %s --data %s'):format(named_file, two))
  test.equal(result.images, 12)
  test.equal(result.classes[1].name, 'low')
  test.same({result.classes[1].images, result.classes[2].images, result.classes[3].images}, {6, 0, 6})
  test.check(result.accuracy == result.accuracy and result.accuracy <= 1)
end)

test.case('without labels the number of classes does not matter', function()
  local out = path 'unlabelled.anet'
  local text, status = run(('distill %s --data %s %s --unlabelled --out %s'):format(supernet_file, four, DISTILL, out))
  test.equal(status, 0)
  local loss = tonumber(text:match 'loss ([%d.e+-]+)')
  test.check(loss and loss < 100, text)
  local result = command.run_json(('search %s --data %s --unlabelled --budgets 95%%,80%% --out %s'):format(supernet_file, four, out))
  local most = 0
  for _, r in ipairs(result.ladder) do
    most = math.max(most, r.score)
    test.check(r.score >= 0 and r.score <= 1 and (not r.retained or r.retained <= 1), 'agreement is a share')
  end
  test.equal(most, 1) -- the oracle agrees with itself
  local bundle = assert(anet.bundle.open(out))
  test.check(not bundle:text('ladder'):find '[^%a]nan' and not bundle:text('ladder'):find '[^%a]inf', 'finite figures are saved')
end)

test.case('the table of a ladder: budgets, and scores beside the oracle\'s', function()
  local shown = run(('search %s --data %s --budgets 95%%,80%%,60%% --out %s'):format(supernet_file, three, path 'shown.anet'))
  local rows, all = {}, nil
  local saved, ideal = shown:match 'saved ([%d.]+) %% of the work %(ideal ([%d.]+) %%%)'
  test.check(tonumber(saved) <= tonumber(ideal) and tonumber(ideal) < 100, shown)
  for line in shown:gmatch '[^\n]+' do
    local budgets, genome, ratio, score, retained = line:match '^ *%w+  (.-) +([%w-]+)  +[%d.]+  .- ([%d.]+)  +([%d.]+) %%  +([%d.]+) %%$'
    if line:find '^oracle' then test.equal(ratio, '100.0') end
    if genome then
      rows[#rows + 1], all = {tonumber(score), tonumber(retained)}, tonumber(score) -- the oracle comes last
      for budget in budgets:gmatch '[^,]+' do test.check(budget:find '^ *%d+ %%$' and ('95 80 60'):find(budget:match '%d+'), line) end
    end
  end
  test.check(#rows >= 2 and all > 0 and all < 100, shown)
  local cloud = assert(anet.bundle.open(path 'shown.anet')):value 'ladder'.cloud -- every subnet that was tried
  test.check(#cloud > #rows and #cloud[1] == 2, 'the cloud is saved')
  for _, row in ipairs(rows) do test.near(row[2], 100 * row[1] / all, 0.1) end
end)

test.case('an oracle that is never right ends a search with a word', function()
  local d, list = tiny.data(20), anet.plan(oracle, {batch = 20, pool = tiny.pool})
  local answers = list:run(d:tensor(input)):data()
  local folder = path 'wrong'
  for i = 1, 20 do
    local best = 0
    for c = 1, 2 do
      if answers[(i - 1) * 3 + c] > answers[(i - 1) * 3 + best] then best = c end
    end
    os.execute(('mkdir -p %s/%d'):format(folder, (best + 1) % 3))
    local image = anet.tensor({8, 8, 1}, 'u8')
    image:copy(d:images():view({i, 1, 1, 1}, {1, 8, 8, 1}):clone():reshape{8, 8, 1})
    assert(anet.image.save(image, ('%s/%d/%d.png'):format(folder, (best + 1) % 3, i)))
  end
  refuses(('search %s --data %s'):format(supernet_file, folder), 'right on 0 of 20 images')
end)

test.case('a folder without parts is all parts', function()
  local result = command.run_json(('eval %s --data %s'):format(net_file, three))
  test.equal(result.images, 12)
  test.equal(command.run_json(('eval %s --data %s --part train'):format(net_file, three)).images, 12)
  folder_of('parts/train', {'0', '1', '2'}, 1)
  test.equal(command.run_json(('eval %s --data %s --part train'):format(net_file, path 'parts')).images, 3)
  local trained = command.run_json(('train %s --data %s --epochs 1 --batch 4 --out %s'):format(net_file, three, path 'trained.anet'))
  test.equal(trained.accuracy, nil) -- there is no other part to test on
  local output, status = run(('eval %s --data %s --part test'):format(net_file, path 'parts'))
  test.equal(status, 1)
  test.mentions(output, "part 'test'")
end)

test.case('few, odd and no images are one clear line, or work', function()
  local one = folder_of('one', {'1'}, 1)
  test.equal(command.run_json(('eval %s --data %s'):format(net_file, one)).images, 1)
  refuses(('calibrate %s --data %s'):format(net_file, one), 'got 1 image, want 2 or more')
  local found = command.run_json(('search %s --data %s --unlabelled --budgets 90%% --out %s'):format(supernet_file, one, path 'found.anet'))
  test.check(#found.ladder >= 1, 'a ladder of one image')
  command.run_json(('distill %s --data %s %s --out %s'):format(supernet_file, one, DISTILL, path 'taught.anet'))
  os.execute('mkdir -p ' .. path 'none/0')
  for _, verb in ipairs{'distill ' .. supernet_file .. ' ' .. DISTILL, 'search ' .. supernet_file, 'calibrate ' .. net_file, 'train ' .. net_file} do
    refuses(('%s --data %s'):format(verb, path 'none'), path 'none')
  end
  local colour = folder_of('colour', {'0', '1', '2'}, 1) -- the net reads one channel, PNG files are opened with three
  test.equal(command.run_json(('eval %s --data %s'):format(net_file, colour)).images, 3)
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
