/*
 * A growable byte buffer that is born with its maximum.
 *
 * buf_init() sets the limit; appends beyond it fail with E_TOO_BIG and leave the buffer as it was.
 * The memory is 64-byte aligned, so that records built in it can hold aligned arrays.
 * buf_reset() empties it for reuse, buf_release() frees; a zeroed struct may be released.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/bytes.h"
#include "common/err.h"

struct buf {
    unsigned char *p; /* n bytes in use */
    size_t n;
    size_t room; /* bytes allocated */
    size_t limit;
};

void buf_init(struct buf *b, size_t limit);
void buf_release(struct buf *b);
void buf_reset(struct buf *b);

/* Makes room for `more` bytes after the n in use, without changing n. */
int buf_reserve(struct buf *b, size_t more) MUST_CHECK;

int buf_append(struct buf *b, const void *p, size_t n) MUST_CHECK;
int buf_append_zeros(struct buf *b, size_t n) MUST_CHECK;

/* Zeros up to the next multiple of `align` (a power of two). */
int buf_align(struct buf *b, size_t align) MUST_CHECK;

/* Formatted text, without its terminating NUL. */
int buf_printf(struct buf *b, const char *fmt, ...) MUST_CHECK PRINTF(2, 3);

/* A NUL after the n bytes, not counted in n, so that p can be read as a C string. */
int buf_terminate(struct buf *b) MUST_CHECK;

static inline struct view buf_view(const struct buf *b)
{
    return view_of(b->p, b->n);
}

#endif
