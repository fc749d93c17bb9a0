-- anet info: what a bundle holds; without one, what this machine and this build can do.
local anet = require 'anet'
local core = require 'anet.core'
local json = require 'anet.json'
local provenance = require 'anet.provenance'
local road = require 'anet.road'
local rungs = require 'anet.rungs'
local text = require 'anet.text'

local C = core.C

-- ---- machine ------------------------------------------------------------------------------------

local function machine()
  local policies = {}
  for i, p in ipairs(anet.policy.list()) do policies[i] = p.kind .. '/' .. p.name end
  return {
    version = anet.version, kernels = core.string(C.anet_isa()), processors = C.anet_cpu_count(),
    policies = json.array(policies), architectures = json.array(text.keys(anet.zoo)),
  }
end

local function show_machine(ui)
  local m = machine()
  ui:line('anet %s, %s kernels, %d processors', m.version, m.kernels, m.processors)
  ui:line('policies: %s', table.concat(m.policies, ', '))
  ui:line('architectures: %s', table.concat(m.architectures, ', '))
  ui:result(m)
end

-- ---- bundles --------------------------------------------------------------------------------------

local function show_blocks(ui, s)
  local by_position = {}
  for _, o in ipairs(s:space():options()) do
    local what = o.kind
    if o.kind == 'merge' then what = ('merge %d'):format(o.span) end
    if o.kind == 'shrink' then what = ('shrink to %.0f %%'):format(100 * o.width) end
    by_position[o.position] = (by_position[o.position] and by_position[o.position] .. ', ' or '') .. what
  end
  local rows = {{'position', 'kind', 'name', 'in', 'out', 'options'}}
  for i, b in ipairs(s:blocks()) do
    rows[#rows + 1] = {i, b.kind, b.name, table.concat(b.in_shape, 'x'), table.concat(b.out_shape, 'x'),
                       by_position[i] or ''}
  end
  ui:table(rows)
  road.show_frozen(ui, s:oracle(), s:frozen())
end

-- What the block finder makes of a net: its blocks, what is of none, and why; and what an import left out.
local function show_why(ui, net, left_out)
  local blocks, frozen = anet.supernet.blocks(net)
  local rows = {{'trunk', 'block', 'kind', 'name', 'in', 'out', 'hidden', 'MACs'}}
  for i, b in ipairs(blocks) do
    rows[#rows + 1] = {b.trunk, i, b.kind, b.name, table.concat(b.in_shape, 'x'), table.concat(b.out_shape, 'x'),
                       b.hidden, text.count(b.macs)}
  end
  local trunks = #blocks > 0 and blocks[#blocks].trunk or 0
  ui:line('%d block%s in %d trunk%s', #blocks, #blocks == 1 and '' or 's', trunks, trunks == 1 and '' or 's')
  if #blocks > 0 then ui:table(rows) end
  road.show_frozen(ui, net, frozen)
  if left_out then road.show_left_out(ui, left_out) end
  return blocks, frozen
end

local function show_input(ui, input)
  local function list(values)
    local parts = {}
    for i, v in ipairs(values) do parts[i] = ('%.4g'):format(v) end
    return table.concat(parts, ' ')
  end
  ui:line('input %dx%dx%d, mean %s, deviation %s', input.height, input.width, input.channels, list(input.mean),
          list(input.deviation))
end

-- ---- how it was made -----------------------------------------------------------------------------

-- '57000 of 60000 images of fashion-mnist', as far as a record says.
local function data_of(record)
  local job = type(record.job) == 'table' and record.job or record
  if not job.data then return nil end
  local images, of = job.images or job.limit, job.of
  return (images and of and images ~= of and ('%s of %s images of '):format(images, of) or images and ('%s images of '):format(images) or '') ..
           tostring(job.data) .. (job.part and ', part ' .. tostring(job.part) or '')
end

-- 'batch 128, decay 0.0001, …'
local function settings_of(record)
  local words = {}
  for _, key in ipairs(text.keys(type(record.settings) == 'table' and record.settings or {})) do
    words[#words + 1] = ('%s %s'):format(key, tostring(record.settings[key]))
  end
  return #words > 0 and table.concat(words, ', ') or nil
end

local function show_record(ui, record)
  local job = type(record.job) == 'table' and record.job or {}
  local made = tonumber(record.accuracy) and ('test accuracy %.2f %%'):format(100 * record.accuracy) or nil
  local seconds = tonumber(record.seconds) and text.duration(record.seconds) or nil
  local parts = {}
  local function add(part) parts[#parts + 1] = part and tostring(part) or nil end
  add(job.architecture or record.model)
  add(data_of(record))
  add(record.policy)
  add(settings_of(record))
  add(made)
  add(seconds)
  ui:line('  anet %s (%s): %s', tostring(record.verb), tostring(record.version), table.concat(parts, '; '))
end

-- The oldest first.
local function show_provenance(ui, chain)
  if #chain > 0 then ui:line('made by') end
  for _, record in ipairs(chain) do show_record(ui, record) end
end

-- ---- a bundle as a whole -------------------------------------------------------------------------

local function show_ladder(ui, ladder)
  ui:line('ladder%s:', ladder.threads and (', %s thread%s'):format(tostring(ladder.threads), ladder.threads == 1 and '' or 's') or '')
  local rows = {{'rung', 'genome', 'ms', '% of oracle', ladder.labelled == false and 'agreement' or 'accuracy', 'test accuracy'}}
  local function add(name, r)
    rows[#rows + 1] = {name, r.genome, ('%.3f'):format(r.measured_ms), ('%.1f'):format(100 * r.measured_ms / ladder.oracle.measured_ms),
                       ('%.2f %%'):format(100 * r.score), r.test_accuracy and ('%.2f %%'):format(100 * r.test_accuracy) or ''}
  end
  for i, r in ipairs(ladder.rungs) do add(i, r) end
  add('oracle', ladder.oracle)
  ui:table(rows)
end

local function show_bundle(ui, options)
  local bundle = ui:try(anet.bundle.open(options.model))
  local function part(...) return road.part(ui, options.model, ...) end
  local supernet = part(bundle:supernet())
  local net = supernet and supernet:oracle() or part(bundle:net())
  local latency, input = part(bundle:latency()), part(bundle:input())
  local ladder, record = part(rungs.read(bundle)), part(provenance.read(bundle))
  if supernet then ui:line('%s', tostring(supernet)) end
  if net then ui:line('%s%s', supernet and 'oracle: ' or '', tostring(net)) end
  if not net then ui:line('%d loose tensors, no model', #bundle:tensors()) end
  if input then show_input(ui, input) end
  if latency then ui:line('%s', tostring(latency)) end
  if ladder then show_ladder(ui, ladder) end
  show_provenance(ui, provenance.chain(bundle))
  if options.nodes and net then
    for line in net:describe():gmatch '[^\n]+' do ui:line('%s', line) end
  end
  if options.blocks and supernet then show_blocks(ui, supernet) end
  local blocks, frozen
  if options.why and net then blocks, frozen = show_why(ui, net, bundle:value 'left_out') end
  ui:result{
    file = options.model, net = net and net:cost(), nodes = net and net:count(), input = input and input:fields(),
    supernet = supernet and {
      subnets = supernet:space():size(), positions = supernet:space().positions, bytes = supernet:bytes(),
      options = json.array(supernet:space():options()),
    },
    latency = latency and latency:info(), ladder = ladder and rungs.describe(ladder, {threads = ladder.threads, labelled = ladder.labelled}), provenance = record,
    blocks = blocks and json.array(blocks), frozen = frozen and json.array(frozen), left_out = bundle:value 'left_out',
  }
end

return {
  summary = 'what a bundle holds; without one, what this machine can do',
  arguments = {{name = 'model', optional = true, help = 'bundle'}},
  flags = {
    {name = 'nodes', help = 'list the nodes of the network'},
    {name = 'blocks', help = 'list the blocks of a supernet and their options'},
    {name = 'why', help = 'what the block finder makes of the network: its blocks, and why the rest is none'},
  },
  run = function(options, ui)
    if options.model then show_bundle(ui, options) else show_machine(ui) end
  end,
}
