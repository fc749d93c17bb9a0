-- Calibration that harms, and int8 that is slower: measured, and refused or left out.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local anet = require 'anet'
local json = require 'anet.json'

local path, run = command.path, command.run
local calibrate = anet.calibrate
local data = tiny.data(160)
local input = data:input()
local oracle = tiny.oracle(data, input)
local net_file = path 'net.anet'
assert(anet.bundle():set_net(oracle):set_input(input):save(net_file))

-- Images in folders by label; pixel: what becomes of byte k of image i.
local function folder_of(name, count, pixel)
  local pixels, labels = data:images():data(), data:labels():data()
  for i = 0, count - 1 do
    local image = anet.tensor({8, 8, 1}, 'u8')
    for k = 0, 63 do image:data()[k] = pixel(pixels[i * 64 + k], i, k) end
    os.execute(('mkdir -p %s/%d'):format(path(name), labels[i]))
    assert(anet.image.save(image, ('%s/%d/%d.png'):format(path(name), labels[i], i)))
  end
  return path(name)
end

local good = folder_of('good', 160, function(x) return x end)
local upside = folder_of('upside', 160, function(x, _, k) return (255 - x) * (k % 8) / 8 end)
local black = folder_of('black', 24, function() return 0 end)

-- ---- the verdict, of figures ----------------------------------------------------------------------------------

local function figures(changes)
  local f = {judged = 100, by = 'labels', before = 0.94, after = 0.935, lost = 0.5, mean = 0, deviation = 1}
  for key, v in pairs(changes) do f[key] = v end
  return f
end

local function verdict(changes, limits)
  local refusals, warnings = calibrate.verdict(figures(changes), input, limits or calibrate.LIMITS)
  return table.concat(refusals, '; '), table.concat(warnings, '; ')
end

test.case('losses beyond the bound are refused, smaller ones told', function()
  test.same({verdict{}}, {'', ''})
  local refusal = verdict{after = 0.4, lost = 54}
  test.mentions(refusal, '54.0 points lost on 100 images, 94.00 % right before, 40.00 % after; --max-loss allows 5')
  local none, warning = verdict{after = 0.9, lost = 4}
  test.equal(none, '')
  test.mentions(warning, '4.0 points lost')
  test.equal((verdict({lost = 54}, {max_loss = 60, max_time = 110})), '')
end)

test.case('int8 that is slower is refused, int8 that is no faster told', function()
  test.same({verdict{ratio = 0.6}}, {'', ''})
  test.mentions(verdict{ratio = 2.3}, "int8 takes 230 % of the floats' time on this machine; --max-time allows 110")
  local none, warning = verdict{ratio = 1.04}
  test.equal(none, '')
  test.mentions(warning, '104 %')
end)

test.case('images with nothing in them are refused, dark ones told', function()
  test.mentions(verdict{deviation = 0.05}, 'mean 0.00 and deviation 0.05')
  local none, warning = verdict{deviation = 0.3, mean = -1.2}
  test.equal(none, '')
  test.mentions(warning, 'mean -1.20 and deviation 0.30')
  local raw = anet.data.input{height = 8, width = 8, channels = 1} -- says nothing of what it was trained on
  local refusals, warnings = calibrate.verdict(figures{deviation = 0.2, mean = 0.4}, raw, calibrate.LIMITS)
  test.same({#refusals, #warnings}, {0, 0})
end)

test.case('judges are others than those it was calibrated on', function()
  local images, judges, own = calibrate.split(data, 1000, 30, 1)
  test.same({images:count(), judges:count(), own}, {130, 30, true})
  images, judges = calibrate.split(data, 50, 1000, 1)
  test.same({images:count(), judges:count()}, {50, 40})
  images, judges, own = calibrate.split(data:slice(1, 5), 50, 1000, 1)
  test.same({images:count(), judges:count(), own}, {5, 5, false})
  local few, others = calibrate.split(data, 60, 100, 7)
  local seen = {}
  local function key(d, i) return table.concat(d:images():view({i, 1, 1, 1}, {1, 8, 8, 1}):clone():list(), ' ') end
  for i = 1, few:count() do seen[key(few, i)] = true end
  for i = 1, others:count() do test.check(not seen[key(others, i)], 'judge ' .. i) end
end)

-- ---- the verb ---------------------------------------------------------------------------------------------------

-- Wide bounds of time: a test is no place to measure, and so small a net is no faster in bytes.
local INT8 = '--int8 --max-time 10000'

local function refuses(arguments, ...)
  local out = path 'refused.anet'
  local output, status = run(('calibrate %s --out %s'):format(arguments, out))
  test.equal(status, 1)
  for _, word in ipairs{...} do test.mentions(output, word) end
  test.check(output:match '^anet [^\n]*\n$', ('one line: %q'):format(output))
  test.equal(io.open(out), nil)
end

test.case('suitable images change little, and are written', function()
  for _, flags in ipairs{'', '--unlabelled', INT8} do
    local r = command.run_json(('calibrate %s --data %s --out %s %s'):format(net_file, good, path 'out.anet', flags))
    test.equal(r.judged, 40)
    test.equal(r.by, flags == '--unlabelled' and 'answers' or 'labels')
    test.near(r.lost, 100 * (r.before - r.after), 1e-9)
    test.check(r.lost <= 5, ('%g points lost'):format(r.lost))
    test.check((r.ratio ~= nil) == (flags == INT8), 'int8 is timed')
    assert(assert(anet.bundle.open(path 'out.anet')):net())
  end
end)

test.case('unsuitable images are refused, and nothing is written', function()
  refuses(('%s --data %s --unlabelled'):format(net_file, upside), 'points lost on 40 images', '--max-loss allows 5', '--force')
  refuses(('%s --data %s'):format(net_file, upside), 'points lost', 'as the network answers') -- its labels tell nothing
  refuses(('%s --data %s --unlabelled'):format(net_file, black), 'there is hardly anything in them')
  refuses(('%s --data %s --unlabelled %s'):format(net_file, black, INT8), 'there is hardly anything in them')
end)

test.case('a net that gives no row of classes is judged by its values', function()
  local n, x = anet.net{input = {8, 8, 1}}
  for _ = 1, 2 do x = n:relu(n:norm(n:conv(x, {channels = 8, kernel = 3, pad = 1}))) end
  n:output(n:conv(x, {channels = 4, kernel = 1})):init(1) -- a map of classes
  local map = path 'map.anet'
  assert(anet.bundle():set_net(assert(n:calibrate(data:tensor(input), {batch = 32, pool = tiny.pool}))):set_input(input):save(map))
  refuses(('%s --data %s'):format(map, good), '4 answers in 64 rows, want one row', '--unlabelled')
  local r = command.run_json(('calibrate %s --data %s --unlabelled --out %s %s'):format(map, good, path 'out.anet', INT8))
  test.equal(r.by, 'values')
  test.equal(r.before, 1)
  test.check(r.after > 0.98 and r.after < 1, ('%g of its values'):format(r.after))
  refuses(('%s --data %s --unlabelled'):format(map, upside), "of the network's values", 'points lost')
end)

test.case('force writes it all the same, and says so', function()
  local flags = ('calibrate %s --data %s --unlabelled --force --out %s'):format(net_file, upside, path 'forced.anet')
  local output, status = run(flags)
  test.equal(status, 0)
  test.mentions(output, 'warning: ')
  assert(anet.bundle.open(path 'forced.anet'))
  local r = command.run_json(flags)
  test.check(#r.warnings >= 1 and r.lost > 5, 'figures and warnings are in the outcome')
end)

test.case('slower int8 is refused', function()
  refuses(('%s --data %s --int8 --max-time 1'):format(net_file, good), "% of the floats' time", '--max-time allows 1')
end)

test.case('a supernet gets options in bytes by the same rules', function()
  local file, out = path 'supernet.anet', path 'wide.anet'
  local s = tiny.supernet(oracle, data:tensor(input, 32))
  assert(anet.bundle():set_supernet(s):set_input(input):save(file))
  local r = command.run_json(('calibrate %s --data %s --out %s %s'):format(file, good, out, INT8))
  test.equal(r.int8, 4)
  test.check(r.lost <= 5 and r.ratio > 0, 'the subnet of all of them is measured')
  refuses(('%s --data %s --unlabelled %s'):format(file, black, INT8), 'hardly anything')
  refuses(('%s --data %s %s'):format(out, good, INT8), 'block 1 has an int8 option already')
end)

-- ---- options that are dropped -------------------------------------------------------------------------------------

-- A latency table of the tiny supernet in which the int8 options of some positions are as slow as said.
local function table_with(s, slow)
  local bundle = anet.bundle():set_supernet(s):set_latency(assert(anet.latency.profile(s, {rounds = 3, held_out = 3, pool = tiny.pool})))
  local t = bundle:value 'table'
  for _, o in ipairs(s:space():options()) do
    t.ms[o.index] = o.kind == 'keep' and 1 or o.kind == 'int8' and (slow[o.position] or 0.5) or 0.4
  end
  return assert(bundle:set_value('table', t):latency())
end

test.case('int8 options that are no faster here are in no search', function()
  local s = assert(tiny.supernet(oracle, data:tensor(input, 32)):quantize(data:tensor(input, 32), tiny.pool))
  local times = table_with(s, {[2] = 2.3, [4] = 1})
  local dropped, count = times:dropped(s:space()), 0
  for _, o in ipairs(s:space():options()) do
    test.equal(dropped[o.index] or false, o.kind == 'int8' and (o.position == 2 or o.position == 4))
    count = count + 1
  end
  test.same({times:count_dropped(s:space())}, {2, 4})
  local whole, seen = s:describe(), s:describe(times)
  test.equal(#whole.options, count)
  test.equal(#seen.options, count - 2)
  -- Policies that sample, and the exact front, know nothing of them.
  for _, name in ipairs{'random:evaluations=200', 'evolution', 'front:probe=20'} do
    local policy = assert(anet.policy.load(name, {kind = 'search', seed = 3}))
    local e = anet.explore.new(s, times, data, input, policy, {budgets = {3, 2.5}}, tiny.pool)
    while e:advance() do end
    local int8 = 0
    for _, genome in ipairs(e.order) do
      for _, o in ipairs(s:space():chosen(genome)) do
        test.check(not dropped[o.index], ('%s ran %s'):format(name, genome))
        int8 = int8 + (o.kind == 'int8' and 1 or 0)
      end
    end
    test.check(int8 > 0, name .. ' has the others')
  end
end)

test.case('profile marks what it drops', function()
  local s = assert(tiny.supernet(oracle, data:tensor(input, 32)):quantize(data:tensor(input, 32), tiny.pool))
  local file = path 'profiled.anet'
  assert(anet.bundle():set_supernet(s):set_input(input):save(file))
  local r = command.run_json(('profile %s --rounds 3 --held-out 3'):format(file))
  local keep, count = {}, 0
  for _, o in ipairs(r.options) do
    if o.kind == 'keep' then keep[o.position] = o.ms end
  end
  for _, o in ipairs(r.options) do
    test.equal(o.dropped, o.kind == 'int8' and o.ms >= keep[o.position])
    count = count + (o.dropped and 1 or 0)
  end
  test.equal(assert(anet.bundle.open(file)):latency():count_dropped(s:space()), count)
  test.check(json.encode(r) ~= nil)
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
