-- `anet run` beside plans: many images in parts, several inputs and outputs, and what is shown of pictures.
local anet = require 'anet'
local test = dofile 'tests/support/test.lua'
local command = dofile 'tests/support/command.lua'
local tiny = dofile 'tests/support/tiny.lua'
local path, run, run_json = command.path, command.run, command.run_json

-- x + y, and a line of it.
local n = anet.net()
local sum = n:add(n:input({2, 3}, 'x'), n:input({2, 3}, 'y'), {name = 'sum'})
n:output(sum)
n:output(n:linear(n:flatten(sum), {channels = 4, name = 'line'}))
n:init(5)
assert(anet.bundle():set_net(n):save(path 'two.anet'))

local x, y = command.random({70, 2, 3}, 1), command.random({70, 2, 3}, 2)
assert(x:save(path 'x.npy'))
assert(y:save(path 'y.npy'))
local want = {anet.plan(n, {batch = 70, pool = tiny.pool}):run(x, y)}

test.case('many images go in parts', function()
  local said = run_json(('run %s %s %s -o %s'):format(path 'two.anet', path 'x.npy', path 'y.npy', path 'out.npy'))
  test.equal(said.model, path 'two.anet')
  test.same({said.results[1].output, said.results[2].output}, {'sum', 'line'})
  test.same(said.results[1].shape, {70, 2, 3})
  test.same(said.results[2].shape, {70, 4})
  test.same({said.results[1].out, said.results[2].out}, {path 'out.npy', path 'out.2.npy'})
  for k, name in ipairs{'out.npy', 'out.2.npy'} do
    test.check(tiny.same_bits(assert(anet.tensor.load(path(name))), want[k]), name)
  end
end)

test.case('one image stands for all', function()
  assert(y:first(1):clone():save(path 'one.npy'))
  run_json(('run %s %s %s -o %s'):format(path 'two.anet', path 'x.npy', path 'one.npy', path 'out.npy'))
  local got = assert(anet.tensor.load(path 'out.npy'))
  test.same(got:shape(), {70, 2, 3})
  for i = 0, 70 * 6 - 1 do test.near(got:data()[i], x:data()[i] + y:data()[i % 6], 1e-6) end
  run_json(('run %s %s %s -o %s'):format(path 'two.anet', path 'one.npy', path 'x.npy', path 'out.npy'))
  test.same(assert(anet.tensor.load(path 'out.npy')):shape(), {70, 2, 3})
end)

test.case('what is said of arrays', function()
  test.same({run(('run %s %s %s'):format(path 'two.anet', path 'x.npy', path 'y.npy'))}, {'sum: 70x2x3\nline: 70x4\n', 0})
  test.same({run(('run %s %s %s -o %s'):format(path 'two.anet', path 'x.npy', path 'y.npy', path 'out.pb'))},
            {('sum: 70x2x3, %s\nline: 70x4, %s\n'):format(path 'out.pb', path 'out.2.pb'), 0})
  test.check(tiny.same_bits(assert(anet.tensor.load(path 'out.2.pb')), want[2]))
  assert(y:first(69):clone():save(path 'less.npy'))
  local function fails(words, arguments)
    local text, status = run('run ' .. arguments)
    test.equal(status, 1)
    test.mentions(text, words)
  end
  fails('less.npy: 69 images, others have 70', ('%s %s %s'):format(path 'two.anet', path 'x.npy', path 'less.npy'))
  fails('two.anet has 2 inputs, got 1 arrays', ('%s %s'):format(path 'two.anet', path 'x.npy'))
  fails('want images or arrays, not both', ('%s %s data/samples/bag.png'):format(path 'two.anet', path 'x.npy'))
  fails('--out: want arrays (.npy, .pb) as input, not images', ('%s data/samples/bag.png -o %s'):format(path 'two.anet', path 'o.npy'))
end)

-- ---- pictures --------------------------------------------------------------------------------------------

-- A net whose answers are the same whatever it sees: logits 0, 2, 1, 2, -1.
local function constant()
  local c, v = anet.net{input = {2, 2, 1}}
  c:output(c:linear(c:flatten(v), {channels = 5, bias = true, name = 'classes'})):init(1)
  for _, p in ipairs(c:all_params()) do
    p.tensor:fill(0)
    if p.tensor:count() == 5 then
      for i, logit in ipairs{0, 2, 1, 2, -1} do p.tensor:data()[i - 1] = logit end
    end
  end
  return c
end

local function probability(logit) return math.exp(logit) / (1 + 2 * math.exp(2) + math.exp(1) + math.exp(-1)) end

local c = constant()
local input = anet.data.input{height = 2, width = 2, channels = 1}
assert(anet.image.save(anet.tensor({2, 2, 1}, 'u8'):fill(9), path 'a.png'))
assert(anet.image.save(anet.tensor({5, 7, 3}, 'u8'):fill(200), path 'b.png'))
assert(anet.bundle():set_net(c):set_input(input):save(path 'plain.anet'))
assert(anet.bundle():set_net(c):set_input(input):set_value('classes', {'zero', 'one', 'two', 'three', 'four'}):save(path 'named.anet'))
assert(anet.bundle():set_net(c):save(path 'blind.anet'))

test.case('the largest probabilities, of equal ones the first class', function()
  local said = run_json(('run %s %s %s'):format(path 'named.anet', path 'a.png', path 'b.png'))
  test.equal(#said.results, 2)
  for i, name in ipairs{'a.png', 'b.png'} do
    local result = said.results[i]
    test.equal(result.image, path(name))
    test.equal(#result.top, 3)
    for k, class in ipairs{1, 3, 2} do
      test.equal(result.top[k].class, class)
      test.equal(result.top[k].name, ({'one', 'three', 'two'})[k])
      test.near(result.top[k].probability, probability(({2, 2, 1})[k]), 1e-6)
    end
  end
  test.equal(#run_json(('run %s %s --top 1'):format(path 'plain.anet', path 'a.png')).results[1].top, 1)
  test.equal(#run_json(('run %s %s --top 99'):format(path 'plain.anet', path 'a.png')).results[1].top, 5)
  local share = function(logit) return ('%.1f %%'):format(100 * probability(logit)) end
  test.equal((run(('run %s %s --top 5'):format(path 'plain.anet', path 'a.png'))),
             ('%s: class 1 %s, class 3 %s, class 2 %s, class 0 %s, class 4 %s\n'):format(path 'a.png', share(2), share(2), share(1), share(0), share(-1)))
  test.equal((run(('run %s %s --top 1'):format(path 'named.anet', path 'a.png'))), ('%s: one %s\n'):format(path 'a.png', share(2)))
end)

test.case('nets that say nothing of pictures', function()
  local text, status = run(('run %s %s'):format(path 'blind.anet', path 'a.png'))
  test.equal(status, 1)
  test.mentions(text, 'blind.anet: it does not say how images become its input')
  local m, v = anet.net{input = {2, 2, 1}}
  assert(anet.bundle():set_net(m:output(m:relu(v))):set_input(input):save(path 'map.anet'))
  text, status = run(('run %s %s'):format(path 'map.anet', path 'a.png'))
  test.equal(status, 1)
  test.mentions(text, 'map.anet: its output is 2x2x1, want a row of classes')
end)

os.execute(("rm -r '%s'"):format(command.folder))
return test.finish()
