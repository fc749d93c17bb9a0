-- Tensors from Lua: every method against plain loops over nested tables, and every wrong call with both numbers.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local core = require 'anet.core'
local host = require 'anet.host'

-- A tensor of a shape whose elements are 1, 2, 3, …
local function counted(dims, kind)
  local t = anet.tensor(dims, kind)
  for i = 0, t:count() - 1 do t:data()[i] = i + 1 end
  return t
end

-- f(value, index …) of every element, rows first.
local function each(dims, f)
  local index, value = {}, 0
  local function walk(d)
    if d > #dims then
      value = value + 1
      return f(value, index)
    end
    for k = 1, dims[d] do
      index[d] = k
      walk(d + 1)
    end
  end
  walk(1)
end

test.case('made of zeros', function()
  for kind, largest in pairs{f32 = 1.5, u8 = 255, i32 = 2 ^ 31 - 1, i8 = 127} do
    local t = anet.tensor({2, 3}, kind)
    test.equal(t:type(), kind)
    test.same(t:shape(), {2, 3})
    test.equal(t:count(), 6)
    test.same(t:list(), {0, 0, 0, 0, 0, 0})
    test.equal(t:set(2, 3, largest):get(2, 3), largest)
    test.equal(t:data()[5], largest)
    test.equal(t:clone():type(), kind)
  end
  test.equal(anet.tensor{1}:type(), 'f32')
  test.raises("tensor: no type 'f64'; there are f32, u8, i32, i8", anet.tensor, {1}, 'f64')
  test.raises('a shape has 1 to 5 dimensions, got 0', anet.tensor, {})
  test.raises('-1', anet.tensor, {-1})
end)

test.case('made of tables', function()
  local t = anet.tensor.of{{{1, 2}, {3, 4}, {5, 6}}, {{7, 8}, {9, 10}, {11, 12}}}
  test.same(t:shape(), {2, 3, 2})
  each({2, 3, 2}, function(value, i) test.equal(t:get(i[1], i[2], i[3]), value) end)
  test.equal(anet.tensor.of({1, 255}, 'u8'):type(), 'u8')
  test.same(anet.tensor.of{{{{{7}}}}}:shape(), {1, 1, 1, 1, 1})
  test.raises('dimensions, got 6', anet.tensor.of, {{{{{{7}}}}}})
  test.raises('tensor: a row of dimension 2 has 1 items, want 2', anet.tensor.of, {{1, 2}, {3}})
  test.raises('tensor: a row of dimension 2 has no items, want 2', anet.tensor.of, {{1, 2}, 3})
  test.raises('tensor: want a number, got table', anet.tensor.of, {1, {2}})
  test.raises('tensor: want a number, got string', anet.tensor.of, {'x'})
end)

test.case('dimensions', function()
  local t = anet.tensor{2, 3, 4}
  for i, n in ipairs{2, 3, 4} do
    test.equal(t:dim(i), n)
    test.equal(t:dim(i - 4), n)
  end
  test.raises('dim: the tensor has 3 dimensions, not 4', t.dim, t, 4)
  test.raises('dim: the tensor has 3 dimensions, not 0', t.dim, t, 0)
  test.raises('dim: the tensor has 3 dimensions, not -4', t.dim, t, -4)
end)

test.case('elements', function()
  local t = counted{2, 3, 4}
  each({2, 3, 4}, function(value, i) test.equal(t:get(unpack(i)), value) end)
  local other = anet.tensor{2, 3, 4}
  each({2, 3, 4}, function(value, i) test.equal(other:set(i[1], i[2], i[3], value), other) end)
  test.same(other:list(), t:list())
  for _, wrong in ipairs{{0, 1, 1, 'index 1 is 0, want 1 to 2'}, {3, 1, 1, 'index 1 is 3, want 1 to 2'}, {1, 4, 1, 'index 2 is 4, want 1 to 3'},
                         {1, 1, -1, 'index 3 is -1, want 1 to 4'}, {1, 1, 5, 'index 3 is 5, want 1 to 4'}} do
    test.raises('get: ' .. wrong[4], t.get, t, wrong[1], wrong[2], wrong[3])
    test.raises('set: ' .. wrong[4], t.set, t, wrong[1], wrong[2], wrong[3], 7)
  end
  test.raises('get: got 2 indices, want 3', t.get, t, 1, 1)
  test.raises('get: got 4 indices, want 3', t.get, t, 1, 1, 1, 1)
  test.raises('set: got 2 indices, want 3', t.set, t, 1, 1, 7)
  test.equal(t:get(2, 3, 4), 24)
end)

test.case('windows', function()
  local t = counted{4, 5}
  local w = t:view({2, 3}, {3, 2})
  test.same(w:shape(), {3, 2})
  each({3, 2}, function(_, i) test.equal(w:get(i[1], i[2]), (i[1]) * 5 + i[2] + 2) end)
  test.check(t:dense() and not w:dense())
  test.same(w:list(), {8, 9, 13, 14, 18, 19})
  w:set(1, 1, -1)
  test.equal(t:get(2, 3), -1) -- the same memory
  test.equal(w:count(), 6)
  test.raises('fill: the tensor is a window', w.fill, w, 0)
  test.raises('', w.reshape, w, {6})
  local copy = w:clone()
  test.check(copy:dense())
  test.same(copy:list(), w:list())
  copy:set(1, 1, 7)
  test.equal(w:get(1, 1), -1)
  test.raises('view: got 1 firsts and 2 sizes, want 2', t.view, t, {1}, {1, 1})
  test.raises('view: got 2 firsts and 1 sizes, want 2', t.view, t, {1, 1}, {1})
  for _, wrong in ipairs{{{0, 1}, {1, 1}}, {{1, 5}, {1, 2}}, {{5, 1}, {1, 1}}, {{1, 1}, {5, 1}}} do
    test.check(not pcall(t.view, t, wrong[1], wrong[2]), 'a window outside')
  end
  -- It keeps the memory that it is a window of.
  t = nil
  collectgarbage()
  collectgarbage()
  test.equal(w:get(3, 2), 19)
end)

test.case('the first rows', function()
  local t = counted{3, 2}
  local f = t:first(2)
  test.same(f:shape(), {2, 2})
  test.same(f:list(), {1, 2, 3, 4})
  f:set(1, 1, 9)
  test.equal(t:get(1, 1), 9)
  test.raises('', t.first, t, 4)
end)

test.case('other shapes', function()
  local t = counted{2, 6}
  local r = t:reshape{3, 2, 2}
  test.same(r:shape(), {3, 2, 2})
  test.same(r:list(), t:list())
  r:set(1, 1, 1, 9)
  test.equal(t:get(1, 1), 9)
  test.raises('', t.reshape, t, {5, 2})
end)

test.case('transposes', function()
  local t = counted{2, 3, 4}
  for _, axes in ipairs{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}} do
    local p = t:transpose(axes)
    for a = 1, 3 do test.equal(p:dim(a), t:dim(axes[a])) end
    each({2, 3, 4}, function(value, i) test.equal(p:get(i[axes[1]], i[axes[2]], i[axes[3]]), value) end)
    test.check(p:dense())
  end
  test.raises('transpose: got 2 axes, want 3', t.transpose, t, {1, 2})
  test.raises('', t.transpose, t, {1, 1, 2})
  test.raises('', t.transpose, t, {0, 1, 2})
end)

test.case('fill and copy', function()
  local t = counted{2, 2}
  test.equal(t:fill(3), t)
  test.same(t:list(), {3, 3, 3, 3})
  local whole = counted{3, 2}
  whole:view({2, 1}, {1, 2}):fill(0)
  test.same(whole:list(), {1, 2, 0, 0, 5, 6})
  local from = counted{2, 2}
  test.equal(t:copy(from), t)
  test.same(t:list(), {1, 2, 3, 4})
  t:view({1, 2}, {2, 1}):copy(anet.tensor.of{{8}, {9}})
  test.same(t:list(), {1, 8, 3, 9})
  test.raises('', t.copy, t, anet.tensor{2, 3})
  test.raises('', t.copy, t, anet.tensor({2, 2}, 'u8'))
  test.raises('copy: want tensor, got nil', t.copy, t, nil)
end)

test.case('as text', function()
  test.equal(tostring(counted{2, 4}), 'tensor f32 2x4 {1, 2, 3, 4, 5, 6, 7, 8}')
  test.equal(tostring(counted{3, 3}), 'tensor f32 3x3')
  test.equal(tostring(anet.tensor.of{1 / 3, 1e9}), 'tensor f32 2 {0.333333, 1e+09}')
  test.equal(tostring(counted({2}, 'u8')), 'tensor u8 2 {1, 2}')
end)

test.case('borrowed', function()
  local ffi = core.ffi
  test.equal(anet.tensor.borrow(ffi.cast('anet_tensor *', nil)), nil)
  local t = counted{2}
  local other = anet.tensor.borrow(t.handle)
  other:set(1, 7)
  test.equal(t:get(1), 7)
end)

test.case('files', function()
  local path, t = os.tmpname(), counted{2, 3}
  local npy, pb = path .. '.npy', path .. '.pb'
  local written = core.written
  core.written = {}
  for _, name in ipairs{npy, pb} do
    test.equal(t:save(name), t)
    local back = assert(anet.tensor.load(name))
    test.same(back:shape(), {2, 3})
    test.same(back:list(), t:list())
  end
  test.same(core.written, {npy, pb})
  test.fails('no-such', 'io', anet.tensor.load '/no-such-folder/x.npy')
  test.fails('no-such', 'io', t:save '/no-such-folder/x.npy')
  test.same(core.written, {npy, pb})
  local interrupted = host.interrupted
  host.interrupted = function() return 2 end
  test.check(core.is_stop(select(2, pcall(counted({1}).save, t, npy))))
  host.interrupted, core.written = interrupted, written
  for _, name in ipairs{path, npy, pb} do os.remove(name) end
end)

return test.finish()
