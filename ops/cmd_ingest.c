/* pairmill ingest: puts the pairs of a source into a broker's queue. */
#include <getopt.h>
#include <stdio.h>

#include "ops/address.h"
#include "ops/command.h"
#include "workers/ingest.h"

static const char help[] =
    "usage: pairmill ingest SOURCE (--corpus CORPUS | --broker ADDRESS)\n\n"
    "Puts the pairs of SOURCE into the queue.  SOURCE is one of\n"
    "  captions_train2017.json   COCO captions, images beside the file or in --images DIR\n"
    "  COCO/                     a folder with annotations/captions_*.json\n"
    "  pairs.jsonl               {\"image\": PATH, \"caption\": TEXT} or \"captions\": [TEXT, ...] "
    "a line;\n"
    "                            \"id\", \"split\" and \"coco_image_id\" are kept where they are "
    "there\n"
    "  pairs.tsv                 PATH, a tab, CAPTION a line\n"
    "  images/                   a folder of images, each with a .txt of the same name beside it\n"
    "Running it again is safe: what is known is not counted twice.\n\n"
    "  --corpus CORPUS   the corpus whose broker runs on this machine\n"
    "  --broker ADDRESS  a broker anywhere, e.g. tcp://10.0.0.5:5570\n"
    "  --images DIR      where COCO's images are\n"
    "  --quiet           no progress\n";

int cmd_ingest(int argc, char **argv)
{
    static const struct option longs[] = {
        {"corpus", 1, NULL, 'c'}, {"broker", 1, NULL, 'b'}, {"images", 1, NULL, 'i'},
        {"quiet", 0, NULL, 'q'},  {"help", 0, NULL, 'h'},   {NULL, 0, NULL, 0},
    };
    struct ingest_options options = {.progress = true};
    struct ingest_counts n;
    char address[ADDRESS_MAX];
    const char *corpus = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case 'c': corpus = optarg; break;
        case 'b': options.broker = optarg; break;
        case 'i': options.images = optarg; break;
        case 'q': options.progress = false; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: fputs(help, stderr); return EXIT_USAGE;
        }
    }
    if (optind + 1 != argc || !corpus == !options.broker) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    options.source = argv[optind];
    int rc = corpus ? address_of_corpus(corpus, "broker", address) : 0;
    if (corpus) {
        options.broker = address;
    }
    rc = rc ? rc : ingest_run(&options, &n);
    if (rc) {
        return command_fail("ingest", rc);
    }
    if (options.progress) {
        printf("%s: %llu items: %llu new, %llu known already, %llu duplicate, %llu quarantined\n",
               options.source, (unsigned long long)n.items, (unsigned long long)n.fresh,
               (unsigned long long)n.known, (unsigned long long)n.duplicate,
               (unsigned long long)n.quarantined);
    }
    return EXIT_OK;
}
