/* Nodes marked by hand in captions that are not part of the project: a row names
 * the caption's line, the XXH3 of its bytes and the nodes' bytes. */
#ifndef OPS_PARSE_SCORE_H
#define OPS_PARSE_SCORE_H

#include <stdio.h>

#include "sceneparse/sceneparse.h"

/* Prints precision, recall and F1 of the nodes by type, for the odd rows, the even rows (which are
 * those of tests/data/cc3m_nodes.tsv that nothing was tuned on) and all rows.  E_NO_FILE, E_FORMAT,
 * E_TOO_BIG: a row of more than 64 nodes; E_CHECKSUM: other captions. */
int parse_score(struct sg_parser *parser, const char *captions_path, const char *spans_path,
                FILE *out) SG_MUST_CHECK;

/* Prints the captions with their marks in place, "a {red} [car]", as training reads them. */
int parse_mark(const char *captions_path, const char *spans_path, FILE *out) SG_MUST_CHECK;

#endif
