/*
 * The durable pair queue: what was ingested, what became of it, who works on what.
 *
 * It speaks of items, pairs, jobs, leases, shards and states; nothing here shows the database
 * behind it (LMDB in queue_*.c, one file, one process).  The states and the accounting identity are
 * those of "A pair's life" in docs/architecture.md:
 *
 *     ingested = pending + leased + staged + done + duplicate + filtered + excluded + quarantined
 *
 * Every call that changes something joins the open batch; queue_commit() makes the batch durable in
 * one transaction. Answers to peers go out after the commit, never before.  A call that returns an
 * error other than E_STORAGE has changed nothing.  E_STORAGE (a failed write or fsync) is final:
 * the process must end and be started again.
 *
 * Costs: an ingest or a lease is a handful of B-tree look-ups; queue_seal() touches every pair of
 * the shard; queue_recount() reads everything.  One thread.
 */
#ifndef BROKER_QUEUE_H
#define BROKER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/id.h"

/* Format of the file.  When a row changes: raise it, and say in docs/architecture.md what an older
 * file needs. */
enum { QUEUE_FORMAT = 1 };

enum {
    QUEUE_TEXT_MAX = 65536,      /* bytes of a text; longer ones are quarantined */
    QUEUE_ITEM_MAX = 128 * 1024, /* bytes of an item's blob */
    QUEUE_JOB_TEXTS_MAX = 256,   /* pairs in one lease; the rest waits for the next */
    QUEUE_DETAIL_MAX = 500,      /* bytes of a quarantine sentence */
    QUEUE_LOCATOR_MAX = 8192,
};

enum pair_state {
    PAIR_PENDING,
    PAIR_LEASED,
    PAIR_STAGED,
    PAIR_DONE,
    PAIR_DUPLICATE,
    PAIR_FILTERED,
    PAIR_EXCLUDED,
    PAIR_QUARANTINED,
    PAIR_STATES, /* how many there are */
};

const char *pair_state_name(enum pair_state s);

enum shard_state { SHARD_OPEN = 1, SHARD_SEALED = 2, SHARD_LOST = 3 };

struct queue;

struct queue_options {
    int64_t lease_ms;   /* how long a lease lives without a beat */
    int64_t retry_ms;   /* first delay after a retryable failure; doubles each time */
    unsigned attempts;  /* retryable failures before quarantine */
    unsigned max_kills; /* workers a job may kill before quarantine */
};

struct queue_options queue_default_options(void);

/* Opens or creates the queue file.  E_BUSY when another broker has it, E_VERSION when another
 * version wrote it. */
int queue_open(const char *path, const struct queue_options *options,
               struct queue **out) MUST_CHECK;

/* Opens the file to look at it, and writes nothing: what reports may be called, nothing that
 * changes something.  Several may look at once.  E_NO_FILE when there is none or nothing in it yet,
 * E_BUSY while a broker has it, E_SYSTEM when it may not be read, E_VERSION. */
int queue_open_to_look(const char *path, struct queue **out) MUST_CHECK;

void queue_close(struct queue *q);

/* Makes everything since the last commit durable; nothing to do is fine.  E_STORAGE is final. */
int queue_commit(struct queue *q) MUST_CHECK;

/* ---- ingest */

struct queue_item {
    struct view source;  /* where from, e.g. "/data/captions.json" */
    struct view key;     /* its key there, e.g. "annotation 17" */
    struct id medium;    /* of the bytes; id_of_locator() when they could not be read */
    struct view locator; /* "path:/data/1.jpg" */
    struct view text;    /* any bytes; what is not valid UTF-8 is quarantined */
    struct view blob;    /* everything about the pair that the worker wants to know; opaque here */
    int problem;         /* why the medium could not be read, 0 when it could */
    struct view detail;  /* the sentence for `problem` */
    bool retried; /* `earlier` is set: the pair this item had while its medium could not be read */
    struct id earlier;
};

enum ingest_result {
    INGEST_NEW,         /* pending now */
    INGEST_KNOWN,       /* this very item was ingested before: not counted again */
    INGEST_DUPLICATE,   /* another item with the same medium and text was */
    INGEST_QUARANTINED, /* empty, not UTF-8, too long, medium unreadable */
    INGEST_RESULTS,
};

/* The limits that queue_ingest() enforces: E_TOO_BIG.  Changes nothing. */
int queue_check_item(const struct queue_item *item) MUST_CHECK;

int queue_ingest(struct queue *q, const struct queue_item *item,
                 enum ingest_result *result) MUST_CHECK;

/* ---- jobs and leases */

struct job_text {
    struct id pair;
    struct view blob; /* as ingested */
};

struct job {
    struct id medium;
    uint64_t token;   /* this lease's; only its holder may stage, fail or release */
    bool need_visual; /* false: the visual record lies in a sealed shard already */
    char locator[QUEUE_LOCATOR_MAX + 1];
    size_t text_count;
    struct job_text texts[QUEUE_JOB_TEXTS_MAX];
    struct buf bytes; /* owns the blobs */
};

void job_init(struct job *job);
void job_release(struct job *job);

/* Leases the oldest ready job to `session`.  E_NOT_FOUND when none is ready. */
int queue_lease(struct queue *q, uint64_t session, struct job *job) MUST_CHECK;

/* The holder began to work: a death from now on counts against the job.  E_STALE_LEASE. */
int queue_start(struct queue *q, const struct id *medium, uint64_t token) MUST_CHECK;

/* Extends a lease, and moves it to `session` (a worker that came back after a broker's restart).
 * E_STALE_LEASE. */
int queue_beat(struct queue *q, const struct id *medium, uint64_t token,
               uint64_t session) MUST_CHECK;

struct pair_outcome {
    struct id pair;
    enum pair_state state; /* PAIR_STAGED, PAIR_FILTERED or PAIR_QUARANTINED */
    int reason;            /* code, for the last two */
    struct view detail;    /* sentence, for the last two */
};

/* The records of a job are durable in an open shard.  Accepted once per token: again gives 0 and
 * changes nothing. E_STALE_LEASE when the job is somebody else's by now, E_SHARD_LOST when the
 * shard was given up: in both cases the worker removes the records. */
int queue_stage(struct queue *q, const struct id *medium, uint64_t token, uint64_t shard,
                bool has_visual, const struct pair_outcome *outcomes, size_t n) MUST_CHECK;

/* Whether the queue holds that very job as staged in that open shard: what a worker asks about the
 * marks of a shard that it found after a crash.  `state` is the shard's. */
int queue_is_staged(struct queue *q, const struct id *medium, uint64_t token, uint64_t shard,
                    bool *staged) MUST_CHECK;
int queue_shard_state(struct queue *q, uint64_t shard, enum shard_state *state) MUST_CHECK;

/* The job as a whole failed.  permanent: all its pairs are quarantined with the reason; otherwise
 * it is tried again later, up to the options' attempts.  E_STALE_LEASE. */
int queue_fail(struct queue *q, const struct id *medium, uint64_t token, int reason,
               struct view detail, bool permanent) MUST_CHECK;

/* Given back unharmed, for instance at a worker's orderly end.  E_STALE_LEASE. */
int queue_return(struct queue *q, const struct id *medium, uint64_t token) MUST_CHECK;

/* The session's worker is known to be dead: its jobs are ready again; the one it had started counts
 * a kill. */
int queue_session_gone(struct queue *q, uint64_t session) MUST_CHECK;

/* Expires leases whose time is over, makes delayed jobs ready whose time has come. */
int queue_tick(struct queue *q) MUST_CHECK;

/* Milliseconds until queue_tick() has something to do; at most `most`. */
int64_t queue_next_tick_ms(const struct queue *q, int64_t most);

/* ---- shards */

struct shard_row {
    uint64_t number;
    enum shard_state state;
    struct view store;    /* the directory it lies in, as its worker names it */
    struct view manifest; /* JSON, once sealed */
};

/* A new shard in `store`; numbers start at 1 and are never used twice. */
int queue_open_shard(struct queue *q, struct view store, uint64_t *number) MUST_CHECK;

/* The shard is complete on disk: its jobs are done.  `jobs` and `fingerprint` are the worker's view
 * of what is in it; E_PEER when they differ from the queue's.  E_SHARD_LOST when it was given up.
 * Sealing again gives 0. */
int queue_seal(struct queue *q, uint64_t shard, uint64_t jobs, uint64_t fingerprint,
               struct view manifest) MUST_CHECK;

/* The shard's file is gone: its jobs are pending again.  Never for a sealed one (E_ARG). */
int queue_lose_shard(struct queue *q, uint64_t shard) MUST_CHECK;

/* Calls `each` for every shard in order of number; views are valid during the call.  Stops at the
 * first error. */
typedef int (*shard_fn)(const struct shard_row *row, void *arg);
int queue_each_shard(struct queue *q, shard_fn each, void *arg) MUST_CHECK;

/* ---- reports */

struct queue_counts {
    uint64_t ingested;
    uint64_t pairs[PAIR_STATES];
    uint64_t media;
    uint64_t ready_jobs;
    uint64_t shards_open;
    uint64_t shards_sealed;
};

/* Drawn when the queue file was made: shards are numbered by one queue alone. */
struct id queue_identity(const struct queue *q);

/* The number the next shard will have. */
uint64_t queue_next_shard(const struct queue *q);

struct queue_counts queue_counts(const struct queue *q);

/* Counts everything again from the rows; the result equals queue_counts() unless the file is
 * damaged. */
int queue_recount(struct queue *q, struct queue_counts *out) MUST_CHECK;

bool queue_identity_holds(const struct queue_counts *c);

struct pair_report {
    struct id pair;
    struct id medium;
    enum pair_state state;
    int reason;
    struct view detail;
    struct view blob; /* empty once done */
};

/* Calls `each` for every pair in `state`, in order of pair id, from the first one behind `after`
 * (NULL: from the beginning).  Views are valid during the call.  Stops at the first error. */
typedef int (*pair_fn)(const struct pair_report *pair, void *arg);
int queue_each_pair(struct queue *q, enum pair_state state, const struct id *after, pair_fn each,
                    void *arg) MUST_CHECK;

/* Makes quarantined pairs with this reason (0: any) pending again, those whose medium could be
 * read; `n` counts them.  What ingest refused for its text (E_TEXT_*, and E_FORMAT, which only a
 * source gives) stays: mend the source and ingest it again. */
int queue_retry(struct queue *q, int reason, uint64_t *n) MUST_CHECK;

#endif
