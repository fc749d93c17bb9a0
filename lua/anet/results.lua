-- What a report is made of: the results of a search or a demo, which may come from a stranger's file, checked and in order.
local M = {}

-- Figures beyond these are no measurements, and would not find room.
local LEAST_MS, MOST = 1e-9, 1e12

local function number(v)
  if type(v) == 'number' and math.abs(v) <= MOST then return v end
end

local function list(v) return type(v) == 'table' and v or {} end

local function words(v) return type(v) == 'string' and v or nil end

-- Accuracy on the images of the search and on test images. Where there is but one it is `score`, as the cloud's.
local function accuracies(r)
  local score, test, other = number(r.score), number(r.test_accuracy), number(r.accuracy)
  if score and not test and other ~= score then test = other end
  return score or other or test, test
end

local function rung_of(r)
  r = list(r)
  local score, test = accuracies(r)
  local ms, genome = number(r.measured_ms), words(r.genome)
  if not ms or ms < LEAST_MS or not genome then return nil end
  return {genome = genome, ms = ms, predicted_ms = number(r.predicted_ms), ratio = number(r.ratio), score = score, test = test}
end

-- The oracle: the rung that is told to take all of its time, else as results say, else the slowest.
local function oracle_of(results, rungs)
  for _, r in ipairs(rungs) do
    if r.ratio == 1 then return r end
  end
  local said = list(results.oracle)
  local score, test = accuracies(said)
  local ms = number(said.ms)
  if ms and ms >= LEAST_MS then return {ms = ms, score = score, test = test} end
  return rungs[#rungs]
end

-- Rungs, the fastest first, with their share of the oracle's time and accuracy.
local function rungs_of(results)
  local rungs = {}
  for i, r in ipairs(list(results.ladder)) do
    rungs[i] = rung_of(r)
    if not rungs[i] then return nil, ('rung %d of the ladder has no genome or no measured_ms above 0'):format(i) end
  end
  if #rungs == 0 then return nil, 'the ladder has no rungs' end
  table.sort(rungs, function(a, b)
    if a.ms ~= b.ms then return a.ms < b.ms end
    return a.genome < b.genome
  end)
  local oracle = oracle_of(results, rungs)
  for i, r in ipairs(rungs) do
    r.number, r.ratio = i, r.ms / oracle.ms
    local own, all = r.test, oracle.test
    if not own or not all then own, all = r.score, oracle.score end
    r.retained = own and all and all > 0 and own / all or nil
  end
  return rungs, nil, oracle
end

local function cloud_of(results)
  local cloud = {}
  for _, p in ipairs(list(results.cloud)) do
    local ms, accuracy = number(list(p)[1]), number(list(p)[2])
    if ms and accuracy then cloud[#cloud + 1] = {ms, accuracy} end
  end
  return cloud
end

local FIGURES = {'budget_ms', 'frames', 'late_frames', 'switches', 'recovered_frames', 'recovered_ms', 'accuracy', 'failures'}

-- The stream of a demo; nil where there was none.
local function adapt_of(results)
  if type(results.adapt) ~= 'table' then return nil end
  local adapt, frames = {trace = {}, phases = {}}, 0
  for _, key in ipairs(FIGURES) do adapt[key] = number(results.adapt[key]) end
  for _, t in ipairs(list(results.adapt.trace)) do
    local frame, ms = number(list(t).frame), number(list(t).ms)
    if frame and ms and frame > frames then -- in order
      adapt.trace[#adapt.trace + 1] = {frame = frame, ms = ms, rung = number(t.rung), load = number(t.load) or 0}
      frames = frame
    end
  end
  for _, p in ipairs(list(results.adapt.phases)) do
    local phase = {}
    for _, key in ipairs{'from', 'to', 'load', 'median_ms', 'late', 'rung'} do phase[key] = number(list(p)[key]) end
    if phase.from and phase.to then adapt.phases[#adapt.phases + 1] = phase end
  end
  return adapt
end

local function numbers(t)
  local plain = {}
  for key, value in pairs(list(t)) do plain[key] = number(value) end
  return plain
end

-- {model, machine, oracle = {ms, score, test}, rungs = {{number, genome, ms, predicted_ms, ratio, score, test, retained}, …}, cloud =
-- {{ms, score}, …}, adapt, supernet, profile, search, measure = 'accuracy' or 'agreement' (with the oracle, where there are no labels)}: what is missing is nil, what is there is of its type. nil and a message where there
-- is nothing to show.
---@return table? results, string? message
function M.read(results)
  local rungs, message, oracle = rungs_of(results)
  if not rungs then return nil, message end
  local supernet = numbers(results.supernet)
  supernet.subnets = supernet.subnets or words(list(results.supernet).subnets)
  return {model = words(results.model), machine = words(results.machine), rungs = rungs, oracle = oracle, cloud = cloud_of(results),
          adapt = adapt_of(results), supernet = supernet, profile = numbers(results.profile), search = numbers(results.search),
          measure = results.labelled == false and 'agreement' or 'accuracy', has_test = oracle.test ~= nil or rungs[1].test ~= nil}
end

return M
