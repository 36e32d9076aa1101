#include "recipes/order.h"

#include "common/philox.h"

int order_init(struct order *o, uint64_t seed, uint32_t epoch, uint64_t n)
{
    if (n > (uint64_t)1 << ORDER_BITS_MAX) {
        return err_set(E_ARG, "an epoch of %llu samples is larger than 2^%d", (unsigned long long)n,
                       ORDER_BITS_MAX);
    }
    uint32_t bits = 2; /* each half needs at least one */
    while ((uint64_t)1 << bits < n) {
        bits++;
    }
    *o = (struct order){.n = n, .low_bits = (bits + 1) / 2, .high_bits = bits / 2};
    /* Recipe 0: the order does not depend on what the samples are used for. */
    const struct draw d = draw_stream(seed, 0, epoch, 0, DRAW_ORDER);
    for (uint32_t r = 0; r < ORDER_ROUNDS; r++) {
        o->keys[r] = (uint64_t)draw_u32(&d, 2 * r) << 32 | draw_u32(&d, 2 * r + 1);
    }
    return 0;
}

/* `bits` bits that depend on all of x; bits >= 1. */
static uint64_t scramble(uint64_t x, uint64_t key, uint32_t bits)
{
    x = (x ^ key) + 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (x ^ x >> 31) >> (64 - bits);
}

/* Even rounds change the high half by the low one, odd rounds the low by the high; a round is its
 * own inverse, so `first` and `step` choose the direction. */
static uint64_t feistel(const struct order *o, uint64_t x, int first, int step)
{
    uint64_t low = x & (((uint64_t)1 << o->low_bits) - 1);
    uint64_t high = x >> o->low_bits;
    for (int r = first; r >= 0 && r < ORDER_ROUNDS; r += step) {
        if (r % 2 == 0) {
            high ^= scramble(low, o->keys[r], o->high_bits);
        } else {
            low ^= scramble(high, o->keys[r], o->low_bits);
        }
    }
    return high << o->low_bits | low;
}

uint64_t order_at(const struct order *o, uint64_t position)
{
    BUG_ON(position >= o->n);
    uint64_t x = position;
    do { /* ends: the cycle that holds `position` returns to it at the latest */
        x = feistel(o, x, 0, 1);
    } while (x >= o->n);
    return x;
}

uint64_t order_position(const struct order *o, uint64_t index)
{
    BUG_ON(index >= o->n);
    uint64_t x = index;
    do {
        x = feistel(o, x, ORDER_ROUNDS - 1, -1);
    } while (x >= o->n);
    return x;
}
