/* Ingest, against a broker made here that keeps what it is told. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/queue.h"
#include "common/file.h"
#include "common/socket.h"
#include "common/wire.h"
#include "tests/unit/tempdir.h"
#include "workers/ingest.h"

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text())

enum { SEEN_MAX = 32 };

struct seen {
    char key[40]; /* its beginning */
    char problem[40];
};

static struct {
    char address[128];
    void *ctx;
    void *socket;
    pthread_t thread;
    atomic_bool stop;
    const char *const *busy; /* what it answers first, one text a PUT */
    struct seen seen[SEEN_MAX];
    uint64_t n;
    unsigned refused; /* items that a broker would not take */
} broker;

static char dir[TEMPDIR_MAX];

static void copy(char *to, size_t room, struct view from)
{
    snprintf(to, room, "%.*s", (int)from.n, (const char *)from.p);
}

static void keep(const struct wire_map *m)
{
    struct queue_item item = {0};
    struct view problem = {0};
    int rc = wire_get_bin(m, "key", &item.key);
    rc = rc ? rc : wire_get_bin(m, "locator", &item.locator);
    rc = rc ? rc : wire_get_bin(m, "item", &item.blob);
    rc = rc ? rc : queue_check_item(&item);
    if (wire_has(m, "problem")) {
        rc = rc ? rc : wire_get_str(m, "problem", &problem);
    }
    if (rc || broker.n == SEEN_MAX) {
        broker.refused++;
        return;
    }
    struct seen *s = &broker.seen[broker.n++];
    copy(s->key, sizeof s->key, item.key);
    copy(s->problem, sizeof s->problem, problem);
}

static void serve(const struct wire_in *in, struct wire_out *out)
{
    uint64_t id = 0;
    const uint64_t before = broker.n;
    struct wire_list list = {0};
    if (wire_get_u64(&in->header, "id", &id) || in->payload_count != 1 ||
        wire_list_parse(in->payload[0], 1024, &list)) {
        broker.refused++;
    }
    const bool busy = broker.busy && *broker.busy;
    wire_begin(out, busy ? "BUSY" : "ACCEPTED");
    wire_put_u64(out, "id", id);
    if (busy) {
        wire_put_u64(out, "retry_ms", 0);
        wire_put_str(out, "text", view_str(*broker.busy++));
    } else {
        for (size_t i = 0; i < list.n; i++) {
            const struct wire_map m = wire_list_at(&list, i);
            keep(&m);
        }
        wire_put_u64(out, "new", broker.n - before);
        wire_put_u64(out, "known", 0);
        wire_put_u64(out, "duplicate", 0);
        wire_put_u64(out, "quarantined", 0);
    }
    wire_list_release(&list);
}

static void *run_broker(void *arg)
{
    (void)arg;
    struct wire_out out = {0};
    while (!atomic_load(&broker.stop)) {
        struct wire_in in;
        if (socket_wait(broker.socket, 20) == 1) {
            if (wire_recv(broker.socket, &in) == 0) {
                serve(&in, &out);
                broker.refused += wire_send(broker.socket, &in.peer, &out, NULL, 0) != 0;
            }
            wire_in_release(&in);
        }
    }
    wire_out_release(&out);
    return NULL;
}

static void begin(void)
{
    tempdir_make(dir);
    broker.ctx = zmq_ctx_new();
    OK(socket_new(broker.ctx, ZMQ_ROUTER, &broker.socket));
    OK(socket_bind(broker.socket, "tcp://127.0.0.1:*", false));
    OK(socket_address(broker.socket, broker.address, sizeof broker.address));
    cr_assert_eq(pthread_create(&broker.thread, NULL, run_broker, NULL), 0);
}

/* Afterwards this thread may look at what the broker has seen. */
static void stop_broker(void)
{
    atomic_store(&broker.stop, true);
    pthread_join(broker.thread, NULL);
    socket_free(broker.socket);
    zmq_ctx_term(broker.ctx);
    cr_assert_eq(broker.refused, 0, "%u items were refused", broker.refused);
}

static void end(void)
{
    tempdir_remove(dir);
}

TestSuite(ingest, .init = begin, .fini = end, .timeout = 60);

static struct ingest_counts counts;

static int ingest(const char *source, const char *images)
{
    const struct ingest_options options = {
        .broker = broker.address, .source = source, .images = images};
    return ingest_run(&options, &counts);
}

static FILE *open_file(const char *name, const char **path)
{
    *path = tempdir_path(dir, name);
    FILE *f = fopen(*path, "we");
    cr_assert_not_null(f, "cannot write %s", *path);
    return f;
}

static void put_run(FILE *f, char c, int n)
{
    for (int i = 0; i < n; i++) {
        fputc(c, f);
    }
}

static void expect_seen(size_t i, const char *key, const char *problem)
{
    cr_assert_lt(i, broker.n);
    cr_assert_str_eq(broker.seen[i].key, key);
    cr_assert_str_eq(broker.seen[i].problem, problem, "%s: %s", key, broker.seen[i].problem);
}

static void make_image(void)
{
    const char *path;
    FILE *f = open_file("a.jpg", &path);
    fputs("a", f);
    fclose(f);
}

Test(ingest, a_line_over_a_limit_or_a_pipe_costs_no_other_line)
{
    const char *path;
    make_image();
    FILE *f = open_file("a.tsv", &path);
    fputs("a.jpg\tone\n", f);
    put_run(f, 'x', 9000);
    fputs("\tits path is too long\n", f);
    put_run(f, 'y', 70000);
    fputs("\tits path is far too long\npipe.jpg\ta pipe\na.jpg\t", f);
    put_run(f, 'z', 140000);
    fputs("\na.jpg\tsix\n", f);
    fclose(f);
    cr_assert_eq(mkfifo(tempdir_path(dir, "pipe.jpg"), 0644), 0);
    OK(ingest(path, NULL));
    stop_broker();
    cr_assert_eq(counts.items, 6);
    expect_seen(0, "line 1", "");
    expect_seen(1, "line 2", "E_TOO_BIG");
    expect_seen(2, "line 3", "E_TOO_BIG");
    expect_seen(3, "line 4", "E_IMAGE_UNREADABLE");
    expect_seen(4, "line 5", "E_TEXT_TOO_LONG");
    expect_seen(5, "line 6", "");
}

Test(ingest, a_split_over_the_limit_costs_no_other_line)
{
    const char *path;
    make_image();
    FILE *f = open_file("a.jsonl", &path);
    fputs("{\"image\": \"a.jpg\", \"caption\": \"one\"}\n"
          "{\"image\": \"a.jpg\", \"caption\": \"two\", \"split\": \"",
          f);
    put_run(f, 's', 140000);
    fputs("\"}\n{\"image\": \"a.jpg\", \"caption\": \"three\"}\n", f);
    fclose(f);
    OK(ingest(path, NULL));
    stop_broker();
    cr_assert_eq(counts.items, 3);
    expect_seen(0, "line 1 caption 0", "");
    expect_seen(1, "line 2 caption 0", "E_FORMAT");
    expect_seen(2, "line 3 caption 0", "");
}

Test(ingest, a_text_that_is_a_problem_already_is_cut_too)
{
    const char *path;
    make_image();
    FILE *f = open_file("c.json", &path);
    fputs("{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\"}], \"annotations\": ["
          "{\"id\": 1, \"image_id\": 1, \"caption\": \"one\"},"
          "{\"id\": 2, \"image_id\": 2, \"caption\": \"",
          f);
    put_run(f, 'c', 140000);
    fputs("\"}]}", f);
    fclose(f);
    OK(ingest(path, NULL));
    stop_broker();
    expect_seen(0, "annotation 1", "");
    expect_seen(1, "annotation 2", "E_FORMAT");
}

Test(ingest, what_was_read_before_a_failure_is_put)
{
    const char *path;
    make_image();
    char *gone = file_join(dir, "gone");
    FILE *f = open_file("c.json", &path);
    fprintf(f,
            "{\"images\": [{\"id\": 1, \"file_name\": \"%s/a.jpg\"},"
            " {\"id\": 2, \"file_name\": \"b.jpg\"}],"
            " \"annotations\": [{\"id\": 1, \"image_id\": 1, \"caption\": \"one\"},"
            " {\"id\": 2, \"image_id\": 2, \"caption\": \"two\"}]}",
            dir);
    fclose(f);
    cr_assert_eq(mkdir(gone, 0755) | chdir(gone) | rmdir(gone), 0);
    cr_assert_eq(ingest(path, "images"), E_NO_FILE); /* below a folder that is not there any more */
    cr_assert(strstr(err_text(), "images/b.jpg"), "%s", err_text());
    stop_broker();
    cr_assert_eq(counts.items, 1);
    expect_seen(0, "annotation 1", "");
    free(gone);
}

Test(ingest, a_busy_brokers_reason_is_told_once_and_again_when_it_changes)
{
    static const char *const busy[] = {"its disk is full", "its disk is full", "its disk is full",
                                       "its disk is gone", "its disk is gone", NULL};
    const char *path;
    struct buf log;
    make_image();
    FILE *f = open_file("a.tsv", &path);
    fputs("a.jpg\tone\n", f);
    fclose(f);
    broker.busy = busy;
    char *log_path = file_join(dir, "log");
    const int kept = dup(STDERR_FILENO);
    const int to = open(log_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    cr_assert(kept >= 0 && to >= 0 && dup2(to, STDERR_FILENO) >= 0);
    const int rc = ingest(path, NULL);
    dup2(kept, STDERR_FILENO);
    cr_assert_eq(rc, 0, "%s", err_text());
    stop_broker();
    expect_seen(0, "line 1", "");
    buf_init(&log, 1 << 16);
    OK(file_read(log_path, &log));
    OK(buf_terminate(&log));
    const char *full = strstr((const char *)log.p, "its disk is full");
    cr_assert_not_null(full, "%s", (const char *)log.p);
    cr_assert_null(strstr(full + 1, "its disk is full"), "%s", full);
    const char *gone = strstr(full, "its disk is gone");
    cr_assert_not_null(gone, "%s", full);
    cr_assert_null(strstr(gone + 1, "its disk is gone"), "%s", full);
    buf_release(&log);
    close(kept);
    close(to);
    free(log_path);
}
