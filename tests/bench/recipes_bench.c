/*
 * How fast recipes are, on one core:
 *
 *     recipes_bench [FILE]
 *
 * tokenises FILE's lines (a text a line; else sentences of its own), asks for every position of an
 * epoch of 5.6 million, and makes UNITER samples of every task from 36 and from 100 regions of 2048
 * features and 1601 soft labels.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "recipes/order.h"
#include "recipes/uniter.h"

enum { DIM = 2048, CLASSES = 1601, REGIONS = 100 };

static void fail(void)
{
    fprintf(stderr, "recipes_bench: %s\n", err_text());
    exit(1);
}

static char *read_texts(const char *path, size_t *n)
{
    FILE *f = path ? fopen(path, "r") : NULL;
    char *text = malloc(1 << 26);
    if (!text || (path && !f)) {
        fprintf(stderr, "recipes_bench: %s cannot be read\n", path ? path : "memory");
        exit(1);
    }
    if (f) {
        *n = fread(text, 1, 1 << 26, f);
        fclose(f);
        return text;
    }
    *n = 0;
    for (int i = 0; i < 20000; i++) {
        *n += (size_t)snprintf(text + *n, 64,
                               "A small red ball lies to the left of %d wooden cubes.\n", i % 10);
    }
    return text;
}

static void bench_tokenizer(const char *path)
{
    size_t n;
    char *text = read_texts(path, &n);
    struct wordpiece *w;
    struct wordpiece_tokens t = {0};
    if (wordpiece_open(NULL, WORDPIECE_AUTO, WORDPIECE_SPLIT_PYTHON, &w)) {
        fail();
    }
    uint64_t texts = 0;
    uint64_t tokens = 0;
    const double start = clock_now_s();
    while (clock_now_s() - start < 1) {
        for (const char *line = text; line < text + n; texts++) {
            const char *end = memchr(line, '\n', (size_t)(text + n - line));
            end = end ? end : text + n;
            if (wordpiece_tokenize(w, view_of(line, (size_t)(end - line)), &t)) {
                fail();
            }
            tokens += t.n;
            line = end + 1;
        }
    }
    const double s = clock_now_s() - start;
    printf("tokenizer   %9.0f texts/s  %6.1f million sub-tokens/s\n", (double)texts / s,
           (double)tokens / s * 1e-6);
    wordpiece_tokens_release(&t);
    wordpiece_free(w);
    free(text);
}

static void bench_order(void)
{
    struct order o;
    const uint64_t n = 5600000;
    if (order_init(&o, 1, 0, n)) {
        fail();
    }
    uint64_t sum = 0;
    const double start = clock_now_s();
    for (uint64_t p = 0; p < n; p++) {
        sum += order_at(&o, p);
    }
    const double s = clock_now_s() - start;
    printf("order       %9.3f s for an epoch of %llu  %5.1f ns a position%s\n", s,
           (unsigned long long)n, s / (double)n * 1e9, sum == n * (n - 1) / 2 ? "" : "  WRONG");
}

static void bench_uniter(const char *options, const struct visual_record *visual)
{
    struct recipe_context c = {.recipe = &recipe_uniter,
                               .ids = {.random_first = 5, .random_end = 5000, .size = 5000},
                               .corpus = {.media = 1000}};
    if (recipe_options_parse(c.recipe, options, &c.options)) {
        fail();
    }
    uint32_t ids[14] = {0};
    struct pair_record pair = {.tokens = {.n = 14, .ids = ids}};
    struct sample sample;
    sample_init(&sample, 1 << 24);
    static struct plan plan;
    uint64_t samples = 0;
    const double start = clock_now_s();
    while (clock_now_s() - start < 1) {
        const struct recipe_place place = {.position = samples++};
        put_le64(pair.id.b, samples);
        if (recipe_plan(&c, &place, &pair, &plan) ||
            recipe_materialise(&c, &pair, visual, &plan, &sample)) {
            fail();
        }
    }
    printf("uniter      %9.0f samples/s  %3u regions  %s\n",
           (double)samples / (clock_now_s() - start), plan.regions, options);
    sample_release(&sample);
}

int main(int argc, char **argv)
{
    bench_tokenizer(argc > 1 ? argv[1] : NULL);
    bench_order();
    float *boxes = calloc(REGIONS, 4 * sizeof *boxes);
    float *conf = calloc(REGIONS, sizeof *conf);
    half *features = calloc(REGIONS, DIM * sizeof *features);
    half *soft = calloc(REGIONS, CLASSES * sizeof *soft);
    if (!boxes || !conf || !features || !soft) {
        return 1;
    }
    for (size_t i = 0; i < (size_t)REGIONS * DIM; i++) {
        features[i] = (half)(i * 2654435761u >> 18 & 0x3fff);
    }
    struct visual_record visual = {.width = 640,
                                   .height = 480,
                                   .n = 36,
                                   .boxes = boxes,
                                   .conf = conf,
                                   .feature_dtype = FEATURE_F16,
                                   .dim = DIM,
                                   .features = features,
                                   .classes = CLASSES,
                                   .soft_labels = soft};
    for (; visual.n <= REGIONS; visual.n += REGIONS - 36) {
        bench_uniter("conf=-1,itm=0,mrfr=0,mrckl=0", &visual);
        bench_uniter("conf=-1,itm=0,mlm=0,mrckl=0", &visual);
        bench_uniter("conf=-1,itm=0,mlm=0,mrfr=0", &visual);
        bench_uniter("conf=-1,mlm=0,mrfr=0,mrckl=0", &visual);
    }
    free(boxes);
    free(conf);
    free(features);
    free(soft);
    return 0;
}
