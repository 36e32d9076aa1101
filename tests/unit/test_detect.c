/* pairmill detect with a network that finds regions: what it writes where. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "detector_fixture.h"
#include "ops/canvas.h"
#include "ops/command.h"
#include "ops/result_place.h"
#include "tempdir.h"

enum { WIDTH = 60, HEIGHT = 40, ROOM = 128, OUTPUT = 1 << 20 };

/* A directory with a model and what the command said. */
struct folder {
    char dir[TEMPDIR_MAX];
    char model[ROOM];
    char said[ROOM];
};

static void folder_init(struct folder *f)
{
    const struct c4_plan plan = c4_plan_default();
    tempdir_make(f->dir);
    snprintf(f->model, ROOM, "%s/model.safetensors", f->dir);
    snprintf(f->said, ROOM, "%s/said", f->dir);
    c4_plan_write(&plan, NULL, f->model);
}

/* dir/name; free() it. */
static char *path_in(const struct folder *f, const char *name)
{
    char *path = file_join(f->dir, name);
    cr_assert(path);
    return path;
}

/* The path of an image of that name in a folder of its own, which is "a" or "b"; free() it. */
static char *make_image(const struct folder *f, const char *name)
{
    char *path = path_in(f, name);
    char *slash = strrchr(path, '/');
    uint8_t *rgb = random_image(3, WIDTH, HEIGHT);
    struct canvas c;
    *slash = '\0';
    cr_assert_eq(file_make_dirs(path), 0);
    *slash = '/';
    cr_assert_eq(canvas_init(&c, rgb, WIDTH, HEIGHT), 0);
    cr_assert_eq(canvas_write_png(&c, path), 0, "%s", err_text());
    canvas_release(&c);
    free(rgb);
    return path;
}

/* Runs `detect --model MODEL option [value] image...`, once a process; what it said is static. */
static int run(const struct folder *f, const char *option, const char *value, char *const *image,
               int images, const char **said)
{
    static struct buf output;
    char *argv[16] = {"detect", "--model", (char *)f->model, (char *)option};
    int argc = 4;
    if (value) {
        argv[argc++] = (char *)value;
    }
    for (int i = 0; i < images; i++) {
        argv[argc++] = image[i];
    }
    cr_assert(freopen(f->said, "w", stdout));
    cr_assert(freopen(f->said, "a", stderr));
    const int status = cmd_detect(argc, argv);
    fflush(stdout);
    fflush(stderr);
    buf_init(&output, OUTPUT);
    cr_assert_eq(file_read(f->said, &output), 0);
    cr_assert_eq(buf_terminate(&output), 0);
    *said = (const char *)output.p;
    return status;
}

static void refuses(struct folder *f, const char *option, const char *value, char *const *image,
                    int images, const char *part)
{
    const char *said;
    cr_assert_eq(run(f, option, value, image, images, &said), EXIT_USAGE, "%s", said);
    cr_assert(strstr(said, part), "\"%s\" lacks \"%s\"", said, part);
    cr_assert_not(strstr(said, "regions"), "it began: %s", said);
    tempdir_remove(f->dir);
}

Test(detect, makes_a_file_of_each_image_in_a_folder)
{
    struct folder f;
    const char *said;
    folder_init(&f);
    char *image[] = {make_image(&f, "a/1.png"), make_image(&f, "a/2.png")};
    char *out = path_in(&f, "out");
    cr_assert_eq(run(&f, "--npz", out, image, 2, &said), EXIT_OK, "%s", said);
    cr_assert(file_exists(path_in(&f, "out/1.npz")) && file_exists(path_in(&f, "out/2.npz")));
    tempdir_remove(f.dir);
}

Test(detect, refuses_one_file_for_two_images)
{
    struct folder f;
    folder_init(&f);
    char *image[] = {make_image(&f, "a/1.png"), make_image(&f, "a/2.png")};
    refuses(&f, "--npz", path_in(&f, "out.npz"), image, 2,
            "out.npz is one file, but there are 2 results; name a folder");
}

Test(detect, refuses_one_drawing_for_two_images)
{
    struct folder f;
    folder_init(&f);
    char *image[] = {make_image(&f, "a/1.png"), make_image(&f, "a/2.png")};
    refuses(&f, "--draw", path_in(&f, "out.png"), image, 2, "out.png is one file");
}

Test(detect, names_two_images_whose_results_would_have_one_name)
{
    struct folder f;
    folder_init(&f);
    char *image[] = {make_image(&f, "a/1.png"), make_image(&f, "a/2.png"),
                     make_image(&f, "b/1.png")};
    refuses(&f, "--draw", path_in(&f, "out"), image, 3, "a/1.png");
}

Test(detect, refuses_a_name_that_would_break_a_line_of_fields)
{
    struct folder f;
    folder_init(&f);
    char *image[] = {make_image(&f, "a/1.png"), make_image(&f, "a/left\tright.png")};
    refuses(&f, "--tsv", NULL, image, 2,
            "--tsv cannot write the name of image 2, which has a tab or a line break after "
            "\"left\"");
}

/* ---- places ---- */

static const struct result_place folder = {"npz", "somewhere", ".npz"};
static const struct result_place one_file = {"npz", "somewhere.npz", ".npz"};

Test(result_place, finds_two_results_of_one_name)
{
    char *const images[] = {"a/x.png", "b/y.png", "c/x.jpg", "z.png"};
    cr_assert_eq(result_place_check(&folder, images, 4, 1), E_ARG);
    cr_assert(strstr(err_text(), "a/x.png") && strstr(err_text(), "c/x.jpg") &&
                  strstr(err_text(), "would both become x.npz"),
              "%s", err_text());
    cr_assert_eq(result_place_check(&folder, images, 2, 1), 0);
    cr_assert_eq(result_place_check(&folder, images, 4, 3), 0); /* x and z */
    cr_assert_eq(result_place_check(&folder, images, 4, 2), E_ARG);
    cr_assert_eq(result_place_check(&folder, images, 4, 4), 0);
}

Test(result_place, is_one_file_for_one_result)
{
    char *const images[] = {"a/x.png", "b/y.png", "c/x.jpg"};
    cr_assert_eq(result_place_check(&one_file, images, 3, 3), 0);
    cr_assert_eq(result_place_check(&one_file, images, 1, 1), 0);
    cr_assert_eq(result_place_check(&one_file, images, 3, 2), E_ARG);
}

static void expect_stem(const char *path, const char *want)
{
    char *stem = result_stem(path);
    cr_assert_str_eq(stem, want);
    free(stem);
}

Test(result_place, takes_the_last_extension_off)
{
    expect_stem("photos.d/cat.01.jpg", "cat.01");
    expect_stem("photos.d/cat", "cat");
    expect_stem(".hidden", ".hidden");
}
