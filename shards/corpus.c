#include "shards/corpus.h"

#include <stdlib.h>

#include "common/progress.h"

struct corpus {
    struct catalog catalog;
    struct sealed_shard **shards; /* [catalog.n] */
    uint64_t pair_count;
    struct corpus_pair *pairs; /* [pair_count] ascending by id */
    uint64_t medium_count;
    struct corpus_medium *media; /* [medium_count] ascending by id */
    struct value_coder *coder;
};

/* ---- opening ---- */

static int open_shards(struct corpus *c, const char *dir, unsigned flags)
{
    struct progress p;
    uint64_t total = 0;
    uint64_t done = 0;
    for (size_t i = 0; i < c->catalog.n; i++) {
        total += c->catalog.shards[i].manifest.bytes >> 20;
    }
    progress_init(&p, "MB checked", 0, total);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->catalog.n; i++) {
        const struct catalog_shard *s = &c->catalog.shards[i];
        char path[SHARD_PATH_MAX];
        rc = catalog_shard_path(dir, s, path);
        rc = rc ? rc
                : sealed_shard_open(path, &s->manifest, !(flags & CORPUS_TRUST_DIGESTS),
                                    &c->shards[i]);
        done += s->manifest.bytes >> 20;
        if (!(flags & CORPUS_QUIET)) {
            progress_update(&p, done, total, NULL);
        }
    }
    progress_end(&p);
    return rc;
}

/* What one shard's keys are appended to. */
struct gather {
    struct corpus *c;
    uint32_t shard;
};

static int add_pair(void *ctx, uint64_t i, const struct id *id, struct view stored)
{
    (void)stored;
    const struct gather *g = ctx;
    const struct sealed_shard *s = g->c->shards[g->shard];
    g->c->pairs[g->c->pair_count++] = (struct corpus_pair){
        .id = *id,
        .group = sealed_shard_pair_group(s, i),
        .medium = (uint32_t)i, /* its place in the shard's table, until the media are numbered */
        .shard = g->shard,
        .tokens = sealed_shard_pair_length(s, i),
    };
    return 0;
}

static int add_medium(void *ctx, uint64_t i, const struct id *id, struct view stored)
{
    (void)stored;
    const struct gather *g = ctx;
    struct corpus_medium *m = &g->c->media[g->c->medium_count++];
    *m = (struct corpus_medium){.id = *id, .shard = g->shard};
    sealed_shard_regions(g->c->shards[g->shard], i, &m->regions, &m->confident);
    return 0;
}

static int gather_keys(struct corpus *c)
{
    const uint64_t pairs = catalog_pairs(&c->catalog);
    const uint64_t media = catalog_media(&c->catalog);
    if (pairs > UINT32_MAX || media > UINT32_MAX) {
        return err_set(E_TOO_BIG, "a corpus of %llu pairs; one process reads up to %u",
                       (unsigned long long)pairs, UINT32_MAX);
    }
    c->pairs = calloc(pairs + 1, sizeof *c->pairs);
    c->media = calloc(media + 1, sizeof *c->media);
    if (!c->pairs || !c->media) {
        return err_set(E_NOMEM, "no memory for the index of %llu pairs", (unsigned long long)pairs);
    }
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < c->catalog.n; i++) {
        struct gather g = {c, i};
        rc = sealed_shard_each(c->shards[i], RECORD_PAIR, add_pair, &g);
        rc = rc ? rc : sealed_shard_each(c->shards[i], RECORD_VISUAL, add_medium, &g);
    }
    return rc;
}

/* ---- the index ---- */

static int compare_pairs(const void *a, const void *b)
{
    return memcmp(((const struct corpus_pair *)a)->id.b, ((const struct corpus_pair *)b)->id.b,
                  ID_BYTES);
}

/* Of two records of the same medium the one in the lower shard counts. */
static int compare_media(const void *a, const void *b)
{
    const struct corpus_medium *x = a;
    const struct corpus_medium *y = b;
    const int order = memcmp(x->id.b, y->id.b, ID_BYTES);
    return order ? order : (x->shard > y->shard) - (x->shard < y->shard);
}

static void drop_repeated_media(struct corpus *c)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < c->medium_count; i++) {
        if (n == 0 || !id_equal(&c->media[n - 1].id, &c->media[i].id)) {
            c->media[n++] = c->media[i];
        }
    }
    c->medium_count = n;
}

static int check_pairs_unique(const struct corpus *c)
{
    for (uint64_t i = 1; i < c->pair_count; i++) {
        if (id_equal(&c->pairs[i - 1].id, &c->pairs[i].id)) {
            char hex[ID_HEX];
            id_to_hex(&c->pairs[i].id, hex);
            return err_set(E_FORMAT, "pair %s lies in shard %u and in shard %u", hex,
                           c->catalog.shards[c->pairs[i - 1].shard].manifest.number,
                           c->catalog.shards[c->pairs[i].shard].manifest.number);
        }
    }
    return 0;
}

static int number_medium(struct corpus *c, struct corpus_pair *p)
{
    const struct id *medium = sealed_shard_pair_medium(c->shards[p->shard], p->medium);
    uint64_t number = 0;
    if (corpus_find_medium(c, medium, &number)) {
        char pair[ID_HEX];
        char hex[ID_HEX];
        id_to_hex(&p->id, pair);
        id_to_hex(medium, hex);
        return err_set(E_FORMAT, "pair %s of shard %u is about medium %s, which no shard holds",
                       pair, c->catalog.shards[p->shard].manifest.number, hex);
    }
    p->medium = (uint32_t)number;
    return 0;
}

/* Leaves out the media that no pair is about, and gives each its group. */
static int number_used_media(struct corpus *c)
{
    uint32_t *next = calloc(c->medium_count + 1, sizeof *next);
    if (!next) {
        return err_set(E_NOMEM, "no memory for the index of %llu media",
                       (unsigned long long)c->medium_count);
    }
    for (uint64_t i = 0; i < c->pair_count; i++) {
        struct corpus_pair *p = &c->pairs[i];
        struct corpus_medium *m = &c->media[p->medium];
        if (!next[p->medium] || m->group == id_number(&m->id)) {
            m->group = p->group;
        }
        next[p->medium] = 1;
    }
    uint32_t n = 0;
    for (uint64_t i = 0; i < c->medium_count; i++) {
        const bool used = next[i];
        next[i] = n;
        if (used) {
            c->media[n++] = c->media[i];
        }
    }
    for (uint64_t i = 0; i < c->pair_count; i++) {
        c->pairs[i].medium = next[c->pairs[i].medium];
    }
    c->medium_count = n;
    free(next);
    return 0;
}

static int build_index(struct corpus *c)
{
    int rc = gather_keys(c);
    if (rc) {
        return rc;
    }
    qsort(c->pairs, c->pair_count, sizeof *c->pairs, compare_pairs);
    qsort(c->media, c->medium_count, sizeof *c->media, compare_media);
    drop_repeated_media(c);
    rc = check_pairs_unique(c);
    for (uint64_t i = 0; rc == 0 && i < c->pair_count; i++) {
        rc = number_medium(c, &c->pairs[i]);
    }
    return rc ? rc : number_used_media(c);
}

int corpus_open(const char *dir, unsigned flags, struct corpus **out)
{
    struct corpus *c = calloc(1, sizeof *c);
    if (!c) {
        return err_set(E_NOMEM, "no memory for a corpus");
    }
    int rc = catalog_load(&c->catalog, dir);
    if (rc == 0) {
        c->shards = calloc(c->catalog.n + 1, sizeof(struct sealed_shard *));
        rc = c->shards ? 0 : err_set(E_NOMEM, "no memory for %zu shards", c->catalog.n);
    }
    rc = rc ? rc : open_shards(c, dir, flags);
    rc = rc ? rc : build_index(c);
    rc = rc ? rc : value_coder_new(&c->coder);
    if (rc) {
        corpus_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void corpus_close(struct corpus *c)
{
    if (c) {
        for (size_t i = 0; c->shards && i < c->catalog.n; i++) {
            sealed_shard_close(c->shards[i]);
        }
        free(c->shards);
        free(c->pairs);
        free(c->media);
        value_coder_free(c->coder);
        catalog_release(&c->catalog);
        free(c);
    }
}

/* ---- looking up ---- */

const struct catalog *corpus_catalog(const struct corpus *c)
{
    return &c->catalog;
}

struct sealed_shard *corpus_shard(struct corpus *c, uint32_t shard)
{
    return c->shards[shard];
}

uint64_t corpus_pairs(const struct corpus *c)
{
    return c->pair_count;
}

uint64_t corpus_media(const struct corpus *c)
{
    return c->medium_count;
}

const struct corpus_pair *corpus_pair(const struct corpus *c, uint64_t i)
{
    BUG_ON(i >= c->pair_count);
    return &c->pairs[i];
}

const struct corpus_medium *corpus_medium(const struct corpus *c, uint64_t i)
{
    BUG_ON(i >= c->medium_count);
    return &c->media[i];
}

/* The index of the first id that is not below `id`. */
static uint64_t lower_bound(const void *base, uint64_t n, size_t stride, const struct id *id)
{
    uint64_t low = 0;
    uint64_t high = n;
    while (low < high) {
        const uint64_t mid = low + (high - low) / 2;
        if (memcmp((const char *)base + mid * stride, id->b, ID_BYTES) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

_Static_assert(offsetof(struct corpus_pair, id) == 0, "lower_bound() reads the id first");
_Static_assert(offsetof(struct corpus_medium, id) == 0, "lower_bound() reads the id first");

static uint64_t find(const struct corpus *c, enum record_kind kind, const struct id *id,
                     uint64_t *n)
{
    *n = kind == RECORD_PAIR ? c->pair_count : c->medium_count;
    return kind == RECORD_PAIR ? lower_bound(c->pairs, *n, sizeof *c->pairs, id)
                               : lower_bound(c->media, *n, sizeof *c->media, id);
}

static const struct id *id_at(const struct corpus *c, enum record_kind kind, uint64_t i)
{
    return kind == RECORD_PAIR ? &c->pairs[i].id : &c->media[i].id;
}

static int find_exact(const struct corpus *c, enum record_kind kind, const struct id *id,
                      uint64_t *i)
{
    uint64_t n = 0;
    *i = find(c, kind, id, &n);
    if (*i < n && id_equal(id_at(c, kind, *i), id)) {
        return 0;
    }
    char hex[ID_HEX];
    id_to_hex(id, hex);
    return err_set(E_NOT_FOUND, "the corpus holds no %s %s",
                   kind == RECORD_PAIR ? "pair" : "medium", hex);
}

int corpus_find_pair(const struct corpus *c, const struct id *id, uint64_t *i)
{
    return find_exact(c, RECORD_PAIR, id, i);
}

int corpus_find_medium(const struct corpus *c, const struct id *id, uint64_t *i)
{
    return find_exact(c, RECORD_VISUAL, id, i);
}

int corpus_find_prefix(const struct corpus *c, enum record_kind kind, const char *hex,
                       uint64_t *first, uint64_t *count)
{
    const size_t digits = strlen(hex);
    char low[ID_HEX];
    char high[ID_HEX];
    if (digits >= ID_HEX) {
        return err_set(E_FORMAT, "\"%.80s\" is longer than an id", hex);
    }
    memset(low, '0', ID_HEX - 1);
    memset(high, 'f', ID_HEX - 1);
    low[ID_HEX - 1] = high[ID_HEX - 1] = '\0';
    memcpy(low, hex, digits);
    memcpy(high, hex, digits);
    struct id from;
    struct id to;
    if (id_from_hex(low, &from) || id_from_hex(high, &to)) {
        return err_set(E_FORMAT, "\"%.80s\" is not the beginning of an id (hexadecimal digits)",
                       hex);
    }
    uint64_t n = 0;
    *first = find(c, kind, &from, &n);
    uint64_t end = find(c, kind, &to, &n);
    end += end < n && id_equal(id_at(c, kind, end), &to);
    *count = end - *first;
    return *count ? 0
                  : err_set(E_NOT_FOUND, "the corpus holds no %s whose id begins with %s",
                            kind == RECORD_PAIR ? "pair" : "medium", hex);
}

/* ---- reading ---- */

int corpus_read_pair(struct corpus *c, uint64_t i, struct buf *bytes, struct pair_record *out)
{
    const struct corpus_pair *p = corpus_pair(c, i);
    struct sealed_shard *s = c->shards[p->shard];
    struct view stored;
    const int rc = sealed_shard_get(s, RECORD_PAIR, &p->id, &stored);
    return rc ? rc : sealed_shard_decode_pair(s, c->coder, &p->id, stored, bytes, out);
}

int corpus_stored_visual(struct corpus *c, uint64_t i, struct view *stored)
{
    const struct corpus_medium *m = corpus_medium(c, i);
    return sealed_shard_get(c->shards[m->shard], RECORD_VISUAL, &m->id, stored);
}

int corpus_read_visual(struct corpus *c, uint64_t i, struct buf *bytes, struct visual_record *out)
{
    const struct corpus_medium *m = corpus_medium(c, i);
    struct view stored;
    const int rc = corpus_stored_visual(c, i, &stored);
    return rc ? rc
              : sealed_shard_decode_visual(c->shards[m->shard], c->coder, &m->id, stored, bytes,
                                           out);
}
