/* The verbs of ingest clients and operators: PUT, STATUS, FLUSH, STOP, LIST, RETRY. */
#include <sys/statvfs.h>

#include "broker/broker_internal.h"
#include "common/fault.h"

enum { PUT_ITEMS_MAX = 1024, LIST_MAX = 1000, LIST_BYTES = 16 << 20 };

/* ------------------------------------------------------------------ PUT */

static int parse_item(const struct wire_map *m, struct queue_item *item)
{
    *item = (struct queue_item){0};
    int rc = wire_get_bin(m, "source", &item->source);
    rc = rc ? rc : wire_get_bin(m, "key", &item->key);
    rc = rc ? rc : wire_get_id(m, "medium", &item->medium);
    rc = rc ? rc : wire_get_bin(m, "locator", &item->locator);
    rc = rc ? rc : wire_get_bin(m, "text", &item->text);
    rc = rc ? rc : wire_get_bin(m, "item", &item->blob);
    if (rc == 0 && wire_has(m, "problem")) {
        struct view name;
        char reason[40] = "";
        rc = wire_get_str(m, "problem", &name);
        rc = rc ? rc : wire_get_bin(m, "detail", &item->detail);
        if (rc == 0 && name.n < sizeof reason) {
            memcpy(reason, name.p, name.n);
        }
        item->problem = err_from_name(reason);
        return rc == 0 && item->problem == 0 ? err_set(E_PEER, "\"%s\" is no reason", reason) : rc;
    }
    /* The pair this item had if its medium could not be read the last time. */
    const struct id unread = id_of_locator(item->locator);
    item->earlier = id_of_pair(&unread, item->text);
    item->retried = true;
    return rc;
}

static bool disk_is_full(const struct broker *b)
{
    struct statvfs v;
    return statvfs(b->corpus, &v) == 0 &&
           (uint64_t)v.f_bavail * v.f_frsize < b->options.min_free_bytes;
}

static int answer_busy(struct broker *b, const struct wire_in *in, uint64_t id)
{
    struct letter *letter;
    const int rc = broker_answer(b, in, "BUSY", &letter);
    if (rc == 0) {
        wire_put_u64(&letter->out, "id", id);
        wire_put_u64(&letter->out, "retry_ms", 1000);
        wire_put_str(&letter->out, "text", view_str("the broker's disk is almost full"));
    }
    return rc;
}

static int serve_put(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    uint64_t id;
    struct wire_list list = {0};
    struct letter *letter;
    uint64_t results[INGEST_RESULTS] = {0};
    int rc = wire_get_u64(&in->header, "id", &id);
    if (rc == 0 && in->payload_count != 1) {
        rc = err_set(E_PEER, "a PUT carries one payload, its items");
    }
    if (rc) {
        return rc;
    }
    if (disk_is_full(b)) {
        return answer_busy(b, in, id);
    }
    rc = wire_list_parse(in->payload[0], PUT_ITEMS_MAX, &list);
    /* All are checked before the first is applied, so that a refused PUT has done nothing. */
    struct queue_item item;
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        const struct wire_map m = wire_list_at(&list, i);
        rc = parse_item(&m, &item);
        rc = rc ? rc : queue_check_item(&item);
    }
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        const struct wire_map m = wire_list_at(&list, i);
        enum ingest_result result = INGEST_NEW;
        rc = parse_item(&m, &item);
        rc = rc ? rc : queue_ingest(b->queue, &item, &result);
        results[result]++;
    }
    wire_list_release(&list);
    FAULT("broker_put");
    rc = rc ? rc : broker_answer(b, in, "ACCEPTED", &letter);
    if (rc == 0) {
        wire_put_u64(&letter->out, "id", id);
        wire_put_u64(&letter->out, "new", results[INGEST_NEW]);
        wire_put_u64(&letter->out, "known", results[INGEST_KNOWN]);
        wire_put_u64(&letter->out, "duplicate", results[INGEST_DUPLICATE]);
        wire_put_u64(&letter->out, "quarantined", results[INGEST_QUARANTINED]);
    }
    return rc;
}

/* ------------------------------------------------------------------ operators */

static int serve_status(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    struct letter *letter;
    const int rc = broker_answer(b, in, "STATUS", &letter);
    if (rc) {
        return rc;
    }
    const struct queue_counts c = queue_counts(b->queue);
    struct wire_out *out = &letter->out;
    wire_put_u64(out, "ingested", c.ingested);
    for (int state = 0; state < PAIR_STATES; state++) {
        wire_put_u64(out, pair_state_name((enum pair_state)state), c.pairs[state]);
    }
    uint64_t workers = 0;
    for (size_t i = 0; i < b->sessions.n; i++) {
        workers += b->sessions.s[i].worker;
    }
    wire_put_bool(out, "identity", queue_identity_holds(&c));
    wire_put_u64(out, "media", c.media);
    wire_put_u64(out, "ready_jobs", c.ready_jobs);
    wire_put_u64(out, "shards_open", c.shards_open);
    wire_put_u64(out, "shards_sealed", c.shards_sealed);
    wire_put_u64(out, "workers", workers);
    wire_put_u64(out, "messages", b->counters.messages);
    wire_put_u64(out, "refused", b->counters.refused);
    wire_put_u64(out, "malformed", b->counters.malformed);
    wire_put_u64(out, "undeliverable", b->counters.undeliverable);
    wire_put_u64(out, "stale", b->counters.stale);
    return 0;
}

static int answer_ok(struct broker *b, const struct wire_in *in)
{
    struct letter *letter;
    return broker_answer(b, in, "OK", &letter);
}

static int serve_flush(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    b->flushing = true;
    return answer_ok(b, in);
}

/* No more jobs; workers finish what they hold, seal, and go; then the broker goes. */
static int serve_stop(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    b->stopping = true;
    for (size_t i = 0; i < b->sessions.n; i++) {
        struct session *worker = &b->sessions.s[i];
        worker->granted = 0;
        const int rc = worker->worker ? broker_say_quiet(b, worker) : 0;
        if (rc) {
            return rc;
        }
    }
    return answer_ok(b, in);
}

/* E_BUSY: the page is full. */
static int put_report(const struct pair_report *pair, void *arg)
{
    struct broker *b = arg;
    if (b->list.n >= LIST_MAX || b->list.bytes.n >= LIST_BYTES) {
        return E_BUSY;
    }
    struct wire_out *item = wire_list_item(&b->list);
    wire_put_bin(item, "pair", view_of(pair->pair.b, ID_BYTES));
    wire_put_bin(item, "medium", view_of(pair->medium.b, ID_BYTES));
    wire_put_str(item, "reason", view_str(err_name(pair->reason)));
    wire_put_str(item, "detail", pair->detail);
    wire_put_bin(item, "item", pair->blob);
    wire_list_item_end(&b->list);
    return b->list.rc;
}

static int serve_list(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    struct letter *letter;
    struct view payload;
    struct id after;
    const bool goes_on = wire_has(&in->header, "after");
    int rc = goes_on ? wire_get_id(&in->header, "after", &after) : 0;
    if (rc) {
        return rc;
    }
    wire_list_begin(&b->list, WIRE_FRAME_MAX);
    rc = queue_each_pair(b->queue, PAIR_QUARANTINED, goes_on ? &after : NULL, put_report, b);
    const bool more = rc == E_BUSY;
    rc = more ? 0 : rc;
    rc = rc ? rc : wire_list_end(&b->list, &payload);
    rc = rc ? rc : broker_answer(b, in, "LIST", &letter);
    if (rc == 0) {
        wire_put_u64(&letter->out, "total", queue_counts(b->queue).pairs[PAIR_QUARANTINED]);
        wire_put_bool(&letter->out, "more", more);
        rc = letter_set_payload(letter, payload);
    }
    return rc;
}

static int serve_retry(struct broker *b, struct session *s, const struct wire_in *in)
{
    (void)s;
    uint64_t n = 0;
    struct view name;
    char reason[40] = "";
    struct letter *letter;
    int rc = wire_get_str(&in->header, "reason", &name);
    if (rc == 0 && name.n < sizeof reason) {
        memcpy(reason, name.p, name.n);
    }
    if (rc == 0 && *reason && err_from_name(reason) == 0) {
        rc = err_set(E_ARG, "\"%s\" is no reason; `pairmill quarantine` lists those there are",
                     reason);
    }
    rc = rc ? rc : queue_retry(b->queue, err_from_name(reason), &n);
    rc = rc ? rc : broker_answer(b, in, "OK", &letter);
    if (rc == 0) {
        wire_put_u64(&letter->out, "retried", n);
    }
    return rc;
}

const struct verb client_verbs[] = {
    {"PUT", serve_put, false},   {"STATUS", serve_status, false}, {"FLUSH", serve_flush, false},
    {"STOP", serve_stop, false}, {"LIST", serve_list, false},     {"RETRY", serve_retry, false},
    {NULL, NULL, false},
};
