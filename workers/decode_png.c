/* PNG by libspng. */
#include <spng.h>

#include "workers/decode_image.h"

static int fail(int code)
{
    /* A chunk or the pixel stream that ends early, or whose checksum is wrong. */
    const int damaged = code == SPNG_IO_EOF || code == SPNG_EIDAT_TOO_SHORT ||
                        code == SPNG_EIDAT_STREAM || code == SPNG_ECHUNK_CRC ||
                        code == SPNG_IO_ERROR;
    return err_set(damaged ? E_IMAGE_TRUNCATED : E_IMAGE_UNREADABLE, "the PNG %s: %s",
                   damaged ? "is cut short or damaged" : "cannot be decoded", spng_strerror(code));
}

int decode_png(struct view bytes, struct image_out *out)
{
    spng_ctx *ctx = spng_ctx_new(0);
    if (!ctx) {
        return err_set(E_NOMEM, "no memory for a PNG decoder");
    }
    int rc = 0;
    struct spng_ihdr header;
    size_t n = 0;
    spng_set_image_limits(ctx, IMAGE_SIDE_MAX, IMAGE_SIDE_MAX);
    spng_set_chunk_limits(ctx, 8 << 20, 16 << 20);
    spng_set_crc_action(ctx, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
    int code = spng_set_png_buffer(ctx, bytes.p, bytes.n);
    if (code == 0) {
        code = spng_get_ihdr(ctx, &header);
    }
    if (code == SPNG_EUSER_WIDTH || code == SPNG_EUSER_HEIGHT) {
        rc = err_set(E_IMAGE_TOO_BIG, "the PNG is wider or higher than %d pixels", IMAGE_SIDE_MAX);
        goto out;
    }
    if (code) {
        rc = fail(code);
        goto out;
    }
    rc = image_set_size(out, header.width, header.height);
    if (rc) {
        goto out;
    }
    code = spng_decoded_image_size(ctx, SPNG_FMT_RGB8, &n);
    BUG_ON(code == 0 && n > out->room);
    code = code ? code : spng_decode_image(ctx, out->rgb, n, SPNG_FMT_RGB8, 0);
    rc = code ? fail(code) : 0;
out:
    spng_ctx_free(ctx);
    return rc;
}
