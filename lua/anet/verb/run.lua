-- anet run: what a network says about images, or about arrays.
local anet = require 'anet'
local json = require 'anet.json'
local road = require 'anet.road'

local CHUNK = 32 -- images at a time

-- ---- images ------------------------------------------------------------------------------------------

-- One image of a file as the model's input.
local function input_of(ui, path, input)
  local image = ui:try(anet.image.load(path, input.channels))
  local dims = image:shape()
  return anet.data.new(image:reshape{1, dims[1], dims[2], dims[3]}):tensor(input)
end

-- The k largest of some probabilities: {{class, name, probability}, …}.
local function top(probabilities, k, names)
  local list = {}
  for i, p in ipairs(probabilities) do list[i] = {class = i - 1, name = names and names[i], probability = p} end
  table.sort(list, function(a, b)
    if a.probability ~= b.probability then return a.probability > b.probability end
    return a.class < b.class
  end)
  for i = #list, k + 1, -1 do list[i] = nil end
  return json.array(list)
end

local function run_images(ui, options, model, net, pool)
  local plan = anet.plan(net, {pool = pool})
  if #plan:output_shape() ~= 1 then
    ui:fail('%s: its output is %s, want a row of classes', options.model, table.concat(plan:output_shape(), 'x'))
  end
  if not model.input then ui:fail('%s: it does not say how images become its input', options.model) end
  local names, results = model.bundle:value 'classes', {}
  for i, path in ipairs(options.inputs) do
    local row = plan:run(input_of(ui, path, model.input)):list()
    local answer = top(net:probabilities(row), options.top, names)
    local parts = {}
    for k, a in ipairs(answer) do
      parts[k] = ('%s %.1f %%'):format(a.name or 'class ' .. a.class, 100 * a.probability)
    end
    ui:line('%s: %s', path, table.concat(parts, ', '))
    results[i] = {image = path, top = answer}
  end
  return results
end

-- ---- arrays ------------------------------------------------------------------------------------------

local function is_array(path) return path:lower():match('%.npy$') or path:lower():match('%.pb$') end

-- One array an input, as images of the net; and how many images they are.
local function read_arrays(ui, options, net, faces)
  local want, arrays, n = net:inputs(), {}, 1
  if #options.inputs ~= #want then
    ui:fail('%s has %d inputs, got %d arrays', options.model, #want, #options.inputs)
  end
  for i, path in ipairs(options.inputs) do
    arrays[i] = ui:try(anet.tensor.load(path))
    local images, message = anet.border.images(faces.inputs[i], arrays[i])
    if not images then ui:fail('%s: %s', path, message) end
    if images > 1 and n > 1 and images ~= n then ui:fail('%s: %d images, others have %d', path, images, n) end
    n = math.max(n, images)
  end
  for i, array in ipairs(arrays) do arrays[i] = anet.border.to_net(faces.inputs[i], array, n, net:shape(want[i])) end
  return arrays, n
end

-- Items first .. first + count - 1 of a tensor.
local function items(t, first, count)
  local begin, sizes = {first}, t:shape()
  for i = 2, #sizes do begin[i] = 1 end
  sizes[1] = count
  return t:view(begin, sizes)
end

local function run_net(net, arrays, n, pool)
  local plan = anet.plan(net, {pool = pool, batch = math.min(n, CHUNK)})
  local outputs = {}
  for k, value in ipairs(net:outputs()) do outputs[k] = anet.tensor{n, unpack(net:shape(value))} end
  for first = 1, n, CHUNK do
    local count, inputs = math.min(CHUNK, n - first + 1), {}
    for i, t in ipairs(arrays) do inputs[i] = items(t, first, count):clone() end
    for k, t in ipairs{plan:run(unpack(inputs))} do items(outputs[k], first, count):copy(t) end
  end
  return outputs
end

-- Where output k goes: the first as said, others with .2, .3, … before the suffix.
local function name_of(path, k) return k == 1 and path or (path:gsub('(%.%w+)$', '.' .. k .. '%1')) end

local function run_arrays(ui, options, model, net, pool)
  local faces = ui:try(anet.border.of(net, model.bundle:value 'border'))
  local arrays, n = read_arrays(ui, options, net, faces)
  local results = {}
  for k, t in ipairs(run_net(net, arrays, n, pool)) do
    local face = faces.outputs[k]
    local array = anet.border.from_net(face, t)
    local path = options.out and name_of(options.out, k)
    if path then ui:try(array:save(path)) end
    ui:line('%s: %s%s', face.name, table.concat(array:shape(), 'x'), path and ', ' .. path or '')
    results[k] = {output = face.name, shape = json.array(array:shape()), out = path}
  end
  return results
end

local function run(options, ui)
  local model = road.open_model(ui, options.model, true)
  local net = road.pick_net(ui, model, options.genome, options.rung)
  local pool, arrays = anet.pool(options.threads), 0
  for _, path in ipairs(options.inputs) do arrays = arrays + (is_array(path) and 1 or 0) end
  if arrays > 0 and arrays < #options.inputs then ui:fail('want images or arrays, not both') end
  if arrays == 0 and options.out then ui:fail('--out: want arrays (.npy, .pb) as input, not images') end
  local results = (arrays > 0 and run_arrays or run_images)(ui, options, model, net, pool)
  ui:result{model = options.model, results = json.array(results)}
end

return {
  summary = 'what a network says about images or arrays',
  arguments = {
    {name = 'model', help = 'bundle of a network or a supernet'},
    {name = 'inputs', many = true, help = 'PNG, JPEG, BMP, TGA, PNM or GIF files; or .npy or .pb, one an input of the net'},
  },
  flags = {
    {name = 'out', short = 'o', value = 'FILE', help = 'of arrays: where the first output goes, .npy or .pb; the k-th has .k before its suffix'},
    {name = 'top', value = 'N', type = 'integer', min = 1, default = 3, help = 'of images: how many classes to show'},
    {name = 'genome', value = 'G', help = 'subnet of a supernet; the oracle where not given'},
    {name = 'rung', value = 'N', type = 'integer', min = 1, help = 'a rung of the ladder that search made, 1 the fastest'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  },
  run = run,
  notes = 'Arrays are laid out as in the file the model came from: (N, C, H, W) for ONNX, else as the engine has\n' ..
          'them, (N, height, width, channels). Their numbers go in as they are, no mean is taken off.',
}
