-- The session at a terminal: lines that are edited, completed and remembered.
local test = dofile 'tests/support/test.lua'
local process = dofile 'tests/support/process.lua'
local command = dofile 'tests/support/command.lua'
local edit = require 'anet.edit'
local ffi = require 'ffi'

if not edit.read then
  print 'no line editing in this build: not tried'
  return 0
end

ffi.cdef 'int setenv(const char *name, const char *value, int overwrite);'
ffi.C.setenv('XDG_STATE_HOME', command.path 'state', 1)
ffi.C.setenv('TERM', 'dumb', 1)

assert(io.open(command.path 'log', 'w')):close()

local history = command.path 'state/anet/history'

-- A session; its functions to type and to await.
local function open(words)
  local terminal = process.open_terminal()
  local p = process.start(arg[-1], words or {'repl'}, command.path 'log', terminal.path)
  local function expect(text) return test.check(terminal:expect(text, 10), ('no %q in %q'):format(text, terminal.text)) end
  expect '> '
  return {
    expect = expect,
    ask = function(line, answer)
      terminal:type(line .. '\n')
      return expect(answer)
    end,
    quit = function()
      terminal:type ':quit\n'
      test.equal((p:wait(20)), 0)
    end,
  }
end

local function remembered()
  local file = io.open(history)
  local text = file and file:read '*a' or ''
  if file then file:close() end
  return text
end

test.case('words are completed', function()
  local s = open()
  s.ask("apricots = 'ripe'", '> ')
  s.ask("print(apri\t .. 1 .. 2)", 'ripe12')
  s.ask('print(("x"):re\tp(3) .. 4)', 'xxx4') -- nothing that a call gives is looked into
  s.ask('print(anet.vers\t .. "!")', require('anet').version .. '!')
  s.ask('print(string.forma\t("%03d", 7))', '007')
  s.ask('print(2+#apri\t)', '6\r') -- a word begins behind any sign
  s.ask('print(zzzz\t)', 'nil')
  s.quit()
end)

test.case('lines are remembered from one session to the next', function()
  local s = open()
  s.ask('plums = 6 * 7', '> ')
  s.ask('plums + 1', '43')
  s.ask('   ', '> ')
  s.quit()
  test.mentions(remembered(), 'plums')
  s = open()
  s.ask('\27[A\27[A\27[A', '> ') -- up: :quit, plums + 1, plums = 6 * 7
  s.ask('plums', '42')
  s.quit()
end)

test.case('the end of input is the end', function()
  local s = open{} -- without a verb, too
  s.ask('pears = 1', '> ')
  s.quit()
  local text, status = command.run "repl </dev/null"
  test.same({text, status}, {'', 0})
end)

-- ---- the module itself -----------------------------------------------------------------------------------

test.case('histories are files', function()
  local path = command.path 'lines'
  test.equal(edit.load(command.path 'none'), false)
  for i = 1, 2005 do edit.remember(('line %04d'):format(i)) end
  test.equal(edit.save(path), true)
  local file, lines = assert(io.open(path)), {}
  for line in file:lines() do lines[#lines + 1] = line end
  file:close()
  local kept = {}
  for _, line in ipairs(lines) do if line:find '^line' then kept[#kept + 1] = line end end
  test.equal(#kept, 2000) -- the last ones
  test.mentions(kept[1], '0006')
  test.mentions(kept[2000], '2005')
  test.equal(edit.load(path), true)
  test.equal(select('#', edit.remember 'x') + select('#', edit.start(print)), 0)
  test.equal(edit.save(command.path 'no-such/lines'), false)
  test.raises('function expected', edit.start, 'no function')
  test.raises('string expected', edit.read, {})
end)

os.execute(("rm -r '%s'"):format(command.folder))
return test.finish()
