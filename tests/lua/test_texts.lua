-- Bundles whose texts are not what the engine writes: whatever stands in one, each verb that reads it says one clear line, and
-- no trace of ours. And texts for people: tables of any width, arrays of no elements.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local cli = require 'anet.cli'
local json = require 'anet.json'
local road = require 'anet.road'
local rungs = require 'anet.rungs'
local text = require 'anet.text'
local texts = require 'anet.texts'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local path = command.path

-- ---- a good bundle -------------------------------------------------------------------------------------

local random = command.random({2, 8, 8, 1}, 1)
local oracle = tiny.net(1)
local supernet = tiny.supernet(oracle, random)
local input = anet.data.input{height = 8, width = 8, channels = 1}

local function face(name, dims, atoms, order)
  return {name = name, type = 'float', batch = true, dims = dims, atoms = atoms, order = order}
end

local KEEP = supernet:space():keep()
local TEXTS = {
  provenance = {verb = 'train', version = '0.1', job = {data = 'x', architecture = 'tiny', size = 8}, accuracy = 0.5,
                seconds = 3, before = {verb = 'import', seconds = 1}},
  classes = {'one', 'two', 'three'},
  border = {format = 'onnx', opset = 13, producer = 'torch', inputs = {face('image', {1, 8, 8}, {8, 8}, {0, 1})},
            outputs = {face('classes', {3}, {3}, {0})}},
  left_out = {ops = {NonMaxSuppression = 2}, why = {'it is not known'}, outputs = {'boxes'}, reads = {'y'}, gone = 'a reason'},
  ladder = {rungs = {{genome = KEEP, predicted_ms = 2, measured_ms = 2.5, ratio = 1, score = 0.5, calibrated = false},
                     {genome = KEEP, predicted_ms = 1, measured_ms = 1.5, ratio = 0.5, score = 0.25, calibrated = true}},
            cloud = {{1, 0.5}, {2, 0.25}}},
  run = {job = {data = 'x', architecture = 'tiny', command = 'anet train'}, seconds = 1, history = {{epoch = 1, loss = 2}},
         data = 'x', policy = 'adaptive', settings = {batch = 16, optimizer = 'sgd', seed = 1}},
  trainer = {settings = {batch = 16, epochs = 2, optimizer = 'sgd'}, epoch = 1, index = 1, average_steps = 3},
  distiller = {told = {{loss = 1}, {loss = 2}}},
}

local function good()
  local b = anet.bundle():set_supernet(supernet):set_input(input)
  b:set_latency(assert(anet.latency.profile(supernet, {rounds = 2, held_out = 2, pool = tiny.pool})))
  for key, value in pairs(TEXTS) do b:set_value(key, value) end
  return b
end

local whole = good()
assert(whole:save(path 'good.anet'))
random:transpose{1, 4, 2, 3}:save(path 'x.npy')

-- ---- running a verb here ---------------------------------------------------------------------------------

-- Its status and what it said on both streams.
local function call(verb, ...)
  local said, kept_print, kept_error = {}, print, io.stderr
  print = function(line) said[#said + 1] = tostring(line) end
  io.stderr = {write = function(_, ...) said[#said + 1] = table.concat{...} end, flush = function() end}
  local ok, status = pcall(cli.run, verb, {...})
  print, io.stderr = kept_print, kept_error
  if not ok then error(status, 0) end
  return status, table.concat(said, '\n')
end

local CALLS = {
  {'info', '--why', '--blocks', '--nodes'},
  {'info', '--json', '--why'},
  {'run', path 'x.npy', '--out', path 'y.npy', '--threads', '1'},
  {'run', path 'x.npy', '--rung', '2', '--threads', '1'},
  {'export', '--rung', '1', '--out', path 'out.anet'},
  {'export', '--out', path 'out.anet'},
  {'export', '--out', path 'out.onnx'},
  {'export', '--out', path 'out.c'},
  {'report', '--out', path 'report'},
}
local READING = 4 -- of them write nothing, or little

local function check_answer(what, status, said)
  local traced = said:find 'stack traceback' or said:find 'lua/anet/[%w_/]+%.lua:%d'
  test.check((status == 0 or status == 1) and not traced, ('%s: status %s: %s'):format(what, tostring(status), said:sub(1, 600)))
  if status == 1 then
    test.check(said:find '^anet ' and not said:gsub('\n$', ''):find '\n' or said:find('\nanet [^\n]*\n?$'),
               ('%s: want one line, got: %s'):format(what, said:sub(1, 600)))
  end
end

local turn = 0

-- The calls that a bundle is put before, by turns. Where it cannot be opened all of them say the same thing for the same reason:
-- two are enough; else those that write nothing, and two of the others.
local function some_calls(opened)
  local list = {}
  turn = turn + 1
  for i = 1, opened and READING or 0 do list[i] = CALLS[i] end
  local first = opened and READING or 0
  for k = 0, 1 do list[#list + 1] = CALLS[first + 1 + (2 * turn + k) % (#CALLS - first)] end
  return list
end

-- A bundle with one text replaced, before verbs; `refused`: by its name.
local function try(key, value, refused)
  local b = assert(anet.bundle.open(path 'good.anet')):set_text(key, value)
  assert(b:save(path 'bad.anet'))
  local what = ("%s = '%s'"):format(key, value:sub(1, 60))
  local opened = anet.bundle.open(path 'bad.anet')
  for _, words in ipairs(some_calls(opened)) do
    local arguments = {unpack(words, 2)}
    table.insert(arguments, 1, path 'bad.anet')
    local status, said = call(words[1], unpack(arguments))
    check_answer(words[1] .. ': ' .. what, status, said)
    if refused then
      test.check(status == 1 and said:find(key, 1, true), ('%s is not refused by its name: %s'):format(what, said:sub(1, 300)))
    end
  end
  if opened then -- what other verbs and programs read
    for _, method in ipairs{'net', 'supernet', 'latency', 'input', 'ladder'} do
      local value, message = opened[method](opened)
      test.check(value ~= nil or type(message) == 'string', what .. ': ' .. method)
    end
    local s = opened:supernet()
    if s then
      local list, message = rungs.open(opened, s)
      test.check(list or type(message) == 'string' or key == 'ladder', what .. ': rungs')
    end
  end
end

test.case('a whole bundle', function()
  for _, words in ipairs(CALLS) do
    local arguments = {unpack(words, 2)}
    table.insert(arguments, 1, path 'good.anet')
    local status, said = call(words[1], unpack(arguments))
    test.check(status == 0, words[1] .. ': ' .. said)
  end
end)

-- ---- wrong as a whole --------------------------------------------------------------------------------------

local WRONG = {'', 'x', '5', '-1', '1e999', 'NaN', 'true', '"text"', '{', '[', '{"a":1}}', '[1, 2]', '[[]]', '{"a": {"b": []}}',
               '\0', ('['):rep(300) .. (']'):rep(300), ('{"a":'):rep(300) .. '1' .. ('}'):rep(300), '[null]', '{"rungs": 5}'}
local KEYS = {'net', 'supernet', 'windows', 'table', 'input'}
for key in pairs(TEXTS) do KEYS[#KEYS + 1] = key end
table.sort(KEYS)

-- What is no mistake where a text holds it: all of its keys may be missing, or it is no JSON of Lua's.
local FREE = {provenance = true, run = true, border = true, windows = true, classes = true}

test.case('texts that are something else', function()
  for _, key in ipairs(KEYS) do
    for _, wrong in ipairs(WRONG) do try(key, wrong, texts.SPECS[key] and not FREE[key] and not wrong:find '^{"a": {"b"') end
  end
end)

test.case('empty and null', function()
  for _, key in ipairs(KEYS) do
    try(key, 'null')
    try(key, '{}')
    try(key, '[]')
  end
end)

test.case('what may be absent', function()
  local whole_rung = '{"genome": "0", "predicted_ms": 1, "measured_ms": 1, "score": 1}'
  for _, pair in ipairs{
    {'provenance', '{}'}, {'provenance', '{"job": null}'}, {'provenance', '{"job": {}}'}, {'run', '{"seconds": 1}'},
    {'run', '{"seconds": 1, "job": {}, "settings": {}}'}, {'trainer', '{"epoch": 1, "index": 1}'},
    {'trainer', '{"epoch": 1, "index": 1, "settings": {"batch": 2}}'}, {'distiller', '{"told": []}'},
    {'distiller', '{"told": [], "progress": null}'}, {'ladder', '{"rungs": []}'}, {'ladder', '{"rungs": [' .. whole_rung .. ']}'},
    {'ladder', '{"rungs": [], "oracle": null, "cloud": null}'}, {'border', '{"inputs": [], "outputs": []}'},
    {'left_out', '{"ops": {}, "why": [], "outputs": [], "reads": []}'},
  } do
    local value, message = anet.bundle():set_text(pair[1], pair[2]):value(pair[1])
    test.check(value, ('%s %s: %s'):format(pair[1], pair[2], tostring(message)))
  end
  for key in pairs(texts.SPECS) do test.equal(anet.bundle():set_text(key, 'null'):value(key), nil) end
  -- An object of nothing stands for an empty array, and is one when it is written again.
  test.equal(json.encode(anet.bundle():set_text('distiller', '{"told": {}}'):value('distiller').told), '[]')
  test.equal(json.encode(anet.bundle():set_text('classes', '["a"]'):value 'classes'), '["a"]')
end)

-- Whatever a spec does not let go: its text is refused without it.
test.case('what must be there', function()
  local tried = 0
  for key, whole_value in pairs(TEXTS) do
    for field, spec in pairs(texts.SPECS[key] or {}) do
      local may_go = type(field) == 'number' or type(spec) == 'string' and spec:find '%?$' or type(spec) == 'table' and spec.optional
      if not may_go then
        local value = json.decode(json.encode(whole_value))
        value[field] = nil
        local found, message = anet.bundle():set_value(key, value):value(key)
        test.check(found == nil and message and message:find(('%s.%s is missing'):format(key, field), 1, true), key .. '.' .. field)
        tried = tried + 1
      end
    end
  end
  test.equal(tried, 11)
end)

test.case('what may not', function()
  for _, pair in ipairs{
    {'run', '{}', 'run.seconds is missing, want a number'}, {'trainer', '{"index": 1}', 'trainer.epoch is missing, want a whole number from 0 on'},
    {'distiller', '{}', 'distiller.told is missing, want an array'}, {'ladder', '{}', 'ladder.rungs is missing, want an array'},
    {'ladder', '{"rungs": [{"genome": "0"}]}', 'ladder.rungs[1].'}, {'left_out', '{}', 'left_out.'},
    {'distiller', '{"told": [], "progress": {}}', 'distiller.progress.'}, {'run', '{"seconds": 1, "job": 5}', 'run.job is 5, want an object'},
  } do
    local value, message = anet.bundle():set_text(pair[1], pair[2]):value(pair[1])
    test.equal(value, nil)
    test.mentions(message, ("the text '%s': "):format(pair[1]))
    test.mentions(message, pair[3])
  end
end)

-- ---- wrong inside ------------------------------------------------------------------------------------------

local OTHERS = {5, -1, 0.5, 1e300, true, 'text', ('x'):rep(300), {}, {1, 2}, {a = 1}, {{}}, json.null}

-- Each place of a value, as a function that puts another value there in a fresh copy.
local function places(value, found, copy_path)
  for key in pairs(value) do
    local here = {unpack(copy_path)}
    here[#here + 1] = key
    found[#found + 1] = here
    if type(value[key]) == 'table' and value[key] ~= json.null then places(value[key], found, here) end
  end
  return found
end

local function changed(written, place, other)
  local value = json.decode(written)
  local at = value
  for i = 1, #place - 1 do at = at[place[i]] end
  at[place[#place]] = other
  return json.encode(value)
end

-- The same order whatever `pairs` says.
local function sorted(list)
  table.sort(list, function(a, b)
    for i = 1, math.min(#a, #b) do
      if a[i] ~= b[i] then return tostring(a[i]) < tostring(b[i]) end
    end
    return #a < #b
  end)
  return list
end

local MOST = 14 -- places of a text; of longer ones, every so many

test.case('texts with something else inside', function()
  local tried = 0
  for _, key in ipairs(KEYS) do
    local written = assert(assert(anet.bundle.open(path 'good.anet')):text(key), key)
    local all = sorted(places(json.decode(written), {}, {}))
    local step = math.max(1, math.floor(#all / MOST))
    for i = 1, #all, step do
      try(key, changed(written, all[i], OTHERS[i % #OTHERS + 1]))
      try(key, changed(written, all[i], OTHERS[(i * 7 + 3) % #OTHERS + 1]))
      tried = tried + 2
    end
  end
  print(('%d changed texts'):format(tried))
  test.check(tried >= 100, 'too few')
end)

test.case('what is wrong is said', function()
  local function says(key, value, ...)
    local b = assert(anet.bundle.open(path 'good.anet')):set_text(key, value)
    assert(b:save(path 'bad.anet'))
    local opened, message, code = anet.bundle.open(path 'bad.anet')
    test.check(opened == nil and code == 'format', key .. ' was opened')
    for _, word in ipairs{...} do test.check(tostring(message):find(word, 1, true), ('%s: no %s'):format(message, word)) end
  end
  says('provenance', '{"job": 5}', 'bad.anet', 'provenance.job is 5', 'want an object')
  says('ladder', '{"rungs": [{"genome": 5}]}', 'ladder.rungs[1]', 'want')
  says('ladder', '{"rungs": {"a": 1}}', 'ladder.rungs is an object', 'want an array')
  says('classes', '["a", 7]', 'classes[2] is 7', 'want a string')
  says('border', '{"inputs": [{"name": "x", "batch": 1, "dims": [], "atoms": [], "order": []}], "outputs": []}',
       'border.inputs[1].batch is 1', 'want true or false')
  says('trainer', '{"settings": {"batch": "many"}, "epoch": 1, "index": 1}', 'trainer.settings.batch', "'many'")
end)

-- A border of another net: its numbers are fine, and do not fit.
test.case('a border that does not fit', function()
  local wrong = json.decode(json.encode(TEXTS.border))
  wrong.outputs[1].dims, wrong.outputs[1].atoms, wrong.outputs[1].order = {7}, {7}, {0}
  assert(assert(anet.bundle.open(path 'good.anet')):set_value('border', wrong):save(path 'bad.anet'))
  local status, said = call('run', path 'bad.anet', path 'x.npy')
  test.equal(status, 1)
  test.check(said:find "'classes' has dims 7" and said:find "of shape 3", said)
end)

-- ---- arrays and tables ---------------------------------------------------------------------------------------

test.case('arrays of no elements', function()
  for _, dims in ipairs{{0, 1, 8, 8}, {2, 1, 0, 8}, {0}} do
    anet.tensor(dims):save(path 'empty.npy')
    local status, said = call('run', path 'good.anet', path 'empty.npy')
    test.equal(status, 1)
    test.check(said:find 'holds no images' and said:find(table.concat(dims, 'x'), 1, true), said)
  end
  test.equal(tostring(anet.tensor.of{}), 'tensor f32 0 {}')
  test.equal(#anet.tensor({2, 0}):list(), 0)
  local round = {}
  round[1] = round
  local ok, message = pcall(anet.tensor.of, round)
  test.check(not ok and tostring(message):find 'dimensions', message)
end)

test.case('tables of any width', function()
  local long = ('x'):rep(167)
  test.same(text.table{{'name', 'n'}, {long, 1}, {'b', 22}}, {'name' .. (' '):rep(163) .. '   n', long .. '   1', 'b' .. (' '):rep(166) .. '  22'})
  test.same(text.table{{'a', 'b'}, {'ä', 1}, {'ab', 2}}, {'a   b', 'ä   1', 'ab  2'})
  test.equal(#text.table{{('y'):rep(100000), 'z'}}[1], 100003)
end)

-- Where threads cannot be had: OpenBLAS must not be waited for. Sanitizers need more room than that to begin with.
test.case('little memory', function()
  local pipe = io.popen(("(ulimit -v 100000; timeout 20 '%s' info; echo status $?) 2>&1"):format(arg[-1]))
  local said = pipe:read '*a'
  pipe:close()
  if said:find 'Sanitizer' or said:find 'Shadow memory' then return print 'skipped: a sanitizer needs more' end
  test.check(said:find '^anet %d' and said:find 'status 0\n$', said)
end)

os.execute('rm -rf ' .. command.folder)
return test.finish()
