/*
 * A job in a compute process' hands: the JOB message it came as, its fetched bytes, and its slot in
 * the decoder.
 */
#ifndef WORKERS_HELD_JOB_H
#define WORKERS_HELD_JOB_H

#include "broker/queue.h"
#include "common/wire.h"
#include "workers/grind.h"

struct held_job {
    bool held;
    struct id medium;
    uint64_t token;
    bool need_visual;
    char locator[QUEUE_LOCATOR_MAX + 1];
    int failure; /* what fetching it said, 0 when it went well */
    char failure_text[QUEUE_DETAIL_MAX + 1];
    size_t text_count;
    struct grind_text texts[QUEUE_JOB_TEXTS_MAX];
    msgpack_unpacked items[QUEUE_JOB_TEXTS_MAX]; /* own the texts' views */
    struct wire_list list;
    struct wire_in message;
};

/* Takes the message over (`in` is emptied), whatever is returned; release with held_job_drop(). */
int held_job_take(struct held_job *job, struct wire_in *in) MUST_CHECK;
void held_job_drop(struct held_job *job);

#endif
