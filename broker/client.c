#include "broker/client.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/socket.h"

enum { DEADLINE_MS = 30000, FIRST_WAIT_MS = 2000 };

static int reconnect(struct client *c)
{
    socket_free(c->socket);
    c->socket = NULL;
    const int rc = socket_new(c->ctx, ZMQ_DEALER, &c->socket);
    const int none = 0; /* a question that nobody takes is not to hold up the end of the program */
    if (rc == 0) {
        zmq_setsockopt(c->socket, ZMQ_LINGER, &none, sizeof none);
    }
    return rc ? rc : socket_connect(c->socket, c->address);
}

int client_open(struct client *c, const char *address)
{
    *c = (struct client){.deadline_ms = DEADLINE_MS};
    if (strlen(address) >= sizeof c->address) {
        return err_set(E_ARG, "the address %.40s... is too long", address);
    }
    snprintf(c->address, sizeof c->address, "%s", address);
    c->ctx = zmq_ctx_new();
    return reconnect(c);
}

void client_close(struct client *c)
{
    socket_free(c->socket);
    if (c->ctx) {
        zmq_ctx_term(c->ctx);
    }
    wire_out_release(&c->out);
    *c = (struct client){0};
}

int client_error(const struct wire_in *in)
{
    struct view code;
    struct view text;
    char name[40] = "";
    int rc = wire_get_str(&in->header, "code", &code);
    rc = rc ? rc : wire_get_str(&in->header, "text", &text);
    if (rc) {
        return rc;
    }
    if (code.n < sizeof name) {
        memcpy(name, code.p, code.n);
    }
    rc = err_from_name(name);
    return err_set(rc ? rc : E_PEER, "%.*s", (int)text.n, (const char *)text.p);
}

/* One try: 0, an ERROR's code, or E_TIMEOUT. */
static int try(struct client *c, const struct view *payload, int64_t wait_ms, struct wire_in *in)
{
    int rc = wire_send(c->socket, NULL, &c->out, payload, payload ? 1 : 0);
    if (rc) {
        return rc == E_BUSY ? E_TIMEOUT : rc;
    }
    const int64_t until = clock_now_ms() + wait_ms;
    do {
        rc = socket_wait(c->socket, until - clock_now_ms() > 0 ? until - clock_now_ms() : 0);
        if (rc < 0) {
            return rc;
        }
        rc = wire_recv(c->socket, in);
    } while ((rc == E_TIMEOUT || rc == E_INTERRUPTED) && clock_now_ms() < until);
    return rc == 0 && wire_is(in, "ERROR") ? client_error(in) : rc;
}

int client_ask(struct client *c, const struct view *payload, struct wire_in *in)
{
    const int64_t until = clock_now_ms() + c->deadline_ms;
    int64_t wait = FIRST_WAIT_MS;
    memset(in, 0, sizeof *in);
    for (;;) {
        wire_in_release(in);
        const int64_t left = until - clock_now_ms();
        int rc = try(c, payload, left < wait ? left : wait, in);
        if (rc != E_TIMEOUT && rc != E_INTERRUPTED) {
            return rc;
        }
        rc = reconnect(c); /* also before giving up: the next question is another one */
        if (rc) {
            return rc;
        }
        if (clock_now_ms() >= until) {
            return err_set(E_TIMEOUT,
                           "no broker answers at %s; is it running, and is the address right?",
                           c->address);
        }
        wait *= 2;
    }
}
