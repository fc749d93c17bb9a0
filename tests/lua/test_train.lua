-- The trainer: it learns, and its weights depend on the settings alone.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local core = require 'anet.core'
local ffi = require 'ffi'

local CLASSES = 3

-- Images whose label is the third of the image that is bright.
local function make_data(count, seed)
  local images, labels = anet.tensor({count, 6, 6, 1}, 'u8'), anet.tensor({count}, 'i32')
  local random, pixels, values = anet.rng(seed), images:data(), labels:data()
  for i = 0, count - 1 do
    local label = random:int(0, CLASSES - 1)
    values[i] = label
    for k = 0, 35 do
      local bright = math.floor(k / 12) == label
      pixels[i * 36 + k] = random:int(0, 120) + (bright and 60 or 0)
    end
  end
  return anet.data(images, labels, CLASSES)
end

local function make_net()
  local n, x = anet.net{input = {6, 6, 1}}
  x = n:relu(n:norm(n:conv(x, {channels = 8, kernel = 3, pad = 1})))
  x = n:dropout(x, {alpha = 0.1})
  return n:output(n:linear(n:flatten(x), {channels = CLASSES})):init(1)
end

local SETTINGS = {
  batch = 16, epochs = 3, lr = 0.05, warmup = 0.5, crop = 1, flip = true, cutout = 2, mixup = 0.2, ema = 0.95,
  smoothing = 0.1, decay = 1e-4,
}

local function make_trainer(threads, settings)
  local d = make_data(100, 1)
  return anet.train.trainer(make_net(), d, d:input(), settings or SETTINGS, anet.pool(threads or 1))
end

local function finish(trainer, most)
  while not trainer:done() and most ~= 0 do
    trainer:step()
    most = most and most - 1
  end
  return trainer
end

-- Values that differ between the parameters (or the averages) of two trainers.
local function differences(a, b)
  local count = 0
  for i, p in ipairs(a.net:all_params()) do
    local pairs_of_tensors = {{p.tensor, b.net:all_params()[i].tensor}}
    if a.average then pairs_of_tensors[2] = {a.average.means[i], b.average.means[i]} end
    for _, pair in ipairs(pairs_of_tensors) do
      local x, y = pair[1]:data(), pair[2]:data()
      for k = 0, pair[1]:count() - 1 do
        if x[k] ~= y[k] then count = count + 1 end
      end
    end
  end
  return count
end

test.case('it learns', function()
  local trainer = make_trainer(1, {batch = 16, epochs = 8, lr = 0.05})
  local held_out = make_data(200, 2)
  local before = trainer:accuracy(held_out)
  local after = finish(trainer):accuracy(held_out)
  test.check(after > 0.8 and after > before, ('accuracy %.3f before, %.3f after'):format(before, after))
end)

test.case('the same weights for any number of threads', function()
  test.equal(differences(finish(make_trainer(1)), finish(make_trainer(3))), 0)
end)

test.case('stopping anywhere and going on changes nothing', function()
  local whole, path = finish(make_trainer()), os.tmpname()
  for _, steps in ipairs{1, 7, 10} do -- in, at the end of and after the first epoch
    local first = finish(make_trainer(), steps)
    assert(first:save(anet.bundle()):save(path))
    local bundle = assert(anet.bundle.open(path))
    local d = make_data(100, 1)
    local second = anet.train.trainer(bundle:net(), d, bundle:input(), bundle:value('trainer').settings, anet.pool(2))
    test.equal(second:restore(bundle):steps(), steps)
    test.equal(differences(whole, finish(second)), 0)
  end
  os.remove(path)
end)

test.case('a step that is stopped leaves the trainer as it was', function()
  local whole, stopped = finish(make_trainer()), make_trainer()
  local flag = ffi.new 'volatile int32_t[1]'
  while not stopped:done() do
    local epoch, index = stopped.epoch, stopped.index
    local step = stopped.tape.step
    stopped.tape.step = function(...)
      flag[0] = 1
      return step(...)
    end
    ffi.C.anet_pool_watch(stopped.pool, flag)
    local ok, err = pcall(stopped.step, stopped)
    ffi.C.anet_pool_watch(stopped.pool, nil)
    stopped.tape.step, flag[0] = nil, 0
    test.check(not ok and core.is_stop(err), tostring(err))
    test.same({stopped.epoch, stopped.index}, {epoch, index})
    stopped:step()
  end
  test.equal(differences(whole, stopped), 0)
end)

test.case('other optimizers and schedules', function()
  for schedule in pairs(anet.train.SCHEDULES) do
    local trainer = finish(make_trainer(1, {batch = 32, epochs = 2, lr = 0.01, optimizer = 'adamw', schedule = schedule}))
    test.check(trainer:done(), schedule)
  end
end)

test.case('learning rates', function()
  local function rate(schedule, at, warmup) return anet.train.rate(schedule, at, 100, warmup or 0) end
  test.near(rate('cosine', 0), 1, 1e-12)
  test.near(rate('cosine', 50), 0.5, 1e-12)
  test.check(rate('cosine', 99) > 0 and rate('cosine', 99) < 0.001, 'cosine ends near 0')
  test.near(rate('cosine', 4, 9), 0.5, 1e-12)
  test.equal(rate('step', 49), 1)
  test.equal(rate('step', 80), 0.01)
  test.near(rate('onecycle', 30), 1, 1e-12)
  test.check(rate('onecycle', 0) < 0.1, 'onecycle starts low')
end)

-- By hand: 100 images are 7 batches of 16; the warm-up is half an epoch.
test.case('rates of a run follow its epochs and batches', function()
  local trainer, rates = make_trainer(1, {batch = 16, epochs = 2, lr = 0.2, warmup = 0.5, schedule = 'cosine'}), {}
  while not trainer:done() do
    rates[#rates + 1] = trainer:rate()
    trainer:step()
  end
  test.equal(#rates, 14)
  for k, rate in ipairs(rates) do
    local at = k - 1
    local want = at < 3.5 and (at + 1) / 4.5 or 0.5 * (1 + math.cos(math.pi * (at - 3.5) / 10.5))
    test.near(rate, 0.2 * want, 1e-9)
  end
  test.equal(anet.train.rate('cosine', 5, 5, 5), 1) -- all of it is warm-up: at its end the whole rate
  test.equal(anet.train.rate('cosine', 5, 5, 4.5), 0.5)
end)

-- One step from the same start.
local function stepped(settings)
  settings.batch, settings.epochs, settings.lr = 32, 1, 0.05
  local trainer = make_trainer(1, settings)
  trainer:step()
  trainer:step()
  return trainer
end

test.case('settings reach the optimiser and the images', function()
  local plain = stepped{}
  test.equal(differences(plain, stepped{}), 0)
  for key, value in pairs{momentum = 0.5, decay = 0.1, clip = 1e-4, crop = 2, flip = true, cutout = 3, mixup = 0.5, smoothing = 0.3, seed = 7} do
    test.check(differences(plain, stepped{[key] = value}) > 0, key .. ' changes nothing')
  end
end)

test.case('the average follows the weights, statistics included', function()
  local trainer, means = make_trainer(1, {batch = 32, epochs = 2, lr = 0.05, ema = 0.9}), {}
  for i, p in ipairs(trainer.net:all_params()) do means[i] = p.tensor:get(unpack(p.tensor:shape())) end
  local steps = 0
  while not trainer:done() do
    trainer:step()
    steps = steps + 1
    local keep = math.min(0.9, (1 + steps) / (10 + steps))
    for i, p in ipairs(trainer.net:all_params()) do
      means[i] = keep * means[i] + (1 - keep) * p.tensor:get(unpack(p.tensor:shape()))
    end
  end
  test.check(#trainer.average.means == #means and #means == 7, ('%d means of %d'):format(#trainer.average.means, #means))
  for i, mean in ipairs(means) do
    local t = trainer.average.means[i]
    test.near(t:get(unpack(t:shape())), mean, 1e-4 * (1 + math.abs(mean)))
  end
end)

test.case('a tape that is renewed is one of the other net', function()
  local d = make_data(8, 3)
  local images, targets = d:tensor(d:input()), anet.tensor{8, CLASSES}:fill(1 / CLASSES)
  local function linear(seed)
    local n = anet.net{input = {6, 6, 1}}
    return n:output(n:linear(n:flatten(n:inputs()[1]), {channels = CLASSES})):init(seed)
  end
  local losses = {{kind = 'labels'}}
  local tape = anet.train.tape(make_net(), {batch = 8, losses = losses})
  local fresh = anet.train.tape(linear(5), {batch = 8, losses = losses})
  tape:step({images}, {targets}, 8, 1)
  tape:renew(linear(5), losses)
  test.equal(tape:step({images}, {targets}, 8, 1).loss, fresh:step({images}, {targets}, 8, 1).loss)
end)

test.case('wrong settings', function()
  test.raises("no setting 'epochz'; did you mean 'epochs'?", make_trainer, 1, {epochz = 3})
  test.raises("no schedule 'cosin'; did you mean 'cosine'?", make_trainer, 1, {schedule = 'cosin'})
  test.raises("no optimizer 'adam'; did you mean 'adamw'?", make_trainer, 1, {optimizer = 'adam'})
  test.raises("no loss 'label'", anet.train.tape, make_net(), {batch = 1, losses = {{kind = 'label'}}})
end)

return test.finish()
