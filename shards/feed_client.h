/*
 * The feed's client: one rank's samples of one epoch, in order, each exactly once.
 *
 *     open, or begin -> welcome -> next, next, ... -> close
 *
 * Every wait has a deadline: a feed that is gone is an error, never a hang.  A feed that is
 * restarted (or replaced by another over the same corpus) within the deadline is noticed, and the
 * client goes on from its next position.  Network and disk run ahead by the credit; decoding
 * happens in feed_client_next().
 *
 * One thread at a time; only the `cancel` flag may be set by another.  Make it after fork(): it
 * owns a ZeroMQ context.
 */
#ifndef SHARDS_FEED_CLIENT_H
#define SHARDS_FEED_CLIENT_H

#include <stdatomic.h>

#include "recipes/recipe.h"

struct feed_client;

struct feed_client_options {
    const char *address;
    const char *recipe;
    const char *options; /* of the recipe: "name=value,..." */
    uint64_t seed;
    uint32_t epoch;
    uint64_t start; /* position in the epoch's global sequence */
    uint32_t rank;
    uint32_t world;
    uint32_t credit;     /* messages in flight, about 1 MB each; 4 to 16 is enough */
    int64_t timeout_ms;  /* of each wait */
    atomic_bool *cancel; /* NULL, or: set by another thread, ends every wait with E_INTERRUPTED */
};

/* Begins to connect and waits for nothing: what the feed says of its samples is known after
 * feed_client_welcome().  E_ARG. */
int feed_client_begin(const struct feed_client_options *o, struct feed_client **out) MUST_CHECK;

/* Waits for the feed's welcome.  E_TIMEOUT, E_INTERRUPTED; E_ARG when the feed refuses recipe,
 * options or start; E_VERSION when it speaks another protocol. */
int feed_client_welcome(struct feed_client *c) MUST_CHECK;

/* Both. */
int feed_client_open(const struct feed_client_options *o, struct feed_client **out) MUST_CHECK;
void feed_client_close(struct feed_client *c);

/* Positions in the epoch, over all ranks. */
uint64_t feed_client_total(const struct feed_client *c);

const struct recipe_context *feed_client_context(const struct feed_client *c);

/* The position of the next sample; at or above the total: there is none. */
uint64_t feed_client_position(const struct feed_client *c);

/* The next sample into *out: 1; 0 at the end of the epoch; or an error, after which only close may
 * follow.  E_TIMEOUT, E_CHECKSUM, E_PEER, E_INTERRUPTED. */
int feed_client_next(struct feed_client *c, struct sample *out) MUST_CHECK;

#endif
