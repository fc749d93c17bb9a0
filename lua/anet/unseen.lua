-- Images that a model was not trained on, as far as its bundle tells: hits on others say nothing.
local data = require 'anet.data'
local provenance = require 'anet.provenance'
local ffi = require 'ffi'

local M = {}

local FEW = 500 -- fewer images tell subnets apart badly

-- ---- what was used ------------------------------------------------------------------------------------

-- The last part of a path, without what scales the images: a copy of a data set on another machine has the same.
local function name_of(path)
  local plain = path:match '^(.-):%a+=[^/:]*$' or path
  return plain:match '([^/]+)/*$' or plain
end

-- How many of the first of `count` training images it used; nil: none of them. One that does not say used all.
local function used_by(record, path, count)
  local trains = record.verb == 'train' or record.verb == 'distill' or (record.verb == 'demo' and record.distilled)
  local job = record.verb == 'train' and record.job or record
  if not trains or type(job) ~= 'table' or type(job.data) ~= 'string' then return nil end
  if name_of(job.data) ~= name_of(path) or (job.of and job.of ~= count) then return nil end
  return math.min(tonumber(job.images or job.limit) or count, count)
end

-- Whether it is on record what the oracle learnt from: it was trained from nothing.
local function is_known(first)
  local job = first and first.verb == 'train' and first.job
  return type(job) == 'table' and not tostring(job.architecture):find '%.anet$'
end

-- What made a bundle used the first `used` of the `count` training images of a data set, in these verbs; known: the oracle's training is
-- on record too.
---@return integer used, string[] verbs, boolean known
function M.used(bundle, path, count)
  local used, verbs, chain = 0, {}, provenance.chain(bundle)
  for _, record in ipairs(chain) do
    local images = used_by(record, path, count)
    if images then
      used, verbs[#verbs + 1] = math.max(used, images), record.verb
    end
  end
  return used, verbs, is_known(chain[1])
end

-- ---- what is left --------------------------------------------------------------------------------------

-- Whether two parts are one: a data set without parts gives the same for both.
local function alike(a, b)
  if a:count() ~= b:count() then return false end
  local x, y = a:images(), b:images()
  local bytes = math.min(x:count(), y:count(), 2 ^ 20)
  return ffi.string(x:data(), bytes) == ffi.string(y:data(), bytes)
end

local function test_part(path, train)
  local test = data.open(path, {part = 'test'})
  return test and not (train and alike(train, test)) and test or nil
end

local function why_not(verbs, known)
  if #verbs > 0 then return ('%s used the training images'):format(table.concat(verbs, ' and ')) end
  return known and 'there are too few training images' or 'nothing is on record of what the oracle was trained on'
end

-- The images of a data set that a bundle's model was not trained on, of which `wanted` are to be used, and what they are: {data, part,
-- first, of, unseen, said}. unseen: true, or false where some of them may have been used; said: in words.
---@return anet.Dataset? images, table|string about, string? code
function M.open(bundle, path, wanted)
  local train, message, code = data.open(path, {part = 'train'})
  local count = train and train:count() or 0
  local used, verbs, known = M.used(bundle, path, count)
  local enough = count - used >= math.min(wanted, FEW)
  local function rest(unseen, said)
    return train:slice(used + 1, count - used),
           {data = path, part = 'train', first = used + 1, of = count, unseen = unseen, said = said}
  end
  if known and enough and count > used then
    return rest(true, used > 0 and ('training images %d to %d of %s, which %s did not use'):format(
      used + 1, count, path, table.concat(verbs, ' and ')) or ('training images of %s, which is not what the model was trained on'):format(path))
  end
  local test = test_part(path, train)
  if test then
    return test, {data = path, part = 'test', first = 1, of = test:count(), unseen = true,
                  said = ('test images of %s: %s'):format(path, why_not(verbs, known))}
  end
  if not train then return nil, message, code end
  if not enough or count == used then used = 0 end
  return rest(false, ('images of %s, some of which the model may have been trained on: %s, and there is no test part'):format(
    path, why_not(verbs, known)))
end

-- The same of a part that was asked for, which is opened as it is.
---@return anet.Dataset? images, table|string about, string? code
function M.open_part(bundle, path, part)
  local images, message, code = data.open(path, {part = part})
  if not images then return nil, message, code end
  local used, verbs = M.used(bundle, path, images:count())
  local about = {data = path, part = part, first = 1, of = images:count(), said = ('images of %s, part %s'):format(path, part)}
  if part == 'train' and used > 0 then
    about.said = ('%s, of which %s used %d: hits on those tell little'):format(about.said, table.concat(verbs, ' and '), used)
    about.unseen = false
  end
  return images, about
end

return M
