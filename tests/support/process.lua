-- Processes in tests: started, signalled and waited for, with the time that takes.
local ffi = require 'ffi'
local anet = require 'anet'

ffi.cdef [[
int posix_spawnp(int *pid, const char *file, const void *actions, const void *attr, char *const *argv, char *const *envp);
int posix_spawn_file_actions_init(void *actions);
int posix_spawn_file_actions_destroy(void *actions);
int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned mode);
int posix_spawnattr_init(void *attr);
int posix_spawnattr_destroy(void *attr);
int posix_spawnattr_setsigdefault(void *attr, const void *set);
int posix_spawnattr_setflags(void *attr, short flags);
int posix_spawnattr_setpgroup(void *attr, int group);
int sigemptyset(void *set);
int sigaddset(void *set, int number);
int kill(int pid, int number);
int waitpid(int pid, int *status, int options);
int usleep(unsigned us);
int posix_openpt(int flags);
int grantpt(int fd);
int unlockpt(int fd);
char *ptsname(int fd);
ssize_t read(int fd, void *bytes, size_t count);
ssize_t write(int fd, const void *bytes, size_t count);
extern char **environ;
]]
local C = ffi.C

local M = {INT = 2, KILL = 9, TERM = 15}

local Process = {}
Process.__index = Process

local function room() return ffi.new 'char[1024]' end

-- Start a program in a process group of its own, with the usual answer to SIGINT. words: its arguments; output: a file for what
-- it says on both streams; terminal: of one that it is to sit at instead (open_terminal).
function M.start(program, words, output, terminal)
  local attr, actions, set, pid = room(), room(), room(), ffi.new 'int[1]'
  local argv, keep = ffi.new('char *[?]', #words + 2), {}
  for i = 0, #words do
    keep[i] = ffi.new('char[?]', #(words[i] or program) + 1, words[i] or program)
    argv[i] = keep[i]
  end
  C.posix_spawnattr_init(attr)
  C.sigemptyset(set)
  C.sigaddset(set, M.INT)
  C.posix_spawnattr_setsigdefault(attr, set)
  C.posix_spawnattr_setpgroup(attr, 0)
  C.posix_spawnattr_setflags(attr, 2 + 4) -- SETPGROUP, SETSIGDEF
  C.posix_spawn_file_actions_init(actions)
  C.posix_spawn_file_actions_addopen(actions, 0, terminal or '/dev/null', terminal and 2 or 0, 0)
  for fd = 1, 2 do C.posix_spawn_file_actions_addopen(actions, fd, terminal or output, terminal and 2 or 1 + 64 + 1024, 6 * 64) end -- append
  local failed = C.posix_spawnp(pid, program, actions, attr, argv, C.environ)
  C.posix_spawn_file_actions_destroy(actions)
  C.posix_spawnattr_destroy(attr)
  assert(failed == 0, 'cannot start ' .. program)
  return setmetatable({pid = pid[0], output = output, began = anet.clock()}, Process)
end

-- The exit status as a shell has it, and what it said; nil where it still runs.
function Process:ended()
  if self.status then return self.status, self.text end
  local status = ffi.new 'int[1]'
  if C.waitpid(self.pid, status, 1) ~= self.pid then return nil end -- WNOHANG
  local number = bit.band(status[0], 127)
  self.killed = number > 0
  self.status = number > 0 and 128 + number or bit.band(bit.rshift(status[0], 8), 255)
  local file = io.open(self.output) -- none where it sat at a terminal
  self.text = file and file:read '*a' or ''
  if file then file:close() end
  return self.status, self.text
end

-- Let others go on for a moment: the other jobs of M.together, where this is one of them.
local function pause()
  if coroutine.running() then coroutine.yield() else C.usleep(500) end
end

function M.sleep(seconds)
  local began = anet.clock()
  while anet.clock() - began < seconds do pause() end
end

-- Run functions side by side, at most `width` at a time: while one sleeps or waits for a process, the others go on.
function M.together(width, jobs)
  local running, started = {}, 0
  while started < #jobs or #running > 0 do
    while #running < width and started < #jobs do
      started = started + 1
      running[#running + 1] = coroutine.create(jobs[started])
    end
    for i = #running, 1, -1 do
      local ok, message = coroutine.resume(running[i])
      if not ok then error(debug.traceback(running[i], message), 0) end
      if coroutine.status(running[i]) == 'dead' then table.remove(running, i) end
    end
    C.usleep(300)
  end
end

-- Until it ends, at most `seconds`; its status, what it said, and how long that took. It is killed then.
function Process:wait(seconds)
  local began = anet.clock()
  while not self:ended() do
    if anet.clock() - began > seconds then self:signal(M.KILL) end
    pause()
  end
  return self.status, self.text, anet.clock() - began
end

-- Until what it says on its output holds a word, or it has ended, at most `seconds`; whether the word is there.
function Process:says(word, seconds)
  local began = anet.clock()
  while true do
    local file = io.open(self.output)
    local text = file and file:read '*a' or ''
    if file then file:close() end
    if text:find(word, 1, true) then return true end
    if self:ended() or anet.clock() - began > seconds then return false end
    pause()
  end
end

function Process:signal(number) C.kill(self.pid, number) end

-- Whether a process of its group still runs.
function Process:survives() return C.kill(-self.pid, 0) == 0 end

-- ---- terminals -----------------------------------------------------------------------------------------

local Terminal = {}
Terminal.__index = Terminal

-- A terminal; its `path` is for M.start.
function M.open_terminal()
  local fd = C.posix_openpt(2 + 256 + 2048) -- RDWR, NOCTTY, NONBLOCK
  assert(fd >= 0 and C.grantpt(fd) == 0 and C.unlockpt(fd) == 0, 'no terminal')
  return setmetatable({fd = fd, path = ffi.string(C.ptsname(fd)), text = ''}, Terminal)
end

function Terminal:type(line) C.write(self.fd, line, #line) end

-- Read until a text is there, at most `seconds`; what was read up to there, or nil. The next call looks behind it.
function Terminal:expect(text, seconds)
  local buffer, began = ffi.new 'char[4096]', anet.clock()
  while true do
    local first, last = self.text:find(text, 1, true)
    if first then
      local before = self.text:sub(1, last)
      self.text = self.text:sub(last + 1)
      return before
    end
    if anet.clock() - began > seconds then return nil end
    local n = C.read(self.fd, buffer, 4096)
    if n > 0 then self.text = self.text .. ffi.string(buffer, n) else pause() end
  end
end

return M
