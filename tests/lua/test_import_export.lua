-- `anet import` and `anet export`: what their flags do, what they say, and what they refuse.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local onnx = dofile 'tests/support/onnx_model.lua'

local command = dofile 'tests/support/command.lua'
local folder, path, run, run_json = command.folder, command.path, command.run, command.run_json

local function write(name, bytes)
  local file = assert(io.open(path(name), 'wb'))
  file:write(bytes)
  file:close()
end

local function model(dims, nodes, outputs, inputs)
  return onnx.bytes{opset = 13, producer = 'someone', inputs = inputs or {{'x', dims}}, outputs = outputs or {{'y'}}, nodes = nodes or {{'Relu', {'x'}, {'y'}}}}
end

write('image.onnx', model{'N', 3, 4, 5})
write('rows.onnx', model{'N', 6})
write('five.onnx', model{'N', 5, 4, 4})
write('end.onnx', model({'N', 6}, {{'Relu', {'x'}, {'a'}}, {'NonZero', {'a'}, {'b'}}, {'NonZero', {'b'}, {'c'}}}, {{'c'}, {'a'}}))

local function lines(text)
  local list = {}
  for l in text:gmatch '[^\n]+' do list[#list + 1] = l end
  return list
end

test.case('what an import says', function()
  local output, status = run(('import %s -o %s'):format(path 'image.onnx', path 'a.anet'))
  test.equal(status, 0)
  test.same(lines(output), {
    'net 4x5x3 -> 4x5x3, 2 nodes, 0 parameters, 0 MACs', 'a byte x becomes (x/255 - mean)/deviation, mean 0 0 0, deviation 1 1 1',
    path 'a.anet' .. ': 0 B, 0 MACs',
  })
  local result = run_json(('import %s -o %s'):format(path 'image.onnx', path 'a.anet'))
  test.equal(result.out, path 'a.anet')
  test.equal(result.nodes, 2)
  test.equal(result.params, 0)
  test.equal(result.bytes, 0)
  test.equal(result.macs, 0)
  test.equal(result.input.height, 4)
  test.equal(result.left_out, nil)
  local from = assert(anet.bundle.open(path 'a.anet')):value 'provenance'
  test.equal(from.verb, 'import')
  test.equal(from.model, path 'image.onnx')
  test.equal(from.opset, 13)
  test.equal(from.producer, 'someone')
  test.check(from.seconds >= 0, 'it takes its time')
  output = run(('import %s -o %s'):format(path 'rows.onnx', path 'r.anet'))
  test.equal(#lines(output), 2) -- no image
  test.equal(run_json(('import %s -o %s'):format(path 'rows.onnx', path 'r.anet')).input, nil)
  test.equal(run_json(('import %s -o %s'):format(path 'five.onnx', path 'f.anet')).input, nil) -- five channels are none
end)

test.case('how bytes become an input', function()
  local function input(flags)
    run_json(('import %s -o %s %s'):format(path 'image.onnx', path 'a.anet', flags))
    local i = assert(anet.bundle.open(path 'a.anet')):input()
    return {i.height, i.width, i.channels}, i
  end
  local dims, i = input ''
  test.same(dims, {4, 5, 3})
  test.near(i.mean[1], 0, 0)
  test.near(i.deviation[3], 1, 0)
  i = select(2, input '--mean 0.25,0.5,0.75 --std 2')
  for c = 1, 3 do
    test.near(i.mean[c], c / 4, 1e-6)
    test.near(i.deviation[c], 2, 1e-6)
  end
  i = select(2, input '--mean 64 --std 32,64,128 --scale 128')
  test.near(i.mean[2], 0.5, 1e-6)
  for c = 1, 3 do test.near(i.deviation[c], 2 ^ (c - 3), 1e-6) end
  local function refused(file, flags, words)
    local output, status = run(('import %s -o %s %s'):format(path(file), path 'no.anet', flags))
    test.equal(status, 1)
    test.equal(output, 'anet import: ' .. words .. '\n')
    test.check(not io.open(path 'no.anet'), 'nothing is written')
  end
  refused('image.onnx', '--mean 1,2', '--mean: got 2 numbers, the input has 3 channels')
  refused('image.onnx', '--std 1,2,3,4', '--std: got 4 numbers, the input has 3 channels')
  refused('image.onnx', '--mean 1,x,3', "--mean: 'x' is no number")
  refused('image.onnx', '--std 1,0,1', '--std: 0, want more than 0')
  refused('image.onnx', '--std 1,-1,1', '--std: -1, want more than 0')
  refused('rows.onnx', '--mean 1', '--mean, --std, --scale: the input is 6, no image')
  refused('rows.onnx', '--std 1', '--mean, --std, --scale: the input is 6, no image')
  refused('five.onnx', '--scale 255', '--mean, --std, --scale: the input is 4x4x5, no image')
end)

test.case('labels', function()
  write('labels.txt', 'cat\r\n\ndog\nowl')
  run_json(('import %s -o %s --labels %s'):format(path 'rows.onnx', path 'l.anet', path 'labels.txt'))
  test.same(assert(anet.bundle.open(path 'l.anet')):value 'classes', {'cat', 'dog', 'owl'})
  local output, status = run(('import %s -o %s --labels %s'):format(path 'rows.onnx', path 'no.anet', path 'none.txt'))
  test.equal(status, 1)
  test.mentions(output, 'none.txt')
  write('huge.txt', ('x'):rep(2 ^ 20 + 1))
  output, status = run(('import %s -o %s --labels %s'):format(path 'rows.onnx', path 'no.anet', path 'huge.txt'))
  test.equal(status, 1)
  test.mentions(output, 'huge.txt')
end)

test.case('parts of a model', function()
  local output, status = run(('import %s -o %s'):format(path 'end.onnx', path 'no.anet'))
  test.equal(status, 1)
  test.mentions(output, "op 'NonZero' of node 'b'")
  output, status = run(('import %s -o %s --partial'):format(path 'end.onnx', path 'e.anet'))
  test.equal(status, 0)
  local said = lines(output)
  test.equal(said[2], 'left out: NonZero x2')
  test.mentions(said[3], "  NonZero 'b' (opset 13): op 'NonZero' of node 'b' is not one this engine has")
  test.equal(said[4], '  lost: c; instead: a')
  test.equal(said[5], '  ONNX files written of it have that again')
  local made = run_json(('import %s -o %s --partial'):format(path 'end.onnx', path 'e.anet'))
  test.equal(made.left_out.ops.NonZero, 2)
  made = run_json(('import %s -o %s --outputs a'):format(path 'end.onnx', path 'e.anet'))
  test.equal(made.left_out, nil)
  test.equal(made.nodes, 2)
  output = run(('import %s -o %s --partial --outputs c,a'):format(path 'end.onnx', path 'e.anet'))
  test.mentions(output, '  ONNX files written of it are without that: outputs were named')
end)

-- ---- export -------------------------------------------------------------------------------------------

local function first_bytes(name)
  local file = assert(io.open(path(name), 'rb'))
  local bytes = file:read '*a'
  file:close()
  return bytes
end

test.case('formats', function()
  run_json(('import %s -o %s --labels %s --mean 0.5'):format(path 'image.onnx', path 'a.anet', path 'labels.txt'))
  local function exported(flags)
    local result = run_json(('export %s %s'):format(path 'a.anet', flags))
    return result.format, result.out
  end
  test.equal((exported('-o ' .. path 'x.onnx')), 'onnx')
  test.equal(onnx.read(first_bytes 'x.onnx').producer, 'anet')
  test.equal((exported('-o ' .. path 'x.c')), 'c')
  test.check(first_bytes 'x.h':find 'x_run', 'a header beside it')
  test.equal((exported('-o ' .. path 'x.anet')), 'anet')
  test.equal((exported('-o ' .. path 'x.txt')), 'anet')
  test.equal((exported('--format onnx -o ' .. path 'y.anet')), 'onnx')
  test.equal(onnx.read(first_bytes 'y.anet').opset, 17)
  test.equal((exported('--format c --name other -o ' .. path 'z.c')), 'c')
  test.check(first_bytes 'z.h':find 'other_run', 'its own name')
  test.equal((exported('--weights blob -o ' .. path 'b.c')), 'c')
  test.check(io.open(path 'b.bin'), 'weights beside it')
  exported('--weights inside -o ' .. path 'i.c')
  test.check(not io.open(path 'i.bin'), 'none beside it')
  local copy = assert(anet.bundle.open(path 'x.anet'))
  test.same(copy:value 'classes', {'cat', 'dog', 'owl'})
  test.near(copy:input().mean[1], 0.5, 1e-6)
  test.equal(copy:value 'provenance'.verb, 'export')
  test.equal(copy:value 'provenance'.model, path 'a.anet')
  local output, status = run(('export %s -o %s'):format(path 'a.anet', path 'x.onnx'))
  test.equal(status, 0)
  test.equal(output, path 'x.onnx' .. ': 0 B, 0 MACs\n')
end)

-- Without --out the file is called by its format, in the folder one is in.
test.case('names that are not given', function()
  local here = io.popen 'pwd':read '*l'
  local anet_path = arg[-1]:match '^/' and arg[-1] or here .. '/' .. arg[-1]
  for _, format in ipairs{'anet', 'onnx', 'c'} do
    test.equal(os.execute(('cd %s && ANET_LUA= %s export a.anet --format %s > said'):format(folder, anet_path, format)), 0)
    test.check(io.open(path('exported.' .. format)), 'exported.' .. format)
  end
  os.remove(path 'exported.anet')
  test.equal(os.execute(('cd %s && ANET_LUA= %s export a.anet > said'):format(folder, anet_path)), 0)
  test.check(io.open(path 'exported.anet'), 'exported.anet')
  test.equal(os.execute(('cd %s && ANET_LUA= %s import rows.onnx > said'):format(folder, anet_path)), 0)
  test.check(io.open(path 'imported.anet'), 'imported.anet')
end)

test.case('flags that do not fit', function()
  local function refused(flags, words)
    local output, status = run(('export %s %s'):format(path 'a.anet', flags))
    test.equal(status, 1)
    test.mentions(output, words)
  end
  refused('--name n -o ' .. path 'n.onnx', "--name: the format is 'onnx', want 'c'")
  refused('--weights blob -o ' .. path 'n.anet', "--weights: the format is 'anet', want 'c'")
  refused('--genome 00 -o ' .. path 'n.anet', 'genome')
  refused('--rung 1 -o ' .. path 'n.anet', 'rung')
  test.check(not io.open(path 'n.anet') and not io.open(path 'n.onnx'), 'nothing is written')
end)

-- ---- help ---------------------------------------------------------------------------------------------

test.case('help says what each flag is for', function()
  local function says(verb, ...)
    local output = run(verb .. ' --help'):gsub('%s+', ' ')
    for _, words in ipairs{...} do test.mentions(output, words) end
  end
  says('import', 'make a bundle of an ONNX model', 'ONNX file; its external data lies beside it', 'bundle to write',
       'mean of the images it was trained on, one number or one a channel', 'their standard deviation',
       'what white was before mean and std: 1, or 255', 'values that become the outputs',
       'leave out an end of the model that cannot be imported', "the classes' names, one a line", 'models of torchvision')
  says('export', 'write one subnet or the oracle in a file of its own', 'bundle of a supernet or a network',
       'file to write (exported.anet, exported.onnx or exported.c)', "as the file's name ends where not given",
       'of C: what its functions and macros begin with', 'of C: in the file, or in one beside it', 'the subnet',
       'a rung of the ladder that search made, 1 the fastest', 'C is one C99 file and a header (.h)')
end)

os.execute('rm -rf ' .. folder)
return test.finish()
