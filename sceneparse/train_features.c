/* What training by AdaGrad needs: features told apart exactly, an order of its examples, a function
 * that is the same on every machine, and weights in 8 bits. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

void features_init(struct feature_map *f)
{
    *f = (struct feature_map){.bits = 16};
    f->keys = calloc((size_t)1 << f->bits, sizeof *f->keys);
    f->ids = calloc((size_t)1 << f->bits, sizeof *f->ids);
    BUG_ON(!f->keys || !f->ids);
}

void features_free(struct feature_map *f)
{
    free(f->keys);
    free(f->ids);
    free(f->counts);
    free(f->key_of);
}

static void features_grow(struct feature_map *f)
{
    struct feature_map g = *f;
    g.bits++;
    g.keys = calloc((size_t)1 << g.bits, sizeof *g.keys);
    g.ids = calloc((size_t)1 << g.bits, sizeof *g.ids);
    BUG_ON(!g.keys || !g.ids);
    for (uint32_t i = 0; i < f->n; i++) {
        uint32_t k = (uint32_t)(f->key_of[i] >> (64 - g.bits));
        while (g.keys[k]) {
            k = (k + 1) & ((1u << g.bits) - 1);
        }
        g.keys[k] = f->key_of[i];
        g.ids[k] = i;
    }
    free(f->keys);
    free(f->ids);
    *f = g;
}

uint32_t features_id(struct feature_map *f, uint64_t key)
{
    key += key == 0;
    if (f->n * 2 >= 1u << f->bits) {
        features_grow(f);
    }
    uint32_t k = (uint32_t)(key >> (64 - f->bits));
    while (f->keys[k] && f->keys[k] != key) {
        k = (k + 1) & ((1u << f->bits) - 1);
    }
    if (!f->keys[k]) {
        if (f->n == f->room) {
            f->room = f->room * 2 + 65536;
            f->counts = xrealloc(f->counts, f->room, sizeof *f->counts);
            f->key_of = xrealloc(f->key_of, f->room, sizeof *f->key_of);
        }
        f->keys[k] = key;
        f->ids[k] = f->n;
        f->counts[f->n] = 0;
        f->key_of[f->n++] = key;
    }
    f->counts[f->ids[k]]++;
    return f->ids[k];
}

void shuffle(uint32_t *order, uint32_t n, uint64_t seed)
{
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t k = (uint32_t)(hash_mix(hash_mix(seed, i), 0x736875) % i);
        const uint32_t keep = order[k];
        order[k] = order[i - 1];
        order[i - 1] = keep;
    }
}

/* 2^k * 2^f with f in [-0.5, 0.5], by Taylor's series: relative error below 1e-10. */
double exact_exp(double x)
{
    x = x < -700 ? -700 : x > 700 ? 700 : x;
    static const double inverse_factorial[] = {
        1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320};
    const double y = x * 1.4426950408889634;
    const int k = (int)(y < 0 ? y - 0.5 : y + 0.5);
    const double r = (y - k) * 0.6931471805599453;
    double sum = 1.0 / 362880;
    for (int i = 8; i >= 0; i--) {
        sum = sum * r + inverse_factorial[i];
    }
    const uint64_t bits = (uint64_t)(k + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

int8_t pack_weight(float w, int scale)
{
    const float v = w * (float)scale;
    return (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v < 0 ? v - 0.5f : v + 0.5f);
}
