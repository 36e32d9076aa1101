/*
 * pairmill-decode: started by workers/decoder.c with a socket (fd 3) and a memory file (fd 4);
 * decodes until the socket closes.  After its start it can only read, write, map anonymous memory
 * and exit.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "workers/decode_wire.h"

static int limit(int resource, rlim_t max)
{
    const struct rlimit r = {max, max};
    return setrlimit((__rlimit_resource_t)resource, &r);
}

static int restrict_resources(void)
{
    /* 1.5 GB beyond the shared memory: a progressive JPEG at the pixel limit needs 240 MB of
     * coefficients. */
    return limit(RLIMIT_AS, DECODE_MEMORY + ((rlim_t)3 << 29)) || limit(RLIMIT_FSIZE, 0) ||
           limit(RLIMIT_CORE, 0) || limit(RLIMIT_NOFILE, DECODE_FD_MEMORY + 1);
}

static int restrict_system_calls(void)
{
    static const int allowed[] = {
        SCMP_SYS(read),    SCMP_SYS(write),  SCMP_SYS(exit),         SCMP_SYS(exit_group),
        SCMP_SYS(mmap),    SCMP_SYS(munmap), SCMP_SYS(mremap),       SCMP_SYS(brk),
        SCMP_SYS(madvise), SCMP_SYS(futex),  SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
    };
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int rc = filter ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < sizeof allowed / sizeof *allowed; i++) {
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    }
    rc = rc ? rc : seccomp_load(filter);
    seccomp_release(filter);
    return rc;
}

static void answer(uint32_t slot, int rc, const struct image_out *image)
{
    struct decode_answer a = {
        .slot = slot, .rc = rc, .width = image->width, .height = image->height};
    snprintf(a.text, sizeof a.text, "%s", rc ? err_text() : "");
    if (write(DECODE_FD_SOCKET, &a, sizeof a) != (ssize_t)sizeof a) {
        exit(0); /* the parent is gone */
    }
}

int main(void)
{
    prctl(PR_SET_PDEATHSIG, 9);
    unsigned char *memory =
        mmap(NULL, DECODE_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, DECODE_FD_MEMORY, 0);
    if (memory == MAP_FAILED) {
        fputs("pairmill-decode is started by `pairmill worker`, not by hand\n", stderr);
        return 2;
    }
#ifdef PM_SANITIZED /* a sanitizer's runtime needs address space and system calls of its own */
    (void)restrict_resources;
    (void)restrict_system_calls;
#else
    if (restrict_resources() || restrict_system_calls()) {
        fputs("pairmill-decode: this kernel does not let it give up its rights; not decoding\n",
              stderr);
        return 70;
    }
#endif
    struct decode_request r;
    while (read(DECODE_FD_SOCKET, &r, sizeof r) == (ssize_t)sizeof r) {
        if (r.slot >= DECODER_SLOTS || r.bytes > DECODER_BYTES_MAX) {
            return 70;
        }
        unsigned char *slot = memory + r.slot * DECODE_SLOT_BYTES;
        struct image_out image = {.rgb = slot + DECODER_BYTES_MAX, .room = DECODE_PIXEL_BYTES};
        const int rc = decode_image(view_of(slot, r.bytes), &image);
        answer(r.slot, rc, &image);
    }
    return 0;
}
