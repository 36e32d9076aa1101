#include "ops/html.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <utf8proc.h>

void html_init(struct html *h, size_t limit)
{
    h->rc = 0;
    buf_init(&h->out, limit);
}

void html_release(struct html *h)
{
    buf_release(&h->out);
}

static void append(struct html *h, const void *p, size_t n)
{
    h->rc = h->rc ? h->rc : buf_append(&h->out, p, n);
}

void html_put(struct html *h, const char *markup)
{
    append(h, markup, strlen(markup));
}

void html_printf(struct html *h, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    BUG_ON(n < 0 || (size_t)n >= sizeof text); /* literals and numbers are short */
    append(h, text, (size_t)n);
}

/* Control characters but white space, non-characters, and the marks that override, embed or
 * isolate the writing direction (U+202A-E, U+2066-9). */
static int is_unfit(utf8proc_int32_t c)
{
    return (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0) ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || (c & 0xfffe) == 0xfffe ||
           (c >= 0xfdd0 && c <= 0xfdef);
}

static const char *reference_of(utf8proc_int32_t c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return is_unfit(c) ? "\xef\xbf\xbd" : NULL;
    }
}

void html_text(struct html *h, struct view text)
{
    const unsigned char *p = text.p;
    for (size_t i = 0; i < text.n && h->rc == 0;) {
        utf8proc_int32_t c;
        const utf8proc_ssize_t n = utf8proc_iterate(p + i, (utf8proc_ssize_t)(text.n - i), &c);
        const char *reference = n < 0 ? "\xef\xbf\xbd" : reference_of(c);
        if (reference) {
            html_put(h, reference);
        } else {
            append(h, p + i, (size_t)n);
        }
        i += n < 0 ? 1 : (size_t)n;
    }
}

void html_str(struct html *h, const char *text)
{
    html_text(h, view_str(text));
}

void html_text_cut(struct html *h, struct view text, size_t most)
{
    size_t n = text.n;
    if (n > most) {
        n = most;
        while (n > 0 && (((const unsigned char *)text.p)[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    html_text(h, view_of(text.p, n));
    if (n < text.n) {
        html_put(h, "…");
    }
}

void html_count(struct html *h, uint64_t n)
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) {
            append(h, ",", 1);
        }
        append(h, digits + i, 1);
    }
}

void html_bytes(struct html *h, uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        html_printf(h, "%llu bytes", (unsigned long long)bytes);
        return;
    }
    double v = (double)bytes / 1e3;
    int unit = 0;
    for (; v >= 999.95; unit++) {
        v /= 1e3;
    }
    html_printf(h, "%.1f %s", v, units[unit]);
}

void html_data_uri(struct html *h, const char *type, struct view bytes)
{
    const size_t room = sodium_base64_ENCODED_LEN(bytes.n, sodium_base64_VARIANT_ORIGINAL);
    html_put(h, "data:");
    html_put(h, type);
    html_put(h, ";base64,");
    h->rc = h->rc ? h->rc : buf_reserve(&h->out, room); /* room counts the final NUL */
    if (h->rc == 0) {
        sodium_bin2base64((char *)h->out.p + h->out.n, room, bytes.p, bytes.n,
                          sodium_base64_VARIANT_ORIGINAL);
        h->out.n += room - 1;
    }
}

void html_shell_word(struct html *h, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_./-+=:@%,";
    if (word[0] && word[strspn(word, plain)] == '\0') {
        html_str(h, word);
        return;
    }
    html_str(h, "'");
    for (const char *p = word; *p;) {
        const size_t n = strcspn(p, "'");
        html_text(h, view_of(p, n));
        if (p[n]) {
            html_str(h, "'\\''");
        }
        p += n + (p[n] != '\0');
    }
    html_str(h, "'");
}
