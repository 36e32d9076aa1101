/*
 * Reads the directory of a zip archive whose entries are stored, not compressed, as torch writes
 * them (PKWARE APPNOTE 4.3, 4.5.3): each entry is a view of the mapped file.
 *
 * libzip and libarchive read zip, too, but neither tells where in the file an entry's bytes lie:
 * they would copy a model's hundreds of megabytes, and this file would still have to check what
 * they accept.  Only what the central directory says counts; the local headers must be where it
 * says they are.  Both forms of sizes and offsets are read, 32 bits and Zip64.
 */
#ifndef DETECTOR_ZIP_H
#define DETECTOR_ZIP_H

#include "common/bytes.h"
#include "common/err.h"

enum { ZIP_ENTRIES_MAX = 1 << 17 };

struct zip_entry {
    struct view name;
    struct view bytes;
    uint32_t crc;
};

struct zip {
    const char *path;        /* borrowed, for messages */
    struct zip_entry *entry; /* [count], by name; views of the file */
    size_t count;
};

/* Reads the directory.  E_TRUNCATED where its end is missing, E_FORMAT for what contradicts itself,
 * for a compressed or encrypted entry and for two entries of one name. */
int zip_init(struct zip *z, const char *path, struct view file) MUST_CHECK;
void zip_release(struct zip *z);

/* The entry of that name; NULL when there is none. */
const struct zip_entry *zip_find(const struct zip *z, struct view name);

/* E_CHECKSUM when the entry's bytes are not those that were written; about 1 GB/s. */
int zip_check(const struct zip *z, const struct zip_entry *entry) MUST_CHECK;

#endif
