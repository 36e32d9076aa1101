/* Graphs as text, by a graph made by hand. */
#include <criterion/criterion.h>

#include <jansson.h>
#include <string.h>

#include "sceneparse/render.h"

/* "a red \"dog\" 's tail": the quotes stand inside the label too. */
static const char caption[] = "a red \"dog\" 's tail";
static const struct sg_token tokens[] = {{0, 1}, {2, 5}, {6, 11}, {12, 14}, {15, 19}};
static const char labels[] = "red\0\"dog\"\0have\0tails\0tail";
static const struct sg_node nodes[] = {
    {SG_ATTRIBUTE, 0, 2, 5, 0, 0, 1, 1},
    {SG_OBJECT, 0, 6, 11, 4, 4, 2, 1},
    {SG_RELATION, 1, 12, 14, 10, 10, 3, 1},
    {SG_OBJECT, 0, 15, 19, 21, 15, 4, 1},
};
static const struct sg_edge edges[] = {{0, 1, SG_NONE}, {2, 1, 3}};
static const struct sg_graph graph = {5, 4, 2, sizeof labels, tokens, nodes, edges, labels};

static char *render(const struct sg_graph *g, const char *text, size_t n, enum graph_style style)
{
    static struct buf out;
    buf_release(&out);
    buf_init(&out, 1 << 20);
    cr_assert_eq(render_graph(g, text, n, style, &out), 0);
    cr_assert_eq(buf_terminate(&out), 0);
    return (char *)out.p;
}

Test(render, the_tree_marks_words_and_nests_objects_under_relations)
{
    cr_assert_str_eq(render(&graph, caption, strlen(caption), GRAPH_TREE),
                     "a {red} [\"dog\"] <'s> [tail]\n"
                     "  \"dog\" {red}\n"
                     "    (have) tail\n");
}

Test(render, factual_notation_keeps_the_plural)
{
    cr_assert_str_eq(
        render(&graph, caption, strlen(caption), GRAPH_FACTUAL),
        "a red \"dog\" 's tail\t( \"dog\" , is , red ) , ( \"dog\" , have , tails )\n");
}

Test(render, json_is_json_whatever_the_bytes)
{
    json_error_t error;
    json_t *j = json_loads(render(&graph, caption, strlen(caption), GRAPH_JSON), 0, &error);
    cr_assert(j, "%s", error.text);
    cr_assert_str_eq(json_string_value(json_object_get(j, "caption")), caption);
    cr_assert_eq(json_array_size(json_object_get(j, "nodes")), 4);
    json_decref(j);
    const struct sg_graph none = {0};
    static const char bytes[] = "\xff\x01\"\\ \xe2\x82 \t\n";
    j = json_loads(render(&none, bytes, sizeof bytes, GRAPH_JSON), JSON_ALLOW_NUL, &error);
    cr_assert(j, "%s", error.text);
    json_decref(j);
}

Test(render, dot_has_an_arrow_a_relation)
{
    const char *dot = render(&graph, caption, strlen(caption), GRAPH_DOT);
    cr_assert(strstr(dot, "n1 -> n3 [style=dashed,label=\"have\"]"), "%s", dot);
    cr_assert(strstr(dot, "label=\"\\\"dog\\\"\""), "%s", dot);
}
