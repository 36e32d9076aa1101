#include "recipes/node_tokens.h"

struct token_span node_tokens(const struct token_block *t, const struct graph_node *node)
{
    uint32_t beg = 0;
    while (beg < t->n && t->end[beg] <= node->beg) {
        beg++;
    }
    uint32_t end = beg;
    while (end < t->n && t->beg[end] < node->end) {
        end++;
    }
    if (beg == end || node->beg == node->end) {
        return (struct token_span){0, 0};
    }
    while (beg > 0 && !t->word_start[beg]) {
        beg--;
    }
    while (end < t->n && !t->word_start[end]) {
        end++;
    }
    return (struct token_span){beg, end};
}
