/*
 * What passes between a decoder and its child: two shared memory files and small fixed messages on
 * a socket pair. Both ends are built together, so there is no version.
 */
#ifndef WORKERS_DECODE_WIRE_H
#define WORKERS_DECODE_WIRE_H

#include <stdint.h>

#include "workers/decode_image.h"
#include "workers/decoder.h"

/* File descriptors the child is started with. */
enum { DECODE_FD_SOCKET = 3, DECODE_FD_MEMORY = 4 };

/* The memory file: for each slot the image file's bytes, then its pixels. */
#define DECODE_PIXEL_BYTES ((size_t)IMAGE_PIXELS_MAX * 3)
#define DECODE_SLOT_BYTES  ((size_t)DECODER_BYTES_MAX + DECODE_PIXEL_BYTES)
#define DECODE_MEMORY      (DECODER_SLOTS * DECODE_SLOT_BYTES)

struct decode_request {
    uint32_t slot;
    uint32_t bytes;
};

struct decode_answer {
    uint32_t slot;
    int32_t rc;
    uint32_t width;
    uint32_t height;
    char text[200]; /* NUL-terminated sentence when rc is not 0 */
};

#endif
