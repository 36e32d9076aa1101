/*
 * The outbox: answers that wait for the commit.  A message is begun, filled, given its payload, and
 * goes out with outbox_flush(); outbox_clear() forgets them all.  Memory is kept for the next
 * round.
 */
#ifndef BROKER_OUTBOX_H
#define BROKER_OUTBOX_H

#include "common/wire.h"

struct letter {
    struct wire_peer peer;
    struct wire_out out;
    struct buf payload;
    bool has_payload;
};

struct outbox {
    struct letter *letters;
    size_t n;
    size_t room;
};

void outbox_release(struct outbox *box);

/* A new answer; fill letter->out with wire_put_*(); NULL out of memory. */
struct letter *outbox_begin(struct outbox *box, const struct wire_peer *peer, const char *verb);

/* Gives the letter one payload frame, copied. */
int letter_set_payload(struct letter *letter, struct view payload) MUST_CHECK;

/* Sends everything.  `lost` is called for each letter whose peer is gone or does not read. */
void outbox_flush(struct outbox *box, void *socket,
                  void (*lost)(void *arg, const struct letter *, int rc), void *arg);

#endif
