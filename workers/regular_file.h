/*
 * A regular file's bytes, from a path that somebody else wrote: a pipe, a socket or a device under
 * that name is refused, and never waited for.
 */
#ifndef WORKERS_REGULAR_FILE_H
#define WORKERS_REGULAR_FILE_H

#include "common/buf.h"

/* Appends the file's bytes to `out`.  E_NO_FILE, E_SYSTEM; E_TOO_BIG beyond the buffer's limit;
 * E_FORMAT for what is no regular file; each names the path. */
int regular_file_read(const char *path, struct buf *out) MUST_CHECK;

#endif
