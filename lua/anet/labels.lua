-- Which of a network's answers a label means: the one place where the classes of data and the answers of a net are
-- compared, before anything runs.
--
-- Classes go by name where all of the data's names are among the network's (an answer may also be called by its number,
-- from 0), in whatever order and however few. Else labels are numbers: of data without names, which may lack the last
-- classes, or where both have as many. All else is refused. Data without labels fits every network.
local core = require 'anet.core'
local data = require 'anet.data'
local tensor = require 'anet.tensor'

local M = {}

-- The names of a net's answers as a bundle tells them; nil where they are no list of texts.
local function texts(names)
  if type(names) ~= 'table' or #names == 0 then return nil end
  for _, name in ipairs(names) do
    if type(name) ~= 'string' then return nil end
  end
  return names
end

-- Number of the answer that each name means; false where two are called alike.
local function places(names, count)
  local at, named = {}, {}
  for i = 1, count do at[tostring(i - 1)] = i end
  for i = 1, math.min(count, names and #names or 0) do
    local name = names[i]
    at[name] = not named[name] and i
    named[name] = true
  end
  return at
end

-- The answer of each class, by name; nil and the first class that is none of them.
local function by_name(own, names, count)
  local at, map = places(names, count), {}
  for i, name in ipairs(own) do
    if not at[name] then return nil, name end
    map[i] = at[name]
  end
  return map
end

local function is_identity(map, count)
  for i, to in ipairs(map) do
    if to ~= i then return false end
  end
  return #map == count
end

-- The same images with labels of `count` classes; map: the new class of each, nil: the same.
local function relabel(dataset, map, names, count)
  local from, labels = dataset:labels():data(), tensor.new({dataset:count()}, 'i32')
  local to = labels:data()
  for i = 0, dataset:count() - 1 do
    to[i] = map and from[i] >= 0 and map[from[i] + 1] - 1 or from[i]
  end
  local same = data.new(dataset:images(), labels, count)
  same.names = names
  return same
end

local MOST_NAMES = 8 -- in a message

local function list(names)
  local shown = {}
  for i = 1, math.min(#names, MOST_NAMES) do shown[i] = tostring(names[i]) end
  return table.concat(shown, ', ') .. (#names > MOST_NAMES and ', …' or '')
end

local function explain(what, have, count, missing, names)
  local head = ('%s: %d class%s, the network gives %d answer%s'):format(what, have, have == 1 and '' or 'es', count,
                                                                        count == 1 and '' or 's')
  if have > count then return head .. ': use data of the classes that it was trained on' end
  if not missing then return head .. ': use data of as many' end
  if not names then return ("%s and has no names for them, nor is '%s' the number of one: use data of all %d"):format(head, missing, count) end
  return ("%s, none of which is called '%s': name the classes as it does (%s)"):format(head, missing, list(names))
end

-- The data with labels that are numbers of the net's answers; and a warning, where there is reason for one. names: of
-- the answers, where they have some; what: the data's name in messages.
---@param dataset anet.Dataset
---@param net anet.Net
---@param names? string[]
---@return anet.Dataset? dataset, string? message, string? code
function M.match(dataset, net, names, what)
  local answers, have = net:answers(), dataset:classes()
  if dataset:missing_labels() == dataset:count() then return dataset:unlabelled() end
  what = what or 'the data'
  if answers.rows ~= 1 then
    return nil, ('%s: it has labels, the network gives %d answers in %d rows, want one row'):format(
      what, answers.classes, answers.rows), 'shape'
  end
  local own, map, missing = dataset:class_names(), nil, nil
  names = texts(names)
  if own then map, missing = by_name(own, names, answers.classes) end
  if map and not is_identity(map, answers.classes) then
    return relabel(dataset, map, names, answers.classes)
  end
  if have == answers.classes then
    local odd = names and missing and ("%s: the network has no class '%s': labels are taken by number (0 is %s, there '%s')"):format(
      what, missing, own[1], tostring(names[1]))
    return dataset, odd or nil
  end
  if not own and have < answers.classes then return relabel(dataset, nil, names, answers.classes) end
  return nil, explain(what, have, answers.classes, missing, names), 'shape'
end

-- Raises where labels are no numbers of the net's answers: for those who were given data as it is.
function M.check(dataset, net)
  local answers = net:answers()
  if dataset:missing_labels() == dataset:count() then return end
  if answers.rows ~= 1 or dataset:classes() ~= answers.classes then
    core.raise('%s; anet.labels.match makes them fit where it can',
               explain('the data', dataset:classes(), answers.rows * answers.classes))
  end
end

return M
