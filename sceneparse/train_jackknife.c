/* Examples as taggers find them that did not see them: what the rankers learn from. */
#include <stdlib.h>
#include <string.h>

#include "sceneparse/train_internal.h"

static void tagged_free(struct tagged *tagged, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        free(tagged[i].readings);
    }
    free(tagged);
}

void jackknife_free(const struct trainer *t, struct jackknife *j)
{
    tagged_free(j->examples, t->examples.n);
    tagged_free(j->marked, t->marked.n);
}

void tagged_load(struct trainer *t, const struct example *e, const struct tagged *tagged)
{
    example_load(t, e);
    t->s->reading_count = tagged->n;
    memcpy(t->s->readings, tagged->readings, tagged->n * sizeof *t->s->readings);
}

static void tag_fold(struct trainer *t, const struct tagger_model *m, const struct examples *all,
                     uint32_t fold, uint32_t folds, struct tagged *out)
{
    for (uint32_t i = fold; i < all->n; i += folds) {
        example_load(t, &all->e[i]);
        tagger_run(m, t->s);
        out[i].n = t->s->reading_count;
        out[i].readings = xrealloc(NULL, out[i].n, sizeof *out[i].readings);
        memcpy(out[i].readings, t->s->readings, out[i].n * sizeof *t->s->readings);
    }
}

struct jackknife tagger_jackknife(struct trainer *t, int folds)
{
    const struct jackknife j = {
        xrealloc(NULL, t->examples.n + 1, sizeof *j.examples),
        xrealloc(NULL, t->marked.n + 1, sizeof *j.marked),
    };
    for (int fold = 0; fold < folds; fold++) {
        struct tagger_model m;
        tagger_train(t, fold, folds, &m);
        tag_fold(t, &m, &t->examples, (uint32_t)fold, (uint32_t)folds, j.examples);
        tag_fold(t, &m, &t->marked, (uint32_t)fold, (uint32_t)folds, j.marked);
        free((void *)m.rows);
        free((void *)m.transitions);
        if (t->options->progress) {
            t->options->progress("tagging by cross-validation", (size_t)fold + 1, (size_t)folds);
        }
    }
    return j;
}
