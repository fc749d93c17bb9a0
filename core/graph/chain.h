/* A net cut into chains of steps, each with a letter that says what it does. */
#ifndef ANET_CHAIN_H
#define ANET_CHAIN_H

#include "graph/flow.h"

/* X(NAME, letter): letters are what the patterns of blocks.c are written in. */
#define ANET_TOKEN_MAP(X)                                                                          \
  X(POINT, 'p')   /* 1x1 convolution */                                                            \
  X(SPATIAL, 'c') /* any other convolution */                                                      \
  X(DEPTHWISE, 'd')                                                                                \
  X(NORM, 'n')                                                                                     \
  X(ACTIVATION, 'a')                                                                               \
  X(GATE, 's')   /* region: a value times what is made of it */                                    \
  X(SUM, '+')    /* region that ends in an addition */                                             \
  X(CONCAT, '|') /* region that ends in a concatenation */                                         \
  X(PASS, 'i')   /* padding, dropout, identity: patterns pass over it */                           \
  X(OTHER, '?')
typedef enum anet__token {
#define X(name, letter) ANET_TOKEN_##name = letter,
  ANET_TOKEN_MAP(X)
#undef X
} anet__token;

typedef struct anet__item {
  int32_t entry, exit; /* values; the entry is the exit of the item before */
  anet__token token;
  bool joined; /* nobody but this item reads its entry */
  int32_t passed; /* how many items from this one on patterns pass over; -1: to the end of what is joined */
} anet__item;

/* Every node but inputs is in at most one item: those that are in none join several branches of
 * which no one value dominates a closed region. */
typedef struct anet__chains {
  anet__item *item; /* owned */
  int32_t *first;   /* (count + 1) items of chain c are first[c] .. first[c + 1] - 1; owned */
  int32_t count;
} anet__chains;

int anet__chains_find(anet__flow *flow, anet__chains *out);
void anet__chains_free(anet__chains *chains);

bool anet__op_activates(anet__op_id op);
bool anet__op_convolves(anet__op_id op);          /* conv, depthwise, linear */
bool anet__node_widens(const anet__node *node);   /* a pad that adds channels */
bool anet__node_is_point(const anet__node *node); /* 1x1 convolution, one group */

#endif
