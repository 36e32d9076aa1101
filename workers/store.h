/* The directory that a worker's shards go to. */
#ifndef WORKERS_STORE_H
#define WORKERS_STORE_H

#include "common/err.h"
#include "common/id.h"

/* Makes sure that the shards in `dir` are those of this queue, whose numbers they bear: a store
 * belongs to the first queue whose worker comes, as its file queue.id tells.  E_ARG when it is
 * another's, E_SYSTEM. */
int store_claim(const char *dir, const struct id *queue) MUST_CHECK;

#endif
