/* The parts started by hand, over tcp, and a feed with real trainers. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/file.h"
#include "common/paths.h"
#include "common/socket.h"
#include "common/wire.h"
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

/* A worker that grinds `tsv` into a corpus of its own with the given store; what it said in the
 * log. */
static pid_t start_pair(const char *name, const char *store, pid_t *broker, const char **address)
{
    char log[64];
    snprintf(log, sizeof log, "%s.broker.log", name);
    const char *broker_log = mill_path(dir, log);
    *broker = MILL_START(broker_log, "broker", mill_path(dir, name), "--bind", "tcp://127.0.0.1:*",
                         "--idle-seal", "0.2");
    *address = address_in(broker_log);
    snprintf(log, sizeof log, "%s.worker.log", name);
    return MILL_START(mill_path(dir, log), "worker", "--broker", *address, "--store", store,
                      "--processes", "1", "--log", "debug");
}

/* Two queues number their shards alike: one store must never hold those of both. */
Test(by_hand, a_store_belongs_to_one_queue_and_its_sealed_shards_stay)
{
    const char *store = mill_path(dir, "store");
    const char *address;
    pid_t broker;
    const char *coco = mill_coco(dir, 3, 1);
    pid_t worker = start_pair("a", store, &broker, &address);
    cr_assert_eq(MILL_RUN(output, "ingest", coco, "--broker", address), 0, "%s", output);
    until_status(address, "done", 3);
    cr_assert_eq(MILL_RUN(output, "stop", "--broker", address), 0, "%s", output);
    cr_assert_eq(mill_wait(worker, 60), 0);
    cr_assert_eq(mill_wait(broker, 60), 0);
    worker = start_pair("b", store, &broker, &address);
    cr_assert_eq(mill_wait(worker, 60), 2, "a worker took another queue's store");
    mill_kill_group(broker);
    cr_assert_eq(MILL_RUN(output, "verify", mill_path(dir, "a")), 0, "%s", output);
}

static unsigned times_in(const char *log, const char *what)
{
    struct buf text;
    unsigned n = 0;
    buf_init(&text, 1 << 24);
    if (file_read(log, &text) == 0 && buf_terminate(&text) == 0) {
        for (const char *p = (const char *)text.p; (p = strstr(p, what)) != NULL; p++) {
            n++;
        }
    }
    buf_release(&text);
    return n;
}

static bool has_open_question(void *log)
{
    return times_in(log, "asking for=FOUND") > times_in(log, "answered by=FOUND");
}

static bool has_worker(void *address)
{
    return mill_status(address, "workers") == 1;
}

/* An idle worker asks for dead workers' shards now and then; a broker that is started again while
 * it waits for the answer must still hear that it is free. */
Test(by_hand, a_broker_that_is_started_again_finds_an_idle_worker_free)
{
    const char *coco = mill_coco(dir, 3, 1);
    const char *corpus = mill_path(dir, "a");
    const char *log = mill_path(dir, "a.worker.log");
    const char *address;
    pid_t broker;
    const pid_t worker = start_pair("a", mill_path(dir, "store"), &broker, &address);
    mill_until(has_worker, (void *)address, 60, "the worker");
    mill_kill_group(broker);
    mill_until(has_open_question, (void *)log, 60,
               "the worker's question to a broker that is gone");
    broker = MILL_START(mill_path(dir, "again.log"), "broker", corpus, "--bind", address,
                        "--idle-seal", "0.2");
    cr_assert_eq(MILL_RUN(output, "ingest", coco, "--broker", address), 0, "%s", output);
    until_status(address, "done", 3);
    cr_assert_eq(MILL_RUN(output, "stop", "--broker", address), 0, "%s", output);
    cr_assert_eq(mill_wait(worker, 60), 0);
    cr_assert_eq(mill_wait(broker, 60), 0);
}

static bool has_staged(void *arg)
{
    return mill_status(arg, "staged") > 0;
}

/* A process that dies while it is to finish is started again, takes up its shard, seals and goes.
 */
Test(by_hand, stop_ends_though_a_process_dies_meanwhile)
{
    const char *coco = mill_coco(dir, 40, 1);
    const char *address;
    pid_t broker;
    pid_t child[4];
    const pid_t worker = start_pair("a", mill_path(dir, "store"), &broker, &address);
    cr_assert_eq(MILL_RUN(output, "ingest", coco, "--broker", address), 0, "%s", output);
    mill_until(has_staged, (void *)address, 60, "a staged pair");
    cr_assert_geq(mill_descendants(worker, "worker", child, 4), 1);
    kill(child[0], SIGSTOP); /* so that it cannot finish before it dies */
    cr_assert_eq(MILL_RUN(output, "stop", "--broker", address), 0, "%s", output);
    kill(child[0], SIGKILL);
    cr_assert_eq(mill_wait(worker, 60), 0);
    cr_assert_eq(mill_wait(broker, 60), 0);
    cr_assert_eq(MILL_RUN(output, "status", mill_path(dir, "a"), "--json"), 0, "%s", output);
    cr_assert(strstr(output, "\"staged\": 0"), "%s", output);
}

/* Answers each HELLO as a broker of another version does, until the worker has ended. */
struct refusing {
    void *socket;
    pid_t worker;
    int code;
};

static bool has_ended_refused(void *arg)
{
    struct refusing *r = arg;
    struct wire_in in;
    struct wire_out out = {0};
    while (socket_wait(r->socket, 0) == 1) {
        cr_assert_eq(wire_recv(r->socket, &in), 0, "%s", err_text());
        cr_assert(wire_is(&in, "HELLO"), "%s", in.verb);
        wire_begin(&out, "ERROR");
        wire_put_str(&out, "code", view_str("E_VERSION"));
        wire_put_str(&out, "text", view_str("this broker speaks protocol 9"));
        wire_put_str(&out, "about", view_str("HELLO"));
        cr_assert_eq(wire_send(r->socket, &in.peer, &out, NULL, 0), 0, "%s", err_text());
        wire_in_release(&in);
    }
    wire_out_release(&out);
    return mill_has_ended(r->worker, &r->code);
}

Test(by_hand, a_worker_of_another_version_ends_with_code_3)
{
    struct refusing r = {0};
    char address[128];
    const char *log = mill_path(dir, "worker.log");
    void *zmq = zmq_ctx_new();
    cr_assert_eq(socket_new(zmq, ZMQ_ROUTER, &r.socket), 0, "%s", err_text());
    cr_assert_eq(socket_bind(r.socket, "tcp://127.0.0.1:*", false), 0, "%s", err_text());
    cr_assert_eq(socket_address(r.socket, address, sizeof address), 0, "%s", err_text());
    r.worker = MILL_START(log, "worker", "--broker", address, "--store", mill_path(dir, "store"),
                          "--processes", "2");
    mill_until(has_ended_refused, &r, 60, "the end of a worker");
    cr_assert_eq(r.code, 3, "it ended with %d", r.code);
    MILL_RUN_PROGRAM(output, "cat", log);
    cr_assert(strstr(output, "this broker speaks protocol 9"), "%s", output);
    cr_assert(strstr(output, "cannot work for this broker"), "%s", output);
    socket_free(r.socket);
    zmq_ctx_term(zmq);
}

/* A worker that does not see a file may be on the wrong machine: the job goes to others first. */
Test(by_hand, a_file_that_is_gone_is_tried_as_often_as_the_broker_says)
{
    const char *coco = mill_coco(dir, 1, 1);
    const char *log = mill_path(dir, "broker.log");
    const pid_t broker = MILL_START(log, "broker", mill_path(dir, "corpus"), "--bind",
                                    "tcp://127.0.0.1:*", "--attempts", "2");
    const char *address = address_in(log);
    cr_assert_eq(MILL_RUN(output, "ingest", coco, "--broker", address), 0, "%s", output);
    cr_assert_eq(file_remove(mill_path(dir, "images/000001.jpg")), 0);
    const pid_t worker = MILL_START(mill_path(dir, "worker.log"), "worker", "--broker", address,
                                    "--store", mill_path(dir, "store"), "--processes", "1");
    until_status(address, "quarantined", 1);
    cr_assert_eq(MILL_RUN(output, "quarantine", "--broker", address), 0, "%s", output);
    cr_assert(strstr(output, "failed 2 times, at last with E_NO_FILE"), "%s", output);
    cr_assert_eq(MILL_RUN(output, "stop", "--broker", address), 0, "%s", output);
    cr_assert_eq(mill_wait(worker, 60), 0);
    cr_assert_eq(mill_wait(broker, 60), 0);
}

Test(by_hand, a_port_that_others_can_reach_must_be_asked_for)
{
    cr_assert_eq(MILL_RUN(output, "broker", mill_path(dir, "corpus"), "--bind", "tcp://0.0.0.0:*"),
                 2);
    cr_assert(strstr(output, "--insecure"), "%s", output);
}

Test(by_hand, a_port_that_there_is_not_is_refused_at_once)
{
    static const char *const servers[] = {"broker", "feed"};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(MILL_RUN(output, servers[i], mill_path(dir, "corpus"), "--bind",
                              "tcp://127.0.0.1:99999"),
                     2, "%s", output);
        cr_assert(strstr(output, "port from 1 to 65535"), "%s", output);
    }
}

Test(by_hand, no_broker_is_an_error_with_a_deadline)
{
    cr_assert_neq(MILL_RUN(output, "status", "--broker", "tcp://127.0.0.1:9"), 0);
    cr_assert(strstr(output, "no broker answers"), "%s", output);
}

Test(by_hand, a_second_feed_is_refused_and_a_killed_one_holds_nothing)
{
    const char *coco = mill_coco(dir, 2, 1);
    const char *corpus = mill_path(dir, "corpus");
    const char *log = mill_path(dir, "feed.log");
    char address[MILL_PATH + 16];
    snprintf(address, sizeof address, "ipc://%s/feed", dir);
    cr_assert_eq(MILL_RUN(output, "build", coco, "-o", corpus), 0, "%s", output);
    pid_t feed = MILL_START(log, "feed", corpus, "--bind", address);
    cr_assert_str_eq(address_in(log), address);
    cr_assert_eq(MILL_RUN(output, "feed", corpus, "--bind", address), 1, "%s", output);
    cr_assert(strstr(output, "a feed of this corpus runs already"), "%s", output);
    cr_assert(strstr(output, address), "%s", output);
    mill_kill_group(feed);
    log = mill_path(dir, "next.log");
    feed = MILL_START(log, "feed", corpus, "--bind", address);
    cr_assert_str_eq(address_in(log), address);
    kill(feed, SIGTERM);
    cr_assert_eq(mill_wait(feed, 30), 0);
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

Test(by_hand, calls_of_a_trainer_go_right_or_wrong_as_they_say)
{
    const char *coco = mill_coco(dir, 20, 3);
    const char *corpus = mill_path(dir, "corpus");
    const char *log = mill_path(dir, "feed.log");
    char *script = NULL;
    use_client_library();
    cr_assert_eq(paths_find_data("tests/e2e/feed_calls.py", &script), 0, "%s", err_text());
    cr_assert_eq(MILL_RUN(output, "build", coco, "-o", corpus), 0, "%s", output);
    const pid_t feed = MILL_START(log, "feed", corpus, "--bind", "tcp://127.0.0.1:*");
    const char *address = address_in(log);
    cr_assert_eq(MILL_RUN_PROGRAM(output, "/usr/bin/python3", script, address, dir), 0, "%s",
                 output);
    cr_assert_str_eq(output, "right\n");
    kill(feed, SIGTERM);
    cr_assert_eq(mill_wait(feed, 30), 0);
    free(script);
}
