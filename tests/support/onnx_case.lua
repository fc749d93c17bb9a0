-- Models made by hand (onnx_model.lua), imported, run, and compared with arrays {dims, values} (onnx_reference.lua).
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local onnx = dofile 'tests/support/onnx_model.lua'

local M = {test = test, onnx = onnx}

-- In memory where that can be: every file that is written is synced.
local function scratch()
  local path = os.tmpname()
  os.remove(path)
  local quick = path:gsub('^.*/', '/dev/shm/') .. '.onnx'
  local file = io.open(quick, 'wb')
  if file then file:close() end
  return file and quick or path .. '.onnx'
end

local path = scratch()

-- ---- files ------------------------------------------------------------------------------------------

function M.ints(...) return {{select('#', ...)}, {...}, type = onnx.INT64} end

function M.floats(...) return {{select('#', ...)}, {...}} end

-- One node of x, and constants, that makes y.
function M.one(opset, dims, node, constants, type)
  return {opset = opset, nodes = {node}, constants = constants, inputs = {{'x', dims, type = type}}, outputs = {{'y'}}}
end

-- A file beside those that are imported: gives its name, and what removes it.
function M.beside(bytes)
  local name = path:gsub('%.onnx$', '.bin')
  local file = assert(io.open(name, 'wb'))
  file:write(bytes)
  file:close()
  return name:match '[^/]+$', function() os.remove(name) end
end

-- The net of a model, and the bundle that knows its border; nil, message, code.
function M.import(model, options)
  local file = assert(io.open(path, 'wb'))
  file:write(type(model) == 'string' and model or onnx.bytes(model))
  file:close()
  options = options or {}
  options.about = anet.bundle()
  local net, message, code = anet.net.import(path, options)
  os.remove(path)
  if not net then return nil, message:gsub('^.-%.onnx.: ', ''), code end
  return net, options.about
end

-- The model that a net is written as; nil, message.
function M.export(net, about)
  local done, message = net:export(path, about)
  if not done then return nil, message end
  local file = assert(io.open(path, 'rb'))
  local bytes = file:read '*a'
  file:close()
  os.remove(path)
  return onnx.read(bytes), bytes
end

-- ---- running ----------------------------------------------------------------------------------------

local function tensor(a)
  local t = anet.tensor(#a[1] > 0 and a[1] or {1})
  for i, v in ipairs(a[2]) do t:data()[i - 1] = v end
  return t
end

local function array(t)
  local values = {}
  for i = 1, tonumber(t:count()) do values[i] = t:data()[i - 1] end
  return {t:shape(), values}
end

-- The outputs of a net for arrays as the file has them.
function M.run(net, about, inputs)
  local faces = assert(anet.border.of(net, about:value 'border'))
  local given, n = {}, 1
  for i, a in ipairs(inputs) do
    given[i] = tensor(a)
    n = math.max(n, assert(anet.border.images(faces.inputs[i], given[i])))
  end
  for i, v in ipairs(net:inputs()) do
    given[i] = anet.border.to_net(faces.inputs[i], given[i], n, net:shape(v))
  end
  local out = {anet.plan(net, {batch = n}):run(unpack(given, 1, #inputs))}
  for i, t in ipairs(out) do out[i] = array(anet.border.from_net(faces.outputs[i], t)) end
  return out, faces
end

-- ---- checks -----------------------------------------------------------------------------------------

local function difference(got, want)
  if not got then return 'is missing' end
  local dims = #want[1] > 0 and want[1] or {1}
  if table.concat(got[1], 'x') ~= table.concat(dims, 'x') then
    return ('has shape %s, want %s'):format(table.concat(got[1], 'x'), table.concat(dims, 'x'))
  end
  for i, w in ipairs(want[2]) do
    local g = got[2][i]
    local same = g == w or (g ~= g and w ~= w) or math.abs(g - w) <= 2e-5 * math.max(1, math.abs(w))
    if not same then return ('has %.9g at place %d, want %.9g'):format(g, i, w) end
  end
end

local function compare(what, outputs, wants)
  local right = true
  for k, want in ipairs(wants) do
    local wrong = difference(outputs[k], want)
    right = test.check(not wrong, ('%s: output %d %s'):format(what, k, wrong or '')) and right
  end
  return right
end

-- The model gives these arrays, and so does what it is exported as. options: no_return, words of the refusal to export it,
-- or true: it has no batch, which files that are written have.
-- Gives the net and the faces of its border.
function M.check(what, model, inputs, wants, options)
  local net, about = M.import(model, options)
  if not test.check(net, ('%s: %s'):format(what, tostring(about))) then return end
  local outputs, faces = M.run(net, about, inputs)
  if not compare(what, outputs, wants) then return net, faces end
  if options and options.no_return == true then return net, faces end
  local again, bytes = M.export(net, about)
  if options and options.no_return then
    test.check(not again, what .. ': is exported')
    if not again then test.mentions(bytes, options.no_return) end
    return net, faces
  end
  if not test.check(again, ('%s: exported: %s'):format(what, tostring(bytes))) then return net, faces end
  for generation = 1, 2 do -- names that the first made are there in the second
    local back, border = M.import(bytes)
    if not test.check(back, ('%s: back: %s'):format(what, tostring(border))) then break end
    if not compare(what .. ', exported', M.run(back, border, inputs), wants) or generation == 2 then break end
    again, bytes = M.export(back, border)
    if not test.check(again, ('%s: exported again: %s'):format(what, tostring(bytes))) then break end
  end
  return net, faces
end

-- A model is refused with words and a code, for its op, node and opset.
function M.refused(model, code, ...)
  local net, message, got = M.import(model)
  if not test.check(not net, ('%s is imported, want a refusal with %s'):format(model.nodes[1][1], (...))) then return end
  test.equal(got, code)
  for _, words in ipairs{...} do test.mentions(message, words) end
  local last = message:match '^(.-): '
  return last
end

return M
