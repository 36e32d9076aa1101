#include "broker/broker_internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "broker/seal_bytes.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/file.h"
#include "common/log.h"
#include "common/socket.h"

enum {
    BATCH_MESSAGES = 256, /* applied in one transaction */
    TICK_MS = 250,
};

struct broker_options broker_default_options(void)
{
    return (struct broker_options){
        .queue = queue_default_options(),
        .beat_ms = 2000,
        .idle_seal_ms = 10000,
        .min_free_bytes = (uint64_t)512 << 20,
    };
}

int broker_answer(struct broker *b, const struct wire_in *in, const char *verb, struct letter **out)
{
    *out = outbox_begin(&b->outbox, &in->peer, verb);
    return *out ? 0 : err_set(E_NOMEM, "no memory for an answer");
}

/* ------------------------------------------------------------------ dispatch */

static int answer_error(struct broker *b, const struct wire_in *in, int code)
{
    struct letter *letter;
    const int rc = broker_answer(b, in, "ERROR", &letter);
    if (rc) {
        return rc;
    }
    wire_put_str(&letter->out, "code", view_str(err_name(code)));
    wire_put_str(&letter->out, "text", view_str(err_text()));
    wire_put_str(&letter->out, "about", view_str(in->verb));
    uint64_t token = 0;
    if (wire_has(&in->header, "token") && wire_get_u64(&in->header, "token", &token) == 0) {
        wire_put_u64(&letter->out, "token", token);
    }
    b->counters.refused++;
    return 0;
}

/* A peer the broker does not know (any more) must introduce itself; what it said is not applied. */
static int answer_who(struct broker *b, const struct wire_in *in)
{
    struct letter *letter;
    return broker_answer(b, in, "WHO", &letter);
}

static const struct verb *find_verb(const struct wire_in *in)
{
    const struct verb *const tables[] = {worker_verbs, client_verbs};
    for (size_t t = 0; t < 2; t++) {
        for (const struct verb *v = tables[t]; v->name; v++) {
            if (wire_is(in, v->name)) {
                return v;
            }
        }
    }
    return NULL;
}

static int serve(struct broker *b, const struct wire_in *in)
{
    const struct verb *v = find_verb(in);
    if (!v) {
        return answer_error(b, in, err_set(E_PEER, "there is no verb \"%s\"", in->verb));
    }
    struct session *s = session_of_peer(&b->sessions, &in->peer);
    if (v->worker && (!s || !s->worker)) {
        return answer_who(b, in);
    }
    if (s) {
        s->heard_ms = clock_now_ms();
    }
    const int rc = v->serve(b, s, in);
    return rc == 0 || rc == E_STORAGE || rc == E_NOMEM ? rc : answer_error(b, in, rc);
}

static int serve_malformed(struct broker *b, const struct wire_in *in)
{
    b->counters.malformed++;
    log_warn_rare("malformed_message", "why=\"%s\"", err_text());
    return in->peer.n ? answer_error(b, in, E_PEER) : 0;
}

/* Everything that has arrived, up to a batch. */
static int serve_waiting(struct broker *b)
{
    for (int i = 0; i < BATCH_MESSAGES; i++) {
        struct wire_in in;
        int rc = wire_recv(b->socket, &in);
        if (rc == 0) {
            b->counters.messages++;
            rc = serve(b, &in);
        } else if (rc == E_PEER) {
            rc = serve_malformed(b, &in);
        } else if (rc == E_TIMEOUT || rc == E_INTERRUPTED) {
            wire_in_release(&in);
            return 0;
        }
        wire_in_release(&in);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ what happens by itself */

int broker_drop_session(struct broker *b, uint64_t number)
{
    session_remove(&b->sessions, number);
    return queue_session_gone(b->queue, number);
}

/* A peer that was silent for many beats is gone.  Its leases have their own deadlines. */
static void forget_silent(struct broker *b)
{
    const int64_t now = clock_now_ms();
    for (size_t i = b->sessions.n; i-- > 0;) {
        const struct session *s = &b->sessions.s[i];
        if (now - s->heard_ms > 10 * b->options.beat_ms) {
            log_info("peer_silent", "session=%llu name=%s", (unsigned long long)s->number, s->name);
            session_remove(&b->sessions, s->number);
        }
    }
}

static int ask(struct broker *b, const struct session *s, const char *verb)
{
    return outbox_begin(&b->outbox, &s->peer, verb) ? 0
                                                    : err_set(E_NOMEM, "no memory for a message");
}

int broker_say_quiet(struct broker *b, const struct session *s)
{
    return ask(b, s, "QUIET");
}

int broker_ask_to_seal(struct broker *b)
{
    const struct queue_counts c = queue_counts(b->queue);
    const int64_t now = clock_now_ms();
    if ((c.pairs[PAIR_LEASED] || c.ready_jobs) && !b->stopping) {
        b->busy_ms = now;
        return 0;
    }
    const bool due = b->flushing || b->stopping || now - b->busy_ms >= b->options.idle_seal_ms;
    int rc = 0;
    for (size_t i = 0; rc == 0 && due && i < b->sessions.n; i++) {
        struct session *s = &b->sessions.s[i];
        if (s->worker && s->holds_shard && !s->seal_asked) {
            s->seal_asked = true;
            rc = ask(b, s, "SEAL");
        }
    }
    return rc;
}

static int put_text(struct wire_list_out *list, const struct job_text *text)
{
    struct wire_out *item = wire_list_item(list);
    wire_put_bin(item, "pair", view_of(text->pair.b, ID_BYTES));
    wire_put_bin(item, "item", text->blob);
    wire_list_item_end(list);
    return list->rc;
}

static int send_job(struct broker *b, const struct session *s)
{
    const struct job *job = &b->job;
    struct view payload;
    struct letter *letter = outbox_begin(&b->outbox, &s->peer, "JOB");
    if (!letter) {
        return err_set(E_NOMEM, "no memory for a job");
    }
    wire_put_bin(&letter->out, "medium", view_of(job->medium.b, ID_BYTES));
    wire_put_u64(&letter->out, "token", job->token);
    wire_put_bool(&letter->out, "visual", job->need_visual);
    wire_put_str(&letter->out, "locator", view_str(job->locator));
    wire_list_begin(&b->list, WIRE_FRAME_MAX);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < job->text_count; i++) {
        rc = put_text(&b->list, &job->texts[i]);
    }
    rc = rc ? rc : wire_list_end(&b->list, &payload);
    return rc ? rc : letter_set_payload(letter, payload);
}

int broker_hand_out(struct broker *b)
{
    for (int i = 0; i < BATCH_MESSAGES && !b->stopping; i++) {
        struct session *s = session_next_hungry(&b->sessions);
        if (!s) {
            return 0;
        }
        int rc = queue_lease(b->queue, s->number, &b->job);
        if (rc) {
            return rc == E_NOT_FOUND ? 0 : rc;
        }
        s->sent++;
        rc = send_job(b, s);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ the catalog */

int broker_refresh_catalog(struct broker *b)
{
    if (!b->catalog_changed) {
        return 0;
    }
    b->catalog_changed = false;
    return catalog_save(&b->catalog, b->corpus);
}

static int add_sealed(const struct shard_row *row, void *arg)
{
    struct broker *b = arg;
    struct shard_manifest manifest;
    char file[SHARD_PATH_MAX];
    if (row->state != SHARD_SEALED) {
        return 0;
    }
    const int rc = seal_bytes_get(row->manifest, (uint32_t)row->number, &manifest);
    broker_shard_file(b, row->store, manifest.number, file);
    return rc ? rc : catalog_add(&b->catalog, file, &manifest);
}

/* The queue is the truth; the catalog is written from it, also after a crash between the two. */
static int load_catalog(struct broker *b)
{
    const char *name = strrchr(b->corpus, '/');
    int rc = catalog_init(&b->catalog, name && name[1] ? name + 1 : b->corpus);
    rc = rc ? rc : queue_each_shard(b->queue, add_sealed, b);
    b->catalog_changed = true;
    b->first_shard = queue_next_shard(b->queue);
    return rc ? rc : broker_refresh_catalog(b);
}

/* The shard's file relative to the corpus where it lies below it, so that a corpus can be moved as
 * a whole. */
void broker_shard_file(const struct broker *b, struct view store, uint32_t number,
                       char out[SHARD_PATH_MAX])
{
    const size_t n = strlen(b->corpus);
    const char *dir = store.p;
    size_t left = store.n;
    if (left > n && memcmp(dir, b->corpus, n) == 0 && dir[n] == '/') {
        dir += n + 1;
        left -= n + 1;
    }
    snprintf(out, SHARD_PATH_MAX, "%.*s/%06u.mdb", (int)left, dir, number);
}

/* ------------------------------------------------------------------ the loop */

/* A job that did not reach its worker is given back by its deadline; any other answer is asked for
 * again. */
static void on_lost(void *arg, const struct letter *letter, int rc)
{
    struct broker *b = arg;
    b->counters.undeliverable++;
    log_warn_rare("undeliverable", "verb=%s why=%s", letter->out.verb, err_name(rc));
}

static int finish_batch(struct broker *b)
{
    int rc = queue_commit(b->queue);
    FAULT("broker_before_answers");
    rc = rc ? rc : broker_refresh_catalog(b);
    if (rc == 0) {
        outbox_flush(&b->outbox, b->socket, on_lost, b);
    }
    return rc;
}

/* A worker that died while it was to finish is started again by its supervisor, takes up its shard
 * and seals it. */
enum { STOP_PATIENCE_MS = 10000 };

/* The last worker has gone, and either left nothing unsealed or does not come back. */
static bool may_end(struct broker *b)
{
    const int64_t now = clock_now_ms();
    for (size_t i = 0; i < b->sessions.n; i++) {
        if (b->sessions.s[i].worker) {
            b->worker_ms = now;
            return false;
        }
    }
    const bool settled = queue_counts(b->queue).pairs[PAIR_STAGED] == 0;
    return b->stopping && (settled || now - b->worker_ms >= STOP_PATIENCE_MS);
}

static int turn(struct broker *b)
{
    int rc = serve_waiting(b);
    /* After the messages: a beat that has already arrived saves its lease. */
    rc = rc ? rc : queue_tick(b->queue);
    forget_silent(b);
    rc = rc ? rc : broker_hand_out(b);
    rc = rc ? rc : broker_ask_to_seal(b);
    return rc ? rc : finish_batch(b);
}

static int loop(struct broker *b, int signals)
{
    for (;;) {
        zmq_pollitem_t items[] = {
            {.socket = b->socket, .events = ZMQ_POLLIN},
            {.fd = signals, .events = ZMQ_POLLIN},
        };
        if (zmq_poll(items, 2, (long)queue_next_tick_ms(b->queue, TICK_MS)) < 0 &&
            zmq_errno() != EINTR) {
            return err_set(E_SYSTEM, "polling failed: %s", zmq_strerror(zmq_errno()));
        }
        const int rc = turn(b);
        if (rc) {
            return rc;
        }
        if (items[1].revents) {
            log_info("broker_stopped", "by=signal");
            return 0;
        }
        if (may_end(b)) {
            log_info("broker_stopped", "by=operator");
            return 0;
        }
    }
}

static int bind_all(struct broker *b, void (*ready)(const char *address))
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->options.bind_count; i++) {
        rc = socket_bind(b->socket, b->options.binds[i], b->options.insecure);
        char address[256] = "";
        rc = rc ? rc : socket_address(b->socket, address, sizeof address);
        if (rc == 0) {
            log_info("broker_listens", "address=%s", address);
            if (ready && i == 0) {
                ready(address);
            }
        }
    }
    return rc;
}

static int make_signal_fd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A broker that was killed may hold the file for a moment longer than the one that follows it
 * likes. */
static int open_queue(struct broker *b, const char *path)
{
    enum { PATIENCE_MS = 5000 };
    const int64_t until = clock_now_ms() + PATIENCE_MS;
    int rc;
    while ((rc = queue_open(path, &b->options.queue, &b->queue)) == E_BUSY &&
           clock_now_ms() < until) {
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    return rc;
}

static int open_corpus(struct broker *b)
{
    char queue[SHARD_PATH_MAX + 16];
    int rc = file_make_dirs(b->options.corpus);
    if (rc) {
        return rc;
    }
    if (!realpath(b->options.corpus, b->corpus)) {
        return err_errno("cannot resolve the corpus directory %s", b->options.corpus);
    }
    snprintf(queue, sizeof queue, "%s/%s", b->corpus, QUEUE_FILE);
    rc = open_queue(b, queue);
    return rc ? rc : load_catalog(b);
}

int broker_run(const struct broker_options *options, void (*ready)(const char *address))
{
    struct broker *b = calloc(1, sizeof *b);
    if (!b) {
        return err_set(E_NOMEM, "no memory for a broker");
    }
    b->options = *options;
    b->busy_ms = clock_now_ms();
    job_init(&b->job);
    const int signals = make_signal_fd();
    int rc = signals < 0 ? err_errno("no signal descriptor") : open_corpus(b);
    if (rc == 0) {
        b->ctx = zmq_ctx_new();
        rc = socket_new(b->ctx, ZMQ_ROUTER, &b->socket);
    }
    rc = rc ? rc : bind_all(b, ready);
    rc = rc ? rc : loop(b, signals);

    socket_free(b->socket);
    if (b->ctx) {
        zmq_ctx_term(b->ctx);
    }
    queue_close(b->queue);
    catalog_release(&b->catalog);
    session_table_release(&b->sessions);
    outbox_release(&b->outbox);
    wire_list_out_release(&b->list);
    job_release(&b->job);
    if (signals >= 0) {
        close(signals);
    }
    free(b);
    return rc;
}
