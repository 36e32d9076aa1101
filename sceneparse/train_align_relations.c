/* Where relations stand: in their own words, best between their ends, or in the one run of words
 * there that evokes them. */
#include "sceneparse/train_align.h"

static int is_possessive(const struct word *w)
{
    static const char *const words[] = {"his", "her", "its", "their", "it's"};
    return word_says_any(w, words, sizeof words / sizeof *words);
}

/* The one run of free words between two objects that are no fillers; one that ends in a preposition
 * may have an article inside ("on the back of"). */
static int evoking_run(const struct alignment *a, int beg, int end, int *run_beg, int *run_end)
{
    int runs = 0;
    for (int i = beg; i < end; i++) {
        const struct word *w = word_at(a->s, i);
        const int open = (a->claimed[i] == 0 || a->claimed[i] == SG_RELATION) &&
                         !word_is_filler(w) && !is_possessive(w);
        if (open && (runs == 0 || *run_end != i)) {
            const int joins = runs == 1 && *run_end == i - 1 && word_is_article(w - 1);
            runs += !joins;
            *run_beg = joins ? *run_beg : i;
            *run_end = i + 1;
        } else if (open) {
            *run_end = i + 1;
        }
    }
    int words = 0;
    int articles = 0;
    for (int i = *run_beg; runs == 1 && i < *run_end; i++) {
        const int article = word_is_article(word_at(a->s, i));
        articles += article;
        words += !article;
    }
    static const char *const ends[] = {"of", "to", "from"};
    return runs == 1 && words <= 4 &&
           (articles == 0 || word_says_any(word_at(a->s, *run_end - 1), ends, 3));
}

/* How many words from i on say the relation, articles inside left out ("on the back of" says "on
 * back of"); 0: they do not. */
static int relation_stands_at(const struct alignment *a, const struct phrase *p, int i)
{
    int k = i;
    for (int j = 0; j < p->n; j++, k++) {
        while (j > 0 && k < (int)a->s->n && word_is_article(word_at(a->s, k)) &&
               !same_word(word_at(a->s, k), &p->w[j])) {
            k++;
        }
        if (k >= (int)a->s->n || !same_word(word_at(a->s, k), &p->w[j])) {
            return 0;
        }
    }
    return p->n > 0 && span_is_open(a, i, k - i, SG_RELATION) ? k - i : 0;
}

/* The best place of the relation's own words, -1 if there is none; prefers between its ends. */
static int said_at(struct alignment *a, const struct phrase *p, const struct named *s,
                   const struct named *o, int *words)
{
    const int lo = s->beg < o->beg ? s->end : o->end;
    const int hi = s->beg < o->beg ? o->beg : s->beg;
    int best = -1;
    int best_cost = 0;
    for (int i = 0; i < (int)a->s->n; i++) {
        const int n = relation_stands_at(a, p, i);
        if (n == 0 || splits_span(a, i, i + n, SG_RELATION)) {
            continue;
        }
        const int inside = i >= lo && i + n <= hi;
        const int cost = span_gap(i, i + n, o->beg, o->end) +
                         (inside ? 0 : 20 + 2 * span_gap(i, i + n, s->beg, s->end));
        if (best < 0 || cost < best_cost) {
            best = i;
            best_cost = cost;
            *words = n;
        }
    }
    return best;
}

void place_relation(struct alignment *a, const struct fact *f)
{
    const struct named *s = object_of(a, f->subject);
    const struct named *o = object_of(a, f->object);
    if (!s || !o || s == o || s->beg < 0 || o->beg < 0 || a->edge_count >= 4 * SEGMENT_MAX - 1) {
        return;
    }
    struct phrase p;
    phrase_read(a->t, f->relation, &p);
    const int lo = s->beg < o->beg ? s->end : o->end;
    const int hi = s->beg < o->beg ? o->beg : s->beg;
    int words = 0;
    int beg = said_at(a, &p, s, o, &words);
    int end = beg + words;
    if (beg < 0 && !evoking_run(a, lo, hi, &beg, &end)) {
        beg = -1;
    }
    uint16_t span = REL_UNSAID;
    const int subject = object_span(a, s);
    const int object = object_span(a, o);
    if (beg >= 0 && !splits_span(a, beg, end, SG_RELATION)) {
        span = (uint16_t)add_span(a, beg, end, SG_RELATION, f->relation);
        span_claim(a, beg, end, SG_RELATION);
    }
    a->edges[a->edge_count++] =
        (struct gold_edge){(uint16_t)subject, (uint16_t)object, span, f->relation};
}
