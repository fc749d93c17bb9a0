-- Plots as SVG for a page: real text, colours by CSS classes, as wide as there is room.
--
-- Places are shares of the plot's size, so that one drawing fits every width while text and strokes keep their size. Its labels stand
-- outside of it, in the padding of the element around. What anet.plot draws as PNG is described alike; a series has `class` besides, the
-- name of its colour, and `names`, a text for each point.
local axis = require 'anet.axis'
local html = require 'anet.html'

local M = {}

local MOST_POINTS = 1500 -- of a line; more cannot be told apart
local SIZE = 1000        -- of the drawing that is stretched over the plot

-- A share 0 .. 1 as '12.34%'.
local function share(x) return (('%.2f'):format(100 * x):gsub('%.?0+$', '')) .. '%' end

local function text(x, y, words, class, more)
  return ('<text x="%s" y="%s"%s class="%s">%s</text>'):format(x, y, more or '', class, html.escape(words))
end

local Chart = {}
Chart.__index = Chart

function Chart:x(value) return (value - self.x_low) / (self.x_high - self.x_low) end

function Chart:y(value, number) return 1 - (value - self.low[number]) / (self.high[number] - self.low[number]) end

function Chart:add(format, ...) self.parts[#self.parts + 1] = select('#', ...) > 0 and format:format(...) or format end

function Chart:axes(p)
  local list, step = axis.ticks(self.x_low, self.x_high, 5)
  for _, v in ipairs(list) do
    local x = share(self:x(v))
    self:add('<line class="grid" x1="%s" x2="%s" y1="0" y2="100%%"/>', x, x)
    self:add(text(x, '100%', axis.label(v, step), 'tick middle', ' dy="20"'))
  end
  for number, y_axis in ipairs{p.y, p.y2} do
    list, step = axis.ticks(self.low[number], self.high[number], 6, y_axis.whole)
    for _, v in ipairs(list) do
      local y = share(self:y(v, number))
      if number == 1 then self:add('<line class="grid" x1="0" x2="100%%" y1="%s" y2="%s"/>', y, y) end
      self:add(text(number == 1 and 0 or '100%', y, axis.label(v, step), number == 1 and 'tick end' or 'tick',
                    number == 1 and ' dx="-8" dy=".34em"' or ' dx="8" dy=".34em"'))
    end
    self:add(text(number == 1 and 0 or '100%', 0, y_axis.label, number == 1 and 'label' or 'label end',
                  number == 1 and ' dx="-40" dy="-18"' or ' dx="30" dy="-18"'))
  end
  self:add(text('50%', '100%', p.x.label, 'label middle', ' dy="42"'))
end

function Chart:bands(bands)
  for _, band in ipairs(bands or {}) do
    local from, to = self:x(band[1]), self:x(band[2])
    self:add('<rect class="band" x="%s" width="%s" y="0" height="100%%"/>', share(from), share(math.max(to - from, 0.002)))
  end
end

-- Of many points the lowest and the highest of each stretch: what a line of them looks like.
local function thin(points)
  local stretch = math.ceil(#points / (MOST_POINTS / 2))
  if #points <= MOST_POINTS then return points end
  local list = {}
  for from = 1, #points, stretch do
    local least, most = from, from
    for i = from, math.min(from + stretch - 1, #points) do
      if points[i][2] < points[least][2] then least = i end
      if points[i][2] > points[most][2] then most = i end
    end
    list[#list + 1] = points[math.min(least, most)]
    if least ~= most then list[#list + 1] = points[math.max(least, most)] end
  end
  return list
end

-- Coordinates in the stretched drawing; what lies far outside of it is brought near.
function Chart:place(point, number)
  local y = math.max(-1, math.min(2, self:y(point[2], number)))
  return ('%.1f %.1f'):format(SIZE * self:x(point[1]), SIZE * y)
end

-- The path of a series: a line, steps, or a dot a point (a line of no length with round ends).
function Chart:path(s)
  local steps, list, last = {}, s.points, nil
  if s.kind == 'line' then list = thin(list) end
  for i, point in ipairs(list) do
    local place = self:place(point, s.axis or 1)
    local y = place:match ' (.*)'
    if s.kind == 'points' then
      steps[i] = 'M' .. place .. 'h0'
    elseif s.kind == 'step' and last then
      if y ~= last or i == #list then steps[#steps + 1] = 'H' .. place:match '^[^ ]+' .. (y ~= last and 'V' .. y or '') end
    else
      steps[#steps + 1] = (i == 1 and 'M' or 'L') .. place
    end
    last = y
  end
  self:add('<path class="%s %s" d="%s"/>', s.kind, s.class, table.concat(steps))
end

-- Circles with a text each, which is shown where the pointer rests.
function Chart:marks(s)
  for i, point in ipairs(s.points) do
    self:add('<circle class="mark %s" cx="%s" cy="%s" r="%d"><title>%s</title></circle>', s.class, share(self:x(point[1])),
             share(self:y(point[2], s.axis or 1)), s.radius or 5, html.escape(s.names[i]))
  end
end

function Chart:series(list)
  self:add('<svg viewBox="0 0 %d %d" preserveAspectRatio="none" width="100%%" height="100%%">', SIZE, SIZE)
  for _, s in ipairs(list) do
    if #s.points > 0 and (s.kind ~= 'points' or not s.names) then self:path(s) end
  end
  self:add '</svg>'
  for _, s in ipairs(list) do
    if s.names then self:marks(s) end
  end
end

-- The drawing. p: a description as of anet.plot, with a `summary` of what it shows in words; id: of this drawing in the page.
function M.svg(p, id)
  local self = setmetatable({parts = {}, low = {}, high = {}}, Chart)
  self.x_low, self.x_high = axis.range(p.x, p.series, 0, 1)
  self.low[1], self.high[1] = axis.range(p.y, p.series, 1, 2)
  if p.y2 then self.low[2], self.high[2] = axis.range(p.y2, p.series, 2, 2) end
  self:add('<svg role="img" aria-labelledby="%s-title %s-summary" width="100%%" height="100%%"><title id="%s-title">%s</title>' ..
           '<desc id="%s-summary">%s</desc>', id, id, id, html.escape(p.title), id, html.escape(p.summary))
  self:bands(p.bands)
  self:axes(p)
  self:series(p.series)
  self:add '</svg>'
  return table.concat(self.parts, '\n')
end

-- What the colours mean, as a list.
function M.legend(p)
  local items = {}
  for _, s in ipairs(p.series) do
    if #s.points > 0 then items[#items + 1] = ('<li class="%s"><i class="%s"></i>%s</li>'):format(s.class, s.kind, html.escape(s.name)) end
  end
  if p.bands and #p.bands > 0 then items[#items + 1] = '<li class="busy"><i class="band"></i>' .. html.escape(p.bands.name) .. '</li>' end
  return '<ul class="legend">' .. table.concat(items) .. '</ul>'
end

return M
