#include "detector/workspace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64, HUGE_PAGE = 2 << 20 };

void workspace_release(struct workspace *ws)
{
    free(ws->memory);
    *ws = (struct workspace){.memory = NULL};
}

void workspace_reset(struct workspace *ws, int dry)
{
    ws->count = 0;
    ws->peak = 0;
    ws->base = dry ? ALIGN : (uintptr_t)ws->memory;
}

int workspace_grow(struct workspace *ws, size_t bytes)
{
    if (bytes <= ws->capacity) {
        return 0;
    }
    free(ws->memory);
    ws->capacity = 0;
    const size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    ws->memory = aligned_alloc(HUGE_PAGE, whole);
    if (!ws->memory) {
        return err_set(E_NOMEM, "no memory for a detector workspace of %zu MB", bytes >> 20);
    }
    (void)madvise(ws->memory, whole, MADV_HUGEPAGE); /* faster where granted, as good where not */
    ws->capacity = bytes;
    return 0;
}

void *workspace_take(struct workspace *ws, size_t n, size_t size)
{
    const size_t want = (n * size + ALIGN) / ALIGN * ALIGN; /* never empty: addresses stay unique */
    BUG_ON(ws->count == WORKSPACE_BLOCKS);
    size_t at = 0;
    int i = 0;
    while (i < ws->count && ws->block[i].at - at < want) {
        at = ws->block[i].at + ws->block[i].n;
        i++;
    }
    memmove(&ws->block[i + 1], &ws->block[i], (size_t)(ws->count - i) * sizeof *ws->block);
    ws->block[i].at = at;
    ws->block[i].n = want;
    ws->count++;
    if (at + want > ws->peak) {
        ws->peak = at + want;
    }
    BUG_ON(ws->base != ALIGN && ws->peak > ws->capacity);
    return (void *)(ws->base + at); /* an integer, because a dry run has no object to point into */
}

void workspace_give(struct workspace *ws, const void *block)
{
    const size_t at = (size_t)((uintptr_t)block - ws->base);
    int i = 0;
    while (i < ws->count && ws->block[i].at != at) {
        i++;
    }
    BUG_ON(i == ws->count);
    ws->count--;
    memmove(&ws->block[i], &ws->block[i + 1], (size_t)(ws->count - i) * sizeof *ws->block);
}
