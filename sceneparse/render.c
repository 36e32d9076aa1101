#include "sceneparse/render.h"

#include <utf8proc.h>

#include <stdlib.h>
#include <string.h>

static const char *label_of(const struct sg_graph *g, uint32_t node)
{
    return g->labels + g->nodes[node].label;
}

static const char *name_of(const struct sg_graph *g, uint32_t node)
{
    return g->labels + g->nodes[node].name;
}

static const char *const type_names[] = {"", "object", "attribute", "relation"};

/* ---- the tree ---- */

/* The caption with [objects], {attributes} and <relations> marked. */
static int render_marked(const struct sg_graph *g, const char *text, size_t n, struct buf *out)
{
    static const char open[] = " [{<";
    static const char close[] = " ]}>";
    int rc = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < g->node_count && !rc; i++) {
        const struct sg_node *v = &g->nodes[i];
        if (v->beg == v->end || v->beg < at) {
            continue; /* unsaid, or the same words as the node before */
        }
        rc = buf_append(out, text + at, v->beg - at);
        rc = rc ? rc : buf_append(out, &open[v->type], 1);
        rc = rc ? rc : buf_append(out, text + v->beg, v->end - v->beg);
        rc = rc ? rc : buf_append(out, &close[v->type], 1);
        at = v->end;
    }
    rc = rc ? rc : buf_append(out, text + at, n - at);
    return rc ? rc : buf_append(out, "\n", 1);
}

enum { DEPTH_MAX = 32 };

/* The edges by subject: those of node i are edges[order[first[i]]] ... edges[order[first[i + 1]]].
 */
struct tree {
    const struct sg_graph *g;
    struct buf *out;
    uint32_t *first;    /* [node_count + 1] */
    uint32_t *order;    /* [edge_count] */
    uint8_t *seen;      /* [node_count] */
    uint8_t *is_target; /* [node_count] the object of some relation */
};

static int tree_init(struct tree *t, const struct sg_graph *g, struct buf *out)
{
    *t = (struct tree){g,
                       out,
                       calloc((size_t)g->node_count + 2, sizeof *t->first),
                       calloc((size_t)g->edge_count + 1, sizeof *t->order),
                       calloc((size_t)g->node_count + 1, 1),
                       calloc((size_t)g->node_count + 1, 1)};
    if (!t->first || !t->order || !t->seen || !t->is_target) {
        return err_set(E_NOMEM, "out of memory for a tree of %u nodes", g->node_count);
    }
    for (uint32_t i = 0; i < g->edge_count; i++) {
        t->first[g->edges[i].subject + 2]++;
        if (g->edges[i].object != SG_NONE) {
            t->is_target[g->edges[i].object] = 1;
        }
    }
    for (uint32_t i = 2; i < g->node_count + 2; i++) {
        t->first[i] += t->first[i - 1];
    }
    for (uint32_t i = 0; i < g->edge_count; i++) {
        t->order[t->first[g->edges[i].subject + 1]++] = i;
    }
    return 0;
}

static void tree_release(struct tree *t)
{
    free(t->first);
    free(t->order);
    free(t->seen);
    free(t->is_target);
}

static int render_attributes(const struct tree *t, uint32_t object)
{
    int rc = 0;
    for (uint32_t i = t->first[object]; i < t->first[object + 1] && !rc; i++) {
        const struct sg_edge *e = &t->g->edges[t->order[i]];
        if (e->object == SG_NONE) {
            rc = buf_printf(t->out, " {%s}", label_of(t->g, e->node));
        }
    }
    return rc;
}

/* An object, its attributes, and below each of its relations the object at the other end; an
 * object that was printed already is only named. */
static int render_object(struct tree *t, uint32_t object, int depth)
{
    const struct sg_graph *g = t->g;
    const int known = t->seen[object];
    t->seen[object] = 1;
    int rc = buf_printf(t->out, "%s", label_of(g, object));
    rc = rc || known ? rc : render_attributes(t, object);
    rc = rc ? rc : buf_append(t->out, "\n", 1);
    for (uint32_t i = t->first[object]; i < t->first[object + 1] && !rc && !known; i++) {
        const struct sg_edge *e = &g->edges[t->order[i]];
        if (e->object == SG_NONE || depth == DEPTH_MAX) {
            continue;
        }
        rc = buf_printf(t->out, "%*s", 2 * depth + 4, "");
        rc = rc ? rc
                : buf_printf(t->out, g->nodes[e->node].implicit ? "(%s) " : "<%s> ",
                             label_of(g, e->node));
        rc = rc ? rc : render_object(t, e->object, depth + 1);
    }
    return rc;
}

static int render_tree(const struct sg_graph *g, const char *text, size_t n, struct buf *out)
{
    struct tree t;
    int rc = tree_init(&t, g, out);
    rc = rc ? rc : render_marked(g, text, n, out);
    for (int roots = 1; roots >= 0; roots--) { /* then what only cycles reach */
        for (uint32_t i = 0; i < g->node_count && !rc; i++) {
            if (g->nodes[i].type == SG_OBJECT && !t.seen[i] && (!roots || !t.is_target[i])) {
                rc = buf_printf(out, "  ");
                rc = rc ? rc : render_object(&t, i, 0);
            }
        }
    }
    tree_release(&t);
    return rc;
}

/* ---- JSON and DOT ---- */

/* The length of the well-formed UTF-8 character at p; 0 for bytes that are none. */
static size_t utf8_length(const char *p, size_t n)
{
    utf8proc_int32_t code;
    const utf8proc_ssize_t len =
        utf8proc_iterate((const utf8proc_uint8_t *)p, n > 4 ? 4 : (utf8proc_ssize_t)n, &code);
    return len > 0 ? (size_t)len : 0;
}

/* The bytes between double quotes, escaped for JSON and for DOT; a byte that is not UTF-8
 * becomes `?`, since neither format can carry it and the offsets beside the caption must hold. */
static int append_quoted(struct buf *out, const char *p, size_t n)
{
    int rc = buf_append(out, "\"", 1);
    for (size_t i = 0; i < n && !rc;) {
        const unsigned char c = (unsigned char)p[i];
        const size_t len = utf8_length(p + i, n - i);
        if (c == '"' || c == '\\') {
            rc = buf_printf(out, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            rc = buf_printf(out, "\\u%04x", c);
        } else if (len == 0) {
            rc = buf_append(out, "?", 1);
        } else {
            rc = buf_append(out, p + i, len);
        }
        i += len ? len : 1;
    }
    return rc ? rc : buf_append(out, "\"", 1);
}

static int json_nodes(const struct sg_graph *g, struct buf *out)
{
    int rc = buf_printf(out, ",\"nodes\":[");
    for (uint32_t i = 0; i < g->node_count && !rc; i++) {
        const struct sg_node *v = &g->nodes[i];
        const char *label = label_of(g, i);
        rc = buf_printf(out, "%s{\"type\":\"%s\",\"beg\":%u,\"end\":%u,\"implicit\":%s,\"label\":",
                        i ? "," : "", type_names[v->type], v->beg, v->end,
                        v->implicit ? "true" : "false");
        rc = rc ? rc : append_quoted(out, label, strlen(label));
        rc = rc ? rc : buf_append(out, "}", 1);
    }
    return rc ? rc : buf_append(out, "]", 1);
}

static int json_edges(const struct sg_graph *g, struct buf *out)
{
    int rc = buf_printf(out, ",\"edges\":[");
    for (uint32_t i = 0; i < g->edge_count && !rc; i++) {
        const struct sg_edge *e = &g->edges[i];
        rc = buf_printf(out, "%s{\"node\":%u,\"subject\":%u", i ? "," : "", e->node, e->subject);
        if (!rc && e->object != SG_NONE) {
            rc = buf_printf(out, ",\"object\":%u", e->object);
        }
        rc = rc ? rc : buf_append(out, "}", 1);
    }
    return rc ? rc : buf_append(out, "]", 1);
}

static int render_json(const struct sg_graph *g, const char *text, size_t n, struct buf *out)
{
    int rc = buf_printf(out, "{\"caption\":");
    rc = rc ? rc : append_quoted(out, text, n);
    rc = rc ? rc : buf_printf(out, ",\"tokens\":[");
    for (uint32_t i = 0; i < g->token_count && !rc; i++) {
        rc = buf_printf(out, "%s[%u,%u]", i ? "," : "", g->tokens[i].beg, g->tokens[i].end);
    }
    rc = rc ? rc : buf_append(out, "]", 1);
    rc = rc ? rc : json_nodes(g, out);
    rc = rc ? rc : json_edges(g, out);
    return rc ? rc : buf_append(out, "}\n", 2);
}

/* Objects as boxes, attributes as ellipses at their owners, relations as labelled arrows. */
static int render_dot(const struct sg_graph *g, const char *text, size_t n, struct buf *out)
{
    int rc = buf_printf(out, "digraph {\n  label=");
    rc = rc ? rc : append_quoted(out, text, n);
    rc = rc ? rc : buf_printf(out, ";\n  rankdir=LR;\n");
    for (uint32_t i = 0; i < g->node_count && !rc; i++) {
        if (g->nodes[i].type != SG_RELATION) {
            rc = buf_printf(out, "  n%u [shape=%s,label=", i,
                            g->nodes[i].type == SG_OBJECT ? "box" : "ellipse");
            rc = rc ? rc : append_quoted(out, label_of(g, i), strlen(label_of(g, i)));
            rc = rc ? rc : buf_printf(out, "];\n");
        }
    }
    for (uint32_t i = 0; i < g->edge_count && !rc; i++) {
        const struct sg_edge *e = &g->edges[i];
        if (e->object == SG_NONE) {
            rc = buf_printf(out, "  n%u -> n%u [style=dotted,dir=none];\n", e->subject, e->node);
            continue;
        }
        rc = buf_printf(out, "  n%u -> n%u [style=%s,label=", e->subject, e->object,
                        g->nodes[e->node].implicit ? "dashed" : "solid");
        rc = rc ? rc : append_quoted(out, label_of(g, e->node), strlen(label_of(g, e->node)));
        rc = rc ? rc : buf_printf(out, "];\n");
    }
    return rc ? rc : buf_append(out, "}\n", 2);
}

/* ---- FACTUAL: caption, tab, "( s , is , a ) , ( s , r , o ) , ( s )" ---- */

static int factual_edges(const struct sg_graph *g, uint8_t *linked, struct buf *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < g->edge_count && !rc; i++) {
        const struct sg_edge *e = &g->edges[i];
        const int attribute = e->object == SG_NONE;
        linked[e->subject] = 1;
        linked[attribute ? e->subject : e->object] = 1;
        rc = buf_printf(out, "%s( %s , %s , %s )", i > 0 ? " , " : "", name_of(g, e->subject),
                        attribute ? "is" : label_of(g, e->node),
                        attribute ? label_of(g, e->node) : name_of(g, e->object));
    }
    return rc;
}

static int render_factual(const struct sg_graph *g, const char *text, size_t n, struct buf *out)
{
    uint8_t *linked = calloc((size_t)g->node_count + 1, 1);
    if (!linked) {
        return err_set(E_NOMEM, "out of memory for a graph of %u nodes", g->node_count);
    }
    int rc = buf_append(out, text, n);
    rc = rc ? rc : buf_append(out, "\t", 1);
    rc = rc ? rc : factual_edges(g, linked, out);
    const char *between = g->edge_count > 0 ? " , " : "";
    for (uint32_t i = 0; i < g->node_count && !rc; i++) {
        if (g->nodes[i].type == SG_OBJECT && !linked[i]) {
            rc = buf_printf(out, "%s( %s )", between, name_of(g, i));
            between = " , ";
        }
    }
    free(linked);
    return rc ? rc : buf_append(out, "\n", 1);
}

int render_graph(const struct sg_graph *g, const char *text, size_t n, enum graph_style style,
                 struct buf *out)
{
    switch (style) {
    case GRAPH_JSON: return render_json(g, text, n, out);
    case GRAPH_DOT: return render_dot(g, text, n, out);
    case GRAPH_FACTUAL: return render_factual(g, text, n, out);
    default: return render_tree(g, text, n, out);
    }
}
