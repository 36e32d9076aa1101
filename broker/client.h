/*
 * A client of the broker: one question, one answer.
 *
 * A question that stays without an answer is asked again on a new connection (so that an old answer
 * cannot be taken for a new one) until the deadline; every verb asked this way can safely be
 * applied twice.  One thread.
 */
#ifndef BROKER_CLIENT_H
#define BROKER_CLIENT_H

#include "common/wire.h"

struct client {
    void *ctx;
    void *socket;
    char address[512];
    int64_t deadline_ms; /* how long one question may take in all; default 30 s */
    struct wire_out out; /* wire_begin(&c->out, "STATUS"), then client_ask() */
};

int client_open(struct client *c, const char *address) MUST_CHECK;
void client_close(struct client *c);

/* Sends c->out with at most one payload frame (NULL: none) and waits for the answer.  An ERROR
 * answer comes back as its code, with its text as the sentence.  E_TIMEOUT when no broker answered.
 * Release `in` whatever was returned. */
int client_ask(struct client *c, const struct view *payload, struct wire_in *in) MUST_CHECK;

/* An ERROR message as its code, with its text as the sentence. */
int client_error(const struct wire_in *in) MUST_CHECK;

#endif
