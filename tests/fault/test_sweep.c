/*
 * The fault sweep: a build is stopped dead at every fault point in turn, at the first and at the
 * third arrival; then the same command without faults must finish the corpus, each pair once. Every
 * point must really have fired.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "tests/e2e/mill.h"

enum { IMAGES = 12, CAPTIONS = 2 };

/* Names, in the order of a pair's life. */
static const char *const points[] = {
    "broker_put",     "queue_before_commit",   "queue_after_commit",  "broker_before_answers",
    "worker_started", "shard_put_uncommitted", "shard_put_committed", "worker_put",
    "broker_staged",  "seal_transcoded",       "seal_published",      "seal_manifest_written",
    "worker_sealed",  "broker_sealed",
};
enum { POINTS = sizeof points / sizeof *points };

struct firing {
    pid_t build;
    const char *mark;
    int code;
    bool ended;
};

static bool has_fired(void *arg)
{
    struct firing *f = arg;
    f->ended = mill_has_ended(f->build, &f->code);
    return f->ended || file_exists(f->mark);
}

/* Whether the point was reached so often that it fired. */
static bool crash_at(const char *dir, const char *coco, const char *point, int arrival)
{
    char fault[64];
    struct firing f = {.mark = mill_path(dir, "fired")};
    snprintf(fault, sizeof fault, "%s:%d", point, arrival);
    setenv("PM_FAULT", fault, 1);
    setenv("PM_FAULT_FIRED", f.mark, 1);
    f.build = MILL_START(mill_path(dir, "build.log"), "build", coco, "-o", mill_path(dir, "corpus"),
                         "--lease", "3", "--max-kills", "1000", "--processes", "1");
    mill_until(has_fired, &f, 60, "a fault to fire");
    if (!f.ended) {
        mill_kill_group(f.build);
    }
    unsetenv("PM_FAULT");
    unsetenv("PM_FAULT_FIRED");
    return file_exists(f.mark);
}

static void sweep(const char *point, int arrival, bool must_fire)
{
    char dir[MILL_PATH];
    char output[MILL_OUTPUT];
    mill_dir(dir);
    const char *coco = mill_coco(dir, IMAGES, CAPTIONS);
    const char *corpus = mill_path(dir, "corpus");
    const bool fired = crash_at(dir, coco, point, arrival);
    cr_assert(fired || !must_fire, "%s:%d never fired", point, arrival);
    cr_assert_eq(
        MILL_RUN(output, "build", coco, "-o", corpus, "--lease", "3", "--max-kills", "1000"), 0,
        "after %s:%d: %s", point, arrival, output);
    cr_assert_eq(mill_status(corpus, "done"), IMAGES * CAPTIONS, "after %s:%d", point, arrival);
    cr_assert_eq(MILL_RUN(output, "verify", corpus), 0, "after %s:%d: %s", point, arrival, output);
    mill_clean(dir);
}

/* A parameter is an index, because a test is another process with other addresses. */
ParameterizedTestParameters(fault, a_crash_there_loses_and_doubles_nothing)
{
    size_t *index = cr_malloc(POINTS * sizeof *index);
    for (size_t i = 0; i < POINTS; i++) {
        index[i] = i;
    }
    return cr_make_param_array(size_t, index, POINTS, NULL);
}

ParameterizedTest(const size_t *index, fault, a_crash_there_loses_and_doubles_nothing,
                  .timeout = 300)
{
    sweep(points[*index], 1, true);
    sweep(points[*index], 3, false); /* a small build may not come by so often */
}
