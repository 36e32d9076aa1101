/* Philox against the known answers of its authors' Random123 distribution (kat_vectors, philox4x32
 * 10). */
#include <criterion/criterion.h>

#include "common/philox.h"

static void expect(const uint32_t c[4], const uint32_t k[2], const uint32_t want[4])
{
    const struct philox_block got = philox4x32(c, k);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(got.v[i], want[i], "word %d: got %08x, want %08x", i, got.v[i], want[i]);
    }
}

Test(philox, gives_the_published_answers)
{
    expect((uint32_t[]){0, 0, 0, 0}, (uint32_t[]){0, 0},
           (uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    expect((uint32_t[]){0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
           (uint32_t[]){0xffffffff, 0xffffffff},
           (uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    expect((uint32_t[]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
           (uint32_t[]){0xa4093822, 0x299f31d0},
           (uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

Test(draw, streams_of_different_purposes_differ)
{
    const struct draw a = draw_stream(1, 1, 0, 7, DRAW_MASK_TEXT);
    const struct draw b = draw_stream(1, 1, 0, 7, DRAW_MASK_REGION);
    int same = 0;
    for (uint32_t i = 0; i < 64; i++) {
        same += draw_u32(&a, i) == draw_u32(&b, i);
    }
    cr_assert_eq(same, 0);
}

Test(draw, a_number_depends_on_its_index_alone)
{
    const struct draw d = draw_stream(42, 3, 2, 99, DRAW_NEGATIVE);
    const uint32_t fifth = draw_u32(&d, 5);
    (void)draw_u32(&d, 1000);
    cr_assert_eq(draw_u32(&d, 5), fifth);
}

Test(draw, below_stays_below_and_reaches_all)
{
    const struct draw d = draw_stream(5, 1, 0, 0, DRAW_ORDER);
    unsigned seen[7] = {0};
    for (uint32_t i = 0; i < 7000; i++) {
        const uint64_t v = draw_below(&d, i, 7);
        cr_assert_lt(v, 7);
        seen[v]++;
    }
    for (int i = 0; i < 7; i++) {
        cr_assert(seen[i] > 850 && seen[i] < 1150, "value %d was drawn %u times of 7000", i,
                  seen[i]);
    }
}
