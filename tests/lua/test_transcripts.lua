-- What the command says, word for word: help of every verb, and the verbs on a small world. Times, sizes of this machine and
-- decimals that depend on its vectors are masked. `ANET_TRANSCRIBE=1 build/dev/anet tests/lua/test_transcripts.lua` writes
-- tests/support/transcripts.txt anew; read the difference before you commit it.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local anet = require 'anet'
local host = require 'anet.host'
local rungs = require 'anet.rungs'
local ffi = require 'ffi'

local PATH = 'tests/support/transcripts.txt'

-- ---- the world -------------------------------------------------------------------------------------------

local function write(name, bytes)
  local file = assert(io.open(command.path(name), 'wb'))
  file:write(bytes)
  file:close()
end

local function big_endian(n) return string.char(0, 0, math.floor(n / 256), n % 256) end

local function write_idx(name, kind, dims, bytes)
  local head = string.char(0, 0, 8, kind)
  for _, n in ipairs(dims) do head = head .. big_endian(n) end
  write(name, head .. bytes)
end

local data = tiny.data(60)
local input = anet.data.input{height = 8, width = 8, channels = 1, mean = {0.25}, deviation = {0.5}}

local function make_world()
  local labels = {}
  for i = 0, 59 do labels[i + 1] = string.char(data:labels():data()[i]) end
  local pixels = ffi.string(data:images():data(), 60 * 64)
  for _, part in ipairs{'train', 't10k'} do
    write_idx(part .. '-images-idx3-ubyte', 3, {60, 8, 8}, pixels)
    write_idx(part .. '-labels-idx1-ubyte', 1, {60}, table.concat(labels))
  end
  local oracle = tiny.net(3)
  local images = data:tensor(input, 32)
  local s = assert(anet.distill.elastify(oracle, tiny.schedule(), images, tiny.pool))
  assert(anet.bundle():set_net(oracle):set_input(input):save(command.path 'net.anet'))
  assert(anet.bundle():set_supernet(s):set_input(input):save(command.path 'super.anet'))
  local keep = s:space():keep()
  local list = {}
  for i, genome in ipairs{'1-00', '0300', keep} do
    list[i] = {genome = genome, net = s:subnet(genome), measured_ms = i / 4, predicted_ms = i / 4, ratio = i / 3, score = 0.5 + i / 8,
               prediction_error = 0, images = 60}
  end
  assert(rungs.save(anet.bundle():set_supernet(s):set_input(input), {rungs = list, oracle = list[3]}, {cloud = {{1, 0.5}}})
         :save(command.path 'ladder.anet'))
  assert(images:first(2):clone():save(command.path 'two.npy'))
end

-- ---- what is said ----------------------------------------------------------------------------------------

-- Of verbs that train or classify, decimals differ from one instruction set to the next.
local VOLATILE = {distill = true, train = true, run = true, calibrate = true, search = true, adapt = true, bench = true, profile = true}

local function masked(text, line)
  text = text:gsub(command.folder:gsub('%p', '%%%0'), 'FOLDER'):gsub('\r[^\n]-\27%[K', '')
  text = text:gsub('anet (%a+) %(%d+%.%d+%.%d+%)', 'anet %1 (VERSION)')
  for _, unit in ipairs{'us', 'ms', 's', 'images/s'} do
    text = text:gsub('%d+%.?%d* ' .. unit:gsub('/', '%%/') .. '%f[%A]', '# ' .. unit)
  end
  text = text:gsub('("seconds": )[%d.e-]+', '%1#'):gsub('(FOLDER/[%w.]+: [^\n]-)%d+%.?%d* kB', '%1# kB')
  if VOLATILE[line:match '^%a+'] and not line:find '%-%-help' then text = text:gsub('tape, %d+', 'tape, #'):gsub('%-?%d+%.%d+e?%-?%d*', '#.#') end
  return (text:gsub(' +\n', '\n'):gsub('#%.#( +)', '#.# '):gsub('%f[ ]  +', '  '))
end

local COMMANDS = {
  'export F/net.anet --out F/net.onnx', '', '--help', 'help', '--version x', 'nonsense', 'evall net.anet', 'eval', 'eval F/none.anet --data F', 'eval F/net.anet --data F --batch 0',
  'eval F/net.anet --dta F', 'eval F/net.anet --data', 'eval F/net.anet --data F --quiet=3', 'eval F/net.anet F/net.anet --data F',
  'info F/net.anet', 'info F/net.anet --nodes', 'info F/super.anet', 'info F/ladder.anet', 'info F/two.npy',
  'eval F/net.anet --data F', 'eval F/super.anet --data F --genome 0300', 'eval F/ladder.anet --data F --rung 2', 'eval F/net.anet --data F --part train',
  'eval F/net.anet --data F --json', 'eval F/net.anet --data F --classes', 'eval F/net.anet --data F --limit 7 --batch 3', 'eval F/net.anet --data F --quiet',
  'info F/super.anet --blocks', 'info F/net.anet --why', 'info F/super.anet --json', 'info F/net.anet --json', 'info F/ladder.anet --json',
  'run F/net.anet data/samples/bag.png data/samples/coat.png --top 1', 'run F/net.anet data/samples/bag.png --top 9', 'run F/ladder.anet data/samples/bag.png --rung 1 --json',
  'run F/ladder.anet data/samples/bag.png --rung 4', 'run F/net.anet data/samples/bag.png --rung 1', 'run F/net.anet', 'run F/net.anet F/two.npy F/two.npy',
  'run F/net.anet F/two.npy -o F/said.txt', 'export F/net.anet --format onnx --out F/x.y', 'export F/net.anet --format c --name seer --weights blob --out F/seer.c',
  'export F/net.anet --genome 0000 --out F/z.anet', 'export F/ladder.anet --rung 9 --out F/z.anet', 'export F/ladder.anet --rung 1 --genome 0000 --out F/z.anet',
  'export F/net.anet --json --out F/z.anet', 'import F/net.onnx --mean 0.5 --std 0.25 --out F/back.anet', 'import F/net.onnx --scale 255 --out F/back.anet',
  'import F/net.onnx --outputs none --out F/back.anet', 'import F/net.onnx --mean x --out F/back.anet', 'import F/net.onnx --mean 1,2 --out F/back.anet',
  'elastify F/net.anet --data F --images 16 --out F/made.anet --json', 'elastify F/net.anet --policy none --out F/made.anet',
  'elastify F/net.anet --policy adaptive:span=2,skip=false,widths=0.5 --out F/made.anet', 'elastify F/net.anet --policy front --out F/made.anet',
  'distill F/super.anet --data F --out F/learnt.anet --batch 16 --policy paper:distill_epochs=1,task_epochs=1 --json', 'distill F/net.anet --data F --out F/learnt.anet',
  'distill --resume --out F/none.anet', 'train F/net.anet --data F --out F/better.anet --epochs 2 --batch 16 --optimizer adamw --ema 0.5 --mixup 0.2 --json',
  'train F/net.anet --data F --out F/better.anet --epochs 1 --batch 16 --limit 20 --schedule step --warmup 1 --clip 1 --smoothing 0.1 --crop 1 --flip --cutout 2',
  'train F/net.anet --data F --schedule slope', 'train F/net.anet --data F --lr -1', 'train', 'train --resume --out F/none.anet',
  'calibrate F/net.anet --data F --out F/calm.anet --json', 'calibrate F/net.anet --data F --images 30 --held-out 6 --unlabelled --out F/calm.anet',
  'calibrate F/super.anet --data F --genome 0300 --out F/calm.anet', 'search F/ladder.anet --data F --budgets 50%,x', 'search F/ladder.anet --data F --policy hysteresis',
  'run F/net.anet F/two.npy', 'run F/net.anet F/two.npy -o F/said.npy', 'run F/super.anet F/two.npy --genome 0300 --json',
  'run F/net.anet data/samples/bag.png', 'run F/net.anet F/none.png',
  'export F/super.anet --genome 0300 --out F/part.anet', 'export F/ladder.anet --rung 1 --out F/rung.c',
  'export F/net.anet --out F/net.what', 'export F/super.anet --genome 9999 --out F/part.anet',
  'import F/net.onnx --out F/back.anet', 'import F/net.onnx --out F/back.anet --json', 'import F/two.npy --out F/back.anet', 'info F/back.anet',
  'elastify F/net.anet --out F/made.anet', 'elastify F/net.anet --data F --out F/made.anet --policy paper', 'info F/made.anet', 'elastify F/super.anet --out F/made.anet',
  'distill F/super.anet --data F --out F/learnt.anet --batch 16 --policy adaptive:solve_images=16,block_epochs=0.5,joint_epochs=1', 'info F/learnt.anet',
  'train F/net.anet --data F --out F/better.anet --epochs 1 --batch 16', 'train mobilenet --data F', 'train --list',
  'calibrate F/net.anet --data F --out F/calm.anet', 'search F/super.anet --data F --budgets 0', 'search F/net.anet --data F', 'adapt F/super.anet --data F',
  'report F/ladder.anet --out F/page', 'report F/net.anet --out F/page', 'profile F/net.anet', 'bench nothing', 'bench model none', 'demo F/two.npy',
}
for _, path in ipairs(host.files()) do
  local verb = path:match '^lua/anet/verb/(%a+)%.lua$'
  if verb then COMMANDS[#COMMANDS + 1] = verb .. ' --help' end
end

local function transcript(line)
  local said, status = command.run((line:gsub('%f[%w]F%f[%W]', command.folder)))
  return ('$ anet %s\n%s[%d]\n'):format(line, masked(said, line), status)
end

local function read_transcripts()
  local file = io.open(PATH)
  local all = {}
  if not file then return all end
  for entry in file:read('*a'):gmatch '($ anet .-\n%[%d+%]\n)' do all[entry:match '^%$ anet ([^\n]*)'] = entry end
  file:close()
  return all
end

local function first_difference(got, want)
  local rest = want
  for line in got:gmatch '[^\n]*\n' do
    local other = rest:match '^[^\n]*\n' or ''
    if line ~= other then return line, other end
    rest = rest:sub(#other + 1)
  end
  return '', rest
end

make_world()
local write_anew = os.getenv 'ANET_TRANSCRIBE'
local known, all = read_transcripts(), {}
for i, line in ipairs(COMMANDS) do
  local got = transcript(line)
  all[i] = got
  if not write_anew then
    local line_got, line_want = first_difference(got, known[line] or '')
    test.check(got == known[line], ('anet %s says\n  %s  and should say\n  %s'):format(line, line_got, line_want))
  end
end
if write_anew then
  local file = assert(io.open(PATH, 'w'))
  file:write(table.concat(all, '\n'))
  file:close()
end
os.execute('rm -rf ' .. command.folder)

return test.finish()
