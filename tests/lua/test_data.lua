-- Data sets from Lua: how they are opened and made, cut, picked and sampled, and how they become a network's input.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local command = dofile 'tests/support/command.lua'

-- Images of one value each, which is their number; the label is that modulo the classes.
local function numbered(count, classes, channels)
  local images, labels = anet.tensor({count, 4, 6, channels or 1}, 'u8'), anet.tensor({count}, 'i32')
  local each = 24 * (channels or 1)
  for i = 0, count - 1 do
    labels:data()[i] = i % classes
    for k = 0, each - 1 do images:data()[i * each + k] = i + 1 end
  end
  return anet.data(images, labels, classes)
end

-- The numbers of its images.
local function numbers(d)
  local list = {}
  for i = 1, d:count() do list[i] = d:images():get(i, 1, 1, 1) end
  return list
end

test.case('made of tensors', function()
  local d = numbered(7, 3)
  test.equal(d:count(), 7)
  test.equal(d:classes(), 3)
  test.same(d:shape(), {4, 6, 1})
  test.same(d:labels():list(), {0, 1, 2, 0, 1, 2, 0})
  test.same(numbers(d), {1, 2, 3, 4, 5, 6, 7})
  test.equal(tostring(d), 'dataset of 7 images 4x6x1, 3 classes')
  test.raises('data: want dataset, got number', require('anet.core').handle, 5, anet.data.Dataset, 'data')
  test.equal(d:class(1), nil)
  test.equal(d:class_names(), nil)
  local bare = anet.data(d:images())
  test.equal(bare:classes(), 0)
  test.equal(bare:count(), 7)
  test.raises('images: want tensor, got number', anet.data, 5)
  test.raises('labels: want tensor, got number', anet.data, d:images(), 5)
  test.raises('', anet.data, d:images(), anet.tensor({6}, 'i32'), 3) -- not as many
  test.raises('', anet.data, anet.tensor{2, 4, 6, 1}) -- no bytes
  test.raises('', anet.data, d:images(), d:labels(), 2) -- a label of a class that there is not
end)

test.case('labels that are missing', function()
  local d = numbered(4, 2)
  test.equal(d:missing_labels(), 0)
  test.equal(d:labelled(), true)
  d:labels():set(2, -1):set(3, -1)
  test.equal(d:missing_labels(), 2)
  d:labels():fill(0):set(1, -1):set(4, -1)
  test.equal(d:missing_labels(), 2)
  test.equal(numbered(4, 2):pick{}:labelled(), false)
  test.equal(d:labelled(), false)
  test.equal(d:slice(2, 1):labelled(), true)
  local bare = numbered(4, 2):unlabelled()
  test.equal(bare:classes(), 0)
  test.equal(bare:labelled(), false)
  test.same(numbers(bare), {1, 2, 3, 4})
end)

test.case('parts', function()
  local d = numbered(9, 3)
  d.names = {'a', 'b', 'c'}
  test.equal(d:class(3), 'c')
  test.equal(d:class(4), nil)
  test.same(d:class_names(), {'a', 'b', 'c'})
  local s = d:slice(3, 4)
  test.same(numbers(s), {3, 4, 5, 6})
  test.same(s:labels():list(), {2, 0, 1, 2})
  test.same(s:class_names(), {'a', 'b', 'c'})
  s:images():set(1, 1, 1, 1, 99)
  test.equal(d:images():get(3, 1, 1, 1), 99) -- the same memory
  test.same(numbers(d:slice(9, 1)), {9})
  for _, wrong in ipairs{{0, 1}, {9, 2}, {1, 10}} do test.check(not pcall(d.slice, d, wrong[1], wrong[2]), 'a slice outside') end
  d = numbered(9, 3)
  d.names = {'a', 'b', 'c'}
  local p = d:pick{9, 1, 9}
  test.same(numbers(p), {9, 1, 9})
  test.same(p:labels():list(), {2, 0, 2})
  test.same(p:class_names(), {'a', 'b', 'c'})
  p:images():fill(0)
  test.same(numbers(d), {1, 2, 3, 4, 5, 6, 7, 8, 9})
  test.equal(d:pick{}:count(), 0)
  test.raises('', d.pick, d, {0})
  test.raises('', d.pick, d, {10})
end)

test.case('the middle', function()
  local images = anet.tensor({1, 4, 6, 1}, 'u8')
  for i = 0, 23 do images:data()[i] = i end
  local d = anet.data(images)
  d.names = {}
  local c = d:crop(2, 4)
  test.same(c:shape(), {2, 4, 1})
  test.same(c:images():list(), {7, 8, 9, 10, 13, 14, 15, 16})
  test.equal(c.names, d.names)
  test.raises('', d.crop, d, 5, 4)
  test.raises('', d.crop, d, 4, 7)
end)

test.case('samples', function()
  local d, seen = numbered(20, 2), {}
  local s, rest = d:sample(8, 3)
  test.equal(s:count(), 8)
  test.equal(#rest, 12)
  for _, n in ipairs(numbers(s)) do seen[n] = (seen[n] or 0) + 1 end
  for _, n in ipairs(rest) do seen[n] = (seen[n] or 0) + 1 end
  for n = 1, 20 do test.equal(seen[n], 1) end -- each in one of them, once
  test.same(numbers(d:sample(8, 3)), numbers(s))
  test.check(table.concat(numbers(d:sample(8, 4)), ' ') ~= table.concat(numbers(s), ' '), 'another seed')
  test.same(numbers(d:sample(8)), numbers(d:sample(8, 0)))
  test.equal(d:sample(20):count(), 20)
  test.equal(#select(2, d:sample(20)), 0)
  test.equal(#select(2, d:sample(0)), 20)
  test.raises('sample: want 21 items, there are 20', d.sample, d, 21)
  -- Each item is as likely: of 400 samples of one of four, each comes about 100 times.
  local four, times = numbered(4, 2), {0, 0, 0, 0}
  for seed = 1, 400 do
    local n = numbers(four:sample(1, seed))[1]
    times[n] = times[n] + 1
  end
  for _, n in ipairs(times) do test.near(n, 100, 40) end
end)

-- ---- inputs -------------------------------------------------------------------------------------------------

test.case('inputs', function()
  local i = anet.data.input{height = 4, width = 6, channels = 2}
  test.same(i.mean, {0, 0})
  test.same(i.deviation, {1, 1})
  test.equal(tostring(i), 'input 4x6x2')
  i = anet.data.input{height = 4, width = 6, channels = 2, mean = {0.25, 0.5}, deviation = {0.125, 2}}
  test.same(i.mean, {0.25, 0.5})
  test.equal(i.handle.height, 4)
  test.equal(i.handle.width, 6)
  test.equal(i.handle.channels, 2)
  test.equal(i.handle.mean[1], 0.5)
  test.equal(i.handle.deviation[0], 0.125)
  local back = anet.data.from_struct(i.handle)
  local fields = back:fields()
  test.same({fields.height, fields.width, fields.channels}, {4, 6, 2})
  test.same(fields.mean, {0.25, 0.5})
  test.same(fields.deviation, {0.125, 2})
end)

test.case('the input of a data set', function()
  local images = anet.tensor({2, 1, 2, 2}, 'u8') -- channels 0 102 204 51 and 255 255 255 255
  for k, v in ipairs{0, 255, 102, 255, 204, 255, 51, 255} do images:data()[k - 1] = v end
  local i = anet.data(images):input()
  test.same({i.height, i.width, i.channels}, {1, 2, 2})
  local mean = (0 + 0.4 + 0.8 + 0.2) / 4
  local deviation = math.sqrt((0 + 0.16 + 0.64 + 0.04) / 4 - mean * mean)
  test.near(i.mean[1], mean, 1e-12)
  test.near(i.deviation[1], deviation, 1e-12)
  test.near(i.mean[2], 1, 1e-12)
  test.equal(i.deviation[2], 1e-3) -- of no deviation: nothing is divided by 0
  i = numbered(5, 2, 3):input()
  test.same({i.height, i.width, i.channels, #i.mean, #i.deviation}, {4, 6, 3, 3, 3})
  for c = 1, 3 do
    test.near(i.mean[c], 3 / 255, 1e-12)
    test.near(i.deviation[c], math.sqrt(2) / 255, 1e-12)
  end
  images = anet.tensor({1, 1, 4, 1}, 'u8'):set(1, 1, 4, 1, 255) -- the last counts, too
  test.near(anet.data(images):input().mean[1], 0.25, 1e-12)
end)

test.case('batches', function()
  local d = numbered(5, 3)
  local input = anet.data.input{height = 4, width = 6, channels = 1, mean = {0.5}, deviation = {0.25}}
  local images, targets, pool = anet.tensor{2, 4, 6, 1}, anet.tensor{2, 3}, anet.pool(1)
  local function value(n) return (n / 255 - 0.5) / 0.25 end
  local function batch(index, options)
    local filled = d:batch(input, images, targets, index, options)
    local list = {}
    for i = 1, filled do
      local n = (images:get(i, 4, 6, 1) * 0.25 + 0.5) * 255
      list[i] = math.floor(n + 0.5)
      test.near(images:get(i, 1, 1, 1), value(list[i]), 1e-5)
      for c = 1, 3 do test.equal(targets:get(i, c), (list[i] - 1) % 3 == c - 1 and 1 or 0) end
    end
    return list
  end
  test.same(batch(1), {1, 2})
  test.same(batch(2, {pool = pool}), {3, 4})
  test.same(batch(3), {5})
  -- An epoch has each item once, in an order of the seed and its own; the same each time.
  local function epoch(options)
    local all = {}
    for index = 1, 3 do for _, n in ipairs(batch(index, options)) do all[#all + 1] = n end end
    return all
  end
  local orders = {}
  for number, options in ipairs{{epoch = 1}, {epoch = 2}, {epoch = 1, seed = 9}, {epoch = 3}} do
    local all = epoch(options)
    test.same(epoch(options), all)
    orders[number] = table.concat(all, ' ')
    table.sort(all)
    test.same(all, {1, 2, 3, 4, 5})
  end
  local kinds = {}
  for _, order in ipairs(orders) do kinds[order] = true end
  test.check(next(kinds, next(kinds)), 'more than one order: ' .. table.concat(orders, ', '))
  test.equal(orders[1], table.concat(epoch{epoch = 1, seed = 0}, ' '))
  -- The first epoch is the engine's epoch 0.
  local ffi, filled, first = require 'ffi', require('ffi').new 'int32_t[1]', epoch{epoch = 1}
  ffi.C.anet_dataset_batch(d.handle, input.handle, nil, 0, 0, 0, pool, images.handle, targets.handle, filled)
  for i = 1, 2 do test.near(images:get(i, 1, 1, 1), value(first[i]), 1e-6) end
  test.check(orders[1] ~= orders[3], 'the seed changes the order')
  test.check(orders[1] ~= '1 2 3 4 5', 'an epoch is shuffled')
  test.raises('input: want input, got table', d.batch, d, {}, images, targets, 1)
  test.raises('images: want tensor, got nil', d.batch, d, input, nil, targets, 1)
  test.raises('targets: want tensor, got number', d.batch, d, input, images, 5, 1)
  test.raises('', d.batch, d, input, images, targets, 0)
end)

test.case('augmented batches', function()
  local images = anet.tensor({64, 1, 2, 1}, 'u8')
  for i = 0, 63 do images:data()[2 * i + 1] = 255 end -- dark, bright
  local d, made = anet.data(images), anet.tensor{64, 1, 2, 1}
  local input = anet.data.input{height = 1, width = 2, channels = 1}
  local augment = require('ffi').new('anet_augment', {flip = 1})
  d:batch(input, made, nil, 1, {augment = augment, epoch = 1})
  local flipped = 0
  for i = 1, 64 do flipped = flipped + made:get(i, 1, 1, 1) end
  test.near(flipped, 32, 16)
  d:batch(input, made, nil, 1, {epoch = 1})
  for i = 1, 64 do test.equal(made:get(i, 1, 1, 1), 0) end
end)

test.case('as one tensor', function()
  local d = numbered(5, 3)
  local input = anet.data.input{height = 4, width = 6, channels = 1}
  test.same(d:tensor(input):shape(), {5, 4, 6, 1})
  test.same(d:tensor(input, 2):shape(), {2, 4, 6, 1})
  test.same(d:tensor(input, 9):shape(), {5, 4, 6, 1})
  test.near(d:tensor(input, 2):get(2, 1, 1, 1), 2 / 255, 1e-6)
end)

-- ---- files --------------------------------------------------------------------------------------------------

local folder = command.path 'photos'

-- A folder a class, of images of 8 x 12; the train part has two of each, the test part one.
local function write_photos()
  for part, count in pairs{train = 2, test = 1} do
    for label, name in ipairs{'cat', 'dog'} do
      os.execute(('mkdir -p %s/%s/%s'):format(folder, part, name))
      for i = 1, count do
        local image = anet.tensor({8, 12, 3}, 'u8'):fill(label * 50 + i)
        assert(anet.image.save(image, ('%s/%s/%s/%d.png'):format(folder, part, name, i)))
      end
    end
  end
end

test.case('open', function()
  write_photos()
  local d = assert(anet.data.open(folder, {part = 'train'}))
  test.equal(d:count(), 4)
  test.same(d:shape(), {8, 12, 3})
  test.same(d:class_names(), {'cat', 'dog'})
  test.same(d:labels():list(), {0, 0, 1, 1})
  test.same(numbers(d), {51, 52, 101, 102})
  d = assert(anet.data.open(folder, {part = 'test'}))
  test.same(numbers(d), {51, 101})
  test.same(d:slice(2, 1):class_names(), {'cat', 'dog'})
  test.fails('no-such', 'io', anet.data.open '/no-such-folder/no-such-file')
end)

test.case('sizes', function()
  local function shape(path, options)
    options = options or {}
    options.part = 'test'
    return assert(anet.data.open(path, options)):shape()
  end
  test.same(shape(folder, {size = 4}), {4, 4, 3}) -- the shorter side, and the square in the middle
  test.same(shape(folder, {crop = 5}), {5, 5, 3})
  test.same(shape(folder, {size = 4, crop = 3}), {3, 3, 3})
  test.same(shape(folder .. ':size=4'), {4, 4, 3})
  test.same(shape(folder .. ':crop=5'), {5, 5, 3})
  test.same(shape(folder .. ':size=4,crop=3'), {3, 3, 3})
  test.same(shape(folder .. ':crop=3,size=4'), {3, 3, 3})
  test.same(shape(folder .. ':size=4', {size = 6}), {6, 6, 3}) -- what is asked for goes before the path
  test.same(shape(folder .. ':crop=4', {crop = 6}), {6, 6, 3})
  test.same(shape(folder .. ':crop=1'), {1, 1, 3})
  local function wrong(rest, word)
    local value, message, code = anet.data.open(folder .. rest)
    test.fails(('%s%s: \'%s\' is neither size=PIXELS nor crop=PIXELS'):format(folder, rest, word), 'format', value, message, code)
  end
  wrong(':size=0', 'size=0')
  wrong(':size=16385', 'size=16385')
  wrong(':size=x', 'size=x')
  wrong(':wide=4', 'wide=4')
  wrong(':size=4,crop', 'crop')
  wrong(':size=4,crop=-1', 'crop=-1')
  test.check(not (select(2, anet.data.open(folder .. ':size=16384')) or ''):find 'neither', 'the greatest size')
  -- A colon that says nothing of this kind belongs to the name.
  local _, message = anet.data.open '/no-such:folder'
  test.mentions(message, '/no-such:folder')
  _, message = anet.data.open '/no-such:a=b/c'
  test.mentions(message, '/no-such:a=b/c')
end)

test.case('data sets by a short name', function()
  local d, message = anet.data.open('fashion-mnist', {part = 'test'})
  if d then
    test.equal(d:count(), 10000)
    test.equal(d:class(1), 'T-shirt')
    test.equal(d:class_names()[10], 'ankle boot')
    test.equal(#d:class_names(), 10)
    test.same(d:slice(1, 2):class_names(), d:class_names())
  else
    test.mentions(message, '/usr/share/datasets/fashion-mnist')
  end
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
