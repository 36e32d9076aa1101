/*
 * What feed and client say to each other: the numbers of the protocol, and the SAMPLES message.
 * docs/feed.md specifies every verb.
 *
 * SAMPLES carries planned samples: for each the pair's record, the drawn plan and a reference to
 * the visual record, which is in the message once however many of its samples use it.  Records
 * travel as stored values (shards/value.h), with their checksums.
 */
#ifndef SHARDS_FEED_MESSAGE_H
#define SHARDS_FEED_MESSAGE_H

#include "common/wire.h"
#include "recipes/recipe.h"

enum {
    FEED_PROTOCOL = 1,
    FEED_MESSAGE_BYTES = 1 << 20, /* a message is sent once it holds so much */
    FEED_MESSAGE_SAMPLES = 128,
    FEED_PLANS_MAX = 32 << 20, /* bytes of the plans and pair records of a message */
    FEED_CREDIT_MAX = 64,      /* messages a client may have in flight */
    FEED_WORLD_MAX = 1 << 20,
    FEED_SESSION_MS = 60000, /* a client that is silent for so long is forgotten */
};

#define FEED_HELLO   "HELLO"
#define FEED_WELCOME "WELCOME"
#define FEED_CREDIT  "CREDIT"
#define FEED_SAMPLES "SAMPLES"
#define FEED_END     "END"
#define FEED_ERROR   "ERROR"
#define FEED_PING    "PING"
#define FEED_PONG    "PONG"

/* ---- writing SAMPLES ---- */

struct feed_writer {
    struct wire_list_out plans;
    struct view frames[WIRE_PAYLOAD_FRAMES_MAX]; /* [0] the plans, then visual records */
    uint64_t media[WIRE_PAYLOAD_FRAMES_MAX];     /* whose visual record a frame is */
    size_t frame_count;
    size_t bytes;
    uint64_t first; /* position of the first sample */
    uint32_t samples;
};

void feed_writer_begin(struct feed_writer *w);
void feed_writer_release(struct feed_writer *w);

/* Whether the message is due to be sent. */
bool feed_writer_full(const struct feed_writer *w);

/* Adds a sample; plan->medium says which visual record `visual` is.  `visual` must stay valid until
 * the message is sent, `pair` is copied.  Errors stick until feed_writer_end(). */
void feed_writer_add(struct feed_writer *w, const struct plan *plan, struct view pair,
                     struct view visual);

/* The payload frames, valid until the next begin. */
int feed_writer_end(struct feed_writer *w, const struct view **frames, size_t *n) MUST_CHECK;

/* ---- reading SAMPLES ---- */

struct feed_reader {
    const struct wire_in *in;
    struct wire_list plans;
    size_t samples;
    bool open;
};

struct feed_sample {
    struct plan plan;   /* without `medium`, which means nothing to a client */
    struct view pair;   /* stored value; both borrowed from the message */
    struct view visual; /* stored value */
    size_t frame;       /* of the visual record: equal frames, equal records */
};

/* Reads the list; release whatever is returned.  E_PEER. */
int feed_reader_init(struct feed_reader *r, const struct wire_in *in) MUST_CHECK;
void feed_reader_release(struct feed_reader *r);

/* Sample i < r->samples.  E_PEER when it does not follow the format. */
int feed_reader_sample(const struct feed_reader *r, size_t i, const struct recipe *recipe,
                       struct feed_sample *out) MUST_CHECK;

/* The special ids of a vocabulary in a header. */
void feed_put_wordpiece(struct wire_out *out, const struct wordpiece_ids *ids);
int feed_get_wordpiece(const struct wire_map *m, struct wordpiece_ids *ids) MUST_CHECK;

/* A whole number up to `max`; E_PEER. */
int feed_get_u32(const struct wire_map *m, const char *key, uint64_t max, uint32_t *v) MUST_CHECK;

#endif
