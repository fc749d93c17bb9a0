-- What verbs say: lines, tables, notes, progress and results, on a terminal and elsewhere; a clock and streams of the test's own.
local test = dofile 'tests/support/test.lua'
local hearing = dofile 'tests/support/hearing.lua'
local ui = require 'anet.ui'

local now = 0 -- ms

-- What f says: the standard output, the standard error, and what it raised. terminal: {[stream] = columns}.
local function heard(f, terminal, environment)
  local h = hearing.hear(f, {terminal = terminal or {}, environment = environment or {}, clock = function() return now end})
  return h.out, h.err, h.raised, h
end

local TERMINAL = {[1] = 40, [2] = 20}

local function says(out, err, options, f, terminal, environment)
  local got_out, got_err, raised = heard(function() f(ui.new(options)) end, terminal, environment)
  test.equal(raised, nil)
  test.equal(got_out, out)
  test.equal(got_err, err)
end

test.case('lines', function()
  local function speak(u) u:line('%d of %s', 3, 'a\7b') u:line 'plain\27' end
  says('3 of a\\x07b\nplain\\x1b\n', '', {}, speak)
  says('', '', {json = true}, speak)
  says('3 of a\\x07b\nplain\\x1b\n', '', {quiet = true}, speak)
  says('nil and true\n', '', {}, function(u) u:line('%s and %s', nil, true) end)
  says('0.33333333333333331\n', '', {}, function(u) u:line('%.17g', 1 / 3) end) -- figures as they are
  says('100%\n', '', {}, function(u) u:line '100%' end) -- no format where nothing follows
  says('named\\x1b\n', '', {}, function(u) u:line('%s', setmetatable({}, {__tostring = function() return 'named\27' end})) end)
  local _, _, _, h = heard(function() ui.new{}:line 'x' end)
  test.check(h.out_flushed, 'a line is there at once')
end)

test.case('notes', function()
  local function speak(u) u:note('%s\n', 'x') end
  says('', 'x\n\n', {}, speak)
  says('', 'x\n\n', {json = true}, speak)
  says('', '', {quiet = true}, speak)
  says('', 'a\\x0a\n', {}, function(u) u:note('%s', 'a\n') end)
end)

test.case('results', function()
  local function speak(u) u:result{a = 1} end
  says('', '', {}, speak)
  says('{"a": 1}\n', '', {json = true}, speak)
  local _, _, _, h = heard(function() ui.new{json = true}:result(1) end)
  test.check(h.out_flushed, 'a result is there at once')
end)

test.case('failures', function()
  local _, _, raised = heard(function() ui.fail('%d of %s', 3, 'x') end)
  test.equal(getmetatable(raised), ui.Failure)
  test.equal(tostring(raised), '3 of x')
  _, _, raised = heard(function() ui.fail '100%' end)
  test.equal(tostring(raised), '100%')
  _, _, raised = heard(function() ui.new{}:fail('no %s', 'way') end)
  test.equal(tostring(raised), 'no way')
  for _, value in ipairs{'x', 5, true} do test.equal(ui.try(value, 'not said'), value) end
  _, _, raised = heard(function() ui.try(nil, 'it is 100%') end)
  test.equal(tostring(raised), 'it is 100%')
  test.equal(getmetatable(raised), ui.Failure)
  _, _, raised = heard(function() ui.new{}:try(false, 'gone') end)
  test.equal(tostring(raised), 'gone')
  _, _, raised = heard(function() ui.try(nil) end)
  test.equal(tostring(raised), 'nil')
  test.equal(ui.new{}:try('x'), 'x')
end)

test.case('progress', function()
  local CLEAR = '\r\27[K'
  now = 5000
  says('', '\rone\27[K', {}, function(u) u:progress('%s', 'one') end, TERMINAL)
  says('', '\ra\\x1b\27[K', {}, function(u) u:progress('%s', 'a\27') end, TERMINAL)
  for _, options in ipairs{{quiet = true}, {quiet = true, json = true}} do says('', '', options, function(u) u:progress 'x' end, TERMINAL) end
  says('', '', {}, function(u) u:progress 'x' end, {[1] = 40}) -- it is told on the standard error
  says('', '\rx\27[K', {json = true}, function(u) u:progress 'x' end, {[2] = 40})
  -- One column is left, else some terminals begin a new line.
  says('', '\r' .. ('x'):rep(19) .. '\27[K', {}, function(u) u:progress(('x'):rep(30)) end, TERMINAL)
  -- At most ten a second.
  says('', '\r1\27[K\r3\27[K\r5\27[K', {}, function(u)
    u:progress '1'
    now = now + 99
    u:progress '2'
    now = now + 1
    u:progress '3'
    now = now + 50
    u:progress '4'
    now = now + 50
    u:progress '5'
  end, TERMINAL)
  -- What is said next takes its place, once.
  says('a\nb\n', '\rx\27[K' .. CLEAR, {}, function(u) u:progress 'x' u:line 'a' u:line 'b' end, TERMINAL)
  says('', '\rx\27[K' .. CLEAR .. 'a\nb\n', {}, function(u) u:progress 'x' u:note 'a' u:note 'b' end, TERMINAL)
  says('5\n', '\rx\27[K' .. CLEAR, {json = true}, function(u) u:progress 'x' u:line 'a' u:result(5) end, TERMINAL)
  says('', '\rx\27[K' .. CLEAR, {}, function(u) u:progress 'x' u:result(5) end, TERMINAL)
  local _, _, _, h = heard(function() ui.new{}:progress 'x' end, TERMINAL)
  test.check(h.err_flushed, 'progress is there at once')
end)

test.case('bars', function()
  local u = ui.new{}
  for _, pair in ipairs{{0, 0}, {0.04, 0}, {0.042, 1}, {0.5, 6}, {0.95, 11}, {0.96, 12}, {1, 12}} do
    test.equal(u:bar(pair[1]), '[' .. ('='):rep(pair[2]) .. (' '):rep(12 - pair[2]) .. ']')
  end
end)

test.case('bold', function()
  local function speak(u) u:line('%s', u:bold 'word\7') end
  says('\27[1mword\\x07\27[0m\n', '', {}, speak, TERMINAL)
  says('word\\x07\n', '', {}, speak, {[2] = 20})
  says('word\\x07\n', '', {}, speak, TERMINAL, {NO_COLOR = '1'})
  says('word\\x07\n', '', {}, speak, TERMINAL, {NO_COLOR = ''})
  says('word\\x07\n', '', {}, speak, TERMINAL, {TERM = 'dumb'})
  says('\27[1mword\\x07\27[0m\n', '', {}, speak, TERMINAL, {TERM = 'xterm'})
end)

test.case('tables', function()
  local rows = {{'name', 'n'}, {'a\27', 5}, {'b', 12}}
  says('name    n\na\\x1b   5\nb      12\n', '', {}, function(u) u:table(rows) end)
  says('\27[1mname    n\27[0m\na\\x1b   5\nb      12\n', '', {}, function(u) u:table(rows) end, TERMINAL)
  says('', '', {json = true}, function(u) u:table(rows) end)
end)

return test.finish()
