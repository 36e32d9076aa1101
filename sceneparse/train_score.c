/* How well the model does on captions it was not trained on, against FACTUAL's facts as aligned. */
#include <string.h>

#include "sceneparse/train_internal.h"

struct count {
    size_t right, found, there;
};

static double f1(const struct count *c)
{
    return c->found + c->there ? 200.0 * (double)c->right / (double)(c->found + c->there) : 0;
}

static void print_count(FILE *out, const char *what, const struct count *c)
{
    fprintf(out, "%-28s precision %5.1f recall %5.1f F1 %5.1f (%zu in the captions)\n", what,
            c->found ? 100.0 * (double)c->right / (double)c->found : 0,
            c->there ? 100.0 * (double)c->right / (double)c->there : 0, f1(c), c->there);
}

static void count_spans(const struct segment *s, const struct example *e, struct count of[4])
{
    for (uint32_t i = 0; i < s->span_count; i++) {
        of[s->spans[i].type].found++;
        of[s->spans[i].type].right += example_span(e, &s->spans[i]) >= 0;
    }
    for (int k = 0; k < e->span_count; k++) {
        of[e->spans[k].type].there++;
    }
}

static void count_words(const struct segment *s, const struct example *e, size_t words[4][4])
{
    static const uint8_t type_of[TAGS] = {0, 1, 1, 2, 2, 3, 3};
    uint8_t gold[SEGMENT_MAX];
    tags_from_spans(e->spans, e->span_count, gold, s->n);
    for (uint32_t i = 0; i < s->n; i++) {
        words[type_of[gold[i]]][type_of[s->tags[i]]]++;
    }
}

/* Linking alone: owners and labelled relations when the spans are right. */
static void count_links(struct trainer *t, const struct example *e, struct count *owners,
                        struct count *relations)
{
    struct segment *s = t->s;
    tags_from_spans(e->spans, e->span_count, s->tags, s->n);
    segment_spans(s);
    if (s->span_count != e->span_count) {
        return; /* two nodes of one type side by side */
    }
    owners_run(&t->m, s);
    relations_run(&t->m, s);
    owners->found += s->owner_count;
    owners->there += e->owner_count;
    for (uint32_t i = 0; i < s->owner_count; i++) {
        for (int k = 0; k < e->owner_count; k++) {
            owners->right += memcmp(&s->owners[i], &e->owners[k], sizeof *s->owners) == 0;
        }
    }
    relations->found += s->relation_count;
    relations->there += e->edge_count;
    for (uint32_t i = 0; i < s->relation_count; i++) {
        const struct relation_edge *r = &s->relations[i];
        char own[LABEL_MAX] = "";
        if (r->label == STRING_NONE) {
            span_lemmas(s, &s->spans[r->relation], own);
        }
        const char *label = r->label == STRING_NONE ? own : t->strings.p + r->label;
        for (int k = 0; k < e->edge_count; k++) {
            const struct gold_edge *g = &e->edges[k];
            relations->right += g->subject == r->subject && g->object == r->object &&
                                strcmp(label, t->strings.p + g->label) == 0;
        }
    }
}

void score_left_out(struct trainer *t, FILE *out)
{
    static const char *const names[] = {"none", "object", "attribute", "relation"};
    struct count spans[4] = {{0}};
    struct count owners = {0};
    struct count relations = {0};
    size_t words[4][4] = {{0}};
    size_t n = 0;
    for (uint32_t i = 0; i < t->examples.n; i++) {
        const struct example *e = &t->examples.e[i];
        if (!left_out(t, i) || (t->options->score && i < t->train_n)) {
            continue;
        }
        n++;
        example_load(t, e);
        tagger_run(&t->m.tagger, t->s);
        readings_run(&t->m, t->s);
        count_spans(t->s, e, spans);
        count_words(t->s, e, words);
        count_links(t, e, &owners, &relations);
    }
    fprintf(out, "%zu captions that training did not see\n", n);
    print_count(out, "object spans", &spans[SG_OBJECT]);
    print_count(out, "attribute spans", &spans[SG_ATTRIBUTE]);
    print_count(out, "relation spans", &spans[SG_RELATION]);
    print_count(out, "owners, spans given", &owners);
    print_count(out, "relations, spans given", &relations);
    fprintf(out, "words, there (down) and found (across):\n%-12s", "");
    for (int b = 0; b < 4; b++) {
        fprintf(out, "%10s", names[b]);
    }
    for (int a = 0; a < 4; a++) {
        fprintf(out, "\n%-12s", names[a]);
        for (int b = 0; b < 4; b++) {
            fprintf(out, "%10zu", words[a][b]);
        }
    }
    fprintf(out, "\n");
}
