-- Whatever a name on the command line is of, a pipe that nobody writes, a folder, a device without an end, a file of
-- 100 MB: the verb that should read it says so at once, in one line.
local test = dofile 'tests/support/test.lua'
local command = dofile 'tests/support/command.lua'
local tiny = dofile 'tests/support/tiny.lua'
local anet = require 'anet'
local host = require 'anet.host'

local data = tiny.data(120, 1)
local input = data:input()
local oracle = tiny.oracle(data, input)
assert(anet.bundle.new():set_net(oracle):set_input(input):save(command.path 'oracle.anet'))

-- A name with a suffix for each kind of thing that is no file of a sensible size.
local function strange(suffix)
  local names = {pipe = command.path('pipe' .. suffix), folder = command.path('folder' .. suffix),
                 device = command.path('zero' .. suffix), huge = command.path('huge' .. suffix)}
  os.execute(('mkfifo %s; mkdir %s; ln -s /dev/zero %s; truncate -s 100M %s'):format(names.pipe, names.folder,
    names.device, names.huge))
  return names
end

local SAYS = {pipe = 'it is a pipe', folder = 'it is a folder', device = 'it is a device'}

-- `anet` with the name in place of % fails with one line that names it. huge: what is said of 100 MB.
local function refused(arguments, suffix, huge)
  local names = strange(suffix)
  for kind, path in pairs(names) do
    local line = arguments:gsub('%%', path)
    local output, status = command.run(line, 'timeout 10')
    test.equal(status, 1)
    test.mentions(output, path)
    test.check(output:match '^anet[ :][^\n]*\n$', ('%s: one line: %q'):format(line, output))
    test.mentions(output, kind == 'huge' and huge or SAYS[kind])
  end
  os.execute(("rm -r '%s' '%s' '%s' '%s'"):format(names.pipe, names.folder, names.device, names.huge))
end

local ORACLE = command.path 'oracle.anet'

test.case('policies', function()
  refused(("elastify %s --data '' --policy %% -o %s"):format(ORACLE, command.path 'x.anet'), '.lua', 'want at most 1048576')
  for kind, path in pairs(strange '.p') do
    local began = anet.clock()
    local policy, message, code = anet.policy.load(path)
    test.fails(path, kind == 'huge' and 'range' or 'io', policy, message, code)
    test.check(anet.clock() - began < 5, 'at once')
  end
end)

test.case('scripts and networks in Lua', function()
  refused('%', '.lua', 'want at most 16777216')
  refused('train % --data fashion-mnist --limit 10', '.lua', 'want at most 16777216')
end)

test.case('bundles', function()
  refused('info %', '.anet', 'cut off, or not a bundle')
  refused('report %', '.anet', 'cut off, or not a bundle')
end)

test.case('JSON, models, arrays, images, names of classes', function()
  refused('report %', '.json', "is not what 'anet demo --json' prints")
  refused('import %', '.onnx', 'huge.onnx')
  refused(('run %s %%'):format(ORACLE), '.npy', 'huge.npy')
  refused(('run %s %%'):format(ORACLE), '.pb', 'huge.pb')
  refused(('run %s %%'):format(ORACLE), '.png', 'huge.png')
end)

test.case('data sets and checkpoints', function()
  for _, name in ipairs{'t10k-images-idx3-ubyte', 'test_batch.bin'} do
    os.execute(('mkdir %s; mkfifo %s'):format(command.path(name), command.path(name .. '/' .. name)))
    local output, status = command.run(('eval %s --data %s'):format(ORACLE, command.path(name)), 'timeout 10')
    test.equal(status, 1)
    test.mentions(output, 'it is a pipe')
  end
  os.execute('mkfifo ' .. command.path 'out.anet.ckpt')
  for _, how in ipairs{'resnet8 --limit 10', '--resume'} do
    local output, status = command.run(('train %s -o %s'):format(how, command.path 'out.anet'), 'timeout 10')
    test.equal(status, 1)
    test.mentions(output, 'out.anet.ckpt')
  end
end)

test.case('host.read', function()
  local path = command.path 'text'
  local file = assert(io.open(path, 'wb'))
  file:write 'a\0b'
  file:close()
  test.equal(host.read(path, 3), 'a\0b')
  test.fails('has 3 bytes, want at most 2', 'range', host.read(path, 2))
  test.fails('No such file', 'io', host.read(path .. '.none', 2))
  test.fails('it is a pipe', 'io', host.read(strange('.h').pipe, 2))
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
