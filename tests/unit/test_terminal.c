/* What others wrote must not drive the terminal on which it is shown. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ops/terminal.h"

static void expect(const char *bytes, size_t n, const char *want)
{
    char *shown = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&shown, &length);
    cr_assert_not_null(f);
    terminal_write(f, view_of(bytes, n));
    fclose(f);
    cr_assert_str_eq(shown, want);
    free(shown);
}

#define EXPECT(bytes, want) expect(bytes, sizeof(bytes) - 1, want)

Test(terminal, shows_text_as_it_is)
{
    EXPECT("", "");
    EXPECT("a caf\xc3\xa9, \xe7\x8c\xab, \xf0\x9f\x90\xb1\xc2\xa0!",
           "a caf\xc3\xa9, \xe7\x8c\xab, \xf0\x9f\x90\xb1\xc2\xa0!");
}

Test(terminal, shows_no_control_character)
{
    EXPECT("a\x1b[31m\nb\r\x7f\0", "a.[31m.b...");
    EXPECT("\xc2\x9b"
           "31m \xc2\x80\xc2\x9f",
           ".31m ..");
}

Test(terminal, shows_no_byte_that_is_no_utf8)
{
    EXPECT("\x9b"
           "31m caf\xe9",
           ".31m caf.");
    EXPECT("cut \xe7\x8c", "cut ..");
    EXPECT("\xc0\x9b\xed\xa0\x80", ".....");
}
