-- Documentation, taken from the comments of the sources that travel inside the command.
local host = require 'anet.host'

local M = {}

---@class anet.DocEntry
---@field name string 'anet.net.new', 'Net:copy', 'anet_plan_new'
---@field signature string
---@field text string

-- What to call the owner of a function of a module: M is the module, others are classes.
local function owner(module, name)
  if name == 'M' then return module == 'init' and 'anet' or 'anet.' .. module end
  if name == 'methods' then return (module:gsub('^%l', string.upper)) end
  return name
end

-- Comment lines of a run, without annotations.
local function plain(comments)
  local lines = {}
  for _, line in ipairs(comments) do
    if not line:find('^%-%-%-@') and not line:find('^%-%- %-%-%-%-') then
      lines[#lines + 1] = (line:gsub('^%-%-+ ?', ''))
    end
  end
  return table.concat(lines, '\n')
end

local function add_lua(entries, module, body)
  local comments = {}
  for line in body:gmatch '([^\n]*)\n' do
    if line:find('^%-%-') then
      comments[#comments + 1] = line
    else
      local object, dot, name, arguments = line:match('^function ([%w_]+)([.:])([%w_]+)(%b())')
      if object and name:sub(1, 2) ~= '__' then
        local full = owner(module, object) .. dot .. name
        entries[#entries + 1] = {name = full, signature = full .. arguments, text = plain(comments)}
      end
      comments = {}
    end
  end
end

-- Functions of the C header: the comment before them, or beside them.
local function add_header(entries, body)
  local before, open = {}, false
  local pending
  for line in body:gmatch '([^\n]*)\n' do
    if pending then
      pending.signature = pending.signature .. ' ' .. line:match '^%s*(.-)%s*$'
    elseif open or line:find('^/%*') then
      if not open then before = {} end
      before[#before + 1] = (line:gsub('^/?%s*%*+ ?', ''):gsub('%s*%*/%s*$', ''))
      open = not line:find('%*/')
    elseif line:find('^ANET_API') then
      pending = {signature = line:gsub('^ANET_API ', ''), text = table.concat(before, '\n')}
    elseif line == '' then
      before = {}
    end
    if pending and pending.signature:find(';') then
      local code, beside = pending.signature:match('^(.-;)%s*/?%*?%s*(.-)%s*%*?/?$')
      pending.signature = code
      pending.name = code:match('(anet_[%w_]+)%s*%(')
      if beside ~= '' then pending.text = beside end
      if pending.name then entries[#entries + 1] = pending end
      pending = nil
    end
  end
end

local entries

-- Everything that is documented.
---@return anet.DocEntry[]
function M.entries()
  if entries then return entries end
  entries = {}
  for _, path in ipairs(host.files()) do
    local module = path:match('^lua/anet/([%w_]+)%.lua$')
    if module then add_lua(entries, module, host.file(path)) end
    if path == 'core/anet.h' then add_header(entries, host.file(path)) end
  end
  return entries
end

-- The entries that a name means: a full name, or the last part of one.
---@return anet.DocEntry[]
function M.find(name)
  local exact, partial = {}, {}
  for _, entry in ipairs(M.entries()) do
    if entry.name == name then
      exact[#exact + 1] = entry
    elseif entry.name:match('[%w_]+$') == name or entry.name == 'anet.' .. name then
      partial[#partial + 1] = entry
    end
  end
  return #exact > 0 and exact or partial
end

return M
