/*
 * Files that are there after a power loss, whole or not at all: written to a temporary name,
 * synced, renamed, and the directory synced.  Also digests of whole files.
 */
#ifndef SHARDS_DURABLE_H
#define SHARDS_DURABLE_H

#include "common/buf.h"
#include "common/id.h"

/* Replaces `path` (through path + ".tmp") by `bytes`. */
int durable_write(const char *path, struct view bytes) MUST_CHECK;

/* fsync of a file or directory. */
int durable_sync(const char *path) MUST_CHECK;

/* Renames and syncs the directory `dir`, in which both names lie. */
int durable_rename(const char *dir, const char *from, const char *to) MUST_CHECK;

/* Deletes a file; one that is not there is fine. */
int durable_unlink(const char *path) MUST_CHECK;

/* mkdir -p. */
int durable_mkdir(const char *dir) MUST_CHECK;

/* The whole file as text with a NUL behind it; `limit` bytes at most (E_TOO_BIG). */
int file_read(const char *path, size_t limit, struct buf *out) MUST_CHECK;

/* BLAKE2b-256 of a file, about 1 GB/s. */
int file_digest(const char *path, struct id *out) MUST_CHECK;

int file_size(const char *path, uint64_t *out) MUST_CHECK;

#endif
