/* pairmill model: show what a detector's file holds, import published weights. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/detector.h"
#include "ops/command.h"
#include "ops/model_import.h"

static const char usage[] =
    "usage: pairmill model show [--size WIDTHxHEIGHT] [--vocabulary] FILE\n"
    "       pairmill model import FILE.caffemodel -o OUT.safetensors --arch butd-r101-c4\n"
    "                      --objects FILE --attributes FILE\n"
    "\n"
    "show prints a detector's architecture, parameters, cost for an image and vocabularies.\n"
    "  --size         of the image that the cost is for (default: 640x480)\n"
    "  --vocabulary   all names, not only the first\n"
    "\n"
    "import checks every tensor, folds batch normalisation, and stores vocabularies and "
    "preprocessing.\n"
    "  --arch         whose weights these are: butd-r101-c4 (bottom-up-attention, Visual Genome)\n"
    "  --objects      its objects_vocab.txt, one name a line\n"
    "  --attributes   its attributes_vocab.txt\n";

struct show_options {
    uint32_t width;
    uint32_t height;
    bool all_names;
};

static void print_names(const char *what, const struct detector_names *names, bool all)
{
    const uint32_t shown = all || names->n < 8 ? names->n : 8;
    printf("%-14s %u", what, names->n);
    for (uint32_t i = 0; i < shown; i++) {
        printf("%s%s", i ? ", " : ": ", names->name[i]);
    }
    puts(shown < names->n ? ", ..." : "");
}

static void print_metadata(const struct detector *det, const char *key)
{
    const char *text = detector_metadata(det, key);
    if (text) {
        printf("%-14s %s\n", key, text);
    }
}

static int show(const char *path, const struct show_options *o)
{
    struct detector *det = NULL;
    struct detector_cost cost;
    int rc = detector_open(path, NULL, &det);
    rc = rc ? rc : detector_cost(det, o->width, o->height, &cost);
    if (rc) {
        detector_close(det);
        return command_fail("model show", rc);
    }
    const struct detector_info *info = detector_info(det);
    char hex[ID_HEX];
    id_to_hex(&info->digest, hex);
    printf("%-14s %s\n", "architecture", info->architecture);
    printf("%-14s blake2b %s\n", "digest", hex);
    printf("%-14s %llu\n", "parameters", (unsigned long long)info->parameters);
    printf("%-14s %u numbers a region, at most %u regions\n", "features", info->dim,
           info->max_regions);
    printf("%-14s %.2f GMAC and %.0f MB of workspace for %u x %u (%u x %u in the network)\n",
           "cost", (double)cost.macs * 1e-9, (double)cost.workspace_bytes * 1e-6, o->width,
           o->height, cost.net_width, cost.net_height);
    printf("%-14s %s (PAIRMILL_GEMM=avx512 or openblas in the environment chooses)\n", "kernels",
           info->kernels);
    print_names("objects", &info->objects, o->all_names);
    print_names("attributes", &info->attributes, o->all_names);
    print_metadata(det, "preprocess");
    print_metadata(det, "config");
    detector_close(det);
    return EXIT_OK;
}

/* "640x480" */
static bool parse_size(const char *text, struct show_options *o)
{
    char *end;
    const unsigned long width = strtoul(text, &end, 10);
    const unsigned long height = *end == 'x' ? strtoul(end + 1, &end, 10) : 0;
    o->width = (uint32_t)width;
    o->height = (uint32_t)height;
    return *end == '\0' && width > 0 && width < 65536 && height > 0 && height < 65536;
}

static int run_show(int argc, char **argv)
{
    static const struct option options[] = {{"size", required_argument, NULL, 's'},
                                            {"vocabulary", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    struct show_options o = {.width = 640, .height = 480};
    bool ok = true;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 's': ok = ok && parse_size(optarg, &o); break;
        case 'v': o.all_names = true; break;
        default: ok = false;
        }
    }
    if (!ok || argc - optind != 1) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return show(argv[optind], &o);
}

static int run_import(int argc, char **argv)
{
    static const struct option options[] = {{"arch", required_argument, NULL, 'a'},
                                            {"objects", required_argument, NULL, 'b'},
                                            {"attributes", required_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    struct model_import job = {.from = NULL};
    bool ok = true;
    for (int c; (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        switch (c) {
        case 'o': job.to = optarg; break;
        case 'a': job.arch = optarg; break;
        case 'b': job.objects = optarg; break;
        case 't': job.attributes = optarg; break;
        default: ok = false;
        }
    }
    if (!ok || argc - optind != 1 || !job.to || !job.arch || !job.objects || !job.attributes) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    job.from = argv[optind];
    const int rc = model_import(&job);
    return rc ? command_fail("model import", rc) : EXIT_OK;
}

int cmd_model(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "show") == 0) {
        return run_show(argc - 1, argv + 1);
    }
    if (strcmp(what, "import") == 0) {
        return run_import(argc - 1, argv + 1);
    }
    const bool asked = strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0;
    fputs(usage, asked ? stdout : stderr);
    return asked ? EXIT_OK : EXIT_USAGE;
}
