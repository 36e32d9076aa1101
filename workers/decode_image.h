/*
 * Bytes of an image file in, 8-bit RGB out.  The only code that touches untrusted media; it runs
 * inside pairmill-decode (workers/decode_main.c), a sandboxed program.  Everyone else asks
 * workers/decoder.h.
 *
 * JPEG (libjpeg-turbo: ISLOW, fancy upsampling, as OpenCV decodes; grey, CMYK and YCCK become RGB)
 * and PNG (libspng; alpha dropped, 16 bits cut to 8, as cv2.imread does).  EXIF orientation is not
 * applied: boxes refer to the stored rows.
 *
 * An image that ends early or whose entropy-coded data is damaged is an error (E_IMAGE_TRUNCATED),
 * never silent grey: libjpeg itself calls that a warning.  The pixel limit is checked on the
 * header, before anything is allocated.
 */
#ifndef WORKERS_DECODE_IMAGE_H
#define WORKERS_DECODE_IMAGE_H

#include "common/bytes.h"
#include "common/err.h"

enum {
    IMAGE_SIDE_MAX = 32767,
    IMAGE_PIXELS_MAX = 40 * 1000 * 1000, /* 120 MB of RGB */
    IMAGE_SCANS_MAX = 100,               /* of a progressive JPEG; real ones have about ten */
};

/* Where the pixels go: `room` bytes at `rgb`, given by the caller; rows of 3 * width bytes, no
 * padding. */
struct image_out {
    uint8_t *rgb;
    size_t room;
    uint32_t width;
    uint32_t height;
};

/* E_IMAGE_UNREADABLE, E_IMAGE_TRUNCATED or E_IMAGE_TOO_BIG, with a sentence that does not name the
 * file. */
int decode_image(struct view bytes, struct image_out *out) MUST_CHECK;

/* The two formats; decode_image() picks by the first bytes. */
int decode_jpeg(struct view bytes, struct image_out *out) MUST_CHECK;
int decode_png(struct view bytes, struct image_out *out) MUST_CHECK;

/* Sets the size after checking it against the limits and the room. */
int image_set_size(struct image_out *out, uint64_t width, uint64_t height) MUST_CHECK;

#endif
