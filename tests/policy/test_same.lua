-- Same seed, same answers: three processes say the same, to the last step, of every policy that ships and of one that
-- walks over keys that are texts.
local test = dofile 'tests/support/test.lua'

local function run()
  local pipe = io.popen(("'%s' tests/support/policy_log.lua 2>&1"):format(arg[-1]))
  local output = pipe:read '*a'
  pipe:close()
  return output
end

local function first_difference(a, b)
  local next_a, next_b = a:gmatch '[^\n]*', b:gmatch '[^\n]*'
  while true do
    local x, y = next_a(), next_b()
    if x ~= y or not x then return ('%s\n  and %s'):format(tostring(x):sub(1, 300), tostring(y):sub(1, 300)) end
  end
end

test.case('three processes say the same', function()
  local first = run()
  test.check(#first > 20000 and first:find 'walker picks', 'it runs to its end: ' .. first:sub(-300))
  for _ = 2, 3 do
    local again = run()
    test.check(again == first, again == first and '' or first_difference(first, again))
  end
end)

return test.finish()
