/* The queue's file: opening, batches, counters, and what must be put right after a crash. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/queue_internal.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"

/* Address space, not disk: the file grows as it fills. */
static const size_t MAP_BYTES = (size_t)1 << 40;

struct queue_options queue_default_options(void)
{
    return (struct queue_options){
        .lease_ms = 60000, .retry_ms = 1000, .attempts = 5, .max_kills = 3};
}

static const char *const state_names[PAIR_STATES] = {
    "pending", "leased", "staged", "done", "duplicate", "filtered", "excluded", "quarantined"};

const char *pair_state_name(enum pair_state s)
{
    return s < PAIR_STATES ? state_names[s] : "?";
}

int queue_mdb(int code, const char *what)
{
    switch (code) {
    case 0: return 0;
    case MDB_NOTFOUND: return err_set(E_NOT_FOUND, "the queue has no such row (%s)", what);
    case MDB_KEYEXIST: return err_set(E_EXISTS, "the queue has that row already (%s)", what);
    case MDB_VERSION_MISMATCH:
        return err_set(E_VERSION, "the queue file is of another LMDB version");
    default:
        return err_set(E_STORAGE, "the queue file failed to %s: %s; check the disk and start again",
                       what, mdb_strerror(code));
    }
}

int queue_begin(struct queue *q)
{
    const unsigned flags = q->only_looks ? MDB_RDONLY : 0;
    return q->txn ? 0
                  : queue_mdb(mdb_txn_begin(q->env, NULL, flags, &q->txn), "begin a transaction");
}

int queue_get(struct queue *q, MDB_dbi dbi, struct view key, struct view *value)
{
    MDB_val k = {key.n, (void *)key.p};
    MDB_val v;
    const int code = mdb_get(q->txn, dbi, &k, &v);
    *value = code == 0 ? view_of(v.mv_data, v.mv_size) : view_of(NULL, 0);
    return queue_mdb(code, "read");
}

int queue_put(struct queue *q, MDB_dbi dbi, struct view key, struct view value)
{
    MDB_val k = {key.n, (void *)key.p};
    MDB_val v = {value.n, (void *)value.p};
    return queue_mdb(mdb_put(q->txn, dbi, &k, &v, 0), "write");
}

int queue_del(struct queue *q, MDB_dbi dbi, struct view key)
{
    MDB_val k = {key.n, (void *)key.p};
    return queue_mdb(mdb_del(q->txn, dbi, &k, NULL), "delete");
}

/* ------------------------------------------------------------------ counters */

/* Field by field, so that the file does not depend on a compiler's layout. */
static void each_number(struct queue_numbers *n, void (*f)(uint64_t *, unsigned char **),
                        unsigned char **p)
{
    f(&n->counts.ingested, p);
    for (int s = 0; s < PAIR_STATES; s++) {
        f(&n->counts.pairs[s], p);
    }
    f(&n->counts.media, p);
    f(&n->counts.ready_jobs, p);
    f(&n->counts.shards_open, p);
    f(&n->counts.shards_sealed, p);
    f(&n->next_place, p);
    f(&n->next_token, p);
    f(&n->next_shard, p);
}

enum { NUMBERS_BYTES = 8 * (PAIR_STATES + 8) };

static void write_number(uint64_t *v, unsigned char **p)
{
    put_le64(*p, *v);
    *p += 8;
}

static void read_number(uint64_t *v, unsigned char **p)
{
    *v = get_le64(*p);
    *p += 8;
}

static int put_numbers(struct queue *q)
{
    unsigned char bytes[NUMBERS_BYTES];
    unsigned char *p = bytes;
    each_number(&q->n, write_number, &p);
    return queue_put(q, q->meta, view_str("numbers"), view_of(bytes, sizeof bytes));
}

static int get_numbers(struct queue *q)
{
    struct view v;
    const int rc = queue_get(q, q->meta, view_str("numbers"), &v);
    if (rc) {
        return rc;
    }
    unsigned char bytes[NUMBERS_BYTES];
    if (v.n != sizeof bytes) {
        return err_set(E_STORAGE, "the queue file's counters are damaged");
    }
    memcpy(bytes, v.p, sizeof bytes);
    unsigned char *p = bytes;
    each_number(&q->n, read_number, &p);
    return 0;
}

int queue_commit(struct queue *q)
{
    if (!q->txn) {
        return 0;
    }
    int rc = put_numbers(q);
    if (rc) {
        return rc;
    }
    FAULT("queue_before_commit");
    MDB_txn *txn = q->txn;
    q->txn = NULL;
    rc = queue_mdb(mdb_txn_commit(txn), "commit");
    FAULT("queue_after_commit");
    return rc;
}

/* ------------------------------------------------------------------ opening */

static int lock_file(struct queue *q, const char *path)
{
    q->lock_fd = open(path, (q->only_looks ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0644);
    if (q->lock_fd < 0) {
        return err_errno("cannot open the queue file %s", path);
    }
    if (flock(q->lock_fd, (q->only_looks ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
        return errno != EWOULDBLOCK
                   ? err_errno("cannot lock the queue file %s", path)
                   : err_set(E_BUSY,
                             "the queue file %s belongs to a broker that is running; stop it first",
                             path);
    }
    return 0;
}

/* LMDB does not open an empty file to look at it. */
static int check_begun(const struct queue *q, const char *path)
{
    struct stat st;
    if (fstat(q->lock_fd, &st)) {
        return err_errno("cannot stat the queue file %s", path);
    }
    return st.st_size ? 0 : E_NOT_FOUND;
}

/* Our flock keeps other processes out, so LMDB needs no lock file and no reader table. */
static int open_env(struct queue *q, const char *path)
{
    const unsigned flags =
        MDB_NOSUBDIR | MDB_NOLOCK | MDB_NORDAHEAD | (q->only_looks ? MDB_RDONLY : 0);
    int code = mdb_env_create(&q->env);
    code = code ? code : mdb_env_set_mapsize(q->env, MAP_BYTES);
    code = code ? code : mdb_env_set_maxdbs(q->env, 16);
    code = code ? code : mdb_env_open(q->env, path, flags, 0644);
    if (code == MDB_INVALID || code == MDB_CORRUPTED) {
        return err_set(E_FORMAT, "%s is not a pairmill queue, or it is damaged", path);
    }
    return queue_mdb(code, "open");
}

static int open_tables(struct queue *q)
{
    const struct {
        const char *name;
        MDB_dbi *dbi;
    } tables[] = {
        {"items", &q->items},   {"pairs", &q->pairs},     {"media", &q->media},
        {"wanted", &q->wanted}, {"ready", &q->ready},     {"leases", &q->leases},
        {"staged", &q->staged}, {"delayed", &q->delayed}, {"shards", &q->shards},
        {"meta", &q->meta},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const unsigned flags = q->only_looks ? 0 : MDB_CREATE;
        const int rc =
            queue_mdb(mdb_dbi_open(q->txn, tables[i].name, flags, tables[i].dbi), "open a table");
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* A queue of before there were identities gets its own now. */
static int get_identity(struct queue *q)
{
    struct view v;
    int rc = queue_get(q, q->meta, view_str("identity"), &v);
    if (rc == E_NOT_FOUND) {
        randombytes_buf(q->identity.b, ID_BYTES);
        return queue_put(q, q->meta, view_str("identity"), view_of(q->identity.b, ID_BYTES));
    }
    if (rc == 0 && v.n != ID_BYTES) {
        rc = err_set(E_STORAGE, "the queue file's identity is damaged");
    }
    if (rc == 0) {
        memcpy(q->identity.b, v.p, ID_BYTES);
    }
    return rc;
}

struct id queue_identity(const struct queue *q)
{
    return q->identity;
}

static int check_format(struct queue *q, const char *path)
{
    struct view v;
    unsigned char number[4];
    int rc = queue_get(q, q->meta, view_str("format"), &v);
    if (rc == E_NOT_FOUND && !q->only_looks) {
        put_le32(number, QUEUE_FORMAT);
        q->n = (struct queue_numbers){.next_place = 1, .next_token = 1, .next_shard = 1};
        rc = queue_put(q, q->meta, view_str("format"), view_of(number, sizeof number));
        return rc ? rc : put_numbers(q);
    }
    if (rc) {
        return rc;
    }
    if (v.n != 4 || get_le32(v.p) != QUEUE_FORMAT) {
        return err_set(E_VERSION, "%s has queue format %u; this pairmill reads format %d", path,
                       v.n == 4 ? get_le32(v.p) : 0, QUEUE_FORMAT);
    }
    return get_numbers(q);
}

typedef int (*medium_fn)(struct queue *q, const struct id *medium, struct view value);

/* Calls `each` for every row of a table whose keys are media. */
static int each_medium(struct queue *q, MDB_dbi dbi, medium_fn each)
{
    MDB_cursor *cursor = NULL;
    int rc = queue_mdb(mdb_cursor_open(q->txn, dbi, &cursor), "open a cursor");
    MDB_val key;
    MDB_val value;
    while (rc == 0 && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        struct id medium;
        memcpy(medium.b, key.mv_data, ID_BYTES);
        rc = each(q, &medium, view_of(value.mv_data, value.mv_size));
    }
    if (cursor) {
        mdb_cursor_close(cursor);
    }
    return rc;
}

/* A restart is nobody's fault: leases go on with their full time, none counts as started. */
static int restore_lease(struct queue *q, const struct id *medium, struct view token)
{
    return lease_add(q, medium, get_le64(token.p), 0);
}

/* Delays are measured from boot, so they end with a restart. */
static int restore_delay(struct queue *q, const struct id *medium, struct view nothing)
{
    (void)nothing;
    return delay_add(q, medium, clock_now_ms());
}

static struct queue *queue_new(const struct queue_options *options)
{
    struct queue *q = calloc(1, sizeof *q);
    if (q) {
        q->options = *options;
        q->lock_fd = -1;
        buf_init(&q->scratch, 1 << 20);
    }
    return q;
}

int queue_open(const char *path, const struct queue_options *options, struct queue **out)
{
    struct queue *q = queue_new(options);
    if (!q) {
        return err_set(E_NOMEM, "no memory for a queue");
    }
    int rc = lock_file(q, path);
    rc = rc ? rc : open_env(q, path);
    rc = rc ? rc : queue_begin(q);
    rc = rc ? rc : open_tables(q);
    rc = rc ? rc : check_format(q, path);
    rc = rc ? rc : get_identity(q);
    rc = rc ? rc : each_medium(q, q->leases, restore_lease);
    rc = rc ? rc : each_medium(q, q->delayed, restore_delay);
    rc = rc ? rc : queue_commit(q);
    if (rc) {
        queue_close(q);
        return rc;
    }
    log_info("queue_open", "path=%s ingested=%llu leased_jobs=%zu", path,
             (unsigned long long)q->n.counts.ingested, q->lease_count);
    *out = q;
    return 0;
}

int queue_open_to_look(const char *path, struct queue **out)
{
    const struct queue_options options = queue_default_options();
    struct queue *q = queue_new(&options);
    if (!q) {
        return err_set(E_NOMEM, "no memory for a queue");
    }
    q->only_looks = true;
    int rc = lock_file(q, path);
    rc = rc ? rc : check_begun(q, path);
    rc = rc ? rc : open_env(q, path);
    rc = rc ? rc : queue_begin(q);
    rc = rc ? rc : open_tables(q);
    rc = rc ? rc : check_format(q, path);
    if (rc == E_NOT_FOUND) { /* its broker was killed as it began */
        rc = err_set(E_NO_FILE, "the queue file %s has nothing in it yet", path);
    }
    if (rc) {
        queue_close(q);
        return rc;
    }
    *out = q;
    return 0;
}

void queue_close(struct queue *q)
{
    if (!q) {
        return;
    }
    if (q->txn) {
        mdb_txn_abort(q->txn);
    }
    if (q->env) {
        mdb_env_close(q->env);
    }
    if (q->lock_fd >= 0) {
        close(q->lock_fd);
    }
    free(q->lease);
    free(q->delay);
    buf_release(&q->scratch);
    free(q);
}
