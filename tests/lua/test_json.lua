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

local function decoded(written) return (assert(json.decode(written))) end

-- What is refused: the line and what was wanted there.
local function refused(written, message)
  local value, why = json.decode(written)
  test.equal(value, nil)
  test.equal(why, 'json: ' .. message)
end

test.case('numbers', function()
  for _, pair in ipairs{
    {0, '0'}, {-7, '-7'}, {1.5, '1.5'}, {1e6, '1000000'}, {2 ^ 53 - 1, '9007199254740991'}, {2 ^ 53, '9007199254740992'}, {1 / 3, '0.33333333333333331'},
    {0.25, '0.25'}, {1e300, '1e+300'}, {123456789.5, '123456789.5'}, {1e-7, '1e-07'}, {-2 ^ 53 + 1, '-9007199254740991'},
    {1e11, '100000000000'}, {9e15, '9000000000000000'}, {1e16, '1e+16'}, {-1e16, '-1e+16'},
  } do
    local written = json.encode(pair[1])
    test.equal(written, pair[2])
    test.equal(decoded(written), pair[1])
  end
  for _, pair in ipairs{{'-0.5e1', -5}, {'1E3', 1000}, {'12e-2', 0.12}, {'1e+2', 100}, {'0', 0}, {'7 ', 7}, {' 7', 7}} do
    test.equal(decoded(pair[1]), pair[2])
  end
  for _, wrong in ipairs{'+1', '.5', 'e5', '-', '1e', 'NaN', 'inf', 'truth', 'nil'} do test.equal(json.decode(wrong), nil) end
end)

test.case('texts', function()
  test.equal(json.encode 'a"b\\c\nd\te\rf/', '"a\\"b\\\\c\\nd\\te\\rf/"')
  test.equal(decoded '"a\\"b\\\\c\\nd\\te\\rf\\/g\\bh\\f"', 'a"b\\c\nd\te\rf/g\bh\f')
  test.equal(decoded '"\\u0041\\u007f\\u0080\\u07ff\\u0800\\uffff"', 'A\127\194\128\223\191\224\160\128\239\191\191')
  test.equal(decoded '"\\ud800\\udc00\\uDBFF\\uDFFF"', '\240\144\128\128\244\143\191\191')
  test.equal(decoded '"\\u00e9f\\u00E9"', 'éfé')
  test.equal(decoded '"\\n1234"', '\n1234') -- digits behind another escape are themselves
  test.equal(decoded '""', '')
  test.equal(decoded '"\\\\"', '\\')
  test.equal(decoded '{"\\u0061": 1}'.a, 1)
  test.equal(decoded '"\\u1000\\ud840\\udc00\\ud8c0\\udc00\\ud8bf\\udfff"',
             '\225\128\128\240\160\128\128\241\128\128\128\240\191\191\191')
  refused('"\\u12"', 'line 1: want four digits after \\u')
  refused('"\\u123"', 'line 1: want four digits after \\u')
  refused('"abc', 'line 1: want the end of a string')
  refused('"abc\\"', 'line 1: want the end of a string')
end)

test.case('arrays and objects', function()
  test.check(json.is_array(decoded '[]'))
  test.check(not json.is_array(decoded '{}'))
  test.check(json.is_array(json.array()))
  test.equal(json.encode(json.array()), '[]')
  test.equal(json.encode{}, '{}')
  test.equal(json.encode{json.null, 2}, '[null, 2]')
  test.equal(json.encode(json.array{1}), '[1]')
  test.equal(tostring(json.null), 'null')
  test.same(decoded '[1,2 , 3]', {1, 2, 3})
  test.equal(decoded '{"a":false,"b":{"c":[true]}}'.b.c[1], true)
  test.equal(decoded '{"a":false}'.a, false)
  test.equal(decoded '{"a":null}'.a, json.null)
  test.equal(decoded '\t{\r\n"a"\t:1}\n'.a, 1)
  local twice = {1}
  test.equal(json.encode{twice, twice}, '[[1], [1]]') -- twice is not within itself
  local loop = {1}
  loop[2] = loop
  test.equal(test.raises('', json.encode, loop), 'json: a table contains itself')
  test.equal(test.raises('', json.encode, print), 'json: cannot write a function')
  test.equal(json.encode(nil), 'null')
end)

test.case('where it is wrong', function()
  refused('', 'line 1: want a value')
  refused('[1\n2]', "line 2: want ',' or ']'")
  refused('[1', "line 1: want ',' or ']'")
  refused('{"a" 1}', "line 1: want ':'")
  refused('{"a": 1 "b"}', "line 1: want ',' or '}'")
  refused('{"a": 1,\n\n}', 'line 3: want a key')
  refused('[\n\n\nx]', 'line 4: want a value')
  refused('\nx\n\n', 'line 2: want a value')
  refused('1 2', 'there is more after the value')
  refused('[] x', 'there is more after the value')
  -- A hundred arrays in each other, and no more.
  local function nested(open, inner, close, n) return open:rep(n) .. inner .. close:rep(n) end
  test.check(json.decode(nested('[', '1', ']', 100)))
  refused(nested('[', '1', ']', 101), 'line 1: want less than 100 levels')
  test.check(json.decode(nested('{"a":', '1', '}', 100)))
  refused(nested('{"a":', '1', '}', 101), 'line 1: want less than 100 levels')
end)

return test.finish()
