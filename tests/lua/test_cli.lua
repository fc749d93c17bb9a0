-- The command line: exit statuses, one clear line on failure, JSON, interrupts.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local core = require 'anet.core'
local json = require 'anet.json'

local folder = os.tmpname()
os.remove(folder)
os.execute('mkdir -p ' .. folder)

-- Run `anet` with arguments through the shell; standard output and error, and the status.
local function run(arguments, before)
  local pipe = io.popen(("%s '%s' %s 2>&1; echo \"status $?\""):format(before or '', arg[-1], arguments))
  local output = pipe:read '*a'
  pipe:close()
  local text, status = output:match('^(.*)status (%d+)\n$')
  return text, tonumber(status)
end

-- It fails with one line that mentions a word.
local function fails(word, arguments)
  local output, status = run(arguments)
  test.equal(status, 1)
  test.mentions(output, word)
  test.check(output:match '^anet [^\n]*\n$', ('one line: %q'):format(output))
end

test.case('help', function()
  local output, status = run 'help'
  test.equal(status, 0)
  for _, verb in ipairs(require('anet.cli').verbs()) do test.mentions(output, verb) end
  for _, verb in ipairs(require('anet.cli').verbs()) do
    output, status = run(verb .. ' --help')
    test.equal(status, 0)
    test.mentions(output, 'usage: anet ' .. verb)
    if output:find '%-%-out' then test.mentions(output, '-o, --out') end
  end
  output, status = run('', 'true |')
  test.equal(status, 2)
  test.mentions(output, 'usage')
  test.equal(run '--version', 'anet ' .. anet.version .. '\n')
end)

test.case('mistakes', function()
  fails("no such verb; did you mean 'train'?", 'trian')
  fails('no flag --epocs; did you mean --epochs?', 'train resnet8 --epocs 3')
  fails("--epochs: want a whole number, got 'many'", 'train resnet8 --epochs many')
  fails('--epochs: got 0, want 1 to', 'train resnet8 --epochs 0')
  fails('--epochs wants N', 'train resnet8 --epochs')
  fails('--flip takes no value', 'train resnet8 --flip=3')
  fails("--schedule: no 'cosin'", 'train resnet8 --schedule cosin')
  fails("no architecture 'resnet21'; did you mean 'resnet2", 'train resnet21 --limit 10')
  fails("'too' is one argument too many", 'train resnet8 too')
  fails('want ARCHITECTURE', 'train')
  fails('no-such', 'train resnet8 --data /no-such-folder/x')
  fails('no-such', 'eval /no-such-folder/x')
  fails('want MODEL', 'eval')
  fails('no flag --x', 'info -x')
end)

test.case('an environment that asks for what is not there', function()
  os.execute(('mkfifo %s/pipe.tsv'):format(folder))
  for _, wrong in ipairs{"ANET_ISA=foo", ('ANET_TUNE=%s/pipe.tsv'):format(folder), 'ANET_TUNE=/proc/no-such/methods', 'ANET_TUNE=' .. folder, 'ANET_TUNE=' .. ('x/'):rep(400),
                         'ANET_LUA=' .. folder, 'ANET_LUA=/no-such-folder'} do
    for _, arguments in ipairs{'info', 'eval /no-such-file', 'demo', 'bench kernels', folder .. '/empty.lua'} do
      io.open(folder .. '/empty.lua', 'w'):close()
      local output, status = run(arguments, wrong)
      test.equal(status, 1)
      test.mentions(output, wrong:match '^[^=]*')
      test.check(output:match '^anet[^\n]*\n$', ('one line: %q'):format(output))
    end
  end
  local refusal, i = run('info', 'ANET_ISA=foo'), 0
  while core.C.anet_isa_at(i) ~= nil do
    local isa = core.string(core.C.anet_isa_at(i))
    i = i + 1
    test.mentions(refusal, isa)
    test.mentions(run('info', 'ANET_ISA=' .. isa), isa .. ' kernels')
  end
  for _, right in ipairs{'ANET_ISA=', 'ANET_TUNE=', 'ANET_TUNE=off', ('ANET_TUNE=%s/made/here.tsv'):format(folder), 'ANET_LUA=', 'ANET_LUA=.'} do
    local output, status = run('info', right)
    test.equal(status, 0)
    test.mentions(output, 'kernels')
  end
end)

test.case('a script', function()
  local path = folder .. '/script.lua'
  local function script(body)
    local file = assert(io.open(path, 'w'))
    file:write(body)
    file:close()
    return run(path .. " one 'two words'")
  end
  local output, status = script 'print(select(1, ...), select(2, ...), (arg[0]:match "[^/]*$"), arg[2]) return 3'
  test.equal(output, 'one\ttwo words\tscript.lua\ttwo words\n')
  test.equal(status, 3)
  test.equal(select(2, script 'return'), 0)
  output, status = script 'error "broken"'
  test.equal(status, 1)
  test.mentions(output, 'script.lua:1: broken')
  output, status = script 'return {'
  test.equal(status, 1)
  test.mentions(output, 'near')
  test.equal(select(2, run '/no-such-folder/x.lua'), 1)
end)

-- A data set of 200 dark and bright images as IDX files.
local function write_idx(name, kind, dims, bytes)
  local file = assert(io.open(folder .. '/' .. name, 'wb'))
  file:write(string.char(0, 0, 8, kind))
  for _, n in ipairs(dims) do file:write(string.char(0, 0, math.floor(n / 256), n % 256)) end
  file:write(bytes)
  file:close()
end

local function write_data()
  for _, part in ipairs{'train', 't10k'} do
    local pixels, labels = {}, {}
    for i = 1, 200 do
      local label = i % 2
      labels[i] = string.char(label)
      pixels[i] = string.char(label * 200 + i % 50 + (part == 't10k' and 1 or 0)):rep(64)
    end
    write_idx(part .. '-images-idx3-ubyte', 3, {200, 8, 8}, table.concat(pixels))
    write_idx(part .. '-labels-idx1-ubyte', 1, {200}, table.concat(labels))
  end
  local file = assert(io.open(folder .. '/tiny.lua', 'w'))
  file:write [[
    local anet = require 'anet'
    return function(options)
      local n, x = anet.net{input = options.input}
      x = n:relu(n:norm(n:conv(x, {channels = 4, kernel = 3, pad = 1})))
      return n:output(n:linear(n:global_pool(x), {channels = options.classes}))
    end
  ]]
  file:close()
end

test.case('train, info, eval, bench, run', function()
  write_data()
  local model = folder .. '/tiny.anet'
  local flags = ('%s/tiny.lua --data %s --epochs 2 --batch 20 --lr 0.05 --out %s'):format(folder, folder, model)
  local output, status = run('train ' .. flags .. ' --json --quiet')
  test.equal(status, 0)
  local result = json.decode(output)
  test.equal(result and result.out, model)
  test.check(result and result.accuracy >= 0.5 and #result.history == 2, output)
  test.equal(io.open(model .. '.ckpt'), nil)

  local info = json.decode((run('info --json ' .. model)))
  test.equal(info and info.input.height, 8)
  test.mentions(info and info.provenance.job.command, 'anet train ')
  test.equal(info and json.encode(info.provenance.history), json.encode(result.history))
  local plain = run('info --nodes ' .. model)
  test.mentions(plain, 'net 8x8x1 -> 2')
  test.mentions(plain, 'global_pool')

  local eval = json.decode((run(('eval %s --data %s --json'):format(model, folder))))
  test.near(eval and eval.accuracy, result.accuracy, 1e-12)
  test.equal(eval and eval.images, 200)
  fails('holds a network', ('eval %s --data %s --genome 00'):format(model, folder))

  local bench = json.decode((run(('bench %s %s --rounds 5 --json'):format(model, model))))
  test.check(bench and bench.models[2].median_ms > 0, 'bench times both')

  local bytes = folder .. '/bytes.anet'
  local calibrated = json.decode((run(('calibrate %s --int8 --max-time 10000 --data %s --images 50 --out %s --json'):format(model, folder, bytes))))
  test.equal(calibrated and calibrated.images, 50)
  test.mentions(run('info --nodes ' .. bytes), 'quantize')
  local rounded = json.decode((run(('eval %s --data %s --json'):format(bytes, folder))))
  test.near(rounded and rounded.accuracy, result.accuracy, 0.05)

  local image = folder .. '/bright.png'
  assert(anet.image.save(anet.tensor({8, 8, 1}, 'u8'):fill(230), image))
  local answer = json.decode((run(('run %s %s --json --top 1'):format(model, image))))
  test.equal(answer and answer.results[1].image, image)
  test.check(answer and answer.results[1].top[1].probability >= 0.5, 'the likelier of two classes')
  fails('no-such', ('run %s /no-such-folder/no-such.png'):format(model))
end)

test.case('an interrupted training goes on as if nothing had been', function()
  local flags = ('%s/tiny.lua --data %s --epochs 30 --batch 5 --ema 0.9 --lr 0.05'):format(folder, folder)
  local whole, stopped = folder .. '/whole.anet', folder .. '/stopped.anet'
  run(('train %s --out %s'):format(flags, whole))
  -- The shell waits until the first checkpoint is there, then presses Ctrl-C.
  local script = ("'%s' train %s --out %s & pid=$!; while [ ! -e %s.ckpt ] && kill -0 $pid; do sleep 0.02; done; kill -INT $pid; wait $pid")
    :format(arg[-1], flags, stopped, stopped)
  local pipe = io.popen('bash -c ' .. ("'%s' 2>&1"):format(script:gsub("'", "'\\''")) .. '; echo $?')
  local output = pipe:read '*a'
  pipe:close()
  if output:match '130\n$' then
    test.mentions(output, 'go on with: anet train --resume --out ' .. stopped)
    fails('go on with --resume', ('train %s --out %s'):format(flags, stopped))
    fails('the settings are those of the checkpoint', ('train --resume --lr 3 --out %s'):format(stopped))
    test.equal(select(2, run('train --resume --quiet --out ' .. stopped)), 0)
  else
    print('the training was over before it could be interrupted')
  end
  local a, b = assert(anet.bundle.open(whole)):net(), assert(anet.bundle.open(stopped)):net()
  for i, p in ipairs(a:all_params()) do test.same(b:all_params()[i].tensor:list(), p.tensor:list()) end
  fails('No such file', 'train --resume --out ' .. stopped)
end)

test.case('the REPL through a pipe', function()
  local output, status = run('repl', "printf '1 + 1\\nfor i = 1, 2 do\\nprint(i)\\nend\\nanet\\n{a = {1}}\\n? anet_run\\n' |")
  test.equal(status, 0)
  test.mentions(output, '2\n1\n2\nanet ' .. anet.version)
  test.mentions(output, '{a = {1}}')
  test.mentions(output, 'int anet_run(')
  output, status = run('repl', "printf 'error \"oh\"\\n1\\n' |")
  test.equal(status, 1)
  test.mentions(output, 'oh')
  test.equal(select(2, run('repl', "printf 'for i = 1, 2 do' |")), 1)
end)

test.case('a Lua file that makes no net', function()
  local path = folder .. '/none.lua'
  for text, kind in pairs{['return 5'] = 'number', ['return function() return {} end'] = 'table', [''] = 'nil'} do
    local file = assert(io.open(path, 'w'))
    file:write(text)
    file:close()
    fails(('none.lua: want a net or a function that returns one, got %s'):format(kind), 'train ' .. path .. ' --out ' .. folder .. '/x.anet')
  end
end)

os.execute('rm -r ' .. folder)
return test.finish()
