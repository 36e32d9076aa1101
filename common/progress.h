/*
 * Progress for a person: one line on standard error with count, rate and ETA, redrawn in place on a
 * terminal and printed every ten seconds otherwise; nothing for work that ends within two seconds.
 */
#ifndef COMMON_PROGRESS_H
#define COMMON_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "pairs"; borrowed */
    uint64_t total;   /* 0 = unknown: no ETA */
    uint64_t first;   /* done before this run began, left out of the rate */
    double start_s;
    double next_s;
    bool tty;
    bool shown;
};

void progress_init(struct progress *p, const char *what, uint64_t done, uint64_t total);

/* `detail` ("2 in quarantine") may be NULL. */
void progress_update(struct progress *p, uint64_t done, uint64_t total, const char *detail);

/* Ends the line, if one was shown. */
void progress_end(struct progress *p);

#endif
