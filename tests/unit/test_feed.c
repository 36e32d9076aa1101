/* The feed gives every trainer its share exactly once, whatever happens on the way. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/socket.h"
#include "common/wire.h"
#include "recipes/order.h"
#include "recipes/uniter.h"
#include "shards/corpus.h"
#include "shards/feed_cells.h"
#include "shards/feed_client.h"
#include "shards/feed_message.h"
#include "shards/feed_selection.h"
#include "shards/feed_server.h"
#include "shards/pairmill.h"
#include "tests/unit/corpora.h"
#include "tests/unit/records.h"
#include "tests/unit/tempdir.h"

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text())

/* A feed over a made corpus, on a thread of its own. */
struct feed {
    char dir[TEMPDIR_MAX];
    char address[128];
    const char *recipe; /* that clients ask for */
    struct feed_server *server;
    struct feed_server_counts counts; /* read after stop_feed() */
    atomic_bool stop;
    pthread_t thread;
};

static void *run_feed(void *arg)
{
    struct feed *f = arg;
    int rc = 0;
    while (rc == 0 && !atomic_load(&f->stop)) {
        rc = feed_server_step(f->server, 20);
    }
    return NULL;
}

static void start_feed(struct feed *f)
{
    const struct feed_server_options o = {
        .corpus = f->dir, .address = f->address, .corpus_flags = CORPUS_QUIET};
    OK(feed_server_open(&o, &f->server));
    atomic_store(&f->stop, false);
    cr_assert_eq(pthread_create(&f->thread, NULL, run_feed, f), 0);
}

static void stop_feed(struct feed *f)
{
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
    f->counts = feed_server_counts(f->server);
    feed_server_close(f->server);
}

static void make_feed(struct feed *f, struct corpus_shape shape)
{
    *f = (struct feed){.recipe = "uniter"};
    tempdir_make(f->dir);
    make_corpus(f->dir, shape);
    snprintf(f->address, sizeof f->address, "ipc://%s/feed", f->dir);
    start_feed(f);
}

static void end_feed(struct feed *f)
{
    stop_feed(f);
    tempdir_remove(f->dir);
}

static const struct corpus_shape small = {
    .media = 40, .texts = 5, .shards = 3, .regions = 12, .dim = 16, .scattered = 1};

/* What a run saw: one hash a sample, by position. */
struct seen {
    uint64_t n;
    uint64_t total;
    uint64_t hash[4096];
    struct id pair[4096];
    unsigned times[4096];
};

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ b[i]) * 0x100000001b3;
    }
    return h;
}

static uint64_t hash_sample(const struct sample *s)
{
    uint64_t h = mix(0xcbf29ce484222325, s->task, strlen(s->task));
    for (uint32_t i = 0; i < s->count; i++) {
        h = mix(h, s->arrays[i].name, strlen(s->arrays[i].name));
        h = mix(h, s->arrays[i].data, s->arrays[i].bytes);
    }
    return h;
}

static struct feed_client_options client_options(const struct feed *f, uint64_t start,
                                                 uint32_t rank, uint32_t world)
{
    return (struct feed_client_options){
        .address = f->address,
        .recipe = f->recipe,
        .seed = 7,
        .epoch = 3,
        .start = start,
        .rank = rank,
        .world = world,
        .credit = 4,
        .timeout_ms = 20000,
    };
}

/* Runs a rank from `start` for at most `most` samples. */
static void run_rank(const struct feed *f, uint64_t start, uint32_t rank, uint32_t world,
                     uint64_t most, struct seen *seen)
{
    const struct feed_client_options o = client_options(f, start, rank, world);
    struct feed_client *c = NULL;
    struct sample s;
    sample_init(&s, 1 << 28);
    OK(feed_client_open(&o, &c));
    seen->total = feed_client_total(c);
    int rc = 1;
    for (uint64_t i = 0; i < most && rc == 1; i++) {
        rc = feed_client_next(c, &s);
        cr_assert_geq(rc, 0, "%s", err_text());
        if (rc == 1) {
            cr_assert_eq(s.position % world, rank);
            seen->hash[s.position] = hash_sample(&s);
            seen->pair[s.position] = s.pair;
            seen->times[s.position]++;
            seen->n++;
        }
    }
    feed_client_close(c);
    sample_release(&s);
}

static struct seen *seen_new(void)
{
    struct seen *s = calloc(1, sizeof *s);
    cr_assert_not_null(s);
    return s;
}

Test(feed, ranks_together_see_each_pair_exactly_once_whatever_the_world)
{
    struct feed f;
    make_feed(&f, small);
    struct seen *one = seen_new();
    run_rank(&f, 0, 0, 1, UINT64_MAX, one);
    cr_assert_eq(one->n, 200);
    cr_assert_eq(one->total, 200);
    static const uint32_t worlds[] = {2, 3, 7};
    for (size_t w = 0; w < 3; w++) {
        struct seen *many = seen_new();
        for (uint32_t rank = 0; rank < worlds[w]; rank++) {
            run_rank(&f, 0, rank, worlds[w], UINT64_MAX, many);
        }
        cr_assert_eq(many->n, 200);
        for (uint32_t p = 0; p < 200; p++) {
            cr_assert_eq(many->times[p], 1);
            cr_assert_eq(many->hash[p], one->hash[p], "position %u of world %u", p, worlds[w]);
        }
        free(many);
    }
    for (uint32_t p = 0; p < 200; p++) {
        for (uint32_t q = 0; q < p; q++) {
            cr_assert(!id_equal(&one->pair[p], &one->pair[q]));
        }
    }
    free(one);
    end_feed(&f);
}

/* One position's sample by the recipe itself, from the corpus. */
static uint64_t hash_directly(struct corpus *corpus, const struct feed_selection *selection,
                              const struct order *order, uint64_t position)
{
    const struct recipe_context c = feed_selection_context(selection, 7);
    const uint32_t index = selection->pair[order_at(order, position)];
    const struct recipe_place place = {
        3, position, selection->medium_number[corpus_pair(corpus, index)->medium]};
    struct pair_record pair;
    struct visual_record visual;
    struct plan plan;
    struct sample s;
    struct buf pair_bytes;
    struct buf visual_bytes;
    sample_init(&s, 1 << 28);
    buf_init(&pair_bytes, CODEC_MAX_RECORD);
    buf_init(&visual_bytes, CODEC_MAX_RECORD);
    OK(corpus_read_pair(corpus, index, &pair_bytes, &pair));
    OK(recipe_plan(&c, &place, &pair, &plan));
    OK(corpus_read_visual(corpus, selection->medium[plan.medium], &visual_bytes, &visual));
    OK(recipe_materialise(&c, &pair, &visual, &plan, &s));
    const uint64_t hash = hash_sample(&s);
    sample_release(&s);
    buf_release(&pair_bytes);
    buf_release(&visual_bytes);
    return hash;
}

Test(feed, every_recipes_samples_are_those_that_the_recipe_makes_of_the_records)
{
    for (size_t i = 0; recipes[i]; i++) {
        struct feed f;
        struct corpus *corpus = NULL;
        struct feed_selection selection;
        struct order order;
        struct seen *seen = seen_new();
        make_feed(&f, small);
        f.recipe = recipes[i]->name;
        run_rank(&f, 0, 0, 1, UINT64_MAX, seen);
        stop_feed(&f); /* a process opens a shard once */
        OK(corpus_open(f.dir, CORPUS_QUIET, &corpus));
        OK(feed_selection_init(&selection, corpus, f.recipe, NULL));
        OK(order_init(&order, 7, 3, selection.pairs));
        cr_assert_eq(selection.pairs, 200);
        for (uint64_t p = 0; p < 200; p++) {
            cr_assert_eq(hash_directly(corpus, &selection, &order, p), seen->hash[p],
                         "position %llu of %s", (unsigned long long)p, f.recipe);
        }
        feed_selection_release(&selection);
        corpus_close(corpus);
        tempdir_remove(f.dir);
        free(seen);
    }
}

Test(feed, a_run_resumed_anywhere_by_any_world_goes_on_identically)
{
    struct feed f;
    make_feed(&f, small);
    struct seen *whole = seen_new();
    run_rank(&f, 0, 0, 1, UINT64_MAX, whole);
    static const struct {
        uint64_t start;
        uint32_t world;
    } cases[] = {{1, 1}, {64, 2}, {99, 3}, {150, 4}, {199, 5}, {200, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seen *rest = seen_new();
        for (uint32_t rank = 0; rank < cases[i].world; rank++) {
            run_rank(&f, cases[i].start, rank, cases[i].world, UINT64_MAX, rest);
        }
        cr_assert_eq(rest->n, 200 - cases[i].start);
        for (uint64_t p = 0; p < 200; p++) {
            cr_assert_eq(rest->times[p], p >= cases[i].start);
            cr_assert_eq(rest->hash[p], p >= cases[i].start ? whole->hash[p] : 0);
        }
        free(rest);
    }
    free(whole);
    end_feed(&f);
}

/* The server is gone for a while and comes back at the same address. */
Test(feed, a_feed_that_is_restarted_is_gone_on_with_exactly_once)
{
    struct feed f;
    make_feed(&f, (struct corpus_shape){30, 5, 2, 36, 600, 0});
    struct seen *whole = seen_new();
    run_rank(&f, 0, 0, 1, UINT64_MAX, whole);
    struct feed_client_options o = client_options(&f, 0, 0, 1);
    o.credit = 1; /* so that most of the epoch is still on the other side */
    struct feed_client *c = NULL;
    struct sample s;
    sample_init(&s, 1 << 28);
    OK(feed_client_open(&o, &c));
    uint64_t n = 0;
    for (; n < 40; n++) {
        cr_assert_eq(feed_client_next(c, &s), 1, "%s", err_text());
        cr_assert_eq(hash_sample(&s), whole->hash[s.position]);
    }
    stop_feed(&f);
    start_feed(&f);
    int rc;
    for (; (rc = feed_client_next(c, &s)) == 1; n++) {
        cr_assert_eq(s.position, n);
        cr_assert_eq(hash_sample(&s), whole->hash[s.position]);
    }
    cr_assert_eq(rc, 0, "%s", err_text());
    cr_assert_eq(n, 150);
    feed_client_close(c);
    sample_release(&s);
    free(whole);
    end_feed(&f);
}

Test(feed, a_dead_feed_is_an_error_in_the_loop)
{
    struct feed f;
    make_feed(&f, (struct corpus_shape){30, 5, 2, 36, 600, 0});
    struct feed_client_options o = client_options(&f, 0, 0, 1);
    o.credit = 1;
    o.timeout_ms = 300;
    struct feed_client *c = NULL;
    struct sample s;
    sample_init(&s, 1 << 28);
    OK(feed_client_open(&o, &c));
    cr_assert_eq(feed_client_next(c, &s), 1);
    end_feed(&f);
    int rc;
    while ((rc = feed_client_next(c, &s)) == 1) {
    }
    cr_assert_eq(rc, E_TIMEOUT);
    cr_assert_not_null(strstr(err_text(), f.address), "%s", err_text());
    feed_client_close(c);
    cr_assert_eq(feed_client_open(&o, &c), E_TIMEOUT);
    sample_release(&s);
}

Test(feed, refuses_what_it_cannot_serve_with_a_sentence)
{
    struct feed f;
    make_feed(&f, small);
    struct feed_client *c = NULL;
    struct feed_client_options o = client_options(&f, 0, 0, 1);
    o.recipe = "unheard";
    cr_assert_eq(feed_client_open(&o, &c), E_ARG);
    o = client_options(&f, 0, 2, 2);
    cr_assert_eq(feed_client_open(&o, &c), E_ARG);
    o = client_options(&f, 5000, 0, 1);
    cr_assert_eq(feed_client_open(&o, &c), E_ARG);
    cr_assert_not_null(strstr(err_text(), "has 200 positions"), "%s", err_text());
    o = client_options(&f, UINT64_MAX, 1, 3); /* the rank's first position from there on is 2^64 */
    cr_assert_eq(feed_client_open(&o, &c), E_ARG);
    cr_assert_not_null(strstr(err_text(), "start is 18446744073709551615"), "%s", err_text());
    o = client_options(&f, 0, 0, 1);
    o.options = "mlm_rate=7";
    cr_assert_eq(feed_client_open(&o, &c), E_ARG);
    end_feed(&f);
    cr_assert_eq(f.counts.refused, 1);
}

Test(feed, refuses_an_address_that_others_can_reach_unless_told)
{
    char dir[TEMPDIR_MAX];
    tempdir_make(dir);
    make_corpus(dir, small);
    struct feed_server *s = NULL;
    const struct feed_server_options o = {
        .corpus = dir, .address = "tcp://0.0.0.0:*", .corpus_flags = CORPUS_QUIET};
    cr_assert_eq(feed_server_open(&o, &s), E_ARG);
    cr_assert_not_null(strstr(err_text(), "--insecure"), "%s", err_text());
    tempdir_remove(dir);
}

/* Also one that cannot open its corpus. */
Test(feed, a_second_one_at_the_address_is_refused_and_the_first_serves_on)
{
    struct feed f;
    struct feed_server *second = NULL;
    make_feed(&f, small);
    struct feed_server_options o = {
        .corpus = f.dir, .address = f.address, .corpus_flags = CORPUS_QUIET};
    cr_assert_eq(feed_server_open(&o, &second), E_BUSY);
    cr_assert_not_null(strstr(err_text(), "runs already"), "%s", err_text());
    cr_assert_not_null(strstr(err_text(), f.address), "%s", err_text());
    o.corpus = "/no such corpus";
    cr_assert_neq(feed_server_open(&o, &second), 0);
    struct seen *seen = seen_new();
    run_rank(&f, 0, 0, 1, UINT64_MAX, seen);
    cr_assert_eq(seen->n, 200);
    free(seen);
    end_feed(&f);
}

/* ---- by hand, on the wire ---- */

struct hand {
    void *zmq;
    void *socket;
    struct wire_out out;
};

static void hand_open(struct hand *h, const struct feed *f)
{
    *h = (struct hand){.zmq = zmq_ctx_new()};
    OK(socket_new(h->zmq, ZMQ_DEALER, &h->socket));
    OK(socket_connect(h->socket, f->address));
}

static void hand_close(struct hand *h)
{
    socket_free(h->socket);
    wire_out_release(&h->out);
    zmq_ctx_term(h->zmq);
}

static void say_hello(struct hand *h, uint64_t credit)
{
    wire_begin(&h->out, FEED_HELLO);
    wire_put_u64(&h->out, "session", 99);
    wire_put_u64(&h->out, "version", FEED_PROTOCOL);
    wire_put_str(&h->out, "recipe", view_str("uniter"));
    wire_put_str(&h->out, "options", view_str(""));
    wire_put_u64(&h->out, "seed", 7);
    wire_put_u64(&h->out, "epoch", 3);
    wire_put_u64(&h->out, "start", 0);
    wire_put_u64(&h->out, "rank", 0);
    wire_put_u64(&h->out, "world", 1);
    wire_put_u64(&h->out, "credit", credit);
    OK(wire_send(h->socket, NULL, &h->out, NULL, 0));
}

/* The next message, within 10 s. */
static void expect_verb(struct hand *h, const char *verb, struct wire_in *in)
{
    cr_assert_eq(socket_wait(h->socket, 10000), 1, "no %s came", verb);
    OK(wire_recv(h->socket, in));
    cr_assert_str_eq(in->verb, verb);
}

static void expect_error(struct hand *h, const char *code)
{
    struct wire_in in;
    struct view got;
    expect_verb(h, FEED_ERROR, &in);
    OK(wire_get_str(&in.header, "code", &got));
    cr_assert(view_equal(got, view_str(code)), "%.*s", (int)got.n, (const char *)got.p);
    wire_in_release(&in);
}

Test(feed, a_client_gets_as_many_messages_as_it_gave_credit)
{
    struct feed f;
    struct hand h;
    struct wire_in in;
    make_feed(&f, (struct corpus_shape){60, 2, 1, 36, 2000, 0}); /* some 10 samples a message */
    hand_open(&h, &f);
    say_hello(&h, 3);
    expect_verb(&h, FEED_WELCOME, &in);
    wire_in_release(&in);
    for (int i = 0; i < 3; i++) {
        expect_verb(&h, FEED_SAMPLES, &in);
        wire_in_release(&in);
    }
    /* A PING is answered after whatever was due before it: nothing is. */
    wire_begin(&h.out, FEED_PING);
    wire_put_u64(&h.out, "session", 99);
    OK(wire_send(h.socket, NULL, &h.out, NULL, 0));
    expect_verb(&h, FEED_PONG, &in);
    wire_in_release(&in);
    wire_begin(&h.out, FEED_CREDIT);
    wire_put_u64(&h.out, "session", 99);
    wire_put_u64(&h.out, "n", 1);
    OK(wire_send(h.socket, NULL, &h.out, NULL, 0));
    expect_verb(&h, FEED_SAMPLES, &in);
    wire_in_release(&in);
    hand_close(&h);
    end_feed(&f);
    cr_assert_eq(f.counts.messages, 4);
}

/* One client asks and never reads; the other gets its whole epoch. */
Test(feed, a_client_that_does_not_read_delays_nobody)
{
    struct feed f;
    struct hand stuck;
    make_feed(&f, (struct corpus_shape){60, 2, 1, 36, 2000, 0});
    hand_open(&stuck, &f);
    say_hello(&stuck, FEED_CREDIT_MAX);
    struct seen *seen = seen_new();
    run_rank(&f, 0, 0, 1, UINT64_MAX, seen);
    cr_assert_eq(seen->n, 120);
    hand_close(&stuck);
    free(seen);
    end_feed(&f);
}

Test(feed, malformed_messages_are_answered_and_counted_and_serving_goes_on)
{
    struct feed f;
    struct hand h;
    make_feed(&f, small);
    hand_open(&h, &f);
    wire_begin(&h.out, FEED_CREDIT); /* before any HELLO */
    wire_put_u64(&h.out, "session", 1);
    wire_put_u64(&h.out, "n", 1);
    OK(wire_send(h.socket, NULL, &h.out, NULL, 0));
    expect_error(&h, "E_NOT_FOUND");
    wire_begin(&h.out, FEED_HELLO); /* without its fields */
    wire_put_u64(&h.out, "session", 1);
    OK(wire_send(h.socket, NULL, &h.out, NULL, 0));
    expect_error(&h, "E_PEER");
    cr_assert_eq(zmq_send(h.socket, "HELLO", 5, ZMQ_SNDMORE), 5);
    cr_assert_eq(zmq_send(h.socket, "\xff\xff", 2, 0), 2);
    expect_error(&h, "E_PEER");
    say_hello(&h, FEED_CREDIT_MAX + 1);
    expect_error(&h, "E_PEER");
    wire_begin(&h.out, FEED_HELLO);
    wire_put_u64(&h.out, "session", 1);
    wire_put_u64(&h.out, "version", FEED_PROTOCOL + 1);
    OK(wire_send(h.socket, NULL, &h.out, NULL, 0));
    expect_error(&h, "E_VERSION");
    hand_close(&h);
    struct seen *seen = seen_new();
    run_rank(&f, 0, 0, 1, UINT64_MAX, seen);
    cr_assert_eq(seen->n, 200);
    free(seen);
    end_feed(&f);
    cr_assert_eq(f.counts.refused, 5);
}

/* ---- plans as bytes ---- */

/* What a client reads of a message with this plan alone. */
static int read_back(const struct plan *plan, struct feed_sample *out)
{
    static const char pair[8] = "a pair";
    struct feed_writer w = {0};
    struct feed_reader r = {0};
    struct wire_in in = {0};
    const struct view *frames = NULL;
    feed_writer_begin(&w);
    feed_writer_add(&w, plan, view_of(pair, sizeof pair), view_str("a visual"));
    OK(feed_writer_end(&w, &frames, &in.payload_count));
    memcpy(in.payload, frames, in.payload_count * sizeof *frames);
    OK(feed_reader_init(&r, &in));
    const int rc = feed_reader_sample(&r, 0, &recipe_uniter, out);
    feed_reader_release(&r);
    feed_writer_release(&w);
    return rc;
}

Test(feed, a_plan_comes_back_as_it_was_sent)
{
    struct plan plan = {.position = 7, .epoch = 2, .task = 1, .match = 1, .tokens = 5};
    memcpy(plan.token_op, (const uint8_t[]){0, MASK_RANDOM, MASK_HIDE, 0, MASK_KEEP}, 5);
    memcpy(plan.token_for, (const uint8_t[]){0, 4, 4, 0, 2}, 5);
    plan.token_random[1] = 1234567;
    struct feed_sample got;
    OK(read_back(&plan, &got));
    plan.medium = got.plan.medium; /* a number of the server's */
    cr_assert_eq(memcmp(&plan, &got.plan, sizeof plan), 0);
}

Test(feed, a_plan_with_a_task_that_there_is_not_is_refused)
{
    struct plan plan = {.tokens = 2, .token_for = {0, 5}};
    struct feed_sample got;
    cr_assert_eq(read_back(&plan, &got), E_PEER);
    cr_assert_not_null(strstr(err_text(), "task 5"), "%s", err_text());
}

/* ---- the library ---- */

static struct pairmill_options library_options(const struct feed *f, uint32_t rank, uint32_t world)
{
    struct pairmill_options o = pairmill_default_options();
    o.address = f->address;
    o.seed = 7;
    o.epoch = 3;
    o.rank = rank;
    o.world = world;
    o.batch_size = 8;
    o.timeout_s = 20;
    return o;
}

static const struct pairmill_array *find_array(const struct pairmill_batch *b, const char *name)
{
    for (uint32_t i = 0; i < b->array_count; i++) {
        if (strcmp(b->arrays[i].name, name) == 0) {
            return &b->arrays[i];
        }
    }
    cr_assert_fail("a %s batch without %s", b->task, name);
    return NULL;
}

/* gather_index and attn_masks of a batch agree with each other and with the padding of its text. */
static void check_batch(const struct pairmill_batch *b)
{
    const struct pairmill_array *ids = find_array(b, "input_ids");
    const struct pairmill_array *mask = find_array(b, "attn_masks");
    const struct pairmill_array *gather = find_array(b, "gather_index");
    const struct pairmill_array *feat = find_array(b, "img_feat");
    cr_assert_eq(ids->shape[0], b->size);
    cr_assert_eq(feat->shape[0], b->size);
    cr_assert_eq(feat->shape[2], 16);
    for (uint32_t i = 0; i < b->size; i++) {
        const int32_t *text = (const int32_t *)ids->data + i * ids->shape[1];
        const int32_t *used = (const int32_t *)mask->data + i * mask->shape[1];
        const int32_t *from = (const int32_t *)gather->data + i * gather->shape[1];
        uint64_t length = 0;
        uint64_t joint = 0;
        while (length < ids->shape[1] && text[length]) {
            length++;
        }
        while (joint < mask->shape[1] && used[joint]) {
            joint++;
        }
        cr_assert_eq(text[0], 101);
        cr_assert_eq(text[length - 1], 102);
        cr_assert_eq(joint - length, 11u); /* of 12 regions, those above 0.2 */
        for (uint64_t j = 0; j < joint; j++) {
            cr_assert_eq((uint64_t)from[j], j < length ? j : ids->shape[1] + j - length);
        }
    }
}

Test(pairmill, batches_hold_each_pair_once_and_count_right)
{
    struct feed f;
    make_feed(&f, small);
    unsigned seen = 0;
    unsigned tasks = 0;
    for (uint32_t rank = 0; rank < 2; rank++) {
        struct pairmill_options o = library_options(&f, rank, 2);
        o.options = "task_block=16,mrc=1";
        struct pairmill_feed *feed = NULL;
        struct pairmill_batch *b = NULL;
        OK(pairmill_feed_open(&o, &feed));
        cr_assert_eq(pairmill_feed_total(feed), 200);
        uint64_t batches = 0;
        int rc;
        while ((rc = pairmill_feed_next(feed, &b)) == 1) {
            check_batch(b);
            seen += b->size;
            batches++;
            tasks |= 1u << (b->task[0] == 'i' ? 0 : strlen(b->task) - 2);
            pairmill_batch_release(b);
        }
        cr_assert_eq(rc, 0, "%s", pairmill_error());
        cr_assert_eq(batches, pairmill_feed_batches(feed));
        cr_assert_eq(batches, 13); /* 200 = 12 x 16 + 8 */
        pairmill_feed_close(feed);
    }
    cr_assert_eq(seen, 200);
    cr_assert_eq(tasks & 1, 1);
    end_feed(&f);
}

Test(pairmill, a_run_goes_on_from_a_batchs_next)
{
    struct feed f;
    make_feed(&f, small);
    struct pairmill_options o = library_options(&f, 0, 2);
    struct pairmill_feed *feed = NULL;
    struct pairmill_batch *b = NULL;
    uint64_t first[64];
    uint64_t next[64];
    uint64_t n = 0;
    OK(pairmill_feed_open(&o, &feed));
    while (pairmill_feed_next(feed, &b) == 1) {
        first[n] = b->position;
        next[n++] = b->next;
        pairmill_batch_release(b);
    }
    pairmill_feed_close(feed);
    for (uint64_t i = 0; i + 1 < n; i++) {
        o.start = next[i];
        OK(pairmill_feed_open(&o, &feed));
        cr_assert_eq(pairmill_feed_batches(feed), n - i - 1);
        cr_assert_eq(pairmill_feed_next(feed, &b), 1);
        cr_assert_eq(b->position, first[i + 1]);
        pairmill_batch_release(b);
        pairmill_feed_close(feed);
    }
    end_feed(&f);
}

/* What a trainer of ERNIE-ViL relies on: shapes that agree, and masks that tell padding. */
static void check_ernievil_batch(const struct pairmill_batch *b)
{
    const struct pairmill_array *ids = find_array(b, "src_ids");
    const struct pairmill_array *text = find_array(b, "src_masks");
    const struct pairmill_array *image = find_array(b, "image_mask");
    const struct pairmill_array *loc = find_array(b, "image_loc");
    const struct pairmill_array *why = find_array(b, "mask_task");
    cr_assert_eq(find_array(b, "image_embeddings")->shape[2], 16);
    cr_assert(loc->shape[0] == b->size && loc->shape[2] == 5);
    for (uint32_t i = 0; i < b->size; i++) {
        const int32_t *id = (const int32_t *)ids->data + i * ids->shape[1];
        const float *whole = (const float *)loc->data + i * loc->shape[1] * 5;
        uint32_t rows = 0;
        for (uint64_t t = 0; t < ids->shape[1]; t++) {
            const float mask = ((const float *)text->data)[i * text->shape[1] + t];
            const int32_t task = ((const int32_t *)why->data)[i * why->shape[1] + t];
            cr_assert_eq(mask != 0, id[t] != 0);
            cr_assert(task >= 0 && task < 5 && (mask != 0 || task == 0));
        }
        for (uint64_t r = 0; r < image->shape[1]; r++) {
            rows += ((const float *)image->data)[i * image->shape[1] + r] != 0;
        }
        cr_assert_eq(rows, 12u); /* of 12 regions, those above 0.2, and the whole image */
        cr_assert(whole[0] == 0 && whole[2] == 1 && whole[4] == 1);
    }
}

Test(pairmill, ernievil_batches_hold_each_pair_once_with_words_masked_for_their_nodes)
{
    struct feed f;
    make_feed(&f, small);
    unsigned seen = 0;
    unsigned tasks = 0;
    for (uint32_t rank = 0; rank < 2; rank++) {
        struct pairmill_options o = library_options(&f, rank, 2);
        o.recipe = "ernievil";
        o.options = "task_block=16,object_rate=0.5";
        struct pairmill_feed *feed = NULL;
        struct pairmill_batch *b = NULL;
        OK(pairmill_feed_open(&o, &feed));
        int rc;
        while ((rc = pairmill_feed_next(feed, &b)) == 1) {
            const struct pairmill_array *why = find_array(b, "mask_task");
            check_ernievil_batch(b);
            for (uint64_t k = 0; k < why->shape[0] * why->shape[1]; k++) {
                tasks |= 1u << ((const int32_t *)why->data)[k];
            }
            seen += b->size;
            pairmill_batch_release(b);
        }
        cr_assert_eq(rc, 0, "%s", pairmill_error());
        pairmill_feed_close(feed);
    }
    cr_assert_eq(seen, 200);
    cr_assert_eq(tasks, 0xfu); /* none, mlm, object, attribute: the texts' graphs say no relation */
    end_feed(&f);
}

Test(pairmill, tells_the_tasks_of_a_recipe)
{
    cr_assert_str_eq(pairmill_recipe_task("uniter", 0), "itm");
    cr_assert_str_eq(pairmill_recipe_task("uniter", 4), "mrc");
    cr_assert_null(pairmill_recipe_task("uniter", 5));
    cr_assert_str_eq(pairmill_recipe_task("ernievil", 4), "relation");
    cr_assert_null(pairmill_recipe_task("no such recipe", 0));
}

Test(pairmill, batches_outlive_their_feed)
{
    struct feed f;
    make_feed(&f, small);
    const struct pairmill_options o = library_options(&f, 0, 1);
    struct pairmill_feed *feed = NULL;
    struct pairmill_batch *kept[3] = {NULL};
    OK(pairmill_feed_open(&o, &feed));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(pairmill_feed_next(feed, &kept[i]), 1);
    }
    pairmill_feed_close(feed);
    for (int i = 0; i < 3; i++) {
        check_batch(kept[i]);
        cr_assert_eq(kept[i]->position, 8u * (unsigned)i);
        pairmill_batch_release(kept[i]);
    }
    end_feed(&f);
}

Test(pairmill, every_world_gets_the_same_number_of_batches_when_the_last_is_dropped)
{
    for (uint32_t world = 1; world < 9; world++) {
        for (uint64_t total = 0; total < 300; total += 13) {
            uint64_t batches = 0;
            for (uint32_t rank = 0; rank < world; rank++) {
                const struct feed_cells c = feed_cells_make(total, 4, 4 * world, rank, world, 1);
                const uint64_t n = feed_cells_batches(&c, 0);
                cr_assert_eq(feed_cells_share(&c, 0, c.total), n * 4);
                cr_assert(rank == 0 || n == batches);
                batches = n;
            }
        }
    }
}

/* Whatever the block of one task, and wherever the run begins. */
Test(pairmill, every_rank_gets_the_same_number_of_batches_when_the_last_is_dropped)
{
    static const uint32_t blocks[] = {7, 8, 12, 16, 64, 100};
    for (uint32_t world = 2; world < 8; world++) {
        for (uint32_t k = 0; k < 6 * 150; k++) {
            const uint64_t start = k % 150;
            uint64_t batches = 0;
            for (uint32_t rank = 0; rank < world; rank++) {
                const struct feed_cells c =
                    feed_cells_make(360, 2, blocks[k / 150], rank, world, true);
                const uint64_t n = feed_cells_batches(&c, start);
                cr_assert(rank == 0 || n == batches, "block %u, world %u, start %llu",
                          blocks[k / 150], world, (unsigned long long)start);
                batches = n;
            }
            cr_assert_geq(batches, (360 - start) / (2 * world) - 1);
        }
    }
}

static uint64_t count_batches(const struct pairmill_options *o)
{
    struct pairmill_feed *feed = NULL;
    struct pairmill_batch *b = NULL;
    uint64_t n = 0;
    OK(pairmill_feed_open(o, &feed));
    int rc;
    while ((rc = pairmill_feed_next(feed, &b)) == 1) {
        cr_assert(b->size == 1 || b->size == 2);
        pairmill_batch_release(b);
        n++;
    }
    cr_assert_eq(rc, 0, "%s", pairmill_error());
    cr_assert_eq(n, pairmill_feed_batches(feed));
    pairmill_feed_close(feed);
    return n;
}

Test(pairmill, ranks_end_together_when_a_block_of_one_task_ends_within_a_batch)
{
    struct feed f;
    make_feed(&f, small);
    uint64_t batches[3];
    for (uint32_t rank = 0; rank < 3; rank++) {
        struct pairmill_options o = library_options(&f, rank, 3);
        o.options = "task_block=64";
        o.batch_size = 2;
        o.drop_last = 1;
        batches[rank] = count_batches(&o);
    }
    cr_assert_eq(batches[0], batches[1]);
    cr_assert_eq(batches[0], batches[2]);
    cr_assert_eq(batches[0], 33); /* of [60, 66) only [60, 64) is one, of [126, 132) [128, 132) */
    struct pairmill_options o = library_options(&f, 0, 3);
    struct pairmill_feed *feed = NULL;
    o.options = "task_block=2";
    o.drop_last = 1;
    cr_assert_eq(pairmill_feed_open(&o, &feed), E_ARG);
    cr_assert_not_null(strstr(pairmill_error(), "task_block, which is 2"), "%s", pairmill_error());
    end_feed(&f);
}

Test(pairmill, a_flipped_byte_reaches_the_loop_as_an_error_that_names_it)
{
    struct feed f = {0};
    tempdir_make(f.dir);
    make_corpus(f.dir, (struct corpus_shape){30, 2, 1, 36, 400, 0});
    const char *path = corpus_shard_file(f.dir, 0);
    const struct id medium = medium_id(11);
    flip_byte(path, inside_record(path, &medium));
    snprintf(f.address, sizeof f.address, "ipc://%s/feed", f.dir);
    const struct feed_server_options o = {
        .corpus = f.dir, .address = f.address, .corpus_flags = CORPUS_QUIET | CORPUS_TRUST_DIGESTS};
    OK(feed_server_open(&o, &f.server));
    cr_assert_eq(pthread_create(&f.thread, NULL, run_feed, &f), 0);
    const struct pairmill_options options = library_options(&f, 0, 1);
    struct pairmill_feed *feed = NULL;
    struct pairmill_batch *b = NULL;
    OK(pairmill_feed_open(&options, &feed));
    int rc;
    while ((rc = pairmill_feed_next(feed, &b)) == 1) {
        pairmill_batch_release(b);
    }
    cr_assert_eq(rc, E_CHECKSUM, "%s", pairmill_error());
    cr_assert_not_null(strstr(pairmill_error(), "damaged"), "%s", pairmill_error());
    pairmill_feed_close(feed);
    end_feed(&f);
}
