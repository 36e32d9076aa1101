/*
 * A medium's bytes, from where its locator says they are: "path:/data/1.jpg".
 */
#ifndef WORKERS_MEDIUM_FILE_H
#define WORKERS_MEDIUM_FILE_H

#include "common/buf.h"
#include "common/id.h"

enum { MEDIUM_BYTES_MAX = 64 << 20 };

/* "path:" and the absolute path, appended to `out` (which is emptied first). */
int locator_of_path(const char *path, struct buf *out) MUST_CHECK;

/* Reads the bytes into `out` (emptied first).  E_NO_FILE, E_TOO_BIG, E_SYSTEM; E_FORMAT for a
 * locator of an unknown kind. */
int medium_fetch(const char *locator, struct buf *out) MUST_CHECK;

#endif
