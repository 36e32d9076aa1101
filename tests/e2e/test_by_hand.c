/* The parts started by hand, over tcp, and a feed with real trainers. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/file.h"
#include "common/paths.h"
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

TestSuite(by_hand, .init = begin, .fini = end, .timeout = 300);

struct announced {
    const char *log;
    char address[256];
};

/* "... at tcp://127.0.0.1:34567" stands in the log. */
static bool has_announced(void *arg)
{
    struct announced *a = arg;
    struct buf text;
    buf_init(&text, 1 << 20);
    bool found = false;
    if (file_read(a->log, &text) == 0 && buf_terminate(&text) == 0) {
        const char *at = strstr((const char *)text.p, " at ");
        found = at && strchr(at, '\n') && sscanf(at + 4, "%255s", a->address) == 1;
    }
    buf_release(&text);
    return found;
}

static const char *address_in(const char *log)
{
    static struct announced a;
    a = (struct announced){.log = log};
    mill_until(has_announced, &a, 30, "a server's address");
    char *kept = (char *)mill_path(dir, a.address); /* lives as long as the test */
    memmove(kept, a.address, strlen(a.address) + 1);
    return kept;
}

struct wanted {
    const char *broker;
    const char *key;
    long value;
};

static bool has_reached(void *arg)
{
    const struct wanted *w = arg;
    return mill_status(w->broker, w->key) == w->value;
}

static void until_status(const char *broker, const char *key, long value)
{
    struct wanted w = {broker, key, value};
    mill_until(has_reached, &w, 120, key);
}

Test(by_hand, broker_ingest_worker_stop_and_verify_over_tcp)
{
    const char *coco = mill_coco(dir, 6, 2);
    const char *corpus = mill_path(dir, "corpus");
    const char *store = mill_path(dir, "elsewhere");
    const char *log = mill_path(dir, "broker.log");
    const pid_t broker =
        MILL_START(log, "broker", corpus, "--bind", "tcp://127.0.0.1:*", "--idle-seal", "0.2");
    const char *address = address_in(log);
    cr_assert_eq(MILL_RUN(output, "ingest", coco, "--broker", address), 0, "%s", output);
    cr_assert(strstr(output, "12 new"), "%s", output);
    cr_assert_eq(MILL_RUN(output, "ingest", coco, "--broker", address), 0, "%s", output);
    cr_assert(strstr(output, "12 known"), "%s", output);
    const pid_t worker = MILL_START(mill_path(dir, "worker.log"), "worker", "--broker", address,
                                    "--store", store, "--processes", "2");
    until_status(address, "done", 12);
    cr_assert_eq(MILL_RUN(output, "stop", "--broker", address), 0, "%s", output);
    cr_assert_eq(mill_wait(worker, 60), 0);
    cr_assert_eq(mill_wait(broker, 60), 0);
    cr_assert_eq(MILL_RUN(output, "verify", corpus), 0, "%s", output);
    cr_assert_eq(MILL_RUN(output, "status", corpus), 0, "%s", output);
}

Test(by_hand, a_port_that_others_can_reach_must_be_asked_for)
{
    cr_assert_eq(MILL_RUN(output, "broker", mill_path(dir, "corpus"), "--bind", "tcp://0.0.0.0:*"),
                 2);
    cr_assert(strstr(output, "--insecure"), "%s", output);
}

Test(by_hand, no_broker_is_an_error_with_a_deadline)
{
    cr_assert_neq(MILL_RUN(output, "status", "--broker", "tcp://127.0.0.1:9"), 0);
    cr_assert(strstr(output, "no broker answers"), "%s", output);
}

/* The lines of a file, and how many of them contain a word. */
static void count_lines(const char *path, const char *word, long *lines, long *with)
{
    struct buf text;
    buf_init(&text, 1 << 26);
    cr_assert_eq(file_read(path, &text), 0, "%s", err_text());
    cr_assert_eq(buf_terminate(&text), 0);
    *lines = *with = 0;
    char *rest = NULL;
    for (char *l = strtok_r((char *)text.p, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest)) {
        ++*lines;
        *with += strstr(l, word) != NULL;
    }
    buf_release(&text);
}

/* More pairs than one answer of the broker lists, in either form. */
Test(by_hand, quarantine_of_a_running_broker_lists_every_pair)
{
    enum { MISSING = 2100 };
    const char *tsv = mill_path(dir, "missing.tsv");
    const char *log = mill_path(dir, "broker.log");
    const char *json = mill_path(dir, "quarantine.jsonl");
    const char *text = mill_path(dir, "quarantine.txt");
    long lines;
    long with;
    FILE *f = fopen(tsv, "we");
    cr_assert_not_null(f);
    for (int i = 0; i < MISSING; i++) {
        fprintf(f, "no-%04d.jpg\ta picture that nobody has\n", i);
    }
    fclose(f);
    const pid_t broker =
        MILL_START(log, "broker", mill_path(dir, "corpus"), "--bind", "tcp://127.0.0.1:*");
    const char *address = address_in(log);
    cr_assert_eq(MILL_RUN(output, "ingest", tsv, "--broker", address), 0, "%s", output);
    cr_assert_eq(mill_wait(MILL_START(json, "quarantine", "--json", "--broker", address), 60), 0);
    count_lines(json, "E_NO_FILE", &lines, &with);
    cr_assert(lines == MISSING && with == MISSING, "%ld lines, %ld pairs", lines, with);
    cr_assert_eq(MILL_RUN_PROGRAM(output, "sort", "-c", "-u", json), 0, "a pair twice: %s", output);
    cr_assert_eq(mill_wait(MILL_START(text, "quarantine", "--broker", address), 60), 0);
    count_lines(text, "E_NO_FILE", &lines, &with);
    cr_assert_eq(with, MISSING);
    count_lines(text, "2100 pairs in quarantine", &lines, &with);
    cr_assert_eq(with, 1);
    kill(broker, SIGTERM);
    cr_assert_eq(mill_wait(broker, 30), 0);
}

Test(by_hand, a_mistyped_corpus_is_named_and_not_made)
{
    const char *corpus = mill_path(dir, "typo");
    const char *source = mill_path(dir, "a.tsv");
    mill_text(source, "a.jpg\ta picture\n");
    const char *const lines[][5] = {
        {"status", corpus},
        {"quarantine", corpus},
        {"quarantine", corpus, "--retry", "all"},
        {"stop", corpus},
        {"feed", corpus},
        {"ingest", source, "--corpus", corpus},
        {"worker", "--corpus", corpus},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        cr_assert_eq(mill_run(output, lines[i]), 1, "%s: %s", lines[i][0], output);
        cr_assert(strstr(output, corpus), "%s: %s", lines[i][0], output);
        cr_assert(!file_exists(corpus), "%s made it", lines[i][0]);
    }
}

/* One whose broker listens elsewhere: not that nothing runs. */
Test(by_hand, status_of_a_corpus_whose_broker_listens_elsewhere_says_so)
{
    const char *corpus = mill_path(dir, "corpus");
    const char *log = mill_path(dir, "broker.log");
    const pid_t broker = MILL_START(log, "broker", corpus, "--bind", "tcp://127.0.0.1:*");
    cr_assert(address_in(log));
    cr_assert_eq(MILL_RUN(output, "status", corpus), 1, "%s", output);
    cr_assert(strstr(output, "is in use, but no broker answers at ipc://"), "%s", output);
    kill(broker, SIGTERM);
    cr_assert_eq(mill_wait(broker, 30), 0);
}

static void use_client_library(void)
{
    char *program = NULL;
    cr_assert_eq(paths_find_program("libpairmill.so", &program), 0, "%s", err_text());
    setenv("PAIRMILL_LIBRARY", program, 1);
    free(program);
    cr_assert_eq(paths_find_data("python/pairmill/__init__.py", &program), 0, "%s", err_text());
    *strstr(program, "/pairmill/__init__.py") = '\0';
    setenv("PYTHONPATH", program, 1);
    free(program);
}

static long number(const char *key)
{
    const char *line = strrchr(output, '{');
    json_t *o = line ? json_loads(line, 0, NULL) : NULL;
    const long v = o ? (long)json_integer_value(json_object_get(o, key)) : -1;
    json_decref(o);
    return v;
}

static void expect_each_once(void)
{
    cr_assert_eq(number("rank0") + number("rank1"), 60, "%s", output);
    cr_assert_eq(number("distinct"), 60, "%s", output);
    cr_assert_eq(number("rank0"), 30, "%s", output);
}

Test(by_hand, two_trainers_see_each_pair_once_also_when_they_stop_and_go_on)
{
    const char *coco = mill_coco(dir, 20, 3);
    const char *corpus = mill_path(dir, "corpus");
    const char *log = mill_path(dir, "feed.log");
    char *script = NULL;
    use_client_library();
    cr_assert_eq(paths_find_data("tests/e2e/two_trainers.py", &script), 0, "%s", err_text());
    cr_assert_eq(MILL_RUN(output, "build", coco, "-o", corpus), 0, "%s", output);
    const pid_t feed = MILL_START(log, "feed", corpus, "--bind", "tcp://127.0.0.1:*");
    const char *address = address_in(log);
    cr_assert_eq(MILL_RUN_PROGRAM(output, "/usr/bin/python3", script, address), 0, "%s", output);
    expect_each_once();
    cr_assert_eq(MILL_RUN_PROGRAM(output, "/usr/bin/python3", script, address, "--stop-at", "2"), 0,
                 "%s", output);
    expect_each_once();
    cr_assert_eq(
        MILL_RUN_PROGRAM(output, "/usr/bin/python3", script, address, "--recipe", "ernievil"), 0,
        "%s", output);
    expect_each_once();
    cr_assert_gt(number("masked_object"), 0, "%s", output);
    cr_assert_gt(number("masked_attribute"), 0, "%s", output);
    cr_assert_gt(number("masked_relation"), 0, "%s", output);
    kill(feed, SIGTERM);
    cr_assert_eq(mill_wait(feed, 30), 0);
    free(script);
}
