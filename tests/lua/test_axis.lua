-- Axes of plots: what they span, their ticks and what these are called; figures and texts of a page.
local test = dofile 'tests/support/test.lua'
local axis = require 'anet.axis'
local html = require 'anet.html'

local SPACE = '\226\128\175'

-- ---- ticks ----------------------------------------------------------------------------------------------

local function ticks(...)
  local list, step = axis.ticks(...)
  for i, v in ipairs(list) do list[i] = tonumber(('%.9g'):format(v)) end
  list[#list + 1] = 'step ' .. ('%.9g'):format(step)
  return list
end

test.case('ticks are round, inside, and no more than asked for', function()
  test.same(ticks(0, 10, 5), {0, 2, 4, 6, 8, 10, 'step 2'}) -- both ends count
  test.same(ticks(0, 10, 10), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 'step 1'})
  test.same(ticks(0, 10, 2), {0, 5, 10, 'step 5'})
  test.same(ticks(0, 10, 1), {0, 10, 'step 10'})
  test.same(ticks(0.013, 0.068, 5), {0.02, 0.04, 0.06, 'step 0.02'})
  test.same(ticks(-3, 3, 6), {-3, -2, -1, 0, 1, 2, 3, 'step 1'})
  test.same(ticks(0, 30, 4), {0, 10, 20, 30, 'step 10'}) -- 7.5 becomes 10, not 5
  test.same(ticks(0, 4, 8), {0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 'step 0.5'})
  test.same(ticks(0.1, 0.3, 2), {0.1, 0.2, 0.3, 'step 0.1'}) -- what rounding makes of an end is no reason to lose it
end)

test.case('no tick is minus zero, which a page would show', function()
  local minus = 0
  for k = 1, 200 do -- compiled, too
    for _, v in ipairs((axis.ticks(k % 2 - 1, 10, 5))) do minus = minus + (v == 0 and 1 / v < 0 and 1 or 0) end
  end
  test.equal(minus, 0)
end)

test.case('whole axes have whole ticks', function()
  test.same(ticks(0.5, 3.5, 6, true), {1, 2, 3, 'step 1'})
  test.same(ticks(0.5, 3.5, 6), {0.5, 1, 1.5, 2, 2.5, 3, 3.5, 'step 0.5'})
  test.same(ticks(0.5, 24.5, 6, true), {5, 10, 15, 20, 'step 5'})
end)

test.case('ticks of any range are few, rise by the step and stay inside', function()
  for seed = 1, 300 do
    local low = (seed * 7919 % 1000 - 500) * 10 ^ (seed % 9 - 4)
    local high = low + (seed * 104729 % 997 + 1) * 10 ^ (seed % 7 - 4)
    local count = 3 + seed % 6
    local list, step = axis.ticks(low, high, count)
    local slack = step * 1e-6
    test.check(#list <= count + 1, ('%d: %d ticks, at most %d'):format(seed, #list, count + 1))
    test.check((high - low) / step <= count + 1e-9, ('%d: a step of %g over %g'):format(seed, step, high - low))
    test.check((high - low) / step > count / 2.5 - 1e-9, ('%d: no smaller step would do, %g'):format(seed, step))
    for i, v in ipairs(list) do
      test.check(v >= low - slack and v <= high + slack, ('%d: %g in %g .. %g'):format(seed, v, low, high))
      if i > 1 then test.near(v - list[i - 1], step, slack) end
    end
  end
end)

-- ---- spans ------------------------------------------------------------------------------------------------

local function series(...) return {{points = {...}}} end

local function near2(low, high, want_low, want_high)
  test.near(low, want_low, 1e-9)
  test.near(high, want_high, 1e-9)
end

test.case('an axis spans its points, with room beside them', function()
  local points = series({1, 20}, {3, 10}, {2, 40})
  near2(0.88, 3.12, axis.range({}, points, 0, 1))
  near2(8.2, 41.8, axis.range({}, points, 1, 2))
  near2(-5, 41.8, axis.range({low = -5}, points, 1, 2))
  near2(8.2, 99, axis.range({high = 99}, points, 1, 2))
  near2(0, 1, axis.range({low = 0, high = 1}, points, 1, 2))
end)

test.case('values that are alike get room that ticks can name', function()
  near2(3.8, 4.2, axis.range({}, series({4, 0}), 0, 1))
  near2(-4.2, -3.8, axis.range({}, series({-4, 0}), 0, 1))
  near2(-0.5, 0.5, axis.range({}, series({0, 0}), 0, 1))
  local low, high = axis.range({}, series({100, 0}, {100.1, 0}), 0, 1) -- 0.1 %: too near
  near2(low, high, 100 - 5.005, 100.1 + 5.005)
  near2(99.988, 100.212, axis.range({}, series({100, 0}, {100.2, 0}), 0, 1))
  near2(0, 1, axis.range({low = 0, high = 1}, {}, 1, 2))
  near2(-0.06, 1.06, axis.range({}, {{points = {}}}, 1, 2)) -- of nothing: about 0 .. 1
end)

test.case('an axis does not go beyond what can be', function()
  near2(89.4, 100, axis.range({most = 100}, series({0, 90}, {0, 100}), 1, 2))
  near2(9.4, 20.6, axis.range({most = 100}, series({0, 10}, {0, 20}), 1, 2))
  local low, high = axis.range({most = 100}, series({0, 150}, {0, 160}), 1, 2) -- all beyond: still a span
  near2(low, high, 149.4, 150)
end)

test.case('series of the other axis do not count, but for x', function()
  local both = {{points = {{0, 0}, {10, 10}}}, {points = {{20, 100}, {30, 200}}, axis = 2}}
  near2(-0.6, 10.6, axis.range({}, both, 1, 2))
  near2(94, 206, axis.range({}, both, 2, 2))
  near2(-1.8, 31.8, axis.range({}, both, 0, 1))
end)

-- ---- words --------------------------------------------------------------------------------------------------

test.case('what ticks are called', function()
  for _, want in ipairs{
    {0, 1, '0'}, {-0, 0.1, '0'}, {0.2, 0.2, '0.2'}, {0.25, 0.05, '0.25'}, {3, 1, '3'}, {30, 10, '30'}, {-0.5, 0.5, '-0.5'}, {1, 0.001, '1.000'},
    {12000, 2000, '12' .. SPACE .. '000'}, {99999, 1, '99' .. SPACE .. '999'}, {100000, 1, '100 k'}, {-100000, 1, '-100 k'}, {250000, 1, '250 k'},
    {1e6, 1, '1 M'}, {999999, 1, '1000 k'}, {2.5e6, 1, '2.5 M'}, {1e9, 1, '1 G'}, {1.234567e12, 1, '1235 G'}, {1e-7, 1e-7, '0.000000'},
    {0.00002, 0.00002, '0.00002'},
  } do
    test.equal(axis.label(want[1], want[2]), want[3])
  end
end)

test.case('texts of a page hold no markup', function()
  test.equal(html.escape '<a href="x">\'&</a>', '&lt;a href=&quot;x&quot;&gt;&#39;&amp;&lt;/a&gt;')
  test.equal(select('#', html.escape 'x'), 1)
  test.equal(html.escape(3), '3')
  test.equal(html.escape '\27[2J', '\\x1b[2J')
end)

test.case('figures of a page', function()
  for _, want in ipairs{
    {1234.5678, 2, '1' .. SPACE .. '234.57'}, {0.4, nil, '0'}, {1.6, nil, '2'}, {-12345.6, 1, '-12' .. SPACE .. '345.6'}, {7, 3, '7.000'}, {1 / 0, 1, '–'},
    {-1 / 0, 1, '–'}, {0 / 0, 1, '–'}, {'7', 1, '–'}, {nil, 1, '–'},
  } do
    test.equal(html.number(want[1], want[2]), want[3])
  end
  for most, digits in pairs{[0] = 3, [9.99] = 3, [10] = 2, [99.9] = 2, [100] = 1, [999] = 1, [1000] = 0, [1e9] = 0} do test.equal(html.digits(most), digits) end
end)

test.case('counts of a page', function()
  for given, want in pairs{
    [0] = '0', [999] = '999', [1000] = '1' .. SPACE .. '000', ['1857657'] = '1' .. SPACE .. '857' .. SPACE .. '657',
    [9999999999] = '9' .. SPACE .. '999' .. SPACE .. '999' .. SPACE .. '999', [10000000000] = '1.00 × 10¹⁰', ['12345678901'] = '1.23 × 10¹⁰',
    [-5] = '–', [1e299] = '1.00 × 10²⁹⁹', [1e300] = '–', ['1.5'] = '–', [''] = '–',
    ['2' .. ('0'):rep(45)] = '2.00 × 10⁴⁵', ['2' .. ('0'):rep(67)] = '2.00 × 10⁶⁷', ['2' .. ('0'):rep(89)] = '2.00 × 10⁸⁹', ['2' .. ('0'):rep(13)] = '2.00 × 10¹³',
  } do
    test.equal(html.count(given), want)
  end
  test.equal(html.count(0 / 0), '–')
  test.equal(html.count(nil), '–')
end)

return test.finish()
