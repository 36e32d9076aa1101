/*
 * Scene graphs of captions: what objects a caption names, which attributes they have, which
 * relations hold between them, and at which bytes of the caption each of these stands.
 *
 *     struct sg_model *model;
 *     struct sg_parser *parser;
 *     const struct sg_graph *graph;
 *     if (sg_model_open("captions.sgm", &model) || sg_parser_new(model, &parser)) ...
 *     if (sg_parse(parser, text, strlen(text), &graph) == 0) {
 *         for (uint32_t i = 0; i < graph->node_count; i++) { ... }
 *     }
 *     sg_parser_free(parser);
 *     sg_model_close(model);
 *
 * A model is a file mapped read-only: any number of threads and processes share one copy.  A parser
 * is a workspace of one thread; once it has seen a caption as long as the next one, parsing
 * allocates nothing.  The result is a pure function of the model's bytes and the caption's bytes.
 *
 * The method is a linear learned model: a conditional random field marks the words that name
 * objects, attributes and relations; log-linear rankers give each attribute its owner and each pair
 * of objects its relation.  sceneparse/README.md tells the whole of it, with measurements.
 *
 * Functions that can fail return 0 or a negative code of common/err.h, where err_text() has the
 * sentence for a person.  This header needs nothing else of pairmill.
 */
#ifndef SCENEPARSE_SCENEPARSE_H
#define SCENEPARSE_SCENEPARSE_H

#include <stddef.h>
#include <stdint.h>

#define SG_MUST_CHECK __attribute__((warn_unused_result))

/* The same numbers as enum graph_node_type of common/record.h. */
enum sg_node_type { SG_OBJECT = 1, SG_ATTRIBUTE = 2, SG_RELATION = 3 };

enum { SG_NONE = 0xffffffffu };

/* A word, number or punctuation mark: bytes [beg, end) of the caption. */
struct sg_token {
    uint32_t beg;
    uint32_t end;
};

/*
 * A node covers whole tokens.  An implicit relation is one whose word the caption does not say
 * ("train window": the window is *on* the train) or only evokes ("leg *of* a man": the man *has* a
 * leg); in the first case it covers no token and beg == end.
 */
struct sg_node {
    uint32_t type;        /* enum sg_node_type */
    uint32_t implicit;    /* 0 or 1 */
    uint32_t beg;         /* bytes [beg, end) of the caption */
    uint32_t end;         /* beg == end: no word of the caption */
    uint32_t label;       /* offset in `labels` of the NUL-terminated lemma: "man", "sit on", "2" */
    uint32_t name;        /* likewise, an object's plural kept: "men" */
    uint32_t token;       /* the first token covered */
    uint32_t token_count; /* 0 where beg == end */
};

/* An attribute's edge: node = the attribute, subject = its owner, object = SG_NONE.
 * A relation's edge: node = the relation, subject and object its two ends.
 * All three are indexes of nodes; a node may have several edges ("white hats and shirts"). */
struct sg_edge {
    uint32_t node;
    uint32_t subject;
    uint32_t object;
};

/* Borrowed from the parser until its next sg_parse() or its end.
 * Nodes stand in the order of their words; edges in the order of their nodes. */
struct sg_graph {
    uint32_t token_count;
    uint32_t node_count;
    uint32_t edge_count;
    uint32_t labels_size; /* bytes, all NULs included */
    const struct sg_token *tokens;
    const struct sg_node *nodes;
    const struct sg_edge *edges;
    const char *labels;
};

struct sg_model;
struct sg_parser;

/* Maps the model file `path` read-only and checks it.
 * E_NO_FILE, E_SYSTEM, E_NOMEM; E_MODEL: not a model; E_VERSION: of another format version;
 * E_TRUNCATED; E_CHECKSUM: damaged. */
int sg_model_open(const char *path, struct sg_model **model) SG_MUST_CHECK;

/* All parsers of the model must have been freed.  NULL is fine. */
void sg_model_close(struct sg_model *model);

/* Where the model comes from: lines of "key: value" (data, licence, date, scores), NUL-terminated,
 * valid as long as the model. */
const char *sg_model_provenance(const struct sg_model *model);

/* A workspace for one thread; it borrows the model.  E_NOMEM. */
int sg_parser_new(const struct sg_model *model, struct sg_parser **parser) SG_MUST_CHECK;
void sg_parser_free(struct sg_parser *parser);

/* Parses one caption of n bytes: any bytes, of any length below 2^31, no NUL needed.  What cannot
 * be understood (noise, another language, invalid UTF-8) gives no nodes rather than an error.
 * Several sentences are parsed one by one and merged into one graph.  Time is linear in n.
 * E_NOMEM, E_TOO_BIG. */
int sg_parse(struct sg_parser *parser, const char *text, size_t n,
             const struct sg_graph **graph) SG_MUST_CHECK;

/* The last parsed graph in the record's form (common/record.h), valid as the graph itself is:
 *     struct pair_record r = {...};
 *     rc = sg_parser_record(parser, &r.graph);
 * E_NOMEM. */
struct scene_graph;
int sg_parser_record(struct sg_parser *parser, struct scene_graph *record) SG_MUST_CHECK;

#endif
