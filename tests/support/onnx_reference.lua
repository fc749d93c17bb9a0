-- ONNX's ops as its specification words them, by naive loops over arrays of doubles {dims, values}: what the engine
-- makes of models is compared with these. Axes and places count from 0, as in files.
local M = {}

-- ---- arrays -----------------------------------------------------------------------------------------

function M.count(dims)
  local all = 1
  for _, d in ipairs(dims) do all = all * d end
  return all
end

-- source: a list, a number for all, or a function of the place.
function M.array(dims, source)
  local list = {}
  for k = 1, M.count(dims) do
    list[k] = type(source) == 'table' and source[k] or type(source) == 'function' and source(k - 1) or source
  end
  return {dims, list}
end

-- Eighths between -4 and 4, no two neighbours alike: sums of some are exact.
function M.random(dims, seed)
  local state = (seed or 1) * 7919 % 65521
  return M.array(dims, function()
    state = (state * 17364 + 12345) % 65521
    return math.floor(state / 65521 * 64) / 8 - 4
  end)
end

function M.count_up(dims, from) return M.array(dims, function(k) return k + (from or 1) end) end

-- visit(index, k): the places of each element, in order; the list is used again.
local function each(dims, visit)
  local index = {}
  for i = 1, #dims do index[i] = 0 end
  for k = 1, M.count(dims) do
    visit(index, k)
    for d = #dims, 1, -1 do
      index[d] = index[d] + 1
      if index[d] < dims[d] then break end
      index[d] = 0
    end
  end
end

local function place(dims, index)
  local at = 0
  for i, d in ipairs(dims) do at = at * d + index[i] end
  return at + 1
end

local function at(a, index) return a[2][place(a[1], index)] end

local function copied(list)
  local copy = {}
  for i, v in ipairs(list) do copy[i] = v end
  return copy
end

-- f(index) for each element of a shape.
local function made(dims, f)
  local list = {}
  each(dims, function(index, k) list[k] = f(index) end)
  return {dims, list}
end

function M.map(a, f) return made(a[1], function(index) return f(at(a, index)) end) end

-- ---- broadcasting -----------------------------------------------------------------------------------

local function right(dims, rank)
  local list = {}
  for i = 1, rank do list[i] = dims[i - (rank - #dims)] or 1 end
  return list
end

local function repeated(a, dims)
  local own = right(a[1], #dims)
  return made(dims, function(index)
    local from = {}
    for i, d in ipairs(own) do from[i] = d == 1 and 0 or index[i] end
    return a[2][place(own, from)]
  end)
end

local function common(...)
  local rank, dims = 0, {}
  for _, a in ipairs{...} do rank = math.max(rank, #a[1]) end
  for i = 1, rank do dims[i] = 1 end
  for _, a in ipairs{...} do
    for i, d in ipairs(right(a[1], rank)) do dims[i] = d ~= 1 and d or dims[i] end
  end
  return dims
end

-- f of the elements of two or three arrays.
function M.broadcast(f, ...)
  local dims, parts = common(...), {}
  for i, a in ipairs{...} do parts[i] = repeated(a, dims)[2] end
  local list = {}
  for k = 1, M.count(dims) do
    list[k] = parts[3] and f(parts[1][k], parts[2][k], parts[3][k]) or not parts[3] and f(parts[1][k], parts[2][k])
  end
  return {dims, list}
end

function M.expand(a, dims) return repeated(a, common(a, {dims})) end

-- ---- shapes -----------------------------------------------------------------------------------------

function M.reshape(a, dims) return {dims, a[2]} end

function M.transpose(a, perm)
  local dims = {}
  for i, p in ipairs(perm) do dims[i] = a[1][p + 1] end
  return made(dims, function(index)
    local from = {}
    for i, p in ipairs(perm) do from[p + 1] = index[i] end
    return at(a, from)
  end)
end

-- The places of one axis, in this order.
function M.take(a, axis, places)
  local dims = copied(a[1])
  dims[axis + 1] = #places
  return made(dims, function(index)
    local from = copied(index)
    from[axis + 1] = places[index[axis + 1] + 1]
    return at(a, from)
  end)
end

-- As Python slices.
function M.slice(a, axis, first, last, step)
  local size, places = a[1][axis + 1], {}
  local function bound(v, low, high) return math.min(math.max(v < 0 and v + size or v, low), high) end
  if step > 0 then
    for i = bound(first, 0, size), bound(last, 0, size) - 1, step do places[#places + 1] = i end
  else
    for i = bound(first, -1, size - 1), bound(last, -1, size - 1) + 1, step do places[#places + 1] = i end
  end
  return M.take(a, axis, places)
end

function M.concat(axis, ...)
  local parts, dims = {...}, copied((...)[1])
  dims[axis + 1] = 0
  for _, p in ipairs(parts) do dims[axis + 1] = dims[axis + 1] + p[1][axis + 1] end
  return made(dims, function(index)
    local from, k = copied(index), 1
    while from[axis + 1] >= parts[k][1][axis + 1] do
      from[axis + 1], k = from[axis + 1] - parts[k][1][axis + 1], k + 1
    end
    return at(parts[k], from)
  end)
end

-- mode: constant, reflect, edge or wrap; negative pads cut.
function M.pad(a, before, after, mode, value)
  local dims = {}
  for i, d in ipairs(a[1]) do dims[i] = d + before[i] + after[i] end
  return made(dims, function(index)
    local from, inside = {}, true
    for i, d in ipairs(a[1]) do
      local p = index[i] - before[i]
      inside = inside and p >= 0 and p < d
      if mode == 'edge' then p = math.min(math.max(p, 0), d - 1) end
      if mode == 'wrap' then p = p % d end
      while mode == 'reflect' and (p < 0 or p >= d) do p = p < 0 and -p or 2 * (d - 1) - p end
      from[i] = p
    end
    return (inside or mode ~= 'constant') and at(a, from) or value
  end)
end

-- ---- reductions -------------------------------------------------------------------------------------

-- f(list of the elements) along some axes, which stay as axes of 1 with `keeps`.
function M.reduce(a, axes, keeps, f)
  local gone, full, short = {}, {}, {}
  for _, axis in ipairs(axes) do gone[axis + 1] = true end
  for i, d in ipairs(a[1]) do
    full[i] = gone[i] and 1 or d
    if keeps or not gone[i] then short[#short + 1] = full[i] end
  end
  local lists = {}
  for k = 1, M.count(full) do lists[k] = {} end
  each(a[1], function(index, k)
    local to = {}
    for i in ipairs(full) do to[i] = gone[i] and 0 or index[i] end
    local list = lists[place(full, to)]
    list[#list + 1] = a[2][k]
  end)
  for k, list in ipairs(lists) do lists[k] = f(list) end
  return {short, lists}
end

-- f(list) gives a list of as many, or fewer, for each line along an axis.
function M.lines(a, axis, f)
  local size, first = a[1][axis + 1], nil
  local outer = copied(a[1])
  outer[axis + 1] = 1
  local results = {}
  each(outer, function(index)
    local list, from = {}, copied(index)
    for i = 1, size do
      from[axis + 1] = i - 1
      list[i] = at(a, from)
    end
    results[place(outer, index)] = f(list)
    first = first or results[place(outer, index)]
  end)
  local dims = copied(a[1])
  dims[axis + 1] = #first
  return made(dims, function(index)
    local from = copied(index)
    from[axis + 1] = 0
    return results[place(outer, from)][index[axis + 1] + 1]
  end)
end

function M.sum(list)
  local sum = 0
  for _, v in ipairs(list) do sum = sum + v end
  return sum
end

function M.softmax(list)
  local most, all = math.max(unpack(list)), {}
  for i, v in ipairs(list) do all[i] = math.exp(v - most) end
  local sum = M.sum(all)
  for i, v in ipairs(all) do all[i] = v / sum end
  return all
end

-- ---- products ---------------------------------------------------------------------------------------

-- (…, n, k) times (…, k, m); what stands before is broadcast.
function M.matmul(a, b)
  local function head(x) return {unpack(x[1], 1, #x[1] - 2)} end
  local outer = common({head(a)}, {head(b)})
  local n, k, m = a[1][#a[1] - 1], a[1][#a[1]], b[1][#b[1]]
  local function rows(x, r, c)
    local dims = copied(outer)
    dims[#dims + 1], dims[#dims + 2] = r, c
    return repeated(x, dims)
  end
  local x, y, dims = rows(a, n, k), rows(b, k, m), copied(outer)
  dims[#dims + 1], dims[#dims + 2] = n, m
  return made(dims, function(index)
    local sum, left, lower = 0, copied(index), copied(index)
    for i = 0, k - 1 do
      left[#left], lower[#lower - 1] = i, i
      sum = sum + at(x, left) * at(y, lower)
    end
    return sum
  end)
end

-- ---- windows ----------------------------------------------------------------------------------------

-- Strides, dilations and padding of `axes`; SAME_* from the sizes.
local function window(o, sizes, kernel)
  local w = {stride = {}, dilation = {}, front = {}, back = {}, span = {}}
  for i = 1, #sizes do
    w.stride[i], w.dilation[i] = o.strides and o.strides[i] or 1, o.dilations and o.dilations[i] or 1
    w.span[i] = (kernel[i] - 1) * w.dilation[i] + 1
    w.front[i], w.back[i] = o.pads and o.pads[i] or 0, o.pads and o.pads[i + #sizes] or 0
    if o.auto_pad and o.auto_pad:match '^SAME' then
      local out = math.ceil(sizes[i] / w.stride[i])
      local all = math.max((out - 1) * w.stride[i] + w.span[i] - sizes[i], 0)
      local less, more = math.floor(all / 2), math.ceil(all / 2)
      w.front[i], w.back[i] = o.auto_pad == 'SAME_UPPER' and less or more, o.auto_pad == 'SAME_UPPER' and more or less
    end
  end
  return w
end

local function spatial(x) return {unpack(x[1], 3)} end

-- Weights (m, c / group, …), a bias (m) or nil.
function M.conv(x, weights, bias, o)
  local sizes, kernel, group = spatial(x), spatial(weights), o.group or 1
  local w, dims = window(o, sizes, kernel), {x[1][1], weights[1][1]}
  for i, d in ipairs(sizes) do
    dims[i + 2] = math.floor((d + w.front[i] + w.back[i] - w.span[i]) / w.stride[i]) + 1
  end
  local per = weights[1][2]
  return made(dims, function(index)
    local m = index[2]
    local sum, first = bias and bias[2][m + 1] or 0, math.floor(m / (weights[1][1] / group)) * per
    each({per, unpack(kernel)}, function(tap)
      local from, inside = {index[1], first + tap[1]}, true
      for i, d in ipairs(sizes) do
        from[i + 2] = index[i + 2] * w.stride[i] - w.front[i] + tap[i + 1] * w.dilation[i]
        inside = inside and from[i + 2] >= 0 and from[i + 2] < d
      end
      if inside then sum = sum + at(x, from) * at(weights, {m, unpack(tap)}) end
    end)
    return sum
  end)
end

-- Weights (c, m / group, …): every element of the input is spread over a window of the output.
function M.conv_transpose(x, weights, bias, o)
  local sizes, kernel, group = spatial(x), spatial(weights), o.group or 1
  local w, per = window({strides = o.strides, dilations = o.dilations, pads = o.pads}, sizes, kernel), weights[1][2]
  local dims = {x[1][1], per * group}
  for i, d in ipairs(sizes) do
    local whole = (d - 1) * w.stride[i] + w.span[i] + (o.output_padding and o.output_padding[i] or 0)
    local want = o.output_shape and o.output_shape[i] or o.auto_pad and d * w.stride[i]
    if want then
      local all = math.max(whole - want, 0)
      w.front[i] = o.auto_pad == 'SAME_UPPER' and math.floor(all / 2) or all - math.floor(all / 2)
      w.back[i] = whole - want - w.front[i]
    end
    dims[i + 2] = whole - w.front[i] - w.back[i]
  end
  local y = M.array(dims, 0)
  each(dims, function(index, k) y[2][k] = bias and bias[2][index[2] + 1] or 0 end)
  each(x[1], function(index, k)
    local g = math.floor(index[2] / (x[1][2] / group))
    each({per, unpack(kernel)}, function(tap)
      local to, inside = {index[1], g * per + tap[1]}, true
      for i in ipairs(sizes) do
        to[i + 2] = index[i + 2] * w.stride[i] - w.front[i] + tap[i + 1] * w.dilation[i]
        inside = inside and to[i + 2] >= 0 and to[i + 2] < dims[i + 2]
      end
      if inside then
        local p = place(dims, to)
        y[2][p] = y[2][p] + x[2][k] * at(weights, {index[2], unpack(tap)})
      end
    end)
  end)
  return y
end

-- The largest, or with `average` the mean, of each window. With ceil_mode a last window that does not fit goes over the
-- end, unless it would begin in the padding there; a mean counts padding where count_include_pad says so, and never
-- what is beyond it.
function M.pool(x, o, average)
  local sizes = spatial(x)
  local w, dims = window(o, sizes, o.kernel_shape), {x[1][1], x[1][2]}
  for i, d in ipairs(sizes) do
    local steps = (d + w.front[i] + w.back[i] - w.span[i]) / w.stride[i]
    local out = (o.ceil_mode == 1 and math.ceil(steps) or math.floor(steps)) + 1
    if (out - 1) * w.stride[i] >= d + w.front[i] then out = out - 1 end
    dims[i + 2] = out
  end
  return made(dims, function(index)
    local list, padding = {}, 0
    each(o.kernel_shape, function(tap)
      local from, inside, counted = {index[1], index[2]}, true, true
      for i, d in ipairs(sizes) do
        local p = index[i + 2] * w.stride[i] - w.front[i] + tap[i] * w.dilation[i]
        from[i + 2], inside = p, inside and p >= 0 and p < d
        counted = counted and p < d + w.back[i]
      end
      if inside then list[#list + 1] = at(x, from) elseif counted then padding = padding + 1 end
    end)
    if not average then return math.max(unpack(list)) end
    return M.sum(list) / (#list + (o.count_include_pad == 1 and padding or 0))
  end)
end

-- ---- Resize -----------------------------------------------------------------------------------------

local WHERE = {
  half_pixel = function(x, scale) return (x + 0.5) / scale - 0.5 end,
  asymmetric = function(x, scale) return x / scale end,
  align_corners = function(x, scale, size) return scale * size == 1 and 0 or x * (size - 1) / (scale * size - 1) end,
  pytorch_half_pixel = function(x, scale, size) return scale * size > 1 and (x + 0.5) / scale - 0.5 or 0 end,
  tf_half_pixel_for_nn = function(x, scale) return (x + 0.5) / scale end,
  half_pixel_symmetric = function(x, scale, size, out)
    return size / 2 * (1 - out / (scale * size)) + (x + 0.5) / scale - 0.5
  end,
  tf_crop_and_resize = function(x, _, size, out, first, last)
    if out > 1 then return first * (size - 1) + x * (last - first) * (size - 1) / (out - 1) end
    return 0.5 * (first + last) * (size - 1)
  end,
}

local NEAREST = {
  round_prefer_floor = function(x) return x == math.floor(x) + 0.5 and math.floor(x) or math.floor(x + 0.5) end,
  round_prefer_ceil = function(x) return math.floor(x + 0.5) end,
  floor = math.floor,
  ceil = math.ceil,
}

-- Keys' weights of the four pixels around a point that lies r beyond the second.
local function keys(r, a)
  return {
    ((a * (r + 1) - 5 * a) * (r + 1) + 8 * a) * (r + 1) - 4 * a, ((a + 2) * r - (a + 3)) * r * r + 1,
    ((a + 2) * (1 - r) - (a + 3)) * (1 - r) * (1 - r) + 1,
    ((a * (2 - r) - 5 * a) * (2 - r) + 8 * a) * (2 - r) - 4 * a,
  }
end

-- One axis: o = {mode, where, round, cubic, excludes, beyond}, with scale, out, and first, last of a part.
function M.resize_axis(a, axis, scale, out, o, first, last)
  local size = a[1][axis + 1]
  return M.lines(a, axis, function(list)
    local line = {}
    for k = 0, out - 1 do
      local x = WHERE[o.where or 'half_pixel'](k, scale, size, out, first, last)
      local low, value, sum = math.floor(x), 0, 0
      local function pixel(p) return list[math.min(math.max(p, 0), size - 1) + 1] end
      if o.where == 'tf_crop_and_resize' and (x < 0 or x > size - 1) then
        value = o.beyond or 0
      elseif o.mode == 'cubic' then
        for i, weight in ipairs(keys(x - low, o.cubic or -0.75)) do
          local p = low + i - 2
          if not o.excludes or (p >= 0 and p < size) then value, sum = value + weight * pixel(p), sum + weight end
        end
        value = value / sum
      elseif o.mode == 'linear' then
        value = pixel(low) * (1 - (x - low)) + pixel(low + 1) * (x - low)
      else
        value = pixel(NEAREST[o.round or 'round_prefer_floor'](x))
      end
      line[k + 1] = value
    end
    return line
  end)
end

return M
