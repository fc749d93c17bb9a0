-- Which images a model was not trained on, and what is said of them: data sets made of counts and of bytes.
local test = dofile 'tests/support/test.lua'
local data = require 'anet.data'
local anet = require 'anet'
local ffi = require 'ffi'
local unseen = require 'anet.unseen'

-- A data set of `count` images of `size` bytes; its pixels are a text of that length, or zeros.
local function set(count, size, pixels)
  size = size or 1
  local bytes = ffi.new('uint8_t[?]', math.max(count * size, 1))
  if pixels then ffi.copy(bytes, pixels, #pixels) end
  return {
    count = function() return count end,
    images = function() return {count = function() return count * size end, data = function() return bytes end} end,
    slice = function(_, first, n) return {first = first, count = function() return n end} end,
  }
end

-- Call f(…) while data.open gives these parts.
local function with(parts, f, ...)
  local open = data.open
  data.open = function(path, options)
    test.equal(path, 'photos')
    if parts[options.part] then return parts[options.part] end
    return nil, 'no such part 5%', 'absent'
  end
  local got = {pcall(f, ...)}
  data.open = open
  if not got[1] then error(got[2], 0) end
  return unpack(got, 2, table.maxn(got))
end

local function bundle_of(...)
  local record
  for _, r in ipairs{...} do
    r.from, record = record, r
  end
  local b = anet.bundle()
  return record and b:set_value('provenance', record) or b
end

local function trained(name, limit) return {verb = 'train', job = {architecture = 'resnet8', data = name, limit = limit}} end

local function opened(parts, bundle, wanted)
  local images, about = with(parts, unseen.open, bundle, 'photos', wanted)
  if not images then return about end
  test.equal(about.data, 'photos')
  return about.part, about.first, images:count(), about.of, about.unseen, about.said
end

local function same(got, ...) test.same(got, {...}) end

-- ---- records -----------------------------------------------------------------------------------------------------

test.case('a demo used images where it distilled', function()
  local function of(record) return (unseen.used(bundle_of(trained 'other', record), 'photos', 100)) end
  test.equal(of{verb = 'demo', distilled = true, data = 'photos', images = 30, of = 100}, 30)
  test.equal(of{verb = 'demo', distilled = false, data = 'photos', images = 30}, 0)
  test.equal(of{verb = 'demo', data = 'photos', images = 30}, 0)
  test.equal(of{verb = 'search', distilled = true, data = 'photos', images = 30}, 0)
  test.equal(of{verb = 'demo', distilled = true, data = 'photos'}, 100)
  test.equal(of{verb = 'distill', images = 30}, 0) -- of what?
  test.equal(of{verb = 'distill', data = 'photos', images = 30, of = 99}, 0)
  test.equal(of{verb = 'distill', data = '/x/photos:size=9', limit = 20}, 20)
end)

-- ---- what is left ----------------------------------------------------------------------------------------------------

local parts = {train = set(100), test = set(40)}

test.case('training images that were left over, with who did not use them', function()
  same({opened(parts, bundle_of(trained('photos', 70)), 30)}, 'train', 71, 30, 100, true, 'training images 71 to 100 of photos, which train did not use')
  same({opened(parts, bundle_of(trained('photos', 70), {verb = 'distill', data = 'photos', images = 80}), 20)}, 'train', 81, 20, 100, true,
       'training images 81 to 100 of photos, which train and distill did not use')
  same({opened(parts, bundle_of(trained 'other'), 100)}, 'train', 1, 100, 100, true, 'training images of photos, which is not what the model was trained on')
end)

test.case('test images where too few are left, or nothing is on record', function()
  same({opened(parts, bundle_of(trained('photos', 70)), 31)}, 'test', 1, 40, 40, true, 'test images of photos: train used the training images')
  same({opened(parts, bundle_of(trained 'other'), 101)}, 'test', 1, 40, 40, true, 'test images of photos: there are too few training images')
  same({opened(parts, bundle_of(), 10)}, 'test', 1, 40, 40, true, 'test images of photos: nothing is on record of what the oracle was trained on')
  same({opened(parts, bundle_of({verb = 'import'}, {verb = 'distill', data = 'photos', images = 10}), 10)}, 'test', 1, 40, 40, true,
       'test images of photos: distill used the training images')
  same({opened({test = set(40)}, bundle_of(trained 'other'), 10)}, 'test', 1, 40, 40, true, 'test images of photos: there are too few training images')
end)

test.case('five hundred are enough, however many are wanted', function()
  local large = {train = set(1000), test = set(40)}
  same({opened(large, bundle_of(trained('photos', 500)), 3000)}, 'train', 501, 500, 1000, true, 'training images 501 to 1000 of photos, which train did not use')
  test.equal((opened(large, bundle_of(trained('photos', 501)), 3000)), 'test')
  test.equal((opened(large, bundle_of(trained('photos', 501)), 499)), 'train')
  test.equal((opened({train = set(10), test = set(4)}, bundle_of(trained('photos', 10)), 0)), 'test') -- none are left
end)

test.case('a test part that is the training images is none', function()
  local function part_of(train, exam) return (opened({train = train, test = exam}, bundle_of(), 2)) end
  test.equal(part_of(set(4, 2, 'abcdefgh'), set(4, 2, 'abcdefgh')), 'train')
  test.equal(part_of(set(4, 2, 'abcdefgh'), set(4, 2, 'abcdefgx')), 'test')
  test.equal(part_of(set(4, 2, 'abcdefgh'), set(3, 2, 'abcdef')), 'test')
  test.equal(part_of(set(4, 2, 'abcdefgh'), nil), 'train')
  local head = ('x'):rep(2 ^ 20)
  test.equal(part_of(set(2, 2 ^ 20, head .. 'a'), set(2, 2 ^ 20, head .. 'b')), 'train') -- the first MiB tells
  test.equal(part_of(set(2, 2 ^ 20, ('x'):rep(2 ^ 20 - 1) .. 'a'), set(2, 2 ^ 20, ('x'):rep(2 ^ 20 - 1) .. 'b')), 'test')
end)

test.case('without a test part some images may have been seen, and why that is thought', function()
  local alone = {train = set(100)}
  same({opened(alone, bundle_of(), 10)}, 'train', 1, 100, 100, false,
       'images of photos, some of which the model may have been trained on: nothing is on record of what the oracle was trained on, and there is no test part')
  same({opened(alone, bundle_of(trained('photos', 95)), 10)}, 'train', 1, 100, 100, false,
       'images of photos, some of which the model may have been trained on: train used the training images, and there is no test part')
  local imported = {verb = 'import'}
  same({opened(alone, bundle_of(imported, {verb = 'distill', data = 'photos', images = 60}), 10)}, 'train', 61, 40, 100, false,
       'images of photos, some of which the model may have been trained on: distill used the training images, and there is no test part')
  local images, message, code = with({}, unseen.open, bundle_of(), 'photos', 10)
  same({images == nil, message, code}, true, 'no such part 5%', 'absent')
end)

test.case('a part that is asked for is opened as it is, and warned of', function()
  local function part(which, bundle)
    local images, about = with(parts, unseen.open_part, bundle, 'photos', which)
    return {images:count(), about.data, about.part, about.first, about.of, tostring(about.unseen), about.said}
  end
  test.same(part('train', bundle_of(trained('photos', 70))), {100, 'photos', 'train', 1, 100, 'false', 'images of photos, part train, of which train used 70: hits on those tell little'})
  test.same(part('train', bundle_of(trained 'other')), {100, 'photos', 'train', 1, 100, 'nil', 'images of photos, part train'})
  test.same(part('test', bundle_of(trained('photos', 70))), {40, 'photos', 'test', 1, 40, 'nil', 'images of photos, part test'})
  test.equal(part('train', bundle_of(trained('photos', 70), {verb = 'distill', data = 'photos', images = 80}))[7],
             'images of photos, part train, of which train and distill used 80: hits on those tell little')
  local images, message, code = with({}, unseen.open_part, bundle_of(), 'photos', 'train')
  same({images == nil, message, code}, true, 'no such part 5%', 'absent')
end)

return test.finish()
