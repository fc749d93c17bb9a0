-- Results for people: PNG plots and one self-contained HTML page, from the tables that search, adapt
-- and demo produce.
--
--   results = {model =, oracle = {accuracy, ms}, ladder = {{genome, measured_ms, accuracy, …}},
--              cloud = {{ms, accuracy}, …}, adapt = {budget_ms, trace = {{frame, ms, rung, load}, …}}}
local plot = require 'anet.plot'

local M = {}

-- ---- plots ------------------------------------------------------------------------------------------

-- Accuracy against latency: the ladder, the oracle, and what else was evaluated.
function M.front_plot(results)
  local ladder = {}
  for i, rung in ipairs(results.ladder) do ladder[i] = {rung.measured_ms, 100 * rung.accuracy} end
  table.sort(ladder, function(a, b) return a[1] < b[1] end)
  local series = {}
  if results.cloud and #results.cloud > 0 then
    local points = {}
    for i, p in ipairs(results.cloud) do points[i] = {p[1], 100 * p[2]} end
    series[#series + 1] = {name = 'evaluated', kind = 'points', points = points, radius = 2, alpha = 0.35,
                           colour = {0.45, 0.47, 0.52}}
  end
  series[#series + 1] = {name = 'ladder', kind = 'line', marks = true, points = ladder,
                         colour = {0.00, 0.45, 0.70}}
  series[#series + 1] = {name = 'oracle', kind = 'points', radius = 6, colour = {0.84, 0.37, 0.00},
                         points = {{results.oracle.ms, 100 * results.oracle.accuracy}}}
  return {
    title = 'Accuracy against latency', series = series,
    x = {label = 'latency end to end, ms'}, y = {label = 'accuracy, %'},
  }
end

-- Stretches of the trace in which other processes were busy.
local function load_bands(trace)
  local bands, from = {}, nil
  for i, t in ipairs(trace) do
    local busy = (t.load or 0) > 0
    if busy and not from then from = i end
    if from and (not busy or i == #trace) then
      bands[#bands + 1] = {trace[from].frame, t.frame, trace[from].load .. ' busy processes'}
      from = nil
    end
  end
  return bands
end

-- Latency, budget and rung, frame by frame.
function M.trace_plot(adapt)
  local ms, budget, rung = {}, {}, {}
  for i, t in ipairs(adapt.trace) do
    ms[i] = {t.frame, t.ms}
    budget[i] = {t.frame, adapt.budget_ms}
    rung[i] = {t.frame, t.rung}
  end
  local most = adapt.budget_ms
  local sorted = {}
  for i, p in ipairs(ms) do sorted[i] = p[2] end
  table.sort(sorted)
  most = math.max(most * 1.6, sorted[math.ceil(#sorted * 0.99)] * 1.1) -- single spikes may leave the page
  return {
    title = 'Adaptation to load', bands = load_bands(adapt.trace),
    x = {label = 'frame'}, y = {label = 'latency, ms', low = 0, high = most}, y2 = {label = 'rung (1 = fastest)', low = 0},
    series = {
      {name = 'latency', kind = 'line', points = ms, width = 1, colour = {0.00, 0.45, 0.70}},
      {name = 'budget', kind = 'line', points = budget, dashed = true, colour = {0.84, 0.37, 0.00}},
      {name = 'rung', kind = 'step', points = rung, axis = 2, colour = {0.00, 0.62, 0.45}},
    },
  }
end

-- ---- the page -----------------------------------------------------------------------------------------

local STYLE = [[
body{font:15px/1.5 system-ui,sans-serif;color:#262a33;max-width:980px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2rem}
p.sub{color:#6b7080;margin-top:0}table{border-collapse:collapse;width:100%}
th,td{text-align:right;padding:.3rem .6rem;border-bottom:1px solid #e6e8ec}
th:first-child,td:first-child{text-align:left;font-family:ui-monospace,monospace}
th{color:#6b7080;font-weight:600}svg{width:100%;height:auto}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.8rem}
dt{color:#6b7080;font-size:.85rem}dd{margin:0;font-size:1.25rem}
]]

local function escape(value)
  return (tostring(value):gsub('[&<>"]', {['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;', ['"'] = '&quot;'}))
end

local function row(tag, cells)
  local list = {}
  for i, cell in ipairs(cells) do list[i] = ('<%s>%s</%s>'):format(tag, escape(cell), tag) end
  return '<tr>' .. table.concat(list) .. '</tr>'
end

local function ladder_table(results)
  local rows = {row('th', {'genome', 'predicted ms', 'measured ms', '% of oracle', 'accuracy %', 'retained %'})}
  for _, r in ipairs(results.ladder) do
    rows[#rows + 1] = row('td', {
      r.genome, ('%.3f'):format(r.predicted_ms), ('%.3f'):format(r.measured_ms),
      ('%.1f'):format(100 * r.measured_ms / results.oracle.ms), ('%.2f'):format(100 * r.accuracy),
      ('%.2f'):format(100 * r.accuracy / results.oracle.accuracy),
    })
  end
  return '<table>' .. table.concat(rows) .. '</table>'
end

local function figures(results)
  local list = {}
  local function add(name, format, value)
    if value then list[#list + 1] = ('<div><dt>%s</dt><dd>%s</dd></div>'):format(name, escape(format:format(value))) end
  end
  add('oracle accuracy', '%.2f %%', 100 * results.oracle.accuracy)
  add('oracle latency', '%.3f ms', results.oracle.ms)
  if results.supernet then
    add('options', '%d', results.supernet.options)
    add('subnets', '%s', results.supernet.subnets)
  end
  if results.profile then
    add('prediction error, median', '%.1f %%', 100 * results.profile.median_error)
    add('prediction error, 95 %', '%.1f %%', 100 * results.profile.p95_error)
  end
  if results.search then
    add('search', '%.1f s', results.search.seconds)
    add('subnets evaluated', '%d', results.search.evaluated)
    add('work saved by prefixes', '%.0f %%', 100 * results.search.saving)
  end
  if results.adapt then
    add('late frames', '%d', results.adapt.late_frames)
    add('switches', '%d', results.adapt.switches)
  end
  return '<dl>' .. table.concat(list) .. '</dl>'
end

-- The page as text; nil, message, code where the plots cannot be drawn.
function M.html(results)
  local front, message, code = plot.svg(M.front_plot(results))
  if not front then return nil, message, code end
  local parts = {
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    '<title>anet: ', escape(results.model or 'report'), '</title><style>', STYLE, '</style>',
    '<h1>', escape(results.model or 'anet report'), '</h1><p class="sub">', escape(results.machine or ''), '</p>',
    figures(results), '<h2>Accuracy against latency</h2>', front, '<h2>Ladder</h2>', ladder_table(results),
  }
  if results.adapt and results.adapt.trace then
    parts[#parts + 1] = '<h2>Adaptation</h2>' .. (plot.svg(M.trace_plot(results.adapt)) or '')
  end
  return table.concat(parts) .. '</html>\n'
end

-- Write front.png, trace.png (where there is a trace) and report.html into a folder that exists.
---@return string[]? paths, string? message, string? code
function M.save(results, folder)
  local paths = {folder .. '/front.png'}
  local ok, message, code = plot.save(M.front_plot(results), paths[1])
  if ok and results.adapt and results.adapt.trace then
    paths[#paths + 1] = folder .. '/trace.png'
    ok, message, code = plot.save(M.trace_plot(results.adapt), paths[#paths])
  end
  local page = ok and nil
  if ok then page, message, code = M.html(results) end
  if not page then return nil, message, code end
  paths[#paths + 1] = folder .. '/report.html'
  local file, why = io.open(paths[#paths], 'w')
  if not file then return nil, why, 'io' end
  file:write(page)
  file:close()
  return paths
end

return M
