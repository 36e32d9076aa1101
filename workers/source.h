/*
 * Sources: where pairs come from, each read as a stream of items.
 *
 * - COCO: a captions_*.json in COCO's format, with its image folder (found beside it, or named)
 * - COCO root: a folder with annotations/captions_*.json, each of them in turn
 * - folder: images with a .txt of the same name beside each, one caption a line; suffixes in any
 *   case
 * - JSON lines: {"image": PATH, "caption": TEXT} or {"image": PATH, "captions": [TEXT, ...]}, with
 *   "id" (a string or a whole number), "split" and "coco_image_id" where they are known
 * - TSV: PATH <tab> CAPTION
 *
 * source_open() recognises the kind from what is there.  Relative image paths count from the source
 * file's folder. Texts of one image come one after the other, so that they become one job.
 *
 * What a source cannot deliver is still an item, with a problem and a sentence, so that it ends in
 * quarantine and is counted: a line that is not JSON, an annotation without its image or with an id
 * that is no number, an image without a text, a text that cannot be read.
 */
#ifndef WORKERS_SOURCE_H
#define WORKERS_SOURCE_H

#include "common/buf.h"

/* Borrowed from the source until its next source_next().  No limits are kept here: ingest does. */
struct source_item {
    struct view key; /* unique in the source: "annotation 88366", "line 17", "beach/3.txt line 2" */
    const char *image; /* path; NULL when the problem is that there is none */
    struct view text;  /* any bytes */
    struct view split; /* "train", "val" or empty */
    uint64_t coco_image_id;
    uint64_t coco_caption_id;
    int problem;        /* 0, or why this item has no pair */
    const char *detail; /* the sentence for it, where there is a problem */
};

struct source;

struct source_options {
    const char *images; /* COCO's image folder; NULL: look beside the file */
};

/* E_NO_FILE, E_FORMAT (with what was expected), E_SYSTEM, E_NOMEM. */
int source_open(const char *path, const struct source_options *options,
                struct source **out) MUST_CHECK;

/* 0, E_NOT_FOUND at the end, or a failure to read. */
int source_next(struct source *s, struct source_item *out) MUST_CHECK;

/* How many items there are, where that is known beforehand; else 0. */
uint64_t source_total(const struct source *s);

/* The source's name in the accounting: the absolute path of its file or folder. */
const char *source_name(const struct source *s);

void source_close(struct source *s);

#endif
