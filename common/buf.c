#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_ALIGN = 64 };

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_release(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.limit = b->limit};
}

void buf_reset(struct buf *b)
{
    b->n = 0;
}

int buf_reserve(struct buf *b, size_t more)
{
    size_t need;
    if (__builtin_add_overflow(b->n, more, &need) || need > b->limit) {
        return err_set(E_TOO_BIG,
                       "a buffer of at most %zu bytes was asked to hold %zu more than its %zu",
                       b->limit, more, b->n);
    }
    if (need <= b->room) {
        return 0;
    }
    size_t room = b->room < 256 ? 256 : b->room + b->room / 2;
    room = room < need ? need : room;
    room = (room + BUF_ALIGN - 1) / BUF_ALIGN * BUF_ALIGN;
    unsigned char *p = aligned_alloc(BUF_ALIGN, room);
    if (!p) {
        return err_set(E_NOMEM, "no memory for a buffer of %zu bytes", room);
    }
    if (b->n) {
        memcpy(p, b->p, b->n);
    }
    free(b->p);
    b->p = p;
    b->room = room;
    return 0;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
    const int rc = buf_reserve(b, n);
    if (rc) {
        return rc;
    }
    if (n) {
        memcpy(b->p + b->n, p, n);
    }
    b->n += n;
    return 0;
}

int buf_append_zeros(struct buf *b, size_t n)
{
    const int rc = buf_reserve(b, n);
    if (rc) {
        return rc;
    }
    if (n) {
        memset(b->p + b->n, 0, n);
    }
    b->n += n;
    return 0;
}

int buf_align(struct buf *b, size_t align)
{
    return buf_append_zeros(b, (align - b->n % align) % align);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    int rc =
        n < 0 ? err_set(E_FORMAT, "text could not be formatted") : buf_reserve(b, (size_t)n + 1);
    if (rc == 0) {
        vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    return rc;
}

int buf_terminate(struct buf *b)
{
    const int rc = buf_reserve(b, 1);
    if (rc == 0) {
        b->p[b->n] = '\0';
    }
    return rc;
}
