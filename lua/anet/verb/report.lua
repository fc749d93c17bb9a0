-- anet report: plots and a page from a ladder, or from what `demo` printed as JSON.
local host = require 'anet.host'
local json = require 'anet.json'
local reader = require 'anet.results'
local report = require 'anet.report'
local road = require 'anet.road'
local rungs = require 'anet.rungs'

local MOST_BYTES = 256 * 2 ^ 20 -- of JSON

-- Cloud and ladder are drawn by their accuracy on the images of the search; that on test images, where it is known, stands beside it.
local function from_bundle(ui, path)
  local model = road.open_supernet(ui, path)
  local ladder, message = rungs.read(model.bundle)
  if not ladder then ui:fail('%s: %s', path, message or "it has no ladder ('anet search' makes one)") end
  local oracle = ladder.oracle
  return {model = path, oracle = {accuracy = oracle.score, test_accuracy = oracle.test_accuracy, ms = oracle.measured_ms},
          ladder = ladder.rungs, cloud = ladder.cloud, labelled = ladder.labelled}
end

local function from_json(ui, path)
  local results, message = json.decode((ui:try(host.read(path, MOST_BYTES))))
  if type(results) ~= 'table' or not results.ladder then
    ui:fail("%s is not what 'anet demo --json' prints: %s", path, message or 'it has no ladder')
  end
  return results
end

local function run(options, ui)
  local results = (options.source:find '%.json$' and from_json or from_bundle)(ui, options.source)
  if options.out == '' then ui:fail '--out: want a folder' end
  local ok, why = reader.read(results)
  if not ok then ui:fail('%s: %s', options.source, why) end
  ui:try(host.make_folder(options.out))
  local paths, message = report.save(results, options.out)
  if not paths then ui:fail('%s', message) end
  if message then ui:note('no PNG files: %s', message) end
  for _, path in ipairs(paths) do ui:line('%s', path) end
  ui:result{files = paths}
end

return {
  summary = 'plots and a page of a ladder or of a run',
  arguments = {{name = 'source', help = "bundle with a ladder, or the FILE.json that 'anet demo --json' printed"}},
  flags = {{name = 'out', short = 'o', value = 'FOLDER', default = 'report', help = 'where front.png, trace.png and report.html go'}},
  run = run,
}
