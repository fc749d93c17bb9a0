-- Output that cannot be written, limits of size, programs that are killed: the status, and what is left.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local anet = require 'anet'

local ANET, folder = arg[-1], os.tmpname()
os.remove(folder)
os.execute('mkdir -p ' .. folder)

-- Run a line of bash in which $A is the command and $F the folder; what both streams said, and the status.
local function bash(line)
  local pipe = io.popen(("A='%s' F='%s' bash -c '%s' 2>&1; echo \"status $?\""):format(ANET, folder, line:gsub("'", "'\\''")))
  local output = pipe:read '*a'
  pipe:close()
  local text, status = output:match('^(.*)status (%d+)\n$')
  return text, tonumber(status)
end

-- It ends with a status of 1 and says why in one line.
local function fails(word, line)
  local text, status = bash(line)
  test.equal(status, 1)
  test.mentions(text, word)
  test.check(text:find '^anet[^\n]*\n$', ('%s: one line: %q'):format(line, text))
end

local function read(name)
  local file = io.open(folder .. '/' .. name, 'rb')
  local bytes = file and file:read '*a'
  if file then file:close() end
  return bytes
end

local function files() return (bash 'ls -A $F | tr "\\n" " "') end

local data = tiny.data(60)
local oracle = tiny.oracle(data, data:input())
assert(anet.bundle():set_net(oracle):set_input(data:input()):save(folder .. '/m.anet'))

test.case('output that cannot be written', function()
  for _, arguments in ipairs{'--version', '--help', 'help', 'eval --help', 'info', 'info --json', 'info $F/m.anet', 'info $F/m.anet --json',
                             'export $F/m.anet --out $F/x.onnx', 'export $F/m.anet --out $F/x.onnx --json'} do
    fails('cannot write to the standard output', '$A ' .. arguments .. ' >/dev/full')
    fails('cannot write to the standard output', '$A ' .. arguments .. ' >&-')
  end
  fails('cannot write to the standard output', 'echo 1 + 1 | $A repl >/dev/full')
  for _, script in ipairs{'print(1)', 'print(1) os.exit(0)', 'io.write "x" return true'} do
    bash(("echo '%s' > $F/s.lua"):format(script))
    fails('cannot write to the standard output', '$A $F/s.lua >/dev/full')
  end
  -- What fails in itself says that, too.
  test.mentions((bash '$A info $F/none.anet --json >/dev/full'), 'none.anet')
  test.equal(select(2, bash '$A info $F/none.anet >/dev/full 2>/dev/full'), 1)
  test.equal(select(2, bash '$A info >/dev/full 2>&-'), 1)
  test.equal(select(2, bash '$A info >/dev/null 2>&-'), 0)
  test.equal(select(2, bash '$A info $F/m.anet <&-  >/dev/null'), 0)
end)

test.case('files do not take the numbers of closed streams', function()
  test.equal(select(2, bash '$A export $F/m.anet --out $F/closed.anet --quiet <&- >&- 2>&-'), 1)
  test.check(anet.bundle.open(folder .. '/closed.anet'), 'the bundle was written, and nothing else into it')
end)

test.case('a reader that has enough', function()
  local text, status = bash 'set -o pipefail; $A info --json $F/m.anet | head -c 10'
  test.equal(#text, 10)
  test.check(status == 0 or status == 141, ('status %d'):format(status))
  text = bash '$A help | head -1'
  test.check(text:find '^anet [^\n]*\n$', text)
end)

test.case('a limit on the size of files', function()
  local before = read 'm.anet'
  bash 'rm -f $F/x.* $F/s.lua $F/closed.anet'
  for _, out in ipairs{'m.anet', 'x.anet', 'x.onnx', 'x.c'} do
    fails('too large', '(ulimit -f 1; $A export $F/m.anet --out $F/' .. out .. ')')
  end
  test.check(read 'm.anet' == before, 'the old bundle is whole')
  test.equal(files(), 'm.anet ')
end)

test.case('devices and folders as files', function()
  fails('/dev/full', '$A export $F/m.anet --out /dev/full --format onnx')
  test.equal(select(2, bash '$A export $F/m.anet --out /dev/null --format onnx'), 0)
  test.equal(select(2, bash 'test -c /dev/null'), 0)
  fails('folder', '$A export $F/m.anet --out $F --format onnx')
end)

test.case('what a killed program left is swept by the next save', function()
  bash 'sleep 0 & p=$!; wait $p; echo left > $F/.anet-$p-abcdef; echo mine > $F/.anet-1-abcdef; echo other > $F/.anet-x'
  test.equal(select(2, bash '$A export $F/m.anet --out $F/y.anet'), 0)
  test.equal(files(), '.anet-1-abcdef .anet-x m.anet y.anet ')
end)

os.execute('rm -r ' .. folder)
return test.finish()
