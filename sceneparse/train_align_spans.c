/* The spans that an alignment makes of a caption's words, and which words they have taken. */
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_align.h"

/* Words i..i+n are free or, of attributes and relations that several facts share, already of this
 * type. */
int span_is_open(const struct alignment *a, int i, int n, uint8_t type)
{
    for (int k = i; k < i + n; k++) {
        const uint8_t c = a->claimed[k];
        if (c != 0 && (c != type || type == SG_OBJECT)) {
            return 0;
        }
    }
    return i + n <= (int)a->s->n;
}

void span_claim(struct alignment *a, int beg, int end, uint8_t type)
{
    memset(a->claimed + beg, type, (size_t)(end - beg));
}

int span_gap(int beg, int end, int beg2, int end2)
{
    return end <= beg2 ? beg2 - end : end2 <= beg ? beg - end2 : 0;
}

int add_span(struct alignment *a, int beg, int end, uint16_t type, uint32_t label)
{
    for (int i = 0; i < a->span_count; i++) {
        if (a->spans[i].beg == beg && a->spans[i].end == end && a->spans[i].type == type) {
            return i;
        }
    }
    BUG_ON(a->span_count >= 4 * SEGMENT_MAX);
    a->spans[a->span_count] = (struct span){type, (uint16_t)beg, (uint16_t)end};
    a->labels[a->span_count] = label;
    return a->span_count++;
}

int splits_span(const struct alignment *a, int beg, int end, uint16_t type)
{
    for (int i = 0; i < a->span_count; i++) {
        const struct span *s = &a->spans[i];
        if (s->type == type && s->beg < end && beg < s->end && (s->beg != beg || s->end != end)) {
            return 1;
        }
    }
    return 0;
}
