-- anet adapt: serve a stream of images from a ladder while other processes compete for the processors.
local anet = require 'anet'
local road = require 'anet.road'
local stream = require 'anet.stream'

-- The rungs as this stream numbers them: those that are dominated at this size of frames are none.
local function show_ladder(ui, list, steps, batch)
  local rows = {{'rung', 'genome', ('ms of %d images'):format(batch), 'accuracy'}}
  for i, step in ipairs(steps) do
    rows[#rows + 1] = {i, step.genome, ('%.2f'):format(step.ms), ('%.2f %%'):format(100 * step.accuracy)}
  end
  ui:table(rows)
  if #steps < #list then
    ui:line('%d of the %d rungs of the bundle left out: with frames of %d images another is faster and as accurate', #list - #steps, #list, batch)
  end
end

local function show(ui, result)
  local rows = {{'frames', 'busy processes', 'median ms', 'late', 'switches', 'failures', 'rung at the end'}}
  for _, p in ipairs(result.phases) do
    rows[#rows + 1] = {('%d-%d'):format(p.from, p.to), p.load, ('%.2f'):format(p.median_ms), p.late, p.switches, p.failures, p.rung}
  end
  ui:table(rows)
  ui:line('%d frames, budget %.2f ms: %d late, %d switches, accuracy %.2f %%', result.frames, result.budget_ms,
          result.late_frames, result.switches, 100 * result.accuracy)
  if result.failures > 0 then ui:line('the policy failed in %d frames, after which another one picked', result.failures) end
  if result.recovered_frames then
    ui:line('back under the budget %d frames (%.0f ms) after the load came', result.recovered_frames, result.recovered_ms)
  end
end

local function run(options, ui)
  local pool = anet.pool(options.threads)
  local model = road.open_supernet(ui, options.supernet)
  local list = road.open_ladder(ui, model).rungs
  local dataset = road.open_labelled(ui, model, options.data, options.part)
  dataset = road.labelled(model.oracle, dataset, model.input, pool) -- without labels, agreement with the oracle
  local policy = road.open_policy(ui, 'latency', options.policy, options.seed)
  local settings = {batch = options.frame, frames = options.frames, budget = options.budget / 100,
                    phases = {{share = 0.3, load = 0}, {share = 0.4, load = options.load}, {share = 0.3, load = 0}}}
  local result = stream.run(ui, list, dataset, model.input, policy, settings, pool)
  show_ladder(ui, list, result.ladder, options.frame)
  show(ui, result)
  ui:result(result)
  return options.strict and result.failures > 0 and 1 or 0
end

return {
  summary = 'serve a stream of images while the machine gets busy and calm again',
  arguments = {{name = 'supernet', help = "bundle with a ladder that 'anet search' made"}},
  flags = {
    {name = 'policy', value = 'NAME', default = 'hysteresis', help = 'latency policy: name or FILE.lua, :key=value,… sets its options'},
    {name = 'budget', value = 'X', type = 'number', min = 1, default = 125, help = "% of the best rung's unloaded time"},
    {name = 'frames', value = 'N', type = 'integer', min = 10, default = 400, help = 'frames to serve'},
    {name = 'frame', value = 'N', type = 'integer', min = 1, max = 4096, default = 32, help = 'images a frame'},
    {name = 'load', value = 'N', type = 'integer', min = 0, max = 64, default = 2, help = 'busy processes in the middle of the stream'},
    {name = 'strict', help = 'end with status 1 where the policy failed in a frame'},
    {name = 'data', value = 'PATH', default = 'fashion-mnist', help = 'images'},
    {name = 'part', value = 'NAME', default = 'test', help = 'train or test, where the data has both'},
    {name = 'seed', value = 'N', type = 'integer', min = 0, default = 1, help = "of the policy's randomness"},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 0, help = '0: all processors'},
  },
  run = run,
}
