/*
 * How fast shards and feed are on records of UNITER's size:
 *
 *     shards_bench [MEDIA]        default 2000, one text each
 *
 * 36 regions of 2048 f16 features (a quarter zeros, a gamma-like tail) and 1601 f16 soft labels:
 * 264 kB a record.  Prints what byte planes are worth, durable puts and sealing a second, and
 * samples a second from a feed in another process over TCP, with both processes' CPU time.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>
#include <zstd.h>

#include "common/clock.h"
#include "common/half.h"
#include "common/philox.h"
#include "shards/catalog.h"
#include "shards/codec.h"
#include "shards/feed_client.h"
#include "shards/feed_server.h"
#include "shards/open_shard.h"
#include "shards/pairmill.h"
#include "shards/value.h"

enum { REGIONS = 36, DIM = 2048, CLASSES = 1601, WORDS = 11 };

static void check(int rc)
{
    if (rc) {
        fprintf(stderr, "shards_bench: %s\n", err_text());
        exit(1);
    }
}

/* ---- made records ---- */

struct made {
    float boxes[REGIONS * 4];
    float conf[REGIONS];
    uint16_t object_id[REGIONS];
    half features[REGIONS * DIM];
    half soft[REGIONS * CLASSES];
    char text[WORDS * 6];
    uint32_t ids[WORDS];
    uint32_t beg[WORDS];
    uint32_t end[WORDS];
    uint8_t start[WORDS];
    struct visual_record visual;
    struct pair_record pair;
};

static void make_features(struct made *m, const struct draw *d)
{
    for (uint32_t i = 0; i < REGIONS * DIM; i++) {
        const float u = draw_unit(d, i);
        /* the sum of two exponentials has a gamma's tail */
        const float v =
            u < 0.25f ? 0.0f : -logf(u) * 0.5f - logf(draw_unit(d, i ^ 0x55555) + 1e-7f);
        m->features[i] = half_from_float(v);
    }
    for (uint32_t r = 0; r < REGIONS; r++) {
        float sum = 0;
        float p[CLASSES];
        for (uint32_t c = 0; c < CLASSES; c++) {
            p[c] = expf(8 * draw_unit(d, 1000000 + r * CLASSES + c));
            sum += p[c];
        }
        for (uint32_t c = 0; c < CLASSES; c++) {
            m->soft[r * CLASSES + c] = half_from_float(p[c] / sum);
        }
    }
}

static void make_text(struct made *m, const struct draw *d)
{
    static const char *const words[] = {"small", "red", "dog", "on", "a", "table", "near", "the"};
    size_t n = 0;
    for (uint32_t w = 0; w < WORDS; w++) {
        const char *word = words[draw_below(d, 9000000 + w, 8)];
        m->ids[w] = 110 + (uint32_t)draw_below(d, 9000000 + w, 8);
        m->beg[w] = (uint32_t)n;
        n += (size_t)snprintf(m->text + n, sizeof m->text - n, "%s", word);
        m->end[w] = (uint32_t)n;
        m->start[w] = 1;
        n += w + 1 < WORDS ? (size_t)snprintf(m->text + n, sizeof m->text - n, " ") : 0;
    }
    m->pair.text = view_of(m->text, n);
    m->pair.tokens =
        (struct token_block){view_str("bench"), WORDS, m->ids, m->beg, m->end, m->start};
}

static void make(struct made *m, uint32_t number)
{
    const struct draw d = draw_stream(1, 0, 0, number, DRAW_ORDER);
    for (uint32_t r = 0; r < REGIONS; r++) {
        m->conf[r] = 0.9f - 0.01f * (float)r;
        m->object_id[r] = (uint16_t)(draw_below(&d, r, CLASSES - 1));
        for (uint32_t k = 0; k < 4; k++) {
            m->boxes[4 * r + k] = 300 * draw_unit(&d, 500 + 4 * r + k) + (k > 1 ? 300 : 0);
        }
    }
    make_features(m, &d);
    m->visual = (struct visual_record){
        .medium = id_of_medium(view_of(&number, sizeof number)),
        .width = 640,
        .height = 600,
        .detector = view_str("bench"),
        .locator = view_str("path:/bench/000000.jpg"),
        .convention = BOX_PROPOSAL,
        .order = BOX_BY_CONFIDENCE,
        .n = REGIONS,
        .boxes = m->boxes,
        .conf = m->conf,
        .object_id = m->object_id,
        .object_conf = m->conf,
        .feature_dtype = FEATURE_F16,
        .dim = DIM,
        .features = m->features,
        .classes = CLASSES,
        .soft_labels = m->soft,
    };
    m->pair = (struct pair_record){.medium = m->visual.medium,
                                   .group = id_number(&m->visual.medium),
                                   .source = view_str("bench"),
                                   .key = view_of(&number, 0)};
    make_text(m, &d);
    m->pair.id = id_of_pair(&m->pair.medium, m->pair.text);
}

/* ---- packing ---- */

static double cpu_s(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* The stored form against zstd on the record as it is. */
static void bench_packing(const struct made *m)
{
    struct value_coder *coder;
    struct buf record;
    struct buf stored;
    struct buf back;
    enum { ROUNDS = 300 };
    buf_init(&record, CODEC_MAX_RECORD);
    buf_init(&stored, CODEC_MAX_RECORD);
    buf_init(&back, CODEC_MAX_RECORD);
    check(value_coder_new(&coder));
    check(codec_encode_visual(&m->visual, &record));
    double t = cpu_s(RUSAGE_SELF);
    for (int i = 0; i < ROUNDS; i++) {
        check(value_pack(coder, buf_view(&record), NULL, &stored));
    }
    const double pack = cpu_s(RUSAGE_SELF) - t;
    t = cpu_s(RUSAGE_SELF);
    for (int i = 0; i < ROUNDS; i++) {
        check(value_unpack(coder, buf_view(&stored), NULL, &back));
    }
    const double unpack = cpu_s(RUSAGE_SELF) - t;
    const size_t bound = ZSTD_compressBound(record.n);
    void *raw = malloc(record.n);
    void *frame = malloc(bound);
    if (!raw || !frame) {
        exit(1);
    }
    t = cpu_s(RUSAGE_SELF);
    size_t plain = 0;
    for (int i = 0; i < ROUNDS; i++) {
        plain = ZSTD_compress(frame, bound, record.p, record.n, VALUE_LEVEL);
    }
    const double plain_pack = cpu_s(RUSAGE_SELF) - t;
    t = cpu_s(RUSAGE_SELF);
    for (int i = 0; i < ROUNDS; i++) {
        (void)ZSTD_decompress(raw, record.n, frame, plain);
    }
    const double plain_unpack = cpu_s(RUSAGE_SELF) - t;
    free(raw);
    free(frame);
    printf("record %zu B; zstd alone: ratio %.3f, %.0f packed/s, %.0f unpacked/s; "
           "as stored: ratio %.3f, %.0f packed/s, %.0f unpacked/s (CPU time)\n",
           record.n, (double)record.n / (double)plain, ROUNDS / plain_pack, ROUNDS / plain_unpack,
           (double)record.n / (double)stored.n, ROUNDS / pack, ROUNDS / unpack);
    value_coder_free(coder);
    buf_release(&record);
    buf_release(&stored);
    buf_release(&back);
}

/* ---- writing ---- */

static const char about[] =
    "{\"tokenizer\": \"bench\", \"wordpiece\": {\"size\": 30522, \"pad\": 0, \"unk\": 100,"
    " \"cls\": 101, \"sep\": 102, \"mask\": 103, \"random_first\": 999, \"random_end\": 30522}}";

static void bench_writing(const char *dir, struct made *m, uint32_t media)
{
    struct open_shard *s;
    struct shard_manifest manifest;
    struct catalog c;
    double put = 0;
    check(open_shard_create(dir, 0, about, &s));
    for (uint32_t i = 0; i < media; i++) {
        make(m, i);
        const struct staged_mark mark = {.medium = m->visual.medium, .token = i};
        const double t = clock_now_s();
        check(open_shard_put(s, &mark, &m->visual, &m->pair, 1));
        put += clock_now_s() - t;
    }
    double t = clock_now_s();
    check(open_shard_seal(s, &manifest));
    t = clock_now_s() - t;
    open_shard_close(s);
    printf("%u jobs: %.0f durable puts/s, sealed in %.2f s (%.0f records/s), %.1f MB\n", media,
           media / put, t, media / t, (double)manifest.bytes / 1e6);
    check(catalog_init(&c, "bench"));
    check(catalog_add(&c, "000000.mdb", &manifest));
    check(catalog_save(&c, dir));
    catalog_release(&c);
}

/* ---- feeding ---- */

/* A feed in a process of its own; its address comes through the pipe. */
static pid_t start_server(const char *dir, char address[256])
{
    int fds[2];
    if (pipe(fds)) {
        exit(1);
    }
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        const struct feed_server_options o = {.corpus = dir, .address = "tcp://127.0.0.1:*"};
        struct feed_server *s;
        check(feed_server_open(&o, &s));
        dprintf(fds[1], "%s", feed_server_address(s));
        close(fds[1]);
        for (;;) {
            check(feed_server_step(s, 1000));
        }
    }
    close(fds[1]);
    const ssize_t n = read(fds[0], address, 255);
    close(fds[0]);
    address[n > 0 ? n : 0] = '\0';
    return child;
}

static void bench_samples(const char *address, uint32_t media)
{
    struct feed_client *c;
    struct sample s;
    uint32_t n = 0;
    int rc = 1;
    const double cpu = cpu_s(RUSAGE_SELF);
    sample_init(&s, 1 << 28);
    const double start = clock_now_s();
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        const struct feed_client_options o = {.address = address,
                                              .recipe = "uniter",
                                              .epoch = epoch,
                                              .world = 1,
                                              .credit = 8,
                                              .timeout_ms = 30000};
        check(feed_client_open(&o, &c));
        while ((rc = feed_client_next(c, &s)) == 1) {
            n++;
        }
        check(rc);
        feed_client_close(c);
    }
    const double t = clock_now_s() - start;
    printf("samples: %.0f/s over tcp, %u of %u; client CPU %.3f ms each\n", n / t, n, 3 * media,
           1000 * (cpu_s(RUSAGE_SELF) - cpu) / n);
    sample_release(&s);
}

static void bench_batches(const char *address)
{
    uint64_t n = 0;
    const double cpu = cpu_s(RUSAGE_SELF);
    const double start = clock_now_s();
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        struct pairmill_options o = pairmill_default_options();
        struct pairmill_feed *feed;
        struct pairmill_batch *b;
        o.address = address;
        o.epoch = epoch;
        check(pairmill_feed_open(&o, &feed));
        int rc;
        while ((rc = pairmill_feed_next(feed, &b)) == 1) {
            n += b->size;
            pairmill_batch_release(b);
        }
        check(rc);
        pairmill_feed_close(feed);
    }
    printf("batches of 32: %.0f samples/s over tcp; client CPU %.3f ms each\n",
           (double)n / (clock_now_s() - start), 1000 * (cpu_s(RUSAGE_SELF) - cpu) / (double)n);
}

int main(int argc, char **argv)
{
    const uint32_t media = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 2000;
    char dir[] = "/tmp/pm-bench-XXXXXX";
    char address[256];
    char command[64];
    struct made *m = calloc(1, sizeof *m);
    if (!m || !mkdtemp(dir)) {
        return 1;
    }
    make(m, 0);
    bench_packing(m);
    bench_writing(dir, m, media);
    const pid_t server = start_server(dir, address);
    bench_samples(address, media);
    bench_batches(address);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    printf("server CPU %.3f ms a sample\n", 1000 * cpu_s(RUSAGE_CHILDREN) / (6.0 * media));
    snprintf(command, sizeof command, "rm -rf %s", dir);
    free(m);
    return system(command) != 0;
}
