/*
 * HTML written into memory: the markup is ours, the text is anybody's.
 *
 *     html_init(&h, limit);  html_put(&h, "<p>");  html_text(&h, caption);  html_put(&h, "</p>");
 *     rc = h.rc;  html_release(&h);
 *
 * html_put() and html_printf() write markup as it is: give them literals and numbers, nothing that
 * came from outside.  Whatever came from outside goes through html_text(), which is safe between
 * tags and inside a quoted attribute.  The first error (too big, no memory) is remembered in `rc`
 * and what follows it is left out, so callers look once, at the end.
 */
#ifndef OPS_HTML_H
#define OPS_HTML_H

#include "common/buf.h"

struct html {
    struct buf out;
    int rc; /* the first error */
};

/* `limit`: the most bytes of the page. */
void html_init(struct html *h, size_t limit);
void html_release(struct html *h);

/* Markup. */
void html_put(struct html *h, const char *markup);
void html_printf(struct html *h, const char *fmt, ...) PRINTF(2, 3);

/* Text: & < > " ' become character references; bytes that are not UTF-8, and characters that no
 * page may hold or that would turn the writing direction of what follows, become U+FFFD. */
void html_text(struct html *h, struct view text);
void html_str(struct html *h, const char *text);

/* The first `most` bytes of a text, cut between two characters, with an ellipsis when it was cut.
 */
void html_text_cut(struct html *h, struct view text, size_t most);

/* A number with its thousands set apart: 1,234,567. */
void html_count(struct html *h, uint64_t n);

/* A size for a person: "512 bytes", "8.5 MB". */
void html_bytes(struct html *h, uint64_t bytes);

/* "data:TYPE;base64,..." (RFC 2397); `type` is a literal. */
void html_data_uri(struct html *h, const char *type, struct view bytes);

/* A text as one word of a shell's command line. */
void html_shell_word(struct html *h, const char *word);

#endif
