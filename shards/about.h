/*
 * "about": what a shard says of how its records were made, a JSON object that a worker gives to
 * open_shard_create().  Readers know these members and pass over others:
 *
 *     detector          name and digest of the model
 *     object_names      [string] by visual_record.object_id
 *     attribute_names   [string] by visual_record.attr_id
 *     tokenizer         wordpiece_name() of the vocabulary
 *     wordpiece         about_wordpiece_json(): its special ids, which recipes need
 */
#ifndef SHARDS_ABOUT_H
#define SHARDS_ABOUT_H

#include <jansson.h>
#include <stdbool.h>

#include "common/bytes.h"
#include "common/err.h"
#include "recipes/wordpiece.h"

struct about {
    json_t *json; /* owns every string */
    const char *detector;
    const char *tokenizer;
    bool has_wordpiece;
    struct wordpiece_ids wordpiece;
};

/* E_FORMAT when the text is no JSON object or a member is of the wrong type. */
int about_parse(struct view text, struct about *out) MUST_CHECK;
void about_release(struct about *a);

/* A second owner of the same, with a release of its own. */
struct about about_share(const struct about *a);

/* Whether sub-token ids mean the same in both: the vocabularies are one. */
bool about_same_vocabulary(const struct about *a, const struct about *b);

/* Whether features, objects and attributes mean the same in both: the detectors are one. */
bool about_same_detector(const struct about *a, const struct about *b);

/* The name of an object or attribute by its id; NULL when the shard does not tell. */
const char *about_object_name(const struct about *a, uint32_t id);
const char *about_attribute_name(const struct about *a, uint32_t id);

/* The member "wordpiece"; NULL only out of memory. */
json_t *about_wordpiece_json(const struct wordpiece_ids *ids);

#endif
