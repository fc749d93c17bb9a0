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

test.case('values in full', function()
  local function show(v, want) test.equal(repl.show(v), want) end
  show(5, '5')
  show(nil, 'nil')
  show(print, 'function')
  show({}, '{}')
  show({print}, '{function}')
  show({'a"b'}, '{"a\\"b"}')
  show({x_1 = 1, ['2x'] = 2, ['a b'] = 3, [true] = 4, [0] = 5, [1.5] = 6}, '{[0] = 5, [1.5] = 6, ["2x"] = 2, ["a b"] = 3, [true] = 4, x_1 = 1}')
  show({1, 2, [10] = 4, [1.5] = 3}, '{1, 2, [1.5] = 3, [10] = 4}')
  show({a = {a = {a = {a = {a = 1}}}}}, '{a = {a = {a = {a = {…}}}}}')
  show({{{{}}}}, '{{{{}}}}')
  show({{{{{}}}}}, '{{{{{…}}}}}')
  show(setmetatable({1}, {__tostring = function() return 'mine' end}), 'mine')
  show(setmetatable({1}, {}), '{1}')
  -- Forty items, and forty names; what is longer than a line has one each.
  local list = {}
  for i = 1, 30 do list[i] = 0 end
  test.equal(repl.show(list), '{' .. ('0, '):rep(29) .. '0}')
  for i = 31, 40 do list[i] = 0 end
  test.equal(repl.show(list), '{\n  ' .. ('0,\n  '):rep(39) .. '0\n}')
  list[41] = 0
  test.equal(repl.show(list), '{\n  ' .. ('0,\n  '):rep(40) .. '…\n}')
  show({list}, '{\n  {' .. ('0, '):rep(40) .. '…}\n}')
  local names = {}
  for i = 1, 40 do names[('n%02d'):format(i)] = 0 end
  test.mentions(repl.show(names), 'n40 = 0\n}')
  for i = 1, 41 do names[('n%02d'):format(i)] = 0 end
  test.mentions(repl.show(names), 'n40 = 0,\n  …\n}')
  show({('x'):rep(96)}, '{"' .. ('x'):rep(96) .. '"}') -- a hundred columns
  show({('x'):rep(97)}, '{\n  "' .. ('x'):rep(97) .. '"\n}')
end)

test.case('completions in full', function()
  local function all(word, ...) test.same(repl.complete(word), {...}) end
  x_table = {alpha = 1, alps = 2, beta = {gamma = 1}, ['not a name'] = 1, [1] = 2}
  all('x_table.al', 'x_table.alpha', 'x_table.alps')
  all('x_table.', 'x_table.alpha', 'x_table.alps', 'x_table.beta')
  all('x_table.beta.g', 'x_table.beta.gamma')
  all('x_table.none.g')
  all('x_table.alpha.g') -- a number has no names
  all('x_tab', 'x_table')
  all('repe', 'repeat')
  local class = {method = print}
  class.__index = class
  x_object = setmetatable({field = 1}, class)
  all('x_object:m', 'x_object:method')
  all('x_object.f', 'x_object.field')
  x_object = setmetatable({}, {__methods = {deed = print}, __index = function() error 'asked' end})
  all('x_object:', 'x_object:deed')
  all 'x_object.oh.l' -- an error is no completion
  x_object.__index = x_object
  all('x_object.__in', 'x_object.__index')
  setmetatable(x_object, x_object) -- a class of itself
  all('x_object.__in', 'x_object.__index')
  all('x_object.oh.l')
  local sorted = repl.complete ''
  table.sort(sorted)
  test.same(repl.complete '', sorted)
  all('anet.rng.n', 'anet.rng.new')
  x_table, x_object = nil, nil
  for _, word in ipairs{'and', 'break', 'do', 'else', 'elseif', 'end', 'false', 'for', 'function', 'if', 'in', 'local', 'nil', 'not', 'or', 'repeat',
                        'return', 'then', 'true', 'until', 'while'} do
    test.check(completes(word, word), word)
  end
  for _, module in ipairs{'anet.bundle', 'anet.repl', 'anet.zoo'} do test.check(completes(module, module), module) end
  test.check(not completes('anet.verb', 'anet.verb')) -- folders are no modules
end)

test.case('documentation', function()
  test.mentions(doc.find('anet_run')[1].signature, 'int anet_run(')
  test.mentions(doc.find('anet_run')[1].text, 'Allocates nothing')
  test.equal(doc.find('Plan:run')[1].name, 'Plan:run')
  test.equal(doc.find('anet.net.new')[1].name, 'anet.net.new')
  test.check(#doc.find 'run' >= 2)
  test.equal(#doc.find 'no_such_thing', 0)
  -- A full name is that alone; the last part of one, or a module's, is all that end so.
  test.equal(#doc.find 'Rng:int', 1)
  test.equal(#doc.find 'anet.rng.new', 1)
  test.equal(doc.find('rng.new')[1].name, 'anet.rng.new')
  for _, entry in ipairs(doc.find 'shuffle') do test.equal(entry.name:match '[%w_]+$', 'shuffle') end
  test.equal(doc.entries(), doc.entries())
  local bare = {}
  for _, entry in ipairs(doc.entries()) do
    if entry.name:find '^anet_' and entry.signature == '' then bare[#bare + 1] = entry.name end
  end
  test.same(bare, {})
end)

-- ---- what lines do ----------------------------------------------------------------------------------------

local hearing = dofile 'tests/support/hearing.lua'
local core = require 'anet.core'
local host = require 'anet.host'
local edit = require 'anet.edit'

-- Lines through a pipe: the status, and what was heard. clock: of the engine, ms.
local function piped(lines, clock)
  local status
  local heard = hearing.hear(function() status = repl.run() end, {terminal = {}, lines = lines, clock = clock})
  return status, heard
end

-- What lines print, without a failure.
local function prints(want, ...)
  local status, heard = piped({...}, function() return 0 end)
  test.equal(heard.raised, nil)
  test.equal(heard.out, want)
  test.equal(heard.err, '')
  test.equal(status, 0)
end

test.case('expressions and statements', function()
  prints('2\n', '1 + 1')
  prints('1\ttwo\tnil\n', "1, 'two', nil")
  prints('nil\n', 'nil')
  prints('', 'x_1 = 5')
  prints('6\n', 'x_1 = 5', 'x_1 + 1')
  prints('', '(function() end)()')
  prints('anet ' .. anet.version .. '\n', 'anet')
  prints('{1, "a"}\n', "{1, 'a'}")
  prints('a\\x1b\nb\tc\n', "'a\\27\\nb\\tc'") -- it cannot steer the terminal
  prints('', '', '  ', '\t')
end)

test.case('a statement of several lines', function()
  prints('1\n2\n', 'for i = 1, 2 do', 'print(i)', 'end')
  prints('3\n', 'return', '3')
  prints('7\n', '7', '', '  ')
  prints('a\n\nb\n', 'return [[a', '', 'b]]') -- an empty line within one is part of it
  prints(':quit\n', 'print([[', ':quit]])')
end)

test.case('what fails', function()
  local function fails(message, out, ...)
    local status, heard = piped({...}, function() return 0 end)
    test.equal(status, 1)
    test.equal(heard.err, message)
    test.equal(heard.out, out)
  end
  fails('oh\n', '1\n', 'error "oh"', '1')
  fails('stdin:1: oh\n', '1\n', 'do error "oh" end', '1')
  fails('oh\\x1b\n\n', '', 'error("oh\\27\\n", 0)')
  fails("stdin:1: unexpected symbol near '1'\n", '5\n', '1 +* 2', '5')
  fails('stdin: the last statement is not finished\n', '', 'for i = 1, 2 do')
  fails('nil\n', '2\n', 'error()', '2')
  fails('stdin:2: oh\n', '', 'do', 'error "oh"', 'end')
end)

test.case('commands', function()
  local HELP = 'Lua expressions print their value'
  for _, command in ipairs{':help', ':h', '?', '? '} do
    local status, heard = piped{command}
    test.equal(status, 0)
    test.equal(heard.out:sub(1, #HELP), HELP)
  end
  prints('1\n', '1', ':quit', '2')
  prints('1\n', '1', ':q', '2')
  prints("nothing is known about 'qqqqqqqqqq'\n1\n", '? qqqqqqqqqq', '1')
  prints('no such command; :help lists them\n1\n', ':nonsense', '1')
  prints('no such command; :help lists them\n', ':time')
  local _, heard = piped{'? anet_run'}
  test.mentions(heard.out, 'int anet_run(')
  test.mentions(heard.out, '\n  ')
  _, heard = piped{'? anet.data.open', '1'}
  for line in heard.out:match '\n(.*)\n1\n$':gmatch '[^\n]+' do test.mentions(line:sub(1, 2), '  ') end
  _, heard = piped{'?anet.rng.new  '}
  test.equal(heard.out, 'anet.rng.new(seed)\n')
  _, heard = piped{'? Rng:shuffle'}
  test.equal(heard.out, 'Rng:shuffle(list)\n  Put a list into random order, in place.\n')
  prints("nothing is known about 'anet.rng.neww'; did you mean 'anet.rng.new'?\n", '? anet.rng.neww')
  prints("nothing is known about 'qqqqqqqqqq\\x07'\n", '? qqqqqqqqqq\7')
end)

test.case('time', function()
  local function spends(ms) -- each look at the clock is `ms` after the last
    local now = 0
    return function()
      now = now + ms
      return now
    end
  end
  local function says(want, ms, ...)
    local _, heard = piped({...}, spends(ms))
    test.equal(heard.out, want)
  end
  says('3\n(12 ms)\n', 12, ':time 3')
  says('3\n(2.0 s)\n', 2000, '3') -- what is long is told in any case
  says('3\n', 100, '3')
  says('3\n(101 ms)\n', 101, '3')
  says('3\n(12 ms)\n4\n', 12, ':time 3', '4') -- for that one alone
  says('3\n(1 min 00 s)\n', 60000, '3')
  says('3\n(60.0 s)\n', 59999, '3')
  says('1\n(12 ms)\n', 12, ':time for i = 1, 1 do', 'print(i)', 'end')
  says('(12 ms)\n', 12, ':time   x_1 = 2')
end)

test.case('a stop', function()
  -- In a pipe it ends the session, whoever raises it.
  local status, heard = piped{"require('anet.core').stop()", '1'}
  test.equal(status, nil)
  test.check(core.is_stop(heard.raised))
  test.equal(heard.out, '')
end)

-- Code that was typed can be stopped while it runs, and nothing else: it is interpreted, and a signal raises a stop in it.
test.case('what runs can be stopped', function()
  local hook, hooks = host.hook, {}
  host.hook = function(value) hooks[#hooks + 1] = core.is_stop(value) and 'a stop' or tostring(value) end
  prints('1\n', '1')
  host.hook = hook
  test.same(hooks, {'a stop', 'nil'})
end)

-- Signals are the command's there, which ends by them.
test.case('a pipe catches no signals', function()
  local catch, forget, interrupted, calls = host.catch, host.forget, host.interrupted, 0
  host.catch = function() calls = calls + 1 end
  host.forget, host.interrupted = host.catch, function() return 2 end
  local status, heard = piped{'1', 'do error "oh" end'}
  host.catch, host.forget, host.interrupted = catch, forget, interrupted
  test.equal(calls, 0)
  test.equal(status, 1)
  test.equal(heard.out, '1\n')
end)

test.case('the engine is there', function()
  local kept = anet
  anet = nil
  prints('anet ' .. kept.version .. '\n', 'anet')
  test.equal(anet, kept)
end)

-- ---- at a terminal ------------------------------------------------------------------------------------------

-- A session at a terminal, with an editor of the test's own. script: lines; a function is called in place of one.
local function typed(script, environment, line_editor)
  local real, seen = {}, {prompts = {}, remembered = {}, saved = {}, loaded = {}, caught = {}, forgotten = 0}
  for _, name in ipairs{'read', 'remember', 'load', 'save', 'start'} do real[name] = edit[name] end
  local catch, forget, interrupted, make_folder = host.catch, host.forget, host.interrupted, host.make_folder
  local at = 0
  local function read(prompt)
    at = at + 1
    seen.prompts[at] = prompt
    local line = script[at]
    if type(line) == 'function' then return line(seen) end
    return line
  end
  edit.read = line_editor ~= false and read or nil
  edit.start = function(completer) seen.completer = completer end
  edit.remember = function(line) table.insert(seen.remembered, line) end
  edit.load = function(path) table.insert(seen.loaded, assert(path)) end
  edit.save = function(path) table.insert(seen.saved, assert(path)) end
  host.catch = function(...) seen.caught = {...} end
  host.forget = function() seen.forgotten, seen.signal = seen.forgotten + 1, nil end
  host.interrupted = function() return seen.signal end
  host.make_folder = function(path) seen.folder = path end
  local status
  local lines = {}
  for i, line in ipairs(script) do lines[i] = type(line) == 'string' and line or nil end
  seen.heard = hearing.hear(function() status = repl.run() end,
                            {terminal = {[0] = 80}, lines = lines, clock = function() return 0 end, environment = environment or {}})
  host.catch, host.forget, host.interrupted, host.make_folder = catch, forget, interrupted, make_folder
  for _, name in ipairs{'read', 'remember', 'load', 'save', 'start'} do edit[name] = real[name] end
  test.equal(seen.heard.raised, nil)
  return seen, status
end

local HELLO = ('%s, %s kernels; :help for help\n'):format(tostring(anet), core.string(core.C.anet_isa()))

test.case('prompts', function()
  local seen, status = typed{'1', 'do', 'print(2)', 'end'}
  test.equal(seen.heard.out, HELLO .. '1\n2\n\n') -- a new line at the end
  test.same(seen.prompts, {'> ', '> ', '. ', '. ', '> '})
  test.equal(status, 0)
  test.same(seen.caught, {0, true}) -- Ctrl-C wakes the editor, and nothing ends by itself
  seen, status = typed{'do error "oh" end'}
  test.equal(status, 0) -- who typed it knows
  test.equal(seen.heard.err, 'stdin:1: oh\n')
end)

test.case('Ctrl-C', function()
  -- It ends what runs; the session goes on.
  local seen = typed{"require('anet.core').stop()", '1'}
  test.equal(seen.heard.err, 'stopped\n')
  test.equal(seen.heard.out, HELLO .. '1\n\n')
  test.equal(seen.forgotten, 2) -- after each chunk
  -- At the prompt it drops what was typed so far.
  seen = typed{'do', function(s) s.signal = 2 end, '5'}
  test.equal(seen.heard.out, HELLO .. '\n5\n\n')
  test.same(seen.prompts, {'> ', '. ', '> ', '> '})
  test.equal(seen.forgotten, 2) -- there, and after the chunk
  test.equal(seen.heard.err, '')
  -- Ctrl-D within a statement.
  seen = typed{'do'}
  test.equal(seen.heard.err, 'stdin: the last statement is not finished\n')
end)

test.case('history', function()
  local seen = typed({'1', '  ', ':help', 'x_1 = 2'}, {XDG_STATE_HOME = '/state', HOME = '/home'})
  test.same(seen.remembered, {'1', ':help', 'x_1 = 2'})
  test.same(seen.loaded, {'/state/anet/history'})
  test.same(seen.saved, {'/state/anet/history', '/state/anet/history', '/state/anet/history'}) -- line by line
  test.equal(seen.folder, '/state/anet')
  test.equal(seen.completer, repl.complete)
  for _, environment in ipairs{{HOME = '/home'}, {HOME = '/home', XDG_STATE_HOME = ''}} do
    seen = typed({'1'}, environment)
    test.same(seen.saved, {'/home/.local/state/anet/history'})
    test.equal(seen.folder, '/home/.local/state/anet')
  end
  seen = typed{'1'}
  test.same(seen.remembered, {'1'})
  test.same(seen.saved, {})
  test.same(seen.loaded, {})
end)

test.case('without an editor', function()
  local seen = typed({'1', '2'}, {}, false)
  test.equal(seen.heard.out, HELLO .. '> 1\n> 2\n> \n')
  test.same(seen.saved, {})
end)

return test.finish()
