-- Tensors: arrays in C memory, or windows of them. Indices and dimensions count from 1.
local core = require 'anet.core'
local ffi, C = core.ffi, core.C

---@class anet.Tensor
---@field handle ffi.cdata*
local Tensor = {__name = 'tensor'}
Tensor.__index = Tensor

local TYPES = {f32 = C.ANET_F32, u8 = C.ANET_U8, i32 = C.ANET_I32, i8 = C.ANET_I8}
local NAMES, POINTERS = {}, {f32 = 'float *', u8 = 'uint8_t *', i32 = 'int32_t *', i8 = 'int8_t *'}
for name, number in pairs(TYPES) do NAMES[tonumber(number)] = name end

local out, take = core.cell 'anet_tensor'
local shape = ffi.new 'anet_shape'
local index = ffi.new 'int32_t[5]'

local M = {Tensor = Tensor}

-- A face for a handle that is already owned.
function M.wrap(handle) return setmetatable({handle = handle}, Tensor) end

-- A face for a borrowed handle (nil for NULL): it is retained.
function M.borrow(handle)
  handle = core.retain('anet_tensor', handle)
  return handle and M.wrap(handle)
end

-- A tensor of zeros: tensor.new({28, 28, 1}) or tensor.new({10}, 'i32').
---@param dims integer[]
---@param kind? 'f32'|'u8'|'i32'|'i8'
---@return anet.Tensor
function M.new(dims, kind)
  local number = core.must(TYPES[kind or 'f32'], "tensor: no type '%s'; there are f32, u8, i32, i8", kind)
  core.check(C.anet_tensor_new(number, core.shape(dims), out))
  return M.wrap(take())
end

local function measure(values, dims)
  if type(values) ~= 'table' or #dims > C.ANET_MAX_RANK then return dims end
  dims[#dims + 1] = #values
  return measure(values[1], dims)
end

local function fill(data, values, dims, depth, at)
  if depth > #dims then
    core.must(type(values) == 'number', 'tensor: want a number, got %s', type(values))
    data[at] = values
    return at + 1
  end
  core.must(type(values) == 'table' and #values == dims[depth],
            'tensor: a row of dimension %d has %s items, want %d', depth,
            type(values) == 'table' and #values or 'no', dims[depth])
  for i = 1, dims[depth] do at = fill(data, values[i], dims, depth + 1, at) end
  return at
end

-- A tensor with the values of a nested table: tensor.of{{1, 2}, {3, 4}}.
---@return anet.Tensor
function M.of(values, kind)
  local t = M.new(measure(values, {}), kind)
  fill(t:data(), values, t:shape(), 1, 0)
  return t
end

---@return 'f32'|'u8'|'i32'|'i8'
function Tensor:type() return NAMES[C.anet_tensor_type(self.handle)] end

-- Its dimensions as a list.
---@return integer[]
function Tensor:shape()
  C.anet_tensor_shape(self.handle, shape)
  return core.dims(shape)
end

-- Size of dimension i; negative i counts from the last.
function Tensor:dim(i)
  local dims = self:shape()
  local at = i < 0 and #dims + 1 + i or i
  return core.must(dims[at], 'dim: the tensor has %d dimensions, not %d', #dims, i)
end

-- Elements.
function Tensor:count() return C.anet_tensor_count(self.handle) end

-- Whether the elements lie without gaps.
function Tensor:dense() return C.anet_tensor_dense(self.handle) ~= 0 end

-- Pointer to the first element; valid as long as the tensor.
function Tensor:data() return ffi.cast(POINTERS[self:type()], C.anet_tensor_data(self.handle)) end

local function place(self, what, ...)
  C.anet_tensor_shape(self.handle, shape)
  local given = select('#', ...)
  core.must(given == shape.rank, '%s: got %d indices, want %d', what, given, shape.rank)
  for i = 1, given do
    local k = select(i, ...)
    core.must(k >= 1 and k <= shape.dim[i - 1], '%s: index %d is %d, want 1 to %d', what, i, k,
              shape.dim[i - 1])
    index[i - 1] = k - 1
  end
end

-- The element at an index: t:get(1, 1, 3).
---@return number
function Tensor:get(...)
  place(self, 'get', ...)
  return C.anet_tensor_get(self.handle, index)
end

-- Set an element: t:set(1, 1, 3, value).
function Tensor:set(...)
  local n = select('#', ...)
  local value = select(n, ...)
  local indices = {...}
  place(self, 'set', unpack(indices, 1, n - 1))
  C.anet_tensor_set(self.handle, index, value)
  return self
end

-- Set every element.
function Tensor:fill(value)
  core.must(self:dense(), 'fill: the tensor is a window; copy a filled one into it')
  local data = self:data()
  for i = 0, self:count() - 1 do data[i] = value end
  return self
end

-- The window of `sizes` that starts at `first`; no copy.
---@param first integer[]
---@param sizes integer[]
---@return anet.Tensor
function Tensor:view(first, sizes)
  C.anet_tensor_shape(self.handle, shape)
  core.must(#first == shape.rank and #sizes == shape.rank,
            'view: got %d firsts and %d sizes, want %d', #first, #sizes, shape.rank)
  for i, k in ipairs(first) do index[i - 1] = k - 1 end
  core.check(C.anet_tensor_view(self.handle, index, core.shape(sizes), out))
  return M.wrap(take())
end

-- The window of the first n rows; no copy.
function Tensor:first(n)
  local first, sizes = {}, self:shape()
  for i = 1, #sizes do first[i] = 1 end
  sizes[1] = n
  return self:view(first, sizes)
end

-- The same values under another shape; no copy.
function Tensor:reshape(dims)
  core.check(C.anet_tensor_reshape(self.handle, core.shape(dims), out))
  return M.wrap(take())
end

-- A dense copy whose axis i is axis axes[i] of this one: t:transpose{1, 3, 4, 2}.
---@return anet.Tensor
function Tensor:transpose(axes)
  C.anet_tensor_shape(self.handle, shape)
  core.must(#axes == shape.rank, 'transpose: got %d axes, want %d', #axes, shape.rank)
  for i, k in ipairs(axes) do index[i - 1] = k - 1 end
  core.check(C.anet_tensor_transpose(self.handle, index, out))
  return M.wrap(take())
end

-- Read a file of NumPy (.npy) or ONNX (.pb, a TensorProto) as f32.
---@return anet.Tensor? tensor, string? message, string? code
function M.load(path)
  local message, code = core.refusal(C.anet_tensor_load(path, out))
  if message then return nil, message, code end
  return M.wrap(take())
end

-- Write such a file; the name says which.
---@return anet.Tensor? self, string? message, string? code
function Tensor:save(path)
  core.may_write()
  local message, code = core.failure(C.anet_tensor_save(self.handle, path))
  if message then return nil, message, code end
  core.wrote(path)
  return self
end

-- Overwrite with the values of another of the same shape and type.
function Tensor:copy(from)
  core.check(C.anet_tensor_copy(self.handle, core.handle(from, Tensor, 'copy')))
  return self
end

-- A dense tensor with the same values and memory of its own.
function Tensor:clone() return M.new(self:shape(), self:type()):copy(self) end

-- The values as a flat list.
function Tensor:list()
  local t, list = self:dense() and self or self:clone(), {}
  local data = t:data()
  for i = 1, t:count() do list[i] = data[i - 1] end
  return list
end

function Tensor:__tostring()
  local text = ('tensor %s %s'):format(self:type(), table.concat(self:shape(), 'x'))
  if self:count() > 8 then return text end
  local values = self:list()
  for i, v in ipairs(values) do values[i] = ('%.6g'):format(v) end
  return text .. ' {' .. table.concat(values, ', ') .. '}'
end

return M
