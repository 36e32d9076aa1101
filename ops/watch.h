/*
 * What a broker says about itself, for commands that show or wait for it.
 */
#ifndef OPS_WATCH_H
#define OPS_WATCH_H

#include "broker/client.h"
#include "broker/queue.h"

struct broker_status {
    struct queue_counts counts;
    bool identity;
    uint64_t workers;
};

/* Asks for STATUS. */
int watch_status(struct client *c, struct broker_status *out) MUST_CHECK;

/* Asks a verb that is answered OK: FLUSH, STOP. */
int watch_say(struct client *c, const char *verb) MUST_CHECK;

/* Pairs that have reached an end state. */
uint64_t watch_ended(const struct queue_counts *c);

/* "795 ingested = 0 pending + 0 leased + ..." */
void watch_print_identity(const struct queue_counts *c);

#endif
