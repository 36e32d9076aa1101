/*
 * Sealing: an open shard becomes a sealed one.
 *
 *     transcode   NNNNNN.mdb.tmp, every record in key order, synced
 *     publish     renamed to NNNNNN.mdb, read-only
 *     manifest    NNNNNN.json: from here on the shard is sealed
 *     discard     NNNNNN.open is deleted
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <zdict.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/file.h"
#include "shards/codec.h"
#include "shards/shard_internal.h"

enum {
    COMMIT_BYTES = 64 << 20,      /* written between two commits of the new file */
    SAMPLE_BYTES = 4 << 20,       /* records that the dictionary is trained on */
    DICTIONARY_MAX = 64 << 10,    /* zstd: about a hundredth of the samples is enough */
    DICTIONARY_MIN_RECORDS = 100, /* fewer do not pay for a dictionary */
};

/* Regions counted in the table of regions: UNITER keeps those above this confidence. */
static const float confident = 0.2f;

/* The file being written, in transactions of about COMMIT_BYTES. */
struct writer {
    char path[SHARD_PATH_MAX];
    MDB_env *env;
    MDB_txn *txn;
    size_t pending; /* bytes since the last commit */
};

/* Everything that one transcoding needs. */
struct transcode {
    struct open_shard *shard;
    struct writer w;
    MDB_txn *from; /* read transaction of the open shard */
    struct buf sealed;
    struct buf dictionary_bytes;
    struct value_dictionary *dictionary; /* NULL: none */
    struct buf groups;
    struct buf lengths;
    struct buf media;
    struct buf regions;
    json_t *visual_schema;
    json_t *pair_schema;
    uint32_t classes; /* least columns of soft labels of a visual record with regions */
};

/* ---- writing in key order ---- */

static int writer_commit(struct writer *w)
{
    int status = w->txn ? mdb_txn_commit(w->txn) : 0;
    w->txn = NULL;
    w->pending = 0;
    status = status ? status : mdb_txn_begin(w->env, NULL, 0, &w->txn);
    return status ? shard_lmdb_error(status, w->path, "cannot be written") : 0;
}

/* Sync comes once, at the end: before the rename the file is worth nothing anyway. */
static int writer_open(struct writer *w, const char *dir, uint32_t number)
{
    int rc = shard_path(dir, number, "mdb.tmp", w->path);
    rc = rc ? rc : file_remove(w->path);
    rc = rc ? rc : shard_env_open(w->path, MDB_NOSYNC, &w->env);
    return rc ? rc : writer_commit(w);
}

static int writer_database(struct writer *w, const char *name, MDB_dbi *out)
{
    const int status = mdb_dbi_open(w->txn, name, MDB_CREATE, out);
    return status ? shard_lmdb_error(status, w->path, name) : 0;
}

static int writer_append(struct writer *w, MDB_dbi dbi, struct view key, struct view value)
{
    MDB_val k = shard_val(key.p, key.n);
    MDB_val v = shard_val(value.p, value.n);
    const int status = mdb_put(w->txn, dbi, &k, &v, MDB_APPEND);
    if (status) {
        return shard_lmdb_error(status, w->path, "a record cannot be written");
    }
    w->pending += value.n;
    return w->pending < COMMIT_BYTES ? 0 : writer_commit(w);
}

static int writer_finish(struct writer *w)
{
    int status = mdb_txn_commit(w->txn);
    w->txn = NULL;
    status = status ? status : mdb_env_sync(w->env, 1);
    return status ? shard_lmdb_error(status, w->path, "cannot be written") : 0;
}

static void writer_close(struct writer *w)
{
    mdb_txn_abort(w->txn);
    mdb_env_close(w->env);
    w->txn = NULL;
    w->env = NULL;
}

/* ---- reading the open shard ---- */

typedef int (*record_fn)(struct transcode *t, const struct id *key, struct view stored, void *ctx);

/* Calls `fn` with each record of a database in key order. */
static int each_record(struct transcode *t, MDB_dbi dbi, record_fn fn, void *ctx)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int status = mdb_cursor_open(t->from, dbi, &cursor);
    int rc = 0;
    while (rc == 0 && status == 0) {
        status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        if (status == 0) {
            struct id id;
            rc = key.mv_size == ID_BYTES
                     ? 0
                     : err_set(E_CHECKSUM, "%s: a key was damaged", t->shard->path);
            if (rc == 0) {
                memcpy(id.b, key.mv_data, ID_BYTES);
                rc = fn(t, &id, view_of(value.mv_data, value.mv_size), ctx);
            }
        }
    }
    mdb_cursor_close(cursor);
    if (rc == 0 && status != MDB_NOTFOUND) {
        rc = shard_lmdb_error(status, t->shard->path, "records cannot be read");
    }
    return rc;
}

static int name_record(struct transcode *t, int rc, const char *kind, const struct id *id)
{
    if (rc == 0) {
        return 0;
    }
    char hex[ID_HEX];
    id_to_hex(id, hex);
    return err_set(rc, "%s: %s %s: %s", t->shard->path, kind, hex, err_text());
}

static size_t count(struct transcode *t, MDB_dbi dbi)
{
    MDB_stat stat = {0};
    mdb_stat(t->from, dbi, &stat);
    return stat.ms_entries;
}

/* ---- the dictionary ---- */

struct samples {
    struct buf bytes;
    size_t *sizes;
    unsigned n;
    size_t every; /* one record in so many */
    size_t seen;
};

static int sample_record(struct transcode *t, const struct id *key, struct view stored, void *ctx)
{
    struct samples *s = ctx;
    struct open_shard *o = t->shard;
    if (s->seen++ % s->every || s->bytes.n > SAMPLE_BYTES) {
        return 0;
    }
    int rc = value_unpack(o->coder, stored, NULL, &o->record);
    rc = rc ? rc : buf_append(&s->bytes, o->record.p, o->record.n);
    s->sizes[s->n++] = o->record.n;
    return name_record(t, rc, "pair", key);
}

/* Trains on an even sample of the pair records; leaves no dictionary where training finds nothing
 * in common. */
static int train_dictionary(struct transcode *t)
{
    const size_t n = count(t, t->shard->pair);
    if (n < DICTIONARY_MIN_RECORDS) {
        return 0;
    }
    struct samples s = {.sizes = calloc(n, sizeof *s.sizes), .every = 1 + n / 4096};
    buf_init(&s.bytes, CODEC_MAX_RECORD);
    int rc = s.sizes ? 0 : err_set(E_NOMEM, "no memory for %zu sizes", n);
    rc = rc ? rc : each_record(t, t->shard->pair, sample_record, &s);
    size_t room = s.bytes.n / 32 < DICTIONARY_MAX ? s.bytes.n / 32 : DICTIONARY_MAX;
    rc = rc ? rc : buf_reserve(&t->dictionary_bytes, room);
    if (rc == 0) {
        room = ZDICT_trainFromBuffer(t->dictionary_bytes.p, room, s.bytes.p, s.sizes, s.n);
        if (!ZDICT_isError(room)) {
            t->dictionary_bytes.n = room;
            rc = value_dictionary_new(buf_view(&t->dictionary_bytes), &t->dictionary);
        }
    }
    free(s.sizes);
    buf_release(&s.bytes);
    return rc;
}

/* ---- records ---- */

static void keep_schema(json_t **schema, struct view record)
{
    struct codec_fields fields;
    if (*schema || codec_read_fields(record, &fields)) {
        return;
    }
    *schema = json_array();
    for (size_t i = 0; i < fields.count; i++) {
        const struct codec_field *f = &fields.field[i];
        json_array_append_new(*schema, json_pack("{s:s, s:s, s:i}", "name", f->name, "dtype",
                                                 dtype_name(f->dtype), "dims", (int)f->dims));
    }
}

static int append_u16(struct buf *out, uint32_t n)
{
    unsigned char b[2];
    put_le16(b, n < UINT16_MAX ? (uint16_t)n : UINT16_MAX);
    return buf_append(out, b, sizeof b);
}

static int seal_pair_tables(struct transcode *t, const struct pair_record *r)
{
    unsigned char group[8];
    put_le64(group, r->group);
    int rc = buf_append(&t->groups, group, sizeof group);
    rc = rc ? rc : append_u16(&t->lengths, r->tokens.n);
    return rc ? rc : buf_append(&t->media, r->medium.b, ID_BYTES);
}

static int seal_pair(struct transcode *t, const struct id *key, struct view stored, void *dbi)
{
    struct open_shard *o = t->shard;
    struct pair_record r;
    int rc = value_unpack(o->coder, stored, NULL, &o->record);
    rc = rc ? rc : codec_decode_pair(buf_view(&o->record), &r);
    rc = rc ? rc : seal_pair_tables(t, &r);
    rc = rc ? rc : value_pack(o->coder, buf_view(&o->record), t->dictionary, &t->sealed);
    if (rc) {
        return name_record(t, rc, "pair", key);
    }
    keep_schema(&t->pair_schema, buf_view(&o->record));
    return writer_append(&t->w, *(MDB_dbi *)dbi, view_of(key->b, ID_BYTES), buf_view(&t->sealed));
}

/* A visual record is stored as it will be; it is decoded once more to count its regions and to
 * see that it is whole. */
static int seal_visual(struct transcode *t, const struct id *key, struct view stored, void *dbi)
{
    struct open_shard *o = t->shard;
    struct visual_record r;
    int rc = value_unpack(o->coder, stored, NULL, &o->record);
    rc = rc ? rc : codec_decode_visual(buf_view(&o->record), &r);
    if (rc) {
        return name_record(t, rc, "medium", key);
    }
    uint32_t sure = 0;
    for (uint32_t i = 0; i < r.n; i++) {
        sure += r.conf[i] > confident;
    }
    if (r.n && r.classes < t->classes) {
        t->classes = r.classes;
    }
    keep_schema(&t->visual_schema, buf_view(&o->record));
    rc = append_u16(&t->regions, r.n);
    rc = rc ? rc : append_u16(&t->regions, sure);
    return rc ? rc : writer_append(&t->w, *(MDB_dbi *)dbi, view_of(key->b, ID_BYTES), stored);
}

static int seal_records(struct transcode *t)
{
    MDB_dbi visual;
    MDB_dbi pair;
    int rc = writer_database(&t->w, DB_VISUAL, &visual);
    rc = rc ? rc : writer_database(&t->w, DB_PAIR, &pair);
    rc = rc ? rc : each_record(t, t->shard->visual, seal_visual, &visual);
    return rc ? rc : each_record(t, t->shard->pair, seal_pair, &pair);
}

/* ---- tables and meta ---- */

static int append_table(struct transcode *t, MDB_dbi dbi, const char *name, const struct buf *b)
{
    return writer_append(&t->w, dbi, view_str(name), b->n ? buf_view(b) : view_of("", 0));
}

static int seal_tables(struct transcode *t)
{
    MDB_dbi dbi;
    int rc = writer_database(&t->w, DB_TABLE, &dbi);
    if (rc == 0 && t->dictionary) {
        rc = append_table(t, dbi, TABLE_DICTIONARY, &t->dictionary_bytes);
    }
    rc = rc ? rc : append_table(t, dbi, TABLE_PAIR_GROUP, &t->groups);
    rc = rc ? rc : append_table(t, dbi, TABLE_PAIR_LENGTH, &t->lengths);
    rc = rc ? rc : append_table(t, dbi, TABLE_PAIR_MEDIUM, &t->media);
    rc = rc ? rc : append_table(t, dbi, TABLE_REGIONS, &t->regions);
    return rc ? rc : writer_commit(&t->w);
}

static int copy_about(struct transcode *t, MDB_dbi dbi)
{
    MDB_val key = shard_val(META_ABOUT, strlen(META_ABOUT));
    MDB_val value;
    const int status = mdb_get(t->from, t->shard->meta, &key, &value);
    if (status) {
        return shard_lmdb_error(status, t->shard->path, META_ABOUT);
    }
    return writer_append(&t->w, dbi, view_str(META_ABOUT), view_of(value.mv_data, value.mv_size));
}

static int seal_meta(struct transcode *t, const struct shard_manifest *m)
{
    char hex[ID_HEX];
    id_to_hex(&m->content_digest, hex);
    json_t *o =
        json_pack("{s:i, s:I, s:I, s:I, s:I, s:s, s:{s:O, s:O}}", "format", SHARD_FORMAT, "number",
                  (json_int_t)m->number, "pairs", (json_int_t)m->pairs, "media",
                  (json_int_t)m->media, "created", (json_int_t)m->created, "content_blake2b", hex,
                  "schema", "visual", t->visual_schema ? t->visual_schema : json_null(), "pair",
                  t->pair_schema ? t->pair_schema : json_null());
    if (o && t->classes != UINT32_MAX) {
        json_object_set_new(o, META_CLASSES, json_integer(t->classes));
    }
    char *text = o ? json_dumps(o, JSON_SORT_KEYS) : NULL;
    json_decref(o);
    MDB_dbi dbi;
    int rc = text ? 0 : err_set(E_NOMEM, "no memory for a shard's meta entry");
    rc = rc ? rc : writer_database(&t->w, DB_META, &dbi);
    rc = rc ? rc : copy_about(t, dbi); /* "about" sorts before "shard" */
    rc = rc ? rc : writer_append(&t->w, dbi, view_str(META_SHARD), view_str(text));
    free(text);
    return rc;
}

static int count_jobs(struct open_shard *s, struct shard_manifest *m)
{
    struct staged_mark *marks = NULL;
    size_t n = 0;
    const int rc = open_shard_marks(s, &marks, &n);
    m->jobs = n;
    for (size_t i = 0; i < n; i++) {
        m->fingerprint = shard_fingerprint_add(m->fingerprint, &marks[i].medium, marks[i].token);
    }
    free(marks);
    return rc;
}

static int transcode(struct transcode *t, struct shard_manifest *m)
{
    const int status = mdb_txn_begin(t->shard->env, NULL, MDB_RDONLY, &t->from);
    if (status) {
        return shard_lmdb_error(status, t->shard->path, "no transaction");
    }
    m->pairs = count(t, t->shard->pair);
    m->media = count(t, t->shard->visual);
    int rc = train_dictionary(t);
    rc = rc ? rc : writer_open(&t->w, t->shard->dir, t->shard->number);
    rc = rc ? rc : seal_records(t);
    rc = rc ? rc : seal_tables(t);
    rc = rc ? rc : shard_content_digest(t->w.env, t->w.path, &m->content_digest);
    rc = rc ? rc : seal_meta(t, m);
    rc = rc ? rc : writer_finish(&t->w);
    mdb_txn_abort(t->from);
    return rc;
}

int seal_transcode(struct open_shard *s, struct shard_manifest *m)
{
    struct transcode t = {
        .shard = s, .visual_schema = NULL, .pair_schema = NULL, .classes = UINT32_MAX};
    struct buf *const buffers[] = {&t.sealed, &t.dictionary_bytes, &t.groups, &t.lengths,
                                   &t.media,  &t.regions};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        buf_init(buffers[i], (size_t)UINT32_MAX); /* LMDB's own limit for a value */
    }
    *m = (struct shard_manifest){.number = s->number, .created = clock_wall_s()};
    int rc = count_jobs(s, m);
    rc = rc ? rc : transcode(&t, m);
    writer_close(&t.w);
    rc = rc ? rc : file_size(t.w.path, &m->bytes);
    rc = rc ? rc : file_digest(t.w.path, &m->file_digest);
    value_dictionary_free(t.dictionary);
    json_decref(t.visual_schema);
    json_decref(t.pair_schema);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        buf_release(buffers[i]);
    }
    return rc;
}

int seal_publish(struct open_shard *s, struct shard_manifest *m)
{
    char tmp[SHARD_PATH_MAX];
    char path[SHARD_PATH_MAX];
    int rc = shard_path(s->dir, m->number, "mdb.tmp", tmp);
    rc = rc ? rc : shard_path(s->dir, m->number, "mdb", path);
    if (rc == 0 && chmod(tmp, 0444)) {
        rc = err_errno("%s cannot be made read-only", tmp);
    }
    rc = rc ? rc : file_sync(tmp);
    return rc ? rc : file_rename(tmp, path);
}

int seal_manifest(struct open_shard *s, struct shard_manifest *m)
{
    return manifest_save(s->dir, m);
}

int seal_discard(struct open_shard *s, struct shard_manifest *m)
{
    (void)m;
    const int rc = file_remove(s->path);
    return rc ? rc : file_sync(s->dir);
}

int open_shard_seal(struct open_shard *s, struct shard_manifest *out)
{
    int rc = seal_transcode(s, out);
    FAULT("seal_transcoded");
    rc = rc ? rc : seal_publish(s, out);
    FAULT("seal_published");
    rc = rc ? rc : seal_manifest(s, out);
    FAULT("seal_manifest_written");
    return rc ? rc : seal_discard(s, out);
}
