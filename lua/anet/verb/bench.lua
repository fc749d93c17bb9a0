-- anet bench: how fast models run on this machine, side by side.
local anet = require 'anet'
local core = require 'anet.core'
local json = require 'anet.json'
local road = require 'anet.road'
local text = require 'anet.text'

local function run(options, ui)
  local pool, plans = anet.pool(options.threads), {}
  for i, path in ipairs(options.models) do
    plans[i] = anet.plan(road.open_model(ui, path).oracle, {batch = options.batch, pool = pool})
  end
  local medians, quartiles = anet.plan.time(plans, {batch = options.batch, rounds = options.rounds, pool = pool})
  local rows, results = {{'model', 'median ms', 'quartile ms', 'images/s', 'MACs/s', 'arena', 'weights'}}, {}
  for i, path in ipairs(options.models) do
    local info, per_second = plans[i]:info(), 1000 / medians[i]
    rows[i + 1] = {
      path, ('%.4f'):format(medians[i]), ('%.4f'):format(quartiles[i]), ('%.0f'):format(options.batch * per_second),
      text.count(info.macs * options.batch * per_second), text.bytes(info.arena_bytes), text.bytes(info.packed_bytes),
    }
    results[i] = {
      model = path, median_ms = medians[i], quartile_ms = quartiles[i], macs = info.macs,
      arena_bytes = info.arena_bytes, packed_bytes = info.packed_bytes,
    }
  end
  ui:table(rows)
  ui:result{
    kernels = core.string(core.C.anet_isa()), batch = options.batch, rounds = options.rounds,
    models = json.array(results),
  }
end

return {
  summary = 'how fast models run on this machine, side by side',
  arguments = {{name = 'models', many = true, help = 'bundles; of a supernet the oracle'}},
  flags = {
    {name = 'batch', value = 'N', type = 'integer', min = 1, max = 65536, default = 1, help = 'images a run'},
    {name = 'rounds', value = 'N', type = 'integer', min = 1, default = 100, help = 'interleaved rounds'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 1, help = '0: all processors'},
  },
  run = run,
}
