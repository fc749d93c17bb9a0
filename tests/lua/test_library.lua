-- The library that policies find: its names, what it does as plain Lua does, and the bounds at which it refuses.
local test = dofile 'tests/support/test.lua'
local sandbox = require 'anet.sandbox'

-- A sandbox whose pick runs `body`.
local function open(body, options)
  options = options or {}
  options.text = 'return {api = 1, kind = "latency", new = function(options, rng) return {pick = function(self, ladder, state) ' ..
                   body .. ' end} end}'
  local box, message = sandbox.new(options)
  assert(box, message)
  assert(select(2, box:call('start', {}, 1)) == nil)
  return box
end

-- What an expression gives, as a text.
local TEXT = 'local function text(...) local t = {} for i = 1, select("#", ...) do t[i] = type((select(i, ...))) == "table" ' ..
               'and "table" or tostring((select(i, ...))) end return table.concat(t, " ") end '
local function inside(code)
  local value, message = open(TEXT .. code):call('pick', {})
  return value or message
end
local function plain(code) return assert(loadstring(TEXT .. code))() end

-- ---- names -----------------------------------------------------------------------------------------------

test.case('what there is', function()
  local value = open([[local list = {}
    for name, v in pairs(_G) do
      local t = {}
      if type(v) == 'table' and v ~= _G then for k in pairs(v) do t[#t + 1] = tostring(k) end end
      list[#list + 1] = name .. (t[1] and ': ' .. table.concat(t, ' ') or '')
    end
    return list]]):call('pick', {})
  test.same(value, {
    '_G', 'assert', 'bit: arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex',
    'coroutine: create resume running status wrap yield', 'error', 'getmetatable', 'ipairs',
    'math: abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max min modf pi pow rad sin sinh ' ..
      'sqrt tan tanh',
    'next', 'pairs', 'pcall', 'race: __index ask done leader new settle tell winner', 'rawequal', 'rawget', 'rawset', 'select',
    'setmetatable', 'string: byte char find format gmatch gsub len lower match rep reverse sub upper',
    'table: concat insert maxn remove sort unpack', 'tonumber', 'tostring', 'type', 'unpack', 'xpcall',
  })
  -- Methods of strings are those of the library.
  test.equal(inside 'return text(getmetatable("") , pcall(setmetatable, "", {}))', 'strings are locked false setmetatable: want a table, got a string')
  test.equal(inside 'return text(_G._G == _G, _G.state, getmetatable(_G))', 'true nil nil')
end)

-- ---- as plain Lua ----------------------------------------------------------------------------------------

local ALIKE = {
  'return text(("abc"):len(), ("abc"):sub(2), ("abc"):sub(-2, -2), ("abc"):sub(2, 9), (12):type())',
  'return text(("aBc"):lower(), ("aBc"):upper(), ("aBc"):reverse(), string.upper(12))',
  'return text(("ab"):rep(3), ("ab"):rep(3, ", "), ("ab"):rep(0), ("ab"):rep(-1), ("ab"):rep("2"), string.rep(7, 2))',
  'return text(("%d %5.2f %s %q %x|%-4s|%%"):format(3, 2.5, "x", "a\\n", 255, "y"), ("%s %s"):format(nil, true), ("%5.1s|"):format("abc"))',
  'return text(("hello"):find("l"), ("hello"):find("l", 4), ("hello"):find("."), ("hello"):find(".", 1, true), ("a.b"):find(".", 1, true))',
  'return text(("key = 12"):match("(%a+)%s*=%s*(%d+)"), ("x"):match("y"), ("abcabc"):match("b()", 3))',
  'local t = {} for k, v in ("a=1, b=2"):gmatch("(%w)=(%w)") do t[#t + 1] = k .. v end return text(unpack(t))',
  'return text(("hello"):gsub("l", "L"), ("hello"):gsub("l", "L", 1), ("abc"):gsub("%w", "%0%0"), ("abc"):gsub("", "-"))',
  'return text(("abc"):byte(1, -1), string.char(65, 66), string.byte("abc", 2))',
  'return text(table.concat({1, 2, "x"}), table.concat({1, 2, 3}, ", "), table.concat({1, 2, 3}, "-", 2), table.concat({1, 2, 3}, "-", 2, 2), table.concat{})',
  'local t = {1, 2} table.insert(t, 3) table.insert(t, 1, 0) table.insert(t, 5, 9) return text(unpack(t))',
  'local t = {1, 2, 3, 4} return text(table.remove(t), table.remove(t, 1), table.remove(t, 2), table.remove(t, 7), #t, table.remove({}))',
  'local t = {5, 2, 9, 1} table.sort(t) return text(unpack(t))',
  'local t = {5, 2, 9, 1, 7} table.sort(t, function(a, b) return a > b end) return text(unpack(t))',
  'return text(table.maxn{1, 2, [10] = 3, x = 4, [-5] = 1}, table.maxn{}, unpack({1, 2, 3}), unpack({1, 2, 3}, 2), unpack({1, 2, 3}, 2, 4), unpack{})',
  'return text(tonumber "12", tonumber "0x10", tonumber("ff", 16), tonumber "x", tonumber(5), tonumber " 5 ", tonumber(nil))',
  'return text(tostring(nil), tostring(1.5), tostring(true), tostring "x", tostring(setmetatable({}, {__tostring = function() return "mine" end})))',
  'return text(pcall(function(...) return ... end, 1, nil, 3), pcall(error, "oh"), pcall(error, nil))',
  'return text(xpcall(function() return 1, 2 end, error), xpcall(function() error("oh", 0) end, function(m) return m .. "!" end))',
  'return text(select("#", xpcall(function() error("oh", 0) end, function() return 1, 2 end)))',
  'return text(pcall(pcall, error, "oh"), pcall(error, {}), select("#", pcall(function() end)))',
  'return text(rawequal({}, {}), rawget({1}, 1), #rawset({}, 1, 2), select("#", nil, nil), select(-1, 1, 2), select(2, 1, 2))',
  'local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return text(coroutine.resume(co, 1), coroutine.resume(co, 5), coroutine.resume(co), coroutine.status(co))',
  'local f = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) error("oh" .. b, 0) end) return text(f(1), pcall(f, 5), pcall(f))',
  'local co co = coroutine.create(function() return coroutine.status(co), coroutine.running() == co end) return text(coroutine.resume(co), (coroutine.running()))',
  'return text(bit.band(6, 3), bit.bor(6, 3), bit.bxor(6, 3), bit.bnot(0), bit.lshift(1, 4), bit.rshift(-1, 28), bit.arshift(-16, 2), bit.tohex(255), bit.rol(1, 33))',
  'return text(math.floor(-1.5), math.max(1, 5, 3), math.huge, math.pi, math.fmod(7, 3), math.modf(-1.5), math.frexp(8), math.ldexp(0.5, 4))',
  'local t = setmetatable({}, {__index = function(_, k) return k * 2 end}) return text(t[4], getmetatable(setmetatable({}, {__metatable = "no"})))',
  'local t = setmetatable({1}, {}) return text(getmetatable(setmetatable(t, nil)), type(getmetatable(setmetatable({}, {}))))',
  'local t = {10, 20, nil, 40} local s = "" for i, v in ipairs(t) do s = s .. i .. v end return text(s, type(next), next({}), (next{7}))',
  'local t = {1, 2, 3} for k in pairs(t) do t[k] = nil end return text(next(t), #t)',
  'return text(assert(1, 2), pcall(assert, false, "oh"), pcall(assert, nil), type(nil), math.sin(0), math.log(1))',
}

test.case('as plain Lua', function()
  for _, code in ipairs(ALIKE) do
    code = code:gsub('%(12%):type%(%)', 'type(12)')
    test.equal(inside(code), plain(code))
  end
end)

-- ---- bounds ----------------------------------------------------------------------------------------------

-- Both ends of a bound: the first goes on, the second is refused in these words.
local function bound(fits, over, words)
  local value, message = open(fits):call('pick', {})
  test.check(value ~= nil, fits .. ': ' .. tostring(message))
  value, message = open(over):call('pick', {})
  test.check(value == nil, over .. ' is refused')
  test.mentions(message, words)
end

test.case('a text has at most 65 536 bytes', function()
  bound('return #("x"):rep(65536)', 'return #("x"):rep(65537)', 'rep: 65537 bytes, at most 65536')
  bound('return #("xy"):rep(21845, "z")', 'return #("xy"):rep(21846, "z")', 'rep: 65538 bytes, at most 65536')
  bound('local s = ("x"):rep(32768) return #(s .. s)', 'local s = ("x"):rep(32768) return #(s .. s .. "x")', 'a text of more than 65536 bytes')
  bound('local s = ("x"):rep(32768) return #table.concat{s, s}', 'local s = ("x"):rep(32768) return #table.concat{s, s, "x"}',
        'concat: 65537 bytes, at most 65536')
  bound('local s = ("x"):rep(60000) return #("%s"):format(s)', 'local s = ("x"):rep(60000) return #("%s%s"):format(s, s)', 'at most 65536')
  bound('local t = {} for i = 1, 1000 do t[i] = i end return select("#", unpack(t, 1, 1001))',
        'local t = {} for i = 1, 1000 do t[i] = i end return unpack(t, 1, 1002)', 'unpack: more than 1000 values')
  bound('local t = {} return #table.concat(t, "", 1, 0)', 'return table.concat({}, "", 1, 65538)', 'concat: too many items')
  bound('local t = {} for i = 1, 200 do t[i] = i end return ("%d"):rep(200):format(unpack(t))',
        'local t = {} for i = 1, 201 do t[i] = i end return ("%d"):rep(201):format(unpack(t))', 'format: 201 values, at most 200')
end)

test.case('patterns take as long as they may', function()
  -- (bytes + 1) ^ (repetitions + 1) x (pattern's bytes + 1) is at most 10 Mi.
  bound('return (("a"):rep(1618):find("y*c")) or 0', 'return ("a"):rep(1619):find("y*c")', 'a text of 1619 bytes and a pattern with 1 repetitions take too long')
  for _, sign in ipairs{'*', '+', '-', '?'} do
    bound(('return (("a"):rep(1600):match("y%sc")) or 0'):format(sign), ('return ("a"):rep(1900):match("y%sc")'):format(sign), 'with 1 repetitions')
  end
  bound('return (("a"):rep(1000):match("%bxy")) or 0', 'return ("a"):rep(3000):match("%bxy")', 'with 1 repetitions')
  bound('return (("a"):rep(1000):gsub("y*c", "")) or 0', 'return ("a"):rep(2000):gsub("y*c", "")', 'take too long')
  bound('for w in ("a"):rep(1000):gmatch("y*c") do end return 1', 'for w in ("a"):rep(2000):gmatch("y*c") do end return 1', 'take too long')
  bound('return (("a"):rep(60000):find(("b"):rep(1000), 1, true)) or 0', 'return ("a"):rep(60000):find(("b"):rep(1400), 1, true)',
        'find: 1400 bytes in 60000 take too long')
end)

test.case('how deep calls go', function()
  local nest = 'local function f(n) if n == 0 then return 0 end local ok, got = pcall(f, n - 1) return ok and got + 1 or error(got, 0) end return f(%d)'
  bound(nest:format(200), nest:format(201), 'pcall: more than 200 within each other')
  local wrap = 'local function f(n) if n == 0 then return 0 end return 1 + coroutine.wrap(f)(n - 1) end return f(%d)'
  bound(wrap:format(32), wrap:format(33), 'more than 32 coroutines resume each other')
  -- A new question begins at none, whatever the last one left.
  local box = open 'if state.deep then local function f() local ok, why = pcall(f) error(why, 0) end f() end local function g(n) return n == 0 and 0 or 1 + select(2, pcall(g, n - 1)) end return 7'
  for _ = 1, 3 do
    test.equal(box:call('pick', {deep = true}), nil)
    test.equal(box:call('pick', {}), 7)
  end
end)

test.case('wrong calls, in which words', function()
  local function says(code, words) test.equal(inside('return text(pcall(function() ' .. code .. ' end))'), 'false policy:1: ' .. words) end
  says('string.sub()', 'sub: want a text, got a nil')
  says('("x"):rep("many")', 'rep: want a number of times')
  says('table.insert({1}, 3, 5)', 'insert: place 3, want 1 to 2')
  says('table.insert({1}, 0, 5)', 'insert: place 0, want 1 to 2')
  says('table.remove({1}, "x")', 'remove: place x, want a number')
  test.mentions(inside 'pairs{[{}] = 1}', 'a table is a key, which has no order; keep a list instead')
  says('table.sort(5)', 'sort: want a table, got a number')
  says('pairs()', 'pairs: want a table, got a nil')
  says('tostring()', 'tostring: want a value')
  says('tostring(setmetatable({}, {__tostring = function() return 5 end}))', "'__tostring' gives a number, want a text")
  says('setmetatable({}, {__mode = "v"})', 'setmetatable: there are no weak tables here')
  says('setmetatable({}, 5)', 'setmetatable: want a table, got a number')
  says('coroutine.resume(5)', 'resume: want a coroutine, got a number')
  says('("x"):gsub("x", {})', 'gsub: the replacement must be a text here')
  says('next({}, {})', 'next: a table is no key here')
end)

-- The hook that counts looks after every so many instructions; what is dear is refused before, and a call that is over at its end
-- has failed.
test.case('dear calls are refused at once', function()
  local function dear(body, state)
    local box = open(body, {steps = 1000})
    local value, message, code = box:call('pick', state)
    test.fails('over its budget of 1000 steps', 'policy', value, message, code)
  end
  dear('local s = ("x"):rep(65536) return 1', {})
  dear('return #(state.text .. "a")', {text = ('x'):rep(60000)}) -- a step for 32 bytes
  dear('pcall(string.rep, "x", 65536) return 1', {})
  dear('pcall(function() local s = state.text .. "a" end) return 1', {text = ('x'):rep(60000)})
  test.equal(open('return #(state.text .. "a")', {steps = 1000}):call('pick', {text = ('x'):rep(20000)}), 20001)
end)

-- ---- questions -------------------------------------------------------------------------------------------

test.case('sixteen arguments, sixteen results', function()
  local box = open 'return 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17'
  test.equal(select('#', box:call('pick', {})), 16)
  test.equal(select(16, box:call('pick', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)), 16)
  test.raises('more than 16 arguments', function() box:call('pick', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17) end)
end)

test.case('which argument and which result', function()
  local value, message, code = open('return 1, 2, print or pairs'):call('pick', {})
  test.fails('result 3: only nil, booleans, numbers, strings and tables of them may cross', 'policy', value, message, code)
  value, message, code = open('return 1'):call('pick', {}, print)
  test.fails('argument 2: only nil, booleans', 'policy', value, message, code)
end)

test.case('answers have 8 MiB of texts', function()
  local box = open [[local t = {} for i = 1, 127 do t[i] = ('x'):rep(65533) .. ('%03d'):format(i) end
    t[128] = ('x'):rep(65536 - state.less) return t]]
  test.equal(#(box:call('pick', {less = 0})), 128)
  box = open [[local t = {} for i = 1, 127 do t[i] = ('x'):rep(65533) .. ('%03d'):format(i) end
    t[128] = ('x'):rep(65536) t[129] = 'y' return t]]
  local value, message, code = box:call('pick', {})
  test.fails('result 1: a value has too long texts', 'policy', value, message, code)
end)

test.case('messages', function()
  local function said(code) return select(2, open(code):call('pick', {})) end
  test.equal(said 'error("oh", 0)', "policy 'policy': oh")
  test.equal(said 'error "oh"', "policy 'policy': policy:1: oh")
  test.equal(said 'error(("x"):rep(1000), 0)', "policy 'policy': " .. ('x'):rep(400))
  test.equal(said 'error(nil)', "policy 'policy': the error is a nil")
  test.equal(said 'error(5, 0)', "policy 'policy': the error is a number")
  -- A policy's own words stay, even where they look like a place of ours.
  test.equal(said 'error("lua/anet/policy/x", 0)', "policy 'policy': lua/anet/policy/x")
  test.equal(said 'error("lua/anet/policy/x.lua:12", 0)', "policy 'policy': lua/anet/policy/x.lua:12")
  test.equal(said 'error("lua/anet/policy/x.lua:12: oh", 0)', "policy 'policy': oh")
  test.equal(said 'error("lua/anet/other.lua:12: oh", 0)', "policy 'policy': lua/anet/other.lua:12: oh")
  test.mentions(said 'rng:int(3, 1)', 'int: from 3 to 1')
end)

test.case('a sandbox as an object', function()
  local box = open('return 1', {name = 'mine'})
  test.equal(tostring(box), 'sandbox of mine')
  test.equal(sandbox.Sandbox.__name, 'sandbox')
  test.equal(tostring(open 'return 1'), 'sandbox of policy')
  test.raises('sandbox: want the text of a policy', sandbox.new, {})
  test.check(box:bytes() > 1e5 and box:bytes() < 2 ^ 20, ('a small one holds %d bytes'):format(box:bytes()))
  box:call('pick', {})
  test.check(box:steps() < 200, ('a small pick costs %g steps'):format(box:steps()))
  getmetatable(box.native).__gc(box.native)
  test.raises('the sandbox is closed', box.call, box, 'pick', {})
  test.raises('the sandbox is closed', box.steps, box)
  test.raises('the sandbox is closed', box.bytes, box)
  getmetatable(box.native).__gc(box.native) -- once more is fine
end)

-- ---- prices ----------------------------------------------------------------------------------------------

test.case('what things cost', function()
  -- Steps of a pick with a thousand of them, less those of the loop.
  local function price(what, before)
    local function steps(body)
      local box = open((before or '') .. ' for i = 1, 1000 do ' .. body .. ' end return 1')
      box:call('pick', {})
      return box:steps()
    end
    return (steps(what) - steps '') / 1000
  end
  local function costs(what, before, low, high)
    local got = price(what, before)
    test.check(got >= low and got <= high, ('%s costs %.1f steps, want %s to %s'):format(what, got, low, high))
  end
  costs('', '', 0, 0)
  costs('local x = i + 1', '', 1, 2)
  costs('local t = {}', '', 1 + 40 / 32, 3 + 64 / 32)
  costs('local x = s .. i', 'local s = ("x"):rep(16000)', 500, 520)
  costs('s:sub(2)', 'local s = ("x"):rep(25600)', 100, 100 + 25600 / 32 + 40)
  costs('s:upper()', 'local s = ("x"):rep(16000)', 1000, 1000 + 16000 / 32 + 40)
  costs('s:find("y")', 'local s = ("x"):rep(799)', 800 * 2 / 8, 800 * 2 / 8 + 100)
  costs('s:find("y", 1, true)', 'local s = ("x"):rep(799)', 800 * 2 / 16, 800 * 2 / 16 + 80)
  costs('table.insert(t, 1, i) t[#t] = nil', 'local t = {} for i = 1, 400 do t[i] = i end', 100, 160)
  costs('tonumber(s)', 'local s = ("1"):rep(1600)', 100, 160)
end)

return test.finish()
