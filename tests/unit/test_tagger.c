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
    for (uint32_t i = 0; i < segment->n; i++) {
        uint64_t keys[TAGGER_FEATURES];
        const int n = tagger_features(segment, (int)i, keys);
        sum += m->transitions[(i > 0 ? tags[i - 1] : TAGS) * 8 + tags[i]];
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

Test(tagger, a_long_sentence_is_read_once)
{
    tag("light post sign and light post sign and light post sign and light post sign");
    cr_assert_eq(segment->reading_count, 1);
}
