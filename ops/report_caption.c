/* A caption and its scene graph, drawn. */
#include <stdlib.h>

#include "ops/report_internal.h"

enum {
    CAPTION_SHOWN_MAX = 1200, /* bytes; web text can be a page long */
    TREE_DEPTH_MAX = 12,
    NODES_SHOWN_MAX = 200,
};

static const char *const kind_class[] = {"", "obj", "att", "rel"};
static const char *const kind_name[] = {"", "object", "attribute", "relation"};

static const char *label_of(const struct scene_graph *g, uint32_t node)
{
    return (const char *)g->labels.p + g->nodes[node].label;
}

/* ---- marks ---- */

static bool is_marked(const struct graph_node *n, size_t text)
{
    return !n->implicit && n->beg < n->end && n->end <= text;
}

/* Of two nodes over the same byte the narrower is shown, of equals the first. */
static bool is_inside(const struct graph_node *a, const struct graph_node *b)
{
    return a->end - a->beg < b->end - b->beg;
}

/* The node shown at each of the first n bytes, GRAPH_NONE for none.  A mark that would begin or end
 * inside a character takes the whole of it. */
static void own_bytes(struct view text, const struct scene_graph *g, uint32_t *owner, size_t n)
{
    const unsigned char *p = text.p;
    for (size_t i = 0; i < n; i++) {
        owner[i] = GRAPH_NONE;
    }
    for (uint32_t k = 0; k < g->node_count; k++) {
        const struct graph_node *node = &g->nodes[k];
        for (size_t i = node->beg; is_marked(node, text.n) && i < node->end && i < n; i++) {
            if (owner[i] == GRAPH_NONE || is_inside(node, &g->nodes[owner[i]])) {
                owner[i] = k;
            }
        }
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) == 0x80) {
            owner[i] = owner[i - 1];
        }
    }
}

static void put_run(struct html *h, struct view run, const struct scene_graph *g, uint32_t node)
{
    if (node == GRAPH_NONE) {
        html_text(h, run);
        return;
    }
    const uint32_t kind = g->nodes[node].type;
    html_printf(h, "<mark class=\"%s\" title=\"%s: ", kind_class[kind], kind_name[kind]);
    html_str(h, label_of(g, node));
    html_put(h, "\">");
    html_text(h, run);
    html_put(h, "</mark>");
}

static size_t cut_at(struct view text)
{
    size_t n = text.n;
    if (n > CAPTION_SHOWN_MAX) {
        n = CAPTION_SHOWN_MAX;
        while (n > 0 && (((const unsigned char *)text.p)[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    return n;
}

void report_caption(struct html *h, struct view text, const struct scene_graph *graph)
{
    uint32_t owner[CAPTION_SHOWN_MAX];
    const size_t n = cut_at(text);
    own_bytes(text, graph, owner, n);
    html_put(h, "<p class=\"caption\"><bdi>");
    for (size_t beg = 0, end; beg < n; beg = end) {
        for (end = beg + 1; end < n && owner[end] == owner[beg]; end++) {
        }
        put_run(h, view_of((const char *)text.p + beg, end - beg), graph, owner[beg]);
    }
    html_put(h, n < text.n ? "…</bdi></p>\n" : "</bdi></p>\n");
}

/* ---- the tree ---- */

struct tree {
    struct html *h;
    const struct scene_graph *g;
    bool *shown; /* [node_count] */
};

static void put_node(const struct tree *t, uint32_t node, const char *more)
{
    const struct graph_node *n = &t->g->nodes[node];
    html_printf(t->h, "<span class=\"%s%s%s\">", kind_class[n->type],
                n->implicit ? " implicit" : "", more);
    html_str(t->h, label_of(t->g, node));
    html_put(t->h, "</span>");
}

static void put_attributes(const struct tree *t, uint32_t object)
{
    for (uint32_t i = 0; i < t->g->edge_count; i++) {
        const struct graph_edge *e = &t->g->edges[i];
        if (e->subject == object && e->object == GRAPH_NONE) {
            html_put(t->h, " ");
            put_node(t, e->node, "");
        }
    }
}

static bool has_relations(const struct scene_graph *g, uint32_t object)
{
    for (uint32_t i = 0; i < g->edge_count; i++) {
        if (g->edges[i].subject == object && g->edges[i].object != GRAPH_NONE) {
            return true;
        }
    }
    return false;
}

/* An object, its attributes, and below it the relations that start at it.  An object that stands
 * elsewhere in the tree is named again, but not unfolded again. */
static void put_object(const struct tree *t, uint32_t object, unsigned depth)
{
    const bool unfold = !t->shown[object] && depth < TREE_DEPTH_MAX;
    put_node(t, object, unfold ? "" : " again");
    if (!unfold) {
        return;
    }
    t->shown[object] = true;
    put_attributes(t, object);
    if (!has_relations(t->g, object)) {
        return;
    }
    html_put(t->h, "<ul>");
    for (uint32_t i = 0; i < t->g->edge_count; i++) {
        const struct graph_edge *e = &t->g->edges[i];
        if (e->subject == object && e->object != GRAPH_NONE) {
            html_put(t->h, "<li>");
            put_node(t, e->node, "");
            html_put(t->h, " <span class=\"arrow\">→</span> ");
            put_object(t, e->object, depth + 1);
            html_put(t->h, "</li>");
        }
    }
    html_put(t->h, "</ul>");
}

static bool is_root(const struct scene_graph *g, uint32_t object)
{
    for (uint32_t i = 0; i < g->edge_count; i++) {
        if (g->edges[i].object == object && g->edges[i].subject != object) {
            return false;
        }
    }
    return true;
}

/* The objects that nothing points at come first, then those of cycles. */
static void put_forest(const struct tree *t)
{
    html_put(t->h, "<ul class=\"graph\" aria-label=\"Scene graph\">");
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < t->g->node_count; i++) {
            if (t->g->nodes[i].type == GRAPH_OBJECT && !t->shown[i] &&
                (pass == 1 || is_root(t->g, i))) {
                html_put(t->h, "<li>");
                put_object(t, i, 0);
                html_put(t->h, "</li>");
            }
        }
    }
    html_put(t->h, "</ul>\n");
}

void report_graph(struct html *h, const struct scene_graph *graph)
{
    if (graph->node_count == 0) {
        html_put(h, "<p class=\"quiet\">The parser found no objects in this caption.</p>\n");
        return;
    }
    if (graph->node_count > NODES_SHOWN_MAX || graph->edge_count > 2 * NODES_SHOWN_MAX) {
        html_printf(h,
                    "<p class=\"quiet\">A graph of %u nodes and %u edges, too large to draw.</p>\n",
                    graph->node_count, graph->edge_count);
        return;
    }
    bool shown[NODES_SHOWN_MAX] = {false};
    const struct tree t = {h, graph, shown};
    put_forest(&t);
}
