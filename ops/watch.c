#include "ops/watch.h"

#include <stdio.h>

static int get_counts(const struct wire_map *m, struct queue_counts *c)
{
    int rc = wire_get_u64(m, "ingested", &c->ingested);
    for (int s = 0; rc == 0 && s < PAIR_STATES; s++) {
        rc = wire_get_u64(m, pair_state_name((enum pair_state)s), &c->pairs[s]);
    }
    rc = rc ? rc : wire_get_u64(m, "media", &c->media);
    rc = rc ? rc : wire_get_u64(m, "ready_jobs", &c->ready_jobs);
    rc = rc ? rc : wire_get_u64(m, "shards_open", &c->shards_open);
    return rc ? rc : wire_get_u64(m, "shards_sealed", &c->shards_sealed);
}

int watch_status(struct client *c, struct broker_status *out)
{
    struct wire_in in;
    *out = (struct broker_status){0};
    wire_begin(&c->out, "STATUS");
    int rc = client_ask(c, NULL, &in);
    rc = rc ? rc : get_counts(&in.header, &out->counts);
    rc = rc ? rc : wire_get_bool(&in.header, "identity", &out->identity);
    rc = rc ? rc : wire_get_u64(&in.header, "workers", &out->workers);
    wire_in_release(&in);
    return rc;
}

int watch_say(struct client *c, const char *verb)
{
    struct wire_in in;
    wire_begin(&c->out, verb);
    const int rc = client_ask(c, NULL, &in);
    wire_in_release(&in);
    return rc;
}

uint64_t watch_ended(const struct queue_counts *c)
{
    return c->pairs[PAIR_DONE] + c->pairs[PAIR_DUPLICATE] + c->pairs[PAIR_FILTERED] +
           c->pairs[PAIR_EXCLUDED] + c->pairs[PAIR_QUARANTINED];
}

void watch_print_identity(const struct queue_counts *c)
{
    printf("%llu ingested", (unsigned long long)c->ingested);
    for (int s = 0; s < PAIR_STATES; s++) {
        printf(" %c %llu %s", s ? '+' : '=', (unsigned long long)c->pairs[s],
               pair_state_name((enum pair_state)s));
    }
    printf("\n");
}
