-- SIGINT and SIGTERM at several moments of every verb: the status, how soon, and what is left.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local process = dofile 'tests/support/process.lua'
local anet = require 'anet'
local rungs = require 'anet.rungs'

local WIDTH = 5 -- processes at a time

local ANET, root = arg[-1], os.tmpname()
local folder, LOGS = root .. '/world', root .. '/logs'
os.remove(root)
os.execute(("mkdir -p '%s/out' '%s'"):format(folder, LOGS))

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
  for _ = 1, 5 do x = n:linear(x, {channels = 1024}) end
  assert(anet.bundle():set_net(n:output(x):init(1)):save(large))
end
make_models()

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

-- ---- files -------------------------------------------------------------------------------------------

local worlds = 0

-- A folder of its own for a process, with all of the above in it (links: files are replaced, never written into).
local function new_world()
  worlds = worlds + 1
  local path = ('%s/%d'):format(root, worlds)
  os.execute(("cp -al '%s' '%s'"):format(folder, path))
  return path
end

-- {[path] = what tells that it was written} of all files of a folder.
local function snapshot(world)
  local files, pipe = {}, io.popen(("find '%s' -type f -printf '%%s %%T@ %%i %%p\\n'"):format(world))
  for line in pipe:lines() do
    local about, path = line:match '^(%S+ %S+ %S+) (.*)$'
    files[path] = about
  end
  pipe:close()
  return files
end

-- What differs between two snapshots, other than files that a pattern allows. said: the verb's last words, which name what it had
-- written when the signal came.
local function difference(before, after, allowed, said)
  local list = {}
  local written = said:match 'written before that: (.*)' or ''
  for path, about in pairs(before) do
    if after[path] ~= about and not (after[path] and written:find(path, 1, true)) then list[#list + 1] = path .. (after[path] and ' was changed' or ' is gone') end
  end
  for path in pairs(after) do
    if not before[path] and not (allowed and path:find(allowed)) then list[#list + 1] = path .. ' was left' end
  end
  return table.concat(list, ', ')
end

local untouched = snapshot(folder)

-- ---- the cases ---------------------------------------------------------------------------------------

local logs = 0

local function new_log()
  logs = logs + 1
  return ('%s/%d'):format(LOGS, logs)
end

local function start(line)
  local words = {}
  for word in line:gmatch '%S+' do words[#words + 1] = word end
  return process.start(ANET, words, new_log())
end

-- A line of the command in a world.
local function place(line, world)
  return (line:gsub('MODEL', model):gsub('SUPERNET', supernet):gsub('LADDER', ladder):gsub('LARGE', large)
    :gsub('OUT', folder .. '/out'):gsub('DATA', folder):gsub('%.%./support', folder):gsub(folder:gsub('%p', '%%%0'), world))
end

-- What a verb says, whatever its figures.
local function words_of(text) return (text:gsub('[%d.]+', '#')) end

-- Moments, in seconds, of a verb that runs for as long as it is let, and of one that is over soon, by how long that takes; and what
-- that says at its end.
local function moments(long, line)
  if long then return {0.03, 0.1, 0.25, 0.6} end
  local world = new_world()
  local status, text, seconds = start(place(line, world)):wait(60)
  test.check(status == 0, ('%s: status %d: %s'):format(line, status, text))
  os.execute(("rm -r '%s'"):format(world))
  return {0.1 * seconds, 0.35 * seconds, 0.6 * seconds, 0.85 * seconds}, words_of(text)
end

-- A signal after `delay`; whether it came before the end, and how long that took then. whole: what the verb says when it was not
-- stopped. One that has said so may be on its way out, where the system takes no more signals.
local function interrupt(line, delay, number, whole)
  local world = new_world()
  local before, p = snapshot(world), start(place(line, world))
  process.sleep(delay)
  if p:ended() then return false end
  p:signal(number)
  local status, text, seconds = p:wait(20)
  if status == 0 and words_of(text) == whole then return false end
  if p.killed and whole and difference(before, snapshot(world), nil, text) ~= '' then return false end -- all was done, and handlers gone
  local at = ('%s, after %.0f ms: '):format(line, delay * 1000)
  test.check(status == 128 + number, ('%sstatus %d, %q'):format(at, status, text))
  test.check(seconds < 3, ('%sit took %.0f ms to end'):format(at, seconds * 1000))
  test.check(p.killed or text:find '\nanet [^\n]*stopped[^\n]*\n$' or text:find '^anet [^\n]*stopped[^\n]*\n$', ('%sno last line: %q'):format(at, text))
  test.check(not p:survives(), at .. 'a process of it survives')
  local checkpoint = line:find '^train' or line:find '^distill'
  test.equal(difference(before, snapshot(world), checkpoint and '%.ckpt$', text), '')
  os.execute(("rm -r '%s'"):format(world))
  return true, seconds
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

-- ---- the REPL and scripts --------------------------------------------------------------------------------

-- Ask a session at a terminal; nil where the answer does not come.
local function session()
  local terminal = process.open_terminal()
  local p = process.start(ANET, {'repl'}, new_log(), terminal.path)
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

-- A script that says when it has begun; what comes of a signal then.
local function script(text, number, check)
  local path = ('%s/script%d.lua'):format(root, number * 1000 + #text)
  write(path, 'print "begun" io.stdout:flush() ' .. text)
  local p = start(path)
  test.check(p:says('begun', 20), text)
  process.sleep(0.03)
  p:signal(number)
  local status, said, seconds = p:wait(20)
  test.equal(status, 128 + number)
  if check then return check(said) end
  test.mentions(said, 'stopped')
  test.check(seconds < 3, text)
end

test.case('scripts', function()
  local jobs = {}
  for text, number in pairs{
    ['while true do end'] = process.INT,
    ['while true do pcall(function() while true do end end) end'] = process.INT,
    ['local t = 0 while true do t = t + #tostring(t) end'] = process.INT,
    ['coroutine.wrap(function() while true do end end)()'] = process.TERM,
    [("local anet = require 'anet' anet.latency.profile(anet.bundle.open %q:supernet(), {rounds = 1e6})"):format(supernet)] = process.INT,
  } do
    jobs[#jobs + 1] = function() script(text, number) end
  end
  -- A script that has something to save says so, and ends as it likes: later than others would be ended.
  jobs[#jobs + 1] = function()
    script([[
      local core = require 'anet.core'
      core.hold()
      core.rescue(function() while true do core.poll() end end, function() os.execute 'sleep 0.3' print 'saved' return 'stopped late' end)]],
      process.INT, function(said)
        test.mentions(said, 'saved')
        test.mentions(said, 'stopped late')
      end)
  end
  process.together(WIDTH, jobs)
end)

test.case('what was stopped in its first steps goes on', function()
  local jobs, checkpoints = {}, {}
  for _, case in ipairs{
    'train OUT/../tiny_net.lua --data DATA --limit 4000 --epochs 2 --batch 8 --out OUT/b.anet',
    'distill SUPERNET --data DATA --limit 4000 --policy adaptive:solve_images=2000,block_epochs=2,joint_epochs=0.1 --out OUT/b.anet',
  } do
    checkpoints[case] = 0
    for _, delay in ipairs{0.06, 0.12, 0.25, 0.5} do
      jobs[#jobs + 1] = function()
        local world = new_world()
        local p = start(place(case, world))
        process.sleep(delay)
        p:signal(process.INT)
        local status, said = p:wait(30)
        if said:find 'go on with' and checkpoints[case] < 2 then
          checkpoints[case] = checkpoints[case] + 1
          test.equal(status, 130)
          local resumed, text = start(place(case:match '^%a+' .. ' --resume --out OUT/b.anet', world)):wait(60)
          test.check(resumed == 0, ('%s, after %.2f s: status %d: %s'):format(case, delay, resumed, text))
        end
      end
    end
  end
  process.together(WIDTH, jobs)
  for case, count in pairs(checkpoints) do test.check(count > 0, case .. ': no checkpoint') end
end)

-- The moments of all verbs, side by side; of those that are over soon one by one, once it is known how long they take.
local known = {}
for i, case in ipairs(CASES) do
  test.case(case[1], function() known[i] = {moments(case[2], case[1])} end)
end
local jobs, hits, slowest = {[true] = {}, [false] = {}}, {}, {}
for i, case in ipairs(CASES) do
  hits[i], slowest[i] = 0, 0
  local list = jobs[case[2]]
  for k, delay in ipairs(known[i][1]) do
    list[#list + 1] = function()
      test.case(case[1], function()
        local hit, seconds = interrupt(case[1], delay, (i + k) % 5 == 0 and process.TERM or process.INT, known[i][2])
        if hit then hits[i], slowest[i] = hits[i] + 1, math.max(slowest[i], seconds) end
      end)
    end
  end
end
process.together(WIDTH, jobs[true])
process.together(1, jobs[false])
for i, case in ipairs(CASES) do
  test.check(hits[i] > 0, case[1] .. ': it was over before each of the signals')
  print(('%4.0f ms, %d of 4: %s'):format(1000 * slowest[i], hits[i], case[1]))
end

test.equal(difference(untouched, snapshot(folder), nil, ''), '') -- what the worlds share
os.execute(('rm -r %s'):format(root))
return test.finish()
