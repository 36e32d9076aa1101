#include "broker/outbox.h"

#include <stdlib.h>

void outbox_release(struct outbox *box)
{
    for (size_t i = 0; i < box->room; i++) {
        wire_out_release(&box->letters[i].out);
        buf_release(&box->letters[i].payload);
    }
    free(box->letters);
    *box = (struct outbox){0};
}

static int grow(struct outbox *box)
{
    const size_t room = box->room ? 2 * box->room : 64;
    struct letter *letters = realloc(box->letters, room * sizeof *letters);
    if (!letters) {
        return err_set(E_NOMEM, "no memory for %zu answers", room);
    }
    memset(letters + box->room, 0, (room - box->room) * sizeof *letters);
    for (size_t i = box->room; i < room; i++) {
        buf_init(&letters[i].payload, WIRE_FRAME_MAX);
    }
    box->letters = letters;
    box->room = room;
    return 0;
}

struct letter *outbox_begin(struct outbox *box, const struct wire_peer *peer, const char *verb)
{
    if (box->n == box->room && grow(box)) {
        return NULL;
    }
    struct letter *letter = &box->letters[box->n++];
    letter->peer = *peer;
    letter->has_payload = false;
    wire_begin(&letter->out, verb);
    return letter;
}

int letter_set_payload(struct letter *letter, struct view payload)
{
    buf_reset(&letter->payload);
    letter->has_payload = true;
    return buf_append(&letter->payload, payload.p, payload.n);
}

void outbox_flush(struct outbox *box, void *socket,
                  void (*lost)(void *arg, const struct letter *, int rc), void *arg)
{
    for (size_t i = 0; i < box->n; i++) {
        struct letter *letter = &box->letters[i];
        const struct view payload = buf_view(&letter->payload);
        const int rc =
            wire_send(socket, &letter->peer, &letter->out, &payload, letter->has_payload);
        if (rc) {
            lost(arg, letter, rc);
        }
    }
    box->n = 0;
}
