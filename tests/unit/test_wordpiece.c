/* The tokenizer: hand-derived cases for every rule. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <utf8proc.h>

#include "recipes/wordpiece.h"

static const char small[] =
    "[PAD]\n[unused0]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n!\n'\n,\n.\n-\n#\n[\n]\n$\n"
    "a\nb\nc\nd\ne\nf\no\ns\nt\nu\nx\n##a\n##b\n##c\n##d\n##e\n##f\n##s\n##t\n"
    "un\n##aff\n##able\nwant\n##want\n##ed\nrunn\n##ing\nthe\ncafe\nstrasse\n"
    "don\nt\n\xe4\xb8\xad\n\xe5\x9b\xbd\n\xcf\x82\n##\xcf\x82\n\xcf\x83\n"
    "##\xcf\x83\n\xce\xb1\n##\xce\xb1\n\xe2\x80\xa6\nmask\nab\n##cd\n";

static struct wordpiece *vocabulary(const char *text, enum wordpiece_letters letters,
                                    enum wordpiece_split split)
{
    struct wordpiece *w = NULL;
    const int rc = wordpiece_new(view_str(text), "test", letters, split, &w);
    cr_assert_eq(rc, 0, "%s", err_text());
    return w;
}

/* Expects these pieces, separated by spaces; a '|' before a piece says that no word starts there.
 */
static void expect_text(const struct wordpiece *w, struct view text, const char *want)
{
    struct wordpiece_tokens t = {0};
    cr_assert_eq(wordpiece_tokenize(w, text, &t), 0);
    char got[2000] = "";
    size_t n = 0;
    for (uint32_t i = 0; i < t.n; i++) {
        const struct view p = wordpiece_piece(w, t.ids[i]);
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%s%.*s", i ? " " : "",
                              t.word_start[i] ? "" : "|", (int)p.n, (const char *)p.p);
    }
    cr_assert_str_eq(got, want, "\"%.*s\" gave \"%s\", expected \"%s\"", (int)text.n,
                     (const char *)text.p, got, want);
    wordpiece_tokens_release(&t);
}

static void expect(const struct wordpiece *w, const char *text, const char *want)
{
    expect_text(w, view_str(text), want);
}

Test(wordpiece, covers_words_by_the_longest_pieces_from_the_left)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    expect(w, "unaffable", "un |##aff |##able"); /* BERT's own example */
    expect(w, "unwanted running", "un |##want |##ed runn |##ing");
    expect(w, "abcd", "ab |##cd");
    expect(w, "abce", "ab |##c |##e");
    expect(w, "wanted", "want |##ed");
    expect(w, "", "");
    expect(w, " \t\r\n ", "");
    wordpiece_free(w);
}

Test(wordpiece, a_word_that_pieces_cannot_cover_is_unknown_as_a_whole)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    expect(w, "unwantedX running", "[UNK] runn |##ing");
    expect(w, "q", "[UNK]");
    expect(w, "aq", "[UNK]"); /* though "a" alone is there */
    expect(w, "\xf0\x9f\x98\x80 the \xf0\x9f\x98\x80", "[UNK] the [UNK]"); /* emoji */
    wordpiece_free(w);
}

Test(wordpiece, words_of_more_than_100_characters_are_unknown)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    struct wordpiece_tokens t = {0};
    char text[401];
    memset(text, 'a', 400);
    cr_assert_eq(wordpiece_tokenize(w, view_of(text, 100), &t), 0);
    cr_assert_eq(t.n, 100);
    cr_assert_eq(wordpiece_tokenize(w, view_of(text, 101), &t), 0);
    cr_assert_eq(t.n, 1);
    cr_assert_eq(t.ids[0], wordpiece_ids(w)->unk);
    cr_assert_eq(t.end[0], 101);
    /* Characters are counted, not bytes: 100 alphas are 200 bytes. */
    for (int i = 0; i < 200; i += 2) {
        memcpy(text + i, "\xce\xb1", 2);
    }
    cr_assert_eq(wordpiece_tokenize(w, view_of(text, 200), &t), 0);
    cr_assert_eq(t.n, 100);
    /* And after accents were stripped: 100 times a + acute is a word of 100. */
    for (int i = 0; i < 300; i += 3) {
        memcpy(text + i, "a\xcc\x81", 3);
    }
    cr_assert_eq(wordpiece_tokenize(w, view_of(text, 300), &t), 0);
    cr_assert_eq(t.n, 100);
    cr_assert_eq(t.end[99], 300);
    wordpiece_tokens_release(&t);
    wordpiece_free(w);
}

Test(wordpiece, every_punctuation_character_is_a_word)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    expect(w, "don't", "don ' t");
    expect(w, "the,the...!!", "the , the . . . ! !");
    expect(w, "un-wanted", "un - want |##ed");
    expect(w, "the$", "the $");                       /* ASCII symbol, though not Unicode's P */
    expect(w, "the\xe2\x80\xa6", "the \xe2\x80\xa6"); /* U+2026, Po */
    expect(w, "the\xe2\x80\x94the", "the [UNK] the"); /* U+2014, Pd, not in the vocabulary */
    expect(w, "a\xe2\x82\xac", "[UNK]");              /* the euro sign is Sc: part of the word */
    expect(w, "##ed", "# # e |##d");                  /* nobody can write a continuation */
    wordpiece_free(w);
}

Test(wordpiece, uncased_texts_lose_capitals_and_accents)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    cr_assert(!wordpiece_is_cased(w));
    expect(w, "UNAFFABLE", "un |##aff |##able");
    expect(w, "Caf\xc3\xa9", "cafe");                  /* precomposed */
    expect(w, "CAFE\xcc\x81", "cafe");                 /* combining */
    expect(w, "cafe\xcc\x81\xcc\xa7\xcc\x88", "cafe"); /* a pile of marks */
    expect(w, "\xcc\x81", "");                         /* nothing but an accent */
    expect(w, "the \xcc\x81 the", "the the");
    expect(w,
           "stra\xc3\x9f"
           "e",
           "[UNK]");                             /* sharp s has no decomposition */
    expect(w, "\xc3\x85\xe2\x84\xab", "a |##a"); /* A ring, Angstrom sign */
    expect(w, "\xe1\xbe\xb2", "\xce\xb1");       /* alpha, grave, iota below */
    wordpiece_free(w);
}

/* NFD sorts the marks behind a letter by their combining class; some (Mc) are not dropped. */
Test(wordpiece, marks_that_are_kept_come_in_canonical_order)
{
    char text[sizeof small + 40];
    snprintf(text, sizeof text, "%s##\xe3\x80\xae\n##\xe1\xad\x84\n", small);
    struct wordpiece *w = vocabulary(text, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    /* U+302E has class 224, U+1B44 class 9. */
    expect(w, "a\xe3\x80\xae\xe1\xad\x84", "a |##\xe1\xad\x84 |##\xe3\x80\xae");
    expect(w,
           "a\xe3\x80\xae\xe1\xad\x84"
           "b",
           "a |##\xe1\xad\x84 |##\xe3\x80\xae |##b");
    /* A dropped mark between them changes nothing, unless its class is 0 (U+034F). */
    expect(w, "a\xe3\x80\xae\xcc\x81\xe1\xad\x84", "a |##\xe1\xad\x84 |##\xe3\x80\xae");
    expect(w, "a\xe3\x80\xae\xcd\x8f\xe1\xad\x84", "a |##\xe3\x80\xae |##\xe1\xad\x84");
    struct wordpiece_tokens t = {0};
    cr_assert_eq(wordpiece_tokenize(w, view_str("a\xe3\x80\xae\xe1\xad\x84"), &t), 0);
    cr_assert(t.beg[1] == 4 && t.end[1] == 7 && t.beg[2] == 1 && t.end[2] == 4);
    wordpiece_tokens_release(&t);
    wordpiece_free(w);
}

/* Python's lower() knows the Greek sigma at a word's end; BERT inherits that. */
Test(wordpiece, a_capital_sigma_at_the_end_becomes_final)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    expect(w, "\xce\x91\xce\xa3", "\xce\xb1 |##\xcf\x82");                     /* AS */
    expect(w, "\xce\x91\xce\xa3\xce\x91", "\xce\xb1 |##\xcf\x83 |##\xce\xb1"); /* ASA */
    expect(w, "\xce\xa3", "\xcf\x83");                                         /* S alone */
    expect(w, "\xce\x91\xce\xa3.", "\xce\xb1 |##\xcf\x82 ."); /* a stop is ignorable */
    expect(w, "\xce\x91\xce\xa3.\xce\x91", "\xce\xb1 |##\xcf\x83 . \xce\xb1");
    expect(w, "'\xce\xa3", "' \xcf\x83");
    wordpiece_free(w);
}

Test(wordpiece, cased_texts_stay_as_they_are)
{
    char text[sizeof small + 40];
    snprintf(text, sizeof text, "%sThe\nCaf\n##\xc3\xa9\n", small);
    struct wordpiece *w = vocabulary(text, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    cr_assert(wordpiece_is_cased(w));
    expect(w, "The THE the", "The [UNK] the");
    expect(w, "Caf\xc3\xa9", "Caf |##\xc3\xa9");
    expect(w, "Cafe\xcc\x81", "[UNK]"); /* the combining form is another spelling */
    wordpiece_free(w);
    w = vocabulary(text, WORDPIECE_UNCASED, WORDPIECE_SPLIT_BERT);
    cr_assert(!wordpiece_is_cased(w));
    expect(w, "The", "the");
    wordpiece_free(w);
    w = vocabulary(small, WORDPIECE_CASED, WORDPIECE_SPLIT_BERT);
    expect(w, "The the", "[UNK] the");
    wordpiece_free(w);
}

Test(wordpiece, ideographs_stand_apart)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    expect(w,
           "a\xe4\xb8\xad\xe5\x9b\xbd"
           "b",
           "a \xe4\xb8\xad \xe5\x9b\xbd b");
    expect(w, "\xe3\x81\x82\xe3\x81\x84", "[UNK]");           /* kana are one word */
    expect(w, "\xf0\xa0\x80\x80\xef\xa4\x80", "[UNK] [UNK]"); /* U+20000, U+F900 */
    expect(w, "\xea\xb0\x80\xea\xb0\x80", "[UNK]");           /* Hangul are one word */
    wordpiece_free(w);
}

Test(wordpiece, control_and_format_characters_vanish)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    expect_text(w, view_of("th\0e", 4), "the");
    expect(w,
           "th\x01"
           "e",
           "the");
    expect(w,
           "un\xc2\xad"
           "affable",
           "un |##aff |##able"); /* soft hyphen */
    expect(w,
           "un\xe2\x80\x8b"
           "affable",
           "un |##aff |##able"); /* zero width space is Cf */
    expect(w,
           "un\xef\xbb\xbf"
           "affable",
           "un |##aff |##able"); /* byte order mark */
    expect(w,
           "th\xef\xbf\xbd"
           "e",
           "the");                 /* U+FFFD */
    expect(w, "\xe2\x80\x8d", ""); /* a joiner alone */
    expect(w,
           "th\xee\x80\x80"
           "e",
           "the"); /* U+E000, private use */
    expect(w,
           "th\xcd\xb8"
           "e",
           "the"); /* U+0378, unassigned */
    wordpiece_free(w);
}

Test(wordpiece, white_space_is_what_unicode_says)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    expect(w, "the\xc2\xa0the", "the the");                        /* NBSP */
    expect(w, "the\xe3\x80\x80the", "the the");                    /* U+3000 */
    expect(w, "the\xe2\x80\xa8the\xe2\x80\xa9the", "the the the"); /* U+2028, U+2029 */
    expect(w, "the\r\nthe\tthe", "the the the");
    wordpiece_free(w);
}

Test(wordpiece, uniter_splits_at_control_characters_where_bert_joins)
{
    struct wordpiece *bert = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    struct wordpiece *python = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_PYTHON);
    const char *const controls[] = {"\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\xc2\x85"};
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        char text[20];
        snprintf(text, sizeof text, "a%sb", controls[i]);
        expect(bert, text, "ab");
        expect(python, text, "a b");
    }
    expect(python,
           "a\x1b"
           "b",
           "ab"); /* escape is no white space to anyone */
    wordpiece_free(bert);
    wordpiece_free(python);
}

Test(wordpiece, special_tokens_that_stand_alone_are_kept)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    expect(w, "the [MASK] the", "the [MASK] the");
    expect(w, "[CLS] [SEP] [PAD] [UNK]", "[CLS] [SEP] [PAD] [UNK]");
    expect(w, "[mask]", "[ mask ]");
    expect(w, "[MASK].", "[ mask ] .");
    expect(w, "[MAS", "[ [UNK]");
    expect(w, "[MA\xc2\xadSK]", "[MASK]"); /* the soft hyphen was dropped before */
    wordpiece_free(w);
}

Test(wordpiece, invalid_utf8_is_dropped_a_byte_at_a_time)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    expect(w,
           "th\xff"
           "e",
           "the");
    expect(w,
           "th\xc0\x80"
           "e",
           "the"); /* overlong */
    expect(w,
           "th\xed\xa0\x80"
           "e",
           "the");                   /* a surrogate */
    expect(w, "the\xe4\xb8", "the"); /* cut short */
    expect(w, "\x80\x80\x80", "");
    wordpiece_free(w);
}

static void expect_spans(const struct wordpiece *w, const char *text, uint32_t n,
                         const uint32_t (*spans)[2])
{
    struct wordpiece_tokens t = {0};
    cr_assert_eq(wordpiece_tokenize(w, view_str(text), &t), 0);
    cr_assert_eq(t.n, n);
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(t.beg[i], spans[i][0], "\"%s\" token %u begins at %u", text, i, t.beg[i]);
        cr_assert_eq(t.end[i], spans[i][1], "\"%s\" token %u ends at %u", text, i, t.end[i]);
    }
    wordpiece_tokens_release(&t);
}

Test(wordpiece, offsets_point_into_the_original_text)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    expect_spans(w, "  Unaffable,the", 5,
                 (const uint32_t[][2]){{2, 4}, {4, 7}, {7, 11}, {11, 12}, {12, 15}});
    /* Both spellings of an accent belong to the piece. */
    expect_spans(w, "caf\xc3\xa9 cafe\xcc\x81 a", 3,
                 (const uint32_t[][2]){{0, 5}, {6, 12}, {13, 14}});
    /* A dropped character inside a piece lies in its span, one between pieces in none. */
    expect_spans(w,
                 "u\xc2\xadn\xc2\xad"
                 "affable",
                 3, (const uint32_t[][2]){{0, 4}, {6, 9}, {9, 13}});
    expect_spans(w, "a\xe4\xb8\xad[MASK] q\xc3\xa9q", 4,
                 (const uint32_t[][2]){{0, 1}, {1, 4}, {4, 10}, {11, 15}});
    wordpiece_free(w);
}

Test(wordpiece, vocabularies_are_read_as_bert_reads_them)
{
    struct wordpiece *w = vocabulary("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\n!\r\na \r\n\r\n"
                                     "b\r\na\r\n##\r\n##b",
                                     WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    const struct wordpiece_ids *ids = wordpiece_ids(w);
    cr_assert_eq(ids->size, 12);
    cr_assert_eq(ids->mask, 4);
    cr_assert_eq(ids->random_first, 5);
    cr_assert_eq(ids->random_end, 12);
    uint32_t id;
    cr_assert_eq(wordpiece_find(w, view_str("a"), &id), 0);
    cr_assert_eq(id, 9); /* of equal entries the last */
    cr_assert_eq(wordpiece_find(w, view_str("##b"), &id), 0);
    cr_assert_eq(id, 11);
    cr_assert_eq(wordpiece_find(w, view_str("c"), &id), E_NOT_FOUND);
    cr_assert(view_equal(wordpiece_piece(w, 11), view_str("##b")));
    cr_assert(view_equal(wordpiece_piece(w, 10), view_str("##")));
    cr_assert_eq(wordpiece_piece(w, 12).n, 0);
    expect(w, "ab", "a |##b");
    wordpiece_free(w);
}

Test(wordpiece, a_file_that_is_no_vocabulary_is_refused_by_name)
{
    struct wordpiece *w;
    const char *const bad[] = {"", "a\nb\n", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n!\n",
                               "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(
            wordpiece_new(view_str(bad[i]), "some.txt", WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT, &w),
            E_FORMAT);
        cr_assert_null(w);
        cr_assert(strstr(err_text(), "some.txt"));
    }
    cr_assert_eq(wordpiece_open("/nowhere/vocab.txt", WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT, &w),
                 E_NO_FILE);
    cr_assert(strstr(err_text(), "/nowhere/vocab.txt"));
    cr_assert_eq(wordpiece_open("/", WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT, &w), E_FORMAT);
}

Test(wordpiece, a_vocabulary_file_reads_as_its_text_does)
{
    char path[] = "/tmp/pairmill-vocab-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, small, sizeof small - 1), (ssize_t)sizeof small - 1);
    close(fd);
    struct wordpiece *a = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    struct wordpiece *b = NULL;
    cr_assert_eq(wordpiece_open(path, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT, &b), 0);
    unlink(path);
    cr_assert_str_eq(wordpiece_name(a), wordpiece_name(b));
    expect(b, "unaffable", "un |##aff |##able");
    wordpiece_free(a);
    wordpiece_free(b);
}

Test(wordpiece, the_built_in_vocabulary_spells_every_ascii_text)
{
    struct wordpiece *w = NULL;
    cr_assert_eq(wordpiece_open(NULL, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT, &w), 0);
    cr_assert(!wordpiece_is_cased(w));
    cr_assert_eq(wordpiece_ids(w)->size, 5000);
    cr_assert_eq(wordpiece_ids(w)->pad, 0);
    struct wordpiece_tokens t = {0};
    uint32_t state = 1;
    for (int round = 0; round < 2000; round++) {
        char text[60];
        for (size_t i = 0; i < sizeof text; i++) {
            state = state * 1664525 + 1013904223;
            text[i] = (char)(32 + (state >> 16) % 95);
        }
        cr_assert_eq(wordpiece_tokenize(w, view_of(text, sizeof text), &t), 0);
        for (uint32_t i = 0; i < t.n; i++) {
            cr_assert_neq(t.ids[i], wordpiece_ids(w)->unk);
        }
    }
    wordpiece_tokens_release(&t);
    expect(w, "A red ball is left of the Blue cube.", "a red ball is left of the blue cube .");
    wordpiece_free(w);
}

Test(wordpiece, texts_beyond_the_limit_are_refused_and_long_ones_take_linear_time)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_AUTO, WORDPIECE_SPLIT_BERT);
    struct wordpiece_tokens t = {0};
    cr_assert_eq(wordpiece_tokenize(w, view_of(small, WORDPIECE_TEXT_MAX + 1), &t), E_TOO_BIG);
    /* Quadratic work on any of these would take hours. */
    const char *const patterns[] = {"a",
                                    "\xcc\x81",
                                    "\xce\xa3",
                                    "\xce\xa3'",
                                    "\xe4\xb8\xad",
                                    "!",
                                    "\xe3\x80\xae" /* Mc, class 224 */,
                                    "\xc2\xad",
                                    "[",
                                    "\xff"};
    const size_t n = 2000000;
    char *text = malloc(n + 4);
    for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++) {
        const size_t len = strlen(patterns[k]);
        size_t used = 0;
        for (; used + len <= n; used += len) {
            memcpy(text + used, patterns[k], len);
        }
        cr_assert_eq(wordpiece_tokenize(w, view_of(text, used), &t), 0);
    }
    free(text);
    wordpiece_tokens_release(&t);
    wordpiece_free(w);
}

static int is_category(int32_t c, const char *first, const char *second)
{
    const char *category = utf8proc_category_string(c);
    return strcmp(category, first) == 0 || strcmp(category, second) == 0;
}

/* Where nothing is folded, a span without its dropped characters is the piece itself. */
Test(wordpiece, cased_spans_spell_their_pieces)
{
    struct wordpiece *w = vocabulary(small, WORDPIECE_CASED, WORDPIECE_SPLIT_BERT);
    struct wordpiece_tokens t = {0};
    const char *text = "un\xc2\xad"
                       "want\xe2\x80\x8b"
                       "ed, do\xc2\xadn't \xe4\xb8\xad"
                       "abcd";
    cr_assert_eq(wordpiece_tokenize(w, view_str(text), &t), 0);
    cr_assert_eq(t.n, 10);
    for (uint32_t i = 0; i < t.n; i++) {
        char spelled[40];
        size_t n = 0;
        for (uint32_t b = t.beg[i]; b < t.end[i];) {
            int32_t c;
            const ssize_t len = utf8proc_iterate((const unsigned char *)text + b, -1, &c);
            if (!is_category(c, "Cf", "Cc")) {
                memcpy(spelled + n, text + b, (size_t)len);
                n += (size_t)len;
            }
            b += (uint32_t)len;
        }
        struct view piece = wordpiece_piece(w, t.ids[i]);
        const size_t skip = t.word_start[i] ? 0 : 2;
        cr_assert(
            view_equal(view_of((const char *)piece.p + skip, piece.n - skip), view_of(spelled, n)));
    }
    wordpiece_tokens_release(&t);
    wordpiece_free(w);
}

Test(wordpiece, the_block_names_the_vocabulary_and_its_case)
{
    struct wordpiece *uncased = vocabulary(small, WORDPIECE_UNCASED, WORDPIECE_SPLIT_BERT);
    struct wordpiece *cased = vocabulary(small, WORDPIECE_CASED, WORDPIECE_SPLIT_BERT);
    struct wordpiece_tokens t = {0};
    cr_assert_eq(wordpiece_tokenize(uncased, view_str("unaffable"), &t), 0);
    const struct token_block block = wordpiece_block(uncased, &t);
    cr_assert_eq(block.n, 3);
    cr_assert_eq(block.word_start[0] + block.word_start[1], 1);
    cr_assert(view_equal(block.tokenizer, view_str(wordpiece_name(uncased))));
    cr_assert_str_neq(wordpiece_name(uncased), wordpiece_name(cased));
    wordpiece_tokens_release(&t);
    wordpiece_free(uncased);
    wordpiece_free(cased);
}
