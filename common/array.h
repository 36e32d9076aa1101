/*
 * Growing arrays: room doubles when it is full.
 */
#ifndef COMMON_ARRAY_H
#define COMMON_ARRAY_H

#include <stdlib.h>

/* Makes room for one more than `count` elements of `each` bytes at `p`, which has *room.  Returns
 * where the elements are now; NULL when there is no memory, and then `p` stays as it was. */
static inline void *array_grown(void *p, size_t count, size_t *room, size_t each)
{
    if (count < *room) {
        return p;
    }
    const size_t wider = *room ? 2 * *room : 64;
    void *bigger = reallocarray(p, wider, each);
    if (bigger) {
        *room = wider;
    }
    return bigger;
}

#endif
