/* The queue's promises: the identity, exactly one staging, fences, retries, and what a restart
 * finds. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/queue.h"
#include "common/clock.h"
#include "common/file.h"
#include "shards/manifest.h"

static char path[64];

static struct queue *open_queue(void)
{
    struct queue *q = NULL;
    struct queue_options o = queue_default_options();
    o.lease_ms = 1000;
    cr_assert_eq(queue_open(path, &o, &q), 0, "%s", err_text());
    return q;
}

static struct queue *fresh(void)
{
    snprintf(path, sizeof path, "/tmp/pm-queue-XXXXXX");
    const int fd = mkstemp(path);
    close(fd);
    unlink(path);
    clock_set_virtual(1000000);
    return open_queue();
}

static void finish(struct queue *q)
{
    struct queue_counts counted;
    const struct queue_counts kept = queue_counts(q);
    cr_assert_eq(queue_recount(q, &counted), 0);
    cr_assert(queue_identity_holds(&kept), "the identity does not hold");
    cr_assert_eq(memcmp(&kept, &counted, sizeof kept), 0, "the counters differ from the rows");
    queue_close(q);
    unlink(path);
}

/* Medium m with text t. */
static enum ingest_result put(struct queue *q, int m, const char *t, const char *key)
{
    char locator[32];
    snprintf(locator, sizeof locator, "path:/%d.jpg", m);
    const struct queue_item item = {
        .source = view_str("test"),
        .key = view_str(key),
        .medium = id_of_medium(view_of(&m, sizeof m)),
        .locator = view_str(locator),
        .text = view_str(t),
        .blob = view_str(t),
    };
    enum ingest_result result = INGEST_RESULTS;
    cr_assert_eq(queue_ingest(q, &item, &result), 0, "%s", err_text());
    return result;
}

static uint64_t in_state(const struct queue *q, enum pair_state s)
{
    return queue_counts(q).pairs[s];
}

static struct job job;

static uint64_t lease(struct queue *q)
{
    if (job.bytes.limit == 0) {
        job_init(&job);
    }
    cr_assert_eq(queue_lease(q, 7, &job), 0, "%s", err_text());
    return job.token;
}

static int stage_as(struct queue *q, uint64_t token, uint64_t shard, enum pair_state state)
{
    struct pair_outcome outcomes[QUEUE_JOB_TEXTS_MAX];
    for (size_t i = 0; i < job.text_count; i++) {
        outcomes[i] = (struct pair_outcome){
            job.texts[i].pair, state, state == PAIR_STAGED ? 0 : E_TEXT_TOO_LONG, view_str("why")};
    }
    return queue_stage(q, &job.medium, token, shard, job.need_visual, outcomes, job.text_count);
}

static uint64_t new_shard(struct queue *q)
{
    uint64_t shard = 0;
    cr_assert_eq(queue_open_shard(q, view_str("/shards"), &shard), 0);
    return shard;
}

static int seal_with_job(struct queue *q, uint64_t shard)
{
    return queue_seal(q, shard, 1, shard_fingerprint_add(0, &job.medium, job.token),
                      view_str("{}"));
}

Test(queue, texts_of_one_medium_are_one_job)
{
    struct queue *q = fresh();
    cr_assert_eq(put(q, 1, "a cat", "1"), INGEST_NEW);
    cr_assert_eq(put(q, 1, "a dog", "2"), INGEST_NEW);
    lease(q);
    cr_assert_eq(job.text_count, 2);
    cr_assert(job.need_visual);
    cr_assert_str_eq(job.locator, "path:/1.jpg");
    cr_assert_eq(queue_lease(q, 7, &job), E_NOT_FOUND);
    cr_assert_eq(in_state(q, PAIR_LEASED), 2);
    finish(q);
}

Test(queue, an_item_sent_again_is_known_and_an_equal_pair_is_a_duplicate)
{
    struct queue *q = fresh();
    cr_assert_eq(put(q, 1, "a cat", "1"), INGEST_NEW);
    cr_assert_eq(put(q, 1, "a cat", "1"), INGEST_KNOWN);
    cr_assert_eq(put(q, 1, "a cat", "2"), INGEST_DUPLICATE);
    cr_assert_eq(put(q, 1, "a cat", "2"), INGEST_KNOWN);
    cr_assert_eq(queue_counts(q).ingested, 2);
    cr_assert_eq(in_state(q, PAIR_DUPLICATE), 1);
    finish(q);
}

Test(queue, texts_that_cannot_be_used_are_quarantined_with_the_reason)
{
    struct queue *q = fresh();
    static char big[QUEUE_TEXT_MAX + 2];
    memset(big, 'a', sizeof big - 1);
    cr_assert_eq(put(q, 1, " \t\n", "1"), INGEST_QUARANTINED);
    cr_assert_eq(put(q, 1, "caf\xe9", "2"), INGEST_QUARANTINED);
    cr_assert_eq(put(q, 1, "\xed\xa0\x80", "3"), INGEST_QUARANTINED); /* a lone surrogate */
    cr_assert_eq(put(q, 1, big, "4"), INGEST_QUARANTINED);
    cr_assert_eq(in_state(q, PAIR_QUARANTINED), 4);
    cr_assert_eq(queue_counts(q).ready_jobs, 0);
    finish(q);
}

Test(queue, a_job_is_staged_and_its_shard_sealed_then_it_is_done)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    const uint64_t shard = new_shard(q);
    const uint64_t token = lease(q);
    cr_assert_eq(stage_as(q, token, shard, PAIR_STAGED), 0, "%s", err_text());
    cr_assert_eq(in_state(q, PAIR_STAGED), 1);
    cr_assert_eq(stage_as(q, token, shard, PAIR_STAGED), 0, "again is fine");
    cr_assert_eq(seal_with_job(q, shard), 0, "%s", err_text());
    cr_assert_eq(in_state(q, PAIR_DONE), 1);
    cr_assert_eq(seal_with_job(q, shard), 0, "again is fine");
    cr_assert_eq(stage_as(q, token, shard, PAIR_STAGED), 0,
                 "the answer was lost: same answer again");
    finish(q);
}

Test(queue, texts_that_arrive_later_do_not_want_the_visual_record_again)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    const uint64_t shard = new_shard(q);
    cr_assert_eq(stage_as(q, lease(q), shard, PAIR_STAGED), 0);
    put(q, 1, "a dog", "2");
    cr_assert_eq(queue_lease(q, 7, &job), E_NOT_FOUND,
                 "it waits while the visual record is not sealed");
    put(q, 2, "x", "3");
    lease(q);
    cr_assert(job.need_visual);
    cr_assert_eq(queue_return(q, &job.medium, job.token), 0);
    int m = 1;
    const struct id first = id_of_medium(view_of(&m, sizeof m));
    cr_assert_eq(queue_seal(q, shard, 1, shard_fingerprint_add(0, &first, 1), view_str("{}")), 0,
                 "%s", err_text());
    lease(q); /* medium 2 */
    lease(q); /* medium 1 again */
    cr_assert(id_equal(&job.medium, &first));
    cr_assert(!job.need_visual);
    cr_assert_eq(job.text_count, 1);
    finish(q);
}

Test(queue, late_commit_is_refused_when_another_worker_has_the_job)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    const uint64_t shard = new_shard(q);
    const uint64_t first = lease(q);
    clock_set_virtual(1000000 + 2000);
    cr_assert_eq(queue_tick(q), 0);
    const uint64_t second = lease(q);
    cr_assert_eq(stage_as(q, first, shard, PAIR_STAGED), E_STALE_LEASE);
    cr_assert_eq(stage_as(q, second, shard, PAIR_STAGED), 0);
    cr_assert_eq(stage_as(q, first, shard, PAIR_STAGED), E_STALE_LEASE);
    cr_assert_eq(in_state(q, PAIR_STAGED), 1);
    finish(q);
}

Test(queue, late_commit_is_accepted_once_when_nobody_took_the_job)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    const uint64_t shard = new_shard(q);
    const uint64_t token = lease(q);
    clock_set_virtual(1000000 + 2000);
    cr_assert_eq(queue_tick(q), 0);
    cr_assert_eq(in_state(q, PAIR_PENDING), 1);
    cr_assert_eq(stage_as(q, token, shard, PAIR_STAGED), 0, "%s", err_text());
    cr_assert_eq(queue_lease(q, 7, &job), E_NOT_FOUND);
    finish(q);
}

Test(queue, a_beat_extends_the_lease)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    const uint64_t token = lease(q);
    clock_set_virtual(1000000 + 900);
    cr_assert_eq(queue_beat(q, &job.medium, token, 7), 0);
    clock_set_virtual(1000000 + 1800);
    cr_assert_eq(queue_tick(q), 0);
    cr_assert_eq(in_state(q, PAIR_LEASED), 1);
    cr_assert_eq(queue_beat(q, &job.medium, token + 1, 7), E_STALE_LEASE);
    finish(q);
}

Test(queue, a_lost_shard_gives_its_jobs_back_and_cannot_be_sealed)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    const uint64_t shard = new_shard(q);
    cr_assert_eq(stage_as(q, lease(q), shard, PAIR_STAGED), 0);
    cr_assert_eq(queue_lose_shard(q, shard), 0);
    cr_assert_eq(in_state(q, PAIR_PENDING), 1);
    cr_assert_eq(seal_with_job(q, shard), E_SHARD_LOST);
    const uint64_t again = new_shard(q);
    lease(q);
    cr_assert(job.need_visual, "the visual record was in the lost shard");
    cr_assert_eq(stage_as(q, job.token, shard, PAIR_STAGED), E_SHARD_LOST);
    cr_assert_eq(stage_as(q, job.token, again, PAIR_STAGED), 0);
    cr_assert_eq(seal_with_job(q, again), 0);
    cr_assert_eq(queue_lose_shard(q, again), E_ARG, "never after a seal");
    finish(q);
}

Test(queue, a_seal_that_lists_other_jobs_is_refused)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    const uint64_t shard = new_shard(q);
    cr_assert_eq(stage_as(q, lease(q), shard, PAIR_STAGED), 0);
    cr_assert_eq(queue_seal(q, shard, 1, 12345, view_str("{}")), E_PEER);
    cr_assert_eq(queue_seal(q, shard, 0, 0, view_str("{}")), E_PEER);
    cr_assert_eq(in_state(q, PAIR_STAGED), 1);
    finish(q);
}

Test(queue, a_permanent_failure_quarantines_every_text_of_the_medium)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    lease(q);
    put(q, 1, "came meanwhile", "2");
    cr_assert_eq(
        queue_fail(q, &job.medium, job.token, E_IMAGE_TRUNCATED, view_str("cut short"), true), 0);
    cr_assert_eq(in_state(q, PAIR_QUARANTINED), 2);
    cr_assert_eq(queue_lease(q, 7, &job), E_NOT_FOUND);
    finish(q);
}

Test(queue, a_retryable_failure_waits_longer_each_time_and_ends_in_quarantine)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    int64_t now = 1000000;
    int64_t last = 0;
    for (int attempt = 1; attempt < 5; attempt++) {
        lease(q);
        cr_assert_eq(queue_fail(q, &job.medium, job.token, E_SYSTEM, view_str("disk"), false), 0);
        const int64_t wait = queue_next_tick_ms(q, 1000000);
        cr_assert(wait >= 500 << (attempt - 1) && wait <= 1000 << (attempt - 1), "waits %lld ms",
                  (long long)wait);
        cr_assert_geq(wait, last / 2);
        last = wait;
        clock_set_virtual(now += wait);
        cr_assert_eq(queue_tick(q), 0);
    }
    lease(q);
    cr_assert_eq(queue_fail(q, &job.medium, job.token, E_SYSTEM, view_str("disk"), false), 0);
    cr_assert_eq(in_state(q, PAIR_QUARANTINED), 1);
    finish(q);
}

Test(queue, a_job_that_kills_three_workers_is_quarantined_and_its_neighbour_is_not)
{
    struct queue *q = fresh();
    put(q, 1, "poison", "1");
    for (int death = 0; death < 3; death++) {
        cr_assert_eq(in_state(q, PAIR_QUARANTINED), 0);
        lease(q);
        cr_assert_eq(queue_start(q, &job.medium, job.token), 0);
        cr_assert_eq(queue_session_gone(q, 7), 0);
    }
    cr_assert_eq(in_state(q, PAIR_QUARANTINED), 1);
    put(q, 2, "only waiting", "2");
    for (int death = 0; death < 10; death++) {
        lease(q); /* held, never started */
        cr_assert_eq(queue_session_gone(q, 7), 0);
    }
    cr_assert_eq(in_state(q, PAIR_PENDING), 1);
    finish(q);
}

static int first_reason(const struct pair_report *pair, void *arg)
{
    *(int *)arg = pair->reason;
    return 0;
}

Test(queue, what_is_quarantined_can_be_listed_and_retried)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    lease(q);
    cr_assert_eq(queue_fail(q, &job.medium, job.token, E_DECODER_DIED, view_str("died"), true), 0);
    int reason = 0;
    cr_assert_eq(queue_each_pair(q, PAIR_QUARANTINED, NULL, first_reason, &reason), 0);
    cr_assert_eq(reason, E_DECODER_DIED);
    uint64_t n = 0;
    cr_assert_eq(queue_retry(q, E_IMAGE_TRUNCATED, &n), 0);
    cr_assert_eq(n, 0);
    cr_assert_eq(queue_retry(q, E_DECODER_DIED, &n), 0);
    cr_assert_eq(n, 1);
    lease(q);
    cr_assert_eq(job.text_count, 1);
    finish(q);
}

Test(queue, a_stage_that_names_a_pair_twice_changes_nothing)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    const uint64_t token = lease(q);
    const uint64_t shard = new_shard(q);
    const struct pair_outcome once = {job.texts[0].pair, PAIR_STAGED, 0, view_str("")};
    const struct pair_outcome twice[] = {once, once};
    cr_assert_eq(queue_stage(q, &job.medium, token, shard, true, twice, 2), E_PEER);
    cr_assert_eq(in_state(q, PAIR_LEASED), 1);
    cr_assert_eq(queue_stage(q, &job.medium, token, shard, true, &once, 1), 0, "%s", err_text());
    cr_assert_eq(in_state(q, PAIR_STAGED), 1);
    finish(q);
}

Test(queue, a_text_that_was_refused_is_not_retried_beside_a_good_one)
{
    struct queue *q = fresh();
    static char big[QUEUE_TEXT_MAX + 2];
    memset(big, 'a', sizeof big - 1);
    cr_assert_eq(put(q, 1, "a cat", "1"), INGEST_NEW);
    cr_assert_eq(put(q, 1, " ", "2"), INGEST_QUARANTINED);
    cr_assert_eq(put(q, 1, "caf\xe9", "3"), INGEST_QUARANTINED);
    cr_assert_eq(put(q, 1, big, "4"), INGEST_QUARANTINED);
    const int m = 1;
    const struct queue_item cut = {
        .source = view_str("test"),
        .key = view_str("5"),
        .medium = id_of_medium(view_of(&m, sizeof m)),
        .locator = view_str("path:/1.jpg"),
        .text = view_str("no caption"),
        .blob = view_str("no caption"),
        .problem = E_FORMAT,
        .detail = view_str("line 5 has a caption that is not a string"),
    };
    enum ingest_result result = INGEST_RESULTS;
    cr_assert(queue_ingest(q, &cut, &result) == 0 && result == INGEST_QUARANTINED);
    const int reasons[] = {0, E_TEXT_EMPTY, E_TEXT_UTF8, E_TEXT_TOO_LONG, E_FORMAT};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        uint64_t n = 1;
        cr_assert_eq(queue_retry(q, reasons[i], &n), 0);
        cr_assert_eq(n, 0, "%llu with %s", (unsigned long long)n, err_name(reasons[i]));
    }
    cr_assert_eq(in_state(q, PAIR_QUARANTINED), 4);
    cr_assert_eq(in_state(q, PAIR_PENDING), 1);
    finish(q);
}

struct listed {
    struct id pair[8];
    size_t n;
};

static int note_pair(const struct pair_report *pair, void *arg)
{
    struct listed *l = arg;
    l->pair[l->n++] = pair->pair;
    return 0;
}

/* Root may write to any file: as nobody, who may not. */
static void give_up_rights(void)
{
    cr_assert(geteuid() != 0 || seteuid(65534) == 0);
}

Test(queue, one_who_looks_writes_nothing_and_keeps_only_brokers_out)
{
    struct queue *q = fresh();
    struct queue *a = NULL;
    struct queue *b = NULL;
    struct id before;
    struct id after;
    const struct queue_options o = queue_default_options();
    put(q, 1, "a cat", "1");
    put(q, 2, "", "2");
    cr_assert_eq(queue_commit(q), 0);
    cr_assert_eq(queue_open_to_look(path, &a), E_BUSY);
    const struct queue_counts kept = queue_counts(q);
    queue_close(q);
    cr_assert_eq(file_digest(path, &before), 0);
    cr_assert_eq(chmod(path, 0444), 0);
    give_up_rights();
    cr_assert_eq(queue_open_to_look(path, &a), 0, "%s", err_text());
    cr_assert_eq(queue_open_to_look(path, &b), 0, "%s", err_text());
    const struct queue_counts seen = queue_counts(a);
    struct queue_counts counted;
    struct listed bad = {.n = 0};
    cr_assert_eq(memcmp(&seen, &kept, sizeof kept), 0);
    cr_assert_eq(queue_recount(b, &counted), 0);
    cr_assert_eq(memcmp(&counted, &kept, sizeof kept), 0);
    cr_assert_eq(queue_each_pair(a, PAIR_QUARANTINED, NULL, note_pair, &bad), 0);
    cr_assert_eq(bad.n, 1);
    cr_assert(geteuid() != 65534 || seteuid(0) == 0);
    cr_assert_eq(chmod(path, 0644), 0);
    cr_assert_eq(queue_open(path, &o, &q), E_BUSY);
    queue_close(a);
    queue_close(b);
    cr_assert_eq(file_digest(path, &after), 0);
    cr_assert(id_equal(&before, &after));
    finish(open_queue());
}

Test(queue, an_empty_file_is_no_queue_to_look_at)
{
    struct queue *q = NULL;
    snprintf(path, sizeof path, "/tmp/pm-queue-XXXXXX");
    close(mkstemp(path));
    cr_assert_eq(queue_open_to_look(path, &q), E_NO_FILE);
    unlink(path);
    cr_assert_eq(queue_open_to_look(path, &q), E_NO_FILE);
    cr_assert_eq(access(path, F_OK), -1, "looking made the file");
}

Test(queue, a_list_of_pairs_goes_on_behind_any_of_them)
{
    enum { BAD = 5 };
    struct queue *q = fresh();
    struct listed all = {.n = 0};
    const struct id none = {{0}};
    for (int m = 0; m < BAD; m++) {
        put(q, m, "", "empty");
        put(q, m, "a cat", "good");
    }
    cr_assert_eq(queue_each_pair(q, PAIR_QUARANTINED, NULL, note_pair, &all), 0);
    cr_assert_eq(all.n, BAD);
    for (size_t i = 0; i <= BAD; i++) {
        const struct id *after = i ? &all.pair[i - 1] : &none; /* no pair has that id */
        struct listed rest = {.n = 0};
        cr_assert_eq(queue_each_pair(q, PAIR_QUARANTINED, after, note_pair, &rest), 0);
        cr_assert_eq(rest.n, BAD - i);
        cr_assert_eq(memcmp(rest.pair, all.pair + i, rest.n * sizeof *rest.pair), 0);
    }
    finish(q);
}

Test(queue, a_medium_that_was_missing_and_came_is_ingested_under_its_real_name)
{
    struct queue *q = fresh();
    const struct view locator = view_str("path:/late.jpg");
    struct queue_item item = {
        .source = view_str("test"),
        .key = view_str("1"),
        .medium = id_of_locator(locator),
        .locator = locator,
        .text = view_str("late"),
        .blob = view_str("late"),
        .problem = E_NO_FILE,
        .detail = view_str("/late.jpg is missing"),
    };
    enum ingest_result result;
    cr_assert(queue_ingest(q, &item, &result) == 0 && result == INGEST_QUARANTINED);
    item.earlier = id_of_pair(&item.medium, item.text);
    item.retried = true;
    item.medium = id_of_medium(view_str("bytes"));
    item.problem = 0;
    cr_assert(queue_ingest(q, &item, &result) == 0 && result == INGEST_NEW);
    cr_assert_eq(in_state(q, PAIR_QUARANTINED), 0);
    cr_assert_eq(in_state(q, PAIR_DUPLICATE), 1);
    finish(q);
}

Test(queue, a_restart_keeps_leases_and_counts_no_deaths)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    put(q, 2, "a dog", "2");
    const uint64_t shard = new_shard(q);
    const uint64_t token = lease(q);
    cr_assert_eq(queue_start(q, &job.medium, token), 0);
    cr_assert_eq(queue_commit(q), 0);
    queue_close(q);
    clock_set_virtual(1000000 + 50000);
    q = open_queue();
    cr_assert_eq(queue_tick(q), 0);
    cr_assert_eq(in_state(q, PAIR_LEASED), 1, "the lease has its full time again");
    cr_assert_eq(stage_as(q, token, shard, PAIR_STAGED), 0,
                 "a worker that outlived the broker may stage");
    finish(q);
}

Test(queue, what_was_not_committed_is_not_there_after_a_crash)
{
    struct queue *q = fresh();
    put(q, 1, "a cat", "1");
    cr_assert_eq(queue_commit(q), 0);
    put(q, 2, "a dog", "2");
    queue_close(q);
    q = open_queue();
    cr_assert_eq(queue_counts(q).ingested, 1);
    cr_assert_eq(put(q, 2, "a dog", "2"), INGEST_NEW);
    finish(q);
}

Test(queue, a_second_broker_on_the_same_file_is_refused)
{
    struct queue *q = fresh();
    struct queue *other = NULL;
    const struct queue_options o = queue_default_options();
    cr_assert_eq(queue_commit(q), 0);
    cr_assert_eq(queue_open(path, &o, &other), E_BUSY);
    finish(q);
}

Test(queue, random_histories_keep_the_identity)
{
    struct queue *q = fresh();
    unsigned s = 12345;
    uint64_t shard = new_shard(q);
    int64_t now = 1000000;
    for (int step = 0; step < 3000; step++) {
        s = s * 1664525u + 1013904223u;
        const unsigned what = s >> 24;
        char key[16];
        snprintf(key, sizeof key, "%u", s >> 8 & 255);
        if (what < 110) {
            put(q, (int)(s >> 16 & 31), what & 1 ? key : "", key);
        } else if (what < 220) {
            if (queue_lease(q, what & 3, &job) == 0) {
                cr_assert_eq(queue_start(q, &job.medium, job.token), 0);
                const int fate = (int)(s >> 12 & 7);
                int rc = 0;
                if (fate < 4) {
                    rc = stage_as(q, job.token, shard, fate == 3 ? PAIR_FILTERED : PAIR_STAGED);
                } else if (fate < 6) {
                    rc = queue_fail(q, &job.medium, job.token, E_SYSTEM, view_str("x"), fate == 5);
                }
                cr_assert_eq(rc, 0, "%s", err_text());
            } else if (job.bytes.limit == 0) {
                job_init(&job);
            }
        } else if (what < 235) {
            cr_assert_eq(queue_session_gone(q, what & 3), 0);
        } else if (what < 240) {
            cr_assert_eq(queue_lose_shard(q, shard), 0);
            shard = new_shard(q);
        } else if (what < 250) {
            clock_set_virtual(now += 700);
            cr_assert_eq(queue_tick(q), 0, "%s", err_text());
        } else {
            uint64_t n;
            cr_assert_eq(queue_retry(q, 0, &n), 0);
        }
        const struct queue_counts c = queue_counts(q);
        cr_assert(queue_identity_holds(&c), "after step %d", step);
    }
    finish(q);
}
