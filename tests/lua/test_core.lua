-- How the engine's statuses become Lua errors and failures, stops that are raised, held and rescued, and handles that are owned once.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local core = require 'anet.core'
local host = require 'anet.host'
local ffi, C = core.ffi, core.C

-- Before anything failed: the status's own text.
test.equal(core.message(1), 'out of memory')

local interrupted = host.interrupted -- the process's own
local function as_if(signal) host.interrupted = function() return signal end end

test.case('statuses', function()
  local names = {'nomem', 'shape', 'range', 'state', 'io', 'format', 'checksum', 'unsupported', 'stale', 'infeasible', 'policy', 'absent',
                 'collapsed', 'stopped'}
  test.equal(core.status[0], 'ok')
  test.same(core.status, names)
  test.equal(#core.status, tonumber(C.ANET_STATUS_COUNT) - 1)
  test.equal(core.status[255], nil) -- other constants are none
end)

-- ---- stopping ------------------------------------------------------------------------------------------

test.case('a stop', function()
  local ok, stop = pcall(core.stop)
  test.check(not ok and core.is_stop(stop))
  test.equal(tostring(stop), 'stopped')
  test.equal(tostring(select(2, pcall(core.stop, 'half done'))), 'half done')
  for _, other in ipairs{'stopped', 5, {}, setmetatable({}, {__tostring = function() return 'stopped' end})} do test.check(not core.is_stop(other)) end
  test.check(not core.is_stop(nil))
end)

test.case('poll', function()
  as_if(nil)
  core.poll()
  as_if(2)
  local ok, stop = pcall(core.poll)
  test.check(not ok and core.is_stop(stop))
  host.interrupted = interrupted
end)

test.case('files are not written once a stop was asked for, but by what saves its state', function()
  local hold, held = host.hold, 0
  host.hold = function() held = held + 1 end
  as_if(nil)
  core.may_write()
  as_if(15)
  test.check(core.is_stop(select(2, pcall(core.may_write))))
  test.equal(held, 0)
  core.hold()
  test.equal(held, 1)
  core.may_write()
  test.check(core.is_stop(select(2, pcall(core.poll)))) -- still seen
  core.held, host.hold, host.interrupted = nil, hold, interrupted
end)

test.case('rescue', function()
  local saved = 0
  local function after() saved = saved + 1 return 'saved it' end
  core.rescue(function() end, after)
  test.equal(saved, 0)
  local ok, err = pcall(core.rescue, function() core.stop 'left' end, after)
  test.check(not ok and core.is_stop(err))
  test.equal(tostring(err), 'saved it')
  test.equal(saved, 1)
  -- Other failures pass as they are, with a trace where they are bugs of the engine's own.
  local failure = {}
  test.equal(select(2, pcall(core.rescue, function() error(failure) end, after)), failure)
  test.equal(select(2, pcall(core.rescue, function() error('plain', 0) end, after)), 'plain')
  err = select(2, pcall(core.rescue, function() error('lua/anet/x.lua:1: oh', 0) end, after))
  test.check(err:find '^lua/anet/x.lua:1: oh\nstack traceback:\n\t%[C%]: in function .error', err)
  test.equal(saved, 1)
end)

test.case('files that were written', function()
  local written, told = core.written, 0
  core.written = {}
  test.equal(core.wrote 'a', 'a')
  core.on_wrote = function() told = told + 1 end
  test.equal(core.wrote 'b', 'b')
  test.same(core.written, {'a', 'b'})
  test.equal(told, 1)
  core.written, core.on_wrote = written, nil
end)

-- ---- failures ------------------------------------------------------------------------------------------

local SELF = debug.getinfo(1, 'S').short_src
local function line() return debug.getinfo(2, 'l').currentline end

test.case('raise', function()
  local here = line()
  local err = test.raises('', function() core.raise('%d of %s', 3, 'x') end)
  test.equal(err, (SELF .. ':%d: 3 of x'):format(here + 1))
  err = test.raises('', function() core.raise '100%' end) -- no format where nothing follows
  test.check(err:find 'test_core.lua:%d+: 100%%$', err)
  -- The first caller outside the engine's own files.
  local inside = assert(loadstring("local core = require 'anet.core' return function() core.raise 'wrong' end", '@lua/anet/some.lua'))()
  local here_too = line()
  local function call() inside() end
  err = test.raises('', call)
  test.equal(err, (SELF .. ':%d: wrong'):format(here_too + 1))
  here_too = line()
  local _, through = pcall(inside) -- called by a C function, which has no place
  test.equal(through, (SELF .. ':%d: wrong'):format(here_too + 1))
  -- Where there is none, no place: a coroutine has callers of its own.
  err = select(2, coroutine.resume(coroutine.create(inside)))
  test.equal(err, 'wrong')
end)

test.case('must', function()
  test.equal(core.must(5, 'not said'), 5)
  test.raises('want 3', core.must, false, 'want %d', 3)
  test.raises('want 100%', core.must, nil, 'want 100%')
end)

-- A status with its message, as a call leaves them.
local function absent() return anet.tensor.load '/no-such-folder/x.npy' end
local OK, RANGE, IO, STOPPED = 0, 3, 5, 14

test.case('messages', function()
  absent()
  test.mentions(core.message(IO), 'no-such-folder')
  ffi.C.anet_tensor_new(99, core.shape{1}, ffi.new 'anet_tensor *[1]')
  test.mentions(core.message(RANGE), '99')
end)

test.case('check, failure, refusal', function()
  core.check(OK)
  test.equal(core.failure(OK), nil)
  test.equal(core.refusal(OK), nil)
  test.equal(select('#', core.refusal(OK)), 0)
  absent()
  test.raises('no-such-folder', core.check, IO)
  -- A correct program meets these: they are returned. All others are raised; what is in files of others never is.
  local EXPECTED = {nomem = true, io = true, format = true, checksum = true, unsupported = true, stale = true, infeasible = true, policy = true,
                    absent = true, collapsed = true}
  for number = 1, #core.status - 1 do
    local name = core.status[number]
    local ok, message, code = pcall(core.failure, number)
    test.check(ok == (EXPECTED[name] or false), name)
    test.mentions(message, 'no-such-folder')
    if ok then test.equal(code, name) end
    message, code = core.refusal(number)
    test.mentions(message, 'no-such-folder')
    test.equal(code, name)
  end
  for _, f in ipairs{core.check, core.failure, core.refusal} do test.check(core.is_stop(select(2, pcall(f, STOPPED)))) end
end)

-- ---- values --------------------------------------------------------------------------------------------

test.case('shapes', function()
  for _, dims in ipairs{{3}, {1, 2, 3, 4, 5}, {0, 7}} do
    local shape = core.shape(dims)
    test.equal(shape.rank, #dims)
    test.same(core.dims(shape), dims)
  end
  test.raises('a shape has 1 to 5 dimensions, got 0', core.shape, {})
  test.raises('a shape has 1 to 5 dimensions, got 6', core.shape, {1, 1, 1, 1, 1, 1})
end)

test.case('strings', function()
  test.equal(core.string(ffi.cast('const char *', 'text')), 'text')
  test.equal(core.string(ffi.cast('const char *', nil)), nil)
end)

test.case('handles', function()
  local t = anet.tensor{2}
  test.equal(core.handle(t, anet.tensor.Tensor, 'x'), t.handle)
  test.raises('images: want tensor, got number', core.handle, 5, anet.tensor.Tensor, 'images')
  test.raises('x: want net, got table', core.handle, t, anet.net.Net, 'x')
  test.raises('x: want net, got nil', core.handle, nil, anet.net.Net, 'x')
  test.equal(core.retain('anet_tensor', ffi.cast('anet_tensor *', nil)), nil)
end)

local function live()
  collectgarbage()
  collectgarbage()
  local memory = ffi.new 'anet_memory'
  C.anet_memory_read(memory)
  return memory.live_bytes
end

test.case('what is owned is released once, and no sooner than its last owner', function()
  local before = live()
  do
    local t = anet.tensor{1000}
    t:fill(7)
    local other = anet.tensor.borrow(t.handle)
    t = nil
    collectgarbage()
    collectgarbage()
    test.equal(other:get(1000), 7)
    test.check(live() >= before + 4000, 'it is alive')
    other = nil
  end
  test.near(live(), before, 0)
end)

-- Lua knows nothing of C's megabytes: beyond 64 MiB, or twice what was alive after the last time, a new handle collects first.
test.case('when garbage is collected', function()
  local real, runs = collectgarbage, 0
  collectgarbage = function()
    runs = runs + 1
    real()
    real 'stop' -- not of itself
  end
  -- A tensor that brings what is alive to so many bytes, but for a page; how often that collected.
  local function reach(bytes)
    local memory = ffi.new 'anet_memory'
    C.anet_memory_read(memory)
    runs = 0
    return anet.tensor({bytes - memory.live_bytes}, 'u8'), runs
  end
  local function check(bytes, want, kept)
    local t, n = reach(bytes)
    test.equal(n, want)
    if kept then kept[#kept + 1] = t end
  end
  local MIB, PAGE = 2 ^ 20, 4096
  local first, second = {}, {}
  live()
  check(64 * MIB - PAGE, 0)
  check(64 * MIB + PAGE, 2) -- the former was garbage
  live()
  check(64 * MIB - PAGE, 0, first)
  check(64 * MIB + PAGE, 2, first) -- the first run only queues what finalizers release
  check(128 * MIB - PAGE, 0, first)
  check(128 * MIB + 4 * PAGE, 2, second)
  first, second = nil, nil
  collectgarbage = real
  collectgarbage 'restart'
  live()
end)

test.case('pools', function()
  local pool = anet.pool(1)
  test.equal(core.pool(pool), pool)
  test.equal(core.pool(), core.pool()) -- one for all who have none
  test.equal(core.alone(), core.alone())
  test.check(core.pool() ~= core.alone() and core.alone() ~= nil)
  test.equal(C.anet_pool_threads(core.alone()), 1)
  test.equal(C.anet_pool_threads(core.pool()), C.anet_cpu_count())
  test.equal(C.anet_pool_threads(anet.pool(3)), 3)
  test.equal(C.anet_pool_threads(anet.pool()), C.anet_cpu_count())
end)

-- Work with a pool looks at the flag that the handler of signals raises.
test.case('pools watch for signals', function()
  local flag = ffi.cast('volatile int32_t *', host.flag())
  local work = anet.net{input = {4, 4, 1}}
  work:output(work:conv(1, {channels = 1, kernel = 1})):init(1)
  local plan = anet.plan(work, {pool = anet.pool(1)})
  flag[0] = 2
  local ok, stop = pcall(plan.run, plan, anet.tensor{1, 4, 4, 1})
  flag[0] = 0
  test.check(not ok and core.is_stop(stop), tostring(stop))
  test.equal(plan:run(anet.tensor{1, 4, 4, 1}):count(), 16)
end)

-- Plain LuaJIT loads the library; nobody catches signals there.
test.case('outside of the command', function()
  local name
  local bare = setmetatable({
    cdef = function() end, C = setmetatable({}, {__index = function() error 'missing declaration' end}),
    load = function(library)
      name = library
      return C
    end,
  }, {__index = ffi})
  local chunk = assert(loadstring(host.file 'lua/anet/core.lua', '@lua/anet/core.lua'))
  local outside = setfenv(chunk, setmetatable({
    package = {loaded = {}}, require = function(module) return module == 'ffi' and bare or require(module) end,
  }, {__index = _G}))()
  test.equal(name, 'anet')
  test.equal(outside.C, C)
  outside.poll()
  outside.hold()
  outside.may_write()
  test.equal(C.anet_pool_threads(outside.new_pool(2)), 2)
end)

test.case('the face', function()
  test.equal(tostring(anet), 'anet ' .. anet.version)
  test.check(anet.version:find '^%d+%.%d+')
  local began = anet.clock()
  test.near(anet.clock(), began, 5) -- seconds
  test.near(anet.clock(), C.anet_clock_ms() / 1000, 5)
  test.equal(anet.nothing, nil)
  test.equal(anet[5], nil)
  test.equal(anet.text, require 'anet.text') -- modules that make nothing are themselves
  test.equal(anet.tensor, require 'anet.tensor')
  test.equal(rawget(anet, 'tensor'), anet.tensor)
  test.same(anet.tensor{2, 3}:shape(), {2, 3})
  test.equal(anet.tensor({1}, 'u8'):type(), 'u8')
  -- What is wrong in a module is said, not taken for its absence.
  package.preload['anet.broken'] = function() error('broken', 0) end
  test.raises('broken', function() return anet.broken end)
  package.preload['anet.broken'] = nil
end)

return test.finish()
