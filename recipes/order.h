/*
 * The order of an epoch: a permutation of the indexes 0..n-1 that is a pure function of (seed,
 * epoch), computed one position at a time.  Nothing is stored, so any position can be resumed and
 * every rank of every world sees the same global sequence: rank r of W takes positions r, r + W,
 * r + 2W, ...
 *
 * An alternating Feistel network over the smallest power of two that holds n, with cycle walking
 * (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).  Philox gives the
 * round keys; the round function is SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014).  A
 * position costs under two walks of eight rounds on average, some 40 ns.  Shuffling is meant, not
 * secrecy.  A struct order is a plain value; any thread may read it.
 */
#ifndef RECIPES_ORDER_H
#define RECIPES_ORDER_H

#include <stdint.h>

#include "common/err.h"

enum { ORDER_ROUNDS = 8, ORDER_BITS_MAX = 48 };

struct order {
    uint64_t n;
    uint32_t low_bits; /* the walk's domain has 2^(low_bits + high_bits) numbers */
    uint32_t high_bits;
    uint64_t keys[ORDER_ROUNDS];
};

/* E_ARG when n is above 2^48.  n may be 0: then there is no position to ask for. */
int order_init(struct order *o, uint64_t seed, uint32_t epoch, uint64_t n) MUST_CHECK;

/* The index at a position; position < n. */
uint64_t order_at(const struct order *o, uint64_t position);

/* The position of an index; index < n.  The inverse of order_at(). */
uint64_t order_position(const struct order *o, uint64_t index);

/* How many of the n positions rank `rank` of `world` takes; rank < world.  Ranks differ by at most
 * one. */
static inline uint64_t order_share(uint64_t n, uint64_t rank, uint64_t world)
{
    return n / world + (rank < n % world);
}

#endif
