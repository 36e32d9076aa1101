#include "ops/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

static void redirect(const char *log)
{
    if (!log) {
        return;
    }
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
    }
}

static _Noreturn void become(char *const argv[], const char *log, pid_t parent)
{
    sigset_t none;
    char *full[64] = {"pairmill"};
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(EXIT_FAILURE);
    }
    for (size_t i = 0; argv[i] && i + 2 < sizeof full / sizeof *full; i++) {
        full[i + 1] = argv[i];
    }
    redirect(log);
    execv("/proc/self/exe", full);
    _exit(127);
}

int process_start(struct process *p, char *const argv[])
{
    const pid_t parent = getpid();
    fflush(NULL);
    const pid_t pid = fork();
    if (pid < 0) {
        return err_errno("cannot start the %s", p->what);
    }
    if (pid == 0) {
        become(argv, p->log, parent);
    }
    p->pid = pid;
    return 0;
}

bool process_runs(struct process *p)
{
    if (p->pid && waitpid(p->pid, &p->status, WNOHANG) == p->pid) {
        p->pid = 0;
    }
    return p->pid != 0;
}

bool process_was_killed(const struct process *p)
{
    return WIFSIGNALED(p->status);
}

int process_exit_code(const struct process *p)
{
    return WIFEXITED(p->status) ? WEXITSTATUS(p->status) : 128 + WTERMSIG(p->status);
}

void process_stop(struct process *p, int patience_ms)
{
    if (!process_runs(p)) {
        return;
    }
    kill(p->pid, SIGTERM);
    const int64_t until = clock_now_ms() + patience_ms;
    while (process_runs(p) && clock_now_ms() < until) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    if (process_runs(p)) {
        kill(p->pid, SIGKILL);
        while (waitpid(p->pid, &p->status, 0) < 0 && errno == EINTR) {
        }
        p->pid = 0;
    }
}

void process_last_line(const struct process *p, char *out, size_t room)
{
    FILE *f = p->log ? fopen(p->log, "re") : NULL;
    char line[2048];
    *out = '\0';
    while (f && fgets(line, sizeof line, f)) {
        snprintf(out, room, "%.*s", (int)strcspn(line, "\n"), line);
    }
    if (f) {
        fclose(f);
    }
}
