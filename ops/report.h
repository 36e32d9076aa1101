/*
 * The report: one HTML page that shows a newcomer what a corpus holds and what it is for.
 *
 * The page stands alone: pictures are embedded, nothing is fetched, no script runs.  The same
 * corpus, queue, pictures and options give the same bytes.
 */
#ifndef OPS_REPORT_H
#define OPS_REPORT_H

#include "common/buf.h"

enum {
    REPORT_PAIRS_MAX = 100,          /* pairs shown */
    REPORT_PICTURE_MAX = 4 << 20,    /* bytes of an embedded picture */
    REPORT_PICTURES_MAX = 128 << 20, /* bytes of all of them */
    REPORT_PAGE_MAX = 256 << 20,     /* bytes of the page */
};

struct report_options {
    const char *recipe;     /* what the drawn samples follow */
    const char *vocabulary; /* vocab.txt of the corpus's tokens; NULL: the built-in one */
    uint64_t seed;          /* of the choice of pairs and of the samples */
    uint32_t pairs;         /* to show; at most REPORT_PAIRS_MAX */
};

/* Appends the page to `page`.  Reads the catalog, the records it shows, at most some thousand
 * visual records for the histograms, the pictures, and the queue's file where no broker has it.
 * What corpus_open() returns; E_ARG for an unknown recipe. */
int report_make(const char *corpus, const struct report_options *options,
                struct buf *page) MUST_CHECK;

#endif
