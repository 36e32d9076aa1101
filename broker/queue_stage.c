/* Staging: the one place where "worked on twice" becomes "in the corpus once". */
#include "broker/queue_internal.h"

static int stale(const struct id *medium, uint64_t token)
{
    char hex[ID_HEX];
    id_to_hex(medium, hex);
    return err_set(E_STALE_LEASE, "lease %llu of medium %.16s is over; its records do not count",
                   (unsigned long long)token, hex);
}

/* How many of the outcomes are still to be applied; E_STALE_LEASE when one was decided otherwise.
 */
static int count_open(struct queue *q, const struct id *medium, uint64_t token, uint64_t shard,
                      const struct pair_outcome *outcomes, size_t n, size_t *open)
{
    *open = 0;
    for (size_t i = 0; i < n; i++) {
        struct pair_row row;
        const int rc = queue_get_pair(q, &outcomes[i].pair, &row);
        if (rc == E_NOT_FOUND || (rc == 0 && !id_equal(&row.medium, medium))) {
            return err_set(E_PEER, "outcome %zu of a job is about a pair that is not of its medium",
                           i);
        }
        if (rc) {
            return rc;
        }
        if (row.state == PAIR_PENDING || row.state == PAIR_LEASED) {
            ++*open;
            continue;
        }
        const bool landed =
            (row.state == PAIR_STAGED || row.state == PAIR_DONE) && row.shard == shard;
        if (outcomes[i].state == PAIR_STAGED ? !landed : row.state != outcomes[i].state) {
            return stale(medium, token);
        }
    }
    return 0;
}

static int check_shard_open(struct queue *q, uint64_t shard)
{
    unsigned char key[8];
    struct view v;
    put_be64(key, shard);
    const int rc = queue_get(q, q->shards, view_of(key, sizeof key), &v);
    if (rc == E_NOT_FOUND) {
        return err_set(E_PEER, "there is no shard %llu", (unsigned long long)shard);
    }
    if (rc == 0 && (v.n < 1 || *(const unsigned char *)v.p != SHARD_OPEN)) {
        return err_set(E_SHARD_LOST, "shard %llu is no longer open", (unsigned long long)shard);
    }
    return rc;
}

static int apply_outcomes(struct queue *q, const struct id *medium, struct medium_row *row,
                          uint64_t shard, const struct pair_outcome *outcomes, size_t n,
                          size_t *staged)
{
    *staged = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct pair_outcome *o = &outcomes[i];
        const bool lands = o->state == PAIR_STAGED;
        rc = queue_move_pair(q, &o->pair, o->state, o->reason, o->detail, lands ? shard : 0);
        if (rc == 0 && !lands) {
            rc = queue_unwant(q, medium, row, &o->pair);
        }
        *staged += lands;
    }
    return rc;
}

/* Ends the lease, or the place among the ready or delayed jobs that an expired lease's job has. */
static int leave_place(struct queue *q, const struct id *medium, const struct medium_row *row)
{
    unsigned char place[8];
    switch (row->state) {
    case MEDIUM_LEASED:
        lease_drop(q, medium);
        return queue_del(q, q->leases, view_of(medium->b, ID_BYTES));
    case MEDIUM_READY:
        put_be64(place, row->place);
        q->n.counts.ready_jobs--;
        return queue_del(q, q->ready, view_of(place, sizeof place));
    default: return err_set(E_STALE_LEASE, "the job is neither leased nor ready");
    }
}

static int mark_staged(struct queue *q, const struct id *medium, struct medium_row *row,
                       uint64_t shard, bool has_visual)
{
    unsigned char key[8 + ID_BYTES];
    unsigned char token[8];
    put_be64(key, shard);
    memcpy(key + 8, medium->b, ID_BYTES);
    put_le64(token, row->token);
    row->state = MEDIUM_STAGED;
    row->shard = shard;
    row->adds_visual = has_visual;
    row->attempts = 0;
    row->kills = 0;
    const int rc = queue_put(q, q->staged, view_of(key, sizeof key), view_of(token, sizeof token));
    return rc ? rc : queue_put_medium(q, medium, row);
}

static int check_outcomes(const struct pair_outcome *outcomes, size_t n)
{
    if (n == 0 || n > QUEUE_JOB_TEXTS_MAX) {
        return err_set(E_PEER, "a job ends with %zu outcomes; 1 to %d are possible", n,
                       QUEUE_JOB_TEXTS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const enum pair_state s = outcomes[i].state;
        if (s != PAIR_STAGED && s != PAIR_FILTERED && s != PAIR_QUARANTINED) {
            return err_set(E_PEER, "outcome %zu of a job is no end state", i);
        }
        for (size_t k = 0; k < i; k++) {
            if (id_equal(&outcomes[k].pair, &outcomes[i].pair)) {
                return err_set(E_PEER, "outcomes %zu and %zu of a job are of the same pair", k, i);
            }
        }
    }
    return 0;
}

int queue_stage(struct queue *q, const struct id *medium, uint64_t token, uint64_t shard,
                bool has_visual, const struct pair_outcome *outcomes, size_t n)
{
    struct medium_row row;
    char locator[QUEUE_LOCATOR_MAX];
    size_t open = 0;
    size_t staged = 0;
    int rc = check_outcomes(outcomes, n);
    rc = rc ? rc : queue_begin(q);
    rc = rc ? rc : queue_get_medium(q, medium, &row);
    if (rc) {
        return rc == E_NOT_FOUND ? err_set(E_PEER, "a worker staged a medium that nobody ingested")
                                 : rc;
    }
    if (row.token != token) {
        return stale(medium, token);
    }
    rc = count_open(q, medium, token, shard, outcomes, n, &open);
    if (rc || open == 0) {
        return rc;
    }
    /* An expired lease whose job nobody took since may still stage: the token says so. */
    if (open != n || (row.state != MEDIUM_LEASED && row.state != MEDIUM_READY)) {
        return stale(medium, token);
    }
    rc = check_shard_open(q, shard);
    if (rc) {
        return rc;
    }
    medium_keep_locator(&row, locator);
    rc = leave_place(q, medium, &row);
    rc = rc ? rc : apply_outcomes(q, medium, &row, shard, outcomes, n, &staged);
    rc = rc ? rc : queue_unlease_pairs(q, medium); /* those that the worker did not mention */
    if (rc) {
        return rc;
    }
    return staged ? mark_staged(q, medium, &row, shard, has_visual)
                  : queue_make_ready(q, medium, &row);
}
