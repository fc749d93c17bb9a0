-- The zoo's networks are those of their papers; `anet bench` says what it timed.
local test = dofile 'tests/support/test.lua'
local command = dofile 'tests/support/command.lua'
local anet = require 'anet'
local bench = require 'anet.bench'

local function run(arguments) return command.run('bench ' .. arguments) end

local function result(arguments) return command.run_json('bench ' .. arguments .. ' --quiet') end

-- Parameters as published (torchvision's tables; MobileNetV1: Howard et al. 2017, 4.2 M), and millions of
-- multiply-adds.
test.case('architectures', function()
  for _, want in ipairs{
    {'resnet18', 11689512, 1814}, {'resnet50', 25557032, 4089}, {'mobilenet_v1', 4231976, 569},
    {'mobilenet_v2', 3504872, 301}, {'squeezenet1_1', 1235496, 349}, {'resnet20_32', 272474, 41},
    {'resnet18_32', 11173962, 556}, {'mobilenet_v2_32', 2236682, 88},
  } do
    local net = assert(bench.net(want[1]))
    test.equal(net:cost().params, want[2])
    test.near(net:cost().macs / 1e6 / want[3], 1, 0.025)
  end
  test.same(bench.net('resnet18_32'):shape(bench.net('resnet18_32'):find 'stage4_2'), {4, 4, 512})
  test.same(bench.net('mobilenet_v2_32'):shape(bench.net('mobilenet_v2_32'):find 'head'), {4, 4, 1280})
  test.same(bench.net('mobilenet_v1_96'):shape(), {1000})
end)

test.case('names that are none', function()
  for _, name in ipairs{'resnet19', 'resnet19_32', 'resnet18_0', 'resnet18_'} do
    local net, message, code = bench.net(name)
    test.equal(net, nil)
    test.equal(code, 'absent')
    test.mentions(message, ("no architecture '%s'"):format(name))
  end
  for arguments, word in pairs{
    ['kernel'] = "did you mean 'kernels'", ['model'] = 'want NAMES', ['kernels no-such'] = "has 'no-such' in it",
    ['train resnet21'] = "no architecture 'resnet21'", ['model /no-such.anet'] = 'no-such',
  } do
    local output, status = run(arguments)
    test.equal(status, 1)
    test.mentions(output, word)
  end
end)

test.case('what names stand for', function()
  local function of(name)
    local net = assert(bench.net(name))
    local shape = net:shape(net:inputs()[1])
    return {shape[1], shape[2], shape[3], net:shape()[1]}
  end
  test.same(of 'resnet8', {32, 32, 3, 10})
  test.same(of 'resnet8_63', {63, 63, 3, 10})
  test.same(of 'resnet8_64', {64, 64, 3, 1000})
  test.same(of 'squeezenet1_1', {224, 224, 3, 1000})
end)

test.case('bundles stand for what they hold, a supernet for its oracle', function()
  local tiny = dofile 'tests/support/tiny.lua'
  local net = tiny.net()
  assert(anet.bundle():set_net(net):save(command.path 'net.anet'))
  test.equal(bench.net(command.path 'net.anet'):count(), net:count())
  assert(anet.bundle():set_supernet(tiny.supernet(net, anet.tensor{4, 8, 8, 1}:fill(0.5))):save(command.path 'super.anet'))
  test.equal(bench.net(command.path 'super.anet'):count(), net:count())
  test.fails('none.anet', 'io', bench.net(command.path 'none.anet'))
  assert(anet.bundle():set_text('supernet', '{}'):save(command.path 'odd.anet'))
  local odd, message, code = bench.net(command.path 'odd.anet')
  test.check(odd == nil and message and code, 'a supernet that is none')
end)

test.case('jobs run on noise, and say what they held', function()
  local pool = anet.pool(1)
  local job = assert(bench.model('resnet8_16', {batch = 3, pool = pool}))
  test.same(job.images:shape(), {3, 16, 16, 3})
  local x, sum, seen, distinct = job.images:data(), 0, {}, 0
  for i = 0, 3 * 16 * 16 * 3 - 1 do
    test.check(x[i] > -1 and x[i] < 1, 'a value in -1 .. 1')
    sum, distinct = sum + x[i], distinct + (seen[x[i]] and 0 or 1)
    seen[x[i]] = true
  end
  test.near(x[0], 16807 / 1073741823.5 - 1, 1e-6)
  test.near(x[1], 282475249 / 1073741823.5 - 1, 1e-6)
  test.near(sum / (3 * 16 * 16 * 3), 0, 0.05)
  test.check(distinct > 2000, ('%d values'):format(distinct))
  test.same({job.batch, job.name, job.plan:info().batch}, {3, 'resnet8_16', 3})
  test.equal(job.macs, job.plan:info().macs * 3)
  test.equal(job.weight_bytes, job.net:cost().param_bytes)
  local before = anet.clock()
  local ms = job:time()
  local all = 1000 * (anet.clock() - before)
  test.check(ms > 0 and ms <= all + 1e-3, ('a run took %g ms of %g'):format(ms, all))
  test.equal(assert(bench.model('resnet8_16', {pool = pool})).batch, 1)
  local ballast = anet.tensor{4000000} -- what was held before is not the job's, nor is a peak of before
  local again = assert(bench.model('resnet8_16', {batch = 3, pool = pool}))
  test.near(again.peak_bytes / job.peak_bytes, 1, 0.3)
  test.check(ballast:count() == 4000000 and again.peak_bytes < 8000000, ('%d bytes'):format(again.peak_bytes))
end)

test.case('a step of training changes what learns', function()
  local job = assert(bench.train('resnet8_16', {batch = 4, pool = anet.pool(1)}))
  local before = {}
  for i, p in ipairs(job.net:all_params()) do before[i] = p.tensor:clone() end
  job:run()
  local moved = 0
  for i, p in ipairs(job.net:all_params()) do
    for k = 0, p.tensor:count() - 1 do
      if p.tensor:data()[k] ~= before[i]:data()[k] then
        moved = moved + 1
        break
      end
    end
  end
  test.check(moved > #before / 2, ('%d of %d parameters moved'):format(moved, #before))
end)

test.case('jobs take turns, as often as told', function()
  local log, rounds = {}, {}
  local function job(name, ms) return {time = function()
    log[#log + 1] = name
    ms = ms + 1
    return ms
  end} end
  local times = bench.time({job('a', 0), job('b', 10)}, 3, function(round) rounds[#rounds + 1] = round end)
  test.same(log, {'a', 'b', 'a', 'b', 'a', 'b'})
  test.same(rounds, {1, 2, 3})
  test.same({times[1].min, times[1].median, times[2].min, times[2].median}, {1, 2, 11, 12})
  test.equal(#bench.time({job('a', 0)}, 1), 1)
end)

test.case('a kernel says what it is', function()
  for case = 1, bench.kernel_cases() do
    local k = bench.kernel(case, nil, 0)
    test.check(#k.name > 0 and #k.shape > 0 and k.flops >= 0 and k.bytes > 0, ('case %d'):format(case))
    test.equal(k.sgemm_ns, nil)
    test.equal(k.sgemm_core, nil)
  end
  local k = bench.kernel(1, bench.isas()[1], 0.01)
  test.check(k.ns > 0 and k.isa == bench.isas()[1], 'a time')
  test.raises('kernel', bench.kernel, bench.kernel_cases() + 1, nil, 0)
  test.check(bench.peak(bench.isas()[1]) > 1e6)
end)

test.case('least and middle', function()
  test.same({bench.summary{3, 1, 2}}, {1, 2})
  test.same({bench.summary{4, 1, 2, 3}}, {1, 2.5})
  test.same({bench.summary{5}}, {5, 5})
end)

test.case('what a busy machine does to times is said', function()
  local plan = require 'anet.plan'
  test.equal(plan.doubt(0.03, 0.3), nil)
  test.equal(plan.doubt(0.041, 0.23), 'could not measure within 3 %: the machine is busy (times vary by 4.1 %, 23 % of the runs were disturbed)')
  test.mentions(plan.doubts({{error = 0.01, disturbed = 0}, {error = 0.2, disturbed = 0.5}}, 0.1), 'within 10 %: the machine is busy (times vary by 20.0 %, 50 %')
  test.equal(plan.doubts({{error = 0.01, disturbed = 0}, {error = 0.2, disturbed = 0.5}}, 0.2), nil)
end)

test.case('errors of predictions', function()
  local latency = require 'anet.latency'
  local median, worst = latency.errors{{predicted_ms = 1, measured_ms = 1}, {predicted_ms = 0.9, measured_ms = 1}, {predicted_ms = 1.2, measured_ms = 1}}
  test.near(median, 0.1, 1e-9)
  test.near(worst, 0.2, 1e-9)
end)

test.case('models', function()
  local r = result 'model resnet8 mobilenet_v2_small_28 --batch 2 --rounds 3 --threads 2'
  test.equal(r.batch, 2)
  test.equal(r.threads, 2)
  test.equal(#r.models, 2)
  for _, m in ipairs(r.models) do
    test.check(m.min_ms > 0 and (m.min_ms <= m.median_ms or m.disturbed > 0), 'the least is no more than the middle')
    test.check(m.ms > 0 and m.cold_ms > 0 and m.error >= 0 and m.rounds >= 3, 'a time, and how well it is known')
    test.equal(m.settled, m.error <= 0.03)
    test.near(m.flops, 2000 * m.macs / m.min_ms, 1e-6 * m.flops)
    test.near(m.share, m.flops / r.peak_flops, 1e-9)
    test.check(m.peak_bytes >= m.weight_bytes, 'the weights themselves are held')
  end
  test.equal(r.models[1].ratio, 1)
  test.near(r.models[2].ratio, r.models[2].ms / r.models[1].ms, 1e-9)
  test.check(r.doubt or r.models[1].settled and r.models[2].settled, 'what did not settle is said')
  test.near(r.models[1].macs / bench.net('resnet8'):cost().macs, 2, 0.05) -- norms are folded
end)

test.case('training steps', function()
  local r = result 'train resnet8_16 --batch 4 --rounds 2'
  test.equal(r.models[1].model, 'resnet8_16')
  test.equal(r.models[1].macs, 12 * bench.net('resnet8_16'):cost().macs)
end)

test.case('kernels', function()
  local r = result 'kernels depthwise_grad --ms 0.01'
  local isas = bench.isas()
  test.equal(#r.kernels % #isas, 0)
  for i, k in ipairs(r.kernels) do
    test.equal(k.name, 'depthwise_grad')
    test.equal(k.isa, isas[(i - 1) % #isas + 1])
    test.near(k.share, k.flops / k.ns * 1e9 / r.peaks[k.isa], 1e-9)
  end
  local lines = run 'kernels softmax --ms 0.01 --tsv --quiet'
  test.mentions(lines, 'name\tisa\tshape\tns\t')
  test.equal(select(2, lines:gsub('\nsoftmax\t', '')), #isas)
end)

test.case('the worker that stands beside other engines', function()
  local pipe = io.popen(("printf 'model resnet8_16 2 3\\ntrain resnet8_16 4 1\\n' | '%s' tests/bench/peer_anet.lua 1"):format(arg[-1]))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  test.equal(#lines, 2)
  for i, count in ipairs{3, 1} do
    local n = 0
    for ms in (lines[i] or ''):gmatch '%S+' do
      n = n + 1
      test.check(tonumber(ms) and tonumber(ms) > 0, 'milliseconds of a run')
    end
    test.equal(n, count)
  end
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
