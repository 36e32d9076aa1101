#include "workers/stager.h"

#include <stdlib.h>

#include "broker/client.h"
#include "common/array.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "shards/open_shard.h"

enum { RESEND_MS = 5000 };

enum said { SAID_STAGE, SAID_FAIL, SAID_SEALED };

/* Something said to the broker that it has not answered. */
struct unacked {
    enum said said;
    uint64_t shard;
    /* a stage or a failure */
    struct id medium;
    uint64_t token;
    bool visual;
    struct buf outcomes; /* a stage's payload; a failure's detail */
    int reason;
    bool permanent;
    /* a seal */
    struct shard_manifest manifest;
};

struct stager {
    struct link *link;
    struct stager_options options;
    struct open_shard *shard;
    bool shard_asked;
    bool seal_wanted;
    bool told_to_go;
    int64_t resend_ms;
    struct unacked *unacked;
    size_t unacked_count;
    size_t unacked_room;
    struct wire_out out;
    struct wire_out question; /* repeated until it is answered, whatever is said between */
    struct wire_list_out list;
};

int stager_new(struct link *link, const struct stager_options *options, struct stager **out)
{
    struct stager *s = calloc(1, sizeof *s);
    if (!s) {
        return err_set(E_NOMEM, "no memory for a stager");
    }
    s->link = link;
    s->options = *options;
    *out = s;
    return 0;
}

static void drop_unacked(struct stager *s, size_t i)
{
    buf_release(&s->unacked[i].outcomes);
    s->unacked[i] = s->unacked[--s->unacked_count];
}

void stager_free(struct stager *s)
{
    if (!s) {
        return;
    }
    while (s->unacked_count) {
        drop_unacked(s, 0);
    }
    free(s->unacked);
    open_shard_close(s->shard);
    wire_out_release(&s->out);
    wire_out_release(&s->question);
    wire_list_out_release(&s->list);
    free(s);
}

static int add_unacked(struct stager *s, const struct unacked *u)
{
    struct unacked *p = array_grown(s->unacked, s->unacked_count, &s->unacked_room, sizeof *p);
    if (!p) {
        return err_set(E_NOMEM, "no memory for %zu unacknowledged jobs", s->unacked_count + 1);
    }
    s->unacked = p;
    s->unacked[s->unacked_count++] = *u;
    s->resend_ms = clock_now_ms() + RESEND_MS;
    return 0;
}

bool stager_is_settled(const struct stager *s)
{
    return s->unacked_count == 0;
}

bool stager_is_ready(const struct stager *s)
{
    return s->shard != NULL;
}

bool stager_was_told_to_go(const struct stager *s)
{
    return s->told_to_go;
}

bool stager_wants_seal(const struct stager *s)
{
    return s->seal_wanted && s->shard;
}

void stager_ask_seal(struct stager *s)
{
    s->seal_wanted = true;
}

/* ------------------------------------------------------------------ saying */

static int say_stage(struct stager *s, const struct unacked *u)
{
    wire_begin(&s->out, "STAGE");
    wire_put_bin(&s->out, "medium", view_of(u->medium.b, ID_BYTES));
    wire_put_u64(&s->out, "token", u->token);
    wire_put_u64(&s->out, "shard", u->shard);
    wire_put_bool(&s->out, "visual", u->visual);
    const struct view payload = buf_view(&u->outcomes);
    return link_send(s->link, &s->out, &payload);
}

static int say_failed(struct stager *s, const struct unacked *u)
{
    wire_begin(&s->out, "FAIL");
    wire_put_bin(&s->out, "medium", view_of(u->medium.b, ID_BYTES));
    wire_put_u64(&s->out, "token", u->token);
    wire_put_str(&s->out, "reason", view_str(err_name(u->reason)));
    wire_put_str(&s->out, "detail", buf_view(&u->outcomes));
    wire_put_bool(&s->out, "permanent", u->permanent);
    return link_send(s->link, &s->out, NULL);
}

static int say_sealed(struct stager *s, const struct unacked *u)
{
    const struct shard_manifest *m = &u->manifest;
    wire_begin(&s->out, "SEALED");
    wire_put_u64(&s->out, "shard", m->number);
    wire_put_u64(&s->out, "jobs", m->jobs);
    wire_put_u64(&s->out, "fingerprint", m->fingerprint);
    wire_put_u64(&s->out, "pairs", m->pairs);
    wire_put_u64(&s->out, "media", m->media);
    wire_put_u64(&s->out, "bytes", m->bytes);
    wire_put_i64(&s->out, "created", m->created);
    wire_put_bin(&s->out, "file_digest", view_of(m->file_digest.b, ID_BYTES));
    wire_put_bin(&s->out, "content_digest", view_of(m->content_digest.b, ID_BYTES));
    wire_put_bool(&s->out, "more", s->shard != NULL);
    return link_send(s->link, &s->out, NULL);
}

static int say(struct stager *s, const struct unacked *u)
{
    switch (u->said) {
    case SAID_STAGE: return say_stage(s, u);
    case SAID_FAIL: return say_failed(s, u);
    case SAID_SEALED: return say_sealed(s, u);
    }
    return 0;
}

static int say_again(struct stager *s)
{
    int rc = 0;
    s->resend_ms = clock_now_ms() + RESEND_MS;
    for (size_t i = 0; rc == 0 && i < s->unacked_count; i++) {
        rc = say(s, &s->unacked[i]);
    }
    if (rc == 0 && s->shard_asked) {
        wire_begin(&s->out, "SHARD");
        rc = link_send(s->link, &s->out, NULL);
    }
    return rc;
}

int stager_on_new_session(struct stager *s)
{
    return say_again(s);
}

int stager_on_time(struct stager *s)
{
    const bool waiting = s->unacked_count || s->shard_asked;
    return waiting && s->link->welcome && clock_now_ms() >= s->resend_ms ? say_again(s) : 0;
}

int stager_prepare(struct stager *s)
{
    if (s->shard || s->shard_asked) {
        return 0;
    }
    s->shard_asked = true;
    return say_again(s);
}

/* ------------------------------------------------------------------ putting */

static int put_outcome(struct wire_list_out *list, const struct pair_outcome *o)
{
    struct wire_out *item = wire_list_item(list);
    wire_put_bin(item, "pair", view_of(o->pair.b, ID_BYTES));
    if (o->state != PAIR_STAGED) {
        wire_put_str(item, "reason", view_str(err_name(o->reason)));
        wire_put_str(item, "detail", o->detail);
        wire_put_bool(item, "filtered", o->state == PAIR_FILTERED);
    }
    wire_list_item_end(list);
    return list->rc;
}

static int remember_stage(struct stager *s, const struct job_result *r)
{
    struct unacked u = {
        .shard = open_shard_number(s->shard),
        .medium = r->medium,
        .token = r->token,
        .visual = r->visual != NULL,
    };
    struct view payload;
    wire_list_begin(&s->list, WIRE_FRAME_MAX);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->outcome_count; i++) {
        rc = put_outcome(&s->list, &r->outcomes[i]);
    }
    rc = rc ? rc : wire_list_end(&s->list, &payload);
    buf_init(&u.outcomes, WIRE_FRAME_MAX);
    rc = rc ? rc : buf_append(&u.outcomes, payload.p, payload.n);
    rc = rc ? rc : add_unacked(s, &u);
    if (rc) {
        buf_release(&u.outcomes);
    }
    return rc;
}

int stager_put(struct stager *s, const struct job_result *result)
{
    BUG_ON(!s->shard);
    int rc = 0;
    if (result->pair_count) {
        const struct staged_mark mark = {.medium = result->medium, .token = result->token};
        rc = open_shard_put(s->shard, &mark, result->visual, result->pairs, result->pair_count);
        FAULT("worker_put");
    }
    rc = rc ? rc : remember_stage(s, result);
    rc = rc ? rc : say_stage(s, &s->unacked[s->unacked_count - 1]);
    struct open_shard_usage usage;
    rc = rc ? rc : open_shard_usage(s->shard, &usage);
    if (rc == 0 && usage.bytes >= s->options.seal_bytes) {
        s->seal_wanted = true;
    }
    return rc;
}

int stager_fail(struct stager *s, const struct id *medium, uint64_t token, int reason,
                struct view detail, bool permanent)
{
    struct unacked u = {
        .said = SAID_FAIL,
        .medium = *medium,
        .token = token,
        .reason = reason,
        .permanent = permanent,
    };
    buf_init(&u.outcomes, QUEUE_DETAIL_MAX);
    int rc = buf_append(&u.outcomes, detail.p, detail.n);
    rc = rc ? rc : add_unacked(s, &u);
    if (rc) {
        buf_release(&u.outcomes);
        return rc;
    }
    return say(s, &s->unacked[s->unacked_count - 1]);
}

/* ------------------------------------------------------------------ answers */

/* Of a stage or a failure. */
static struct unacked *find_job(struct stager *s, uint64_t token)
{
    for (size_t i = 0; i < s->unacked_count; i++) {
        if (s->unacked[i].said != SAID_SEALED && s->unacked[i].token == token) {
            return &s->unacked[i];
        }
    }
    return NULL;
}

/* It was answered for good. */
static void forget_job(struct stager *s, uint64_t token)
{
    struct unacked *u = find_job(s, token);
    if (u) {
        drop_unacked(s, (size_t)(u - s->unacked));
    }
}

static int take_out(struct stager *s, const struct unacked *u)
{
    if (!s->shard || open_shard_number(s->shard) != u->shard) {
        return 0;
    }
    const int rc = open_shard_remove(s->shard, &u->medium, u->token);
    return rc == E_NOT_FOUND ? 0 : rc; /* none of its pairs was staged */
}

/* The shard was given up: its file is worth nothing, and what waits for an answer about it is void.
 */
static int abandon(struct stager *s)
{
    const uint32_t number = open_shard_number(s->shard);
    log_warn("shard_abandoned", "shard=%u", number);
    open_shard_close(s->shard);
    s->shard = NULL;
    for (size_t i = s->unacked_count; i-- > 0;) {
        if (s->unacked[i].said == SAID_STAGE && s->unacked[i].shard == number) {
            drop_unacked(s, i);
        }
    }
    return shard_dir_remove(s->options.store, number);
}

static int on_stage_refused(struct stager *s, struct unacked *u, struct view code)
{
    int rc = 0;
    if (view_equal(code, view_str("E_SHARD_LOST"))) {
        return s->shard && open_shard_number(s->shard) == u->shard ? abandon(s) : 0;
    }
    rc = take_out(s, u);
    drop_unacked(s, (size_t)(u - s->unacked));
    return rc;
}

/* A sealed shard that is not wanted.  One that was given up as lost while it was away goes: its
 * jobs were done again.  Any other stays where it is: whoever sealed it may know better. */
static int on_seal_refused(struct stager *s, struct view code, struct view text)
{
    const bool lost = view_equal(code, view_str("E_SHARD_LOST"));
    log_warn_rare("seal_refused", "code=%.*s text=\"%.*s\"", (int)code.n, (const char *)code.p,
                  (int)text.n, (const char *)text.p);
    int rc = 0;
    for (size_t i = s->unacked_count; rc == 0 && i-- > 0;) {
        if (s->unacked[i].said == SAID_SEALED) {
            rc = lost ? shard_dir_remove(s->options.store, (uint32_t)s->unacked[i].shard) : 0;
            drop_unacked(s, i);
        }
    }
    return rc;
}

static int on_error(struct stager *s, const struct wire_in *in, bool *taken)
{
    struct view code;
    struct view text;
    struct view about;
    uint64_t token = 0;
    int rc = wire_get_str(&in->header, "code", &code);
    rc = rc ? rc : wire_get_str(&in->header, "text", &text);
    rc = rc ? rc : wire_get_str(&in->header, "about", &about);
    if (rc) {
        return rc;
    }
    *taken = true;
    if (view_equal(about, view_str("FAIL")) && wire_get_u64(&in->header, "token", &token) == 0) {
        forget_job(s, token);
    }
    if (view_equal(about, view_str("SEALED"))) {
        return on_seal_refused(s, code, text);
    }
    if (view_equal(about, view_str("STAGE")) && wire_get_u64(&in->header, "token", &token) == 0) {
        struct unacked *u = find_job(s, token);
        log_info("stage_refused", "token=%llu code=%.*s", (unsigned long long)token, (int)code.n,
                 (const char *)code.p);
        return u ? on_stage_refused(s, u, code) : 0;
    }
    log_warn_rare("broker_error", "about=%.*s code=%.*s text=\"%.*s\"", (int)about.n,
                  (const char *)about.p, (int)code.n, (const char *)code.p, (int)text.n,
                  (const char *)text.p);
    return 0;
}

static int on_staged(struct stager *s, const struct wire_in *in)
{
    uint64_t token;
    const int rc = wire_get_u64(&in->header, "token", &token);
    if (rc == 0) {
        forget_job(s, token);
    }
    return rc;
}

static int on_sealed(struct stager *s, const struct wire_in *in)
{
    uint64_t shard;
    const int rc = wire_get_u64(&in->header, "shard", &shard);
    for (size_t i = s->unacked_count; rc == 0 && i-- > 0;) {
        if (s->unacked[i].said == SAID_SEALED && s->unacked[i].shard == shard) {
            drop_unacked(s, i);
        }
    }
    return rc;
}

static int on_shard(struct stager *s, const struct wire_in *in)
{
    uint64_t number;
    int rc = wire_get_u64(&in->header, "shard", &number);
    if (rc || !s->shard_asked) {
        return rc; /* the second answer to a question that was repeated: an empty shard, swept up
                      later */
    }
    rc = open_shard_create(s->options.store, (uint32_t)number, s->options.about, &s->shard);
    if (rc == 0) {
        s->shard_asked = false;
        s->link->holds_shard = true;
    }
    return rc;
}

int stager_on_message(struct stager *s, const struct wire_in *in, bool *taken)
{
    *taken = true;
    if (wire_is(in, "STAGED")) {
        return on_staged(s, in);
    }
    if (wire_is(in, "SEALED")) {
        return on_sealed(s, in);
    }
    if (wire_is(in, "SHARD")) {
        return on_shard(s, in);
    }
    if (wire_is(in, "SEAL")) {
        s->seal_wanted = true;
        return 0;
    }
    if (wire_is(in, "QUIET")) {
        s->told_to_go = true;
        return 0;
    }
    *taken = false;
    return wire_is(in, "ERROR") ? on_error(s, in, taken) : 0;
}

/* ------------------------------------------------------------------ sealing */

static int announce_seal(struct stager *s, const struct shard_manifest *manifest)
{
    const struct unacked u = {
        .said = SAID_SEALED, .shard = manifest->number, .manifest = *manifest};
    const int rc = add_unacked(s, &u);
    return rc ? rc : say_sealed(s, &s->unacked[s->unacked_count - 1]);
}

/* An open shard in which nothing remained. */
static int remove_empty(struct stager *s, uint32_t number)
{
    wire_begin(&s->out, "EMPTY");
    wire_put_u64(&s->out, "shard", number);
    wire_put_bool(&s->out, "more", s->shard != NULL);
    const int rc = shard_dir_remove(s->options.store, number);
    return rc ? rc : link_send(s->link, &s->out, NULL);
}

static int seal_shard(struct stager *s, struct open_shard *shard)
{
    const uint32_t number = open_shard_number(shard);
    struct open_shard_usage usage;
    struct shard_manifest manifest;
    int rc = open_shard_usage(shard, &usage);
    const bool empty = rc == 0 && usage.marks == 0;
    if (rc == 0 && !empty) {
        const double start = clock_now_s();
        rc = open_shard_seal(shard, &manifest);
        log_info("sealed", "shard=%u seconds=%.2f", number, clock_now_s() - start);
    }
    FAULT("worker_sealed");
    open_shard_close(shard);
    if (rc) {
        return rc;
    }
    return empty ? remove_empty(s, number) : announce_seal(s, &manifest);
}

int stager_seal(struct stager *s)
{
    BUG_ON(!stager_is_settled(s));
    struct open_shard *shard = s->shard;
    s->shard = NULL;
    s->seal_wanted = false;
    s->link->holds_shard = false;
    return shard ? seal_shard(s, shard) : 0;
}

/* ------------------------------------------------------------------ taking up */

/* Sends the question and waits for the answer `verb`; again in every new session and after a
 * silence. */
static int ask(struct stager *s, const struct view *payload, const char *verb,
               const volatile bool *stop, struct wire_in *in)
{
    int64_t again_ms = 0;
    log_debug("asking", "for=%s", verb);
    for (;;) {
        enum link_event event;
        if (*stop) {
            return err_set(E_INTERRUPTED, "stopped");
        }
        int rc = 0;
        if (s->link->welcome && clock_now_ms() >= again_ms) {
            again_ms = clock_now_ms() + RESEND_MS;
            rc = link_send(s->link, &s->question, payload);
        }
        rc = rc ? rc : link_recv(s->link, 200, in, &event);
        if (rc) {
            return rc;
        }
        if (event == LINK_NEW) {
            again_ms = 0;
            rc = s->options.new_session(s->options.arg);
        } else if (event == LINK_MESSAGE) {
            bool taken = true;
            if (wire_is(in, verb)) {
                log_debug("answered", "by=%s", verb);
                return 0;
            }
            if (wire_is(in, "ERROR")) {
                return client_error(in);
            }
            rc = stager_on_message(s, in, &taken);
            rc = rc || taken ? rc : s->options.other(s->options.arg, in);
        }
        wire_in_release(in);
        if (rc) {
            return rc;
        }
    }
}

static int list_marks(struct stager *s, const struct staged_mark *marks, size_t n,
                      struct view *payload)
{
    wire_list_begin(&s->list, WIRE_FRAME_MAX);
    for (size_t i = 0; i < n; i++) {
        struct wire_out *item = wire_list_item(&s->list);
        wire_put_bin(item, "medium", view_of(marks[i].medium.b, ID_BYTES));
        wire_put_u64(item, "token", marks[i].token);
        wire_list_item_end(&s->list);
    }
    return wire_list_end(&s->list, payload);
}

/* Asks about every job in the shard and takes out those that do not count. */
static int reconcile(struct stager *s, struct open_shard *shard, const volatile bool *stop)
{
    struct staged_mark *marks = NULL;
    size_t n = 0;
    struct view payload;
    struct wire_in in = {0};
    struct wire_list keep = {0};
    int rc = open_shard_marks(shard, &marks, &n);
    rc = rc ? rc : list_marks(s, marks, n, &payload);
    if (rc == 0) {
        wire_begin(&s->question, "CHECK");
        wire_put_u64(&s->question, "shard", open_shard_number(shard));
        rc = ask(s, &payload, "CHECKED", stop, &in);
    }
    if (rc == 0 && in.payload_count == 1) {
        rc = wire_list_parse(in.payload[0], n, &keep);
        for (size_t i = 0; rc == 0 && i < keep.n; i++) {
            const struct wire_map m = wire_list_at(&keep, i);
            bool yes = false;
            rc = wire_get_bool(&m, "keep", &yes);
            if (rc == 0 && !yes) {
                rc = open_shard_remove(shard, &marks[i].medium, marks[i].token);
            }
        }
        wire_list_release(&keep);
    }
    wire_in_release(&in);
    free(marks);
    return rc;
}

/* An open shard becomes ours: the first is written on, the others are sealed as they are. */
static int take_open(struct stager *s, struct open_shard *shard, const volatile bool *stop)
{
    const uint32_t number = open_shard_number(shard);
    int rc = reconcile(s, shard, stop);
    if (rc == E_SHARD_LOST) {
        open_shard_close(shard);
        return shard_dir_remove(s->options.store, number);
    }
    if (rc) {
        open_shard_close(shard);
        return rc;
    }
    log_info("shard_taken_up", "shard=%u", number);
    if (!s->shard) {
        s->shard = shard;
        s->link->holds_shard = true;
        return 0;
    }
    return seal_shard(s, shard);
}

static int take_one(struct stager *s, uint32_t number, const volatile bool *stop)
{
    struct open_shard *shard = NULL;
    struct shard_manifest manifest;
    int rc = open_shard_adopt(s->options.store, number, &shard);
    if (rc == E_BUSY) {
        return 0; /* a living worker's */
    }
    if (rc == E_EXISTS) {
        rc = manifest_load(s->options.store, number, &manifest);
        return rc ? rc : announce_seal(s, &manifest);
    }
    return rc ? rc : take_open(s, shard, stop);
}

/* The broker's answer names the shards that it believes open in this store. */
static int take_found(struct stager *s, const struct wire_in *in, const volatile bool *stop)
{
    struct wire_list list = {0};
    if (in->payload_count != 1) {
        return err_set(E_PEER, "the broker answered FOUND without a list");
    }
    int rc = wire_list_parse(in->payload[0], (size_t)1 << 20, &list);
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        const struct wire_map m = wire_list_at(&list, i);
        uint64_t number;
        rc = wire_get_u64(&m, "shard", &number);
        rc = rc ? rc : take_one(s, (uint32_t)number, stop);
        rc = rc == E_NO_FILE ? 0 : rc; /* gone since it was listed: the next sweep sees it */
    }
    wire_list_release(&list);
    return rc;
}

int stager_take_up(struct stager *s, const volatile bool *stop)
{
    struct shard_file *files = NULL;
    size_t n = 0;
    struct view payload;
    struct wire_in in = {0};
    int rc = shard_dir_list(s->options.store, &files, &n);
    if (rc == 0) {
        wire_list_begin(&s->list, WIRE_FRAME_MAX);
        for (size_t i = 0; i < n; i++) {
            struct wire_out *item = wire_list_item(&s->list);
            wire_put_u64(item, "shard", files[i].number);
            wire_list_item_end(&s->list);
        }
        rc = wire_list_end(&s->list, &payload);
    }
    if (rc == 0) {
        wire_begin(&s->question, "FOUND");
        rc = ask(s, &payload, "FOUND", stop, &in);
    }
    rc = rc ? rc : take_found(s, &in, stop);
    wire_in_release(&in);
    free(files);
    return rc;
}
