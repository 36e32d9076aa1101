/* pairmill: finds the verb and hands over.  Each verb lives in ops/cmd_<verb>.c. */
#include <stdio.h>
#include <string.h>

#include "ops/command.h"

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        (void)cmd_help(argc, argv);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        return cmd_version(argc, argv);
    }
    for (const struct command *c = commands; c->verb; c++) {
        if (strcmp(c->verb, argv[1]) == 0) {
            return c->run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "pairmill: there is no command \"%s\"; `pairmill help` lists them\n", argv[1]);
    return EXIT_USAGE;
}
