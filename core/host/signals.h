/* What Ctrl-C does to the command: functions of "anet.host". */
#ifndef ANET_SIGNALS_H
#define ANET_SIGNALS_H

#include <lua.h>

void anet__signals_open(lua_State *L); /* adds them to the table on top */

/* The status of the command: its own, or, where that is 0 but a signal came before the end, the
 * signal's. */
int anet__signals_status(int status);

#endif
