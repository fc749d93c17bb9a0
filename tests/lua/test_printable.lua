-- What files, scripts and names hold cannot steer the terminal that it is printed on.
local test = dofile 'tests/support/test.lua'
local command = dofile 'tests/support/command.lua'
local tiny = dofile 'tests/support/tiny.lua'
local anet = require 'anet'
local text = require 'anet.text'

test.case('control characters and what is no UTF-8 are escaped', function()
  for _, pair in ipairs{
    {'plain, café €', 'plain, café €'}, {'\27[31mred\7', '\\x1b[31mred\\x07'}, {'a\nb\r\tc\127', 'a\\x0ab\\x0d\\x09c\\x7f'},
    {'\194\155', '\\xc2\\x9b'}, {'\226\128\174x', '\\xe2\\x80\\xaex'}, {'\226\129\166\226\128\168', '\\xe2\\x81\\xa6\\xe2\\x80\\xa8'},
    {'\255\195', '\\xff\\xc3'}, {'\192\175', '\\xc0\\xaf'}, {'\237\160\128', '\\xed\\xa0\\x80'}, {'\244\144\128\128', '\\xf4\\x90\\x80\\x80'},
    {'\240\159\152\128', '\240\159\152\128'}, {'\224\128\128', '\\xe0\\x80\\x80'}, {'\0', '\\x00'}, {'', ''},
  } do
    test.equal(text.printable(pair[1]), pair[2])
    test.equal(text.printable(text.printable(pair[1])), pair[2])
  end
  test.equal(text.printable('a\n\tb\27', true), 'a\n\tb\\x1b')
  test.equal(text.printable(12), '12')
end)

test.case('columns are of characters', function()
  test.equal(text.cut('café €5', 6), 'café €')
  test.equal(text.cut('ab', 6), 'ab')
  local lines = text.table{{'a', 'n'}, {'café', 1}, {'cafe', 22}, {('x'):rep(150), 3}}
  test.equal(lines[2], 'café' .. (' '):rep(146) .. '   1')
  test.equal(lines[3], 'cafe' .. (' '):rep(146) .. '  22')
end)

-- ---- the exits ----------------------------------------------------------------------------------------

local BAD = 'x\27]0;title\7\27[2J\194\155y\226\128\174z\255' -- sets a title, clears the screen, …
local SHOWN = 'x\\x1b]0;title\\x07\\x1b[2J\\xc2\\x9by\\xe2\\x80\\xaez\\xff'

local function write(name, body)
  local file = assert(io.open(command.path(name), 'wb'))
  file:write(body)
  file:close()
  return command.path(name)
end

local function is_printable(output) test.equal(text.printable(output, true), output) end

-- Printable lines only; the bad name is among them, escaped.
local function is_clean(output)
  test.mentions(output, SHOWN)
  is_printable(output)
end

local data = tiny.data(120, 1)
local oracle = tiny.oracle(data, data:input())
assert(anet.bundle.new():set_net(oracle):set_input(data:input()):save(command.path 'oracle.anet'))
local ORACLE = command.path 'oracle.anet'

test.case('messages on the command line', function()
  for _, arguments in ipairs{
    "'%s'", "help '%s'", "'%s.lua'", "info '%s'", "info '--%s'", "info a '%s'", "train --epochs '%s'", "train '%s'", "report '%s.json'",
    "import '%s'", ("elastify %s --policy '%%s'"):format(ORACLE), ("elastify %s --policy './%%s'"):format(ORACLE),
    ("eval %s --data '%%s'"):format(ORACLE), ("run %s '%%s.png'"):format(ORACLE), ("search %s --budgets '%%s'"):format(ORACLE),
  } do
    local output, status = command.run(arguments:format(BAD))
    if arguments:find '^search' then is_printable(output) else is_clean(output) end -- it is no supernet
    test.check(status == 1 or status == 2)
    test.equal(select(2, output:gsub('\n', '')), 1)
  end
  local output = command.run("info 'two\nlines'")
  test.mentions(output, 'two\\x0alines')
  test.equal(select(2, output:gsub('\n', '')), 1)
end)

local function typed(line) return command.run('repl', ("printf '%%s' '%s' |"):format((line:gsub('\n', '\\n')))) end

test.case('scripts, policies, the REPL', function()
  is_clean((command.run(write('raises.lua', ('error(%q)'):format(BAD)))))
  is_printable((command.run(write('syntax.lua', BAD))))
  local policy = write('policy.lua', ('error(%q)'):format(BAD))
  is_clean((command.run(("elastify %s --data '' --policy %s -o %s"):format(ORACLE, policy, command.path 'none.anet'))))
  for _, line in ipairs{'return {%q}', 'return {[%q] = 1}', BAD} do is_printable((typed(line:format(BAD)))) end
  for _, line in ipairs{'return %q', 'error(%q)', '? %s'} do is_clean((typed(line:format(BAD)))) end
end)

test.case('names in files', function()
  local n = anet.net{input = {4, 4, 1}}
  n:output(n:linear(n:node('flatten', {n:inputs()[1]}), {channels = 2, name = 'evil\27[2J\nline'}))
  local named = anet.bundle.new():set_net(n:init(1)):set_input(anet.data.input{height = 4, width = 4, channels = 1})
  assert(named:set_value('classes', {'one\27[2J', 'two'}):save(command.path 'named.anet'))
  local output, status = command.run('info --nodes ' .. command.path 'named.anet')
  test.equal(status, 0)
  is_printable(output)
  test.mentions(output, 'evil\\x1b[2J\\x0aline')
end)

-- Under a pseudo terminal, where there is `script` to make one.
test.case('the colours of anet itself stay', function()
  if os.execute 'command -v script >/dev/null 2>&1' ~= 0 then return print 'skipped: there is no `script` to make a terminal' end
  local pipe = io.popen(("TERM=xterm script -qec \"env -u NO_COLOR '%s' info --why %s\" /dev/null 2>&1"):format(arg[-1], ORACLE))
  local output = pipe:read '*a'
  pipe:close()
  test.mentions(output, '\27[1mtrunk ')
  is_printable((output:gsub('\27%[[01]m', ''):gsub('\r', '')))
end)

os.execute('rm -r ' .. command.folder)
return test.finish()
