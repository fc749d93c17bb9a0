-- The REPL's parts: completion, showing values, documentation.
local test = dofile 'tests/support/test.lua'
anet = require 'anet'
local doc = require 'anet.doc'
local repl = require 'anet.repl'

local function completes(word, want)
  for _, match in ipairs(repl.complete(word)) do
    if match == want then return true end
  end
  return false
end

test.case('completion', function()
  test.check(completes('ane', 'anet'))
  test.check(completes('anet.', 'anet.net'))
  test.check(completes('anet.net.n', 'anet.net.new'))
  test.check(completes('string.form', 'string.format'))
  test.check(completes('whi', 'while'))
  n = anet.net{input = {4, 4, 1}}
  test.check(completes('n:des', 'n:describe'))
  t = anet.tensor{1}
  test.check(completes('t:resh', 't:reshape'))
  test.equal(#repl.complete 'nothing.here.x', 0)
  test.equal(#repl.complete 'zzzz', 0)
  for _, word in ipairs{':re', '):re', '").re', '1.re'} do test.equal(#repl.complete(word), 0) end -- what is left of a word behind a bracket
end)

test.case('values', function()
  test.equal(repl.show 'text', 'text')
  test.equal(repl.show{1, 'a', b = {c = true}}, '{1, "a", b = {c = true}}')
  test.equal(repl.show(t), tostring(t))
  local loop = {}
  loop[1] = loop
  test.mentions(repl.show(loop), '…')
  local long = {}
  for i = 1, 1000 do long[i] = i end
  test.check(#repl.show(long) < 400)
end)

test.case('documentation', function()
  test.mentions(doc.find('anet_run')[1].signature, 'int anet_run(')
  test.mentions(doc.find('anet_run')[1].text, 'Allocates nothing')
  test.equal(doc.find('Plan:run')[1].name, 'Plan:run')
  test.equal(doc.find('anet.net.new')[1].name, 'anet.net.new')
  test.check(#doc.find 'run' >= 2)
  test.equal(#doc.find 'no_such_thing', 0)
  local bare = {}
  for _, entry in ipairs(doc.entries()) do
    if entry.name:find '^anet_' and entry.signature == '' then bare[#bare + 1] = entry.name end
  end
  test.same(bare, {})
end)

return test.finish()
