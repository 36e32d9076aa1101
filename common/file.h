/*
 * Whole files: read with a limit, mapped, written so that a reader sees the old or the new one,
 * never a half.
 */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/id.h"

/* Appends the file's bytes to `out`, or a pipe's, whose writer it waits for; E_NO_FILE, E_SYSTEM,
 * E_TOO_BIG beyond the buffer's limit; each names the path. */
int file_read(const char *path, struct buf *out) MUST_CHECK;

/* The same of a regular file, from a path that somebody else wrote: a pipe, a socket or a device
 * under that name is E_FORMAT, and never waited for. */
int file_read_regular(const char *path, struct buf *out) MUST_CHECK;

/* Maps a regular file read-only; an empty file gives an empty view.  E_NO_FILE, E_SYSTEM, E_FORMAT
 * for what is no file; each names the path.  file_unmap() gives the memory back. */
int file_map(const char *path, struct view *out) MUST_CHECK;
void file_unmap(struct view bytes);

/* Lets go of a mapped file's pages that are in memory; whoever touches them reads the file again.
 */
void file_forget(struct view bytes);

/* Writes `path` durably and atomically: temporary file, fsync, rename, fsync of the directory.
 * E_STORAGE when the disk fails or is full. */
int file_write_atomic(const char *path, struct view bytes) MUST_CHECK;

/* fsync of a file or a directory; E_STORAGE when it fails. */
int file_sync(const char *path) MUST_CHECK;

/* fsync of the directory that holds `path`, after a rename or an unlink there. */
int file_sync_parent(const char *path) MUST_CHECK;

/* Renames durably within a directory. */
int file_rename(const char *from, const char *to) MUST_CHECK;

/* Deletes a file; one that is not there is fine.  Durable after a file_sync_parent(). */
int file_remove(const char *path) MUST_CHECK;

int file_size(const char *path, uint64_t *bytes) MUST_CHECK;

/* BLAKE2b-256 of a regular file's bytes, as `b2sum -l 256` prints it; about 1 GB/s. Errors as
 * file_map(). */
int file_digest(const char *path, struct id *digest) MUST_CHECK;

/* The directory that holds `path`, malloc'ed; NULL out of memory. */
char *file_folder(const char *path) MUST_CHECK;

/* Makes a directory and its missing parents, mode 0755; fine when it exists. */
int file_make_dirs(const char *path) MUST_CHECK;

bool file_exists(const char *path);

/* Joins with one slash; the result is malloc'ed, the caller frees it; NULL only out of memory. */
char *file_join(const char *dir, const char *name);

#endif
