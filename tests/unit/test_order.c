/* The epoch's order: a bijection, shuffled, the same for every world. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>

#include "recipes/order.h"

static struct order order_of(uint64_t seed, uint32_t epoch, uint64_t n)
{
    struct order o;
    cr_assert_eq(order_init(&o, seed, epoch, n), 0);
    return o;
}

static void expect_bijection(uint64_t n)
{
    const struct order o = order_of(7, 3, n);
    unsigned char *seen = calloc(n, 1);
    for (uint64_t p = 0; p < n; p++) {
        const uint64_t i = order_at(&o, p);
        cr_assert_lt(i, n);
        cr_assert(!seen[i], "n=%llu: index %llu came twice", (unsigned long long)n,
                  (unsigned long long)i);
        seen[i] = 1;
        cr_assert_eq(order_position(&o, i), p);
    }
    free(seen);
}

Test(order, is_a_bijection_with_an_inverse)
{
    for (uint64_t n = 1; n <= 300; n++) {
        expect_bijection(n);
    }
    const uint64_t more[] = {509, 521, 7919, 104729, 560001};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        expect_bijection(more[i]);
    }
    for (uint64_t power = 512; power <= 65536; power *= 2) {
        expect_bijection(power - 1);
        expect_bijection(power);
        expect_bijection(power + 1);
    }
}

Test(order, the_largest_epoch_is_2_to_the_48)
{
    const uint64_t largest = (uint64_t)1 << 48;
    struct order o;
    cr_assert_eq(order_init(&o, 1, 0, largest + 1), E_ARG);
    cr_assert_eq(order_init(&o, 1, 0, 0), 0);
    const uint64_t sizes[] = {largest, largest - 1, largest / 2 + 1, 5600000};
    for (size_t s = 0; s < 4; s++) {
        o = order_of(1, 0, sizes[s]);
        for (uint64_t k = 0; k < 1000; k++) {
            const uint64_t p = k * (sizes[s] / 1000);
            cr_assert_lt(order_at(&o, p), sizes[s]);
            cr_assert_eq(order_position(&o, order_at(&o, p)), p);
        }
    }
}

/* Every permutation of a few indexes is about as likely as every other: over 2,000 epochs a
 * permutation, five standard deviations are 224. */
static void expect_all_permutations(uint64_t n, unsigned permutations)
{
    const unsigned each = 2000;
    unsigned *count = calloc(256, sizeof *count);
    for (uint32_t epoch = 0; epoch < each * permutations; epoch++) {
        const struct order o = order_of(11, epoch, n);
        unsigned name = 0;
        for (uint64_t p = 0; p < n; p++) {
            name = name * 4 + (unsigned)order_at(&o, p);
        }
        count[name]++;
    }
    unsigned found = 0;
    for (unsigned i = 0; i < 256; i++) {
        found += count[i] > 0;
        cr_assert(count[i] == 0 || abs((int)count[i] - (int)each) < 224,
                  "n=%llu: permutation %u came %u times of %u", (unsigned long long)n, i, count[i],
                  each * permutations);
    }
    cr_assert_eq(found, permutations);
    free(count);
}

Test(order, small_epochs_reach_every_permutation_evenly)
{
    expect_all_permutations(2, 2);
    expect_all_permutations(3, 6);
    expect_all_permutations(4, 24);
}

/* Where index 0 lands, and what follows index i, over epochs of 10. */
Test(order, positions_and_successors_are_even)
{
    unsigned place[10] = {0};
    unsigned follows[10][10] = {{0}};
    for (uint32_t epoch = 0; epoch < 20000; epoch++) {
        const struct order o = order_of(5, epoch, 10);
        place[order_position(&o, 0)]++;
        for (uint64_t p = 0; p + 1 < 10; p++) {
            follows[order_at(&o, p)][order_at(&o, p + 1)]++;
        }
    }
    for (int i = 0; i < 10; i++) {
        cr_assert(abs((int)place[i] - 2000) < 212, "index 0 at %d: %u of 20000", i, place[i]);
        for (int j = 0; j < 10; j++) {
            cr_assert(i == j || abs((int)follows[i][j] - 2000) < 224, "%d after %d: %u", j, i,
                      follows[i][j]);
        }
    }
}

/* A large epoch: neither the index nor the step to the next one depends on the position. */
Test(order, a_large_epoch_looks_shuffled)
{
    const uint64_t n = 100003;
    const struct order o = order_of(9, 1, n);
    double with_position = 0;
    double with_next = 0;
    unsigned rising = 0;
    unsigned fixed = 0;
    const double mean = (double)(n - 1) / 2;
    const double variance = ((double)n * (double)n - 1) / 12;
    for (uint64_t p = 0; p < n; p++) {
        const double here = (double)order_at(&o, p);
        const double next = (double)order_at(&o, (p + 1) % n);
        with_position += (here - mean) * ((double)p - mean);
        with_next += (here - mean) * (next - mean);
        rising += next > here;
        fixed += order_at(&o, p) == p;
    }
    const double deviation = sqrt((double)n); /* of a correlation's sum, over variance */
    cr_assert_lt(fabs(with_position / variance), 4 * deviation);
    cr_assert_lt(fabs(with_next / variance), 4 * deviation);
    cr_assert_lt(fabs(rising - (double)n / 2), 4 * sqrt((double)n / 12));
    cr_assert_lt(fixed, 8);
}

Test(order, seeds_and_epochs_give_different_orders)
{
    const struct order a = order_of(1, 0, 1000);
    const struct order b = order_of(1, 1, 1000);
    const struct order c = order_of(2, 0, 1000);
    unsigned same = 0;
    for (uint64_t p = 0; p < 1000; p++) {
        same += (order_at(&a, p) == order_at(&b, p)) + (order_at(&a, p) == order_at(&c, p));
    }
    cr_assert_lt(same, 12);
}

/* Ranks take turns: whatever the world, interleaving them gives the one global sequence. */
Test(order, every_world_sees_the_same_global_sequence)
{
    const uint64_t n = 1009;
    const struct order o = order_of(3, 2, n);
    const uint64_t worlds[] = {1, 2, 3, 5, 64, 2000};
    for (size_t k = 0; k < sizeof worlds / sizeof *worlds; k++) {
        uint64_t taken = 0;
        unsigned char *seen = calloc(n, 1);
        for (uint64_t rank = 0; rank < worlds[k]; rank++) {
            const uint64_t share = order_share(n, rank, worlds[k]);
            for (uint64_t step = 0; step < share; step++) {
                seen[order_at(&o, rank + step * worlds[k])]++;
            }
            taken += share;
        }
        cr_assert_eq(taken, n);
        for (uint64_t i = 0; i < n; i++) {
            cr_assert_eq(seen[i], 1);
        }
        free(seen);
    }
}

/* The construction is part of every sample: changing it would change published runs. */
Test(order, the_construction_stays_as_published)
{
    const struct order o = order_of(42, 0, 10);
    static const uint64_t want[10] = {2, 0, 3, 8, 7, 5, 9, 6, 4, 1};
    for (uint64_t p = 0; p < 10; p++) {
        cr_assert_eq(order_at(&o, p), want[p], "position %llu is %llu", (unsigned long long)p,
                     (unsigned long long)order_at(&o, p));
    }
}
