#include "common/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <zmq.h>

#include "common/wire.h"

static int set(void *socket, int option, const char *name, int v)
{
    if (zmq_setsockopt(socket, option, &v, sizeof v)) {
        return err_set(E_SYSTEM, "ZeroMQ refused %s = %d: %s", name, v, zmq_strerror(zmq_errno()));
    }
    return 0;
}

static int set_options(void *socket, int type)
{
    const int64_t frame_max = WIRE_FRAME_MAX;
    int rc = set(socket, ZMQ_LINGER, "LINGER", SOCKET_LINGER_MS);
    rc = rc ? rc : set(socket, ZMQ_SNDHWM, "SNDHWM", SOCKET_HWM);
    rc = rc ? rc : set(socket, ZMQ_RCVHWM, "RCVHWM", SOCKET_HWM);
    rc = rc ? rc : set(socket, ZMQ_HANDSHAKE_IVL, "HANDSHAKE_IVL", SOCKET_HANDSHAKE_MS);
    rc = rc ? rc : set(socket, ZMQ_RECONNECT_IVL, "RECONNECT_IVL", 50);
    rc = rc ? rc : set(socket, ZMQ_RECONNECT_IVL_MAX, "RECONNECT_IVL_MAX", 1000);
    if (rc == 0 && zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max)) {
        rc = err_set(E_SYSTEM, "ZeroMQ refused MAXMSGSIZE");
    }
    if (rc == 0 && type == ZMQ_ROUTER) {
        rc = set(socket, ZMQ_ROUTER_MANDATORY, "ROUTER_MANDATORY", 1);
    }
    return rc;
}

int socket_new(void *ctx, int type, void **out)
{
    void *socket = zmq_socket(ctx, type);
    if (!socket) {
        return err_set(E_SYSTEM, "no ZeroMQ socket: %s", zmq_strerror(zmq_errno()));
    }
    const int rc = set_options(socket, type);
    if (rc) {
        zmq_close(socket);
        return rc;
    }
    *out = socket;
    return 0;
}

static bool starts(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static bool is_local(const char *address)
{
    return starts(address, "ipc://") || starts(address, "inproc://") ||
           starts(address, "tcp://127.") || starts(address, "tcp://localhost:") ||
           starts(address, "tcp://[::1]:");
}

/* ZeroMQ takes the lower 16 bits of whatever number stands there. */
static int check_port(const char *address, bool may_choose)
{
    if (!starts(address, "tcp://")) {
        return 0;
    }
    const char *colon = strrchr(address + strlen("tcp://"), ':');
    const char *port = colon ? colon + 1 : "";
    if (may_choose && (strcmp(port, "*") == 0 || strcmp(port, "0") == 0)) {
        return 0;
    }
    const size_t digits = strspn(port, "0123456789");
    const unsigned long n = digits <= 5 ? strtoul(port, NULL, 10) : 0;
    return port[digits] == '\0' && n >= 1 && n <= UINT16_MAX
               ? 0
               : err_set(E_ARG, "%s does not end in a port from 1 to %d%s", address, UINT16_MAX,
                         may_choose ? ", or * for any that is free" : "");
}

int socket_check(const char *address, bool insecure)
{
    if (!is_local(address) && !insecure) {
        return err_set(
            E_ARG,
            "%s can be reached from other machines, and nothing there asks a peer who it is; "
            "bind ipc:// or tcp://127.0.0.1, or say --insecure on a network you trust",
            address);
    }
    return check_port(address, true);
}

/* "ipc://@name" is no file, and "ipc://" followed by an asterisk a new one each time. */
static bool is_file(const char *address)
{
    return starts(address, "ipc://") && !starts(address, "ipc://@") && !starts(address, "ipc://*");
}

int socket_lock(const char *address, int *lock)
{
    char path[256];
    *lock = -1;
    if (!is_file(address)) {
        return 0;
    }
    const int n = snprintf(path, sizeof path, "%s.lock", address + strlen("ipc://"));
    if (n >= (int)sizeof path) {
        return err_set(E_ARG, "the address %.80s... is too long", address);
    }
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return err_errno("cannot lock %s: %s cannot be opened", address, path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        const int rc = errno == EWOULDBLOCK
                           ? err_set(E_BUSY, "another process listens at %s", address)
                           : err_errno("cannot lock %s", path);
        close(fd);
        return rc;
    }
    *lock = fd;
    return 0;
}

int socket_bind(void *socket, const char *address, bool insecure)
{
    const int rc = socket_check(address, insecure);
    if (rc) {
        return rc;
    }
    if (zmq_bind(socket, address)) {
        const int e = zmq_errno();
        return err_set(e == EADDRINUSE ? E_BUSY : E_SYSTEM, "cannot bind %s: %s", address,
                       zmq_strerror(e));
    }
    return 0;
}

int socket_connect(void *socket, const char *address)
{
    const int rc = check_port(address, false);
    if (rc) {
        return rc;
    }
    if (zmq_connect(socket, address)) {
        return err_set(E_ARG, "cannot connect to %s: %s", address, zmq_strerror(zmq_errno()));
    }
    return 0;
}

int socket_address(void *socket, char *out, size_t n)
{
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, out, &n)) {
        return err_set(E_SYSTEM, "no bound address: %s", zmq_strerror(zmq_errno()));
    }
    return 0;
}

int socket_wait(void *socket, int64_t timeout_ms)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    const int n = zmq_poll(&item, 1, timeout_ms > INT_MAX ? INT_MAX : (long)timeout_ms);
    if (n < 0) {
        return zmq_errno() == EINTR
                   ? 0
                   : err_set(E_SYSTEM, "polling failed: %s", zmq_strerror(zmq_errno()));
    }
    return n;
}

void socket_free(void *socket)
{
    if (socket) {
        zmq_close(socket);
    }
}
