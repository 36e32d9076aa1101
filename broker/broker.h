/*
 * The broker: the queue's ZeroMQ face.  Ingest clients put items, workers get jobs by credit and
 * stage what they made of them, operators ask and steer.  docs/protocol.md specifies every verb.
 *
 * One thread, one ROUTER socket, one queue file.  Whatever messages have arrived are applied
 * together in one transaction; their answers go out after the commit (group commit without a
 * timer).
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "broker/queue.h"

enum { PROTOCOL_VERSION = 2 };

struct broker_options {
    const char *corpus;       /* directory of queue.mdb and catalog.json; made when missing */
    const char *const *binds; /* addresses */
    size_t bind_count;
    bool insecure; /* allow a bind that other machines can reach */
    struct queue_options queue;
    int64_t beat_ms;         /* how often workers are to show that they are alive */
    int64_t idle_seal_ms;    /* open shards are sealed when nothing was to do for so long */
    uint64_t min_free_bytes; /* below this much free disk, ingest is answered BUSY */
};

struct broker_options broker_default_options(void);

#define QUEUE_FILE "queue.mdb"

/* Runs until SIGTERM, SIGINT or an operator's STOP.  On the way out leases stay as they are:
 * workers may still stage when the broker is back.  `ready` (may be NULL) is called once with the
 * first bound address. */
int broker_run(const struct broker_options *options, void (*ready)(const char *address)) MUST_CHECK;

#endif
