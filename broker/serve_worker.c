/* The verbs of workers: HELLO, GET, START, BEAT, STAGE, FAIL, RETURN, SHARD, SEALED, FOUND, GONE,
 * BYE. */
#include "broker/broker_internal.h"
#include "broker/seal_bytes.h"
#include "common/fault.h"
#include "common/log.h"

enum { CREDIT_MAX = 64 };

/* ------------------------------------------------------------------ introductions */

static int copy_text(const struct wire_map *m, const char *key, char *out, size_t room)
{
    struct view v;
    const int rc = wire_get_str(m, key, &v);
    if (rc) {
        return rc;
    }
    if (v.n >= room || memchr(v.p, '\0', v.n)) {
        return err_set(E_PEER, "\"%s\" has %zu bytes; at most %zu are allowed, none of them NUL",
                       key, v.n, room - 1);
    }
    memcpy(out, v.p, v.n);
    out[v.n] = '\0';
    return 0;
}

/* Leases that a worker still holds from before a broker's restart, or from a connection that broke.
 */
static int take_over(struct broker *b, const struct session *s, const struct wire_in *in)
{
    struct wire_list list;
    if (in->payload_count == 0) {
        return 0;
    }
    int rc = wire_list_parse(in->payload[0], CREDIT_MAX, &list);
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        const struct wire_map m = wire_list_at(&list, i);
        struct id medium;
        uint64_t token;
        rc = wire_get_id(&m, "medium", &medium);
        rc = rc ? rc : wire_get_u64(&m, "token", &token);
        if (rc == 0) {
            const int stale = queue_beat(b->queue, &medium, token, s->number);
            rc = stale == E_STALE_LEASE ? 0 : stale; /* it is told when it stages */
        }
    }
    wire_list_release(&list);
    return rc;
}

static int check_version(const struct wire_in *in)
{
    uint64_t version;
    const int rc = wire_get_u64(&in->header, "protocol", &version);
    if (rc == 0 && version != PROTOCOL_VERSION) {
        return err_set(E_VERSION,
                       "the peer speaks protocol %llu, this broker speaks %d; update the older one",
                       (unsigned long long)version, PROTOCOL_VERSION);
    }
    return rc;
}

static int serve_hello(struct broker *b, struct session *s, const struct wire_in *in)
{
    struct session fresh = {0};
    struct letter *letter;
    int rc = check_version(in);
    rc = rc ? rc : copy_text(&in->header, "name", fresh.name, sizeof fresh.name);
    rc = rc ? rc : copy_text(&in->header, "store", fresh.store, sizeof fresh.store);
    rc = rc ? rc : wire_get_bool(&in->header, "shard", &fresh.holds_shard);
    if (rc == 0 && !s) {
        rc = session_add(&b->sessions, &in->peer, &s);
    }
    if (rc) {
        return rc;
    }
    s->worker =
        true; /* a HELLO that was repeated on the same connection keeps the session's counts */
    s->seal_asked = false;
    s->holds_shard = fresh.holds_shard;
    memcpy(s->name, fresh.name, sizeof s->name);
    memcpy(s->store, fresh.store, sizeof s->store);
    rc = take_over(b, s, in);
    rc = rc ? rc : broker_answer(b, in, "WELCOME", &letter);
    if (rc == 0) {
        wire_put_u64(&letter->out, "session", s->number);
        const struct id queue = queue_identity(b->queue);
        wire_put_bin(&letter->out, "queue", view_of(queue.b, ID_BYTES));
        wire_put_u64(&letter->out, "beat_ms", (uint64_t)b->options.beat_ms);
        wire_put_u64(&letter->out, "lease_ms", (uint64_t)b->options.queue.lease_ms);
        log_info("worker_hello", "session=%llu name=%s", (unsigned long long)s->number, s->name);
    }
    return rc || !b->stopping ? rc : broker_say_quiet(b, s);
}

static int serve_bye(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)in;
    return broker_drop_session(b, s->number);
}

/* A supervisor saw one of its workers die; anyone local may say so, since it only speeds up what a
 * deadline does. */
static int serve_gone(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    struct view name;
    const int rc = wire_get_str(&in->header, "name", &name);
    const struct session *dead = rc ? NULL : session_of_name(&b->sessions, name);
    return dead ? broker_drop_session(b, dead->number) : rc;
}

/* ------------------------------------------------------------------ jobs */

/* Credit is cumulative, "jobs that I will have taken in all", so that it stays right however GET
 * and JOB cross on the way, and a GET that is sent again asks for no more. */
static int serve_get(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)b;
    uint64_t granted;
    const int rc = wire_get_u64(&in->header, "credit", &granted);
    if (rc) {
        return rc;
    }
    if (granted > s->sent + CREDIT_MAX) {
        return err_set(E_PEER, "a worker may hold %d jobs, not %llu more", CREDIT_MAX,
                       (unsigned long long)(granted - s->sent));
    }
    s->granted = granted;
    return 0;
}

static int job_of(const struct wire_map *m, struct id *medium, uint64_t *token)
{
    const int rc = wire_get_id(m, "medium", medium);
    return rc ? rc : wire_get_u64(m, "token", token);
}

static int serve_start(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    struct id medium;
    uint64_t token;
    int rc = job_of(&in->header, &medium, &token);
    rc = rc ? rc : queue_start(b->queue, &medium, token);
    return rc == E_STALE_LEASE ? 0 : rc; /* it is told when it stages */
}

/* The worker's working thread is alive and these are its leases: they are extended if its counter
 * has moved. */
static int serve_beat(struct broker *b, struct session *s, const struct wire_in *in)
{
    uint64_t progress;
    struct letter *letter;
    int rc = wire_get_u64(&in->header, "progress", &progress);
    if (rc) {
        return rc;
    }
    if (progress != s->progress) {
        s->progress = progress;
        rc = take_over(b, s, in);
    }
    return rc ? rc : broker_answer(b, in, "BEAT", &letter);
}

static int parse_outcome(const struct wire_map *m, struct pair_outcome *o)
{
    struct view reason;
    *o = (struct pair_outcome){.state = PAIR_STAGED};
    int rc = wire_get_id(m, "pair", &o->pair);
    if (rc || !wire_has(m, "reason")) {
        return rc;
    }
    char name[40] = "";
    bool filtered = false;
    rc = wire_get_str(m, "reason", &reason);
    rc = rc ? rc : wire_get_str(m, "detail", &o->detail);
    rc = rc ? rc : wire_get_bool(m, "filtered", &filtered);
    if (rc == 0 && reason.n < sizeof name) {
        memcpy(name, reason.p, reason.n);
    }
    o->reason = err_from_name(name);
    o->state = filtered ? PAIR_FILTERED : PAIR_QUARANTINED;
    return rc == 0 && o->reason == 0 ? err_set(E_PEER, "\"%s\" is no reason", name) : rc;
}

static int answer_token(struct broker *b, const struct wire_in *in, const char *verb,
                        uint64_t token)
{
    struct letter *letter;
    const int rc = broker_answer(b, in, verb, &letter);
    if (rc == 0) {
        wire_put_u64(&letter->out, "token", token);
    }
    return rc;
}

static int serve_stage(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    struct id medium;
    uint64_t token;
    uint64_t shard;
    bool visual;
    struct wire_list list = {0};
    struct pair_outcome outcomes[QUEUE_JOB_TEXTS_MAX];
    int rc = job_of(&in->header, &medium, &token);
    rc = rc ? rc : wire_get_u64(&in->header, "shard", &shard);
    rc = rc ? rc : wire_get_bool(&in->header, "visual", &visual);
    if (rc == 0 && in->payload_count != 1) {
        rc = err_set(E_PEER, "a STAGE carries one payload, its outcomes");
    }
    if (rc) {
        return rc;
    }
    rc = wire_list_parse(in->payload[0], QUEUE_JOB_TEXTS_MAX, &list);
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        const struct wire_map m = wire_list_at(&list, i);
        rc = parse_outcome(&m, &outcomes[i]);
    }
    rc = rc ? rc : queue_stage(b->queue, &medium, token, shard, visual, outcomes, list.n);
    wire_list_release(&list);
    FAULT("broker_staged");
    if (rc == E_STALE_LEASE || rc == E_SHARD_LOST) {
        b->counters.stale++;
    }
    return rc ? rc : answer_token(b, in, "STAGED", token);
}

static int serve_fail(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    struct id medium;
    uint64_t token;
    bool permanent;
    char reason[40];
    struct view detail;
    int rc = job_of(&in->header, &medium, &token);
    rc = rc ? rc : wire_get_bool(&in->header, "permanent", &permanent);
    rc = rc ? rc : copy_text(&in->header, "reason", reason, sizeof reason);
    rc = rc ? rc : wire_get_str(&in->header, "detail", &detail);
    if (rc == 0 && err_from_name(reason) == 0) {
        rc = err_set(E_PEER, "\"%s\" is no reason", reason);
    }
    rc = rc ? rc : queue_fail(b->queue, &medium, token, err_from_name(reason), detail, permanent);
    /* A failure that comes twice, or late, changes nothing and needs nothing. */
    return rc && rc != E_STALE_LEASE ? rc : answer_token(b, in, "STAGED", token);
}

static int serve_return(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    struct id medium;
    uint64_t token;
    int rc = job_of(&in->header, &medium, &token);
    rc = rc ? rc : queue_return(b->queue, &medium, token);
    return rc == E_STALE_LEASE ? 0 : rc;
}

/* ------------------------------------------------------------------ shards */

static int serve_shard(struct broker *b, struct session *s, const struct wire_in *in)
{
    uint64_t number;
    struct letter *letter;
    int rc = queue_open_shard(b->queue, view_str(s->store), &number);
    rc = rc ? rc : broker_answer(b, in, "SHARD", &letter);
    if (rc == 0) {
        s->holds_shard = true;
        s->seal_asked = false;
        wire_put_u64(&letter->out, "shard", number);
    }
    return rc;
}

static int parse_sealed(const struct wire_map *m, struct shard_manifest *out)
{
    uint64_t number = 0;
    *out = (struct shard_manifest){0};
    int rc = wire_get_u64(m, "shard", &number);
    rc = rc ? rc : wire_get_u64(m, "jobs", &out->jobs);
    rc = rc ? rc : wire_get_u64(m, "fingerprint", &out->fingerprint);
    rc = rc ? rc : wire_get_u64(m, "pairs", &out->pairs);
    rc = rc ? rc : wire_get_u64(m, "media", &out->media);
    rc = rc ? rc : wire_get_u64(m, "bytes", &out->bytes);
    rc = rc ? rc : wire_get_i64(m, "created", &out->created);
    rc = rc ? rc : wire_get_id(m, "file_digest", &out->file_digest);
    rc = rc ? rc : wire_get_id(m, "content_digest", &out->content_digest);
    if (rc == 0 && number > UINT32_MAX) {
        rc = err_set(E_PEER, "there is no shard %llu", (unsigned long long)number);
    }
    out->number = (uint32_t)number;
    return rc;
}

static int serve_sealed(struct broker *b, struct session *s, const struct wire_in *in)
{
    struct shard_manifest manifest;
    unsigned char bytes[SEAL_BYTES];
    char file[SHARD_PATH_MAX];
    struct letter *letter;
    bool more = false;
    int rc = parse_sealed(&in->header, &manifest);
    rc = rc ? rc : wire_get_bool(&in->header, "more", &more);
    if (rc) {
        return rc;
    }
    seal_bytes_put(bytes, &manifest);
    broker_shard_file(b, view_str(s->store), manifest.number, file);
    rc = queue_seal(b->queue, manifest.number, manifest.jobs, manifest.fingerprint,
                    view_of(bytes, sizeof bytes));
    FAULT("broker_sealed");
    rc = rc ? rc : catalog_add(&b->catalog, file, &manifest);
    rc = rc ? rc : broker_answer(b, in, "SEALED", &letter);
    if (rc == 0) {
        b->catalog_changed = true;
        s->seal_asked = false;
        s->holds_shard = more;
        wire_put_u64(&letter->out, "shard", manifest.number);
        log_info("shard_sealed", "shard=%u pairs=%llu bytes=%llu", manifest.number,
                 (unsigned long long)manifest.pairs, (unsigned long long)manifest.bytes);
    }
    return rc;
}

/* A worker lists the shard files of its store.  The answer names those that the queue believes open
 * there, so that the worker can take them up.  One that is not in the list is lost; but a shard
 * that was numbered since this broker began may be about to be created by another worker of the
 * store. */
struct sweep {
    struct broker *b;
    const struct session *session;
    const struct wire_list *found;
    bool alone;
    uint64_t lost[64]; /* the rest is found the next time */
    size_t lost_count;
};

static bool is_found(const struct wire_list *found, uint64_t shard)
{
    for (size_t i = 0; i < found->n; i++) {
        const struct wire_map map = wire_list_at(found, i);
        uint64_t number;
        if (wire_get_u64(&map, "shard", &number) == 0 && number == shard) {
            return true;
        }
    }
    return false;
}

static int sweep_shard(const struct shard_row *row, void *arg)
{
    struct sweep *sweep = arg;
    if (row->state != SHARD_OPEN || !view_equal(row->store, view_str(sweep->session->store))) {
        return 0;
    }
    if (is_found(sweep->found, row->number)) {
        struct wire_out *item = wire_list_item(&sweep->b->list);
        wire_put_u64(item, "shard", row->number);
        wire_list_item_end(&sweep->b->list);
        return sweep->b->list.rc;
    }
    const bool old = row->number < sweep->b->first_shard;
    if ((old || sweep->alone) && sweep->lost_count < sizeof sweep->lost / sizeof *sweep->lost) {
        sweep->lost[sweep->lost_count++] = row->number;
    }
    return 0;
}

static bool is_alone(const struct broker *b, const struct session *s)
{
    for (size_t i = 0; i < b->sessions.n; i++) {
        const struct session *o = &b->sessions.s[i];
        if (o->worker && o->number != s->number && strcmp(o->store, s->store) == 0) {
            return false;
        }
    }
    return true;
}

enum { FOUND_MAX = 1 << 20, CHECK_MAX = 1 << 20 };

static int serve_found(struct broker *b, struct session *s, const struct wire_in *in)
{
    struct wire_list list = {0};
    struct letter *letter;
    struct view payload;
    if (in->payload_count != 1) {
        return err_set(E_PEER, "a FOUND carries one payload, its list of shards");
    }
    int rc = wire_list_parse(in->payload[0], FOUND_MAX, &list);
    struct sweep sweep = {.b = b, .session = s, .found = &list, .alone = is_alone(b, s)};
    wire_list_begin(&b->list, WIRE_FRAME_MAX);
    rc = rc ? rc : queue_each_shard(b->queue, sweep_shard, &sweep);
    for (size_t i = 0; rc == 0 && i < sweep.lost_count; i++) {
        log_warn("shard_lost", "shard=%llu store=%s", (unsigned long long)sweep.lost[i], s->store);
        rc = queue_lose_shard(b->queue, sweep.lost[i]);
    }
    wire_list_release(&list);
    rc = rc ? rc : wire_list_end(&b->list, &payload);
    rc = rc ? rc : broker_answer(b, in, "FOUND", &letter);
    return rc ? rc : letter_set_payload(letter, payload);
}

static int check_mark(struct broker *b, const struct wire_map *m, uint64_t shard)
{
    struct id medium;
    uint64_t token;
    bool staged = false;
    int rc = job_of(m, &medium, &token);
    rc = rc ? rc : queue_is_staged(b->queue, &medium, token, shard, &staged);
    if (rc) {
        return rc;
    }
    struct wire_out *item = wire_list_item(&b->list);
    wire_put_bool(item, "keep", staged);
    wire_list_item_end(&b->list);
    return b->list.rc;
}

/* The marks of a shard that was found open, one answer each: keep it, or take its records out. */
static int serve_check(struct broker *b, struct session *s, const struct wire_in *in)
{
    uint64_t shard;
    enum shard_state state;
    struct wire_list list = {0};
    struct letter *letter;
    struct view payload;
    if (in->payload_count != 1) {
        return err_set(E_PEER, "a CHECK carries one payload, its list of marks");
    }
    int rc = wire_get_u64(&in->header, "shard", &shard);
    rc = rc ? rc : queue_shard_state(b->queue, shard, &state);
    if (rc == 0 && state == SHARD_LOST) {
        rc = err_set(E_SHARD_LOST, "shard %llu was given up as lost", (unsigned long long)shard);
    }
    if (rc) {
        return rc;
    }
    wire_list_begin(&b->list, WIRE_FRAME_MAX);
    rc = wire_list_parse(in->payload[0], CHECK_MAX, &list);
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        const struct wire_map m = wire_list_at(&list, i);
        rc = check_mark(b, &m, shard);
    }
    wire_list_release(&list);
    rc = rc ? rc : wire_list_end(&b->list, &payload);
    rc = rc ? rc : broker_answer(b, in, "CHECKED", &letter);
    if (rc == 0) {
        s->holds_shard = true;
        rc = letter_set_payload(letter, payload);
    }
    return rc;
}

/* A worker's own open shard in which nothing remained, or never was: its number is given up. */
static int serve_empty(struct broker *b, struct session *s, const struct wire_in *in)
{
    uint64_t shard;
    bool more;
    int rc = wire_get_u64(&in->header, "shard", &shard);
    rc = rc ? rc : wire_get_bool(&in->header, "more", &more);
    if (rc) {
        return rc;
    }
    s->holds_shard = more;
    s->seal_asked = false;
    return queue_lose_shard(b->queue, shard);
}

const struct verb worker_verbs[] = {
    {"HELLO", serve_hello, false}, {"BYE", serve_bye, true},       {"GONE", serve_gone, false},
    {"GET", serve_get, true},      {"START", serve_start, true},   {"BEAT", serve_beat, true},
    {"STAGE", serve_stage, true},  {"FAIL", serve_fail, true},     {"RETURN", serve_return, true},
    {"SHARD", serve_shard, true},  {"SEALED", serve_sealed, true}, {"FOUND", serve_found, true},
    {"CHECK", serve_check, true},  {"EMPTY", serve_empty, true},   {NULL, NULL, false},
};
