#include "ops/command.h"

#include <stdio.h>

#include "common/err.h"

const struct command commands[] = {
    {"help", cmd_help, "list the commands"},
    {"parse", cmd_parse, "print the scene graphs of captions"},
    {"version", cmd_version, "print commit, format and protocol versions"},
    {NULL, NULL, NULL},
};

int cmd_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("pairmill grinds image-text pairs into pretraining corpora and feeds them to trainers.\n\n"
         "usage: pairmill COMMAND [ARGUMENT...]       pairmill COMMAND --help tells more\n");
    for (const struct command *c = commands; c->verb; c++) {
        printf("  %-12s %s\n", c->verb, c->summary);
    }
    return EXIT_OK;
}

int command_fail(const char *verb, int rc)
{
    fprintf(stderr, "pairmill %s: %s\n", verb, err_text());
    switch (rc) {
    case E_ARG: return EXIT_USAGE;
    case E_VERSION: return EXIT_REFUSED;
    case E_STORAGE:
    case E_NOMEM: return EXIT_BROKEN;
    default: return EXIT_PROBLEM;
    }
}
