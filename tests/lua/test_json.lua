-- JSON: what is written is read back; what is wrong is refused with its line.
local test = dofile 'tests/support/test.lua'
local json = require 'anet.json'
local text = require 'anet.text'

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

-- Well-formed UTF-8 without control characters: what any reader takes and any terminal shows.
local function is_clean(s)
  for _, _, code in text.characters(s) do
    if not code or text.is_control(code) then return false end
  end
  return true
end

test.case('any bytes are written as JSON', function()
  for _, pair in ipairs{
    {'\27[31m\127\0', '"\\u001b[31m\\u007f\\u0000"'}, {'caf\195\169', '"caf\195\169"'}, {'\255a\195', '"\239\191\189a\239\191\189"'},
    {'\226\128\174', '"\\u202e"'}, {'\194\155', '"\\u009b"'}, {'\226\128\168', '"\\u2028"'}, {'\240\159\152\128', '"\240\159\152\128"'},
    {'\237\160\128', '"\239\191\189\239\191\189\239\191\189"'},
  } do
    test.equal(json.encode(pair[1]), pair[2])
  end
  local state = 7
  for _ = 1, 300 do
    local bytes = {}
    for i = 1, 24 do
      state = (state * 69069 + 1) % 2 ^ 32
      bytes[i] = string.char(math.floor(state / 2 ^ 24))
    end
    local bad = table.concat(bytes)
    local line = json.encode{[bad] = bad}
    test.check(is_clean(line), ('%q'):format(line))
    test.equal(json.encode(json.decode(line)), line)
    if is_clean(bad) then test.equal(json.decode(line)[bad], bad) end
  end
  test.equal(json.encode{1 / 0, -1 / 0, 0 / 0, -0}, '[null, null, null, 0]')
  test.equal(json.encode{[3] = 'three', x = true}, '{"3": "three", "x": true}')
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
