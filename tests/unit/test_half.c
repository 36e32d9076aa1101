/* Half precision against its definition in double arithmetic. */
#include <criterion/criterion.h>

#include <math.h>

#include "common/half.h"

/* What a half's bits mean: sign, 5 bits of exponent (bias 15), 10 of fraction. */
static double meaning(unsigned h)
{
    const int exponent = h >> 10 & 31;
    const int fraction = h & 1023;
    const double magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                             : exponent == 0 ? ldexp(fraction, -24)
                                             : ldexp(1024 + fraction, exponent - 25);
    return h & 0x8000 ? -magnitude : magnitude;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

Test(half, every_half_becomes_the_float_it_means_and_returns)
{
    for (unsigned h = 0; h < 65536; h++) {
        const float f = half_to_float((half)h);
        if (isnan(meaning(h))) {
            cr_assert(isnan(f));
            cr_assert_eq(half_from_float(f), h | 0x200, "NaN %04x", h);
        } else {
            cr_assert_eq(bits_of(f), bits_of((float)meaning(h)), "half %04x", h);
            cr_assert_eq(half_from_float(f), h, "half %04x", h);
        }
    }
}

/* Between two neighbouring halves: below the middle goes down, above goes up, the middle to even.
 */
Test(half, floats_round_to_the_nearest_half_and_ties_to_even)
{
    for (unsigned h = 0; h < 0x7c00; h++) {
        const double low = meaning(h);
        const double high = h == 0x7bff ? 65536 : meaning(h + 1);
        const float middle = (float)((low + high) / 2);
        for (unsigned sign = 0; sign < 2; sign++) {
            const float s = sign ? -1 : 1;
            const unsigned with = sign << 15;
            cr_assert_eq(half_from_float(s * middle), with | (h + (h & 1)), "middle above %04x", h);
            cr_assert_eq(half_from_float(s * nextafterf(middle, 0)), with | h);
            cr_assert_eq(half_from_float(s * nextafterf(middle, INFINITY)), with | (h + 1));
        }
    }
}

Test(half, large_floats_become_infinite_and_tiny_ones_zero)
{
    cr_assert_eq(half_from_float(65519.996f), 0x7bff);
    cr_assert_eq(half_from_float(65520.0f), 0x7c00);
    cr_assert_eq(half_from_float(3e38f), 0x7c00);
    cr_assert_eq(half_from_float(-INFINITY), 0xfc00);
    cr_assert_eq(half_from_float(0x1p-25f), 0);
    cr_assert_eq(half_from_float(nextafterf(0x1p-25f, 1)), 1);
    cr_assert_eq(half_from_float(-0x1p-149f), 0x8000);
    cr_assert_eq(half_from_float(-0.0f), 0x8000);
}

/* The array forms may use other instructions, and have tails of every length. */
Test(half, arrays_convert_as_single_numbers_do)
{
    static half all[65536];
    static float wide[65536];
    static half back[65536];
    for (unsigned h = 0; h < 65536; h++) {
        all[h] = (half)h;
    }
    half_to_floats(all, wide, 65536);
    for (unsigned h = 0; h < 65536; h++) {
        cr_assert_eq(bits_of(wide[h]), bits_of(half_to_float((half)h)), "half %04x", h);
    }
    uint32_t state = 1;
    for (int pass = 0; pass < 64; pass++) {
        for (unsigned i = 0; i < 65536; i++) {
            state = state * 1664525 + 1013904223;
            memcpy(&wide[i], &state, sizeof state);
        }
        half_from_floats(wide, back, 65536);
        for (unsigned i = 0; i < 65536; i++) {
            cr_assert_eq(back[i], half_from_float(wide[i]), "float %08x", bits_of(wide[i]));
        }
    }
    for (size_t n = 0; n < 20; n++) {
        float few[21] = {0};
        half_to_floats(all + 0x3c00, few, n);
        cr_assert_eq(few[n], 0);
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(few[i], half_to_float((half)(0x3c00 + i)));
        }
    }
}
