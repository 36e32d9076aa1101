/*
 * Which sub-tokens a scene graph's node covers: bytes of the text mapped onto whole WordPiece
 * words, so that no word is ever masked in part.  A pure function, linear in the sub-tokens.
 */
#ifndef RECIPES_NODE_TOKENS_H
#define RECIPES_NODE_TOKENS_H

#include "common/record.h"

/* Sub-tokens [beg, end) of a token block; beg == end: none. */
struct token_span {
    uint32_t beg;
    uint32_t end;
};

/* Every sub-token of every word that shares a byte with the node.  None for a node of no bytes, as
 * a relation that no word says, and for one whose bytes the tokenizer dropped. */
struct token_span node_tokens(const struct token_block *t, const struct graph_node *node);

#endif
