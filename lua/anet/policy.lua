-- Policies: scripts that answer questions from inside a sandbox.
local answers = require 'anet.policy.answers'
local core = require 'anet.core'
local sandbox = require 'anet.sandbox'
local text = require 'anet.text'
local C = core.C

---@class anet.Policy
---@field kind 'schedule'|'search'|'latency'
---@field name string
local Policy = {__name = 'policy'}
Policy.__index = Policy

local M = {Policy = Policy}

local MOST_BYTES = 2 ^ 20 -- of a policy's file
local FOLDERS = {schedule = 'policies/schedule/', search = 'policies/search/', latency = 'policies/latency/'}

-- {{kind, name}, …} of the policies that come with anet.
---@return table[]
function M.list()
  local list = {}
  for _, path in ipairs(require('anet.host').files()) do
    local kind, name = path:match('^policies/(%l+)/([%w_]+)%.lua$')
    if kind then list[#list + 1] = {kind = kind, name = name} end
  end
  table.sort(list, function(a, b) return a.kind .. a.name < b.kind .. b.name end)
  return list
end

-- 'evolution:population=50,mutate=0.2' -> 'evolution', {population = 50, mutate = 0.2}.
function M.parse(spec)
  local name, rest = spec:match('^([^:]+):(.*)$')
  local options = {}
  for key, value in (rest or ''):gmatch('([%w_]+)=([^,]*)') do
    if value == 'true' or value == 'false' then value = value == 'true' end
    options[key] = tonumber(value) or value
  end
  return name or spec, options
end

-- The text of a policy by path, or by name among those that come with anet.
local function find(name, kind)
  if name:find('[./]') then
    return require('anet.host').read(name, MOST_BYTES)
  end
  local names = {}
  for _, p in ipairs(M.list()) do
    if p.kind == (kind or p.kind) then
      if p.name == name then return require('anet.host').file(FOLDERS[p.kind] .. name .. '.lua') end
      names[#names + 1] = p.name
    end
  end
  return nil, ("there is no %s policy '%s'%s"):format(kind or 'such', name, text.hint(name, names)), 'absent'
end

-- What a pick may take, as anet_host.h has it: the same for the command and for C programs.
local PICK = {steps = tonumber(C.ANET_PICK_STEPS), seconds = tonumber(C.ANET_PICK_MS) / 1000, bytes = tonumber(C.ANET_PICK_BYTES)}

-- The sandbox of a policy that was started.
local function open(source, kind)
  local limits = kind == 'latency' and PICK or {}
  local box, message, code = sandbox.new{
    text = source.text, name = source.name, steps = source.steps or limits.steps,
    seconds = source.seconds or limits.seconds, bytes = source.bytes or limits.bytes,
  }
  if not box then return nil, message, code end
  local _
  _, message, code = box:call('start', source.options, source.seed, kind)
  if message then return nil, message, code end
  return box
end

-- Load a policy by name or path. settings: kind that is wanted; options for the policy; seed; text instead of a
-- file; steps, seconds and bytes as anet.sandbox has them.
---@param spec string name or path, with ':key=value,…' for options
---@return anet.Policy? policy, string? message, string? code
function M.load(spec, settings)
  settings = settings or {}
  local name, options = M.parse(spec)
  for key, value in pairs(settings.options or {}) do options[key] = value end
  local source = {name = name, text = settings.text, options = options, seed = settings.seed or 1, steps = settings.steps,
                  seconds = settings.seconds, bytes = settings.bytes}
  local message, code
  if not source.text then
    source.text, message, code = find(name, settings.kind)
    if not source.text then return nil, message, code end
  end
  local box, about
  box, message, code = open(source, settings.kind)
  if not box then return nil, message, code end
  about, message, code = box:call 'describe'
  if not about then return nil, message, code end
  return setmetatable({box = box, kind = about.kind, name = about.name or name, defaults = about.defaults, source = source,
                       context = {}}, Policy)
end

local function done(_, message, code)
  if message then return nil, message, code end
  return true
end

-- Tell it about a space: an anet.Space or a description of one (Space:describe). options: times, fixed_ms; and what
-- answers are checked against: space (an anet.Space), budgets, ms (a function of a genome).
---@return boolean? ok, string? message, string? code
function Policy:space(s, options)
  options = options or {}
  self.context = {space = options.space or (s.describe and s.check and s), budgets = options.budgets, ms = options.ms}
  if s.describe then s = s:describe(options.times, options.fixed_ms) end
  return done(self.box:call('space', s))
end

-- Tell it about the ladder.
---@return boolean? ok, string? message, string? code
function Policy:ladder(ladder)
  local rungs = ladder.rungs and ladder:rungs() or ladder
  self.context = {rungs = #rungs}
  return done(self.box:call('ladder', rungs))
end

-- What the box gave, if it is an answer to the question.
local function checked(self, question, answer, message, code)
  if message ~= nil and code == 'policy' then return nil, message, code end
  local why = answers.check(question, answer, self.context)
  if why then return nil, ("policy '%s', %s: %s"):format(self.source.name, question, why), 'policy' end
  return answer
end

-- The questions of the three kinds, each: its answer, or nil, message and 'policy'.
for _, question in ipairs{'options', 'next', 'propose', 'observe', 'done', 'picks', 'pick', 'save', 'load'} do
  Policy[question] = function(self, ...) return checked(self, question, self.box:call(question, ...)) end
end

-- Whether it has an optional method.
function Policy:has(method) return (self.box:call('has', method)) end

function Policy:__tostring() return ("%s policy '%s'"):format(self.kind, self.name) end

return M
