/* A scene graph as text: for people, for programs (JSON), for Graphviz, for FACTUAL's scorer. */
#ifndef SCENEPARSE_RENDER_H
#define SCENEPARSE_RENDER_H

#include "common/buf.h"
#include "sceneparse/sceneparse.h"

enum graph_style { GRAPH_TREE, GRAPH_JSON, GRAPH_DOT, GRAPH_FACTUAL };

/* Appends the graph of caption `text` (n bytes) to `out`, which ends with a newline then.
 * E_NOMEM, E_TOO_BIG. */
int render_graph(const struct sg_graph *g, const char *text, size_t n, enum graph_style style,
                 struct buf *out) MUST_CHECK;

#endif
