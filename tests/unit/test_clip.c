/* What is written about frames and clips, and pairmill detect with a clip network. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "ops/canvas.h"
#include "ops/clip.h"
#include "ops/command.h"
#include "reference_clip.h"
#include "tempdir.h"

enum { CLASSES = 8 };

static const char *const names[CLASSES] = {"a", "b", "c", "d", "e", "f", "g", "h"};
static const float scores[2 * CLASSES] = {.01f, .3f,  .01f, .2f,  .2f, .25f, .02f, .01f,
                                          .9f,  .01f, .01f, .01f, .0f, .0f,  .0f,  .07f};
static const float numbers[2 * 3] = {1, 2, 3, 4, 5, 6};

static const struct detector_info model = {.architecture = "resnet-50",
                                           .name = "resnet-50:0123",
                                           .kind = DETECTOR_FRAMES,
                                           .dim = 3,
                                           .classes = CLASSES,
                                           .objects = {CLASSES, names}};
static const struct clip_features features = {
    .n = 2, .dim = 3, .classes = CLASSES, .features = numbers, .scores = scores};
static char *paths[] = {"x.png", "y \"quoted\".png"};
static const struct clip clip = {paths, 2, 640, 480, &model, &features};

/* The class at `rank` of a row. */
static const char *class_at(json_t *j, size_t row, size_t rank)
{
    json_t *list = json_array_get(json_object_get(j, "classes"), row);
    return json_string_value(json_object_get(json_array_get(list, rank), "class"));
}

Test(clip, json_lists_the_best_classes_of_each_row)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    cr_assert_eq(clip_print_json(&clip, out), 0, "%s", err_text());
    fclose(out);
    json_t *j = json_loads(text, 0, NULL);
    cr_assert(j, "%s", text);
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(j, "frames"), 1)), paths[1]);
    cr_assert_eq(json_array_size(json_object_get(j, "classes")), 2);
    static const char *const first[] = {"b", "f", "d", "e", "g"}; /* d and e tie */
    for (size_t i = 0; i < 5; i++) {
        cr_assert_str_eq(class_at(j, 0, i), first[i]);
    }
    cr_assert_eq(class_at(j, 0, 5), NULL);
    cr_assert_str_eq(class_at(j, 1, 0), "a");
    cr_assert_str_eq(class_at(j, 1, 1), "h");
    json_decref(j);
    free(text);
}

Test(clip, json_writes_a_path_that_is_no_utf8_as_digits)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    char *raw[] = {"x.png", "\xff.png"};
    struct clip c = clip;
    c.path = raw;
    cr_assert_eq(clip_print_json(&c, out), 0, "%s", err_text());
    fclose(out);
    cr_assert(strstr(text, "[\"x.png\",\"hex:ff2e706e67\"]"), "%s", text);
    free(text);
}

Test(clip, json_of_a_score_that_is_no_number_is_an_error_without_a_line)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    const float broken[CLASSES] = {.1f, NAN, .2f, .3f};
    const struct clip_features f = {
        .n = 1, .dim = 3, .classes = CLASSES, .features = numbers, .scores = broken};
    struct clip c = clip;
    c.features = &f;
    cr_assert_eq(clip_print_json(&c, out), E_MODEL);
    cr_assert(strstr(err_text(), "x.png: the model made a number that is not finite"), "%s",
              err_text());
    fclose(out);
    cr_assert_str_empty(text);
    free(text);
}

Test(clip, a_table_names_frames_and_classes)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    clip_print_table(&clip, out);
    fclose(out);
    cr_assert(strstr(text, "x.png ... y \"quoted\".png  2 frames  640 x 480"), "%s", text);
    cr_assert(strstr(text, "0.9000     0  a\n"), "%s", text);
    free(text);
}

/* ---- the command ---- */

enum { WIDTH = 30, HEIGHT = 24, FRAMES = 3, ROOM = 128 };

static const struct clip_plan plan = {.architecture = "r3d-18",
                                      .seed = 11,
                                      .frames = FRAMES,
                                      .width = WIDTH,
                                      .height = HEIGHT,
                                      .narrow = 3,
                                      .blocks = {1, 1, 1, 1},
                                      .classes = 6,
                                      .names = 6,
                                      .config = "{\"blocks\": [1, 1, 1, 1], \"separable\": false}"};

/* A directory with a model, frames, and what the command said. */
struct folder {
    char dir[TEMPDIR_MAX];
    char model[ROOM];
    char frame[FRAMES + 1][ROOM]; /* the last has another size */
    char npz[ROOM];
    char said[ROOM];
    struct reference_features want;
};

static void write_frame(const uint8_t *rgb, int width, int height, const char *path)
{
    struct canvas c;
    cr_assert_eq(canvas_init(&c, rgb, (uint32_t)width, (uint32_t)height), 0);
    cr_assert_eq(canvas_write_png(&c, path), 0, "%s", err_text());
    canvas_release(&c);
}

static void folder_init(struct folder *f)
{
    static uint8_t rgb[FRAMES][HEIGHT][WIDTH][3];
    struct dice d = {.seed = 12};
    for (size_t i = 0; i < sizeof rgb; i++) {
        (&rgb[0][0][0][0])[i] = (uint8_t)dice_int(&d, 0, 255);
    }
    tempdir_make(f->dir);
    snprintf(f->model, ROOM, "%s/model.safetensors", f->dir);
    snprintf(f->npz, ROOM, "%s/out.npz", f->dir);
    snprintf(f->said, ROOM, "%s/said", f->dir);
    reference_clip(&plan, &rgb[0][0][0][0], f->model, &f->want);
    for (int i = 0; i <= FRAMES; i++) {
        char path[ROOM];
        snprintf(path, sizeof path, "%s/%d.png", f->dir, i);
        memcpy(f->frame[i], path, sizeof path);
        write_frame(&rgb[i % FRAMES][0][0][0], i < FRAMES ? WIDTH : HEIGHT,
                    i < FRAMES ? HEIGHT : WIDTH, f->frame[i]);
    }
}

static void folder_release(struct folder *f)
{
    reference_features_release(&f->want);
    tempdir_remove(f->dir);
}

/* Runs the command with both outputs in `said`, once a process. */
static int run(struct folder *f, int argc, char **argv, struct buf *said)
{
    cr_assert(freopen(f->said, "w", stdout));
    cr_assert(freopen(f->said, "a", stderr));
    const int status = cmd_detect(argc, argv);
    fflush(stdout);
    fflush(stderr);
    buf_init(said, 1 << 20);
    cr_assert_eq(file_read(f->said, said), 0);
    cr_assert_eq(buf_terminate(said), 0);
    return status;
}

Test(clip, detect_takes_images_as_frames_in_order)
{
    struct folder f;
    struct buf said;
    struct buf npz;
    folder_init(&f);
    char *argv[] = {"detect", "--json",   "--npz",    f.npz,     "--model",
                    f.model,  f.frame[0], f.frame[1], f.frame[2]};
    cr_assert_eq(run(&f, 9, argv, &said), EXIT_OK, "%s", (char *)said.p);
    json_t *j = json_loads((char *)said.p, 0, NULL);
    cr_assert(j, "%s", (char *)said.p);
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(j, "frames"), 2)),
                     f.frame[2]);
    json_t *best = json_array_get(json_array_get(json_object_get(j, "classes"), 0), 0);
    const int class = (int)json_integer_value(json_object_get(best, "class_id"));
    for (int i = 0; i < plan.classes; i++) {
        cr_assert_leq(f.want.scores[i], f.want.scores[class]);
    }
    cr_assert_float_eq(json_real_value(json_object_get(best, "score")), f.want.scores[class], 1e-5);
    buf_init(&npz, 1 << 20);
    cr_assert_eq(file_read(f.npz, &npz), 0);
    cr_assert(memmem(npz.p, npz.n, "features.npy", 12));
    cr_assert(memmem(npz.p, npz.n, "scores.npy", 10));
    cr_assert_not(memmem(npz.p, npz.n, "embedding.npy", 13));
    buf_release(&npz);
    buf_release(&said);
    json_decref(j);
    folder_release(&f);
}

static void refuses(int argc, char **argv, struct folder *f, const char *part)
{
    struct buf said;
    cr_assert_neq(run(f, argc, argv, &said), EXIT_OK);
    cr_assert(strstr((char *)said.p, part), "\"%s\" lacks \"%s\"", (char *)said.p, part);
    buf_release(&said);
    folder_release(f);
}

Test(clip, detect_names_the_frame_that_has_another_size)
{
    struct folder f;
    folder_init(&f);
    char *argv[] = {"detect", "--model", f.model, f.frame[0], f.frame[3]};
    refuses(5, argv, &f, "3.png has 24 x 30 pixels, but the clip began with 30 x 24");
}

Test(clip, detect_has_no_options_on_regions_for_a_clip)
{
    struct folder f;
    folder_init(&f);
    char *argv[] = {"detect", "--max", "5", "--model", f.model, f.frame[0]};
    refuses(6, argv, &f, "are for regions, which r3d-18 does not find");
}

Test(clip, detect_cuts_the_frames_into_clips)
{
    struct folder f;
    struct buf said;
    folder_init(&f);
    char *argv[] = {"detect", "--clip",   "2",        "--model",
                    f.model,  f.frame[0], f.frame[1], f.frame[2]};
    cr_assert_eq(run(&f, 8, argv, &said), EXIT_OK, "%s", (char *)said.p);
    const char *first = strstr((char *)said.p, "1.png  2 frames");
    cr_assert(first, "%s", (char *)said.p);
    cr_assert(strstr(first, "2.png  30 x 24"), "%s", (char *)said.p); /* the rest */
    buf_release(&said);
    folder_release(&f);
}

Test(clip, detect_refuses_one_file_for_several_clips)
{
    struct folder f;
    folder_init(&f);
    char *argv[] = {"detect",  "--clip", "2",        "--npz",    f.npz,
                    "--model", f.model,  f.frame[0], f.frame[1], f.frame[2]};
    refuses(10, argv, &f, "out.npz is one file, but there are 2 results");
}
