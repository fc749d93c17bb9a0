-- Words and figures for people: near misses, short numbers, durations, characters, tables.
local test = dofile 'tests/support/test.lua'
local text = require 'anet.text'

local SPACE = '\226\128\175' -- between groups of digits

test.case('the nearest word', function()
  local near = text.nearest
  test.equal(near('epochs', {'images', 'epoch', 'batch'}), 'epoch')
  test.equal(near('trian', {'train', 'run'}), 'train') -- two letters changed
  test.equal(near('xyz', {'abc'}), nil)
  test.equal(near('ab', {'abcd'}), 'abcd') -- two letters more
  test.equal(near('ba', {'abcd'}), nil)
  test.equal(near('cab', {'ab'}), 'ab')
  test.equal(near('', {'ab'}), 'ab')
  test.equal(near('', {}), nil)
  -- Two changes of a short word, a third of a long one, and not one more.
  test.equal(near('12345678', {'12345xx8'}), '12345xx8')
  test.equal(near('12345678', {'1234xxx8'}), nil)
  test.equal(near('123456789', {'12345xxx9'}), '12345xxx9')
  test.equal(near('123456789', {'1234xxxx9'}), nil)
  test.equal(near('123456789abc', {'1234xxxx9abc'}), '1234xxxx9abc')
  test.equal(near('123456789abc', {'123xxxxx9abc'}), nil)
  -- What it is the beginning of is as near as a change of one letter.
  test.equal(near('acc', {'act', 'accuracy'}), 'act')
  test.equal(near('acc', {'bct', 'accuracy'}), 'accuracy')
  test.equal(near('acc', {'accuracy', 'act'}), 'accuracy') -- the first of equals
  test.equal(near('acc', {'acc', 'accuracy'}), 'acc')
  test.equal(near('curacy', {'xcuracyxx'}), nil)
  test.equal(near(('a'):rep(64), {('a'):rep(63)}), ('a'):rep(63))
  test.equal(near(('a'):rep(65), {('a'):rep(64)}), nil) -- a stranger's word of any length costs nothing
  -- Letters left out, put in, changed; not the same letters elsewhere.
  test.equal(near('xyab', {'ab'}), 'ab')
  test.equal(near('axyb', {'ab'}), 'ab')
  test.equal(near('ab', {'axyb'}), 'axyb')
  test.equal(near('xyzab', {'ab'}), nil)
  test.equal(near('abcxyz', {'abc'}), nil)
  test.equal(near('ab', {'xyab'}), 'xyab')
  test.equal(near('ab', {'xyzab'}), nil)
  test.equal(near('kitten', {'sitting', 'mitten'}), 'mitten')
  test.equal(near('abcdef', {'fedcba'}), nil)
end)

test.case('hints', function()
  test.equal(text.hint('epocs', {'epochs'}), "; did you mean 'epochs'?")
  test.equal(text.hint('zzzzz', {'epochs'}), '')
end)

test.case('keys', function()
  test.same(text.keys{b = 1, a = 2, [10] = 3, [9] = 4}, {10, 9, 'a', 'b'})
  test.same(text.keys{x = 1, y = 2}, {'x', 'y'})
  test.same(text.keys{}, {})
end)

local function each(f, cases)
  for _, case in ipairs(cases) do test.equal(f(case[1]), case[2]) end
end

test.case('counts', function()
  each(text.count, {
    {0, '0'}, {7, '7'}, {12.5, '12.5'}, {999, '999'}, {999.4, '999.4'}, {1000, '1 k'}, {1234, '1.23 k'}, {1236, '1.24 k'}, {12345, '12.3 k'},
    {999999, '1e+03 k'}, {1e6, '1 M'}, {1234567, '1.23 M'}, {1e9, '1 G'}, {2.5e9, '2.5 G'}, {1e12, '1 T'}, {7.25e12, '7.25 T'}, {-5, '-5'},
    {0.123456, '0.1235'},
  })
end)

test.case('groups of digits', function()
  each(text.group, {
    {'1', '1'}, {'123', '123'}, {'1234', '1' .. SPACE .. '234'}, {'123456', '123' .. SPACE .. '456'},
    {'1234567', '1' .. SPACE .. '234' .. SPACE .. '567'}, {'-1234', '-1' .. SPACE .. '234'}, {'-123', '-123'}, {'1e30', '1e30'}, {'12.5', '12.5'},
    {'', ''}, {'many', 'many'},
  })
  test.equal(select('#', text.group '1234'), 1)
end)

test.case('bytes', function()
  each(text.bytes, {{0, '0 B'}, {999, '999 B'}, {1000, '1 kB'}, {12345678, '12.3 MB'}, {3e9, '3 GB'}})
end)

test.case('durations', function()
  each(text.duration, {
    {0, '0 ms'}, {0.0123, '12.3 ms'}, {0.012345, '12.3 ms'}, {0.9994, '999 ms'}, {1, '1.0 s'}, {4.54, '4.5 s'}, {59.9, '59.9 s'}, {60, '1 min 00 s'},
    {61, '1 min 01 s'}, {200, '3 min 20 s'}, {3599, '59 min 59 s'}, {3600, '1 h 00 min'}, {3720, '1 h 02 min'}, {7199, '1 h 59 min'},
    {90000, '25 h 00 min'},
  })
end)

-- ---- characters ------------------------------------------------------------------------------------------

-- {{bytes, code}, …} of a text; a code of false: no UTF-8.
local function pieces(s)
  local list = {}
  for from, to, code in text.characters(s) do list[#list + 1] = ('%d-%d:%s'):format(from, to, code and ('%X'):format(code) or '?') end
  return table.concat(list, ' ')
end

-- The least and the greatest code point of each length, and what lies beside them.
test.case('characters', function()
  for _, pair in ipairs{
    {'', ''}, {'a', '1-1:61'}, {'\127', '1-1:7F'}, {'\128', '1-1:?'}, {'\191a', '1-1:? 2-2:61'}, {'\193\191', '1-1:? 2-2:?'},
    {'\194\128', '1-2:80'}, {'\223\191', '1-2:7FF'}, {'\223\192', '1-1:? 2-2:?'}, {'\223\127', '1-1:? 2-2:7F'}, {'\224\159\191', '1-1:? 2-2:? 3-3:?'},
    {'\224\160\128', '1-3:800'}, {'\237\159\191', '1-3:D7FF'}, {'\237\160\128', '1-1:? 2-2:? 3-3:?'}, {'\237\191\191', '1-1:? 2-2:? 3-3:?'},
    {'\238\128\128', '1-3:E000'}, {'\239\191\191', '1-3:FFFF'}, {'\240\143\191\191', '1-1:? 2-2:? 3-3:? 4-4:?'}, {'\240\144\128\128', '1-4:10000'},
    {'\244\143\191\191', '1-4:10FFFF'}, {'\244\144\128\128', '1-1:? 2-2:? 3-3:? 4-4:?'}, {'\245\128\128\128', '1-1:? 2-2:? 3-3:? 4-4:?'},
    {'\226\130', '1-1:? 2-2:?'}, {'\226\130\172\195\169', '1-3:20AC 4-5:E9'}, {'\247\128\128\128', '1-1:? 2-2:? 3-3:? 4-4:?'},
  } do
    test.equal(pieces(pair[1]), pair[2])
  end
end)

test.case('what steers a terminal', function()
  local wrong = {}
  local STEERS = {{0, 0x1F}, {0x7F, 0x9F}, {0x2028, 0x202E}, {0x2066, 0x2069}}
  for code = 0, 0x3000 do
    local want = false
    for _, range in ipairs(STEERS) do want = want or (code >= range[1] and code <= range[2]) end
    if text.is_control(code) ~= want then wrong[#wrong + 1] = ('%X'):format(code) end
  end
  test.same(wrong, {})
end)

test.case('printable', function()
  test.equal(text.printable '\31 ~\127', '\\x1f ~\\x7f')
  test.equal(text.printable('a\tb\nc\rd\11', true), 'a\tb\nc\\x0dd\\x0b')
  test.equal(text.printable 'a\tb', 'a\\x09b')
  test.equal(text.printable 'é\255\7', 'é\\xff\\x07')
  test.equal(text.printable(setmetatable({}, {__tostring = function() return 'x\7' end})), 'x\\x07')
end)

test.case('cut', function()
  test.equal(text.cut('abcdef', 3), 'abc')
  test.equal(text.cut('abc', 3), 'abc')
  test.equal(text.cut('abc', 0), '')
  test.equal(text.cut('', 0), '')
  test.equal(text.cut('äöü', 2), 'äö')
end)

-- ---- tables ----------------------------------------------------------------------------------------------

test.case('columns', function()
  test.same(text.table{}, {})
  test.same(text.table{{'one', 'two'}}, {'one  two'})
  -- Words to the left and numbers to the right, the head like its column; nothing behind the last word.
  test.same(text.table{{'name', 'n', 'note'}, {'a', 5, 'x'}, {'longer', 123, ''}}, {'name      n  note', 'a         5  x', 'longer  123'})
  -- What stands in the second row says how a column lies; a number in it lies to the right in any case.
  test.same(text.table{{'figure'}, {'none'}, {12}}, {'figure', 'none', '    12'})
  test.same(text.table{{'figure'}, {12}, {'none'}}, {'figure', '    12', '  none'})
  test.same(text.table{{'a'}, {'b', 'wide'}, {'c', 'w'}}, {'a', 'b  wide', 'c  w'})
  test.same(text.table{{'a', 'b'}, {true, false}}, {'a     b', 'true  false'})
end)

return test.finish()
