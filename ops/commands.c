#include "ops/command.h"

#include <stdio.h>

#include "common/err.h"

const struct command commands[] = {
    {"help", cmd_help, "list the commands"},
    {"build", cmd_build, "grind sources into a corpus: broker, workers and ingest in one command"},
    {"status", cmd_status, "what became of every pair, and whether the accounting adds up"},
    {"quarantine", cmd_quarantine, "list the pairs that could not be ground, or try them again"},
    {"broker", cmd_broker, "keep a corpus' queue, for workers and ingest to connect to"},
    {"ingest", cmd_ingest, "put the pairs of a source into the queue"},
    {"worker", cmd_worker, "grind pairs into shards"},
    {"stop", cmd_stop, "let workers finish and seal, then end them and the broker"},
    {"feed", cmd_feed, "stream a corpus' samples to trainers"},
    {"verify", cmd_verify, "read every byte of a corpus and check it"},
    {"inspect", cmd_inspect, "show a corpus, or one record of it"},
    {"report", cmd_report, "write a page that shows what a corpus holds and what it is for"},
    {"detect", cmd_detect, "find the regions of images"},
    {"model", cmd_model, "show what a detector's file holds; import published weights"},
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
