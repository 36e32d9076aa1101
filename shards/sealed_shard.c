#include "shards/sealed_shard.h"

#include <stdio.h>
#include <stdlib.h>

#include "shards/shard_internal.h"

struct sealed_shard {
    char path[SHARD_PATH_MAX];
    struct shard_manifest manifest;
    MDB_env *env;
    MDB_txn *txn; /* held open: it keeps the views valid; nobody writes a sealed file */
    MDB_dbi visual;
    MDB_dbi pair;
    MDB_dbi table;
    MDB_dbi meta;
    struct view about;
    struct view groups;
    struct view lengths;
    struct view media;
    struct view regions;
    bool tells_classes;
    uint32_t classes;
    struct value_dictionary *dictionary;
};

static int get_view(struct sealed_shard *s, MDB_dbi dbi, const void *key, size_t n,
                    struct view *out)
{
    MDB_val k = shard_val(key, n);
    MDB_val v;
    const int status = mdb_get(s->txn, dbi, &k, &v);
    *out = status ? view_of(NULL, 0) : view_of(v.mv_data, v.mv_size);
    return status;
}

static void read_classes(struct sealed_shard *s, const json_t *meta)
{
    const json_t *v = json_object_get(meta, META_CLASSES);
    const json_int_t n = json_integer_value(v);
    s->tells_classes = json_is_integer(v) && n >= 0 && n <= UINT32_MAX;
    s->classes = s->tells_classes ? (uint32_t)n : 0;
}

/* A table of `n` entries of `each` bytes. */
static int open_table(struct sealed_shard *s, const char *name, uint64_t n, size_t each,
                      struct view *out)
{
    const int status = get_view(s, s->table, name, strlen(name), out);
    if (status) {
        return shard_lmdb_error(status, s->path, name);
    }
    return out->n == n * each ? 0
                              : err_set(E_FORMAT, "%s: table %s has %zu bytes instead of %llu",
                                        s->path, name, out->n, (unsigned long long)(n * each));
}

static int check_meta(struct sealed_shard *s)
{
    struct view text;
    const int status = get_view(s, s->meta, META_SHARD, strlen(META_SHARD), &text);
    if (status || get_view(s, s->meta, META_ABOUT, strlen(META_ABOUT), &s->about)) {
        return err_set(E_FORMAT, "%s has no meta entries: it is no sealed shard", s->path);
    }
    json_t *o = json_loadb(text.p, text.n, 0, NULL);
    const json_int_t format = json_integer_value(json_object_get(o, "format"));
    const json_int_t number = json_integer_value(json_object_get(o, "number"));
    read_classes(s, o);
    json_decref(o);
    if (format > SHARD_FORMAT) {
        return err_set(E_VERSION, "%s has shard format %lld; this pairmill reads up to %d", s->path,
                       (long long)format, SHARD_FORMAT);
    }
    if (format < 1 || number != s->manifest.number) {
        return err_set(E_FORMAT, "%s is shard %lld, its manifest says %u", s->path,
                       (long long)number, s->manifest.number);
    }
    return 0;
}

/* Each handle in a transaction of its own, committed: LMDB forbids opening handles in two live
 * transactions, and the one that keeps the views valid lives as long as the shard. */
static int open_dbs(struct sealed_shard *s)
{
    int rc = shard_db_open(s->env, s->path, DB_VISUAL, false, &s->visual);
    rc = rc ? rc : shard_db_open(s->env, s->path, DB_PAIR, false, &s->pair);
    rc = rc ? rc : shard_db_open(s->env, s->path, DB_TABLE, false, &s->table);
    rc = rc ? rc : shard_db_open(s->env, s->path, DB_META, false, &s->meta);
    const int status = rc ? 0 : mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->txn);
    return status ? shard_lmdb_error(status, s->path, "no transaction") : rc;
}

static int check_counts(struct sealed_shard *s)
{
    MDB_stat pair = {0};
    MDB_stat visual = {0};
    mdb_stat(s->txn, s->pair, &pair);
    mdb_stat(s->txn, s->visual, &visual);
    return pair.ms_entries == s->manifest.pairs && visual.ms_entries == s->manifest.media
               ? 0
               : err_set(E_FORMAT,
                         "%s holds %zu pairs and %zu media, its manifest says %llu and "
                         "%llu",
                         s->path, pair.ms_entries, visual.ms_entries,
                         (unsigned long long)s->manifest.pairs,
                         (unsigned long long)s->manifest.media);
}

static int open_tables(struct sealed_shard *s)
{
    const uint64_t pairs = s->manifest.pairs;
    int rc = open_table(s, TABLE_PAIR_GROUP, pairs, 8, &s->groups);
    rc = rc ? rc : open_table(s, TABLE_PAIR_LENGTH, pairs, 2, &s->lengths);
    rc = rc ? rc : open_table(s, TABLE_PAIR_MEDIUM, pairs, ID_BYTES, &s->media);
    rc = rc ? rc : open_table(s, TABLE_REGIONS, s->manifest.media, 4, &s->regions);
    struct view dictionary;
    if (rc || get_view(s, s->table, TABLE_DICTIONARY, strlen(TABLE_DICTIONARY), &dictionary)) {
        return rc;
    }
    return value_dictionary_new(dictionary, &s->dictionary);
}

int sealed_shard_open(const char *path, const struct shard_manifest *m, bool digest,
                      struct sealed_shard **out)
{
    int rc = manifest_check_file(path, m, digest);
    struct sealed_shard *s = rc ? NULL : calloc(1, sizeof *s);
    if (!s) {
        return rc ? rc : err_set(E_NOMEM, "no memory for a shard");
    }
    snprintf(s->path, sizeof s->path, "%s", path);
    s->manifest = *m;
    rc = shard_env_open(path, MDB_RDONLY | MDB_NORDAHEAD | MDB_NOTLS, &s->env);
    rc = rc ? rc : open_dbs(s);
    rc = rc ? rc : check_meta(s);
    rc = rc ? rc : check_counts(s);
    rc = rc ? rc : open_tables(s);
    if (rc) {
        sealed_shard_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void sealed_shard_close(struct sealed_shard *s)
{
    if (s) {
        value_dictionary_free(s->dictionary);
        mdb_txn_abort(s->txn);
        mdb_env_close(s->env);
        free(s);
    }
}

const char *sealed_shard_path(const struct sealed_shard *s)
{
    return s->path;
}

struct view sealed_shard_about(const struct sealed_shard *s)
{
    return s->about;
}

uint64_t sealed_shard_pair_group(const struct sealed_shard *s, uint64_t i)
{
    return get_le64((const unsigned char *)s->groups.p + i * 8);
}

uint32_t sealed_shard_pair_length(const struct sealed_shard *s, uint64_t i)
{
    return get_le16((const unsigned char *)s->lengths.p + i * 2);
}

const struct id *sealed_shard_pair_medium(const struct sealed_shard *s, uint64_t i)
{
    return (const struct id *)s->media.p + i; /* bytes: no alignment needed */
}

void sealed_shard_regions(const struct sealed_shard *s, uint64_t i, uint32_t *regions,
                          uint32_t *confident)
{
    const unsigned char *p = (const unsigned char *)s->regions.p + i * 4;
    *regions = get_le16(p);
    *confident = get_le16(p + 2);
}

bool sealed_shard_classes(const struct sealed_shard *s, uint32_t *classes)
{
    *classes = s->classes;
    return s->tells_classes;
}

const struct value_dictionary *sealed_shard_dictionary(const struct sealed_shard *s)
{
    return s->dictionary;
}

static MDB_dbi dbi_of(const struct sealed_shard *s, enum record_kind kind)
{
    return kind == RECORD_PAIR ? s->pair : s->visual;
}

int sealed_shard_get(struct sealed_shard *s, enum record_kind kind, const struct id *id,
                     struct view *stored)
{
    const int status = get_view(s, dbi_of(s, kind), id->b, ID_BYTES, stored);
    if (status) {
        char hex[ID_HEX];
        id_to_hex(id, hex);
        return shard_lmdb_error(status, s->path, hex);
    }
    return 0;
}

int sealed_shard_each(struct sealed_shard *s, enum record_kind kind, sealed_record_fn fn, void *ctx)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int status = mdb_cursor_open(s->txn, dbi_of(s, kind), &cursor);
    const uint64_t n = kind == RECORD_PAIR ? s->manifest.pairs : s->manifest.media;
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && status == 0; i++) {
        status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        if (status == 0) { /* a damaged tree may have more leaves than it counts */
            rc = key.mv_size == ID_BYTES && i < n
                     ? fn(ctx, i, key.mv_data, view_of(value.mv_data, value.mv_size))
                     : err_set(E_CHECKSUM, "%s: its tree of keys was damaged", s->path);
        }
    }
    mdb_cursor_close(cursor);
    if (rc == 0 && status != MDB_NOTFOUND) {
        rc = shard_lmdb_error(status, s->path, "cannot be read");
    }
    return rc;
}

int sealed_shard_content_digest(struct sealed_shard *s, struct id *out)
{
    return shard_content_digest(s->env, s->path, out);
}

/* Names shard and key in front of what went wrong. */
static int name_record(const struct sealed_shard *s, const char *kind, const struct id *id, int rc)
{
    char hex[ID_HEX];
    id_to_hex(id, hex);
    return err_set(rc, "%s: %s %s: %s", s->path, kind, hex, err_text());
}

int sealed_shard_decode_visual(struct sealed_shard *s, struct value_coder *coder,
                               const struct id *id, struct view stored, struct buf *bytes,
                               struct visual_record *out)
{
    int rc = value_unpack(coder, stored, NULL, bytes);
    rc = rc ? rc : codec_decode_visual(buf_view(bytes), out);
    if (rc == 0 && !id_equal(&out->medium, id)) {
        rc = err_set(E_CHECKSUM, "the record under this key is another medium's");
    }
    return rc ? name_record(s, "medium", id, rc) : 0;
}

int sealed_shard_decode_pair(struct sealed_shard *s, struct value_coder *coder, const struct id *id,
                             struct view stored, struct buf *bytes, struct pair_record *out)
{
    int rc = value_unpack(coder, stored, s->dictionary, bytes);
    rc = rc ? rc : codec_decode_pair(buf_view(bytes), out);
    if (rc == 0 && !id_equal(&out->id, id)) {
        rc = err_set(E_CHECKSUM, "the record under this key is another pair's");
    }
    return rc ? name_record(s, "pair", id, rc) : 0;
}
