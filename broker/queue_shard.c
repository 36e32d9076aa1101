/* Shards as the queue sees them: numbered, open until they are sealed or lost. */
#include "broker/queue_internal.h"
#include "shards/manifest.h"

/* Row: u8 state, u8 0, u16 length of the store's name, its name, then the manifest. */
static int put_shard(struct queue *q, uint64_t number, enum shard_state state, struct view store,
                     struct view manifest)
{
    unsigned char key[8];
    unsigned char head[4] = {(unsigned char)state};
    char name[QUEUE_LOCATOR_MAX];
    put_be64(key, number);
    put_le16(head + 2, (uint16_t)store.n);
    memcpy(name, store.p, store.n); /* it may point at the row that is being replaced */
    buf_reset(&q->scratch);
    int rc = buf_append(&q->scratch, head, sizeof head);
    rc = rc ? rc : buf_append(&q->scratch, name, store.n);
    rc = rc ? rc : buf_append(&q->scratch, manifest.p, manifest.n);
    return rc ? rc : queue_put(q, q->shards, view_of(key, sizeof key), buf_view(&q->scratch));
}

static int parse_shard(uint64_t number, struct view v, struct shard_row *row)
{
    const unsigned char *p = v.p;
    const size_t store = v.n < 4 ? 0 : get_le16(p + 2);
    if (v.n < 4 + store || p[0] < SHARD_OPEN || p[0] > SHARD_LOST) {
        return err_set(E_STORAGE, "the queue file holds a damaged row of a shard");
    }
    *row = (struct shard_row){
        .number = number,
        .state = (enum shard_state)p[0],
        .store = view_of(p + 4, store),
        .manifest = view_of(p + 4 + store, v.n - 4 - store),
    };
    return 0;
}

static int get_shard(struct queue *q, uint64_t number, struct shard_row *row)
{
    unsigned char key[8];
    struct view v;
    *row = (struct shard_row){0};
    put_be64(key, number);
    int rc = queue_begin(q);
    rc = rc ? rc : queue_get(q, q->shards, view_of(key, sizeof key), &v);
    if (rc == E_NOT_FOUND) {
        return err_set(E_PEER, "there is no shard %llu", (unsigned long long)number);
    }
    return rc ? rc : parse_shard(number, v, row);
}

int queue_shard_state(struct queue *q, uint64_t shard, enum shard_state *state)
{
    struct shard_row row;
    const int rc = get_shard(q, shard, &row);
    *state = row.state;
    return rc;
}

int queue_is_staged(struct queue *q, const struct id *medium, uint64_t token, uint64_t shard,
                    bool *staged)
{
    unsigned char key[8 + ID_BYTES];
    struct view v;
    put_be64(key, shard);
    memcpy(key + 8, medium->b, ID_BYTES);
    int rc = queue_begin(q);
    rc = rc ? rc : queue_get(q, q->staged, view_of(key, sizeof key), &v);
    *staged = rc == 0 && v.n == 8 && get_le64(v.p) == token;
    return rc == E_NOT_FOUND ? 0 : rc;
}

uint64_t queue_next_shard(const struct queue *q)
{
    return q->n.next_shard;
}

int queue_open_shard(struct queue *q, struct view store, uint64_t *number)
{
    if (store.n == 0 || store.n > QUEUE_LOCATOR_MAX) {
        return err_set(E_PEER, "a store's name has %zu bytes; 1 to %d are allowed", store.n,
                       QUEUE_LOCATOR_MAX);
    }
    int rc = queue_begin(q);
    rc = rc ? rc : put_shard(q, q->n.next_shard, SHARD_OPEN, store, view_of(NULL, 0));
    if (rc == 0) {
        *number = q->n.next_shard++;
        q->n.counts.shards_open++;
    }
    return rc;
}

/* ------------------------------------------------------------------ the jobs of a shard */

typedef int (*staged_fn)(struct queue *q, const struct id *medium, uint64_t token, void *arg);

static int each_staged(struct queue *q, uint64_t shard, staged_fn each, void *arg)
{
    MDB_cursor *cursor = NULL;
    int rc = queue_mdb(mdb_cursor_open(q->txn, q->staged, &cursor), "open a cursor");
    if (rc) {
        return rc;
    }
    unsigned char start[8 + ID_BYTES] = {0};
    put_be64(start, shard);
    MDB_val key = {sizeof start, start};
    MDB_val value;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && code == 0 && memcmp(key.mv_data, start, 8) == 0) {
        struct id medium;
        memcpy(medium.b, (const unsigned char *)key.mv_data + 8, ID_BYTES);
        rc = each(q, &medium, get_le64(value.mv_data), arg);
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc || code == 0 || code == MDB_NOTFOUND ? rc : queue_mdb(code, "walk a shard's jobs");
}

/* The rows that each_staged() has walked; afterwards, since a cursor must not stand on what is
 * deleted. */
static int forget_staged(struct queue *q, uint64_t shard)
{
    MDB_cursor *cursor = NULL;
    int rc = queue_mdb(mdb_cursor_open(q->txn, q->staged, &cursor), "open a cursor");
    if (rc) {
        return rc;
    }
    unsigned char start[8 + ID_BYTES] = {0};
    put_be64(start, shard);
    MDB_val value;
    int code = 0;
    while (code == 0) {
        MDB_val key = {sizeof start, start};
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (code == 0 && memcmp(key.mv_data, start, 8) != 0) {
            code = MDB_NOTFOUND;
        }
        code = code ? code : mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : queue_mdb(code, "forget a shard's jobs");
}

struct tally {
    uint64_t jobs;
    uint64_t fingerprint;
};

static int tally_job(struct queue *q, const struct id *medium, uint64_t token, void *arg)
{
    (void)q;
    struct tally *t = arg;
    t->jobs++;
    t->fingerprint = shard_fingerprint_add(t->fingerprint, medium, token);
    return 0;
}

/* Staged pairs of the medium become `to`; those that are done are no longer wanted. */
static int move_staged_pairs(struct queue *q, const struct id *medium, struct medium_row *row,
                             enum pair_state to, uint64_t shard)
{
    struct id pairs[QUEUE_JOB_TEXTS_MAX];
    size_t n = 0;
    int rc = queue_wanted_pairs(q, medium, PAIR_STAGED, pairs, QUEUE_JOB_TEXTS_MAX, &n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = queue_move_pair(q, &pairs[i], to, 0, view_of(NULL, 0), to == PAIR_DONE ? shard : 0);
        if (rc == 0 && to == PAIR_DONE) {
            rc = queue_unwant(q, medium, row, &pairs[i]);
        }
    }
    return rc;
}

static int end_staged_job(struct queue *q, const struct id *medium, enum pair_state to,
                          uint64_t shard)
{
    struct medium_row row;
    char locator[QUEUE_LOCATOR_MAX];
    int rc = queue_get_medium(q, medium, &row);
    if (rc) {
        return rc;
    }
    medium_keep_locator(&row, locator);
    row.has_visual = row.has_visual || (to == PAIR_DONE && row.adds_visual);
    rc = move_staged_pairs(q, medium, &row, to, shard);
    return rc ? rc : queue_make_ready(q, medium, &row);
}

static int job_done(struct queue *q, const struct id *medium, uint64_t token, void *arg)
{
    (void)token;
    return end_staged_job(q, medium, PAIR_DONE, *(const uint64_t *)arg);
}

static int job_lost(struct queue *q, const struct id *medium, uint64_t token, void *arg)
{
    (void)token;
    return end_staged_job(q, medium, PAIR_PENDING, *(const uint64_t *)arg);
}

/* ------------------------------------------------------------------ sealing and losing */

int queue_seal(struct queue *q, uint64_t shard, uint64_t jobs, uint64_t fingerprint,
               struct view manifest)
{
    struct shard_row row;
    struct tally tally = {0};
    int rc = get_shard(q, shard, &row);
    if (rc) {
        return rc;
    }
    if (row.state == SHARD_SEALED) {
        return 0;
    }
    if (row.state == SHARD_LOST) {
        return err_set(E_SHARD_LOST,
                       "shard %llu was given up as lost; it is not part of the corpus",
                       (unsigned long long)shard);
    }
    rc = each_staged(q, shard, tally_job, &tally);
    if (rc == 0 && (tally.jobs != jobs || tally.fingerprint != fingerprint)) {
        rc = err_set(
            E_PEER, "shard %llu holds %llu jobs by its worker's list and %llu by the queue's",
            (unsigned long long)shard, (unsigned long long)jobs, (unsigned long long)tally.jobs);
    }
    rc = rc ? rc : put_shard(q, shard, SHARD_SEALED, row.store, manifest);
    rc = rc ? rc : each_staged(q, shard, job_done, &shard);
    rc = rc ? rc : forget_staged(q, shard);
    if (rc == 0) {
        q->n.counts.shards_open--;
        q->n.counts.shards_sealed++;
    }
    return rc;
}

int queue_lose_shard(struct queue *q, uint64_t shard)
{
    struct shard_row row;
    int rc = get_shard(q, shard, &row);
    if (rc || row.state == SHARD_LOST) {
        return rc;
    }
    if (row.state == SHARD_SEALED) {
        return err_set(E_ARG, "shard %llu is sealed: it is part of the corpus for ever",
                       (unsigned long long)shard);
    }
    rc = put_shard(q, shard, SHARD_LOST, row.store, view_of(NULL, 0));
    rc = rc ? rc : each_staged(q, shard, job_lost, &shard);
    rc = rc ? rc : forget_staged(q, shard);
    if (rc == 0) {
        q->n.counts.shards_open--;
    }
    return rc;
}

int queue_each_shard(struct queue *q, shard_fn each, void *arg)
{
    MDB_cursor *cursor = NULL;
    int rc = queue_begin(q);
    rc = rc ? rc : queue_mdb(mdb_cursor_open(q->txn, q->shards, &cursor), "open a cursor");
    MDB_val key;
    MDB_val value;
    while (rc == 0 && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        struct shard_row row;
        rc = parse_shard(get_be64(key.mv_data), view_of(value.mv_data, value.mv_size), &row);
        rc = rc ? rc : each(&row, arg);
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    return rc;
}
