/* The module "anet.host": Lua files by name, from a tree that takes precedence or from within;
 * files, folders and streams, as the engine's Lua code asks for them. */
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "host/embed.h"
#include "host/host.h"
#include "support/scratch.h"
#include "support/test.h"

static lua_State *L;
static char folder[SCRATCH_PATH];

static int open_files(void)
{
  int count = 0;
  for (int file = 0; file < 256; file++) count += fcntl(file, F_GETFD) >= 0;
  return count;
}

static int files_before;

static void begin(void)
{
  unsetenv("ANET_LUA");
  test_scratch_new(folder);
  files_before = open_files();
  L = luaL_newstate();
  luaL_openlibs(L);
  anet__host_open(L);
  lua_pushstring(L, folder);
  lua_setglobal(L, "folder");
  if (luaL_dostring(L, "here = folder:gsub('%p', '%%%0')")) abort();
}

static void end(void)
{
  lua_close(L);
  CHECK_EQ_I(open_files(), files_before);
  test_scratch_remove(folder);
  unsetenv("ANET_LUA");
}

/* The values of a chunk that has `host`, as texts. */
static const char *run(const char *text)
{
  lua_settop(L, 0);
  lua_pushfstring(
      L,
      "local host = require 'anet.host' local function text(...) local t = {} "
      "for i = 1, select('#', ...) do t[i] = tostring((select(i, ...))):gsub(here, 'F') "
      "end return table.concat(t, ' | ') end %s",
      text);
  if (!luaL_loadstring(L, lua_tostring(L, 1))) lua_pcall(L, 0, 1, 0);
  return lua_tostring(L, -1);
}

/* ---- Lua files ----------------------------------------------------------------------------- */

TEST(embedded_files_are_found_by_their_path)
{
  begin();
  int count = 0;
  for (const anet__file *f = anet__files; f->path; f++, count++) {
    size_t size;
    const int top = lua_gettop(L);
    CHECK(anet__host_file(L, f->path));
    CHECK_EQ_I(lua_gettop(L), top + 1);
    const char *text = lua_tolstring(L, -1, &size);
    CHECK(size == f->size && memcmp(text, f->text, size) == 0);
    lua_pop(L, 1);
  }
  CHECK(count > 50);
  const int top = lua_gettop(L);
  CHECK(!anet__host_file(L, "lua/anet/no_such.lua"));
  CHECK_EQ_I(lua_gettop(L), top);
  lua_pushinteger(L, count);
  lua_setglobal(L, "count");
  CHECK_EQ_S(run("local all, seen = host.files(), {} for _, path in ipairs(all) do seen[path] = "
                 "host.file(path) ~= nil end return text(#all == count, seen['lua/anet/init.lua'], "
                 "seen['policies/latency/fixed.lua'], host.file 'nothing')"),
             "true | true | true");
  end();
}

TEST(a_tree_takes_precedence)
{
  begin();
  test_scratch_folder(folder, "lua");
  test_scratch_folder(folder, "lua/anet");
  test_scratch_write(folder, "lua/anet/text.lua", "return 'mine'", 13);
  test_scratch_write(folder, "lua/anet/empty.lua", "", 0);
  char *large = malloc(20001);
  memset(large, '-', 20001);
  memcpy(large + 19990, "\nreturn 9 \n", 11);
  test_scratch_write(folder, "lua/anet/large.lua", large, 20001);
  test_scratch_write(folder, "lua/anet/wrong.lua", "return +", 8);
  setenv("ANET_LUA", folder, 1);
  const int before = open_files(), top = lua_gettop(L);
  for (int i = 0; i < 3; i++) {
    CHECK(anet__host_file(L, "lua/anet/text.lua"));
    CHECK_EQ_S(lua_tostring(L, -1), "return 'mine'");
    CHECK_EQ_I(lua_gettop(L), top + 1 + i);
  }
  CHECK(anet__host_file(L, "lua/anet/empty.lua"));
  CHECK_EQ_S(lua_tostring(L, -1), "");
  CHECK(anet__host_file(L, "lua/anet/json.lua")); /* what it has not is from within */
  CHECK(lua_objlen(L, -1) > 100);
  CHECK(anet__host_file(L, "lua/anet/large.lua"));
  CHECK(lua_objlen(L, -1) == 20001 && memcmp(lua_tostring(L, -1), large, 20001) == 0);
  CHECK(!anet__host_file(L, "lua/anet")); /* a folder is no file */
  CHECK_EQ_I(open_files(), before);
  CHECK_EQ_S(run("return text(require 'anet.text', require 'anet.large')"), "mine | 9");
  CHECK_EQ_S(run("return text(select(2, pcall(require, 'anet.wrong')))"),
             "lua/anet/wrong.lua:1: unexpected symbol near '+'");
  setenv("ANET_LUA", "", 1); /* as if it were not set */
  CHECK(anet__host_file(L, "lua/anet/text.lua"));
  CHECK(lua_objlen(L, -1) > 100);
  free(large);
  end();
}

TEST(names_of_modules)
{
  begin();
  CHECK_EQ_S(run("return text(package.loaders[2] 'anet.no.such', package.loaders[2] 'anetx', "
                 "package.loaders[2] 'string')"),
             "\n\tno embedded file 'lua/anet/no/such.lua' | nil");
  CHECK_EQ_S(run("return text(type(package.loaders[2] 'anet'), type(package.loaders[2] "
                 "'anet.verb.info'), #package.loaders)"),
             "function | function | 5");
  /* What the program preloads comes first, and folders of the user's after it. */
  CHECK_EQ_S(run("package.preload['anet.text'] = function() return 'preloaded' end "
                 "package.path = folder .. '/?.lua' return text(require 'anet.text', "
                 "debug.getinfo(package.loaders[2] 'anet.json', 'S').source)"),
             "preloaded | @lua/anet/json.lua");
  end();
}

/* ---- files --------------------------------------------------------------------------------- */

TEST(files_are_read_and_written_whole)
{
  begin();
  CHECK_EQ_S(
      run("local p = folder .. '/a' return text(host.exists(p), host.write(p, 'a\\0b'), "
          "host.exists(p), #host.read(p, 3), host.read(p, 3) == 'a\\0b', host.exists(folder))"),
      "false | true | true | 3 | true | true");
  CHECK_EQ_S(run("local p = folder .. '/a' local v, m, c = host.read(p, 2) return text(v, c, "
                 "m:find(p, 1, true) ~= nil)"),
             "nil | range | true");
  CHECK_EQ_S(run("local v, m, c = host.read(folder .. '/none', 9) return text(v, m, c)"),
             "nil | cannot open 'F/none': No such file or directory | io");
  CHECK_EQ_S(run("local v, m, c = host.write(folder .. '/none/b', 'x') return text(v, c, "
                 "host.exists(folder .. '/none'))"),
             "nil | io | false");
  CHECK_EQ_S(run("local v, m, c = host.read(folder, 9) return text(v, c)"), "nil | io");
  CHECK(mkfifo(test_scratch_path(folder, "pipe", (char[SCRATCH_PATH]){0}), 0600) == 0);
  CHECK_EQ_S(run("local v, m, c = host.read(folder .. '/pipe', 9) return text(v, c)"), "nil | io");
  end();
}

TEST(folders_and_those_above_them)
{
  begin();
  CHECK_EQ_S(run("return text(host.make_folder(folder .. '/x/y/z'), host.exists(folder .. "
                 "'/x/y/z'), host.make_folder(folder .. '/x/y/z'), host.make_folder(folder .. "
                 "'/x/v/'), host.exists(folder .. '/x/v'), host.make_folder('/'))"),
             "true | true | true | true | true | true");
  CHECK_EQ_S(run("host.write(folder .. '/file', 'x') return text(host.make_folder(folder .. "
                 "'/file'))"),
             "nil | cannot make the folder 'F/file': Not a directory");
  CHECK_EQ_S(run("return text(host.make_folder(folder .. '/file/x'))"),
             "nil | cannot make the folder 'F/file/x': Not a directory");
  CHECK_EQ_S(run("return text(host.make_folder(folder .. '/file/x/y'))"),
             "nil | cannot make the folder 'F/file/x/y': Not a directory");
  CHECK_EQ_S(run("return text(host.make_folder(''))"),
             "nil | cannot make the folder '': No such file or directory");
  if (chdir(folder)) abort();
  CHECK_EQ_S(run("return text(host.make_folder('here'), host.make_folder('there/too'))"),
             "true | true");
  if (chdir("/")) abort();
  CHECK_EQ_S(run("return text(host.exists(folder .. '/here'), host.exists(folder .. "
                 "'/there/too'))"),
             "true | true");
  end();
}

TEST(what_is_no_terminal_has_no_columns)
{
  int ends[2];
  begin();
  if (pipe(ends)) abort();
  lua_pushinteger(L, ends[0]);
  lua_setglobal(L, "pipe");
  CHECK_EQ_S(run("return text(select('#', host.terminal(pipe)), select('#', host.terminal(200)))"),
             "0 | 0");
  close(ends[0]);
  close(ends[1]);
  end();
}

TEST_MAIN(CASE(embedded_files_are_found_by_their_path), CASE(a_tree_takes_precedence),
          CASE(names_of_modules), CASE(files_are_read_and_written_whole),
          CASE(folders_and_those_above_them), CASE(what_is_no_terminal_has_no_columns))
