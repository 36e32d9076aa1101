/*
 * Single steps of writing a large file durably (common/file.h does small ones whole), and its
 * digest.
 */
#ifndef SHARDS_DURABLE_H
#define SHARDS_DURABLE_H

#include "common/err.h"
#include "common/id.h"

/* fsync of a file or directory. */
int durable_sync(const char *path) MUST_CHECK;

/* Renames within the directory `dir` and syncs it. */
int durable_rename(const char *dir, const char *from, const char *to) MUST_CHECK;

/* Deletes a file; one that is not there is fine. */
int durable_unlink(const char *path) MUST_CHECK;

int file_size(const char *path, uint64_t *out) MUST_CHECK;

/* BLAKE2b-256 of a file, about 1 GB/s. */
int file_digest(const char *path, struct id *out) MUST_CHECK;

#endif
