/* What the queue tells people: counts, a recount, and the pairs in a state. */
#include "broker/queue_internal.h"

struct queue_counts queue_counts(const struct queue *q)
{
    return q->n.counts;
}

bool queue_identity_holds(const struct queue_counts *c)
{
    uint64_t sum = 0;
    for (int s = 0; s < PAIR_STATES; s++) {
        sum += c->pairs[s];
    }
    return sum == c->ingested;
}

typedef int (*row_fn)(struct view key, struct view value, void *arg);

/* From the first row whose key is greater than `after`; NULL: from the beginning. */
static int each_row_after(struct queue *q, MDB_dbi dbi, const struct id *after, row_fn each,
                          void *arg)
{
    MDB_cursor *cursor = NULL;
    int rc = queue_begin(q);
    rc = rc ? rc : queue_mdb(mdb_cursor_open(q->txn, dbi, &cursor), "open a cursor");
    MDB_val key = {ID_BYTES, after ? (void *)after->b : NULL};
    MDB_val value;
    MDB_cursor_op op = after ? MDB_SET_RANGE : MDB_NEXT;
    for (; rc == 0 && mdb_cursor_get(cursor, &key, &value, op) == 0; op = MDB_NEXT) {
        const bool itself = op == MDB_SET_RANGE && key.mv_size == ID_BYTES &&
                            memcmp(key.mv_data, after->b, ID_BYTES) == 0;
        rc = itself ? 0
                    : each(view_of(key.mv_data, key.mv_size), view_of(value.mv_data, value.mv_size),
                           arg);
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    return rc;
}

static int each_row(struct queue *q, MDB_dbi dbi, row_fn each, void *arg)
{
    return each_row_after(q, dbi, NULL, each, arg);
}

static int count_item(struct view key, struct view value, void *arg)
{
    (void)key;
    struct queue_counts *c = arg;
    c->ingested++;
    c->pairs[PAIR_DUPLICATE] += value.n && *(const unsigned char *)value.p;
    return 0;
}

static int count_pair(struct view key, struct view value, void *arg)
{
    (void)key;
    struct queue_counts *c = arg;
    const unsigned char state = *(const unsigned char *)value.p;
    if (state >= PAIR_STATES) {
        return err_set(E_STORAGE, "the queue file holds a damaged row of a pair");
    }
    c->pairs[state]++;
    return 0;
}

static int count_one(struct view key, struct view value, void *arg)
{
    (void)key;
    (void)value;
    ++*(uint64_t *)arg;
    return 0;
}

static int count_shard(struct view key, struct view value, void *arg)
{
    (void)key;
    struct queue_counts *c = arg;
    const unsigned char state = *(const unsigned char *)value.p;
    c->shards_open += state == SHARD_OPEN;
    c->shards_sealed += state == SHARD_SEALED;
    return 0;
}

int queue_recount(struct queue *q, struct queue_counts *out)
{
    *out = (struct queue_counts){0};
    int rc = each_row(q, q->items, count_item, out);
    rc = rc ? rc : each_row(q, q->pairs, count_pair, out);
    rc = rc ? rc : each_row(q, q->media, count_one, &out->media);
    rc = rc ? rc : each_row(q, q->ready, count_one, &out->ready_jobs);
    return rc ? rc : each_row(q, q->shards, count_shard, out);
}

struct each_pair {
    struct queue *q;
    enum pair_state state;
    pair_fn each;
    void *arg;
};

static int report_pair(struct view key, struct view value, void *arg)
{
    const struct each_pair *e = arg;
    if (*(const unsigned char *)value.p != e->state) {
        return 0;
    }
    struct pair_report report = {.state = e->state};
    struct pair_row row;
    memcpy(report.pair.b, key.p, ID_BYTES);
    const int rc = queue_get_pair(e->q, &report.pair, &row);
    report.medium = row.medium;
    report.reason = row.reason;
    report.detail = row.detail;
    report.blob = row.blob;
    return rc ? rc : e->each(&report, e->arg);
}

int queue_each_pair(struct queue *q, enum pair_state state, const struct id *after, pair_fn each,
                    void *arg)
{
    struct each_pair e = {q, state, each, arg};
    return each_row_after(q, q->pairs, after, report_pair, &e);
}

/* ------------------------------------------------------------------ a second chance */

struct retry {
    struct queue *q;
    int reason;
    struct buf pairs;
};

/* What was wrong with the text or its source when it was ingested is wrong still, and nobody would
 * judge it again on the way into a shard. */
static bool is_refused_for_good(int reason)
{
    switch (reason) {
    case E_TEXT_EMPTY:
    case E_TEXT_UTF8:
    case E_TEXT_TOO_LONG:
    case E_FORMAT: return true;
    default: return false;
    }
}

static int collect(const struct pair_report *pair, void *arg)
{
    struct retry *r = arg;
    if ((r->reason && pair->reason != r->reason) || is_refused_for_good(pair->reason)) {
        return 0;
    }
    return buf_append(&r->pairs, pair->pair.b, ID_BYTES);
}

/* A pair whose medium was never read has no job to go back to: ingesting its source again is its
 * second chance. */
static int retry_pair(struct queue *q, const struct id *pair, uint64_t *n)
{
    struct pair_row row;
    struct medium_row medium;
    char locator[QUEUE_LOCATOR_MAX];
    int rc = queue_get_pair(q, pair, &row);
    const struct id id = row.medium;
    rc = rc ? rc : queue_get_medium(q, &id, &medium);
    if (rc) {
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    medium_keep_locator(&medium, locator);
    unsigned char key[2 * ID_BYTES];
    memcpy(key, id.b, ID_BYTES);
    memcpy(key + ID_BYTES, pair->b, ID_BYTES);
    rc = queue_move_pair(q, pair, PAIR_PENDING, 0, view_of(NULL, 0), 0);
    rc = rc ? rc : queue_put(q, q->wanted, view_of(key, sizeof key), view_of("", 0));
    medium.wanted++;
    ++*n;
    if (rc == 0) {
        rc = medium.state == MEDIUM_IDLE ? queue_make_ready(q, &id, &medium)
                                         : queue_put_medium(q, &id, &medium);
    }
    return rc;
}

int queue_retry(struct queue *q, int reason, uint64_t *n)
{
    struct retry r = {.q = q, .reason = reason};
    buf_init(&r.pairs, (size_t)1 << 34);
    *n = 0;
    int rc = queue_each_pair(q, PAIR_QUARANTINED, NULL, collect, &r);
    for (size_t i = 0; rc == 0 && i < r.pairs.n; i += ID_BYTES) {
        struct id pair;
        memcpy(pair.b, r.pairs.p + i, ID_BYTES);
        rc = retry_pair(q, &pair, n);
    }
    buf_release(&r.pairs);
    return rc;
}
