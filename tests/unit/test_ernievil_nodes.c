/* Which nodes of a scene graph ERNIE-ViL's samples mask, and what becomes of them.  Seeds are
 * fixed, so a bound of five standard deviations is passed or not for ever. */
#include "sceneparse/sceneparse.h"
#include "tests/unit/ernievil_fixture.h"

enum { DRAWN = 6000 };

/* Every node alone in the graph, with nothing next to it. */
static void make_loose(struct caption *c, uint64_t number, enum graph_node_type type)
{
    static const char *const words[] = {"one", "two", "six", "ten", "red"};
    make_caption(c, number, "o+ne two s+i+x ten red and more words");
    for (int i = 0; i < 5; i++) {
        add_node(c, type, words[i]);
    }
}

static void expect_share(double got, double p, const char *what)
{
    expect_within(got, p * DRAWN, DRAWN * p * (1 - p), what);
}

/* ---- how many ---- */

Test(ernievil_nodes, each_type_is_chosen_at_its_rate_node_by_node)
{
    static const struct {
        const char *options;
        enum graph_node_type type;
        double rate;
    } cases[] = {
        {ONLY_OBJECT, GRAPH_OBJECT, 0.3},
        {ONLY_ATTRIBUTE, GRAPH_ATTRIBUTE, 0.3},
        {ONLY_RELATION, GRAPH_RELATION, 0.3},
        {ONLY_OBJECT ",object_rate=0.5", GRAPH_OBJECT, 0.5},
        {ONLY_ATTRIBUTE ",attribute_rate=0.1", GRAPH_ATTRIBUTE, 0.1},
        {ONLY_RELATION ",relation_rate=0.8", GRAPH_RELATION, 0.8},
        {"relation_rate=0.2", GRAPH_RELATION, 0.2},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const struct recipe_context c = ernievil_context(cases[k].options);
        double by_node[5] = {0};
        double both = 0;
        for (int i = 0; i < DRAWN; i++) {
            struct caption t;
            make_loose(&t, (uint64_t)i, cases[k].type);
            const struct plan plan = caption_plan(&c, &t, 0);
            for (uint32_t n = 0; n < 5; n++) {
                by_node[n] += is_chosen(&plan, &t, n);
            }
            both += is_chosen(&plan, &t, 1) && is_chosen(&plan, &t, 2);
        }
        for (uint32_t n = 0; n < 5; n++) {
            expect_share(by_node[n], cases[k].rate, cases[k].options);
        }
        expect_share(both, cases[k].rate * cases[k].rate, "two nodes at once"); /* independent */
    }
}

Test(ernievil_nodes, the_ceiling_count_is_the_share_rounded_up_of_any_nodes_alike)
{
    static const struct {
        const char *options;
        int count;
    } cases[] = {{ONLY_OBJECT ",count=ceiling", 2},
                 {ONLY_OBJECT ",count=ceiling,object_rate=0.01", 1},
                 {ONLY_OBJECT ",count=ceiling,object_rate=0.2", 1}, /* 0.2 x 5 is 1, not more */
                 {ONLY_OBJECT ",count=ceiling,object_rate=0.6", 3},
                 {ONLY_OBJECT ",count=ceiling,object_rate=1", 5},
                 {ONLY_OBJECT ",count=ceiling,object_rate=0", 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const struct recipe_context c = ernievil_context(cases[k].options);
        double by_node[5] = {0};
        for (int i = 0; i < DRAWN; i++) {
            struct caption t;
            make_loose(&t, (uint64_t)i, GRAPH_OBJECT);
            const struct plan plan = caption_plan(&c, &t, 0);
            int chosen = 0;
            for (uint32_t n = 0; n < 5; n++) {
                chosen += is_chosen(&plan, &t, n);
                by_node[n] += is_chosen(&plan, &t, n);
            }
            cr_assert_eq(chosen, cases[k].count, "%s chose %d", cases[k].options, chosen);
        }
        const double p = cases[k].count / 5.0;
        for (uint32_t n = 0; n < 5; n++) {
            expect_within(by_node[n], p * DRAWN, DRAWN * p * (1 - p) + 0.01, cases[k].options);
        }
    }
}

/* ---- what stays visible ---- */

/* With every rate at 1 the order shows: relations, then what attributes can be told from, then
 * objects next to neither. */
Test(ernievil_nodes, relations_come_first_then_attributes_then_objects)
{
    const struct recipe_context c =
        ernievil_context("relation_rate=1,attribute_rate=1,object_rate=1,joint_mlm=0");
    struct caption t;
    make_figure(&t, 1);
    struct plan plan = caption_plan(&c, &t, 0);
    for (uint32_t n = 0; n < FIGURE_NODES; n++) {
        cr_assert_eq(is_chosen(&plan, &t, n), n >= BLUE, "node %u", n);
    }
    t.record.graph.edge_count = 4 + 1; /* the attributes and woman in dress */
    t.record.graph.node_count = IN + 1;
    plan = caption_plan(&c, &t, 0);
    for (uint32_t n = 0; n <= IN; n++) {
        cr_assert_eq(is_chosen(&plan, &t, n), n == HOUSE || n >= BLUE, "node %u", n);
    }
}

/* Chances in the figure's graph: relations and attributes are free; an object is open where
 * nothing next to it was chosen. */
Test(ernievil_nodes, in_a_joint_sample_objects_give_way_to_what_is_next_to_them)
{
    static const int next_to[5] = {2, 2, 4, 3, 1};
    const struct recipe_context c = ernievil_context(NULL);
    double by_node[FIGURE_NODES] = {0};
    for (int i = 0; i < DRAWN; i++) {
        struct caption t;
        make_figure(&t, (uint64_t)i);
        const struct plan plan = caption_plan(&c, &t, 0);
        for (uint32_t n = 0; n < FIGURE_NODES; n++) {
            by_node[n] += is_chosen(&plan, &t, n);
        }
        for (uint32_t e = 0; e < t.record.graph.edge_count; e++) {
            const struct graph_edge *edge = &t.edges[e];
            if (is_chosen(&plan, &t, edge->node)) {
                cr_assert(is_visible(&plan, &t, edge->subject));
                cr_assert(edge->object == GRAPH_NONE || is_visible(&plan, &t, edge->object));
            }
        }
    }
    for (uint32_t n = 0; n < FIGURE_NODES; n++) {
        expect_share(by_node[n], n < 5 ? 0.3 * pow(0.7, next_to[n]) : 0.3, "a node of the figure");
    }
}

Test(ernievil_nodes, masked_language_modelling_spares_what_is_protected_and_chosen)
{
    const struct recipe_context c = ernievil_context("mlm_rate=1");
    for (int i = 0; i < 500; i++) {
        struct caption t;
        make_figure(&t, (uint64_t)i);
        const struct plan plan = caption_plan(&c, &t, 0);
        uint8_t expected[TOKENS_MAX];
        memset(expected, ERNIEVIL_MLM, sizeof expected);
        for (uint32_t n = 0; n < FIGURE_NODES; n++) {
            const struct token_span s = node_tokens(&t.record.tokens, &t.nodes[n]);
            if (is_chosen(&plan, &t, n)) {
                memset(expected + s.beg, (int)task_of_type(t.nodes[n].type), s.end - s.beg);
            }
        }
        for (uint32_t e = 0; e < t.record.graph.edge_count; e++) {
            const uint32_t ends[2] = {t.edges[e].subject, t.edges[e].object};
            for (int k = 0; k < 2 && is_chosen(&plan, &t, t.edges[e].node); k++) {
                if (ends[k] != GRAPH_NONE) {
                    const struct token_span s = node_tokens(&t.record.tokens, &t.nodes[ends[k]]);
                    memset(expected + s.beg, 0, s.end - s.beg);
                }
            }
        }
        cr_assert_arr_eq(plan.token_for, expected, plan.tokens);
    }
}

/* How often object `object` is chosen together with node `node`, with every rate at 1/2. */
static int together(const char *options, uint32_t node, uint32_t object)
{
    char text[200];
    snprintf(text, sizeof text, "relation_rate=0.5,attribute_rate=0.5,object_rate=0.5,%s", options);
    const struct recipe_context c = ernievil_context(text);
    int n = 0;
    for (int i = 0; i < 500; i++) {
        struct caption t;
        make_figure(&t, (uint64_t)i);
        const struct plan plan = caption_plan(&c, &t, 0);
        n += is_chosen(&plan, &t, node) && is_chosen(&plan, &t, object);
    }
    return n;
}

Test(ernievil_nodes, ends_and_owners_are_protected_each_by_its_option)
{
    cr_assert_eq(together("protect_ends=1,protect_owner=1", ON_TOP_OF, CAR), 0);
    cr_assert_eq(together("protect_ends=1,protect_owner=1", BLUE, DRESS), 0);
    cr_assert_eq(together("protect_ends=1,protect_owner=0", ON_TOP_OF, CAR), 0);
    cr_assert_gt(together("protect_ends=1,protect_owner=0", BLUE, DRESS), 0);
    cr_assert_gt(together("protect_ends=0,protect_owner=1", ON_TOP_OF, CAR), 0);
    cr_assert_eq(together("protect_ends=0,protect_owner=1", BLUE, DRESS), 0);
}

Test(ernievil_nodes, every_owner_of_a_shared_attribute_is_protected)
{
    const struct recipe_context c = ernievil_context("attribute_rate=1,object_rate=1,mlm_rate=1");
    struct caption t;
    make_caption(&t, 1, "white hats and shirts with shoes");
    add_node(&t, GRAPH_OBJECT, "hats");
    add_node(&t, GRAPH_OBJECT, "shirts");
    add_node(&t, GRAPH_OBJECT, "shoes");
    add_edge(&t, add_attribute(&t, "white", 0), 1, GRAPH_NONE);
    const struct plan plan = caption_plan(&c, &t, 0);
    cr_assert(is_chosen(&plan, &t, 3) && is_chosen(&plan, &t, 2));
    cr_assert(is_visible(&plan, &t, 0) && is_visible(&plan, &t, 1));
}

/* "baseball player": the attribute's word is part of the object's own span. */
Test(ernievil_nodes, of_nodes_that_share_words_at_most_one_is_chosen)
{
    const char *const options[] = {"protect_owner=0", "protect_owner=0,count=ceiling"};
    for (size_t k = 0; k < 2; k++) {
        char text[200];
        snprintf(text, sizeof text, "attribute_rate=0.5,object_rate=0.5,joint_mlm=0,%s",
                 options[k]);
        const struct recipe_context c = ernievil_context(text);
        int seen = 0;
        for (int i = 0; i < 400; i++) {
            struct caption t;
            make_caption(&t, (uint64_t)i, "a base+ball player and a dog");
            add_node(&t, GRAPH_OBJECT, "baseball player");
            add_attribute(&t, "baseball", 0);
            const struct plan plan = caption_plan(&c, &t, 0);
            const int object = plan.token_for[3] == ERNIEVIL_OBJECT; /* player */
            const int attribute = plan.token_for[1] == ERNIEVIL_ATTRIBUTE;
            cr_assert(!object || !attribute);
            seen |= object | attribute << 1;
        }
        /* rounded up, the one attribute is chosen always */
        cr_assert_eq(seen, k == 0 ? 3 : 2);
    }
}

/* Two objects, one inside the other: whichever is drawn first closes the other. */
Test(ernievil_nodes, the_ceiling_count_takes_no_node_that_another_has_closed)
{
    const struct recipe_context c = ernievil_context(ONLY_OBJECT ",count=ceiling,object_rate=1");
    int whole = 0;
    for (int i = 0; i < 200; i++) {
        struct caption t;
        make_caption(&t, (uint64_t)i, "a base+ball player");
        add_node(&t, GRAPH_OBJECT, "baseball player");
        add_node(&t, GRAPH_OBJECT, "player");
        const struct plan plan = caption_plan(&c, &t, 0);
        cr_assert_eq(plan.token_for[3], ERNIEVIL_OBJECT);
        cr_assert_eq(plan.token_for[1], plan.token_for[2]);
        whole += plan.token_for[1] == ERNIEVIL_OBJECT;
        /* one fate for all: no piece of the other was masked over it */
        cr_assert(plan.token_for[1] == 0 || plan.token_op[1] == plan.token_op[3]);
    }
    cr_assert(whole > 0 && whole < 200);
}

/* "in front of" holds the word of the object "front", which "left" is told from. */
Test(ernievil_nodes, what_needs_a_word_that_is_taken_is_not_chosen)
{
    const struct recipe_context c = ernievil_context("relation_rate=0.5,attribute_rate=1");
    int seen = 0;
    for (int i = 0; i < 200; i++) {
        struct caption t;
        make_caption(&t, (uint64_t)i, "a car in left front of house");
        add_node(&t, GRAPH_OBJECT, "car");
        add_node(&t, GRAPH_OBJECT, "house");
        add_node(&t, GRAPH_OBJECT, "front");
        add_relation(&t, "front of", 0, 1);
        add_attribute(&t, "left", 2);
        const struct plan plan = caption_plan(&c, &t, 0);
        const int relation = plan.token_for[4] == ERNIEVIL_RELATION;
        cr_assert_eq(plan.token_for[3] == ERNIEVIL_ATTRIBUTE, !relation);
        seen |= 1 << relation;
    }
    cr_assert_eq(seen, 3);
}

Test(ernievil_nodes, a_node_that_would_mask_its_own_owner_is_never_chosen)
{
    const struct recipe_context c = ernievil_context("joint=0,attribute=1,attribute_rate=1");
    struct caption t;
    make_caption(&t, 1, "a baseball player");
    add_node(&t, GRAPH_OBJECT, "baseball player");
    add_attribute(&t, "baseball", 0);
    for (uint32_t epoch = 0; epoch < 50; epoch++) {
        const struct plan plan = caption_plan(&c, &t, epoch);
        for (uint32_t i = 0; i < plan.tokens; i++) {
            cr_assert_neq(plan.token_for[i], ERNIEVIL_ATTRIBUTE);
        }
    }
}

/* ---- relations that no word says ---- */

Test(ernievil_nodes, implicit_relations_mask_nothing_or_the_word_that_evokes_them)
{
    const struct recipe_context evoked = ernievil_context(ONLY_RELATION ",relation_rate=1");
    const struct recipe_context plain = ernievil_context(ONLY_RELATION ",relation_rate=1,evoked=0");
    struct caption t;
    make_caption(&t, 1, "leg of a man and train window");
    add_node(&t, GRAPH_OBJECT, "leg");
    add_node(&t, GRAPH_OBJECT, "man");
    const uint32_t of = add_relation(&t, "of", 1, 0);
    t.nodes[of].implicit = 1;
    add_node(&t, GRAPH_OBJECT, "window");
    add_relation(&t, "", 0, 3);
    struct plan plan = caption_plan(&evoked, &t, 0);
    cr_assert_eq(is_chosen(&plan, &t, of), 1);
    for (uint32_t i = 0; i < plan.tokens; i++) {
        cr_assert_eq(plan.token_for[i] == ERNIEVIL_RELATION, i == 1);
    }
    plan = caption_plan(&plain, &t, 0);
    for (uint32_t i = 0; i < plan.tokens; i++) {
        cr_assert_neq(plan.token_for[i], ERNIEVIL_RELATION);
    }
    t.nodes[of].implicit = 0; /* said, not evoked */
    plan = caption_plan(&plain, &t, 0);
    cr_assert_eq(is_chosen(&plan, &t, of), 1);
}

/* ---- what becomes of a chosen node ---- */

Test(ernievil_nodes, a_node_is_masked_replaced_or_kept_as_one_80_10_10)
{
    const struct recipe_context c = ernievil_context(ONLY_OBJECT ",object_rate=1");
    double fates[4] = {0};
    double equal_ids = 0;
    for (int i = 0; i < DRAWN; i++) {
        struct caption t;
        make_caption(&t, (uint64_t)i, "a sky+scrap+er");
        add_node(&t, GRAPH_OBJECT, "skyscraper");
        const struct plan plan = caption_plan(&c, &t, 0);
        cr_assert_eq(is_chosen(&plan, &t, 0), 1);
        cr_assert(plan.token_op[1] == plan.token_op[2] && plan.token_op[2] == plan.token_op[3]);
        fates[plan.token_op[1]]++;
        for (uint32_t k = 1; k < 4 && plan.token_op[1] == MASK_RANDOM; k++) {
            cr_assert(plan.token_random[k] >= 100 && plan.token_random[k] < 1000);
        }
        equal_ids +=
            plan.token_op[1] == MASK_RANDOM && plan.token_random[1] == plan.token_random[2];
    }
    expect_share(fates[MASK_HIDE], 0.8, "hidden");
    expect_share(fates[MASK_RANDOM], 0.1, "replaced");
    expect_share(fates[MASK_KEEP], 0.1, "kept");
    cr_assert_lt(equal_ids, 10); /* of 600: each piece has a random id of its own */
}

Test(ernievil_nodes, the_shares_of_masked_and_replaced_nodes_are_options)
{
    const struct recipe_context c =
        ernievil_context(ONLY_OBJECT ",object_rate=1,node_mask=0.5,node_random=0.4");
    double fates[4] = {0};
    for (int i = 0; i < DRAWN; i++) {
        struct caption t;
        make_loose(&t, (uint64_t)i, GRAPH_OBJECT);
        fates[caption_plan(&c, &t, 0).token_op[3]]++;
    }
    expect_share(fates[MASK_HIDE], 0.5, "hidden");
    expect_share(fates[MASK_RANDOM], 0.4, "replaced");
    expect_share(fates[MASK_KEEP], 0.1, "kept");
}

Test(ernievil_nodes, pieces_have_fates_of_their_own_when_asked)
{
    const struct recipe_context c = ernievil_context(ONLY_OBJECT ",object_rate=1,fate=piece");
    double fates[4] = {0};
    double differ = 0;
    for (int i = 0; i < DRAWN; i++) {
        struct caption t;
        make_caption(&t, (uint64_t)i, "a sky+scraper");
        add_node(&t, GRAPH_OBJECT, "skyscraper");
        const struct plan plan = caption_plan(&c, &t, 0);
        cr_assert_eq(is_chosen(&plan, &t, 0), 1);
        fates[plan.token_op[2]]++;
        differ += plan.token_op[1] != plan.token_op[2];
    }
    expect_share(fates[MASK_HIDE], 0.8, "hidden");
    expect_share(fates[MASK_KEEP], 0.1, "kept");
    expect_share(differ, 1 - 0.64 - 0.01 - 0.01, "two pieces of unlike fate");
}

Test(ernievil_nodes, kept_nodes_are_asked_for_unless_told_otherwise)
{
    const struct recipe_context with = ernievil_context(ONLY_OBJECT ",object_rate=1,least=0");
    const struct recipe_context without =
        ernievil_context(ONLY_OBJECT ",object_rate=1,least=0,keep_loss=0,mlm_rate=1");
    int kept = 0;
    for (int i = 0; i < 300; i++) {
        struct caption t;
        make_loose(&t, (uint64_t)i, GRAPH_OBJECT);
        const struct plan a = caption_plan(&with, &t, 0);
        const struct plan b = caption_plan(&without, &t, 0);
        for (uint32_t k = 0; k < a.tokens; k++) {
            kept += a.token_op[k] == MASK_KEEP;
            const int keeps = a.token_op[k] == MASK_KEEP;
            cr_assert_eq(b.token_op[k], keeps ? MASK_NONE : a.token_op[k]);
            cr_assert_eq(b.token_for[k], keeps ? 0 : a.token_for[k]);
        }
    }
    cr_assert_gt(kept, 0);
}

/* ---- the figure ---- */

static void parse_and_tokenise(const char *text, struct sg_parser *parser, struct wordpiece *w,
                               struct wordpiece_tokens *t, struct pair_record *out)
{
    const struct sg_graph *g;
    cr_assert_eq(sg_parse(parser, text, strlen(text), &g), 0, "%s", err_text());
    cr_assert_eq(wordpiece_tokenize(w, view_str(text), t), 0);
    *out = (struct pair_record){.text = view_str(text), .tokens = wordpiece_block(w, t)};
    cr_assert_eq(sg_parser_record(parser, &out->graph), 0);
    put_be64(out->id.b, 77);
}

/* The words that a plan masks, with what for: "blue/attribute". */
static void masked_words(const struct pair_record *r, const struct plan *plan, char out[1000])
{
    size_t n = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < plan->tokens; i++) {
        if (plan->token_op[i] != MASK_NONE) {
            n += (size_t)snprintf(out + n, 1000 - n, "%s%.*s/%s", n ? " " : "",
                                  (int)(r->tokens.end[i] - r->tokens.beg[i]),
                                  (const char *)r->text.p + r->tokens.beg[i],
                                  recipe_ernievil.tasks[plan->token_for[i]]);
        }
    }
}

/* ERNIE-ViL's figure masks house, blue and on top of in one sample, and shows cat, car and dress.
 * Of relations, attributes and objects exactly these: 0.3 x 0.7^3 twice, then house and not woman,
 * the only objects still open. */
Test(ernievil_nodes, the_sample_of_the_authors_figure_comes_up_as_often_as_it_must)
{
    const struct recipe_context c = ernievil_context("joint_mlm=0,node_mask=1,node_random=0");
    const int epochs = 20000;
    struct sg_model *model;
    struct sg_parser *parser;
    struct wordpiece *w;
    struct wordpiece_tokens t = {0};
    struct pair_record r;
    cr_assert_eq(sg_model_open("sceneparse/captions.sgm", &model), 0, "%s", err_text());
    cr_assert_eq(sg_parser_new(model, &parser), 0);
    cr_assert_eq(wordpiece_open(NULL, WORDPIECE_AUTO, WORDPIECE_SPLIT_PYTHON, &w), 0);
    parse_and_tokenise("A woman in a blue dress is putting her little white cat on top of a brown "
                       "car in front of her house",
                       parser, w, &t, &r);
    double as_drawn = 0;
    for (uint32_t epoch = 0; epoch < (uint32_t)epochs; epoch++) {
        const struct plan plan = plan_of_pair(&c, &r, epoch, 0, 0);
        char words[1000];
        masked_words(&r, &plan, words);
        as_drawn += strcmp(words, "blue/attribute on/relation top/relation of/relation "
                                  "house/object") == 0;
    }
    const double p = pow(0.3 * pow(0.7, 3), 2) * 0.3 * 0.7;
    expect_within(as_drawn, p * epochs, p * epochs, "the figure's sample");
    cr_assert_gt(as_drawn, 10);
    wordpiece_tokens_release(&t);
    wordpiece_free(w);
    sg_parser_free(parser);
    sg_model_close(model);
}

/* ---- what the draws depend on ---- */

static void expect_same_nodes(const char *a_options, const char *b_options, uint32_t from,
                              uint32_t to)
{
    const struct recipe_context a = ernievil_context(a_options);
    const struct recipe_context b = ernievil_context(b_options);
    for (int i = 0; i < 300; i++) {
        struct caption t;
        make_figure(&t, (uint64_t)i);
        const struct plan x = caption_plan(&a, &t, 0);
        const struct plan y = caption_plan(&b, &t, 0);
        for (uint32_t n = from; n < to; n++) {
            const struct token_span s = node_tokens(&t.record.tokens, &t.nodes[n]);
            cr_assert_eq(is_chosen(&x, &t, n), is_chosen(&y, &t, n), "%s and %s", a_options,
                         b_options);
            if (is_chosen(&x, &t, n)) {
                cr_assert_arr_eq(x.token_op + s.beg, y.token_op + s.beg, s.end - s.beg);
                cr_assert_arr_eq(x.token_random + s.beg, y.token_random + s.beg,
                                 (s.end - s.beg) * sizeof(uint32_t));
            }
        }
    }
}

Test(ernievil_nodes, no_other_task_shifts_a_nodes_draws)
{
    expect_same_nodes("", "mlm_rate=0.9,mlm_mask=0.1,mlm_random=0.9", 0, FIGURE_NODES);
    expect_same_nodes("", "joint_mlm=0,least=0,fallback=0", 0, FIGURE_NODES);
    expect_same_nodes("", "mrm_rate=0.9,mrm_mask=0,mrm_target=class", 0, FIGURE_NODES);
    expect_same_nodes("", "negative=1,equality=group", 0, FIGURE_NODES);
    expect_same_nodes("", "object_rate=0.9", BLUE, FIGURE_NODES);
    expect_same_nodes("", "attribute_rate=0.9", IN, FIGURE_NODES);
    expect_same_nodes("", ONLY_RELATION, IN, FIGURE_NODES);
    expect_same_nodes("relation_rate=0", "joint=0,attribute=1", BLUE, IN);
    expect_same_nodes("relation_rate=0,attribute_rate=0", ONLY_OBJECT, 0, BLUE);
}

Test(ernievil_nodes, a_higher_rate_chooses_what_a_lower_one_does_and_more)
{
    const struct recipe_context low = ernievil_context(ONLY_RELATION ",relation_rate=0.2");
    const struct recipe_context high = ernievil_context(ONLY_RELATION ",relation_rate=0.6");
    for (int i = 0; i < 300; i++) {
        struct caption t;
        make_figure(&t, (uint64_t)i);
        const struct plan a = caption_plan(&low, &t, 0);
        const struct plan b = caption_plan(&high, &t, 0);
        for (uint32_t n = IN; n < FIGURE_NODES; n++) {
            cr_assert(!is_chosen(&a, &t, n) || is_chosen(&b, &t, n));
        }
    }
}

/* Which numbers of a stream serve what is part of every published run. */
Test(ernievil_nodes, the_draws_stay_as_published)
{
    const char *const options[] = {"mlm_rate=0.3", "count=ceiling,joint_mlm=0",
                                   "fate=piece,relation_rate=0.9,node_random=0.2,negative=1"};
    char got[600];
    size_t n = 0;
    for (size_t k = 0; k < sizeof options / sizeof *options; k++) {
        const struct recipe_context c = ernievil_context(options[k]);
        struct caption t;
        make_figure(&t, 5);
        const struct plan plan = caption_plan(&c, &t, 1);
        uint32_t random = 0;
        for (uint32_t i = 0; i < plan.tokens; i++) {
            n += (size_t)snprintf(got + n, sizeof got - n, "%c%c", ".moar"[plan.token_for[i]],
                                  ".MRK"[plan.token_op[i]]);
            random += plan.token_op[i] == MASK_RANDOM ? plan.token_random[i] : 0;
        }
        n += (size_t)snprintf(got + n, sizeof got - n, " %u %u\n", random, (unsigned)plan.medium);
    }
    cr_assert_str_eq(got, "....mR......................mMoM........aMaM......mM.... 836 3\n"
                          "......rM............rMrM....aR..........aMaM..........oM 580 3\n"
                          "......rR............rMrM........rRrRrM..aRaM..rMrMrM.... 3399 8\n");
}
