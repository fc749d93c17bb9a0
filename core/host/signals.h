/* What Ctrl-C does to the command: functions of "anet.host". */
#ifndef ANET_SIGNALS_H
#define ANET_SIGNALS_H

#include <lua.h>
#include <stdint.h>

void anet__signals_open(lua_State *L); /* adds them to the table on top */

/* Not 0 once a signal came that the command catches. */
const volatile int32_t *anet__signals_flag(void);

/* At the end: the command's status; that of a signal, where all went well before one came. From
 * here on a signal ends the process at once. */
int anet__signals_end(int status);

#endif
