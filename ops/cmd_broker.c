/* pairmill broker: the queue of a corpus, for ingest clients, workers and operators to connect to.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"
#include "common/file.h"
#include "common/log.h"
#include "ops/address.h"
#include "ops/command.h"
#include "ops/option.h"

static const char help[] =
    "usage: pairmill broker CORPUS [--bind ADDRESS]...\n\n"
    "Keeps the queue of the corpus directory CORPUS (made when missing) and serves it until "
    "SIGTERM.\n\n"
    "  --bind ADDRESS    where to listen, ipc://... or tcp://HOST:PORT; may be repeated\n"
    "                    (default: the ipc address that the other commands find by CORPUS)\n"
    "  --insecure        allow an address that other machines can reach; nobody is asked who he "
    "is\n"
    "  --lease SECONDS   how long a worker may be silent before its jobs go to another (60)\n"
    "  --attempts N      failures of a job before it is quarantined (5)\n"
    "  --max-kills N     workers that a job may kill before it is quarantined (3)\n"
    "  --idle-seal S     seal open shards after so many idle seconds (10)\n"
    "  --log LEVEL       error, warn, info or debug (info)\n";

enum { BINDS_MAX = 16 };

static void print_address(const char *address)
{
    printf("pairmill broker listens at %s\n", address);
    fflush(stdout);
}

int cmd_broker(int argc, char **argv)
{
    static const struct option longs[] = {
        {"bind", 1, NULL, 'b'},     {"insecure", 0, NULL, 'i'},  {"lease", 1, NULL, 'l'},
        {"attempts", 1, NULL, 'a'}, {"max-kills", 1, NULL, 'k'}, {"idle-seal", 1, NULL, 's'},
        {"log", 1, NULL, 'L'},      {"help", 0, NULL, 'h'},      {NULL, 0, NULL, 0},
    };
    struct broker_options options = broker_default_options();
    const char *binds[BINDS_MAX];
    char address[ADDRESS_MAX];
    const char *level = "info";
    double lease = (double)options.queue.lease_ms / 1000;
    double idle = (double)options.idle_seal_ms / 1000;
    uint64_t attempts = options.queue.attempts;
    uint64_t max_kills = options.queue.max_kills;
    int rc = 0;
    int c;
    while (rc == 0 && (c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case 'b':
            if (options.bind_count == BINDS_MAX) {
                rc = err_set(E_ARG, "--bind may be given %d times", BINDS_MAX);
                break;
            }
            binds[options.bind_count++] = optarg;
            break;
        case 'i': options.insecure = true; break;
        case 'l':
            rc = option_real("lease", optarg, OPTION_LEASE_MIN, OPTION_SECONDS_MAX, &lease);
            break;
        case 'a': rc = option_whole("attempts", optarg, 1, OPTION_TRIES_MAX, &attempts); break;
        case 'k': rc = option_whole("max-kills", optarg, 1, OPTION_TRIES_MAX, &max_kills); break;
        case 's': rc = option_real("idle-seal", optarg, 0, OPTION_SECONDS_MAX, &idle); break;
        case 'L': level = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: fputs(help, stderr); return EXIT_USAGE;
        }
    }
    if (rc) {
        return command_fail("broker", rc);
    }
    if (optind + 1 != argc) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    options.queue.lease_ms = (int64_t)(lease * 1000);
    options.queue.attempts = (unsigned)attempts;
    options.queue.max_kills = (unsigned)max_kills;
    options.idle_seal_ms = (int64_t)(idle * 1000);
    options.corpus = argv[optind];
    /* A beat well within the lease. */
    if (options.beat_ms > options.queue.lease_ms / 4) {
        options.beat_ms = options.queue.lease_ms / 4 > 50 ? options.queue.lease_ms / 4 : 50;
    }
    log_set_name("broker");
    rc = log_set_level(level);
    if (rc == 0 && options.bind_count == 0) {
        rc = file_make_dirs(options.corpus);
        rc = rc ? rc : address_of_corpus(options.corpus, "broker", address);
        binds[options.bind_count++] = address;
    }
    options.binds = binds;
    rc = rc ? rc : broker_run(&options, print_address);
    return rc ? command_fail("broker", rc) : EXIT_OK;
}
