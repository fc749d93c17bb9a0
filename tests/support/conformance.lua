-- ONNX's own conformance cases: a folder each, of model.onnx and test_data_set_*/{input,output}_*.pb.
local anet = require 'anet'
local ffi = require 'ffi'

local M = {}

local RELATIVE, ABSOLUTE = 1e-3, 1e-6 -- ONNX's own bounds, and float's last place

-- ---- the bytes of protobuf ----------------------------------------------------------------------

-- A number of protobuf at `at` of a text, and where it ends.
local function varint(text, at)
  local value, scale = 0, 1
  while true do
    local byte = text:byte(at)
    value, scale, at = value + byte % 128 * scale, scale * 128, at + 1
    if byte < 128 then return value, at end
  end
end

-- Calls visit with each field of this number: its bytes, or the number that it is.
local function each_field(text, number, visit)
  local at = 1
  while at <= #text do
    local key, value
    key, at = varint(text, at)
    local kind = key % 8
    value = nil
    if kind == 0 then
      value, at = varint(text, at)
    elseif kind == 2 then
      value, at = varint(text, at)
      value, at = text:sub(at, at + value - 1), at + value
    else
      at = at + (kind == 1 and 8 or 4)
    end
    if (key - kind) / 8 == number and value then visit(value) end
  end
end

local function read_bytes(path)
  local file = assert(io.open(path, 'rb'))
  local bytes = file:read '*a'
  file:close()
  return bytes
end

-- ---- arrays -------------------------------------------------------------------------------------

local function exists(path)
  local file = io.open(path, 'rb')
  if file then file:close() end
  return file ~= nil
end

-- The suite hands bfloat16 over as uint16, its bits: the upper half of a float's.
local function from_bits(t)
  local bits, real = ffi.new 'uint32_t[1]', ffi.new 'float[1]'
  for i = 0, tonumber(t:count()) - 1 do
    bits[0] = t:data()[i] * 65536
    ffi.copy(real, bits, 4)
    t:data()[i] = real[0]
  end
end

-- Arrays prefix_0.pb, prefix_1.pb, … for faces with their types; nil, message where one cannot be read.
local function arrays(prefix, faces)
  local UINT16, DATA_TYPE = 4, 2
  local list = {}
  while exists(prefix .. #list .. '.pb') do
    local path, face = prefix .. #list .. '.pb', faces and faces[#list + 1]
    local t, message = anet.tensor.load(path)
    if not t then return nil, message end
    each_field(read_bytes(path), DATA_TYPE, function(type)
      if face and face.type == 'bfloat16' and type == UINT16 then from_bits(t) end
    end)
    list[#list + 1] = t
  end
  return list
end

local function differs(got, want)
  if got:count() ~= want:count() then
    return ('shape %s, want %s'):format(table.concat(got:shape(), 'x'), table.concat(want:shape(), 'x'))
  end
  if table.concat(got:shape(), 'x') ~= table.concat(want:shape(), 'x') and got:count() > 1 then
    return ('shape %s, want %s'):format(table.concat(got:shape(), 'x'), table.concat(want:shape(), 'x'))
  end
  local a, b = got:data(), want:data()
  for i = 0, tonumber(want:count()) - 1 do
    local x, y = a[i], b[i]
    local same = x == y or (x ~= x and y ~= y) or math.abs(x - y) <= ABSOLUTE + RELATIVE * math.abs(y)
    if not same then return ('element %d is %.9g, want %.9g'):format(i, x, y) end
  end
end

-- One set of data; nil, or what is wrong.
local function run_set(net, faces, inputs, folder, pool)
  local wants, failed = arrays(folder .. '/output_', faces.outputs)
  if not wants then return failed end
  local values, n = net:inputs(), 1
  for i in ipairs(values) do
    local images, why = anet.border.images(faces.inputs[i], inputs[i])
    if not images then return why end
    n = math.max(n, images)
  end
  for i, v in ipairs(values) do inputs[i] = anet.border.to_net(faces.inputs[i], inputs[i], n, net:shape(v)) end
  local plan = anet.plan(net, {batch = n, pool = pool})
  local outputs = {plan:run(unpack(inputs, 1, #values))}
  for k, want in ipairs(wants) do
    local wrong = not outputs[k] and 'output ' .. k .. ' is missing' or
                    differs(anet.border.from_net(faces.outputs[k], outputs[k]), want)
    if wrong then return wrong end
  end
end

-- The first input stays one, the others are taken as constants: cases hand weights in as inputs.
local function run_constant(folder, set, names, pool)
  local about, constants = anet.bundle(), {}
  local inputs, failed = arrays(set .. '/input_')
  if not inputs then return failed end
  for i = 2, #inputs do constants[names[i] or ''] = inputs[i] end
  local net, message = anet.net.import(folder .. '/model.onnx', {about = about, constants = constants})
  if not net then return message end
  return run_set(net, anet.border.of(net, about:value 'border'), {inputs[1]}, set, pool)
end

local function input_names(folder)
  local names, message = anet.net.onnx_inputs(folder .. '/model.onnx')
  return names or error(message, 0)
end

local function run_plain(folder, set, pool)
  local about = anet.bundle()
  local net, message = anet.net.import(folder .. '/model.onnx', {about = about})
  if not net then return message end
  local faces = anet.border.of(net, about:value 'border')
  local inputs, failed = arrays(set .. '/input_', faces.inputs)
  if not inputs then return failed end
  if #inputs < #faces.inputs then return ('%d inputs, the net has %d'):format(#inputs, #faces.inputs) end
  return run_set(net, faces, inputs, set, pool)
end

-- ---- the ops of a model ------------------------------------------------------------------------

-- Those that classifiers, detectors and segmentation heads export.
local LISTED = {}
for op in ([[
  Conv ConvTranspose BatchNormalization InstanceNormalization LayerNormalization Relu LeakyRelu PRelu Clip Sigmoid
  HardSigmoid HardSwish Elu Gelu Mish Softplus Tanh Add Sub Mul Div Pow Sqrt Exp Min Max ReduceMean ReduceSum ReduceMax
  GlobalAveragePool GlobalMaxPool AveragePool MaxPool Pad Concat Split Slice Gather Transpose Reshape Flatten Squeeze
  Unsqueeze Expand Shape Cast Constant Identity Dropout Gemm MatMul Softmax LogSoftmax ArgMax TopK Resize Upsample
  DepthToSpace SpaceToDepth Where Equal Less LessOrEqual Greater GreaterOrEqual
]]):gmatch '%w+' do LISTED[op] = true end

-- Are all ops of a case's model listed?
function M.is_listed(folder)
  local GRAPH, NODE, OP = 7, 1, 4
  local listed = true
  each_field(read_bytes(folder .. '/model.onnx'), GRAPH, function(graph)
    each_field(graph, NODE, function(node)
      each_field(node, OP, function(op) listed = listed and LISTED[op] end)
    end)
  end)
  return listed and true or false
end

-- 'pass'; 'outside', op: the engine has no such op; or 'fail', message.
function M.run(folder, pool)
  local set = 0
  while exists(folder .. '/test_data_set_' .. set .. '/output_0.pb') do
    local data = folder .. '/test_data_set_' .. set
    local ok, wrong = pcall(run_plain, folder, data, pool)
    local op = wrong and tostring(wrong):match "op '([^']+)' of node '.-' is not one this engine has"
    if op then return 'outside', op end
    if not ok or wrong then
      local well, other = pcall(run_constant, folder, data, input_names(folder), pool)
      op = other and tostring(other):match "op '([^']+)' of node '.-' is not one this engine has"
      if op then return 'outside', op end
      if not well or other then return 'fail', tostring(other):gsub('^.-model%.onnx.: ', '') end
    end
    set = set + 1
  end
  if set == 0 then return 'fail', 'there is no data' end
  return 'pass'
end

return M
