-- The report as one HTML page: nothing outside of it is fetched, no scripts, light and dark, for screens from 320 pixels on and for paper.
local chart = require 'anet.chart'
local html = require 'anet.html'
local text = require 'anet.text'

local M = {}

local STYLE = [[
:root{color-scheme:light dark;--paper:#fff;--card:#f6f7f9;--ink:#1c2128;--soft:#575f6d;--rule:#e2e5ea;
--ladder:#0067b1;--oracle:#b94700;--cloud:#8a93a3;--rung:#00784f;--busy:#e69f0029}
@media (prefers-color-scheme:dark){:root{--paper:#13161b;--card:#1b1f26;--ink:#e7eaef;--soft:#a4adbb;--rule:#2c323c;
--ladder:#5fb4f5;--oracle:#f28d52;--cloud:#7f8999;--rung:#3cc693;--busy:#e69f0033}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;
font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}
main{max-width:60rem;margin:0 auto;padding:clamp(1.25rem,4vw,3rem) clamp(1rem,4vw,2rem)}
header p{margin:0;color:var(--soft);font-size:.875rem;overflow-wrap:anywhere}
h1{margin:.1rem 0 .25rem;font-size:clamp(1.35rem,4vw,1.9rem);line-height:1.2;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{margin:0;font-size:1.15rem;line-height:1.3}
section,figure{margin:2.5rem 0 0}figure+section.of{margin-top:.25rem}
.lead{margin:1.25rem 0 0;font-size:clamp(1.05rem,2.4vw,1.2rem);max-width:46rem}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(9.5rem,100%),1fr));gap:.75rem;margin:1.5rem 0 0}
dl div{background:var(--card);border-radius:.6rem;padding:.6rem .8rem;min-width:0}
dt{color:var(--soft);font-size:.8125rem;line-height:1.3}
dd{margin:.15rem 0 0;font-size:1.2rem;line-height:1.3;overflow-wrap:anywhere}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;margin:.4rem 0 0;padding:0;list-style:none;color:var(--soft);font-size:.875rem}
.legend i{display:inline-block;width:1.1rem;height:.2rem;margin-right:.45rem;border-radius:.1rem;vertical-align:middle;background:currentColor}
.legend .points{width:.6rem;height:.6rem;border-radius:50%}
.legend .band{width:1.1rem;height:.8rem;background:var(--busy)}
.legend .ladder i{color:var(--ladder)}.legend .oracle i{color:var(--oracle)}.legend .cloud i{color:var(--cloud)}.legend .rung i{color:var(--rung)}
.plot{height:25rem;padding:2.6rem 1rem 3.2rem 2.9rem}.plot.two{padding-right:2.4rem}
.plot svg{display:block}.plot>svg{overflow:visible}
.grid{stroke:var(--rule);stroke-width:1}.band{fill:var(--busy)}
.tick,.label{font-size:12px;fill:var(--soft)}.label{fill:var(--ink)}
.middle{text-anchor:middle}.end{text-anchor:end}
path{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round;stroke-linecap:round;vector-effect:non-scaling-stroke}
path.points{stroke-width:5;opacity:.75}.two path.line{stroke-width:1.4}path.step{stroke-width:1.5}
.plot .ladder{color:var(--ladder)}.plot .oracle{color:var(--oracle)}.plot .cloud{color:var(--cloud)}.plot .rung{color:var(--rung)}
path.oracle{stroke-dasharray:6 5}
.mark{fill:currentColor;stroke:var(--paper);stroke-width:1.5}
.scroll{overflow-x:auto}
table{width:100%;margin-top:.75rem;border-collapse:collapse;font-size:clamp(.8125rem,2.4vw,.9375rem);line-height:1.35}
th,td{padding:.5rem 0 0 .6rem;text-align:right;vertical-align:bottom;font-weight:inherit}
th:first-child,td:first-child{padding-left:0;text-align:left}
thead th{color:var(--soft);font-size:.8125rem;padding-bottom:.35rem}
tbody th{font-weight:600;white-space:nowrap}tbody .long{white-space:normal}
tbody{border-top:1px solid var(--rule)}
tbody tr:last-child>*{padding-bottom:.5rem}
.genome td{padding-top:.1rem;text-align:left;color:var(--soft);font:.8125rem/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
overflow-wrap:anywhere}
.note{margin:.75rem 0 0;color:var(--soft);font-size:.875rem;max-width:46rem}
@media (max-width:34rem){.plot{height:19rem}.minor{display:none}th,td{padding-left:.35rem}thead th{font-size:.75rem}}
@media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--rule:#ccc;
--ladder:#0067b1;--oracle:#b94700;--cloud:#8a93a3;--rung:#00784f;--busy:#e69f0029}
body{font-size:10.5pt}main{max-width:none;padding:0}dl div{border:1px solid var(--rule)}
figure,tbody,dl div{break-inside:avoid}h2{break-after:avoid}.plot{height:9cm}path,.mark,.band,i{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
]]

-- ---- figures ------------------------------------------------------------------------------------------

local SPACE = '\226\128\175' -- narrow, no line ends at it

local function percent(share, digits) return share and html.number(100 * share, digits or 2) .. SPACE .. '%' end

local function ms(value) return value and html.number(value, html.digits(value)) .. SPACE .. 'ms' end

-- {name, value} pairs as tiles; those without a value are left out.
local function tiles(pairs_of)
  local list = {}
  for _, item in ipairs(pairs_of) do
    if item[2] then list[#list + 1] = ('<div><dt>%s</dt><dd>%s</dd></div>'):format(html.escape(item[1]), html.escape(item[2])) end
  end
  return #list > 0 and '<dl>' .. table.concat(list) .. '</dl>' or ''
end

-- What there is to know in a sentence.
local function lead(results)
  local first, oracle = results.rungs[1], results.oracle
  local which = #results.rungs == 1 and 'The only rung' or ('The fastest of %d rungs'):format(#results.rungs)
  local kept = first.retained and (', and keeps %s of its %s'):format(percent(first.retained, 1), results.has_test and 'accuracy' or results.measure) or ''
  return ('<p class="lead">%s takes %s, %s of the oracle’s %s%s.</p>'):format(which, ms(first.ms), percent(first.ratio, 1),
    ms(oracle.ms), kept)
end

local function overview(results)
  local s, p, e = results.supernet, results.profile, results.search
  return tiles{
    {'latency of the oracle', ms(results.oracle.ms)},
    {results.has_test and 'its test accuracy' or 'its ' .. results.measure, percent(results.oracle.test or results.oracle.score)},
    {'options', s.options and html.count(s.options)}, {'subnets', s.subnets and html.count(s.subnets)},
    {'subnets evaluated', e.evaluated and html.count(e.evaluated)}, {'search', e.seconds and text.duration(e.seconds)},
    {'work saved by prefixes', percent(e.saving, 0)},
    {'error of predictions, median', percent(p.median_error, 1)}, {'error of predictions, 95' .. SPACE .. '%', percent(p.p95_error, 1)},
  }
end

-- ---- tables -------------------------------------------------------------------------------------------

local function most(rows, key)
  local value = 0
  for _, r in ipairs(rows) do value = math.max(value, math.abs(r[key] or 0)) end
  return value
end

-- Columns {key, head, scale, digits} of which some row has a figure; the first names the row.
local function columns_of(rows, columns)
  local list = {}
  for _, c in ipairs(columns) do
    if c.always or most(rows, c[1]) > 0 then list[#list + 1] = c end
  end
  return list
end

local function class_of(column) return column.minor and ' class="minor"' or '' end

local function head(columns)
  local cells = {}
  for i, c in ipairs(columns) do cells[i] = ('<th scope="col"%s>%s</th>'):format(class_of(c), html.escape(c[2])) end
  return '<thead><tr>' .. table.concat(cells) .. '</tr></thead>'
end

local function line(row, columns)
  local cells = {}
  for i, c in ipairs(columns) do
    local value = row[c[1]]
    local cell = type(value) == 'string' and value or html.number(value and c[3] * value, c[4])
    cells[i] = i == 1 and ('<th scope="row"%s>%s</th>'):format(#cell > 16 and ' class="long"' or '', cell) or ('<td%s>%s</td>'):format(class_of(c), cell)
  end
  return '<tr>' .. table.concat(cells) .. '</tr>'
end

-- Every rung has two lines: its figures, and its genome, which may be long.
local function ladder_table(results)
  local rows = results.rungs
  local columns = columns_of(rows, {
    {'number', 'rung', 1, 0}, {'ms', 'ms', 1, html.digits(most(rows, 'ms'))},
    {'predicted_ms', 'predicted ms', 1, html.digits(most(rows, 'predicted_ms')), minor = results.has_test},
    {'ratio', '% of oracle', 100, 1}, {'score', results.has_test and 'score %' or results.measure .. ' %', 100, 2},
    {'test', 'test accuracy %', 100, 2}, {'retained', 'retained %', 100, 2},
  })
  local parts = {head(columns)}
  for _, r in ipairs(rows) do
    parts[#parts + 1] = ('<tbody>%s<tr class="genome"><td colspan="%d"><bdi>%s</bdi></td></tr></tbody>'):format(line(r, columns), #columns,
      html.escape(r.genome))
  end
  return '<div class="scroll"><table>' .. table.concat(parts, '\n') .. '</table></div>'
end

local function phases_table(phases)
  if #phases == 0 then return '' end
  for _, p in ipairs(phases) do p.name = html.number(p.from) .. '–' .. html.number(p.to) end
  local columns = columns_of(phases, {
    {'name', 'frames', 1, 0, always = true}, {'load', 'busy processes', 1, 0, always = true},
    {'median_ms', 'median ms', 1, html.digits(most(phases, 'median_ms'))}, {'late', 'late', 1, 0, always = true},
    {'rung', 'rung at the end', 1, 0},
  })
  local lines = {}
  for i, p in ipairs(phases) do lines[i] = '<tbody>' .. line(p, columns) .. '</tbody>' end
  return '<div class="scroll"><table>' .. head(columns) .. table.concat(lines) .. '</table></div>'
end

-- ---- the page -----------------------------------------------------------------------------------------

local function figure(p, id)
  return ('<figure><h2>%s</h2>%s<div class="plot%s">%s</div></figure>'):format(html.escape(p.title), chart.legend(p), p.y2 and ' two' or '',
    chart.svg(p, id))
end

local function adaptation(adapt, plot)
  if not adapt then return '' end
  local facts = tiles{
    {'frames', adapt.frames and html.count(adapt.frames)}, {'budget', ms(adapt.budget_ms)},
    {'late frames', adapt.late_frames and html.count(adapt.late_frames)}, {'switches', adapt.switches and html.count(adapt.switches)},
    {'back under the budget after', adapt.recovered_frames and html.count(adapt.recovered_frames) .. ' frames'},
    {'accuracy of the stream', percent(adapt.accuracy)},
    {'failures of the policy', (adapt.failures or 0) > 0 and html.count(adapt.failures) or nil},
  }
  if not plot then return '<section><h2>Adaptation to load</h2>' .. facts .. '</section>' end
  return figure(plot, 'trace') .. '<section class="of">' .. phases_table(adapt.phases) .. facts .. '</section>'
end

local function base_name(path) return path and path:match '[^/]*$' ~= '' and path:match '[^/]*$' or 'report' end

local function header(model, machine)
  local parts = {'<header><p>anet report</p><h1><bdi>' .. html.escape(base_name(model)) .. '</bdi></h1>'}
  for _, line_of in ipairs{model and model:find '/' and model or '', machine or ''} do
    if line_of ~= '' then parts[#parts + 1] = '<p><bdi>' .. html.escape(line_of) .. '</bdi></p>' end
  end
  return table.concat(parts) .. '</header>'
end

-- What the ladder's columns mean where that is not plain.
local function note(results)
  if not results.has_test then return '' end
  return '<p class="note">Scores are of the images of the search, as the picture; test accuracy and what is retained of it of images that nothing was chosen by.</p>'
end

-- The page. results: of anet.results; front, trace: plots as anet.report describes them, trace may be nil.
---@return string
function M.html(results, front, trace)
  return table.concat({
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">\n<meta name="color-scheme" content="light dark">',
    '<title>' .. html.escape(base_name(results.model)) .. ' – anet</title>\n<style>\n' .. STYLE .. '</style>\n</head>\n<body>\n<main>',
    header(results.model, results.machine),
    lead(results), overview(results), figure(front, 'front'),
    '<section><h2>Ladder</h2>' .. ladder_table(results) .. note(results) .. '</section>', adaptation(results.adapt, trace),
    '</main>\n</body>\n</html>\n',
  }, '\n')
end

return M
