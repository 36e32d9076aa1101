#include "shards/open_shard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/file.h"
#include "shards/codec.h"
#include "shards/shard_internal.h"

/* A mark's key: medium, token big-endian.  Its value: u8 has_visual, u32 pairs, the pairs' ids in
 * ascending order. */
enum { MARK_KEY = ID_BYTES + 8, MARK_HEAD = 5 };

struct mark_key {
    unsigned char b[MARK_KEY];
};

static struct mark_key mark_key(const struct id *medium, uint64_t token)
{
    struct mark_key k;
    memcpy(k.b, medium->b, ID_BYTES);
    put_be64(k.b + ID_BYTES, token);
    return k;
}

/* ---- creating and adopting ---- */

static int put_text(MDB_txn *txn, MDB_dbi dbi, const char *key, const char *text)
{
    MDB_val k = shard_val(key, strlen(key));
    MDB_val v = shard_val(text, strlen(text));
    return mdb_put(txn, dbi, &k, &v, 0);
}

static int write_meta(MDB_env *env, const char *path, const char *about)
{
    char shard[64];
    snprintf(shard, sizeof shard, "{\"format\": %d, \"created\": %lld}", SHARD_FORMAT,
             (long long)clock_wall_s());
    MDB_txn *txn = NULL;
    MDB_dbi dbi;
    int status = mdb_txn_begin(env, NULL, 0, &txn);
    status = status ? status : mdb_dbi_open(txn, DB_META, MDB_CREATE, &dbi);
    status = status ? status : put_text(txn, dbi, META_SHARD, shard);
    status = status ? status : put_text(txn, dbi, META_ABOUT, about);
    if (status) {
        mdb_txn_abort(txn);
    } else {
        status = mdb_txn_commit(txn);
    }
    return status ? shard_lmdb_error(status, path, "cannot be written") : 0;
}

/* A new file is born under a temporary name, so that one without its meta entries never exists. */
static int create_file(const char *dir, uint32_t number, const char *about)
{
    char tmp[SHARD_PATH_MAX];
    char path[SHARD_PATH_MAX];
    MDB_env *env = NULL;
    int rc = shard_path(dir, number, "open.tmp", tmp);
    rc = rc ? rc : shard_path(dir, number, "open", path);
    rc = rc ? rc : file_remove(tmp);
    rc = rc ? rc : shard_env_open(tmp, 0, &env);
    rc = rc ? rc : write_meta(env, tmp, about);
    mdb_env_close(env);
    if (rc == 0 && renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_NOREPLACE)) {
        rc = errno == EEXIST ? err_set(E_EXISTS, "%s is there already", path)
                             : err_errno("%s cannot be created", path);
    }
    return rc ? rc : file_sync(dir);
}

static int check_about(const char *about)
{
    json_error_t error;
    json_t *o = json_loads(about, 0, &error);
    const int rc = json_is_object(o)
                       ? 0
                       : err_set(E_FORMAT, "a shard's \"about\" is no JSON object: %s", error.text);
    json_decref(o);
    return rc;
}

static int check_unused(const char *dir, uint32_t number)
{
    static const char *const suffixes[] = {"open", "mdb", "json"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char path[SHARD_PATH_MAX];
        const int rc = shard_path(dir, number, suffixes[i], path);
        if (rc) {
            return rc;
        }
        if (file_exists(path)) {
            return err_set(E_EXISTS, "shard %u cannot be created: %s is there already", number,
                           path);
        }
    }
    return 0;
}

int open_shard_create(const char *dir, uint32_t number, const char *about, struct open_shard **out)
{
    int rc = check_about(about);
    rc = rc ? rc : file_make_dirs(dir);
    rc = rc ? rc : check_unused(dir, number);
    rc = rc ? rc : create_file(dir, number, about);
    return rc ? rc : open_shard_adopt(dir, number, out);
}

/* Takes the lock that says whose shard this is; it goes with the process, however it ends. */
static int lock_file(struct open_shard *s)
{
    struct stat held;
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0) {
        return err_errno("%s cannot be opened", s->path);
    }
    if (flock(s->fd, LOCK_EX | LOCK_NB)) {
        return errno == EWOULDBLOCK ? err_set(E_BUSY, "%s is held by another worker", s->path)
                                    : err_errno("%s cannot be locked", s->path);
    }
    if (fstat(s->fd, &held) || held.st_nlink == 0) {
        return err_set(E_NO_FILE, "%s was sealed by another worker just now", s->path);
    }
    return 0;
}

/* What a killed seal left behind: a complete sealed shard wins (E_EXISTS), anything less goes. */
static int clear_unfinished_seal(struct open_shard *s)
{
    static const char *const leftovers[] = {"json", "mdb", "json.tmp", "mdb.tmp"};
    char path[SHARD_PATH_MAX];
    struct shard_manifest m;
    int rc = shard_path(s->dir, s->number, "mdb", path);
    rc = rc ? rc : manifest_load(s->dir, s->number, &m);
    rc = rc ? rc : manifest_check_file(path, &m, true);
    if (rc == 0) {
        rc = file_remove(s->path);
        rc = rc ? rc : file_sync(s->dir);
        return rc ? rc : err_set(E_EXISTS, "shard %u is sealed already: %s", s->number, path);
    }
    if (rc != E_NO_FILE && rc != E_FORMAT && rc != E_TRUNCATED && rc != E_CHECKSUM) {
        return rc;
    }
    rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof leftovers / sizeof *leftovers; i++) {
        rc = shard_path(s->dir, s->number, leftovers[i], path);
        rc = rc ? rc : file_remove(path);
    }
    return rc;
}

/* Without an open file: was it sealed, or never there? */
static int explain_missing(const struct open_shard *s)
{
    char path[SHARD_PATH_MAX];
    struct shard_manifest m;
    int rc = shard_path(s->dir, s->number, "mdb", path);
    rc = rc ? rc : manifest_load(s->dir, s->number, &m);
    rc = rc ? rc : manifest_check_file(path, &m, true);
    return rc ? rc : err_set(E_EXISTS, "shard %u is sealed already: %s", s->number, path);
}

static int open_databases(struct open_shard *s)
{
    int rc = shard_env_open(s->path, 0, &s->env);
    rc = rc ? rc : shard_db_open(s->env, s->path, DB_META, true, &s->meta);
    rc = rc ? rc : shard_db_open(s->env, s->path, DB_VISUAL, true, &s->visual);
    rc = rc ? rc : shard_db_open(s->env, s->path, DB_PAIR, true, &s->pair);
    return rc ? rc : shard_db_open(s->env, s->path, DB_MARK, true, &s->mark);
}

int open_shard_adopt(const char *dir, uint32_t number, struct open_shard **out)
{
    struct open_shard *s = calloc(1, sizeof *s);
    if (!s) {
        return err_set(E_NOMEM, "no memory for a shard");
    }
    s->number = number;
    s->fd = -1;
    buf_init(&s->record, CODEC_MAX_RECORD);
    buf_init(&s->stored, CODEC_MAX_RECORD);
    snprintf(s->dir, sizeof s->dir, "%s", dir);
    int rc = shard_path(dir, number, "open", s->path);
    rc = rc ? rc : lock_file(s);
    if (rc == E_NO_FILE) {
        rc = explain_missing(s);
    } else {
        rc = rc ? rc : clear_unfinished_seal(s);
        rc = rc ? rc : open_databases(s);
        rc = rc ? rc : value_coder_new(&s->coder);
    }
    if (rc) {
        open_shard_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void open_shard_close(struct open_shard *s)
{
    if (s) {
        mdb_env_close(s->env);
        value_coder_free(s->coder);
        buf_release(&s->record);
        buf_release(&s->stored);
        if (s->fd >= 0) {
            close(s->fd);
        }
        free(s);
    }
}

uint32_t open_shard_number(const struct open_shard *s)
{
    return s->number;
}

/* ---- putting ---- */

static int put_record(struct open_shard *s, MDB_txn *txn, MDB_dbi dbi, const struct id *id)
{
    const int rc = value_pack(s->coder, buf_view(&s->record), NULL, &s->stored);
    if (rc) {
        return rc;
    }
    MDB_val k = shard_val(id->b, ID_BYTES);
    MDB_val v = shard_val(s->stored.p, s->stored.n);
    const int status = mdb_put(txn, dbi, &k, &v, 0);
    return status ? shard_lmdb_error(status, s->path, "a record cannot be written") : 0;
}

static int put_visual(struct open_shard *s, MDB_txn *txn, const struct id *medium,
                      const struct visual_record *visual)
{
    if (!id_equal(&visual->medium, medium)) {
        return err_set(E_ARG, "a visual record of another medium than its mark's");
    }
    const int rc = codec_encode_visual(visual, &s->record);
    return rc ? rc : put_record(s, txn, s->visual, medium);
}

static int put_pair(struct open_shard *s, MDB_txn *txn, const struct id *medium,
                    const struct pair_record *pair)
{
    if (!id_equal(&pair->medium, medium)) {
        return err_set(E_ARG, "a pair record of another medium than its mark's");
    }
    const int rc = codec_encode_pair(pair, &s->record);
    return rc ? rc : put_record(s, txn, s->pair, &pair->id);
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, ID_BYTES);
}

static int build_mark(struct buf *out, bool has_visual, const struct pair_record *pairs, size_t n)
{
    unsigned char head[MARK_HEAD] = {has_visual};
    put_le32(head + 1, (uint32_t)n);
    buf_reset(out);
    int rc = n > UINT32_MAX ? err_set(E_TOO_BIG, "a job of %zu pairs", n) : 0;
    rc = rc ? rc : buf_append(out, head, sizeof head);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = buf_append(out, pairs[i].id.b, ID_BYTES);
    }
    if (rc) {
        return rc;
    }
    unsigned char *ids = out->p + MARK_HEAD;
    qsort(ids, n, ID_BYTES, by_id);
    for (size_t i = 1; i < n; i++) {
        if (by_id(ids + (i - 1) * ID_BYTES, ids + i * ID_BYTES) == 0) {
            return err_set(E_ARG, "a job with the same pair twice");
        }
    }
    return 0;
}

static int put_mark(struct open_shard *s, MDB_txn *txn, const struct staged_mark *mark,
                    bool has_visual, const struct pair_record *pairs, size_t n)
{
    const int rc = build_mark(&s->record, has_visual, pairs, n);
    if (rc) {
        return rc;
    }
    const struct mark_key key = mark_key(&mark->medium, mark->token);
    MDB_val k = shard_val(key.b, MARK_KEY);
    MDB_val v = shard_val(s->record.p, s->record.n);
    const int status = mdb_put(txn, s->mark, &k, &v, MDB_NOOVERWRITE);
    if (status == MDB_KEYEXIST) {
        char hex[ID_HEX];
        id_to_hex(&mark->medium, hex);
        return err_set(E_EXISTS, "medium %s is staged in shard %u under lease %llu already", hex,
                       s->number, (unsigned long long)mark->token);
    }
    return status ? shard_lmdb_error(status, s->path, "a mark cannot be written") : 0;
}

static int begin_write(struct open_shard *s, MDB_txn **txn)
{
    const int status = mdb_txn_begin(s->env, NULL, 0, txn);
    return status ? shard_lmdb_error(status, s->path, "no transaction") : 0;
}

/* Commits when rc is 0, else takes everything back. */
static int end_write(struct open_shard *s, MDB_txn *txn, int rc)
{
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    const int status = mdb_txn_commit(txn);
    return status ? shard_lmdb_error(status, s->path, "a commit failed") : 0;
}

int open_shard_put(struct open_shard *s, const struct staged_mark *mark,
                   const struct visual_record *visual, const struct pair_record *pairs, size_t n)
{
    MDB_txn *txn = NULL;
    int rc = begin_write(s, &txn);
    if (rc) {
        return rc;
    }
    rc = put_mark(s, txn, mark, visual != NULL, pairs, n);
    if (rc == 0 && visual) {
        rc = put_visual(s, txn, &mark->medium, visual);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = put_pair(s, txn, &mark->medium, &pairs[i]);
    }
    FAULT("shard_put_uncommitted");
    rc = end_write(s, txn, rc);
    FAULT("shard_put_committed");
    return rc;
}

/* ---- marks ---- */

static bool parse_mark(const MDB_val *key, const MDB_val *value, struct staged_mark *out)
{
    const unsigned char *k = key->mv_data;
    const unsigned char *v = value->mv_data;
    if (key->mv_size != MARK_KEY || value->mv_size < MARK_HEAD ||
        value->mv_size != MARK_HEAD + (size_t)get_le32(v + 1) * ID_BYTES) {
        return false;
    }
    memcpy(out->medium.b, k, ID_BYTES);
    out->token = get_be64(k + ID_BYTES);
    out->has_visual = v[0];
    out->pairs = get_le32(v + 1);
    return true;
}

static size_t entries(MDB_txn *txn, MDB_dbi dbi)
{
    MDB_stat stat = {0};
    mdb_stat(txn, dbi, &stat);
    return stat.ms_entries;
}

static int read_marks(struct open_shard *s, MDB_txn *txn, struct staged_mark *out, size_t n)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int status = mdb_cursor_open(txn, s->mark, &cursor);
    int rc = status ? shard_lmdb_error(status, s->path, "marks cannot be read") : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        if (status) {
            rc = shard_lmdb_error(status, s->path, "marks cannot be read");
        } else if (!parse_mark(&key, &value, &out[i])) {
            rc = err_set(E_CHECKSUM, "%s: mark %zu was damaged", s->path, i);
        }
    }
    mdb_cursor_close(cursor);
    return rc;
}

int open_shard_marks(struct open_shard *s, struct staged_mark **out, size_t *n)
{
    MDB_txn *txn = NULL;
    *out = NULL;
    *n = 0;
    const int status = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
    if (status) {
        return shard_lmdb_error(status, s->path, "no transaction");
    }
    const size_t count = entries(txn, s->mark);
    struct staged_mark *marks = calloc(count ? count : 1, sizeof *marks);
    const int rc = marks ? read_marks(s, txn, marks, count)
                         : err_set(E_NOMEM, "no memory for %zu marks", count);
    mdb_txn_abort(txn);
    if (rc) {
        free(marks);
        return rc;
    }
    *out = marks;
    *n = count;
    return 0;
}

/* ---- removing ---- */

/* What the medium's other marks claim. */
struct claims {
    bool visual;
    struct buf ids; /* 32 bytes each, one ascending run a mark */
};

static bool claimed(const struct claims *c, const unsigned char *id)
{
    for (size_t at = 0; at < c->ids.n; at += ID_BYTES) {
        if (memcmp(c->ids.p + at, id, ID_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static int gather_claims(struct open_shard *s, MDB_txn *txn, const struct mark_key *except,
                         struct claims *out)
{
    const struct mark_key first = mark_key((const struct id *)except->b, 0);
    MDB_cursor *cursor = NULL;
    MDB_val key = shard_val(first.b, MARK_KEY);
    MDB_val value;
    int status = mdb_cursor_open(txn, s->mark, &cursor);
    status = status ? status : mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    int rc = 0;
    while (rc == 0 && status == 0 && memcmp(key.mv_data, except->b, ID_BYTES) == 0) {
        struct staged_mark mark;
        if (!parse_mark(&key, &value, &mark)) {
            rc = err_set(E_CHECKSUM, "%s: a mark was damaged", s->path);
        } else if (memcmp(key.mv_data, except->b, MARK_KEY) != 0) {
            out->visual |= mark.has_visual;
            rc = buf_append(&out->ids, (const unsigned char *)value.mv_data + MARK_HEAD,
                            value.mv_size - MARK_HEAD);
        }
        status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (rc == 0 && status && status != MDB_NOTFOUND) {
        rc = shard_lmdb_error(status, s->path, "marks cannot be read");
    }
    return rc;
}

static int delete_record(struct open_shard *s, MDB_txn *txn, MDB_dbi dbi, const unsigned char *id)
{
    MDB_val k = shard_val(id, ID_BYTES);
    const int status = mdb_del(txn, dbi, &k, NULL);
    return status && status != MDB_NOTFOUND
               ? shard_lmdb_error(status, s->path, "a record cannot be deleted")
               : 0;
}

/* Deletes what the mark in s->record claims and no other mark does. */
static int delete_unclaimed(struct open_shard *s, MDB_txn *txn, const struct mark_key *key,
                            const struct claims *others)
{
    const unsigned char *ids = s->record.p + MARK_HEAD;
    int rc = s->record.p[0] && !others->visual ? delete_record(s, txn, s->visual, key->b) : 0;
    for (size_t at = 0; rc == 0 && at < s->record.n - MARK_HEAD; at += ID_BYTES) {
        rc = claimed(others, ids + at) ? 0 : delete_record(s, txn, s->pair, ids + at);
    }
    return rc;
}

/* Copies the mark's value to s->record (LMDB's own memory moves under a write). */
static int load_mark(struct open_shard *s, MDB_txn *txn, const struct mark_key *key)
{
    MDB_val k = shard_val(key->b, MARK_KEY);
    MDB_val v;
    struct staged_mark mark;
    const int status = mdb_get(txn, s->mark, &k, &v);
    if (status == MDB_NOTFOUND) {
        return err_set(E_NOT_FOUND, "shard %u holds nothing that was staged under lease %llu",
                       s->number, (unsigned long long)get_be64(key->b + ID_BYTES));
    }
    if (status) {
        return shard_lmdb_error(status, s->path, "a mark cannot be read");
    }
    if (!parse_mark(&k, &v, &mark)) {
        return err_set(E_CHECKSUM, "%s: a mark was damaged", s->path);
    }
    buf_reset(&s->record);
    return buf_append(&s->record, v.mv_data, v.mv_size);
}

int open_shard_remove(struct open_shard *s, const struct id *medium, uint64_t token)
{
    const struct mark_key key = mark_key(medium, token);
    struct claims others = {0};
    MDB_txn *txn = NULL;
    buf_init(&others.ids, CODEC_MAX_RECORD);
    int rc = begin_write(s, &txn);
    if (rc) {
        return rc;
    }
    rc = load_mark(s, txn, &key);
    rc = rc ? rc : gather_claims(s, txn, &key, &others);
    rc = rc ? rc : delete_unclaimed(s, txn, &key, &others);
    if (rc == 0) {
        MDB_val k = shard_val(key.b, MARK_KEY);
        const int status = mdb_del(txn, s->mark, &k, NULL);
        rc = status ? shard_lmdb_error(status, s->path, "a mark cannot be deleted") : 0;
    }
    buf_release(&others.ids);
    return end_write(s, txn, rc);
}

int open_shard_usage(struct open_shard *s, struct open_shard_usage *out)
{
    MDB_txn *txn = NULL;
    MDB_envinfo info;
    MDB_stat stat;
    int status = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
    if (status) {
        return shard_lmdb_error(status, s->path, "no transaction");
    }
    out->pairs = entries(txn, s->pair);
    out->media = entries(txn, s->visual);
    out->marks = entries(txn, s->mark);
    mdb_txn_abort(txn);
    status = mdb_env_info(s->env, &info);
    status = status ? status : mdb_env_stat(s->env, &stat);
    out->bytes = status ? 0 : (info.me_last_pgno + 1) * stat.ms_psize;
    return status ? shard_lmdb_error(status, s->path, "its size cannot be told") : 0;
}
