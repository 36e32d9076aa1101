/* The parser's promises on captions of our own, with the shipped model. */
#include <criterion/criterion.h>

#include <string.h>

#include "common/record.h"
#include "sceneparse/sceneparse.h"

static struct sg_model *model;
static struct sg_parser *parser;

static void set_up(void)
{
    cr_assert_eq(sg_model_open("sceneparse/captions.sgm", &model), 0);
    cr_assert_eq(sg_parser_new(model, &parser), 0);
}

static void tear_down(void)
{
    sg_parser_free(parser);
    sg_model_close(model);
}

TestSuite(sceneparse, .init = set_up, .fini = tear_down);

static const struct sg_graph *parse(const char *text)
{
    const struct sg_graph *g;
    cr_assert_eq(sg_parse(parser, text, strlen(text), &g), 0);
    return g;
}

static const char *label(const struct sg_graph *g, uint32_t node)
{
    return g->labels + g->nodes[node].label;
}

static int has_relation(const struct sg_graph *g, const char *s, const char *r, const char *o)
{
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct sg_edge *e = &g->edges[i];
        if (e->object != SG_NONE && strcmp(label(g, e->subject), s) == 0 &&
            strcmp(label(g, e->node), r) == 0 && strcmp(label(g, e->object), o) == 0) {
            return 1;
        }
    }
    return 0;
}

static int has_attribute(const struct sg_graph *g, const char *owner, const char *attribute)
{
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct sg_edge *e = &g->edges[i];
        if (e->object == SG_NONE && strcmp(label(g, e->subject), owner) == 0 &&
            strcmp(label(g, e->node), attribute) == 0) {
            return 1;
        }
    }
    return 0;
}

Test(sceneparse, finds_attributes_and_relations_of_a_plain_caption)
{
    const struct sg_graph *g = parse("a brown dog sitting on a wooden bench");
    cr_assert(has_attribute(g, "dog", "brown"));
    cr_assert(has_attribute(g, "bench", "wooden"));
    cr_assert(has_relation(g, "dog", "sit on", "bench"));
    cr_assert_eq(g->node_count, 5);
}

Test(sceneparse, nodes_stand_in_the_order_of_their_words_at_the_words_bytes)
{
    const char *text = "a  brown dog,  sitting on a bench";
    const struct sg_graph *g = parse(text);
    const char *const want[] = {"brown", "dog", "sitting on", "bench"};
    cr_assert_eq(g->node_count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        const struct sg_node *n = &g->nodes[i];
        cr_assert_eq(n->end - n->beg, strlen(want[i]));
        cr_assert_eq(memcmp(text + n->beg, want[i], n->end - n->beg), 0);
        cr_assert_eq(g->tokens[n->token].beg, n->beg);
        cr_assert_eq(g->tokens[n->token + n->token_count - 1].end, n->end);
    }
}

Test(sceneparse, the_record_holds_the_same_nodes_and_edges)
{
    const struct sg_graph *g = parse("two cats under a small table");
    struct scene_graph r;
    cr_assert_eq(sg_parser_record(parser, &r), 0);
    cr_assert_eq(r.node_count, g->node_count);
    cr_assert_eq(r.edge_count, g->edge_count);
    for (uint32_t i = 0; i < r.node_count; i++) {
        cr_assert_eq(r.nodes[i].type, g->nodes[i].type);
        cr_assert_eq(r.nodes[i].beg, g->nodes[i].beg);
        cr_assert_eq(r.nodes[i].end, g->nodes[i].end);
        cr_assert_str_eq((const char *)r.labels.p + r.nodes[i].label, label(g, i));
    }
}

Test(sceneparse, an_empty_caption_has_an_empty_graph)
{
    const struct sg_graph *g = parse("");
    cr_assert_eq(g->token_count + g->node_count + g->edge_count, 0);
}
