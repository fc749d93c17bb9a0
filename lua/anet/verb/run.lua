-- anet run: what a network says about images.
local anet = require 'anet'
local json = require 'anet.json'
local road = require 'anet.road'

-- One image of a file as the model's input.
local function input_of(ui, path, input)
  local image = ui:try(anet.image.load(path, input.channels))
  local dims = image:shape()
  return anet.data.new(image:reshape{1, dims[1], dims[2], dims[3]}):tensor(input)
end

-- The k largest of softmax(logits): {{class, name, probability}, …}.
local function top(logits, k, names)
  local list, most, sum = {}, -math.huge, 0
  for _, v in ipairs(logits) do most = math.max(most, v) end
  for _, v in ipairs(logits) do sum = sum + math.exp(v - most) end
  for i, v in ipairs(logits) do
    list[i] = {class = i - 1, name = names and names[i], probability = math.exp(v - most) / sum}
  end
  table.sort(list, function(a, b)
    if a.probability ~= b.probability then return a.probability > b.probability end
    return a.class < b.class
  end)
  for i = #list, k + 1, -1 do list[i] = nil end
  return json.array(list)
end

local function run(options, ui)
  local model = road.open_model(ui, options.model)
  local net = road.pick_net(ui, model, options.genome)
  local plan = anet.plan(net, {pool = anet.pool(options.threads)})
  if #plan:output_shape() ~= 1 then
    ui:fail('%s: its output is %s, want a row of classes', options.model, table.concat(plan:output_shape(), 'x'))
  end
  local names, results = model.bundle:value 'classes', {}
  for i, path in ipairs(options.images) do
    local answer = top(plan:run(input_of(ui, path, model.input)):list(), options.top, names)
    local parts = {}
    for k, a in ipairs(answer) do
      parts[k] = ('%s %.1f %%'):format(a.name or 'class ' .. a.class, 100 * a.probability)
    end
    ui:line('%s: %s', path, table.concat(parts, ', '))
    results[i] = {image = path, top = answer}
  end
  ui:result{model = options.model, results = json.array(results)}
end

return {
  summary = 'what a network says about images',
  arguments = {
    {name = 'model', help = 'bundle of a network or a supernet'},
    {name = 'images', many = true, help = 'PNG, JPEG, BMP, TGA, PNM or GIF files'},
  },
  flags = {
    {name = 'top', value = 'N', type = 'integer', min = 1, default = 3, help = 'how many classes to show'},
    {name = 'genome', value = 'G', help = 'subnet of a supernet; the oracle where not given'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  },
  run = run,
}
