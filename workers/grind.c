#include "workers/grind.h"

#include <math.h>
#include <stdlib.h>

#include "common/half.h"

enum { REGION_ROWS_MAX = 1 << 16, GRAPH_BYTES_MAX = 64 << 20 };

/* One text's own memory: the parser and the tokenizer overwrite theirs with the next text. */
struct text_memory {
    struct wordpiece_tokens tokens;
    struct buf graph; /* nodes, edges, labels */
    struct sentence sentence;
};

struct grinder {
    const struct models *models;
    const struct worker_options *options;
    struct detector_session *session;
    struct sg_parser *parser;
    struct buf features;    /* halves, when they are stored so */
    struct buf soft_labels; /* halves */
    struct visual_record visual;
    struct pair_record pairs[QUEUE_JOB_TEXTS_MAX];
    struct pair_outcome outcomes[QUEUE_JOB_TEXTS_MAX];
    struct text_memory memory[QUEUE_JOB_TEXTS_MAX];
};

int grinder_new(const struct models *models, const struct worker_options *options,
                struct grinder **out)
{
    struct grinder *g = calloc(1, sizeof *g);
    if (!g) {
        return err_set(E_NOMEM, "no memory for a grinder");
    }
    g->models = models;
    g->options = options;
    buf_init(&g->features, (size_t)1 << 32);
    buf_init(&g->soft_labels, (size_t)1 << 32);
    for (size_t i = 0; i < QUEUE_JOB_TEXTS_MAX; i++) {
        buf_init(&g->memory[i].graph, GRAPH_BYTES_MAX);
    }
    int rc = detector_session_new(models->detector, &g->session);
    rc = rc ? rc : sg_parser_new(models->parser, &g->parser);
    if (rc) {
        grinder_free(g);
        return rc;
    }
    *out = g;
    return 0;
}

void grinder_free(struct grinder *g)
{
    if (!g) {
        return;
    }
    detector_session_free(g->session);
    sg_parser_free(g->parser);
    buf_release(&g->features);
    buf_release(&g->soft_labels);
    for (size_t i = 0; i < QUEUE_JOB_TEXTS_MAX; i++) {
        wordpiece_tokens_release(&g->memory[i].tokens);
        buf_release(&g->memory[i].graph);
    }
    free(g);
}

/* ------------------------------------------------------------------ the visual record */

static int to_halves(const float *from, size_t n, struct buf *out)
{
    buf_reset(out);
    const int rc = buf_append_zeros(out, n * sizeof(half));
    if (rc == 0) {
        half_from_floats(from, (half *)out->p, n);
    }
    return rc;
}

static int fill_visual(struct grinder *g, const struct id *medium, const char *locator,
                       const struct image *image, const struct detections *d)
{
    struct visual_record *v = &g->visual;
    const size_t n = d->n;
    *v = (struct visual_record){
        .medium = *medium,
        .width = image->width,
        .height = image->height,
        .detector = view_str(detector_info(g->models->detector)->name),
        .locator = view_str(locator),
        .convention = d->regressed ? BOX_REGRESSED : BOX_PROPOSAL,
        .order = BOX_BY_CONFIDENCE,
        .n = d->n,
        .boxes = d->boxes,
        .conf = d->conf,
        .object_id = d->object_id,
        .object_conf = d->object_conf,
        .attr_id = d->attr_id,
        .attr_conf = d->attr_conf,
        .feature_dtype = FEATURE_F32,
        .dim = d->dim,
        .features = d->features,
    };
    int rc = 0;
    if (g->options->half_features) {
        rc = to_halves(d->features, n * d->dim, &g->features);
        v->feature_dtype = FEATURE_F16;
        v->features = g->features.p;
    }
    if (rc == 0 && g->options->soft_labels) {
        rc = to_halves(d->soft_labels, n * d->classes, &g->soft_labels);
        v->classes = d->classes;
        v->soft_labels = (const half *)g->soft_labels.p;
    }
    return rc;
}

struct step {
    void (*call)(void *arg);
    void *arg;
};

static void on_layer(void *arg, unsigned done, unsigned total)
{
    (void)done;
    (void)total;
    const struct step *s = arg;
    s->call(s->arg);
}

static int see(struct grinder *g, const struct id *medium, const char *locator,
               const struct image *image, struct step *step)
{
    const struct detector_image input = {image->rgb, image->width, image->height};
    const struct detector_progress progress = {on_layer, step};
    struct detections found;
    const int rc = detector_detect(g->models->detector, g->session, &input, &progress, &found);
    return rc ? rc : fill_visual(g, medium, locator, image, &found);
}

/* ------------------------------------------------------------------ pair records */

/* The graph is copied, because the parser's memory is the next text's too. */
static int keep_graph(struct text_memory *m, const struct scene_graph *from, struct scene_graph *to)
{
    const size_t nodes = from->node_count * sizeof *from->nodes;
    const size_t edges = from->edge_count * sizeof *from->edges;
    buf_reset(&m->graph);
    int rc = buf_append(&m->graph, from->nodes, nodes);
    rc = rc ? rc : buf_append(&m->graph, from->edges, edges);
    rc = rc ? rc : buf_append(&m->graph, from->labels.p, from->labels.n);
    *to = (struct scene_graph){
        .node_count = from->node_count,
        .nodes = (const struct graph_node *)m->graph.p,
        .edge_count = from->edge_count,
        .edges = (const struct graph_edge *)(m->graph.p + nodes),
        .labels = view_of(m->graph.p + nodes + edges, from->labels.n),
    };
    return rc;
}

static int read_text(struct grinder *g, const struct id *medium, const struct grind_text *text,
                     struct text_memory *m, struct pair_record *p)
{
    const struct pair_item *item = &text->item;
    const struct sg_graph *graph;
    struct scene_graph parsed;
    m->sentence = (struct sentence){0, (uint32_t)item->text.n, NAN, NAN};
    *p = (struct pair_record){
        .id = text->pair,
        .medium = *medium,
        .group = item->coco_image_id ? id_coco_group(item->coco_image_id) : id_number(medium),
        .source = item->source,
        .key = item->key,
        .split = item->split,
        .coco_image_id = item->coco_image_id,
        .coco_caption_id = item->coco_caption_id,
        .text = item->text,
        .sentence_count = 1,
        .sentences = &m->sentence,
    };
    int rc = wordpiece_tokenize(g->models->wordpiece, item->text, &m->tokens);
    p->tokens = wordpiece_block(g->models->wordpiece, &m->tokens);
    rc = rc ? rc : sg_parse(g->parser, item->text.p, item->text.n, &graph);
    rc = rc ? rc : sg_parser_record(g->parser, &parsed);
    return rc ? rc : keep_graph(m, &parsed, &p->graph);
}

int grinder_run(struct grinder *g, const struct id *medium, const char *locator,
                const struct image *image, const struct grind_text *texts, size_t n,
                void (*step)(void *arg), void *arg, struct grinding *out)
{
    BUG_ON(n > QUEUE_JOB_TEXTS_MAX);
    struct step steps = {step, arg};
    *out = (struct grinding){.pairs = g->pairs, .outcomes = g->outcomes, .outcome_count = n};
    int rc = image ? see(g, medium, locator, image, &steps) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = read_text(g, medium, &texts[i], &g->memory[out->pair_count],
                       &g->pairs[out->pair_count]);
        g->outcomes[i] = (struct pair_outcome){.pair = texts[i].pair, .state = PAIR_STAGED};
        if (rc == E_TOO_BIG) {
            g->outcomes[i].state = PAIR_QUARANTINED;
            g->outcomes[i].reason = E_TEXT_TOO_LONG;
            g->outcomes[i].detail = view_str("the text has more tokens than a record can hold");
            rc = 0;
        } else {
            out->pair_count++;
        }
        step(arg);
    }
    out->visual = image ? &g->visual : NULL;
    return rc;
}
