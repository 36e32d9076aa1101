/* The parser: sentence by sentence through the stages, and the graph that comes out. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/record.h"
#include "sceneparse/sceneparse_internal.h"

_Static_assert((int)SG_OBJECT == (int)GRAPH_OBJECT && (int)SG_ATTRIBUTE == (int)GRAPH_ATTRIBUTE &&
                   (int)SG_RELATION == (int)GRAPH_RELATION && (uint32_t)SG_NONE == GRAPH_NONE,
               "sceneparse.h and common/record.h must number alike");

struct sg_parser {
    const struct sg_model *model;
    struct segment segment;
    struct sg_graph graph;
    struct sg_token *tokens;
    struct sg_node *nodes;
    struct sg_edge *edges;
    char *labels;
    struct graph_node *record_nodes;
    struct graph_edge *record_edges;
    size_t token_room, node_room, edge_room, label_room, record_node_room, record_edge_room;
};

int sg_parser_new(const struct sg_model *model, struct sg_parser **parser)
{
    *parser = calloc(1, sizeof **parser);
    if (!*parser) {
        return err_set(E_NOMEM, "out of memory for a scene graph parser");
    }
    (*parser)->model = model;
    return 0;
}

void sg_parser_free(struct sg_parser *p)
{
    if (p) {
        free(p->tokens);
        free(p->nodes);
        free(p->edges);
        free(p->labels);
        free(p->record_nodes);
        free(p->record_edges);
        free(p);
    }
}

/* The array with room for `need` elements, which may have moved; NULL with err_set() if there is
 * no memory, and then the array is as it was. */
static void *grown(void *array, size_t *room, size_t need, size_t size)
{
    if (array && need <= *room) {
        return array;
    }
    const size_t want = need + need / 2 + 64;
    void *q = reallocarray(array, want, size);
    if (!q) {
        (void)err_set(E_NOMEM, "out of memory for a scene graph of %zu parts", need);
        return NULL;
    }
    *room = want;
    return q;
}

/* Makes room in an array of the parser; nonzero when there is no memory. */
#define GROW(array, room, need)                                      \
    __extension__({                                                  \
        void *grown_ = grown(array, &(room), need, sizeof *(array)); \
        (array) = grown_ ? grown_ : (array);                         \
        grown_ ? 0 : E_NOMEM;                                        \
    })

static uint32_t add_label(struct sg_parser *p, const char *text, size_t n)
{
    const uint32_t at = p->graph.labels_size;
    memcpy(p->labels + at, text, n);
    p->labels[at + n] = 0;
    p->graph.labels_size += (uint32_t)n + 1;
    return at;
}

/* The label of a span: what training calls it, or its lemmas. */
static uint32_t span_label(struct sg_parser *p, const struct span *span)
{
    char text[LABEL_MAX];
    const struct sg_model *m = p->model;
    const struct naming *naming = naming_find(&m->namings, span_naming_key(&p->segment, span));
    if (naming && naming->count > 0) {
        const char *name = m->strings + m->namings.names[naming->first].string;
        const size_t n = strnlen(name, LABEL_MAX - 1);
        return add_label(p, name, n);
    }
    const size_t n = span_lemmas(&p->segment, span, text);
    return add_label(p, text, n);
}

/* The words of an object as they stand, if they differ from the label only in number. */
static uint32_t span_name(struct sg_parser *p, const struct span *span, uint32_t label)
{
    const struct word *last = word_at(&p->segment, span->end - 1);
    char text[LABEL_MAX];
    const size_t n = span_lemmas(&p->segment, span, text);
    if (span->type != SG_OBJECT || last->noun.p == last->text.p || last->noun.n > n ||
        strcmp(text, p->labels + label) != 0) {
        return label;
    }
    const size_t kept = n - last->noun.n;
    if (kept + last->text.n + 1 > LABEL_MAX) {
        return label;
    }
    memcpy(text + kept, last->text.p, last->text.n);
    return add_label(p, text, kept + last->text.n);
}

static uint32_t add_node(struct sg_parser *p, const struct span *span, uint32_t label, int implicit)
{
    struct sg_graph *g = &p->graph;
    struct sg_node *n = &p->nodes[g->node_count];
    const uint32_t first = word_at(&p->segment, span->beg)->token;
    const uint32_t count = (uint32_t)(span->end - span->beg);
    *n = (struct sg_node){.type = span->type, .implicit = (uint32_t)implicit, .label = label};
    n->name = count ? span_name(p, span, label) : label;
    n->token = first;
    n->token_count = count;
    n->beg = p->tokens[first].beg;
    n->end = count ? p->tokens[first + count - 1].end : n->beg;
    return g->node_count++;
}

static void add_edge(struct sg_parser *p, uint32_t node, uint32_t subject, uint32_t object)
{
    p->edges[p->graph.edge_count++] = (struct sg_edge){node, subject, object};
}

static int reserve(struct sg_parser *p)
{
    const struct segment *s = &p->segment;
    const struct sg_graph *g = &p->graph;
    const size_t nodes = (size_t)s->span_count + s->relation_count;
    const size_t edges = (size_t)s->owner_count + s->relation_count;
    int rc = GROW(p->nodes, p->node_room, g->node_count + nodes);
    rc = rc ? rc : GROW(p->edges, p->edge_room, g->edge_count + edges);
    return rc ? rc : GROW(p->labels, p->label_room, g->labels_size + 2 * nodes * LABEL_MAX);
}

static int evokes(const struct sg_parser *p, const struct relation_edge *r)
{
    char text[LABEL_MAX];
    if (r->label == STRING_NONE) {
        return 0;
    }
    span_lemmas(&p->segment, &p->segment.spans[r->relation], text);
    return strcmp(text, p->model->strings + r->label) != 0;
}

/* A relation's node: one for all edges of the same words and label. */
static void emit_relation(struct sg_parser *p, uint32_t i, const uint32_t node_of[NODE_MAX],
                          uint32_t relation_node[4 * NODE_MAX])
{
    const struct segment *s = &p->segment;
    const struct relation_edge *r = &s->relations[i];
    uint32_t node = SG_NONE;
    for (uint32_t k = 0; k < i && r->relation != REL_UNSAID; k++) {
        if (s->relations[k].relation == r->relation && s->relations[k].label == r->label) {
            node = relation_node[k];
        }
    }
    if (node == SG_NONE) {
        const uint16_t at = s->spans[r->subject].end;
        const struct span unsaid = {SG_RELATION, (uint16_t)(at - 1), (uint16_t)(at - 1)};
        const struct span *span = r->relation == REL_UNSAID ? &unsaid : &s->spans[r->relation];
        const char *name = r->label == STRING_NONE ? NULL : p->model->strings + r->label;
        const uint32_t label =
            name ? add_label(p, name, strnlen(name, LABEL_MAX - 1)) : span_label(p, span);
        node = add_node(p, span, label, r->relation == REL_UNSAID || evokes(p, r));
    }
    relation_node[i] = node;
    add_edge(p, node, node_of[r->subject], node_of[r->object]);
}

/* Puts the segment's nodes into the order of their words and its edges into that of their nodes. */
static void put_in_order(struct sg_parser *p, uint32_t first_node, uint32_t first_edge)
{
    struct sg_node *nodes = p->nodes + first_node;
    struct sg_edge *edges = p->edges + first_edge;
    const uint32_t n = p->graph.node_count - first_node;
    const uint32_t m = p->graph.edge_count - first_edge;
    uint32_t old[5 * NODE_MAX]; /* which node stands here now */
    uint32_t new[5 * NODE_MAX];
    for (uint32_t i = 0; i < n; i++) {
        const struct sg_node v = nodes[i];
        uint32_t k = i;
        for (; k > 0 && nodes[k - 1].beg > v.beg; k--) {
            nodes[k] = nodes[k - 1];
            old[k] = old[k - 1];
        }
        nodes[k] = v;
        old[k] = i;
    }
    for (uint32_t i = 0; i < n; i++) {
        new[old[i]] = first_node + i;
    }
    for (uint32_t i = 0; i < m; i++) {
        struct sg_edge e = edges[i];
        e.node = new[e.node - first_node];
        e.subject = new[e.subject - first_node];
        e.object = e.object == SG_NONE ? SG_NONE : new[e.object - first_node];
        uint32_t k = i;
        for (; k > 0 && edges[k - 1].node > e.node; k--) {
            edges[k] = edges[k - 1];
        }
        edges[k] = e;
    }
}

/* Objects all, attributes with an owner, relations with both ends. */
static int emit(struct sg_parser *p)
{
    const struct segment *s = &p->segment;
    uint32_t node_of[NODE_MAX];
    uint32_t relation_node[4 * NODE_MAX];
    uint8_t owned[NODE_MAX] = {0};
    const uint32_t first_node = p->graph.node_count;
    const uint32_t first_edge = p->graph.edge_count;
    const int rc = reserve(p);
    if (rc) {
        return rc;
    }
    for (uint32_t i = 0; i < s->owner_count; i++) {
        owned[s->owners[i].attribute] = 1;
    }
    for (uint32_t i = 0; i < s->span_count; i++) {
        const struct span *span = &s->spans[i];
        if (span->type == SG_OBJECT || (span->type == SG_ATTRIBUTE && owned[i])) {
            const uint32_t label = span_label(p, span);
            node_of[i] = add_node(p, span, label, 0);
        }
    }
    for (uint32_t i = 0; i < s->owner_count; i++) {
        add_edge(p, node_of[s->owners[i].attribute], node_of[s->owners[i].owner], SG_NONE);
    }
    for (uint32_t i = 0; i < s->relation_count; i++) {
        emit_relation(p, i, node_of, relation_node);
    }
    put_in_order(p, first_node, first_edge);
    return 0;
}

int sg_parse(struct sg_parser *p, const char *text, size_t n, const struct sg_graph **graph)
{
    struct segment *s = &p->segment;
    struct sg_graph *g = &p->graph;
    *graph = NULL;
    *g = (struct sg_graph){0};
    if (n > INT32_MAX) {
        return err_set(E_TOO_BIG, "a caption of %zu bytes: the limit is 2^31", n);
    }
    for (size_t pos = 0; pos < n;) {
        int rc = GROW(p->tokens, p->token_room, g->token_count + (size_t)SEGMENT_MAX);
        if (rc) {
            return rc;
        }
        segment_read(s, text, n, &pos, READ_SENTENCE, p->tokens, &g->token_count);
        segment_analyse(p->model, s);
        if (!segment_is_caption(s)) {
            continue;
        }
        tagger_run(&p->model->tagger, s);
        readings_run(p->model, s);
        rc = emit(p);
        if (rc) {
            return rc;
        }
    }
    g->tokens = p->tokens;
    g->nodes = p->nodes;
    g->edges = p->edges;
    g->labels = p->labels;
    *graph = g;
    return 0;
}

int sg_parser_record(struct sg_parser *p, struct scene_graph *record)
{
    const struct sg_graph *g = &p->graph;
    int rc = GROW(p->record_nodes, p->record_node_room, g->node_count);
    rc = rc ? rc : GROW(p->record_edges, p->record_edge_room, g->edge_count);
    if (rc) {
        return rc;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct sg_node *n = &g->nodes[i];
        p->record_nodes[i] = (struct graph_node){n->type, n->implicit, n->beg, n->end, n->label};
    }
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct sg_edge *e = &g->edges[i];
        p->record_edges[i] = (struct graph_edge){e->node, e->subject, e->object};
    }
    *record = (struct scene_graph){g->node_count,
                                   p->record_nodes,
                                   g->edge_count,
                                   p->record_edges,
                                   {g->labels, g->labels_size}};
    return 0;
}
