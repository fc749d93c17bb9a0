-- Results for people: PNG plots and one self-contained HTML page, from the tables that search, adapt
-- and demo produce.
--
--   results = {model =, machine =, oracle = {ms, accuracy, test_accuracy}, cloud = {{ms, score}, …},
--              ladder = {{genome, predicted_ms, measured_ms, score, test_accuracy}, …},
--              adapt = {budget_ms, trace = {{frame, ms, rung, load}, …}, …}, supernet =, profile =, search =,
--              labelled = false where scores are of agreement with the oracle}
local core = require 'anet.core'
local host = require 'anet.host'
local page = require 'anet.page'
local plot = require 'anet.plot'
local reader = require 'anet.results'

local M = {}

-- Okabe and Ito's colours, told apart by colour-blind eyes too.
local BLUE, VERMILLION, GREEN, GREY = {0.00, 0.45, 0.70}, {0.84, 0.37, 0.00}, {0.00, 0.62, 0.45}, {0.45, 0.47, 0.52}

-- ---- plots ------------------------------------------------------------------------------------------

-- What the accuracies of a plot are of.
local function accuracy_label(results)
  return results.measure .. (results.has_test and ' on the images of the search, %' or ', %')
end

local function about(name, item)
  return ('%s: %.3f ms, %.2f %%'):format(name, item.ms, 100 * item.score)
end

-- Rungs and oracle as points {ms, %} with a text each.
local function points_of(items, name)
  local points, names = {}, {}
  for _, item in ipairs(items) do
    if item.score then
      points[#points + 1] = {item.ms, 100 * item.score}
      names[#names + 1] = about(name:format(item.number), item)
    end
  end
  return points, names
end

local function front_summary(results)
  local first, last = results.rungs[1], results.rungs[#results.rungs]
  return ('%d rungs from %.3f to %.3f ms, beside the oracle at %.3f ms and %d other subnets that were evaluated. The table below has their figures.')
           :format(#results.rungs, first.ms, last.ms, results.oracle.ms, #results.cloud)
end

-- Accuracy against latency: the ladder, the oracle, and what else was evaluated; all on the same images.
function M.front_plot(results)
  local cloud = {}
  for i, p in ipairs(results.cloud) do cloud[i] = {p[1], 100 * p[2]} end
  local rungs, rung_names = points_of(results.rungs, 'rung %d')
  local oracle, oracle_name = points_of({results.oracle}, 'oracle')
  return {
    title = results.measure:gsub('^%l', string.upper) .. ' against latency', summary = front_summary(results),
    x = {label = 'latency, ms'}, y = {label = accuracy_label(results), most = 100},
    series = {
      {name = 'evaluated', class = 'cloud', kind = 'points', points = cloud, radius = 2, alpha = 0.35, colour = GREY},
      {name = 'ladder', class = 'ladder', kind = 'line', marks = true, points = rungs, names = rung_names, colour = BLUE},
      {name = 'oracle', class = 'oracle', kind = 'points', points = oracle, names = oracle_name, radius = 6, colour = VERMILLION},
    },
  }
end

-- Stretches of the trace in which other processes were busy.
local function load_bands(trace)
  local bands, from, least, most = {}, nil, math.huge, 0
  for i, t in ipairs(trace) do
    if from and t.load ~= trace[from].load then
      bands[#bands + 1] = {trace[from].frame, t.frame, ('%d busy processes'):format(trace[from].load)}
      from = nil
    end
    if t.load > 0 then
      from, least, most = from or i, math.min(least, t.load), math.max(most, t.load)
    end
  end
  if from then bands[#bands + 1] = {trace[from].frame, trace[#trace].frame, ('%d busy processes'):format(trace[from].load)} end
  if #bands > 0 then
    bands.name = (least == most and '%d' or '%d to %d'):format(least, most) .. (most == 1 and ' busy process' or ' busy processes')
  end
  return bands
end

-- Single spikes may leave the plot.
local function ceiling(ms, budget)
  local sorted = {}
  for i, p in ipairs(ms) do sorted[i] = p[2] end
  table.sort(sorted)
  return math.max((budget or 0) * 1.6, sorted[math.ceil(#sorted * 0.99)] * 1.1, 1e-3)
end

-- Latency, budget and rung, frame by frame.
function M.trace_plot(adapt)
  local ms, budget, rung, most_rung = {}, {}, {}, 1
  for i, t in ipairs(adapt.trace) do
    ms[i] = {t.frame, t.ms}
    if adapt.budget_ms then budget[i] = {t.frame, adapt.budget_ms} end
    if t.rung then
      rung[#rung + 1], most_rung = {t.frame, t.rung}, math.max(most_rung, t.rung)
    end
  end
  return {
    title = 'Adaptation to load', bands = load_bands(adapt.trace),
    summary = ('Latency and rung of %d frames; the table below sums them up.'):format(#adapt.trace),
    x = {label = 'frame', low = adapt.trace[1].frame - 1, high = adapt.trace[#adapt.trace].frame}, y = {label = 'latency, ms', low = 0, high = ceiling(ms, adapt.budget_ms)},
    y2 = #rung > 0 and {label = 'rung (1 = fastest)', low = 0.5, high = most_rung + 0.5, whole = true} or nil,
    series = {
      {name = 'latency', class = 'ladder', kind = 'line', points = ms, width = 1, colour = BLUE},
      {name = 'budget', class = 'oracle', kind = 'line', points = budget, dashed = true, colour = VERMILLION},
      {name = 'rung', class = 'rung', kind = 'step', points = rung, axis = 2, colour = GREEN},
    },
  }
end

-- ---- files --------------------------------------------------------------------------------------------

local function has_trace(results) return results.adapt and #results.adapt.trace > 0 end

-- The page as text; nil and a message where the results have no ladder to show.
---@return string? page, string? message
function M.html(results)
  local read, message = reader.read(results)
  if not read then return nil, message, 'format' end
  return page.html(read, M.front_plot(read), has_trace(read) and M.trace_plot(read.adapt) or nil)
end

-- The PNG files of results; nil, message, code where one cannot be drawn or written.
local function save_plots(read, folder)
  local plots = {{'/front.png', M.front_plot(read)}, has_trace(read) and {'/trace.png', M.trace_plot(read.adapt)} or nil}
  local paths = {}
  for i, item in ipairs(plots) do
    paths[i] = folder .. item[1]
    local ok, message, code = plot.save(item[2], paths[i])
    if not ok then return nil, message, code end
  end
  return paths
end

-- Write front.png, trace.png (where there is a trace) and report.html into a folder that exists. Without cairo there is the page alone, and
-- a message that says so.
---@return string[]? paths, string? message, string? code
function M.save(results, folder)
  local read, message, code = reader.read(results)
  if not read then return nil, message, 'format' end
  local paths
  paths, message, code = save_plots(read, folder)
  if not paths and code ~= 'absent' then return nil, message, code end
  paths = paths or {}
  paths[#paths + 1] = folder .. '/report.html'
  core.may_write()
  local ok, why, kind = host.write(paths[#paths], (M.html(results)))
  if not ok then return nil, why, kind end
  core.wrote(paths[#paths])
  return paths, message
end

return M
