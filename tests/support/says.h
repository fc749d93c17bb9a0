/* Messages word for word: numbers that change places would still be found by CHECK_FAILS. */
#ifndef ANET_SAYS_H
#define ANET_SAYS_H

#include "support/test.h"

#define CHECK_SAYS(call, status, message)                                                          \
  do {                                                                                             \
    CHECK_FAILS(call, status, "");                                                                 \
    CHECK_EQ_S(anet_error(), message);                                                             \
  } while (0)

#endif
