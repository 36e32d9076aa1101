/*
 * Ingest: reads a source, names each medium by its bytes, and puts the items into the broker's
 * queue.
 *
 * Running it again over the same source changes nothing: the broker recognises every item.  An item
 * over a limit of the queue is put as a problem, so that it costs no other.  While the broker takes
 * nothing, ingest waits, and says why.
 */
#ifndef WORKERS_INGEST_H
#define WORKERS_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct ingest_options {
    const char *broker; /* address */
    const char *source;
    const char *images; /* or NULL */
    bool progress;      /* show it on standard error */
};

struct ingest_counts {
    uint64_t items;
    uint64_t fresh; /* pending now */
    uint64_t known;
    uint64_t duplicate;
    uint64_t quarantined;
};

/* What was counted up to an error is in `counts` and safe in the queue. */
int ingest_run(const struct ingest_options *options, struct ingest_counts *counts) MUST_CHECK;

#endif
