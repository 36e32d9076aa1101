/* The tagger's readings, with the shipped model. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "sceneparse/sceneparse_internal.h"

static struct sg_model *model;
static struct segment *segment;

static void set_up(void)
{
    cr_assert_eq(sg_model_open("sceneparse/captions.sgm", &model), 0);
    segment = malloc(sizeof *segment);
    cr_assert(segment);
}

static void tear_down(void)
{
    free(segment);
    sg_model_close(model);
}

TestSuite(tagger, .init = set_up, .fini = tear_down);

static void tag(const char *text)
{
    static struct sg_token tokens[SEGMENT_MAX];
    size_t pos = 0;
    uint32_t count = 0;
    segment_read(segment, text, strlen(text), &pos, READ_ALL, tokens, &count);
    segment_analyse(model, segment);
    tagger_run(&model->tagger, segment);
}

/* What a sequence of tags scores, by adding up. */
static int score(const uint8_t *tags)
{
    const struct tagger_model *m = &model->tagger;
    int sum = 0;
    int state = STATES;
    for (uint32_t i = 0; i < segment->n; i++) {
        uint64_t keys[TAGGER_FEATURES];
        const int n = tagger_features(segment, (int)i, keys);
        const int next = i > 0 ? state_after(state, tags[i]) : tags[i];
        sum += m->transitions[state * LANES + next];
        state = next;
        for (int k = 0; k < n; k++) {
            const struct tag_row *row = &m->rows[keys[k] >> (64 - m->bits)];
            sum += row->check == (uint8_t)(keys[k] & 0xff) ? row->w[tags[i]] : 0;
        }
    }
    return sum;
}

/* The best and the second best of all sequences of a short sentence, each tried. */
static void try_all(int *best, int *second)
{
    uint8_t tags[SEGMENT_MAX] = {0};
    *best = *second = -1000000;
    for (;;) {
        const int s = score(tags);
        *second = s > *best ? *best : s > *second ? s : *second;
        *best = s > *best ? s : *best;
        uint32_t i = 0;
        while (i < segment->n && ++tags[i] == TAGS) {
            tags[i++] = 0;
        }
        if (i == segment->n) {
            return;
        }
    }
}

Test(tagger, readings_are_the_best_of_all_sequences)
{
    static const char *const captions[] = {"people watching", "light post sign", "two dogs running",
                                           "train station clock tower"};
    int hesitated = 0;
    for (size_t i = 0; i < sizeof captions / sizeof *captions; i++) {
        int best;
        int second;
        tag(captions[i]);
        try_all(&best, &second);
        cr_assert_eq(score(segment->readings[0].tags), best, "%s", captions[i]);
        cr_assert_eq(segment->reading_count > 1, best - second <= READING_MARGIN, "%s",
                     captions[i]);
        if (segment->reading_count > 1) {
            hesitated++;
            cr_assert_eq(segment->readings[1].loss, best - second);
            cr_assert_eq(score(segment->readings[1].tags), second);
        }
    }
    cr_assert(hesitated > 0, "no caption with two readings: nothing was tested");
}

Test(tagger, readings_of_a_long_sentence_differ_and_lose_what_they_say)
{
    tag("light post sign and a train station clock tower with people watching two dogs running");
    const int best = score(segment->readings[0].tags);
    cr_assert_gt(segment->n, LINK_AGAIN);
    cr_assert_gt(segment->reading_count, 1);
    for (uint32_t r = 0; r < segment->reading_count; r++) {
        const struct reading *reading = &segment->readings[r];
        cr_assert_eq(reading->loss, best - score(reading->tags));
        cr_assert_leq(reading->loss, READING_MARGIN);
        for (uint32_t q = 0; q < r; q++) {
            cr_assert_leq(segment->readings[q].loss, reading->loss);
            cr_assert_neq(memcmp(segment->readings[q].tags, reading->tags, segment->n), 0);
        }
    }
}

Test(tagger, outside_remembers_the_last_node)
{
    static const uint8_t tags[] = {TAG_O, TAG_B_ATTR, TAG_I_ATTR, TAG_O,        TAG_O,
                                   TAG_O, TAG_B_REL,  TAG_O,      TAG_B_OBJECT, TAG_O};
    static const int states[] = {TAG_O,        TAG_B_ATTR,    TAG_I_ATTR, STATE_O_ATTR,
                                 STATE_O_ATTR, STATE_O_ATTR,  TAG_B_REL,  STATE_O_REL,
                                 TAG_B_OBJECT, STATE_O_OBJECT};
    int state = TAG_O;
    for (size_t i = 0; i < sizeof tags; i++) {
        state = state_after(state, tags[i]);
        cr_assert_eq(state, states[i], "word %zu", i);
        cr_assert_eq(state_tag(state), tags[i]);
    }
}
