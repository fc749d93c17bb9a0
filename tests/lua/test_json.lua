-- JSON: what is written is read back; what is wrong is refused with its line.
local test = dofile 'tests/support/test.lua'
local json = require 'anet.json'

test.case('there and back', function()
  for _, text in ipairs{'null', 'true', 'false', '0', '-1.5', '"a"', '[]', '{}', '[1, 2, [3]]', '{"a": {"b": [true, null]}}',
                        '"\\u0001\\n\\"\\\\"', '123456789012', '0.1'} do
    test.equal(json.encode(json.decode(text)), text)
  end
  test.equal(json.decode '"\\u00e9\\ud83d\\ude00\\u20ac"', '\195\169\240\159\152\128\226\130\172')
  test.equal(json.decode(' \n {"a" : [ 1 , 2 ] } ').a[2], 2)
  test.equal(json.decode(json.encode(math.pi)), math.pi)
  test.equal(json.encode(0 / 0), 'null')
  test.equal(json.encode{b = 1, a = 2}, '{"a": 2, "b": 1}')
end)

test.case('what is wrong', function()
  for _, text in ipairs{'', '[', '{', '[1,]', '{"a"}', '{"a":}', '{a: 1}', '"', '"\\u12"', 'nul', '1 2', '--1', '[1 2]',
                        ('['):rep(200)} do
    local value, message = json.decode(text)
    test.equal(value, nil)
    test.mentions(message, 'json')
  end
  test.mentions(select(2, json.decode '[1,\n2,\nx]'), 'line 3')
  local loop = {}
  loop.loop = {loop}
  test.raises('contains itself', json.encode, loop)
  test.raises('cannot write a function', json.encode, {print})
end)

return test.finish()
