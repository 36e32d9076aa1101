/*
 * A compute process: leases jobs, keeps one in the decoder while it grinds another, and stages the
 * results.
 */
#ifndef WORKERS_COMPUTE_H
#define WORKERS_COMPUTE_H

#include "workers/models.h"

/* Runs in a forked child until SIGTERM, SIGINT or the broker's QUIET.  Returns 0 after an orderly
 * end. */
int compute_run(const struct worker_options *options, const struct models *models) MUST_CHECK;

#endif
