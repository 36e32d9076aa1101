/*
 * A medium's bytes, from where its locator says they are: "path:/data/1.jpg".
 */
#ifndef WORKERS_MEDIUM_FILE_H
#define WORKERS_MEDIUM_FILE_H

#include "common/buf.h"
#include "common/id.h"

enum { MEDIUM_BYTES_MAX = 64 << 20 };

/* "path:" and the absolute path, written to `out` (which is emptied first): the real one, and for
 * what is not there the real path of its folder, so that it has the same locator when it comes.
 * E_TOO_BIG for a path that no file can have. */
int locator_of_path(const char *path, struct buf *out) MUST_CHECK;

/* Reads the bytes into `out` (emptied first).  E_NO_FILE, E_TOO_BIG, E_SYSTEM; E_IMAGE_UNREADABLE
 * for what is no regular file; E_VERSION for a locator of an unknown kind. */
int medium_fetch(const char *locator, struct buf *out) MUST_CHECK;

#endif
