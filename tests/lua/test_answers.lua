-- A network that ends in softmax says what it says without: shown, measured and distilled alike.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local anet = require 'anet'

local data = tiny.data(60)
local input = data:input()
local plain = tiny.oracle(data, input)
local soft, each = tiny.ending_in('softmax', plain), tiny.ending_in('sigmoid', plain)

local function image_file()
  local image, pixels = anet.tensor({8, 8, 1}, 'u8'), data:images():data()
  for k = 0, 63 do image:data()[k] = pixels[k] end
  assert(anet.image.save(image, command.path 'image.png'))
  return command.path 'image.png'
end

-- A bundle of a net, and what `anet run` says of the first image.
local function said(net, name)
  assert(anet.bundle():set_net(net):set_input(input):save(command.path(name)))
  return command.run_json(('run %s %s --top 3'):format(command.path(name), image_file())).results[1].top
end

test.case('a net tells what it answers', function()
  local a = soft:answers()
  test.same({a.kind, a.classes, a.rows, a.logits}, {'probabilities', 3, 1, soft:outputs()[1] - 1})
  test.equal(plain:answers().kind, 'logits')
  test.equal(each:answers().kind, 'independent')
  test.same(soft:probabilities{0.25, 0.75}, {0.25, 0.75})
  test.near(plain:probabilities{0, math.log(3)}[2], 0.75, 1e-12)
end)

test.case('run shows the probabilities of the model', function()
  local want, got = said(plain, 'plain.anet'), said(soft, 'soft.anet')
  local row = tiny.answers(soft, data:tensor(input, 1))
  for i, w in ipairs(want) do
    test.equal(got[i].class, w.class)
    test.near(got[i].probability, w.probability, 1e-6)
    test.near(got[i].probability, row:get(1, w.class + 1), 1e-6)
  end
  local free = said(each, 'each.anet')
  row = tiny.answers(each, data:tensor(input, 1))
  for _, f in ipairs(free) do test.near(f.probability, row:get(1, f.class + 1), 1e-6) end
end)

test.case('files keep the softmax', function()
  local path = command.path 'soft.onnx'
  assert(soft:export(path))
  local back = assert(anet.net.import(path))
  test.equal(back:answers().kind, 'probabilities')
  test.equal(back:get(back:outputs()[1]).op, 'softmax')
  test.equal(assert(assert(anet.bundle.open(command.path 'soft.anet')):net()):answers().kind, 'probabilities')
end)

local function supernet(net) return tiny.supernet(net, data:tensor(input, 32)) end

test.case('subnets diverge from their oracle alike', function()
  local losses = {}
  for i, net in ipairs{plain, soft} do
    local s = supernet(net)
    local random, genomes = anet.rng(5), {s:space():keep()}
    for k = 2, 12 do genomes[k] = s:space():sample(random) end
    losses[i] = assert(anet.evaluate.new(s, data, input, tiny.pool):run(genomes))
  end
  test.near(losses[2][1].loss, 0, 1e-6)
  for k, want in ipairs(losses[1]) do
    test.near(losses[2][k].loss, want.loss, 1e-4 * (1 + want.loss))
    test.equal(losses[2][k].hits, want.hits)
  end
end)

-- The weights of both after the same steps.
test.case('it learns from labels and a teacher as well', function()
  local stats = {}
  for i, net in ipairs{plain, soft} do
    stats[i] = {}
    local d = anet.distill.new(supernet(net), data, input, tiny.schedule ',block_epochs=0', {batch = 16, crop = 1, seed = 3}, tiny.pool)
    while true do
      local step = d:advance()
      if not step then break end
      stats[i][#stats[i] + 1] = step.loss
    end
  end
  test.equal(#stats[2], #stats[1])
  for k, want in ipairs(stats[1]) do test.near(stats[2][k], want, 1e-3 * (1 + want)) end
  local from_scratch = {}
  for i, ending in ipairs{false, 'softmax'} do
    local trainer = anet.train.trainer(tiny.net(1, ending or nil), data, input, {batch = 16, epochs = 2, lr = 0.05}, tiny.pool)
    while not trainer:done() do from_scratch[i] = trainer:step().loss end
  end
  test.near(from_scratch[2], from_scratch[1], 0)
end)

test.case('independent answers learn their own way', function()
  local d = anet.distill.new(supernet(each), data, input, tiny.schedule ',block_epochs=0,joint_epochs=6', {batch = 16}, tiny.pool)
  local first, last
  while true do
    local step = d:advance()
    if not step then break end
    if step.stage == 'joint' then first, last = first or step.loss, step.loss end
    test.check(step.loss >= 0 and step.loss < 100, ('loss %g'):format(step.loss))
  end
  test.check(last < first, ('loss %.4f at first, %.4f at last'):format(first, last))
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
