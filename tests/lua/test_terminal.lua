-- The session at a real terminal: lines that are edited, completed and remembered.
local test = dofile 'tests/support/test.lua'
local process = dofile 'tests/support/process.lua'
local command = dofile 'tests/support/command.lua'
local edit = require 'anet.edit'

if not edit.read then
  print 'skipped: built without a line editor (Debian package libedit-dev)'
  return 0
end

local ANET, folder = arg[-1], command.path 'state'
local HISTORY = folder .. '/anet/history'

local function read_history()
  local file = assert(io.open(HISTORY))
  local text = file:read '*a'
  file:close()
  return text
end

-- A session; ask(keys, answer): types keys at the prompt and waits for an answer and the next prompt; leave(keys) ends it.
local function open(verb)
  local terminal = process.open_terminal()
  local p = process.start('env', {'TERM=xterm', 'XDG_STATE_HOME=' .. folder, ANET, verb}, command.path 'log', terminal.path)
  test.check(terminal:expect('> ', 20), 'no prompt')
  local function ask(keys, answer)
    terminal:type(keys)
    if not terminal:expect(answer, 20) or not terminal:expect('> ', 20) then error(('%q: no %q in %q'):format(keys, answer, terminal.text), 0) end
  end
  local function leave(keys)
    for _ = 1, 100 do -- what is typed before the editor listens may be lost
      if p:ended() then break end
      terminal:type(keys)
      process.sleep(0.05)
    end
    test.equal((p:wait(20)), 0)
  end
  return ask, leave
end

local UP, END = '\27[A', '\4'

test.case('completion', function()
  local ask, leave = open 'repl'
  ask('alpha_beta = 41 alpha_c = {} \n', '\n')
  -- What may stand before a name is no part of it. Each answer is another number.
  for _, pair in ipairs{
    {'alpha_b\t', '41'}, {'1+alpha_b\t', '42'}, {'100-alpha_b\t', '59'}, {'2*alpha_b\t', '82'}, {'123/alpha_b\t', '3'}, {'49%alpha_b\t', '8'},
    {'2^alpha_b\t', '2199023255552'}, {'(alpha_b\t)+3', '44'}, {'({0,alpha_b\t})[2]+5', '46'}, {'({alpha_b\t})[1]+6', '47'},
    {'({[alpha_b\t]=48})[41]', '48'}, {'42>alpha_b\t and 49', '49'}, {'40<alpha_b\t and 50', '50'}, {'41==alpha_b\t and 51', '51'},
    {'x=1;y=alpha_b\t;print(y+11)', '52'}, {'#"alpha_b\t"+60', '70'}, {"#'alpha_b\t'+61", '71'}, {'3+#anet.versio\t', '8'},
    {'anet.rng.ne\t(1):int(53,53)', '53'}, {'anet.rng(1):int(54,54)', '54'}, {'r=anet.rng(1) print(56)', '56'}, {'r:in\t(55,55)', '55'},
    {'1+anet.rng.ne\t(1):int(57,57)', '58'},
    {'("x"):re\tp(3)..4', 'xxx4'}, {'string.forma\t("%03d",7)', '007'}, -- nothing that a call gives is looked into
  } do
    ask(pair[1] .. '\n', '\n' .. pair[2] .. '\r\n')
  end
  ask('string.re\t\t', 'string.reverse') -- two that begin so are shown
  ask('\21nil\n', 'nil\r\n') -- Ctrl-U: the line is gone
  ask('READM\t == nil\n', 'true\r\n') -- never a file
  ask('zzz\t == nil\n', 'true\r\n')
  leave ':quit\n'
end)

test.case('history', function()
  os.remove(HISTORY)
  local ask, leave = open 'repl'
  ask('40 + 7\n', '\n47\r\n')
  ask(UP .. ' + 1\n', '\n48\r\n') -- the last line again
  leave ':quit\n'
  for _, line in ipairs{'40', '7', ':quit'} do test.mentions(read_history(), line) end
  -- Another session goes on from there.
  ask, leave = open 'repl'
  ask(UP .. UP .. '\n', '\n48\r\n')
  leave(END)
end)

test.case('a line of nothing, and the end of input', function()
  local ask, leave = open() -- without a verb, too
  ask('   \n', '\n')
  ask('6 * 7\n', '\n42\r\n')
  leave(END)
  test.same({command.run 'repl </dev/null'}, {'', 0})
end)

test.case('the file of the history keeps the last 2000 lines', function()
  test.equal(edit.load(folder .. '/none'), false)
  edit.start(function() end)
  for i = 1, 2003 do edit.remember(('line%d'):format(i)) end
  test.equal(edit.save(HISTORY), true)
  local text = read_history()
  local _, lines = text:gsub('line%d+\n', '')
  test.equal(lines, 2000)
  test.check(not text:find 'line3\n' and text:find 'line4\n' and text:find 'line2003\n', 'the first are gone')
  test.equal(edit.load(HISTORY), true)
  test.equal(edit.save(folder .. '/none/history'), false)
  test.raises('function expected', edit.start, 5)
  test.raises('string expected', edit.remember, nil)
  test.raises('string expected', edit.read, {})
  test.equal(select('#', edit.remember 'x') + select('#', edit.start(print)), 0)
end)

os.execute(("rm -r '%s'"):format(command.folder))
return test.finish()
