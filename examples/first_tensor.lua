-- First steps: tensors, a network made by hand, real images, and a trained network that names one.
--
--   anet examples/first_tensor.lua        from the top of the repository
local anet = require 'anet'

-- A tensor is an array of numbers. Its shape is a list; indices count from 1.
local t = anet.tensor.of{{1, 2, 3}, {4, 5, 6}}
print(t, 'the element in row 2, column 3 is', t:get(2, 3))

-- A view is a window of a tensor: it copies nothing, so a change is seen through both.
local column = t:view({1, 2}, {2, 1}) -- from row 1, column 2: two rows, one column
column:set(1, 1, 20)
print(column, 'and now the tensor is', t)
assert(t:get(1, 2) == 20)

-- A network is built node by node. Each call gives the number of a value, which later calls take as input.
-- Images are (height, width, channels).
local net, x = anet.net{input = {28, 28, 1}}
x = net:conv(x, {channels = 8, kernel = 3, stride = 2, pad = 1})
x = net:relu(net:norm(x))
net:output(net:linear(net:global_pool(x), {channels = 10}))
net:init(1) -- random weights, from this seed
print(net:describe())

-- Before it runs, a network is compiled to a plan: norms and activations are fused, memory is laid out.
local plan = anet.plan(net)
local answer = plan:run(anet.tensor{1, 28, 28, 1}) -- a batch of one black image
print(plan, 'answers', answer)
assert(answer:count() == 10)

-- A bundle is a file with a network and all that belongs to it. This one was trained on Fashion-MNIST, and
-- `input` says how it wants its images: their size, and the mean and deviation of a pixel.
local bundle = assert(anet.bundle.open 'data/resnet20.anet')
local trained, input = assert(bundle:net()), bundle:input()
print(bundle)

-- Calls that may fail for reasons outside the program give nil and a message, so assert shows what is wrong.
local data = assert(anet.data.open('fashion-mnist', {part = 'test'}))
print(data)

-- The first image, as text.
local image = data:images()
for row = 1, 28, 2 do
  local line = {}
  for k = 1, 28 do line[k] = (' .:-=+*#%@'):sub(math.floor(image:get(1, row, k, 1) / 25.6) + 1):sub(1, 1) end
  print(table.concat(line))
end

-- What the trained network says about it: the class with the largest answer.
local names = {'T-shirt', 'trousers', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot'}
local answers = anet.plan(trained):run(data:slice(1, 1):tensor(input)):list()
local best = 1
for class, value in ipairs(answers) do
  if value > answers[best] then best = class end
end
local label = data:labels():get(1) + 1 -- labels are stored from 0
print(('the network says %s, the label says %s'):format(names[best], names[label]))
assert(best == label)
