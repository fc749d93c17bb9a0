-- The JSON texts of bundles that Lua reads. Whoever made the file may have written anything: `read` gives values of
-- which all that the engine uses is there and of its type, or says in one line what is not.
local json = require 'anet.json'

local M = {}

-- A spec is a type ('string', 'number': finite, 'count': a whole number from 0 on, 'boolean', 'any'), with '?' behind it
-- where the value may be absent or null; {spec} is an array, {each = spec} an object of any keys; any other table is an
-- object of those keys at least.
local JOB = {data = 'string?', architecture = 'string?', command = 'string?', size = 'count?', limit = 'count?', optional = true}
local SETTINGS = {
  batch = 'count', epochs = 'count?', optimizer = 'string?', lr = 'number?', schedule = 'string?', seed = 'number?',
  optional = true,
}
local FACE = {name = 'string', type = 'string?', batch = 'boolean', dims = {'count'}, atoms = {'count'}, order = {'count'}}

-- The same object, which may be absent.
local function optional(spec)
  local copy = {optional = true}
  for key, of in pairs(spec) do copy[key] = of end
  return copy
end

local RUNG = {genome = 'string', predicted_ms = 'number', measured_ms = 'number', score = 'number', ratio = 'number?', accuracy = 'number?',
              test_accuracy = 'number?', prediction_error = 'number?', calibrated = 'boolean?'}

-- Of a text that is there: one that is absent or null is not read.
M.SPECS = {
  provenance = {verb = 'string?', job = JOB, data = 'string?', accuracy = 'number?', seconds = 'number?'},
  classes = {'string'},
  border = {format = 'string?', opset = 'number?', producer = 'string?', inputs = {FACE}, outputs = {FACE}},
  left_out = {ops = {each = 'count'}, why = {'string'}, outputs = {'string'}, reads = {'string'}, gone = 'string?'},
  ladder = {rungs = {RUNG}, oracle = optional(RUNG), cloud = {{'number'}, optional = true}, threads = 'count?'},
  run = {
    job = JOB, seconds = 'number', history = {'any', optional = true}, data = 'string?', limit = 'count?', policy = 'string?',
    settings = {batch = 'count?', optimizer = 'string?', decay = 'number?', crop = 'count?', flip = 'boolean?',
                cutout = 'count?', seed = 'number?', optional = true},
  },
  trainer = {settings = SETTINGS, epoch = 'count', index = 'count', average_steps = 'count?'},
  distiller = {
    told = {{each = 'any'}}, progress = {done = 'count', loss = 'number', correct = 'number', losses = {'number'}, optional = true},
  },
}

local function is_number(v) return type(v) == 'number' and v == v and math.abs(v) < math.huge end

local KINDS = {
  string = {'a string', function(v) return type(v) == 'string' end},
  number = {'a number', is_number},
  count = {'a whole number from 0 on', function(v) return is_number(v) and v >= 0 and v == math.floor(v) and v < 2 ^ 53 end},
  boolean = {'true or false', function(v) return type(v) == 'boolean' end},
  any = {'a value', function() return true end},
}

-- What a value is, for messages.
local function describe(v)
  if v == nil then return 'missing' end
  if v == json.null then return 'null' end
  if type(v) == 'table' then return json.is_array(v) and 'an array' or 'an object' end
  if type(v) == 'string' then return ("the string '%s'"):format(#v > 40 and v:sub(1, 40) .. '…' or v) end
  return type(v) == 'number' and ('%.9g'):format(v) or tostring(v)
end

local function wrong(v, where, want) return ('%s is %s, want %s'):format(where, describe(v), want) end

local check

-- An object of nothing passes too: an empty list of Lua's is written as one where its writer did not say what it is.
local function check_array(v, spec, where)
  if type(v) ~= 'table' or v == json.null or not (json.is_array(v) or next(v) == nil) then return wrong(v, where, 'an array') end
  if next(v) == nil then json.array(v) end
  for i, item in ipairs(v) do
    local problem = check(item, spec[1], ('%s[%d]'):format(where, i))
    if problem then return problem end
  end
end

-- Null is as absent: it goes, so that readers need not know it.
local function check_object(v, spec, where)
  if type(v) ~= 'table' or v == json.null or json.is_array(v) then return wrong(v, where, 'an object') end
  for key, item in pairs(spec.each and v or spec) do
    local want = spec.each or item
    if key ~= 'optional' or spec.each then
      if v[key] == json.null then v[key] = nil end
      local problem = (v[key] ~= nil or not spec.each) and check(v[key], want, where .. '.' .. key)
      if problem then return problem end
    end
  end
end

-- What is wrong with a value, in words; nil: nothing.
function check(v, spec, where)
  if type(spec) == 'table' then
    if spec.optional and (v == nil or v == json.null) then return nil end
    return (spec[1] and check_array or check_object)(v, spec, where)
  end
  local name, optional = spec:match '^(%l+)(%??)$'
  if optional == '?' and (v == nil or v == json.null) then return nil end
  local kind = KINDS[name]
  return not kind[2](v) and wrong(v, where, kind[1]) or nil
end

-- The value of a text, by its key: checked where this module knows the key.
---@return any value, string? message
function M.read(key, written)
  local value, message = json.decode(written)
  if value == nil then return nil, ("the text '%s': %s"):format(key, message) end
  if value == json.null then return nil end
  local problem = M.SPECS[key] and check(value, M.SPECS[key], key)
  if problem then return nil, ("the text '%s': %s"):format(key, problem) end
  return value
end

return M
