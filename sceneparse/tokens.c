/* Tokens: words, numbers and punctuation marks of a caption, by bytes. */
#include <string.h>

#include "sceneparse/sceneparse_internal.h"

/* One character: its length in bytes and what it is.  Bytes that are not UTF-8 are foreign. */
enum glyph_kind { GLYPH_SPACE, GLYPH_LETTER, GLYPH_DIGIT, GLYPH_FOREIGN, GLYPH_MARK };

struct glyph {
    uint32_t code;
    uint8_t n;
    uint8_t kind;
};

static uint32_t utf8_decode(const unsigned char *p, size_t n, uint8_t *len)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned c = p[0];
    const unsigned want = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 ? 2 : 0;
    *len = 1;
    if (want == 0 || c >= 0xf5 || want > n) {
        return 0xfffd;
    }
    uint32_t code = c & (0xffu >> (want + 1));
    for (unsigned i = 1; i < want; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0xfffd;
        }
        code = code << 6 | (p[i] & 0x3fu);
    }
    if (code < least[want] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        return 0xfffd;
    }
    *len = (uint8_t)want;
    return code;
}

static uint8_t kind_of(uint32_t c)
{
    if (c <= 0x20 || c == 0x7f || c == 0xa0 || (c >= 0x2000 && c <= 0x200f) || c == 0x3000 ||
        c == 0xfeff || (c >= 0x80 && c < 0xa0)) {
        return GLYPH_SPACE;
    }
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
        return GLYPH_LETTER;
    }
    if (c >= '0' && c <= '9') {
        return GLYPH_DIGIT;
    }
    if (c >= 0xc0 && c <= 0x24f && c != 0xd7 && c != 0xf7) {
        return GLYPH_LETTER;
    }
    if (c < 0xc0 || c == 0xd7 || c == 0xf7 || (c >= 0x2010 && c <= 0x2bff)) {
        return GLYPH_MARK;
    }
    return GLYPH_FOREIGN;
}

static struct glyph glyph_at(const char *text, size_t n, size_t i)
{
    const unsigned char c = (unsigned char)text[i];
    struct glyph g = {c, 1, 0};
    if (c >= 0x80) {
        g.code = utf8_decode((const unsigned char *)text + i, n - i, &g.n);
    }
    g.kind = kind_of(g.code);
    return g;
}

static int is_apostrophe(uint32_t c)
{
    return c == '\'' || c == 0x2019;
}

static int is_wordly(const struct glyph *g)
{
    return g->kind == GLYPH_LETTER || g->kind == GLYPH_DIGIT;
}

static int letter_at(const char *text, size_t n, size_t i)
{
    return i < n ? glyph_at(text, n, i).kind == GLYPH_LETTER : 0;
}

static int wordly_at(const char *text, size_t n, size_t i)
{
    const struct glyph g = i < n ? glyph_at(text, n, i) : (struct glyph){' ', 1, GLYPH_SPACE};
    return is_wordly(&g);
}

/* The length of 's, 're, 've, 'll, 'd, 'm behind an apostrophe at i of length m; 0 if none. */
static size_t clitic_length(const char *text, size_t n, size_t i, size_t m)
{
    static const char *const endings[] = {"s", "re", "ve", "ll", "d", "m"};
    for (size_t k = 0; k < sizeof endings / sizeof *endings; k++) {
        const size_t len = strlen(endings[k]);
        if (i + m + len > n || wordly_at(text, n, i + m + len)) {
            continue;
        }
        size_t same = 0;
        while (same < len && (text[i + m + same] | 0x20) == endings[k][same]) {
            same++;
        }
        if (same == len) {
            return m + len;
        }
    }
    return 0;
}

/* Whether the mark g at i joins the word before it to what follows: middle-aged, o'clock, 3.5,
 * a.m., img_12.jpg. */
static int joins(const char *text, size_t n, size_t i, const struct glyph *g)
{
    if (!wordly_at(text, n, i + g->n)) {
        return 0;
    }
    if (is_apostrophe(g->code)) {
        return clitic_length(text, n, i, g->n) == 0;
    }
    if (g->code == ',') {
        return text[i - 1] >= '0' && text[i - 1] <= '9' && !letter_at(text, n, i + 1);
    }
    return g->code == '-' || g->code == '_' || g->code == '.' || g->code == '@';
}

struct scan {
    size_t end;
    uint32_t flags;
};

static void note_letter(struct scan *s, const struct glyph *g, unsigned *upper, unsigned *lower)
{
    const int capital = (g->code >= 'A' && g->code <= 'Z') || (g->code >= 0xc0 && g->code <= 0xde);
    *upper += (unsigned)capital;
    *lower += (unsigned)!capital;
    if (capital && *upper + *lower == 1) {
        s->flags |= WORD_INITIAL;
    }
}

/* A word from i on. */
static struct scan scan_word(const char *text, size_t n, size_t i)
{
    struct scan s = {i, 0};
    unsigned upper = 0;
    unsigned lower = 0;
    unsigned dots = 0;
    unsigned hyphens = 0;
    while (s.end < n) {
        const struct glyph g = glyph_at(text, n, s.end);
        if (g.kind == GLYPH_LETTER) {
            note_letter(&s, &g, &upper, &lower);
        } else if (g.kind == GLYPH_DIGIT) {
            s.flags |= s.end == i ? WORD_DIGIT : 0;
        } else if (joins(text, n, s.end, &g)) {
            dots += g.code == '.' && upper + lower > 1;
            hyphens += g.code == '-';
            s.flags |= g.code == '_' || g.code == '@' ? WORD_NOISE : 0;
        } else {
            break;
        }
        s.end += g.n;
    }
    if (upper > 1 && lower == 0) {
        s.flags |= WORD_CAPS;
    }
    if (dots > 0 && !(s.flags & WORD_DIGIT) && s.end - i > 6) {
        s.flags |= WORD_NOISE; /* www.example.org, photo.jpg, but not u.s.a */
    }
    if (hyphens > 3) {
        s.flags |= WORD_NOISE; /* man-with-dog-on-beach, but not state-of-the-art */
    }
    return s;
}

static struct scan scan_foreign(const char *text, size_t n, size_t i)
{
    struct scan s = {i, WORD_FOREIGN};
    while (s.end < n) {
        const struct glyph g = glyph_at(text, n, s.end);
        if (g.kind != GLYPH_FOREIGN) {
            break;
        }
        s.end += g.n;
    }
    return s;
}

/* #tag and @name as one token of noise; a run of the same mark ("...", "``") as one token. */
static struct scan scan_mark(const char *text, size_t n, size_t i, const struct glyph *g)
{
    struct scan s = {i + g->n, WORD_PUNCT};
    if ((g->code == '#' || g->code == '@') && letter_at(text, n, i + 1)) {
        s = scan_word(text, n, i + 1);
        s.flags |= WORD_NOISE;
        return s;
    }
    if (is_apostrophe(g->code)) {
        const size_t clitic = clitic_length(text, n, i, g->n);
        if (clitic > 0) {
            return (struct scan){i + clitic, 0};
        }
    }
    while (s.end + g->n <= n && memcmp(text + s.end, text + i, g->n) == 0) {
        s.end += g->n;
    }
    if (g->code == '.' || g->code == '!' || g->code == '?') {
        s.flags |= WORD_STOP;
    }
    return s;
}

/* Lower case of ASCII and Latin-1; a typographic apostrophe becomes the plain one. */
static struct text fold(struct segment *s, const char *text, size_t beg, size_t end)
{
    char *out = s->lemmas + s->lemmas_used;
    uint32_t n = 0;
    const size_t stop = end - beg > WORD_MAX ? beg + WORD_MAX : end;
    for (size_t i = beg; i < stop; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c >= 'A' && c <= 'Z') {
            out[n++] = (char)(c | 0x20);
        } else if (c == 0xc3 && i + 1 < stop && (unsigned char)text[i + 1] >= 0x80 &&
                   (unsigned char)text[i + 1] <= 0x9e && (unsigned char)text[i + 1] != 0x97) {
            out[n++] = (char)c;
            out[n++] = (char)(text[++i] | 0x20);
        } else if (c == 0xe2 && i + 2 < stop && memcmp(text + i, "\xe2\x80\x99", 3) == 0) {
            out[n++] = '\'';
            i += 2;
        } else {
            out[n++] = (char)c;
        }
    }
    s->lemmas_used += n;
    return (struct text){out, n};
}

static void add_word(struct segment *s, const char *text, size_t beg, const struct scan *scan,
                     uint32_t token)
{
    struct word *w = &s->words[MARGIN + s->n++];
    w->token = token;
    w->flags = scan->flags | (scan->end - beg > WORD_MAX ? WORD_NOISE : 0u);
    w->text = fold(s, text, beg, scan->end);
}

void segment_read(struct segment *s, const char *text, size_t n, size_t *pos, enum reach reach,
                  struct sg_token *tokens, uint32_t *token_count)
{
    s->n = 0;
    s->lemmas_used = 0;
    size_t i = *pos;
    while (i < n && s->n < SEGMENT_MAX) {
        const struct glyph g = glyph_at(text, n, i);
        if (g.kind == GLYPH_SPACE) {
            i += g.n;
            continue;
        }
        const struct scan scan = g.kind == GLYPH_FOREIGN ? scan_foreign(text, n, i)
                                 : is_wordly(&g)         ? scan_word(text, n, i)
                                                         : scan_mark(text, n, i, &g);
        tokens[*token_count] = (struct sg_token){(uint32_t)i, (uint32_t)scan.end};
        add_word(s, text, i, &scan, (*token_count)++);
        i = scan.end;
        if (reach == READ_SENTENCE && (scan.flags & WORD_STOP)) {
            break;
        }
    }
    *pos = i;
}
