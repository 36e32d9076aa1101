/* Numbers of the command line: read whole or refused with what they may be. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "ops/option.h"

static void expect_no_whole(const char *text)
{
    uint64_t v = 7;
    cr_assert_eq(option_whole("count", text, 1, 100, &v), E_ARG, "\"%s\"", text);
    cr_assert_eq(v, 7);
    cr_assert_not_null(strstr(err_text(), "--count takes a whole number from 1 to 100, not \""),
                       "%s", err_text());
}

Test(option, reads_whole_numbers_within_their_limits)
{
    uint64_t v;
    cr_assert_eq(option_whole("count", "1", 1, 100, &v), 0);
    cr_assert_eq(v, 1);
    cr_assert_eq(option_whole("count", "0100", 1, 100, &v), 0);
    cr_assert_eq(v, 100);
    cr_assert_eq(option_whole("seed", "18446744073709551615", 0, UINT64_MAX, &v), 0);
    cr_assert_eq(v, UINT64_MAX);
}

Test(option, refuses_what_is_no_whole_number)
{
    static const char *const wrong[] = {
        "",    "0", "101", "-3",  "+3",  " 3",  "3 ",
        "3.5", "x", "3x",  "1e1", "0x3", "nan", "18446744073709551617"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect_no_whole(wrong[i]);
    }
}

Test(option, reads_real_numbers_within_their_limits)
{
    double v = 0;
    cr_assert_eq(option_real("lease", "1.5", 0, 10, &v), 0);
    cr_assert_eq(v, 1.5);
    cr_assert_eq(option_real("lease", "10", 0, 10, &v), 0);
    cr_assert_eq(v, 10);
}

Test(option, refuses_what_is_no_real_number)
{
    static const char *const wrong[] = {"", "-1", "10.1", "x", "1s", "nan", "inf"};
    double v = 7;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(option_real("lease", wrong[i], 0, 10, &v), E_ARG, "\"%s\"", wrong[i]);
        cr_assert_eq(v, 7);
    }
    cr_assert_not_null(strstr(err_text(), "--lease takes a number from 0 to 10, not \"inf\""));
}
