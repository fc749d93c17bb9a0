-- anet bench: how fast kernels, models and training steps are on this machine.
local anet = require 'anet'
local core = require 'anet.core'
local bench = require 'anet.bench'
local json = require 'anet.json'
local plan = require 'anet.plan'
local text = require 'anet.text'

local KINDS = {'kernels', 'model', 'train'}

-- Rows as a table for people, or tab separated; rows[1] is the head.
local function show(ui, options, rows)
  if not options.tsv then return ui:table(rows) end
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do row[i] = tostring(cell) end
    ui:line(('\t%s'):rep(#row):sub(2), unpack(row))
  end
end

local function round(x, digits) return ('%.' .. digits .. 'f'):format(x) end

-- ---- kernels -----------------------------------------------------------------------------------------

local function wanted(name, filters)
  if #filters == 0 then return true end
  for _, filter in ipairs(filters) do
    if name:find(filter, 1, true) then return true end
  end
  return false
end

local function kernel_row(k)
  return {
    k.name, k.isa, k.shape, round(k.ns, 0), round(k.flops / k.ns, 1), round(k.bytes / k.ns, 1),
    round(k.ref_ns / k.ns, 2), k.sgemm_ns and round(k.sgemm_ns / k.ns, 2) or '-',
    k.flops > 0 and round(100 * k.share, 1) or '-',
  }
end

local function run_kernels(options, ui)
  local isas, peaks, results, rows = bench.isas(), {}, {}, {
    {'name', 'isa', 'shape', 'ns', 'gflops', 'gb/s', 'over ref', 'over sgemm', '% of peak'}}
  for _, isa in ipairs(isas) do peaks[isa] = bench.peak(isa) end
  for case = 1, bench.kernel_cases() do
    local ref_ns
    for _, isa in ipairs(wanted(bench.kernel(case, nil, 0).name, options.names) and isas or {}) do
      core.poll()
      local k = bench.kernel(case, isa, options.ms)
      ref_ns = ref_ns or k.ns
      k.ref_ns, k.share = ref_ns, k.flops / k.ns * 1e9 / peaks[isa]
      results[#results + 1], rows[#rows + 1] = k, kernel_row(k)
      ui:progress('%s %s %s', k.name, isa, k.shape)
    end
  end
  if not results[1] then ui:fail("no kernel's name has '%s' in it", table.concat(options.names, "' or '")) end
  show(ui, options, rows)
  for _, isa in ipairs(isas) do ui:note('%s: %.1f GFLOP/s in registers, one thread', isa, peaks[isa] / 1e9) end
  if results[1] and results[1].sgemm_core then
    ui:note('OpenBLAS takes this processor for: %s (OPENBLAS_CORETYPE says otherwise)', results[1].sgemm_core)
  end
  ui:result{peaks = peaks, kernels = json.array(results)}
end

-- ---- networks ----------------------------------------------------------------------------------------

local function make_jobs(options, ui, make)
  local pool, jobs = anet.pool(options.threads), {}
  if #options.names == 0 then ui:fail('want NAMES: architectures or bundles') end
  for i, name in ipairs(options.names) do
    jobs[i] = ui:try(make(name, {batch = options.batch, pool = pool}))
  end
  return jobs, pool
end

local function job_result(job, time, peak)
  local flops = 2000 * job.macs / time.min
  return {
    model = job.name, min_ms = time.min, median_ms = time.median, macs = job.macs, flops = flops,
    share = flops / peak, weight_bytes = job.weight_bytes, peak_bytes = job.peak_bytes,
  }
end

local function cost_cells(r)
  return round(1e-9 * r.flops, 1), round(100 * r.share, 1), round(r.peak_bytes / r.weight_bytes, 2), text.bytes(r.weight_bytes)
end

local function result(ui, options, pool, peak, results, doubt)
  ui:result{
    kernels = core.string(core.C.anet_isa()), batch = options.batch, threads = core.C.anet_pool_threads(pool),
    rounds = options.rounds, peak_flops = peak, models = json.array(results), doubt = doubt,
  }
end

local function run_models(options, ui)
  local jobs, pool = make_jobs(options, ui, bench.model)
  local peak = bench.peak(nil, pool)
  ui:progress('%d rounds', options.rounds)
  local times = bench.time_models(jobs, {rounds = options.rounds, batch = options.batch, pool = pool})
  local results, rows = {}, {
    {'model', 'ms/image', '± %', 'least', 'median', 'cold', 'gflops', '% of peak', 'memory/weights', 'weights'}}
  for i, t in ipairs(times) do
    local r = job_result(jobs[i], {min = t.least_ms, median = t.median_ms}, peak)
    for key, value in pairs(t) do r[key] = value end
    local function per_image(ms) return round(ms / options.batch, 4) end
    results[i] = r
    rows[i + 1] = {r.model, per_image(t.ms), round(100 * t.error, 1), per_image(t.least_ms), per_image(t.median_ms),
                   per_image(t.cold_ms), cost_cells(r)}
  end
  show(ui, options, rows)
  local doubt = plan.doubts(times)
  if doubt then ui[options.tsv and 'note' or 'line'](ui, '%s', doubt) end
  result(ui, options, pool, peak, results, doubt)
end

local function run_training(options, ui)
  local jobs, pool = make_jobs(options, ui, bench.train)
  local peak = bench.peak(nil, pool)
  local times = bench.time(jobs, options.rounds, function(done)
    ui:progress('round %d of %d', done, options.rounds)
    core.poll()
  end)
  local results, rows = {}, {
    {'model', 'ms/step min', 'ms/step median', 'gflops', '% of peak', 'memory/weights', 'weights'}}
  for i, time in ipairs(times) do
    local r = job_result(jobs[i], time, peak)
    results[i] = r
    rows[i + 1] = {r.model, round(r.min_ms, 4), round(r.median_ms, 4), cost_cells(r)}
  end
  show(ui, options, rows)
  result(ui, options, pool, peak, results)
end

-- ---- the verb ------------------------------------------------------------------------------------------

-- `anet bench FILE.anet …` is `anet bench model FILE.anet …`.
local function kind_of(options, ui)
  for _, kind in ipairs(KINDS) do
    if options.what == kind then return kind end
  end
  if not options.what:find('%.anet$') then
    ui:fail("no bench '%s'%s; there are %s", options.what, text.hint(options.what, KINDS), table.concat(KINDS, ', '))
  end
  table.insert(options.names, 1, options.what)
  return 'model'
end

local function run(options, ui)
  local kind = kind_of(options, ui)
  if kind == 'kernels' then return run_kernels(options, ui) end
  if kind == 'model' then return run_models(options, ui) end
  return run_training(options, ui)
end

return {
  summary = 'how fast kernels, models and training steps are on this machine',
  arguments = {
    {name = 'what', help = 'kernels, model or train'},
    {name = 'names', many = true, optional = true,
     help = 'kernels: parts of names; else architectures (resnet50, resnet20_32: for 32 pixels) or bundles'},
  },
  flags = {
    {name = 'batch', value = 'N', type = 'integer', min = 1, max = 65536, default = 1, help = 'images a run or step'},
    {name = 'rounds', value = 'N', type = 'integer', min = 1, default = 30, help = 'models: visits of some runs each; training: steps, by turns'},
    {name = 'threads', value = 'N', type = 'integer', min = 0, max = 1024, default = 1, help = '0: all processors'},
    {name = 'ms', value = 'X', type = 'number', min = 1e-3, default = 20, help = 'kernels: time for each'},
    {name = 'tsv', help = 'tab separated lines'},
  },
  notes = [[
Models: the time of a run as a program that runs the model in a loop sees it while nothing else disturbs, how well it is
known, the least and middle time measured, and that of a run with cold caches. Training: the least and middle of steps.
Operations a second by the least, and what share that is of multiply-adds that never leave the registers: over 100 where
Winograd's convolutions do with fewer. Memory is the most the engine held from reading the
network to the end of the first run.]],
  run = run,
}
