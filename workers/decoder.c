#include "workers/decoder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/paths.h"
#include "workers/decode_wire.h"

enum slot_state { SLOT_IDLE, SLOT_SENT, SLOT_ANSWERED, SLOT_DIED };

struct slot {
    enum slot_state state;
    size_t bytes;
    int64_t deadline_ms;
    struct decode_answer answer;
};

struct decoder {
    char *program;
    pid_t pid;
    int socket;
    int memory_fd;
    unsigned char *memory;
    struct slot slots[DECODER_SLOTS];
    void (*waiting)(void *arg);
    void *waiting_arg;
};

enum { WAITING_MS = 1000 };

extern char **environ;

static void stop_child(struct decoder *d)
{
    if (d->socket >= 0) {
        close(d->socket);
        d->socket = -1;
    }
    if (d->pid > 0) {
        kill(d->pid, SIGKILL);
        while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        d->pid = 0;
    }
}

static int start_child(struct decoder *d)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        return err_errno("no socket pair for a decoder");
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pair[1], DECODE_FD_SOCKET);
    posix_spawn_file_actions_adddup2(&actions, d->memory_fd, DECODE_FD_MEMORY);
    char *argv[] = {d->program, NULL};
    const int e = posix_spawn(&d->pid, d->program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pair[1]);
    if (e) {
        close(pair[0]);
        d->pid = 0;
        return err_set(E_SYSTEM, "cannot start %s: %s", d->program, strerror(e));
    }
    d->socket = pair[0];
    return 0;
}

/* High numbers, so that the child's fixed 3 and 4 never collide with ours while they are set up. */
static int make_memory(struct decoder *d)
{
    const int fd = memfd_create("pairmill-decode", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)DECODE_MEMORY)) {
        if (fd >= 0) {
            close(fd);
        }
        return err_errno("no shared memory for a decoder");
    }
    d->memory_fd = fcntl(fd, F_DUPFD_CLOEXEC, 16);
    close(fd);
    d->memory = mmap(NULL, DECODE_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, d->memory_fd, 0);
    if (d->memory == MAP_FAILED) {
        d->memory = NULL;
        return err_errno("cannot map a decoder's memory");
    }
    return 0;
}

int decoder_new(struct decoder **out)
{
    struct decoder *d = calloc(1, sizeof *d);
    if (!d) {
        return err_set(E_NOMEM, "no memory for a decoder");
    }
    d->socket = -1;
    d->memory_fd = -1;
    int rc = paths_find_program("pairmill-decode", &d->program);
    rc = rc ? rc : make_memory(d);
    rc = rc ? rc : start_child(d);
    if (rc) {
        decoder_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void decoder_free(struct decoder *d)
{
    if (!d) {
        return;
    }
    stop_child(d);
    if (d->memory) {
        munmap(d->memory, DECODE_MEMORY);
    }
    if (d->memory_fd >= 0) {
        close(d->memory_fd);
    }
    free(d->program);
    free(d);
}

static unsigned char *slot_memory(struct decoder *d, int slot)
{
    return d->memory + (size_t)slot * DECODE_SLOT_BYTES;
}

static int send_request(struct decoder *d, int slot)
{
    const struct decode_request r = {(uint32_t)slot, (uint32_t)d->slots[slot].bytes};
    if (send(d->socket, &r, sizeof r, MSG_NOSIGNAL) != (ssize_t)sizeof r) {
        return err_errno("a decoder does not take a request");
    }
    d->slots[slot].deadline_ms = clock_now_ms() + DECODER_DEADLINE_MS;
    return 0;
}

/* Another child, which is sent what the last one had not answered. */
static int renew_child(struct decoder *d)
{
    stop_child(d);
    int rc = start_child(d);
    for (int s = 0; rc == 0 && s < DECODER_SLOTS; s++) {
        if (d->slots[s].state == SLOT_SENT) {
            rc = send_request(d, s);
        }
    }
    return rc;
}

/* The child works in order, so the image it died on is the one that was sent first; the other is
 * sent again. */
static int replace_child(struct decoder *d, int culprit)
{
    log_warn_rare("decoder_died", "pid=%d", (int)d->pid);
    d->slots[culprit].state = SLOT_DIED;
    return renew_child(d);
}

static int oldest_sent(const struct decoder *d)
{
    int oldest = -1;
    for (int s = 0; s < DECODER_SLOTS; s++) {
        if (d->slots[s].state == SLOT_SENT &&
            (oldest < 0 || d->slots[s].deadline_ms < d->slots[oldest].deadline_ms)) {
            oldest = s;
        }
    }
    return oldest;
}

void decoder_on_wait(struct decoder *d, void (*waiting)(void *arg), void *arg)
{
    d->waiting = waiting;
    d->waiting_arg = arg;
}

int decoder_start(struct decoder *d, int slot, struct view bytes)
{
    if (bytes.n > DECODER_BYTES_MAX) {
        return err_set(E_TOO_BIG, "the file has %zu bytes; an image may have at most %d", bytes.n,
                       DECODER_BYTES_MAX);
    }
    BUG_ON(d->slots[slot].state == SLOT_SENT);
    if (bytes.n) {
        memcpy(slot_memory(d, slot), bytes.p, bytes.n);
    }
    d->slots[slot].bytes = bytes.n;
    d->slots[slot].state = SLOT_SENT;
    if (d->socket >= 0 && send_request(d, slot) == 0) {
        return 0;
    }
    /* The child died between two images: nobody's fault, so both are sent to a new one. */
    const int rc = renew_child(d);
    if (rc) {
        d->slots[slot].state = SLOT_IDLE; /* this image was not taken; the other still waits */
    }
    return rc;
}

/* Takes one answer, or finds out that none will come. */
static int wait_answer(struct decoder *d)
{
    const int oldest = oldest_sent(d);
    BUG_ON(oldest < 0);
    if (d->socket < 0) {
        return renew_child(d); /* the last time none could be had */
    }
    struct pollfd p = {.fd = d->socket, .events = POLLIN};
    const int64_t left = d->slots[oldest].deadline_ms - clock_now_ms();
    const int ready = poll(&p, 1, left > WAITING_MS ? WAITING_MS : left > 0 ? (int)left : 0);
    if (ready < 0 && errno == EINTR) {
        return 0;
    }
    if (ready == 0 && left > WAITING_MS) {
        if (d->waiting) {
            d->waiting(d->waiting_arg);
        }
        return 0;
    }
    struct decode_answer a;
    if (ready <= 0 || recv(d->socket, &a, sizeof a, 0) != (ssize_t)sizeof a ||
        a.slot >= DECODER_SLOTS || d->slots[a.slot].state != SLOT_SENT) {
        return replace_child(d, oldest);
    }
    a.text[sizeof a.text - 1] = '\0';
    d->slots[a.slot].answer = a;
    d->slots[a.slot].state = SLOT_ANSWERED;
    return 0;
}

/* The child's word is not trusted further than its memory reaches. */
static int take_answer(struct decoder *d, int slot, struct image *out)
{
    const struct decode_answer *a = &d->slots[slot].answer;
    if (a->rc) {
        return err_set(a->rc, "%s", a->text);
    }
    if (a->width == 0 || a->height == 0 || (uint64_t)a->width * a->height > IMAGE_PIXELS_MAX) {
        return err_set(E_DECODER_DIED, "the decoder gave an impossible size");
    }
    *out = (struct image){slot_memory(d, slot) + DECODER_BYTES_MAX, a->width, a->height};
    return 0;
}

int decoder_finish(struct decoder *d, int slot, struct image *out)
{
    BUG_ON(d->slots[slot].state == SLOT_IDLE);
    int rc = 0;
    while (rc == 0 && d->slots[slot].state == SLOT_SENT) {
        rc = wait_answer(d);
    }
    const enum slot_state ended = d->slots[slot].state;
    d->slots[slot].state = SLOT_IDLE;
    if (rc) {
        return rc;
    }
    if (ended == SLOT_DIED) {
        return err_set(E_DECODER_DIED, "the decoder died on this image, or took longer than %d s",
                       DECODER_DEADLINE_MS / 1000);
    }
    return take_answer(d, slot, out);
}
