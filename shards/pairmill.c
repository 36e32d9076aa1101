/*
 * The trainers' library: a feed's client on a thread of its own, and the batches it makes.
 *
 * The reader thread owns the client and fills batches; the trainer's thread takes them.  They meet
 * in a shelf: at most AHEAD filled batches, and the empty ones that wait to be used again.  The
 * shelf outlives the feed while the trainer holds batches.
 */
#include "shards/pairmill.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "shards/feed_cells.h"
#include "shards/feed_client.h"

enum {
    AHEAD = 2,     /* batches decoded before they are asked for */
    SPARE_MAX = 4, /* empty batches kept for reuse */
    GRACE_S = 5,   /* the trainer waits so much longer than its reader, whose error says more */
    BATCH_SIZE_MAX = 65536,
};

#define SAMPLE_LIMIT ((size_t)1 << 30)
#define BATCH_LIMIT  ((size_t)1 << 36)

_Static_assert((int)PAIRMILL_DIMENSIONS_MAX == (int)SAMPLE_DIMENSIONS_MAX, "shapes are copied");
_Static_assert(sizeof(((struct pairmill_batch *)0)->arrays) / sizeof(struct pairmill_array) ==
                   SAMPLE_ARRAYS_MAX,
               "arrays are copied");

struct shelf;

/* A batch as the trainer sees it, and what it is made of. */
struct filled {
    struct pairmill_batch batch; /* first: the trainer's pointer is this struct's */
    struct sample sample;        /* owns the arrays */
    struct id *ids;              /* [2][room] pairs, then media */
    size_t room;
    struct shelf *shelf;
    struct filled *next;
};

/* `lock` guards all of it. */
struct shelf {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct filled *first; /* filled, oldest first */
    size_t filled;
    struct filled *spare;
    size_t spares;
    size_t owners; /* the feed, and each batch that is out */
    bool closed;   /* the trainer wants no more */
    bool welcome;  /* the feed has answered the reader */
    bool finished; /* the reader has come to its end: */
    int rc;        /* 0, or why */
    char why[1001];
};

struct pairmill_feed {
    struct feed_client *client; /* the reader's, once it runs */
    uint64_t start;
    struct feed_cells cells; /* whole once the feed has said welcome, as is what follows: */
    uint64_t batches;
    uint64_t total;
    uint32_t batch_size;
    double timeout_s;
    atomic_bool cancel;
    struct shelf *shelf;
    pthread_t reader;
    bool running;
};

/* ---- the shelf ---- */

static struct shelf *shelf_new(void)
{
    struct shelf *s = calloc(1, sizeof *s);
    pthread_condattr_t attr;
    if (s) {
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_mutex_init(&s->lock, NULL);
        pthread_cond_init(&s->changed, &attr);
        pthread_condattr_destroy(&attr);
        s->owners = 1;
    }
    return s;
}

static void filled_free(struct filled *f)
{
    sample_release(&f->sample);
    free(f->ids);
    free(f);
}

static void free_list(struct filled *f)
{
    while (f) {
        struct filled *next = f->next;
        filled_free(f);
        f = next;
    }
}

/* Gives up one share in the shelf, whose lock is held; the last one frees it. */
static void shelf_leave(struct shelf *s)
{
    const bool last = --s->owners == 0;
    pthread_mutex_unlock(&s->lock);
    if (last) {
        free_list(s->first);
        free_list(s->spare);
        pthread_mutex_destroy(&s->lock);
        pthread_cond_destroy(&s->changed);
        free(s);
    }
}

/* An empty batch, used before or new; NULL without memory. */
static struct filled *shelf_take_empty(struct shelf *s)
{
    pthread_mutex_lock(&s->lock);
    struct filled *f = s->spare;
    if (f) {
        s->spare = f->next;
        s->spares--;
    }
    pthread_mutex_unlock(&s->lock);
    if (!f) {
        f = calloc(1, sizeof *f);
        if (f) {
            sample_init(&f->sample, BATCH_LIMIT);
            f->shelf = s;
        }
    }
    return f;
}

static void shelf_put_empty(struct shelf *s, struct filled *f)
{
    if (s->closed || s->spares == SPARE_MAX) {
        filled_free(f);
    } else {
        f->next = s->spare;
        s->spare = f;
        s->spares++;
    }
}

/* The reader's: waits for room.  false: the trainer wants no more. */
static bool shelf_put(struct shelf *s, struct filled *f)
{
    pthread_mutex_lock(&s->lock);
    while (s->filled == AHEAD && !s->closed) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    const bool wanted = !s->closed;
    if (wanted) {
        struct filled **end = &s->first;
        while (*end) {
            end = &(*end)->next;
        }
        *end = f;
        f->next = NULL;
        s->filled++;
        pthread_cond_broadcast(&s->changed);
    } else {
        shelf_put_empty(s, f);
    }
    pthread_mutex_unlock(&s->lock);
    return wanted;
}

static void shelf_welcome(struct shelf *s)
{
    pthread_mutex_lock(&s->lock);
    s->welcome = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void shelf_finish(struct shelf *s, int rc)
{
    pthread_mutex_lock(&s->lock);
    s->finished = true;
    s->rc = rc;
    snprintf(s->why, sizeof s->why, "%s", rc ? err_text() : "");
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static struct timespec deadline_in(double seconds)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const double end = (double)t.tv_nsec / 1e9 + seconds;
    t.tv_sec += (time_t)end;
    t.tv_nsec = (long)((end - (double)(time_t)end) * 1e9);
    return t;
}

/* Waits, with the lock held, until there is a batch or the reader's end. */
static bool shelf_wait(struct shelf *s, double seconds)
{
    const struct timespec deadline = deadline_in(seconds);
    int waited = 0;
    while (!s->first && !s->finished && waited == 0) {
        waited = pthread_cond_timedwait(&s->changed, &s->lock, &deadline);
    }
    return s->first || s->finished;
}

/* The trainer's: 1 after the welcome, 0 when it has not come yet, or the reader's error. */
static int shelf_await_welcome(struct shelf *s, double seconds)
{
    const struct timespec deadline = deadline_in(seconds);
    int waited = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->welcome && !s->finished && waited == 0) {
        waited = pthread_cond_timedwait(&s->changed, &s->lock, &deadline);
    }
    const int rc = s->welcome ? 1 : s->finished ? err_set(s->rc, "%s", s->why) : 0;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* The trainer's: 1 and a batch, 0 at the end, or the reader's error. */
static int shelf_take(struct shelf *s, double timeout_s, struct pairmill_batch **out)
{
    int rc;
    pthread_mutex_lock(&s->lock);
    (void)shelf_wait(s, timeout_s + GRACE_S); /* what came of it is seen below */
    struct filled *f = s->first;
    if (f) {
        s->first = f->next;
        s->filled--;
        s->owners++;
        *out = &f->batch;
        pthread_cond_broadcast(&s->changed);
        rc = 1;
    } else if (s->finished) {
        rc = s->rc ? err_set(s->rc, "%s", s->why) : 0;
    } else {
        rc = err_set(E_TIMEOUT, "no batch was ready within %.1f s", timeout_s + GRACE_S);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void pairmill_batch_release(struct pairmill_batch *batch)
{
    if (batch) {
        struct filled *f = (struct filled *)batch;
        struct shelf *s = f->shelf;
        pthread_mutex_lock(&s->lock);
        shelf_put_empty(s, f);
        shelf_leave(s);
    }
}

/* ---- the reader ---- */

static int make_ids(struct filled *f, const struct sample *samples, uint32_t n)
{
    if (f->room < n) {
        struct id *ids = realloc(f->ids, (size_t)2 * n * sizeof *ids);
        if (!ids) {
            return err_set(E_NOMEM, "no memory for a batch of %u", n);
        }
        f->ids = ids;
        f->room = n;
    }
    for (uint32_t i = 0; i < n; i++) {
        f->ids[i] = samples[i].pair;
        f->ids[f->room + i] = samples[i].medium;
    }
    f->batch.pair_ids = (const uint8_t(*)[32])f->ids;
    f->batch.medium_ids = (const uint8_t(*)[32])(f->ids + f->room);
    return 0;
}

static void show_arrays(struct filled *f)
{
    struct pairmill_batch *b = &f->batch;
    b->array_count = f->sample.count;
    for (uint32_t i = 0; i < f->sample.count; i++) {
        const struct sample_array *a = &f->sample.arrays[i];
        b->arrays[i] = (struct pairmill_array){
            .name = a->name,
            .dtype = array_dtype_name(a->dtype),
            .dimensions = a->dimensions,
            .data = a->data,
        };
        memcpy(b->arrays[i].shape, a->shape, sizeof b->arrays[i].shape);
    }
}

static int fill(struct pairmill_feed *feed, const struct sample *samples, uint32_t n, uint64_t next,
                struct filled *f)
{
    const struct recipe *recipe = feed_client_context(feed->client)->recipe;
    int rc = recipe_batch(recipe, samples, n, &f->sample);
    rc = rc ? rc : make_ids(f, samples, n);
    if (rc) {
        return rc;
    }
    f->batch.task = f->sample.task;
    f->batch.epoch = f->sample.epoch;
    f->batch.position = f->sample.position;
    f->batch.size = n;
    f->batch.next = next;
    show_arrays(f);
    return 0;
}

/* The rank's samples of one cell; they are read also where no batch is made of them. */
static int read_samples(struct pairmill_feed *feed, struct sample *samples, uint32_t n)
{
    int rc = 1;
    for (uint32_t i = 0; rc == 1 && i < n; i++) {
        rc = feed_client_next(feed->client, &samples[i]);
    }
    return rc == 0 ? err_set(E_PEER, "the epoch ended early") : rc < 0 ? rc : 0;
}

static int put_batch(struct pairmill_feed *feed, struct sample *samples, uint32_t n, uint64_t next,
                     bool *wanted)
{
    struct filled *f = shelf_take_empty(feed->shelf);
    const int rc = f ? fill(feed, samples, n, next, f) : err_set(E_NOMEM, "no memory for a batch");
    if (rc == 0) {
        *wanted = shelf_put(feed->shelf, f);
    } else if (f) {
        filled_free(f);
    }
    return rc;
}

/* The rank's part of [from, to), of which its client's next position is the first. */
static int read_cell(struct pairmill_feed *feed, struct sample *samples, uint64_t from, uint64_t to,
                     bool *wanted)
{
    const uint32_t n = (uint32_t)feed_cells_share(&feed->cells, from, to);
    const int rc = read_samples(feed, samples, n);
    return rc || !feed_cells_is_batch(&feed->cells, from, to)
               ? rc
               : put_batch(feed, samples, n, to, wanted);
}

static int read_cells(struct pairmill_feed *feed)
{
    struct sample *samples = calloc(feed->batch_size, sizeof *samples);
    int rc = samples ? 0 : err_set(E_NOMEM, "no memory for %u samples", feed->batch_size);
    for (uint32_t i = 0; rc == 0 && i < feed->batch_size; i++) {
        sample_init(&samples[i], SAMPLE_LIMIT);
    }
    bool wanted = true;
    for (uint64_t at = feed->start; rc == 0 && wanted && at < feed->cells.total;) {
        const uint64_t end = feed_cells_end(&feed->cells, at);
        rc = read_cell(feed, samples, at, end, &wanted);
        at = end;
    }
    for (uint32_t i = 0; samples && i < feed->batch_size; i++) {
        sample_release(&samples[i]);
    }
    free(samples);
    return rc;
}

/* The recipe's block of one task: the option behind the tasks' weights. */
static uint64_t task_block(const struct recipe_context *c)
{
    return (uint64_t)c->options.value[recipe_task_count(c->recipe)];
}

static int make_cells(struct pairmill_feed *feed)
{
    struct feed_cells *c = &feed->cells;
    const uint64_t block = task_block(feed_client_context(feed->client));
    if (c->drop_last && block < c->world) {
        return err_set(E_ARG,
                       "with drop_last every rank needs a sample of each task_block, which is %llu "
                       "for a world of %u: set it to batch_size * world",
                       (unsigned long long)block, c->world);
    }
    feed->total = feed_client_total(feed->client);
    *c = feed_cells_make(feed->total, feed->batch_size, block, c->rank, c->world, c->drop_last);
    feed->batches = feed_cells_batches(c, feed->start);
    return 0;
}

static void *read_feed(void *arg)
{
    struct pairmill_feed *feed = arg;
    int rc = feed_client_welcome(feed->client);
    rc = rc ? rc : make_cells(feed);
    if (rc == 0) {
        shelf_welcome(feed->shelf);
        rc = read_cells(feed);
    }
    shelf_finish(feed->shelf, rc);
    return NULL;
}

/* ---- the feed ---- */

struct pairmill_options pairmill_default_options(void)
{
    return (struct pairmill_options){
        .recipe = "uniter", .world = 1, .batch_size = 32, .credit = 8, .timeout_s = 60};
}

static int check_options(const struct pairmill_options *o)
{
    if (!o->address || !o->recipe) {
        return err_set(E_ARG, "a feed needs an address and a recipe");
    }
    if (o->batch_size == 0 || o->batch_size > BATCH_SIZE_MAX) {
        return err_set(E_ARG, "a batch_size of %u; 1 to %d are allowed", o->batch_size,
                       BATCH_SIZE_MAX);
    }
    if (!(o->timeout_s > 0 && o->timeout_s < 1e6)) {
        return err_set(E_ARG, "a timeout of %g s; give a positive number", o->timeout_s);
    }
    return 0;
}

static int begin_client(struct pairmill_feed *feed, const struct pairmill_options *o)
{
    const struct feed_client_options options = {
        .address = o->address,
        .recipe = o->recipe,
        .options = o->options,
        .seed = o->seed,
        .epoch = o->epoch,
        .start = o->start,
        .rank = o->rank,
        .world = o->world,
        .credit = o->credit,
        .timeout_ms = (int64_t)(o->timeout_s * 1000),
        .cancel = &feed->cancel,
    };
    return feed_client_begin(&options, &feed->client);
}

int pairmill_feed_begin(const struct pairmill_options *o, struct pairmill_feed **out)
{
    int rc = check_options(o);
    struct pairmill_feed *feed = rc ? NULL : calloc(1, sizeof *feed);
    if (!feed) {
        return rc ? rc : err_set(E_NOMEM, "no memory for a feed");
    }
    feed->start = o->start;
    feed->batch_size = o->batch_size;
    feed->timeout_s = o->timeout_s;
    feed->cells =
        (struct feed_cells){.rank = o->rank, .world = o->world, .drop_last = o->drop_last != 0};
    feed->shelf = shelf_new();
    rc = feed->shelf ? begin_client(feed, o) : err_set(E_NOMEM, "no memory for a feed");
    if (rc == 0) {
        feed->running = pthread_create(&feed->reader, NULL, read_feed, feed) == 0;
        rc = feed->running ? 0 : err_set(E_SYSTEM, "no thread for a feed");
    }
    if (rc) {
        pairmill_feed_close(feed);
        return rc;
    }
    *out = feed;
    return 0;
}

int pairmill_feed_welcome(struct pairmill_feed *feed, double seconds)
{
    return shelf_await_welcome(feed->shelf, seconds);
}

int pairmill_feed_open(const struct pairmill_options *o, struct pairmill_feed **out)
{
    struct pairmill_feed *feed = NULL;
    int rc = pairmill_feed_begin(o, &feed);
    rc = rc ? rc : pairmill_feed_welcome(feed, o->timeout_s + GRACE_S);
    if (rc == 0) {
        rc = err_set(E_TIMEOUT, "no welcome came within %.1f s", o->timeout_s + GRACE_S);
    }
    if (rc < 0) {
        pairmill_feed_close(feed);
        return rc;
    }
    *out = feed;
    return 0;
}

void pairmill_feed_close(struct pairmill_feed *feed)
{
    if (!feed) {
        return;
    }
    atomic_store(&feed->cancel, true);
    if (feed->shelf) {
        pthread_mutex_lock(&feed->shelf->lock);
        feed->shelf->closed = true;
        pthread_cond_broadcast(&feed->shelf->changed);
        pthread_mutex_unlock(&feed->shelf->lock);
    }
    if (feed->running) {
        pthread_join(feed->reader, NULL);
    }
    feed_client_close(feed->client);
    if (feed->shelf) {
        pthread_mutex_lock(&feed->shelf->lock);
        shelf_leave(feed->shelf);
    }
    free(feed);
}

int pairmill_feed_next(struct pairmill_feed *feed, struct pairmill_batch **out)
{
    return shelf_take(feed->shelf, feed->timeout_s, out);
}

int pairmill_feed_wait(struct pairmill_feed *feed, double seconds)
{
    pthread_mutex_lock(&feed->shelf->lock);
    const bool ready = shelf_wait(feed->shelf, seconds);
    pthread_mutex_unlock(&feed->shelf->lock);
    return ready;
}

uint64_t pairmill_feed_total(const struct pairmill_feed *feed)
{
    return feed->total;
}

uint64_t pairmill_feed_batches(const struct pairmill_feed *feed)
{
    return feed->batches;
}

const char *pairmill_recipe_task(const char *recipe, uint32_t i)
{
    const struct recipe *r = NULL;
    return recipe_find(recipe, &r) == 0 && i < recipe_task_count(r) ? r->tasks[i] : NULL;
}

const char *pairmill_error(void)
{
    return err_text();
}

const char *pairmill_error_name(int code)
{
    return err_name(code);
}

int pairmill_abi(void)
{
    return PAIRMILL_ABI;
}
