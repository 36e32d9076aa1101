/* What training keeps: memory that it cannot do without, rows in order, strings each once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

void *xrealloc(void *p, size_t count, size_t size)
{
    void *q = reallocarray(p, count, size);
    if (!q && count && size) {
        fprintf(stderr, "pairmill parse train: out of memory\n");
        exit(70);
    }
    return q;
}

void sort_rows(void *rows, size_t n, size_t size, int (*order)(const void *, const void *))
{
    if (n) {
        qsort(rows, n, size, order);
    }
}

uint32_t pool_add(struct pool *p, const char *s, size_t n)
{
    if (p->used * 2 >= (1u << p->bits) || !p->slots) {
        const uint32_t bits = p->slots ? p->bits + 1 : 12;
        uint32_t *slots = calloc((size_t)1 << bits, sizeof *slots);
        BUG_ON(!slots);
        for (uint32_t i = 0; p->slots && i < 1u << p->bits; i++) {
            if (p->slots[i]) {
                const char *q = p->p + p->slots[i] - 1;
                uint32_t k = (uint32_t)(hash_text(q, strlen(q)) >> (64 - bits));
                while (slots[k]) {
                    k = (k + 1) & ((1u << bits) - 1);
                }
                slots[k] = p->slots[i];
            }
        }
        free(p->slots);
        p->slots = slots;
        p->bits = bits;
    }
    uint32_t k = (uint32_t)(hash_text(s, n) >> (64 - p->bits));
    for (; p->slots[k]; k = (k + 1) & ((1u << p->bits) - 1)) {
        const char *q = p->p + p->slots[k] - 1;
        if (strncmp(q, s, n) == 0 && q[n] == 0) {
            return p->slots[k] - 1;
        }
    }
    if (p->n + n + 1 > p->room) {
        p->room = (uint32_t)(2 * (p->n + n) + 4096);
        p->p = xrealloc(p->p, p->room, 1);
    }
    const uint32_t at = p->n;
    memcpy(p->p + at, s, n);
    p->p[at + n] = 0;
    p->n += (uint32_t)n + 1;
    p->slots[k] = at + 1;
    p->used++;
    return at;
}
