-- anet eval: accuracy of a network or a subnet on labelled images.
local anet = require 'anet'
local json = require 'anet.json'
local road = require 'anet.road'
local text = require 'anet.text'

-- {{class, name, images, accuracy}, …} from which images were right.
local function by_class(dataset, hits)
  local classes, labels = {}, dataset:labels():data()
  for i = 1, dataset:classes() do
    classes[i] = {class = i - 1, name = dataset:class(i) or tostring(i - 1), images = 0, right = 0}
  end
  for i = 1, dataset:count() do
    local c = classes[labels[i - 1] + 1]
    if c then
      c.images = c.images + 1
      c.right = c.right + hits:byte(i) - 48
    end
  end
  for _, c in ipairs(classes) do c.accuracy = c.images > 0 and c.right / c.images or nil end
  return classes
end

local function show_classes(ui, classes)
  local rows = {{'class', 'images', 'accuracy'}}
  for _, c in ipairs(classes) do
    rows[#rows + 1] = {c.name, c.images, c.accuracy and ('%.2f %%'):format(100 * c.accuracy) or ''}
  end
  ui:table(rows)
end

local function run(options, ui)
  local pool = anet.pool(options.threads)
  local model = road.open_model(ui, options.model)
  local net = road.pick_net(ui, model, options.genome)
  local dataset = road.open_labelled(ui, model, options.data, options.part, {limit = options.limit})
  local missing = dataset:missing_labels()
  if missing > 0 then ui:fail('%s: %d of its %d images have no label', options.data, missing, dataset:count()) end
  local plan = anet.plan(net, {batch = options.batch, pool = pool})
  local began = anet.clock()
  local accuracy, hits = plan:accuracy(dataset, model.input)
  local seconds = anet.clock() - began
  local classes = by_class(dataset, hits)
  if options.classes then show_classes(ui, classes) end
  ui:line('%d of %d right: %.2f %%, %s, %.0f images/s', accuracy * dataset:count() + 0.5, dataset:count(),
          100 * accuracy, text.duration(seconds), dataset:count() / seconds)
  ui:result{
    model = options.model, genome = options.genome, images = dataset:count(), accuracy = accuracy, seconds = seconds,
    classes = json.array(classes),
  }
end

return {
  summary = 'accuracy on labelled images',
  arguments = {{name = 'model', help = 'bundle of a network or a supernet'}},
  flags = {
    {name = 'data', value = 'PATH', default = 'fashion-mnist', help = 'images; PATH:size=256,crop=224 scales the shorter side, then takes the middle'},
    {name = 'part', value = 'NAME', default = 'test', help = 'train or test, where the data has both'},
    {name = 'limit', value = 'N', type = 'integer', min = 1, help = 'use only the first N images'},
    {name = 'genome', value = 'G', help = 'subnet of a supernet; the oracle where not given'},
    {name = 'classes', help = 'also by class'},
    {name = 'batch', value = 'N', type = 'integer', min = 1, max = 65536, default = 100, help = 'images at a time'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  },
  run = run,
}
