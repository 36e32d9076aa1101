#include "workers/link.h"

#include <stdio.h>
#include <unistd.h>

#include "broker/broker.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/socket.h"

enum { HELLO_EVERY_MS = 1000, FIRST_BEAT_MS = 1000 };

void link_name(char out[128], int pid)
{
    char host[80] = "?";
    gethostname(host, sizeof host - 1);
    snprintf(out, 128, "%s:%d", host, pid);
}

int link_open(struct link *l, const char *address, const char *store)
{
    *l = (struct link){.store = store, .beat_ms = FIRST_BEAT_MS};
    link_name(l->name, (int)getpid());
    l->ctx = zmq_ctx_new();
    const int rc = socket_new(l->ctx, ZMQ_DEALER, &l->socket);
    return rc ? rc : socket_connect(l->socket, address);
}

void link_close(struct link *l)
{
    socket_free(l->socket);
    if (l->ctx) {
        zmq_ctx_term(l->ctx);
    }
    wire_out_release(&l->out);
    wire_list_out_release(&l->list);
    *l = (struct link){0};
}

int link_send(struct link *l, struct wire_out *out, const struct view *payload)
{
    const int rc = wire_send(l->socket, NULL, out, payload, payload ? 1 : 0);
    if (rc == E_BUSY || rc == E_PEER) {
        log_warn_rare("broker_unreachable", "verb=%s", out->verb);
        return 0;
    }
    return rc;
}

void link_hold(struct link *l, const struct id *medium, uint64_t token)
{
    BUG_ON(l->lease_count == LINK_LEASES_MAX);
    l->leases[l->lease_count++] = (struct held_lease){*medium, token};
}

void link_let_go(struct link *l, uint64_t token)
{
    for (size_t i = 0; i < l->lease_count; i++) {
        if (l->leases[i].token == token) {
            l->leases[i] = l->leases[--l->lease_count];
            return;
        }
    }
}

static int send_with_leases(struct link *l)
{
    struct view payload;
    wire_list_begin(&l->list, 1 << 16);
    for (size_t i = 0; i < l->lease_count; i++) {
        struct wire_out *item = wire_list_item(&l->list);
        wire_put_bin(item, "medium", view_of(l->leases[i].medium.b, ID_BYTES));
        wire_put_u64(item, "token", l->leases[i].token);
        wire_list_item_end(&l->list);
    }
    const int rc = wire_list_end(&l->list, &payload);
    return rc ? rc : link_send(l, &l->out, &payload);
}

static int send_hello(struct link *l)
{
    l->next_hello_ms = clock_now_ms() + HELLO_EVERY_MS;
    wire_begin(&l->out, "HELLO");
    wire_put_u64(&l->out, "protocol", PROTOCOL_VERSION);
    wire_put_str(&l->out, "name", view_str(l->name));
    wire_put_str(&l->out, "store", view_str(l->store));
    wire_put_bool(&l->out, "shard", l->holds_shard);
    return send_with_leases(l);
}

static int send_beat(struct link *l)
{
    l->next_beat_ms = clock_now_ms() + l->beat_ms;
    wire_begin(&l->out, "BEAT");
    wire_put_u64(&l->out, "progress", l->progress);
    return send_with_leases(l);
}

void link_progress(struct link *l)
{
    l->progress++;
    if (l->welcome && clock_now_ms() >= l->next_beat_ms && send_beat(l)) {
        log_warn_rare("beat_failed", "why=\"%s\"", err_text());
    }
}

static int on_welcome(struct link *l, const struct wire_in *in, enum link_event *event)
{
    uint64_t session;
    uint64_t beat_ms;
    struct id queue;
    int rc = wire_get_u64(&in->header, "session", &session);
    rc = rc ? rc : wire_get_u64(&in->header, "beat_ms", &beat_ms);
    rc = rc ? rc : wire_get_id(&in->header, "queue", &queue);
    if (rc == 0 && !l->welcome) {
        l->queue = queue;
        l->welcome = true;
        l->beat_ms = (int64_t)beat_ms;
        l->next_beat_ms = clock_now_ms() + l->beat_ms;
        *event = LINK_NEW;
        log_info("welcome", "session=%llu", (unsigned long long)session);
    }
    return rc;
}

static int on_message(struct link *l, const struct wire_in *in, enum link_event *event)
{
    if (wire_is(in, "WELCOME")) {
        return on_welcome(l, in, event);
    }
    if (wire_is(in, "WHO")) {
        const bool first = l->welcome;
        l->welcome = false;
        return first ? send_hello(l) : 0;
    }
    if (!wire_is(in, "BEAT")) {
        *event = LINK_MESSAGE;
    }
    return 0;
}

/* A broker that refuses the HELLO itself will not change its mind. */
static int check_refusal(const struct link *l, const struct wire_in *in)
{
    struct view code;
    struct view text;
    if (l->welcome || !wire_is(in, "ERROR") || wire_get_str(&in->header, "code", &code) ||
        wire_get_str(&in->header, "text", &text) || !view_equal(code, view_str("E_VERSION"))) {
        return 0;
    }
    return err_set(E_VERSION, "%.*s", (int)text.n, (const char *)text.p);
}

int link_recv(struct link *l, int64_t wait_ms, struct wire_in *in, enum link_event *event)
{
    *event = LINK_NOTHING;
    memset(in, 0, sizeof *in);
    int rc = 0;
    const int64_t now = clock_now_ms();
    if (!l->welcome && now >= l->next_hello_ms) {
        rc = send_hello(l);
    } else if (l->welcome && now >= l->next_beat_ms) {
        l->progress++; /* whoever comes here is alive */
        rc = send_beat(l);
    }
    const int64_t next = l->welcome ? l->next_beat_ms : l->next_hello_ms;
    const int64_t wait = next - now < wait_ms ? next - now : wait_ms;
    rc = rc ? rc : socket_wait(l->socket, wait > 0 ? wait : 0);
    if (rc <= 0) {
        return rc;
    }
    rc = wire_recv(l->socket, in);
    if (rc == E_TIMEOUT || rc == E_INTERRUPTED) {
        return 0;
    }
    rc = rc ? rc : check_refusal(l, in);
    return rc ? rc : on_message(l, in, event);
}
