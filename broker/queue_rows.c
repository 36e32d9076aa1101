/* Rows of the queue as bytes, and the few moves every part of the queue makes. */
#include "broker/queue_internal.h"

enum { MEDIUM_HEAD = 40, PAIR_HEAD = 48 };

static struct view id_view(const struct id *id)
{
    return view_of(id->b, ID_BYTES);
}

/* medium: u8 state, u8 has_visual, u8 adds_visual, u8 0, u16 attempts, u16 kills, u32 wanted, u32
 * 0, u64 token, u64 place, u64 shard, then the locator. */
int queue_put_medium(struct queue *q, const struct id *medium, const struct medium_row *row)
{
    unsigned char head[MEDIUM_HEAD] = {(unsigned char)row->state, row->has_visual,
                                       row->adds_visual};
    put_le16(head + 4, row->attempts);
    put_le16(head + 6, row->kills);
    put_le32(head + 8, row->wanted);
    put_le64(head + 16, row->token);
    put_le64(head + 24, row->place);
    put_le64(head + 32, row->shard);
    buf_reset(&q->scratch);
    int rc = buf_append(&q->scratch, head, sizeof head);
    rc = rc ? rc : buf_append(&q->scratch, row->locator.p, row->locator.n);
    return rc ? rc : queue_put(q, q->media, id_view(medium), buf_view(&q->scratch));
}

int queue_get_medium(struct queue *q, const struct id *medium, struct medium_row *row)
{
    struct view v;
    const int rc = queue_get(q, q->media, id_view(medium), &v);
    if (rc) {
        return rc;
    }
    const unsigned char *p = v.p;
    if (v.n < MEDIUM_HEAD || p[0] > MEDIUM_STAGED) {
        return err_set(E_STORAGE, "the queue file holds a damaged row of a medium");
    }
    *row = (struct medium_row){
        .state = (enum medium_state)p[0],
        .has_visual = p[1],
        .adds_visual = p[2],
        .attempts = get_le16(p + 4),
        .kills = get_le16(p + 6),
        .wanted = get_le32(p + 8),
        .token = get_le64(p + 16),
        .place = get_le64(p + 24),
        .shard = get_le64(p + 32),
        .locator = view_of(p + MEDIUM_HEAD, v.n - MEDIUM_HEAD),
    };
    return 0;
}

/* pair: u8 state, u8 0, u16 length of detail, i32 reason, u64 shard, 32 bytes medium, then detail,
 * then blob. */
int queue_put_pair(struct queue *q, const struct id *pair, const struct pair_row *row)
{
    unsigned char head[PAIR_HEAD] = {(unsigned char)row->state};
    const size_t detail = row->detail.n > QUEUE_DETAIL_MAX ? QUEUE_DETAIL_MAX : row->detail.n;
    put_le16(head + 2, (uint16_t)detail);
    put_le32(head + 4, (uint32_t)row->reason);
    put_le64(head + 8, row->shard);
    memcpy(head + 16, row->medium.b, ID_BYTES);
    buf_reset(&q->scratch);
    int rc = buf_append(&q->scratch, head, sizeof head);
    rc = rc ? rc : buf_append(&q->scratch, row->detail.p, detail);
    rc = rc ? rc : buf_append(&q->scratch, row->blob.p, row->blob.n);
    return rc ? rc : queue_put(q, q->pairs, id_view(pair), buf_view(&q->scratch));
}

int queue_get_pair(struct queue *q, const struct id *pair, struct pair_row *row)
{
    struct view v;
    const int rc = queue_get(q, q->pairs, id_view(pair), &v);
    if (rc) {
        return rc;
    }
    const unsigned char *p = v.p;
    const size_t detail = v.n < PAIR_HEAD ? 0 : get_le16(p + 2);
    if (v.n < PAIR_HEAD + detail || p[0] >= PAIR_STATES) {
        return err_set(E_STORAGE, "the queue file holds a damaged row of a pair");
    }
    *row = (struct pair_row){
        .state = (enum pair_state)p[0],
        .reason = (int)get_le32(p + 4),
        .shard = get_le64(p + 8),
        .detail = view_of(p + PAIR_HEAD, detail),
        .blob = view_of(p + PAIR_HEAD + detail, v.n - PAIR_HEAD - detail),
    };
    memcpy(row->medium.b, p + 16, ID_BYTES);
    return 0;
}

int queue_move_pair(struct queue *q, const struct id *pair, enum pair_state to, int reason,
                    struct view detail, uint64_t shard)
{
    struct pair_row row;
    int rc = queue_get_pair(q, pair, &row);
    if (rc) {
        return rc;
    }
    const enum pair_state from = row.state;
    row.state = to;
    row.reason = reason;
    row.detail = detail;
    row.shard = shard;
    if (to == PAIR_DONE) {
        row.blob = view_of(NULL, 0);
    }
    rc = queue_put_pair(q, pair, &row);
    if (rc == 0) {
        q->n.counts.pairs[from]--;
        q->n.counts.pairs[to]++;
    }
    return rc;
}

static void wanted_key(unsigned char key[2 * ID_BYTES], const struct id *medium,
                       const struct id *pair)
{
    memcpy(key, medium->b, ID_BYTES);
    memcpy(key + ID_BYTES, pair->b, ID_BYTES);
}

int queue_unwant(struct queue *q, const struct id *medium, struct medium_row *row,
                 const struct id *pair)
{
    unsigned char key[2 * ID_BYTES];
    wanted_key(key, medium, pair);
    const int rc = queue_del(q, q->wanted, view_of(key, sizeof key));
    if (rc == 0) {
        row->wanted--;
    }
    return rc;
}

int queue_wanted_pairs(struct queue *q, const struct id *medium, enum pair_state state,
                       struct id *out, size_t most, size_t *n)
{
    MDB_cursor *cursor = NULL;
    int rc = queue_mdb(mdb_cursor_open(q->txn, q->wanted, &cursor), "open a cursor");
    if (rc) {
        return rc;
    }
    unsigned char start[2 * ID_BYTES] = {0};
    memcpy(start, medium->b, ID_BYTES);
    MDB_val key = {sizeof start, start};
    MDB_val value;
    *n = 0;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (code == 0 && *n < most && memcmp(key.mv_data, medium->b, ID_BYTES) == 0) {
        struct id pair;
        struct pair_row row;
        memcpy(pair.b, (const unsigned char *)key.mv_data + ID_BYTES, ID_BYTES);
        rc = queue_get_pair(q, &pair, &row);
        if (rc) {
            break;
        }
        if (row.state == state) {
            out[(*n)++] = pair;
        }
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc || code == 0 || code == MDB_NOTFOUND ? rc : queue_mdb(code, "walk the wanted pairs");
}

int queue_unlease_pairs(struct queue *q, const struct id *medium)
{
    struct id pairs[QUEUE_JOB_TEXTS_MAX];
    size_t n = 0;
    int rc = queue_wanted_pairs(q, medium, PAIR_LEASED, pairs, QUEUE_JOB_TEXTS_MAX, &n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = queue_move_pair(q, &pairs[i], PAIR_PENDING, 0, view_of(NULL, 0), 0);
    }
    return rc;
}

int queue_make_ready(struct queue *q, const struct id *medium, struct medium_row *row)
{
    char locator[QUEUE_LOCATOR_MAX];
    medium_keep_locator(row, locator);
    row->state = row->wanted ? MEDIUM_READY : MEDIUM_IDLE;
    row->shard = 0;
    row->adds_visual = false;
    int rc = 0;
    if (row->state == MEDIUM_READY) {
        row->place = q->n.next_place++;
        unsigned char key[8];
        put_be64(key, row->place);
        rc = queue_put(q, q->ready, view_of(key, sizeof key), id_view(medium));
        q->n.counts.ready_jobs++;
    }
    return rc ? rc : queue_put_medium(q, medium, row);
}

void medium_keep_locator(struct medium_row *row, char room[QUEUE_LOCATOR_MAX])
{
    if (row->locator.n) {
        memmove(room, row->locator.p, row->locator.n);
    }
    row->locator.p = room;
}
