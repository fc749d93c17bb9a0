-- What policies may answer, for each question that the host asks. An answer is checked once, here, before
-- anything is done with it; what is wrong with it is one line that names the field, what it is, and what was wanted.
local text = require 'anet.text'

local M = {}

-- A value in a few words, whatever it is.
local function shown(v)
  if type(v) == 'string' then return #v > 40 and ("'%s…'"):format(v:sub(1, 40)) or ("'%s'"):format(v) end
  if type(v) == 'number' then return ('%.10g'):format(v) end
  if type(v) == 'table' or type(v) == 'function' then return 'a ' .. type(v) end
  return tostring(v)
end

local function wrong(field, v, want) return ('%s is %s, want %s'):format(field, shown(v), want) end

-- ---- kinds of values: functions of (field, value, context) that give what is wrong, or nil ------------------------

local function number(low, high, want)
  return function(field, v)
    if type(v) ~= 'number' or not (v >= low and v <= high) then return wrong(field, v, want) end
  end
end

local function whole(low, want)
  return function(field, v)
    if type(v) ~= 'number' or v % 1 ~= 0 or not (v >= low and v <= 2 ^ 31 - 1) then return wrong(field, v, want) end
  end
end

local weight = number(0, 1e9, 'a number of at least 0')
local share = number(1e-6, 1, 'a share of more than 0 and at most 1')
local positive = number(1e-9, 1e9, 'a number above 0')

local function boolean(field, v)
  if type(v) ~= 'boolean' then return wrong(field, v, 'true or false') end
end

-- context.space: an anet.Space, where the host has one.
local function genome(field, v, context)
  if type(v) ~= 'string' then return wrong(field, v, 'a genome') end
  if not context.space then return nil end
  local positions = context.space.positions
  if #v ~= positions then return wrong(field, v, ('a legal genome: %d characters, not %d'):format(positions, #v)) end
  local ok, why = context.space:check(v)
  if not ok then return wrong(field, v, 'a legal genome: ' .. why) end
end

local MOST_ITEMS = 4096 -- what they ask for is done outside of a policy's budget

local function list(of, want, least)
  return function(field, v, context)
    if type(v) ~= 'table' then return wrong(field, v, want) end
    local count = 0
    for _ in pairs(v) do count = count + 1 end
    if count ~= #v or count < (least or 0) then
      return ('%s has %d items, %d of them in a row from 1 on, want %s'):format(field, count, #v, want)
    end
    if count > MOST_ITEMS then return ('%s has %d items, at most %d'):format(field, count, MOST_ITEMS) end
    for i, item in ipairs(v) do
      local why = of(('%s[%d]'):format(field, i), item, context)
      if why then return why end
    end
  end
end

local function unknown(field, key, fields)
  key = type(key) == 'string' and key or shown(key)
  return ("%s has no '%s'%s"):format(field, #key > 40 and key:sub(1, 40) .. '…' or key, text.hint(key, text.keys(fields)))
end

-- fields: {name = a kind of value}; required: names that must be there.
local function record(fields, required)
  return function(field, v, context)
    if type(v) ~= 'table' then return wrong(field, v, 'a table') end
    for _, name in ipairs(required) do
      if v[name] == nil then return ("%s has no '%s'"):format(field, name) end
    end
    for _, key in ipairs(text.keys(v)) do
      if not fields[key] then return unknown(field, key, fields) end
      local why = fields[key](("%s.%s"):format(field, key), v[key], context)
      if why then return why end
    end
  end
end

-- Tables of a kind that their field `tag` names. kinds: {name = record}.
local function tagged(tag, kinds)
  local names = table.concat(text.keys(kinds), ', ')
  return function(field, v, context)
    if type(v) ~= 'table' then return wrong(field, v, 'a table') end
    local kind = kinds[v[tag]]
    if not kind then return wrong(('%s.%s'):format(field, tag), v[tag], 'one of ' .. names) end
    return kind(field, v, context)
  end
end

local function any() end

-- ---- the questions --------------------------------------------------------------------------------------------

local STEPS = {
  solve = record({stage = any, images = whole(1, 'a number of images, 1 or more'), ridge = weight}, {'images'}),
  block = record({stage = any, rate = weight}, {'rate'}),
  joint = record({
    stage = any, rate = weight, teacher = weight, labels = weight, feature = weight, temperature = positive,
    smoothing = number(0, 0.999, 'a share below 1'), fixed_norms = boolean,
    genomes = list(genome, 'a list of genomes, at least one', 1),
  }, {'genomes', 'rate'}),
}

local step = tagged('stage', STEPS)

local option = tagged('kind', {
  merge = record({kind = any, span = whole(2, 'a number of blocks, 2 or more')}, {'span'}),
  shrink = record({kind = any, width = share, hidden = whole(1, 'a number of channels, 1 or more')}, {}),
  skip = record({kind = any}, {}),
})

local counted = record({genome = genome, count = whole(1, 'a number of images, 1 or more')}, {'genome'})

local function proposal(field, v, context)
  if type(v) == 'string' then return genome(field, v, context) end
  if type(v) ~= 'table' then return wrong(field, v, 'a genome or {genome =, count =}') end
  return counted(field, v, context)
end

local checks = {
  options = list(option, 'a list of options'),
  propose = list(proposal, 'a list of genomes'),
}

function checks.next(field, v, context)
  if v == nil then return nil end
  local why = step(field, v, context)
  if not why and v.stage == 'joint' and (v.teacher or 0) + (v.labels or 0) + (v.feature or 0) == 0 then
    return field .. ' has no loss: want a weight above 0 of teacher, labels or feature'
  end
  return why
end

-- context.budgets: in ms; context.ms: predicted time of a genome.
function checks.picks(field, v, context)
  if v == nil then return nil end
  if type(v) ~= 'table' then return wrong(field, v, 'a table of genomes, one a budget') end
  local budgets = context.budgets
  for _, at in ipairs(text.keys(v)) do
    local here = ('%s[%s]'):format(field, shown(at))
    if budgets and not budgets[at] then return wrong(here, v[at], ('none: there are %d budgets'):format(#budgets)) end
    local why = genome(here, v[at], context)
    if why then return why end
    local ms = context.ms and context.ms(v[at])
    if ms and ms > budgets[at] * (1 + 1e-9) then
      return ("%s is '%s' of %.4g ms, want one within its budget of %.4g ms"):format(here, v[at], ms, budgets[at])
    end
  end
end

function checks.pick(field, v, context)
  local most = context.rungs or math.huge
  if type(v) ~= 'number' or v % 1 ~= 0 or not (v >= 1 and v <= most) then
    return wrong(field, v, most == math.huge and 'the number of a rung' or ('the number of a rung, 1 to %d'):format(most))
  end
end

-- What is wrong with an answer to a question, or nil. context: see above; each field may be missing.
---@param question string
---@return string?
function M.check(question, answer, context)
  local check = checks[question]
  return check and check('its answer', answer, context or {})
end

return M
