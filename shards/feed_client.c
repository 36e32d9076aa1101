#include "shards/feed_client.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/socket.h"
#include "shards/codec.h"
#include "shards/feed_message.h"
#include "shards/value.h"

enum {
    SLICE_MS = 100, /* between looks at the cancel flag */
    RETRY_MS = 10,  /* while there is no connection */
    PING_MS = 1000, /* of silence, before the feed is asked whether it is there */
};

struct feed_client {
    char address[256];
    char *options_text;
    struct recipe_context context;
    uint32_t epoch;
    uint32_t rank;
    uint32_t world;
    uint32_t credit;
    int64_t timeout_ms;
    atomic_bool *cancel;

    void *zmq;
    void *socket;
    uint64_t nonce; /* names the last HELLO; answers to earlier ones are passed over */
    bool unsaid;    /* there was no connection to say it on */
    bool welcome;   /* the last HELLO was answered */
    bool known;     /* some HELLO was answered: total and context.ids are valid */
    uint64_t total;
    uint64_t next; /* position of the next sample */
    bool ended;

    bool open; /* a SAMPLES message is being read */
    struct wire_in in;
    struct feed_reader reader;
    size_t at;    /* sample in the message */
    size_t frame; /* that visual_bytes holds; 0: none */

    struct wire_out out;
    struct value_coder *coder;
    struct buf pair_bytes;
    struct buf visual_bytes;
    struct visual_record visual;
};

/* ---- saying ---- */

/* What cannot be said for want of a connection is made good by the next HELLO or PING. */
static int say(struct feed_client *c)
{
    const int rc = wire_send(c->socket, NULL, &c->out, NULL, 0);
    c->unsaid = rc == E_BUSY;
    return rc == E_BUSY ? 0 : rc;
}

static void begin(struct feed_client *c, const char *verb)
{
    wire_begin(&c->out, verb);
    wire_put_u64(&c->out, "session", c->nonce);
}

static int say_hello(struct feed_client *c)
{
    randombytes_buf(&c->nonce, sizeof c->nonce);
    c->welcome = false;
    begin(c, FEED_HELLO);
    wire_put_u64(&c->out, "version", FEED_PROTOCOL);
    wire_put_str(&c->out, "recipe", view_str(c->context.recipe->name));
    wire_put_str(&c->out, "options", view_str(c->options_text));
    wire_put_u64(&c->out, "seed", c->context.seed);
    wire_put_u64(&c->out, "epoch", c->epoch);
    wire_put_u64(&c->out, "start", c->next);
    wire_put_u64(&c->out, "rank", c->rank);
    wire_put_u64(&c->out, "world", c->world);
    wire_put_u64(&c->out, "credit", c->credit);
    return say(c);
}

static int say_credit(struct feed_client *c)
{
    begin(c, FEED_CREDIT);
    wire_put_u64(&c->out, "n", 1);
    return say(c);
}

static int say_ping(struct feed_client *c)
{
    begin(c, FEED_PING);
    return say(c);
}

/* ---- hearing ---- */

static int on_welcome(struct feed_client *c, const struct wire_map *m)
{
    uint64_t total = 0;
    struct wordpiece_ids ids;
    int rc = wire_get_u64(m, "total", &total);
    rc = rc ? rc : feed_get_wordpiece(m, &ids);
    if (rc) {
        return rc;
    }
    if (c->known && (total != c->total || memcmp(&ids, &c->context.ids, sizeof ids) != 0)) {
        return err_set(E_VERSION,
                       "the feed at %s came back with another corpus: %llu samples instead of %llu",
                       c->address, (unsigned long long)total, (unsigned long long)c->total);
    }
    c->total = total;
    c->context.ids = ids;
    c->known = true;
    c->welcome = true;
    return 0;
}

/* An ERROR ends the run, except that the feed forgot us: then it was restarted. */
static int on_error(struct feed_client *c, const struct wire_map *m)
{
    struct view code;
    struct view text;
    char name[64];
    int rc = wire_get_str(m, "code", &code);
    rc = rc ? rc : wire_get_str(m, "text", &text);
    if (rc) {
        return rc;
    }
    snprintf(name, sizeof name, "%.*s", (int)(code.n < 60 ? code.n : 60), (const char *)code.p);
    const int number = err_from_name(name);
    if (number == E_NOT_FOUND && c->welcome) {
        return say_hello(c);
    }
    return err_set(number ? number : E_PEER, "the feed at %s refused: %.*s", c->address,
                   (int)(text.n < 800 ? text.n : 800), (const char *)text.p);
}

/* Keeps the message in c->in when it is one of samples. */
static int on_samples(struct feed_client *c, const struct wire_in *in, bool *kept)
{
    uint64_t first = 0;
    int rc = wire_get_u64(&in->header, "first", &first);
    if (rc == 0 && first != c->next) {
        rc = err_set(E_PEER, "the feed sent position %llu instead of %llu",
                     (unsigned long long)first, (unsigned long long)c->next);
    }
    if (rc) {
        return rc;
    }
    c->in = *in;
    *kept = true;
    rc = feed_reader_init(&c->reader, &c->in);
    if (rc == 0 && c->reader.samples == 0) {
        rc = err_set(E_PEER, "the feed sent a message without samples");
    }
    c->open = true;
    c->at = 0;
    c->frame = 0;
    return rc;
}

static int hear(struct feed_client *c, const struct wire_in *in, bool *kept)
{
    uint64_t nonce = 0;
    const int rc = wire_get_u64(&in->header, "session", &nonce);
    if (rc || nonce != c->nonce) {
        return rc; /* an answer to an earlier HELLO */
    }
    if (wire_is(in, FEED_WELCOME)) {
        return on_welcome(c, &in->header);
    }
    if (wire_is(in, FEED_SAMPLES)) {
        return on_samples(c, in, kept);
    }
    if (wire_is(in, FEED_END)) {
        c->ended = true;
        return 0;
    }
    if (wire_is(in, FEED_ERROR)) {
        return on_error(c, &in->header);
    }
    return wire_is(in, FEED_PONG) ? 0 : err_set(E_PEER, "the feed said %s", in->verb);
}

static int receive(struct feed_client *c)
{
    struct wire_in in;
    bool kept = false;
    int rc = wire_recv(c->socket, &in);
    rc = rc ? rc : hear(c, &in, &kept);
    if (!kept) {
        wire_in_release(&in);
    }
    return rc == E_TIMEOUT || rc == E_INTERRUPTED ? 0 : rc;
}

static bool cancelled(const struct feed_client *c)
{
    return c->cancel && atomic_load(c->cancel);
}

static int timed_out(const struct feed_client *c)
{
    return err_set(E_TIMEOUT, "the feed at %s sent %s for %.1f s: is it running?", c->address,
                   c->known ? "no samples" : "no answer", (double)c->timeout_ms / 1000);
}

/* Waits until there is news: the first welcome (`for_welcome`), or samples, or the end. */
static int await(struct feed_client *c, bool for_welcome)
{
    const int64_t deadline = clock_now_ms() + c->timeout_ms;
    int64_t asked = clock_now_ms();
    int rc = 0;
    while (rc == 0 && !(for_welcome ? c->known : c->open || c->ended)) {
        const int64_t now = clock_now_ms();
        if (cancelled(c)) {
            return err_set(E_INTERRUPTED, "the feed was closed");
        }
        if (now >= deadline) {
            return timed_out(c);
        }
        const int ready = socket_wait(c->socket, c->unsaid ? RETRY_MS : SLICE_MS);
        if (ready > 0) {
            rc = receive(c);
        } else if (ready < 0) {
            rc = ready;
        } else if (c->unsaid || now - asked >= PING_MS) {
            asked = now;
            rc = c->welcome ? say_ping(c) : say_hello(c);
        }
    }
    return rc;
}

/* ---- samples ---- */

static void close_message(struct feed_client *c)
{
    if (c->open) {
        feed_reader_release(&c->reader);
        wire_in_release(&c->in);
        c->open = false;
    }
}

static int decode_visual(struct feed_client *c, const struct feed_sample *s)
{
    if (s->frame == c->frame) {
        return 0;
    }
    c->frame = 0;
    int rc = value_unpack(c->coder, s->visual, NULL, &c->visual_bytes);
    rc = rc ? rc : codec_decode_visual(buf_view(&c->visual_bytes), &c->visual);
    c->frame = rc ? 0 : s->frame;
    return rc;
}

static int decode_sample(struct feed_client *c, struct sample *out)
{
    struct feed_sample s;
    struct pair_record pair;
    int rc = feed_reader_sample(&c->reader, c->at, c->context.recipe, &s);
    if (rc == 0 && s.plan.position != c->next) {
        rc = err_set(E_PEER, "the feed sent position %llu instead of %llu",
                     (unsigned long long)s.plan.position, (unsigned long long)c->next);
    }
    rc = rc ? rc : value_unpack(c->coder, s.pair, NULL, &c->pair_bytes);
    rc = rc ? rc : codec_decode_pair(buf_view(&c->pair_bytes), &pair);
    if (rc == 0 && pair.tokens.n != s.plan.tokens) {
        rc = err_set(E_PEER, "a plan for %u sub-tokens of a text of %u", s.plan.tokens,
                     pair.tokens.n);
    }
    rc = rc ? rc : decode_visual(c, &s);
    rc = rc ? rc : recipe_materialise(&c->context, &pair, &c->visual, &s.plan, out);
    return rc ? err_set(rc, "position %llu of epoch %u: %s", (unsigned long long)c->next, c->epoch,
                        err_text())
              : 0;
}

int feed_client_next(struct feed_client *c, struct sample *out)
{
    if (!c->open) {
        const int rc = c->next >= c->total ? 0 : await(c, false);
        if (rc || !c->open) {
            return rc ? rc
                   : c->next >= c->total
                       ? 0
                       : err_set(E_PEER, "the feed ended at position %llu of %llu",
                                 (unsigned long long)c->next, (unsigned long long)c->total);
        }
    }
    int rc = decode_sample(c, out);
    if (rc) {
        return rc;
    }
    c->next += c->world;
    if (++c->at == c->reader.samples) {
        close_message(c);
        rc = say_credit(c);
    }
    return rc ? rc : 1;
}

uint64_t feed_client_total(const struct feed_client *c)
{
    return c->total;
}

const struct recipe_context *feed_client_context(const struct feed_client *c)
{
    return &c->context;
}

uint64_t feed_client_position(const struct feed_client *c)
{
    return c->next;
}

/* ---- life ---- */

static int take_options(struct feed_client *c, const struct feed_client_options *o)
{
    if (o->world == 0 || o->world > FEED_WORLD_MAX || o->rank >= o->world) {
        return err_set(E_ARG, "rank %u of a world of %u: ranks are 0 to world - 1", o->rank,
                       o->world);
    }
    if (o->start > UINT64_MAX - o->world) {
        return err_set(E_ARG, "start is %llu: no epoch has so many positions",
                       (unsigned long long)o->start);
    }
    if (o->credit == 0 || o->credit > FEED_CREDIT_MAX) {
        return err_set(E_ARG, "a credit of %u messages; 1 to %d are allowed", o->credit,
                       FEED_CREDIT_MAX);
    }
    if (snprintf(c->address, sizeof c->address, "%s", o->address) >= (int)sizeof c->address) {
        return err_set(E_ARG, "the address %.80s... is too long", o->address);
    }
    int rc = recipe_find(o->recipe, &c->context.recipe);
    rc = rc ? rc : recipe_options_parse(c->context.recipe, o->options, &c->context.options);
    c->options_text = strdup(o->options ? o->options : "");
    if (!c->options_text) {
        rc = err_set(E_NOMEM, "no memory for the recipe's options");
    }
    c->context.seed = o->seed;
    c->epoch = o->epoch;
    c->rank = o->rank;
    c->world = o->world;
    c->next = o->start + (o->rank + o->world - o->start % o->world) % o->world;
    c->credit = o->credit;
    c->timeout_ms = o->timeout_ms;
    c->cancel = o->cancel;
    return rc;
}

static int connect_socket(struct feed_client *c)
{
    c->zmq = zmq_ctx_new();
    if (!c->zmq) {
        return err_set(E_SYSTEM, "no ZeroMQ context: %s", zmq_strerror(zmq_errno()));
    }
    int rc = socket_new(c->zmq, ZMQ_DEALER, &c->socket);
    /* Nothing is queued for a feed that is not there: what is said after its return must be new. */
    if (rc == 0 && zmq_setsockopt(c->socket, ZMQ_IMMEDIATE, &(int){1}, sizeof(int))) {
        rc = err_set(E_SYSTEM, "ZeroMQ refused IMMEDIATE: %s", zmq_strerror(zmq_errno()));
    }
    return rc ? rc : socket_connect(c->socket, c->address);
}

int feed_client_begin(const struct feed_client_options *o, struct feed_client **out)
{
    struct feed_client *c = calloc(1, sizeof *c);
    if (!c) {
        return err_set(E_NOMEM, "no memory for a feed's client");
    }
    buf_init(&c->pair_bytes, CODEC_MAX_RECORD);
    buf_init(&c->visual_bytes, CODEC_MAX_RECORD);
    int rc = take_options(c, o);
    rc = rc ? rc : value_coder_new(&c->coder);
    rc = rc ? rc : connect_socket(c);
    rc = rc ? rc : say_hello(c);
    if (rc) {
        feed_client_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

int feed_client_welcome(struct feed_client *c)
{
    return await(c, true);
}

int feed_client_open(const struct feed_client_options *o, struct feed_client **out)
{
    struct feed_client *c = NULL;
    int rc = feed_client_begin(o, &c);
    rc = rc ? rc : feed_client_welcome(c);
    if (rc) {
        feed_client_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void feed_client_close(struct feed_client *c)
{
    if (!c) {
        return;
    }
    close_message(c);
    if (c->socket) { /* nothing that is still unsent matters */
        zmq_setsockopt(c->socket, ZMQ_LINGER, &(int){0}, sizeof(int));
    }
    socket_free(c->socket);
    if (c->zmq) {
        zmq_ctx_term(c->zmq);
    }
    value_coder_free(c->coder);
    wire_out_release(&c->out);
    buf_release(&c->pair_bytes);
    buf_release(&c->visual_bytes);
    free(c->options_text);
    free(c);
}
