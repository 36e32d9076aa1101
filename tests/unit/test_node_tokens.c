/* Scene-graph nodes as sub-tokens: whole words, of the right occurrence. */
#include <criterion/criterion.h>

#include "recipes/node_tokens.h"
#include "recipes/wordpiece.h"

/* Words and their pieces; "##" continues. */
static const char vocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n!\na\nred\nun\n##happi\n##ness\n"
    "-\nhair\n##ed\n'\ns\non\ntop\nof\n, \nna\n##ive\n";

/* The sub-tokens [beg, end) of bytes [from, to) of a text. */
static struct token_span span(const char *text, uint32_t from, uint32_t to)
{
    struct wordpiece *w;
    struct wordpiece_tokens t = {0};
    cr_assert_eq(
        wordpiece_new(view_str(vocabulary), "test", WORDPIECE_UNCASED, WORDPIECE_SPLIT_PYTHON, &w),
        0, "%s", err_text());
    cr_assert_eq(wordpiece_tokenize(w, view_str(text), &t), 0);
    const struct token_block block = wordpiece_block(w, &t);
    const struct graph_node node = {.type = GRAPH_OBJECT, .beg = from, .end = to};
    const struct token_span s = node_tokens(&block, &node);
    wordpiece_tokens_release(&t);
    wordpiece_free(w);
    return s;
}

static void expect(const char *text, const char *node, uint32_t beg, uint32_t end)
{
    const uint32_t at = (uint32_t)(strstr(text, node) - text);
    const struct token_span s = span(text, at, at + (uint32_t)strlen(node));
    cr_assert(s.beg == beg && s.end == end, "\"%s\" in \"%s\": sub-tokens %u to %u", node, text,
              s.beg, s.end);
}

Test(node_tokens, a_node_covers_every_piece_of_its_words)
{
    expect("a unhappiness", "unhappiness", 1, 4);
    expect("a unhappiness on", "on", 4, 5);
    expect("red on top of red", "on top of", 1, 4);
}

Test(node_tokens, a_word_is_never_split)
{
    expect("a unhappiness on", "happi", 1, 4); /* bytes inside a word: all of it */
    expect("a unhappiness on", "ness on", 1, 5);
    expect("unhappiness", "u", 0, 3);
}

Test(node_tokens, repeated_words_are_told_apart)
{
    const char *text = "red on red";
    struct token_span s = span(text, 0, 3);
    cr_assert(s.beg == 0 && s.end == 1);
    s = span(text, 7, 10);
    cr_assert(s.beg == 2 && s.end == 3);
}

Test(node_tokens, punctuation_inside_a_node_belongs_to_it)
{
    expect("a red-haired red", "red-haired", 1, 5); /* red - hair ##ed */
    expect("a hair's red", "'s", 2, 4);
}

Test(node_tokens, letters_with_accents_are_found_by_their_bytes)
{
    expect("a na\xc3\xafve red", "na\xc3\xafve", 1, 3);
    expect("a na\xc3\xafve red", "red", 3, 4);
}

Test(node_tokens, what_has_no_bytes_or_no_sub_tokens_covers_none)
{
    struct token_span s = span("red on red", 4, 4);
    cr_assert_eq(s.beg, s.end);
    s = span("red  \x01  on", 4, 6); /* white space and a control character */
    cr_assert_eq(s.beg, s.end);
    s = span("", 0, 0);
    cr_assert_eq(s.beg, s.end);
    s = span("red", 1, 1); /* inside a word */
    cr_assert_eq(s.beg, s.end);
    s = span("red", 3, 3);
    cr_assert_eq(s.beg, s.end);
}
