/* pairmill parse: captions to scene graphs; pairmill parse train: annotated captions to a model. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "ops/command.h"
#include "ops/parse_score.h"
#include "sceneparse/render.h"
#include "sceneparse/sceneparse.h"
#include "sceneparse/train.h"

#define DEFAULT_MODEL "sceneparse/captions.sgm"

enum { CAPTION_MAX = 1 << 26 };

static const char usage[] =
    "usage: pairmill parse [--json | --dot | --factual] [--parser-model FILE] [CAPTION...]\n"
    "       pairmill parse train --csv FILE --out FILE [--wordnet FOLDER] [--score FILE]\n"
    "       pairmill parse score --captions FILE --spans FILE\n"
    "\n"
    "Prints the scene graph of each CAPTION, or of each line of standard input.\n"
    "  --json          one JSON object a line\n"
    "  --dot           a Graphviz digraph\n"
    "  --factual       the caption, a tab, the graph in FACTUAL's notation\n"
    "  --parser-model  the model (default: sceneparse/captions.sgm)\n"
    "\n"
    "train makes the model from FACTUAL's CSV and WordNet's files.\n";

struct parse_options {
    const char *model;
    enum graph_style style;
};

static int print_graph(struct sg_parser *parser, const struct parse_options *o, const char *text,
                       size_t n, struct buf *out)
{
    const struct sg_graph *graph;
    buf_reset(out);
    int rc = sg_parse(parser, text, n, &graph);
    rc = rc ? rc : render_graph(graph, text, n, o->style, out);
    if (!rc) {
        fwrite(out->p, 1, out->n, stdout);
    }
    return rc;
}

static int print_lines(struct sg_parser *parser, const struct parse_options *o, struct buf *out)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int rc = 0;
    while (!rc && (n = getline(&line, &room, stdin)) >= 0) {
        n -= n > 0 && line[n - 1] == '\n';
        rc = print_graph(parser, o, line, (size_t)n, out);
    }
    free(line);
    return rc;
}

static int parse_captions(const struct parse_options *o, int argc, char **argv)
{
    struct sg_model *model = NULL;
    struct sg_parser *parser = NULL;
    struct buf out;
    buf_init(&out, (size_t)16 * CAPTION_MAX);
    int rc = sg_model_open(o->model, &model);
    rc = rc ? rc : sg_parser_new(model, &parser);
    for (int i = 0; i < argc && !rc; i++) {
        rc = print_graph(parser, o, argv[i], strlen(argv[i]), &out);
    }
    if (argc == 0 && !rc) {
        rc = print_lines(parser, o, &out);
    }
    sg_parser_free(parser);
    sg_model_close(model);
    buf_release(&out);
    return rc ? command_fail("parse", rc) : EXIT_OK;
}

static void show_progress(const char *stage, size_t done, size_t total)
{
    fprintf(stderr, "%s: %zu of %zu\n", stage, done, total);
}

static int train(int argc, char **argv)
{
    static const struct option options[] = {{"csv", required_argument, NULL, 'c'},
                                            {"wordnet", required_argument, NULL, 'w'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"holdout", required_argument, NULL, 'k'},
                                            {"score", required_argument, NULL, 's'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct train_options o = {
        .wordnet = "/usr/share/wordnet", .note = "", .progress = show_progress};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'c': o.csv = optarg; break;
        case 'w': o.wordnet = optarg; break;
        case 'o': o.out = optarg; break;
        case 'k': o.holdout = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': o.score = optarg; break;
        case 'h': fputs(usage, stdout); return EXIT_OK;
        default: fputs(usage, stderr); return EXIT_USAGE;
        }
    }
    if (!o.csv || !o.out) {
        fputs("pairmill parse train: --csv and --out are needed\n", stderr);
        return EXIT_USAGE;
    }
    const int rc = sg_train(&o);
    return rc ? command_fail("parse train", rc) : EXIT_OK;
}

static int score(int argc, char **argv)
{
    static const struct option options[] = {{"captions", required_argument, NULL, 'c'},
                                            {"spans", required_argument, NULL, 's'},
                                            {"parser-model", required_argument, NULL, 'm'},
                                            {NULL, 0, NULL, 0}};
    const char *captions = NULL;
    const char *spans = NULL;
    const char *path = DEFAULT_MODEL;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'c': captions = optarg; break;
        case 's': spans = optarg; break;
        case 'm': path = optarg; break;
        default: fputs(usage, stderr); return EXIT_USAGE;
        }
    }
    if (!captions || !spans) {
        fputs("pairmill parse score: --captions and --spans are needed\n", stderr);
        return EXIT_USAGE;
    }
    struct sg_model *model = NULL;
    struct sg_parser *parser = NULL;
    int rc = sg_model_open(path, &model);
    rc = rc ? rc : sg_parser_new(model, &parser);
    rc = rc ? rc : parse_score(parser, captions, spans, stdout);
    sg_parser_free(parser);
    sg_model_close(model);
    return rc ? command_fail("parse score", rc) : EXIT_OK;
}

int cmd_parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},    {"dot", no_argument, NULL, 'd'},
        {"factual", no_argument, NULL, 'f'}, {"parser-model", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},    {NULL, 0, NULL, 0}};
    struct parse_options o = {DEFAULT_MODEL, GRAPH_TREE};
    if (argc > 1 && strcmp(argv[1], "train") == 0) {
        return train(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "score") == 0) {
        return score(argc - 1, argv + 1);
    }
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'j': o.style = GRAPH_JSON; break;
        case 'd': o.style = GRAPH_DOT; break;
        case 'f': o.style = GRAPH_FACTUAL; break;
        case 'm': o.model = optarg; break;
        case 'h': fputs(usage, stdout); return EXIT_OK;
        default: fputs(usage, stderr); return EXIT_USAGE;
        }
    }
    return parse_captions(&o, argc - optind, argv + optind);
}
