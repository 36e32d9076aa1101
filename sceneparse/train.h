/* Builds the model file of sceneparse.h from FACTUAL's annotated captions, other captions with
 * graphs, captions marked by hand and WordNet. */
#ifndef SCENEPARSE_TRAIN_H
#define SCENEPARSE_TRAIN_H

#include <stddef.h>
#include <stdio.h>

enum { TRAIN_CAPTIONS_MAX = 4 };

struct train_options {
    const char *csv;    /* FACTUAL's, columns caption and scene_graph_id */
    const char *graphs; /* more captions with graphs, in the same columns; NULL: none */
    const char *captions[TRAIN_CAPTIONS_MAX]; /* files of captions with their nodes marked in
                                               * place: "a {red} [car] <in> the [rain]";
                                               * lines that begin with ## are comments */
    int captions_count;
    const char *graphs_licence; /* for the provenance; NULL: untold */
    const char *captions_licence;
    const char *wordnet; /* the folder of index.noun, verb.exc, ...: /usr/share/wordnet */
    const char *out;     /* the model file */
    const char *date;    /* for the provenance: "2026-11-23" */
    /* Leaves every k-th example out, for tuning: those with number % holdout == 0; 0: none. */
    unsigned holdout;
    /* Another CSV whose captions are scored and not trained on; NULL: none. */
    const char *score;
    void (*progress)(const char *stage, size_t done, size_t total);
    /* Where the scores of the captions that were left out are printed; NULL: nowhere. */
    FILE *report;
};

/* Whether a line of such a file is a comment. */
int marked_is_comment(const char *line);

/* 0, or E_NO_FILE, E_FORMAT, E_SYSTEM; the same inputs give the same bytes. */
int sg_train(const struct train_options *options) __attribute__((warn_unused_result));

#endif
