/* JPEG by libjpeg-turbo.  setjmp() is how libjpeg reports errors; it lives in this file alone. */
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

#include "workers/decode_image.h"

struct errors {
    struct jpeg_error_mgr base; /* first, so that libjpeg's pointer is ours */
    jmp_buf escape;
    int damage; /* libjpeg's code of the first warning that means lost rows or wrong pixels */
    char damage_text[JMSG_LENGTH_MAX];
};

struct scan_limit {
    struct jpeg_progress_mgr base;
};

static void on_error(j_common_ptr cinfo)
{
    struct errors *e = (struct errors *)cinfo->err;
    longjmp(e->escape, 1);
}

static bool means_damage(int code)
{
    switch (code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_ARITH_BAD_CODE: return true;
    default: return false; /* odd but complete: wrong version numbers, bytes between markers */
    }
}

static void on_message(j_common_ptr cinfo, int level)
{
    struct errors *e = (struct errors *)cinfo->err;
    if (level < 0 && e->damage == 0 && means_damage(e->base.msg_code)) {
        e->damage = e->base.msg_code;
        e->base.format_message(cinfo, e->damage_text);
    }
}

static void on_progress(j_common_ptr cinfo)
{
    if (cinfo->is_decompressor && ((j_decompress_ptr)cinfo)->input_scan_number > IMAGE_SCANS_MAX) {
        struct errors *e = (struct errors *)cinfo->err;
        e->damage = -1;
        longjmp(e->escape, 1);
    }
}

/* Adobe's CMYK files store inverted ink; both signs end as the light that is left. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, uint32_t n, bool inverted)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *in = cmyk + 4 * i;
        for (int c = 0; c < 3; c++) {
            const unsigned ink = inverted ? in[c] : 255u - in[c];
            const unsigned key = inverted ? in[3] : 255u - in[3];
            rgb[3 * i + c] = (uint8_t)((ink * key + 127) / 255);
        }
    }
}

static void read_rows(struct jpeg_decompress_struct *cinfo, struct image_out *out, uint8_t *row)
{
    while (cinfo->output_scanline < cinfo->output_height) {
        uint8_t *rgb = out->rgb + (size_t)cinfo->output_scanline * out->width * 3;
        JSAMPROW target = row ? row : rgb;
        jpeg_read_scanlines(cinfo, &target, 1);
        if (row) {
            cmyk_to_rgb(row, rgb, out->width, cinfo->saw_Adobe_marker);
        }
    }
}

int decode_jpeg(struct view bytes, struct image_out *out)
{
    struct jpeg_decompress_struct cinfo;
    struct errors errors = {0};
    struct scan_limit limit = {.base.progress_monitor = on_progress};
    uint8_t *volatile row = NULL;
    volatile int rc = 0;

    cinfo.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = on_error;
    errors.base.emit_message = on_message;
    if (setjmp(errors.escape)) {
        char text[JMSG_LENGTH_MAX];
        errors.base.format_message((j_common_ptr)&cinfo, text);
        rc = errors.damage == -1
                 ? err_set(E_IMAGE_UNREADABLE, "the JPEG has more than %d scans", IMAGE_SCANS_MAX)
             : errors.damage ? err_set(E_IMAGE_TRUNCATED, "the JPEG is cut short or damaged: %s",
                                       errors.damage_text)
                             : err_set(E_IMAGE_UNREADABLE, "the JPEG cannot be decoded: %s", text);
        goto out;
    }
    jpeg_create_decompress(&cinfo);
    cinfo.progress = &limit.base;
    jpeg_mem_src(&cinfo, bytes.p, bytes.n);
    jpeg_read_header(&cinfo, TRUE);
    rc = image_set_size(out, cinfo.image_width, cinfo.image_height);
    if (rc) {
        goto out;
    }
    const bool cmyk = cinfo.jpeg_color_space == JCS_CMYK || cinfo.jpeg_color_space == JCS_YCCK;
    cinfo.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&cinfo);
    if (cmyk) {
        row = malloc((size_t)out->width * 4);
        if (!row) {
            rc = err_set(E_NOMEM, "no memory for a row of %u pixels", out->width);
            goto out;
        }
    }
    read_rows(&cinfo, out, row);
    jpeg_finish_decompress(&cinfo);
    if (errors.damage) {
        rc = err_set(E_IMAGE_TRUNCATED, "the JPEG is cut short or damaged: %s", errors.damage_text);
    }
out:
    jpeg_destroy_decompress(&cinfo);
    free(row);
    return rc;
}
