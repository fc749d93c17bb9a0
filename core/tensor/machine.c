/* The public questions about the machine that only the kernels can answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anet.h"
#include "base/error.h"
#include "kernel/kernel.h"

const char *anet_isa(void)
{
  return anet__isa_name(anet__kernels_best()->isa);
}

/* "ref, sse2, avx2" */
static void list_isas(char *text, size_t size)
{
  size_t used = 0;
  text[0] = 0;
  for (int32_t i = 0; anet_isa_at(i) && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", anet_isa_at(i));
}

int anet_isa_check(void)
{
  char known[64];
  const char *wanted = getenv("ANET_ISA");
  if (!wanted || !*wanted || strcmp(wanted, anet_isa()) == 0) return ANET_OK;
  list_isas(known, sizeof known);
  return anet_fail(ANET_ABSENT, "ANET_ISA: this machine or build has no '%s' (there are %s)",
                   wanted, known);
}
