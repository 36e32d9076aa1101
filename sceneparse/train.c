/* The order of training. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

enum { FOLDS = 5 };

static void tell(const struct trainer *t, const char *stage, size_t done, size_t total)
{
    if (t->options->progress) {
        t->options->progress(stage, done, total);
    }
}

int left_out(const struct trainer *t, uint32_t i)
{
    return i >= t->train_n || (t->options->holdout && i % t->options->holdout == 0);
}

static int run(struct trainer *t)
{
    const struct train_options *o = t->options;
    int rc = lexicon_build(t, o->wordnet);
    if (rc) {
        return rc;
    }
    rc = examples_read(o->csv, &t->strings, &t->examples);
    if (rc) {
        return rc;
    }
    t->train_n = t->examples.n;
    rc = o->score ? examples_read(o->score, &t->strings, &t->examples) : 0;
    if (rc) {
        return rc;
    }
    align_all(t);
    tell(t, "aligned", t->examples.n, t->examples.n);
    classes_build(t);
    names_build(t);
    uint8_t **tags = tagger_jackknife(t, FOLDS);
    tagger_train(t, -1, 1, &t->m.tagger);
    tell(t, "tagger", 1, 1);
    owners_train(t, tags);
    tell(t, "owners", 1, 1);
    relations_train(t, tags, FOLDS);
    tell(t, "relations", 1, 1);
    t->m.strings = t->strings.p;
    if (o->score || o->holdout) {
        score_left_out(t, stdout);
    }
    return model_write(t, o->out, o->note);
}

int sg_train(const struct train_options *options)
{
    struct trainer *t = xrealloc(NULL, 1, sizeof *t);
    memset(t, 0, sizeof *t);
    t->options = options;
    t->s = xrealloc(NULL, 1, sizeof *t->s);
    const int rc = run(t);
    /* Training runs once a process and holds what it built until that ends. */
    return rc;
}
