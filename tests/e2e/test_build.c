/* pairmill build, as a user runs it: every source, every kind of bad input, and being killed all
 * the time. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/file.h"
#include "tests/e2e/mill.h"

static char dir[MILL_PATH];
static char output[MILL_OUTPUT];

static void begin(void)
{
    mill_dir(dir);
}

static void end(void)
{
    mill_clean(dir);
}

TestSuite(build, .init = begin, .fini = end, .timeout = 300);

static const char *corpus(void)
{
    return mill_path(dir, "corpus");
}

static void expect_state(const char *key, long want)
{
    cr_assert_eq(mill_status(corpus(), key), want, "%s is %ld, not %ld", key,
                 mill_status(corpus(), key), want);
}

/* The catalog says of each shard what the shard's own manifest says. */
static void expect_catalog_like_manifests(void)
{
    json_t *catalog = json_load_file(mill_path(dir, "corpus/catalog.json"), 0, NULL);
    size_t i;
    json_t *shard;
    json_array_foreach(json_object_get(catalog, "shards"), i, shard)
    {
        char name[64];
        const char *key;
        json_t *value;
        snprintf(name, sizeof name, "corpus/shards/%06lld.json",
                 json_integer_value(json_object_get(shard, "number")));
        json_t *manifest = json_load_file(mill_path(dir, name), 0, NULL);
        cr_assert_not_null(manifest, "%s is missing", name);
        json_object_foreach(manifest, key, value)
        {
            cr_assert(json_equal(value, json_object_get(shard, key)), "%s differs in %s", key,
                      name);
        }
        json_decref(manifest);
    }
    cr_assert_gt(i, 0);
    json_decref(catalog);
}

static void expect_sound(void)
{
    expect_catalog_like_manifests();
    cr_assert_eq(MILL_RUN(output, "verify", corpus()), 0, "%s", output);
    cr_assert_eq(MILL_RUN(output, "status", corpus()), 0, "the identity does not hold: %s", output);
}

Test(build, grinds_coco_lines_tsv_and_folders_into_one_corpus)
{
    const char *coco = mill_coco(dir, 3, 2);
    mill_text(mill_path(dir, "a.jsonl"),
              "{\"image\": \"images/000001.jpg\", \"caption\": \"one more text about it\"}\n"
              "{\"image\": \"images/000002.jpg\", \"captions\": [\"first\", \"second\"], "
              "\"split\": \"val\"}\n");
    mill_text(mill_path(dir, "b.tsv"), "images/000003.jpg\ta text with a tab\tin it\n");
    cr_assert_eq(file_make_dirs(mill_path(dir, "folder/deep")), 0);
    mill_jpeg(mill_path(dir, "folder/x.jpg"), 70);
    mill_text(mill_path(dir, "folder/x.txt"), "a boat on a lake\na second line\n");
    mill_jpeg(mill_path(dir, "folder/deep/y.jpg"), 71);
    mill_text(mill_path(dir, "folder/deep/y.txt"), "a deep image");
    cr_assert_eq(MILL_RUN(output, "build", coco, mill_path(dir, "a.jsonl"), mill_path(dir, "b.tsv"),
                          mill_path(dir, "folder"), "-o", corpus()),
                 0, "%s", output);
    expect_state("done", 6 + 3 + 1 + 3);
    expect_state("ingested", 13);
    expect_state("media", 5);
    expect_sound();
}

/* Whatever file an image comes in, COCO's number of it makes it the same one to `equality=group`.
 */
Test(build, media_of_one_coco_image_share_a_group)
{
    mill_coco(dir, 3, 1);
    mill_text(mill_path(dir, "a.jsonl"),
              "{\"image\": \"images/000001.jpg\", \"caption\": \"a man\", \"coco_image_id\": 7}\n"
              "{\"image\": \"images/000002.jpg\", \"caption\": \"a man\", \"coco_image_id\": 7}\n"
              "{\"image\": \"images/000003.jpg\", \"caption\": \"a man\"}\n"
              "{\"image\": \"images/000003.jpg\", \"caption\": \"b\", \"coco_image_id\": \"x\"}\n");
    cr_assert_eq(MILL_RUN(output, "build", mill_path(dir, "a.jsonl"), "-o", corpus()), 0, "%s",
                 output);
    expect_state("done", 3);
    expect_state("quarantined", 1);
    uint64_t group[3];
    for (int i = 0; i < 3; i++) {
        char number[8];
        snprintf(number, sizeof number, "%d", i);
        cr_assert_eq(MILL_RUN(output, "inspect", corpus(), number, "--json"), 0, "%s", output);
        json_t *o = json_loads(output, 0, NULL);
        const json_t *pair = json_object_get(o, "pair");
        const int seven = json_integer_value(json_object_get(pair, "coco_image_id")) == 7;
        const json_t *g = json_object_get(pair, "group");
        const char *digits = json_string_value(g);
        cr_assert(digits && strlen(digits) == 16 && strspn(digits, "0123456789abcdef") == 16, "%s",
                  output);
        group[i] = seven ? strtoull(digits, NULL, 16) : 0;
        json_decref(o);
    }
    const int other = group[0] == 0 ? 0 : group[1] == 0 ? 1 : 2;
    cr_assert_eq(group[other], 0);
    cr_assert_eq(group[(other + 1) % 3], group[(other + 2) % 3]);
    cr_assert_neq(group[(other + 1) % 3], 0);
}

Test(build, started_again_finds_everything_done)
{
    const char *coco = mill_coco(dir, 2, 2);
    cr_assert_eq(MILL_RUN(output, "build", coco, "-o", corpus()), 0, "%s", output);
    cr_assert_eq(MILL_RUN(output, "build", coco, "-o", corpus()), 0, "%s", output);
    expect_state("ingested", 4);
    expect_state("shards_sealed", mill_status(corpus(), "shards_sealed"));
    expect_sound();
}

Test(build, a_text_that_comes_later_joins_the_visual_record_that_is_there)
{
    const char *coco = mill_coco(dir, 2, 1);
    cr_assert_eq(MILL_RUN(output, "build", coco, "-o", corpus()), 0, "%s", output);
    mill_text(mill_path(dir, "late.tsv"), "images/000001.jpg\ta week later\n");
    cr_assert_eq(MILL_RUN(output, "build", mill_path(dir, "late.tsv"), "-o", corpus()), 0, "%s",
                 output);
    expect_state("done", 3);
    expect_state("media", 2);
    cr_assert_eq(MILL_RUN(output, "inspect", corpus(), "--json"), 0, "%s", output);
    json_t *o = json_loads(output, 0, NULL);
    cr_assert_eq(json_integer_value(json_object_get(o, "media")), 2,
                 "the medium was detected again: %s", output);
    expect_sound();
}

static long member(const json_t *o, const char *key)
{
    return (long)json_integer_value(json_object_get(o, key));
}

/* A node's words are the sub-tokens that inspect tells: first and last meet its bytes; none where
 * no word says the relation. */
Test(build, every_node_of_a_graph_is_told_with_its_sub_tokens)
{
    cr_assert_eq(MILL_RUN(output, "build", mill_coco(dir, 1, 1), "-o", corpus()), 0, "%s", output);
    cr_assert_eq(MILL_RUN(output, "inspect", corpus(), "0", "--json"), 0, "%s", output);
    json_t *o = json_loads(output, 0, NULL);
    const json_t *pair = json_object_get(o, "pair");
    const json_t *tokens = json_object_get(pair, "tokens");
    const json_t *nodes = json_object_get(json_object_get(pair, "graph"), "nodes");
    size_t words = 0;
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        const json_t *span = json_object_get(node, "tokens");
        const size_t beg = (size_t)json_integer_value(json_array_get(span, 0));
        const size_t end = (size_t)json_integer_value(json_array_get(span, 1));
        cr_assert_eq(beg < end, member(node, "beg") < member(node, "end"));
        if (beg == end) {
            continue;
        }
        words++;
        cr_assert_eq(member(json_array_get(tokens, beg), "beg"), member(node, "beg"));
        cr_assert_eq(member(json_array_get(tokens, end - 1), "end"), member(node, "end"));
    }
    cr_assert_gt(words, 2, "%s", output);
    json_decref(o);
}

static bool is_quarantined(const char *reason, const char *needle)
{
    char line[64];
    snprintf(line, sizeof line, "\"reason\":\"%s\"", reason);
    for (char *p = output; (p = strstr(p, line)); p++) {
        const char *eol = strchr(p, '\n');
        const char *found = strstr(p, needle);
        if (found && (!eol || found < eol)) {
            return true;
        }
    }
    return false;
}

Test(build, bad_input_lands_in_quarantine_with_its_reason_and_nothing_else_is_lost)
{
    const char *coco = mill_coco(dir, 3, 2);
    struct buf jpeg;
    buf_init(&jpeg, 1 << 20);
    cr_assert_eq(file_read(mill_path(dir, "images/000001.jpg"), &jpeg), 0);
    mill_file(mill_path(dir, "cut.jpg"), (const char *)jpeg.p, jpeg.n / 2);
    mill_text(mill_path(dir, "page.jpg"), "<!DOCTYPE html><title>404</title>");
    mill_text(mill_path(dir, "empty.jpg"), "");
    mill_file(mill_path(dir, "bad.tsv"),
              "cut.jpg\ta truncated image\n"
              "page.jpg\tan error page\n"
              "empty.jpg\tan empty file\n"
              "nowhere.jpg\ta missing file\n"
              "images/000001.jpg\t   \n"
              "images/000001.jpg\tcaf\xe9\n"
              "no tab in this line\n",
              151);
    cr_assert_eq(MILL_RUN(output, "build", coco, mill_path(dir, "bad.tsv"), "-o", corpus()), 0,
                 "%s", output);
    expect_state("done", 6);
    expect_state("quarantined", 7);
    cr_assert_eq(MILL_RUN(output, "quarantine", "--json", corpus()), 0, "%s", output);
    cr_assert(is_quarantined("E_IMAGE_TRUNCATED", "cut.jpg"), "%s", output);
    cr_assert(is_quarantined("E_IMAGE_UNREADABLE", "page.jpg"), "%s", output);
    cr_assert(is_quarantined("E_IMAGE_UNREADABLE", "empty.jpg"), "%s", output);
    cr_assert(is_quarantined("E_NO_FILE", "nowhere.jpg"), "%s", output);
    cr_assert(is_quarantined("E_TEXT_EMPTY", "line 5"), "%s", output);
    cr_assert(is_quarantined("E_TEXT_UTF8", "line 6"), "%s", output);
    cr_assert(is_quarantined("E_FORMAT", "line 7"), "%s", output);
    expect_sound();

    /* The missing file comes; ingesting its source again is its second chance. */
    mill_jpeg(mill_path(dir, "nowhere.jpg"), 99);
    cr_assert_eq(MILL_RUN(output, "build", mill_path(dir, "bad.tsv"), "-o", corpus()), 0, "%s",
                 output);
    expect_state("done", 7);
    expect_state("quarantined", 6);
    expect_sound();
    buf_release(&jpeg);
}

Test(build, a_wrong_model_or_source_is_one_clear_sentence)
{
    const char *coco = mill_coco(dir, 1, 1);
    mill_text(mill_path(dir, "no.safetensors"), "these are no weights");
    cr_assert_neq(MILL_RUN(output, "build", coco, "-o", corpus(), "--model",
                           mill_path(dir, "no.safetensors")),
                  0);
    cr_assert(strstr(output, "no.safetensors"), "the file is not named: %s", output);
    cr_assert_neq(MILL_RUN(output, "build", mill_path(dir, "none.json"), "-o", corpus()), 0);
    cr_assert(strstr(output, "none.json"), "%s", output);
    cr_assert_neq(MILL_RUN(output, "build", coco, "-o", corpus(), "--model", "/no/such/file"), 0);
    cr_assert(strstr(output, "/no/such/file"), "%s", output);
}

Test(build, an_option_that_the_broker_would_refuse_is_refused_before_anything_is_made)
{
    const char *tsv = mill_path(dir, "one.tsv");
    mill_text(tsv, "one.jpg\ta picture\n");
    cr_assert_eq(MILL_RUN(output, "build", tsv, "-o", corpus(), "--lease", "abc"), 2, "%s", output);
    cr_assert(strstr(output, "--lease takes a number"), "%s", output);
    cr_assert_eq(MILL_RUN(output, "build", tsv, "-o", corpus(), "--max-kills", "0"), 2, "%s",
                 output);
    cr_assert(strstr(output, "--max-kills takes a whole number"), "%s", output);
    cr_assert(!file_exists(corpus()));
}

/* Not that nobody answers: why, in the broker's own words, and where they stand. */
Test(build, a_broker_that_ends_at_once_is_reported_with_its_own_sentence)
{
    const char *tsv = mill_path(dir, "one.tsv");
    mill_text(tsv, "one.jpg\ta picture\n");
    cr_assert_eq(file_make_dirs(corpus()), 0);
    mill_text(mill_path(dir, "corpus/queue.mdb"), "this is no queue, but as long as a file's head");
    cr_assert_eq(MILL_RUN(output, "build", tsv, "-o", corpus()), 1, "%s", output);
    cr_assert(strstr(output, "corpus/log/broker.log"), "%s", output);
    cr_assert(strstr(output, "queue.mdb is not a pairmill queue"), "%s", output);
    cr_assert(!strstr(output, "no broker answers"), "%s", output);
}

/* A path of the web's choice, with an escape sequence in it. */
Test(build, quarantine_shows_no_control_character)
{
    const char *tsv = mill_path(dir, "driving.tsv");
    mill_text(tsv, "\x1b]0;title\x07.jpg\ta picture\n\xc2\x9b"
                   "31m.jpg\tanother\n");
    cr_assert_eq(MILL_RUN(output, "build", tsv, "-o", corpus()), 0, "%s", output);
    cr_assert_eq(MILL_RUN(output, "quarantine", corpus()), 0, "%s", output);
    cr_assert(strstr(output, ".]0;title..jpg"), "%s", output);
    cr_assert(strstr(output, ".31m.jpg"), "%s", output);
    cr_assert(!strpbrk(output, "\x1b\x07") && !strstr(output, "\xc2\x9b"));
}

Test(build, a_damaged_shard_is_named)
{
    const char *coco = mill_coco(dir, 2, 2);
    cr_assert_eq(MILL_RUN(output, "build", coco, "-o", corpus(), "--processes", "1"), 0, "%s",
                 output);
    const char *shard = mill_path(dir, "corpus/shards/000001.mdb");
    struct buf bytes;
    buf_init(&bytes, 1 << 26);
    cr_assert_eq(file_read(shard, &bytes), 0, "%s", err_text());
    cr_assert_eq(unlink(shard), 0);
    cr_assert_neq(MILL_RUN(output, "verify", corpus()), 0);
    cr_assert(strstr(output, "000001.mdb"), "%s", output);
    mill_file(shard, (const char *)bytes.p, bytes.n / 2);
    cr_assert_neq(MILL_RUN(output, "verify", corpus()), 0);
    cr_assert(strstr(output, "000001.mdb"), "%s", output);
    bytes.p[bytes.n / 3] ^= 4;
    mill_file(shard, (const char *)bytes.p, bytes.n);
    cr_assert_neq(MILL_RUN(output, "verify", corpus()), 0);
    cr_assert(strstr(output, "000001.mdb"), "%s", output);
    buf_release(&bytes);
}

/* ------------------------------------------------------------------ being killed */

enum { KILL_IMAGES = 120, KILL_CAPTIONS = 3, KILL_PAIRS = KILL_IMAGES * KILL_CAPTIONS };

static pid_t start_build(const char *coco)
{
    return MILL_START(mill_path(dir, "build.log"), "build", coco, "-o", corpus(), "--lease", "4",
                      "--max-kills", "1000");
}

struct progress {
    pid_t build;
    long pairs;
    int code;
    bool ended;
};

/* Staged or done: how far the mill is. */
static bool has_ground(void *arg)
{
    struct progress *p = arg;
    p->ended = mill_has_ended(p->build, &p->code);
    const long staged = mill_status(corpus(), "staged");
    const long done = mill_status(corpus(), "done");
    return p->ended || (staged >= 0 && done >= 0 && staged + done >= p->pairs);
}

/* Waits until so many pairs are ground; false when the build has ended meanwhile. */
static bool ground(pid_t build, long pairs)
{
    struct progress p = {.build = build, .pairs = pairs};
    mill_until(has_ground, &p, 120, "progress of a build");
    if (p.ended && p.code) {
        MILL_RUN_PROGRAM(output, "tail", "-n", "20", mill_path(dir, "build.log"),
                         mill_path(dir, "corpus/log/broker.log"),
                         mill_path(dir, "corpus/log/worker.log"));
        cr_assert(false, "the build ended with %d: %s", p.code, output);
    }
    return !p.ended;
}

static void kill_one(pid_t build, const char *word)
{
    pid_t pids[16];
    const int n = mill_descendants(build, word, pids, 16);
    if (n) {
        kill(pids[n - 1], SIGKILL);
    }
}

Test(build, killed_at_any_moment_it_goes_on_and_each_pair_is_in_the_corpus_once)
{
    const char *coco = mill_coco(dir, KILL_IMAGES, KILL_CAPTIONS);
    pid_t build = start_build(coco);
    bool running = true;
    int code = 0;
    int kills = 0;
    for (int round = 1; running && round <= 12; round++) {
        running = ground(build, round * KILL_PAIRS / 16);
        kills += running;
        switch (running ? round % 4 : -1) {
        case 0: kill_one(build, "worker --corpus"); break; /* the supervisor or a compute process */
        case 1: kill_one(build, "pairmill-decode"); break;
        case 2: kill_one(build, "broker "); break;
        case 3:
            mill_kill_group(build);
            build = start_build(coco);
            break;
        default: break;
        }
    }
    if (running) {
        code = mill_wait(build, 120);
    }
    cr_assert_eq(code, 0, "the build ended with %d", code);
    cr_assert_geq(kills, 4, "the build was too fast to be killed more than %d times", kills);
    cr_log_info("killed %d times", kills);
    expect_state("done", KILL_PAIRS);
    expect_state("ingested", KILL_PAIRS);
    expect_sound();
}

Test(build, interrupted_by_ctrl_c_it_goes_on_where_it_was)
{
    const char *coco = mill_coco(dir, KILL_IMAGES, KILL_CAPTIONS);
    pid_t build = start_build(coco);
    if (ground(build, KILL_PAIRS / 4)) {
        kill(build, SIGINT);
        cr_assert_eq(mill_wait(build, 60), 130);
        cr_assert_eq(MILL_RUN(output, "status", corpus()), 0, "%s", output);
        build = start_build(coco);
        cr_assert_eq(mill_wait(build, 120), 0);
    }
    expect_state("done", KILL_PAIRS);
    expect_sound();
}
