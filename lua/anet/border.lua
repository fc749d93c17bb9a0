-- Where a net meets the arrays of the world it came from: an ONNX model numbers its axes (N, C, H, W), the
-- engine stores (n, h, w, c). The text `border` of a bundle says, for each input and output,
--   name    as the source calls it
--   type    of its elements there ("float", "int64", "bool", …); the engine's are floats
--   batch   whether axis 1 of its arrays is the batch
--   dims    the other axes
--   atoms   dims cut into factors, and
--   order   those factors as the engine stores them, counted from 0
local core = require 'anet.core'
local tensor = require 'anet.tensor'

local M = {}

-- Of a net that came from nowhere else: arrays are as the engine has them.
local function plain(net, value)
  local dims, order = net:shape(value), {}
  for i = 1, #dims do order[i] = i - 1 end
  return {name = net:get(value).name, batch = true, dims = dims, atoms = dims, order = order}
end

local function product(list)
  local all = 1
  for _, n in ipairs(list) do all = all * n end
  return all
end

local function is_permutation(order, count)
  local seen = {}
  for _, n in ipairs(order) do seen[n] = true end
  for n = 0, count - 1 do
    if not seen[n] then return false end
  end
  return #order == count
end

-- Whether a face has the elements of a value; nil, message where it has not.
local function check(face, net, value)
  local shape = net:shape(value)
  if product(face.dims) == product(shape) and product(face.atoms) == product(shape) and
     is_permutation(face.order, #face.atoms) then
    return true
  end
  return nil, ("the text 'border': '%s' has dims %s, atoms %s and order %s, which do not fit '%s' of shape %s"):format(
    face.name, table.concat(face.dims, 'x'), table.concat(face.atoms, 'x'), table.concat(face.order, ' '),
    net:get(value).name, table.concat(shape, 'x'))
end

-- The faces of a net's inputs and outputs, {inputs =, outputs =}; nil, message where the border is of another net.
---@return table? faces, string? message
function M.of(net, border)
  local faces = {inputs = {}, outputs = {}}
  for _, side in ipairs{'inputs', 'outputs'} do
    for i, value in ipairs(net[side](net)) do
      local face = border and border[side] and border[side][i] or plain(net, value)
      local ok, message = check(face, net, value)
      if not ok then return nil, message end
      faces[side][i] = face
    end
  end
  return faces
end

local function joined(...)
  local list = {}
  for _, part in ipairs{...} do
    for _, n in ipairs(part) do list[#list + 1] = n end
  end
  return list
end

local function same(a, b)
  return table.concat(a, 'x') == table.concat(b, 'x')
end

-- How many images an array for a face holds; nil, message where it does not fit. A single image may go
-- without its batch of 1; an array without a batch is nil images: it is the same for all.
---@return integer? images, string? message
function M.images(face, t)
  local dims = t:shape()
  if t:count() == 0 then
    return nil, ("input '%s': the array is %s, it holds no images"):format(face.name, table.concat(dims, 'x'))
  end
  if #face.dims == 0 and t:count() == 1 then return 1 end
  if same(dims, face.dims) then return 1 end
  if face.batch and same({unpack(dims, 2)}, face.dims) then return dims[1] end
  return nil, ("input '%s': the array is %s, want %s%s"):format(face.name, table.concat(dims, 'x'),
    face.batch and 'Nx' or '', table.concat(face.dims, 'x'))
end

-- An array of the source as n images of the net's own shape.
function M.to_net(face, t, n, shape)
  if not face.batch or n > M.images(face, t) then -- repeated
    local one = M.to_net({dims = face.dims, atoms = face.atoms, order = face.order, batch = true, name = face.name},
                         t, 1, shape)
    if n == 1 then return one end
    local all = tensor.new(joined({n}, shape))
    local size = one:count()
    for i = 0, n - 1 do core.ffi.copy(all:data() + i * size, one:data(), size * 4) end
    return all
  end
  local axes = {1}
  for i, atom in ipairs(face.order) do axes[i + 1] = atom + 2 end
  return t:reshape(joined({n}, face.atoms)):transpose(axes):reshape(joined({n}, shape))
end

-- n images of the net as an array of the source.
function M.from_net(face, t)
  local n = t:dim(1)
  local stored, axes = {}, {1}
  for i, atom in ipairs(face.order) do
    stored[i] = face.atoms[atom + 1]
    axes[atom + 2] = i + 1
  end
  local array = t:reshape(joined({n}, stored)):transpose(axes)
  if face.batch then return array:reshape(joined({n}, face.dims)) end
  local one = array:first(1)
  return one:reshape(#face.dims > 0 and face.dims or {1})
end

return M
