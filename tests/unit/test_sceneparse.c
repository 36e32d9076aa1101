/* The parser's promises on captions of our own, with the shipped model. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdio.h>
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

static void expect_nothing(const char *text)
{
    const struct sg_graph *g = parse(text);
    cr_assert_eq(g->node_count, 0, "\"%s\" got %u nodes", text, g->node_count);
    cr_assert_eq(g->edge_count, 0);
}

/* The figure of ERNIE-ViL's authors (ernie-vil/.meta/ernie_vil_struct.png of their repository). */
Test(sceneparse, parses_the_caption_of_ernie_vils_figure_as_the_figure_does)
{
    const struct sg_graph *g =
        parse("A woman in a blue dress is putting her little white cat on top "
              "of a brown car in front of her house.");
    cr_assert(has_relation(g, "woman", "in", "dress"));
    cr_assert(has_relation(g, "woman", "put", "cat"));
    cr_assert(has_relation(g, "cat", "on top of", "car"));
    cr_assert(has_relation(g, "car", "in front of", "house"));
    cr_assert(has_attribute(g, "dress", "blue"));
    cr_assert(has_attribute(g, "cat", "white"));
    cr_assert(has_attribute(g, "cat", "little"));
    cr_assert(has_attribute(g, "car", "brown"));
    cr_assert_eq(g->node_count, 5 + 4 + 4);
    cr_assert_eq(g->edge_count, 4 + 4);
    for (uint32_t i = 0; i < g->node_count; i++) {
        cr_assert_eq(g->nodes[i].implicit, 0);
    }
}

Test(sceneparse, repeated_words_belong_to_their_own_objects)
{
    const char *text = "a red ball next to a red box on a red table";
    const struct sg_graph *g = parse(text);
    uint32_t reds = 0;
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct sg_edge *e = &g->edges[i];
        if (e->object == SG_NONE) {
            cr_assert_eq(g->nodes[e->node].end + 1, g->nodes[e->subject].beg);
            reds++;
        }
    }
    cr_assert_eq(reds, 3);
}

Test(sceneparse, a_relation_that_no_word_says_has_an_empty_span)
{
    const struct sg_graph *g = parse("the man 's hand");
    cr_assert(has_relation(g, "man", "have", "hand"));
    g = parse("a woman with her cat");
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct sg_node *n = &g->nodes[i];
        cr_assert(n->beg < n->end || (n->implicit && n->token_count == 0));
    }
}

Test(sceneparse, coordinated_colours_both_belong_to_the_object)
{
    const struct sg_graph *g = parse("white and red toothbrush");
    cr_assert(has_attribute(g, "toothbrush", "white"));
    cr_assert(has_attribute(g, "toothbrush", "red"));
}

Test(sceneparse, subjects_side_by_side_share_a_relation_and_others_leave_it_to_the_nearest)
{
    const struct sg_graph *g = parse("a man and a woman in front of a house");
    cr_assert(has_relation(g, "man", "in front of", "house"));
    cr_assert(has_relation(g, "woman", "in front of", "house"));
    g = parse("a dog under a table next to a chair");
    cr_assert(has_relation(g, "table", "next to", "chair") !=
              has_relation(g, "dog", "next to", "chair"));
}

Test(sceneparse, being_in_front_of_something_is_a_relation)
{
    cr_assert(
        has_relation(parse("the car is in front of the house"), "car", "in front of", "house"));
}

Test(sceneparse, an_article_inside_a_relation_is_covered_and_not_said)
{
    const char *text = "a saddle on the back of a horse";
    const struct sg_graph *g = parse(text);
    cr_assert(has_relation(g, "saddle", "on back of", "horse"));
    cr_assert_eq(g->node_count, 3);
    cr_assert_eq(g->nodes[1].beg, 9);
    cr_assert_eq(g->nodes[1].end, 23);
}

Test(sceneparse, numbers_become_digits_and_plurals_singular)
{
    const struct sg_graph *g = parse("three dogs");
    cr_assert(has_attribute(g, "dog", "3"));
}

Test(sceneparse, sentences_are_parsed_one_by_one_into_one_graph)
{
    const char *text = "The dog sleeps on a sofa. A cat sits on the mat.";
    const struct sg_graph *g = parse(text);
    cr_assert(has_relation(g, "dog", "sleep on", "sofa"));
    cr_assert(has_relation(g, "cat", "sit on", "mat"));
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct sg_edge *e = &g->edges[i];
        const uint32_t stop = 25; /* no edge crosses the first sentence's end */
        cr_assert(e->object == SG_NONE ||
                  (g->nodes[e->subject].beg < stop) == (g->nodes[e->object].beg < stop));
    }
}

Test(sceneparse, what_is_no_caption_has_no_nodes)
{
    expect_nothing("#sunset #beach @somebody IMG_2034.jpg www.example.org/photo.png");
    expect_nothing("BUY NOW!!! FREE SHIPPING ON ALL ORDERS");
    expect_nothing("ein hund liegt auf einer gr\xc3\xbcnen wiese");
    expect_nothing("\xd1\x81\xd0\xbe\xd0\xb1\xd0\xb0\xd0\xba\xd0\xb0");
    expect_nothing("\xe4\xb8\x80\xe5\x8f\xaa\xe7\x8b\x97");
    expect_nothing("all rights reserved 2019");
    expect_nothing("click here to download the file");
    expect_nothing("\xff\xfe\x80 \xc3 \xe2\x80");
    expect_nothing("un hombre en la playa");
    expect_nothing("Ein Mann mit einem Hund am Strand");
    expect_nothing("une femme avec un chapeau");
    expect_nothing("man-with-dog-on-beach");
}

Test(sceneparse, a_foreign_name_in_a_caption_is_no_other_language)
{
    cr_assert_gt(parse("a man by the rio de la plata")->node_count, 0);
}

Test(sceneparse, pronouns_are_no_nodes)
{
    const char *text = "the red cup she is holding";
    const struct sg_graph *g = parse(text);
    for (uint32_t i = 0; i < g->node_count; i++) {
        cr_assert_neq(g->nodes[i].beg, 12);
    }
    cr_assert(has_attribute(g, "cup", "red"));
}

Test(sceneparse, a_pronoun_that_begins_a_sentence_is_a_person)
{
    cr_assert(has_relation(parse("she is wearing a pink outfit"), "woman", "wear", "outfit"));
}

Test(sceneparse, boilerplate_behind_a_caption_is_passed_over)
{
    const struct sg_graph *g = parse("a wooden spoon on a table - stock photo");
    cr_assert(has_relation(g, "spoon", "on", "table"));
    for (uint32_t i = 0; i < g->node_count; i++) {
        cr_assert_leq(g->nodes[i].end, strlen("a wooden spoon on a table"));
    }
}

Test(sceneparse, capitals_do_not_change_the_graph)
{
    cr_assert(has_relation(parse("A Dog Sitting On A Sofa"), "dog", "sit on", "sofa"));
}

Test(sceneparse, a_megabyte_of_anything_is_parsed)
{
    enum { SIZE = 1 << 20 };
    static char text[SIZE];
    static const char *const pieces[] = {"a dog on a sofa ", "[", "a", "and ", "\xff", "qwrty "};
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
        const size_t n = strlen(pieces[k]);
        for (size_t i = 0; i + n <= SIZE; i += n) {
            memcpy(text + i, pieces[k], n);
        }
        const struct sg_graph *g;
        cr_assert_eq(sg_parse(parser, text, SIZE / n * n, &g), 0);
    }
}

static void *parse_in_thread(void *out)
{
    struct sg_parser *own;
    const struct sg_graph *g;
    uint64_t *sum = out;
    cr_assert_eq(sg_parser_new(model, &own), 0);
    for (int i = 0; i < 200; i++) {
        char text[128];
        const int n = snprintf(text, sizeof text, "%d small dogs beside a %s chair in room %d", i,
                               i % 3 ? "green" : "wooden", i * i);
        cr_assert_eq(sg_parse(own, text, (size_t)n, &g), 0);
        for (uint32_t k = 0; k < g->node_count; k++) {
            *sum = *sum * 31 + g->nodes[k].beg * 7 + g->nodes[k].type;
        }
        for (uint32_t k = 0; k < g->edge_count; k++) {
            *sum = *sum * 31 + g->edges[k].subject * 7 + g->edges[k].node;
        }
    }
    sg_parser_free(own);
    return NULL;
}

Test(sceneparse, every_thread_gets_the_same_graphs)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    uint64_t sums[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, parse_in_thread, &sums[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 1; i < THREADS; i++) {
        cr_assert_eq(sums[i], sums[0]);
    }
}

Test(sceneparse, the_model_tells_where_it_comes_from)
{
    cr_assert(strstr(sg_model_provenance(model), "FACTUAL") != NULL);
    cr_assert(strstr(sg_model_provenance(model), "licence") != NULL);
}

Test(sceneparse, an_empty_caption_has_an_empty_graph)
{
    const struct sg_graph *g = parse("");
    cr_assert_eq(g->token_count + g->node_count + g->edge_count, 0);
}
