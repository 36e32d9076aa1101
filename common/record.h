/*
 * Records in memory: what a worker found out about a medium (visual record) and about one text of
 * it (pair record), as typed views.
 *
 * The shard codec (shards/record_codec.h) fills these from stored bytes and writes stored bytes
 * from them; recipes read them.  They own nothing: every pointer is borrowed, valid as long as the
 * bytes that the filler names (a decoded record, a worker's own arrays).  Absent optional parts are
 * NULL with count 0.
 */
#ifndef COMMON_RECORD_H
#define COMMON_RECORD_H

#include <stdint.h>

#include "common/bytes.h"
#include "common/half.h"
#include "common/id.h"

enum feature_dtype { FEATURE_F16 = 1, FEATURE_F32 = 2 };

/* Which boxes these are: the proposals themselves (BUTD, UNITER) or regressed ones. */
enum box_convention { BOX_PROPOSAL = 1, BOX_REGRESSED = 2 };
enum box_order { BOX_BY_CONFIDENCE = 1, BOX_BY_PROPOSAL = 2 };

/* One image.  n regions, D features a region, C classes including background at column 0. */
struct visual_record {
    struct id medium;
    uint32_t width;       /* px */
    uint32_t height;      /* px */
    struct view detector; /* the model's name and digest, UTF-8 */
    struct view locator;  /* where the medium's bytes were found: "path:/data/1.jpg" */
    enum box_convention convention;
    enum box_order order;

    uint32_t n;         /* regions */
    const float *boxes; /* [n][4] x1 y1 x2 y2, absolute px of the original image */
    const float *conf;  /* [n] best class score among classes whose NMS the region survived */
    const uint16_t *object_id; /* [n] 0-based, background excluded */
    const float *object_conf;  /* [n] */
    const uint16_t
        *attr_id; /* [n] 0-based, "no attribute" excluded; NULL where the model has none */
    const float *attr_conf; /* [n] */

    enum feature_dtype feature_dtype;
    uint32_t dim;            /* D */
    const void *features;    /* [n][D] */
    uint32_t classes;        /* C; 0 where soft labels are not stored */
    const half *soft_labels; /* [n][C] */
};

enum graph_node_type { GRAPH_OBJECT = 1, GRAPH_ATTRIBUTE = 2, GRAPH_RELATION = 3 };

/* A node is a span of the text's bytes; an implicit relation ("have") may have an empty one. */
struct graph_node {
    uint32_t type;     /* enum graph_node_type */
    uint32_t implicit; /* 1: the word is not in the text, or only evoked by it */
    uint32_t beg;      /* byte offsets into the text, [beg, end) */
    uint32_t end;
    uint32_t label; /* offset of the node's lemma, NUL-terminated, in `labels` */
};

/* An attribute's edge: node = attribute, subject = its owner, object = GRAPH_NONE.
 * A relation's edge: node = relation, subject and object its ends. */
enum { GRAPH_NONE = 0xffffffffu };
struct graph_edge {
    uint32_t node;
    uint32_t subject;
    uint32_t object;
};

struct scene_graph {
    uint32_t node_count;
    const struct graph_node *nodes;
    uint32_t edge_count;
    const struct graph_edge *edges;
    struct view labels; /* the lemmas, each with its NUL */
};

/* One text under one tokenizer, without special tokens. */
struct token_block {
    struct view tokenizer;     /* the vocabulary's name and digest */
    uint32_t n;                /* sub-tokens */
    const uint32_t *ids;       /* [n] */
    const uint32_t *beg;       /* [n] byte offsets into the text */
    const uint32_t *end;       /* [n] */
    const uint8_t *word_start; /* [n] 1 where a word begins */
};

struct sentence {
    uint32_t beg; /* byte offsets into the text */
    uint32_t end;
    float start_s; /* times in a video; NaN for a still image's text */
    float end_s;
};

/* One text about one medium. */
struct pair_record {
    struct id id;
    struct id medium;
    uint64_t group;         /* media that count as "the same image" when a negative is drawn */
    struct view source;     /* where the pair was ingested from, UTF-8 */
    struct view key;        /* its key within the source, UTF-8 */
    struct view split;      /* "train", "val", ... or empty */
    uint64_t coco_image_id; /* 0 = none, as for the next three */
    uint64_t coco_caption_id;
    uint64_t vg_id;
    uint64_t flickr_id;
    struct view text; /* UTF-8, NFC, as ingested otherwise */
    uint32_t sentence_count;
    const struct sentence *sentences;
    struct token_block tokens;
    struct scene_graph graph;
};

#endif
