/* The tokenizer against a slow reference of another build, on random texts: whole strings in
 * UTF-32, utf8proc's own NFD of a whole run, every entry compared with every prefix. */
#include <criterion/criterion.h>

#include <utf8proc.h>

#include "recipes/wordpiece.h"

static const char small[] =
    "[PAD]\n[unused0]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n!\n'\n,\n.\n-\n#\n[\n]\n$\n"
    "a\nb\nc\nd\ne\nf\no\ns\nt\nu\nx\n##a\n##b\n##c\n##d\n##e\n##f\n##s\n##t\n"
    "un\n##aff\n##able\nwant\n##want\n##ed\nrunn\n##ing\nthe\ncafe\nstrasse\n"
    "don\nt\n\xe4\xb8\xad\n\xe5\x9b\xbd\n\xcf\x82\n##\xcf\x82\n\xcf\x83\n"
    "##\xcf\x83\n\xce\xb1\n##\xce\xb1\n\xe2\x80\xa6\n##\xe3\x80\xae\n##\xe3\x80\xaf\n##"
    "\xe1\xad\x84\n\xe3\x80\xae\n\xe1\xad\x84\n"
    "mask\nab\n##cd\n";

static struct wordpiece *vocabulary(const char *text, enum wordpiece_letters letters,
                                    enum wordpiece_split split)
{
    struct wordpiece *w = NULL;
    const int rc = wordpiece_new(view_str(text), "test", letters, split, &w);
    cr_assert_eq(rc, 0, "%s", err_text());
    return w;
}

enum { REF_MAX = 4000 };
struct string32 {
    int32_t c[REF_MAX];
    int n;
};

static void put(struct string32 *s, int32_t c)
{
    cr_assert_lt(s->n, REF_MAX);
    s->c[s->n++] = c;
}

static struct string32 decode(const char *text)
{
    struct string32 s = {.n = 0};
    for (const char *p = text; *p;) {
        int32_t c;
        p += utf8proc_iterate((const unsigned char *)p, -1, &c);
        put(&s, c);
    }
    return s;
}

static int is_category(int32_t c, const char *first, const char *second)
{
    const char *category = utf8proc_category_string(c);
    return strcmp(category, first) == 0 || strcmp(category, second) == 0;
}

/* White space becomes a space, ideographs get spaces around, dropped characters go. */
static struct string32 clean(const struct string32 *in)
{
    struct string32 out = {.n = 0};
    for (int i = 0; i < in->n; i++) {
        const int32_t c = in->c[i];
        if (c == '\t' || c == '\n' || c == '\r' || utf8proc_category_string(c)[0] == 'Z') {
            put(&out, ' ');
        } else if (c == 0xfffd || utf8proc_category_string(c)[0] == 'C') {
            continue;
        } else if (c >= 0x4e00 && c <= 0x9fff) { /* the only ideographs of the random texts */
            put(&out, ' ');
            put(&out, c);
            put(&out, ' ');
        } else {
            put(&out, c);
        }
    }
    return out;
}

/* Lower-cases, decomposes the whole by utf8proc's own NFD, drops Mn. */
static struct string32 fold(const struct string32 *in)
{
    struct string32 lower = {.n = 0};
    unsigned char bytes[4 * REF_MAX];
    ssize_t n = 0;
    for (int i = 0; i < in->n; i++) {
        n += utf8proc_encode_char(utf8proc_tolower(in->c[i]), bytes + n);
    }
    static int32_t parts[4 * REF_MAX];
    const ssize_t got = utf8proc_decompose(bytes, n, parts, 4 * REF_MAX, UTF8PROC_DECOMPOSE);
    cr_assert_geq(got, 0);
    for (ssize_t i = 0; i < got; i++) {
        if (!is_category(parts[i], "Mn", "Mn")) {
            put(&lower, parts[i]);
        }
    }
    return lower;
}

static struct string32 space_punctuation(const struct string32 *in)
{
    struct string32 out = {.n = 0};
    for (int i = 0; i < in->n; i++) {
        const int32_t c = in->c[i];
        const int symbol =
            c > 32 && c < 127 && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z');
        if (symbol || (c > 127 && utf8proc_category_string(c)[0] == 'P')) {
            put(&out, ' ');
            put(&out, c);
            put(&out, ' ');
        } else {
            put(&out, c);
        }
    }
    return out;
}

/* The longest prefix first, every one compared with every entry. */
static uint32_t cover(const struct wordpiece *w, const int32_t *c, int n, uint32_t *ids)
{
    uint32_t count = 0;
    for (int from = 0; from < n && n <= 100;) {
        int found = 0;
        for (int to = n; to > from && !found; to--) {
            unsigned char piece[500];
            ssize_t len = 0;
            if (from) {
                memcpy(piece, "##", 2);
                len = 2;
            }
            for (int i = from; i < to; i++) {
                len += utf8proc_encode_char(c[i], piece + len);
            }
            for (uint32_t id = wordpiece_ids(w)->size; id-- > 0 && !found;) {
                if (view_equal(wordpiece_piece(w, id), view_of(piece, (size_t)len))) {
                    ids[count++] = id;
                    from = to;
                    found = 1;
                }
            }
        }
        if (!found) {
            count = 0;
            break;
        }
    }
    if (count == 0) {
        ids[count++] = wordpiece_ids(w)->unk;
    }
    return count;
}

static uint32_t reference(const struct wordpiece *w, const char *text, uint32_t *ids)
{
    uint32_t count = 0;
    struct string32 all = decode(text);
    all = clean(&all);
    put(&all, ' ');
    struct string32 run = {.n = 0};
    for (int i = 0; i < all.n; i++) {
        if (all.c[i] != ' ') {
            put(&run, all.c[i]);
            continue;
        }
        struct string32 words = wordpiece_is_cased(w) ? run : fold(&run);
        words = space_punctuation(&words);
        put(&words, ' ');
        for (int k = 0, from = 0; k < words.n; k++) {
            if (words.c[k] == ' ') {
                count += k > from ? cover(w, words.c + from, k - from, ids + count) : 0;
                from = k + 1;
            }
        }
        run.n = 0;
    }
    return count;
}

/* Letters of every kind, often enough those of the vocabulary. */
static const char *const alphabet[] = {"a",
                                       "b",
                                       "c",
                                       "d",
                                       "e",
                                       "f",
                                       "s",
                                       "t",
                                       "A",
                                       "B",
                                       "E",
                                       "S",
                                       "un",
                                       "want",
                                       "aff",
                                       "able",
                                       "ing",
                                       "the",
                                       " ",
                                       " ",
                                       " ",
                                       "\t",
                                       "\n",
                                       "\r",
                                       ".",
                                       ",",
                                       "'",
                                       "-",
                                       "#",
                                       "##",
                                       "[",
                                       "]",
                                       "$",
                                       "^",
                                       "~",
                                       "\xc3\xa9",
                                       "\xc3\x89",
                                       "\xc3\xbc",
                                       "\xc4\xb0" /* I with dot */,
                                       "\xcc\x81",
                                       "\xcc\xa7",
                                       "\xcc\x88",
                                       "\xcd\x8f" /* grapheme joiner, Mn of class 0 */,
                                       "\xe3\x80\xae",
                                       "\xe3\x80\xaf",
                                       "\xe1\xad\x84" /* Mc of class 9 */,
                                       "\xcf\x83",
                                       "\xce\xb1",
                                       "\xce\x86",
                                       "\xe4\xb8\xad",
                                       "\xe5\x9b\xbd",
                                       "\xea\xb0\x81" /* Hangul */,
                                       "\xe3\x81\x8c",
                                       "\xf0\x9f\x98\x80",
                                       "\xe2\x80\x8d",
                                       "\xe2\x80\x8b",
                                       "\xc2\xa0",
                                       "\xc2\xad",
                                       "\xe2\x80\xa8",
                                       "\xe2\x80\xa6",
                                       "\xe2\x80\x94",
                                       "\xc2\x85",
                                       "\x01",
                                       "\x7f",
                                       "\xef\xbf\xbd",
                                       "\xe2\x82\xac",
                                       "\xef\xac\x81" /* fi ligature */,
                                       "\xf0\x9d\x85\xa0" /* a note: decomposes to three */,
                                       "\xcd\xbe" /* decomposes to ; */,
                                       "\xe1\xbf\xaf" /* to ` */,
                                       "\xf0\x9d\x85\xa5",
                                       "9",
                                       "0"};

static void expect_reference(const struct wordpiece *w, uint32_t seed, int rounds)
{
    struct wordpiece_tokens t = {0};
    static uint32_t want[REF_MAX];
    uint32_t state = seed;
    for (int round = 0; round < rounds; round++) {
        char text[600] = "";
        state = state * 1664525 + 1013904223;
        const int letters = (int)(state >> 16) % 60;
        for (int i = 0; i < letters; i++) {
            state = state * 1664525 + 1013904223;
            strncat(text, alphabet[(state >> 8) % (sizeof alphabet / sizeof *alphabet)],
                    sizeof text - strlen(text) - 1);
        }
        const uint32_t n = reference(w, text, want);
        cr_assert_eq(wordpiece_tokenize(w, view_str(text), &t), 0);
        cr_assert_eq(t.n, n, "\"%s\": %u sub-tokens, expected %u", text, t.n, n);
        for (uint32_t i = 0; i < t.n; i++) {
            cr_assert_eq(t.ids[i], want[i], "\"%s\": token %u", text, i);
            cr_assert(t.beg[i] < t.end[i] && t.end[i] <= strlen(text));
        }
    }
    wordpiece_tokens_release(&t);
}

Test(wordpiece, agrees_with_the_reference_on_random_texts)
{
    struct wordpiece *uncased = vocabulary(small, WORDPIECE_UNCASED, WORDPIECE_SPLIT_BERT);
    struct wordpiece *cased = vocabulary(small, WORDPIECE_CASED, WORDPIECE_SPLIT_BERT);
    expect_reference(uncased, 1, 6000);
    expect_reference(cased, 2, 6000);
    wordpiece_free(uncased);
    wordpiece_free(cased);
}
