-- What a distiller does with a schedule's answers: which images a step sees, which losses it takes, what it leaves alone.
-- The schedule is the test itself.
local anet = require 'anet'
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'

-- Images that tell which they are: image i is i everywhere but for one bright corner.
local COUNT, BATCH = 22, 8
local function told_apart()
  local images, labels = anet.tensor({COUNT, 8, 8, 1}, 'u8'), anet.tensor({COUNT}, 'i32')
  local pixels, values = images:data(), labels:data()
  for i = 0, COUNT - 1 do
    for k = 0, 63 do pixels[i * 64 + k] = i + 1 end
    pixels[i * 64] = 255
    values[i] = i % tiny.CLASSES
  end
  return anet.data(images, labels, tiny.CLASSES)
end

local data = told_apart()
local input = anet.data.input{height = 8, width = 8, channels = 1}
local images = data:tensor(input)

-- A schedule that answers what a function of the step gives.
local function schedule(answer)
  return {space = function() end, next = function(_, step, stats) return answer(step, stats) end}
end

local function elastic()
  local s = anet.distill.elastify(tiny.net(2), tiny.schedule(), images, tiny.pool)
  return s
end

local function distiller(s, answer, settings)
  settings = settings or {}
  for key, value in pairs{batch = BATCH, crop = 0, flip = false, seed = 3} do
    if settings[key] == nil then settings[key] = value end
  end
  return anet.distill.new(s, data, input, schedule(answer), settings, tiny.pool)
end

-- ---- batches ---------------------------------------------------------------------------------------------

-- Which image each row of the batch in hand is, by its middle; and all its pixels.
local function rows(d, n)
  local x, which, texts = d.images:data(), {}, {}
  for i = 0, n - 1 do
    which[i + 1] = math.floor(x[i * 64 + 27] * 255 + 0.5)
    local row = {}
    for k = 0, 63 do row[k + 1] = ('%.3f'):format(x[i * 64 + k]) end
    texts[which[i + 1]] = table.concat(row, ' ')
  end
  return which, texts
end

-- Fetch all batches of so many epochs: the order of images of each, and their pixels.
local function epochs(d, count)
  local orders, pixels = {}, {}
  for epoch = 1, count do
    orders[epoch], pixels[epoch] = {}, {}
    for _ = 1, d.steps_per_epoch do
      local n = d:fetch()
      local which, texts = rows(d, n)
      for _, i in ipairs(which) do table.insert(orders[epoch], i) end
      for i, row in pairs(texts) do pixels[epoch][i] = row end
      d.step = d.step + 1
    end
  end
  return orders, pixels
end

test.case('each epoch sees every image once, in a new order', function()
  local d = distiller(elastic(), function() end)
  test.equal(d.steps_per_epoch, 3)
  local orders = epochs(d, 4)
  for epoch, order in ipairs(orders) do
    local sorted = {unpack(order)}
    table.sort(sorted)
    test.equal(#sorted, COUNT)
    for i = 1, COUNT do test.equal(sorted[i], i) end
    for before = 1, epoch - 1 do
      test.check(table.concat(order, ' ') ~= table.concat(orders[before], ' '), ('epochs %d and %d have one order'):format(before, epoch))
    end
  end
  -- The seed decides.
  test.same(epochs(distiller(elastic(), function() end), 1)[1], orders[1])
  test.check(table.concat(epochs(distiller(elastic(), function() end, {seed = 4}), 1)[1], ' ') ~= table.concat(orders[1], ' '), 'seed')
end)

test.case('augmentation differs from epoch to epoch, and is what was asked for', function()
  for _, settings in ipairs{{crop = 2}, {flip = true}, {cutout = 3}} do
    local name = next(settings)
    local _, pixels = epochs(distiller(elastic(), function() end, settings), 6)
    local moved, same = 0, 0
    for i = 1, COUNT do
      for epoch = 2, 6 do
        if pixels[epoch][i] and pixels[1][i] then
          if pixels[epoch][i] ~= pixels[1][i] then moved = moved + 1 else same = same + 1 end
        end
      end
    end
    test.check(moved > 0.3 * (moved + same), ('%s: %d of %d images look different in another epoch'):format(name, moved, moved + same))
  end
  local _, plain = epochs(distiller(elastic(), function() end), 2)
  for i = 1, COUNT do test.equal(plain[2][i], plain[1][i]) end
end)

-- ---- losses ----------------------------------------------------------------------------------------------

local function softmax(x, at, n, heat)
  local top, sum, p = -math.huge, 0, {}
  for c = 0, n - 1 do top = math.max(top, x[at + c] / heat) end
  for c = 0, n - 1 do
    p[c] = math.exp(x[at + c] / heat - top)
    sum = sum + p[c]
  end
  for c = 0, n - 1 do p[c] = p[c] / sum end
  return p
end

-- By their definitions: cross-entropy with the labels, smoothed; divergence from the oracle's answers times the square of
-- the temperature (Hinton et al. 2015); means over images.
local function label_loss(y, n, which, smoothing)
  local sum = 0
  for i = 0, n - 1 do
    local p = softmax(y, i * tiny.CLASSES, tiny.CLASSES, 1)
    for c = 0, tiny.CLASSES - 1 do
      local want = ((which[i + 1] - 1) % tiny.CLASSES == c and 1 - smoothing or 0) + smoothing / tiny.CLASSES
      sum = sum - want * math.log(p[c])
    end
  end
  return sum / n
end

local function teacher_loss(y, t, n, heat)
  local sum = 0
  for i = 0, n - 1 do
    local p, q = softmax(y, i * tiny.CLASSES, tiny.CLASSES, heat), softmax(t, i * tiny.CLASSES, tiny.CLASSES, heat)
    for c = 0, tiny.CLASSES - 1 do sum = sum + q[c] * math.log(q[c] / p[c]) end
  end
  return heat * heat * sum / n
end

-- A genome of the supernet with two options that are not the oracle's.
local function changed_genome(s)
  local genome = s:space():keep()
  for _, o in ipairs(s:space():options()) do
    if o.kind == 'shrink' and (o.position == 2 or o.position == 4) then
      genome = genome:sub(1, o.position - 1) .. o.gene .. genome:sub(o.position + 1)
    end
  end
  assert(s:space():check(genome) and genome ~= s:space():keep())
  return genome
end

-- The loss of one joint step at rate 0, and by the definitions.
local function joint(answer)
  local s = elastic()
  local genome = changed_genome(s)
  answer.stage, answer.genomes, answer.rate = 'joint', {genome}, 0
  local d = distiller(s, function(step) return step == 1 and answer or nil end)
  local last = d:advance()
  local n = BATCH
  local which = rows(d, n)
  local batch = d.images:clone()
  local y = tiny.answers(s:subnet(genome), batch):data()
  local t = tiny.answers(s:oracle(), batch):data()
  test.equal(d:advance(), nil)
  return last, y, t, n, which
end

test.case('weights, temperatures and smoothing reach the loss', function()
  local last, y, t, n, which = joint{labels = 1}
  test.near(last.loss, label_loss(y, n, which, 0), 1e-5)
  test.equal(#last.losses, 1)
  test.equal(last.losses[1], last.loss)
  last, y, t, n, which = joint{labels = 0.25, smoothing = 0.2}
  test.near(last.loss, 0.25 * label_loss(y, n, which, 0.2), 1e-5)
  for _, heat in ipairs{1, 2, 5} do
    last, y, t, n = joint{teacher = 1, temperature = heat}
    test.near(last.loss, teacher_loss(y, t, n, heat), 1e-5)
  end
  last, y, t, n = joint{teacher = 1} -- 1 where none is said
  test.near(last.loss, teacher_loss(y, t, n, 1), 1e-5)
  last, y, t, n, which = joint{teacher = 0.5, temperature = 3, labels = 2}
  test.near(last.loss, 0.5 * teacher_loss(y, t, n, 3) + 2 * label_loss(y, n, which, 0), 1e-5)
  local hits = 0
  for i = 0, n - 1 do
    local best = 0
    for c = 1, tiny.CLASSES - 1 do
      if y[i * tiny.CLASSES + c] > y[i * tiny.CLASSES + best] then best = c end
    end
    hits = hits + (best == (which[i + 1] - 1) % tiny.CLASSES and 1 or 0)
  end
  last = joint{labels = 1}
  test.near(last.correct, hits / n, 1e-12)
end)

test.case('norms are fixed unless the schedule says otherwise', function()
  local fixed, y, _, n, which = joint{labels = 1}
  test.near(fixed.loss, label_loss(y, n, which, 0), 1e-5) -- by running statistics, as inference has them
  test.near(joint{labels = 1, fixed_norms = true}.loss, fixed.loss, 0)
  test.check(math.abs(joint{labels = 1, fixed_norms = false}.loss - fixed.loss) > 1e-3, 'by the statistics of the batch')
end)

test.case('features are compared behind each region, and share their weight', function()
  local s = elastic()
  local genome = changed_genome(s)
  local once = joint{feature = 1}
  test.near(joint{feature = 3}.loss, 3 * once.loss, 1e-5)
  test.check(once.loss > 1e-4, 'there is a difference')
  -- Two blocks are changed, at 2 and 4: features are taken from the first of them on.
  local net = s:subnet(genome)
  test.same(s:region_outputs(net, genome), {2, 3, 4})
  test.equal(#net:outputs(), 4)
end)

test.case('the oracle itself is not taught', function()
  local s = elastic()
  local keep = s:space():keep()
  local d = distiller(s, function() return {stage = 'joint', genomes = {keep, changed_genome(s)}, labels = 1, rate = 0.1} end)
  local last = d:advance()
  test.equal(last.losses[1], 0)
  test.check(last.losses[2] > 0, 'the other is')
  test.near(last.loss, last.losses[2] / 2, 1e-12)
end)

-- ---- what learns -----------------------------------------------------------------------------------------

local function copies(s)
  local list = {}
  for _, o in ipairs(s:space():options()) do
    list[o.index] = {}
    for i, p in ipairs(s:piece(o.index):all_params()) do list[o.index][i] = p.tensor:clone() end
  end
  return list
end

-- Indices of options of which a weight differs.
local function touched(s, before)
  local list = {}
  for _, o in ipairs(s:space():options()) do
    for i, p in ipairs(s:piece(o.index):all_params()) do
      if not tiny.same_bits(p.tensor, before[o.index][i]) then
        list[#list + 1] = o.index
        break
      end
    end
  end
  return table.concat(list, ' ')
end

test.case('a joint step changes the options that its genomes take, and no others', function()
  local s = elastic()
  local genome, before, want = changed_genome(s), copies(s), {}
  for _, taken in ipairs(s:space():chosen(genome)) do
    for _, o in ipairs(s:space():options()) do -- the widths of a block share their weights
      if o.kind == 'shrink' and taken.kind == 'shrink' and o.position == taken.position then want[#want + 1] = o.index end
    end
  end
  distiller(s, function() return {stage = 'joint', genomes = {genome}, labels = 1, teacher = 1, rate = 0.01} end):advance()
  test.equal(touched(s, before), table.concat(want, ' '))
end)

test.case('the rate is that of the step', function()
  local function moved(rate, stage)
    local s = elastic()
    local genome, before, far = changed_genome(s), copies(s), 0
    distiller(s, function() return {stage = stage, genomes = {genome}, labels = 1, rate = rate} end, {decay = 0, clip = 0}):advance()
    for _, o in ipairs(s:space():options()) do
      for i, p in ipairs(s:piece(o.index):all_params()) do
        if o.kind == 'shrink' and o.position == 2 and p.name == 'weight' then -- of one width
          local now, old = p.tensor:clone():data(), before[o.index][i]:data()
          for k = 0, before[o.index][i]:count() - 1 do far = math.max(far, math.abs(now[k] - old[k])) end
        end
      end
    end
    return far
  end
  for _, stage in ipairs{'joint', 'block'} do
    test.equal(moved(0, stage), 0)
    -- A first step of AdamW is the rate, whatever the gradient.
    test.near(moved(0.01, stage), 0.01, 1e-4)
    test.near(moved(0.03, stage), 0.03, 3e-4)
  end
end)

test.case('block by block, each option learns its own block from its own input', function()
  local s = elastic()
  local d = distiller(s, function(step) return step <= 1 and {stage = 'block', rate = 0} or nil end)
  local n, oracle = d:fetch()
  local sum, count = 0, 0
  for _, o in ipairs(s:space():options()) do
    if o.kind ~= 'keep' and o.kind ~= 'skip' then
      local from = oracle[d.entry[o.position]]:clone()
      local want = oracle[d.exit[o.position + o.span - 1]]:clone()
      local tape = anet.train.tape(s:piece(o.index), {batch = n, pool = tiny.pool, losses = {{kind = 'feature'}}})
      sum, count = sum + tape:step({from}, {want}, n, 0).loss, count + 1
    end
  end
  test.near(d:advance().loss, sum / count, 1e-5)
  -- Positions follow each other: what leaves one is what enters the next.
  for p = 1, 3 do test.equal(d.exit[p], d.entry[p + 1]) end
end)

test.case('the start is by least squares on as many images as asked', function()
  local asked
  local s = elastic()
  local original = s.solve
  local calls = 0
  s.solve = function(self, index, t, options)
    asked, calls = {t:dim(1), options.ridge}, calls + 1
    return original(self, index, t, options)
  end
  local last = distiller(s, function() return {stage = 'solve', images = 12, ridge = 0.5} end):advance()
  test.same(asked, {12, 0.5})
  local learners = 0
  for _, o in ipairs(s:space():options()) do learners = learners + ((o.kind == 'keep' or o.kind == 'skip') and 0 or 1) end
  test.equal(calls, learners)
  test.equal(last.stage, 'solve')
  test.equal(last.loss, 0)
end)

-- ---- the conversation ------------------------------------------------------------------------------------

test.case('the schedule is told what it needs', function()
  local s, heard, told = elastic(), {}, nil
  local genome = changed_genome(s)
  local d = anet.distill.new(s, data, input, {
    space = function(_, about, options) told = {about, options} end,
    next = function(_, step, stats)
      heard[step] = stats
      return step <= 3 and {stage = 'joint', genomes = {genome}, labels = 1, rate = 0} or nil
    end,
  }, {batch = BATCH}, tiny.pool)
  test.equal(told[1].positions, 4)
  test.check(told[2].space ~= nil, 'what answers are checked against')
  local losses = {}
  for step = 1, 3 do losses[step] = d:advance().loss end
  test.equal(d:advance(), nil)
  for step = 1, 4 do
    test.equal(heard[step].steps_per_epoch, 3)
    test.equal(heard[step].batch, BATCH)
    test.equal(heard[step].last and heard[step].last.losses[1], losses[step - 1])
  end
  test.equal(tostring(d), 'distiller after 3 steps of 3 an epoch')
end)

test.case('what they do when nothing is said', function()
  for key, value in pairs{batch = 128, optimizer = 'adamw', decay = 1e-4, momentum = 0.9, clip = 1, crop = 2, flip = true, cutout = 0,
                          seed = 1} do
    test.equal(anet.distill.DEFAULTS[key], value)
  end
  test.raises('there are no images', anet.distill.new, elastic(), data:slice(1, 0), input, schedule(function() end))
end)

return test.finish()
