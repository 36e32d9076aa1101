/* pairmill model show: what a detector's file holds. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/detector.h"
#include "ops/command.h"

static const char usage[] =
    "usage: pairmill model show [--size WIDTHxHEIGHT] [--vocabulary] FILE\n"
    "\n"
    "Prints a detector's architecture, parameters, cost for an image and vocabularies.\n"
    "  --size         of the image that the cost is for (default: 640x480)\n"
    "  --vocabulary   all names, not only the first\n";

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

int cmd_model(int argc, char **argv)
{
    static const struct option options[] = {{"size", required_argument, NULL, 's'},
                                            {"vocabulary", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct show_options o = {.width = 640, .height = 480};
    bool ok = true;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 's': ok = ok && parse_size(optarg, &o); break;
        case 'v': o.all_names = true; break;
        case 'h': fputs(usage, stdout); return EXIT_OK;
        default: ok = false;
        }
    }
    if (!ok || argc - optind != 2 || strcmp(argv[optind], "show") != 0) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return show(argv[optind + 1], &o);
}
