-- ONNX's conformance cases (Debian's libonnx-testdata): every case whose ops the engine has runs, or is in
-- tests/support/onnx_skips.lua with its reason; and what is there must not run.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local conformance = dofile 'tests/support/conformance.lua'
local skips = dofile 'tests/support/onnx_skips.lua'

local ROOT = '/usr/include/onnx/backend/test/data/'
local PARTS = {'node', 'simple', 'pytorch-converted', 'pytorch-operator'}

local function cases()
  local list = {}
  for _, part in ipairs(PARTS) do
    for name in io.popen('ls ' .. ROOT .. part .. ' 2>/dev/null'):lines() do list[#list + 1] = part .. '/' .. name end
  end
  return list
end

local function skipped()
  local reason_of, count = {}, 0
  for reason, names in pairs(skips) do
    for name in names:gmatch '%S+' do
      test.check(not reason_of[name], name .. ' is listed twice')
      reason_of[name], count = reason, count + 1
    end
  end
  return reason_of, count
end

local all = cases()
if #all == 0 then
  print('skipped: there is no ' .. ROOT .. ' (package libonnx-testdata)')
  test.check(not os.getenv 'CI', 'where CI is set no test may be skipped: install libonnx-testdata')
  return test.finish()
end

local reason_of, listed = skipped()
local pool, seen, passed, outside, listed_passed, listed_all = anet.pool(1), 0, 0, 0, 0, 0
for _, name in ipairs(all) do
  local outcome, message = conformance.run(ROOT .. name, pool)
  local reason = reason_of[name]
  if conformance.is_listed(ROOT .. name) then
    listed_all = listed_all + 1
    if outcome == 'pass' then listed_passed = listed_passed + 1 end
  end
  if reason then seen = seen + 1 end
  if outcome == 'pass' then
    passed = passed + 1
    test.check(not reason, ('%s runs, but is listed: %s'):format(name, reason))
  elseif outcome == 'outside' then
    outside = outside + 1
    test.check(not reason, ('%s has op %s, which the engine has not, but is listed: %s'):format(name, message, reason))
  else
    test.check(reason, ('%s: %s'):format(name, message))
  end
end
test.equal(seen, listed) -- all that is listed is there
test.check(outside + passed + listed == #all, 'every case runs, is listed, or has an op that the engine has not')
test.check(listed_passed >= 0.95 * listed_all, 'of the listed ops too few cases run')
print(('%d cases are skipped with their reason, %d have ops that the engine has not'):format(listed, outside))
print(('ran %d, passed %d; listed ops: %d of %d cases (%.1f %%)'):format(#all - outside - listed, passed,
  listed_passed, listed_all, 100 * listed_passed / listed_all))

return test.finish()
