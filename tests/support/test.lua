-- A test script: `local test = dofile 'tests/support/test.lua'`, cases, then `return test.finish()`.
-- A failed check prints its place and both operands; the case goes on.
local M = {checks = 0, failures = 0}

local function place()
  for level = 3, 12 do
    local info = debug.getinfo(level, 'Sl')
    if not info then break end
    if not info.source:find('support/test%.lua$') and info.currentline > 0 then
      return ('%s:%d'):format(info.short_src, info.currentline)
    end
  end
  return '?'
end

local function show(v) return type(v) == 'string' and ('%q'):format(v) or tostring(v) end

local function report(ok, format, ...)
  M.checks = M.checks + 1
  if ok then return true end
  M.failures = M.failures + 1
  io.stderr:write(place(), ': ', format:format(...), '\n')
  return false
end

function M.check(condition, what) return report(condition, 'not so: %s', what or 'the condition') end

function M.equal(got, want) return report(got == want, 'got %s, want %s', show(got), show(want)) end

function M.near(got, want, tolerance)
  return report(type(got) == 'number' and math.abs(got - want) <= tolerance, 'got %s, want %s within %s', show(got),
                show(want), show(tolerance))
end

local function list(t)
  if type(t) ~= 'table' then return show(t) end
  local parts = {}
  for i, v in ipairs(t) do parts[i] = show(v) end
  return '{' .. table.concat(parts, ', ') .. '}'
end

-- Lists of plain values.
function M.same(got, want)
  local equal = type(got) == 'table' and type(want) == 'table' and #got == #want
  for i = 1, equal and #want or 0 do equal = equal and got[i] == want[i] end
  return report(equal, 'got %s, want %s', list(got), list(want))
end

-- The text contains a plain word.
function M.mentions(text, word)
  return report(type(text) == 'string' and text:find(word, 1, true) ~= nil, '%s does not mention %s', show(text),
                show(word))
end

-- f(…) raises an error that mentions a word; gives the message.
function M.raises(word, f, ...)
  local ok, message = pcall(f, ...)
  if report(not ok, 'no error, want one with %s', show(word)) then M.mentions(tostring(message), word) end
  return message
end

-- An expected failure: nil, a message that mentions a word, a code.
function M.fails(word, code, value, message, got)
  if report(value == nil, 'got %s, want a failure with %s', show(value), show(word)) then
    M.mentions(message, word)
    M.equal(got, code)
  end
end

-- A named group of checks; an error in it is one failure.
function M.case(name, f)
  local ok, message = xpcall(f, debug.traceback)
  if not ok then
    M.failures = M.failures + 1
    io.stderr:write(name, ': ', message, '\n')
  end
end

function M.finish()
  print(('%d checks, %d failed'):format(M.checks, M.failures))
  return M.failures == 0 and 0 or 1
end

return M
