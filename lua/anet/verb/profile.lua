-- anet profile: measure every option of a supernet on this machine.
local anet = require 'anet'
local road = require 'anet.road'
local text = require 'anet.text'

local function run(options, ui)
  local pool = anet.pool(options.threads)
  local model = road.open_supernet(ui, options.supernet)
  local t = road.profile(ui, model.supernet, {
    batch = options.batch, rounds = options.rounds, held_out = options.held_out, seed = options.seed,
  }, pool)
  local rows, list = {{'option', 'block', 'kind', 'ms', 'error', 'cold ms', ''}}, {}
  local dropped = t:dropped(model.supernet:space())
  for _, o in ipairs(model.supernet:space():options()) do
    local ms, err, cold = t:get(o.index)
    local kind = o.kind == 'merge' and 'merge ' .. o.span or o.kind == 'shrink' and ('%g %%'):format(100 * o.width) or o.kind
    rows[#rows + 1] = {o.index, o.position, kind, ('%.4f'):format(ms), ('%.4f'):format(err), ('%.4f'):format(cold),
                       dropped[o.index] and 'dropped' or ''}
    list[#list + 1] = {position = o.position, gene = o.gene, kind = o.kind, ms = ms, error = err, cold_ms = cold,
                       dropped = dropped[o.index] or false}
  end
  ui:table(rows)
  local info = t:info()
  info.doubt = t:doubt()
  if info.doubt then ui:line('%s', info.doubt) end
  ui:try(model.bundle:set_latency(t):save(options.out or options.supernet))
  ui:line('%s: table of %s, %s', options.out or options.supernet, info.fingerprint, text.duration(info.seconds))
  info.options = list
  ui:result(info)
end

return {
  summary = 'measure every option of a supernet on this machine',
  arguments = {{name = 'supernet', help = 'bundle of a supernet; the table is added to it'}},
  flags = {
    {name = 'out', short = 'o', value = 'FILE', help = 'write to another bundle'},
    {name = 'batch', value = 'N', type = 'integer', min = 1, max = 4096, default = 1, help = 'images a run'},
    {name = 'rounds', value = 'N', type = 'integer', min = 3, max = 100000, default = 20, help = 'interleaved rounds'},
    {name = 'held-out', value = 'N', type = 'integer', min = 1, max = 10000, default = 50, help = 'random subnets that tell the error'},
    {name = 'seed', value = 'N', type = 'integer', min = 0, default = 1, help = 'of all randomness'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 1, help = '0: all processors'},
  },
  run = run,
}
