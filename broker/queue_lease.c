/* Leases: who holds which job until when, and what becomes of a job that comes back. */
#include <stdlib.h>

#include "broker/queue_internal.h"
#include "common/array.h"
#include "common/clock.h"
#include "common/log.h"

/* ------------------------------------------------------------------ in memory */

struct lease *lease_find(struct queue *q, const struct id *medium)
{
    for (size_t i = 0; i < q->lease_count; i++) {
        if (id_equal(&q->lease[i].medium, medium)) {
            return &q->lease[i];
        }
    }
    return NULL;
}

int lease_add(struct queue *q, const struct id *medium, uint64_t token, uint64_t session)
{
    struct lease *l = array_grown(q->lease, q->lease_count, &q->lease_room, sizeof *l);
    if (!l) {
        return err_set(E_NOMEM, "no memory for %zu leases", q->lease_count + 1);
    }
    q->lease = l;
    l[q->lease_count++] = (struct lease){
        .medium = *medium,
        .token = token,
        .session = session,
        .deadline_ms = clock_now_ms() + q->options.lease_ms,
    };
    return 0;
}

void lease_drop(struct queue *q, const struct id *medium)
{
    struct lease *l = lease_find(q, medium);
    if (l) {
        *l = q->lease[--q->lease_count];
    }
}

int delay_add(struct queue *q, const struct id *medium, int64_t due_ms)
{
    struct delay *d = array_grown(q->delay, q->delay_count, &q->delay_room, sizeof *d);
    if (!d) {
        return err_set(E_NOMEM, "no memory for %zu delayed jobs", q->delay_count + 1);
    }
    q->delay = d;
    d[q->delay_count++] = (struct delay){*medium, due_ms};
    return 0;
}

/* ------------------------------------------------------------------ leasing */

void job_init(struct job *job)
{
    memset(job, 0, sizeof *job);
    buf_init(&job->bytes, (size_t)QUEUE_JOB_TEXTS_MAX * QUEUE_ITEM_MAX);
}

void job_release(struct job *job)
{
    buf_release(&job->bytes);
}

/* Blobs are appended first and pointed at afterwards, because the buffer moves as it grows. */
static int load_texts(struct queue *q, struct job *job)
{
    struct id pairs[QUEUE_JOB_TEXTS_MAX];
    size_t ends[QUEUE_JOB_TEXTS_MAX];
    buf_reset(&job->bytes);
    int rc = queue_wanted_pairs(q, &job->medium, PAIR_PENDING, pairs, QUEUE_JOB_TEXTS_MAX,
                                &job->text_count);
    for (size_t i = 0; rc == 0 && i < job->text_count; i++) {
        struct pair_row row;
        rc = queue_get_pair(q, &pairs[i], &row);
        rc = rc ? rc : buf_append(&job->bytes, row.blob.p, row.blob.n);
        rc = rc ? rc : queue_move_pair(q, &pairs[i], PAIR_LEASED, 0, view_of(NULL, 0), 0);
        ends[i] = job->bytes.n;
    }
    for (size_t i = 0; rc == 0 && i < job->text_count; i++) {
        const size_t start = i ? ends[i - 1] : 0;
        job->texts[i] = (struct job_text){pairs[i], view_of(job->bytes.p + start, ends[i] - start)};
    }
    return rc;
}

static int pop_ready(struct queue *q, struct id *medium)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int code = mdb_cursor_open(q->txn, q->ready, &cursor);
    if (code == 0) {
        code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    }
    if (code == 0) {
        memcpy(medium->b, value.mv_data, ID_BYTES);
        code = mdb_cursor_del(cursor, 0);
        q->n.counts.ready_jobs -= code == 0;
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    return queue_mdb(code, "take the first ready job");
}

int queue_lease(struct queue *q, uint64_t session, struct job *job)
{
    if (q->n.counts.ready_jobs == 0) {
        return err_set(E_NOT_FOUND, "no job is ready");
    }
    struct medium_row row;
    int rc = queue_begin(q);
    rc = rc ? rc : pop_ready(q, &job->medium);
    rc = rc ? rc : queue_get_medium(q, &job->medium, &row);
    if (rc) {
        return rc;
    }
    medium_keep_locator(&row, job->locator);
    job->locator[row.locator.n] = '\0';
    row.state = MEDIUM_LEASED;
    row.token = q->n.next_token++;
    job->token = row.token;
    job->need_visual = !row.has_visual;
    unsigned char token[8];
    put_le64(token, row.token);
    rc = queue_put_medium(q, &job->medium, &row);
    rc = rc ? rc : queue_put(q, q->leases, view_of(job->medium.b, ID_BYTES), view_of(token, 8));
    rc = rc ? rc : load_texts(q, job);
    return rc ? rc : lease_add(q, &job->medium, row.token, session);
}

/* ------------------------------------------------------------------ a lease's life */

static int stale(const struct id *medium, uint64_t token)
{
    char hex[ID_HEX];
    id_to_hex(medium, hex);
    return err_set(E_STALE_LEASE, "lease %llu of medium %.16s is over", (unsigned long long)token,
                   hex);
}

int queue_start(struct queue *q, const struct id *medium, uint64_t token)
{
    struct lease *l = lease_find(q, medium);
    if (!l || l->token != token) {
        return stale(medium, token);
    }
    l->started = true;
    return 0;
}

int queue_beat(struct queue *q, const struct id *medium, uint64_t token, uint64_t session)
{
    struct lease *l = lease_find(q, medium);
    if (!l || l->token != token) {
        return stale(medium, token);
    }
    l->session = session;
    l->deadline_ms = clock_now_ms() + q->options.lease_ms;
    return 0;
}

/* Ends a lease in both memories and gives its row; the caller decides what comes next. */
static int end_lease(struct queue *q, const struct id *medium, uint64_t token,
                     struct medium_row *row)
{
    const struct lease *l = lease_find(q, medium);
    if (!l || l->token != token) {
        return stale(medium, token);
    }
    int rc = queue_begin(q);
    rc = rc ? rc : queue_get_medium(q, medium, row);
    rc = rc ? rc : queue_del(q, q->leases, view_of(medium->b, ID_BYTES));
    if (rc == 0) {
        lease_drop(q, medium);
    }
    return rc;
}

static int back_to_ready(struct queue *q, const struct id *medium, struct medium_row *row)
{
    char locator[QUEUE_LOCATOR_MAX];
    medium_keep_locator(row, locator);
    const int rc = queue_unlease_pairs(q, medium);
    return rc ? rc : queue_make_ready(q, medium, row);
}

int queue_return(struct queue *q, const struct id *medium, uint64_t token)
{
    struct medium_row row;
    const int rc = end_lease(q, medium, token, &row);
    return rc ? rc : back_to_ready(q, medium, &row);
}

int queue_quarantine_job(struct queue *q, const struct id *medium, struct medium_row *row,
                         enum pair_state state, int reason, struct view detail)
{
    struct id pairs[QUEUE_JOB_TEXTS_MAX];
    size_t n = 0;
    int rc = 0;
    do {
        rc = queue_wanted_pairs(q, medium, state, pairs, QUEUE_JOB_TEXTS_MAX, &n);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            rc = queue_move_pair(q, &pairs[i], PAIR_QUARANTINED, reason, detail, 0);
            rc = rc ? rc : queue_unwant(q, medium, row, &pairs[i]);
        }
    } while (rc == 0 && n == QUEUE_JOB_TEXTS_MAX);
    return rc;
}

/* The medium itself is at fault, so its other texts need not try. */
static int bury(struct queue *q, const struct id *medium, struct medium_row *row, int reason,
                struct view detail)
{
    char locator[QUEUE_LOCATOR_MAX];
    medium_keep_locator(row, locator);
    int rc = queue_quarantine_job(q, medium, row, PAIR_LEASED, reason, detail);
    rc = rc ? rc : queue_quarantine_job(q, medium, row, PAIR_PENDING, reason, detail);
    row->attempts = 0;
    return rc ? rc : queue_make_ready(q, medium, row);
}

/* Half of the delay is fixed and half depends on the token, so that jobs that failed together come
 * back apart. */
static int64_t retry_delay(const struct queue *q, const struct medium_row *row)
{
    const unsigned doublings = row->attempts > 10 ? 10 : row->attempts - 1;
    const int64_t full = q->options.retry_ms << doublings;
    return full / 2 +
           (int64_t)((row->token * 0x9E3779B97F4A7C15u >> 32) % ((uint64_t)full / 2 + 1));
}

static int wait_and_retry(struct queue *q, const struct id *medium, struct medium_row *row)
{
    char locator[QUEUE_LOCATOR_MAX];
    medium_keep_locator(row, locator);
    row->state = MEDIUM_DELAYED;
    int rc = queue_unlease_pairs(q, medium);
    rc = rc ? rc : queue_put_medium(q, medium, row);
    rc = rc ? rc : queue_put(q, q->delayed, view_of(medium->b, ID_BYTES), view_of("", 0));
    return rc ? rc : delay_add(q, medium, clock_now_ms() + retry_delay(q, row));
}

int queue_fail(struct queue *q, const struct id *medium, uint64_t token, int reason,
               struct view detail, bool permanent)
{
    struct medium_row row;
    const int rc = end_lease(q, medium, token, &row);
    if (rc) {
        return rc;
    }
    if (permanent) {
        return bury(q, medium, &row, reason, detail);
    }
    row.attempts++;
    if (row.attempts < q->options.attempts) {
        return wait_and_retry(q, medium, &row);
    }
    err_set(E_ATTEMPTS, "failed %u times, at last with %s: %.*s", row.attempts, err_name(reason),
            (int)(detail.n > 300 ? 300 : detail.n), (const char *)detail.p);
    return bury(q, medium, &row, E_ATTEMPTS, view_str(err_text()));
}

/* The holder is gone.  Only a job that was being worked on can have killed it. */
static int holder_died(struct queue *q, const struct lease *lease)
{
    const struct lease l = *lease;
    struct medium_row row;
    int rc = end_lease(q, &l.medium, l.token, &row);
    if (rc) {
        return rc;
    }
    row.kills = (uint16_t)(row.kills + l.started);
    if (row.kills < q->options.max_kills) {
        return back_to_ready(q, &l.medium, &row);
    }
    err_set(E_WORKER_KILLER, "%u workers died or fell silent while working on it", row.kills);
    row.kills = 0;
    return bury(q, &l.medium, &row, E_WORKER_KILLER, view_str(err_text()));
}

int queue_session_gone(struct queue *q, uint64_t session)
{
    int rc = 0;
    for (size_t i = q->lease_count; rc == 0 && i-- > 0;) {
        if (q->lease[i].session == session) {
            rc = holder_died(q, &q->lease[i]);
        }
    }
    return rc;
}

static int end_delay(struct queue *q, size_t i)
{
    const struct id medium = q->delay[i].medium;
    q->delay[i] = q->delay[--q->delay_count];
    struct medium_row row;
    int rc = queue_begin(q);
    rc = rc ? rc : queue_get_medium(q, &medium, &row);
    rc = rc ? rc : queue_del(q, q->delayed, view_of(medium.b, ID_BYTES));
    return rc ? rc : queue_make_ready(q, &medium, &row);
}

int queue_tick(struct queue *q)
{
    const int64_t now = clock_now_ms();
    int rc = 0;
    for (size_t i = q->lease_count; rc == 0 && i-- > 0;) {
        if (q->lease[i].deadline_ms <= now) {
            log_warn_rare("lease_expired", "token=%llu", (unsigned long long)q->lease[i].token);
            rc = holder_died(q, &q->lease[i]);
        }
    }
    for (size_t i = q->delay_count; rc == 0 && i-- > 0;) {
        if (q->delay[i].due_ms <= now) {
            rc = end_delay(q, i);
        }
    }
    return rc;
}

int64_t queue_next_tick_ms(const struct queue *q, int64_t most)
{
    int64_t next = clock_now_ms() + most;
    for (size_t i = 0; i < q->lease_count; i++) {
        next = q->lease[i].deadline_ms < next ? q->lease[i].deadline_ms : next;
    }
    for (size_t i = 0; i < q->delay_count; i++) {
        next = q->delay[i].due_ms < next ? q->delay[i].due_ms : next;
    }
    const int64_t left = next - clock_now_ms();
    return left < 0 ? 0 : left;
}
