/*
 * A decoder: a child process pairmill-decode that turns image files into pixels, so that a hostile
 * file can cost one job and nothing else.  The child may only read and write memory it was given
 * (seccomp, rlimits).
 *
 * Two slots let one image be decoded while the previous one is being computed on.
 *
 *     decoder_start(d, slot, bytes)   hands the bytes over and returns at once
 *     decoder_finish(d, slot, &image) waits for that slot's pixels
 *
 * A slot's pixels are borrowed until its next start.  A child that dies or does not answer within
 * the deadline is replaced, and the image it died on gets E_DECODER_DIED.  One thread per decoder.
 */
#ifndef WORKERS_DECODER_H
#define WORKERS_DECODER_H

#include <stdint.h>

#include "common/bytes.h"
#include "common/err.h"

enum {
    DECODER_SLOTS = 2,
    DECODER_BYTES_MAX = 64 << 20, /* of one image file */
    DECODER_DEADLINE_MS = 60000,
};

struct decoder;

struct image {
    const uint8_t *rgb; /* [height][width][3] */
    uint32_t width;
    uint32_t height;
};

/* Starts the child; E_NO_FILE when the program is missing, E_SYSTEM. */
int decoder_new(struct decoder **out) MUST_CHECK;
void decoder_free(struct decoder *d);

/* What to call about every second while an image is waited for: whoever waits is alive. */
void decoder_on_wait(struct decoder *d, void (*waiting)(void *arg), void *arg);

/* E_TOO_BIG for a file over DECODER_BYTES_MAX, E_SYSTEM when no child can be had; the slot then
 * stays idle.  It must be idle. */
int decoder_start(struct decoder *d, int slot, struct view bytes) MUST_CHECK;

/* What decode_image() says, or E_DECODER_DIED, or E_SYSTEM when no child can be had. */
int decoder_finish(struct decoder *d, int slot, struct image *out) MUST_CHECK;

#endif
