/* pairmill report: one HTML page that shows what a corpus holds and what it is for. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "ops/command.h"
#include "ops/option.h"
#include "ops/report.h"

static const char help[] =
    "usage: pairmill report CORPUS -o FILE.html [--pairs N] [--recipe NAME] [--seed S]\n\n"
    "Writes one page that needs nothing else: pictures with their regions, captions with their\n"
    "scene graphs, the samples a trainer receives, the counts, the shards, the quarantine.\n\n"
    "  -o FILE           the page; replaced when it is there\n"
    "  --pairs N         how many pairs to show, 1 to 100 (12)\n"
    "  --recipe NAME     whose samples to draw: uniter or ernievil (uniter)\n"
    "  --seed S          of the choice of pairs and of the samples (0)\n"
    "  --vocab FILE      vocab.txt the corpus was built with; default: the one built in\n";

static int write_report(const char *corpus, const struct report_options *o, const char *path)
{
    struct buf page;
    buf_init(&page, REPORT_PAGE_MAX);
    int rc = report_make(corpus, o, &page);
    rc = rc ? rc : file_write_atomic(path, buf_view(&page));
    if (rc == 0) {
        printf("%s: %.1f MB; open it in a browser\n", path, (double)page.n / 1e6);
    }
    buf_release(&page);
    return rc;
}

int cmd_report(int argc, char **argv)
{
    static const struct option longs[] = {{"out", 1, NULL, 'o'},    {"pairs", 1, NULL, 'n'},
                                          {"recipe", 1, NULL, 'r'}, {"seed", 1, NULL, 's'},
                                          {"vocab", 1, NULL, 'v'},  {"help", 0, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct report_options o = {.recipe = "uniter"};
    const char *out = NULL;
    uint64_t pairs = 12;
    int rc = 0;
    int c;
    while (rc == 0 && (c = getopt_long(argc, argv, "ho:", longs, NULL)) != -1) {
        switch (c) {
        case 'o': out = optarg; break;
        case 'n': rc = option_whole("pairs", optarg, 1, REPORT_PAIRS_MAX, &pairs); break;
        case 'r': o.recipe = optarg; break;
        case 's': rc = option_whole("seed", optarg, 0, UINT64_MAX, &o.seed); break;
        case 'v': o.vocabulary = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: fputs(help, stderr); return EXIT_USAGE;
        }
    }
    if (rc == 0 && (argc - optind != 1 || !out)) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    o.pairs = (uint32_t)pairs;
    rc = rc ? rc : write_report(argv[optind], &o, out);
    return rc ? command_fail(argv[0], rc) : EXIT_OK;
}
