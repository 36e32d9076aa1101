/*
 * What the tests of ERNIE-ViL's samples share: texts given as words with their graph, and plans and
 * samples made in a line.  All memory is the test's own.
 *
 * A text is words between spaces, a word of several pieces written with '+' ("sky+scrap+er").
 * Sub-tokens are numbered from 200; the text in the record has no '+'.
 */
#ifndef TESTS_UNIT_ERNIEVIL_FIXTURE_H
#define TESTS_UNIT_ERNIEVIL_FIXTURE_H

#include "recipes/ernievil.h"
#include "recipes/node_tokens.h"
#include "tests/unit/recipe_fixture.h"

enum { NODES_MAX = 40, EDGES_MAX = 40 };

struct caption {
    char bytes[1000];
    uint32_t ids[TOKENS_MAX];
    uint32_t beg[TOKENS_MAX];
    uint32_t end[TOKENS_MAX];
    uint8_t start[TOKENS_MAX];
    struct graph_node nodes[NODES_MAX];
    struct graph_edge edges[EDGES_MAX];
    struct pair_record record;
};

static inline void make_caption(struct caption *c, uint64_t number, const char *words)
{
    *c = (struct caption){0};
    uint32_t n = 0;
    uint32_t at = 0;
    for (const char *p = words; *p; p++) {
        const char before = p == words ? ' ' : p[-1];
        if (before == ' ' || before == '+') {
            c->beg[n] = at;
            c->start[n] = before == ' ';
            c->ids[n] = 200 + n;
            n++;
        }
        if (*p != '+') {
            c->bytes[at++] = *p;
            c->end[n - 1] = *p == ' ' ? c->end[n - 1] : at;
        }
    }
    c->record = (struct pair_record){
        .text = view_of(c->bytes, at),
        .tokens = {.n = n, .ids = c->ids, .beg = c->beg, .end = c->end, .word_start = c->start},
        .graph = {.nodes = c->nodes, .edges = c->edges, .labels = view_of("", 1)},
    };
    put_be64(c->record.id.b, number * 0x9e3779b97f4a7c15u);
}

/* The caption's first occurrence of these bytes as a node; "" for a node of no bytes. */
static inline uint32_t add_node(struct caption *c, enum graph_node_type type, const char *bytes)
{
    const char *at = strstr(c->bytes, bytes);
    cr_assert_not_null(at, "no \"%s\" in \"%s\"", bytes, c->bytes);
    const uint32_t beg = (uint32_t)(at - c->bytes);
    const uint32_t n = c->record.graph.node_count++;
    c->nodes[n] = (struct graph_node){
        .type = type, .implicit = !bytes[0], .beg = beg, .end = beg + (uint32_t)strlen(bytes)};
    return n;
}

static inline void add_edge(struct caption *c, uint32_t node, uint32_t subject, uint32_t object)
{
    c->edges[c->record.graph.edge_count++] = (struct graph_edge){node, subject, object};
}

static inline uint32_t add_attribute(struct caption *c, const char *bytes, uint32_t owner)
{
    const uint32_t n = add_node(c, GRAPH_ATTRIBUTE, bytes);
    add_edge(c, n, owner, GRAPH_NONE);
    return n;
}

static inline uint32_t add_relation(struct caption *c, const char *bytes, uint32_t subject,
                                    uint32_t object)
{
    const uint32_t n = add_node(c, GRAPH_RELATION, bytes);
    add_edge(c, n, subject, object);
    return n;
}

/* The nodes of the caption below. */
enum {
    WOMAN,
    DRESS,
    CAT,
    CAR,
    HOUSE,
    BLUE,
    LITTLE,
    WHITE,
    BROWN,
    IN,
    PUTTING,
    ON_TOP_OF,
    IN_FRONT_OF,
    FIGURE_NODES
};

/* The caption of the figure in ERNIE-ViL's repository, some of its words in pieces. */
static inline void make_figure(struct caption *c, uint64_t number)
{
    static const char *const objects[] = {"woman", "dress", "cat", "car", "house"};
    make_caption(c, number,
                 "a wo+man in a blue dre+s+s is put+ting her little white cat on top of a bro+wn "
                 "car in front of her house");
    for (int i = 0; i < 5; i++) {
        add_node(c, GRAPH_OBJECT, objects[i]);
    }
    add_attribute(c, "blue", DRESS);
    add_attribute(c, "little", CAT);
    add_attribute(c, "white", CAT);
    add_attribute(c, "brown", CAR);
    add_relation(c, "in", WOMAN, DRESS);
    add_relation(c, "putting", WOMAN, CAT);
    add_relation(c, "on top of", CAT, CAR);
    add_relation(c, "in front of", CAR, HOUSE);
}

static inline enum ernievil_task task_of_type(uint32_t type)
{
    return type == GRAPH_OBJECT      ? ERNIEVIL_OBJECT
           : type == GRAPH_ATTRIBUTE ? ERNIEVIL_ATTRIBUTE
                                     : ERNIEVIL_RELATION;
}

/* Whether the plan chose a node: every sub-token of it or none, and for the task of its type. */
static inline int is_chosen(const struct plan *plan, const struct caption *c, uint32_t node)
{
    const struct token_span s = node_tokens(&c->record.tokens, &c->nodes[node]);
    const uint8_t task = (uint8_t)task_of_type(c->nodes[node].type);
    uint32_t chosen = 0;
    for (uint32_t t = s.beg; t < s.end; t++) {
        chosen += plan->token_for[t] == task;
        cr_assert_eq(plan->token_for[t] != 0, plan->token_op[t] != MASK_NONE);
    }
    cr_assert(chosen == 0 || chosen == s.end - s.beg, "node %u is chosen in part", node);
    return chosen > 0;
}

/* Whether all of a node's words stay as they are, and are not asked for. */
static inline int is_visible(const struct plan *plan, const struct caption *c, uint32_t node)
{
    const struct token_span s = node_tokens(&c->record.tokens, &c->nodes[node]);
    for (uint32_t t = s.beg; t < s.end; t++) {
        if (plan->token_op[t] != MASK_NONE) {
            return 0;
        }
    }
    return 1;
}

static inline struct recipe_context ernievil_context(const char *options)
{
    return make_context_of(&recipe_ernievil, options);
}

static inline struct plan caption_plan(const struct recipe_context *c, const struct caption *t,
                                       uint32_t epoch)
{
    return plan_of_pair(c, &t->record, epoch, 0, 3);
}

#define ONLY_OBJECT    "joint=0,object=1"
#define ONLY_ATTRIBUTE "joint=0,attribute=1"
#define ONLY_RELATION  "joint=0,relation=1"
#define ONLY_WORDS     "joint=0,mlm=1"

#endif
