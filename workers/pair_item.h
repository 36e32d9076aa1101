/*
 * What the queue carries about a pair from ingest to the worker: a MessagePack map, opaque to the
 * broker.
 */
#ifndef WORKERS_PAIR_ITEM_H
#define WORKERS_PAIR_ITEM_H

#include "common/wire.h"

struct pair_item {
    struct view source;
    struct view key;
    struct view text;
    struct view split;
    uint64_t coco_image_id;
    uint64_t coco_caption_id;
};

/* Writes the map with `out`, which is begun here; the result is valid until the next use of `out`.
 */
int pair_item_pack(struct wire_out *out, const struct pair_item *item,
                   struct view *bytes) MUST_CHECK;

/* Views are valid as long as both `bytes` and `unpacked` are; release the latter with
 * msgpack_unpacked_destroy(), whatever is returned. */
int pair_item_unpack(struct view bytes, msgpack_unpacked *unpacked,
                     struct pair_item *item) MUST_CHECK;

#endif
