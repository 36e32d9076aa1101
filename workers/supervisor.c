/* The supervisor of worker.h: forks, watches and replaces compute processes. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/client.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "workers/compute.h"
#include "workers/link.h"
#include "workers/worker.h"

enum { BACKOFF_FIRST_MS = 200, BACKOFF_MAX_MS = 10000, HEALTHY_MS = 30000 };

struct child {
    pid_t pid; /* 0: none */
    int64_t started_ms;
    int64_t backoff_ms;
    int64_t start_at_ms;
    bool finished; /* it ended in order and is not wanted back */
    bool refused;  /* it ended because of a version, and would again */
};

enum { CHILD_REFUSED = 3 }; /* exit code of a compute process */

struct worker_options worker_default_options(void)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return (struct worker_options){
        .processes = cores > 0 ? (unsigned)cores : 1,
        .seal_bytes = (uint64_t)1 << 30,
        .half_features = true,
        .soft_labels = true,
    };
}

static pid_t start_child(unsigned number, const struct worker_options *options,
                         const struct models *models)
{
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever it was doing is safe on disk, or is done again */
    if (getppid() != parent) {
        _exit(EXIT_SUCCESS); /* the supervisor died before the line above */
    }
    char name[32];
    snprintf(name, sizeof name, "worker/%u", number);
    log_set_name(name);
    const int rc = compute_run(options, models);
    if (rc) {
        log_error("worker_failed", "code=%s why=\"%s\"", err_name(rc), err_text());
    }
    _exit(rc == 0 ? EXIT_SUCCESS : rc == E_VERSION ? CHILD_REFUSED : EXIT_FAILURE);
}

/* Tells the broker at once, so that the child's jobs need not wait for their deadlines.  If it
 * cannot be told, they do. */
static void report_death(const struct worker_options *options, pid_t pid)
{
    struct client c;
    char name[128];
    link_name(name, (int)pid);
    if (client_open(&c, options->broker) == 0) {
        wire_begin(&c.out, "GONE");
        wire_put_str(&c.out, "name", view_str(name));
        const int rc = wire_send(c.socket, NULL, &c.out, NULL, 0);
        const int linger = 1000;
        zmq_setsockopt(c.socket, ZMQ_LINGER, &linger, sizeof linger);
        if (rc) {
            log_warn_rare("death_not_reported", "why=\"%s\"", err_text());
        }
    }
    client_close(&c);
}

static void on_child_end(struct child *c, int status, const struct worker_options *options)
{
    const pid_t pid = c->pid;
    const int64_t now = clock_now_ms();
    c->pid = 0;
    c->refused = WIFEXITED(status) && WEXITSTATUS(status) == CHILD_REFUSED;
    c->finished = c->refused || (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    if (c->finished) {
        return;
    }
    const bool healthy = now - c->started_ms > HEALTHY_MS;
    c->backoff_ms = healthy || c->backoff_ms == 0 ? BACKOFF_FIRST_MS : 2 * c->backoff_ms;
    c->backoff_ms = c->backoff_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms;
    c->start_at_ms = now + c->backoff_ms;
    log_warn("worker_died", "pid=%d %s=%d again_in_ms=%lld", (int)pid,
             WIFSIGNALED(status) ? "signal" : "exit",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
             (long long)c->backoff_ms);
    report_death(options, pid);
}

static void reap(struct child *children, unsigned n, const struct worker_options *options)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            if (children[i].pid == pid) {
                on_child_end(&children[i], status, options);
            }
        }
    }
}

/* Starts those whose time has come; returns whether any is or will be running. */
static bool start_due(struct child *children, unsigned n, bool stopping,
                      const struct worker_options *options, const struct models *models)
{
    bool any = false;
    for (unsigned i = 0; i < n; i++) {
        struct child *c = &children[i];
        if (!c->pid && !c->finished && !stopping && clock_now_ms() >= c->start_at_ms) {
            c->pid = start_child(i, options, models);
            c->started_ms = clock_now_ms();
            if (c->pid < 0) {
                log_error("fork_failed", "why=\"%s\"", strerror(errno));
                c->pid = 0;
                c->start_at_ms = clock_now_ms() + BACKOFF_MAX_MS;
            }
        }
        any = any || c->pid || (!c->finished && !stopping);
    }
    return any;
}

/* Waits for a signal, at most 100 ms: SIGCHLD wakes it at once. */
static bool wait_signal(const sigset_t *set)
{
    const struct timespec wait = {.tv_nsec = 100000000};
    const int signal = sigtimedwait(set, NULL, &wait);
    return signal == SIGTERM || signal == SIGINT;
}

static void supervise(struct child *children, const struct worker_options *options,
                      const struct models *models)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    bool stopping = false;
    while (start_due(children, options->processes, stopping, options, models)) {
        if (wait_signal(&set)) {
            const int signal = stopping ? SIGKILL : SIGTERM; /* the second time: now */
            stopping = true;
            for (unsigned i = 0; i < options->processes; i++) {
                if (children[i].pid) {
                    kill(children[i].pid, signal);
                }
            }
        }
        reap(children, options->processes, options);
    }
}

/* What a process was told stands in its line of the log. */
static int check_refused(const struct child *children, const struct worker_options *options)
{
    for (unsigned i = 0; i < options->processes; i++) {
        if (children[i].refused) {
            return err_set(E_VERSION,
                           "compute process %u was refused for its version (see worker_failed in "
                           "the log); run the pairmill that the broker at %s runs",
                           i, options->broker);
        }
    }
    return 0;
}

int worker_run(const struct worker_options *options)
{
    struct models models = {0};
    char store[4096];
    int rc = file_make_dirs(options->store);
    if (rc == 0 && !realpath(options->store, store)) {
        rc = err_errno("cannot resolve the store %s", options->store);
    }
    struct worker_options resolved = *options;
    resolved.store = store;
    rc = rc ? rc : models_open(&resolved, &models);
    struct child *children = rc ? NULL : calloc(options->processes, sizeof *children);
    if (children) {
        supervise(children, &resolved, &models);
        rc = check_refused(children, &resolved);
    } else if (rc == 0) {
        rc = err_set(E_NOMEM, "no memory for %u processes", options->processes);
    }
    free(children);
    models_close(&models);
    return rc;
}
