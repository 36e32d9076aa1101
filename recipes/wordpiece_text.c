#include "recipes/wordpiece_internal.h"

#include "common/array.h"

#include <stdlib.h>

#include <utf8proc.h>

/* Characters that Python's str.split() takes for white space and BERT for control characters. */
static int is_python_space(uint32_t c)
{
    return c == 0x0b || c == 0x0c || (c >= 0x1c && c <= 0x1f) || c == 0x85;
}

static int is_ideograph(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
           (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b820 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

enum text_class text_classify(uint32_t code, enum wordpiece_split split)
{
    if (code > 0x20 && code < 0x7f) {
        return TEXT_OTHER;
    }
    if (code == ' ' || code == '\t' || code == '\n' || code == '\r' ||
        (split == WORDPIECE_SPLIT_PYTHON && is_python_space(code))) {
        return TEXT_SPACE;
    }
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_CN: /* unassigned */
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO: return TEXT_DROP;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL: /* not white space to BERT's cleaning, but to the split after it */
    case UTF8PROC_CATEGORY_ZP: return TEXT_SPACE;
    default: break;
    }
    if (code == 0xfffd) {
        return TEXT_DROP;
    }
    return is_ideograph(code) ? TEXT_IDEOGRAPH : TEXT_OTHER;
}

int text_is_punctuation(uint32_t code)
{
    if (code < 0x80) {
        return (code >= 33 && code <= 47) || (code >= 58 && code <= 64) ||
               (code >= 91 && code <= 96) || (code >= 123 && code <= 126);
    }
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)code);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

uint32_t text_decode(const unsigned char *p, size_t n, uint32_t *length)
{
    if (p[0] < 0x80) {
        *length = 1;
        return p[0];
    }
    utf8proc_int32_t code;
    const utf8proc_ssize_t used = utf8proc_iterate(p, n < 4 ? (utf8proc_ssize_t)n : 4, &code);
    *length = used > 0 ? (uint32_t)used : 1;
    return used > 0 ? (uint32_t)code : 0xfffd;
}

uint32_t text_encode(uint32_t code, unsigned char *p)
{
    if (code < 0x80) {
        p[0] = (unsigned char)code;
        return 1;
    }
    return (uint32_t)utf8proc_encode_char((utf8proc_int32_t)code, p);
}

int text_run_append(struct text_run *r, struct text_char c)
{
    struct text_char *chars = array_grown(r->chars, r->n, &r->room, sizeof *chars);
    if (!chars) {
        return err_set(E_NOMEM, "no memory for a word of %zu characters", r->n + 1);
    }
    r->chars = chars;
    r->chars[r->n++] = c;
    return 0;
}

void text_run_release(struct text_run *r)
{
    free(r->chars);
    *r = (struct text_run){0};
}

/* Unicode's Case_Ignorable: marks, format characters, modifiers, and what may stand inside a word
 * (Word_Break MidLetter, MidNumLet, Single_Quote). */
static int is_case_ignorable(uint32_t c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return 1;
    default: break;
    }
    static const uint32_t inside[] = {0x27,   0x2e,   0x3a,   0xb7,   0x387,  0x55f,
                                      0x5f4,  0x2018, 0x2019, 0x2024, 0x2027, 0xfe13,
                                      0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        if (inside[i] == c) {
            return 1;
        }
    }
    return 0;
}

/* Unicode's Cased: letters with case, and Other_Lowercase and Other_Uppercase as far as they are
 * not Case_Ignorable. */
static int is_cased(uint32_t c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT: return 1;
    default:
        return c == 0xaa || c == 0xba || (c >= 0x2160 && c <= 0x217f) ||
               (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
               (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
    }
}

/* Unicode's Final_Sigma: a cased letter before and none after, Case_Ignorable ones passed over.
 * Linear over a whole run, because a sigma ends the search of the one before it. */
static int is_final_sigma(const struct text_run *r, size_t i, int cased_before)
{
    size_t j = i + 1;
    while (j < r->n && is_case_ignorable(r->chars[j].code)) {
        j++;
    }
    return cased_before && (j == r->n || !is_cased(r->chars[j].code));
}

static void lower_run(struct text_run *r)
{
    int cased_before = 0; /* whether the last character that was not Case_Ignorable is cased */
    for (size_t i = 0; i < r->n; i++) {
        const uint32_t c = r->chars[i].code;
        if (c == 0x3a3) {
            r->chars[i].code = is_final_sigma(r, i, cased_before) ? 0x3c2 : 0x3c3;
        } else {
            r->chars[i].code = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
        }
        if (!is_case_ignorable(c)) {
            cased_before = is_cased(c);
        }
    }
}

static int is_ascii(const struct text_run *r)
{
    uint32_t all = 0;
    for (size_t i = 0; i < r->n; i++) {
        all |= r->chars[i].code;
    }
    return all < 0x80;
}

static void lower_ascii(struct text_run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const uint32_t c = r->chars[i].code;
        r->chars[i].code = c >= 'A' && c <= 'Z' ? c + 32 : c;
    }
}

static unsigned combining_class(uint32_t c)
{
    return (unsigned)utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
}

static int by_combining_class(const void *a, const void *b)
{
    const struct text_char *x = a;
    const struct text_char *y = b;
    const unsigned kx = combining_class(x->code);
    const unsigned ky = combining_class(y->code);
    if (kx != ky) {
        return kx < ky ? -1 : 1;
    }
    if (x->beg != y->beg) { /* equal classes keep the text's order */
        return x->beg < y->beg ? -1 : 1;
    }
    return x->code < y->code ? -1 : x->code > y->code; /* the order inside each decomposition */
}

/* The spacing marks that were kept since `from`, in canonical order. */
static void order_marks(struct text_run *folded, size_t from)
{
    if (folded->n - from > 1) {
        qsort(folded->chars + from, folded->n - from, sizeof *folded->chars, by_combining_class);
    }
}

/* Decomposes each character, drops Mn.  Dropping before ordering is the same as after, as long as a
 * dropped starter (class 0) still ends the run of marks to order. */
static int decompose_run(const struct text_run *raw, struct text_run *folded)
{
    size_t marks = 0; /* where the present run of characters with a combining class begins */
    for (size_t i = 0; i < raw->n; i++) {
        utf8proc_int32_t parts[32];
        int boundary = 0;
        const utf8proc_ssize_t n = utf8proc_decompose_char(
            (utf8proc_int32_t)raw->chars[i].code, parts, 32, UTF8PROC_DECOMPOSE, &boundary);
        for (utf8proc_ssize_t k = 0; k < n && k < 32; k++) {
            const uint32_t c = (uint32_t)parts[k];
            const unsigned class = combining_class(c);
            if (class == 0) {
                order_marks(folded, marks);
            }
            if (utf8proc_category(parts[k]) == UTF8PROC_CATEGORY_MN) {
                if (folded->n) {
                    folded->chars[folded->n - 1].end = raw->chars[i].end;
                }
            } else {
                const int rc = text_run_append(
                    folded, (struct text_char){c, raw->chars[i].beg, raw->chars[i].end});
                if (rc) {
                    return rc;
                }
            }
            if (class == 0) {
                marks = folded->n;
            }
        }
    }
    order_marks(folded, marks);
    return 0;
}

int text_fold(struct text_run *raw, struct text_run *folded)
{
    folded->n = 0;
    if (is_ascii(raw)) {
        lower_ascii(raw);
        const struct text_run swap = *folded; /* nothing to decompose: hand the run over */
        *folded = *raw;
        *raw = swap;
        return 0;
    }
    lower_run(raw);
    return decompose_run(raw, folded);
}
