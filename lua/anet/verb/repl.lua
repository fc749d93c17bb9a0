-- anet repl: ask and answer.
return {
  summary = 'ask and answer in Lua, on a terminal or through a pipe',
  run = function() return require('anet.repl').run() end,
}
