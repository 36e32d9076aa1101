/* Annotated captions: which of them take part, as words, as tags. */
#include <stdlib.h>
#include <string.h>

#include "sceneparse/train_internal.h"

int left_out(const struct trainer *t, uint32_t i)
{
    return i >= t->train_n || (t->options->holdout && i % t->options->holdout == 0);
}

void example_load(struct trainer *t, const struct example *e)
{
    static struct sg_token tokens[SEGMENT_MAX];
    size_t pos = 0;
    uint32_t count = 0;
    t->m.strings = t->strings.p;
    segment_read(t->s, e->caption, e->caption_n, &pos, READ_ALL, tokens, &count);
    segment_analyse(&t->m, t->s);
}

int example_span(const struct example *e, const struct span *span)
{
    for (int k = 0; k < e->span_count; k++) {
        if (memcmp(span, &e->spans[k], sizeof *span) == 0) {
            return k;
        }
    }
    return -1;
}

void tags_from_spans(const struct span *spans, uint32_t n, uint8_t *tags, uint32_t words)
{
    static const uint8_t first[] = {0, TAG_B_OBJECT, TAG_B_ATTR, TAG_B_REL};
    memset(tags, TAG_O, words);
    for (uint32_t i = 0; i < n; i++) {
        memset(tags + spans[i].beg, first[spans[i].type] + 1,
               (size_t)(spans[i].end - spans[i].beg));
        tags[spans[i].beg] = first[spans[i].type];
    }
}

void examples_free(struct examples *x)
{
    for (uint32_t i = 0; i < x->n; i++) {
        struct example *e = &x->e[i];
        free(e->facts);
        free(e->spans);
        free(e->labels);
        free(e->owners);
        free(e->edges);
    }
    free(x->e);
    for (int i = 0; i < x->text_count; i++) {
        free(x->texts[i]);
    }
}
