/* pairmill feed: serves a corpus' samples to trainers until SIGTERM or Ctrl-C. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "ops/address.h"
#include "ops/command.h"
#include "shards/corpus.h"
#include "shards/feed_server.h"

static const char help[] =
    "usage: pairmill feed CORPUS [--bind ADDRESS]\n\n"
    "Streams the samples of a corpus to trainers, by credit, until SIGTERM or Ctrl-C.\n\n"
    "  --bind ADDRESS    where to listen, ipc://... or tcp://HOST:PORT\n"
    "                    (default: the ipc address that belongs to CORPUS on this machine)\n"
    "  --insecure        allow an address that other machines can reach; nobody is asked who he "
    "is\n"
    "  --trust-digests   do not read every file once before serving; records are checked all the "
    "same\n"
    "  --log LEVEL       error, warn, info or debug (info)\n";

enum { STEP_MS = 500, REPORT_MS = 60000 };

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void catch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static void report(const struct feed_server *s, struct feed_server_counts *before, int64_t *due)
{
    const int64_t now = clock_now_ms();
    if (now < *due) {
        return;
    }
    *due = now + REPORT_MS;
    const struct feed_server_counts c = feed_server_counts(s);
    if (c.samples != before->samples || c.refused != before->refused) {
        log_info("feed", "clients=%llu samples=%llu megabytes=%llu refused=%llu",
                 (unsigned long long)c.clients, (unsigned long long)c.samples,
                 (unsigned long long)(c.bytes >> 20), (unsigned long long)c.refused);
    }
    *before = c;
}

static int serve(const struct feed_server_options *options)
{
    struct feed_server *s = NULL;
    int rc = feed_server_open(options, &s);
    if (rc) {
        return rc;
    }
    struct feed_server_counts before = feed_server_counts(s);
    printf("pairmill feed serves %llu pairs and %llu media at %s\n",
           (unsigned long long)before.pairs, (unsigned long long)before.media,
           feed_server_address(s));
    fflush(stdout);
    int64_t due = clock_now_ms() + REPORT_MS;
    while (rc == 0 && !stopped) {
        rc = feed_server_step(s, STEP_MS);
        report(s, &before, &due);
    }
    feed_server_close(s);
    return rc;
}

int cmd_feed(int argc, char **argv)
{
    static const struct option longs[] = {
        {"bind", 1, NULL, 'b'}, {"insecure", 0, NULL, 'i'}, {"trust-digests", 0, NULL, 't'},
        {"log", 1, NULL, 'L'},  {"help", 0, NULL, 'h'},     {NULL, 0, NULL, 0},
    };
    struct feed_server_options options = {0};
    char address[ADDRESS_MAX];
    const char *level = "info";
    int c;
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case 'b': options.address = optarg; break;
        case 'i': options.insecure = true; break;
        case 't': options.corpus_flags |= CORPUS_TRUST_DIGESTS; break;
        case 'L': level = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: fputs(help, stderr); return EXIT_USAGE;
        }
    }
    if (argc - optind != 1) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    options.corpus = argv[optind];
    log_set_name("feed");
    int rc = log_set_level(level);
    if (rc == 0 && !options.address) {
        rc = address_of_corpus(options.corpus, "feed", address);
        options.address = address;
    }
    catch_signals();
    rc = rc ? rc : serve(&options);
    return rc ? command_fail(argv[0], rc) : EXIT_OK;
}
