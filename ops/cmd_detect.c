/* pairmill detect: images in, regions or features out, without a corpus. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/paths.h"
#include "ops/clip.h"
#include "ops/command.h"
#include "ops/model_files.h"
#include "ops/option.h"
#include "ops/regions.h"
#include "ops/result_place.h"
#include "workers/decoder.h"

static const char usage[] =
    "usage: pairmill detect [OPTION...] IMAGE...\n"
    "\n"
    "Finds the regions of each JPEG or PNG and prints them as a table; with a frame network\n"
    "(resnet-50) describes each image, with a clip network (s3d) takes all as one clip's frames.\n"
    "  --model FILE          the detector (.safetensors); default: the demo detector\n"
    "  --json                one JSON object a line instead\n"
    "  --tsv[=lxmert|butd]   one line of base64 fields instead, as LXMERT or BUTD wrote them\n"
    "  --npz PATH            also UNITER's arrays, or features and class scores: a .npz file, or "
    "a\n"
    "                        folder for one an image\n"
    "  --draw PATH           also the photo with the regions named: a .png file, or a folder\n"
    "  --min N, --max N      export at least, at most so many regions (--min 36 --max 36)\n"
    "  --threshold X         of the confidence\n"
    "  --clip N              with a clip network: every N images are a clip of their own\n"
    "  --profile             where the CPU time went, by layer, to standard error\n";

enum { REGIONS_MAX = 4096 };

#define CLIP_BYTES_MAX ((size_t)8 << 30)

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_LXMERT, FORMAT_BUTD };

struct detect_options {
    const char *model;
    struct result_place npz;
    struct result_place draw;
    enum format format;
    bool profile;
    int clip; /* frames; 0: all images are one clip */
    struct detector_options detector;
};

struct detect_run {
    const struct detect_options *options;
    struct detector *detector;
    struct detector_session *session;
    struct decoder *decoder;
    struct buf bytes;
    struct buf frames; /* a clip's, decoded */
};

static int print_regions(const struct detect_options *o, const struct regions *r)
{
    switch (o->format) {
    case FORMAT_JSON: return regions_print_json(r, stdout);
    case FORMAT_LXMERT: return regions_print_tsv(r, REGIONS_TSV_LXMERT, stdout);
    case FORMAT_BUTD: return regions_print_tsv(r, REGIONS_TSV_BUTD, stdout);
    default: regions_print_table(r, stdout); return 0;
    }
}

static int write_npz(const struct detect_options *o, const struct regions *r)
{
    char *path = NULL;
    int rc = result_place_path(&o->npz, r->id, &path);
    rc = rc ? rc : regions_write_npz(r, path);
    free(path);
    return rc;
}

static int draw(const struct detect_options *o, const struct regions *r, const uint8_t *rgb)
{
    char *path = NULL;
    int rc = result_place_path(&o->draw, r->id, &path);
    rc = rc ? rc : regions_draw(r, rgb, path);
    free(path);
    return rc;
}

static void print_profile(const struct detector_session *session)
{
    const struct detector_profile_row *row;
    const size_t n = detector_profile(session, &row);
    double seconds = 0;
    double macs = 0;
    for (size_t i = 0; i < n; i++) {
        seconds += row[i].seconds;
        macs += (double)row[i].macs;
    }
    fprintf(stderr, "%-24s %10s %7s %10s %9s\n", "layer", "CPU ms", "share", "GMAC", "GFLOP/s");
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, "%-24s %10.2f %6.1f%% %10.3f %9.1f\n", row[i].layer, 1e3 * row[i].seconds,
                100 * row[i].seconds / seconds, (double)row[i].macs * 1e-9,
                2e-9 * (double)row[i].macs / row[i].seconds);
    }
    fprintf(stderr, "%-24s %10.2f %6.1f%% %10.3f %9.1f\n", "all", 1e3 * seconds, 100.0, macs * 1e-9,
            2e-9 * macs / seconds);
}

static int decode_file(struct detect_run *run, const char *path, struct image *image)
{
    buf_reset(&run->bytes);
    int rc = file_read(path, &run->bytes);
    if (rc) {
        return rc; /* names the file already */
    }
    rc = decoder_start(run->decoder, 0, buf_view(&run->bytes));
    rc = rc ? rc : decoder_finish(run->decoder, 0, image);
    return rc ? err_set(rc, "%s: %s", path, err_text()) : 0;
}

static int detect_image(struct detect_run *run, const char *path)
{
    struct image image;
    struct detections found;
    int rc = decode_file(run, path, &image);
    if (rc) {
        return rc;
    }
    const struct detector_image input = {image.rgb, image.width, image.height};
    rc = detector_detect(run->detector, run->session, &input, NULL, &found);
    if (rc) {
        return err_set(rc, "%s: %s", path, err_text());
    }
    char *stem = result_stem(path);
    const struct regions regions = {
        path, stem ? stem : "", image.width, image.height, detector_info(run->detector), &found};
    rc = print_regions(run->options, &regions);
    rc = rc || !run->options->npz.path ? rc : write_npz(run->options, &regions);
    rc = rc || !run->options->draw.path ? rc : draw(run->options, &regions, image.rgb);
    if (!rc && run->options->profile) {
        print_profile(run->session);
    }
    free(stem);
    return rc;
}

/* Decodes the images behind one another into run->frames; all must have one size. */
static int decode_frames(struct detect_run *run, int n, char **path, struct detector_clip *out)
{
    buf_reset(&run->frames);
    for (int i = 0; i < n; i++) {
        struct image image;
        int rc = decode_file(run, path[i], &image);
        if (!rc && i > 0 && (image.width != out->width || image.height != out->height)) {
            rc = err_set(E_ARG, "%s has %u x %u pixels, but the clip began with %u x %u", path[i],
                         image.width, image.height, out->width, out->height);
        }
        const size_t bytes = rc ? 0 : 3 * (size_t)image.width * (size_t)image.height;
        rc = rc ? rc : buf_append(&run->frames, image.rgb, bytes);
        if (rc) {
            return rc;
        }
        *out = (struct detector_clip){.width = image.width, .height = image.height};
    }
    out->rgb = run->frames.p;
    out->frames = (uint32_t)n;
    return 0;
}

static int write_clip(const struct detect_options *o, const struct clip *c)
{
    char *path = NULL;
    char *stem = result_stem(c->path[0]);
    int rc = stem ? 0 : err_set(E_NOMEM, "no memory for a path");
    if (!rc && o->format == FORMAT_JSON) {
        rc = clip_print_json(c, stdout);
    } else if (!rc) {
        clip_print_table(c, stdout);
    }
    if (!rc && o->npz.path) {
        rc = result_place_path(&o->npz, stem, &path);
        rc = rc ? rc : clip_write_npz(c, path);
    }
    free(path);
    free(stem);
    return rc;
}

static int detect_clip(struct detect_run *run, int n, char **path)
{
    struct detector_clip clip = {.rgb = NULL};
    struct clip_features features;
    int rc = decode_frames(run, n, path, &clip);
    if (rc) {
        return rc;
    }
    rc = detector_features(run->detector, run->session, &clip, NULL, &features);
    if (rc) {
        return err_set(rc, "%s: %s", path[0], err_text());
    }
    const struct clip c = {
        path, clip.frames, clip.width, clip.height, detector_info(run->detector), &features};
    rc = write_clip(run->options, &c);
    if (!rc && run->options->profile) {
        print_profile(run->session);
    }
    return rc;
}

/* What only regions have, or only clips. */
static int check_options(const struct detect_options *o, const struct detector_info *info)
{
    if (o->clip && info->kind != DETECTOR_CLIPS) {
        return err_set(E_ARG, "--clip is for clip networks; %s takes each image by itself",
                       info->architecture);
    }
    const bool of_regions = o->format == FORMAT_LXMERT || o->format == FORMAT_BUTD ||
                            o->draw.path || o->detector.min_boxes >= 0 ||
                            o->detector.max_boxes >= 0 || !isnan(o->detector.conf_threshold);
    if (info->kind != DETECTOR_REGIONS && of_regions) {
        return err_set(E_ARG,
                       "--tsv, --draw, --min, --max and --threshold are for regions, which %s does "
                       "not find",
                       info->architecture);
    }
    return 0;
}

/* A line of --tsv begins with the name, and nothing in it may look like the next field. */
static int check_name(int image, const char *stem)
{
    const size_t good = strcspn(stem, "\t\r\n");
    return stem[good]
               ? err_set(E_ARG,
                         "--tsv cannot write the name of image %d, which has a tab or a line "
                         "break after \"%.*s\"; rename the file",
                         image, (int)good, stem)
               : 0;
}

static int check_names(int n, char **path)
{
    int rc = 0;
    for (int i = 0; i < n && !rc; i++) {
        char *stem = result_stem(path[i]);
        rc = stem ? check_name(i + 1, stem) : err_set(E_NOMEM, "no memory for a file's name");
        free(stem);
    }
    return rc;
}

/* How many of n images make one result. */
static int images_a_result(const struct detect_options *o, enum detector_kind kind, int n)
{
    return kind != DETECTOR_CLIPS ? 1 : o->clip ? o->clip : n;
}

/* What is written is known before the first image: nothing overwrites anything. */
static int check_results(const struct detect_run *run, int n, char **path)
{
    const struct detect_options *o = run->options;
    const int together = images_a_result(o, detector_info(run->detector)->kind, n);
    int rc = o->format == FORMAT_LXMERT || o->format == FORMAT_BUTD ? check_names(n, path) : 0;
    rc = rc || !o->npz.path ? rc : result_place_check(&o->npz, path, n, together);
    return rc || !o->draw.path ? rc : result_place_check(&o->draw, path, n, together);
}

static int open_run(struct detect_run *run, const struct detect_options *o)
{
    char *found = NULL;
    *run = (struct detect_run){.options = o};
    buf_init(&run->bytes, DECODER_BYTES_MAX);
    buf_init(&run->frames, CLIP_BYTES_MAX);
    int rc = o->model ? 0 : paths_find_data(DEMO_MODEL_FILE, &found);
    rc = rc ? rc : detector_open(o->model ? o->model : found, &o->detector, &run->detector);
    rc = rc ? rc : check_options(o, detector_info(run->detector));
    rc = rc ? rc : detector_session_new(run->detector, &run->session);
    rc = rc ? rc : decoder_new(&run->decoder);
    free(found);
    return rc;
}

static void close_run(struct detect_run *run)
{
    decoder_free(run->decoder);
    detector_session_free(run->session);
    detector_close(run->detector);
    buf_release(&run->bytes);
    buf_release(&run->frames);
}

/* Goes on after an image that cannot be read, and tells at the end that there was one. */
static int detect_all(const struct detect_options *o, int n, char **path)
{
    struct detect_run run;
    int rc = open_run(&run, o);
    rc = rc ? rc : check_results(&run, n, path);
    int status = rc ? command_fail("detect", rc) : EXIT_OK;
    if (!rc && o->profile) {
        fprintf(stderr, "matrix products by %s\n", detector_info(run.detector)->kernels);
    }
    const enum detector_kind kind = rc ? DETECTOR_REGIONS : detector_info(run.detector)->kind;
    const int together = images_a_result(o, kind, n);
    for (int i = 0; i < n && !rc; i += together) {
        const int count = n - i < together ? n - i : together;
        const int failed = kind == DETECTOR_REGIONS ? detect_image(&run, path[i])
                                                    : detect_clip(&run, count, path + i);
        status = failed ? command_fail("detect", failed) : status;
    }
    close_run(&run);
    return status;
}

static bool parse_format(const char *word, enum format *out)
{
    *out = word && strcmp(word, "butd") == 0 ? FORMAT_BUTD : FORMAT_LXMERT;
    return !word || *out == FORMAT_BUTD || strcmp(word, "lxmert") == 0;
}

int cmd_detect(int argc, char **argv)
{
    static const struct option options[] = {
        {"model", required_argument, NULL, 'm'}, {"json", no_argument, NULL, 'j'},
        {"tsv", optional_argument, NULL, 't'},   {"npz", required_argument, NULL, 'z'},
        {"draw", required_argument, NULL, 'd'},  {"min", required_argument, NULL, 'n'},
        {"max", required_argument, NULL, 'x'},   {"threshold", required_argument, NULL, 'c'},
        {"clip", required_argument, NULL, 'l'},  {"profile", no_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    struct detect_options o = {.npz = {.option = "npz", .extension = ".npz"},
                               .draw = {.option = "draw", .extension = ".png"},
                               .detector = detector_options_default()};
    uint64_t least = (uint64_t)o.detector.min_boxes;
    uint64_t most = (uint64_t)o.detector.max_boxes;
    uint64_t clip = (uint64_t)o.clip;
    double threshold = (double)o.detector.conf_threshold;
    bool ok = true;
    int rc = 0;
    for (int c; rc == 0 && (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'm': o.model = optarg; break;
        case 'j': o.format = FORMAT_JSON; break;
        case 't': ok = ok && parse_format(optarg, &o.format); break;
        case 'z': o.npz.path = optarg; break;
        case 'd': o.draw.path = optarg; break;
        case 'n': rc = option_whole("min", optarg, 0, REGIONS_MAX, &least); break;
        case 'x': rc = option_whole("max", optarg, 1, REGIONS_MAX, &most); break;
        case 'c': rc = option_real("threshold", optarg, 0, 1, &threshold); break;
        case 'l': rc = option_whole("clip", optarg, 1, REGIONS_MAX, &clip); break;
        case 'p': o.profile = true; break;
        case 'h': fputs(usage, stdout); return EXIT_OK;
        default: ok = false;
        }
    }
    if (rc) {
        return command_fail("detect", rc);
    }
    if (!ok || optind == argc) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    o.detector.min_boxes = (int)least;
    o.detector.max_boxes = (int)most;
    o.detector.conf_threshold = (float)threshold;
    o.clip = (int)clip;
    return detect_all(&o, argc - optind, argv + optind);
}
