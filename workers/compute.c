#include "workers/compute.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "workers/held_job.h"
#include "workers/link.h"
#include "workers/medium_file.h"
#include "workers/stager.h"
#include "workers/store.h"

enum { IDLE_WAIT_MS = 500, TAKE_UP_EVERY_MS = 3000 };

static volatile bool stop_asked;

static void on_stop(int signal)
{
    (void)signal;
    stop_asked = true;
}

struct compute {
    const struct worker_options *options;
    struct link link;
    struct stager *stager;
    struct decoder *decoder;
    struct grinder *grinder;
    struct held_job jobs[DECODER_SLOTS]; /* a job's index is its slot in the decoder */
    uint64_t order[DECODER_SLOTS];       /* when each came: the older is ground first */
    uint64_t arrivals;
    uint64_t received;  /* jobs, in this session */
    bool started;       /* a dead worker's shards were looked for: jobs may come */
    int64_t take_up_ms; /* when to look for a dead worker's shards again */
    struct buf bytes;   /* of a fetched medium */
    struct wire_out out;
};

/* ------------------------------------------------------------------ saying */

static int say_about_job(struct compute *c, const char *verb, const struct held_job *job)
{
    wire_begin(&c->out, verb);
    wire_put_bin(&c->out, "medium", view_of(job->medium.b, ID_BYTES));
    wire_put_u64(&c->out, "token", job->token);
    return link_send(&c->link, &c->out, NULL);
}

/* How many jobs this process will have taken in all, in this session; said anew whenever it
 * changes. */
static int say_credit(struct compute *c)
{
    uint64_t free_slots = 0;
    for (size_t i = 0; i < DECODER_SLOTS; i++) {
        free_slots += !c->jobs[i].held;
    }
    const bool going = stop_asked || stager_was_told_to_go(c->stager);
    wire_begin(&c->out, "GET");
    wire_put_u64(&c->out, "credit", going ? 0 : c->received + free_slots);
    return link_send(&c->link, &c->out, NULL);
}

static void let_go(struct compute *c, struct held_job *job)
{
    link_let_go(&c->link, job->token);
    held_job_drop(job);
}

/* Failures of the medium are for ever; failures of this machine may pass.  A file that was there at
 * ingest and is not there now may be on a share that this machine does not see. */
static bool is_permanent(int rc)
{
    switch (rc) {
    case E_NO_FILE:
    case E_SYSTEM:
    case E_NOMEM:
    case E_BUSY:
    case E_DECODER_DIED:
    case E_STORAGE: return false;
    default: return true;
    }
}

static int say_failed(struct compute *c, struct held_job *job, int failure, const char *text)
{
    char detail[QUEUE_DETAIL_MAX + 1];
    snprintf(detail, sizeof detail, "%.*s: %s", 300, job->locator, text);
    log_debug("job_failed", "token=%llu reason=%s", (unsigned long long)job->token,
              err_name(failure));
    const int rc = stager_fail(c->stager, &job->medium, job->token, failure, view_str(detail),
                               is_permanent(failure));
    let_go(c, job);
    return rc;
}

/* ------------------------------------------------------------------ a job comes */

static int fetch(struct compute *c, struct held_job *job, int slot)
{
    int rc = medium_fetch(job->locator, &c->bytes);
    if (rc) {
        return rc;
    }
    const struct id found = id_of_medium(buf_view(&c->bytes));
    if (!id_equal(&found, &job->medium)) {
        return err_set(E_MEDIUM_CHANGED,
                       "the file is not the one that was ingested; ingest it again");
    }
    return decoder_start(c->decoder, slot, buf_view(&c->bytes));
}

static void remember_failure(struct held_job *job, int rc)
{
    job->failure = rc;
    snprintf(job->failure_text, sizeof job->failure_text, "%s", err_text());
}

static int on_job(struct compute *c, struct wire_in *in)
{
    int slot = 0;
    while (slot < DECODER_SLOTS && c->jobs[slot].held) {
        slot++;
    }
    c->received++;
    if (slot == DECODER_SLOTS) {
        return err_set(E_PEER,
                       "the broker sent a job that was not asked for; its lease will run out");
    }
    struct held_job *job = &c->jobs[slot];
    int rc = held_job_take(job, in);
    if (rc) {
        held_job_drop(job);
        return rc;
    }
    link_hold(&c->link, &job->medium, job->token);
    c->order[slot] = ++c->arrivals;
    if (job->need_visual) {
        rc = fetch(c, job, slot);
        if (rc) {
            remember_failure(job, rc);
        }
    }
    return stager_prepare(c->stager);
}

/* ------------------------------------------------------------------ grinding */

static void on_step(void *arg)
{
    link_progress(&((struct compute *)arg)->link);
}

/* A disk that is full gets empty again; until then the result is kept and the lease held. */
static int put_patiently(struct compute *c, const struct job_result *result)
{
    for (;;) {
        const int rc = stager_put(c->stager, result);
        if (rc != E_STORAGE || stop_asked) {
            return rc;
        }
        log_warn_rare("disk_trouble", "why=\"%s\"", err_text());
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        link_progress(&c->link);
    }
}

static int grind(struct compute *c, struct held_job *job, int slot)
{
    struct image image;
    struct grinding g;
    int rc = say_about_job(c, "START", job);
    if (rc) {
        return rc;
    }
    FAULT("worker_started");
    if (job->failure) {
        return say_failed(c, job, job->failure, job->failure_text);
    }
    rc = job->need_visual ? decoder_finish(c->decoder, slot, &image) : 0;
    rc = rc ? rc
            : grinder_run(c->grinder, &job->medium, job->locator, job->need_visual ? &image : NULL,
                          job->texts, job->text_count, on_step, c, &g);
    if (rc) {
        return say_failed(c, job, rc, err_text());
    }
    const struct job_result result = {
        .medium = job->medium,
        .token = job->token,
        .visual = g.pair_count ? g.visual : NULL,
        .pairs = g.pairs,
        .pair_count = g.pair_count,
        .outcomes = g.outcomes,
        .outcome_count = g.outcome_count,
    };
    rc = put_patiently(c, &result);
    let_go(c, job);
    return rc;
}

/* The job that came first, if any is held. */
static int oldest_job(const struct compute *c)
{
    int oldest = -1;
    for (int i = 0; i < DECODER_SLOTS; i++) {
        if (c->jobs[i].held && (oldest < 0 || c->order[i] < c->order[oldest])) {
            oldest = i;
        }
    }
    return oldest;
}

/* ------------------------------------------------------------------ the loop */

/* The broker knows nothing of this worker but the leases: all else is said again. */
static int on_new_session(void *arg)
{
    struct compute *c = arg;
    c->received = 0;
    int rc = store_claim(c->options->store, &c->link.queue);
    rc = rc ? rc : stager_on_new_session(c->stager);
    return rc || !c->started ? rc : say_credit(c);
}

static int on_event(struct compute *c, enum link_event event, struct wire_in *in)
{
    bool taken = false;
    if (event == LINK_NEW) {
        return on_new_session(c);
    }
    if (event == LINK_NOTHING) {
        return 0;
    }
    if (wire_is(in, "JOB")) {
        return on_job(c, in);
    }
    return stager_on_message(c->stager, in, &taken);
}

/* Everything that has arrived; waits only when there is nothing to do. */
static int take_messages(struct compute *c, int64_t wait_ms)
{
    for (;;) {
        struct wire_in in;
        enum link_event event;
        int rc = link_recv(&c->link, wait_ms, &in, &event);
        rc = rc ? rc : on_event(c, event, &in);
        if (rc == E_PEER) {
            log_warn_rare("bad_message", "why=\"%s\"", err_text());
            rc = 0;
        }
        wire_in_release(&in);
        if (rc || event == LINK_NOTHING) {
            return rc;
        }
        wait_ms = 0;
    }
}

/* While there is nothing else to do: a worker that died since may have left a shard, and its jobs
 * wait for a seal. */
static int take_up_now_and_then(struct compute *c)
{
    if (oldest_job(c) >= 0 || !stager_is_settled(c->stager) || clock_now_ms() < c->take_up_ms) {
        return 0;
    }
    const int rc = stager_take_up(c->stager, &stop_asked);
    c->take_up_ms = clock_now_ms() + TAKE_UP_EVERY_MS;
    return rc == E_INTERRUPTED ? 0 : rc;
}

static int work_once(struct compute *c)
{
    const int slot = oldest_job(c);
    const bool can_work = slot >= 0 && stager_is_ready(c->stager) &&
                          !(stager_wants_seal(c->stager) && !stager_is_settled(c->stager));
    int rc = take_messages(c, can_work ? 0 : IDLE_WAIT_MS);
    rc = rc ? rc : stager_on_time(c->stager);
    rc = rc ? rc : take_up_now_and_then(c);
    if (rc) {
        return rc;
    }
    if (stager_wants_seal(c->stager) && stager_is_settled(c->stager)) {
        rc = stager_seal(c->stager);
        return rc || slot < 0 ? rc : stager_prepare(c->stager);
    }
    if (can_work && c->jobs[slot].held) {
        rc = grind(c, &c->jobs[slot], slot);
        return rc ? rc : say_credit(c);
    }
    return 0;
}

static int give_back(struct compute *c)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < DECODER_SLOTS; i++) {
        if (c->jobs[i].held) {
            rc = say_about_job(c, "RETURN", &c->jobs[i]);
            let_go(c, &c->jobs[i]);
        }
    }
    return rc;
}

/* Waits, not for ever, until the broker has acknowledged everything. */
static int settle(struct compute *c, int64_t patience_ms)
{
    const int64_t until = clock_now_ms() + patience_ms;
    int rc = 0;
    while (rc == 0 && !stager_is_settled(c->stager) && clock_now_ms() < until) {
        rc = take_messages(c, 100);
        rc = rc ? rc : stager_on_time(c->stager);
    }
    return rc;
}

/* What cannot be settled now is on disk and will be taken up by the next worker of this store. */
static int leave(struct compute *c)
{
    enum { PATIENCE_MS = 5000 };
    int rc = give_back(c);
    rc = rc ? rc : settle(c, PATIENCE_MS);
    if (rc == 0 && stager_is_settled(c->stager)) {
        rc = stager_seal(c->stager);
        rc = rc ? rc : settle(c, PATIENCE_MS);
    }
    if (rc == 0) {
        wire_begin(&c->out, "BYE");
        rc = link_send(&c->link, &c->out, NULL);
    }
    return rc;
}

static bool should_go(const struct compute *c)
{
    return stop_asked || (stager_was_told_to_go(c->stager) && oldest_job(c) < 0);
}

/* What comes while the stager talks to the broker and is not its business. */
static int on_other(void *arg, struct wire_in *in)
{
    return wire_is(in, "JOB") ? on_job(arg, in) : 0;
}

static int open_all(struct compute *c, const struct models *models)
{
    const struct stager_options stager = {
        .store = c->options->store,
        .about = models->about,
        .seal_bytes = c->options->seal_bytes,
        .other = on_other,
        .new_session = on_new_session,
        .arg = c,
    };
    int rc = link_open(&c->link, c->options->broker, c->options->store);
    rc = rc ? rc : stager_new(&c->link, &stager, &c->stager);
    rc = rc ? rc : decoder_new(&c->decoder);
    if (rc == 0) {
        decoder_on_wait(c->decoder, on_step, c);
    }
    return rc ? rc : grinder_new(models, c->options, &c->grinder);
}

int compute_run(const struct worker_options *options, const struct models *models)
{
    struct compute *c = calloc(1, sizeof *c);
    if (!c) {
        return err_set(E_NOMEM, "no memory for a compute process");
    }
    const struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    c->options = options;
    buf_init(&c->bytes, MEDIUM_BYTES_MAX);
    int rc = open_all(c, models);
    rc = rc ? rc : stager_take_up(c->stager, &stop_asked);
    c->started = true;
    rc = rc ? rc : say_credit(c);
    while (rc == 0 && !should_go(c)) {
        rc = work_once(c);
    }
    if (rc == 0) {
        rc = leave(c);
    }
    for (int i = 0; i < DECODER_SLOTS; i++) {
        if (c->jobs[i].held) {
            held_job_drop(&c->jobs[i]);
        }
    }
    grinder_free(c->grinder);
    decoder_free(c->decoder);
    stager_free(c->stager);
    link_close(&c->link);
    buf_release(&c->bytes);
    wire_out_release(&c->out);
    free(c);
    return rc == E_INTERRUPTED ? 0 : rc;
}
