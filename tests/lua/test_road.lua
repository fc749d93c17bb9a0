-- The road on a device: searching, rungs, and mistakes on the command line.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local anet = require 'anet'
local road = require 'anet.road'
local rungs = require 'anet.rungs'
local json = require 'anet.json'

local ui = require('anet.ui').new{json = true, quiet = true} -- its lines are silent
local data = tiny.data(60)
local input = data:input()
local oracle = tiny.oracle(data, input)
local s = tiny.supernet(oracle, data:tensor(input, 32))
local distiller = anet.distill.new(s, data, input, tiny.schedule(), {batch = 16}, tiny.pool)
while distiller:advance() do end
local times = assert(anet.latency.profile(s, {rounds = 5, held_out = 5, pool = tiny.pool}))
local space = s:space()

local function predicted(genome) return times:predict(space, genome) end

local fastest = predicted(space:best(times:times(), times:times(), math.huge, 1)[1])

-- A budget at a share of the way from the fastest subnet to the oracle.
local function between(share) return fastest + share * (predicted(space:keep()) - fastest) end

local function search(policy, images, budgets)
  policy = assert(anet.policy.load(policy, {kind = 'search', seed = 3}))
  return road.search(ui, s, times, images or data, input, policy,
                     {budgets = budgets or {between(0.9), between(0.6), between(0.2)}, margin = 0}, tiny.pool)
end

-- ---- searching ------------------------------------------------------------------------------------------

test.case('picks keep their budgets, and their scores are those of the subnets', function()
  for _, policy in ipairs{'front:probe=20,candidates=8,racers=6', 'random:evaluations=60'} do
    local e, picks = search(policy)
    for b, budget in ipairs(e.budgets) do
      local pick = picks[b]
      if test.check(pick and space:check(pick), ('%s: no pick for %.4f ms'):format(policy, budget)) then
        test.check(predicted(pick) <= budget, ('%s takes %.4f ms of %.4f'):format(pick, predicted(pick), budget))
        local accuracy, hits = anet.plan(s:subnet(pick), {batch = 20, pool = tiny.pool}):accuracy(data, input)
        test.near(e:result(pick, 60).score, accuracy, 1e-12)
        test.equal(e:result(pick, 60).hits, hits)
      end
    end
    test.check(#e:cloud() == #e.order and #e.order > 3, ('%d genomes were run'):format(#e.order))
  end
end)

test.case('shared prefixes save what an ideal trie saves', function()
  local e = search 'front:probe=20'
  local saving, ideal = e:saving()
  test.check(saving > 0.1 and saving < 1, ('saving %.3f'):format(saving))
  test.equal(saving, ideal)
end)

test.case('a genome that was run is not run again', function()
  local e = search 'front:probe=20'
  local done = e.runs.done
  local wanted = {}
  for _, genome in ipairs(e.order) do wanted[genome] = #e.seen[genome].hits end
  test.check(e:fill(wanted))
  test.equal(e.runs.done, done)
end)

-- The class of each answer.
local function classes(net)
  local answers, list = tiny.answers(net, data:tensor(input)), {}
  for i = 1, answers:dim(1) do
    list[i] = 1
    for c = 2, tiny.CLASSES do
      if answers:get(i, c) > answers:get(i, list[i]) then list[i] = c end
    end
  end
  return list
end

test.case('without labels, the score is agreement with the oracle', function()
  local unlabelled = anet.data(data:images(), nil, data:classes())
  local e, picks = search('front:probe=20', unlabelled)
  local want = classes(oracle)
  for b, budget in ipairs(e.budgets) do
    test.check(predicted(picks[b]) <= budget, picks[b])
    local got, agree = classes(s:subnet(picks[b])), 0
    for i = 1, #got do agree = agree + (got[i] == want[i] and 1 or 0) end
    test.near(e:result(picks[b], 60).score, agree / #got, 1e-12)
  end
  e:fill{[space:keep()] = 60}
  test.equal(e:result(space:keep(), 60).score, 1)
end)

test.case('an impossible budget names the fastest that can be reached', function()
  local message = test.raises('no subnet meets the budget', search, 'front', data, {between(0.5), fastest * 0.5})
  test.mentions(tostring(message), ('%.3f ms: the fastest that this supernet has takes %.3f ms'):format(fastest * 0.5, fastest))
end)

test.case('budgets are times or shares of the oracle', function()
  test.same(road.budgets(ui, '0.5ms, 90%,25%', 8), {7.2, 2, 0.5})
  for _, said in ipairs{'fast', '-1%', '0ms', '3s', ''} do test.raises('--budgets', road.budgets, ui, said, 8) end
end)

-- ---- rungs ------------------------------------------------------------------------------------------------

local settings = {budgets = {between(0.9), between(0.4)}, margin = 0, rounds = 5, calibrate = 32, pool = tiny.pool}

test.case('rungs of unlabelled data are scored by agreement with the oracle', function()
  local unlabelled = anet.data(data:images(), nil, data:classes())
  test.check(data:labelled() and not unlabelled:labelled())
  local e, picks = search('front:probe=20', unlabelled, settings.budgets)
  local list = road.measure_rungs(ui, s, times, e, picks, unlabelled, input, settings, tiny.pool)
  test.equal(list[1].score, 1)
  for i = 2, #list do test.check(list[i].score > 0 and list[i].score <= 1, list[i].genome) end
end)

test.case('a stream tells the time of every frame, those of a switch too', function()
  local e, picks = search('front:probe=20', data, settings.budgets)
  local list = road.measure_rungs(ui, s, times, e, picks, data, input, settings, tiny.pool)
  for i, r in ipairs(list) do r.accuracy = 1 - i / 10 end
  local turns = 'return {api = 1, kind = "latency", name = "turns", defaults = {}, new = function() return {n = 0, ' ..
                  'pick = function(self, ladder) self.n = self.n + 1 return self.n % #ladder + 1 end} end}'
  local policy = assert(anet.policy.load('turns', {kind = 'latency', text = turns}))
  local result = require('anet.stream').run(ui, list, data, input, policy, {
    batch = 4, frames = 20, budget = 1.25, phases = {{share = 1, load = 0}},
  }, tiny.pool)
  test.equal(result.frames, 20)
  test.check(result.switches > 10, 'the rungs take turns')
  for _, t in ipairs(result.trace) do test.check(t.ms > 0, ('frame %d took %g ms'):format(t.frame, t.ms)) end
end)

-- The busy processes of this test are known by their limit of 7331 seconds.
test.case('busy processes are gone as soon as they are told to stop', function()
  local load = require('anet.stream').load(7331)
  for _ = 1, 50 do load:set(2):set(0) end
  os.execute 'sleep 0.2'
  local pipe = io.popen 'grep -l "ulimit -t 7331" /proc/[0-9]*/cmdline 2>/dev/null'
  for path in pipe:lines() do
    local command = io.open(path)
    local words = command and command:read '*a' or ''
    test.check(not words:find '^sh%z%-c%zulimit', path .. ' still runs')
  end
  pipe:close()
end)

test.case('picks become rungs, which travel in a bundle with their own norms', function()
  local e, picks = search('front:probe=20', data, settings.budgets)
  local list = road.measure_rungs(ui, s, times, e, picks, data, input, settings, tiny.pool)
  test.equal(#list, 3)
  test.equal(list[1].genome, space:keep())
  for _, r in ipairs(list) do
    test.check(r.measured_ms > 0 and r.predicted_ms > 0, r.genome)
    test.near(anet.plan(r.net, {batch = 20, pool = tiny.pool}):accuracy(data, input), r.score, 1e-12)
  end
  -- One that was recalibrated for certain.
  local images = data:tensor(input)
  list[3].net, list[3].calibrated = assert(s:subnet(list[3].genome):calibrate(images, {batch = 60, pool = tiny.pool})), true
  local path = os.tmpname()
  assert(rungs.save(anet.bundle():set_supernet(s):set_input(input), list, {note = 'x'}):save(path))
  local bundle = assert(anet.bundle.open(path))
  local back, about = rungs.open(bundle, assert(bundle:supernet()))
  test.equal(about.note, 'x')
  for i, r in ipairs(list) do
    test.equal(back[i].genome, r.genome)
    test.check(tiny.same_bits(tiny.answers(back[i].net, images), tiny.answers(r.net, images)), r.genome)
  end
  local ladder = assert(bundle:ladder(2))
  local fastest = ladder:rungs()[1]
  for i, r in ipairs(list) do
    if r.genome == fastest.genome and r.measured_ms == fastest.ms then test.near(r.score, fastest.accuracy, 0) end
    test.check(r.measured_ms >= fastest.ms, ('rung %d is faster than the fastest of the ladder'):format(i))
  end
  test.equal(rungs.open(anet.bundle(), s), nil)
  os.remove(path)
end)

-- ---- the command line -------------------------------------------------------------------------------------

local folder, run = command.folder, command.run
local net_file, supernet_file, images_folder = folder .. '/net.anet', folder .. '/supernet.anet', folder .. '/images'
assert(anet.bundle():set_net(oracle):set_input(input):save(net_file))
assert(anet.bundle():set_supernet(s):set_input(input):set_latency(times):save(supernet_file))

-- One folder a class, a few images each.
for label, name in ipairs{'train/dark', 'train/grey', 'train/bright', 'test/dark', 'test/grey', 'test/bright'} do
  os.execute(('mkdir -p %s/%s'):format(images_folder, name))
  for i = 1, 4 do
    local image = anet.tensor({8, 8, 1}, 'u8'):fill(40 * label + i)
    assert(anet.image.save(image, ('%s/%s/%d.png'):format(images_folder, name, i)))
  end
end

-- It fails with one line that mentions each word.
local function fails(arguments, ...)
  local output, status = run(arguments)
  test.equal(status, 1)
  for _, word in ipairs{...} do test.mentions(output, word) end
  test.check(output:match '^anet [^\n]*\n$', ('one line: %q'):format(output))
end

local function read(path)
  local file = assert(io.open(path, 'rb'))
  local bytes = file:read '*a'
  file:close()
  return bytes
end

local function write(path, bytes)
  local file = assert(io.open(path, 'wb'))
  file:write(bytes)
  file:close()
end

test.case('it works with what it is given', function()
  local output, status = run(('eval %s --data %s --json'):format(net_file, images_folder))
  test.equal(status, 0)
  test.equal((json.decode(output) or {}).images, 12)
end)

test.case('damaged bundles', function()
  local bytes, path = read(net_file), folder .. '/damaged.anet'
  local middle = #bytes - 64
  write(path, bytes:sub(1, middle) .. string.char((bytes:byte(middle + 1) + 1) % 256) .. bytes:sub(middle + 2))
  fails(('eval %s --data %s'):format(path, images_folder), path, 'checksum')
  write(path, bytes:sub(1, #bytes - 100))
  fails(('eval %s --data %s'):format(path, images_folder), path)
  write(path, '')
  fails('info ' .. path, path)
  write(path, ('x'):rep(5000))
  fails('search ' .. path, path)
  fails('elastify ' .. folder, folder)
end)

test.case('unknown names', function()
  fails(('elastify %s --data %s --policy adaptive:spam=2'):format(net_file, images_folder), "no option 'spam'", "'span'")
  fails(('elastify %s --data %s --policy adaptiv'):format(net_file, images_folder), "'adaptiv'", "'adaptive'")
  fails(('search %s --data %s --policy front:racerz=2'):format(supernet_file, images_folder), "no option 'racerz'", "'racers'")
  fails(('search %s --data %s --policy /no-such-folder/mine.lua'):format(supernet_file, images_folder), '/no-such-folder/mine.lua')
  fails(('eval %s --data %s --genome 9999'):format(supernet_file, images_folder), 'position')
end)

test.case('absent data', function()
  fails(('eval %s --data /no-such-folder/images'):format(net_file), '/no-such-folder/images')
  fails(('search %s --data /no-such-folder/images'):format(supernet_file), '/no-such-folder/images')
  fails(('eval %s --data %s'):format(net_file, folder .. '/nothing.png'), 'nothing.png')
end)

test.case('the wrong kind of bundle', function()
  fails(('search %s --data %s'):format(net_file, images_folder), net_file, 'not a supernet')
  fails(('adapt %s --data %s'):format(supernet_file, images_folder), supernet_file, 'no ladder')
end)

test.case('budgets on the command line', function()
  local flags = ('search %s --data %s --threads 1'):format(supernet_file, images_folder)
  fails(flags .. ' --budgets 0.0001ms', 'no subnet meets the budget', ('%.3f ms'):format(fastest))
  fails(flags .. ' --budgets quick', "'quick'")
end)

os.execute('rm -r ' .. folder)
return test.finish()
