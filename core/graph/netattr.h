/* The fields of anet_attr, listed once for all that must walk over them. */
#ifndef ANET_NETATTR_H
#define ANET_NETATTR_H

#include "op/op.h"

/* X(kind, name, count): every field, in the order of the struct. */
#define ANET_ATTR_MAP(X)                                                                           \
  X(INT, kernel, 2)                                                                                \
  X(INT, stride, 2)                                                                                \
  X(INT, dilation, 2)                                                                              \
  X(INT, pad, 4)                                                                                   \
  X(INT, groups, 1)                                                                                \
  X(INT, channels, 1)                                                                              \
  X(INT, bias, 1)                                                                                  \
  X(INT, axis, 1)                                                                                  \
  X(INT, begin, 1)                                                                                 \
  X(INT, size, 1)                                                                                  \
  X(INT, dim, 4)                                                                                   \
  X(INT, mode, 1)                                                                                  \
  X(REAL, epsilon, 1)                                                                              \
  X(REAL, momentum, 1)                                                                             \
  X(REAL, alpha, 1)                                                                                \
  X(REAL, beta, 1)

typedef enum anet__attr_kind { ANET_ATTR_INT, ANET_ATTR_REAL } anet__attr_kind;
typedef struct anet__attr_field {
  const char *name;
  anet__attr_kind kind; /* int32_t or float, both of 4 bytes */
  int32_t count;
  size_t offset;
} anet__attr_field;

enum {
#define X(kind, name, count) ANET_ATTR_FIELD_##name,
  ANET_ATTR_MAP(X)
#undef X
      ANET_ATTR_FIELDS
};
extern const anet__attr_field anet__attr_field_at[ANET_ATTR_FIELDS];

/* ANET_RANGE names a field that is infinite or no number. */
int anet__attr_check(const anet_attr *attr);

#endif
