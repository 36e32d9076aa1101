/* The rankers' weights: each instance (an attribute, an ordered pair of objects) has candidates and
 * the alternative "none", whose score is 0; the likelihood of the right ones is raised by AdaGrad.
 * Where several candidates are right, their probability together counts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_rank.h"

enum { EPOCHS = 6, LEAST_COUNT = 2 };

void ranker_init(struct ranker *r)
{
    *r = (struct ranker){0};
    features_init(&r->map);
}

struct list ranker_keys(struct ranker *r, const struct keys *k)
{
    if (r->id_n + RANK_FEATURES > r->id_room) {
        r->id_room = 2 * r->id_room + 65536;
        r->ids = xrealloc(r->ids, r->id_room, sizeof *r->ids);
    }
    BUG_ON(k->n > RANK_FEATURES);
    const struct list l = {(uint32_t)r->id_n, (uint32_t)k->n};
    for (int i = 0; i < k->n; i++) {
        r->ids[r->id_n++] = features_id(&r->map, k->k[i]);
    }
    return l;
}

struct option *ranker_option(struct ranker *r)
{
    if (r->option_n == r->option_room) {
        r->option_room = 2 * r->option_room + 65536;
        r->options = xrealloc(r->options, r->option_room, sizeof *r->options);
    }
    r->options[r->option_n] = (struct option){0};
    return &r->options[r->option_n++];
}

void ranker_instance(struct ranker *r, size_t first, int none)
{
    if (r->instance_n == r->instance_room) {
        r->instance_room = 2 * r->instance_room + 65536;
        r->instances = xrealloc(r->instances, r->instance_room, sizeof *r->instances);
    }
    r->instances[r->instance_n++] =
        (struct instance){(uint32_t)first, (uint32_t)(r->option_n - first), none};
}

static double score(const struct ranker *r, const struct option *o)
{
    double sum = 0;
    for (int p = 0; p < 3; p++) {
        for (uint32_t i = 0; i < o->part[p].n; i++) {
            sum += (double)r->w[r->ids[o->part[p].first + i]];
        }
    }
    return sum;
}

static void step(struct ranker *r, const struct instance *x, float rate, float decay)
{
    static double p[4096];
    const struct option *o = r->options + x->first;
    double all = x->none >= 0;
    double right = x->none > 0;
    BUG_ON(x->n > 4096);
    for (uint32_t i = 0; i < x->n; i++) {
        p[i] = exact_exp(score(r, &o[i]));
        all += p[i];
        right += o[i].gold ? p[i] : 0;
    }
    for (uint32_t i = 0; i < x->n; i++) {
        const float gradient = (float)(p[i] / all - (o[i].gold ? p[i] / right : 0));
        if (fabsf(gradient) < 1e-5f) {
            continue;
        }
        for (int part = 0; part < 3; part++) {
            for (uint32_t k = 0; k < o[i].part[part].n; k++) {
                const uint32_t id = r->ids[o[i].part[part].first + k];
                if (r->map.counts[id] >= LEAST_COUNT) {
                    const float g = gradient + decay * r->w[id];
                    r->g[id] += g * g;
                    r->w[id] -= rate * g / sqrtf(r->g[id] + DAMPING);
                }
            }
        }
    }
}

struct rank_table ranker_fit(struct ranker *r, uint32_t bits)
{
    uint32_t *order = xrealloc(NULL, r->instance_n + 1, sizeof *order);
    r->w = calloc(r->map.n + 1, sizeof *r->w);
    r->g = calloc(r->map.n + 1, sizeof *r->g);
    struct rank_row *rows = calloc((size_t)1 << bits, sizeof *rows);
    float *weight = calloc((size_t)1 << bits, sizeof *weight);
    float *sum = calloc(r->map.n + 1, sizeof *sum);
    BUG_ON(!r->w || !r->g || !rows || !weight || !sum);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        const float rate = RATE * (float)(EPOCHS - epoch) / EPOCHS + LAST_RATE;
        shuffle(order, (uint32_t)r->instance_n, (uint64_t)epoch);
        for (size_t i = 0; i < r->instance_n; i++) {
            step(r, &r->instances[order[i]], rate, DECAY);
        }
        for (uint32_t i = 0; i < r->map.n && epoch >= EPOCHS - MEAN_EPOCHS; i++) {
            sum[i] += r->w[i] / MEAN_EPOCHS;
        }
    }
    memcpy(r->w, sum, r->map.n * sizeof *sum);
    free(sum);
    for (uint32_t i = 0; i < r->map.n; i++) {
        const uint64_t key = r->map.key_of[i];
        const uint32_t at = (uint32_t)(key >> (64 - bits));
        const float norm = fabsf(r->w[i]) * (float)r->map.counts[i];
        if (r->map.counts[i] >= LEAST_COUNT && norm > weight[at]) {
            weight[at] = norm;
            rows[at].w = pack_weight(r->w[i], RANK_SCALE);
            rows[at].check = (uint8_t)(key & 0xff);
        }
    }
    free(order);
    free(weight);
    free(r->w);
    free(r->g);
    free(r->ids);
    free(r->options);
    free(r->instances);
    features_free(&r->map);
    return (struct rank_table){rows, bits};
}
