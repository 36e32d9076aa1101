/* pairmill verify: reads every byte of a corpus and says what is wrong with it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "ops/command.h"
#include "ops/corpus_queue.h"
#include "ops/watch.h"
#include "shards/verify.h"

static const char help[] =
    "usage: pairmill verify CORPUS [--quiet]\n\n"
    "Checks every file digest, every record's checksum and content, the counts of the catalog, "
    "and\n"
    "that each pair is there once with its medium; and the queue's accounting.  Each problem is "
    "one sentence.\n"
    "Exit code 0: nothing is wrong; 1: something is.\n";

static void print_checked(void *ctx, const char *sentence)
{
    if (!*(const int *)ctx) {
        printf("ok       %s\n", sentence);
    }
}

static void print_problem(void *ctx, const char *sentence)
{
    (void)ctx;
    printf("PROBLEM  %s\n", sentence);
}

/* The queue's rows, counted anew, against its counters, the identity, and what the shards hold. */
static int compare_accounts(struct queue *q, uint64_t pairs, uint64_t *problems)
{
    const struct queue_counts kept = queue_counts(q);
    struct queue_counts counted;
    const int rc = queue_recount(q, &counted);
    if (rc) {
        return rc;
    }
    const uint64_t before = *problems;
    if (!queue_identity_holds(&counted) || memcmp(&kept, &counted, sizeof kept) != 0) {
        ++*problems;
        printf("PROBLEM  the queue's states do not add up to the %llu pairs that were ingested\n",
               (unsigned long long)counted.ingested);
    }
    if (counted.pairs[PAIR_DONE] != pairs) {
        ++*problems;
        printf("PROBLEM  the queue says that %llu pairs are done, the shards hold %llu\n",
               (unsigned long long)counted.pairs[PAIR_DONE], (unsigned long long)pairs);
    }
    if (*problems == before) {
        printf("ok       ");
        watch_print_identity(&counted);
    }
    return 0;
}

/* A corpus that was moved or shared may come without its queue, or with one that is not for our
 * eyes; that is no problem. */
static int verify_accounting(const char *dir, uint64_t pairs, uint64_t *problems)
{
    struct queue *q = NULL;
    int rc = corpus_queue_look(dir, &q);
    if (rc == E_NO_FILE || rc == E_BUSY || rc == E_SYSTEM) {
        printf("the accounting was not checked: %s\n", err_text());
        return 0;
    }
    rc = rc ? rc : compare_accounts(q, pairs, problems);
    queue_close(q);
    return rc;
}

/* Everything there is to verify about a corpus; each part adds to *problems. */
static int verify_parts(const char *dir, int quiet, uint64_t *problems)
{
    const struct verify_sink sink = {print_checked, print_problem, &quiet};
    struct verify_totals totals;
    const double start = clock_now_s();
    const int rc = verify_corpus(dir, &sink, &totals);
    if (rc) {
        return rc;
    }
    *problems += totals.problems;
    printf("%llu shards, %.1f MB, %llu pairs, %llu media read in %.1f s: %llu problem%s\n",
           (unsigned long long)totals.shards, (double)totals.bytes / 1e6,
           (unsigned long long)totals.pairs, (unsigned long long)totals.media,
           clock_now_s() - start, (unsigned long long)totals.problems,
           totals.problems == 1 ? "" : "s");
    return verify_accounting(dir, totals.pairs, problems);
}

int cmd_verify(int argc, char **argv)
{
    static const struct option longs[] = {
        {"quiet", 0, NULL, 'q'}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int quiet = 0;
    int c;
    while ((c = getopt_long(argc, argv, "hq", longs, NULL)) != -1) {
        switch (c) {
        case 'q': quiet = 1; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: fputs(help, stderr); return EXIT_USAGE;
        }
    }
    if (argc - optind != 1) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    uint64_t problems = 0;
    const int rc = verify_parts(argv[optind], quiet, &problems);
    if (rc) {
        return command_fail(argv[0], rc);
    }
    return problems ? EXIT_PROBLEM : EXIT_OK;
}
