-- `anet demo`: the whole road as one command, on a small oracle and small data.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local anet = require 'anet'
local bit = require 'bit'
local ffi = require 'ffi'

local function big_endian(...)
  local bytes = {}
  for _, number in ipairs{...} do
    for shift = 24, 0, -8 do bytes[#bytes + 1] = string.char(bit.band(bit.rshift(number, shift), 255)) end
  end
  return table.concat(bytes)
end

local function write(name, head, body)
  local file = assert(io.open(command.path(name), 'wb'))
  file:write(head, body)
  file:close()
end

-- A data set as a folder of IDX files.
local function write_idx(part, data)
  local count, labels, values = data:count(), {}, data:labels():data()
  for i = 0, count - 1 do labels[i + 1] = string.char(values[i]) end
  write(part .. '-images-idx3-ubyte', big_endian(0x803, count, 8, 8), ffi.string(data:images():data(), count * 64))
  write(part .. '-labels-idx1-ubyte', big_endian(0x801, count), table.concat(labels))
end

local train = tiny.data(400, 1)
write_idx('train', train)
write_idx('test', tiny.data(100, 2))
local input = train:input()
assert(anet.bundle.new():set_net(tiny.oracle(train, input)):set_input(input):save(command.path 'oracle.anet'))

local function demo(model, more)
  return command.run_json(('demo %s --data %s --images 100 --held-out 5 --frames 20 --block-epochs 0.5 --joint-epochs 0.5 ' ..
    '--threads 1 --budgets 95%%,90%% %s'):format(command.path(model), command.folder, more))
end

local OUT = command.path 'out'
local whole = demo('oracle.anet', '--out ' .. OUT)

test.case('it ends with a ladder, the fastest first, and what became of every budget', function()
  local ladder = whole.ladder
  test.check(#ladder >= 1 and #ladder <= 3, ('%d rungs'):format(#ladder))
  test.equal(#whole.budgets, 2)
  for i, r in ipairs(ladder) do
    test.check(i == 1 or (r.measured_ms > ladder[i - 1].measured_ms and r.accuracy > ladder[i - 1].accuracy), 'none is dominated')
    test.near(r.retained, r.test_accuracy / whole.oracle.test_accuracy, 1e-9)
    test.check(whole.oracle.accuracy >= 0 and r.accuracy == r.score, 'accuracy is of the images of the search')
  end
  test.equal(whole.adapt.frames, 20)
end)

test.case('what it leaves is a supernet with a ladder, and a report', function()
  local s = assert(assert(anet.bundle.open(OUT .. '/supernet.anet')):supernet())
  test.equal(#s:space():options(), whole.supernet.options)
  local left = anet.bundle.open(OUT .. '/supernet.anet'):value 'ladder'.rungs
  for i, r in ipairs(whole.ladder) do test.equal(left[i].measured_ms, r.measured_ms) end -- of one image, not of the stream's frames
  for _, name in ipairs{'front.png', 'trace.png', 'report.html'} do
    local file = io.open(OUT .. '/' .. name)
    test.check(file, name .. ' is missing')
    if file then file:close() end
  end
end)

test.case('blocks have options in bytes, unless told otherwise', function()
  local plain = demo('oracle.anet', "--no-int8 --out ''")
  test.equal(whole.supernet.options, plain.supernet.options + 4) -- tiny.net has four blocks
end)

test.case('a supernet that is distilled already is not distilled again', function()
  local again = demo('out/supernet.anet', "--out ''")
  test.check(again.distill.shipped)
  test.equal(again.supernet.options, whole.supernet.options)
end)

test.case('a distilled supernet without options in bytes gets them', function()
  local bundle = assert(anet.bundle.open(command.path 'oracle.anet'))
  local s = tiny.supernet(assert(bundle:net()), train:tensor(input, 32))
  assert(anet.bundle.new():set_supernet(s):set_input(input):save(command.path 'floats.anet'))
  local floats, bytes = demo('floats.anet', "--no-int8 --out ''"), demo('floats.anet', "--out ''")
  test.equal(floats.supernet.options, #s:space():options())
  test.equal(bytes.supernet.options, floats.supernet.options + 4)
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
