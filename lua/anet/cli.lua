-- The command line: verbs are the files of lua/anet/verb/, each a table of
--   summary      one line
--   arguments    {{name =, help =, optional =, default =, many =}, …}
--   flags        {{name =, short = a letter, value = 'N' (none: a switch), type = 'number'|'integer'|nil, choices =,
--                  default =, help =}, …}
--   run          function(options, ui) -> status; options.name holds each argument and flag, and
--                  options.command the whole line
--   notes        optional, shown below the flags
local core = require 'anet.core'
local environment = require 'anet.environment'
local host = require 'anet.host'
local text = require 'anet.text'
local ui = require 'anet.ui'

local M = {}

local COMMON = {
  {name = 'json', help = 'print the outcome as one JSON object'},
  {name = 'quiet', help = 'no progress, no notes'},
  {name = 'help', help = 'show this'},
}

-- Names of all verbs.
---@return string[]
function M.verbs()
  local names = {}
  for _, path in ipairs(host.files()) do
    names[#names + 1] = path:match('^lua/anet/verb/([%w_]+)%.lua$')
  end
  table.sort(names)
  return names
end

local function is_verb(name)
  for _, verb in ipairs(M.verbs()) do
    if verb == name then return true end
  end
  return false
end

-- ---- parsing -------------------------------------------------------------------------------------

local function flags_of(verb)
  local list, by_name = {}, {}
  for _, source in ipairs{verb.flags or {}, COMMON} do
    for _, flag in ipairs(source) do
      list[#list + 1] = flag
      by_name[flag.name] = flag
    end
  end
  return list, by_name
end

local function convert(flag, given)
  if flag.type == 'number' or flag.type == 'integer' then
    local number = tonumber(given)
    if not number or number ~= number or (flag.type == 'integer' and number % 1 ~= 0) then
      ui.fail("--%s: want %s, got '%s'", flag.name,
              flag.type == 'number' and 'a number' or 'a whole number', given)
    end
    local low, high = flag.min or -math.huge, flag.max or math.huge
    if number < low or number > high then
      ui.fail('--%s: got %s, want %s', flag.name, given,
              high == math.huge and 'at least ' .. low or low .. ' to ' .. high)
    end
    return number
  end
  if flag.choices then
    for _, choice in ipairs(flag.choices) do
      if choice == given then return given end
    end
    ui.fail("--%s: no '%s'; there are %s", flag.name, given, table.concat(flag.choices, ', '))
  end
  return given
end

local function unknown(name, by_name)
  ui.fail("no flag --%s%s", name, text.hint(name, text.keys(by_name)):gsub("'(.+)'", '--%1'))
end

-- The flag at words[i]: sets the option, returns the index of the last word used.
local function parse_flag(words, i, by_name, options)
  local name, value = words[i]:match('^%-%-([^=]+)=(.*)$')
  name = name or words[i]:sub(3)
  local flag, key = by_name[name], name:gsub('-', '_')
  local negated = not flag and by_name[name:match('^no%-(.+)$') or '']
  if negated and not negated.value then
    options[negated.name:gsub('-', '_')] = false
    return i
  end
  if not flag then unknown(name, by_name) end
  if not flag.value then
    if value then ui.fail('--%s takes no value', name) end
    options[key] = true
    return i
  end
  if not value then
    i = i + 1
    value = words[i]
    if not value then ui.fail('--%s wants %s', name, flag.value) end
  end
  options[key] = convert(flag, value)
  return i
end

local function bind_arguments(verb, given, options)
  local at = 1
  for _, argument in ipairs(verb.arguments or {}) do
    if argument.many then
      options[argument.name] = {}
      while given[at] do
        table.insert(options[argument.name], given[at])
        at = at + 1
      end
    else
      options[argument.name] = given[at] or argument.default
      at = at + 1
    end
    local value = options[argument.name]
    if not argument.optional and (value == nil or (argument.many and #value == 0)) then
      ui.fail('want %s: %s', argument.name:upper(), argument.help)
    end
  end
  if given[at] then ui.fail("'%s' is one argument too many", given[at]) end
end

-- The name of the flag with a letter of its own: -o is --out.
local function by_short(list, letter)
  for _, flag in ipairs(list) do
    if flag.short == letter then return flag.name end
  end
end

-- Options of a verb from the words of a command line; options.given holds what was said explicitly,.
function M.parse(verb, words)
  local list, by_name = flags_of(verb)
  local given, explicit, i = {}, {}, 1
  while i <= #words do
    if words[i] == '--' then
      for k = i + 1, #words do given[#given + 1] = words[k] end
      break
    elseif words[i] == '-h' then
      explicit.help = true
    elseif words[i]:sub(1, 2) == '--' then
      i = parse_flag(words, i, by_name, explicit)
    elseif words[i]:match('^%-%a') then
      local long = by_short(list, words[i]:sub(2))
      if not long then unknown(words[i]:sub(2), by_name) end
      words[i] = '--' .. long
      i = parse_flag(words, i, by_name, explicit)
    else
      given[#given + 1] = words[i]
    end
    i = i + 1
  end
  if explicit.help then return explicit end
  local options = {given = explicit}
  for _, flag in ipairs(list) do
    local key = flag.name:gsub('-', '_')
    options[key] = explicit[key]
    if options[key] == nil then options[key] = flag.default end
  end
  bind_arguments(verb, given, options)
  return options
end

-- ---- help --------------------------------------------------------------------------------------------

local function help_row(flag)
  local left = (flag.short and '-' .. flag.short .. ', ' or '') .. '--' .. flag.name .. (flag.value and ' ' .. flag.value or '')
  local right = flag.help
  if flag.choices then right = right .. ': ' .. table.concat(flag.choices, ', ') end
  if flag.default ~= nil and flag.default ~= false then
    right = ('%s (%s)'):format(right, tostring(flag.default))
  end
  return {'  ' .. left, right}
end

-- The help of a verb, as text.
function M.help(name, verb)
  local words, rows = {'usage: anet', name}, {}
  for _, argument in ipairs(verb.arguments or {}) do
    local word = argument.name:upper() .. (argument.many and ' …' or '')
    words[#words + 1] = argument.optional and '[' .. word .. ']' or word
    rows[#rows + 1] = {'  ' .. argument.name:upper(), argument.help}
  end
  words[#words + 1] = '[flags]'
  for _, flag in ipairs((flags_of(verb))) do rows[#rows + 1] = help_row(flag) end
  local parts = {verb.summary, table.concat(words, ' '), ''}
  for _, line in ipairs(text.table(rows)) do parts[#parts + 1] = line end
  if verb.notes then parts[#parts + 1] = '\n' .. verb.notes end
  return table.concat(parts, '\n')
end

-- The help of the command, as text.
function M.usage()
  local rows = {}
  for _, name in ipairs(M.verbs()) do
    rows[#rows + 1] = {'  ' .. name, require('anet.verb.' .. name).summary}
  end
  return table.concat({
    'anet adapts a pretrained convolutional network to the device it runs on.',
    '',
    'usage: anet VERB …       anet VERB --help shows what it takes',
    '       anet FILE.lua …   run a script with `require "anet"`',
    '       anet              ask and answer, on a terminal',
    '',
    'verbs:',
    table.concat(text.table(rows), '\n'),
  }, '\n')
end

-- ---- running -------------------------------------------------------------------------------------------

-- Errors of the engine's own Lua code are bugs and show their trace; all else is one line.
local function explain(err)
  if getmetatable(err) == ui.Failure or core.is_stop(err) then return err end
  local message = tostring(err)
  if message:find('^lua/anet/[%w_/]+%.lua:%d+: ') then return setmetatable({message = debug.traceback(message, 2), lines = true}, ui.Failure) end
  return setmetatable({message = message}, ui.Failure)
end

local function run_verb(name, words)
  local verb = require('anet.verb.' .. name)
  local options = M.parse(verb, words)
  if options.help then
    print(M.help(name, verb))
    return 0
  end
  local trouble = environment.trouble()
  if trouble then ui.fail('%s', trouble) end
  options.command = table.concat({'anet', name, unpack(words)}, ' ')
  return verb.run(options, ui.new(options)) or 0
end

-- lines: the message may have several.
local function complaint(name, message, lines)
  return ('%sanet %s: %s\n'):format(host.terminal(2) and '\r\27[K' or '', text.printable(name), text.printable(message, lines))
end

local function complain(name, err)
  io.stderr:write(complaint(name, err.message, err.lines))
  return 1
end

-- ---- stopping ------------------------------------------------------------------------------------------

local GRACE_MS = 150 -- until what does not look at the flag is ended

-- What a stop left of the files: those that were there before are whole in any case.
local function left()
  if #core.written == 0 then return 'no file was changed' end
  return 'written before that: ' .. table.concat(core.written, ', ')
end

-- Catch signals while a verb runs. What the timer says is kept as it would be said here.
local function catch(name)
  host.catch(GRACE_MS)
  core.on_wrote = function() host.last_words(complaint(name, 'stopped; ' .. left())) end
  core.on_wrote()
end

-- The status of a verb that was stopped, as a shell counts it: 130 after Ctrl-C, 143 after SIGTERM.
local function stopped(name, said)
  host.hold()
  io.stderr:write(complaint(name, said == 'stopped' and 'stopped; ' .. left() or said))
  return 128 + (host.interrupted() or 2)
end

-- Run a verb with the words after it; the exit status.
function M.run(name, words)
  if not is_verb(name) then
    return complain(name, {message = 'no such verb' .. text.hint(name, M.verbs()) .. " ('anet help' lists them)"})
  end
  catch(name)
  local ok, result = xpcall(function() return run_verb(name, words) end, explain)
  if not ok and core.is_stop(result) then return stopped(name, tostring(result)) end
  if not ok then return complain(name, result) end
  if host.interrupted() then return stopped(name, 'stopped when all was done; ' .. left()) end
  return result
end

return M
