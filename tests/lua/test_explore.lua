-- The loop that a search policy steers, with an evaluator and policies made for it: what is run, what policies are told, what is picked.
local test = dofile 'tests/support/test.lua'
local anet = require 'anet'
local evaluate = require 'anet.evaluate'
local explore = require 'anet.explore'

-- ---- a world -----------------------------------------------------------------------------------------------

-- A genome is a name; TIME its ms, HITS what it has right of ten images.
local TIME = {fast = 1, middle = 2, slow = 4, odd = 2}
local HITS = {fast = '1000000001', middle = '1100110000', slow = '1111111110', odd = '1100001100'}
local LOSS = {fast = 4, middle = 2, slow = 9, odd = 3}

-- An explorer of that, and what was asked of its evaluator. policy: its methods; options: as explore.new has them.
local function explorer(policy, options)
  local asked, real = {}, evaluate.new
  evaluate.new = function(s, dataset, input, pool)
    asked.made = {s, dataset, input, pool}
    return {run = function(_, group, span)
      asked[#asked + 1] = ('%s: %d+%d'):format(table.concat(group, ' '), span.first, span.count)
      asked.byte_limit = span.byte_limit
      if asked.fails then return nil, 'it failed', 'nomem' end
      local results = {}
      for i, genome in ipairs(group) do
        local hits = HITS[genome]:sub(span.first, span.first + span.count - 1)
        -- The loss of an image is LOSS of its genome, and a tenth more for each image before it.
        local loss = 0
        for image = span.first, span.first + span.count - 1 do loss = loss + LOSS[genome] + image / 10 end
        results[i] = {genome = genome, hits = hits, score = select(2, hits:gsub('1', '')) / span.count, loss = loss / span.count}
      end
      return results, {block_runs = 3 * #group, ideal_runs = 2 * #group, naive_runs = 5 * #group}
    end}
  end
  local supernet = {describe = function(_, times) return {times = times} end, space = function() return 'the space' end}
  local times = {predict = function(_, space, genome)
    test.equal(space, 'the space')
    return TIME[genome]
  end}
  local answers = setmetatable(policy or {}, {__index = {
    space = function() return true end, done = function() return false end, observe = function() return true end, picks = function() end,
  }})
  local dataset = {count = function() return 10 end}
  asked.dataset = dataset
  local e = explore.new(supernet, times, dataset, 'input', answers, options or {budgets = {2, 5}}, 'pool')
  evaluate.new = real
  return e, asked
end

test.case('what a policy is told at first', function()
  local described, context
  local e, asked = explorer({space = function(_, description, given)
    described, context = description, given
    return true
  end}, {budgets = {3, 7}, n = 5, byte_limit = 99})
  test.equal(described.images, 10)
  test.same(described.budgets, {3, 7})
  test.equal(described.times, e.times)
  test.equal(context.space, 'the space')
  test.same(context.budgets, {3, 7})
  test.equal(context.ms 'slow', 4)
  test.same(asked.made, {e.supernet, asked.dataset, 'input', 'pool'})
  test.equal(e.n, 5)
  test.equal(explorer().n, 64)
  e:fill{fast = 1}
  test.equal(asked.byte_limit, 99)
  test.raises('no such space', explorer, {space = function() return nil, 'no such space, 100%' end})
  test.equal(tostring(e), 'explorer of 1 genomes so far')
end)

test.case('only what was not run before is run', function()
  local e, asked = explorer()
  test.equal(e:fill{fast = 4, slow = 4, odd = 10}, true)
  test.same(asked, {'odd: 1+10', 'fast slow: 1+4'}) -- those that have seen as many go together
  test.equal(e:fill{fast = 4, slow = 3, odd = 10}, true)
  test.equal(#asked, 2)
  e:fill{fast = 10, slow = 6, middle = 10}
  test.same({asked[3], asked[4], asked[5]}, {'middle: 1+10', 'fast: 5+6', 'slow: 5+2'})
  -- What is joined is what one run gives.
  local whole = explorer()
  whole:fill{fast = 10, slow = 6}
  for _, genome in ipairs{'fast', 'slow'} do
    test.equal(e.seen[genome].hits, whole.seen[genome].hits)
    test.near(e.seen[genome].score, whole.seen[genome].score, 1e-12)
    test.near(e.seen[genome].loss, whole.seen[genome].loss, 1e-12)
  end
  test.same(e.order, {'odd', 'fast', 'slow', 'middle'}) -- each once, in the order of their runs
  test.same({e.runs.done, e.runs.ideal, e.runs.naive}, {18, 12, 30}) -- of six runs
  local saving, ideal = e:saving()
  test.near(saving, 1 - 18 / 30, 1e-12)
  test.near(ideal, 1 - 12 / 30, 1e-12)
  test.same({explorer():saving()}, {1, 1})
  asked.fails = true
  test.fails('it failed', 'nomem', e:fill{slow = 10})
  test.equal(#e.seen.slow.hits, 6)
end)

test.case('results are of the images that were asked for', function()
  local e = explorer()
  e:fill{middle = 10}
  local r = e:result('middle', 4)
  test.equal(r.genome, 'middle')
  test.equal(r.hits, '1100')
  test.equal(r.score, 0.5)
  test.equal(r.count, 4)
  test.equal(r.ms, 2)
  test.equal(r.loss, e.seen.middle.loss)
  test.equal(e:result('middle', 10).score, 0.4)
end)

test.case('one question', function()
  local wanted, observed
  local e, asked = explorer{
    propose = function(_, n)
      wanted = n
      return {'fast', {genome = 'slow', count = 3}, {genome = 'slow', count = 5}, {genome = 'slow', count = 4}, {genome = 'odd', count = 99}, {genome = 'middle'}}
    end,
    observe = function(_, results)
      observed = results
      return true
    end,
  }
  test.equal(e:advance(), 6)
  test.equal(wanted, 64)
  test.same(asked, {'fast middle odd: 1+10', 'slow: 1+5'})
  local told = {}
  for i, r in ipairs(observed) do told[i] = ('%s %d %s'):format(r.genome, r.count, r.hits) end
  test.same(told, {'fast 10 1000000001', 'slow 3 111', 'slow 5 11111', 'slow 4 1111', 'odd 10 1100001100', 'middle 10 1100110000'})
end)

test.case('what ends it', function()
  test.same({explorer{done = function() return true end}:advance()}, {})
  test.fails('done broke', 'policy', explorer({done = function() return nil, 'done broke' end}):advance())
  test.fails('propose broke', 'policy', explorer({propose = function() return nil, 'propose broke' end}):advance())
  test.fails('observe broke', 'policy', explorer({propose = function() return {'fast'} end, observe = function() return nil, 'observe broke' end}):advance())
  local e, asked = explorer{propose = function() return {'fast'} end}
  asked.fails = true
  test.fails('it failed', 'nomem', e:advance())
end)

test.case('a policy that proposes nothing new', function()
  local nothing = explorer{propose = function() return {} end}
  for _ = 1, 49 do test.equal(nothing:advance(), 0) end
  test.equal(nothing:advance(), nil)
  local proposal = {'fast'}
  local e = explorer{propose = function() return proposal end}
  test.equal(e:advance(), 1)
  for round = 1, 30 do test.equal(e:advance(), 1, round) end
  proposal = {'slow'}
  test.equal(e:advance(), 1) -- something new: the rounds count from here
  for _ = 1, 49 do test.equal(e:advance(), 1) end
  test.equal(e.note, nil)
  test.equal(e:advance(), nil)
  test.equal(e.note, 'the policy proposed nothing new in 50 rounds')
end)

test.case('picks', function()
  local e = explorer()
  e:fill{fast = 10, middle = 10, slow = 10, odd = 9}
  test.same(e:picks(), {'middle', 'slow'}) -- within 2 and 5 ms
  test.equal(e:best_under(2), 'middle')
  test.equal(e:best_under(1.9), 'fast')
  test.equal(e:best_under(4), 'slow')
  test.equal(e:best_under(0.9), nil)
  -- Of equals the first; only what has seen all images.
  e:fill{odd = 10}
  test.equal(e:best_under(2), 'middle')
  local partly = explorer()
  partly:fill{slow = 9, fast = 10}
  test.equal(partly:best_under(5), 'fast')
  -- The policy's own come first.
  local own = explorer{picks = function() return {[1] = 'fast'} end}
  own:fill{fast = 10, slow = 10, middle = 10}
  test.same(own:picks(), {'fast', 'slow'})
  test.fails('picks broke', 'policy', explorer({picks = function() return nil, 'picks broke', 'policy' end}):picks())
  test.equal(#explorer{}:picks(), 0)
end)

test.case('candidates', function()
  local e, asked = explorer()
  e:fill{fast = 10, middle = 10, slow = 10, odd = 4}
  local full, partial = e:within(2)
  test.same(full, {'fast', 'middle'})
  test.same(partial, {'odd'})
  test.same(e:within(1.5), {'fast'})
  test.same(e:candidates(2, 1), {'middle'}) -- of two with four hits, that of less loss
  test.equal(asked[#asked], 'odd: 5+6') -- seen in full before it is judged
  test.same(e:candidates(2, 9), {'middle', 'odd', 'fast'})
  test.same(e:candidates(9, 2), {'slow', 'middle'})
  test.same(e:candidates(0.5, 2), {})
  -- Of those that are not known well, only the n of least loss are run on.
  e, asked = explorer()
  e:fill{fast = 2, middle = 2, slow = 2, odd = 2}
  test.same(e:candidates(9, 2), {'middle', 'odd'})
  test.same({#asked, asked[2]}, {2, 'middle odd: 3+8'})
  asked.fails = true
  test.fails('it failed', 'nomem', e:candidates(9, 4))
  -- Equal in all: by name.
  HITS.even, LOSS.even, TIME.even = HITS.odd, LOSS.odd, TIME.odd
  e = explorer()
  e:fill{odd = 10}
  e:fill{even = 10}
  test.same(e:candidates(9, 2), {'even', 'odd'})
end)

test.case('the cloud', function()
  local e = explorer()
  test.equal(require('anet.json').encode(e:cloud()), '[]')
  e:fill{fast = 10, slow = 4}
  test.equal(require('anet.json').encode(e:cloud()), '[[1, 0.2], [4, 1]]')
  test.check(anet.version ~= nil)
end)

return test.finish()
