#include "shards/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shards/shard_internal.h"

int catalog_init(struct catalog *c, const char *corpus)
{
    *c = (struct catalog){.corpus = strdup(corpus)};
    return c->corpus ? 0 : err_set(E_NOMEM, "no memory for a catalog");
}

void catalog_release(struct catalog *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->shards[i].file);
    }
    free(c->shards);
    free(c->corpus);
    *c = (struct catalog){0};
}

const struct catalog_shard *catalog_find(const struct catalog *c, uint32_t number)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->shards[i].manifest.number == number) {
            return &c->shards[i];
        }
    }
    return NULL;
}

static bool same_shard(const struct shard_manifest *a, const struct shard_manifest *b)
{
    return id_equal(&a->file_digest, &b->file_digest) &&
           id_equal(&a->content_digest, &b->content_digest);
}

int catalog_add(struct catalog *c, const char *file, const struct shard_manifest *m)
{
    const struct catalog_shard *old = catalog_find(c, m->number);
    if (old) {
        return same_shard(&old->manifest, m)
                   ? 0
                   : err_set(E_EXISTS, "the catalog holds another shard of number %u", m->number);
    }
    struct catalog_shard *p = realloc(c->shards, (c->n + 1) * sizeof *p);
    if (p) {
        c->shards = p;
    }
    char *copy = strdup(file);
    if (!p || !copy) {
        free(copy);
        return err_set(E_NOMEM, "no memory for a catalog of %zu shards", c->n + 1);
    }
    size_t at = c->n++;
    for (; at > 0 && p[at - 1].manifest.number > m->number; at--) {
        p[at] = p[at - 1];
    }
    p[at] = (struct catalog_shard){copy, *m};
    return 0;
}

uint64_t catalog_pairs(const struct catalog *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        n += c->shards[i].manifest.pairs;
    }
    return n;
}

uint64_t catalog_media(const struct catalog *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        n += c->shards[i].manifest.media;
    }
    return n;
}

static int join(const char *dir, const char *file, char out[SHARD_PATH_MAX])
{
    const int n = file[0] == '/' ? snprintf(out, SHARD_PATH_MAX, "%s", file)
                                 : snprintf(out, SHARD_PATH_MAX, "%s/%s", dir, file);
    return n < SHARD_PATH_MAX ? 0 : err_set(E_TOO_BIG, "the path %.80s... is too long", dir);
}

int catalog_shard_path(const char *dir, const struct catalog_shard *s, char out[SHARD_PATH_MAX])
{
    return join(dir, s->file, out);
}

/* ---- JSON ---- */

static json_t *shards_to_json(const struct catalog *c)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < c->n; i++) {
        json_t *o = manifest_to_json(&c->shards[i].manifest);
        if (!o || json_object_set_new(o, "file", json_string(c->shards[i].file)) ||
            json_array_append(list, o)) {
            json_decref(list);
            list = NULL;
        }
        json_decref(o);
    }
    return list;
}

int catalog_save(const struct catalog *c, const char *dir)
{
    char path[SHARD_PATH_MAX];
    const int rc = join(dir, CATALOG_FILE, path);
    if (rc) {
        return rc;
    }
    json_t *o = json_pack("{s:i, s:s, s:o}", "version", CATALOG_VERSION, "corpus", c->corpus,
                          "shards", shards_to_json(c));
    const int saved = o ? json_save(path, o)
                        : err_set(E_FORMAT, "%s: a name or path in the catalog is not UTF-8", path);
    json_decref(o);
    return saved;
}

static int load_shard(struct catalog *c, const json_t *o, const char *path)
{
    struct shard_manifest m;
    const char *file = json_string_value(json_object_get(o, "file"));
    if (!file) {
        return err_set(E_FORMAT, "%s: a shard's entry names no file", path);
    }
    const int rc = manifest_from_json(o, path, &m);
    if (rc == 0 && catalog_find(c, m.number)) {
        return err_set(E_FORMAT, "%s lists shard %u twice", path, m.number);
    }
    return rc ? rc : catalog_add(c, file, &m);
}

static int load(struct catalog *c, const json_t *o, const char *path)
{
    json_error_t error;
    json_int_t version;
    const char *corpus = NULL;
    json_t *shards = NULL;
    if (json_unpack_ex((json_t *)o, &error, 0, "{s:I, s:s, s:o}", "version", &version, "corpus",
                       &corpus, "shards", &shards) ||
        !json_is_array(shards)) {
        return err_set(E_FORMAT, "%s is no catalog: %s", path, error.text);
    }
    if (version > CATALOG_VERSION) {
        return err_set(E_VERSION, "%s has version %lld; this pairmill reads up to %d", path,
                       (long long)version, CATALOG_VERSION);
    }
    int rc = catalog_init(c, corpus);
    for (size_t i = 0; rc == 0 && i < json_array_size(shards); i++) {
        rc = load_shard(c, json_array_get(shards, i), path);
    }
    return rc;
}

int catalog_load(struct catalog *c, const char *dir)
{
    char path[SHARD_PATH_MAX];
    json_t *o = NULL;
    *c = (struct catalog){0};
    int rc = join(dir, CATALOG_FILE, path);
    rc = rc ? rc : json_load(path, &o);
    if (rc == E_NO_FILE) {
        rc = err_set(E_NO_FILE, "%s is no corpus, or nothing in it is sealed yet: it has no %s",
                     dir, CATALOG_FILE);
    }
    rc = rc ? rc : load(c, o, path);
    json_decref(o);
    if (rc) {
        catalog_release(c);
    }
    return rc;
}
