-- A stand-in for cairo: anet.plot draws by it, and the calls are kept as words. Every character is 7 pixels wide.
local ffi = require 'ffi'

local function word(v)
  if type(v) == 'number' then return ('%.6g'):format(v) end
  if type(v) == 'string' then return v end
  if type(v) == 'cdata' and ffi.istype('double[2]', v) then return ('%g,%g'):format(v[0], v[1]) end
end

local function measure(text, extents) extents.x_advance = 7 * #text end

---@return table library, string[] calls
return function()
  local calls = {}
  local library = setmetatable({}, {__index = function(_, name)
    return function(_, ...)
      local words = {(name:gsub('^cairo_', ''))}
      for i = 1, select('#', ...) do words[#words + 1] = word((select(i, ...))) end
      if name == 'cairo_text_extents' then measure(...) end
      calls[#calls + 1] = table.concat(words, ' ')
      return 1
    end
  end})
  return library, calls
end
