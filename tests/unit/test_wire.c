/* The framing: what is put comes back, and nothing malformed gets through. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "common/socket.h"
#include "common/wire.h"
#include "tests/unit/tempdir.h"

struct pipe {
    void *ctx;
    void *router;
    void *dealer;
};

static struct pipe pipe_new(void)
{
    struct pipe p = {.ctx = zmq_ctx_new()};
    cr_assert_eq(socket_new(p.ctx, ZMQ_ROUTER, &p.router), 0);
    cr_assert_eq(socket_new(p.ctx, ZMQ_DEALER, &p.dealer), 0);
    cr_assert_eq(socket_bind(p.router, "inproc://wire", false), 0);
    cr_assert_eq(socket_connect(p.dealer, "inproc://wire"), 0);
    return p;
}

static void pipe_free(struct pipe *p)
{
    socket_free(p->dealer);
    socket_free(p->router);
    zmq_ctx_term(p->ctx);
}

static int recv_now(void *socket, struct wire_in *in)
{
    cr_assert_eq(socket_wait(socket, 10000), 1, "no message came");
    return wire_recv(socket, in);
}

Test(wire, values_come_back_as_they_were_put)
{
    struct pipe p = pipe_new();
    struct wire_out out = {0};
    wire_begin(&out, "PUT");
    wire_put_u64(&out, "big", UINT64_MAX);
    wire_put_i64(&out, "neg", INT64_MIN);
    wire_put_f64(&out, "half", 0.5);
    wire_put_bool(&out, "yes", true);
    wire_put_str(&out, "name", view_str("caf\xc3\xa9"));
    wire_put_bin(&out, "bytes", view_of("\0\1\2", 3));
    const struct view payload[] = {view_str("one"), view_of("", 0)};
    cr_assert_eq(wire_send(p.dealer, NULL, &out, payload, 2), 0);

    struct wire_in in;
    cr_assert_eq(recv_now(p.router, &in), 0);
    uint64_t u = 0;
    int64_t i = 0;
    double f = 0;
    bool b = false;
    struct view s;
    cr_assert(wire_is(&in, "PUT"));
    cr_assert(wire_get_u64(&in.header, "big", &u) == 0 && u == UINT64_MAX);
    cr_assert(wire_get_i64(&in.header, "neg", &i) == 0 && i == INT64_MIN);
    cr_assert(wire_get_f64(&in.header, "half", &f) == 0 && f == 0.5);
    cr_assert(wire_get_bool(&in.header, "yes", &b) == 0 && b);
    cr_assert(wire_get_str(&in.header, "name", &s) == 0 && view_equal(s, view_str("caf\xc3\xa9")));
    cr_assert(wire_get_bin(&in.header, "bytes", &s) == 0 && view_equal(s, view_of("\0\1\2", 3)));
    cr_assert_eq(in.payload_count, 2);
    cr_assert(view_equal(in.payload[0], view_str("one")) && in.payload[1].n == 0);
    /* Missing, or of another type: refused by name. */
    cr_assert_eq(wire_get_u64(&in.header, "none", &u), E_PEER);
    cr_assert_eq(wire_get_u64(&in.header, "neg", &u), E_PEER);
    cr_assert_eq(wire_get_str(&in.header, "bytes", &s), E_PEER);

    wire_begin(&out, "OK");
    cr_assert_eq(wire_send(p.router, &in.peer, &out, NULL, 0), 0);
    wire_in_release(&in);
    cr_assert_eq(recv_now(p.dealer, &in), 0);
    cr_assert(wire_is(&in, "OK"));
    wire_in_release(&in);
    wire_out_release(&out);
    pipe_free(&p);
}

Test(wire, malformed_messages_are_refused_and_the_peer_is_known)
{
    struct pipe p = pipe_new();
    static const struct {
        const char *frames[3];
        size_t sizes[3];
        int n;
    } bad[] = {
        {{"PUT"}, {3}, 1},         /* no header */
        {{"", "\x80"}, {0, 1}, 2}, /* no verb */
        {{"AVERYLONGVERBINDEED", "\x80"}, {19, 1}, 2},
        {{"PUT", "\x80\x80"}, {3, 2}, 2},             /* two maps */
        {{"PUT", "\x90"}, {3, 1}, 2},                 /* an array */
        {{"PUT", "\x81\xa1"}, {3, 2}, 2},             /* cut short */
        {{"PUT", "\xdf\xff\xff\xff\xff"}, {3, 5}, 2}, /* four thousand million entries */
        {{"P\0T", "\x80"}, {3, 1}, 2},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (int f = 0; f < bad[i].n; f++) {
            zmq_send(p.dealer, bad[i].frames[f], bad[i].sizes[f],
                     f + 1 < bad[i].n ? ZMQ_SNDMORE : 0);
        }
        struct wire_in in;
        cr_assert_eq(recv_now(p.router, &in), E_PEER, "case %zu got through", i);
        cr_assert_gt(in.peer.n, 0);
        wire_in_release(&in);
    }
    pipe_free(&p);
}

Test(wire, a_list_that_announces_more_than_it_has_is_refused_without_allocating_it)
{
    static const char *const lies[] = {"\xdd\x10\x00\x00\x00",     "\xdc\xff\xff\x80",
                                       "\x91\xdf\x7f\xff\xff\xff", "\x92\x80",
                                       "\x91\xc6\xff\xff\xff\xff", "\x91\xdb\x01"};
    static const size_t sizes[] = {5, 4, 6, 2, 6, 3};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct wire_list list;
        cr_assert_eq(wire_list_parse(view_of(lies[i], sizes[i]), SIZE_MAX, &list), E_PEER,
                     "case %zu", i);
        wire_list_release(&list);
    }
}

/* Each of its values is there, but unpacked they would take 24 times their bytes. */
Test(wire, a_list_of_millions_of_values_is_refused_before_it_is_unpacked)
{
    enum { VALUES = 4 << 20 };
    struct wire_list list = {0};
    unsigned char *nils = malloc(5 + VALUES);
    cr_assert_not_null(nils);
    nils[0] = 0xdd;
    memcpy(nils + 1, "\0\x40\0\0", 4); /* big-endian */
    memset(nils + 5, 0xc0, VALUES);
    cr_assert_eq(wire_list_parse(view_of(nils, 5 + VALUES), SIZE_MAX, &list), E_PEER);
    cr_assert_null(list.unpacked.zone);
    wire_list_release(&list);
    free(nils);
}

Test(wire, a_message_of_too_many_frames_is_dropped_whole)
{
    struct pipe p = pipe_new();
    for (int i = 0; i < 1000; i++) {
        zmq_send(p.dealer, i ? "\x80" : "PUT", i ? 1 : 3, i < 999 ? ZMQ_SNDMORE : 0);
    }
    struct wire_out out = {0};
    wire_begin(&out, "NEXT");
    cr_assert_eq(wire_send(p.dealer, NULL, &out, NULL, 0), 0);
    struct wire_in in;
    cr_assert_eq(recv_now(p.router, &in), E_PEER);
    wire_in_release(&in);
    cr_assert_eq(recv_now(p.router, &in), 0);
    cr_assert(wire_is(&in, "NEXT"));
    wire_in_release(&in);
    wire_out_release(&out);
    pipe_free(&p);
}

Test(wire, a_peer_that_is_gone_is_an_error_not_silence)
{
    struct pipe p = pipe_new();
    struct wire_out out = {0};
    wire_begin(&out, "OK");
    const struct wire_peer nobody = {.b = {0, 1, 2, 3, 4}, .n = 5};
    cr_assert_eq(wire_send(p.router, &nobody, &out, NULL, 0), E_PEER);
    wire_out_release(&out);
    pipe_free(&p);
}

Test(wire, lists_come_back)
{
    struct wire_list_out out = {0};
    wire_list_begin(&out, 1 << 20);
    for (uint64_t i = 0; i < 300; i++) {
        struct wire_out *item = wire_list_item(&out);
        wire_put_u64(item, "i", i);
        wire_put_str(item, "s", view_str("x"));
        wire_list_item_end(&out);
    }
    struct view payload;
    cr_assert_eq(wire_list_end(&out, &payload), 0);
    struct wire_list list;
    cr_assert_eq(wire_list_parse(payload, 300, &list), 0);
    cr_assert_eq(list.n, 300);
    for (size_t i = 0; i < list.n; i++) {
        const struct wire_map m = wire_list_at(&list, i);
        uint64_t v = 0;
        cr_assert(wire_get_u64(&m, "i", &v) == 0 && v == i);
    }
    wire_list_release(&list);
    cr_assert_eq(wire_list_parse(payload, 299, &list), E_PEER);
    wire_list_release(&list);
    wire_list_out_release(&out);
}

Test(socket, a_bind_that_others_can_reach_must_be_asked_for)
{
    struct pipe p = pipe_new();
    cr_assert_eq(socket_bind(p.router, "tcp://0.0.0.0:*", false), E_ARG);
    cr_assert(strstr(err_text(), "--insecure"));
    cr_assert_eq(socket_bind(p.router, "tcp://127.0.0.1:*", false), 0);
    pipe_free(&p);
}

Test(socket, a_port_that_there_is_not_is_refused)
{
    static const char *const wrong[] = {
        "tcp://127.0.0.1:99999", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:5x",    "tcp://127.0.0.1:",      "tcp://localhost:4294967297",
        "tcp://[::1]:70000",     "tcp://[::1]:",
    };
    struct pipe p = pipe_new();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(socket_check(wrong[i], false), E_ARG, "%s", wrong[i]);
        cr_assert_eq(socket_bind(p.router, wrong[i], false), E_ARG, "%s", wrong[i]);
        cr_assert(strstr(err_text(), "port from 1 to 65535"), "%s", err_text());
        cr_assert_eq(socket_connect(p.dealer, wrong[i]), E_ARG, "%s", wrong[i]);
        cr_assert(strstr(err_text(), "port from 1 to 65535"), "%s", err_text());
    }
    cr_assert_eq(socket_check("tcp://127.0.0.1:65535", false), 0);
    cr_assert_eq(socket_check("tcp://127.0.0.1:0", false), 0);
    cr_assert_eq(socket_check("tcp://*:7400", true), 0);
    cr_assert_eq(socket_connect(p.dealer, "tcp://127.0.0.1:*"), E_ARG);
    pipe_free(&p);
}

/* Until the lock is closed; the kernel sees to other kinds of addresses. */
Test(socket, an_ipc_address_is_one_owners_at_a_time)
{
    char dir[TEMPDIR_MAX];
    char address[TEMPDIR_MAX + 16];
    int first = -1;
    int second = -1;
    tempdir_make(dir);
    snprintf(address, sizeof address, "ipc://%s/x", dir);
    cr_assert_eq(socket_lock(address, &first), 0, "%s", err_text());
    cr_assert_eq(socket_lock(address, &second), E_BUSY);
    cr_assert_eq(second, -1);
    close(first);
    cr_assert_eq(socket_lock(address, &second), 0, "%s", err_text());
    close(second);
    cr_assert_eq(socket_lock("ipc:///no such folder/x", &second), E_NO_FILE);
    cr_assert_eq(socket_lock("tcp://127.0.0.1:7400", &second), 0);
    cr_assert_eq(second, -1);
    tempdir_remove(dir);
}
