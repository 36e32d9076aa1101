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

/* Binds.  An address other than ipc://, inproc:// or tcp:// on loopback is refused unless
 * `insecure`, since nothing on this port asks a peer who it is.  For ipc a stale socket file is
 * replaced.  E_ARG, E_BUSY or E_SYSTEM. */
int socket_bind(void *socket, const char *address, bool insecure) MUST_CHECK;

int socket_connect(void *socket, const char *address) MUST_CHECK;

/* The address really bound ("tcp://127.0.0.1:*" gets its port); `out` holds `n` bytes. */
int socket_address(void *socket, char *out, size_t n) MUST_CHECK;

/* Waits until the socket can be read: 1, 0 when `timeout_ms` passed or a signal came, or an error.
 */
int socket_wait(void *socket, int64_t timeout_ms) MUST_CHECK;

void socket_free(void *socket);

#endif
