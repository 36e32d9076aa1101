#include "detector/nms.h"

#include <string.h>

#include "detector/simd.h"

size_t nms_ordered(const struct box *box, const uint16_t *group, const uint32_t *order, size_t n,
                   float threshold, float plus, size_t limit, uint32_t *kept)
{
    size_t count = 0;
    for (size_t i = 0; i < n && count < limit; i++) {
        const uint32_t candidate = order[i];
        size_t k = 0;
        while (k < count && !((!group || group[kept[k]] == group[candidate]) &&
                              box_iou(box[kept[k]], box[candidate], plus) >= threshold)) {
            k++;
        }
        if (k == count) {
            kept[count++] = candidate;
        }
    }
    return count;
}

size_t nms_words(size_t n)
{
    return (n + 63) / 64;
}

void nms_matrix(const struct box *box, size_t n, float threshold, float plus, uint64_t *matrix)
{
    const size_t words = nms_words(n);
    memset(matrix, 0, n * words * sizeof *matrix);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            if (box_iou(box[i], box[j], plus) >= threshold) {
                matrix[i * words + j / 64] |= 1ull << (j % 64);
                matrix[j * words + i / 64] |= 1ull << (i % 64);
            }
        }
    }
}

void nms_by_matrix(const uint64_t *matrix, size_t n, const uint32_t *order, uint64_t *alive)
{
    /* A box suppressed before its turn suppresses nothing; one met alive clears its neighbours,
     * among which no earlier box can still be alive, or it would have cleared this one. */
    const size_t words = nms_words(n);
    memset(alive, 0xff, words * sizeof *alive);
    for (size_t k = 0; k < n; k++) {
        const size_t i = order[k];
        if (alive[i / 64] >> (i % 64) & 1) {
            const uint64_t *row = matrix + i * words;
            for (size_t w = 0; w < words; w++) {
                alive[w] &= ~row[w];
            }
        }
    }
}

/* Float bits mapped so that unsigned order is falling float order. -0 and 0 are equal scores. */
static uint32_t falling_key(float score)
{
    const float s = score + 0.0f; /* -0 -> 0 */
    uint32_t bits;
    memcpy(&bits, &s, sizeof bits);
    return bits >> 31 ? bits : ~(bits | 0x80000000u);
}

enum { DIGIT = 11, DIGITS = 3 };

void order_falling(const float *score, size_t n, uint32_t *order, uint64_t *scratch)
{
    /* A radix sort is stable, so equal scores stay in rising order of index. */
    uint64_t *from = scratch;
    uint64_t *to = scratch + n;
    for (size_t i = 0; i < n; i++) {
        from[i] = (uint64_t)falling_key(score[i]) << 32 | i;
    }
    for (int d = 0; d < DIGITS; d++) {
        const int shift = 32 + d * DIGIT;
        size_t start[(1 << DIGIT) + 1] = {0};
        for (size_t i = 0; i < n; i++) {
            start[(from[i] >> shift & ((1 << DIGIT) - 1)) + 1]++;
        }
        for (size_t b = 0; b < 1 << DIGIT; b++) {
            start[b + 1] += start[b];
        }
        for (size_t i = 0; i < n; i++) {
            to[start[from[i] >> shift & ((1 << DIGIT) - 1)]++] = from[i];
        }
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = (uint32_t)from[i];
    }
}
