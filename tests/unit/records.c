#include "tests/unit/records.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/philox.h"

/* Bump allocation: a record's arrays live and die together. */
struct arena {
    unsigned char *p;
    size_t n;
    size_t room;
};

static void *take(struct arena *a, size_t n)
{
    void *p = a->p + a->n;
    a->n += (n + 63) / 64 * 64;
    cr_assert_leq(a->n, a->room);
    return p;
}

static struct arena arena_of(size_t room)
{
    struct arena a = {aligned_alloc(64, (room + 63) / 64 * 64), 0, (room + 63) / 64 * 64};
    cr_assert_not_null(a.p);
    memset(a.p, 0, a.room);
    return a;
}

static struct view text_in(struct arena *a, const char *what, uint32_t x, uint32_t y)
{
    char text[128];
    const int n = snprintf(text, sizeof text, "%s%u/%u", what, x, y);
    char *p = take(a, (size_t)n + 1);
    memcpy(p, text, (size_t)n + 1);
    return view_of(p, (size_t)n);
}

struct id medium_id(uint32_t medium)
{
    char text[32];
    snprintf(text, sizeof text, "medium %u", medium);
    return id_of_medium(view_str(text));
}

/* Half precision of a non-negative normal number, truncated: enough for test features. */
static half half_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    const int exponent = (int)(u >> 23) - 127 + 15;
    return exponent <= 0 ? 0 : (half)((unsigned)exponent << 10 | (u >> 13 & 0x3ff));
}

struct made_visual make_visual(uint32_t medium, uint32_t n, uint32_t dim, enum feature_dtype dtype)
{
    enum { CLASSES = 11 };
    const struct draw d = draw_stream(1, 0, 0, medium, DRAW_ORDER);
    struct arena a = arena_of((size_t)n * (dim * 4 + CLASSES * 2 + 64) + 8192);
    struct made_visual m = {.memory = a.p};
    m.r.medium = medium_id(medium);
    m.r.width = 640;
    m.r.height = 480 + medium % 7;
    m.r.detector = text_in(&a, "detector ", 1, 2);
    m.r.locator = text_in(&a, "path:/images/", medium, 0);
    m.r.convention = BOX_PROPOSAL;
    m.r.order = BOX_BY_CONFIDENCE;
    m.r.n = n;
    m.r.feature_dtype = dtype;
    m.r.dim = dim;
    m.r.classes = CLASSES;
    float *boxes = take(&a, (size_t)n * 16);
    float *conf = take(&a, (size_t)n * 4);
    uint16_t *object_id = take(&a, (size_t)n * 2);
    float *object_conf = take(&a, (size_t)n * 4);
    uint16_t *attr_id = take(&a, (size_t)n * 2);
    float *attr_conf = take(&a, (size_t)n * 4);
    half *soft = take(&a, (size_t)n * CLASSES * 2);
    void *features = take(&a, (size_t)n * dim * 4);
    for (uint32_t i = 0; i < n; i++) {
        boxes[4 * i] = (float)i;
        boxes[4 * i + 1] = (float)i / 2;
        boxes[4 * i + 2] = (float)i + 50.25f;
        boxes[4 * i + 3] = (float)i + 70;
        conf[i] = 1.0f - (float)i / (float)(n + 1);
        object_id[i] = (uint16_t)draw_below(&d, i, CLASSES - 1);
        object_conf[i] = draw_unit(&d, i);
        attr_id[i] = (uint16_t)(i % 5);
        attr_conf[i] = 0.5f;
        for (uint32_t c = 0; c < CLASSES; c++) {
            soft[i * CLASSES + c] = half_of(draw_unit(&d, 1000 + i * CLASSES + c));
        }
    }
    for (uint32_t i = 0; i < n * dim; i++) {
        const float u = draw_unit(&d, 5000 + i);
        const float f = u < 0.25f ? 0.0f : u * u * u * 4;
        if (dtype == FEATURE_F16) {
            ((half *)features)[i] = half_of(f);
        } else {
            ((float *)features)[i] = f;
        }
    }
    m.r.boxes = boxes;
    m.r.conf = conf;
    m.r.object_id = object_id;
    m.r.object_conf = object_conf;
    m.r.attr_id = attr_id;
    m.r.attr_conf = attr_conf;
    m.r.soft_labels = soft;
    m.r.features = features;
    return m;
}

/* Words of four letters, one blank between, one sub-token each. */
static void make_text(struct arena *a, struct pair_record *r, uint32_t words)
{
    const struct draw d = draw_stream(2, 0, 0, r->coco_caption_id, DRAW_ORDER);
    char *text = take(a, (size_t)words * 5);
    uint32_t *ids = take(a, (size_t)words * 4);
    uint32_t *beg = take(a, (size_t)words * 4);
    uint32_t *end = take(a, (size_t)words * 4);
    uint8_t *start = take(a, words);
    for (uint32_t w = 0; w < words; w++) {
        ids[w] = (uint32_t)draw_below(&d, w, 1000) + 110;
        beg[w] = 5 * w;
        end[w] = 5 * w + 4;
        start[w] = 1;
        for (uint32_t c = 0; c < 4; c++) {
            text[5 * w + c] = (char)('a' + (ids[w] * 7 + c * 3) % 26);
        }
        text[5 * w + 4] = ' ';
    }
    r->text = view_of(text, (size_t)words * 5 - 1);
    r->tokens = (struct token_block){text_in(a, "words ", 1, 0), words, ids, beg, end, start};
}

struct made_pair make_pair(uint32_t medium, uint32_t text)
{
    struct arena a = arena_of(16384);
    struct made_pair m = {.memory = a.p};
    struct pair_record *r = &m.r;
    r->medium = medium_id(medium);
    r->group = id_number(&r->medium);
    r->source = text_in(&a, "coco:", 1, 2);
    r->key = text_in(&a, "", medium, text);
    r->split = view_str("train");
    r->coco_image_id = medium + 1;
    r->coco_caption_id = (uint64_t)medium * 100 + text + 1;
    make_text(&a, r, 3 + (medium * 5 + text * 3) % 15);
    r->id = id_of_pair(&r->medium, view_of(r->key.p, r->key.n));
    struct sentence *s = take(&a, sizeof *s);
    *s = (struct sentence){0, (uint32_t)r->text.n, 0.5f, 1.5f};
    r->sentence_count = 1;
    r->sentences = s;
    struct graph_node *nodes = take(&a, 3 * sizeof *nodes);
    nodes[0] = (struct graph_node){GRAPH_OBJECT, 0, 0, 4, 0};
    nodes[1] = (struct graph_node){GRAPH_ATTRIBUTE, 0, 5, 9, 4};
    nodes[2] = (struct graph_node){GRAPH_RELATION, 1, 9, 9, 8};
    struct graph_edge *edges = take(&a, 2 * sizeof *edges);
    edges[0] = (struct graph_edge){1, 0, GRAPH_NONE};
    edges[1] = (struct graph_edge){2, 0, 0};
    r->graph = (struct scene_graph){3, nodes, 2, edges, view_of("dog\0red\0have", 13)};
    return m;
}

void free_visual(struct made_visual *m)
{
    free(m->memory);
}

void free_pair(struct made_pair *m)
{
    free(m->memory);
}

static void same_bytes(const char *what, const void *a, const void *b, size_t n)
{
    if (n) {
        cr_assert_not_null(a, "%s is absent on one side", what);
        cr_assert_not_null(b, "%s is absent on the other side", what);
        cr_assert_eq(memcmp(a, b, n), 0, "%s differs", what);
    }
}

static void same_text(const char *what, struct view a, struct view b)
{
    cr_assert_eq(a.n, b.n, "%s has %zu and %zu bytes", what, a.n, b.n);
    same_bytes(what, a.p, b.p, a.n);
}

void expect_same_visual(const struct visual_record *a, const struct visual_record *b)
{
    cr_assert(id_equal(&a->medium, &b->medium));
    cr_assert_eq(a->width, b->width);
    cr_assert_eq(a->height, b->height);
    same_text("detector", a->detector, b->detector);
    same_text("locator", a->locator, b->locator);
    cr_assert_eq(a->convention, b->convention);
    cr_assert_eq(a->order, b->order);
    cr_assert_eq(a->n, b->n);
    const size_t n = a->n;
    same_bytes("boxes", a->boxes, b->boxes, n * 16);
    same_bytes("conf", a->conf, b->conf, n * 4);
    same_bytes("object_id", a->object_id, b->object_id, n * 2);
    same_bytes("object_conf", a->object_conf, b->object_conf, n * 4);
    cr_assert_eq(a->attr_id == NULL, b->attr_id == NULL);
    if (a->attr_id) {
        same_bytes("attr_id", a->attr_id, b->attr_id, n * 2);
        same_bytes("attr_conf", a->attr_conf, b->attr_conf, n * 4);
    }
    cr_assert_eq(a->feature_dtype, b->feature_dtype);
    cr_assert_eq(a->dim, b->dim);
    same_bytes("features", a->features, b->features,
               n * a->dim * (a->feature_dtype == FEATURE_F16 ? 2 : 4));
    cr_assert_eq(a->classes, b->classes);
    same_bytes("soft_labels", a->soft_labels, b->soft_labels, n * a->classes * 2);
}

void expect_same_pair(const struct pair_record *a, const struct pair_record *b)
{
    cr_assert(id_equal(&a->id, &b->id));
    cr_assert(id_equal(&a->medium, &b->medium));
    cr_assert_eq(a->group, b->group);
    same_text("source", a->source, b->source);
    same_text("key", a->key, b->key);
    same_text("split", a->split, b->split);
    cr_assert_eq(a->coco_image_id, b->coco_image_id);
    cr_assert_eq(a->coco_caption_id, b->coco_caption_id);
    cr_assert_eq(a->vg_id, b->vg_id);
    cr_assert_eq(a->flickr_id, b->flickr_id);
    same_text("text", a->text, b->text);
    cr_assert_eq(a->sentence_count, b->sentence_count);
    same_bytes("sentences", a->sentences, b->sentences, a->sentence_count * sizeof *a->sentences);
    const struct token_block *s = &a->tokens;
    const struct token_block *t = &b->tokens;
    same_text("tokenizer", s->tokenizer, t->tokenizer);
    cr_assert_eq(s->n, t->n);
    same_bytes("token ids", s->ids, t->ids, s->n * sizeof *s->ids);
    same_bytes("token begins", s->beg, t->beg, s->n * sizeof *s->beg);
    same_bytes("token ends", s->end, t->end, s->n * sizeof *s->end);
    same_bytes("word starts", s->word_start, t->word_start, s->n);
    cr_assert_eq(a->graph.node_count, b->graph.node_count);
    cr_assert_eq(a->graph.edge_count, b->graph.edge_count);
    same_bytes("nodes", a->graph.nodes, b->graph.nodes,
               a->graph.node_count * sizeof *a->graph.nodes);
    same_bytes("edges", a->graph.edges, b->graph.edges,
               a->graph.edge_count * sizeof *a->graph.edges);
    same_text("labels", a->graph.labels, b->graph.labels);
}
