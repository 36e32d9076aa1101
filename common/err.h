/*
 * Errors: every function that can fail returns 0 or a negative code of this list.
 *
 * The code says what kind of failure it is; err_set() leaves one sentence for a person (what,
 * where, why, what to do) in a buffer of the calling thread, which err_text() reads.  A code's name
 * ("E_IMAGE_TRUNCATED") is stable: it stands in quarantine reasons, in protocol errors and in
 * metrics.
 *
 * Adding a code: append a line to ERR_LIST; numbers are never reused, because they are stored.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include <stddef.h>

#define MUST_CHECK   __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* X(name, number, what it means) */
#define ERR_LIST(X)                                                                 \
    X(E_NOMEM, -1, "out of memory")                                                 \
    X(E_SYSTEM, -2, "a system call failed")                                         \
    X(E_ARG, -3, "an argument is out of range")                                     \
    X(E_NO_FILE, -4, "a file is missing")                                           \
    X(E_TOO_BIG, -5, "larger than the limit")                                       \
    X(E_FORMAT, -6, "bytes that do not follow their format")                        \
    X(E_VERSION, -7, "written by another version of the format or protocol")        \
    X(E_CHECKSUM, -8, "a checksum does not match: the bytes were damaged")          \
    X(E_TRUNCATED, -9, "a file is shorter than it must be")                         \
    X(E_NOT_FOUND, -10, "no such entry")                                            \
    X(E_EXISTS, -11, "there already")                                               \
    X(E_BUSY, -12, "held by another process, or no room at the moment")             \
    X(E_TIMEOUT, -13, "no answer in time")                                          \
    X(E_PEER, -14, "the peer sent something that is not allowed")                   \
    X(E_STORAGE, -15, "the disk or the database failed")                            \
    X(E_INTERRUPTED, -16, "stopped by a signal")                                    \
    X(E_STALE_LEASE, -17, "the lease is no longer this worker's")                   \
    X(E_SHARD_LOST, -18, "the shard was given up as lost")                          \
    X(E_IMAGE_UNREADABLE, -20, "not an image that pairmill can decode")             \
    X(E_IMAGE_TRUNCATED, -21, "the image ends before its last row")                 \
    X(E_IMAGE_TOO_BIG, -22, "the image has more pixels than the limit")             \
    X(E_MEDIUM_CHANGED, -23, "the medium's bytes are not those that were ingested") \
    X(E_TEXT_EMPTY, -24, "the text is empty")                                       \
    X(E_TEXT_UTF8, -25, "the text is not valid UTF-8")                              \
    X(E_TEXT_TOO_LONG, -26, "the text is longer than the limit")                    \
    X(E_DECODER_DIED, -27, "the decoder died on this medium")                       \
    X(E_WORKER_KILLER, -28, "the job killed its worker too often")                  \
    X(E_ATTEMPTS, -29, "the job failed too often")                                  \
    X(E_MODEL, -30, "the model file is not usable")

enum pm_err {
#define X(name, number, text) name = number,
    ERR_LIST(X)
#undef X
};

/* "E_NO_FILE" for E_NO_FILE, "OK" for 0, "E_UNKNOWN" for a number outside the list. */
const char *err_name(int rc);

/* What the code means, in a few words. */
const char *err_meaning(int rc);

/* The code whose name is `name`; 0 when there is none. */
int err_from_name(const char *name);

/* Writes the calling thread's sentence and returns rc, so that `return err_set(E_ARG, ...)` reads
 * well. The sentence is cut at 1,000 bytes: a poisonous input must not fill a disk with its own
 * complaint. */
int err_set(int rc, const char *fmt, ...) PRINTF(2, 3);

/* As err_set(), with errno's text appended; E_NO_FILE for ENOENT, E_NOMEM for ENOMEM, else
 * E_SYSTEM. */
int err_errno(const char *fmt, ...) PRINTF(1, 2);

/* The calling thread's last sentence; never NULL; valid until the thread's next err_set(). */
const char *err_text(void);

/* A bug in pairmill itself: prints where and aborts.  Never for anything that came from outside. */
#define BUG_ON(cond)                            \
    do {                                        \
        if (__builtin_expect(!!(cond), 0)) {    \
            err_bug(__FILE__, __LINE__, #cond); \
        }                                       \
    } while (0)
_Noreturn void err_bug(const char *file, int line, const char *what);

#endif
