/*
 * The verbs of `pairmill`, one file each: ops/cmd_<verb>.c holds cmd_<verb>().
 *
 * A verb gets its own arguments (argv[0] is the verb), parses them with getopt_long, prints results
 * on standard output and one sentence on standard error when something is wrong.
 */
#ifndef OPS_COMMAND_H
#define OPS_COMMAND_H

/* Exit codes of every verb. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_PROBLEM = 1, /* the command ran and found something wrong */
    EXIT_USAGE = 2,   /* the arguments are not understood */
    EXIT_REFUSED = 3, /* refused because of a version */
    EXIT_BROKEN = 70, /* the world is broken: disk, memory */
};

typedef int (*command_fn)(int argc, char **argv);

struct command {
    const char *verb;
    command_fn run;
    const char *summary; /* one line for `pairmill help` */
};

/* Ends with a NULL verb; in the order in which a newcomer meets them. */
extern const struct command commands[];

int cmd_broker(int argc, char **argv);
int cmd_build(int argc, char **argv);
int cmd_detect(int argc, char **argv);
int cmd_feed(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_ingest(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_model(int argc, char **argv);
int cmd_parse(int argc, char **argv);
int cmd_quarantine(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_worker(int argc, char **argv);

/* Prints "pairmill VERB: <err_text()>" and returns the exit code that fits `rc`. */
int command_fail(const char *verb, int rc);

#endif
