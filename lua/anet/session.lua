-- Ladders, and sessions that serve frames on the rung of the moment.
local core = require 'anet.core'
local json = require 'anet.json'
local plan = require 'anet.plan'
local tensor = require 'anet.tensor'
local text = require 'anet.text'
local ffi, C = core.ffi, core.C

-- ---- ladders ----------------------------------------------------------------------------------

---@class anet.Ladder
local Ladder = {__name = 'ladder'}
Ladder.__index = Ladder

---@class anet.Session
local Session = {__name = 'session'}
Session.__index = Session

local ladder_out, take_ladder = core.cell 'anet_ladder'
local out, take = core.cell 'anet_session'
local rung = ffi.new 'anet_rung'

local M = {Ladder = Ladder, Session = Session}

function M.wrap_ladder(handle) return setmetatable({handle = handle}, Ladder) end

-- An empty ladder.
---@return anet.Ladder
function M.ladder()
  core.check(C.anet_ladder_new(ladder_out))
  return M.wrap_ladder(take_ladder())
end

-- Add a plan: {genome, predicted_ms, measured_ms, accuracy}.
function Ladder:add(p, fields)
  rung.genome = fields.genome
  rung.predicted_ms, rung.measured_ms = fields.predicted_ms or 0, fields.measured_ms
  rung.accuracy = fields.accuracy
  core.check(C.anet_ladder_add(self.handle, core.handle(p, plan.Plan, 'add'), rung))
  return self
end

-- Fastest first, without rungs that are slower and not more accurate.
function Ladder:sort()
  core.check(C.anet_ladder_sort(self.handle))
  return self
end

function Ladder:count() return C.anet_ladder_count(self.handle) end

-- {{genome, ms, predicted_ms, accuracy}, …}
---@return table[]
function Ladder:rungs()
  local list = {}
  for i = 1, self:count() do
    core.check(C.anet_ladder_get(self.handle, i - 1, rung))
    list[i] = {
      genome = core.string(rung.genome), ms = rung.measured_ms, predicted_ms = rung.predicted_ms,
      accuracy = rung.accuracy,
    }
  end
  return list
end

---@return anet.Plan
function Ladder:plan(i)
  local handle = C.anet_ladder_plan(self.handle, i - 1)
  core.must(handle ~= nil, 'plan: the ladder has %d rungs, not %d', self:count(), i)
  return plan.wrap(core.retain('anet_plan', handle))
end

function Ladder:__tostring() return ('ladder of %d rungs'):format(self:count()) end

-- ---- sessions -----------------------------------------------------------------------------------

local POLICIES = {
  host = C.ANET_POLICY_HOST, fixed = C.ANET_POLICY_FIXED, hysteresis = C.ANET_POLICY_HYSTERESIS,
}

-- The fields of anet_state, as the header lists them.
local FIELDS = {}
local body = require('anet.cdef'):match('struct anet_state {(.-)}')
for names in body:gmatch('%w+ ([^;]+);') do
  for name in names:gmatch('[%w_]+') do FIELDS[#FIELDS + 1] = name end
end

local picker_out, take_picker

-- What C needs to load a latency policy; it keeps nothing of it.
local function picker_desc(policy)
  local from = policy.source
  from.json = from.json or json.encode(from.options) -- kept there while C reads it
  return ffi.new('anet_policy_desc', {
    name = from.name, text = from.text, options = from.json, seed = from.seed, steps = from.steps or 0,
    seconds = from.seconds or 0, bytes = from.bytes or 0,
  })
end

-- A policy of C's, which keeps its own state: see core/anet_host.h.
local function new_picker(policy, ladder)
  if not picker_out then picker_out, take_picker = core.cell 'anet_policy' end
  local message = core.failure(C.anet_policy_new(picker_desc(policy), ladder.handle, picker_out))
  if message then core.raise('%s', message) end
  return take_picker()
end

-- A session. options: budget_ms; policy, 'fixed', 'hysteresis' (default), 'host' or an anet.Policy;
-- window; rung to start on (the best that fits by default); pool.
---@param ladder anet.Ladder
---@return anet.Session
function M.new(ladder, options)
  local policy = options.policy or 'hysteresis'
  local scripted = type(policy) == 'table' and policy or nil
  local number = scripted and C.ANET_POLICY_HOST or POLICIES[policy]
  core.must(number, "session: no policy '%s'%s", tostring(policy), text.hint(tostring(policy), text.keys(POLICIES)))
  local desc = ffi.new('anet_session_desc', {
    budget_ms = options.budget_ms, window = options.window or 0, policy = number,
    rung = (options.rung or 0) - 1,
  })
  local pool = core.pool(options.pool)
  core.check(C.anet_session_new(core.handle(ladder, Ladder, 'session'), pool, desc, out))
  local self = setmetatable({
    handle = take(), ladder = ladder, pool = pool, struct = ffi.new 'anet_state',
    input_shape = ladder:plan(1):input_shape(), output_shape = ladder:plan(1):output_shape(),
  }, Session)
  if scripted then self.picker = new_picker(scripted, ladder) end
  return self
end

-- Serve a frame: images as an f32 tensor (n, …). Returns the answers, and what a scripted policy did wrong: the frame
-- is served all the same, and another policy picks from then on (see anet_policy_pick in anet_host.h).
---@param images anet.Tensor
---@return anet.Tensor answers, string? warning
function Session:run(images)
  core.handle(images, tensor.Tensor, 'run')
  local n = images:dim(1)
  core.must(images:dense() and images:type() == 'f32' and
            table.concat(images:shape(), 'x', 2) == table.concat(self.input_shape, 'x'),
            'run: want a dense f32 tensor of images %s', table.concat(self.input_shape, 'x'))
  if not self.answers or self.answers:dim(1) ~= n then
    self.answers = tensor.new{n, unpack(self.output_shape)}
  end
  core.check(C.anet_session_run(self.handle, images:data(), self.answers:data(), n))
  return self.answers, self.picker and core.failure(C.anet_policy_pick(self.picker, self.handle)) or nil
end

-- Replace the scripted policy while the session runs: the new one is asked beside the old for some frames (32)
-- and then takes over. Where it cannot even be loaded: nil, message and code, and the old one goes on.
---@param policy anet.Policy
---@return anet.Session? self, string? message, string? code
function Session:reload(policy, frames)
  core.must(self.picker, 'reload: the session has no scripted policy')
  core.must(frames == nil or frames >= 1, 'reload: got %s frames, want 1 or more', tostring(frames))
  local message, code = core.failure(C.anet_policy_reload(self.picker, picker_desc(policy), self.ladder.handle, frames or 0))
  if message then return nil, message, code end
  return self
end

-- What the session sees of its world; unknown figures are negative, rungs count from 1.
function Session:state()
  core.check(C.anet_session_read(self.handle, self.struct))
  local state = {}
  for _, name in ipairs(FIELDS) do state[name] = tonumber(self.struct[name]) end
  state.rung = state.rung + 1
  return state
end

-- Serve on another rung from the next frame on.
function Session:switch(i)
  core.check(C.anet_session_switch(self.handle, i - 1))
  return self
end

function Session:budget(ms)
  core.check(C.anet_session_budget(self.handle, ms))
  return self
end

-- Time until the next frame's answer is wanted.
function Session:deadline(ms)
  core.check(C.anet_session_deadline(self.handle, ms))
  return self
end

function Session:__tostring()
  local s = self:state()
  return ('session on rung %d of %d, budget %.3g ms, %d frames'):format(s.rung, s.rungs, s.budget_ms, s.frames)
end

return M
