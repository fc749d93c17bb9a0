-- The page of `anet report` as a browser shows it: every word is there to be read, nothing lies over or outside of anything, in light and dark, on a
-- phone and on a wide screen; awkward results too. Needs Chromium (Debian's chromium).
local test = dofile 'tests/support/test.lua'
local command = dofile 'tests/support/command.lua'
local host = require 'anet.host'
local html = require 'anet.html'
local json = require 'anet.json'
local report = require 'anet.report'
local text = require 'anet.text'

local WIDTHS = {360, 600, 1000, 1600}

local function slurp(path)
  local file = assert(io.open(path))
  local all = file:read '*a'
  file:close()
  return all
end

-- ---- results ------------------------------------------------------------------------------------------

-- What a demo printed, with changes.
local function results(change)
  local all = assert(json.decode(slurp 'tests/support/results.json'))
  if change then change(all) end
  return all
end

-- A ladder of n rungs as long as `positions`.
local function many_rungs(all, n, positions)
  all.ladder = {}
  for i = 1, n do
    local genome = {}
    for k = 1, positions do genome[k] = ('0123456789-'):sub((i * k) % 11 + 1, (i * k) % 11 + 1) end
    all.ladder[i] = {genome = table.concat(genome), predicted_ms = 0.1 * i + 0.003, measured_ms = 0.1 * i, score = 0.9 + 0.0015 * i}
  end
  all.oracle, all.cloud = {ms = 0.1 * n, accuracy = 0.97}, nil
end

local HOSTILE = '<script>document.body.remove()</script>"\'&amp;<img src=x onerror=alert(1)>\27[2J\226\128\174gnp.exe\255'
local HOSTILE_SHOWN = '<script>document.body.remove()</script>"\'&amp;<img src=x onerror=alert(1)>\\x1b[2J\\xe2\\x80\\xaegnp.exe\\xff'

local PAGES = {
  {name = 'a demo', results = results(), words = {
    'resnet20-supernet.anet', 'models/resnet20-supernet.anet', 'AMD EPYC/1/none/avx512/0.1.0', '1 857 657', '0.402 ms', '94.14 %',
    'The fastest of 7 rungs takes 0.159 ms, 39.5 % of the oracle’s 0.402 ms, and keeps 98.8 % of its accuracy.', 'Accuracy against latency',
    'accuracy on the images of the search, %', 'latency, ms', 'Ladder', '1-052--52', '000000000', '0.159', '93.91', '98.80', 'Adaptation to load',
    'latency', 'budget', 'rung', '2 busy processes', 'rung (1 = fastest)', 'frame', '6.295 ms', '6 frames', '31–70', '5.133',
  }, pictures = 2, circles = 8},
  {name = 'no stream', results = results(function(all) all.adapt, all.machine, all.model, all.profile, all.search = nil end), words = {
    'report', '1 857 657', 'Accuracy against latency',
  }, pictures = 1, circles = 8},
  {name = 'one rung, the oracle', results = results(function(all)
    all.ladder, all.cloud, all.adapt.failures = {all.ladder[7]}, {}, 3
  end), words = {'failures of the policy', '3', 'The only rung takes 0.402 ms, 100.0 % of the oracle’s 0.402 ms, and keeps 100.0 % of its accuracy.'}, pictures = 2, circles = 2},
  {name = 'forty rungs of 120 positions', results = results(function(all) many_rungs(all, 40, 120) end), words = {
    'The fastest of 40 rungs takes 0.100 ms, 2.5 % of the oracle’s 4.000 ms, and keeps 92.9 % of its accuracy.', '1.503', '40',
  }, pictures = 2, circles = 41},
  {name = 'huge numbers', results = results(function(all)
    all.supernet = {options = 1234567, subnets = '1234567890123'}
    all.search = {evaluated = 98765432, seconds = 200000, saving = 0.999}
    all.ladder, all.oracle = {{genome = '0', predicted_ms = 123456.7, measured_ms = 234567.8, ratio = 0.5, score = 0.5}}, {ms = 469135.6, accuracy = 0.5}
    for i, t in ipairs(all.adapt.trace) do t.frame, t.ms = i * 100000, t.ms * 1e5 end
    all.adapt.frames, all.adapt.budget_ms, all.adapt.late_frames = 12345678, 629498.6, 1234567
    all.adapt.phases[1].from, all.adapt.phases[1].to, all.adapt.phases[1].median_ms = 1234567, 2345678, 1234567.8
  end), words = {'1.23 × 10¹²', '1 234 567', '98 765 432', '234 568', '12 345 678', '1 234 567–2 345 678'}, pictures = 2, circles = 2},
  {name = 'hostile names', results = results(function(all)
    all.model, all.machine, all.ladder[1].genome = HOSTILE, HOSTILE:rep(3), HOSTILE
    all.ladder[2].genome = ('x'):rep(3000)
    all.supernet.subnets = HOSTILE
  end), words = {HOSTILE_SHOWN, HOSTILE_SHOWN:rep(3), ('x'):rep(3000)}, pictures = 2, circles = 8},
  {name = 'no labels', results = results(function(all)
    all.labelled, all.adapt, all.oracle.test_accuracy, all.oracle.accuracy = false, nil, nil, 1
    for _, r in ipairs(all.ladder) do r.test_accuracy = nil end
  end), words = {'Agreement against latency', 'agreement, %', 'agreement %', 'its agreement'}, pictures = 1, circles = 8},
  {name = 'no labels but of a test', results = results(function(all) all.labelled = false end), words = {
    'The fastest of 7 rungs takes 0.159 ms, 39.5 % of the oracle’s 0.402 ms, and keeps 98.8 % of its accuracy.', 'Agreement against latency'},
   pictures = 2, circles = 8},
  {name = 'figures at the ends', results = results(function(all)
    for key, value in pairs{options = 1e300, subnets = ('9'):rep(63)} do all.supernet[key] = value end
    all.profile, all.search = {median_error = -1e11, p95_error = 1e12}, {evaluated = 1e12, seconds = 1e12, saving = -3}
    for i, r in ipairs(all.ladder) do r.measured_ms, r.predicted_ms, r.ratio, r.score, r.test_accuracy = 1e-9 * i, -1e-300, nil, 1e-320, nil end
    all.oracle, all.cloud = {ms = 1e-9}, {{1e-320, 0}}
    all.adapt.trace, all.adapt.phases = {{frame = 1e12, ms = 1e-320, rung = 1e12, load = 1e12}}, {{from = -1e12, to = 1e12, median_ms = 1e12, late = 1e12, rung = 1e12, load = 1e12}}
  end), words = {'9.99 × 10⁶²'}, pictures = 2, circles = 7, wide = true},
  {name = 'figures that are none', results = results(function(all)
    all.oracle, all.cloud, all.supernet = json.null, {{1}, 'x', {json.null, 2}, {0.2, 0.9}}, json.null
    for _, r in ipairs(all.ladder) do r.score, r.test_accuracy, r.accuracy, r.predicted_ms, r.retained = json.null, nil, 'much', 1 / 0, nil end
    all.adapt.trace = {{frame = 1, ms = 2}, {frame = 1, ms = 3}, {frame = 'x'}, 7, {frame = 5, ms = 1e9, rung = 3, load = 1}, {frame = 6, ms = 1}}
    all.adapt.phases, all.adapt.budget_ms = {1, {from = 1, to = 6}}, 'none'
  end), words = {'The fastest of 7 rungs takes 0.159 ms, 39.5 % of the oracle’s 0.402 ms.', '1 busy process'}, pictures = 2, circles = 0},
  {name = 'a stream of 100 000 frames under changing load', results = results(function(all)
    all.adapt.trace = {}
    for i = 1, 100000 do all.adapt.trace[i] = {frame = i, ms = 5 + i % 7 * (i % 997 == 0 and 10 or 0.1), rung = i % 5000 < 2500 and 1 or 7, load = math.floor(i / 4000) % 5} end
  end), words = {'1 to 4 busy processes', '80 000'}, pictures = 2, circles = 8},
}

-- ---- without a browser -------------------------------------------------------------------------------

for _, page in ipairs(PAGES) do
  test.case(page.name, function()
    page.html = assert(report.html(page.results))
    for _, word in ipairs{'<script', '<img', '://', 'src="', 'url('} do
      test.check(not page.html:find(word, 1, true), page.name .. ': the page has ' .. word)
    end
    test.check(#page.html < 200000, ('%s: %d bytes'):format(page.name, #page.html))
  end)
end

test.case('figures', function()
  local space = '\226\128\175'
  test.equal(text.group '1234567', '1' .. space .. '234' .. space .. '567')
  test.equal(text.group '-123', '-123')
  test.equal(html.number(-1234.567, 1), '-1' .. space .. '234.6')
  test.equal(html.number(0 / 0), '–')
  test.equal(html.count(('9'):rep(24)), '9.99 × 10²³')
  test.equal(html.count 'many', '–')
end)

test.case('results without a ladder are refused', function()
  for _, pair in ipairs{
    {{}, 'no rungs'}, {{ladder = 'x'}, 'no rungs'}, {{ladder = {1}}, 'rung 1'}, {{ladder = {{genome = 'a', measured_ms = 1}, {genome = 'a', measured_ms = 0}}}, 'rung 2'},
    {{ladder = {{genome = 'a', measured_ms = 0 / 0}}}, 'measured_ms'},
  } do
    test.fails(pair[2], 'format', report.html(pair[1]))
  end
end)

test.case('the verb', function()
  local source = command.path 'run.json'
  local function write(body)
    local file = assert(io.open(source, 'w'))
    file:write(body)
    file:close()
  end
  local function fails(word, arguments)
    local output, status = command.run('report ' .. arguments)
    test.equal(status, 1)
    test.mentions(output, word)
    test.equal(select(2, output:gsub('\n', '')), 1)
  end
  write(slurp 'tests/support/results.json')
  local out = command.path 'new/folder'
  test.equal(select(2, command.run(('report %s -o %s'):format(source, out))), 0)
  test.equal(slurp(out .. '/report.html'), PAGES[1].html)
  for _, name in ipairs{'/front.png', '/trace.png'} do test.equal(slurp(out .. name):sub(2, 4), 'PNG') end
  fails('--out: want a folder', source .. " -o ''")
  fails("run.json/x': Not a directory", ('%s -o %s/x'):format(source, source))
  fails("run.json': Not a directory", ('%s -o %s'):format(source, source))
  for body, word in pairs{['{"a": 1}'] = 'it has no ladder', ['nonsense'] = 'line 1', ['{"ladder": []}'] = 'no rungs', ['{"ladder": [{"genome": 3}]}'] = 'rung 1'} do
    write(body)
    fails('run.json', ('%s -o %s'):format(source, command.path 'none'))
    fails(word, ('%s -o %s'):format(source, command.path 'none'))
  end
  test.check(not host.exists(command.path 'none'), 'nothing is left of what failed')
end)

test.case('without cairo there is the page alone', function()
  local plot, save = require 'anet.plot', nil
  save, plot.save = plot.save, function() return nil, 'plots need cairo', 'absent' end
  local paths, message = report.save(results(), command.folder)
  plot.save = save
  test.same(paths, {command.path 'report.html'})
  test.mentions(message, 'cairo')
end)

-- ---- in a browser --------------------------------------------------------------------------------------

local FLAGS = '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update ' ..
                '--disable-sync --disable-dev-shm-usage --disable-extensions'

-- What tests/support/page.js finds on all pages; preference: 0 dark, 1 light.
local function look(preference)
  local pages = {}
  for i, page in ipairs(PAGES) do pages[i] = {name = page.name, html = page.html} end
  local path = command.path 'look.html'
  local file = assert(io.open(path, 'w'))
  file:write('<!doctype html><meta charset="utf-8"><body><script>const WIDTHS = ', json.encode(WIDTHS), ';\nconst PAGES = ',
             (json.encode(pages):gsub('<', '\\u003c')), ';\n', slurp 'tests/support/page.js', '</script>')
  file:close()
  local pipe = io.popen(('timeout 120 chromium %s --blink-settings=preferredColorScheme=%d --user-data-dir=%s --dump-dom file://%s 2>%s'):format(
    FLAGS, preference, command.path('browser' .. preference), path, command.path 'browser.log'))
  local dom = pipe:read '*a'
  pipe:close()
  local found = dom:match '<pre id="found">(.-)</pre>'
  if not found then error('the browser gave no answer: ' .. slurp(command.path 'browser.log'):sub(1, 2000)) end
  return json.decode((found:gsub('%%(%x%x)', function(hex) return string.char(tonumber(hex, 16)) end)))
end

local function contains(words, word)
  for _, found in ipairs(words) do
    if found == word then return true end
  end
  return false
end

local function check(answer, page, dark)
  local where = ('%s, %d pixels, %s'):format(answer.name, answer.width, dark and 'dark' or 'light')
  local function none(list, what) test.check(#list == 0, ('%s: %s: %s'):format(where, what, table.concat(list, '; ', 1, math.min(#list, 5)))) end
  test.check(answer.dark == dark, where)
  for _, word in ipairs(page.words) do test.check(contains(answer.words, word), ('%s: %q is shown'):format(where, word)) end
  none(answer.overlaps, 'over each other')
  if not page.wide then none(answer.outside, 'outside') end -- tables of such figures may be scrolled
  none(answer.faint, 'hard to see')
  none(answer.repeated, 'ids that are not unique')
  test.check(answer.strange == 0 and answer.unnamed == 0, where .. ': elements')
  test.check(answer.pictures == page.pictures and answer.circles == page.circles,
             ('%s: %d pictures, %d circles'):format(where, answer.pictures, answer.circles))
end

test.case('ticks have no minus zero', function()
  jit.flush()
  jit.off() -- compiled code has none anyway
  for _, low in ipairs{0, -1} do
    for _, tick in ipairs((require('anet.axis').ticks(low, 1, 5))) do
      if tick == 0 then test.equal(1 / tick, math.huge) end
    end
  end
  jit.on()
end)

if os.execute 'command -v chromium >/dev/null 2>&1' ~= 0 then
  print 'skipped: there is no chromium to look at the page with (Debian package chromium)'
else
  for preference, dark in pairs{[0] = true, [1] = false} do
    test.case(dark and 'dark' or 'light', function()
      local answers = look(preference)
      test.equal(#answers, #PAGES * #WIDTHS)
      for i, answer in ipairs(answers) do check(answer, PAGES[math.ceil(i / #WIDTHS)], dark) end
    end)
  end
end

os.execute('rm -r ' .. command.folder)
return test.finish()
