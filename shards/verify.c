#include "shards/verify.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/array.h"
#include "common/progress.h"
#include "shards/about.h"
#include "shards/sealed_shard.h"

enum {
    SENTENCE_MAX = 1200,
    NAMED_MAX = 20, /* damaged records named one by one in a shard; the rest is counted */
};

/* A pair or a medium that was found, for the checks over all shards. */
struct found {
    struct id id;
    struct id medium; /* of a pair */
    uint32_t shard;
};

struct found_list {
    struct found *p;
    size_t n;
    size_t room;
};

struct verifier {
    const char *dir;
    const struct verify_sink *sink;
    struct verify_totals *totals;
    struct catalog catalog;
    struct found_list pairs;
    struct found_list media;
    struct about words; /* of the first shard that could be read, for its vocabulary */
    uint32_t words_of;
    struct about seen; /* of the first with media, for its detector */
    uint32_t seen_of;
    struct progress progress;
    uint64_t expected; /* records in the catalog */
    uint64_t walked;
};

PRINTF(2, 3) static void problem(struct verifier *v, const char *fmt, ...)
{
    char sentence[SENTENCE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    v->totals->problems++;
    progress_end(&v->progress);
    v->sink->problem(v->sink->ctx, sentence);
}

PRINTF(2, 3) static void checked(struct verifier *v, const char *fmt, ...)
{
    char sentence[SENTENCE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    progress_end(&v->progress);
    v->sink->checked(v->sink->ctx, sentence);
}

static int remember(struct found_list *l, const struct found *f)
{
    struct found *p = array_grown(l->p, l->n, &l->room, sizeof *p);
    if (!p) {
        return err_set(E_NOMEM, "no memory for a list of %zu keys", l->n + 1);
    }
    l->p = p;
    l->p[l->n++] = *f;
    return 0;
}

/* ---- one shard's records ---- */

struct walk {
    struct verifier *v;
    struct sealed_shard *shard;
    uint32_t number;
    bool remember; /* into the verifier's lists */
    struct value_coder *coder;
    struct buf bytes;
    uint64_t damaged;
};

/* A record that cannot be read: reported, and the walk goes on. */
static void damaged_record(struct walk *w)
{
    if (w->damaged++ < NAMED_MAX) {
        problem(w->v, "%s", err_text());
    }
}

static void wrong_table(struct walk *w, const char *kind, const struct id *id)
{
    char hex[ID_HEX];
    id_to_hex(id, hex);
    problem(w->v, "%s: %s %s: the shard's tables say something else than its record",
            sealed_shard_path(w->shard), kind, hex);
}

static void step(struct walk *w)
{
    w->v->walked++;
    progress_update(&w->v->progress, w->v->walked, w->v->expected, NULL);
}

static int walk_pair(void *ctx, uint64_t i, const struct id *id, struct view stored)
{
    struct walk *w = ctx;
    struct pair_record r;
    step(w);
    if (sealed_shard_decode_pair(w->shard, w->coder, id, stored, &w->bytes, &r)) {
        damaged_record(w);
        return 0;
    }
    const uint32_t length = r.tokens.n < UINT16_MAX ? r.tokens.n : UINT16_MAX;
    if (sealed_shard_pair_group(w->shard, i) != r.group ||
        sealed_shard_pair_length(w->shard, i) != length ||
        !id_equal(sealed_shard_pair_medium(w->shard, i), &r.medium)) {
        wrong_table(w, "pair", id);
    }
    const struct found f = {*id, r.medium, w->number};
    return w->remember ? remember(&w->v->pairs, &f) : 0;
}

static int walk_visual(void *ctx, uint64_t i, const struct id *id, struct view stored)
{
    struct walk *w = ctx;
    struct visual_record r;
    uint32_t regions = 0;
    uint32_t confident = 0;
    step(w);
    if (sealed_shard_decode_visual(w->shard, w->coder, id, stored, &w->bytes, &r)) {
        damaged_record(w);
        return 0;
    }
    sealed_shard_regions(w->shard, i, &regions, &confident);
    if (regions != (r.n < UINT16_MAX ? r.n : UINT16_MAX)) {
        wrong_table(w, "medium", id);
    }
    const struct found f = {.id = *id, .shard = w->number};
    return w->remember ? remember(&w->v->media, &f) : 0;
}

static int walk_records(struct verifier *v, struct sealed_shard *s, uint32_t number, bool keep)
{
    struct walk w = {.v = v, .shard = s, .number = number, .remember = keep};
    buf_init(&w.bytes, CODEC_MAX_RECORD);
    int rc = value_coder_new(&w.coder);
    rc = rc ? rc : sealed_shard_each(s, RECORD_VISUAL, walk_visual, &w);
    rc = rc ? rc : sealed_shard_each(s, RECORD_PAIR, walk_pair, &w);
    if (w.damaged > NAMED_MAX) {
        problem(v, "%s: %llu more records were damaged", sealed_shard_path(s),
                (unsigned long long)(w.damaged - NAMED_MAX));
    }
    value_coder_free(w.coder);
    buf_release(&w.bytes);
    if (rc && rc != E_NOMEM) {
        problem(v, "%s", err_text());
        rc = 0;
    }
    return rc;
}

/* ---- a damaged file ---- */

static void report_to_pipe(void *ctx, const char *sentence)
{
    dprintf(*(int *)ctx, "%s\n", sentence);
}

static void ignore(void *ctx, const char *sentence)
{
    (void)ctx;
    (void)sentence;
}

/* In the child: names what can be named, on the pipe. */
static _Noreturn void walk_damaged(const char *path, const struct shard_manifest *m, int fd)
{
    const struct verify_sink sink = {ignore, report_to_pipe, &fd};
    struct verify_totals totals = {0};
    struct verifier v = {.sink = &sink, .totals = &totals};
    struct sealed_shard *s = NULL;
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    alarm(30 + (unsigned)(m->bytes >> 26)); /* a damaged tree may run in circles */
    progress_init(&v.progress, "records", 0, 0);
    if (sealed_shard_open(path, m, false, &s)) {
        dprintf(fd, "%s\n", err_text());
    } else {
        (void)walk_records(&v, s, m->number, false); /* reports by itself */
    }
    _exit(0);
}

static void forward_lines(struct verifier *v, int fd)
{
    char line[SENTENCE_MAX];
    FILE *f = fdopen(fd, "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        problem(v, "%s", line);
    }
    if (f) {
        fclose(f);
    }
}

static int name_damage(struct verifier *v, const char *path, const struct shard_manifest *m)
{
    int fds[2];
    if (pipe(fds)) {
        return err_errno("no pipe to a child process");
    }
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        walk_damaged(path, m, fds[1]);
    }
    close(fds[1]);
    if (child < 0) {
        close(fds[0]);
        return err_errno("no child process to look at %s", path);
    }
    forward_lines(v, fds[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        problem(v, "%s: its tree of keys was damaged, so not all its records can be named", path);
    }
    return 0;
}

/* ---- one shard ---- */

static void check_manifest_beside(struct verifier *v, const char *path,
                                  const struct shard_manifest *m)
{
    char dir[SHARD_PATH_MAX];
    struct shard_manifest beside;
    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
    if (manifest_load(dir, m->number, &beside)) {
        problem(v, "shard %u: %s", m->number, err_text());
    } else if (!id_equal(&beside.file_digest, &m->file_digest) ||
               !id_equal(&beside.content_digest, &m->content_digest)) {
        problem(v, "shard %u: its manifest in %s is not the one in the catalog", m->number, dir);
    }
}

static int check_content(struct verifier *v, struct sealed_shard *s, const struct shard_manifest *m)
{
    struct id content;
    const int rc = sealed_shard_content_digest(s, &content);
    if (rc || !id_equal(&content, &m->content_digest)) {
        problem(v, "shard %u: the digest of its content is not the catalog's", m->number);
    }
    return walk_records(v, s, m->number, true);
}

/* Sub-token ids of two vocabularies make no corpus. */
static void check_vocabulary(struct verifier *v, const struct about *about, uint32_t number)
{
    if (!v->words.json) {
        v->words = about_share(about);
        v->words_of = number;
    } else if (!about_same_vocabulary(&v->words, about)) {
        problem(v,
                "shard %u was tokenised with another vocabulary than shard %u: no recipe can "
                "use them together",
                number, v->words_of);
    }
}

/* Nor do features and labels of two detectors. */
static void check_detector(struct verifier *v, const struct about *about, uint32_t number)
{
    if (!v->seen.json) {
        v->seen = about_share(about);
        v->seen_of = number;
    } else if (!about_same_detector(&v->seen, about)) {
        problem(v,
                "shard %u was ground with another detector (%s) than shard %u (%s): no recipe can "
                "use them together",
                number, about->detector ? about->detector : "untold", v->seen_of,
                v->seen.detector ? v->seen.detector : "untold");
    }
}

static void check_about(struct verifier *v, const struct sealed_shard *s,
                        const struct shard_manifest *m)
{
    struct about about;
    if (about_parse(sealed_shard_about(s), &about)) {
        problem(v, "shard %u: %s", m->number, err_text());
        return;
    }
    check_vocabulary(v, &about, m->number);
    if (m->media) {
        check_detector(v, &about, m->number);
    }
    about_release(&about);
}

static int verify_shard(struct verifier *v, const struct catalog_shard *entry)
{
    const struct shard_manifest *m = &entry->manifest;
    const uint64_t before = v->totals->problems;
    char path[SHARD_PATH_MAX];
    struct sealed_shard *s = NULL;
    int rc = catalog_shard_path(v->dir, entry, path);
    if (rc) {
        return rc;
    }
    v->totals->shards++;
    v->totals->bytes += m->bytes;
    if (manifest_check_file(path, m, true)) {
        problem(v, "%s", err_text());
        return manifest_check_file(path, m, false) ? 0 : name_damage(v, path, m);
    }
    check_manifest_beside(v, path, m);
    if (sealed_shard_open(path, m, false, &s)) {
        problem(v, "%s", err_text());
        return 0;
    }
    check_about(v, s, m);
    rc = check_content(v, s, m);
    sealed_shard_close(s);
    if (rc == 0 && v->totals->problems == before) {
        checked(v,
                "shard %u: file, content and %llu records of %llu pairs and %llu media are right",
                m->number, (unsigned long long)(m->pairs + m->media), (unsigned long long)m->pairs,
                (unsigned long long)m->media);
    }
    return rc;
}

/* ---- the whole ---- */

static int by_id(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    const int order = memcmp(x->id.b, y->id.b, ID_BYTES);
    return order ? order : (x->shard > y->shard) - (x->shard < y->shard);
}

static int by_id_only(const void *key, const void *f)
{
    return memcmp(key, ((const struct found *)f)->id.b, ID_BYTES);
}

static void sort(struct found_list *l)
{
    if (l->n) {
        qsort(l->p, l->n, sizeof *l->p, by_id);
    }
}

static void check_pairs(struct verifier *v)
{
    sort(&v->pairs);
    sort(&v->media);
    for (size_t i = 0; i < v->pairs.n; i++) {
        const struct found *f = &v->pairs.p[i];
        char hex[ID_HEX];
        id_to_hex(&f->id, hex);
        if (i && id_equal(&f[-1].id, &f->id)) {
            problem(v, "pair %s lies in shard %u and in shard %u", hex, f[-1].shard, f->shard);
        }
        if (!v->media.n ||
            !bsearch(f->medium.b, v->media.p, v->media.n, sizeof *v->media.p, by_id_only)) {
            char medium[ID_HEX];
            id_to_hex(&f->medium, medium);
            problem(v, "pair %s of shard %u is about medium %s, which no shard holds whole", hex,
                    f->shard, medium);
        }
    }
}

static void check_counts(struct verifier *v)
{
    const uint64_t pairs = catalog_pairs(&v->catalog);
    const uint64_t media = catalog_media(&v->catalog);
    v->totals->pairs = v->pairs.n;
    v->totals->media = v->media.n;
    if (v->pairs.n != pairs || v->media.n != media) {
        problem(v, "the catalog counts %llu pairs and %llu media, but %zu and %zu can be read",
                (unsigned long long)pairs, (unsigned long long)media, v->pairs.n, v->media.n);
    }
}

int verify_corpus(const char *dir, const struct verify_sink *sink, struct verify_totals *totals)
{
    struct verifier v = {.dir = dir, .sink = sink, .totals = totals};
    *totals = (struct verify_totals){0};
    int rc = catalog_load(&v.catalog, dir);
    v.expected = rc ? 0 : catalog_pairs(&v.catalog) + catalog_media(&v.catalog);
    progress_init(&v.progress, "records", 0, v.expected);
    for (size_t i = 0; rc == 0 && i < v.catalog.n; i++) {
        rc = verify_shard(&v, &v.catalog.shards[i]);
    }
    progress_end(&v.progress);
    if (rc == 0) {
        check_counts(&v);
        const uint64_t before = totals->problems;
        check_pairs(&v);
        if (before == 0 && totals->problems == 0) {
            checked(&v, "each of the %zu pairs is there once, and its medium with it", v.pairs.n);
        }
    }
    free(v.pairs.p);
    free(v.media.p);
    about_release(&v.words);
    about_release(&v.seen);
    catalog_release(&v.catalog);
    return rc;
}
