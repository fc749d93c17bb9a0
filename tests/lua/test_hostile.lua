-- Policies that mean harm, in the command: each of tests/support/hostile.txt as the answer to a question of each kind.
-- The sandbox is asked directly with a fraction of its limits; ANET_HOSTILE=full takes the limits of the command and
-- prints the longest. Some of them go through the verbs themselves.
local anet = require 'anet'
local Command = dofile 'tests/support/command.lua'
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'

local FULL = os.getenv 'ANET_HOSTILE' == 'full'
local LIMITS = FULL and {steps = 50e6, seconds = 10} or {steps = 1e6, seconds = 0.3}

local bodies = {}
for line in io.lines 'tests/support/hostile.txt' do
  if line ~= '' and line:sub(1, 1) ~= '#' then bodies[#bodies + 1] = line end
end
test.check(#bodies >= 100, 'there are many')

-- The text of a policy of a kind whose method runs `body`.
local FORMS = {
  schedule = [[local space return {api = 1, kind = 'schedule', new = function(options, rng) return {
    options = function(self, block) do %s end return {} end, next = function(self, step, stats) space = stats.space do %s end end} end}]],
  search = [[return {api = 1, kind = 'search', new = function(options, rng) return {propose = function(self, space, n) do %s end
    return {space:keep()} end, observe = function() end, done = function() return false end} end}]],
  latency = [[return {api = 1, kind = 'latency', new = function(options, rng) return {pick = function(self, ladder, state) do %s end
    return 1 end} end}]],
}

local function text_of(kind, body)
  local quoted = body:gsub('%%', '%%%%')
  return (FORMS[kind]:gsub('%%s', quoted))
end

-- Three trunks with merges, widths and skips.
local function make_space()
  local trunks = {}
  for p = 1, 12 do trunks[p] = math.floor((p - 1) / 4) end
  local s, times = anet.space.new(trunks), {}
  for p = 1, 12 do
    if p % 4 ~= 0 then s:add{kind = 'merge', position = p, span = 2} end
    s:add{kind = 'shrink', position = p, width = 0.5}:add{kind = 'skip', position = p}
  end
  for i, o in ipairs(s:options()) do times[i] = o.kind == 'skip' and 0 or o.span end
  return s, times
end

local space, times = make_space()

local function describe()
  local about = space:describe(times)
  about.images, about.budgets = 100, {10, 5}
  return about
end

-- Bytes that the process holds, or held at most since forget_peak: 'VmRSS' or 'VmHWM'.
local function held(name)
  for line in io.lines '/proc/self/status' do
    local kb = line:match('^' .. name .. ':%s+(%d+)')
    if kb then return tonumber(kb) * 1024 end
  end
end

local function forget_peak()
  local file = io.open('/proc/self/clear_refs', 'w')
  if not file then return end
  file:write '5'
  file:close()
end

-- The sanitizers keep what is freed.
local SANITIZED = io.open('/proc/self/maps'):read('*a'):find('libasan', 1, true)
if SANITIZED then print 'the memory of the process is not looked at: the sanitizers keep what is freed' end
local CAP = {schedule = 64 * 2 ^ 20, search = 64 * 2 ^ 20, latency = 8 * 2 ^ 20}

local QUESTIONS = {
  schedule = function(p) return p:next(1, {steps_per_epoch = 10, batch = 8}) end,
  search = function(p) return p:propose(8) end,
  latency = function(p) return p:pick{budget_ms = 5, rung = 1, rungs = 2, frames = 1} end,
}

for _, kind in ipairs{'schedule', 'search', 'latency'} do
  test.case('asked by the host: ' .. kind, function()
    local worst, most, grown = 0, 0, 0
    for _, body in ipairs(bodies) do
      local limits = kind == 'latency' and {} or LIMITS
      local policy, message = anet.policy.load('hostile', {kind = kind, text = text_of(kind, body), steps = limits.steps, seconds = limits.seconds})
      if policy then
        if kind == 'latency' then
          policy:ladder{{genome = '0', ms = 1, accuracy = 0.5}, {genome = '1', ms = 2, accuracy = 1}}
        else
          assert(policy:space(describe(), {space = space}))
        end
        forget_peak()
        local before, began = held 'VmRSS', os.clock()
        local answer, code
        answer, message, code = QUESTIONS[kind](policy)
        local seconds = os.clock() - began
        worst, most = math.max(worst, seconds), math.max(most, policy.box:bytes())
        test.check(answer ~= nil or message == nil or code == 'policy', body)
        test.check(seconds < (limits.seconds or 0.1) + 1, ('%.2f s: %s'):format(seconds, body))
        test.check(policy.box:bytes() <= CAP[kind], 'memory: ' .. body)
        local more = held 'VmHWM' - before
        grown = math.max(grown, more)
        test.check(SANITIZED or more <= CAP[kind] + 8 * 2 ^ 20, ('%.1f MB more in the process: %s'):format(more / 2 ^ 20, body))
      end
      if message then
        test.check(not message:find '[%c\127]' and not message:find('lua/anet', 1, true) and #message < 1000, 'one line: ' .. message)
      end
    end
    print(('%s: %d policies, at most %.3f s a question (limit %.2f), %.1f MB held, %.1f MB more in the process'):format(
      kind, #bodies, worst, kind == 'latency' and 0.1 or LIMITS.seconds, most / 2 ^ 20, grown / 2 ^ 20))
  end)
end

-- ---- through the verbs ---------------------------------------------------------------------------------------------

local folder = Command.folder
local images = folder .. '/images'

-- What the verbs need: a net, a supernet with a table and a ladder, and a folder of images.
local function build_world()
  for label, name in ipairs{'train/dark', 'train/grey', 'train/bright', 'test/dark', 'test/grey', 'test/bright'} do
    os.execute(('mkdir -p %s/%s'):format(images, name))
    for i = 1, 8 do
      assert(anet.image.save(anet.tensor({8, 8, 1}, 'u8'):fill(40 * ((label - 1) % 3 + 1) + i), ('%s/%s/%d.png'):format(images, name, i)))
    end
  end
  local data = tiny.data(60)
  local input = data:input()
  local oracle = tiny.oracle(data, input)
  local s = tiny.supernet(oracle, data:tensor(input, 32))
  local table_of = assert(anet.latency.profile(s, {rounds = 3, held_out = 3, pool = tiny.pool}))
  assert(anet.bundle():set_net(oracle):set_input(input):save(folder .. '/net.anet'))
  assert(anet.bundle():set_supernet(s):set_input(input):set_latency(table_of):save(folder .. '/supernet.anet'))
  local output, status = Command.run(('search %s/supernet.anet --data %s --budgets 95%% --margin 0 --threads 1 --out %s/ladder.anet')
    :format(folder, images, folder))
  assert(status == 0, output)
end

local VERBS = {
  schedule = 'elastify %s/net.anet --data %s --policy %s/hostile.lua --images 8 --threads 1 --quiet --out %s/out.anet',
  search = 'search %s/supernet.anet --data %s --policy %s/hostile.lua --budgets 95%% --margin 0 --threads 1 --quiet --out %s/out.anet',
  latency = 'adapt %s/ladder.anet --data %s --policy %s/hostile.lua --frames 10 --frame 1 --load 0 --threads 1 --quiet',
}

local function try(kind, body)
  local file = assert(io.open(folder .. '/hostile.lua', 'w'))
  file:write(text_of(kind, body))
  file:close()
  local began = anet.clock()
  local output, status = Command.run(VERBS[kind]:format(folder, images, folder, folder))
  local seconds = anet.clock() - began
  test.check(status == 0 or status == 1, ('%s, status %s: %s\n%s'):format(kind, tostring(status), body, output))
  test.check(not output:find 'traceback' and not output:find 'lua/anet/' and not output:find '\27', body .. ': ' .. output)
  if status == 1 then test.check(output:match '^anet %l+: [^\n]*\n$', body .. ': one line: ' .. output) end
  return seconds
end

test.case('through the verbs', function()
  build_world()
  for _, kind in ipairs{'schedule', 'search', 'latency'} do
    local worst, count = 0, 0
    for i = 1, #bodies, FULL and 1 or 24 do
      worst, count = math.max(worst, try(kind, bodies[i])), count + 1
    end
    print(('anet %s: %d policies, at most %.1f s'):format(VERBS[kind]:match '%l+', count, worst))
  end
  os.execute('rm -r ' .. folder)
end)

return test.finish()
