-- What `anet` does with its arguments; the chunk's value is the exit status.
local host = require 'anet.host'
local text = require 'anet.text'
local words = {...}
local first = table.remove(words, 1)

-- A script: `arg` as in plain Lua, the status is what it returns, where that is a number or boolean.
local function run_script(path)
  local chunk, message = require('anet.script').load(path)
  message = message or require('anet.environment').trouble()
  if message then
    io.stderr:write('anet: ', text.printable(message), '\n')
    return 1
  end
  arg = {[-1] = arg[0], [0] = path, unpack(words)}
  local core = require 'anet.core'
  host.catch(200)
  host.last_words(('anet: %s: stopped\n'):format(text.printable(path)))
  host.hook(select(2, pcall(core.stop)))
  local ok, result = xpcall(function() return chunk(unpack(words)) end, function(err)
    return core.is_stop(err) and err or debug.traceback(err, 2)
  end)
  if core.is_stop(result) and host.interrupted() then
    io.stderr:write('anet: ', text.printable(path), ': ', text.printable(result), '\n')
    return 128 + host.interrupted()
  end
  if not ok then
    io.stderr:write('anet: ', text.printable(result, true), '\n')
    return 1
  end
  if type(result) == 'number' then return result end
  return result == false and 1 or 0
end

if not first and host.terminal(0) then return require('anet.cli').run('repl', {}) end
if not first or first == 'help' or first == '--help' or first == '-h' then
  local cli = require 'anet.cli'
  if words[1] then return cli.run(words[1], {'--help'}) end
  local stream = first and io.stdout or io.stderr
  stream:write(cli.usage(), '\n')
  return first and 0 or 2
end
if first == '--version' then
  print('anet ' .. require('anet').version)
  return 0
end
if first:find('%.lua$') then return run_script(first) end
return require('anet.cli').run(first, words)
