/*
 * Scratch memory of one session: blocks taken and given back in any order from one allocation.
 *
 * Placement is first fit and depends on nothing but the sequence of takes and gives.  So a graph is
 * first run dry (nothing computed, `base` unset) to learn the peak, the memory is grown once if
 * need be, and the real run takes the same places: no operator ever handles a failed allocation.
 * Blocks are 64-byte aligned and not initialised.
 */
#ifndef DETECTOR_WORKSPACE_H
#define DETECTOR_WORKSPACE_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum { WORKSPACE_BLOCKS = 64 };

struct workspace {
    unsigned char *memory;
    size_t capacity; /* bytes at `memory` */
    size_t peak;     /* highest end of a block since workspace_reset() */
    uintptr_t base;  /* what addresses count from: `memory`, or a fiction in a dry run */
    int count;
    struct {
        size_t at;
        size_t n;
    } block[WORKSPACE_BLOCKS]; /* by `at` */
};

void workspace_release(struct workspace *ws);

/* Forgets all blocks; the next ones are only measured (dry) or real. */
void workspace_reset(struct workspace *ws, int dry);

/* Makes the memory at least `bytes` long; E_NOMEM. No block may be live. */
int workspace_grow(struct workspace *ws, size_t bytes) MUST_CHECK;

/* A block of `n` objects of `size` bytes; not to be dereferenced in a dry run. */
void *workspace_take(struct workspace *ws, size_t n, size_t size);

/* Gives back a block that workspace_take() returned. */
void workspace_give(struct workspace *ws, const void *block);

#endif
