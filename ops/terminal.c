#include "ops/terminal.h"

#include <stdbool.h>
#include <utf8proc.h>

void terminal_write(FILE *out, struct view text)
{
    const utf8proc_uint8_t *p = text.p;
    size_t i = 0;
    while (i < text.n) {
        utf8proc_int32_t c;
        const size_t left = text.n - i;
        const utf8proc_ssize_t n =
            utf8proc_iterate(p + i, left < 4 ? (utf8proc_ssize_t)left : 4, &c);
        const bool plain = n > 0 && utf8proc_category(c) != UTF8PROC_CATEGORY_CC;
        if (plain) {
            fwrite(p + i, 1, (size_t)n, out);
        } else {
            putc('.', out);
        }
        i += n > 0 ? (size_t)n : 1;
    }
}
