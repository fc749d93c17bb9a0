-- What every verb takes, in one list: names, types, bounds, what is assumed. `ANET_TRANSCRIBE=1 build/dev/anet tests/lua/test_verb_flags.lua`
-- writes tests/support/flags.txt anew; read the difference before you commit it.
local test = dofile 'tests/support/test.lua'
local cli = require 'anet.cli'

local PATH = 'tests/support/flags.txt'
local KEYS = {'short', 'value', 'type', 'min', 'max', 'choices', 'default', 'optional', 'many', 'help'}

local function described(kind, item)
  local words = {kind .. item.name}
  for _, key in ipairs(KEYS) do
    local value = type(item[key]) == 'table' and table.concat(item[key], ',') or item[key]
    if value ~= nil then words[#words + 1] = ('%s=%s'):format(key, tostring(value)) end
  end
  for key in pairs(item) do
    local known = key == 'name'
    for _, other in ipairs(KEYS) do known = known or other == key end
    test.check(known, ('%s%s has %s, which this list does not show'):format(kind, item.name, tostring(key)))
  end
  return '  ' .. table.concat(words, ' ')
end

local lines = {}
for _, name in ipairs(cli.verbs()) do
  local verb = require('anet.verb.' .. name)
  lines[#lines + 1] = name .. ': ' .. verb.summary
  for _, argument in ipairs(verb.arguments or {}) do lines[#lines + 1] = described('', argument) end
  for _, flag in ipairs(verb.flags or {}) do lines[#lines + 1] = described('--', flag) end
end

if os.getenv 'ANET_TRANSCRIBE' then
  local file = assert(io.open(PATH, 'w'))
  file:write(table.concat(lines, '\n'), '\n')
  file:close()
end

local at = 0
for line in io.lines(PATH) do
  at = at + 1
  test.equal(lines[at], line)
end
test.equal(#lines, at)

return test.finish()
