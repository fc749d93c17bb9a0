/* Which method a step is run by. Where there are several, they are tried once on this machine, and
 * the choice is kept in a small text file, a line a shape, so that the next plan, and the next
 * program, chooses alike. Without the file the ops' own estimates decide.
 *
 * The environment's ANET_TUNE is the file's path, or "off"; else it is anet/methods.tsv in
 * XDG_CACHE_HOME or in ~/.cache. A file that cannot be written means: off. */
#ifndef ANET_TUNE_H
#define ANET_TUNE_H

#include "plan/plan.h"

typedef struct anet__tune {
  char path[512];    /* "" : off */
  char machine[300]; /* of this machine: the head of its lines */
  char *known;       /* the file's text */
} anet__tune;

void anet__tune_open(anet__tune *tune);
/* The choice depends on the step's shapes alone, not on a batch: what runs with one batch has the
 * bits of what runs with another. */
anet__method anet__tune_choose(anet__tune *tune, const anet__step *step);
void anet__tune_close(anet__tune *tune);

#endif
