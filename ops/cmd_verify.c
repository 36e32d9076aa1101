/* pairmill verify: reads every byte of a corpus and says what is wrong with it. */
#include <getopt.h>
#include <stdio.h>

#include "common/clock.h"
#include "ops/command.h"
#include "shards/verify.h"

static const char help[] =
    "usage: pairmill verify CORPUS [--quiet]\n\n"
    "Checks every file digest, every record's checksum and content, the counts of the catalog, "
    "and\n"
    "that each pair is there once with its medium.  Each problem is one sentence.\n"
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
    return 0;
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
