-- The engine's C functions, and how their statuses become Lua errors. Every other module leans on it.
local ffi = require 'ffi'

local cdef = require 'anet.cdef'
ffi.cdef(cdef)

-- Inside the `anet` command the functions are in the executable; plain LuaJIT loads the library.
local inside = pcall(function() return ffi.C.anet_version end)

---@class anet.core
local M = {ffi = ffi, C = inside and ffi.C or ffi.load 'anet'}
local C = M.C

-- {[number] = lower-case name} of every status, as the header lists them.
M.status = {}
for name, number in cdef:gmatch 'ANET_(%u+) = (%d+)' do
  if tonumber(number) < tonumber(C.ANET_STATUS_COUNT) then
    M.status[tonumber(number)] = name:lower()
  end
end

local STOPPED = tonumber(C.ANET_STOPPED)

-- Failures that a correct program meets: they are returned, not raised.
local EXPECTED = {
  nomem = true, io = true, format = true, checksum = true, unsupported = true, stale = true,
  infeasible = true, policy = true, absent = true, collapsed = true,
}

-- ---- stopping ------------------------------------------------------------------------------------------

-- Where Ctrl-C is caught (inside the `anet` command), all pools watch this flag; NULL elsewhere.
local host = package.loaded['anet.host']
local flag = host and ffi.cast('const volatile int32_t *', host.flag()) or nil

-- What is raised once a stop was asked for: never an expected failure, and it passes through what only wants to know
-- whether something failed. tostring gives what it left.
local Stopped = {__tostring = function(s) return s.text end}

-- Raise a stop. text: what it left, and how to go on.
function M.stop(text) error(setmetatable({text = text or 'stopped'}, Stopped), 0) end

function M.is_stop(value) return getmetatable(value) == Stopped end

-- Raise a stop where one was asked for: for loops that call nothing that looks.
function M.poll()
  if host and host.interrupted() then M.stop() end
end

-- A stop may take its time from here on, and is seen by M.poll and by C calls alone: for what saves its state first.
function M.hold()
  M.held = true
  if host then host.hold() end
end

-- Run `work`; where that is stopped, `after` saves what there is, and gives the text of what it left.
function M.rescue(work, after)
  local ok, err = xpcall(work, function(err)
    local bug = type(err) == 'string' and err:find '^lua/anet/'
    return bug and debug.traceback(err, 2) or err
  end)
  if M.is_stop(err) then M.stop(after()) end
  if not ok then error(err, 0) end
end

-- Before a file is written: nothing is once a stop was asked for, but by what saves its state.
function M.may_write()
  if not M.held then M.poll() end
end

-- Files that were written, for who says what a stop left.
M.written = {}
function M.wrote(path)
  M.written[#M.written + 1] = path
  if M.on_wrote then M.on_wrote() end
  return path
end

-- ---- failures ------------------------------------------------------------------------------------------

-- Raise at the first caller outside the engine's own Lua files; no place where there is none.
function M.raise(message, ...)
  if select('#', ...) > 0 then message = message:format(...) end
  local level = 2
  while true do
    local info = debug.getinfo(level, 'S')
    if not info then error(message, 0) end
    if info.what ~= 'C' and not info.source:find('^@lua/anet/') then error(message, level) end
    level = level + 1
  end
end

-- Raise unless the condition holds.
function M.must(condition, message, ...)
  if not condition then M.raise(message, ...) end
  return condition
end

-- The message of this thread's last failure.
function M.message(status)
  local text = ffi.string(C.anet_error())
  return text ~= '' and text or ffi.string(C.anet_status_text(status))
end

-- Raise unless the status is ok.
function M.check(status)
  if status == STOPPED then M.stop() end
  if status ~= 0 then M.raise('%s', M.message(status)) end
end

-- nil for ok; else the failure's `message, code` where it is an expected one, or raise.
---@return string? message, string? code
function M.failure(status)
  if status == 0 then return nil end
  local code = M.status[status]
  if not EXPECTED[code] then M.check(status) end
  return M.message(status), code
end

-- nil for ok; else the failure's `message, code`, whatever it is: for what is in files of others.
---@return string? message, string? code
function M.refusal(status)
  if status == STOPPED then M.stop() end
  if status ~= 0 then return M.message(status), M.status[status] end
end

local memory = ffi.new 'anet_memory'
local ceiling = 64 * 2 ^ 20

-- Lua cannot see C's megabytes: collect dead handles once they may have piled up.
local function collect_if_c_grew()
  C.anet_memory_read(memory)
  if memory.live_bytes < ceiling then return end
  collectgarbage()
  collectgarbage() -- the first run only queues what finalizers release
  C.anet_memory_read(memory)
  ceiling = math.max(64 * 2 ^ 20, 2 * memory.live_bytes)
end

-- An out-cell for handles of a type, and the function that takes ownership of what is in it.
function M.cell(kind)
  local out = ffi.new(kind .. ' *[1]')
  local release = kind .. '_release'
  return out, function()
    collect_if_c_grew()
    return ffi.gc(out[0], C[release])
  end
end

-- A borrowed handle (NULL: nil) as an owned one; for types that can be retained.
function M.retain(kind, handle)
  if handle == nil then return nil end
  return ffi.gc(C[kind .. '_retain'](handle), C[kind .. '_release'])
end

-- An anet_shape from a list of numbers.
function M.shape(dims)
  local shape = ffi.new 'anet_shape'
  M.must(#dims >= 1 and #dims <= C.ANET_MAX_RANK, 'a shape has 1 to %d dimensions, got %d',
         tonumber(C.ANET_MAX_RANK), #dims)
  shape.rank = #dims
  for i, n in ipairs(dims) do shape.dim[i - 1] = n end
  return shape
end

-- A list of numbers from an anet_shape.
function M.dims(shape)
  local dims = {}
  for i = 1, shape.rank do dims[i] = shape.dim[i - 1] end
  return dims
end

-- A borrowed C string, or nil.
function M.string(text)
  if text ~= nil then return ffi.string(text) end
end

-- The handle inside a face object of a class, or raise. `what` names the argument.
function M.handle(object, class, what)
  if getmetatable(object) ~= class then
    M.raise('%s: want %s, got %s', what, class.__name, type(object))
  end
  return object.handle
end

-- A pool of all processors, made when first asked for.
local shared_pool
function M.pool(pool)
  if pool then return pool end
  shared_pool = shared_pool or M.new_pool(0)
  return shared_pool
end

-- A pool of the caller alone: for calls that are to be stopped, but share no work.
local lone_pool
function M.alone()
  lone_pool = lone_pool or M.new_pool(1)
  return lone_pool
end

local pool_out, take_pool = M.cell 'anet_pool'
function M.new_pool(threads)
  M.check(C.anet_pool_new(threads or 0, pool_out))
  local pool = take_pool()
  C.anet_pool_watch(pool, flag)
  return pool
end

return M
