/* The space of genomes: boundaries between positions are nodes, options are edges over `span`
 * positions, a genome is a path from boundary 0 to boundary `positions`. */
#ifndef ANET_SPACE_H
#define ANET_SPACE_H

#include <stdatomic.h>
#include "anet.h"
#include "base/compiler.h"

enum { ANET_MAX_POSITIONS = 256, ANET_MAX_GENES = 36 };

/* Options sorted by (position, gene); first[p] .. first[p + 1] - 1 are those of position p.
 * Invariants: gene 0 of each position is keep; no option crosses a trunk. */
struct anet_space {
  atomic_int refs;
  int32_t positions;
  int32_t *trunk;      /* (positions) owned */
  anet_option *option; /* (options) owned */
  int32_t options, capacity;
  int32_t *first; /* (positions + 1) owned */
  bool bound;     /* a supernet's: options come with pieces, so only it may add them */
};

/* May the option be added? Nothing is changed. */
int anet__space_check(const anet_space *space, const anet_option *option);
/* Add an option that was checked. */
int anet__space_insert(anet_space *space, const anet_option *option);

/* A natural number in base 10^9, least limb first; enough for ANET_MAX_GENES ^ ANET_MAX_POSITIONS.
 */
enum { ANET_BIG_LIMBS = 45 };
typedef struct anet__big {
  int32_t used; /* limbs above are zero and not read */
  uint32_t limb[ANET_BIG_LIMBS];
} anet__big;

/* Paths from each boundary to the end: (positions + 1), the caller frees. */
int anet__space_paths(const anet_space *space, anet__big **out);

/* The options that end at each boundary, by (position, gene): edges of boundary b are
 * option[first[b]] .. option[first[b + 1] - 1]. */
typedef struct anet__arrivals {
  int32_t *first;  /* (positions + 2) owned */
  int32_t *option; /* (options) owned */
} anet__arrivals;
int anet__arrivals_new(const anet_space *space, anet__arrivals *out);
void anet__arrivals_free(anet__arrivals *arrivals);

/* A limit on labels, for callers that must not be held up or fill the memory: `charge` is asked
 * while labels are made, with how many were looked at since it was last asked and the bytes that
 * all now take. false ends the search with ANET_RANGE. */
typedef struct anet__meter {
  bool (*charge)(void *data, double labels, double bytes);
  void *data;
} anet__meter;

/* A list that doubles is beside its next self while it is copied. */
enum { ANET_GROWING = 3 };

/* The best ways to reach a boundary: no label of one boundary has less of cost and no more of
 * damage than another, or the other way round. */
typedef struct anet__label {
  double cost, damage; /* summed from the first position on */
  int32_t parent;      /* label that it came from; -1: the start */
  int32_t option;      /* the option that ends it; -1: the start */
} anet__label;

/* Labels of boundary b are label[first[b]] .. label[first[b + 1] - 1], sorted by rising cost and
 * falling damage; only those with cost <= limit. */
typedef struct anet__labels {
  anet__label *label; /* owned */
  int32_t count, capacity;
  int32_t *first; /* (positions + 2) owned */
} anet__labels;

/* Checks the figures (finite, costs not negative; options each) and labels all boundaries. meter:
 * may be NULL. */
int anet__labels_new(const anet_space *space, const anet__arrivals *arrivals, const double *cost,
                     const double *damage, double limit, const anet__meter *meter,
                     anet__labels *out);
void anet__labels_free(anet__labels *labels);

/* Charges what was looked at and is held; NULL meter: nothing. ANET_RANGE: over the limit. */
int anet__meter_charge(const anet__meter *meter, double labels, double bytes);

/* anet_space_front and anet_space_best under a limit. */
int anet__space_front(const anet_space *space, const double *cost, const double *damage,
                      const anet__meter *meter, anet_front **out);
int anet__space_best(const anet_space *space, const double *cost, const double *damage,
                     double budget, int32_t k, const anet__meter *meter, uint8_t *genomes,
                     int32_t *found);

#endif
