/*
 * Child processes of a command: other verbs of this same program.
 *
 * A child is in a process group of its own, so that Ctrl-C reaches the command alone, which then
 * decides; and it is killed when the command dies, whatever kills it.
 */
#ifndef OPS_PROCESS_H
#define OPS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

struct process {
    const char *what; /* "broker" */
    pid_t pid;        /* 0: not running */
    int status;       /* of its end, as waitpid() gives it */
    const char *log;  /* file its output is appended to; NULL: ours */
};

/* Starts `pairmill argv...`; argv[0] is the verb, and it ends with NULL. */
int process_start(struct process *p, char *const argv[]) MUST_CHECK;

/* Notices its end, without waiting; true when it is running. */
bool process_runs(struct process *p);

/* It was ended by a signal, which means that somebody killed it or that it crashed. */
bool process_was_killed(const struct process *p);

/* Its exit code, when it ended by itself. */
int process_exit_code(const struct process *p);

/* SIGTERM, and SIGKILL after `patience_ms`. */
void process_stop(struct process *p, int patience_ms);

/* The last line of its log, without its end, for a person who asks why it ended; "" when there is
 * none. */
void process_last_line(const struct process *p, char *out, size_t room);

#endif
