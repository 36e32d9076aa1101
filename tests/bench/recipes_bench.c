/*
 * How fast recipes are, on one core:
 *
 *     recipes_bench [FILE]
 *
 * tokenises FILE's lines (a text a line; else sentences of its own), asks for every position of an
 * epoch of 5.6 million, and makes every recipe's samples, a task at a time, of a text of 14
 * sub-tokens with a scene graph of 13 nodes and of 36 and 100 regions of 2048 features and 1601
 * soft labels.  "plan" is what the feed computes of a sample, the rest is its client's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "recipes/order.h"
#include "recipes/recipe.h"

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

/* A text as "two balls on box by cup under lamp near man with hat in rain", and its graph. */
enum { TOKENS = 14, OBJECTS = 7, RELATIONS = 6 };

struct text {
    uint32_t ids[TOKENS];
    uint32_t beg[TOKENS];
    uint32_t end[TOKENS];
    uint8_t start[TOKENS];
    struct graph_node nodes[OBJECTS + RELATIONS];
    struct graph_edge edges[RELATIONS];
    struct pair_record pair;
};

/* Words of 4 bytes; after the first, objects and relations take turns. */
static void make_text(struct text *t)
{
    *t = (struct text){0};
    for (uint32_t i = 0; i < TOKENS; i++) {
        t->ids[i] = 100 + i;
        t->beg[i] = 5 * i;
        t->end[i] = 5 * i + 4;
        t->start[i] = 1;
    }
    for (uint32_t i = 0; i < OBJECTS + RELATIONS; i++) {
        t->nodes[i] = (struct graph_node){.type = i % 2 ? GRAPH_RELATION : GRAPH_OBJECT,
                                          .beg = 5 * (i + 1),
                                          .end = 5 * (i + 1) + 4};
    }
    for (uint32_t i = 0; i < RELATIONS; i++) {
        t->edges[i] = (struct graph_edge){2 * i + 1, 2 * i, 2 * i + 2};
    }
    t->pair = (struct pair_record){
        .tokens =
            {.n = TOKENS, .ids = t->ids, .beg = t->beg, .end = t->end, .word_start = t->start},
        .graph = {OBJECTS + RELATIONS, t->nodes, RELATIONS, t->edges, view_of("", 1)},
    };
}

/* The weights of task `task` alone, and all regions. */
static void parse_options(const struct recipe *r, uint32_t task, struct recipe_options *out)
{
    char text[400];
    size_t n = (size_t)snprintf(text, sizeof text, "conf=-1,max_regions=100");
    for (uint32_t t = 0; t < recipe_task_count(r); t++) {
        n += (size_t)snprintf(text + n, sizeof text - n, ",%s=%d", r->tasks[t], t == task);
    }
    if (recipe_options_parse(r, text, out)) {
        fail();
    }
}

/* Seconds a sample takes: its plan alone (`visual` NULL), or all of it. */
static double time_samples(const struct recipe_context *c, struct text *text,
                           const struct visual_record *visual)
{
    struct sample sample;
    struct plan plan;
    sample_init(&sample, 1 << 24);
    uint64_t samples = 0;
    const double start = clock_now_s();
    while (clock_now_s() - start < 1) {
        const struct recipe_place place = {.position = samples++};
        put_le64(text->pair.id.b, samples);
        if (recipe_plan(c, &place, &text->pair, &plan) ||
            (visual && recipe_materialise(c, &text->pair, visual, &plan, &sample))) {
            fail();
        }
    }
    const double s = clock_now_s() - start;
    sample_release(&sample);
    return s / (double)samples;
}

static void bench_recipe(const struct recipe *r, const struct visual_record *visual)
{
    struct recipe_context c = {.recipe = r,
                               .ids = {.random_first = 5, .random_end = 5000, .size = 5000},
                               .corpus = {.media = 1000}};
    struct text text;
    make_text(&text);
    for (uint32_t task = 0; task < recipe_task_count(r); task++) {
        parse_options(r, task, &c.options);
        const double plan = time_samples(&c, &text, NULL);
        const double whole = time_samples(&c, &text, visual);
        printf("%-9s %-9s  %3u regions  %9.0f samples/s  %9.0f plans/s\n", r->name, r->tasks[task],
               visual->n, 1 / whole, 1 / plan);
    }
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
        for (size_t i = 0; recipes[i]; i++) {
            bench_recipe(recipes[i], &visual);
        }
    }
    free(boxes);
    free(conf);
    free(features);
    free(soft);
    return 0;
}
