/* Open shards keep what they acknowledged; sealing may die anywhere. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shards/catalog.h"
#include "shards/codec.h"
#include "shards/open_shard.h"
#include "shards/shard_internal.h"
#include "tests/unit/records.h"
#include "tests/unit/tempdir.h"

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text())

static struct open_shard *create(const char *dir, uint32_t number)
{
    struct open_shard *s = NULL;
    OK(open_shard_create(dir, number, "{\"detector\": \"none\"}", &s));
    return s;
}

static struct open_shard *adopt(const char *dir, uint32_t number)
{
    struct open_shard *s = NULL;
    OK(open_shard_adopt(dir, number, &s));
    return s;
}

/* Stages medium `medium` with `texts` texts, the first one numbered `first`. */
static int stage(struct open_shard *s, uint32_t medium, uint64_t token, bool visual, uint32_t first,
                 uint32_t texts)
{
    struct made_visual v = make_visual(medium, 3, 32, FEATURE_F16);
    struct made_pair made[8];
    struct pair_record pairs[8];
    for (uint32_t i = 0; i < texts; i++) {
        made[i] = make_pair(medium, first + i);
        pairs[i] = made[i].r;
    }
    const struct staged_mark mark = {.medium = medium_id(medium), .token = token};
    const int rc = open_shard_put(s, &mark, visual ? &v.r : NULL, pairs, texts);
    for (uint32_t i = 0; i < texts; i++) {
        free_pair(&made[i]);
    }
    free_visual(&v);
    return rc;
}

static void expect_usage(struct open_shard *s, uint64_t media, uint64_t pairs, uint64_t marks)
{
    struct open_shard_usage u;
    OK(open_shard_usage(s, &u));
    cr_assert_eq(u.media, media, "%lu media", u.media);
    cr_assert_eq(u.pairs, pairs, "%lu pairs", u.pairs);
    cr_assert_eq(u.marks, marks, "%lu marks", u.marks);
    cr_assert_gt(u.bytes, 0);
}

Test(open_shard, what_was_put_is_there_after_reopening)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    struct open_shard *s = create(dir, 7);
    OK(stage(s, 1, 0xfffffffffffffff0, true, 0, 3));
    OK(stage(s, 2, 5, true, 0, 0));
    open_shard_close(s);
    s = adopt(dir, 7);
    cr_assert_eq(open_shard_number(s), 7);
    expect_usage(s, 2, 3, 2);
    struct staged_mark *marks = NULL;
    size_t n = 0;
    OK(open_shard_marks(s, &marks, &n));
    cr_assert_eq(n, 2);
    const struct id first = medium_id(1);
    const struct staged_mark *one = id_equal(&marks[0].medium, &first) ? &marks[0] : &marks[1];
    const struct staged_mark *two = one == &marks[0] ? &marks[1] : &marks[0];
    cr_assert_eq(one->token, 0xfffffffffffffff0);
    cr_assert_eq(one->pairs, 3);
    cr_assert(one->has_visual);
    cr_assert_eq(two->token, 5);
    cr_assert_eq(two->pairs, 0);
    free(marks);
    open_shard_close(s);
    tempdir_remove(dir);
}

Test(open_shard, a_job_is_staged_whole_or_not_at_all)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    struct open_shard *s = create(dir, 1);
    struct made_pair good = make_pair(1, 1);
    struct made_pair strange = make_pair(2, 1);
    struct made_visual v = make_visual(1, 2, 8, FEATURE_F32);
    const struct pair_record pairs[] = {good.r, strange.r};
    const struct pair_record twice[] = {good.r, good.r};
    const struct staged_mark mark = {.medium = medium_id(1), .token = 1};
    cr_assert_eq(open_shard_put(s, &mark, &v.r, pairs, 2), E_ARG);
    cr_assert_eq(open_shard_put(s, &mark, &v.r, twice, 2), E_ARG);
    expect_usage(s, 0, 0, 0);
    OK(open_shard_put(s, &mark, &v.r, pairs, 1));
    cr_assert_eq(open_shard_put(s, &mark, &v.r, pairs, 1), E_EXISTS);
    expect_usage(s, 1, 1, 1);
    free_pair(&good);
    free_pair(&strange);
    free_visual(&v);
    open_shard_close(s);
    tempdir_remove(dir);
}

Test(open_shard, a_refused_job_is_taken_out_again)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    struct open_shard *s = create(dir, 1);
    const struct id one = medium_id(1);
    OK(stage(s, 1, 10, true, 0, 4));
    OK(stage(s, 2, 11, true, 0, 2));
    cr_assert_eq(open_shard_remove(s, &one, 9), E_NOT_FOUND);
    OK(open_shard_remove(s, &one, 10));
    expect_usage(s, 1, 2, 1);
    cr_assert_eq(open_shard_remove(s, &one, 10), E_NOT_FOUND);
    open_shard_close(s);
    tempdir_remove(dir);
}

/* The job was leased to this worker twice; whichever lease is refused, the other's records stay. */
Test(open_shard, removing_one_mark_keeps_what_another_claims)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    struct open_shard *s = create(dir, 1);
    const struct id one = medium_id(1);
    OK(stage(s, 1, 10, true, 0, 4)); /* texts 0 to 3 */
    OK(stage(s, 1, 11, true, 2, 4)); /* texts 2 to 5 */
    expect_usage(s, 1, 6, 2);
    OK(open_shard_remove(s, &one, 10));
    expect_usage(s, 1, 4, 1);
    OK(stage(s, 1, 12, false, 6, 1)); /* a text that came later */
    OK(open_shard_remove(s, &one, 12));
    expect_usage(s, 1, 4, 1);
    OK(open_shard_remove(s, &one, 11));
    expect_usage(s, 0, 0, 0);
    open_shard_close(s);
    tempdir_remove(dir);
}

/* From here on this process may not write beyond `bytes` in any file, as if the disk were full. */
static void fill_disk(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(open_shard, a_full_disk_stages_nothing_and_the_shard_stays_usable)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    struct open_shard *s = create(dir, 1);
    struct open_shard_usage u;
    OK(stage(s, 1, 1, true, 0, 2));
    OK(open_shard_usage(s, &u));
    fill_disk(u.bytes);
    uint32_t full = 2;
    while (full < 100 && stage(s, full, 1, true, 0, 4) == 0) {
        full++;
    }
    cr_assert_lt(full, 100, "the disk never filled");
    cr_assert_eq(stage(s, full, 1, true, 0, 4), E_STORAGE, "%s", err_text());
    expect_usage(s, full - 1, 2 + 4 * (full - 2), full - 1);
    fill_disk(RLIM_INFINITY);
    OK(stage(s, full, 1, true, 0, 4));
    open_shard_close(s);
    s = adopt(dir, 1);
    expect_usage(s, full, 2 + 4 * (full - 1), full);
    open_shard_close(s);
    tempdir_remove(dir);
}

Test(seal, a_full_disk_leaves_the_open_shard_to_be_sealed_later)
{
    char dir[TEMPDIR_MAX];
    struct shard_manifest m;
    tempdir_make(dir);
    struct open_shard *s = create(dir, 1);
    OK(stage(s, 1, 1, true, 0, 4));
    fill_disk(8192);
    cr_assert_eq(open_shard_seal(s, &m), E_STORAGE, "%s", err_text());
    fill_disk(RLIM_INFINITY);
    expect_usage(s, 1, 4, 1);
    OK(open_shard_seal(s, &m));
    cr_assert_eq(m.pairs, 4);
    open_shard_close(s);
    tempdir_remove(dir);
}

Test(open_shard, belongs_to_one_process_at_a_time)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    struct open_shard *s = create(dir, 1);
    struct open_shard *second = NULL;
    cr_assert_eq(open_shard_adopt(dir, 1, &second), E_BUSY);
    cr_assert_eq(open_shard_create(dir, 1, "{}", &second), E_EXISTS);
    cr_assert_eq(open_shard_adopt(dir, 2, &second), E_NO_FILE);
    cr_assert_eq(open_shard_create(dir, 2, "[]", &second), E_FORMAT);
    open_shard_close(s);
    open_shard_close(adopt(dir, 1));
    tempdir_remove(dir);
}

/* ---- sealing ---- */

enum { MEDIA = 40, TEXTS = 4 };

static struct open_shard *filled(const char *dir, uint32_t number)
{
    struct open_shard *s = create(dir, number);
    for (uint32_t m = 0; m < MEDIA; m++) {
        OK(stage(s, m, m + 1, true, 0, TEXTS));
    }
    return s;
}

static void expect_manifest(const struct shard_manifest *m, const char *dir)
{
    char path[SHARD_PATH_MAX];
    struct shard_manifest loaded;
    OK(shard_path(dir, m->number, "mdb", path));
    OK(manifest_check_file(path, m, true));
    OK(manifest_load(dir, m->number, &loaded));
    cr_assert_eq(memcmp(loaded.file_digest.b, m->file_digest.b, ID_BYTES), 0);
    cr_assert_eq(memcmp(loaded.content_digest.b, m->content_digest.b, ID_BYTES), 0);
    cr_assert_eq(loaded.pairs, MEDIA * TEXTS);
    cr_assert_eq(loaded.media, MEDIA);
    cr_assert_eq(loaded.bytes, m->bytes);
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0444);
}

static MDB_val get(MDB_txn *txn, const char *db, const void *key, size_t n)
{
    MDB_dbi dbi;
    MDB_val k = {n, (void *)key};
    MDB_val v = {0, NULL};
    cr_assert_eq(mdb_dbi_open(txn, db, 0, &dbi), 0);
    cr_assert_eq(mdb_get(txn, dbi, &k, &v), 0);
    return v;
}

static void expect_records(const char *path)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    struct value_coder *coder = NULL;
    struct value_dictionary *dictionary = NULL;
    struct buf b;
    buf_init(&b, CODEC_MAX_RECORD);
    OK(value_coder_new(&coder));
    OK(shard_env_open(path, MDB_RDONLY, &env));
    cr_assert_eq(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    const MDB_val d = get(txn, DB_TABLE, TABLE_DICTIONARY, strlen(TABLE_DICTIONARY));
    OK(value_dictionary_new(view_of(d.mv_data, d.mv_size), &dictionary));
    for (uint32_t m = 0; m < MEDIA; m++) {
        struct made_visual v = make_visual(m, 3, 32, FEATURE_F16);
        struct visual_record got;
        MDB_val value = get(txn, DB_VISUAL, v.r.medium.b, ID_BYTES);
        OK(value_unpack(coder, view_of(value.mv_data, value.mv_size), NULL, &b));
        OK(codec_decode_visual(buf_view(&b), &got));
        expect_same_visual(&v.r, &got);
        free_visual(&v);
        for (uint32_t t = 0; t < TEXTS; t++) {
            struct made_pair p = make_pair(m, t);
            struct pair_record pair;
            value = get(txn, DB_PAIR, p.r.id.b, ID_BYTES);
            OK(value_unpack(coder, view_of(value.mv_data, value.mv_size), dictionary, &b));
            OK(codec_decode_pair(buf_view(&b), &pair));
            expect_same_pair(&p.r, &pair);
            free_pair(&p);
        }
    }
    const MDB_val lengths = get(txn, DB_TABLE, TABLE_PAIR_LENGTH, strlen(TABLE_PAIR_LENGTH));
    cr_assert_eq(lengths.mv_size, MEDIA * TEXTS * 2);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    value_dictionary_free(dictionary);
    value_coder_free(coder);
    buf_release(&b);
}

Test(seal, the_sealed_shard_holds_every_record_and_replaces_the_open_one)
{
    char dir[TEMPDIR_MAX];
    char path[SHARD_PATH_MAX];
    struct shard_manifest m;
    struct open_shard *again = NULL;
    tempdir_make(dir);
    struct open_shard *s = filled(dir, 3);
    OK(open_shard_seal(s, &m));
    open_shard_close(s);
    expect_manifest(&m, dir);
    OK(shard_path(dir, 3, "mdb", path));
    expect_records(path);
    OK(shard_path(dir, 3, "open", path));
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_eq(open_shard_adopt(dir, 3, &again), E_EXISTS);
    cr_assert_eq(open_shard_create(dir, 3, "{}", &again), E_EXISTS);
    tempdir_remove(dir);
}

Test(seal, the_content_digest_depends_on_the_records_alone)
{
    char a[TEMPDIR_MAX];
    char b[TEMPDIR_MAX];
    struct shard_manifest ma;
    struct shard_manifest mb;
    tempdir_make(a);
    tempdir_make(b);
    struct open_shard *s = filled(a, 1);
    OK(open_shard_seal(s, &ma));
    open_shard_close(s);
    s = create(b, 9);
    for (uint32_t m = MEDIA; m-- > 0;) { /* another order, another number, a job taken back */
        OK(stage(s, m, 77, true, 0, TEXTS));
    }
    OK(stage(s, 1000, 1, true, 0, TEXTS));
    const struct id gone = medium_id(1000);
    OK(open_shard_remove(s, &gone, 1));
    OK(open_shard_seal(s, &mb));
    open_shard_close(s);
    cr_assert(id_equal(&ma.content_digest, &mb.content_digest));
    tempdir_remove(a);
    tempdir_remove(b);
}

Test(seal, an_empty_shard_can_be_sealed)
{
    char dir[TEMPDIR_MAX];
    struct shard_manifest m;
    tempdir_make(dir);
    struct open_shard *s = create(dir, 1);
    OK(open_shard_seal(s, &m));
    open_shard_close(s);
    cr_assert_eq(m.pairs, 0);
    cr_assert_eq(m.media, 0);
    tempdir_remove(dir);
}

/* Adopts the copy of a directory as it was after a crash, and seals it if it must be. */
static void expect_recovery(const char *dir, bool sealed_already)
{
    struct open_shard *s = NULL;
    struct shard_manifest m;
    struct shard_file *files = NULL;
    size_t n = 0;
    OK(shard_dir_list(dir, &files, &n));
    cr_assert_eq(n, 1);
    cr_assert_eq(files[0].number, 5);
    cr_assert_eq(files[0].sealed, sealed_already);
    free(files);
    const int rc = open_shard_adopt(dir, 5, &s);
    if (sealed_already) {
        cr_assert_eq(rc, E_EXISTS, "%s", err_text());
        OK(manifest_load(dir, 5, &m));
    } else {
        cr_assert_eq(rc, 0, "%s", err_text());
        expect_usage(s, MEDIA, MEDIA * TEXTS, MEDIA);
        OK(open_shard_seal(s, &m));
        open_shard_close(s);
    }
    expect_manifest(&m, dir);
    char path[SHARD_PATH_MAX];
    OK(shard_path(dir, 5, "mdb", path));
    expect_records(path);
    OK(shard_path(dir, 5, "open", path));
    cr_assert_neq(access(path, F_OK), 0, "the open file is still there");
    OK(shard_path(dir, 5, "mdb.tmp", path));
    cr_assert_neq(access(path, F_OK), 0, "a temporary file is still there");
}

static void crash_here(const char *dir, bool sealed_already)
{
    char copy[TEMPDIR_MAX];
    tempdir_make(copy);
    tempdir_copy(dir, copy);
    char path[SHARD_PATH_MAX];
    OK(shard_path(copy, 5, "mdb", path));
    chmod(path, 0444);
    expect_recovery(copy, sealed_already);
    tempdir_remove(copy);
}

Test(seal, a_crash_between_any_two_steps_loses_and_doubles_nothing)
{
    char dir[TEMPDIR_MAX];
    char path[SHARD_PATH_MAX];
    struct shard_manifest m;
    tempdir_make(dir);
    struct open_shard *s = filled(dir, 5);
    crash_here(dir, false);
    OK(seal_transcode(s, &m));
    crash_here(dir, false);
    OK(shard_path(dir, 5, "mdb.tmp", path)); /* died in the middle of transcoding */
    char cut[TEMPDIR_MAX];
    tempdir_make(cut);
    tempdir_copy(dir, cut);
    char torn[SHARD_PATH_MAX];
    OK(shard_path(cut, 5, "mdb.tmp", torn));
    cr_assert_eq(truncate(torn, 10000), 0);
    crash_here(cut, false);
    tempdir_remove(cut);
    OK(seal_publish(s, &m));
    crash_here(dir, false);
    OK(seal_manifest(s, &m));
    crash_here(dir, true);
    OK(seal_discard(s, &m));
    crash_here(dir, true);
    open_shard_close(s);
    tempdir_remove(dir);
}

Test(seal, a_sealed_file_that_does_not_match_its_manifest_is_made_again)
{
    char dir[TEMPDIR_MAX];
    char path[SHARD_PATH_MAX];
    struct shard_manifest m;
    tempdir_make(dir);
    struct open_shard *s = filled(dir, 5);
    OK(seal_transcode(s, &m));
    OK(seal_publish(s, &m));
    OK(seal_manifest(s, &m));
    open_shard_close(s);
    OK(shard_path(dir, 5, "mdb", path));
    chmod(path, 0644);
    cr_assert_eq(truncate(path, 5000), 0);
    expect_recovery(dir, false);
    tempdir_remove(dir);
}

Test(shard_dir, a_refused_shard_disappears)
{
    char dir[TEMPDIR_MAX];
    struct shard_manifest m;
    struct shard_file *files = NULL;
    size_t n = 1;
    tempdir_make(dir);
    struct open_shard *s = filled(dir, 5);
    OK(open_shard_seal(s, &m));
    open_shard_close(s);
    open_shard_close(create(dir, 6));
    OK(shard_dir_remove(dir, 5));
    OK(shard_dir_list(dir, &files, &n));
    cr_assert_eq(n, 1);
    cr_assert_eq(files[0].number, 6);
    cr_assert(files[0].open && !files[0].sealed);
    free(files);
    tempdir_remove(dir);
}

Test(catalog, comes_back_as_it_was_saved_ordered_by_number)
{
    char dir[TEMPDIR_MAX];
    char path[SHARD_PATH_MAX];
    tempdir_make(dir);
    struct catalog c;
    OK(catalog_init(&c, "photos"));
    for (uint32_t i = 0; i < 5; i++) {
        const uint32_t number = (i * 3 + 2) % 5;
        struct shard_manifest m = {
            .number = number, .pairs = 10 * number, .media = number, .bytes = 4096};
        m.file_digest = medium_id(number);
        char file[32];
        snprintf(file, sizeof file, "shards/%06u.mdb", number);
        OK(catalog_add(&c, file, &m));
        OK(catalog_add(&c, file, &m));
        m.file_digest = medium_id(99);
        cr_assert_eq(catalog_add(&c, file, &m), E_EXISTS);
    }
    OK(catalog_save(&c, dir));
    struct catalog got;
    OK(catalog_load(&got, dir));
    cr_assert_str_eq(got.corpus, "photos");
    cr_assert_eq(got.n, 5);
    for (uint32_t i = 0; i < 5; i++) {
        cr_assert_eq(got.shards[i].manifest.number, i);
    }
    cr_assert_eq(catalog_pairs(&got), 100);
    cr_assert_eq(catalog_media(&got), 10);
    OK(catalog_shard_path(dir, catalog_find(&got, 4), path));
    cr_assert_not_null(strstr(path, "/shards/000004.mdb"));
    catalog_release(&got);
    catalog_release(&c);
    tempdir_remove(dir);
}

Test(catalog, a_save_that_fails_leaves_the_old_one)
{
    char dir[TEMPDIR_MAX];
    struct catalog c;
    struct catalog got;
    tempdir_make(dir);
    OK(catalog_init(&c, "photos"));
    OK(catalog_save(&c, dir));
    for (uint32_t i = 0; i < 20; i++) {
        const struct shard_manifest m = {.number = i};
        OK(catalog_add(&c, "shards/x.mdb", &m));
    }
    fill_disk(1000);
    cr_assert_eq(catalog_save(&c, dir), E_STORAGE, "%s", err_text());
    fill_disk(RLIM_INFINITY);
    OK(catalog_load(&got, dir));
    cr_assert_eq(got.n, 0);
    catalog_release(&got);
    OK(catalog_save(&c, dir));
    OK(catalog_load(&got, dir));
    cr_assert_eq(got.n, 20);
    catalog_release(&got);
    catalog_release(&c);
    tempdir_remove(dir);
}

static void expect_refused(const char *dir, const char *text, int rc)
{
    char path[SHARD_PATH_MAX];
    struct catalog c;
    snprintf(path, sizeof path, "%s/%s", dir, CATALOG_FILE);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
    cr_assert_eq(catalog_load(&c, dir), rc, "%s", text);
    cr_assert_not_null(strstr(err_text(), CATALOG_FILE), "%s", err_text());
}

Test(catalog, a_damaged_one_is_refused_with_its_path)
{
    char dir[TEMPDIR_MAX];
    struct catalog c;
    tempdir_make(dir);
    cr_assert_eq(catalog_load(&c, dir), E_NO_FILE);
    expect_refused(dir, "", E_FORMAT);
    expect_refused(dir, "{\"version\": 1, \"corpus\": \"x\"", E_FORMAT);
    expect_refused(dir, "{\"version\": 1, \"corpus\": \"x\", \"shards\": 4}", E_FORMAT);
    expect_refused(dir, "{\"version\": 1, \"corpus\": \"x\", \"shards\": [{\"file\": \"a\"}]}",
                   E_FORMAT);
    expect_refused(dir, "{\"version\": 99, \"corpus\": \"x\", \"shards\": []}", E_VERSION);
    tempdir_remove(dir);
}
