/*
 * A worker: a supervisor that opens the models once and forks one compute process a core; each
 * leases jobs from the broker, grinds them into records and stages these in a shard of its own.
 *
 * The children share the models' memory.  One that dies is reported to the broker and started
 * again, ever more slowly while it keeps dying.  SIGTERM or SIGINT: finish what is in hand, give
 * the rest back, seal, go.
 */
#ifndef WORKERS_WORKER_H
#define WORKERS_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct worker_options {
    const char *broker;       /* address */
    const char *store;        /* directory for shards; made when missing */
    const char *model;        /* detector's .safetensors */
    const char *parser_model; /* scene-graph parser's */
    const char *vocabulary;   /* WordPiece vocab.txt; NULL: the built-in one */
    unsigned processes;
    uint64_t seal_bytes;
    bool half_features; /* store features in half precision */
    bool soft_labels;   /* store the class distribution of every region */
};

struct worker_options worker_default_options(void);

/* Runs until it is told to stop or, after an operator's STOP, until there is nothing left to do.
 * E_VERSION when a compute process was refused for its version. */
int worker_run(const struct worker_options *options) MUST_CHECK;

#endif
