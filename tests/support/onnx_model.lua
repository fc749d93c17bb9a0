-- ONNX models made by hand, as bytes: for what no file of the conformance suite has, newer opsets above all.
local ffi = require 'ffi'

local M = {FLOAT = 1, UINT8 = 2, INT32 = 6, INT64 = 7, BOOL = 9}

-- ---- protobuf ---------------------------------------------------------------------------------------

-- A number below 2^53; a negative one as 64 bits.
local function varint(value)
  local bits, bytes = ffi.new('uint64_t', ffi.cast('int64_t', value)), {}
  repeat
    local low = tonumber(bits % 128)
    bits = bits / 128
    bytes[#bytes + 1] = string.char(bits > 0 and low + 128 or low)
  until bits == 0
  return table.concat(bytes)
end

local function number(field, value) return varint(field * 8) .. varint(value) end

local function blob(field, bytes) return varint(field * 8 + 2) .. varint(#bytes) .. bytes end

local function floats(list) return ffi.string(ffi.new('float[?]', #list, list), 4 * #list) end

local function longs(list) return ffi.string(ffi.new('int64_t[?]', #list, list), 8 * #list) end

-- ---- parts of a model -------------------------------------------------------------------------------

-- {dims, values, type =}: floats unless its type is INT64.
local function tensor(name, t)
  local bytes = {}
  for _, d in ipairs(t[1]) do bytes[#bytes + 1] = number(1, d) end
  bytes[#bytes + 1] = number(2, t.type or M.FLOAT)
  bytes[#bytes + 1] = blob(8, name)
  bytes[#bytes + 1] = blob(9, t.type == M.INT64 and longs(t[2]) or floats(t[2]))
  return table.concat(bytes)
end

-- Whole numbers are ints, {…} of them lists, {real = 0.5} a float, texts texts.
local function attribute(name, value)
  local INT, FLOAT, STRING, INTS = 2, 1, 3, 7
  local bytes = blob(1, name)
  if type(value) == 'string' then return bytes .. blob(4, value) .. number(20, STRING) end
  if type(value) == 'number' then return bytes .. number(3, value) .. number(20, INT) end
  if value.real then return bytes .. varint(2 * 8 + 5) .. floats{value.real} .. number(20, FLOAT) end
  for _, v in ipairs(value) do bytes = bytes .. number(8, v) end
  return bytes .. number(20, INTS)
end

-- {op, {inputs}, {outputs}, attribute = …}
local function node(n)
  local bytes = {}
  for _, name in ipairs(n[2]) do bytes[#bytes + 1] = blob(1, name) end
  for _, name in ipairs(n[3]) do bytes[#bytes + 1] = blob(2, name) end
  bytes[#bytes + 1] = blob(4, n[1])
  for name, value in pairs(n) do
    if type(name) == 'string' then bytes[#bytes + 1] = blob(5, attribute(name, value)) end
  end
  return table.concat(bytes)
end

-- {name, dims, type =}; a dimension 'N' is open. No dims: unknown.
local function face(f)
  local dims = {}
  for _, d in ipairs(f[2] or {}) do dims[#dims + 1] = blob(1, d == 'N' and blob(2, 'N') or number(1, d)) end
  local kind = number(1, f.type or M.FLOAT) .. (f[2] and blob(2, table.concat(dims)) or '')
  return blob(1, f[1]) .. blob(2, blob(1, kind))
end

-- {opset =, nodes = {…}, constants = {name = tensor}, inputs = {face …}, outputs = {face …}}
function M.bytes(model)
  local graph = {}
  for _, n in ipairs(model.nodes) do graph[#graph + 1] = blob(1, node(n)) end
  graph[#graph + 1] = blob(2, 'made')
  for name, t in pairs(model.constants or {}) do graph[#graph + 1] = blob(5, tensor(name, t)) end
  for _, f in ipairs(model.inputs) do graph[#graph + 1] = blob(11, face(f)) end
  for _, f in ipairs(model.outputs) do graph[#graph + 1] = blob(12, face(f)) end
  return number(1, 8) .. blob(7, table.concat(graph)) .. blob(8, blob(1, '') .. number(2, model.opset))
end

return M
