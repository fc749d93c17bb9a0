-- Attacks on the sandbox: every one must end in an error or in nothing, soon, with the host unharmed.
local test = dofile 'tests/support/test.lua'
local sandbox = require 'anet.sandbox'

local LIMITS = {steps = 1e6, bytes = 16 * 2 ^ 20, seconds = 5}

-- A latency policy whose pick runs `body`.
local function policy(body)
  return 'return {api = 1, kind = "latency", new = function(options, rng) return {pick = function(self, ladder, state) ' ..
           body .. ' end} end}'
end

local function open(body)
  local box, message = sandbox.new{
    text = policy(body), name = 't', steps = LIMITS.steps, bytes = LIMITS.bytes, seconds = LIMITS.seconds,
  }
  assert(box, message)
  assert(select(2, box:call('start', {}, 1)) == nil)
  return box
end

-- The attack fails with a message that mentions a word, within a second, and the sandbox can be asked again.
local function stopped(word, body)
  local box, began = open('if state.attack then ' .. body .. ' end return 7'), os.clock()
  local value, message, code = box:call('pick', {attack = true})
  test.fails(word, 'policy', value, message, code)
  test.check(os.clock() - began < 1, body .. ' is stopped within a second')
  test.check(box:bytes() <= LIMITS.bytes, 'the memory stays under its cap')
  test.equal(box:call('pick', {}), 7)
end

test.case('values cross as plain data', function()
  local box = open 'return state.list[2], state.name .. "!", {nested = {1, {2}}}, nil, true'
  local a, b, c, d, e = box:call('pick', {list = {1, 5}, name = 'x'})
  test.equal(a, 5)
  test.equal(b, 'x!')
  test.equal(c.nested[2][1], 2)
  test.equal(d, nil)
  test.equal(e, true)
end)

test.case('what may not cross', function()
  for _, body in ipairs{'return function() end', 'return coroutine.create(function() end)', 'return {{print = pcall}}'} do
    local value, message = open(body):call('pick', {})
    test.equal(value, nil)
    test.mentions(message, 'may cross')
  end
  local value, message = open('local t = {} t.t = t return t'):call('pick', {})
  test.equal(value, nil)
  test.mentions(message, 'contains itself')
  value, message = open('return 1'):call('pick', {f = print})
  test.equal(value, nil)
  test.mentions(message, 'may cross')
  test.equal(open('return setmetatable({}, {__index = function() error "no" end, __pairs = error})'):call('pick', {})[1], nil)
end)

test.case('only what is granted exists', function()
  for _, name in ipairs{'os', 'io', 'debug', 'ffi', 'jit', 'package', 'require', 'module', 'load', 'loadstring', 'loadfile',
                        'dofile', 'collectgarbage', 'getfenv', 'setfenv', 'newproxy', 'print', 'gcinfo'} do
    test.equal(open('return type(' .. name .. ')'):call('pick', {}), 'nil')
  end
  test.equal(open('return type(string.dump), type(math.random), type(_G._G._G.debug)'):call('pick', {}), 'nil')
end)

test.case('endless loops', function()
  stopped('budget', 'while true do end')
  stopped('budget', 'repeat until false')
  stopped('budget', 'for i = 1, math.huge do end')
  stopped('budget', '::top:: goto top')
  stopped('budget', 'local function f() return f() end f()')
end)

test.case('endless loops behind pcall', function()
  stopped('budget', 'while true do pcall(function() while true do end end) end')
  stopped('budget', 'while true do xpcall(function() while true do end end, function() while true do end end) end')
  stopped('budget', 'local function f() return xpcall(f, f) end while true do f() end')
  stopped('budget', 'local function f() pcall(f) f() end pcall(f) while true do pcall(f) end')
  stopped('budget', 'while true do pcall(error, {}) end')
  stopped('budget', 'local t = {} for i = 1, 1e5 do t[i] = i % 2 == 0 and pcall or error end table.sort(t, pcall)')
end)

test.case('endless loops in coroutines', function()
  stopped('budget', 'coroutine.wrap(function() while true do end end)()')
  stopped('budget', 'while true do coroutine.resume(coroutine.create(function() while true do end end)) end')
  stopped('budget', 'local co = coroutine.wrap(function() while true do pcall(coroutine.yield) end end) while true do co() end')
  stopped('budget', [[local function f() local co = coroutine.create(function() while true do pcall(f) end end)
    while true do coroutine.resume(co) end end while true do pcall(f) end]])
end)

test.case('endless loops in metamethods', function()
  stopped('budget', 'local t = setmetatable({}, {__index = function() while true do end end}) while true do pcall(function() return t.x end) end')
  stopped('budget', 'local t = setmetatable({}, {__lt = function() while true do end end}) return t < t')
  stopped('budget', 'local t = setmetatable({}, {__tostring = function() while true do end end}) return tostring(t)')
  stopped('budget', 'local t = setmetatable({}, {__concat = function() while true do end end}) return t .. t')
  stopped('budget', 'table.sort({3, 2, 1}, function() while true do end end)')
end)

test.case('deep recursion', function()
  stopped('overflow', 'local function f() return 1 + f() end f()')
  stopped('overflow', 'local function f() table.sort({1, 2, 3}, f) end f()')
  stopped('', 'local t = {} t = setmetatable(t, {__index = function(_, k) return t[k + 1] end}) return t[1]')
  stopped('', 'local s = setmetatable({}, {__tostring = function(s) return tostring(s) end}) return tostring(s)')
  stopped('', 'local function f() return coroutine.wrap(f)() end f()')
end)

test.case('memory bombs', function()
  stopped('', 'local t = {} for i = 1, 1e9 do t[i] = {} end')
  stopped('', 'local t = {} for i = 1, 1e9 do t[i] = ("x"):rep(1e5) .. i end')
  stopped('', 'local t = {} while true do pcall(function() for i = 1, 1e9 do t[#t + 1] = {} end end) end')
  stopped('', 'local function f(...) return f(1, ...) end f()')
  stopped('', 'return unpack({}, 1, 1e8)')
end)

test.case('the cap of memory', function()
  local box = assert(sandbox.new{text = policy 'local t = {} for i = 1, 1e9 do t[i] = ("x"):rep(6e4) .. i end', bytes = 4 * 2 ^ 20})
  box:call('start', {}, 1)
  local value, message, code = box:call('pick', {})
  test.fails('over its memory', 'policy', value, message, code)
  test.check(box:bytes() <= 4 * 2 ^ 20, 'it stays under the cap')
end)

test.case('string bombs', function()
  stopped('rep', 'return ("x"):rep(1e9)')
  stopped('rep', 'return ("x"):rep(1e6, ("y"):rep(1e6))')
  stopped('too long', 'return string.find(("a"):rep(1000), (".-"):rep(10) .. "b")')
  stopped('too long', 'return string.match(("a"):rep(30), ("a?"):rep(30) .. ("a"):rep(30))')
  stopped('too long', 'return string.gsub(("a"):rep(6e4), "(.-)(.-)x", "%1")')
  stopped('too long', 'for w in string.gmatch(("("):rep(6e4), "%b()") do end')
  stopped('concat', 'local t = {} for i = 1, 2000 do t[i] = ("x"):rep(1000) end return table.concat(t)')
  stopped('budget', 'local s = ("x"):rep(6e4) while true do s:upper() s:reverse() end')
  stopped('', 'return ("%99.99f"):rep(1e4):format(1)')
  stopped('65536 bytes', 'local s = ("x"):rep(6e4) return s .. s')
  stopped('65536 bytes', 'local s = "x" while true do s = s .. s end')
end)

test.case('the string library cannot be changed', function()
  stopped('index', 'getmetatable("").__index = {}')
  stopped('got a string', 'setmetatable(getmetatable(""), {})')
  local box = open 'string.rep = function() return "mine" end return ("x"):rep(3)'
  test.equal(box:call('pick', {}), 'mine') -- its own copy only
  test.equal(('x'):rep(3), 'xxx')
  test.equal(open('return ("x"):rep(3)'):call('pick', {}), 'xxx')
end)

test.case('error objects', function()
  stopped('is a table', 'error({})')
  stopped('is a table', 'error(setmetatable({}, {__tostring = function() while true do end end}))')
  stopped('is a nil', 'error()')
  stopped('is a function', 'error(function() end)')
  local box = open 'error(("x"):rep(1e6))'
  local _, message = box:call('pick', {})
  test.check(#message < 2000, 'a long message is cut')
end)

test.case('coroutines in coroutines have a bound', function()
  stopped('resume each other', [[local function f() local ok, why = coroutine.resume(coroutine.create(f)) assert(ok, why) end f()]])
  stopped('resume each other', 'local function f() return coroutine.wrap(f)() end f()')
  local box = open [[local function f(n) if n == 0 then return 1 end return 1 + coroutine.wrap(f)(n - 1) end
    local a = f(30) for i = 1, 100 do coroutine.wrap(f)(5) pcall(coroutine.wrap(error)) end return a + f(30)]]
  test.equal(box:call('pick', {}), 62)
  stopped('within each other', 'local function f() local ok, why = pcall(f) if not ok then error(why, 0) end end f()')
  box = open [[local list, sum = {}, 0
    for i = 1, 300 do list[i] = coroutine.wrap(function() pcall(function() pcall(coroutine.yield) coroutine.yield() end) return i end) list[i]() end
    for i = 1, 300 do list[i]() sum = sum + list[i]() end
    local function f(n) if n == 0 then return 0 end local ok, got = pcall(f, n - 1) return got + 1 end
    return sum + f(150)]]
  test.equal(box:call('pick', {}), 45150 + 150)
end)

test.case('coroutines that nobody goes on with are forgotten', function()
  local box = open [[for i = 1, 5000 do coroutine.wrap(function() pcall(coroutine.yield) end)() end return 1]]
  for _ = 1, 10 do test.equal(box:call('pick', {}), 1) end
end)

-- Each of them yields under forty calls; to go on with six of them at once is more than the bound.
test.case('what waits in a coroutine counts where it goes on', function()
  stopped('resume: more than 200 within each other', [[
    local function deep(n, f) if n == 0 then f() return end local ok, why = pcall(deep, n - 1, f) if not ok then error(why, 0) end end
    local list = {}
    local function go(i) if not list[i] then return end local ok, why = coroutine.resume(list[i]) if not ok then error(why, 0) end end
    for i = 1, 6 do
      list[i] = coroutine.create(function() deep(40, function() coroutine.yield() go(i + 1) end) end)
      coroutine.resume(list[i])
    end
    go(1)]])
end)

test.case('iteration has an order', function()
  local value = open [[local t, said = {b = 1, a = 2, [3] = 3, [1.5] = 4, [true] = 5, [false] = 6}, {}
    for k, v in pairs(t) do said[#said + 1] = tostring(k) .. v end
    for k, v in next, t do said[#said + 1] = tostring(k) .. v end
    local k = nil repeat k = next(t, k) said[#said + 1] = tostring(k) t[k or 0] = nil until k == nil
    return table.concat(said, ' ')]]:call('pick', {})
  test.equal(value, '1.54 33 a2 b1 false6 true5 1.54 33 a2 b1 false6 true5 1.5 3 a b false true nil')
  stopped('no order', 'for k in pairs{[{}] = 1} do end')
  stopped('no order', 'next{[print or pairs] = 1}')
  stopped('want a table', 'pairs(5)')
  test.equal(open 'return next{}':call('pick', {}), nil)
  test.equal(open 'local t = {} for i = 1, 50 do t["k" .. i] = i end return next(t, "k3")':call('pick', {}), 'k30')
end)

test.case('sorting is stable and has no end in C', function()
  local value = open [[local t, r = {}, {} for i = 1, 500 do t[i] = {i * 7919 % 10, i} end
    table.sort(t, function(a, b) return a[1] < b[1] end)
    for i = 2, 500 do assert(t[i - 1][1] < t[i][1] or t[i - 1][1] == t[i][1] and t[i - 1][2] < t[i][2]) end
    for i = 1, 99 do r[i] = i * 31 % 99 end table.sort(r) return r]]:call('pick', {})
  for i = 1, 99 do test.equal(value[i], i - 1) end
  stopped('budget', 'local t = {} for i = 1, 2e5 do t[i] = i end table.sort(t) table.sort(t)')
  stopped('attempt to compare', 'table.sort{1, "x"}')
end)

test.case('addresses are hidden', function()
  local value = open [[local list = {tostring({}), tostring(pairs), tostring(coroutine.create(pairs)), ('%s'):format(pairs),
    tostring(setmetatable({}, {__tostring = function() return 'mine' end}))} return table.concat(list, ' ')]]:call('pick', {})
  test.equal(value, 'table function thread function mine')
  stopped('addresses', 'return ("%p"):format("x")')
  stopped('addresses', 'return ("%% %-20p"):format("x")')
  stopped('weak', 'setmetatable({}, {__mode = "k"})')
end)

test.case('answers have a budget', function()
  local shared = open [[local inner, list = {}, {} for i = 1, 1000 do inner[i] = i end for i = 1, 1e4 do list[i] = inner end return list]]
  local value = shared:call('pick', {})
  test.check(#value == 10000 and value[1] == value[10000] and value[1][1000] == 1000, 'a shared table is copied once')
  value = open 'local s, list = ("x"):rep(6e4), {} for i = 1, 1e5 do list[i] = s end return list':call('pick', {})
  test.check(#value == 1e5 and #value[1e5] == 6e4, 'a shared text is copied once')
  local box = assert(sandbox.new{text = policy 'local t = {} for i = 1, 200 do t[i] = ("x"):rep(6e4) .. i end return t'})
  box:call('start', {}, 1)
  local _, message = box:call('pick', {})
  test.mentions(message, 'too long')
  box = assert(sandbox.new{text = policy 'local t = {} for i = 1, 2^20 do t[i] = i end for i = 1, 2^20 do t[i] = nil end return {t, t, t}'})
  box:call('start', {}, 1)
  value = box:call('pick', {})
  test.check(#value == 3 and next(value[1]) == nil, 'holes take nothing')
end)

test.case('wrong calls are told of in the policy\'s words', function()
  for _, body in ipairs{'("x"):rep({})', 'string.rep()', 'table.concat(5)', 'table.insert(nil, 1)', 'unpack(5)', 'ipairs()', 'tostring()',
                        'string.format(nil)', 'table.sort(5)', 'string.gsub("a", "a", {})', 'coroutine.resume(5)', 'next(5)',
                        'string.sub()', 'string.byte()', 'bit.band({})', 'math.floor({})', 'setmetatable(5, {})', 'table.remove(7, 1)'} do
    local _, message = open(body):call('pick', {})
    test.check(message and not message:find('lua/anet', 1, true) and not message:find('\n', 1, true), body .. ': ' .. tostring(message))
  end
  for name, arguments in pairs{sort = '5', maxn = '5', concat = '5', insert = '5, 1', remove = '5'} do
    test.mentions(select(2, open(('table.%s(%s)'):format(name, arguments)):call('pick', {})), ('t:1: %s: want a table, got a number'):format(name))
  end
  test.mentions(select(2, open 'string.format("%s", {})':call('pick', {})), 't:1: format: a table is no text')
end)

test.case('what is no policy', function()
  local function refused(word, text)
    local box, message, code = sandbox.new{text = text, steps = 1e6}
    test.fails(word, 'policy', box, message, code)
  end
  refused('mode', string.dump(function() return 1 end))
  refused('mode', '\27LJ\2')
  refused('near', 'return {')
  refused('budget', 'while true do end')
  refused('want a table', 'return 5')
  refused('api is nil', 'return {}')
  refused("kind is 'other'", 'return {api = 1, kind = "other"}')
  refused('`new` is a nil', 'return {api = 1, kind = "search"}')
  refused('attempt to', 'return require "ffi"')
end)

test.case('the last steps are counted', function()
  local box = open 'for i = 1, state.n do end return 1'
  box:call('pick', {n = 1000})
  local few = box:steps()
  box:call('pick', {n = 500000})
  test.check(box:steps() > few + 400000, 'more work costs more steps')
  test.check(box:steps() < 1e6, 'a step is about an instruction')
end)

return test.finish()
