-- anet report: plots and a page from a ladder, or from what `demo` printed as JSON.
local host = require 'anet.host'
local json = require 'anet.json'
local report = require 'anet.report'
local road = require 'anet.road'

local MOST_BYTES = 256 * 2 ^ 20 -- of JSON

local function from_bundle(ui, path)
  local model = road.open_supernet(ui, path)
  local about = model.bundle:value 'ladder'
  if not about then ui:fail("%s has no ladder ('anet search' makes one)", path) end
  local first = about.rungs[1]
  for _, r in ipairs(about.rungs) do r.accuracy = r.accuracy or r.score end
  return {model = path, oracle = {accuracy = first.accuracy, ms = first.measured_ms}, ladder = about.rungs,
          cloud = about.cloud}
end

local function from_json(ui, path)
  local results = json.decode((ui:try(host.read(path, MOST_BYTES))))
  if type(results) ~= 'table' or not results.ladder then
    ui:fail("%s is not what 'anet demo --json' prints", path)
  end
  return results
end

local function run(options, ui)
  local results = (options.source:find '%.json$' and from_json or from_bundle)(ui, options.source)
  ui:try(host.make_folder(options.out))
  local paths = ui:try(report.save(results, options.out))
  for _, path in ipairs(paths) do ui:line('%s', path) end
  ui:result{files = paths}
end

return {
  summary = 'plots and a page of a ladder or of a run',
  arguments = {{name = 'source', help = "bundle with a ladder, or the FILE.json that 'anet demo --json' printed"}},
  flags = {{name = 'out', short = 'o', value = 'FOLDER', default = 'report', help = 'where front.png, trace.png and report.html go'}},
  run = run,
}
