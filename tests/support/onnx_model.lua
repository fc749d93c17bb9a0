-- ONNX models made by hand, as bytes: for what no file of the conformance suite has, newer opsets above all.
local ffi = require 'ffi'

local M = {FLOAT = 1, UINT8 = 2, INT8 = 3, UINT16 = 4, INT16 = 5, INT32 = 6, INT64 = 7, STRING = 8, BOOL = 9,
           FLOAT16 = 10, DOUBLE = 11, UINT32 = 12, UINT64 = 13, BFLOAT16 = 16}

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

-- What an element is in memory; halves are given as their bits.
local C_TYPE = {[M.FLOAT] = 'float', [M.UINT8] = 'uint8_t', [M.INT8] = 'int8_t', [M.UINT16] = 'uint16_t',
                [M.INT16] = 'int16_t', [M.INT32] = 'int32_t', [M.INT64] = 'int64_t', [M.BOOL] = 'uint8_t',
                [M.FLOAT16] = 'uint16_t', [M.DOUBLE] = 'double', [M.UINT32] = 'uint32_t', [M.UINT64] = 'uint64_t',
                [M.BFLOAT16] = 'uint16_t'}

local function raw(list, type)
  local array = ffi.new(C_TYPE[type] .. '[?]', math.max(#list, 1), list)
  return ffi.string(array, ffi.sizeof(array) / math.max(#list, 1) * #list)
end

local function sorted(t)
  local names = {}
  for name in pairs(t) do
    if type(name) == 'string' then names[#names + 1] = name end
  end
  table.sort(names)
  return ipairs(names)
end

-- ---- parts of a model -------------------------------------------------------------------------------

-- {dims, values, type =}: floats unless it has a type. With `field`, values are in the field of that number and kind
-- ('packed' floats or doubles, 'varint' whole numbers), not in raw bytes; with `bytes`, those are its raw bytes; with
-- `external`, {key = value}, they are in another file.
local function tensor(name, t)
  local bytes, kind = {}, t.type or M.FLOAT
  for _, d in ipairs(t[1]) do bytes[#bytes + 1] = number(1, d) end
  bytes[#bytes + 1] = number(2, kind)
  bytes[#bytes + 1] = blob(8, name)
  if t.field then
    local list = {}
    for i, v in ipairs(t[2]) do list[i] = t.field[2] == 'packed' and raw({v}, kind) or varint(v) end
    bytes[#bytes + 1] = blob(t.field[1], table.concat(list))
  elseif t.external then
    for _, key in sorted(t.external) do bytes[#bytes + 1] = blob(13, blob(1, key) .. blob(2, t.external[key])) end
    bytes[#bytes + 1] = number(14, 1)
  else
    bytes[#bytes + 1] = blob(9, t.bytes or raw(t[2], kind))
  end
  return table.concat(bytes)
end

-- Whole numbers are ints, {…} of them lists, {real = 0.5} a float, {reals = {…}} floats, {array = tensor} a constant,
-- {graph = model} a graph, texts texts. {bare = value}: without its type, as the first files have them.
local function attribute(name, value)
  local FLOAT, INT, STRING, TENSOR, GRAPH, FLOATS, INTS = 1, 2, 3, 4, 5, 6, 7
  local bytes = blob(1, name)
  if type(value) == 'table' and value.bare then return (attribute(name, value.bare):gsub('\160\1.$', '')) end
  if type(value) == 'string' then return bytes .. blob(4, value) .. number(20, STRING) end
  if type(value) == 'number' then return bytes .. number(3, value) .. number(20, INT) end
  if value.real then return bytes .. varint(2 * 8 + 5) .. floats{value.real} .. number(20, FLOAT) end
  if value.array then return bytes .. blob(5, tensor('', value.array)) .. number(20, TENSOR) end
  if value.graph then return bytes .. blob(6, M.graph(value.graph)) .. number(20, GRAPH) end
  if value.reals then
    for _, v in ipairs(value.reals) do bytes = bytes .. varint(7 * 8 + 5) .. floats{v} end
    return bytes .. number(20, FLOATS)
  end
  for _, v in ipairs(value) do bytes = bytes .. number(8, v) end
  return bytes .. number(20, INTS)
end

-- {op, {inputs}, {outputs}, {name =, domain =}, attribute = …}
local function node(n)
  local bytes, about = {}, n[4] or {}
  for _, name in ipairs(n[2]) do bytes[#bytes + 1] = blob(1, name) end
  for _, name in ipairs(n[3]) do bytes[#bytes + 1] = blob(2, name) end
  if about.name then bytes[#bytes + 1] = blob(3, about.name) end
  bytes[#bytes + 1] = blob(4, n[1])
  for _, name in sorted(n) do bytes[#bytes + 1] = blob(5, attribute(name, n[name])) end
  if about.domain then bytes[#bytes + 1] = blob(7, about.domain) end
  return table.concat(bytes)
end

-- {name, dims, type =}; a dimension 'N' is open. No dims: unknown.
local function face(f)
  local dims = {}
  for _, d in ipairs(f[2] or {}) do dims[#dims + 1] = blob(1, d == 'N' and blob(2, 'N') or number(1, d)) end
  local kind = number(1, f.type or M.FLOAT) .. (f[2] and blob(2, table.concat(dims)) or '')
  return blob(1, f[1]) .. blob(2, blob(1, kind))
end

-- {nodes = {…}, constants = {name = tensor}, inputs = {face …}, outputs = {face …}, more = bytes}
function M.graph(model)
  local graph = {}
  for _, n in ipairs(model.nodes) do graph[#graph + 1] = blob(1, node(n)) end
  graph[#graph + 1] = blob(2, 'made')
  for _, name in sorted(model.constants or {}) do graph[#graph + 1] = blob(5, tensor(name, model.constants[name])) end
  for _, f in ipairs(model.inputs or {}) do graph[#graph + 1] = blob(11, face(f)) end
  for _, f in ipairs(model.outputs) do graph[#graph + 1] = blob(12, face(f)) end
  return table.concat(graph) .. (model.more or '')
end

-- {opset =, producer =, domains = {name = version}, …}: a graph and what it is made for.
function M.bytes(model)
  local bytes = number(1, 8) .. (model.producer and blob(2, model.producer) or '') .. blob(7, M.graph(model))
  if model.opset then bytes = bytes .. blob(8, blob(1, '') .. number(2, model.opset)) end
  for _, name in sorted(model.domains or {}) do
    bytes = bytes .. blob(8, blob(1, name) .. number(2, model.domains[name]))
  end
  return bytes
end

-- A tensor alone, as a .pb file; and fields, for what no model should have.
M.tensor, M.blob, M.number = tensor, blob, number

-- ---- reading ----------------------------------------------------------------------------------------

local function read_varint(text, at)
  local value, scale = 0ULL, 1ULL
  while true do
    local byte = text:byte(at)
    value, scale, at = value + scale * (byte % 128), scale * 128, at + 1
    if byte < 128 then return tonumber(ffi.cast('int64_t', value)), at end
  end
end

-- The fields of a message: {{number, bytes or number} …}.
local function fields(text)
  local list, at = {}, 1
  while at <= #text do
    local key, value
    key, at = read_varint(text, at)
    local kind = key % 8
    if kind == 0 then
      value, at = read_varint(text, at)
    else
      local size = kind == 1 and 8 or 4
      if kind == 2 then size, at = read_varint(text, at) end
      value, at = text:sub(at, at + size - 1), at + size
    end
    list[#list + 1] = {(key - kind) / 8, value}
  end
  return list
end

local function numbers(bytes, kind)
  local array, list = ffi.new(kind .. '[?]', #bytes / ffi.sizeof(kind)), {}
  ffi.copy(array, bytes, #bytes)
  for i = 1, #bytes / ffi.sizeof(kind) do list[i] = tonumber(array[i - 1]) end
  return list
end

local function read_tensor(text)
  local t, bytes, name = {{}, {}, type = M.FLOAT}, '', ''
  for _, f in ipairs(fields(text)) do
    if f[1] == 1 then
      if type(f[2]) == 'number' then t[1][#t[1] + 1] = f[2] end
      for at = 1, type(f[2]) == 'string' and #f[2] or 0 do -- packed
        if at == 1 or f[2]:byte(at - 1) < 128 then t[1][#t[1] + 1] = (read_varint(f[2], at)) end
      end
    end
    if f[1] == 2 then t.type = f[2] end
    if f[1] == 8 then name = f[2] end
    if f[1] == 9 then bytes = f[2] end
  end
  t[2] = numbers(bytes, C_TYPE[t.type])
  return name, t
end

local function read_attribute(text)
  local name, value, ints = '', nil, {}
  for _, f in ipairs(fields(text)) do
    if f[1] == 1 then name = f[2] end
    if f[1] == 2 then value = numbers(f[2], 'float')[1] end
    if f[1] == 3 or f[1] == 4 then value = f[2] end
    if f[1] == 8 then
      if type(f[2]) == 'number' then ints[#ints + 1] = f[2] end
      for at = 1, type(f[2]) == 'string' and #f[2] or 0 do
        if at == 1 or f[2]:byte(at - 1) < 128 then ints[#ints + 1] = (read_varint(f[2], at)) end
      end
      value = ints
    end
  end
  return name, value
end

local function read_face(text)
  local face = {'', {}}
  for _, f in ipairs(fields(text)) do
    if f[1] == 1 then face[1] = f[2] end
    for _, kind in ipairs(f[1] == 2 and fields(f[2]) or {}) do
      for _, t in ipairs(fields(kind[2])) do
        if t[1] == 1 then face.type = t[2] end
        for _, d in ipairs(t[1] == 2 and fields(t[2]) or {}) do
          face[2][#face[2] + 1] = fields(d[2])[1][2]
        end
      end
    end
  end
  return face
end

-- What a file holds: {opset =, producer =, nodes = {{op, {inputs}, {outputs}, attribute = …} …}, constants = {name = tensor},
-- inputs = {face …}, outputs = {face …}, domains = {name = version}}.
function M.read(bytes)
  local model = {nodes = {}, constants = {}, inputs = {}, outputs = {}, domains = {}}
  for _, m in ipairs(fields(bytes)) do
    if m[1] == 2 then model.producer = m[2] end
    if m[1] == 8 then
      local domain, version = '', 0
      for _, f in ipairs(fields(m[2])) do
        if f[1] == 1 then domain = f[2] else version = f[2] end
      end
      if domain == '' then model.opset = version else model.domains[domain] = version end
    end
    for _, f in ipairs(m[1] == 7 and fields(m[2]) or {}) do
      if f[1] == 1 then
        local n = {'', {}, {}}
        for _, part in ipairs(fields(f[2])) do
          if part[1] == 1 or part[1] == 2 then table.insert(n[part[1] + 1], part[2]) end
          if part[1] == 4 then n[1] = part[2] end
          if part[1] == 5 then
            local name, value = read_attribute(part[2])
            n[name] = value
          end
        end
        table.insert(model.nodes, n)
      elseif f[1] == 5 then
        local name, t = read_tensor(f[2])
        model.constants[name] = t
      elseif f[1] == 11 or f[1] == 12 then
        table.insert(f[1] == 11 and model.inputs or model.outputs, read_face(f[2]))
      end
    end
  end
  return model
end

return M
