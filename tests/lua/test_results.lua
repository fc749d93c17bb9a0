-- What a report is made of, and the plots, tiles and tables that show it.
local test = dofile 'tests/support/test.lua'
local command = dofile 'tests/support/command.lua'
local json = require 'anet.json'
local page = require 'anet.page'
local plot = require 'anet.plot'
local reader = require 'anet.results'
local recorder = dofile 'tests/support/recorder.lua'
local report = require 'anet.report'

local SPACE = '\226\128\175'

local function rung(genome, ms, fields)
  local r = {genome = genome, measured_ms = ms}
  for key, value in pairs(fields or {}) do r[key] = value end
  return r
end

-- A ladder of two rungs and the oracle, which is among them.
local function results(change)
  local all = {
    model = 'models/my.anet', machine = 'CPU/1',
    ladder = {rung('00', 4, {ratio = 1, score = 0.9, test_accuracy = 0.8, predicted_ms = 4.1}),
              rung('1-', 1, {ratio = 0.25, score = 0.45, test_accuracy = 0.6, predicted_ms = 1.02}),
              rung('2-', 2.5, {ratio = 0.6, score = 0.855, test_accuracy = 0.79, predicted_ms = 2.4})},
    oracle = {ms = 4, accuracy = 0.9, test_accuracy = 0.8}, cloud = {{1.5, 0.3}, {3, 0.7}},
  }
  if change then change(all) end
  return all
end

local function read(change) return assert(reader.read(results(change))) end

local function column(rows, key)
  local list = {}
  for i, r in ipairs(rows) do list[i] = r[key] == nil and 'none' or r[key] end
  return list
end

local function near(got, want)
  test.equal(#got, #want)
  for i, v in ipairs(want) do test.near(got[i], v, 1e-12) end
end

-- ---- reading ------------------------------------------------------------------------------------------------

test.case('rungs are in order, with their share of the oracle', function()
  local r = read()
  test.same(column(r.rungs, 'genome'), {'1-', '2-', '00'})
  test.same(column(r.rungs, 'number'), {1, 2, 3})
  near(column(r.rungs, 'ms'), {1, 2.5, 4})
  near(column(r.rungs, 'predicted_ms'), {1.02, 2.4, 4.1})
  near(column(r.rungs, 'ratio'), {0.25, 0.625, 1}) -- of the times themselves
  near(column(r.rungs, 'score'), {0.45, 0.855, 0.9})
  near(column(r.rungs, 'test'), {0.6, 0.79, 0.8})
  near(column(r.rungs, 'retained'), {0.75, 0.79 / 0.8, 1}) -- of test images where both are known
  test.equal(r.oracle, r.rungs[3])
  test.same({r.model, r.machine, r.measure, r.has_test}, {'models/my.anet', 'CPU/1', 'accuracy', true})
  test.same(column(read(function(all)
    all.ladder[1].measured_ms, all.ladder[1].ratio, all.ladder[2].measured_ms, all.ladder[3].measured_ms = 2, nil, 2, 2
  end).rungs, 'genome'), {'00', '1-', '2-'}) -- as fast: by genome
end)

test.case('what is retained is of the images that both have', function()
  near(column(read(function(all) all.ladder[2].test_accuracy = nil end).rungs, 'retained'), {0.5, 0.79 / 0.8, 1})
  near(column(read(function(all) all.ladder[1].test_accuracy = nil end).rungs, 'retained'), {0.5, 0.95, 1})
  test.equal(read(function(all) all.ladder[1].test_accuracy = nil end).has_test, true)
  test.equal(read(function(all) all.ladder[2].test_accuracy = nil end).has_test, true)
  test.equal(read(function(all) all.ladder, all.oracle = {all.ladder[2]}, {ms = 9} end).rungs[1].retained, nil) -- the oracle's is not known
  local r = read(function(all)
    for _, x in ipairs(all.ladder) do x.test_accuracy = nil end
    all.oracle.test_accuracy = nil
  end)
  near(column(r.rungs, 'retained'), {0.5, 0.95, 1})
  test.equal(r.has_test, false)
  test.equal(read(function(all) all.ladder[1].score, all.ladder[1].test_accuracy = 0, nil end).rungs[1].retained, nil)
  test.equal(read(function(all) for _, x in ipairs(all.ladder) do x.score, x.test_accuracy = nil, nil end end).rungs[1].retained, nil)
  test.equal(read(function(all) for i = 1, 2 do all.ladder[i].test_accuracy = nil end all.oracle.test_accuracy = nil end).has_test, false)
end)

test.case('accuracies by the names that they had', function()
  local function of(fields)
    local r = assert(reader.read{ladder = {rung('0', 1, fields)}}).rungs[1]
    return {r.score or 'none', r.test or 'none'}
  end
  test.same(of{score = 0.5, test_accuracy = 0.4}, {0.5, 0.4})
  test.same(of{score = 0.5, accuracy = 0.4}, {0.5, 0.4}) -- another accuracy is of test images
  test.same(of{score = 0.5, accuracy = 0.5}, {0.5, 'none'})
  test.same(of{score = 0.5, accuracy = 0.3, test_accuracy = 0.4}, {0.5, 0.4})
  test.same(of{accuracy = 0.3}, {0.3, 'none'})
  test.same(of{test_accuracy = 0.4}, {0.4, 0.4})
  test.same(of{accuracy = 0.3, test_accuracy = 0.4}, {0.3, 0.4})
  test.same(of{}, {'none', 'none'})
end)

test.case('the oracle is the rung that takes all of its time, else what is said, else the slowest', function()
  test.equal(read(function(all) all.oracle.ms = 7 end).oracle.ms, 4)
  local r = read(function(all) all.ladder[1].ratio, all.oracle = 0.99, {ms = 8, accuracy = 0.95, test_accuracy = 0.85} end)
  near({r.oracle.ms, r.oracle.score, r.oracle.test}, {8, 0.95, 0.85})
  near(column(r.rungs, 'ratio'), {0.125, 0.3125, 0.5})
  test.equal(read(function(all) all.ladder[1].ratio, all.oracle.ms = nil, 1e-10 end).oracle.genome, '00')
  test.equal(read(function(all) all.ladder[1].ratio, all.oracle.ms = nil, 1e-9 end).oracle.ms, 1e-9)
  test.equal(read(function(all) all.ladder[1].ratio, all.oracle = nil, nil end).oracle.genome, '00')
end)

test.case('figures that are none are left out', function()
  local r = read(function(all)
    all.cloud = {{1, 0.5}, {2}, {'x', 0.1}, 'y', {1e12, -1e12}, {1.1e12, 0}, {0, 0 / 0}}
    all.supernet, all.profile, all.search = {options = 5, subnets = '123', bytes = 'x'}, {median_error = 0.01, p95_error = 'y'}, 3
    all.model, all.machine = 7, {}
  end)
  test.equal(#r.cloud, 2)
  test.same(r.cloud[1], {1, 0.5})
  test.same(r.cloud[2], {1e12, -1e12})
  test.same({r.supernet.options, r.supernet.subnets, r.supernet.bytes or 'none', r.profile.median_error, r.profile.p95_error or 'none'},
            {5, '123', 'none', 0.01, 'none'})
  test.equal(read(function(all) all.supernet = {subnets = 12} end).supernet.subnets, 12)
  test.equal(next(r.search), nil)
  test.same({r.model, r.machine}, {})
  test.equal(read(function(all) all.labelled = false end).measure, 'agreement')
  test.equal(read(function(all) all.labelled = true end).measure, 'accuracy')
end)

test.case('a rung without a time or a genome is named', function()
  for _, bad in ipairs{rung('0', 9e-10), rung('0', 1.1e12), rung('0', '1'), rung(3, 1), rung(nil, 1), 'x'} do
    local r, message = reader.read(results(function(all) all.ladder[2] = bad end))
    test.equal(r, nil)
    test.equal(message, 'rung 2 of the ladder has no genome or no measured_ms above 0')
  end
  test.check(reader.read(results(function(all) all.ladder[2].measured_ms = 1e-9 end)))
  test.same({reader.read{ladder = {}}}, {nil, 'the ladder has no rungs'})
end)

test.case('the stream is in the order of its frames', function()
  local adapt = read(function(all)
    all.adapt = {
      budget_ms = 5, frames = 9, late_frames = 2, switches = 1, recovered_frames = 3, recovered_ms = 30, accuracy = 0.5, failures = 0, seed = 'x',
      trace = {{frame = 1, ms = 2, rung = 3, load = 2}, {frame = 1, ms = 9}, {frame = 3, ms = 4}, {frame = 2, ms = 9}, {frame = 4}, {ms = 4}, 'x', {frame = 5, ms = 6, rung = 'y'}},
      phases = {{from = 1, to = 3, load = 2, median_ms = 3, late = 1, rung = 3}, {from = 4}, {to = 4}, 7},
    }
  end).adapt
  test.same(column(adapt.trace, 'frame'), {1, 3, 5})
  test.same(column(adapt.trace, 'ms'), {2, 4, 6})
  test.same(column(adapt.trace, 'rung'), {3, 'none', 'none'})
  test.same(column(adapt.trace, 'load'), {2, 0, 0})
  test.equal(#adapt.phases, 1)
  local p = adapt.phases[1]
  test.same({p.from, p.to, p.load, p.median_ms, p.late, p.rung}, {1, 3, 2, 3, 1, 3})
  test.same({adapt.budget_ms, adapt.frames, adapt.late_frames, adapt.switches, adapt.recovered_frames, adapt.recovered_ms, adapt.accuracy, adapt.failures, adapt.seed},
            {5, 9, 2, 1, 3, 30, 0.5, 0})
  test.equal(read(function(all) all.adapt = 3 end).adapt, nil)
end)

-- ---- plots ----------------------------------------------------------------------------------------------------

local function points(series)
  local list = {}
  for i, p in ipairs(series.points) do list[i] = ('%g %g'):format(p[1], p[2]) end
  return list
end

test.case('the front has the ladder, the oracle and the rest, in ms and percent', function()
  local p = report.front_plot(read())
  test.same({p.title, p.x.label, p.y.label, p.y.most}, {'Accuracy against latency', 'latency, ms', 'accuracy on the images of the search, %', 100})
  test.equal(p.summary, '3 rungs from 1.000 to 4.000 ms, beside the oracle at 4.000 ms and 2 other subnets that were evaluated. The table below has their figures.')
  test.same(column(p.series, 'name'), {'evaluated', 'ladder', 'oracle'})
  test.same(column(p.series, 'class'), {'cloud', 'ladder', 'oracle'})
  test.same(column(p.series, 'kind'), {'points', 'line', 'points'})
  test.same(points(p.series[1]), {'1.5 30', '3 70'})
  test.same(points(p.series[2]), {'1 45', '2.5 85.5', '4 90'})
  test.same(points(p.series[3]), {'4 90'})
  test.same(p.series[2].names, {'rung 1: 1.000 ms, 45.00 %', 'rung 2: 2.500 ms, 85.50 %', 'rung 3: 4.000 ms, 90.00 %'})
  test.same(p.series[3].names, {'oracle: 4.000 ms, 90.00 %'})
  test.equal(p.series[2].marks, true)
  p = report.front_plot(read(function(all)
    all.labelled, all.ladder[2].score, all.ladder[2].test_accuracy = false, nil, nil
    for _, r in ipairs(all.ladder) do r.test_accuracy = nil end
    all.oracle.test_accuracy = nil
  end))
  test.same({p.title, p.y.label}, {'Agreement against latency', 'agreement, %'})
  test.same(points(p.series[2]), {'2.5 85.5', '4 90'}) -- a rung without a score is in the table alone
  test.same(p.series[2].names, {'rung 2: 2.500 ms, 85.50 %', 'rung 3: 4.000 ms, 90.00 %'})
end)

-- A trace of `loads` by frame, of 2 ms each.
local function trace_of(loads, change)
  local trace = {}
  for i, load in ipairs(loads) do trace[i] = {frame = i, ms = 2, load = load, rung = 1 + i % 3} end
  if change then change(trace) end
  return report.trace_plot{trace = trace, budget_ms = 2.5}
end

local function bands(p)
  local list = {}
  for i, b in ipairs(p.bands) do list[i] = table.concat(b, ' ') end
  return list
end

test.case('stretches of load are bands, by how many processes are busy', function()
  local p = trace_of{0, 2, 2, 0, 3, 1, 0}
  test.same(bands(p), {'2 4 2 busy processes', '5 6 3 busy processes', '6 7 1 busy processes'})
  test.equal(p.bands.name, '1 to 3 busy processes')
  p = trace_of{2, 2, 0, 2}
  test.same(bands(p), {'1 3 2 busy processes', '4 4 2 busy processes'}) -- to the end of the stream
  test.equal(p.bands.name, '2 busy processes')
  test.equal(trace_of{0, 1}.bands.name, '1 busy process')
  test.same(bands(trace_of{0, 0}), {})
end)

test.case('the trace has latency, budget and rung', function()
  local p = trace_of{0, 0, 0, 1}
  test.same({p.title, p.x.label, p.x.low, p.x.high, p.y.label, p.y.low}, {'Adaptation to load', 'frame', 0, 4, 'latency, ms', 0})
  test.equal(p.summary, 'Latency and rung of 4 frames; the table below sums them up.')
  test.near(p.y.high, 4, 1e-12) -- 1.6 budgets
  test.same({p.y2.label, p.y2.low, p.y2.high, p.y2.whole}, {'rung (1 = fastest)', 0.5, 3.5, true})
  test.same(column(p.series, 'name'), {'latency', 'budget', 'rung'})
  test.same(column(p.series, 'kind'), {'line', 'line', 'step'})
  test.same(points(p.series[1]), {'1 2', '2 2', '3 2', '4 2'})
  test.same(points(p.series[2]), {'1 2.5', '2 2.5', '3 2.5', '4 2.5'})
  test.same(points(p.series[3]), {'1 2', '2 3', '3 1', '4 2'})
  test.same({p.series[3].axis, p.series[2].dashed}, {2, true})
  p = trace_of({0, 0}, function(trace) for _, t in ipairs(trace) do t.rung = nil end end)
  test.equal(p.y2, nil)
  p = report.trace_plot{trace = {{frame = 4, ms = 3, load = 0}, {frame = 6, ms = 1, load = 0}}}
  test.same({p.x.low, p.x.high}, {3, 6})
  test.equal(#p.series[2].points, 0)
  test.near(p.y.high, 3.3, 1e-12) -- no budget: by the frames
end)

test.case('single spikes leave the plot, more do not', function()
  local function high(spikes)
    local loads = {}
    for i = 1, 200 do loads[i] = 0 end
    return trace_of(loads, function(trace) for i = 1, spikes do trace[i * 7].ms = 100 end end).y.high
  end
  test.near(high(2), 4, 1e-12)
  test.near(high(3), 110, 1e-12)
  test.near(report.trace_plot{trace = {{frame = 1, ms = 1e-6, load = 0}}}.y.high, 1e-3, 1e-15)
end)

-- ---- the page ---------------------------------------------------------------------------------------------------

-- What the page says, without markup: cells of a row are parted by ' | '.
local function html_of(change) return assert(report.html(results(change))) end

local function cells(row)
  local list = {}
  for cell in row:gmatch '<t[hd][^>]*>(.-)</t[hd]>' do list[#list + 1] = cell end
  return table.concat(list, ' | ')
end

-- The rows of table `n`, head first.
local function table_of(html, n)
  local from = 1
  for _ = 1, n - 1 do from = select(2, html:find('</table>', from, true)) + 1 end
  local rows = {}
  for row in html:match('<table>(.-)</table>', from):gmatch '<tr.->(.-)</tr>' do rows[#rows + 1] = cells(row) end
  return rows
end

local function tiles_of(html)
  local list = {}
  for name, value in html:gmatch '<div><dt>(.-)</dt><dd>(.-)</dd></div>' do list[#list + 1] = name .. ': ' .. value:gsub(SPACE, ' ') end
  return list
end

local function lead(html) return (html:match '<p class="lead">(.-)</p>':gsub(SPACE, ' ')) end

test.case('the ladder as a table has the figures of the results', function()
  local html = html_of()
  test.same(table_of(html, 1), {
    'rung | ms | predicted ms | % of oracle | score % | test accuracy % | retained %',
    '1 | 1.000 | 1.020 | 25.0 | 45.00 | 60.00 | 75.00', '<bdi>1-</bdi>', '2 | 2.500 | 2.400 | 62.5 | 85.50 | 79.00 | 98.75', '<bdi>2-</bdi>',
    '3 | 4.000 | 4.100 | 100.0 | 90.00 | 80.00 | 100.00', '<bdi>00</bdi>'})
  test.mentions(html, '<tr class="genome"><td colspan="7">')
  test.mentions(html, '<p class="note">Scores are of the images of the search')
  test.mentions(html, '<th scope="col" class="minor">predicted ms</th>')
  test.mentions(html, '<td class="minor">1.020</td>')
  html = html_of(function(all)
    for _, r in ipairs(all.ladder) do r.test_accuracy, r.predicted_ms = nil, nil end
    all.oracle.test_accuracy, all.ladder[2].score = nil, nil
    for i, r in ipairs(all.ladder) do r.measured_ms = r.measured_ms * 10 end
    all.oracle.ms = 40
  end)
  test.same(table_of(html, 1), {
    'rung | ms | % of oracle | accuracy % | retained %', '1 | 10.00 | 25.0 | – | –', '<bdi>1-</bdi>', '2 | 25.00 | 62.5 | 85.50 | 95.00', '<bdi>2-</bdi>',
    '3 | 40.00 | 100.0 | 90.00 | 100.00', '<bdi>00</bdi>'})
  test.check(not html:find 'class="note"', 'nothing to note')
  test.check(not html:find 'class="minor"', 'predictions find room')
end)

test.case('a sentence says what there is to know', function()
  test.equal(lead(html_of()), 'The fastest of 3 rungs takes 1.000 ms, 25.0 % of the oracle’s 4.000 ms, and keeps 75.0 % of its accuracy.')
  test.equal(lead(html_of(function(all) all.ladder, all.labelled = {rung('0', 1, {score = 0.5})}, false all.oracle = {ms = 20, accuracy = 1} end)),
             'The only rung takes 1.000 ms, 5.0 % of the oracle’s 20.00 ms, and keeps 50.0 % of its agreement.')
  test.equal(lead(html_of(function(all) all.ladder, all.oracle = {rung('0', 1)}, {ms = 200} end)), 'The only rung takes 1.000 ms, 0.5 % of the oracle’s 200.0 ms.')
end)

test.case('tiles have the figures of the verbs before', function()
  test.same(tiles_of(html_of()), {'latency of the oracle: 4.000 ms', 'its test accuracy: 80.00 %'})
  local html = html_of(function(all)
    all.supernet, all.search = {options = 1058, subnets = '1857657'}, {evaluated = 1234, seconds = 61, saving = 0.517}
    all.profile = {median_error = 0.0124, p95_error = 0.0611}
    for _, r in ipairs(all.ladder) do r.test_accuracy = nil end
    all.oracle.test_accuracy = nil
  end)
  test.same(tiles_of(html), {
    'latency of the oracle: 4.000 ms', 'its accuracy: 90.00 %', 'options: 1 058', 'subnets: 1 857 657', 'subnets evaluated: 1 234', 'search: 1 min 01 s',
    'work saved by prefixes: 52 %', 'error of predictions, median: 1.2 %', 'error of predictions, 95' .. SPACE .. '%: 6.1 %'})
end)

test.case('the stream has tiles and a table of its phases', function()
  local function stream(change)
    return html_of(function(all)
      all.adapt = {
        budget_ms = 12.345, frames = 12345, late_frames = 7, switches = 3, recovered_frames = 6, accuracy = 0.934, failures = 0,
        trace = {{frame = 1, ms = 5, rung = 2, load = 0}, {frame = 2, ms = 6, rung = 1, load = 2}},
        phases = {{from = 1, to = 30, load = 0, median_ms = 5.055, late = 0, rung = 4}, {from = 31, to = 7000, load = 2, median_ms = 12, late = 6, rung = 1}},
      }
      if change then change(all.adapt) end
    end)
  end
  local html = stream()
  test.same(table_of(html, 2), {'frames | busy processes | median ms | late | rung at the end', '1–30 | 0 | 5.05 | 0 | 4', '31–7' .. SPACE .. '000 | 2 | 12.00 | 6 | 1'})
  local tiles = tiles_of(html)
  test.same({unpack(tiles, 3)}, {'frames: 12 345', 'budget: 12.35 ms', 'late frames: 7', 'switches: 3', 'back under the budget after: 6 frames', 'accuracy of the stream: 93.40 %'})
  test.mentions(html, '<div class="plot two">')
  test.mentions(html, '<th scope="row">1–30</th>')
  test.equal(tiles_of(stream(function(a) a.failures = 2 end))[9], 'failures of the policy: 2')
  tiles = tiles_of(stream(function(a) a.late_frames, a.switches, a.failures = 1234, 2345, 1 end))
  test.same({tiles[5], tiles[6], tiles[9]}, {'late frames: 1 234', 'switches: 2 345', 'failures of the policy: 1'})
  html = stream(function(a) for key in pairs(a) do a[key] = nil end a.phases = {} end)
  test.mentions(html, '<section><h2>Adaptation to load</h2></section>') -- nothing is known of it
  test.mentions(stream(function(a) for _, t in ipairs(a.trace) do t.rung = nil end end), '<div class="plot"><svg role="img" aria-labelledby="trace-title')
  html = stream(function(a) a.trace = {} end)
  test.mentions(html, '<h2>Adaptation to load</h2><dl>')
  test.equal(select(2, html:gsub('<table>', '')), 1)
  test.equal(select(2, html:gsub('<figure>', '')), 1)
  html = stream(function(a) a.phases = {} end)
  test.equal(select(2, html:gsub('<table>', '')), 1)
  test.equal(select(2, html:gsub('<figure>', '')), 2)
  html = stream(function(a) for _, p in ipairs(a.phases) do p.median_ms, p.rung, p.late, p.load = nil, nil, 0, 0 end a.phases[2].to = 123456789012 end)
  test.equal(table_of(html, 2)[1], 'frames | busy processes | late') -- what no phase has is left out; what may well be 0 is not
  test.mentions(html, '<th scope="row" class="long">31–')
  test.equal(select(2, html:gsub('class="long"', '')), 1)
  test.mentions(stream(function(a) a.phases[1].from, a.phases[1].to = 12345, 2345678 end), '<th scope="row" class="long">12')
end)

test.case('the head names the model and the machine', function()
  local function header(model, machine)
    return html_of(function(all) all.model, all.machine = model, machine end):match '<header>(.-)</header>'
  end
  test.equal(header('models/a<b>.anet', 'CPU & co'), '<p>anet report</p><h1><bdi>a&lt;b&gt;.anet</bdi></h1><p><bdi>models/a&lt;b&gt;.anet</bdi></p><p><bdi>CPU &amp; co</bdi></p>')
  test.equal(header 'a.anet', '<p>anet report</p><h1><bdi>a.anet</bdi></h1>')
  test.equal(header(nil, ''), '<p>anet report</p><h1><bdi>report</bdi></h1>')
  test.equal(header 'folder/', '<p>anet report</p><h1><bdi>report</bdi></h1><p><bdi>folder/</bdi></p>')
  test.mentions(html_of(function(all) all.model = 'x/<i>' end), '<title>&lt;i&gt; – anet</title>')
  test.mentions(html_of(), '<figure><h2>Accuracy against latency</h2><ul class="legend"><li class="cloud">')
  test.mentions(html_of(), '<svg role="img" aria-labelledby="front-title front-summary"')
  test.equal(select(2, html_of():gsub('<h2>Ladder</h2>', '')), 1)
end)

test.case('drawn files are as they were: colours, sizes, places', function()
  local want = {}
  for line in io.lines 'tests/support/drawing.txt' do want[#want + 1] = line end
  local got = {}
  local adapt = {budget_ms = 2.5, trace = {}}
  for i, load in ipairs{0, 2, 2, 0} do adapt.trace[i] = {frame = i, ms = i, load = load, rung = 1 + i % 3} end
  for _, p in ipairs{report.front_plot(read()), report.trace_plot(adapt)} do
    local library, calls = recorder()
    plot.draw(library, nil, p)
    for _, call in ipairs(calls) do got[#got + 1] = call end
  end
  for i = 1, math.max(#got, #want) do
    if not test.equal(got[i], want[i]) then return print(('line %d of tests/support/drawing.txt'):format(i)) end
  end
end)

-- ---- files -------------------------------------------------------------------------------------------------------

-- Save into the scratch folder while `plot.save` is replaced by `by`.
local function save_with(by, change)
  local save, paths, message, code = plot.save, nil, nil, nil
  plot.save = by
  local ok, failure = pcall(function() paths, message, code = report.save(results(change), command.folder) end)
  plot.save = save
  assert(ok, failure)
  return paths, message, code
end

test.case('a report is two plots, or one where nothing streamed, and the page', function()
  local titles = {}
  local function note(p, path)
    titles[#titles + 1] = p.title .. ' ' .. path:match '[^/]*$'
    return true
  end
  test.same(save_with(note), {command.path 'front.png', command.path 'report.html'})
  local function stream(all) all.adapt = {trace = {{frame = 1, ms = 2}}} end
  test.same(save_with(note, stream), {command.path 'front.png', command.path 'trace.png', command.path 'report.html'})
  test.same(save_with(note, function(all) all.adapt = {trace = {}} end), {command.path 'front.png', command.path 'report.html'})
  test.same(titles, {'Accuracy against latency front.png', 'Accuracy against latency front.png', 'Adaptation to load trace.png', 'Accuracy against latency front.png'})
  local paths, message = save_with(note)
  test.equal(#paths, 2)
  test.equal(message, nil)
end)

test.case('a plot that cannot be written ends the report, a missing cairo does not', function()
  os.remove(command.path 'report.html')
  test.fails('no room', 'io', save_with(function() return nil, 'no room', 'io' end))
  test.equal(io.open(command.path 'report.html'), nil)
  test.fails('no rungs', 'format', save_with(nil, function(all) all.ladder = {} end))
  local paths, message = save_with(function() return nil, 'no cairo', 'absent' end)
  test.same(paths, {command.path 'report.html'})
  test.equal(message, 'no cairo')
  test.check(io.open(command.path 'report.html'))
  test.fails('no-such-folder', 'io', report.save(results(), '/no-such-folder'))
end)

-- ---- the verb ------------------------------------------------------------------------------------------------------

test.case('anet report says what it wrote, and for whom', function()
  local source, out = command.path 'run.json', command.path 'out'
  local file = assert(io.open(source, 'w'))
  file:write(json.encode(results()))
  file:close()
  local said = command.run_json(('report %s -o %s'):format(source, out))
  local names = {}
  for i, path in ipairs(said.files) do
    names[i] = path
    test.check(io.open(path), path)
  end
  test.same(names, #names == 1 and {out .. '/report.html'} or {out .. '/front.png', out .. '/report.html'})
  local output, status = command.run(('report %s --out %s'):format(source, out))
  test.equal(status, 0)
  test.mentions(output, out .. '/report.html\n')
end)

test.equal(type(page.html), 'function')
os.execute('rm -r ' .. command.folder)
return test.finish()
