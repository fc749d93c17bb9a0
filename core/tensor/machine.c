/* The public questions about the machine that only the kernels can answer. */
#include <stdlib.h>
#include <string.h>

#include "anet.h"
#include "base/error.h"
#include "kernel/kernel.h"

const char *anet_isa(void)
{
  return anet__isa_name(anet__kernels_best()->isa);
}

int anet_isa_check(void)
{
  const char *wanted = getenv("ANET_ISA");
  if (!wanted || !*wanted || strcmp(wanted, anet_isa()) == 0) return ANET_OK;
  return anet_fail(ANET_ABSENT, "ANET_ISA: this machine or build has no '%s', using '%s'", wanted,
                   anet_isa());
}
