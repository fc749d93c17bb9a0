-- How bundles were made, and which images that leaves unseen.
local test = dofile 'tests/support/test.lua'
local tiny = dofile 'tests/support/tiny.lua'
local command = dofile 'tests/support/command.lua'
local anet = require 'anet'
local provenance = require 'anet.provenance'
local unseen = require 'anet.unseen'

local folder, run_json = command.folder, command.run_json

-- ---- records ------------------------------------------------------------------------------------------

local function verbs(bundle)
  local list = {}
  for i, record in ipairs(provenance.chain(bundle)) do list[i] = record.verb end
  return list
end

test.case('each record holds the one before', function()
  local a, b, c = anet.bundle(), anet.bundle(), anet.bundle()
  provenance.put(a, 'import', {model = 'x.onnx'})
  provenance.put(b, 'elastify', {seconds = 2}, a)
  provenance.put(c, 'distill', {images = 5}, b)
  test.same(verbs(c), {'import', 'elastify', 'distill'})
  test.equal(provenance.read(c).from.from.model, 'x.onnx')
  test.equal(provenance.read(c).version, anet.version)
  provenance.put(c, 'search', {seed = 1}, c)
  provenance.put(c, 'search', {seed = 2}, c) -- in the place of the first
  test.same(verbs(c), {'import', 'elastify', 'distill', 'search'})
  test.equal(provenance.read(c).seed, 2)
  test.same(verbs(anet.bundle()), {})
end)

test.case('records of before are read', function()
  local old = anet.bundle():set_value('provenance', {verb = 'calibrate', source = {
    verb = 'distill', before = {verb = 'elastify', oracle = {verb = 'train', job = {data = 'x'}}}}})
  test.same(verbs(old), {'train', 'elastify', 'distill', 'calibrate'})
  test.equal(provenance.read(old).source, nil)
end)

test.case('what is absent and what is damaged are told apart', function()
  local function code(text) return (select(3, provenance.read(anet.bundle():set_text('provenance', text)))) end
  test.equal(code(nil), 'absent')
  test.equal(code '[', 'format')
  test.equal(provenance.read(anet.bundle():set_text('provenance', '{"verb": "x", "from": null}')).from, nil)
  test.equal(provenance.put(anet.bundle(), 'x', {}):text 'none', nil) -- it gives the bundle
end)

test.case('a verb that is done again on another bundle does not take its place', function()
  local a, b = anet.bundle(), anet.bundle()
  provenance.put(a, 'distill', {seed = 1})
  provenance.put(b, 'distill', {seed = 2}, a)
  test.same(verbs(b), {'distill', 'distill'})
  provenance.put(b, 'distill', {seed = 3}, b)
  test.same({provenance.read(b).seed, provenance.read(b).from.seed}, {3, 1})
  provenance.put(b, 'search', {}, b)
  test.same(verbs(b), {'distill', 'distill', 'search'})
end)

test.case('damaged records are one line', function()
  for _, text in ipairs{'[', '3', '"train"'} do
    local record, message = provenance.read(anet.bundle():set_text('provenance', text))
    test.equal(record, nil)
    test.mentions(message, "the text 'provenance'")
    test.same(verbs(anet.bundle():set_text('provenance', text)), {})
  end
  for _, text in ipairs{'{"from": 3}', '{"verb": {}, "from": [1]}', '{"verb": "train", "job": 3}', '{"verb": "distill", "data": 3, "images": {}}',
                        '{"verb": "distill", "data": "x", "images": "y", "of": []}', '{"verb": "train", "job": {"data": {}, "architecture": 3}}'} do
    local bundle = anet.bundle():set_text('provenance', text):set_net(tiny.net())
    local record, message = provenance.read(bundle)
    test.equal((unseen.used(bundle, 'y', 10)), 0)
    local path = command.path 'odd.anet'
    assert(bundle:save(path))
    local output, status = command.run('info ' .. path)
    test.equal(status, record and 0 or 1)
    if not record then
      test.mentions(message, "the text 'provenance'")
      test.check(output:match '^anet info: [^\n]*\n$', 'one line: ' .. output)
    end
  end
end)

-- ---- what was used ------------------------------------------------------------------------------------------

local function bundle_of(...)
  local record
  for _, r in ipairs{...} do
    r.from, record = record, r
  end
  return anet.bundle():set_value('provenance', record)
end

local function trained(data, limit) return {verb = 'train', job = {architecture = 'resnet8', data = data, limit = limit}} end

local function used(bundle, path, count)
  local images, by, known = unseen.used(bundle, path, count)
  return {images, table.concat(by, ' '), known}
end

test.case('the images that training and distillation used', function()
  test.same(used(bundle_of(trained('photos', 70)), 'photos', 100), {70, 'train', true})
  test.same(used(bundle_of(trained 'photos'), 'photos', 100), {100, 'train', true})
  test.same(used(bundle_of(trained('photos', 700)), 'photos', 100), {100, 'train', true})
  test.same(used(bundle_of(trained('/a/photos/', 70)), 'b/photos:size=32', 100), {70, 'train', true})
  test.same(used(bundle_of(trained('photos', 70)), 'pictures', 100), {0, '', true})
  local distilled = {verb = 'distill', data = 'photos', images = 80, of = 100}
  test.same(used(bundle_of(trained('photos', 70), {verb = 'elastify', data = 'photos', images = 100}, distilled), 'photos', 100),
            {80, 'train distill', true})
  test.same(used(bundle_of(trained('photos', 70), distilled), 'photos', 200), {70, 'train', true}) -- another set of that name
  test.same(used(bundle_of({verb = 'import'}, distilled), 'photos', 100), {80, 'distill', false})
  test.same(used(bundle_of(trained('photos', 70), {verb = 'distill', data = 'photos'}), 'photos', 100), {100, 'train distill', true})
  test.same(used(bundle_of{verb = 'train', job = {architecture = 'x.anet', data = 'photos', limit = 70}}, 'photos', 100), {70, 'train', false})
  test.same(used(anet.bundle(), 'photos', 100), {0, '', false})
end)

-- ---- what is left ------------------------------------------------------------------------------------------------

local function write_images(part, count)
  for i = 1, count do
    local image = anet.tensor({8, 8, 1}, 'u8'):fill((i * 7 + #part) % 250)
    assert(anet.image.save(image, ('%s/%s/%d/%d.png'):format(folder, part, i % tiny.CLASSES, i)))
  end
end

for _, part in ipairs{'both/train', 'both/test', 'alone/train'} do
  for class = 0, tiny.CLASSES - 1 do os.execute(('mkdir -p %s/%s/%d'):format(folder, part, class)) end
end
write_images('both/train', 20)
write_images('both/test', 10)
write_images('alone/train', 20)
local both, alone = folder .. '/both', folder .. '/alone'

-- {part, first, images, unseen} of what is opened.
local function opened(bundle, path, wanted)
  local images, about = assert(unseen.open(bundle, path, wanted))
  test.check(#about.said > 0 and about.data == path)
  return {about.part, about.first, images:count(), about.unseen}
end

test.case('unseen images are training images that are left over, else test images', function()
  test.same(opened(bundle_of(trained(both, 15)), both, 5), {'train', 16, 5, true})
  test.same(opened(bundle_of(trained(both, 15)), both, 6), {'test', 1, 10, true}) -- too few are left
  test.same(opened(bundle_of(trained(both)), both, 5), {'test', 1, 10, true})
  test.same(opened(bundle_of(trained 'elsewhere'), both, 5), {'train', 1, 20, true})
  test.same(opened(anet.bundle(), both, 5), {'test', 1, 10, true})
  test.same(opened(bundle_of({verb = 'import'}, {verb = 'distill', data = both, images = 15, of = 20}), both, 5), {'test', 1, 10, true})
end)

test.case('where there is no test part it is said that images may have been seen', function()
  test.same(opened(bundle_of(trained(alone, 15)), alone, 5), {'train', 16, 5, true})
  test.same(opened(bundle_of(trained(alone)), alone, 5), {'train', 1, 20, false})
  test.same(opened(bundle_of({verb = 'import'}, {verb = 'distill', data = alone, images = 15, of = 20}), alone, 5), {'train', 16, 5, false})
  local _, about = assert(unseen.open(anet.bundle(), alone, 5))
  test.mentions(about.said, 'may have been trained on')
  local images, message = unseen.open(anet.bundle(), '/no-such-folder/x', 5)
  test.equal(images, nil)
  test.mentions(message, 'no-such-folder')
end)

-- ---- verbs -----------------------------------------------------------------------------------------------------------

test.case('verbs hand it on', function()
  local path = command.path
  local flags = ('--data %s --threads 1 --quiet'):format(both)
  local input = tiny.data(20):input()
  assert(provenance.put(anet.bundle():set_net(tiny.net()):set_input(input), 'train', {job = trained(both, 14).job}):save(path 'o.anet'))
  run_json(('elastify %s %s --out %s'):format(path 'o.anet', flags, path 's.anet'))
  run_json(('distill %s %s --policy adaptive:solve_images=8,block_epochs=0,joint_epochs=1 --batch 4 --out %s'):format(path 's.anet', flags, path 'd.anet'))
  run_json(('calibrate %s %s --int8 --images 10 --out %s'):format(path 'd.anet', flags, path 'q.anet'))
  local found = run_json(('search %s --data %s --threads 1 --quiet --unlabelled --budgets 95%% --images 6 --policy random:evaluations=20'):format(path 'q.anet', both))
  run_json(('export %s --rung 1 --out %s'):format(path 'q.anet', path 'e.anet'))
  local chain = provenance.chain(assert(anet.bundle.open(path 'e.anet')))
  test.same(verbs(assert(anet.bundle.open(path 'e.anet'))), {'train', 'elastify', 'distill', 'calibrate', 'search', 'export'})
  test.same({chain[3].images, chain[3].of}, {14, 20}) -- those that the oracle was trained on
  test.same({found.part, found.first, found.images}, {'train', 15, 6})
  test.same({chain[5].part, chain[5].first, chain[5].of, chain[5].threads}, {'train', 15, 20, 1})
  for i = 2, 5 do
    if chain[i].verb ~= 'calibrate' then test.check(tonumber(chain[i].seconds), chain[i].verb .. ' took some seconds') end
    test.equal(chain[i].data, both)
  end
  local info = command.run('info ' .. path 'e.anet')
  for _, word in ipairs{'14 of 20 images', 'anet elastify', 'anet distill', 'batch 4', 'anet calibrate', 'anet search', 'anet export'} do
    test.mentions(info, word)
  end
end)

os.execute('rm -r ' .. folder)
return test.finish()
