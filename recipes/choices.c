#include "recipes/choices.h"

#include "common/half.h"

const char *const equality_words[] = {"medium", "group", NULL};

struct draw choose_stream(const struct recipe_context *c, uint32_t epoch,
                          const struct pair_record *pair, enum draw_purpose purpose)
{
    return draw_stream(c->seed, c->recipe->number, epoch, id_number(&pair->id), purpose);
}

enum recipe_verdict choose_verdict(double most, uint32_t tokens, uint32_t regions)
{
    if (tokens == 0) {
        return RECIPE_TEXT_EMPTY;
    }
    if (tokens > most) {
        return RECIPE_TEXT_TOO_LONG;
    }
    return regions == 0 ? RECIPE_NO_REGIONS : RECIPE_TAKES;
}

uint64_t choose_weights(const struct recipe_context *c)
{
    uint64_t total = 0;
    for (uint32_t t = 0; c->recipe->tasks[t]; t++) {
        total += (uint64_t)c->options.value[t];
    }
    return total;
}

uint32_t choose_task(const struct recipe_context *c, uint32_t epoch, uint64_t position)
{
    const uint64_t block = position / (uint64_t)c->options.value[recipe_task_count(c->recipe)];
    const struct draw d = draw_stream(c->seed, c->recipe->number, epoch, block, DRAW_TASK);
    uint64_t at = draw_below(&d, 0, choose_weights(c));
    for (uint32_t task = 0;; task++) {
        const uint64_t weight = (uint64_t)c->options.value[task];
        if (at < weight) {
            return task;
        }
        at -= weight;
    }
}

enum mask_op choose_fate(const struct mask_shares *s, double u)
{
    return u < s->hide ? MASK_HIDE : u < s->hide + s->random ? MASK_RANDOM : MASK_KEEP;
}

uint32_t choose_id(const struct recipe_context *c, const struct draw *d, uint32_t i)
{
    const uint32_t range = c->ids.random_end - c->ids.random_first;
    return c->ids.random_first + (uint32_t)draw_below(d, i, range);
}

/* Sub-token i has the stream's numbers 4i (chosen, and what becomes of it) and 4i+2, 4i+3 (the
 * random id).  One draw serves both questions, as in the released code of BERT's followers:
 * u < rate chooses, u / rate decides. */
uint32_t choose_tokens(const struct recipe_context *c, const struct pair_record *pair, double rate,
                       const struct mask_shares *s, const uint8_t *closed, struct plan *out)
{
    const struct draw d = choose_stream(c, out->epoch, pair, DRAW_MASK_TEXT);
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < out->tokens; i++) {
        const double u = (double)draw_unit(&d, 4 * i);
        if (u >= rate || (closed && closed[i])) {
            continue;
        }
        chosen++;
        out->token_op[i] = (uint8_t)choose_fate(s, u / rate);
        if (out->token_op[i] == MASK_RANDOM) {
            out->token_random[i] = choose_id(c, &d, 2 * i + 1);
        }
    }
    return chosen;
}

static int is_same(const struct recipe_context *c, enum equality equality, uint64_t own,
                   uint64_t other)
{
    return other == own || (equality == SAME_GROUP && c->corpus.group(c->corpus.ctx, other) ==
                                                          c->corpus.group(c->corpus.ctx, own));
}

/* Another medium, uniform over all that differ: draws until one does.  Where after 64 draws none
 * did, almost everything is the same group: the next that differs is taken, counting up from the
 * last draw.  `own` when there is none at all. */
static uint64_t draw_negative(const struct recipe_context *c, const struct pair_record *pair,
                              enum equality equality, uint32_t epoch, uint64_t own)
{
    const struct draw d = choose_stream(c, epoch, pair, DRAW_NEGATIVE);
    const uint64_t media = c->corpus.media;
    uint64_t other = own;
    for (uint32_t i = 0; i < 64; i++) {
        other = draw_below(&d, i, media);
        if (!is_same(c, equality, own, other)) {
            return other;
        }
    }
    for (uint64_t step = 1; step < media; step++) {
        const uint64_t next = (other + step) % media;
        if (!is_same(c, equality, own, next)) {
            return next;
        }
    }
    return own;
}

void choose_medium(const struct recipe_context *c, const struct pair_record *pair, double rate,
                   enum equality equality, struct plan *out)
{
    const uint64_t own = out->medium;
    const struct draw d = choose_stream(c, out->epoch, pair, DRAW_MATCH);
    if ((double)draw_unit(&d, 0) < rate) {
        out->medium = draw_negative(c, pair, equality, out->epoch, own);
        out->match = out->medium == own;
    }
}

uint32_t choose_region_count(const struct region_limits *l, const float *conf, uint32_t n)
{
    const float threshold = half_to_float(half_from_float((float)l->conf));
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        count += half_to_float(half_from_float(conf[i])) > threshold;
    }
    count = count < l->min ? l->min : count;
    count = count > l->max ? l->max : count;
    return count > n ? n : count;
}
