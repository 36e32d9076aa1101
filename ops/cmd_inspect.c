/* pairmill inspect: a corpus, a pair or a medium, for a person or as JSON. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/command.h"
#include "ops/json_out.h"
#include "ops/option.h"
#include "ops/terminal.h"
#include "recipes/node_tokens.h"
#include "shards/about.h"
#include "shards/corpus.h"

static const char help[] =
    "usage: pairmill inspect CORPUS [RECORD] [--json] [--regions N]\n\n"
    "Without RECORD: what the corpus holds.  RECORD is a pair's number, in the order of ids from "
    "0,\n"
    "or the beginning of a pair's or a medium's id (hexadecimal digits, at least 4).\n"
    "  --json        one JSON object\n"
    "  --regions N   print N regions instead of 20 (0: all)\n";

struct inspector {
    struct corpus *corpus;
    struct about about;
    struct buf pair_bytes;
    struct buf visual_bytes;
    unsigned regions; /* to print; 0: all */
};

/* ---- JSON ---- */

static json_t *id_json(const struct id *id)
{
    char hex[ID_HEX];
    id_to_hex(id, hex);
    return json_string(hex);
}

/* An unsigned number of 64 bits, which JSON's integers may not hold: its hexadecimal digits. */
static json_t *group_json(uint64_t group)
{
    char digits[17];
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)group);
    return json_string(digits);
}

/* JSON has no NaN: null. */
static json_t *real_json(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *tokens_json(const struct token_block *t)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < t->n; i++) {
        json_array_append_new(list, json_pack("{s:i, s:i, s:i, s:b}", "id", (int)t->ids[i], "beg",
                                              (int)t->beg[i], "end", (int)t->end[i], "word_start",
                                              (int)t->word_start[i]));
    }
    return list;
}

static const char *const node_types[] = {"?", "object", "attribute", "relation"};

static const char *node_label(const struct scene_graph *g, uint32_t node)
{
    return (const char *)g->labels.p + g->nodes[node].label;
}

static json_t *graph_json(const struct pair_record *r)
{
    const struct scene_graph *g = &r->graph;
    json_t *nodes = json_array();
    json_t *edges = json_array();
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct graph_node *n = &g->nodes[i];
        const struct token_span t = node_tokens(&r->tokens, n);
        json_array_append_new(
            nodes,
            json_pack("{s:s, s:o, s:i, s:i, s:[i,i], s:b}", "type", node_types[n->type], "label",
                      json_out_text(view_str(node_label(g, i))), "beg", (int)n->beg, "end",
                      (int)n->end, "tokens", (int)t.beg, (int)t.end, "implicit", (int)n->implicit));
    }
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct graph_edge *e = &g->edges[i];
        json_t *o = json_pack("{s:i, s:i}", "node", (int)e->node, "subject", (int)e->subject);
        if (e->object != GRAPH_NONE) {
            json_object_set_new(o, "object", json_integer(e->object));
        }
        json_array_append_new(edges, o);
    }
    return json_pack("{s:o, s:o}", "nodes", nodes, "edges", edges);
}

static json_t *sentences_json(const struct pair_record *r)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < r->sentence_count; i++) {
        const struct sentence *s = &r->sentences[i];
        json_array_append_new(list, json_pack("{s:i, s:i, s:o, s:o}", "beg", (int)s->beg, "end",
                                              (int)s->end, "start_s", real_json((double)s->start_s),
                                              "end_s", real_json((double)s->end_s)));
    }
    return list;
}

static json_t *pair_json(const struct pair_record *r, uint32_t shard)
{
    return json_pack(
        "{s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "pair",
        id_json(&r->id), "medium", id_json(&r->medium), "shard", (int)shard, "group",
        group_json(r->group), "source", json_out_text(r->source), "key", json_out_text(r->key),
        "split", json_out_text(r->split), "coco_image_id", (json_int_t)r->coco_image_id,
        "coco_caption_id", (json_int_t)r->coco_caption_id, "vg_id", (json_int_t)r->vg_id,
        "flickr_id", (json_int_t)r->flickr_id, "text", json_out_text(r->text), "sentences",
        sentences_json(r), "tokenizer", json_out_text(r->tokens.tokenizer), "tokens",
        tokens_json(&r->tokens), "graph", graph_json(r));
}

static void set_name(json_t *o, const char *key, const char *name)
{
    if (name) {
        json_object_set_new(o, key, json_string(name));
    }
}

static json_t *region_json(const struct inspector *in, const struct visual_record *r, uint32_t i)
{
    const float *b = r->boxes + 4 * (size_t)i;
    json_t *o = json_pack("{s:[o,o,o,o], s:o, s:i, s:o}", "box", real_json((double)b[0]),
                          real_json((double)b[1]), real_json((double)b[2]), real_json((double)b[3]),
                          "conf", real_json((double)r->conf[i]), "object_id", (int)r->object_id[i],
                          "object_conf", real_json((double)r->object_conf[i]));
    set_name(o, "object", about_object_name(&in->about, r->object_id[i]));
    if (r->attr_id) {
        json_object_set_new(o, "attr_id", json_integer(r->attr_id[i]));
        json_object_set_new(o, "attr_conf", real_json((double)r->attr_conf[i]));
        set_name(o, "attribute", about_attribute_name(&in->about, r->attr_id[i]));
    }
    return o;
}

static const char *dtype_of(const struct visual_record *r)
{
    return dtype_name(r->feature_dtype == FEATURE_F16 ? DTYPE_F16 : DTYPE_F32);
}

static json_t *visual_json(const struct inspector *in, const struct visual_record *r,
                           uint32_t shard)
{
    json_t *regions = json_array();
    for (uint32_t i = 0; i < r->n; i++) {
        json_array_append_new(regions, region_json(in, r, i));
    }
    return json_pack("{s:o, s:i, s:i, s:i, s:o, s:o, s:s, s:s, s:s, s:[i,i], s:[i,i], s:o}",
                     "medium", id_json(&r->medium), "shard", (int)shard, "width", (int)r->width,
                     "height", (int)r->height, "detector", json_out_text(r->detector), "locator",
                     json_out_text(r->locator), "boxes_are",
                     r->convention == BOX_PROPOSAL ? "proposals" : "regressed", "ordered_by",
                     r->order == BOX_BY_CONFIDENCE ? "confidence" : "proposal", "feature_dtype",
                     dtype_of(r), "features", (int)r->n, (int)r->dim, "soft_labels",
                     r->classes ? (int)r->n : 0, (int)r->classes, "regions", regions);
}

static void print_json(json_t *o)
{
    if (o) {
        json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
    }
    json_decref(o);
}

/* ---- for a person ---- */

static void print_text(struct view text)
{
    terminal_write(stdout, text);
}

static void print_line(const char *label, struct view text)
{
    if (text.n) {
        printf("%-10s ", label);
        print_text(text);
        putchar('\n');
    }
}

static void print_id(const char *label, const struct id *id)
{
    char hex[ID_HEX];
    id_to_hex(id, hex);
    printf("%-10s %s\n", label, hex);
}

static struct view span(struct view text, uint32_t beg, uint32_t end)
{
    return view_of((const char *)text.p + beg, end - beg);
}

static void print_tokens(const struct pair_record *r)
{
    const struct token_block *t = &r->tokens;
    printf("%-10s %u by ", "sub-tokens", t->n);
    print_text(t->tokenizer);
    printf("\n          ");
    for (uint32_t i = 0; i < t->n; i++) {
        printf(t->word_start[i] ? " " : "+");
        print_text(span(r->text, t->beg[i], t->end[i]));
        printf("/%u", t->ids[i]);
    }
    putchar('\n');
}

static void print_source_ids(const struct pair_record *r)
{
    const struct {
        const char *name;
        uint64_t number;
    } ids[] = {{"coco image", r->coco_image_id},
               {"coco text", r->coco_caption_id},
               {"vg", r->vg_id},
               {"flickr", r->flickr_id}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (ids[i].number) {
            printf("%-10s %llu\n", ids[i].name, (unsigned long long)ids[i].number);
        }
    }
}

static void print_node(const struct pair_record *r, uint32_t i)
{
    const struct graph_node *n = &r->graph.nodes[i];
    print_text(view_str(node_label(&r->graph, i)));
    if (n->implicit) {
        printf(" (implicit)");
    }
    if (n->end > n->beg) {
        printf("  \"");
        print_text(span(r->text, n->beg, n->end));
        putchar('"');
    }
    putchar('\n');
}

/* An object with its attributes and the relations that start at it. */
static void print_object(const struct pair_record *r, uint32_t object)
{
    printf("           ");
    print_node(r, object);
    for (uint32_t i = 0; i < r->graph.edge_count; i++) {
        const struct graph_edge *e = &r->graph.edges[i];
        if (e->subject != object) {
            continue;
        }
        if (e->object == GRAPH_NONE) {
            printf("           |- is ");
            print_node(r, e->node);
        } else {
            printf("           |- ");
            print_text(view_str(node_label(&r->graph, e->node)));
            printf(" -> ");
            print_text(view_str(node_label(&r->graph, e->object)));
            putchar('\n');
        }
    }
}

static void print_graph(const struct pair_record *r)
{
    printf("%-10s %u nodes, %u edges\n", "graph", r->graph.node_count, r->graph.edge_count);
    for (uint32_t i = 0; i < r->graph.node_count; i++) {
        if (r->graph.nodes[i].type == GRAPH_OBJECT) {
            print_object(r, i);
        }
    }
}

static void print_pair(const struct pair_record *r, uint32_t shard)
{
    print_id("pair", &r->id);
    print_line("text", r->text);
    print_id("medium", &r->medium);
    printf("%-10s %u\n", "shard", shard);
    printf("%-10s %016llx\n", "group", (unsigned long long)r->group);
    print_line("source", r->source);
    print_line("key", r->key);
    print_line("split", r->split);
    print_source_ids(r);
    print_tokens(r);
    print_graph(r);
}

static void print_named(const char *name, uint32_t id, float conf)
{
    char number[16];
    snprintf(number, sizeof number, "%u", id);
    printf("  %-16.16s %5.2f", name ? name : number, (double)conf);
}

static void print_regions(const struct inspector *in, const struct visual_record *r)
{
    const uint32_t n = in->regions && in->regions < r->n ? in->regions : r->n;
    printf("\n  region     x1     y1     x2     y2   conf  object                  %s\n",
           r->attr_id ? "attribute" : "");
    for (uint32_t i = 0; i < n; i++) {
        const float *b = r->boxes + 4 * (size_t)i;
        printf("  %6u %6.1f %6.1f %6.1f %6.1f  %5.2f", i, (double)b[0], (double)b[1], (double)b[2],
               (double)b[3], (double)r->conf[i]);
        print_named(about_object_name(&in->about, r->object_id[i]), r->object_id[i],
                    r->object_conf[i]);
        if (r->attr_id) {
            print_named(about_attribute_name(&in->about, r->attr_id[i]), r->attr_id[i],
                        r->attr_conf[i]);
        }
        putchar('\n');
    }
    if (n < r->n) {
        printf("  ... and %u more (--regions 0 prints all)\n", r->n - n);
    }
}

static void print_visual(const struct inspector *in, const struct visual_record *r, uint32_t shard)
{
    print_id("medium", &r->medium);
    printf("%-10s %u\n", "shard", shard);
    printf("%-10s %u x %u px\n", "size", r->width, r->height);
    print_line("detector", r->detector);
    print_line("locator", r->locator);
    printf("%-10s %u %s, ordered by %s\n", "regions", r->n,
           r->convention == BOX_PROPOSAL ? "proposals" : "regressed boxes",
           r->order == BOX_BY_CONFIDENCE ? "confidence" : "proposal");
    printf("%-10s %s (%u, %u)\n", "features", dtype_of(r), r->n, r->dim);
    if (r->classes) {
        printf("%-10s f16 (%u, %u)\n", "soft labels", r->n, r->classes);
    }
    print_regions(in, r);
}

/* ---- what was asked for ---- */

static uint32_t shard_number(const struct inspector *in, uint32_t shard)
{
    return corpus_catalog(in->corpus)->shards[shard].manifest.number;
}

/* The names of a record's regions stand in the shard that holds it. */
static int load_about(struct inspector *in, uint32_t shard)
{
    about_release(&in->about);
    return about_parse(sealed_shard_about(corpus_shard(in->corpus, shard)), &in->about);
}

static int show_medium(struct inspector *in, uint64_t i, json_t *into)
{
    struct visual_record r;
    const uint32_t shard = corpus_medium(in->corpus, i)->shard;
    int rc = corpus_read_visual(in->corpus, i, &in->visual_bytes, &r);
    rc = rc ? rc : load_about(in, shard);
    if (rc == 0 && into) {
        json_object_set_new(into, "visual", visual_json(in, &r, shard_number(in, shard)));
    } else if (rc == 0) {
        print_visual(in, &r, shard_number(in, shard));
    }
    return rc;
}

static int show_pair(struct inspector *in, uint64_t i, json_t *into)
{
    struct pair_record r;
    const struct corpus_pair *p = corpus_pair(in->corpus, i);
    int rc = corpus_read_pair(in->corpus, i, &in->pair_bytes, &r);
    if (rc == 0 && into) {
        json_object_set_new(into, "index", json_integer((json_int_t)i));
        json_object_set_new(into, "pair", pair_json(&r, shard_number(in, p->shard)));
    } else if (rc == 0) {
        printf("%-10s %llu of %llu pairs\n", "index", (unsigned long long)i,
               (unsigned long long)corpus_pairs(in->corpus));
        print_pair(&r, shard_number(in, p->shard));
        putchar('\n');
    }
    return rc ? rc : show_medium(in, p->medium, into);
}

static int ambiguous(const struct inspector *in, enum record_kind kind, const char *what,
                     uint64_t first, uint64_t count)
{
    char a[ID_HEX];
    char b[ID_HEX];
    const bool pair = kind == RECORD_PAIR;
    id_to_hex(pair ? &corpus_pair(in->corpus, first)->id : &corpus_medium(in->corpus, first)->id,
              a);
    id_to_hex(pair ? &corpus_pair(in->corpus, first + 1)->id
                   : &corpus_medium(in->corpus, first + 1)->id,
              b);
    return err_set(E_ARG, "%llu %s have an id that begins with %s, among them %.16s and %.16s",
                   (unsigned long long)count, pair ? "pairs" : "media", what, a, b);
}

/* A whole number below the number of pairs is one's index; true and the number. */
static bool is_index(const struct inspector *in, const char *what, uint64_t *i)
{
    const size_t digits = strspn(what, "0123456789");
    if (digits == 0 || what[digits] || digits > 18) {
        return false;
    }
    *i = strtoull(what, NULL, 10);
    return *i < corpus_pairs(in->corpus);
}

static int show_record(struct inspector *in, const char *what, json_t *into)
{
    uint64_t first = 0;
    uint64_t count = 0;
    if (is_index(in, what, &first)) {
        return show_pair(in, first, into);
    }
    if (strlen(what) < 4) {
        return err_set(
            E_ARG, "\"%s\" is neither a pair's number (0 to %lld) nor 4 digits of an id or more",
            what, (long long)corpus_pairs(in->corpus) - 1);
    }
    static const enum record_kind kinds[] = {RECORD_PAIR, RECORD_VISUAL};
    for (size_t k = 0; k < 2; k++) {
        const int rc = corpus_find_prefix(in->corpus, kinds[k], what, &first, &count);
        if (rc == E_NOT_FOUND) {
            continue;
        }
        if (rc == 0 && count > 1) {
            return ambiguous(in, kinds[k], what, first, count);
        }
        return rc                        ? rc
               : kinds[k] == RECORD_PAIR ? show_pair(in, first, into)
                                         : show_medium(in, first, into);
    }
    return err_set(E_NOT_FOUND, "the corpus holds no pair or medium whose id begins with %s", what);
}

static json_t *corpus_json(const struct inspector *in)
{
    const struct catalog *c = corpus_catalog(in->corpus);
    json_t *shards = json_array();
    for (size_t i = 0; i < c->n; i++) {
        const struct shard_manifest *m = &c->shards[i].manifest;
        json_array_append_new(
            shards, json_pack("{s:s, s:I, s:I, s:I, s:I}", "file", c->shards[i].file, "number",
                              (json_int_t)m->number, "pairs", (json_int_t)m->pairs, "media",
                              (json_int_t)m->media, "bytes", (json_int_t)m->bytes));
    }
    return json_pack("{s:s, s:I, s:I, s:O, s:o}", "corpus", c->corpus, "pairs",
                     (json_int_t)corpus_pairs(in->corpus), "media",
                     (json_int_t)corpus_media(in->corpus), "about",
                     in->about.json ? in->about.json : json_null(), "shards", shards);
}

static void print_corpus(const struct inspector *in)
{
    const struct catalog *c = corpus_catalog(in->corpus);
    uint64_t bytes = 0;
    uint64_t tokens = 0;
    for (size_t i = 0; i < c->n; i++) {
        bytes += c->shards[i].manifest.bytes;
    }
    for (uint64_t i = 0; i < corpus_pairs(in->corpus); i++) {
        tokens += corpus_pair(in->corpus, i)->tokens;
    }
    printf("%-10s %s\n", "corpus", c->corpus);
    printf("%-10s %llu\n", "pairs", (unsigned long long)corpus_pairs(in->corpus));
    printf("%-10s %llu\n", "media", (unsigned long long)corpus_media(in->corpus));
    printf("%-10s %llu\n", "sub-tokens", (unsigned long long)tokens);
    printf("%-10s %.1f MB in %zu shards\n", "size", (double)bytes / 1e6, c->n);
    print_line("detector", view_str(in->about.detector ? in->about.detector : ""));
    print_line("tokenizer", view_str(in->about.tokenizer ? in->about.tokenizer : ""));
    for (size_t i = 0; i < c->n; i++) {
        const struct shard_manifest *m = &c->shards[i].manifest;
        printf("  shard %-6u %10llu pairs %10llu media %10.1f MB  %s\n", m->number,
               (unsigned long long)m->pairs, (unsigned long long)m->media, (double)m->bytes / 1e6,
               c->shards[i].file);
    }
}

static int inspect(struct inspector *in, const char *what, bool json)
{
    if (what) {
        json_t *o = json ? json_object() : NULL;
        const int rc = show_record(in, what, o);
        if (rc) {
            json_decref(o);
        } else {
            print_json(o);
        }
        return rc;
    }
    const int rc = corpus_catalog(in->corpus)->n ? load_about(in, 0) : 0;
    if (rc == 0 && json) {
        print_json(corpus_json(in));
    } else if (rc == 0) {
        print_corpus(in);
    }
    return rc;
}

int cmd_inspect(int argc, char **argv)
{
    static const struct option longs[] = {{"json", 0, NULL, 'j'},
                                          {"regions", 1, NULL, 'r'},
                                          {"help", 0, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct inspector in = {.regions = 20};
    bool json = false;
    uint64_t regions = in.regions;
    int rc = 0;
    int c;
    while (rc == 0 && (c = getopt_long(argc, argv, "hj", longs, NULL)) != -1) {
        switch (c) {
        case 'j': json = true; break;
        case 'r': rc = option_whole("regions", optarg, 0, UINT32_MAX, &regions); break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: fputs(help, stderr); return EXIT_USAGE;
        }
    }
    if (rc) {
        return command_fail("inspect", rc);
    }
    in.regions = (unsigned)regions;
    const int left = argc - optind;
    if (left < 1 || left > 2) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    buf_init(&in.pair_bytes, CODEC_MAX_RECORD);
    buf_init(&in.visual_bytes, CODEC_MAX_RECORD);
    /* Records carry their own checksums, so looking at one need not read every file. */
    rc = corpus_open(argv[optind], CORPUS_TRUST_DIGESTS, &in.corpus);
    rc = rc ? rc : inspect(&in, left == 2 ? argv[optind + 1] : NULL, json);
    about_release(&in.about);
    corpus_close(in.corpus);
    buf_release(&in.pair_bytes);
    buf_release(&in.visual_bytes);
    return rc ? command_fail(argv[0], rc) : EXIT_OK;
}
