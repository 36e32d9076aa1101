/*
 * Names made of content: BLAKE2b-256 (libsodium), because crawled bytes are hostile and a name must
 * resist collisions.  For checksums of our own bytes there is XXH3.
 *
 *     medium: the hash of the file's bytes
 *     pair:   the hash of (medium, text)
 *     item:   the hash of (source, key within the source, pair): one thing that was ingested
 */
#ifndef COMMON_ID_H
#define COMMON_ID_H

#include "common/bytes.h"

enum { ID_BYTES = 32, ID_HEX = 2 * ID_BYTES + 1 };

struct id {
    unsigned char b[ID_BYTES];
};

struct id id_of_medium(struct view bytes);

/* For a medium whose bytes cannot be had: named by where it should have been. */
struct id id_of_locator(struct view locator);

struct id id_of_pair(const struct id *medium, struct view text);
struct id id_of_item(struct view source, struct view key, const struct id *pair);

/* A 64-bit short form (the first eight bytes), the subject of a pair's random draws. */
uint64_t id_number(const struct id *id);

/* The group of the media that are COCO's image of this number, in whatever collection and size. */
uint64_t id_coco_group(uint64_t coco_image_id);

int id_equal(const struct id *a, const struct id *b);

/* Lower-case hexadecimal; `out` holds ID_HEX bytes. */
void id_to_hex(const struct id *id, char out[ID_HEX]);

/* 0, or E_FORMAT when `hex` is not 64 hexadecimal digits. */
int id_from_hex(const char *hex, struct id *out) __attribute__((warn_unused_result));

#endif
