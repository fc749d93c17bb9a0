-- What a policy finds in its sandbox, and what the host asks it. This file runs once in the policy's own state, before it; it
-- gives the dispatcher that the host talks to, and the environment that the policy's chunk gets. Whatever is not
-- granted here does not exist for a policy. native: what C adds, and the files beside this one.
local native = ...

local error, ipairs, type, libraries = error, ipairs, type, native.libraries
local ordered_pairs, to_text, PRINTED = libraries.pairs, libraries.tostring, libraries.printed

-- ---- what a policy sees ---------------------------------------------------------------------------

local environment = {
  assert = assert, error = error, getmetatable = getmetatable, ipairs = ipairs, rawequal = rawequal, rawget = rawget,
  rawset = rawset, select = select, type = type, race = native.race,
}
for _, name in ipairs{'bit', 'coroutine', 'math', 'string', 'table', 'next', 'pairs', 'pcall', 'setmetatable', 'tonumber', 'tostring',
                      'unpack', 'xpcall'} do
  environment[name] = libraries[name]
end
environment._G = environment

-- ---- what the host asks ----------------------------------------------------------------------------

local METHODS = {
  schedule = {'options', 'next'}, search = {'propose', 'observe', 'done'}, latency = {'pick'},
}

local policy, instance, space, ladder
local asked = {}

local function want(condition, format, ...)
  if not condition then error(format:format(...), 0) end
end

-- Run the policy's chunk and check what it returns.
function asked.admit(chunk)
  policy = chunk()
  want(type(policy) == 'table', 'it returns a %s, want a table', type(policy))
  want(policy.api == 1, 'its api is %s, want 1', to_text(policy.api))
  want(METHODS[policy.kind], "its kind is '%s', want schedule, search or latency", to_text(policy.kind))
  want(type(policy.new) == 'function', 'its `new` is a %s, want a function', type(policy.new))
  want(policy.name == nil or type(policy.name) == 'string', 'its `name` is a %s, want a text', type(policy.name))
  want(type(policy.defaults or {}) == 'table', 'its `defaults` are a %s, want a table', type(policy.defaults))
  for key, value in ordered_pairs(policy.defaults or {}) do
    want(type(key) == 'string' and (PRINTED[type(value)] or type(value) == 'table'),
         'its `defaults` have a %s at %s, want plain values by name', type(value), to_text(key))
  end
end

function asked.describe()
  return {kind = policy.kind, name = policy.name, defaults = policy.defaults or {}}
end

-- The given options over the defaults; an unknown one or one of another type is an error.
local function settle(given)
  local options, defaults = {}, policy.defaults or {}
  for key, value in ordered_pairs(defaults) do options[key] = value end
  for key, value in ordered_pairs(given) do
    local default = defaults[key]
    want(default ~= nil, "no option '%s'%s", tostring(key),
         native.text.hint(tostring(key), native.text.keys(defaults)))
    want(type(value) == type(default), "option '%s' is a %s, want a %s", key, type(value), type(default))
    options[key] = value
  end
  return options
end

-- A new instance, of the kind that the host has a use for.
function asked.start(given, seed, kind)
  want(policy.kind == (kind or policy.kind), "its kind is '%s', want %s", policy.kind, kind)
  instance = policy.new(settle(given), native.random(seed))
  want(type(instance) == 'table', '`new` gives a %s, want a table', type(instance))
  for _, method in ipairs(METHODS[policy.kind]) do
    want(type(instance[method]) == 'function', "it has no method '%s'", method)
  end
end

function asked.has(method) return instance[method] ~= nil end

function asked.space(description) space = native.genomes(description) end

function asked.ladder(rungs) ladder = rungs end

function asked.options(block) return instance:options(block, space) end

function asked.next(step, stats)
  stats.space = space
  return instance:next(step, stats)
end

function asked.propose(n) return instance:propose(space, n) end

function asked.observe(results) return instance:observe(results) end

function asked.picks()
  if instance.picks then return instance:picks() end
end

function asked.done() return instance:done() and true or false end

function asked.pick(state) return instance:pick(ladder, state) end

function asked.save()
  if instance.save then return instance:save() end
end

function asked.load(saved)
  if instance.load then instance:load(saved) end
end

return function(method, ...)
  libraries.forget()
  return asked[method](...)
end, environment
