/*
 * ZeroMQ sockets with the house's options, set before anything is bound or connected.
 *
 * Why each option: a ROUTER is MANDATORY, because it otherwise drops silently; high-water marks are
 * small and only a safety net under the credit; LINGER is bounded, because the default hangs a
 * process for ever at its end; MAXMSGSIZE bounds a frame; the handshake must end in 3 s, so that
 * silent TCP connections do not pile up. A socket belongs to the thread that made it; make contexts
 * after fork(), never before.
 */
#ifndef COMMON_SOCKET_H
#define COMMON_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

enum {
    SOCKET_HWM = 1024,       /* messages a peer; a correct peer never has so many in flight */
    SOCKET_LINGER_MS = 2000, /* what close waits for unsent messages */
    SOCKET_HANDSHAKE_MS = 3000,
};

/* type: ZMQ_ROUTER or ZMQ_DEALER. */
int socket_new(void *ctx, int type, void **out) MUST_CHECK;

/* Whether socket_bind() may bind the address.  E_ARG: one other than ipc://, inproc:// or tcp:// on
 * loopback, unless `insecure`, since nothing on this port asks a peer who it is; and a port that
 * there is not. */
int socket_check(const char *address, bool insecure) MUST_CHECK;

/* Makes an ipc address this process's own: ZeroMQ replaces the socket of a process that listens
 * there, and nobody reaches that one ever again.  Locks the file "<path>.lock", which stays; *lock
 * holds it until it is closed, after the context of the socket is gone, or the process ends in
 * whatever way.  For other addresses *lock is -1: there the kernel refuses the second.  E_BUSY when
 * another holds it. */
int socket_lock(const char *address, int *lock) MUST_CHECK;

/* Checks and binds.  For ipc the socket file that is there is replaced: see socket_lock().  E_ARG,
 * E_BUSY or E_SYSTEM. */
int socket_bind(void *socket, const char *address, bool insecure) MUST_CHECK;

/* E_ARG for an address that makes no sense. */
int socket_connect(void *socket, const char *address) MUST_CHECK;

/* The address really bound ("tcp://127.0.0.1:*" gets its port); `out` holds `n` bytes. */
int socket_address(void *socket, char *out, size_t n) MUST_CHECK;

/* Waits until the socket can be read: 1, 0 when `timeout_ms` passed or a signal came, or an error.
 */
int socket_wait(void *socket, int64_t timeout_ms) MUST_CHECK;

void socket_free(void *socket);

#endif
