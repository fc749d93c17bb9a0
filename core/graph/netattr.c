#include "graph/netattr.h"

#include <math.h>

#include "base/error.h"

const anet__attr_field anet__attr_field_at[ANET_ATTR_FIELDS] = {
#define X(kind, name, count) {#name, ANET_ATTR_##kind, count, offsetof(anet_attr, name)},
    ANET_ATTR_MAP(X)
#undef X
};

#define X(kind, name, count) +(count)
_Static_assert(sizeof(anet_attr) == 4 * (0 ANET_ATTR_MAP(X)),
               "the map has every field of anet_attr");
#undef X

int anet__attr_check(const anet_attr *attr)
{
  for (int32_t f = 0; f < ANET_ATTR_FIELDS; f++) {
    const anet__attr_field *field = &anet__attr_field_at[f];
    const float *value = (const float *)((const char *)attr + field->offset);
    for (int32_t i = 0; field->kind == ANET_ATTR_REAL && i < field->count; i++)
      if (!isfinite(value[i]))
        return anet_fail(ANET_RANGE, "%s is %g, want a finite number", field->name, value[i]);
  }
  return ANET_OK;
}
