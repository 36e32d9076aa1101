/* pairmill model: show what a detector's file holds, import published weights and look into them.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/arch.h"
#include "ops/command.h"
#include "ops/model_import.h"
#include "ops/model_tensors.h"
#include "ops/option.h"

static const char usage[] =
    "usage: pairmill model show [--size WIDTHxHEIGHT] [--frames N] [--vocabulary] FILE\n"
    "       pairmill model import FILE -o OUT.safetensors --arch NAME [--objects FILE]\n"
    "                      [--attributes FILE] [--eps NUMBER]\n"
    "       pairmill model tensors FILE\n"
    "\n"
    "show prints a detector's architecture, parameters, cost for an image and vocabularies.\n"
    "  --size         of the image that the cost is for (default: 640x480)\n"
    "  --frames       of the clip that the cost is for (default: 1 for frames, 32 for clips)\n"
    "  --vocabulary   all names, not only the first\n"
    "\n"
    "import reads weights as they are published: .caffemodel, detectron2's .pkl, torch's .pth of\n"
    "any age, .safetensors.  It checks every tensor, folds batch normalisation, and stores\n"
    "vocabularies and preprocessing.  A file that asks to run code is refused.\n"
    "  --arch         whose weights these are, one of\n%s"
    "  --objects      names of what it tells apart, one a line, where it has none of its own\n"
    "  --attributes   the same for attributes\n"
    "  --eps          of its batch normalisation, where it was trained with another than usual\n"
    "\n"
    "tensors lists what such a file holds: name, type, shape, least, largest and mean value.\n";

/* The architectures' names, some to a line. */
static void print_usage(FILE *to)
{
    char lines[1000];
    size_t n = 0;
    const char *name = arch_published_names();
    for (size_t column = 100; *name && n < sizeof lines - 100;) {
        const size_t length = strcspn(name, " ");
        const bool breaks = column + length > 90;
        column = breaks ? 17 + length : column + 1 + length;
        n += (size_t)snprintf(lines + n, sizeof lines - n, "%s%s%.*s", breaks && n ? "\n" : "",
                              breaks ? "                 " : " ", (int)length, name);
        name += length + (name[length] == ' ');
    }
    snprintf(lines + n, sizeof lines - n, "\n");
    fprintf(to, usage, lines);
}

struct show_options {
    uint32_t width;
    uint32_t height;
    uint32_t frames; /* 0: the kind's default */
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

static void print_cost(const struct detector_cost *cost, const char *of,
                       const struct show_options *o)
{
    printf("%-14s %.3f GMAC and %.0f MB of workspace for %s%u x %u (%u x %u in the network)\n",
           "cost", (double)cost->macs * 1e-9, (double)cost->workspace_bytes * 1e-6, of, o->width,
           o->height, cost->net_width, cost->net_height);
}

static int show_regions(const struct detector *det, const struct show_options *o)
{
    struct detector_cost cost;
    const int rc = detector_cost(det, o->width, o->height, &cost);
    if (rc) {
        return rc;
    }
    printf("%-14s %u numbers a region, at most %u regions\n", "features", detector_info(det)->dim,
           detector_info(det)->max_regions);
    print_cost(&cost, "", o);
    return 0;
}

static int show_clips(const struct detector *det, const struct show_options *o)
{
    const struct detector_info *info = detector_info(det);
    const bool clips = info->kind == DETECTOR_CLIPS;
    const uint32_t frames = o->frames ? o->frames : clips ? 32 : 1;
    struct detector_cost cost;
    const int rc = detector_clip_cost(det, frames, o->width, o->height, &cost);
    if (rc) {
        return rc;
    }
    printf("%-14s %u numbers a %s", "features", info->dim, clips ? "clip" : "frame");
    if (info->classes) {
        printf(", scores of %u classes", info->classes);
    }
    if (info->embedding_dim) {
        printf(", an embedding of %u", info->embedding_dim);
    }
    if (info->min_frames > 1) {
        printf("; at least %u frames", info->min_frames);
    }
    puts("");
    char of[32];
    snprintf(of, sizeof of, "%u frame%s of ", frames, frames == 1 ? "" : "s");
    print_cost(&cost, of, o);
    return 0;
}

static void print_identity(const struct detector_info *info)
{
    char hex[ID_HEX];
    id_to_hex(&info->digest, hex);
    printf("%-14s %s\n", "architecture", info->architecture);
    printf("%-14s blake2b %s\n", "digest", hex);
    printf("%-14s %llu\n", "parameters", (unsigned long long)info->parameters);
    printf("%-14s %s (PAIRMILL_GEMM=avx512 or openblas in the environment chooses)\n", "kernels",
           info->kernels);
}

static int show(const char *path, const struct show_options *o)
{
    struct detector *det = NULL;
    int rc = detector_open(path, NULL, &det);
    if (rc) {
        return command_fail("model show", rc);
    }
    const struct detector_info *info = detector_info(det);
    print_identity(info);
    rc = info->kind == DETECTOR_REGIONS ? show_regions(det, o) : show_clips(det, o);
    if (rc) {
        detector_close(det);
        return command_fail("model show", rc);
    }
    if (info->kind == DETECTOR_REGIONS) {
        print_names("objects", &info->objects, o->all_names);
        print_names("attributes", &info->attributes, o->all_names);
    } else if (info->classes) {
        print_names("classes", &info->objects, o->all_names);
    }
    print_metadata(det, "preprocess");
    print_metadata(det, "config");
    detector_close(det);
    return EXIT_OK;
}

enum { SIDE_MAX = 65535 };

/* "640x480" */
static int parse_size(const char *text, struct show_options *o)
{
    char *end;
    const unsigned long width = strtoul(text, &end, 10);
    const unsigned long height = *end == 'x' ? strtoul(end + 1, &end, 10) : 0;
    o->width = (uint32_t)width;
    o->height = (uint32_t)height;
    return *end == '\0' && width > 0 && width <= SIDE_MAX && height > 0 && height <= SIDE_MAX
               ? 0
               : err_set(E_ARG, "--size takes WIDTHxHEIGHT, each from 1 to %d, not \"%.40s\"",
                         SIDE_MAX, text);
}

static int run_show(int argc, char **argv)
{
    static const struct option options[] = {{"size", required_argument, NULL, 's'},
                                            {"frames", required_argument, NULL, 'f'},
                                            {"vocabulary", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    struct show_options o = {.width = 640, .height = 480};
    uint64_t frames = o.frames;
    bool ok = true;
    int rc = 0;
    for (int c; rc == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 's': rc = parse_size(optarg, &o); break;
        case 'f': rc = option_whole("frames", optarg, 1, SIDE_MAX, &frames); break;
        case 'v': o.all_names = true; break;
        default: ok = false;
        }
    }
    if (rc) {
        return command_fail("model show", rc);
    }
    if (!ok || argc - optind != 1) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    o.frames = (uint32_t)frames;
    return show(argv[optind], &o);
}

static int run_import(int argc, char **argv)
{
    static const struct option options[] = {{"arch", required_argument, NULL, 'a'},
                                            {"objects", required_argument, NULL, 'b'},
                                            {"attributes", required_argument, NULL, 't'},
                                            {"eps", required_argument, NULL, 'e'},
                                            {NULL, 0, NULL, 0}};
    struct model_import job = {.eps = NAN};
    struct model_imported made;
    bool ok = true;
    int rc = 0;
    for (int c; rc == 0 && (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        switch (c) {
        case 'o': job.to = optarg; break;
        case 'a': job.arch = optarg; break;
        case 'b': job.objects = optarg; break;
        case 't': job.attributes = optarg; break;
        case 'e': rc = option_real("eps", optarg, 0, 1, &job.eps); break;
        default: ok = false;
        }
    }
    if (rc) {
        return command_fail("model import", rc);
    }
    if (!ok || argc - optind != 1 || !job.to || !job.arch) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    job.from = argv[optind];
    rc = model_import(&job, &made);
    if (rc) {
        return command_fail("model import", rc);
    }
    printf("%s: %s with %llu parameters\n", job.to, job.arch, made.parameters);
    if (made.numbered) {
        printf("its %llu objects have no names and are called \"class 0\" to \"class %llu\"; "
               "--objects FILE names them\n",
               made.numbered, made.numbered - 1);
    }
    return EXIT_OK;
}

static int run_tensors(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] == '-') {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    const int rc = model_tensors_print(argv[1]);
    return rc ? command_fail("model tensors", rc) : EXIT_OK;
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
    if (strcmp(what, "tensors") == 0) {
        return run_tensors(argc - 1, argv + 1);
    }
    const bool asked = strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0;
    print_usage(asked ? stdout : stderr);
    return asked ? EXIT_OK : EXIT_USAGE;
}
