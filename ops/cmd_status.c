/* pairmill status, stop and quarantine: an operator's view of a broker. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/address.h"
#include "ops/command.h"
#include "ops/corpus_queue.h"
#include "ops/terminal.h"
#include "ops/watch.h"
#include "workers/pair_item.h"

enum { OPERATOR_PATIENCE_MS = 5000 };

static const char status_help[] =
    "usage: pairmill status (CORPUS | --broker ADDRESS) [--json]\n\n"
    "Prints what became of every pair that was ingested, and whether the accounting adds up.\n";

static const char stop_help[] =
    "usage: pairmill stop (CORPUS | --broker ADDRESS)\n\n"
    "Lets workers finish what they hold and seal their shards; then they and the broker end.\n";

static const char quarantine_help[] =
    "usage: pairmill quarantine (CORPUS | --broker ADDRESS) [--json] [--retry REASON|all]\n\n"
    "Lists the pairs in quarantine with the reason, or makes them pending again.\n"
    "A pair whose medium could not be read when it was ingested, or whose text was refused "
    "(E_TEXT_*,\nE_FORMAT), comes back by ingesting its mended source again.\n";

struct operator_options {
    const char *corpus; /* whose queue is used directly while no broker has it; or NULL */
    const char *broker; /* or NULL */
    const char *retry;
    bool json;
};

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, const char *help, struct operator_options *o)
{
    static const struct option longs[] = {
        {"broker", 1, NULL, 'b'}, {"json", 0, NULL, 'j'}, {"retry", 1, NULL, 'r'},
        {"help", 0, NULL, 'h'},   {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case 'b': o->broker = optarg; break;
        case 'j': o->json = true; break;
        case 'r': o->retry = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: fputs(help, stderr); return EXIT_USAGE;
        }
    }
    if (argc - optind != (o->broker ? 0 : 1)) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    o->corpus = o->broker ? NULL : argv[optind];
    return -1;
}

/* Without a broker the queue's file tells as much.  E_BUSY: ask the broker. */
static int open_queue(const struct operator_options *o, struct queue **q)
{
    return !o->corpus ? E_BUSY
           : o->retry ? corpus_queue_open(o->corpus, q)
                      : corpus_queue_look(o->corpus, q);
}

static int open_client(struct client *c, const struct operator_options *o)
{
    char address[ADDRESS_MAX];
    int rc = o->corpus ? address_of_corpus(o->corpus, "broker", address) : 0;
    rc = rc ? rc : client_open(c, o->corpus ? address : o->broker);
    c->deadline_ms = OPERATOR_PATIENCE_MS;
    return rc;
}

/* Of a broker that has the queue: it is running, so "is it running" is not what to ask. */
static int tell_silence(const struct operator_options *o, const struct client *c, int rc)
{
    return rc != E_TIMEOUT || !o->corpus
               ? rc
               : err_set(
                     rc,
                     "the queue of %s is in use, but no broker answers at %s; if its broker was "
                     "started with --bind or by another user, give its address with --broker",
                     o->corpus, c->address);
}

static void print_json(const struct broker_status *s)
{
    printf("{\"identity\": %s, \"ingested\": %llu", s->identity ? "true" : "false",
           (unsigned long long)s->counts.ingested);
    for (int state = 0; state < PAIR_STATES; state++) {
        printf(", \"%s\": %llu", pair_state_name((enum pair_state)state),
               (unsigned long long)s->counts.pairs[state]);
    }
    printf(
        ", \"media\": %llu, \"ready_jobs\": %llu, \"shards_open\": %llu, \"shards_sealed\": %llu, "
        "\"workers\": %llu}\n",
        (unsigned long long)s->counts.media, (unsigned long long)s->counts.ready_jobs,
        (unsigned long long)s->counts.shards_open, (unsigned long long)s->counts.shards_sealed,
        (unsigned long long)s->workers);
}

int cmd_status(int argc, char **argv)
{
    struct operator_options o = {0};
    struct client c = {0};
    struct broker_status s;
    const int code = parse(argc, argv, status_help, &o);
    if (code >= 0) {
        return code;
    }
    struct queue *q = NULL;
    int rc = open_queue(&o, &q);
    if (rc == 0) {
        s = (struct broker_status){.counts = queue_counts(q)};
        s.identity = queue_identity_holds(&s.counts);
        queue_close(q);
    } else if (rc == E_BUSY) {
        rc = open_client(&c, &o);
        rc = rc ? rc : watch_status(&c, &s);
        rc = tell_silence(&o, &c, rc);
        client_close(&c);
    }
    if (rc) {
        return command_fail("status", rc);
    }
    if (o.json) {
        print_json(&s);
    } else {
        watch_print_identity(&s.counts);
        printf("the accounting %s; %llu media, %llu jobs ready, %llu workers, %llu shards open, "
               "%llu sealed\n",
               s.identity ? "adds up" : "DOES NOT ADD UP", (unsigned long long)s.counts.media,
               (unsigned long long)s.counts.ready_jobs, (unsigned long long)s.workers,
               (unsigned long long)s.counts.shards_open,
               (unsigned long long)s.counts.shards_sealed);
    }
    return s.identity ? EXIT_OK : EXIT_PROBLEM;
}

int cmd_stop(int argc, char **argv)
{
    struct operator_options o = {0};
    struct client c = {0};
    const int code = parse(argc, argv, stop_help, &o);
    if (code >= 0) {
        return code;
    }
    int rc = open_client(&c, &o);
    rc = rc ? rc : watch_say(&c, "STOP");
    client_close(&c);
    return rc ? command_fail("stop", rc) : EXIT_OK;
}

/* ------------------------------------------------------------------ quarantine */

static void print_text(const struct id *pair, struct view reason, struct view detail,
                       const struct pair_item *item)
{
    char hex[ID_HEX];
    id_to_hex(pair, hex);
    printf("%.12s  ", hex);
    terminal_write(stdout, reason);
    printf("%*s", reason.n < 22 ? (int)(22 - reason.n) : 2, "");
    terminal_write(stdout, item->source);
    putchar(' ');
    terminal_write(stdout, item->key);
    printf("\n              ");
    terminal_write(stdout, detail);
    putchar('\n');
}

static void print_object(const struct id *pair, struct view reason, struct view detail,
                         const struct pair_item *item)
{
    char hex[ID_HEX];
    id_to_hex(pair, hex);
    json_t *o = json_object();
    json_object_set_new(o, "pair", json_string(hex));
    json_object_set_new(o, "reason", json_stringn(reason.p, reason.n));
    json_object_set_new(o, "detail", json_stringn(detail.p, detail.n));
    json_object_set_new(o, "source", json_stringn(item->source.p, item->source.n));
    json_object_set_new(o, "key", json_stringn(item->key.p, item->key.n));
    json_object_set_new(o, "text",
                        json_stringn(item->text.p, item->text.n)); /* left out if not UTF-8 */
    char *text = json_dumps(o, JSON_COMPACT);
    puts(text ? text : "{}");
    free(text);
    json_decref(o);
}

static void print_row(const struct id *pair, struct view reason, struct view detail,
                      struct view blob, bool json)
{
    msgpack_unpacked unpacked;
    struct pair_item item;
    if (pair_item_unpack(blob, &unpacked, &item)) {
        item = (struct pair_item){0};
    }
    (json ? print_object : print_text)(pair, reason, detail, &item);
    msgpack_unpacked_destroy(&unpacked);
}

/* What the broker has listed so far, page by page. */
struct listing {
    bool json;
    bool more; /* there are pairs behind the last one */
    uint64_t n;
    struct id last;
};

static int print_listed(const struct wire_map *m, struct listing *l)
{
    struct view reason;
    struct view detail;
    struct view blob;
    int rc = wire_get_id(m, "pair", &l->last);
    rc = rc ? rc : wire_get_str(m, "reason", &reason);
    rc = rc ? rc : wire_get_str(m, "detail", &detail);
    rc = rc ? rc : wire_get_bin(m, "item", &blob);
    if (rc == 0) {
        l->n++;
        print_row(&l->last, reason, detail, blob, l->json);
    }
    return rc;
}

static int print_report(const struct pair_report *p, void *json)
{
    print_row(&p->pair, view_str(err_name(p->reason)), p->detail, p->blob, *(bool *)json);
    return 0;
}

static int print_page(const struct wire_in *in, struct listing *l)
{
    struct wire_list list;
    int rc = wire_get_bool(&in->header, "more", &l->more);
    if (rc == 0 && in->payload_count != 1) {
        rc = err_set(E_PEER, "the broker's LIST carries no pairs");
    }
    if (rc) {
        return rc;
    }
    rc = wire_list_parse(in->payload[0], (size_t)1 << 20, &list);
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        const struct wire_map m = wire_list_at(&list, i);
        rc = print_listed(&m, l);
    }
    wire_list_release(&list);
    return rc;
}

static int list_quarantine(struct client *c, bool json)
{
    struct listing l = {.json = json, .more = true};
    int rc = 0;
    while (rc == 0 && l.more) {
        struct wire_in in;
        wire_begin(&c->out, "LIST");
        if (l.n) {
            wire_put_bin(&c->out, "after", view_of(l.last.b, ID_BYTES));
        }
        rc = client_ask(c, NULL, &in);
        rc = rc ? rc : print_page(&in, &l);
        wire_in_release(&in);
    }
    if (rc == 0 && !json) {
        printf("%llu pairs in quarantine\n", (unsigned long long)l.n);
    }
    return rc;
}

static int retry_quarantine(struct client *c, const char *reason)
{
    struct wire_in in;
    uint64_t n = 0;
    wire_begin(&c->out, "RETRY");
    wire_put_str(&c->out, "reason", view_str(strcmp(reason, "all") == 0 ? "" : reason));
    int rc = client_ask(c, NULL, &in);
    rc = rc ? rc : wire_get_u64(&in.header, "retried", &n);
    if (rc == 0) {
        printf("%llu pairs are pending again\n", (unsigned long long)n);
    }
    wire_in_release(&in);
    return rc;
}

/* The same without a broker. */
static int quarantine_of_file(struct queue *q, const struct operator_options *o)
{
    bool json = o->json;
    uint64_t n = queue_counts(q).pairs[PAIR_QUARANTINED];
    if (!o->retry) {
        const int rc = queue_each_pair(q, PAIR_QUARANTINED, NULL, print_report, &json);
        if (rc == 0 && !json) {
            printf("%llu pairs in quarantine\n", (unsigned long long)n);
        }
        return rc;
    }
    const bool all = strcmp(o->retry, "all") == 0;
    const int reason = all ? 0 : err_from_name(o->retry);
    int rc = all || reason ? queue_retry(q, reason, &n)
                           : err_set(E_ARG, "\"%s\" is no reason", o->retry);
    rc = rc ? rc : queue_commit(q);
    if (rc == 0) {
        printf("%llu pairs are pending again\n", (unsigned long long)n);
    }
    return rc;
}

static int quarantine_of_broker(const struct operator_options *o)
{
    struct client c = {0};
    int rc = open_client(&c, o);
    if (rc == 0) {
        rc = o->retry ? retry_quarantine(&c, o->retry) : list_quarantine(&c, o->json);
    }
    rc = tell_silence(o, &c, rc);
    client_close(&c);
    return rc;
}

int cmd_quarantine(int argc, char **argv)
{
    struct operator_options o = {0};
    struct queue *q = NULL;
    const int code = parse(argc, argv, quarantine_help, &o);
    if (code >= 0) {
        return code;
    }
    int rc = open_queue(&o, &q);
    if (rc == 0) {
        rc = quarantine_of_file(q, &o);
        queue_close(q);
    } else if (rc == E_BUSY) {
        rc = quarantine_of_broker(&o);
    }
    return rc ? command_fail("quarantine", rc) : EXIT_OK;
}
