/* One question, one answer: its own. */
#include <criterion/criterion.h>

#include "broker/client.h"
#include "common/socket.h"

Test(client, an_answer_that_comes_too_late_is_not_taken_for_the_next_one)
{
    void *ctx = zmq_ctx_new();
    void *broker = NULL;
    char address[256];
    struct client c;
    struct wire_in in;
    struct wire_in question;
    struct wire_out late = {.rc = 0};
    cr_assert_eq(socket_new(ctx, ZMQ_ROUTER, &broker), 0);
    cr_assert_eq(socket_bind(broker, "tcp://127.0.0.1:*", false), 0, "%s", err_text());
    cr_assert_eq(socket_address(broker, address, sizeof address), 0);
    cr_assert_eq(client_open(&c, address), 0, "%s", err_text());
    c.deadline_ms = 300;
    wire_begin(&c.out, "FLUSH");
    cr_assert_eq(client_ask(&c, NULL, &in), E_TIMEOUT);
    wire_in_release(&in);
    if (socket_wait(broker, 300) == 1 && wire_recv(broker, &question) == 0) {
        wire_begin(&late, "OK");
        const int rc = wire_send(broker, &question.peer, &late, NULL, 0);
        cr_assert(rc == 0 || rc == E_PEER, "%s", err_text());
        wire_in_release(&question);
    }
    wire_begin(&c.out, "STATUS");
    cr_assert_eq(client_ask(&c, NULL, &in), E_TIMEOUT, "the question before was answered");
    wire_in_release(&in);
    wire_out_release(&late);
    client_close(&c);
    socket_free(broker);
    zmq_ctx_term(ctx);
}
