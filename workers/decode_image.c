#include "workers/decode_image.h"

int image_set_size(struct image_out *out, uint64_t width, uint64_t height)
{
    if (width == 0 || height == 0) {
        return err_set(E_IMAGE_UNREADABLE, "the image has no pixels");
    }
    if (width > IMAGE_SIDE_MAX || height > IMAGE_SIDE_MAX || width * height > IMAGE_PIXELS_MAX ||
        width * height * 3 > out->room) {
        return err_set(
            E_IMAGE_TOO_BIG,
            "the header says %llu x %llu pixels; the limit is %d megapixels and %d a side",
            (unsigned long long)width, (unsigned long long)height, IMAGE_PIXELS_MAX / 1000000,
            IMAGE_SIDE_MAX);
    }
    out->width = (uint32_t)width;
    out->height = (uint32_t)height;
    return 0;
}

static const char *guess(struct view bytes)
{
    static const struct {
        const char *magic;
        size_t at;
        const char *name;
    } known[] = {
        {"GIF8", 0, "a GIF image"},       {"WEBP", 8, "a WebP image"},
        {"BM", 0, "a BMP image"},         {"II*\0", 0, "a TIFF image"},
        {"ftypheic", 4, "an HEIC image"}, {"ftyp", 4, "an MP4 or HEIF file"},
        {"<!DOCTYPE", 0, "an HTML page"}, {"<html", 0, "an HTML page"},
        {"<svg", 0, "an SVG drawing"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t n = strlen(known[i].magic);
        if (bytes.n >= known[i].at + n &&
            memcmp((const char *)bytes.p + known[i].at, known[i].magic, n) == 0) {
            return known[i].name;
        }
    }
    return "something else";
}

int decode_image(struct view bytes, struct image_out *out)
{
    if (bytes.n == 0) {
        return err_set(E_IMAGE_UNREADABLE, "the file is empty");
    }
    if (bytes.n >= 3 && memcmp(bytes.p, "\xff\xd8\xff", 3) == 0) {
        return decode_jpeg(bytes, out);
    }
    if (bytes.n >= 8 && memcmp(bytes.p, "\x89PNG\r\n\x1a\n", 8) == 0) {
        return decode_png(bytes, out);
    }
    return err_set(E_IMAGE_UNREADABLE, "the file is neither JPEG nor PNG but %s", guess(bytes));
}
