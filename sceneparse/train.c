/* The order of training. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

enum { FOLDS = 10 };

static void tell(const struct trainer *t, const char *stage, size_t done, size_t total)
{
    if (t->options->progress) {
        t->options->progress(stage, done, total);
    }
}

/* The model tells what it was made of; the scores are those of the captions left out, if any. */
static int write_with_provenance(struct trainer *t)
{
    const struct train_options *o = t->options;
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    BUG_ON(!f);
    fprintf(f,
            "data: FACTUAL (Li et al., ACL 2023), %u captions, XXH3 of the file %016llx\n"
            "licence: FACTUAL is MIT; its captions are Visual Genome's, CC BY 4.0\n"
            "lexicon: WordNet 3.0 (WordNet licence): parts of speech, exceptions, noun senses\n"
            "trained: %s by pairmill parse train\n",
            t->csv_n, (unsigned long long)t->csv_hash, o->date ? o->date : "undated");
    if (o->graphs) {
        fprintf(f,
                "graphs: %u captions more, XXH3 of the file %016llx\n"
                "licence of the graphs: %s\n",
                t->train_n - t->csv_n, (unsigned long long)t->graphs_hash,
                o->graphs_licence ? o->graphs_licence : "untold");
    }
    if (t->marked.n) {
        fprintf(f,
                "marked: %u captions in the manner of the web, hash of the files %016llx\n"
                "licence of the marked: %s\n",
                t->marked.n, (unsigned long long)t->marked_hash,
                o->captions_licence ? o->captions_licence : "untold");
    }
    if (o->score || o->holdout) {
        score_left_out(t, f);
    }
    const int closed = fclose(f);
    BUG_ON(closed != 0);
    if (o->report && (o->score || o->holdout)) {
        fputs(text, o->report);
    }
    const int rc = model_write(t, o->out, text);
    free(text);
    return rc;
}

/* The rankers, each on what those before it find in examples that they did not see. */
static void links_train(struct trainer *t, const struct jackknife *jackknife)
{
    const struct tagged *tagged = jackknife->examples;
    struct link_fold without[FOLDS];
    places_build(t, tagged);
    for (int fold = 0; fold < FOLDS; fold++) {
        without[fold].owners = owners_fit(t, tagged, fold, FOLDS);
        without[fold].relations = relations_fit(t, tagged, fold, FOLDS);
        tell(t, "links by cross-validation", (size_t)fold + 1, FOLDS);
    }
    t->m.choice_rank = choice_fit(t, tagged, without, FOLDS);
    t->m.reading_rank = readings_fit(t, jackknife, without, FOLDS);
    for (int fold = 0; fold < FOLDS; fold++) {
        free((void *)without[fold].owners.rows);
        free((void *)without[fold].relations.rows);
    }
    t->m.owner_rank = owners_fit(t, tagged, -1, FOLDS);
    t->m.relation_rank = relations_fit(t, tagged, -1, FOLDS);
    tell(t, "links", 1, 1);
}

/* Reads the captions to score when all else is done, so that the model does not depend on them. */
static int score_read(struct trainer *t, struct alignment *alignment)
{
    uint64_t unused;
    const int rc = examples_read(t->options->score, &t->strings, &t->examples, &unused);
    if (!rc) {
        align_from(alignment, t->train_n);
        t->m.strings = t->strings.p;
    }
    return rc;
}

static int read_all(struct trainer *t)
{
    const struct train_options *o = t->options;
    int rc = lexicon_build(t, o->wordnet);
    rc = rc ? rc : examples_read(o->csv, &t->strings, &t->examples, &t->csv_hash);
    t->csv_n = t->examples.n;
    if (!rc && o->graphs) {
        rc = examples_read(o->graphs, &t->strings, &t->examples, &t->graphs_hash);
    }
    t->train_n = t->examples.n;
    for (int i = 0; i < o->captions_count && !rc; i++) {
        rc = marked_read(o->captions[i], t);
    }
    return rc;
}

static int run(struct trainer *t)
{
    const struct train_options *o = t->options;
    int rc = model_folder_check(o->out);
    rc = rc ? rc : read_all(t);
    if (rc) {
        return rc;
    }
    struct alignment *alignment = align_all(t);
    tell(t, "aligned", t->examples.n, t->examples.n);
    classes_build(t);
    names_build(t);
    struct jackknife tagged = tagger_jackknife(t, FOLDS);
    tagger_train(t, -1, 1, &t->m.tagger);
    tell(t, "tagger", 1, 1);
    links_train(t, &tagged);
    jackknife_free(t, &tagged);
    t->strings_n = t->strings.n;
    rc = o->score ? score_read(t, alignment) : 0;
    alignment_free(alignment);
    return rc ? rc : write_with_provenance(t);
}

/* Tables under construction are the trainer's own; the model only looks at them. */
static void trainer_free(struct trainer *t)
{
    examples_free(&t->examples);
    examples_free(&t->marked);
    free(t->strings.p);
    free(t->strings.slots);
    free(t->lexemes);
    free((void *)t->m.irregulars.slots);
    free((void *)t->m.namings.slots);
    free((void *)t->m.namings.names);
    free((void *)t->m.unsaid);
    free((void *)t->m.tagger.rows);
    free((void *)t->m.tagger.transitions);
    free((void *)t->m.owner_rank.rows);
    free((void *)t->m.relation_rank.rows);
    free((void *)t->m.choice_rank.rows);
    free((void *)t->m.reading_rank.rows);
    free((void *)t->m.relation_places);
    free(t->s);
    free(t);
}

int sg_train(const struct train_options *options)
{
    struct trainer *t = xrealloc(NULL, 1, sizeof *t);
    memset(t, 0, sizeof *t);
    t->options = options;
    t->s = xrealloc(NULL, 1, sizeof *t->s);
    const int rc = run(t);
    trainer_free(t);
    return rc;
}
