-- The road on a device: searching, rungs, and mistakes on the command line.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local anet = require 'anet'
local provenance = require 'anet.provenance'
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
  local budgets, fixed = road.budgets(ui, '0.5ms, 90%,25%', 8)
  test.same(budgets, {7.2, 2, 0.5})
  test.same({fixed[1] == nil, fixed[2] == nil, fixed[3]}, {true, true, true})
  for _, said in ipairs{'fast', '-1%', '0ms', '3s', ''} do test.raises('--budgets', road.budgets, ui, said, 8) end
end)

test.case('candidates are in order of merit, and have seen all images', function()
  local e = search 'front:probe=20,candidates=8,racers=6'
  for _, budget in ipairs(e.budgets) do
    local list = assert(e:candidates(budget, 5))
    test.check(#list > 1 and #list <= 5, ('%d candidates'):format(#list))
    for i, genome in ipairs(list) do
      test.check(predicted(genome) <= budget, genome)
      test.equal(#e.seen[genome].hits, 60)
      if i > 1 then test.check(e.seen[list[i - 1]].score >= e.seen[genome].score, genome) end
    end
  end
  test.same(assert(e:candidates(0, 5)), {})
end)

-- ---- rungs ------------------------------------------------------------------------------------------------

local settings = {budgets = {between(0.9), between(0.4)}, margin = 0, rounds = 3, calibrate = 32, pool = tiny.pool}

test.case('rungs of unlabelled data are scored by agreement with the oracle', function()
  local unlabelled = anet.data(data:images(), nil, data:classes())
  test.check(data:labelled() and not unlabelled:labelled())
  local e, picks = search('front:probe=20', unlabelled, settings.budgets)
  local ladder = road.make_ladder(ui, s, times, e, picks, unlabelled, input, settings, tiny.pool)
  test.equal(ladder.oracle.score, 1)
  for _, r in ipairs(ladder.rungs) do test.check(r.score > 0 and r.score <= 1, r.genome) end
end)

test.case('a stream tells the time of every frame, those of a switch too', function()
  local e, picks = search('front:probe=20', data, settings.budgets)
  local ladder = road.make_ladder(ui, s, times, e, picks, data, input, settings, tiny.pool)
  local keep = space:keep()
  local list = {{genome = picks[2], net = s:subnet(picks[2]), accuracy = 0.5, measured_ms = 7},
                {genome = keep, net = s:subnet(keep), accuracy = 0.9, measured_ms = 8}}
  test.check(#ladder.rungs >= 1)
  local turns = 'return {api = 1, kind = "latency", name = "turns", defaults = {}, new = function() return {n = 0, ' ..
                  'pick = function(self, ladder) self.n = self.n + 1 return self.n % #ladder + 1 end} end}'
  local policy = assert(anet.policy.load('turns', {kind = 'latency', text = turns}))
  local result = require('anet.stream').run(ui, list, data, input, policy, {
    batch = 4, frames = 20, budget = 1.25, phases = {{share = 1, load = 0}},
  }, tiny.pool)
  test.same({list[1].measured_ms, list[2].measured_ms}, {7, 8}) -- which are not those of frames
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

local _, picks_of_all = search 'front:probe=20'

-- A ladder of which nothing depends on the clock.
local function make_ladder()
  local list, images = {}, data:tensor(input)
  for i, genome in ipairs{space:keep(), picks_of_all[2], picks_of_all[1]} do
    local net = s:subnet(genome)
    list[i] = {genome = genome, net = net, predicted_ms = 4 - i, measured_ms = 4.1 - i, ratio = (4.1 - i) / 3.1, score = 1 - i / 10}
  end
  list[2].net, list[2].calibrated = assert(list[2].net:calibrate(images, {batch = 60, pool = tiny.pool})), true
  return {oracle = list[1], rungs = {list[3], list[2], list[1]}, budgets = {}}
end

test.case('picks become a ladder, the fastest first and the oracle beside it', function()
  local e, picks = search('front:probe=20', data, settings.budgets)
  local ladder = road.make_ladder(ui, s, times, e, picks, data, input, settings, tiny.pool)
  test.equal(ladder.oracle.genome, space:keep())
  test.equal(ladder.oracle.ratio, 1)
  test.equal(#ladder.budgets, 2)
  local seen = {}
  for i, r in ipairs(ladder.rungs) do
    local before = ladder.rungs[i - 1]
    test.check(not before or (r.measured_ms > before.measured_ms and r.score > before.score), ('rung %d is dominated'):format(i))
    test.check(not seen[r.genome], 'two rungs are the same')
    seen[r.genome] = true
    test.near(anet.plan(r.net, {batch = 20, pool = tiny.pool}):accuracy(data, input), r.score, 1e-12)
    test.near(r.prediction_error, r.predicted_ms / r.measured_ms - 1, 1e-12)
  end
  for b, budget in ipairs(ladder.budgets) do
    local rung = ladder.rungs[budget.rung]
    if budget.genome and rung then
      test.equal(rung.genome, budget.genome)
      test.check(rung.ratio <= budget.share, ('budget %d: %.4f of %.4f'):format(b, rung.ratio, budget.share))
    end
  end
  test.check(ladder.prediction.worst >= ladder.prediction.median)
end)

test.case('what the clock says decides, and is said', function()
  local plan, time = require 'anet.plan', nil
  local e, picks = search('front:probe=20', data, settings.budgets)
  time = plan.time
  plan.time = function(plans) -- all but the oracle take as long as it does
    local timings = {}
    for i in ipairs(plans) do timings[i] = {ms = 1, ratio = 1, error = 0, disturbed = 0} end
    return timings
  end
  local ok, ladder = pcall(road.make_ladder, ui, s, times, e, picks, data, input, settings, tiny.pool)
  plan.time = time
  assert(ok, ladder)
  for _, budget in ipairs(ladder.budgets) do test.equal(budget.genome, nil) end
  test.equal(#ladder.rungs, 1)
  test.equal(ladder.rungs[1], ladder.oracle)
  test.equal(#rungs.remarks(ladder), 2)
  test.mentions(rungs.remarks(ladder)[1], 'not met')
end)

test.case('a ladder travels in a bundle with its own norms', function()
  local ladder, images, path = make_ladder(), data:tensor(input), os.tmpname()
  assert(rungs.save(anet.bundle():set_supernet(s):set_input(input), ladder, {note = 'x'}):save(path))
  local bundle = assert(anet.bundle.open(path))
  local back = assert(rungs.open(bundle, assert(bundle:supernet())))
  local plans = assert(bundle:ladder(2))
  test.equal(back.note, 'x')
  test.equal(back.oracle.genome, space:keep())
  test.equal(#back.rungs, 3)
  for i, r in ipairs(ladder.rungs) do
    test.equal(back.rungs[i].genome, r.genome)
    test.equal(plans:rungs()[i].genome, r.genome)
    test.check(tiny.same_bits(tiny.answers(back.rungs[i].net, images), tiny.answers(r.net, images)), r.genome)
  end
  test.equal(rungs.open(anet.bundle(), s), nil)
  os.remove(path)
end)

test.case('a ladder of before, the oracle first and one rung dominated, is put in order', function()
  local ladder, images, bundle = make_ladder(), data:tensor(input), anet.bundle():set_supernet(s):set_input(input)
  local list = {ladder.rungs[3], ladder.rungs[2], ladder.rungs[1],
                {genome = space:keep(), net = ladder.oracle.net, predicted_ms = 3, measured_ms = 3.2, score = 0.5}}
  rungs.save(bundle, {oracle = list[1], rungs = list}) -- which numbers norms as the list does
  local about = bundle:value 'ladder'
  for i, r in ipairs(about.rungs) do r.accuracy = i / 100 end -- of test images, by the name that it had
  bundle:set_value('ladder', {rungs = about.rungs, seconds = 2})
  local back = assert(rungs.open(bundle, s))
  test.equal(#back.rungs, 3)
  test.equal(back.oracle.genome, space:keep())
  test.equal(back.oracle.measured_ms, ladder.oracle.measured_ms)
  for i, r in ipairs(ladder.rungs) do
    test.equal(back.rungs[i].genome, r.genome)
    test.near(back.rungs[i].accuracy, r.score, 1e-12)
    test.near(back.rungs[i].test_accuracy, (4 - i) / 100, 1e-12)
    test.check(tiny.same_bits(tiny.answers(back.rungs[i].net, images), tiny.answers(r.net, images)), r.genome)
    test.equal(bundle:ladder():rungs()[i].genome, r.genome)
  end
end)

test.case('a damaged ladder is one line', function()
  for _, text in ipairs{'[1', '3', '{}', '{"rungs": 3}', '{"rungs": []}', '{"rungs": [{"genome": 3}]}', '{"rungs": [], "oracle": {}}'} do
    local about, message = rungs.read(anet.bundle():set_text('ladder', text))
    test.equal(about, nil)
    test.mentions(message, "the text 'ladder'")
  end
end)

-- ---- the command line -------------------------------------------------------------------------------------

local folder, run = command.folder, command.run
local net_file, supernet_file, images_folder = folder .. '/net.anet', folder .. '/supernet.anet', folder .. '/images'
assert(anet.bundle():set_net(oracle):set_input(input):save(net_file))
assert(anet.bundle():set_supernet(s):set_input(input):set_latency(times):save(supernet_file))

-- One folder a class, four images each, that look like the data.
for part, seed in pairs{train = 5, test = 6} do
  local drawn, found = tiny.data(60, seed), {0, 0, 0}
  for i = 1, drawn:count() do
    local class = drawn:labels():get(i) + 1
    found[class] = found[class] + 1
    local path = ('%s/%s/%d'):format(images_folder, part, class)
    os.execute('mkdir -p ' .. path)
    if found[class] <= 4 then
      assert(anet.image.save(drawn:slice(i, 1):images():clone():reshape{8, 8, 1}, ('%s/%d.png'):format(path, found[class])))
    end
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

test.case('one numbering of rungs', function()
  local path = folder .. '/laddered.anet'
  rungs.save(anet.bundle():set_supernet(s):set_input(input):set_latency(times), make_ladder(), {threads = 1}):save(path)
  local info, plain = command.run_json('info ' .. path), run('info ' .. path)
  local list = make_ladder().rungs
  test.equal(#info.ladder.rungs, #list)
  for i, r in ipairs(list) do
    test.equal(info.ladder.rungs[i].genome, r.genome)
    test.mentions(plain, ('%d  %s'):format(i, r.genome))
    command.run_json(('export %s --rung %d --out %s/one.anet'):format(path, i, folder))
    local net = assert(assert(anet.bundle.open(folder .. '/one.anet')):net())
    test.check(tiny.same_bits(tiny.answers(net, data:tensor(input)), tiny.answers(r.net, data:tensor(input))), r.genome)
  end
  fails(('export %s --rung %d'):format(path, #list + 1), '--rung', '1 to ' .. #list)
end)

test.case('search on images that the model was not trained on', function()
  local path = folder .. '/trained.anet'
  local function made_by(job)
    return assert(provenance.put(anet.bundle():set_supernet(s):set_input(input):set_latency(times), 'train', {job = job}):save(path))
  end
  local function search_it(more)
    return command.run_json(('search %s --data %s --threads 1 --budgets 99%% --images 6 --policy random:evaluations=20 --out %s/found.anet %s')
      :format(path, images_folder, folder, more or ''))
  end
  made_by{architecture = 'x', data = images_folder, limit = 4}
  local found = search_it()
  test.same({found.part, found.first, found.images, found.unseen}, {'train', 5, 6, true})
  local chain = provenance.chain(assert(anet.bundle.open(folder .. '/found.anet')))
  test.same({#chain, chain[1].verb, chain[2].verb, chain[2].data}, {2, 'train', 'search', images_folder})
  made_by{architecture = 'x', data = images_folder}
  found = search_it()
  test.same({found.part, found.first, found.images, found.unseen}, {'test', 1, 6, true})
  found = search_it '--part train'
  test.same({found.part, found.images, found.unseen}, {'train', 6, false})
  test.near(found.ladder[1].retained, found.ladder[1].score / found.oracle.score, 1e-9)
  test.equal(found.labelled, true)
  test.equal(search_it('--unlabelled').labelled, false)
  test.mentions(run('info ' .. folder .. '/found.anet'), 'agreement')
end)

test.case('budgets on the command line', function()
  local flags = ('search %s --data %s --threads 1'):format(supernet_file, images_folder)
  fails(flags .. ' --budgets 0.0001ms', 'no subnet meets the budget', ('%.3f ms'):format(fastest))
  fails(flags .. ' --budgets quick', "'quick'")
end)

test.case('a search that tried nothing leaves a bundle that can be read, and says why it ended', function()
  local policy, out = folder .. '/never.lua', folder .. '/never.anet'
  write(policy, "return {api = 1, kind = 'search', new = function() return {propose = function() return {} end, observe = function() end, " ..
                  'done = function() return false end} end}')
  local output, status = run(('search %s --data %s --policy %s --budgets 95%% --margin 0 --threads 1 --out %s'):format(supernet_file, images_folder, policy, out))
  test.equal(status, 0)
  test.mentions(output, 'nothing new in 50 rounds')
  output, status = run('info ' .. out)
  test.equal(status, 0)
  test.mentions(output, 'oracle')
  local old = anet.bundle():set_text('ladder', '{"rungs": [{"genome": "0", "predicted_ms": 1, "measured_ms": 1, "score": 1}], "cloud": {}}')
  test.check(rungs.read(old), 'an empty list that was written as an object')
end)

os.execute('rm -r ' .. folder)
return test.finish()
