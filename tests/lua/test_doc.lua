-- Documentation is what stands before a function in the sources: with sources made for it, and that all of ours have some.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local host = require 'anet.host'

local SOURCES = {
  ['lua/anet/init.lua'] = '-- The way in.\nfunction M.start(now) end\n',
  ['lua/anet/thing.lua'] = [[
-- Things.
local M = {}

-- Make one.
--   of two lines
---@param a string
---@return anet.Thing
function M.new(a, b)
end

-- far away

function M.bare() end
-- ---- a heading ------
-- Its own words.
function Thing:run() end
function Other:go() end
function methods.walk(...) end
-- not told
function Thing:__tostring() end
-- not told
local function hidden() end
  -- not told
  function M.inner() end
M.other = function() end
-- told
function M.other(f, g) return (f) end
]],
  ['lua/anet/verb/thing.lua'] = '-- a verb\nfunction M.verb() end\n',
  ['policies/x.lua'] = '-- a policy\nfunction M.policy() end\n',
  ['core/anet.h'] = [[
#ifndef ANET_H
/* the first */
ANET_API int anet_first(void);
/* A header.
 * of lines */

/* Make a thing.
 * It is small. */
ANET_API int anet_thing_new(int32_t a,
                            anet_thing **out);
ANET_API void anet_thing_release(anet_thing *thing); /* beside it */
typedef struct anet_thing anet_thing;
ANET_API int anet_thing_count(const anet_thing *thing);

ANET_API double anet_alone(void);
/* one line */
ANET_API int anet_one(void);
/* replaced */
/* the last */
ANET_API int anet_two(void);
ANET_API extern int anet_no_function;
]],
  ['core/anet_host.h'] = '/* other */\nANET_API int anet_other(void);\n',
}

-- The module as it is with the sources above.
local function load_doc()
  local files, file = host.files, host.file
  local names = {}
  for name in pairs(SOURCES) do names[#names + 1] = name end
  table.sort(names)
  host.files, host.file = function() return names end, function(path) return SOURCES[path] end
  local chunk = assert(loadstring(file 'lua/anet/doc.lua', '@lua/anet/doc.lua'))
  local doc = chunk()
  local entries = doc.entries()
  host.files, host.file = files, file
  return doc, entries
end

local doc, entries = load_doc()

test.case('entries', function()
  local told = {}
  for i, e in ipairs(entries) do told[i] = ('%s | %s | %s'):format(e.name, e.signature, (e.text:gsub('\n', '/'))) end
  test.same(told, {
    'anet_first | int anet_first(void); | the first',
    'anet_thing_new | int anet_thing_new(int32_t a, anet_thing **out); | Make a thing./It is small.',
    'anet_thing_release | void anet_thing_release(anet_thing *thing); | beside it',
    'anet_thing_count | int anet_thing_count(const anet_thing *thing); | Make a thing./It is small.',
    'anet_alone | double anet_alone(void); | ',
    'anet_one | int anet_one(void); | one line',
    'anet_two | int anet_two(void); | the last',
    'anet.start | anet.start(now) | The way in.',
    'anet.thing.new | anet.thing.new(a, b) | Make one./  of two lines',
    'anet.thing.bare | anet.thing.bare() | ',
    'Thing:run | Thing:run() | Its own words.',
    'Other:go | Other:go() | ',
    'Thing.walk | Thing.walk(...) | ',
    'anet.thing.other | anet.thing.other(f, g) | told',
  })
end)

test.case('find', function()
  local function names(name)
    local list = {}
    for i, e in ipairs(doc.find(name)) do list[i] = e.name end
    return list
  end
  test.same(names 'anet.thing.new', {'anet.thing.new'})
  test.same(names 'thing.new', {'anet.thing.new'})
  test.same(names 'new', {'anet.thing.new'})
  test.same(names 'run', {'Thing:run'})
  test.same(names 'start', {'anet.start'})
  test.same(names 'anet_one', {'anet_one'})
  test.same(names 'one', {})
  test.same(names 'Thing', {})
end)

-- What ? NAME says of our own: everything of the public header, and all that the modules offer, has a word.
test.case('all is documented', function()
  local bare = {}
  for _, e in ipairs(require('anet.doc').entries()) do
    if e.name:find '^anet_' and not e.signature:find '^[%w_ %*]+%b();$' then bare[#bare + 1] = e.name end
  end
  test.same(bare, {})
  test.check(#require('anet.doc').entries() > 300 and anet.version ~= nil)
end)

return test.finish()
