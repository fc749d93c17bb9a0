-- SIGINT and SIGTERM at several moments of every verb: the status, how soon, and what is left.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local process = dofile 'tests/support/process.lua'
local anet = require 'anet'
local rungs = require 'anet.rungs'

local ANET, folder = arg[-1], os.tmpname()
os.remove(folder)
os.execute('mkdir -p ' .. folder .. '/out')

-- ---- what the verbs work on ---------------------------------------------------------------------------

local function write(path, bytes)
  local file = assert(io.open(path, 'wb'))
  file:write(bytes)
  file:close()
end

local function big_endian(n) return string.char(0, 0, math.floor(n / 256), n % 256) end

local function write_idx(name, kind, dims, tensor)
  local head = string.char(0, 0, 8, kind)
  for _, n in ipairs(dims) do head = head .. big_endian(n) end
  write(folder .. '/' .. name, head .. tensor)
end

-- The same images `times` over, as IDX files.
local function write_data(data, part, times)
  local n, labels = data:count(), {}
  for i = 0, n - 1 do labels[i + 1] = string.char(data:labels():data()[i]) end
  local pixels = require('ffi').string(data:images():data(), n * 64)
  write_idx(part .. '-images-idx3-ubyte', 3, {n * times, 8, 8}, pixels:rep(times))
  write_idx(part .. '-labels-idx1-ubyte', 1, {n * times}, table.concat(labels):rep(times))
end

local model, supernet, ladder, large = folder .. '/model.anet', folder .. '/supernet.anet', folder .. '/ladder.anet', folder .. '/large.anet'

local function make_models()
  local data = tiny.data(200)
  local input = data:input()
  write_data(data, 'train', 200)
  write_data(data, 't10k', 200)
  local oracle = tiny.oracle(data, input)
  local s = tiny.supernet(oracle, data:tensor(input, 32))
  assert(anet.bundle():set_net(oracle):set_input(input):save(model))
  assert(anet.bundle():set_supernet(s):set_input(input):save(supernet))
  local times = assert(anet.latency.profile(s, {rounds = 3, held_out = 3, pool = tiny.pool}))
  local list = {}
  for i, genome in ipairs{s:space():best(times:times(), times:times(), math.huge, 1)[1], s:space():keep()} do
    list[i] = {genome = genome, net = s:subnet(genome), measured_ms = i, predicted_ms = i, ratio = i / 2, score = i / 2}
  end
  local bundle = anet.bundle():set_supernet(s):set_input(input):set_latency(times)
  assert(rungs.save(bundle, {rungs = list, oracle = list[2]}, {cloud = {{1, 0.5}}}):save(ladder))
  local n, x = anet.net{input = {1024}}
  for _ = 1, 8 do x = n:linear(x, {channels = 1024}) end
  assert(anet.bundle():set_net(n:output(x):init(1)):save(large))
end
make_models()

-- ---- files -------------------------------------------------------------------------------------------

local function read(path)
  local file = io.open(path, 'rb')
  local bytes = file and file:read '*a'
  if file then file:close() end
  return bytes
end

-- {[path] = bytes} of all files of the folder.
local function snapshot()
  local files, pipe = {}, io.popen(("find '%s' -type f"):format(folder))
  for path in pipe:lines() do files[path] = read(path) end
  pipe:close()
  return files
end

-- What differs between two snapshots, other than files that a pattern allows. said: the verb's last words, which name what it had
-- written when the signal came.
local function difference(before, after, allowed, said)
  local list = {}
  local written = said:match 'written before that: (.*)' or ''
  for path, bytes in pairs(before) do
    if after[path] ~= bytes and not (after[path] and written:find(path, 1, true)) then list[#list + 1] = path .. (after[path] and ' was changed' or ' is gone') end
  end
  for path in pairs(after) do
    if not before[path] and not (allowed and path:find(allowed)) then list[#list + 1] = path .. ' was left' end
  end
  return table.concat(list, ', ')
end

-- ---- the cases ---------------------------------------------------------------------------------------

local LOG = os.tmpname()

local function start(line)
  local words = {}
  for word in line:gmatch '%S+' do words[#words + 1] = word end
  os.remove(LOG)
  return process.start(ANET, words, LOG)
end

-- What a verb says, whatever its figures.
local function words_of(text) return (text:gsub('[%d.]+', '#')) end

-- Moments, in seconds, of a verb that runs for as long as it is let, and of one that is over soon, by how long that takes; and what
-- that says at its end.
local function moments(long, line)
  if long then return {0.03, 0.1, 0.2, 0.35, 0.6} end
  local status, text, seconds = start(line):wait(60)
  test.check(status == 0, ('%s: status %d: %s'):format(line, status, text))
  return {0.1 * seconds, 0.3 * seconds, 0.5 * seconds, 0.7 * seconds, 0.9 * seconds}, words_of(text)
end

local slowest = 0

-- A signal after `delay`; whether it came before the end. whole: what the verb says when it was not stopped. One that has said
-- so may be on its way out, where the system takes no more signals.
local function interrupt(line, delay, number, whole)
  local before, p = snapshot(), start(line)
  process.sleep(delay)
  if p:ended() then return false end
  p:signal(number)
  local status, text, seconds = p:wait(20)
  if status == 0 and words_of(text) == whole then return false end
  slowest = math.max(slowest, seconds)
  local at = ('%s, after %.0f ms: '):format(line, delay * 1000)
  test.check(status == 128 + number, ('%sstatus %d, %q'):format(at, status, text))
  test.check(seconds < 3, ('%sit took %.0f ms to end'):format(at, seconds * 1000))
  test.check(p.killed or text:find '\nanet [^\n]*stopped[^\n]*\n$' or text:find '^anet [^\n]*stopped[^\n]*\n$', ('%sno last line: %q'):format(at, text))
  test.check(not p:survives(), at .. 'a process of it survives')
  local checkpoint = line:find '^train' or line:find '^distill'
  test.equal(difference(before, snapshot(), checkpoint and '%.ckpt$', text), '')
  if checkpoint then os.execute(("rm -f '%s'/out/*.ckpt"):format(folder)) end
  return true
end

-- {verb and arguments, whether it goes on for ever}. Outputs are there before.
local CASES = {
  {'adapt LADDER --data DATA --frames 30000 --frame 64 --budget 1000', true},
  {'bench kernels --ms 2000', true},
  {'bench model resnet20 --rounds 1000000', true},
  {'bench train resnet20 --batch 16 --rounds 100000', true},
  {'calibrate MODEL --data DATA --images 39000 --batch 2 --out OUT/a.anet', true},
  {'calibrate MODEL --int8 --data DATA --images 39000 --out OUT/a.anet', true},
  {'calibrate SUPERNET --int8 --data DATA --images 39000 --out OUT/a.anet', true},
  {'demo MODEL --data DATA --images 200 --held-out 2 --budgets 90% --frames 1000000 --out OUT', true},
  {'demo SUPERNET --data DATA --images 200 --held-out 2 --budgets 95% --frames 1000000 --out OUT', true},
  {'distill SUPERNET --data DATA --policy adaptive:solve_images=30000,block_epochs=100 --out OUT/a.anet', true},
  {'elastify MODEL --data DATA --images 40000 --out OUT/a.anet', true},
  {'eval MODEL --data DATA --batch 1', false},
  {'export LARGE --out OUT/a.c', true},
  {'export LARGE --out OUT/a.onnx', false},
  {'import OUT/large.onnx --out OUT/a.anet', false},
  {'info LARGE', false},
  {'profile LADDER --rounds 100000', true},
  {'report LADDER --out OUT', false},
  {'run LARGE OUT/rows.npy --out OUT/a.npy', false},
  {'search LADDER --data DATA --images 39000 --policy random:evaluations=1000000 --budgets 95%', true},
  {'train ../support/tiny_net.lua --data DATA --epochs 1000 --batch 8 --out OUT/a.anet', true},
}

local function place(line)
  return (line:gsub('MODEL', model):gsub('SUPERNET', supernet):gsub('LADDER', ladder):gsub('LARGE', large)
    :gsub('OUT', folder .. '/out'):gsub('DATA', folder):gsub('%.%./support', folder))
end

-- Files that the verbs would replace.
local function make_old_files()
  write(folder .. '/tiny_net.lua', 'return function() return dofile("tests/support/tiny.lua").net() end\n')
  for _, name in ipairs{'a.anet', 'a.c', 'a.h', 'a.onnx', 'a.npy', 'front.png', 'trace.png', 'report.html', 'supernet.anet'} do
    write(folder .. '/out/' .. name, 'old ' .. name)
  end
  assert(assert(anet.bundle.open(large)):net():export(folder .. '/out/large.onnx'))
  assert(anet.tensor{2000, 1024}:save(folder .. '/out/rows.npy'))
end
make_old_files()

-- ---- the REPL and scripts --------------------------------------------------------------------------------

-- Ask a session at a terminal; nil where the answer does not come.
local function session()
  local terminal = process.open_terminal()
  local p = process.start(ANET, {'repl'}, LOG, terminal.path)
  test.check(terminal:expect('> ', 20), 'no prompt')
  local function ask(line, answer)
    terminal:type(line .. '\n')
    return test.check(terminal:expect(answer, 20), ('%s: no %q in %q'):format(line, answer, terminal.text))
  end
  return p, terminal, ask
end

test.case('at the prompt Ctrl-C ends what runs, and the session goes on', function()
  local p, terminal, ask = session()
  ask('x = 40', '> ')
  for _, line in ipairs{
    'print(4 .. 2) while true do end',
    'print(4 .. 2) local t = 0 while true do t = t + #tostring(t) end',
    ("print(4 .. 2) local b = anet.bundle.open %q; anet.latency.profile(b:supernet(), {rounds = 1e6})"):format(supernet),
    ("print(4 .. 2) local d = anet.data.open(%q, {part = 'train'}); while true do d:tensor(d:input()) end"):format(folder),
  } do
    if not ask(line, '42\r\n') then break end
    process.sleep(0.15)
    p:signal(process.INT)
    if not test.check(terminal:expect('stopped', 20), line .. ': it goes on') then break end
    ask('x + 1', '41')
    ask('anet.plan(anet.bundle.open(' .. ('%q'):format(model) .. '):net()):run(anet.tensor{1, 8, 8, 1}):count()', '3')
  end
  p:signal(process.INT) -- at the prompt: a new line
  ask('x + 2', '42')
  terminal:type(':quit\n')
  test.equal((p:wait(20)), 0)
end)

test.case('a second Ctrl-C ends the session where the first did not help', function()
  local p, terminal, ask = session()
  for _ = 1, 5 do
    ask("print(4 .. 2) print((('a'):rep(100000)):find(('.-'):rep(8) .. 'b'))", '42\r\n')
    process.sleep(0.2)
    p:signal(process.INT)
    if not terminal:expect('stopped', 0.3) then break end -- else it came before the search had begun
  end
  p:signal(process.INT)
  test.equal((p:wait(20)), 130)
end)

test.case('scripts', function()
  local path = folder .. '/script.lua'
  local function script(text, number)
    write(path, text)
    local p = start(path)
    process.sleep(0.3)
    p:signal(number or process.INT)
    local status, said, seconds = p:wait(20)
    test.equal(status, 128 + (number or process.INT))
    test.mentions(said, 'stopped')
    test.check(seconds < 3, text)
  end
  script 'while true do end'
  script 'while true do pcall(function() while true do end end) end'
  script 'local t = 0 while true do t = t + #tostring(t) end'
  script('coroutine.wrap(function() while true do end end)()', process.TERM)
  script(("local anet = require 'anet' anet.latency.profile(anet.bundle.open %q:supernet(), {rounds = 1e6})"):format(supernet))
  -- A script that has something to save says so, and ends as it likes.
  write(path, [[
    local core = require 'anet.core'
    core.hold()
    core.rescue(function() while true do core.poll() end end, function() os.execute 'sleep 0.5' print 'saved' return 'stopped late' end)]])
  local p = start(path)
  process.sleep(0.3)
  p:signal(process.INT)
  local status, said = p:wait(20)
  test.equal(status, 130)
  test.mentions(said, 'saved')
  test.mentions(said, 'stopped late')
end)

test.case('what was stopped in its first steps goes on', function()
  for _, case in ipairs{
    'train OUT/../tiny_net.lua --data DATA --limit 4000 --epochs 2 --batch 8 --out OUT/b.anet',
    'distill SUPERNET --data DATA --limit 4000 --policy adaptive:solve_images=2000,block_epochs=2,joint_epochs=0.1 --out OUT/b.anet',
  } do
    local line, checkpoints = place(case), 0
    for _, delay in ipairs{0.06, 0.12, 0.25, 0.5} do
      local p = start(line)
      process.sleep(delay)
      p:signal(process.INT)
      local status, said = p:wait(30)
      if said:find 'go on with' then
        checkpoints = checkpoints + 1
        test.equal(status, 130)
        local resumed, text = start(place(line:match '^%a+' .. ' --resume --out OUT/b.anet')):wait(60)
        test.check(resumed == 0, ('%s, after %.2f s: status %d: %s'):format(case, delay, resumed, text))
      end
      os.execute(("rm -f '%s'/out/b.anet*"):format(folder))
      if checkpoints == 2 then break end
    end
    test.check(checkpoints > 0, case .. ': no checkpoint')
  end
end)

for i, case in ipairs(CASES) do
  local line = place(case[1])
  test.case(case[1], function()
    local hits = 0
    slowest = 0
    local delays, whole = moments(case[2], line)
    for k, delay in ipairs(delays) do
      if interrupt(line, delay, (i + k) % 5 == 0 and process.TERM or process.INT, whole) then hits = hits + 1 end
    end
    test.check(hits > 0, 'it was over before each of the signals')
    print(('%4.0f ms, %d of 5: %s'):format(1000 * slowest, hits, case[1]))
  end)
end

os.execute(('rm -r %s %s'):format(folder, LOG))
return test.finish()
