-- The road from an oracle to a running session, one stretch a function. The verbs of the command line
-- are thin faces of these, and `demo` walks them all.
local core = require 'anet.core'
local bundle = require 'anet.bundle'
local data = require 'anet.data'
local distill = require 'anet.distill'
local explore = require 'anet.explore'
local labels = require 'anet.labels'
local latency = require 'anet.latency'
local plan = require 'anet.plan'
local policy = require 'anet.policy'
local rungs = require 'anet.rungs'
local tensor = require 'anet.tensor'
local text = require 'anet.text'
local C = core.C

local M = {}

-- Milliseconds, for durations; a test has a clock of its own.
function M.clock_ms() return C.anet_clock_ms() end

local function seconds_since(began) return (M.clock_ms() - began) / 1000 end

-- ---- opening things ---------------------------------------------------------------------------------

-- What a bundle may lack: nil then; the verb ends where it is there and cannot be read.
function M.part(ui, path, value, message, code)
  if not value and code ~= 'absent' then ui:fail('%s: %s', path, message) end
  return value
end

-- {supernet | net, input, bundle} of a bundle; the verb ends where it cannot be read. any: its input need be no image.
function M.open_model(ui, path, any)
  local b = ui:try(bundle.open(path))
  local model = {bundle = b, path = path, input = M.part(ui, path, b:input())}
  if not model.input and not any then ui:fail('%s: it does not say how images become its input', path) end
  if b:text 'supernet' then
    model.supernet = M.part(ui, path, b:supernet())
    model.oracle = model.supernet:oracle()
  else
    model.oracle = ui:try(b:net())
  end
  return model
end

-- An empty bundle with what is true of everything made from a model: its input, its classes' names, its border, what
-- was left out of it.
---@return anet.Bundle
function M.bundle_for(model)
  local b = bundle.new()
  for _, key in ipairs{'classes', 'border', 'left_out'} do b:set_text(key, model.bundle:text(key)) end
  local tail = model.bundle:tensor 'onnx.tail'
  if tail then b:set_tensor('onnx.tail', tail) end
  return model.input and b:set_input(model.input) or b
end

-- The runs of nodes that are of no block, and why.
function M.show_frozen(ui, net, frozen)
  for _, f in ipairs(frozen) do
    local first, last = net:get(f.first).name, net:get(f.last).name
    ui:line('frozen: %s%s: %s', first, last ~= first and ' … ' .. last or '', f.reason)
  end
end

-- What an import left out (the text 'left_out'), why, and what takes its place.
function M.show_left_out(ui, left)
  local ops = {}
  for op, count in pairs(left.ops) do ops[#ops + 1] = count > 1 and ('%s x%d'):format(op, count) or op end
  table.sort(ops)
  ui:line('left out: %s', table.concat(ops, ', '))
  for _, why in ipairs(left.why) do ui:line('  %s', why) end
  ui:line('  lost: %s; instead: %s', table.concat(left.outputs, ', '), table.concat(left.reads, ', '))
  ui:line(left.gone and '  ONNX files written of it are without that: %s' or '  ONNX files written of it have that again', left.gone)
end

-- As open_model, of a supernet.
function M.open_supernet(ui, path)
  local model = M.open_model(ui, path)
  if not model.supernet then ui:fail("%s holds a network, not a supernet ('anet elastify' makes one)", path) end
  return model
end

-- The ladder that a search left in a supernet's bundle, its rungs with their nets.
function M.open_ladder(ui, model)
  local ladder, message = rungs.open(model.bundle, model.supernet)
  if not ladder then ui:fail('%s: %s', model.path, message or "it has no ladder ('anet search' makes one)") end
  return ladder
end

-- The net that a verb means: rung `rung` of the ladder (1 the fastest), the subnet of `genome`, or the oracle.
---@return anet.Net
function M.pick_net(ui, model, genome, rung)
  if not genome and not rung then return model.oracle end
  local flag = rung and 'rung' or 'genome'
  if not model.supernet then ui:fail('--%s: %s holds a network, not a supernet', flag, model.path) end
  if genome then
    ui:try(model.supernet:space():check(genome))
    return model.supernet:subnet(genome)
  end
  local list = M.open_ladder(ui, model).rungs
  if not list[rung] then ui:fail('--rung: got %d, the ladder has 1 to %d', rung, #list) end
  return list[rung].net
end

-- Images by path; `limit` of them, drawn at random where there is a seed.
function M.open_data(ui, path, part, limit, seed)
  local d = ui:try(data.open(path, {part = part}))
  if d:count() == 0 then ui:fail('%s: there are no images', path) end
  if limit and limit < d:count() then d = seed and d:sample(limit, seed) or d:slice(1, limit) end
  return d
end

-- The data for a comparison with what the model answers: its labels become numbers of the answers (labels.lua), or end
-- the verb. what: the data's name; unlabelled: whether to leave labels aside, nil where the verb has no such flag.
---@return anet.Dataset
function M.match_labels(ui, model, dataset, what, unlabelled)
  if unlabelled then return dataset:unlabelled() end
  local matched, message = labels.match(dataset, model.oracle, model.bundle:value 'classes', what)
  if not matched then ui:fail('%s%s', message, unlabelled == false and ', or leave labels aside with --unlabelled' or '') end
  if message then ui:note('%s', message) end
  return matched
end

-- As open_data, with labels that match_labels has seen. options: limit, seed, unlabelled.
---@return anet.Dataset
function M.open_labelled(ui, model, path, part, options)
  options = options or {}
  local d = M.open_data(ui, path, part, options.limit, options.seed)
  return M.match_labels(ui, model, d, path, options.unlabelled)
end

-- Ends a search's verb where a net gives no row of classes, or is right on none of some labelled images: there is nothing
-- to keep of that.
function M.must_know(ui, net, dataset, input, pool, what)
  local answers = net:answers()
  if answers.rows ~= 1 then
    ui:fail('the network gives %d answers in %d rows, a search wants one row of classes', answers.classes, answers.rows)
  end
  if not dataset:labelled() then return end
  local own = plan.new(net, {batch = 32, pool = pool})
  local some = dataset:slice(1, math.min(dataset:count(), 256))
  if own:accuracy(some, input) > 0 or own:accuracy(dataset, input) > 0 then return end
  ui:fail('%s: the network is right on 0 of %d images: its labels are of other classes, or mean other ones', what,
          dataset:count())
end

-- A policy by name or path, 'evolution:population=60' with options of its own.
function M.open_policy(ui, kind, spec, seed) return ui:try(policy.load(spec, {kind = kind, seed = seed})) end

-- ---- cloud ------------------------------------------------------------------------------------------

-- A supernet of an oracle. images: how many tell which hidden channels matter. norms: whether options of blocks
-- without norms get some; nil: of a network that was imported, whose norms were folded then.
function M.elastify(ui, model, schedule, dataset, images, pool, norms)
  if norms == nil then norms = model.bundle:text 'border' ~= nil end
  local sample = dataset and dataset:tensor(model.input, images)
  local s, refused = distill.elastify(model.oracle, schedule, sample, pool, norms)
  if not s then ui:fail('%s', refused) end
  for _, r in ipairs(refused) do ui:line('block %d, no %s: %s', r.position, r.kind, r.reason) end
  ui:line('%s', tostring(s))
  return s
end

-- Steps a distiller to its end. every: called each minute.
function M.distill(ui, distiller, every)
  local began, saved, first = M.clock_ms(), M.clock_ms(), distiller.step
  local sum, count, stage = 0, 0, nil
  while true do
    core.poll()
    local stats = distiller:advance()
    if not stats then return end
    if stats.stage ~= stage then sum, count, stage = 0, 0, stats.stage end
    sum, count = sum * 0.98 + stats.loss, count * 0.98 + 1
    local rate = (distiller.step - first) / seconds_since(began)
    ui:progress('%s: step %d (epoch %.2f), loss %.4f, %.1f steps/s, %s so far', stage, distiller.step,
                distiller.step / distiller.steps_per_epoch, sum / count, rate, text.duration(seconds_since(began)))
    if distiller.step % distiller.steps_per_epoch == 0 then
      ui:line('%s: epoch %d, loss %.4f, %s', stage, distiller.step / distiller.steps_per_epoch, sum / count,
              text.duration(seconds_since(began)))
    end
    if every and M.clock_ms() - saved > 60000 then
      every()
      saved = M.clock_ms()
    end
  end
end

-- ---- device -----------------------------------------------------------------------------------------

function M.profile(ui, s, options, pool)
  options.pool = pool
  local t = ui:try(latency.profile(s, options))
  ui:line('%s', tostring(t))
  local dropped, int8 = t:count_dropped(s:space())
  if dropped > 0 then
    ui:line('%d of %d int8 options are no faster here than their blocks in floats: searches leave them out', dropped, int8)
  end
  return t
end

-- Budgets in ms from what the user said: "90%,50%,0.4ms"; shares are of the oracle's time. And which of them are times: {[b] = true}.
function M.budgets(ui, said, oracle_ms)
  local list, times = {}, {}
  for word in said:gmatch '[^,%s]+' do
    local number, unit = word:match '^([%d%.]+)(%a*%%?)$'
    number = tonumber(number)
    if not number or (unit ~= '' and unit ~= '%' and unit ~= 'ms') or number <= 0 then
      ui:fail("--budgets: '%s' is neither a time like 0.5ms nor a share like 60%%", word)
    end
    list[#list + 1] = unit == 'ms' and number or number / 100 * oracle_ms
    times[list[#list]] = unit == 'ms' or nil
  end
  if #list == 0 then ui:fail('--budgets: want at least one, like 90%,60%,0.4ms') end
  table.sort(list, function(a, b) return a > b end)
  local fixed = {}
  for b, ms in ipairs(list) do fixed[b] = times[ms] end
  return list, fixed
end

-- room: the share of a budget that predictions may use.
local function check_reachable(ui, s, times, budgets, room)
  local fastest = s:space():best(times:times(), times:times(), math.huge, 1)
  local least = times:predict(s:space(), fastest[1])
  for _, budget in ipairs(budgets) do
    if budget * room < least then
      ui:fail('no subnet meets the budget of %.3f ms: the fastest that this supernet has takes %.3f ms (%.1f %% of ' ..
              'the oracle), and %.0f %% of the budget stays free', budget, least,
              100 * least / times:info().oracle_ms, 100 * (1 - room))
    end
  end
end

-- Search for all budgets. Returns the explorer and one genome a budget.
function M.search(ui, s, times, dataset, input, search_policy, options, pool)
  local room = 1 - (options.margin or 0.01)
  local aims = {}
  for i, budget in ipairs(options.budgets) do aims[i] = budget * room end
  check_reachable(ui, s, times, options.budgets, room)
  local e = explore.new(s, times, dataset, input, search_policy, {budgets = aims, byte_limit = options.byte_limit}, pool)
  local began = M.clock_ms()
  while true do
    core.poll()
    local asked, message = e:advance()
    if not asked then
      if message then ui:fail('%s', message) end
      break
    end
    ui:progress('search: %d subnets, %s', #e.order, text.duration(seconds_since(began)))
  end
  e.seconds = seconds_since(began)
  if e.note then ui:note('search: %s', e.note) end
  local picks, message = e:picks()
  if not picks then ui:fail('%s', message) end
  return e, picks
end

-- The same images with a net's answers as labels, where they have none: by those the net agrees with itself.
---@param net anet.Net
---@param dataset anet.Dataset
---@return anet.Dataset
function M.labelled(net, dataset, input, pool)
  if dataset:labelled() then return dataset end
  local classes, answers = net:answers().classes, tensor.new({dataset:count()}, 'i32')
  local images = tensor.new{100, input.height, input.width, input.channels}
  local own = plan.new(net, {batch = 100, pool = pool})
  local to, done, index = answers:data(), 0, 1
  while done < dataset:count() do
    local n = dataset:batch(input, images, nil, index, {pool = pool})
    local rows = own:run(images):data()
    for i = 0, n - 1 do
      for c = 1, classes - 1 do
        if rows[i * classes + c] > rows[i * classes + to[done + i]] then to[done + i] = c end
      end
    end
    done, index = done + n, index + 1
  end
  return data.new(dataset:images(), answers, classes)
end

-- The ladder of a search's picks, measured and scored on the device's images (rungs.make).
function M.make_ladder(ui, s, times, e, picks, dataset, input, options, pool)
  return rungs.make(ui, s, times, e, picks, M.labelled(s:oracle(), dataset, input, pool), input, options, pool)
end

return M
