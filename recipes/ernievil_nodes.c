/*
 * Scene graph prediction: which nodes are masked.
 *
 * Relations first, whose two ends are then protected; then attributes, whose owner is protected;
 * then objects among what is left.  So what a masked word must be told from always stays visible.
 * A node is open to choice when nothing it masks is protected or taken, and nothing it protects is
 * taken; words that two nodes share therefore belong to at most one chosen node.
 *
 * Node i has the stream's numbers 4i (chosen) and 4i+1 (what becomes of it), sub-token t the
 * numbers 2^21 + 2t and the next (its random id), and 2^22 + t (what becomes of it, where each
 * piece has a fate of its own).
 */
#include <math.h>

#include "recipes/choices.h"
#include "recipes/ernievil.h"
#include "recipes/node_tokens.h"

enum { RANDOM_IDS = 1 << 20, PIECE_FATES = 1 << 22 };

enum closing { OPEN, TAKEN, PROTECTED };

struct choosing {
    const struct recipe_context *c;
    const struct pair_record *pair;
    struct draw draw;
    struct plan *out;
    uint8_t *closed; /* [tokens] enum closing */
};

/* What holds for the nodes of one type. */
struct kind {
    enum graph_node_type type;
    enum ernievil_task task;
    enum ernievil_option rate;
    enum ernievil_option protect; /* ERNIEVIL_OPTIONS: it has nothing to protect */
};

static const struct kind kinds[] = {
    {GRAPH_RELATION, ERNIEVIL_RELATION, ERNIEVIL_RELATION_RATE, ERNIEVIL_PROTECT_ENDS},
    {GRAPH_ATTRIBUTE, ERNIEVIL_ATTRIBUTE, ERNIEVIL_ATTRIBUTE_RATE, ERNIEVIL_PROTECT_OWNER},
    {GRAPH_OBJECT, ERNIEVIL_OBJECT, ERNIEVIL_OBJECT_RATE, ERNIEVIL_OPTIONS},
};

static double option(const struct choosing *g, enum ernievil_option o)
{
    return g->c->options.value[o];
}

static int protects(const struct choosing *g, const struct kind *k)
{
    return k->protect != ERNIEVIL_OPTIONS && option(g, k->protect) > 0;
}

static struct token_span span_of(const struct choosing *g, uint32_t node)
{
    return node_tokens(&g->pair->tokens, &g->pair->graph.nodes[node]);
}

static int any_closed(const struct choosing *g, struct token_span s, enum closing least,
                      enum closing most)
{
    for (uint32_t t = s.beg; t < s.end; t++) {
        if (g->closed[t] >= least && g->closed[t] <= most) {
            return 1;
        }
    }
    return 0;
}

static void close_span(struct choosing *g, struct token_span s, enum closing how)
{
    memset(g->closed + s.beg, how, s.end - s.beg);
}

static int overlap(struct token_span a, struct token_span b)
{
    return a.beg < b.end && b.beg < a.end;
}

/* The nodes that an edge joins to its attribute or relation; returns how many. */
static uint32_t neighbours(const struct graph_edge *e, uint32_t out[2])
{
    uint32_t n = 0;
    if (e->subject != GRAPH_NONE) {
        out[n++] = e->subject;
    }
    if (e->object != GRAPH_NONE) {
        out[n++] = e->object;
    }
    return n;
}

/* Whether everything next to the node can stay visible while its words s are masked. */
static int can_protect(const struct choosing *g, uint32_t node, struct token_span s)
{
    for (uint32_t i = 0; i < g->pair->graph.edge_count; i++) {
        const struct graph_edge *e = &g->pair->graph.edges[i];
        uint32_t next[2];
        const uint32_t n = e->node == node ? neighbours(e, next) : 0;
        for (uint32_t k = 0; k < n; k++) {
            const struct token_span other = span_of(g, next[k]);
            if (overlap(s, other) || any_closed(g, other, TAKEN, TAKEN)) {
                return 0;
            }
        }
    }
    return 1;
}

static void protect_neighbours(struct choosing *g, uint32_t node)
{
    for (uint32_t i = 0; i < g->pair->graph.edge_count; i++) {
        const struct graph_edge *e = &g->pair->graph.edges[i];
        uint32_t next[2];
        const uint32_t n = e->node == node ? neighbours(e, next) : 0;
        for (uint32_t k = 0; k < n; k++) {
            close_span(g, span_of(g, next[k]), PROTECTED);
        }
    }
}

static int is_open(const struct choosing *g, const struct kind *k, uint32_t node)
{
    const struct graph_node *n = &g->pair->graph.nodes[node];
    if (n->type != k->type || (n->implicit && option(g, ERNIEVIL_EVOKED) == 0)) {
        return 0;
    }
    const struct token_span s = span_of(g, node);
    return s.end > s.beg && !any_closed(g, s, TAKEN, PROTECTED) &&
           (!protects(g, k) || can_protect(g, node, s));
}

/* What becomes of sub-token t of a node. */
static enum mask_op fate(const struct choosing *g, uint32_t node, uint32_t t)
{
    const struct mask_shares shares = {option(g, ERNIEVIL_NODE_MASK),
                                       option(g, ERNIEVIL_NODE_RANDOM)};
    const int whole = (int)option(g, ERNIEVIL_FATE) == FATE_OF_NODE;
    const uint32_t number = whole ? 4 * node + 1 : PIECE_FATES + t;
    return choose_fate(&shares, (double)draw_unit(&g->draw, number));
}

static void take(struct choosing *g, const struct kind *k, uint32_t node)
{
    const struct token_span s = span_of(g, node);
    close_span(g, s, TAKEN);
    if (protects(g, k)) {
        protect_neighbours(g, node);
    }
    for (uint32_t t = s.beg; t < s.end; t++) {
        const enum mask_op op = fate(g, node, t);
        if (op == MASK_KEEP && option(g, ERNIEVIL_KEEP_LOSS) == 0) {
            continue;
        }
        g->out->token_op[t] = (uint8_t)op;
        g->out->token_for[t] = (uint8_t)k->task;
        if (op == MASK_RANDOM) {
            g->out->token_random[t] = choose_id(g->c, &g->draw, RANDOM_IDS + t);
        }
    }
}

/* Each open node by itself. */
static uint32_t take_bernoulli(struct choosing *g, const struct kind *k, double rate)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < g->pair->graph.node_count; i++) {
        if ((double)draw_unit(&g->draw, 4 * i) < rate && is_open(g, k, i)) {
            take(g, k, i);
            taken++;
        }
    }
    return taken;
}

/* The open nodes with the smallest draws, as many as the rate asks for, rounded up; one that
 * another has closed meanwhile gives its turn to the next. */
static uint32_t take_ceiling(struct choosing *g, const struct kind *k, double rate)
{
    uint32_t node[PLAN_TOKENS_MAX]; /* more have no words of their own */
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->pair->graph.node_count && n < PLAN_TOKENS_MAX; i++) {
        if (is_open(g, k, i)) {
            node[n++] = i;
        }
    }
    const uint32_t wanted = (uint32_t)ceil(rate * n - 1e-9); /* 0.3 x 10 is 3 */
    uint32_t taken = 0;
    while (n > 0 && taken < wanted) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < n; i++) {
            const uint32_t a = draw_u32(&g->draw, 4 * node[i]);
            const uint32_t b = draw_u32(&g->draw, 4 * node[best]);
            best = a < b || (a == b && node[i] < node[best]) ? i : best;
        }
        if (is_open(g, k, node[best])) {
            take(g, k, node[best]);
            taken++;
        }
        node[best] = node[--n];
    }
    return taken;
}

uint32_t ernievil_choose_nodes(const struct recipe_context *c, const struct pair_record *pair,
                               struct plan *out, uint8_t *closed)
{
    struct choosing g = {c, pair, choose_stream(c, out->epoch, pair, DRAW_MASK_GRAPH), out, closed};
    const int ceiling = (int)option(&g, ERNIEVIL_COUNT) == COUNT_CEILING;
    uint32_t taken = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct kind *k = &kinds[i];
        if (out->task == ERNIEVIL_JOINT || out->task == k->task) {
            const double rate = option(&g, k->rate);
            taken += ceiling ? take_ceiling(&g, k, rate) : take_bernoulli(&g, k, rate);
        }
    }
    return taken;
}
