#include "shards/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "common/array.h"
#include "common/file.h"
#include "shards/shard_internal.h"

int shard_path(const char *dir, uint32_t number, const char *suffix, char out[SHARD_PATH_MAX])
{
    const int n = snprintf(out, SHARD_PATH_MAX, "%s/%06u.%s", dir, number, suffix);
    return n < SHARD_PATH_MAX ? 0 : err_set(E_TOO_BIG, "the path %.80s... is too long", dir);
}

uint64_t shard_fingerprint_add(uint64_t fingerprint, const struct id *medium, uint64_t token)
{
    unsigned char entry[ID_BYTES + 8];
    memcpy(entry, medium->b, ID_BYTES);
    put_le64(entry + ID_BYTES, token);
    return fingerprint + XXH3_64bits(entry, sizeof entry);
}

/* ---- JSON ---- */

int json_save(const char *path, const json_t *o)
{
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (!text) {
        return err_set(E_NOMEM, "%s: no memory for its text, or text that is not UTF-8", path);
    }
    const int rc = file_write_atomic(path, view_str(text));
    free(text);
    return rc;
}

int json_load(const char *path, json_t **out)
{
    struct buf text;
    buf_init(&text, JSON_LIMIT);
    int rc = file_read(path, &text);
    if (rc == 0) {
        json_error_t error;
        *out = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &error);
        if (!*out) {
            rc = err_set(E_FORMAT, "%s is no JSON: line %d: %s", path, error.line, error.text);
        }
    }
    buf_release(&text);
    return rc;
}

json_t *manifest_to_json(const struct shard_manifest *m)
{
    char file[ID_HEX];
    char content[ID_HEX];
    char fingerprint[20];
    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)m->fingerprint);
    id_to_hex(&m->file_digest, file);
    id_to_hex(&m->content_digest, content);
    return json_pack(
        "{s:i, s:I, s:I, s:I, s:I, s:s, s:I, s:s, s:s, s:I}", "format", MANIFEST_FORMAT, "number",
        (json_int_t)m->number, "pairs", (json_int_t)m->pairs, "media", (json_int_t)m->media, "jobs",
        (json_int_t)m->jobs, "jobs_xxh3", fingerprint, "bytes", (json_int_t)m->bytes,
        "file_blake2b", file, "content_blake2b", content, "created", (json_int_t)m->created);
}

int manifest_from_json(const json_t *o, const char *path, struct shard_manifest *out)
{
    json_error_t error;
    json_int_t format, number, pairs, media, jobs, bytes, created;
    const char *fingerprint = NULL;
    const char *file = NULL;
    const char *content = NULL;
    if (json_unpack_ex((json_t *)o, &error, 0, "{s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:s, s:s, s:I}",
                       "format", &format, "number", &number, "pairs", &pairs, "media", &media,
                       "jobs", &jobs, "jobs_xxh3", &fingerprint, "bytes", &bytes, "file_blake2b",
                       &file, "content_blake2b", &content, "created", &created)) {
        return err_set(E_FORMAT, "%s: a shard's entry is not complete: %s", path, error.text);
    }
    if (format > MANIFEST_FORMAT) {
        return err_set(E_VERSION, "%s has manifest format %lld; this pairmill reads up to %d", path,
                       (long long)format, MANIFEST_FORMAT);
    }
    if (number < 0 || number > UINT32_MAX || pairs < 0 || media < 0 || bytes < 0 || jobs < 0 ||
        id_from_hex(file, &out->file_digest) || id_from_hex(content, &out->content_digest)) {
        return err_set(E_FORMAT, "%s: the entry of shard %lld has a number or digest out of range",
                       path, (long long)number);
    }
    out->number = (uint32_t)number;
    out->pairs = (uint64_t)pairs;
    out->media = (uint64_t)media;
    out->jobs = (uint64_t)jobs;
    out->fingerprint = strtoull(fingerprint, NULL, 16);
    out->bytes = (uint64_t)bytes;
    out->created = created;
    return 0;
}

/* ---- the manifest's file ---- */

int manifest_load(const char *dir, uint32_t number, struct shard_manifest *out)
{
    char path[SHARD_PATH_MAX];
    json_t *o = NULL;
    int rc = shard_path(dir, number, "json", path);
    rc = rc ? rc : json_load(path, &o);
    rc = rc ? rc : manifest_from_json(o, path, out);
    if (rc == 0 && out->number != number) {
        rc = err_set(E_FORMAT, "%s is the manifest of shard %u", path, out->number);
    }
    json_decref(o);
    return rc;
}

int manifest_save(const char *dir, const struct shard_manifest *m)
{
    char path[SHARD_PATH_MAX];
    const int rc = shard_path(dir, m->number, "json", path);
    if (rc) {
        return rc;
    }
    json_t *o = manifest_to_json(m);
    const int saved = o ? json_save(path, o) : err_set(E_NOMEM, "no memory for a manifest");
    json_decref(o);
    return saved;
}

int manifest_check_file(const char *path, const struct shard_manifest *m, bool digest)
{
    uint64_t bytes = 0;
    int rc = file_size(path, &bytes);
    if (rc == E_NO_FILE) {
        return err_set(E_NO_FILE, "shard %u is missing: there is no file %s", m->number, path);
    }
    if (rc == 0 && bytes != m->bytes) {
        return err_set(bytes < m->bytes ? E_TRUNCATED : E_CHECKSUM,
                       "shard %u was damaged: %s has %llu bytes instead of %llu", m->number, path,
                       (unsigned long long)bytes, (unsigned long long)m->bytes);
    }
    struct id found;
    rc = rc || !digest ? rc : file_digest(path, &found);
    if (rc == 0 && digest && !id_equal(&found, &m->file_digest)) {
        rc = err_set(E_CHECKSUM, "shard %u was damaged: the digest of %s is not its manifest's",
                     m->number, path);
    }
    return rc;
}

/* ---- the directory ---- */

/* The number of "000007.SUFFIX"; false when the name is of another kind. */
static bool parse_name(const char *name, const char *suffix, uint32_t *number)
{
    char *end = NULL;
    if (name[0] < '0' || name[0] > '9') {
        return false;
    }
    errno = 0;
    const unsigned long long n = strtoull(name, &end, 10);
    if (errno || n > UINT32_MAX || *end != '.' || strcmp(end + 1, suffix) != 0) {
        return false;
    }
    *number = (uint32_t)n;
    return true;
}

struct file_list {
    struct shard_file *file;
    size_t n;
    size_t room;
};

static int entry_of(struct file_list *l, uint32_t number, struct shard_file **out)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->file[i].number == number) {
            *out = &l->file[i];
            return 0;
        }
    }
    struct shard_file *p = array_grown(l->file, l->n, &l->room, sizeof *p);
    if (!p) {
        return err_set(E_NOMEM, "no memory for a list of %zu shards", l->n + 1);
    }
    l->file = p;
    l->file[l->n] = (struct shard_file){.number = number};
    *out = &l->file[l->n++];
    return 0;
}

/* The shard is sealed when its manifest is complete and its file has the manifest's size. */
static bool is_sealed(const char *dir, uint32_t number)
{
    char path[SHARD_PATH_MAX];
    struct shard_manifest m;
    return shard_path(dir, number, "mdb", path) == 0 && manifest_load(dir, number, &m) == 0 &&
           manifest_check_file(path, &m, false) == 0;
}

static int add_file(struct file_list *l, const char *dir, const char *name)
{
    uint32_t number = 0;
    struct shard_file *f = NULL;
    int rc = 0;
    if (parse_name(name, "open", &number)) {
        rc = entry_of(l, number, &f);
        if (rc == 0) {
            f->open = true;
        }
    } else if (parse_name(name, "json", &number) && is_sealed(dir, number)) {
        rc = entry_of(l, number, &f);
        if (rc == 0) {
            f->sealed = true;
        }
    }
    return rc;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t x = ((const struct shard_file *)a)->number;
    const uint32_t y = ((const struct shard_file *)b)->number;
    return (x > y) - (x < y);
}

int shard_dir_list(const char *dir, struct shard_file **out, size_t *n)
{
    *out = NULL;
    *n = 0;
    DIR *d = opendir(dir);
    if (!d) {
        return errno == ENOENT ? 0 : err_errno("the directory %s cannot be read", dir);
    }
    struct file_list l = {0};
    int rc = 0;
    for (const struct dirent *e; rc == 0 && (e = readdir(d));) {
        rc = add_file(&l, dir, e->d_name);
    }
    closedir(d);
    if (rc) {
        free(l.file);
        return rc;
    }
    if (l.n) {
        qsort(l.file, l.n, sizeof *l.file, by_number);
    }
    *out = l.file;
    *n = l.n;
    return 0;
}

int shard_dir_remove(const char *dir, uint32_t number)
{
    /* The manifest first: without it what remains is no sealed shard. */
    static const char *const suffixes[] = {"json",     "mdb",     "open",
                                           "json.tmp", "mdb.tmp", "open.tmp"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof suffixes / sizeof *suffixes; i++) {
        char path[SHARD_PATH_MAX];
        rc = shard_path(dir, number, suffixes[i], path);
        rc = rc ? rc : file_remove(path);
    }
    return rc ? rc : file_sync(dir);
}
