/* Image files in, pixels out; damage is always an error, and a dead decoder costs one image. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <jpeglib.h>

#include <spng.h>

#include "common/buf.h"
#include "workers/decode_image.h"
#include "workers/decoder.h"

enum { W = 97, H = 61 };

static uint8_t wave(int x, int y, int c)
{
    return (uint8_t)(128 + ((x * (c + 1) + y * (3 - c)) % 100));
}

/* components: 1 grey, 3 RGB, 4 CMYK */
static struct view make_jpeg(int width, int height, int components, bool progressive)
{
    unsigned char *p = NULL;
    unsigned long n = 0;
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr err;
    cinfo.err = jpeg_std_error(&err);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &p, &n);
    cinfo.image_width = (JDIMENSION)width;
    cinfo.image_height = (JDIMENSION)height;
    cinfo.input_components = components;
    cinfo.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&cinfo);
    jpeg_set_quality(&cinfo, 95, TRUE);
    if (progressive) {
        jpeg_simple_progression(&cinfo);
    }
    jpeg_start_compress(&cinfo, TRUE);
    uint8_t *row = malloc((size_t)width * components);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int c = 0; c < components; c++) {
                row[x * components + c] = wave(x, y, c);
            }
        }
        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    free(row);
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    return view_of(p, n);
}

static struct view make_png(void)
{
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr header = {
        .width = W, .height = H, .bit_depth = 8, .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    uint8_t rgb[W * H * 3];
    for (int i = 0; i < W * H * 3; i++) {
        rgb[i] = wave(i / 3 % W, i / 3 / W, i % 3);
    }
    int e = 0;
    size_t n = 0;
    spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);
    spng_set_ihdr(ctx, &header);
    cr_assert_eq(spng_encode_image(ctx, rgb, sizeof rgb, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE), 0);
    void *p = spng_get_png_buffer(ctx, &n, &e);
    spng_ctx_free(ctx);
    return view_of(p, n);
}

static void drop(struct view made)
{
    free((void *)made.p);
}

static uint8_t pixels[W * H * 3];

static int decode(struct view bytes, struct image_out *out)
{
    *out = (struct image_out){.rgb = pixels, .room = sizeof pixels};
    return decode_image(bytes, out);
}

static void expect_wave(int tolerance)
{
    for (int i = 0; i < W * H * 3; i++) {
        const int want = wave(i / 3 % W, i / 3 / W, i % 3);
        cr_assert(abs(pixels[i] - want) <= tolerance, "byte %d is %d, not %d", i, pixels[i], want);
    }
}

Test(decode, png_comes_back_exactly)
{
    struct image_out out;
    const struct view png = make_png();
    cr_assert_eq(decode(png, &out), 0);
    drop(png);
    cr_assert(out.width == W && out.height == H);
    expect_wave(0);
}

Test(decode, grey_cmyk_and_progressive_jpegs_become_rgb)
{
    struct image_out out;
    static const struct {
        int components;
        bool progressive;
    } kinds[] = {{1, false}, {4, false}, {3, true}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct view jpeg = make_jpeg(W, H, kinds[i].components, kinds[i].progressive);
        cr_assert_eq(decode(jpeg, &out), 0, "kind %zu: %s", i, err_text());
        cr_assert(kinds[i].components != 1 || (pixels[0] == pixels[1] && pixels[1] == pixels[2]));
        drop(jpeg);
    }
}

Test(decode, a_jpeg_cut_anywhere_is_an_error)
{
    const struct view whole = make_jpeg(W, H, 3, false);
    struct image_out out;
    cr_assert_eq(decode(whole, &out), 0);
    for (size_t n = 0; n + 2 < whole.n; n += 37) { /* the last two bytes are the end marker */
        const int rc = decode(view_of(whole.p, n), &out);
        cr_assert(rc == E_IMAGE_TRUNCATED || rc == E_IMAGE_UNREADABLE, "%zu of %zu bytes gave %s",
                  n, whole.n, err_name(rc));
    }
    drop(whole);
}

Test(decode, a_png_cut_anywhere_or_damaged_is_an_error)
{
    const struct view whole = make_png();
    struct image_out out;
    for (size_t n = 0; n + 12 < whole.n; n += 41) {
        cr_assert_neq(decode(view_of(whole.p, n), &out), 0, "%zu of %zu bytes passed", n, whole.n);
    }
    uint8_t *bad = malloc(whole.n);
    memcpy(bad, whole.p, whole.n);
    bad[whole.n / 2] ^= 0x10;
    cr_assert_neq(decode(view_of(bad, whole.n), &out), 0);
    free(bad);
    drop(whole);
}

Test(decode, a_bomb_is_refused_from_its_header)
{
    const struct view jpeg = make_jpeg(W, H, 3, false);
    uint8_t *bomb = malloc(jpeg.n);
    memcpy(bomb, jpeg.p, jpeg.n);
    for (size_t i = 0; i + 9 < jpeg.n; i++) {
        if (bomb[i] == 0xff && bomb[i + 1] == 0xc0) {
            memset(bomb + i + 5, 0xf0, 4); /* 61680 x 61680 */
        }
    }
    struct image_out out;
    cr_assert_eq(decode(view_of(bomb, jpeg.n), &out), E_IMAGE_TOO_BIG);
    free(bomb);
    drop(jpeg);
}

Test(decode, what_is_no_image_is_named)
{
    struct image_out out;
    cr_assert_eq(decode(view_of("", 0), &out), E_IMAGE_UNREADABLE);
    cr_assert_eq(decode(view_str("<!DOCTYPE html><html>404</html>"), &out), E_IMAGE_UNREADABLE);
    cr_assert(strstr(err_text(), "HTML"));
}

static pid_t child_of_this_process(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    int pid = 0;
    cr_assert(f && fscanf(f, "%d", &pid) == 1);
    fclose(f);
    return pid;
}

Test(decoder, decodes_two_slots_and_survives_its_child, .timeout = 60)
{
    struct decoder *d = NULL;
    cr_assert_eq(decoder_new(&d), 0, "%s", err_text());
    const struct view jpeg = make_jpeg(W, H, 3, false);
    const struct view png = make_png();
    struct image image;
    cr_assert_eq(decoder_start(d, 0, jpeg), 0);
    cr_assert_eq(decoder_start(d, 1, png), 0);
    cr_assert_eq(decoder_finish(d, 1, &image), 0, "%s", err_text());
    cr_assert(image.width == W && image.rgb[0] == wave(0, 0, 0));
    cr_assert_eq(decoder_finish(d, 0, &image), 0);
    cr_assert_eq(decoder_start(d, 0, view_str("nonsense")), 0);
    cr_assert_eq(decoder_finish(d, 0, &image), E_IMAGE_UNREADABLE);

    const pid_t child = child_of_this_process();
    kill(child, SIGSTOP); /* so that it surely dies with the image in hand */
    cr_assert_eq(decoder_start(d, 0, jpeg), 0);
    cr_assert_eq(decoder_start(d, 1, png), 0);
    kill(child, SIGKILL);
    cr_assert_eq(decoder_finish(d, 0, &image), E_DECODER_DIED);
    cr_assert_eq(decoder_finish(d, 1, &image), 0, "the other image is decoded by a new child");
    cr_assert_neq(child_of_this_process(), child);
    decoder_free(d);
    drop(jpeg);
    drop(png);
}

static void let_go_on(void *child)
{
    kill(*(pid_t *)child, SIGCONT);
    *(pid_t *)child = 0;
}

/* Its worker beats while it waits: a slow image is no dead worker. */
Test(decoder, calls_while_it_waits, .timeout = 60)
{
    struct decoder *d = NULL;
    cr_assert_eq(decoder_new(&d), 0, "%s", err_text());
    const struct view jpeg = make_jpeg(W, H, 3, false);
    struct image image;
    pid_t child = child_of_this_process();
    kill(child, SIGSTOP);
    decoder_on_wait(d, let_go_on, &child);
    cr_assert_eq(decoder_start(d, 0, jpeg), 0);
    cr_assert_eq(decoder_finish(d, 0, &image), 0, "%s", err_text());
    cr_assert_eq(child, 0);
    decoder_free(d);
    drop(jpeg);
}

/* Whether this process may open files, as every child that is started needs to. */
static void allow_files(bool allowed)
{
    static struct rlimit usual;
    if (!allowed) {
        cr_assert_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    }
    const struct rlimit none = {.rlim_cur = 1, .rlim_max = usual.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, allowed ? &usual : &none), 0);
}

static void kill_child(void)
{
    const pid_t child = child_of_this_process();
    siginfo_t info;
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
}

Test(decoder, goes_on_when_a_child_can_be_had_again, .timeout = 60)
{
    struct decoder *d = NULL;
    cr_assert_eq(decoder_new(&d), 0, "%s", err_text());
    const struct view jpeg = make_jpeg(W, H, 3, false);
    struct image image;
    kill_child();
    allow_files(false);
    cr_assert_eq(decoder_start(d, 0, jpeg), E_SYSTEM);
    cr_assert_eq(decoder_start(d, 0, jpeg), E_SYSTEM, "the slot is idle still");
    allow_files(true);
    cr_assert_eq(decoder_start(d, 0, jpeg), 0, "%s", err_text());
    cr_assert_eq(decoder_finish(d, 0, &image), 0, "%s", err_text());

    kill(child_of_this_process(), SIGSTOP); /* so that it surely dies with the image in hand */
    cr_assert_eq(decoder_start(d, 0, jpeg), 0);
    kill_child();
    allow_files(false);
    cr_assert_eq(decoder_start(d, 1, jpeg), E_SYSTEM);
    allow_files(true);
    cr_assert_eq(decoder_finish(d, 0, &image), 0, "the one that waited: %s", err_text());
    cr_assert_eq(image.width, W);

    kill(child_of_this_process(), SIGSTOP);
    cr_assert_eq(decoder_start(d, 0, jpeg), 0);
    kill_child();
    allow_files(false);
    cr_assert_eq(decoder_start(d, 1, jpeg), E_SYSTEM);
    cr_assert_eq(decoder_finish(d, 0, &image), E_SYSTEM, "at once, not after a deadline");
    allow_files(true);
    decoder_free(d);
    drop(jpeg);
}
