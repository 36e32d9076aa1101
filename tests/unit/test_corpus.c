/* A corpus reads the same however it was cut into shards, and names every damage. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/philox.h"
#include "common/file.h"
#include "shards/corpus.h"
#include "shards/feed_selection.h"
#include "shards/open_shard.h"
#include "shards/verify.h"
#include "tests/unit/corpora.h"
#include "tests/unit/records.h"
#include "tests/unit/tempdir.h"

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text())

static struct corpus *open_corpus(const char *dir)
{
    struct corpus *c = NULL;
    OK(corpus_open(dir, CORPUS_QUIET, &c));
    return c;
}

Test(corpus, numbers_pairs_and_media_alike_however_it_was_cut)
{
    char a[TEMPDIR_MAX];
    char b[TEMPDIR_MAX];
    tempdir_make(a);
    tempdir_make(b);
    make_corpus(a, (struct corpus_shape){30, 5, 1, 4, 16, 0});
    make_corpus(b, (struct corpus_shape){30, 5, 4, 4, 16, 1});
    struct corpus *x = open_corpus(a);
    struct corpus *y = open_corpus(b);
    cr_assert_eq(corpus_pairs(x), 150);
    cr_assert_eq(corpus_pairs(y), 150);
    cr_assert_eq(corpus_media(x), 30);
    cr_assert_eq(corpus_media(y), 30);
    unsigned elsewhere = 0;
    for (uint64_t i = 0; i < 150; i++) {
        const struct corpus_pair *p = corpus_pair(x, i);
        const struct corpus_pair *q = corpus_pair(y, i);
        cr_assert(id_equal(&p->id, &q->id));
        cr_assert_eq(p->medium, q->medium);
        cr_assert_eq(p->group, q->group);
        cr_assert_eq(p->tokens, q->tokens);
        elsewhere += corpus_medium(y, q->medium)->shard != q->shard;
        uint64_t found = 0;
        OK(corpus_find_pair(y, &p->id, &found));
        cr_assert_eq(found, i);
    }
    cr_assert_gt(elsewhere, 30, "the texts are not scattered");
    corpus_close(x);
    corpus_close(y);
    tempdir_remove(a);
    tempdir_remove(b);
}

Test(corpus, gives_back_every_record)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){9, 14, 3, 5, 24, 1});
    struct corpus *c = open_corpus(dir);
    struct buf b;
    buf_init(&b, CODEC_MAX_RECORD);
    for (uint32_t m = 0; m < 9; m++) {
        struct made_visual v = make_visual(m, 5, 24, FEATURE_F16);
        struct visual_record visual;
        uint64_t i = 0;
        OK(corpus_find_medium(c, &v.r.medium, &i));
        OK(corpus_read_visual(c, i, &b, &visual));
        expect_same_visual(&v.r, &visual);
        cr_assert_eq(corpus_medium(c, i)->regions, 5);
        for (uint32_t t = 0; t < 14; t++) {
            struct made_pair p = make_pair(m, t);
            struct pair_record pair;
            uint64_t k = 0;
            OK(corpus_find_pair(c, &p.r.id, &k));
            OK(corpus_read_pair(c, k, &b, &pair));
            expect_same_pair(&p.r, &pair);
            cr_assert_eq(corpus_pair(c, k)->medium, i);
            cr_assert_eq(corpus_pair(c, k)->tokens, p.r.tokens.n);
            cr_assert_eq(corpus_pair(c, k)->group, p.r.group);
            free_pair(&p);
        }
        free_visual(&v);
    }
    buf_release(&b);
    corpus_close(c);
    tempdir_remove(dir);
}

Test(corpus, finds_ids_by_their_first_digits)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){20, 3, 2, 2, 8, 0});
    struct corpus *c = open_corpus(dir);
    char hex[ID_HEX];
    uint64_t first = 0;
    uint64_t count = 0;
    for (uint64_t i = 0; i < corpus_pairs(c); i++) {
        id_to_hex(&corpus_pair(c, i)->id, hex);
        OK(corpus_find_prefix(c, RECORD_PAIR, hex, &first, &count));
        cr_assert_eq(first, i);
        cr_assert_eq(count, 1);
        hex[1] = '\0';
        OK(corpus_find_prefix(c, RECORD_PAIR, hex, &first, &count));
        cr_assert(first <= i && i < first + count);
    }
    OK(corpus_find_prefix(c, RECORD_VISUAL, "", &first, &count));
    cr_assert_eq(count, 20);
    cr_assert_eq(corpus_find_prefix(c, RECORD_PAIR, "xyz", &first, &count), E_FORMAT);
    cr_assert_eq(corpus_find_prefix(c, RECORD_PAIR, "0000000000", &first, &count), E_NOT_FOUND);
    corpus_close(c);
    tempdir_remove(dir);
}

/* ---- damage ---- */

static void expect_refused(const char *dir, unsigned flags, int rc, const char *word)
{
    struct corpus *c = NULL;
    cr_assert_eq(corpus_open(dir, CORPUS_QUIET | flags, &c), rc, "%s", err_text());
    cr_assert_not_null(strstr(err_text(), word), "%s", err_text());
}

Test(corpus, refuses_damaged_shards_by_name_and_never_maps_a_short_one)
{
    char dir[TEMPDIR_MAX];
    struct stat st;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){12, 3, 3, 4, 200, 0});
    const char *path = corpus_shard_file(dir, 1);
    cr_assert_eq(stat(path, &st), 0);
    flip_byte(path, st.st_size / 2);
    expect_refused(dir, 0, E_CHECKSUM, "000001.mdb");
    chmod(path, 0644);
    cr_assert_eq(truncate(path, st.st_size - 4096), 0);
    expect_refused(dir, CORPUS_TRUST_DIGESTS, E_TRUNCATED, "000001.mdb");
    cr_assert_eq(truncate(path, 0), 0);
    expect_refused(dir, CORPUS_TRUST_DIGESTS, E_TRUNCATED, "000001.mdb");
    cr_assert_eq(unlink(path), 0);
    expect_refused(dir, 0, E_NO_FILE, "000001.mdb");
    tempdir_remove(dir);
}

static struct open_shard *begin_shard(const char *dir, const char *about, uint32_t number)
{
    char shards[128];
    struct open_shard *s = NULL;
    snprintf(shards, sizeof shards, "%s/shards", dir);
    OK(open_shard_create(shards, number, about, &s));
    return s;
}

/* Seals it and adds it to a corpus's catalog. */
static void end_shard(const char *dir, struct open_shard *s, uint32_t number)
{
    char file[32];
    struct shard_manifest m;
    struct catalog c;
    OK(open_shard_seal(s, &m));
    open_shard_close(s);
    OK(catalog_load(&c, dir));
    snprintf(file, sizeof file, "shards/%06u.mdb", number);
    OK(catalog_add(&c, file, &m));
    OK(catalog_save(&c, dir));
    catalog_release(&c);
}

static void add_shard_of(const char *dir, const char *about, uint32_t number, uint32_t medium,
                         int visual, uint32_t text)
{
    struct open_shard *s = begin_shard(dir, about, number);
    struct made_visual v = make_visual(medium, 2, 8, FEATURE_F16);
    struct made_pair p = make_pair(medium, text);
    const struct staged_mark mark = {.medium = medium_id(medium), .token = 1};
    OK(open_shard_put(s, &mark, visual ? &v.r : NULL, &p.r, 1));
    end_shard(dir, s, number);
    free_visual(&v);
    free_pair(&p);
}

static void add_shard(const char *dir, uint32_t number, uint32_t medium, int visual, uint32_t text)
{
    add_shard_of(dir, corpus_about, number, medium, visual, text);
}

Test(corpus, refuses_a_pair_that_is_there_twice_or_lacks_its_medium)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){4, 2, 1, 2, 8, 0});
    add_shard(dir, 7, 100, 0, 0);
    expect_refused(dir, 0, E_FORMAT, "which no shard holds");
    add_shard(dir, 8, 100, 1, 0);
    expect_refused(dir, 0, E_FORMAT, "lies in shard 7 and in shard 8");
    tempdir_remove(dir);
}

/* ---- verify ---- */

struct heard {
    unsigned problems;
    unsigned checked;
    char last[1200];
    char all[20000];
};

static void hear_problem(void *ctx, const char *sentence)
{
    struct heard *h = ctx;
    h->problems++;
    snprintf(h->last, sizeof h->last, "%s", sentence);
    const size_t n = strlen(h->all);
    snprintf(h->all + n, sizeof h->all - n, "%s\n", sentence);
}

static void hear_checked(void *ctx, const char *sentence)
{
    (void)sentence;
    ((struct heard *)ctx)->checked++;
}

static struct heard verify(const char *dir, struct verify_totals *t)
{
    struct heard h = {0};
    const struct verify_sink sink = {hear_checked, hear_problem, &h};
    OK(verify_corpus(dir, &sink, t));
    cr_assert_eq(t->problems, h.problems);
    return h;
}

Test(verify, finds_a_whole_corpus_right)
{
    char dir[TEMPDIR_MAX];
    struct verify_totals t;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){12, 10, 3, 4, 64, 1});
    const struct heard h = verify(dir, &t);
    cr_assert_eq(h.problems, 0, "%s", h.all);
    cr_assert_eq(h.checked, 4);
    cr_assert_eq(t.pairs, 120);
    cr_assert_eq(t.media, 12);
    cr_assert_eq(t.shards, 3);
    tempdir_remove(dir);
}

Test(verify, names_shard_and_key_of_a_flipped_byte)
{
    char dir[TEMPDIR_MAX];
    char hex[ID_HEX];
    struct verify_totals t;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){12, 3, 3, 8, 500, 0});
    const struct id medium = medium_id(4); /* 4 % 3: in shard 1 */
    const char *path = corpus_shard_file(dir, 1);
    flip_byte(path, inside_record(path, &medium));
    const struct heard h = verify(dir, &t);
    id_to_hex(&medium, hex);
    cr_assert_not_null(strstr(h.all, hex), "%s", h.all);
    cr_assert_not_null(strstr(h.all, "shard 1 was damaged"), "%s", h.all);
    cr_assert_not_null(strstr(h.all, "000001.mdb: medium"), "%s", h.all);
    tempdir_remove(dir);
}

Test(verify, survives_any_flipped_byte_and_notices_it)
{
    enum { ROUNDS = 60 };
    char dir[TEMPDIR_MAX];
    struct stat st;
    struct verify_totals t;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){6, 3, 1, 4, 100, 0});
    const char *path = corpus_shard_file(dir, 0);
    cr_assert_eq(stat(path, &st), 0);
    const struct draw d = draw_stream(4, 0, 0, 0, DRAW_ORDER);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const off_t at = (off_t)draw_below(&d, i, (uint64_t)st.st_size);
        flip_byte(path, at);
        const struct heard h = verify(dir, &t);
        cr_assert_gt(h.problems, 0, "byte %ld", (long)at);
        cr_assert_not_null(strstr(h.all, "000000.mdb"), "%s", h.all);
        flip_byte(path, at);
    }
    const struct heard h = verify(dir, &t);
    cr_assert_eq(h.problems, 0, "%s", h.all);
    tempdir_remove(dir);
}

Test(verify, names_truncated_and_missing_files_and_a_wrong_catalog)
{
    char dir[TEMPDIR_MAX];
    struct stat st;
    struct verify_totals t;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){12, 3, 3, 4, 100, 0});
    const char *path = corpus_shard_file(dir, 2);
    cr_assert_eq(stat(path, &st), 0);
    chmod(path, 0644);
    cr_assert_eq(truncate(path, st.st_size / 2), 0);
    struct heard h = verify(dir, &t);
    cr_assert_not_null(strstr(h.all, "000002.mdb has"), "%s", h.all);
    cr_assert_not_null(strstr(h.all, "the catalog counts 36 pairs"), "%s", h.all);
    cr_assert_eq(unlink(path), 0);
    h = verify(dir, &t);
    cr_assert_not_null(strstr(h.all, "shard 2 is missing"), "%s", h.all);
    tempdir_remove(dir);
}

Test(verify, names_a_pair_that_is_there_twice)
{
    char dir[TEMPDIR_MAX];
    struct verify_totals t;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){4, 2, 1, 2, 8, 0});
    add_shard(dir, 5, 1, 0, 0);
    const struct heard h = verify(dir, &t);
    cr_assert_eq(h.problems, 1, "%s", h.all);
    cr_assert_not_null(strstr(h.last, "lies in shard 0 and in shard 5"), "%s", h.last);
    tempdir_remove(dir);
}

Test(verify, names_a_pair_whose_medium_is_missing)
{
    char dir[TEMPDIR_MAX];
    char hex[ID_HEX];
    struct verify_totals t;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){4, 2, 1, 2, 8, 0});
    add_shard(dir, 5, 100, 0, 0);
    const struct heard h = verify(dir, &t);
    const struct id medium = medium_id(100);
    id_to_hex(&medium, hex);
    cr_assert_eq(h.problems, 1, "%s", h.all);
    cr_assert_not_null(strstr(h.last, hex), "%s", h.last);
    cr_assert_not_null(strstr(h.last, "of shard 5"), "%s", h.last);
    tempdir_remove(dir);
}

/* What a made corpus tells, with the last letter of `name` in it turned into a 9. */
static char *about_with_other(const char *name)
{
    char *about = strdup(corpus_about);
    cr_assert_not_null(about);
    char *at = strstr(about, name);
    cr_assert_not_null(at);
    at[strlen(name) - 1] = '9';
    return about;
}

/* The same size and special tokens, other words. */
static char *about_of_other_words(void)
{
    return about_with_other("words 1/0");
}

Test(verify, names_a_shard_of_another_vocabulary)
{
    char dir[TEMPDIR_MAX];
    struct verify_totals t;
    char *about = about_of_other_words();
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){4, 2, 1, 2, 8, 0});
    add_shard_of(dir, about, 5, 100, 1, 0);
    const struct heard h = verify(dir, &t);
    cr_assert_eq(h.problems, 1, "%s", h.all);
    cr_assert_not_null(strstr(h.last, "shard 5 was tokenised with another vocabulary"), "%s",
                       h.last);
    free(about);
    tempdir_remove(dir);
}

Test(feed_selection, refuses_a_corpus_of_two_vocabularies)
{
    char dir[TEMPDIR_MAX];
    struct feed_selection s;
    char *about = about_of_other_words();
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){4, 2, 1, 2, 8, 0});
    add_shard_of(dir, about, 5, 100, 1, 0);
    struct corpus *corpus = open_corpus(dir);
    cr_assert_eq(feed_selection_init(&s, corpus, "uniter", NULL), E_ARG);
    cr_assert_not_null(strstr(err_text(), "words 1/9"), "%s", err_text());
    corpus_close(corpus);
    free(about);
    tempdir_remove(dir);
}

/* A detector of another digest, and one of the same name with other classes. */
static const char *const of_detector[] = {"detector 1/2", "cup", "big"};

Test(verify, names_a_shard_of_another_detector)
{
    for (size_t i = 0; i < 3; i++) {
        char dir[TEMPDIR_MAX];
        struct verify_totals t;
        char *about = about_with_other(of_detector[i]);
        tempdir_make(dir);
        make_corpus(dir, (struct corpus_shape){4, 2, 1, 2, 8, 0});
        add_shard_of(dir, about, 5, 100, 1, 0);
        const struct heard h = verify(dir, &t);
        cr_assert_eq(h.problems, 1, "%s", h.all);
        cr_assert_not_null(strstr(h.last, "shard 5 was ground with another detector"), "%s",
                           h.last);
        free(about);
        tempdir_remove(dir);
    }
}

Test(feed_selection, refuses_a_corpus_of_two_detectors)
{
    for (size_t i = 0; i < 3; i++) {
        char dir[TEMPDIR_MAX];
        struct feed_selection s;
        char *about = about_with_other(of_detector[i]);
        tempdir_make(dir);
        make_corpus(dir, (struct corpus_shape){4, 2, 1, 2, 8, 0});
        add_shard_of(dir, about, 5, 100, 1, 0);
        struct corpus *corpus = open_corpus(dir);
        cr_assert_eq(feed_selection_init(&s, corpus, "uniter", NULL), E_ARG);
        cr_assert_not_null(strstr(err_text(), "shard 5 was ground with another detector"), "%s",
                           err_text());
        cr_assert_not_null(strstr(err_text(), "shard 0 (detector 1/2)"), "%s", err_text());
        corpus_close(corpus);
        free(about);
        tempdir_remove(dir);
    }
}

/* Texts that came later, when another model was in use, about media that are there. */
Test(feed_selection, asks_shards_without_media_for_no_detector)
{
    char dir[TEMPDIR_MAX];
    struct feed_selection s;
    char *about = about_with_other("detector 1/2");
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){4, 2, 1, 2, 8, 0});
    add_shard_of(dir, about, 5, 1, 0, 7);
    struct corpus *corpus = open_corpus(dir);
    OK(feed_selection_init(&s, corpus, "uniter", NULL));
    feed_selection_release(&s);
    corpus_close(corpus);
    free(about);
    tempdir_remove(dir);
}

/* ---- soft labels ---- */

static void put_medium(struct open_shard *s, uint32_t medium, uint32_t regions, bool soft)
{
    struct made_visual v = make_visual(medium, regions, 8, FEATURE_F16);
    struct made_pair p = make_pair(medium, 0);
    const struct staged_mark mark = {.medium = medium_id(medium), .token = 1};
    v.r.classes = soft ? v.r.classes : 0;
    OK(open_shard_put(s, &mark, &v.r, &p.r, 1));
    free_visual(&v);
    free_pair(&p);
}

/* Shard 5 holds medium 100 and 101, the latter with another number of regions. */
static void add_two(const char *dir, bool first_soft, bool second_soft, uint32_t second_regions)
{
    struct open_shard *s = begin_shard(dir, corpus_about, 5);
    put_medium(s, 100, 2, first_soft);
    put_medium(s, 101, second_regions, second_soft);
    end_shard(dir, s, 5);
}

static void expect_needed(const char *dir, unsigned flags)
{
    struct feed_selection s;
    struct corpus *corpus = NULL;
    OK(corpus_open(dir, CORPUS_QUIET | flags, &corpus));
    cr_assert_eq(feed_selection_init(&s, corpus, "uniter", NULL), E_ARG);
    cr_assert_not_null(strstr(err_text(), "shard 5: "), "%s", err_text());
    cr_assert_not_null(strstr(err_text(), "mrc=0,mrckl=0"), "%s", err_text());
    cr_assert_eq(feed_selection_init(&s, corpus, "uniter", "min_regions=9,max_regions=8"), E_ARG);
    cr_assert_null(strstr(err_text(), "shard"), "%s", err_text());
    OK(feed_selection_init(&s, corpus, "uniter", "mrc=0,mrckl=0"));
    feed_selection_release(&s);
    corpus_close(corpus);
}

Test(feed_selection, names_the_shard_that_holds_media_without_soft_labels)
{
    for (unsigned soft = 0; soft < 3; soft++) { /* none, the first, the second */
        char dir[TEMPDIR_MAX];
        tempdir_make(dir);
        make_corpus(dir, (struct corpus_shape){4, 2, 2, 2, 8, 0});
        add_two(dir, soft == 1, soft == 2, 2);
        expect_needed(dir, 0);
        tempdir_remove(dir);
    }
}

/* A shard of before this was told: its meta entry has another word in the place. */
static void forget_classes(const char *path)
{
    static const char member[] = "\"classes\"";
    struct view file;
    unsigned found = 0;
    OK(file_map(path, &file));
    for (const char *at = file.p;
         (at = memmem(at, (size_t)((const char *)file.p + file.n - at), member, strlen(member)));
         at++) {
        flip_byte(path, at + 1 - (const char *)file.p);
        found++;
    }
    file_unmap(file);
    cr_assert_gt(found, 0);
}

Test(feed_selection, asks_a_medium_of_a_shard_that_does_not_tell)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){4, 2, 2, 2, 8, 0});
    add_two(dir, false, false, 2);
    forget_classes(corpus_shard_file(dir, 5));
    expect_needed(dir, CORPUS_TRUST_DIGESTS);
    tempdir_remove(dir);
}

Test(feed_selection, needs_no_soft_labels_of_a_medium_without_regions)
{
    char dir[TEMPDIR_MAX];
    struct feed_selection s;
    tempdir_make(dir);
    make_corpus(dir, (struct corpus_shape){4, 2, 2, 2, 8, 0});
    add_two(dir, true, false, 0);
    struct corpus *corpus = open_corpus(dir);
    OK(feed_selection_init(&s, corpus, "uniter", NULL));
    cr_assert_eq(s.verdicts[RECIPE_NO_REGIONS], 1);
    feed_selection_release(&s);
    corpus_close(corpus);
    tempdir_remove(dir);
}
