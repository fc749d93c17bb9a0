-- How verbs are run: their statuses, the one line of what went wrong, and what a stop leaves; with verbs made for it.
local test = dofile 'tests/support/test.lua'
local hearing = dofile 'tests/support/hearing.lua'
local anet = require 'anet'
local cli = require 'anet.cli'
local core = require 'anet.core'
local environment = require 'anet.environment'
local host = require 'anet.host'
local ui = require 'anet.ui'

local verbs = cli.verbs
cli.verbs = function() return {'other', 'try'} end

local real = {catch = host.catch, last_words = host.last_words, hold = host.hold, interrupted = host.interrupted, trouble = environment.trouble}

-- `anet try WORDS` of a verb that runs f. terminal: of the standard error.
local function run(f, words, terminal)
  package.loaded['anet.verb.try'] = {
    summary = 'Tries.', arguments = {{name = 'what', help = 'x', optional = true}}, flags = {{name = 'size', value = 'N', type = 'integer', help = 'y'}}, run = f,
  }
  local made = {held = 0, words = {}}
  host.catch = function(ms, wake) made.grace, made.wake = ms, wake end
  host.last_words = function(text) made.words[#made.words + 1] = text end
  host.hold = function() made.held = made.held + 1 end
  core.written = {}
  local heard = hearing.hear(function() made.status = cli.run('try', words or {}) end, {terminal = terminal or {}})
  test.equal(heard.raised, nil)
  host.catch, host.last_words, host.hold, host.interrupted = real.catch, real.last_words, real.hold, real.interrupted
  core.held, core.on_wrote = nil, nil
  made.out, made.err = heard.out, heard.err
  return made
end

test.case('what a verb gives is the status', function()
  local given, speaker
  local made = run(function(options, u) given, speaker = options, u print 'said' end, {'a', '--size', '3', '--quiet'})
  test.equal(made.status, 0)
  test.equal(made.out, 'said\n')
  test.equal(made.err, '')
  test.equal(given.what, 'a')
  test.equal(given.size, 3)
  test.equal(given.command, 'anet try a --size 3 --quiet')
  test.equal(speaker.quiet, true)
  test.equal(made.grace, 150)
  test.check(not made.wake)
  test.equal(run(function() return 3 end).status, 3)
end)

test.case('help does not run it', function()
  local made = run(function() error 'it ran' end, {'--help'})
  test.equal(made.status, 0)
  test.mentions(made.out, 'Tries.\nusage: anet try [WHAT] [flags]')
end)

test.case('failures are one line', function()
  local made = run(function() ui.fail('no %s', 'way') end)
  test.equal(made.status, 1)
  test.equal(made.err, 'anet try: no way\n')
  test.equal(made.out, '')
  test.equal(run(function() ui.fail 'two\nlines\27' end).err, 'anet try: two\\x0alines\\x1b\n')
  test.equal(run(function() error('plain', 0) end).err, 'anet try: plain\n')
  test.equal(run(function() error(true) end).err, 'anet try: true\n')
  test.equal(run(function() end, {'--sise', '3'}).err, 'anet try: no flag --sise; did you mean --size?\n')
  -- On a terminal it takes the place of a line of progress.
  test.equal(run(function() ui.fail 'oh' end, {}, {[2] = 80}).err, '\r\27[Kanet try: oh\n')
  test.equal(run(function() ui.fail 'oh' end, {}, {[1] = 80}).err, 'anet try: oh\n')
end)

test.case('errors of the own code show where', function()
  local made = run(function() error('lua/anet/net.lua:5: attempt to index a nil value', 0) end)
  test.equal(made.status, 1)
  test.check(made.err:find '^anet try: lua/anet/net.lua:5: attempt to index a nil value\nstack traceback:\n\t%[C%]: in function .error', made.err)
  made = run(function() error('x lua/anet/net.lua:5: within', 0) end)
  test.equal(made.err, 'anet try: x lua/anet/net.lua:5: within\n')
end)

test.case('an environment that is wrong', function()
  environment.trouble = function() return 'ANET_X is 100%' end
  local ran
  local made = run(function() ran = true end)
  test.equal(made.status, 1)
  test.equal(made.err, 'anet try: ANET_X is 100%\n')
  test.equal(ran, nil)
  test.equal(run(function() end, {'--help'}).status, 0) -- help is given all the same
  environment.trouble = real.trouble
end)

test.case('no such verb', function()
  local status
  local function complaint(name) return hearing.hear(function() status = cli.run(name, {}) end, {terminal = {}}).err end
  test.equal(complaint 'trry', "anet trry: no such verb; did you mean 'try'? ('anet help' lists them)\n")
  test.equal(status, 1)
  test.equal(complaint 'zzzzzz\7', "anet zzzzzz\\x07: no such verb ('anet help' lists them)\n")
end)

test.case('stops', function()
  local function stopped(signal, f, words) return run(function() host.interrupted = function() return signal end f() end, words) end
  local made = stopped(2, core.stop)
  test.equal(made.status, 130)
  test.equal(made.err, 'anet try: stopped; no file was changed\n')
  test.equal(made.held, 1)
  test.equal(stopped(15, core.poll).status, 143)
  test.equal(run(core.stop).status, 130) -- raised by itself
  made = stopped(2, function() core.wrote 'a' core.wrote 'b' core.poll() end)
  test.equal(made.err, 'anet try: stopped; written before that: a, b\n')
  -- What the timer would say, from the beginning and after each file.
  test.same(made.words, {'anet try: stopped; no file was changed\n', 'anet try: stopped; written before that: a\n',
                         'anet try: stopped; written before that: a, b\n'})
  -- A verb that saved something says what itself.
  made = stopped(2, function() core.rescue(core.poll, function() return 'the state is in x' end) end)
  test.equal(made.err, 'anet try: the state is in x\n')
  test.equal(made.status, 130)
  -- One that came when all was done.
  made = stopped(15, function() core.wrote 'a' end)
  test.equal(made.status, 143)
  test.equal(made.err, 'anet try: stopped when all was done; written before that: a\n')
  -- A failure that came before is that.
  made = stopped(2, function() ui.fail 'no' end)
  test.equal(made.status, 1)
  test.equal(made.err, 'anet try: no\n')
end)

test.case('scripts as chunks', function()
  local script, path = require 'anet.script', os.tmpname()
  local function load(body)
    local file = assert(io.open(path, 'wb'))
    file:write(body)
    file:close()
    return script.load(path)
  end
  test.equal(load 'return 5'(), 5)
  test.equal(load '#!/usr/bin/env anet\nreturn 6'(), 6)
  test.equal(load '#!/usr/bin/env anet'(), nil)
  test.equal(load 'return #"ab"'(), 2) -- only a first line
  test.equal(load 'return ...'(7), 7)
  local ok, message = pcall(load '#!anet\nerror "oh"')
  test.check(not ok and message:find ':2: oh$', message) -- lines are counted from the first
  test.equal(debug.getinfo(load 'return', 'S').source, '@' .. path)
  local chunk
  chunk, message = load 'return {'
  test.equal(chunk, nil)
  test.mentions(message, "near '<eof>'")
  local size = 16 * 2 ^ 20
  test.check(load((' '):rep(size)), '16 MiB')
  chunk, message = load((' '):rep(size + 1))
  test.equal(chunk, nil)
  test.mentions(message, 'want at most 16777216')
  os.remove(path)
  test.equal(script.load(path), nil)
end)

cli.verbs = verbs
test.check(#cli.verbs() >= 16 and anet.version ~= nil)
return test.finish()
