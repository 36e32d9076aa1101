/* pairmill parse: captions to scene graphs.  pairmill parse train: annotated captions to a model.
 * pairmill parse score: a model against captions marked by hand. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/paths.h"
#include "ops/command.h"
#include "ops/option.h"
#include "ops/parse_score.h"
#include "sceneparse/render.h"
#include "sceneparse/sceneparse.h"
#include "sceneparse/train.h"

/* A line of standard input that is longer is refused; its graph takes up to 64 times as much. */
enum { CAPTION_MAX = 1 << 24 };

static const char usage[] =
    "usage: pairmill parse [--json | --dot | --factual] [--parser-model FILE] [CAPTION...]\n"
    "       pairmill parse score --captions FILE --spans FILE [--parser-model FILE]\n"
    "       pairmill parse mark --captions FILE --spans FILE\n"
    "       pairmill parse train --csv FILE --out FILE [--graphs FILE] [--captions FILE]...\n"
    "                            [--graphs-licence TEXT] [--captions-licence TEXT] [--date DAY]\n"
    "                            [--wordnet FOLDER] [--score FILE] [--holdout K]\n"
    "\n"
    "Prints the scene graph of each CAPTION, or of each line of standard input, as a tree:\n"
    "[object], {attribute}, <relation>, (relation that no word says).\n"
    "  --json          one JSON object a line\n"
    "  --dot           a Graphviz digraph\n"
    "  --factual       the caption, a tab, the graph in FACTUAL's notation\n"
    "  --parser-model  the model (default: the one that came with pairmill)\n"
    "  --provenance    what the model was made of\n"
    "\n"
    "score compares the nodes found with nodes marked by hand (tests/data/cc3m_nodes.tsv); mark\n"
    "prints those captions with the marks in place.\n"
    "\n"
    "train makes the model from FACTUAL's CSV, other captions with graphs in its columns, "
    "captions\n"
    "with the nodes marked in place and WordNet's files; the same files give the same bytes.  It\n"
    "scores what it was not trained on: --score, another CSV; --holdout, every K-th row.\n";

struct parse_options {
    const char *model; /* NULL: the default */
    enum graph_style style;
    int provenance;
};

static int open_parser(const char *path, struct sg_model **model, struct sg_parser **parser)
{
    char *found = NULL;
    int rc = path ? 0 : paths_find_data("sceneparse/captions.sgm", &found);
    rc = rc ? rc : sg_model_open(path ? path : found, model);
    free(found);
    return rc ? rc : sg_parser_new(*model, parser);
}

static int print_graph(struct sg_parser *parser, enum graph_style style, const char *text, size_t n,
                       struct buf *out)
{
    const struct sg_graph *graph;
    buf_reset(out);
    int rc = sg_parse(parser, text, n, &graph);
    rc = rc ? rc : render_graph(graph, text, n, style, out);
    if (!rc && fwrite(out->p, 1, out->n, stdout) != out->n) {
        rc = err_errno("cannot write the graph");
    }
    return rc;
}

static int print_lines(struct sg_parser *parser, enum graph_style style, struct buf *out)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    size_t number = 0;
    int rc = 0;
    while (!rc && (n = getline(&line, &room, stdin)) >= 0) {
        number++;
        n -= n > 0 && line[n - 1] == '\n';
        rc = n <= CAPTION_MAX ? print_graph(parser, style, line, (size_t)n, out)
                              : err_set(E_TOO_BIG, "line %zu has %zd bytes; the limit is %d",
                                        number, n, CAPTION_MAX);
    }
    free(line);
    return rc == 0 && ferror(stdin) ? err_errno("cannot read the captions") : rc;
}

static int parse_captions(const struct parse_options *o, int argc, char **argv)
{
    struct sg_model *model = NULL;
    struct sg_parser *parser = NULL;
    struct buf out;
    buf_init(&out, (size_t)64 * CAPTION_MAX);
    int rc = open_parser(o->model, &model, &parser);
    if (!rc && o->provenance) {
        fputs(sg_model_provenance(model), stdout);
    } else if (!rc && argc == 0) {
        if (isatty(STDIN_FILENO)) {
            fputs("A caption a line; end with Ctrl-D.\n", stderr);
        }
        rc = print_lines(parser, o->style, &out);
    }
    for (int i = 0; i < argc && !rc; i++) {
        rc = print_graph(parser, o->style, argv[i], strlen(argv[i]), &out);
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
                                            {"graphs", required_argument, NULL, 'g'},
                                            {"graphs-licence", required_argument, NULL, 'G'},
                                            {"captions", required_argument, NULL, 'm'},
                                            {"captions-licence", required_argument, NULL, 'l'},
                                            {"wordnet", required_argument, NULL, 'w'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"date", required_argument, NULL, 'd'},
                                            {"holdout", required_argument, NULL, 'k'},
                                            {"score", required_argument, NULL, 's'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct train_options o = {
        .wordnet = "/usr/share/wordnet", .progress = show_progress, .report = stdout};
    uint64_t holdout = 0;
    int rc = 0;
    for (int c; rc == 0 && (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'c': o.csv = optarg; break;
        case 'g': o.graphs = optarg; break;
        case 'G': o.graphs_licence = optarg; break;
        case 'l': o.captions_licence = optarg; break;
        case 'w': o.wordnet = optarg; break;
        case 'o': o.out = optarg; break;
        case 'd': o.date = optarg; break;
        case 'k': rc = option_whole("holdout", optarg, 0, UINT32_MAX, &holdout); break;
        case 's': o.score = optarg; break;
        case 'm':
            if (o.captions_count == TRAIN_CAPTIONS_MAX) {
                fputs("pairmill parse train: too many --captions\n", stderr);
                return EXIT_USAGE;
            }
            o.captions[o.captions_count++] = optarg;
            break;
        case 'h': fputs(usage, stdout); return EXIT_OK;
        default: fputs(usage, stderr); return EXIT_USAGE;
        }
    }
    if (rc) {
        return command_fail("parse train", rc);
    }
    if (!o.csv || !o.out || optind < argc) {
        fputs("pairmill parse train: --csv and --out are needed, and nothing else\n", stderr);
        return EXIT_USAGE;
    }
    o.holdout = (unsigned)holdout;
    rc = sg_train(&o);
    return rc ? command_fail("parse train", rc) : EXIT_OK;
}

/* score and mark: what is done with captions marked by hand. */
static int read_marks(int argc, char **argv)
{
    static const struct option options[] = {{"captions", required_argument, NULL, 'c'},
                                            {"spans", required_argument, NULL, 's'},
                                            {"parser-model", required_argument, NULL, 'm'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const int scoring = strcmp(argv[0], "score") == 0;
    const char *captions = NULL;
    const char *spans = NULL;
    const char *path = NULL;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'c': captions = optarg; break;
        case 's': spans = optarg; break;
        case 'm': path = optarg; break;
        case 'h': fputs(usage, stdout); return EXIT_OK;
        default: fputs(usage, stderr); return EXIT_USAGE;
        }
    }
    if (!captions || !spans || optind < argc) {
        fprintf(stderr, "pairmill parse %s: --captions and --spans are needed\n", argv[0]);
        return EXIT_USAGE;
    }
    struct sg_model *model = NULL;
    struct sg_parser *parser = NULL;
    int rc = scoring ? open_parser(path, &model, &parser) : 0;
    rc = rc        ? rc
         : scoring ? parse_score(parser, captions, spans, stdout)
                   : parse_mark(captions, spans, stdout);
    sg_parser_free(parser);
    sg_model_close(model);
    return rc ? command_fail(scoring ? "parse score" : "parse mark", rc) : EXIT_OK;
}

int cmd_parse(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"dot", no_argument, NULL, 'd'},
                                            {"factual", no_argument, NULL, 'f'},
                                            {"parser-model", required_argument, NULL, 'm'},
                                            {"provenance", no_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct parse_options o = {NULL, GRAPH_TREE, 0};
    if (argc > 1 && strcmp(argv[1], "train") == 0) {
        return train(argc - 1, argv + 1);
    }
    if (argc > 1 && (strcmp(argv[1], "score") == 0 || strcmp(argv[1], "mark") == 0)) {
        return read_marks(argc - 1, argv + 1);
    }
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'j': o.style = GRAPH_JSON; break;
        case 'd': o.style = GRAPH_DOT; break;
        case 'f': o.style = GRAPH_FACTUAL; break;
        case 'm': o.model = optarg; break;
        case 'p': o.provenance = 1; break;
        case 'h': fputs(usage, stdout); return EXIT_OK;
        default: fputs(usage, stderr); return EXIT_USAGE;
        }
    }
    return parse_captions(&o, argc - optind, argv + optind);
}
