-- anet as a worker: answers `KIND NAME BATCH RUNS` lines (KIND: model, train) with milliseconds, one a run.
local anet = require 'anet'
local bench = require 'anet.bench'

local pool, key, job = anet.pool(tonumber((...))), nil, nil

for line in io.lines() do
  local kind, name, batch, runs = line:match '^(%S+) (%S+) (%d+) (%d+)$'
  if key ~= kind .. name .. batch then
    job = nil
    job = assert(bench[kind](name, {batch = tonumber(batch), pool = pool}))
    key = kind .. name .. batch
  end
  local times = {}
  for i = 1, tonumber(runs) do times[i] = ('%.6f'):format(job:time()) end
  print(table.concat(times, ' '))
  io.stdout:flush()
end
