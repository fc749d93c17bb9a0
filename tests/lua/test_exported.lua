-- The well-known families as exporters write them (tests/support/exported.py): as many blocks are found as the
-- architecture has, options are made of all, and what runs is what the oracle runs, in ONNX and here.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local json = require 'anet.json'

if os.execute '/usr/bin/python3 -c "import onnx, numpy" 2>/dev/null' ~= 0 then
  print 'skipped: there is no python3-onnx'
  return test.finish()
end

local folder = os.tmpname()
os.remove(folder)
os.execute('mkdir -p ' .. folder)
local function path(name) return folder .. '/' .. name end
test.equal(os.execute('/usr/bin/python3 tests/support/exported.py ' .. folder), 0)

local function run(arguments)
  local pipe = io.popen(("'%s' %s 2>&1; echo \"status $?\""):format(arg[-1], arguments))
  local output = pipe:read '*a'
  pipe:close()
  local text, status = output:match '^(.*)status (%d+)\n$'
  return text, tonumber(status)
end

local function run_json(arguments)
  local output, status = run(arguments .. ' --json')
  if not test.check(status == 0, output) then return nil end
  return json.decode(output)
end

-- "9 basic, 2 fire": runs of a kind; a bar where a trunk ends.
local function describe(blocks)
  local text, count = '', 0
  for i, b in ipairs(blocks) do
    local next = blocks[i + 1]
    count = count + 1
    if not next or next.kind ~= b.kind or next.trunk ~= b.trunk then
      text = ('%s%d %s%s'):format(text, count, b.kind, next and (next.trunk == b.trunk and ', ' or ' | ') or '')
      count = 0
    end
  end
  return text
end

-- The stem's and the head's convolutions are no blocks: of the 8 of VGG-11 and the 14 of the U-Net's pairs one each is the stem.
local FAMILIES = {
  {'resnet20', '9 basic'},
  {'resnet56', '27 basic'},
  {'mobilenet_v1', '13 separable'},
  {'mobilenet_v2', '17 inverted'},
  {'mobilenet_v3_large', '15 inverted'},
  {'efficientnet_b0', '16 inverted'},
  {'squeezenet1_1', '2 fire | 2 fire | 4 fire'},
  {'vgg11', '1 plain | 2 plain | 2 plain | 2 plain'},
  {'regnet_x_400mf', '22 bottleneck'},
  {'regnet_y_400mf', '16 bottleneck'},
  {'convnext_t', '3 inverted | 3 inverted | 9 inverted | 3 inverted'},
  {'convnext_t_17', '3 inverted | 3 inverted | 9 inverted | 3 inverted'},
  {'unet', '1 plain | 2 plain | 2 plain | 2 plain | 2 plain | 2 plain | 2 plain'},
}

local function worst(a, b)
  local x, y, most, range = a:data(), b:data(), 0, 1e-30
  test.same(a:shape(), b:shape())
  for i = 0, tonumber(b:count()) - 1 do
    most, range = math.max(most, math.abs(x[i] - y[i])), math.max(range, math.abs(y[i]))
  end
  return most / range
end

-- Every position has options, and a subnet of some leaves and comes back the same.
local function check_subnet(name, bundle)
  local s = assert(anet.bundle.open(bundle)):supernet()
  local space, with = s:space(), {}
  for _, o in ipairs(space:options()) do with[o.position] = true end
  for p = 1, space.positions do
    test.check(with[p] or s:blocks()[p].most_span == 1, ('%s: block %d has no options'):format(name, p))
  end
  local genome = space:sample(anet.rng(2))
  run_json(('export %s --genome %s --out %s'):format(bundle, genome, path 'subnet.onnx'))
  run_json(('import %s --out %s'):format(path 'subnet.onnx', path 'subnet.anet'))
  run_json(('run %s --genome %s %s -o %s'):format(bundle, genome, path(name .. '.npy'), path 'want.npy'))
  run_json(('run %s %s -o %s'):format(path 'subnet.anet', path(name .. '.npy'), path 'got.npy'))
  local off = worst(anet.tensor.load(path 'got.npy'), anet.tensor.load(path 'want.npy'))
  test.check(off < 1e-5, ('%s: subnet %s comes back off by %g'):format(name, genome, off))
end

for _, family in ipairs(FAMILIES) do
  local name, blocks = family[1], family[2]
  test.case(name, function()
    local bundle, super = path(name .. '.anet'), path(name .. '-supernet.anet')
    run_json(('import %s.onnx --out %s'):format(path(name), bundle))
    local why = run_json(('info %s --why'):format(bundle))
    test.equal(describe(why.blocks), blocks)
    local made = run_json(('elastify %s --data "" --out %s'):format(bundle, super))
    if not made then return end
    test.equal(describe(made.blocks), blocks)
    test.check(made.options > 0, name .. ' has no options')
    check_subnet(name, super)
    for _, file in ipairs{bundle, super} do os.remove(file) end
  end)
end

test.case('the report', function()
  run_json(('import %s.onnx --out %s'):format(path 'unet', path 'unet.anet'))
  local output, status = run(('info %s --why'):format(path 'unet.anet'))
  test.equal(status, 0)
  for _, word in ipairs{'13 blocks in 7 trunks', 'plain', 'stem', 'pooling between blocks', 'head'} do
    test.mentions(output, word)
  end
end)

os.execute('rm -rf ' .. folder)
return test.finish()
