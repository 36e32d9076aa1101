/* pairmill: finds the verb and hands over.  Each verb lives in ops/cmd_<verb>.c. */
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "ops/command.h"

/* The exit code of a verb whose output has all been written: a full disk must not pass for success.
 */
static int flushed(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return code;
    }
    (void)err_errno("cannot write to standard output");
    fprintf(stderr, "pairmill: %s\n", err_text());
    return code == EXIT_OK ? EXIT_BROKEN : code;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        const int code = cmd_help(argc, argv);
        return argc < 2 ? EXIT_USAGE : flushed(code);
    }
    if (strcmp(argv[1], "--version") == 0) {
        return flushed(cmd_version(argc, argv));
    }
    for (const struct command *c = commands; c->verb; c++) {
        if (strcmp(c->verb, argv[1]) == 0) {
            return flushed(c->run(argc - 1, argv + 1));
        }
    }
    fprintf(stderr, "pairmill: there is no command \"%s\"; `pairmill help` lists them\n", argv[1]);
    return EXIT_USAGE;
}
