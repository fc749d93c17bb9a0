-- Labelled images, and how they become a network's input.
local core = require 'anet.core'
local tensor = require 'anet.tensor'
local ffi, C = core.ffi, core.C

---@class anet.Dataset
---@field handle ffi.cdata*
local Dataset = {__name = 'dataset'}
Dataset.__index = Dataset

local out, take = core.cell 'anet_dataset'

local M = {Dataset = Dataset}

-- Short names of data sets that come as Debian packages; their files do not name the classes.
local NAMED = {
  ['fashion-mnist'] = {
    path = '/usr/share/datasets/fashion-mnist',
    classes = {'T-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot'},
  },
}

local function wrap(handle) return setmetatable({handle = handle}, Dataset) end
M.wrap = wrap

-- 'photos:size=256,crop=224' as 'photos', 256, 224. nil, message where it says anything else.
local function split_path(path)
  local plain, rest = path:match '^(.-):(%a+=[^/:]*)$'
  if not plain then return path end
  local given = {}
  for word in rest:gmatch '[^,]+' do
    local key, value = word:match '^(%a+)=(%d+)$'
    if not key or (key ~= 'size' and key ~= 'crop') or tonumber(value) < 1 or tonumber(value) > 16384 then
      return nil, ("%s: '%s' is neither size=PIXELS nor crop=PIXELS"):format(path, word)
    end
    given[key] = tonumber(value)
  end
  return plain, given.size, given.crop
end

-- Open images by path or short name ('fashion-mnist'). part: 'train' or 'test' where it has both; size: what the
-- shorter side of images of a folder is scaled to, and the side of the square in their middle that is taken; crop: rows and columns of the middle of that to
-- take. Both may stand in the path: 'photos:size=256,crop=224'.
---@param path string
---@param options? {part?: string, size?: integer, crop?: integer}
---@return anet.Dataset? data, string? message, string? code
function M.open(path, options)
  options = options or {}
  local plain, size, crop = split_path(path)
  if not plain then return nil, size, 'format' end
  local named = NAMED[plain] or {path = plain}
  local status = C.anet_dataset_open(named.path, options.part, options.size or size or 0, core.alone(), out)
  local message, code = core.refusal(status)
  if message then return nil, message, code end
  local dataset = wrap(take())
  crop = options.crop or crop
  if crop then dataset = dataset:crop(crop, crop) end
  dataset.names = named.classes
  return dataset
end

-- From tensors: images u8 (count, height, width, channels), labels i32 (count), counted from 0.
---@return anet.Dataset
function M.new(images, labels, classes)
  local t = core.handle(images, tensor.Tensor, 'images')
  local l = labels and core.handle(labels, tensor.Tensor, 'labels') or nil
  core.check(C.anet_dataset_new(t, l, classes or 0, out))
  return wrap(take())
end

function Dataset:count() return C.anet_dataset_count(self.handle) end
function Dataset:classes() return C.anet_dataset_classes(self.handle) end

-- Name of class i (from 1), or nil.
function Dataset:class(i)
  return core.string(C.anet_dataset_class(self.handle, i - 1)) or (self.names and self.names[i])
end

-- Names of all classes; nil where they have none.
---@return string[]?
function Dataset:class_names()
  local names = {}
  for i = 1, self:classes() do names[i] = self:class(i) end
  return #names == self:classes() and names or nil
end

---@return anet.Tensor
function Dataset:images() return tensor.borrow(C.anet_dataset_images(self.handle)) end
---@return anet.Tensor?
function Dataset:labels() return tensor.borrow(C.anet_dataset_labels(self.handle)) end

-- How many of its images have no label.
---@return integer
function Dataset:missing_labels()
  local labels, missing = self:labels():data(), 0
  for i = 0, self:count() - 1 do
    if labels[i] < 0 then missing = missing + 1 end
  end
  return missing
end

-- Whether each of its images has a label.
function Dataset:labelled() return self:count() > 0 and self:missing_labels() == 0 end

-- The same images without labels or classes.
---@return anet.Dataset
function Dataset:unlabelled() return M.new(self:images()) end

-- Height, width and channels of an image.
---@return integer[]
function Dataset:shape()
  local dims = self:images():shape()
  return {dims[2], dims[3], dims[4]}
end

-- A handle on some of its items, or some of each: the classes are called as before.
function Dataset:part(handle)
  local part = wrap(handle)
  part.names = self.names
  return part
end

-- The `count` items from `first` on; shares memory.
---@return anet.Dataset
function Dataset:slice(first, count)
  core.check(C.anet_dataset_slice(self.handle, first - 1, count, out))
  return self:part(take())
end

-- The items that a list names, copied.
---@return anet.Dataset
function Dataset:pick(items)
  local index = ffi.new('int32_t[?]', math.max(#items, 1))
  for i, item in ipairs(items) do index[i - 1] = item - 1 end
  core.check(C.anet_dataset_pick(self.handle, index, #items, out))
  return self:part(take())
end

-- The middle of every image, copied.
---@return anet.Dataset
function Dataset:crop(height, width)
  core.check(C.anet_dataset_crop(self.handle, height, width, out))
  return self:part(take())
end

-- n items drawn without repeats; and the rest.
---@return anet.Dataset sample, integer[] rest
function Dataset:sample(n, seed)
  local total = self:count()
  core.must(n <= total, 'sample: want %d items, there are %d', n, total)
  local rng = ffi.new 'anet_rng'
  C.anet_rng_seed(rng, seed or 0)
  local order = {}
  for i = 1, total do order[i] = i end
  for i = 1, n do
    local k = C.anet_rng_int(rng, i, total)
    order[i], order[k] = order[k], order[i]
  end
  local picked, rest = {}, {}
  for i = 1, n do picked[i] = order[i] end
  for i = n + 1, total do rest[#rest + 1] = order[i] end
  return self:pick(picked), rest
end

-- How its images become an input: their own size, and the mean and deviation of each channel.
---@return anet.Input
function Dataset:input()
  local images = self:images()
  local dims, data = images:shape(), images:data()
  local channels = dims[4]
  local input = {height = dims[2], width = dims[3], channels = channels, mean = {}, deviation = {}}
  for c = 0, channels - 1 do
    local counts = ffi.new 'double[256]'
    for i = c, images:count() - 1, channels do counts[data[i]] = counts[data[i]] + 1 end
    local total, sum, squares = 0, 0, 0
    for v = 0, 255 do
      local x = v / 255
      total, sum, squares = total + counts[v], sum + counts[v] * x, squares + counts[v] * x * x
    end
    local mean = sum / total
    input.mean[c + 1] = mean
    input.deviation[c + 1] = math.max(math.sqrt(math.max(squares / total - mean * mean, 0)), 1e-3)
  end
  return M.input(input)
end

---@class anet.Input
---@field height integer
---@field width integer
---@field channels integer
---@field mean number[]
---@field deviation number[]
local Input = {__name = 'input'}
Input.__index = Input
M.Input = Input

-- From a table of its fields; missing means are 0 and deviations 1.
---@return anet.Input
function M.input(fields)
  local handle = ffi.new 'anet_input'
  handle.height, handle.width, handle.channels = fields.height, fields.width, fields.channels
  local self = {
    handle = handle, height = fields.height, width = fields.width, channels = fields.channels,
    mean = {}, deviation = {},
  }
  for c = 1, fields.channels do
    self.mean[c] = fields.mean and fields.mean[c] or 0
    self.deviation[c] = fields.deviation and fields.deviation[c] or 1
    handle.mean[c - 1], handle.deviation[c - 1] = self.mean[c], self.deviation[c]
  end
  return setmetatable(self, Input)
end

-- From an anet_input, copied.
function M.from_struct(struct)
  local fields = {height = struct.height, width = struct.width, channels = struct.channels, mean = {}, deviation = {}}
  for c = 1, struct.channels do
    fields.mean[c], fields.deviation[c] = struct.mean[c - 1], struct.deviation[c - 1]
  end
  return M.input(fields)
end

-- Its fields as a plain table.
function Input:fields()
  return {
    height = self.height, width = self.width, channels = self.channels, mean = self.mean,
    deviation = self.deviation,
  }
end

function Input:__tostring()
  return ('input %dx%dx%d'):format(self.height, self.width, self.channels)
end

-- Fill f32 tensors `images` (n, h, w, c) and `targets` (n, classes; may be nil) with batch `index` (from 1) of
-- an epoch (from 1; nil: in the data's own order). Returns how many items.
---@return integer filled
function Dataset:batch(input, images, targets, index, options)
  options = options or {}
  local filled = ffi.new 'int32_t[1]'
  core.check(C.anet_dataset_batch(self.handle, core.handle(input, Input, 'input'), options.augment,
    options.seed or 0, options.epoch and options.epoch - 1 or -1, index - 1,
    core.pool(options.pool), core.handle(images, tensor.Tensor, 'images'),
    targets and core.handle(targets, tensor.Tensor, 'targets') or nil, filled))
  return filled[0]
end

-- The first `count` items (all by default) as one f32 input tensor.
---@return anet.Tensor
function Dataset:tensor(input, count)
  local n = math.min(count or self:count(), self:count())
  local images = tensor.new{n, input.height, input.width, input.channels}
  self:batch(input, images, nil, 1)
  return images
end

function Dataset:__tostring()
  return ('dataset of %d images %s, %d classes'):format(self:count(),
    table.concat(self:shape(), 'x'), self:classes())
end

return M
