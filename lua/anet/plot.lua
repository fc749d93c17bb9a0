-- Plots as PNG, by cairo. The same descriptions are drawn for pages by anet.chart.
--
--   plot.save({title = …, x = {label = 'latency, ms'}, y = {label = 'accuracy, %'},
--              series = {{name = 'subnets', kind = 'points', points = {{1.2, 93.1}, …}}}}, 'front.png')
local axis = require 'anet.axis'
local core = require 'anet.core'
local image = require 'anet.image'
local tensor = require 'anet.tensor'
local ffi = core.ffi
local bit = require 'bit'

ffi.cdef [[
typedef struct cairo_surface cairo_surface_t;
typedef struct cairo cairo_t;
typedef struct { double x_bearing, y_bearing, width, height, x_advance, y_advance; } cairo_text_extents_t;
typedef int (*cairo_write_func_t)(void *, const unsigned char *, unsigned int);
cairo_surface_t *cairo_image_surface_create(int format, int width, int height);
unsigned char *cairo_image_surface_get_data(cairo_surface_t *);
int cairo_image_surface_get_stride(cairo_surface_t *);
void cairo_surface_flush(cairo_surface_t *);
int cairo_surface_status(cairo_surface_t *);
void cairo_surface_destroy(cairo_surface_t *);
const char *cairo_status_to_string(int);
cairo_t *cairo_create(cairo_surface_t *);
void cairo_destroy(cairo_t *);
void cairo_set_source_rgba(cairo_t *, double, double, double, double);
void cairo_set_line_width(cairo_t *, double);
void cairo_set_dash(cairo_t *, const double *, int, double);
void cairo_move_to(cairo_t *, double, double);
void cairo_line_to(cairo_t *, double, double);
void cairo_rectangle(cairo_t *, double, double, double, double);
void cairo_arc(cairo_t *, double, double, double, double, double);
void cairo_stroke(cairo_t *);
void cairo_fill(cairo_t *);
void cairo_clip(cairo_t *);
void cairo_save(cairo_t *);
void cairo_restore(cairo_t *);
void cairo_translate(cairo_t *, double, double);
void cairo_rotate(cairo_t *, double);
void cairo_select_font_face(cairo_t *, const char *, int slant, int weight);
void cairo_set_font_size(cairo_t *, double);
void cairo_text_extents(cairo_t *, const char *, cairo_text_extents_t *);
void cairo_show_text(cairo_t *, const char *);
]]

local M = {}

local WIDTH, HEIGHT = 880, 520
local LEFT, RIGHT, TOP, BOTTOM = 74, 66, 52, 62
local INK, GREY, GRID = {0.15, 0.16, 0.20}, {0.42, 0.44, 0.50}, {0.90, 0.91, 0.93}
-- Okabe and Ito's colours, told apart by colour-blind eyes too.
local COLOURS = {
  {0.00, 0.45, 0.70}, {0.84, 0.37, 0.00}, {0.00, 0.62, 0.45}, {0.80, 0.47, 0.65}, {0.90, 0.62, 0.00},
}

local extents = ffi.new 'cairo_text_extents_t'

local function cairo()
  local ok, library = pcall(ffi.load, 'libcairo.so.2')
  if not ok then return nil, 'plots need cairo: install the Debian package libcairo2', 'absent' end
  return library
end

-- ---- drawing --------------------------------------------------------------------------------------

local Canvas = {}
Canvas.__index = Canvas

function Canvas:colour(c, alpha)
  self.lib.cairo_set_source_rgba(self.cr, c[1], c[2], c[3], alpha or 1)
end

-- Text at a point; align 0 left, 0.5 middle, 1 right.
function Canvas:text(x, y, text, align, size, bold)
  self.lib.cairo_select_font_face(self.cr, 'DejaVu Sans', 0, bold and 1 or 0)
  self.lib.cairo_set_font_size(self.cr, size or 12)
  self.lib.cairo_text_extents(self.cr, text, extents)
  self.lib.cairo_move_to(self.cr, x - (align or 0) * extents.x_advance, y)
  self.lib.cairo_show_text(self.cr, text)
  return extents.x_advance
end

function Canvas:line(x0, y0, x1, y1, width)
  self.lib.cairo_set_line_width(self.cr, width or 1)
  self.lib.cairo_move_to(self.cr, x0, y0)
  self.lib.cairo_line_to(self.cr, x1, y1)
  self.lib.cairo_stroke(self.cr)
end

function Canvas:at(series, point)
  local low, high = self.low[series.axis or 1], self.high[series.axis or 1]
  local x = LEFT + (point[1] - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)
  local y = HEIGHT - BOTTOM - (point[2] - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
  return x, y
end

function Canvas:axes(p)
  local list, step = axis.ticks(self.x_low, self.x_high, 8)
  for _, v in ipairs(list) do
    local x = self:at({}, {v, 0})
    self:colour(GRID)
    self:line(x, TOP, x, HEIGHT - BOTTOM)
    self:colour(GREY)
    self:text(x, HEIGHT - BOTTOM + 18, axis.label(v, step), 0.5)
  end
  for number, side in ipairs{p.y, p.y2} do
    list, step = axis.ticks(self.low[number], self.high[number], 6, side.whole)
    for _, v in ipairs(list) do
      local _, y = self:at({axis = number}, {0, v})
      self:colour(GRID)
      if number == 1 then self:line(LEFT, y, WIDTH - RIGHT, y) end
      self:colour(GREY)
      self:text(number == 1 and LEFT - 8 or WIDTH - RIGHT + 8, y + 4, axis.label(v, step), number == 1 and 1 or 0)
    end
    self:side_label(side.label or '', number == 1 and 20 or WIDTH - 14)
  end
  self:colour(INK)
  self:text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 20, p.x.label or '', 0.5, 13)
  self:text(LEFT, 28, p.title or '', 0, 16, true)
end

function Canvas:side_label(text, x)
  self:colour(INK)
  self.lib.cairo_save(self.cr)
  self.lib.cairo_translate(self.cr, x, (TOP + HEIGHT - BOTTOM) / 2)
  self.lib.cairo_rotate(self.cr, -math.pi / 2)
  self:text(0, 0, text, 0.5, 13)
  self.lib.cairo_restore(self.cr)
end

function Canvas:width_of(text, size)
  self.lib.cairo_set_font_size(self.cr, size or 12)
  self.lib.cairo_text_extents(self.cr, text, extents)
  return extents.x_advance
end

-- Shaded stretches of x: {from, to, label}; a label that finds no room is left out.
function Canvas:bands(bands)
  for _, band in ipairs(bands or {}) do
    local x0, x1 = self:at({}, {band[1], 0}), self:at({}, {band[2], 0})
    self:colour(COLOURS[5], 0.14)
    self.lib.cairo_rectangle(self.cr, x0, TOP, x1 - x0, HEIGHT - TOP - BOTTOM)
    self.lib.cairo_fill(self.cr)
    self:colour(GREY)
    if self:width_of(band[3]) + 8 < x1 - x0 then self:text((x0 + x1) / 2, TOP + 14, band[3], 0.5) end
  end
end

function Canvas:path(s)
  local last_y
  for i, p in ipairs(s.points) do
    local x, y = self:at(s, p)
    if i == 1 then
      self.lib.cairo_move_to(self.cr, x, y)
    else
      if s.kind == 'step' then self.lib.cairo_line_to(self.cr, x, last_y) end
      self.lib.cairo_line_to(self.cr, x, y)
    end
    last_y = y
  end
  self.lib.cairo_set_line_width(self.cr, s.width or 1.6)
  local dash = ffi.new('double[2]', 6, 4)
  self.lib.cairo_set_dash(self.cr, dash, s.dashed and 2 or 0, 0)
  self.lib.cairo_stroke(self.cr)
  self.lib.cairo_set_dash(self.cr, dash, 0, 0)
end

function Canvas:series(list)
  self.lib.cairo_save(self.cr)
  self.lib.cairo_rectangle(self.cr, LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)
  self.lib.cairo_clip(self.cr)
  for i, s in ipairs(list) do
    self:colour(s.colour or COLOURS[(i - 1) % #COLOURS + 1], s.alpha)
    if s.kind ~= 'points' then self:path(s) end
    if s.kind == 'points' or s.marks then
      for _, p in ipairs(s.points) do
        local x, y = self:at(s, p)
        self.lib.cairo_arc(self.cr, x, y, s.radius or 4, 0, 2 * math.pi)
        self.lib.cairo_fill(self.cr)
      end
    end
  end
  self.lib.cairo_restore(self.cr)
end

function Canvas:legend(list)
  local x = WIDTH - RIGHT
  for i = #list, 1, -1 do
    local s = list[i]
    if s.name and #s.points > 0 then
      self:colour(INK)
      x = x - self:text(x, 28, s.name, 1) - 20
      self:colour(s.colour or COLOURS[(i - 1) % #COLOURS + 1], s.alpha)
      self.lib.cairo_rectangle(self.cr, x + 3, 18, 12, 12)
      self.lib.cairo_fill(self.cr)
      x = x - 14
    end
  end
end

-- Draw a description by a library of cairo's functions.
function M.draw(lib, surface, p)
  local self = setmetatable({lib = lib, cr = lib.cairo_create(surface), low = {}, high = {}}, Canvas)
  self.x_low, self.x_high = axis.range(p.x, p.series, 0, 1)
  self.low[1], self.high[1] = axis.range(p.y, p.series, 1, 2)
  if p.y2 then self.low[2], self.high[2] = axis.range(p.y2, p.series, 2, 2) end
  self:colour{1, 1, 1}
  lib.cairo_rectangle(self.cr, 0, 0, WIDTH, HEIGHT)
  lib.cairo_fill(self.cr)
  self:bands(p.bands)
  self:axes(p)
  self:series(p.series)
  self:legend(p.series)
  lib.cairo_destroy(self.cr)
end

-- ---- the module -------------------------------------------------------------------------------------

-- The pixels of a surface as an image; what was drawn covers all of it, so that alpha says nothing.
local function image_of(lib, surface)
  lib.cairo_surface_flush(surface)
  local pixels, stride = lib.cairo_image_surface_get_data(surface), lib.cairo_image_surface_get_stride(surface)
  local picture = tensor.new({HEIGHT, WIDTH, 3}, 'u8')
  local to = picture:data()
  for y = 0, HEIGHT - 1 do
    local row = ffi.cast('const uint32_t *', pixels + y * stride)
    for x = 0, WIDTH - 1 do
      local colour, at = row[x], 3 * (y * WIDTH + x)
      to[at], to[at + 1], to[at + 2] = bit.band(bit.rshift(colour, 16), 255), bit.band(bit.rshift(colour, 8), 255), bit.band(colour, 255)
    end
  end
  return picture
end

-- Draw to a PNG file. nil, message, code where it cannot be drawn ('absent': there is no cairo) or written.
---@param p table {title, x = {label}, y = {label, low, high, most}, y2 =, series =, bands =}
---@return true? ok, string? message, string? code
function M.save(p, path)
  local lib, message, code = cairo()
  if not lib then return nil, message, code end
  local surface = lib.cairo_image_surface_create(0, WIDTH, HEIGHT)
  M.draw(lib, surface, p)
  local status = lib.cairo_surface_status(surface)
  local picture = status == 0 and image_of(lib, surface)
  lib.cairo_surface_destroy(surface)
  if not picture then return nil, ('%s: %s'):format(path, ffi.string(lib.cairo_status_to_string(status))), 'nomem' end
  return image.save(picture, path)
end

return M
