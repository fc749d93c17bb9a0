-- Ladders, and sessions that serve frames on the rung of the moment.
local core = require 'anet.core'
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
    handle = take(), ladder = ladder, pool = pool, policy = scripted, struct = ffi.new 'anet_state',
    input_shape = ladder:plan(1):input_shape(), output_shape = ladder:plan(1):output_shape(),
  }, Session)
  if scripted then core.must(scripted:ladder(ladder)) end
  return self
end

-- Serve a frame: images as an f32 tensor (n, …). Returns the answers; a scripted policy that fails leaves the
-- rung as it is and its message is the second result.
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
  return self.answers, self.policy and self:pick() or nil
end

-- The rung that a policy picks, or nil and what went wrong.
local function ask(policy, state)
  local rung, message = policy:pick(state)
  if type(rung) == 'number' and rung >= 1 and rung <= state.rungs then return math.floor(rung) end
  return nil, message or ('pick gives %s, want a rung of 1 to %d'):format(tostring(rung), state.rungs)
end

-- Let the scripted policy choose the next frame's rung. One that fails leaves the rung as it is, and the policy
-- before it, if there was one, is back.
---@return string? warning
function Session:pick()
  local state = self:state()
  self.seen = state -- what the choice was made on: for who wants to log the frame
  local rung, message = ask(self.policy, state)
  if not rung then
    self.policy, self.previous = self.previous or self.policy, nil
    return message
  end
  self:switch(rung)
  if not self.shadow then return nil end
  rung, message = ask(self.shadow, state)
  if not rung then
    self.shadow = nil
    return 'the reloaded policy was dropped: ' .. message
  end
  self.shadow_frames = self.shadow_frames - 1
  if self.shadow_frames > 0 then return nil end
  self.policy, self.previous, self.shadow = self.shadow, self.policy, nil
end

-- Replace the scripted policy while the session runs: the new one is asked beside the old for some frames (32)
-- and then takes over.
---@param policy anet.Policy
function Session:reload(policy, frames)
  core.must(self.policy, 'reload: the session has no scripted policy')
  core.must(policy:ladder(self.ladder))
  self.shadow, self.shadow_frames = policy, frames or 32
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
