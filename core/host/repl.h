/* Line editing for the REPL: the module "anet.edit", where the build has libedit. */
#ifndef ANET_REPL_H
#define ANET_REPL_H

#include <lua.h>

void anet__repl_open(lua_State *L);

#endif
