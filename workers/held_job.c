#include "workers/held_job.h"

static int parse_text(const struct wire_map *m, struct grind_text *text, msgpack_unpacked *unpacked)
{
    struct view item;
    int rc = wire_get_id(m, "pair", &text->pair);
    rc = rc ? rc : wire_get_bin(m, "item", &item);
    return rc ? rc : pair_item_unpack(item, unpacked, &text->item);
}

static int parse_header(struct held_job *job, const struct wire_map *m)
{
    struct view locator;
    int rc = wire_get_id(m, "medium", &job->medium);
    rc = rc ? rc : wire_get_u64(m, "token", &job->token);
    rc = rc ? rc : wire_get_bool(m, "visual", &job->need_visual);
    rc = rc ? rc : wire_get_str(m, "locator", &locator);
    if (rc == 0 && locator.n > QUEUE_LOCATOR_MAX) {
        rc = err_set(E_PEER, "a job's locator has %zu bytes; at most %d are allowed", locator.n,
                     QUEUE_LOCATOR_MAX);
    }
    if (rc == 0) {
        memcpy(job->locator, locator.p, locator.n);
        job->locator[locator.n] = '\0';
    }
    return rc;
}

int held_job_take(struct held_job *job, struct wire_in *in)
{
    memset(job, 0, sizeof *job);
    job->held = true;
    job->message = *in;
    job->message.header.map = &job->message.unpacked.data.via.map;
    memset(in, 0, sizeof *in);
    int rc = parse_header(job, &job->message.header);
    if (rc == 0 && job->message.payload_count != 1) {
        rc = err_set(E_PEER, "a JOB carries one payload, its texts");
    }
    rc = rc ? rc : wire_list_parse(job->message.payload[0], QUEUE_JOB_TEXTS_MAX, &job->list);
    for (size_t i = 0; rc == 0 && i < job->list.n; i++) {
        const struct wire_map m = wire_list_at(&job->list, i);
        job->text_count++; /* before parsing: an unpacked that failed wants releasing too */
        rc = parse_text(&m, &job->texts[i], &job->items[i]);
    }
    return rc;
}

void held_job_drop(struct held_job *job)
{
    for (size_t i = 0; i < job->text_count; i++) {
        msgpack_unpacked_destroy(&job->items[i]);
    }
    wire_list_release(&job->list);
    wire_in_release(&job->message);
    job->held = false;
    job->text_count = 0;
}
