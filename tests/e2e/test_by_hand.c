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
    cr_assert(strstr(output, "refused for its version"), "%s", output);
    socket_free(r.socket);
    zmq_ctx_term(zmq);
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
