/* pairmill worker: leases jobs from a broker and grinds them into shards. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "ops/address.h"
#include "ops/command.h"
#include "ops/model_files.h"
#include "ops/option.h"

static const char help[] =
    "usage: pairmill worker (--corpus CORPUS | --broker ADDRESS --store DIR)\n\n"
    "Grinds pairs into shards until SIGTERM, or until `pairmill stop`.\n\n"
    "  --corpus CORPUS      the corpus whose broker runs on this machine; shards go to "
    "CORPUS/shards\n"
    "  --broker ADDRESS     a broker anywhere, e.g. tcp://10.0.0.5:5570\n"
    "  --store DIR          where the shards go; this machine's disk or shared storage, not NFS\n"
    "  --model FILE         detector (.safetensors); default: the demo detector, for tests and "
    "demonstration only\n"
    "  --parser-model FILE  scene-graph parser; default: the one that ships with pairmill\n"
    "  --vocab FILE         WordPiece vocab.txt; default: the one built in\n"
    "  --processes N        compute processes (default: one a core)\n"
    "  --shard-size MB      seal a shard when it has grown so large (1024)\n"
    "  --full-features      store features in single instead of half precision\n"
    "  --no-soft-labels     do not store the class distribution of every region (MRC-KL needs it)\n"
    "  --log LEVEL          error, warn, info or debug (info)\n";

enum { PROCESSES_MAX = 4096, MEGABYTES_MAX = 1 << 24 };

int cmd_worker(int argc, char **argv)
{
    static const struct option longs[] = {
        {"corpus", 1, NULL, 'c'},
        {"broker", 1, NULL, 'b'},
        {"store", 1, NULL, 's'},
        {"model", 1, NULL, 'm'},
        {"vocab", 1, NULL, 'v'},
        {"parser-model", 1, NULL, 'p'},
        {"processes", 1, NULL, 'n'},
        {"shard-size", 1, NULL, 'z'},
        {"full-features", 0, NULL, 'f'},
        {"no-soft-labels", 0, NULL, 'S'},
        {"log", 1, NULL, 'L'},
        {"help", 0, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct worker_options options = worker_default_options();
    struct model_files files = {0};
    const char *corpus = NULL;
    const char *level = "info";
    char address[ADDRESS_MAX];
    char store[4096];
    uint64_t processes = options.processes;
    uint64_t megabytes = options.seal_bytes >> 20;
    int rc = 0;
    int c;
    while (rc == 0 && (c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case 'c': corpus = optarg; break;
        case 'b': options.broker = optarg; break;
        case 's': options.store = optarg; break;
        case 'm': options.model = optarg; break;
        case 'v': options.vocabulary = optarg; break;
        case 'p': options.parser_model = optarg; break;
        case 'n': rc = option_whole("processes", optarg, 1, PROCESSES_MAX, &processes); break;
        case 'z': rc = option_whole("shard-size", optarg, 1, MEGABYTES_MAX, &megabytes); break;
        case 'f': options.half_features = false; break;
        case 'S': options.soft_labels = false; break;
        case 'L': level = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: fputs(help, stderr); return EXIT_USAGE;
        }
    }
    const bool complete = corpus ? !options.broker : options.broker && options.store;
    if (rc) {
        return command_fail("worker", rc);
    }
    if (optind != argc || !complete) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    options.processes = (unsigned)processes;
    options.seal_bytes = megabytes << 20;
    log_set_name("worker");
    rc = log_set_level(level);
    if (rc == 0 && corpus) {
        rc = address_of_corpus(corpus, "broker", address);
        snprintf(store, sizeof store, "%s/shards", corpus);
        options.broker = address;
        options.store = options.store ? options.store : store;
    }
    rc = rc ? rc : model_files_find(&files, &options);
    rc = rc ? rc : worker_run(&options);
    model_files_release(&files);
    return rc ? command_fail("worker", rc) : EXIT_OK;
}
