/* pairmill build: a broker, workers and ingest as processes on this machine, until every pair has
 * reached its end. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/progress.h"
#include "ops/address.h"
#include "ops/command.h"
#include "ops/option.h"
#include "ops/process.h"
#include "ops/watch.h"

static const char help[] =
    "usage: pairmill build SOURCE... -o CORPUS [options]\n\n"
    "Grinds the pairs of every SOURCE (see pairmill ingest --help) into the corpus directory "
    "CORPUS.\n"
    "Interrupted and started again, it goes on where it was.\n\n"
    "  -o, --output CORPUS  directory of the corpus: its queue, its catalog, its shards\n"
    "  --images DIR         where COCO's images are\n"
    "  --model FILE         detector (.safetensors); default: the demo detector, for tests and "
    "demonstration\n"
    "  --parser-model FILE  scene-graph parser; default: the one that ships with pairmill\n"
    "  --vocab FILE         WordPiece vocab.txt; default: the one built in\n"
    "  --processes N        compute processes (default: one a core)\n"
    "  --shard-size MB      seal a shard when it has grown so large (1024)\n"
    "  --full-features      store features in single instead of half precision\n"
    "  --no-soft-labels     do not store the class distribution of every region\n"
    "  --lease SECONDS      how long a worker may be silent before its jobs go to another (60)\n"
    "  --max-kills N        workers that a job may kill before it is quarantined (3)\n";

enum { SOURCES_MAX = 64, WORKER_ARGS_MAX = 24, TURN_MS = 100, FIRST_ANSWER_MS = 200 };

struct build {
    const char *corpus;
    const char *images;
    const char *lease;
    const char *max_kills;
    char *worker_args[WORKER_ARGS_MAX];
    size_t worker_arg_count;
    char *const *sources;
    size_t source_count;
    size_t source_at; /* the one being ingested */

    char address[ADDRESS_MAX];
    char broker_log[4096];
    char worker_log[4096];
    struct process broker;
    struct process worker;
    struct process ingest;
    bool ingesting;
    struct client client;
    struct broker_status status;
    struct progress progress;
    uint64_t pairs_before; /* ended before this run */
    double start_s;
    int exit_code;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
    (void)signal;
    interrupted = interrupted + 1;
}

/* ------------------------------------------------------------------ processes */

static int start_broker(struct build *b)
{
    char *argv[12] = {"broker", (char *)b->corpus};
    size_t n = 2;
    if (b->lease) {
        argv[n++] = "--lease";
        argv[n++] = (char *)b->lease;
    }
    if (b->max_kills) {
        argv[n++] = "--max-kills";
        argv[n++] = (char *)b->max_kills;
    }
    argv[n] = NULL;
    return process_start(&b->broker, argv);
}

static int start_worker(struct build *b)
{
    char *argv[WORKER_ARGS_MAX + 4] = {"worker", "--corpus", (char *)b->corpus};
    size_t n = 3;
    for (size_t i = 0; i < b->worker_arg_count; i++) {
        argv[n++] = b->worker_args[i];
    }
    argv[n] = NULL;
    return process_start(&b->worker, argv);
}

static int start_ingest(struct build *b)
{
    char *argv[8] = {"ingest", b->sources[b->source_at], "--corpus", (char *)b->corpus, "--quiet"};
    if (b->images) {
        argv[5] = "--images";
        argv[6] = (char *)b->images;
    }
    b->ingesting = true;
    return process_start(&b->ingest, argv);
}

/* A process that was killed is started again; one that ended by itself had its reason. */
static int keep_alive(struct build *b, struct process *p, int (*start)(struct build *))
{
    if (process_runs(p)) {
        return 0;
    }
    if (process_was_killed(p)) {
        return start(b);
    }
    char last[800];
    process_last_line(p, last, sizeof last);
    b->exit_code = process_exit_code(p) ? process_exit_code(p) : EXIT_PROBLEM;
    return err_set(E_PEER, "the %s ended by itself; its last words, in %s: %s", p->what, p->log,
                   *last ? last : "none");
}

static int watch_ingest(struct build *b)
{
    if (!b->ingesting || process_runs(&b->ingest)) {
        return 0;
    }
    if (process_was_killed(&b->ingest)) {
        return start_ingest(b); /* what it had put is recognised */
    }
    if (process_exit_code(&b->ingest)) {
        b->exit_code = process_exit_code(&b->ingest); /* it has said why */
        return err_set(E_PEER, "%s could not be ingested", b->sources[b->source_at]);
    }
    b->ingesting = false;
    if (++b->source_at < b->source_count) {
        return start_ingest(b);
    }
    const int rc = watch_say(&b->client, "FLUSH");
    return rc == E_TIMEOUT ? 0 : rc;
}

/* ------------------------------------------------------------------ watching */

static void show(struct build *b)
{
    const struct queue_counts *c = &b->status.counts;
    char detail[80] = "";
    if (c->pairs[PAIR_QUARANTINED]) {
        snprintf(detail, sizeof detail, "%llu in quarantine",
                 (unsigned long long)c->pairs[PAIR_QUARANTINED]);
    }
    const uint64_t ground = watch_ended(c) + c->pairs[PAIR_STAGED];
    progress_update(&b->progress, ground, c->ingested, detail);
}

static bool all_ended(const struct build *b)
{
    const struct queue_counts *c = &b->status.counts;
    return !b->ingesting && b->source_at == b->source_count && watch_ended(c) == c->ingested;
}

static int turn(struct build *b)
{
    int rc = keep_alive(b, &b->broker, start_broker);
    rc = rc ? rc : keep_alive(b, &b->worker, start_worker);
    rc = rc ? rc : watch_ingest(b);
    if (rc) {
        return rc;
    }
    struct broker_status now;
    rc = watch_status(&b->client, &now);
    if (rc == 0) {
        b->status = now;
        show(b);
        if (b->source_at == b->source_count && !all_ended(b)) {
            /* Again and again, because a broker that was killed has forgotten it. */
            rc = watch_say(&b->client, "FLUSH");
        }
    }
    return rc == E_TIMEOUT ? 0 : rc;
}

/* Waits for the broker's first answer as long as it runs. */
static int greet_broker(struct build *b)
{
    int rc;
    do {
        rc = keep_alive(b, &b->broker, start_broker);
        rc = rc ? rc : watch_status(&b->client, &b->status);
    } while (rc == E_TIMEOUT && !interrupted);
    return rc;
}

static int grind(struct build *b)
{
    int rc = start_broker(b);
    rc = rc ? rc : client_open(&b->client, b->address);
    b->client.deadline_ms = FIRST_ANSWER_MS;
    rc = rc ? rc : greet_broker(b);
    b->client.deadline_ms = 500; /* so that a broker that was killed is soon started again */
    b->pairs_before = watch_ended(&b->status.counts);
    progress_init(&b->progress, "pairs", b->pairs_before + b->status.counts.pairs[PAIR_STAGED], 0);
    rc = rc ? rc : start_worker(b);
    rc = rc ? rc : start_ingest(b);
    while (rc == 0 && !interrupted && !all_ended(b)) {
        rc = turn(b);
        nanosleep(&(struct timespec){.tv_nsec = TURN_MS * 1000000}, NULL);
    }
    progress_end(&b->progress);
    return rc;
}

/* Workers seal and go, then the broker goes; whoever does not is made to. */
static void stop_all(struct build *b)
{
    process_stop(&b->ingest, 1000);
    b->client.deadline_ms = 2000;
    if (process_runs(&b->broker) && watch_say(&b->client, "STOP") == 0) {
        const int64_t until = clock_now_ms() + 20000;
        while ((process_runs(&b->worker) || process_runs(&b->broker)) && clock_now_ms() < until &&
               interrupted < 2) {
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        }
    }
    process_stop(&b->worker, 2000);
    process_stop(&b->broker, 2000);
}

/* ------------------------------------------------------------------ the end */

static void print_end(const struct build *b)
{
    const struct queue_counts *c = &b->status.counts;
    const double seconds = clock_now_s() - b->start_s;
    const uint64_t now = watch_ended(c) - b->pairs_before;
    watch_print_identity(c);
    printf("%llu media in %llu shards; %llu pairs in %.1f s, %.1f pairs/s\n",
           (unsigned long long)c->media, (unsigned long long)c->shards_sealed,
           (unsigned long long)now, seconds, (double)now / seconds);
    printf("look: pairmill verify %s, pairmill inspect %s, pairmill feed %s\n", b->corpus,
           b->corpus, b->corpus);
}

static int prepare(struct build *b)
{
    char *logs = file_join(b->corpus, "log");
    int rc = logs ? file_make_dirs(logs) : err_set(E_NOMEM, "no memory for a path");
    free(logs);
    snprintf(b->broker_log, sizeof b->broker_log, "%s/log/broker.log", b->corpus);
    snprintf(b->worker_log, sizeof b->worker_log, "%s/log/worker.log", b->corpus);
    b->broker = (struct process){.what = "broker", .log = b->broker_log};
    b->worker = (struct process){.what = "worker", .log = b->worker_log};
    b->ingest = (struct process){.what = "ingest"};
    return rc ? rc : address_of_corpus(b->corpus, "broker", b->address);
}

static int run(struct build *b)
{
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    b->start_s = clock_now_s();
    int rc = prepare(b);
    rc = rc ? rc : grind(b);
    const bool ended = rc == 0 && all_ended(b);
    char why[1001];
    snprintf(why, sizeof why, "%s", rc ? err_text() : "");
    stop_all(b);
    client_close(&b->client);
    if (ended) {
        print_end(b);
        return b->status.identity ? EXIT_OK : EXIT_PROBLEM;
    }
    if (interrupted) {
        fprintf(stderr,
                "pairmill build: interrupted; the same command goes on where this one was\n");
        return 130;
    }
    fprintf(stderr, "pairmill build: %s\n", why);
    return b->exit_code ? b->exit_code : EXIT_PROBLEM;
}

/* What the broker would refuse is refused before anything is made.  E_ARG. */
static int check_broker_options(const struct build *b)
{
    double lease;
    uint64_t kills;
    const int rc =
        b->lease ? option_real("lease", b->lease, OPTION_LEASE_MIN, OPTION_SECONDS_MAX, &lease) : 0;
    return rc || !b->max_kills
               ? rc
               : option_whole("max-kills", b->max_kills, 1, OPTION_TRIES_MAX, &kills);
}

int cmd_build(int argc, char **argv)
{
    static const struct option longs[] = {
        {"output", 1, NULL, 'o'},
        {"images", 1, NULL, 'i'},
        {"lease", 1, NULL, 'l'},
        {"max-kills", 1, NULL, 'k'},
        {"model", 1, NULL, 'm'},
        {"parser-model", 1, NULL, 'm'},
        {"vocab", 1, NULL, 'm'},
        {"processes", 1, NULL, 'm'},
        {"shard-size", 1, NULL, 'm'},
        {"full-features", 0, NULL, 'f'},
        {"no-soft-labels", 0, NULL, 'f'},
        {"help", 0, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    static struct build b;
    static char names[WORKER_ARGS_MAX][32];
    int c;
    int which = 0;
    while ((c = getopt_long(argc, argv, "ho:", longs, &which)) != -1) {
        switch (c) {
        case 'o': b.corpus = optarg; break;
        case 'i': b.images = optarg; break;
        case 'l': b.lease = optarg; break;
        case 'k': b.max_kills = optarg; break;
        case 'm':
        case 'f': /* the worker's own options go to it as they are */
            if (b.worker_arg_count + 2 <= WORKER_ARGS_MAX) {
                char *name = names[b.worker_arg_count];
                snprintf(name, sizeof names[0], "--%s", longs[which].name);
                b.worker_args[b.worker_arg_count++] = name;
                if (c == 'm') {
                    b.worker_args[b.worker_arg_count++] = optarg;
                }
            }
            break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: fputs(help, stderr); return EXIT_USAGE;
        }
    }
    b.sources = argv + optind;
    b.source_count = (size_t)(argc - optind);
    if (!b.corpus || b.source_count == 0) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    const int rc = check_broker_options(&b);
    return rc ? command_fail("build", rc) : run(&b);
}
