-- ONNX's own conformance cases: a folder each, of model.onnx and test_data_set_*/{input,output}_*.pb.
local anet = require 'anet'

local M = {}

local RELATIVE, ABSOLUTE = 1e-3, 1e-6 -- ONNX's own bounds, and float's last place

local function exists(path)
  local file = io.open(path, 'rb')
  if file then file:close() end
  return file ~= nil
end

-- Arrays prefix_0.pb, prefix_1.pb, …; nil, message where one cannot be read.
local function arrays(prefix)
  local list = {}
  while exists(prefix .. #list .. '.pb') do
    local t, message = anet.tensor.load(prefix .. #list .. '.pb')
    if not t then return nil, message end
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
  local wants, failed = arrays(folder .. '/output_')
  if not wants then return failed end
  local values, n = net:inputs(), 1
  if #values == 0 then return 'the net has no inputs' end
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
  local inputs, failed = arrays(set .. '/input_')
  if not inputs then return failed end
  local faces = anet.border.of(net, about:value 'border')
  if #inputs < #faces.inputs then return ('%d inputs, the net has %d'):format(#inputs, #faces.inputs) end
  return run_set(net, faces, inputs, set, pool)
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
