/* Line editing for the REPL: the module "anet.edit", an empty table where the build has no libedit.
 */
#ifndef ANET_REPL_H
#define ANET_REPL_H

#include <lua.h>

void anet__repl_open(lua_State *L);

#endif
