-- Plots as SVG and as PNG: places follow the axes' arithmetic, whatever is drawn lies in the frame, legends name what is there.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local axis = require 'anet.axis'
local chart = require 'anet.chart'
local plot = require 'anet.plot'
local recorder = dofile 'tests/support/recorder.lua'

-- A plot of 0 .. 10 by 0 .. 100, so that places are easy to tell; second: an axis of 0 .. 4 on the right.
local function describe(series, more)
  local p = {title = 'A <title>', summary = 'What & why', x = {label = 'time <ms>', low = 0, high = 10}, y = {label = 'share', low = 0, high = 100},
             series = series}
  for key, value in pairs(more or {}) do p[key] = value end
  return p
end

local function drawn(series, more) return chart.svg(describe(series, more), 'it') end

-- All captures of a pattern, as 'a b c' each.
local function all(svg, pattern)
  local list = {}
  for a, b, c in svg:gmatch(pattern) do list[#list + 1] = table.concat({a, b, c}, ' ') end
  return list
end

-- ---- SVG ----------------------------------------------------------------------------------------------------

test.case('lines, dots and steps go where their values are', function()
  local points = {{0, 0}, {5, 50}, {10, 100}}
  local function path(kind, of, more)
    return drawn({{name = 'a', class = 'blue', kind = kind, points = of, axis = more and 2 or nil}}, more):match '<path [^>]*>'
  end
  test.equal(path('line', points), '<path class="line blue" d="M0.0 1000.0L500.0 500.0L1000.0 0.0"/>')
  test.equal(path('points', {{2.5, 10}, {7.5, 90}}), '<path class="points blue" d="M250.0 900.0h0M750.0 100.0h0"/>')
  test.equal(path('step', {{0, 0}, {2, 50}, {4, 50}, {6, 20}, {10, 20}}),
             '<path class="step blue" d="M0.0 1000.0H200.0V500.0H600.0V800.0H1000.0"/>') -- no corner where nothing changes, and an end
  test.equal(path('step', {{0, 0}, {2, 50}}), '<path class="step blue" d="M0.0 1000.0H200.0V500.0"/>')
  test.equal(path('line', points, {y2 = {label = 'z', low = 0, high = 200}}), '<path class="line blue" d="M0.0 1000.0L500.0 750.0L1000.0 500.0"/>')
  test.equal(path('line', {{0, 1e6}, {10, -1e6}}), '<path class="line blue" d="M0.0 -1000.0L1000.0 2000.0"/>') -- brought near
  test.equal(path('line', {}), nil)
end)

test.case('marks are circles with a text, and dots with names are not drawn twice', function()
  local svg = drawn{{name = 'a', class = 'red', kind = 'points', points = {{2.5, 10}, {5, 33.333}}, names = {'one <1>', 'two'}, radius = 7},
                    {name = 'b', class = 'blue', kind = 'line', points = {{10, 100}}, names = {'three'}}}
  test.same(all(svg, '<circle class="mark (%w+)" cx="([^"]*)" cy="([^"]*)"'), {'red 25% 90%', 'red 50% 66.67%', 'blue 100% 0%'})
  test.same(all(svg, ' r="(%d+)"><title>([^<]*)</title></circle>'), {'7 one &lt;1&gt;', '7 two', '5 three'})
  test.same(all(svg, '<path class="(%w+) (%w+)"'), {'line blue'})
end)

test.case('bands are as wide as they last, and never invisible', function()
  local svg = drawn({}, {bands = {{2, 4.5, 'busy'}, {5, 5, 'busy'}, {6, 6.01, 'busy'}}})
  test.same(all(svg, '<rect class="band" x="([^"]*)" width="([^"]*)" y="0" height="100%%"/>'), {'20% 25%', '50% 0.2%', '60% 0.2%'})
  test.equal(drawn({}):find '<rect', nil)
end)

test.case('axes have a line and a word at each tick', function()
  local svg = drawn({}, {y2 = {label = 'rung', low = 0.5, high = 4.5, whole = true}})
  test.same(all(svg, '<line class="grid" x1="([^"]*)" x2="([^"]*)" y1="0" y2="100%%"/>'), {'0% 0%', '20% 20%', '40% 40%', '60% 60%', '80% 80%', '100% 100%'})
  test.same(all(svg, '<line class="grid" x1="0" x2="100%%" y1="([^"]*)" y2="([^"]*)"/>'), {'100% 100%', '80% 80%', '60% 60%', '40% 40%', '20% 20%', '0% 0%'})
  test.same(all(svg, '<text x="([^"]*)" y="100%%" dy="20" class="tick middle">([^<]*)<'), {'0% 0', '20% 2', '40% 4', '60% 6', '80% 8', '100% 10'})
  test.same(all(svg, '<text x="0" y="([^"]*)" dx="%-8" dy=".34em" class="tick end">([^<]*)<'), {'100% 0', '80% 20', '60% 40', '40% 60', '20% 80', '0% 100'})
  test.same(all(svg, '<text x="100%%" y="([^"]*)" dx="8" dy=".34em" class="tick">([^<]*)<'), {'87.5% 1', '62.5% 2', '37.5% 3', '12.5% 4'})
  test.same(all(svg, '<text x="([^"]*)" y="0" dx="([^"]*)" dy="%-18" class="label[^"]*">([^<]*)<'), {'0 -40 share', '100% 30 rung'})
  test.mentions(svg, '<text x="50%" y="100%" dy="42" class="label middle">time &lt;ms&gt;</text>')
  test.mentions(svg, 'class="label end">rung</text>')
  test.mentions(svg, 'class="label">share</text>')
end)

test.case('a drawing says in words what it shows', function()
  local svg = drawn{}
  test.equal(svg:match '^[^\n]*', '<svg role="img" aria-labelledby="it-title it-summary" width="100%" height="100%">' ..
    '<title id="it-title">A &lt;title&gt;</title><desc id="it-summary">What &amp; why</desc>')
  test.mentions(svg, '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%">')
  test.equal(select(2, svg:gsub('<svg', '')), select(2, svg:gsub('</svg>', '')))
end)

local function count_points(svg) return select(2, svg:match ' d="([^"]*)"':gsub('[ML]', '')) end

test.case('of many points the least and the most of each stretch stay, in order', function()
  local function wave(n)
    local points = {}
    for i = 1, n do points[i] = {10 * i / n, i % 100 < 50 and i % 7 or 60 + i % 11} end
    points[math.floor(n / 3)], points[math.floor(n / 2)] = {10 / 3, 99.9}, {5, 0.1}
    return points
  end
  local function line(points) return drawn{{name = 'a', class = 'x', kind = 'line', points = points}} end
  test.equal(count_points(line(wave(1500))), 1500)
  local svg = line(wave(30000))
  test.check(count_points(svg) <= 1500 and count_points(svg) > 1400, ('%d points'):format(count_points(svg)))
  test.mentions(svg, '333.3 1.0')
  test.mentions(svg, '500.0 999.0')
  local last = -1
  for x in svg:match ' d="([^"]*)"':gmatch '[ML]([%d.]+)' do
    test.check(tonumber(x) >= last, 'in order')
    last = tonumber(x)
  end
  local flat = {}
  for i = 1, 1501 do flat[i] = {10 * i / 1501, 5} end -- least and most are one: 501 stretches of three
  test.equal(count_points(line(flat)), 501)
  local steps = drawn{{name = 'a', class = 'x', kind = 'step', points = wave(3000)}}
  test.check(select(2, steps:match ' d="([^"]*)"':gsub('H', '')) > 1500, 'steps are not thinned')
end)

test.case('a legend names what is there to be seen', function()
  local p = describe({{name = 'ladder <1>', class = 'ladder', kind = 'line', points = {{1, 1}}}, {name = 'none', class = 'x', kind = 'line', points = {}},
                      {name = 'cloud', class = 'cloud', kind = 'points', points = {{1, 1}}}}, {bands = {{1, 2, 'b'}, name = '2 <busy>'}})
  test.equal(chart.legend(p), '<ul class="legend"><li class="ladder"><i class="line"></i>ladder &lt;1&gt;</li><li class="cloud"><i class="points"></i>cloud</li>' ..
    '<li class="busy"><i class="band"></i>2 &lt;busy&gt;</li></ul>')
  p.bands = {name = 'busy'}
  test.check(not chart.legend(p):find 'busy', 'there are no bands')
  p.bands = nil
  test.check(not chart.legend(p):find 'busy', 'there are no bands')
end)

-- ---- what PNG files are drawn by --------------------------------------------------------------------------------

local LEFT, RIGHT, TOP, BOTTOM = 74, 880 - 66, 52, 520 - 62 -- the frame

local function calls_of(series, more)
  local lib, calls = recorder()
  plot.draw(lib, nil, describe(series, more))
  return calls
end

-- The calls that begin with one of some words, in order.
local function only(calls, ...)
  local list = {}
  for _, call in ipairs(calls) do
    for i = 1, select('#', ...) do
      if call:find('^' .. select(i, ...)) then list[#list + 1] = call end
    end
  end
  return list
end

-- Calls after the one that clips, which are those of the series, up to what ends the clip.
local function of_series(calls)
  local list, on = {}, false
  for _, call in ipairs(calls) do
    if on and call == 'restore' then return list end
    if on then list[#list + 1] = call end
    on = on or call == 'clip'
  end
  return list
end

test.case('PNG: the page is white, the frame clips, all is freed', function()
  local calls = calls_of({}, {y = {label = 'share', low = 0, high = 100}})
  test.same({calls[1], calls[2], calls[3], calls[4]}, {'create', 'set_source_rgba 1 1 1 1', 'rectangle 0 0 880 520', 'fill'})
  test.equal(calls[#calls], 'destroy')
  test.check(table.concat(calls, '\n'):find('save\nrectangle 74 52 740 406\nclip\nrestore', 1, true), 'the frame')
end)

test.case('PNG: lines, dots and steps go where their values are', function()
  local calls = of_series(calls_of({{name = 'a', kind = 'line', points = {{0, 0}, {5, 50}, {10, 100}}, colour = {0.1, 0.2, 0.3}}}))
  test.same(calls, {'set_source_rgba 0.1 0.2 0.3 1', 'move_to 74 458', 'line_to 444 255', 'line_to 814 52', 'set_line_width 1.6', 'set_dash 6,4 0 0', 'stroke', 'set_dash 6,4 0 0'})
  calls = of_series(calls_of({{name = 'a', kind = 'step', points = {{0, 0}, {5, 2}}, axis = 2, width = 3, dashed = true, alpha = 0.5}},
                             {y2 = {low = 0, high = 4}}))
  test.same(calls, {'set_source_rgba 0 0.45 0.7 0.5', 'move_to 74 458', 'line_to 444 458', 'line_to 444 255', 'set_line_width 3', 'set_dash 6,4 2 0', 'stroke', 'set_dash 6,4 0 0'})
  calls = of_series(calls_of({{kind = 'points', points = {{5, 50}}}, {kind = 'points', points = {{10, 0}}, radius = 2},
                              {kind = 'line', points = {{0, 0}}, marks = true}}))
  test.same(only(calls, 'arc', 'move_to', 'set_source'), {
    'set_source_rgba 0 0.45 0.7 1', 'arc 444 255 4 0 6.28319', 'set_source_rgba 0.84 0.37 0 1', 'arc 814 458 2 0 6.28319',
    'set_source_rgba 0 0.62 0.45 1', 'move_to 74 458', 'arc 74 458 4 0 6.28319'})
  test.equal(#only(calls, 'fill'), 3)
  local many = {}
  for i = 1, 6 do many[i] = {kind = 'points', points = {{i, i}}} end
  local colours = only(of_series(calls_of(many)), 'set_source')
  test.equal(colours[6], colours[1]) -- five colours, then again
end)

test.case('PNG: ticks, labels and titles', function()
  local calls = calls_of({}, {y2 = {label = 'rung', low = 0.5, high = 4.5, whole = true}})
  local text, at = {}, nil
  for _, call in ipairs(calls) do
    at = call:match '^move_to (.*)' or at
    if call:find '^show_text' then text[#text + 1] = call:match '^show_text (.*)' .. ' @ ' .. at end
  end
  local want = {}
  for i = 0, 10, 2 do want[#want + 1] = ('%d @ %.6g 476'):format(i, LEFT + 74 * i - 3.5 * #tostring(i)) end
  for i = 0, 100, 20 do want[#want + 1] = ('%d @ %.6g %.6g'):format(i, LEFT - 8 - 7 * #tostring(i), BOTTOM - 4.06 * i + 4) end
  want[#want + 1] = 'share @ -17.5 0'
  for i = 1, 4 do want[#want + 1] = ('%d @ %d %.6g'):format(i, RIGHT + 8, BOTTOM - (i - 0.5) / 4 * 406 + 4) end
  want[#want + 1] = 'rung @ -14 0'
  want[#want + 1] = ('time <ms> @ %.6g 500'):format(444 - 31.5)
  want[#want + 1] = 'A <title> @ 74 28'
  test.same(text, want)
  test.same(only(calls, 'translate', 'rotate'), {'translate 20 255', 'rotate -1.5708', 'translate 866 255', 'rotate -1.5708'})
  local lines, from = {}, nil
  for _, call in ipairs(calls) do
    from = call:match '^move_to (.*)' or from
    if call:find '^line_to' then lines[#lines + 1] = from .. ' - ' .. call:match '^line_to (.*)' end
  end
  test.equal(#lines, 6 + 6) -- the second axis has no lines of its own
  test.same({lines[1], lines[6], lines[7], lines[12]}, {'74 52 - 74 458', '814 52 - 814 458', '74 458 - 814 458', '74 52 - 814 52'})
  local sizes = only(calls, 'set_font_size')
  test.same({sizes[1], sizes[#sizes - 1], sizes[#sizes]}, {'set_font_size 12', 'set_font_size 13', 'set_font_size 16'})
  local faces = only(calls, 'select_font_face')
  test.same({faces[1], faces[#faces - 1], faces[#faces]}, {'select_font_face DejaVu Sans 0 0', 'select_font_face DejaVu Sans 0 0', 'select_font_face DejaVu Sans 0 1'})
  test.equal(#only(calls, 'set_line_width 1$'), 12)
end)

test.case('PNG: bands and their labels, where there is room', function()
  local calls = calls_of({}, {bands = {{2, 4, 'busy'}, {5, 5.1, 'busy'}}})
  local shaded = {}
  for i, call in ipairs(calls) do
    if call == 'set_source_rgba 0.9 0.62 0 0.14' then shaded[#shaded + 1] = calls[i + 1] .. ', ' .. calls[i + 2] end
  end
  test.same(shaded, {'rectangle 222 52 148 406, fill', 'rectangle 444 52 7.4 406, fill'})
  test.equal(#only(calls, 'show_text busy'), 1)
  test.check(table.concat(calls, '\n'):find(('move_to %.6g 66\nshow_text busy'):format(296 - 14), 1, true), 'in the middle')
  local function labels(width) return #only(calls_of({}, {bands = {{0, width / 74, 'busy'}}}), 'show_text busy') end
  test.same({labels(35.9), labels(36.1)}, {0, 1}) -- of 28 pixels and 8 to spare
end)

test.case('PNG: the legend stands to the right, in order, without what has no points', function()
  local calls = calls_of({{name = 'first', kind = 'points', points = {{1, 1}}, colour = {1, 0, 0}, alpha = 0.5}, {name = 'none', kind = 'line', points = {}},
                          {kind = 'line', points = {{1, 1}}}, {name = 'last', kind = 'points', points = {{1, 1}}}})
  local at
  for i, call in ipairs(calls) do at = call == 'restore' and i or at end
  local text = table.concat(calls, '\n', at + 1)
  local last, first = RIGHT - 28, RIGHT - 28 - 20 - 14 - 35
  local want = {('move_to %d 28\nshow_text last\nset_source_rgba 0 0.62 0.45 1\nrectangle %d 18 12 12\nfill'):format(last, last - 17),
                ('move_to %d 28\nshow_text first\nset_source_rgba 1 0 0 0.5\nrectangle %d 18 12 12\nfill'):format(first, first - 17)}
  want[1] = want[1]:gsub('0 0.62 0.45', '0.8 0.47 0.65') -- the colour of its place in the list
  local from
  for _, words in ipairs(want) do
    from = text:find(words, from or 1, true)
    test.check(from, words)
  end
  test.check(not text:find 'none', 'nothing of what has no points')
  test.equal(select(2, text:gsub('rectangle', '')), 2)
end)

test.case('points rise with their values and lie in the frame, in PNG and SVG alike', function()
  for seed = 1, 20 do
    local points, random = {}, anet.rng(seed)
    for i = 1, 30 do points[i] = {i * 3.7 ^ (seed % 5 - 2), random:uniform() * 10 ^ (seed % 6 - 2)} end
    local p = describe({{name = 'a', class = 'a', kind = 'line', points = points}}, {x = {label = 'x'}, y = {label = 'y'}})
    local lib, calls = recorder()
    plot.draw(lib, nil, p)
    local x_low, x_high = axis.range(p.x, p.series, 0, 1)
    local low, high = axis.range(p.y, p.series, 1, 2)
    local i = 0
    for _, call in ipairs(of_series(calls)) do
      local x, y = call:match '^%a+_to (%S+) (%S+)$'
      if x then
        i = i + 1
        test.check(tonumber(x) > LEFT and tonumber(x) < RIGHT and tonumber(y) > TOP and tonumber(y) < BOTTOM, call)
        test.near((tonumber(x) - LEFT) / (RIGHT - LEFT), (points[i][1] - x_low) / (x_high - x_low), 1e-3)
        test.near((BOTTOM - tonumber(y)) / (BOTTOM - TOP), (points[i][2] - low) / (high - low), 1e-3)
      end
    end
    test.equal(i, 30)
    i = 0
    for x, y in chart.svg(p, 'a'):match ' d="([^"]*)"':gmatch '[ML](%S+) ([%d.-]+)' do
      i = i + 1
      test.near(tonumber(x) / 1000, (points[i][1] - x_low) / (x_high - x_low), 1e-3)
      test.near(1 - tonumber(y) / 1000, (points[i][2] - low) / (high - low), 1e-3)
    end
    test.equal(i, 30)
  end
end)

-- ---- files ------------------------------------------------------------------------------------------------------

test.case('a PNG file has the pixels that were drawn', function()
  local path = os.tmpname() .. '.png'
  local ok, message, code = plot.save(describe({{name = 'a', kind = 'line', points = {{0, 50}, {10, 50}}, width = 6, colour = {1, 0, 0.5}}}), path)
  if not ok and code == 'absent' then return print('skipped: ' .. message) end
  assert(ok, message)
  local picture = assert(anet.image.load(path, 3))
  test.same(picture:shape(), {520, 880, 3})
  local function pixel(x, y) return {picture:get(y, x, 1), picture:get(y, x, 2), picture:get(y, x, 3)} end
  test.same(pixel(1, 1), {255, 255, 255})
  test.same(pixel(880, 520), {255, 255, 255})
  test.same(pixel(400, 255), {255, 0, 128})
  test.same(pixel(60, 255), {255, 255, 255}) -- outside of the frame
  os.remove(path)
  test.same(pixel(880, 1), {255, 255, 255})
  test.same(pixel(1, 520), {255, 255, 255})
  test.fails('no-such-folder', 'io', plot.save(describe({}), '/no-such-folder/x.png'))
end)

return test.finish()
