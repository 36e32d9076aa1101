/*
 * The feed: streams a corpus' samples to trainers, as many as each asked for.
 *
 *     open -> step, step, ... -> close
 *
 * It keeps nothing about training: a client says recipe, options, seed, epoch, start, rank and
 * world in its HELLO, and the answer is a pure function of these and the corpus.  A restarted feed,
 * or another one over the same corpus, goes on wherever a client asks.
 *
 * A client gets one message (about 1 MB) for each credit it gave, clients in turn; one that does
 * not read holds at most its credit of memory and delays nobody.  Whatever a client sends that does
 * not follow docs/feed.md is answered with ERROR and counted.  One thread.  Make it after fork():
 * it owns a ZeroMQ context.
 */
#ifndef SHARDS_FEED_SERVER_H
#define SHARDS_FEED_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct feed_server;

struct feed_server_options {
    const char *corpus;    /* directory */
    const char *address;   /* to bind: "tcp://127.0.0.1:*", "ipc:///..." */
    bool insecure;         /* allow an address that other machines reach */
    unsigned corpus_flags; /* enum corpus_flags */
};

/* E_BUSY, and nothing happens to it, when another feed listens at the address; the errors of
 * corpus_open(), which comes before the bind; E_ARG for an address that may not be bound. */
int feed_server_open(const struct feed_server_options *options,
                     struct feed_server **out) MUST_CHECK;
void feed_server_close(struct feed_server *s);

/* The address that was bound, with its port. */
const char *feed_server_address(const struct feed_server *s);

/* Waits for something to do, at most `wait_ms`, and does one round of it. */
int feed_server_step(struct feed_server *s, int64_t wait_ms) MUST_CHECK;

struct feed_server_counts {
    uint64_t pairs; /* in the corpus */
    uint64_t media;
    uint64_t clients; /* now */
    uint64_t samples; /* sent, since the start */
    uint64_t messages;
    uint64_t bytes;
    uint64_t refused; /* messages answered with ERROR */
};
struct feed_server_counts feed_server_counts(const struct feed_server *s);

#endif
