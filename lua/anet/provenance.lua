-- How a bundle came to be: its text 'provenance' is the record of the verb that made it, {verb, version, data, seconds, …}, and holds
-- as `from` the record of the bundle that it was made of.
local core = require 'anet.core'
local json = require 'anet.json'

local M = {}

-- What `from` was called, by verb, up to version 0.1.
local EARLIER = {elastify = 'oracle', distill = 'before', calibrate = 'source'}

local function is_object(value) return type(value) == 'table' and value ~= json.null end

local function upgrade(record)
  if not is_object(record) then return nil end
  local key = EARLIER[record.verb]
  if key and not record.from then record.from, record[key] = record[key], nil end
  record.from = upgrade(record.from)
  return record
end

-- The record of a bundle; nil where it has none, and a message where that is damaged.
function M.read(bundle)
  local record, message = bundle:value 'provenance'
  if not record then return nil, message, message and 'format' or 'absent' end
  return upgrade(record)
end

-- The records that led to a bundle, the oldest first.
function M.chain(bundle)
  local list, record = {}, M.read(bundle)
  while record do
    table.insert(list, 1, record)
    record = record.from
  end
  return list
end

-- Note in a bundle that `verb` made it of `from`, a bundle or nil. A verb done again takes the place of what it did before.
function M.put(bundle, verb, fields, from)
  local before = from and M.read(from)
  if before and before.verb == verb and from == bundle then before = before.from end
  local record = {verb = verb, version = core.string(core.C.anet_version()), from = before}
  for key, value in pairs(fields) do record[key] = value end
  return bundle:set_value('provenance', record)
end

return M
