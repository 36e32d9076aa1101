#include "common/philox.h"

struct philox_block philox4x32(const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0];
    uint32_t c1 = counter[1];
    uint32_t c2 = counter[2];
    uint32_t c3 = counter[3];
    uint32_t k0 = key[0];
    uint32_t k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c0;
        const uint64_t b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u; /* the golden ratio */
        k1 += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
    return (struct philox_block){{c0, c1, c2, c3}};
}

struct draw draw_stream(uint64_t seed, uint32_t recipe, uint32_t epoch, uint64_t subject,
                        enum draw_purpose purpose)
{
    /* The recipe's number goes through the golden ratio so that nearby seeds and recipes do not
     * meet. */
    const uint64_t key = seed ^ (uint64_t)recipe * 0x9E3779B97F4A7C15u;
    return (struct draw){
        .key = {(uint32_t)key, (uint32_t)(key >> 32)},
        .epoch = epoch,
        .subject = {(uint32_t)subject, (uint32_t)(subject >> 32)},
        .purpose = (uint32_t)purpose,
    };
}

/* Counter words: epoch, subject (two), and purpose in the top byte over the block's number. */
static struct philox_block block_at(const struct draw *d, uint32_t block)
{
    const uint32_t counter[4] = {d->epoch, d->subject[0], d->subject[1], d->purpose << 24 | block};
    return philox4x32(counter, d->key);
}

uint32_t draw_u32(const struct draw *d, uint32_t i)
{
    return block_at(d, i / 4).v[i % 4];
}

float draw_unit(const struct draw *d, uint32_t i)
{
    return (float)(draw_u32(d, i) >> 8) * 0x1p-24f;
}

uint64_t draw_below(const struct draw *d, uint32_t i, uint64_t n)
{
    const uint64_t bits = (uint64_t)draw_u32(d, 2 * i) << 32 | draw_u32(d, 2 * i + 1);
    return (uint64_t)((unsigned __int128)bits * n >> 64);
}
