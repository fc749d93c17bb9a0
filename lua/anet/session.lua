-- Ladders and the sessions that serve frames from them.
local core = require 'anet.core'
local plan = require 'anet.plan'
local tensor = require 'anet.tensor'
local ffi, C = core.ffi, core.C

---@class anet.Ladder
---@field handle ffi.cdata*
local Ladder = {__name = 'ladder'}
Ladder.__index = Ladder

---@class anet.Session
---@field handle ffi.cdata*
local Session = {__name = 'session'}
Session.__index = Session

local ladder_out, take_ladder = core.cell 'anet_ladder'
local session_out, take_session = core.cell 'anet_session'
local rung = ffi.new 'anet_rung'
local state = ffi.new 'anet_state'

local M = {Ladder = Ladder, Session = Session}

-- A ladder of {plan, genome, predicted_ms, measured_ms, accuracy}; sorted, what is dominated is dropped.
---@return anet.Ladder
function M.ladder(rungs)
  core.check(C.anet_ladder_new(ladder_out))
  local self = setmetatable({handle = take_ladder()}, Ladder)
  for _, r in ipairs(rungs) do
    rung.genome, rung.predicted_ms = r.genome, r.predicted_ms
    rung.measured_ms, rung.accuracy = r.measured_ms, r.accuracy
    core.check(C.anet_ladder_add(self.handle, core.handle(r.plan, plan.Plan, 'ladder'), rung))
  end
  core.check(C.anet_ladder_sort(self.handle))
  return self
end

function Ladder:count() return C.anet_ladder_count(self.handle) end

-- Rung i, 1 is the fastest: {genome, predicted_ms, measured_ms, accuracy}.
function Ladder:get(i)
  core.check(C.anet_ladder_get(self.handle, i - 1, rung))
  return {
    genome = ffi.string(rung.genome), predicted_ms = rung.predicted_ms, measured_ms = rung.measured_ms,
    accuracy = rung.accuracy,
  }
end

-- All rungs, fastest first.
function Ladder:rungs()
  local list = {}
  for i = 1, self:count() do list[i] = self:get(i) end
  return list
end

function Ladder:__tostring()
  return ('ladder of %d rungs, %.3f to %.3f ms'):format(self:count(), self:get(1).measured_ms,
    self:get(self:count()).measured_ms)
end

local POLICIES = {host = C.ANET_POLICY_HOST, fixed = C.ANET_POLICY_FIXED, hysteresis = C.ANET_POLICY_HYSTERESIS}

-- A session on a ladder. options: budget_ms, window (32), policy ('host': the caller switches; 'fixed' and
-- 'hysteresis' are built in), rung (nil: the best that fits).
---@return anet.Session
function M.new(ladder, options, pool)
  local kind = core.must(POLICIES[options.policy or 'host'], "session: no built-in policy '%s'", options.policy)
  local desc = ffi.new('anet_session_desc', options.budget_ms, options.window or 0, kind, (options.rung or 0) - 1)
  local handle = core.handle(ladder, Ladder, 'session')
  core.check(C.anet_session_new(handle, core.pool(pool), desc, session_out))
  local info = ffi.new 'anet_plan_info'
  C.anet_plan_read(C.anet_ladder_plan(handle, 0), info)
  local shape = ffi.new 'anet_shape'
  core.check(C.anet_plan_output_shape(C.anet_ladder_plan(handle, 0), 0, shape))
  return setmetatable({
    handle = take_session(), ladder = ladder, out = tensor.new{info.batch, unpack(core.dims(shape))},
  }, Session)
end

-- Serve one frame, an f32 tensor (n, h, w, c). The answer is overwritten by the next frame.
---@return anet.Tensor
function Session:run(images)
  core.check(C.anet_session_run(self.handle, ffi.cast('const float *', images:data()), self.out:data(), images:dim(1)))
  return self.out
end

-- What the session sees of its world; see anet_state in the header.
function Session:state()
  core.check(C.anet_session_read(self.handle, state))
  return {
    budget_ms = state.budget_ms, rung = state.rung + 1, rungs = state.rungs, frames = state.frames,
    frames_on_rung = state.frames_on_rung, last_ms = state.last_ms, mean_ms = state.mean_ms, p50_ms = state.p50_ms,
    p90_ms = state.p90_ms, p99_ms = state.p99_ms, slowdown = state.slowdown, late = state.late, load = state.load,
    free_bytes = state.free_bytes, temperature = state.temperature, battery = state.battery,
    time_left_ms = state.time_left_ms, drift = state.drift,
  }
end

-- The next frame runs on rung i.
function Session:switch(i)
  core.check(C.anet_session_switch(self.handle, i - 1))
  return self
end

function Session:budget(ms)
  core.check(C.anet_session_budget(self.handle, ms))
  return self
end

function Session:__tostring()
  local s = self:state()
  return ('session on rung %d of %d, %.3f ms of %.3f ms'):format(s.rung, s.rungs, s.p50_ms, s.budget_ms)
end

return M
