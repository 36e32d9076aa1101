#include "broker/session.h"

#include <stdlib.h>

#include "common/array.h"
#include "common/clock.h"

void session_table_release(struct session_table *t)
{
    free(t->s);
    *t = (struct session_table){0};
}

int session_add(struct session_table *t, const struct wire_peer *peer, struct session **out)
{
    if (t->n == SESSIONS_MAX) {
        return err_set(E_BUSY, "there are %d peers already", SESSIONS_MAX);
    }
    struct session *s = array_grown(t->s, t->n, &t->room, sizeof *s);
    if (!s) {
        return err_set(E_NOMEM, "no memory for %zu sessions", t->n + 1);
    }
    t->s = s;
    *out = &t->s[t->n++];
    **out = (struct session){.number = ++t->next_number, .peer = *peer, .heard_ms = clock_now_ms()};
    return 0;
}

void session_remove(struct session_table *t, uint64_t number)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->s[i].number == number) {
            t->s[i] = t->s[--t->n];
            return;
        }
    }
}

struct session *session_of_peer(struct session_table *t, const struct wire_peer *peer)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->s[i].peer.n == peer->n && memcmp(t->s[i].peer.b, peer->b, peer->n) == 0) {
            return &t->s[i];
        }
    }
    return NULL;
}

struct session *session_of_name(struct session_table *t, struct view name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (view_equal(view_str(t->s[i].name), name)) {
            return &t->s[i];
        }
    }
    return NULL;
}

struct session *session_next_hungry(struct session_table *t)
{
    for (size_t k = 0; k < t->n; k++) {
        const size_t i = (t->next_to_serve + k) % t->n;
        if (t->s[i].granted > t->s[i].sent) {
            t->next_to_serve = i + 1;
            return &t->s[i];
        }
    }
    return NULL;
}
