#include "shards/feed_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/socket.h"
#include "recipes/order.h"
#include "shards/feed_message.h"
#include "shards/feed_selection.h"

enum {
    SESSIONS_MAX = 1024,
    SELECTIONS_MAX = 16, /* kept, least used first to go */
    INBOX_MAX = 64,      /* messages read before anything is sent */
    RETRY_MS = 10,       /* after a client's queue was full */
};

/* A selection that sessions share. */
struct shared_selection {
    struct feed_selection selection;
    unsigned users;
};

/* One client's run through one epoch. */
struct session {
    struct wire_peer peer;
    uint64_t nonce; /* the client's name for this run; echoed in every answer */
    struct shared_selection *shared;
    struct recipe_context context;
    struct order order;
    uint32_t epoch;
    uint32_t world;
    uint64_t next; /* position to send */
    uint32_t credit;
    bool ended;
    int64_t heard_ms;
};

struct feed_server {
    struct corpus *corpus;
    int lock; /* of the address; -1: none is needed */
    void *zmq;
    void *socket;
    char address[256];
    struct session *sessions[SESSIONS_MAX];
    size_t session_count;
    struct shared_selection *selections[SELECTIONS_MAX];
    size_t selection_count;
    struct value_coder *coder;
    struct buf pair_bytes;
    struct buf pair_stored;
    struct feed_writer writer;
    struct wire_out out;
    struct feed_server_counts counts;
};

/* ---- answering ---- */

/* An answer that cannot be sent is not missed: the client asks again. */
static void send_header(struct feed_server *s, const struct wire_peer *peer)
{
    const int rc = wire_send(s->socket, peer, &s->out, NULL, 0);
    if (rc) {
        log_warn_rare("feed_answer_lost", "verb=%s code=%s", s->out.verb, err_name(rc));
    }
}

static void refuse(struct feed_server *s, const struct wire_peer *peer, uint64_t nonce, int rc)
{
    char text[1001];
    snprintf(text, sizeof text, "%s", err_text());
    s->counts.refused++;
    wire_begin(&s->out, FEED_ERROR);
    wire_put_u64(&s->out, "session", nonce);
    wire_put_str(&s->out, "code", view_str(err_name(rc)));
    wire_put_str(&s->out, "text", view_str(text));
    send_header(s, peer);
}

/* ---- selections ---- */

static bool same_selection(const struct shared_selection *x, const struct recipe *recipe,
                           const struct recipe_options *options)
{
    return x->selection.recipe == recipe &&
           memcmp(&x->selection.options, options, sizeof *options) == 0;
}

static void free_selection(struct shared_selection *x)
{
    if (x) {
        feed_selection_release(&x->selection);
        free(x);
    }
}

/* Room for one more: an unused one goes. */
static int make_room(struct feed_server *s)
{
    if (s->selection_count < SELECTIONS_MAX) {
        return 0;
    }
    for (size_t i = 0; i < s->selection_count; i++) {
        if (s->selections[i]->users == 0) {
            free_selection(s->selections[i]);
            s->selections[i] = s->selections[--s->selection_count];
            return 0;
        }
    }
    return err_set(E_BUSY, "this feed serves %d different recipes already", SELECTIONS_MAX);
}

static int take_selection(struct feed_server *s, const char *recipe_name, const char *options,
                          struct shared_selection **out)
{
    const struct recipe *recipe = NULL;
    struct recipe_options parsed;
    int rc = recipe_find(recipe_name, &recipe);
    rc = rc ? rc : recipe_options_parse(recipe, options, &parsed);
    for (size_t i = 0; rc == 0 && i < s->selection_count; i++) {
        if (same_selection(s->selections[i], recipe, &parsed)) {
            *out = s->selections[i];
            (*out)->users++;
            return 0;
        }
    }
    rc = rc ? rc : make_room(s);
    struct shared_selection *x = rc ? NULL : calloc(1, sizeof *x);
    if (!x) {
        return rc ? rc : err_set(E_NOMEM, "no memory for a recipe's selection");
    }
    rc = feed_selection_init(&x->selection, s->corpus, recipe_name, options);
    if (rc) {
        free_selection(x);
        return rc;
    }
    x->users = 1;
    s->selections[s->selection_count++] = x;
    *out = x;
    return 0;
}

/* ---- sessions ---- */

static struct session *find_session(struct feed_server *s, const struct wire_peer *peer)
{
    for (size_t i = 0; i < s->session_count; i++) {
        struct session *x = s->sessions[i];
        if (x->peer.n == peer->n && memcmp(x->peer.b, peer->b, peer->n) == 0) {
            return x;
        }
    }
    return NULL;
}

static void end_session(struct feed_server *s, struct session *x)
{
    for (size_t i = 0; i < s->session_count; i++) {
        if (s->sessions[i] == x) {
            s->sessions[i] = s->sessions[--s->session_count];
            x->shared->users--;
            free(x);
            return;
        }
    }
}

static void forget_silent(struct feed_server *s, int64_t now)
{
    for (size_t i = s->session_count; i-- > 0;) {
        if (now - s->sessions[i]->heard_ms > FEED_SESSION_MS) {
            end_session(s, s->sessions[i]);
        }
    }
}

/* ---- HELLO ---- */

struct hello {
    uint32_t version;
    uint64_t nonce;
    char recipe[64];
    char options[1024];
    uint64_t seed;
    uint32_t epoch;
    uint64_t start;
    uint32_t rank;
    uint32_t world;
    uint32_t credit;
};

static int get_text(const struct wire_map *m, const char *key, char *out, size_t n)
{
    struct view v;
    const int rc = wire_get_str(m, key, &v);
    if (rc) {
        return rc;
    }
    if (v.n >= n || memchr(v.p, '\0', v.n)) {
        return err_set(E_PEER, "a HELLO's \"%s\" has %zu bytes; at most %zu are allowed", key, v.n,
                       n - 1);
    }
    memcpy(out, v.p, v.n);
    out[v.n] = '\0';
    return 0;
}

static int read_hello(const struct wire_map *m, struct hello *h)
{
    int rc = feed_get_u32(m, "version", UINT32_MAX, &h->version);
    if (rc == 0 && h->version != FEED_PROTOCOL) {
        return err_set(E_VERSION,
                       "the client speaks version %u of the feed protocol, this feed "
                       "version %d",
                       h->version, FEED_PROTOCOL);
    }
    rc = rc ? rc : get_text(m, "recipe", h->recipe, sizeof h->recipe);
    rc = rc ? rc : get_text(m, "options", h->options, sizeof h->options);
    rc = rc ? rc : wire_get_u64(m, "seed", &h->seed);
    rc = rc ? rc : feed_get_u32(m, "epoch", UINT32_MAX, &h->epoch);
    rc = rc ? rc : wire_get_u64(m, "start", &h->start);
    rc = rc ? rc : feed_get_u32(m, "world", FEED_WORLD_MAX, &h->world);
    rc = rc ? rc : feed_get_u32(m, "rank", FEED_WORLD_MAX, &h->rank);
    rc = rc ? rc : feed_get_u32(m, "credit", FEED_CREDIT_MAX, &h->credit);
    if (rc == 0 && h->rank >= h->world) {
        rc = err_set(E_ARG, "rank %u of a world of %u", h->rank, h->world);
    }
    return rc;
}

/* The first position at or after the start that is this rank's: rank, rank + world, ... */
static int first_position(const struct hello *h, uint64_t total, uint64_t *out)
{
    if (h->start >= total + h->world) { /* a rank that is done stands up to world behind the end */
        return err_set(E_ARG, "start is %llu, but the epoch has %llu positions",
                       (unsigned long long)h->start, (unsigned long long)total);
    }
    *out = h->start + (h->rank + h->world - h->start % h->world) % h->world;
    return 0;
}

static int begin_session(struct feed_server *s, const struct wire_peer *peer, const struct hello *h,
                         struct session **out)
{
    if (s->session_count == SESSIONS_MAX) {
        return err_set(E_BUSY, "this feed serves %d clients already", SESSIONS_MAX);
    }
    struct session *x = calloc(1, sizeof *x);
    if (!x) {
        return err_set(E_NOMEM, "no memory for one more client");
    }
    int rc = take_selection(s, h->recipe, h->options, &x->shared);
    if (rc) {
        free(x);
        return rc;
    }
    const struct feed_selection *selection = &x->shared->selection;
    rc = order_init(&x->order, h->seed, h->epoch, selection->pairs);
    rc = rc ? rc : first_position(h, selection->pairs, &x->next);
    if (rc) {
        x->shared->users--;
        free(x);
        return rc;
    }
    x->peer = *peer;
    x->nonce = h->nonce;
    x->context = feed_selection_context(selection, h->seed);
    x->epoch = h->epoch;
    x->world = h->world;
    x->credit = h->credit;
    x->heard_ms = clock_now_ms();
    s->sessions[s->session_count++] = x;
    *out = x;
    return 0;
}

static void welcome(struct feed_server *s, const struct session *x)
{
    const struct feed_selection *selection = &x->shared->selection;
    wire_begin(&s->out, FEED_WELCOME);
    wire_put_u64(&s->out, "version", FEED_PROTOCOL);
    wire_put_u64(&s->out, "session", x->nonce);
    wire_put_str(&s->out, "corpus", view_str(corpus_catalog(s->corpus)->corpus));
    wire_put_u64(&s->out, "total", selection->pairs);
    wire_put_u64(&s->out, "media", selection->media);
    for (int v = RECIPE_TAKES + 1; v < FEED_VERDICTS; v++) {
        wire_put_u64(&s->out, recipe_verdict_name((enum recipe_verdict)v), selection->verdicts[v]);
    }
    feed_put_wordpiece(&s->out, &selection->ids);
    send_header(s, &x->peer);
}

static int on_hello(struct feed_server *s, const struct wire_in *in, uint64_t nonce)
{
    struct hello h = {.nonce = nonce};
    struct session *old = find_session(s, &in->peer);
    if (old) {
        end_session(s, old);
    }
    struct session *x = NULL;
    int rc = read_hello(&in->header, &h);
    rc = rc ? rc : begin_session(s, &in->peer, &h, &x);
    if (rc == 0) {
        log_info("feed_client", "recipe=%s epoch=%u start=%llu rank=%u world=%u", h.recipe, h.epoch,
                 (unsigned long long)h.start, h.rank, h.world);
        welcome(s, x);
    }
    return rc;
}

/* ---- the other verbs ---- */

static int on_credit(struct session *x, const struct wire_in *in)
{
    uint32_t n = 0;
    const int rc = feed_get_u32(&in->header, "n", FEED_CREDIT_MAX, &n);
    if (rc == 0 && x->credit + n > FEED_CREDIT_MAX) {
        return err_set(E_PEER, "credit of %u messages; at most %d are allowed", x->credit + n,
                       FEED_CREDIT_MAX);
    }
    x->credit += rc ? 0 : n;
    return rc;
}

static void on_ping(struct feed_server *s, const struct session *x)
{
    wire_begin(&s->out, FEED_PONG);
    wire_put_u64(&s->out, "session", x->nonce);
    send_header(s, &x->peer);
}

static int dispatch(struct feed_server *s, const struct wire_in *in, uint64_t nonce)
{
    if (wire_is(in, FEED_HELLO)) {
        return on_hello(s, in, nonce);
    }
    struct session *x = find_session(s, &in->peer);
    if (!x || x->nonce != nonce) {
        return err_set(E_NOT_FOUND, "this feed does not know the session: say HELLO first");
    }
    x->heard_ms = clock_now_ms();
    if (wire_is(in, FEED_CREDIT)) {
        return on_credit(x, in);
    }
    if (wire_is(in, FEED_PING)) {
        on_ping(s, x);
        return 0;
    }
    return err_set(E_PEER, "a feed knows no verb %s", in->verb);
}

static void handle(struct feed_server *s, const struct wire_in *in, int rc)
{
    uint64_t nonce = 0;
    rc = rc ? rc : wire_get_u64(&in->header, "session", &nonce);
    rc = rc ? rc : dispatch(s, in, nonce);
    if (rc) {
        log_warn_rare("feed_refused", "code=%s text=\"%s\"", err_name(rc), err_text());
        refuse(s, &in->peer, nonce, rc);
    }
}

static int read_inbox(struct feed_server *s)
{
    for (int i = 0; i < INBOX_MAX; i++) {
        struct wire_in in;
        const int rc = wire_recv(s->socket, &in);
        if (rc == 0 || rc == E_PEER) {
            handle(s, &in, rc);
        }
        wire_in_release(&in);
        if (rc == E_TIMEOUT || rc == E_INTERRUPTED) {
            return 0;
        }
        if (rc && rc != E_PEER) {
            return rc;
        }
    }
    return 0;
}

/* ---- SAMPLES ---- */

static int add_sample(struct feed_server *s, struct session *x, uint64_t position)
{
    const struct feed_selection *selection = &x->shared->selection;
    const uint32_t pair = selection->pair[order_at(&x->order, position)];
    const struct recipe_place place = {
        .epoch = x->epoch,
        .position = position,
        .medium = selection->medium_number[corpus_pair(s->corpus, pair)->medium],
    };
    struct pair_record r;
    struct plan plan;
    struct view visual;
    int rc = corpus_read_pair(s->corpus, pair, &s->pair_bytes, &r);
    rc = rc ? rc : recipe_plan(&x->context, &place, &r, &plan);
    rc = rc ? rc : corpus_stored_visual(s->corpus, selection->medium[plan.medium], &visual);
    rc = rc ? rc : value_pack(s->coder, buf_view(&s->pair_bytes), NULL, &s->pair_stored);
    if (rc == 0) {
        feed_writer_add(&s->writer, &plan, buf_view(&s->pair_stored), visual);
    }
    return rc;
}

/* Fills a message from position x->next on; *after is the position behind it. */
static int fill_message(struct feed_server *s, struct session *x, uint64_t *after)
{
    const uint64_t total = x->shared->selection.pairs;
    uint64_t at = x->next;
    int rc = 0;
    feed_writer_begin(&s->writer);
    while (rc == 0 && at < total && !feed_writer_full(&s->writer)) {
        rc = add_sample(s, x, at);
        at += x->world;
    }
    *after = at;
    return rc;
}

static int send_samples(struct feed_server *s, struct session *x)
{
    uint64_t after = 0;
    const struct view *frames = NULL;
    size_t n = 0;
    int rc = fill_message(s, x, &after);
    rc = rc ? rc : feed_writer_end(&s->writer, &frames, &n);
    if (rc) {
        return rc;
    }
    wire_begin(&s->out, FEED_SAMPLES);
    wire_put_u64(&s->out, "session", x->nonce);
    wire_put_u64(&s->out, "first", s->writer.first);
    wire_put_u64(&s->out, "count", s->writer.samples);
    rc = wire_send(s->socket, &x->peer, &s->out, frames, n);
    if (rc == 0) {
        x->next = after;
        x->credit--;
        s->counts.messages++;
        s->counts.samples += s->writer.samples;
        s->counts.bytes += s->writer.bytes;
    }
    return rc;
}

static int send_end(struct feed_server *s, struct session *x)
{
    wire_begin(&s->out, FEED_END);
    wire_put_u64(&s->out, "session", x->nonce);
    wire_put_u64(&s->out, "total", x->shared->selection.pairs);
    const int rc = wire_send(s->socket, &x->peer, &s->out, NULL, 0);
    x->ended = rc == 0;
    return rc;
}

static bool is_due(const struct session *x)
{
    return !x->ended && (x->credit > 0 || x->next >= x->shared->selection.pairs);
}

/* One message to one client.  A full queue waits for the next round; a client that is gone, or
 * whose next sample cannot be read, is let go. */
static void serve(struct feed_server *s, struct session *x, bool *blocked)
{
    const int rc = x->next >= x->shared->selection.pairs ? send_end(s, x) : send_samples(s, x);
    if (rc == E_BUSY) {
        *blocked = true;
    } else if (rc == E_PEER) {
        end_session(s, x);
    } else if (rc) {
        log_error("feed_sample", "code=%s text=\"%s\"", err_name(rc), err_text());
        refuse(s, &x->peer, x->nonce, rc);
        end_session(s, x);
    }
}

static bool anything_due(const struct feed_server *s)
{
    for (size_t i = 0; i < s->session_count; i++) {
        if (is_due(s->sessions[i])) {
            return true;
        }
    }
    return false;
}

int feed_server_step(struct feed_server *s, int64_t wait_ms)
{
    const int ready = socket_wait(s->socket, anything_due(s) ? 0 : wait_ms);
    int rc = ready < 0 ? ready : 0;
    if (ready > 0) {
        rc = read_inbox(s);
    }
    bool blocked = false;
    bool sent = false;
    for (size_t i = s->session_count; rc == 0 && i-- > 0;) {
        if (is_due(s->sessions[i])) {
            bool full = false;
            serve(s, s->sessions[i], &full);
            blocked |= full;
            sent |= !full;
        }
    }
    forget_silent(s, clock_now_ms());
    if (rc == 0 && blocked && !sent) {
        const int waited = socket_wait(s->socket, RETRY_MS);
        rc = waited < 0 ? waited : 0;
    }
    return rc;
}

/* ---- life ---- */

/* A second feed must find out that it is one before it touches the first one's socket. */
static int lock_address(struct feed_server *s, const struct feed_server_options *o)
{
    int rc = socket_check(o->address, o->insecure);
    rc = rc ? rc : socket_lock(o->address, &s->lock);
    return rc == E_BUSY
               ? err_set(E_BUSY,
                         "a feed of this corpus runs already, or another server: %s is taken; stop "
                         "that one, or give this one another address",
                         o->address)
               : rc;
}

static int bind_socket(struct feed_server *s, const struct feed_server_options *o)
{
    s->zmq = zmq_ctx_new();
    if (!s->zmq) {
        return err_set(E_SYSTEM, "no ZeroMQ context: %s", zmq_strerror(zmq_errno()));
    }
    int rc = socket_new(s->zmq, ZMQ_ROUTER, &s->socket);
    rc = rc ? rc : socket_bind(s->socket, o->address, o->insecure);
    return rc ? rc : socket_address(s->socket, s->address, sizeof s->address);
}

int feed_server_open(const struct feed_server_options *o, struct feed_server **out)
{
    struct feed_server *s = calloc(1, sizeof *s);
    if (!s) {
        return err_set(E_NOMEM, "no memory for a feed");
    }
    buf_init(&s->pair_bytes, CODEC_MAX_RECORD);
    buf_init(&s->pair_stored, CODEC_MAX_RECORD);
    s->lock = -1;
    int rc = lock_address(s, o);
    rc = rc ? rc : corpus_open(o->corpus, o->corpus_flags, &s->corpus);
    rc = rc ? rc : value_coder_new(&s->coder);
    rc = rc ? rc : bind_socket(s, o);
    if (rc) {
        feed_server_close(s);
        return rc;
    }
    s->counts.pairs = corpus_pairs(s->corpus);
    s->counts.media = corpus_media(s->corpus);
    *out = s;
    return 0;
}

void feed_server_close(struct feed_server *s)
{
    if (!s) {
        return;
    }
    while (s->session_count) {
        end_session(s, s->sessions[0]);
    }
    for (size_t i = 0; i < s->selection_count; i++) {
        free_selection(s->selections[i]);
    }
    socket_free(s->socket);
    if (s->zmq) {
        zmq_ctx_term(s->zmq);
    }
    if (s->lock >= 0) { /* after the context: it deletes the socket's file at its end */
        close(s->lock);
    }
    corpus_close(s->corpus);
    value_coder_free(s->coder);
    buf_release(&s->pair_bytes);
    buf_release(&s->pair_stored);
    feed_writer_release(&s->writer);
    wire_out_release(&s->out);
    free(s);
}

const char *feed_server_address(const struct feed_server *s)
{
    return s->address;
}

struct feed_server_counts feed_server_counts(const struct feed_server *s)
{
    struct feed_server_counts c = s->counts;
    c.clients = s->session_count;
    return c;
}
