-- Networks: nodes added one by one, each checked at once. Values and nodes are numbers from 1.
--
--   local n, x = anet.net{input = {28, 28, 1}}
--   x = n:conv(x, {channels = 16, kernel = 3, pad = 1})
--   x = n:relu(n:norm(x))
--   n:output(n:linear(n:global_pool(x), {channels = 10}))
local core = require 'anet.core'
local tensor = require 'anet.tensor'
local text = require 'anet.text'
local ffi, C = core.ffi, core.C

---@class anet.Net
---@field handle ffi.cdata*
local Net = {__name = 'net'}

local out, take = core.cell 'anet_net'
local value = ffi.new 'int32_t[1]'
local node = ffi.new 'anet_node'
local cost = ffi.new 'anet_cost'

local M = {Net = Net}

-- ---- attributes ------------------------------------------------------------------------------

local MODES = {
  constant = C.ANET_PAD_CONSTANT, reflect = C.ANET_PAD_REFLECT, edge = C.ANET_PAD_EDGE,
  nearest = C.ANET_RESIZE_NEAREST, bilinear = C.ANET_RESIZE_BILINEAR,
  values = C.ANET_TOP_VALUES, places = C.ANET_TOP_PLACES,
}

local function pair(name)
  return function(attr, v)
    if type(v) == 'number' then v = {v, v} end
    attr[name][0], attr[name][1] = v[1], v[2]
  end
end

local function plain(name)
  return function(attr, v) attr[name] = v end
end

-- A number, {rows, columns} or {top, left, bottom, right}. 'same' (after kernel and dilation are
-- set) keeps rows and columns where the stride is 1.
local function set_pad(attr, v)
  if v == 'same' then
    for i = 0, 1 do
      local total = (attr.kernel[i] - 1) * math.max(attr.dilation[i], 1)
      attr.pad[i] = math.floor(total / 2)
      attr.pad[i + 2] = total - math.floor(total / 2)
    end
    return
  end
  if type(v) == 'number' then v = {v, v, v, v} end
  for i = 0, 3 do attr.pad[i] = v[i + 1] or v[i - 1] end
end

local SETTERS = {
  kernel = pair 'kernel', stride = pair 'stride', dilation = pair 'dilation', pad = set_pad,
  groups = plain 'groups', channels = plain 'channels', axis = plain 'axis', size = plain 'size',
  epsilon = plain 'epsilon', momentum = plain 'momentum', alpha = plain 'alpha', beta = plain 'beta',
  bias = function(attr, v) attr.bias = (v == true or v == 1) and 1 or 0 end,
  begin = function(attr, v) attr.begin = v - 1 end,
  dim = function(attr, v) for i, n in ipairs(v) do attr.dim[i - 1] = n end end,
  mode = function(attr, v) attr.mode = type(v) == 'string' and MODES[v] or v end,
}

-- What an op assumes where the caller says nothing.
local DEFAULTS = {linear = {bias = true}}

local function set_attr(attr, op, options)
  for _, source in ipairs{DEFAULTS[op] or {}, options} do
    for key, v in pairs(source) do
      if key ~= 'name' and key ~= 'pad' then
        local set = SETTERS[key]
        if not set then
          core.raise("%s: no attribute '%s'%s", op, key, text.hint(tostring(key), text.keys(SETTERS)))
        end
        set(attr, v)
      end
    end
  end
  if options.pad then set_pad(attr, options.pad) end -- last: 'same' looks at the kernel
  return attr
end

-- ---- building ----------------------------------------------------------------------------------

-- A face for a handle that is already owned.
function M.wrap(handle) return setmetatable({handle = handle}, Net) end

-- A net, and the value of its input where a shape is given.
---@param options? {input: integer[], name?: string}
---@return anet.Net net, integer? input
function M.new(options)
  core.check(C.anet_net_new(out))
  local net = M.wrap(take())
  if options and options.input then return net, net:input(options.input, options.name) end
  return net
end

-- The net of an ONNX file. options: about, a bundle that gets the net and how the file numbers its axes;
-- constants, {name = tensor}: inputs of the file that are to be constants; outputs, {name, …}: values that become its
-- outputs, what they do not need is not looked at; partial: an end of the model that cannot be imported is left out,
-- of which about's text 'left_out' tells.
---@param path string
---@param options? {about?: anet.Bundle, constants?: table<string, anet.Tensor>, outputs?: string[], partial?: boolean}
---@return anet.Net? net, string? message, string? code
function M.import(path, options)
  options = options or {}
  local names, values = {}, {}
  for name, t in pairs(options.constants or {}) do
    names[#names + 1], values[#values + 1] = name, core.handle(t, tensor.Tensor, name)
  end
  local desc = ffi.new 'anet_onnx_desc'
  local name, handle = ffi.new('const char *[?]', #names + 1, names), ffi.new('anet_tensor *[?]', #values + 1, values)
  desc.constants, desc.name, desc.value = #names, name, handle
  local outputs = options.outputs or {}
  local output = ffi.new('const char *[?]', #outputs + 1, outputs)
  desc.outputs, desc.output, desc.partial = #outputs, output, options.partial and 1 or 0
  local message, code = core.refusal(C.anet_net_import_onnx(path, desc, out, options.about and options.about.handle or nil))
  if message then return nil, message, code end
  return M.wrap(take())
end

-- Names of the inputs of an ONNX file.
---@return string[]? names, string? message, string? code
function M.onnx_inputs(path)
  local names, name = {}, ffi.new 'char[256]'
  while true do
    local message, code = core.refusal(C.anet_onnx_input(path, #names, name, 256))
    if code == 'absent' then return names end
    if message then return nil, message, code end
    names[#names + 1] = ffi.string(name)
  end
end

local methods = {}
Net.__methods = methods

-- A further input of a shape.
---@return integer value
function methods:input(dims, name)
  core.check(C.anet_net_input(self.handle, name, core.shape(dims), value))
  return value[0] + 1
end

-- Append a node of any op: net:node('concat', {a, b}, {axis = 0}).
---@param op string
---@param inputs integer[]
---@param options? table attributes, and `name`
---@return integer value
function methods:node(op, inputs, options)
  options = options or {}
  local from = ffi.new('int32_t[?]', math.max(#inputs, 1))
  for i, v in ipairs(inputs) do
    core.must(type(v) == 'number', '%s: input %d is a %s, want the number of a value', op, i, type(v))
    core.must(v >= 1 and v <= self:count(), '%s: input %d is value %d, the net has %d', op, i, v, self:count())
    from[i - 1] = v - 1
  end
  local attr = set_attr(ffi.new 'anet_attr', op, options)
  core.check(C.anet_net_add(self.handle, op, options.name, attr, from, #inputs, value))
  return value[0] + 1
end

-- Make a value an output of the net.
function methods:output(v)
  core.check(C.anet_net_output(self.handle, v - 1))
  return self
end

-- Random weights (He et al. 2015), zero biases, unit norms.
function methods:init(seed)
  core.check(C.anet_net_init(self.handle, seed or 0))
  return self
end

-- Freeze a node, or all; net:freeze(nil, false) thaws all.
function methods:freeze(at, frozen)
  core.check(C.anet_net_freeze(self.handle, at and at - 1 or -1, frozen == false and 0 or 1))
  return self
end

-- A net with weights of its own.
---@return anet.Net
function methods:copy()
  core.check(C.anet_net_copy(self.handle, out))
  return M.wrap(take())
end

-- Inputs for a net of one input, a dense f32 tensor (count, …): where they begin, and how many they are.
function M.images(n, images, what)
  core.handle(images, tensor.Tensor, what)
  core.must(images:dense() and images:type() == 'f32', '%s: want a dense f32 tensor', what)
  local want = table.concat(n:shape(n:inputs()[1]), 'x')
  core.must(table.concat(images:shape(), 'x', 2) == want, '%s: images are %s, the net reads %s', what,
            table.concat(images:shape(), 'x', 2), want)
  return ffi.cast('float *', images:data()), images:dim(1)
end

-- Norm statistics anew from images, a tensor (count, …) of inputs; shares all weights.
---@return anet.Net? net, string? message, string? code
function methods:calibrate(images, options)
  options = options or {}
  local data, count = M.images(self, images, 'calibrate')
  if count < 2 then return nil, ('calibrate: got %d image, want 2 or more'):format(count), 'range' end
  local status = C.anet_net_calibrate(self.handle, data, count, options.batch or 64, core.pool(options.pool), out)
  local message, code = core.failure(status)
  if message then return nil, message, code end
  return M.wrap(take())
end

-- The net with its convolutions and linear layers in bytes: their inputs' ranges are measured on images, a tensor
-- (count, …) of inputs; shares all weights.
---@return anet.Net? net, string? message, string? code
function methods:quantize(images, options)
  local data, count = M.images(self, images, 'quantize')
  local status = C.anet_net_quantize(self.handle, data, count, core.pool(options and options.pool), out)
  local message, code = core.failure(status)
  if message then return nil, message, code end
  return M.wrap(take())
end

-- Write the net as an ONNX file: (h, w, c) becomes (N, C, H, W), names stay. about: a bundle that says how the source
-- of the net numbered the axes of its outputs.
---@param about? anet.Bundle
---@return anet.Net? self, string? message, string? code
function methods:export(path, about)
  core.may_write()
  local message, code = core.failure(C.anet_net_export_onnx(self.handle, path, about and about.handle or nil))
  if message then return nil, message, code end
  core.wrote(path)
  return self
end

-- A face of border.lua as C has it.
local function to_c(face, to)
  to.name, to.dims, to.atoms = face.name, #face.dims, #face.atoms
  for i, n in ipairs(face.dims) do to.dim[i - 1] = n end
  for i, n in ipairs(face.atoms) do to.atom[i - 1], to.order[i - 1] = n, face.order[i] end
end

-- Write the net as one C99 file and a header beside it. options: name, what its functions begin with; blob, whether
-- the weights go into a file of their own; faces, how arrays are laid out (border.lua), else as the engine has them.
---@return anet.Net? self, string? message, string? code
function methods:export_c(path, options)
  options = options or {}
  local desc, keep = ffi.new 'anet_c_desc', {}
  desc.name, desc.blob = options.name, options.blob and 1 or 0
  for field, side in pairs{input = 'inputs', output = 'outputs'} do
    local faces = options.faces and options.faces[side]
    if faces then
      keep[side] = ffi.new('anet_c_face[?]', #faces)
      for i, face in ipairs(faces) do to_c(face, keep[side][i - 1]) end
      desc[field] = keep[side]
    end
  end
  core.may_write()
  local message, code = core.failure(C.anet_net_export_c(self.handle, path, desc))
  if message then return nil, message, code end
  core.wrote(path)
  return self
end

-- ---- looking -----------------------------------------------------------------------------------

-- Nodes, inputs included.
function methods:count() return C.anet_net_count(self.handle) end

-- What node i is: {op, name, inputs, params, frozen, region, shape, macs, bytes}.
function methods:get(i)
  core.check(C.anet_net_node(self.handle, i - 1, node))
  local inputs = {}
  for k = 1, node.inputs do inputs[k] = node['in'][k - 1] + 1 end
  return {
    op = ffi.string(node.op), name = ffi.string(node.name), inputs = inputs, params = node.params,
    frozen = node.frozen ~= 0, region = node.region >= 0 and node.region + 1 or nil,
    shape = core.dims(node.shape), macs = node.macs, bytes = node.bytes,
  }
end

-- The node of a name, or nil.
function methods:find(name)
  local i = C.anet_net_find(self.handle, name)
  return i >= 0 and i + 1 or nil
end

-- for i, node in net:nodes() do … end
function methods:nodes()
  return function(net, i)
    if i < net:count() then return i + 1, net:get(i + 1) end
  end, self, 0
end

-- Shape of a value; of the first output by default.
function methods:shape(v) return self:get(v or self:outputs()[1]).shape end

-- The values that are outputs.
function methods:outputs()
  local list = {}
  for i = 1, C.anet_net_outputs(self.handle) do list[i] = C.anet_net_output_at(self.handle, i - 1) + 1 end
  return list
end

local ANSWERS = {
  [tonumber(C.ANET_ANSWER_LOGITS)] = 'logits', [tonumber(C.ANET_ANSWER_PROBABILITIES)] = 'probabilities',
  [tonumber(C.ANET_ANSWER_INDEPENDENT)] = 'independent',
}
local answers = ffi.new 'anet_answers'

-- What output k (the first by default) says: {kind, classes, rows, logits}; kind 'logits', 'probabilities' where the net
-- ends in softmax, 'independent' where it ends in sigmoid; logits: the value before those.
function methods:answers(k)
  core.check(C.anet_net_answers(self.handle, (k or 1) - 1, answers))
  return {kind = ANSWERS[answers.kind], classes = answers.classes, rows = answers.rows, logits = answers.logits + 1}
end

-- One row of answers of the first output, a list, as probabilities.
---@param row number[]
---@return number[]
function methods:probabilities(row)
  if self:answers().kind ~= 'logits' then return row end
  local list, most, sum = {}, -math.huge, 0
  for _, v in ipairs(row) do most = math.max(most, v) end
  for i, v in ipairs(row) do
    list[i] = math.exp(v - most)
    sum = sum + list[i]
  end
  for i, v in ipairs(list) do list[i] = v / sum end
  return list
end

-- The values that are inputs.
function methods:inputs()
  local list = {}
  for i = 1, C.anet_net_inputs(self.handle) do list[i] = C.anet_net_input_at(self.handle, i - 1) + 1 end
  return list
end

-- The parameters of node i by name: {weight = tensor, …}.
---@return table<string, anet.Tensor>
function methods:params(i)
  local list, k = {}, 0
  while true do
    local handle = C.anet_net_param(self.handle, i - 1, k)
    if handle == nil then return list end
    list[core.string(C.anet_net_param_name(self.handle, i - 1, k))] = tensor.borrow(handle)
    k = k + 1
  end
end

-- Replace a parameter of node i by another tensor of its shape; nets may share one.
function methods:set_param(i, name, t)
  local k = 0
  while true do
    local known = core.string(C.anet_net_param_name(self.handle, i - 1, k))
    core.must(known, "set_param: node %d has no parameter '%s'", i, name)
    if known == name then break end
    k = k + 1
  end
  core.check(C.anet_net_set_param(self.handle, i - 1, k, core.handle(t, tensor.Tensor, 'set_param')))
  return self
end

-- Every parameter of the net once, in order: {{node, name, tensor}, …}.
function methods:all_params()
  local list, seen = {}, {}
  for i, n in self:nodes() do
    for k = 0, n.params - 1 do
      local handle = C.anet_net_param(self.handle, i - 1, k)
      local address = handle ~= nil and tostring(ffi.cast('void *', handle))
      if address and not seen[address] then
        seen[address] = true
        local name = core.string(C.anet_net_param_name(self.handle, i - 1, k))
        list[#list + 1] = {node = n.name, name = name, tensor = tensor.borrow(handle)}
      end
    end
  end
  return list
end

-- For one image: {macs, params, param_bytes, activation_bytes}.
function methods:cost()
  C.anet_net_cost(self.handle, cost)
  return {
    macs = cost.macs, params = cost.params, param_bytes = cost.param_bytes,
    activation_bytes = cost.activation_bytes,
  }
end

-- A table of all nodes, as text.
function methods:describe()
  local rows = {{'node', 'op', 'name', 'inputs', 'shape', 'MACs'}}
  for i, n in self:nodes() do
    rows[#rows + 1] = {
      i, n.op, text.printable(n.name), table.concat(n.inputs, ' '), table.concat(n.shape, 'x'),
      n.macs > 0 and text.count(n.macs) or '',
    }
  end
  return table.concat(text.table(rows), '\n')
end

-- A name that is no method is an op: net:conv(x, {…}), net:add(a, b), net:concat(a, b, {axis = 0}).
local ops = {}

local function op_method(op)
  ops[op] = ops[op] or function(self, ...)
    local inputs = {...}
    local options = type(inputs[#inputs]) == 'table' and table.remove(inputs) or nil
    return self:node(op, inputs, options)
  end
  return ops[op]
end

function Net.__index(_, name)
  return methods[name] or (type(name) == 'string' and op_method(name)) or nil
end

function Net:__tostring()
  local shapes = {}
  for i, v in ipairs(self:inputs()) do shapes[i] = table.concat(self:shape(v), 'x') end
  local results = {}
  for i, v in ipairs(self:outputs()) do results[i] = table.concat(self:shape(v), 'x') end
  local c = self:cost()
  return ('net %s -> %s, %d nodes, %s parameters, %s MACs'):format(
    table.concat(shapes, ' + '), table.concat(results, ' + '), self:count(),
    text.count(c.params), text.count(c.macs))
end

return M
