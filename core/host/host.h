/* What the engine's Lua code asks of C beyond the FFI face: the module "anet.host". */
#ifndef ANET_HOST_MODULE_H
#define ANET_HOST_MODULE_H

#include <lua.h>
#include <stdbool.h>

/* Push the text of a Lua file by its path in the source tree: from the folder that ANET_LUA of the
 * environment names, else from those inside the library. false and nothing pushed: none. */
bool anet__host_file(lua_State *L, const char *path);

/* Make require "anet.x" find the embedded files, and "anet.host" the functions of host.c. */
void anet__host_open(lua_State *L);
void anet__sandbox_open(lua_State *L); /* the function "anet.native_sandbox"; called by the above */

#endif
