/*
 * libFuzzer target: any bytes as a caption, with the shipped model.
 *
 *     make CC=clang build/fuzz/fuzz_sceneparse && build/fuzz/fuzz_sceneparse -max_total_time=60
 *
 * Every graph must hold together: spans inside the caption on token boundaries, edges between nodes
 * of the right types, labels inside their pool, and every style must render.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/record.h"
#include "sceneparse/render.h"
#include "sceneparse/sceneparse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sg_parser *parser_once(void)
{
    static struct sg_model *model;
    static struct sg_parser *parser;
    if (!parser) {
        const char *path = getenv("SCENEPARSE_MODEL");
        BUG_ON(sg_model_open(path ? path : "sceneparse/captions.sgm", &model) != 0);
        BUG_ON(sg_parser_new(model, &parser) != 0);
    }
    return parser;
}

static void check_nodes(const struct sg_graph *g, size_t size)
{
    for (uint32_t i = 0; i < g->token_count; i++) {
        BUG_ON(g->tokens[i].beg >= g->tokens[i].end || g->tokens[i].end > size);
        BUG_ON(i > 0 && g->tokens[i].beg < g->tokens[i - 1].end);
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct sg_node *n = &g->nodes[i];
        BUG_ON(n->type < SG_OBJECT || n->type > SG_RELATION || n->beg > n->end || n->end > size);
        BUG_ON(n->token + n->token_count > g->token_count);
        BUG_ON(n->token_count > 0 && g->tokens[n->token].beg != n->beg);
        BUG_ON(n->token_count > 0 && g->tokens[n->token + n->token_count - 1].end != n->end);
        BUG_ON(n->token_count == 0 && !(n->implicit && n->beg == n->end));
        BUG_ON(n->label >= g->labels_size || n->name >= g->labels_size);
        BUG_ON(i > 0 && n->beg < g->nodes[i - 1].beg);
    }
    BUG_ON(g->labels_size > 0 && g->labels[g->labels_size - 1] != 0);
}

static void check_edges(const struct sg_graph *g)
{
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct sg_edge *e = &g->edges[i];
        BUG_ON(e->node >= g->node_count || e->subject >= g->node_count);
        BUG_ON(g->nodes[e->subject].type != SG_OBJECT);
        if (e->object == SG_NONE) {
            BUG_ON(g->nodes[e->node].type != SG_ATTRIBUTE);
        } else {
            BUG_ON(e->object >= g->node_count || g->nodes[e->object].type != SG_OBJECT);
            BUG_ON(g->nodes[e->node].type != SG_RELATION);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_parser *parser = parser_once();
    const struct sg_graph *g;
    struct scene_graph record;
    struct buf out;
    BUG_ON(sg_parse(parser, (const char *)data, size, &g) != 0);
    check_nodes(g, size);
    check_edges(g);
    BUG_ON(sg_parser_record(parser, &record) != 0 || record.node_count != g->node_count);
    buf_init(&out, (size_t)1 << 28);
    for (enum graph_style style = GRAPH_TREE; style <= GRAPH_FACTUAL; style++) {
        buf_reset(&out);
        BUG_ON(render_graph(g, (const char *)data, size, style, &out) != 0);
    }
    buf_release(&out);
    return 0;
}
