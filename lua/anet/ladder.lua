-- Which genomes become the rungs of a ladder: figures in, figures out, no nets.
--
-- Every budget, a share of the oracle's time, has candidates in the order of their merit. It gets the first of them that is
-- measured within it. What is too near to the budget to tell is measured again, twice as long each time, and where that does not
-- settle it either the choice says so. A budget that none of its candidates keeps has none.
local core = require 'anet.core'
local ffi, C = core.ffi, core.C

local M = {}

local MOST_MEASURED = 8 -- candidates a budget
local MOST_REPEATS = 3  -- of measuring one candidate
local FINE = 0.001      -- an error of ratios below which nothing is measured again
-- A candidate that was over its budget tells how wrong predictions are there: those that would be over by this much too are left out.
local SLACK = 1.005

-- ---- choosing ------------------------------------------------------------------------------------------

-- 'within', 'over', or nil where that cannot be told.
local function judge(figures, share)
  local unsure = figures.error > FINE and figures.error or 0
  if figures.ratio + unsure <= share then return 'within' end
  if figures.ratio - unsure > share then return 'over' end
end

-- The best candidate of a budget that was not measured for it yet; nil: there is none.
local function next_candidate(state)
  if state.measured >= MOST_MEASURED then return nil end
  for _, candidate in ipairs(state.candidates(state.limit)) do
    if not state.tried[candidate.genome] then
      state.tried[candidate.genome], state.measured = true, state.measured + 1
      return candidate
    end
  end
end

local function pass_over(state, figures)
  state.limit = math.min(state.limit, state.candidate.predicted * state.share / figures.ratio * SLACK)
  state.nearest = math.min(state.nearest, figures.ratio)
  state.candidate = next_candidate(state)
end

local function settle(state, settled)
  state.done, state.settled = true, settled
end

-- Budgets in ms are shares of the oracle's time as it is measured.
local function fix_shares(states, fixed, oracle_ms)
  for b, state in ipairs(states) do state.share = fixed and fixed[b] and fixed[b] / oracle_ms or state.share end
end

-- What a budget makes of what was measured so far: done, or wants its candidate measured (again).
local function advance(state, known)
  while state.candidate and not state.done do
    local figures = known[state.candidate.genome]
    if not figures then return end
    local verdict = judge(figures, state.share)
    if not verdict and figures.times < MOST_REPEATS then return end
    if verdict == 'over' or (not verdict and figures.ratio > state.share) then
      pass_over(state, figures)
    else
      settle(state, verdict ~= nil)
    end
  end
  state.done = true
end

-- Measure what the budgets want, the oracle first.
local function measure_wanted(states, known, oracle, measure, rounds)
  local wanted, listed, times = {oracle}, {[oracle] = true}, 0
  for _, state in ipairs(states) do
    local genome = not state.done and state.candidate.genome
    if genome and not listed[genome] then
      listed[genome] = true
      wanted[#wanted + 1] = genome
      times = math.max(times, known[genome] and known[genome].times or 0)
    end
  end
  if #wanted == 1 and known[oracle] then return false end
  local figures = measure(wanted, {rounds = rounds * 2 ^ times})
  for i, genome in ipairs(wanted) do
    local before = known[genome]
    known[genome] = {ms = figures[i].ms, ratio = figures[i].ratio, error = figures[i].error,
                     times = (before and before.times or 0) + 1}
    -- Others can only slow it down.
    if i == 1 and before then known[genome].ms = math.min(before.ms, figures[1].ms) end
  end
  return true
end

local function begin(shares, candidates)
  local states = {}
  for b, share in ipairs(shares) do
    local state = {share = share, candidates = function(limit) return candidates(b, limit) end, limit = math.huge, tried = {},
                   measured = 0, nearest = math.huge}
    state.candidate = next_candidate(state)
    states[b] = state
  end
  return states
end

-- Choose for each budget. shares: of the oracle's time; candidates(b, limit): {{genome, predicted (a share)}, …} for budget b, the best
-- first, none predicted above the limit; oracle: its genome; measure(genomes, {rounds}): {{ms, ratio, error}, …} of genomes of which the
-- first is the oracle: error is how far off the ratio to it may be. options: rounds; fixed: {[b] = ms} of budgets that are times,
-- whatever the oracle's. Returns one choice a budget, {share, genome (nil: no candidate keeps it), settled, measured (how many were),
-- nearest (the least ratio of those that were over)}, and what was measured: {[genome] = {ms, ratio, error, times}}, the oracle's
-- among it.
function M.choose(shares, candidates, oracle, measure, options)
  local states, known, choices = begin(shares, candidates), {}, {}
  repeat
    if known[oracle] then fix_shares(states, options.fixed, known[oracle].ms) end
    for _, state in ipairs(states) do advance(state, known) end
  until not measure_wanted(states, known, oracle, measure, options.rounds)
  for b, state in ipairs(states) do
    choices[b] = {share = state.share, genome = state.candidate and state.candidate.genome, settled = state.settled or false,
                  measured = state.measured, nearest = state.nearest < math.huge and state.nearest or nil}
  end
  return choices, known
end

-- ---- order -------------------------------------------------------------------------------------------------

-- Rungs {measured_ms, score, …} fastest first, without those that are dominated: anet_rung_order decides.
function M.arrange(rungs)
  local faces, order = ffi.new('anet_rung[?]', #rungs), ffi.new('int32_t[?]', #rungs)
  for i, r in ipairs(rungs) do
    faces[i - 1].measured_ms, faces[i - 1].accuracy = r.measured_ms, r.score
  end
  local list = {}
  for i = 1, C.anet_rung_order(faces, #rungs, order) do list[i] = rungs[order[i - 1] + 1] end
  return list
end

return M
