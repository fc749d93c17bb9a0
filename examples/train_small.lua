-- Training: a small network on a slice of Fashion-MNIST, then saving it and opening it again.
--
--   anet examples/train_small.lua
--
-- `anet train` does the same for whole data sets, with checkpoints and averaging.
local anet = require 'anet'

-- A few hundred images are enough to see it learn; slices share memory with the whole.
local data = assert(anet.data.open('fashion-mnist', {part = 'test'}))
local train, held_out = data:slice(1, 600), data:slice(9001, 300)

-- How bytes become numbers: the mean and deviation of the training images. It is kept with the network.
local input = train:input()

local net, x = anet.net{input = {28, 28, 1}}
x = net:relu(net:norm(net:conv(x, {channels = 12, kernel = 3, stride = 2, pad = 1})))
x = net:relu(net:norm(net:conv(x, {channels = 24, kernel = 3, stride = 2, pad = 1})))
x = net:relu(net:norm(net:conv(x, {channels = 32, kernel = 3, stride = 2, pad = 1})))
net:output(net:linear(net:flatten(x), {channels = train:classes()}))
net:init(1)
print(net)

-- A pool is the threads that share the work. A network as small as this one is quickest on a single thread.
local pool = anet.pool(1)

-- The trainer steps through shuffled batches. The same settings give the same weights, on any number of threads.
local trainer = anet.train.trainer(net, train, input, {
  epochs = 7, batch = 32, lr = 0.05, schedule = 'cosine', warmup = 0.5, crop = 1, flip = true,
}, pool)
local loss, seen = 0, 0
while not trainer:done() do
  local epoch = trainer.epoch
  local stats, n = trainer:step()
  loss, seen = loss + stats.loss * n, seen + n
  if trainer.epoch ~= epoch then
    print(('epoch %d: loss %.3f'):format(epoch, loss / seen))
    loss, seen = 0, 0
  end
end

local accuracy = anet.plan(net, {batch = 50, pool = pool}):accuracy(held_out, input)
print(('accuracy on %d images that it never saw: %.1f %%'):format(held_out:count(), 100 * accuracy))
assert(accuracy > 0.6, 'it has not learnt')

-- One file holds the network and its input. Whoever opens it gets the same answers.
local path = os.tmpname()
assert(anet.bundle():set_net(net):set_input(input):save(path))
local opened = assert(anet.bundle.open(path))
assert(anet.plan(opened:net(), {batch = 50, pool = pool}):accuracy(held_out, opened:input()) == accuracy)
os.remove(path)
