-- Words of a command line become options: flags, their types and bounds, arguments; and the help that is made of the same table.
local test = dofile 'tests/support/test.lua'
local cli = require 'anet.cli'
local ui = require 'anet.ui'

local VERB = {
  summary = 'Does nothing.',
  arguments = {{name = 'model', help = 'what to read'}, {name = 'other', help = 'what else', optional = true, default = 'none'}},
  flags = {
    {name = 'out', short = 'o', value = 'FILE', help = 'what to write'},
    {name = 'count', short = 'n', value = 'N', type = 'integer', min = 1, max = 9, default = 4, help = 'how many'},
    {name = 'rate', value = 'X', type = 'number', min = 0, help = 'how fast'},
    {name = 'limit', value = 'X', type = 'number', max = 2, help = 'how far'},
    {name = 'any', value = 'X', type = 'number', help = 'any number'},
    {name = 'kind', value = 'KIND', choices = {'small', 'large'}, default = 'small', help = 'which'},
    {name = 'max-time', value = 'MS', type = 'number', help = 'how long'},
    {name = 'flip', help = 'turn it'},
    {name = 'keep-all', default = true, help = 'keep all'},
  },
}

local MANY = {summary = 'Many.', arguments = {{name = 'first', help = 'one'}, {name = 'rest', help = 'images', many = true}}}
local SOME = {summary = 'Some.', arguments = {{name = 'rest', help = 'images', many = true, optional = true}}}
local BARE = {summary = 'Bare.'}

local function words(line)
  local list = {}
  for word in line:gmatch '%S+' do list[#list + 1] = word end
  return list
end

local function parse(line, verb) return cli.parse(verb or VERB, words(line)) end

-- It ends the verb with this message.
local function fails(message, line, verb)
  local ok, failure = pcall(parse, line, verb)
  test.check(not ok and getmetatable(failure) == ui.Failure, line .. ': no failure')
  test.equal(tostring(failure), message)
end

test.case('what was not said has its default', function()
  local o = parse 'm'
  test.equal(o.model, 'm')
  test.equal(o.other, 'none')
  test.equal(o.count, 4)
  test.equal(o.kind, 'small')
  test.equal(o.keep_all, true)
  for _, key in ipairs{'out', 'rate', 'flip', 'json', 'quiet', 'help', 'max_time'} do test.equal(o[key], nil) end
  test.equal(next(o.given), nil)
end)

test.case('flags', function()
  local o = parse 'm x --out f --count 3 --rate=0.5 --kind large --max-time 7 --flip --no-keep-all --json --quiet'
  test.equal(o.model, 'm')
  test.equal(o.other, 'x')
  test.equal(o.out, 'f')
  test.equal(o.count, 3)
  test.equal(o.rate, 0.5)
  test.equal(o.kind, 'large')
  test.equal(o.max_time, 7)
  test.equal(o.flip, true)
  test.equal(o.keep_all, false)
  test.equal(o.json, true)
  test.equal(o.quiet, true)
  -- What was said, and nothing else.
  test.equal(o.given.count, 3)
  test.equal(o.given.keep_all, false)
  test.equal(o.given.any, nil)
  test.equal(parse('m --count 4').given.count, 4) -- even where it is the default
end)

test.case('forms', function()
  test.equal(parse('-o f m').out, 'f')
  test.equal(parse('-o f m').model, 'm')
  test.equal(parse('-n 2 m').count, 2)
  test.equal(parse('m --out=a=b').out, 'a=b')
  test.equal(parse('m --out=').out, '')
  test.equal(parse('m --out --flip').out, '--flip') -- what follows is its value, whatever it looks like
  test.equal(parse('m --count 3 --count 5').count, 5) -- the last of several
  test.equal(parse('m --flip --no-flip').flip, false)
  test.equal(parse('m --no-flip').flip, false)
  test.equal(parse('- x').model, '-')
  test.equal(parse('-5 x').model, '-5') -- a number is no flag
  test.equal(parse('--flip m').model, 'm') -- a switch takes no word
  local o = parse 'm -- --flip'
  test.equal(o.other, '--flip')
  test.equal(o.flip, nil)
  test.equal(parse('-- -o').model, '-o')
  test.check(parse('--help').help)
  test.check(parse('-h').help)
  test.equal(parse('--help').given, nil) -- nothing else is asked for
end)

test.case('a flag of its own goes before what denies another', function()
  local verb = {summary = '', flags = {{name = 'cut', default = 5, help = ''}, {name = 'no-cut', value = 'N', help = ''}}}
  local o = cli.parse(verb, {'--no-cut', 'x'})
  test.equal(o.no_cut, 'x')
  test.equal(o.cut, 5)
end)

test.case('numbers', function()
  test.equal(parse('m --count 1').count, 1)
  test.equal(parse('m --count 9').count, 9)
  fails('--count: got 0, want 1 to 9', 'm --count 0')
  fails('--count: got 10, want 1 to 9', 'm --count 10')
  fails("--count: want a whole number, got '2.5'", 'm --count 2.5')
  fails("--count: want a whole number, got 'x'", 'm --count x')
  test.equal(parse('m --count 2e0').count, 2)
  test.equal(parse('m --rate 0').rate, 0)
  test.equal(parse('m --rate 2.5').rate, 2.5)
  fails('--rate: got -0.1, want at least 0', 'm --rate -0.1')
  fails("--rate: want a number, got 'nan'", 'm --rate nan')
  fails("--rate: want a number, got ''", 'm --rate=')
  test.equal(parse('m --limit 2').limit, 2)
  test.equal(parse('m --limit -1e9').limit, -1e9)
  fails('--limit: got 2.1, want -inf to 2', 'm --limit 2.1')
  test.equal(parse('m --any -3').any, -3)
  test.equal(parse('m --out 12').out, '12') -- words stay words
end)

test.case('mistakes', function()
  fails("--kind: no 'huge'; there are small, large", 'm --kind huge')
  fails('--out wants FILE', 'm --out')
  fails('--out wants FILE', 'm -o')
  fails('--flip takes no value', 'm --flip=3')
  fails('--flip takes no value', 'm --flip=')
  fails('no flag --cuont; did you mean --count?', 'm --cuont 3')
  fails('no flag --zzzzzzzz', 'm --zzzzzzzz')
  fails('no flag --jsn; did you mean --json?', 'm --jsn')
  fails('no flag --no-count', 'm --no-count') -- only switches can be denied
  fails('no flag --no-zzzzzzzz', 'm --no-zzzzzzzz')
  fails('no flag --z', 'm -z')
  fails('no flag --h; did you mean --help?', 'm --h')
  fails('want MODEL: what to read', '')
  fails("'c' is one argument too many", 'a b c')
  fails("'a' is one argument too many", 'a', BARE)
end)

test.case('arguments', function()
  local o = parse('a b c', MANY)
  test.equal(o.first, 'a')
  test.same(o.rest, {'b', 'c'})
  test.same(parse('a b', MANY).rest, {'b'})
  fails('want REST: images', 'a', MANY)
  fails('want FIRST: one', '', MANY)
  test.same(parse('', SOME).rest, {})
  test.same(parse('a --json b', SOME).rest, {'a', 'b'})
  test.equal(parse('--json', BARE).json, true)
  test.equal(cli.parse(VERB, {''}).model, '') -- an empty word is a word
end)

test.case('help', function()
  test.equal(cli.help('try', {
    summary = 'Tries.', notes = 'And so on.',
    arguments = {{name = 'model', help = 'what'}, {name = 'rest', help = 'more', many = true}, {name = 'last', help = 'else', optional = true}},
    flags = {
      {name = 'out', short = 'o', value = 'FILE', help = 'where'}, {name = 'kind', value = 'K', choices = {'a', 'b'}, default = 'a', help = 'which'},
      {name = 'off', default = false, help = 'not'}, {name = 'on', default = true, help = 'yes'}, {name = 'n', value = 'N', default = 0, help = 'none'},
    },
  }), [[
Tries.
usage: anet try MODEL REST … [LAST] [flags]

  MODEL           what
  REST            more
  LAST            else
  -o, --out FILE  where
  --kind K        which: a, b (a)
  --off           not
  --on            yes (true)
  --n N           none (0)
  --json          print the outcome as one JSON object
  --quiet         no progress, no notes
  --help          show this

And so on.]])
  test.equal(cli.help('bare', BARE), [[
Bare.
usage: anet bare [flags]

  --json   print the outcome as one JSON object
  --quiet  no progress, no notes
  --help   show this]])
end)

test.case('usage', function()
  local usage = cli.usage()
  test.mentions(usage, 'anet adapts a pretrained convolutional network to the device it runs on.\n\nusage: anet VERB …')
  local at = 0
  for _, name in ipairs(cli.verbs()) do -- one line each, by name, below each other
    local line = '\n  ' .. name .. (' '):rep(11 - #name) .. require('anet.verb.' .. name).summary
    local found = usage:find(line, 1, true)
    test.check(found and found > at, line)
    at = found or at
  end
  test.equal(select(2, usage:gsub('\n', '')), 7 + #cli.verbs() - 1)
  local sorted = cli.verbs()
  table.sort(sorted)
  test.same(cli.verbs(), sorted)
end)

-- ---- what every verb says of itself --------------------------------------------------------------------------

test.case('the tables of the verbs', function()
  for _, name in ipairs(cli.verbs()) do
    local verb, seen, letters = require('anet.verb.' .. name), {}, {}
    for _, flag in ipairs(verb.flags or {}) do
      local what = name .. ' --' .. flag.name
      test.check(not seen[flag.name] and flag.name:find '^%l[%l%d-]*$', what)
      test.check(not flag.short or (not letters[flag.short] and flag.short:find '^%l$' and flag.short ~= 'h'), what)
      seen[flag.name], letters[flag.short or ''] = true, true
      test.check(flag.value or not (flag.type or flag.choices or flag.min or flag.max), what .. ' takes a value')
      -- A default is a value that could have been given.
      if flag.value and flag.default ~= nil and flag.default ~= '' and flag.default ~= false then
        local ok, o = pcall(cli.parse, {flags = {flag}}, {'--' .. flag.name, tostring(flag.default)})
        test.check(ok and o[flag.name:gsub('-', '_')] == flag.default, what .. ': ' .. tostring(o))
      end
    end
  end
end)

return test.finish()
