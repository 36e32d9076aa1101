/*
 * How many captions a second one core parses, tokenising included:
 *
 *     sceneparse_bench CAPTIONS [MODEL]
 *
 * parses the file's lines over and over for five seconds and prints the best of five.  Then it
 * counts what a warm parser allocates: nothing.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "sceneparse/sceneparse.h"

static void fail(const char *what)
{
    fprintf(stderr, "sceneparse_bench: %s\n", what);
    exit(1);
}

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *text = malloc((size_t)1 << 28);
    if (!f || !text) {
        fail("the captions cannot be read");
    }
    *n = fread(text, 1, (size_t)1 << 28, f);
    fclose(f);
    return text;
}

struct pass {
    size_t captions, tokens, nodes;
};

static struct pass parse_all(struct sg_parser *parser, const char *text, size_t n)
{
    struct pass pass = {0};
    for (const char *line = text; line < text + n;) {
        const char *end = memchr(line, '\n', (size_t)(text + n - line));
        end = end ? end : text + n;
        const struct sg_graph *g;
        if (sg_parse(parser, line, (size_t)(end - line), &g) != 0) {
            fail(err_text());
        }
        pass.captions++;
        pass.tokens += g->token_count;
        pass.nodes += g->node_count;
        line = end + 1;
    }
    return pass;
}

int main(int argc, char **argv)
{
    struct sg_model *model;
    struct sg_parser *parser;
    size_t n;
    if (argc < 2) {
        fail("usage: sceneparse_bench CAPTIONS [MODEL]");
    }
    char *text = read_file(argv[1], &n);
    if (sg_model_open(argc > 2 ? argv[2] : "sceneparse/captions.sgm", &model) != 0 ||
        sg_parser_new(model, &parser) != 0) {
        fail(err_text());
    }
    struct pass pass = parse_all(parser, text, n);
    double best = 0;
    const size_t before = mallinfo2().uordblks;
    for (int round = 0; round < 5; round++) {
        const double start = clock_now_s();
        size_t captions = 0;
        while (clock_now_s() - start < 1) {
            captions += parse_all(parser, text, n).captions;
        }
        const double rate = (double)captions / (clock_now_s() - start);
        best = rate > best ? rate : best;
    }
    const size_t after = mallinfo2().uordblks; /* before printf() takes a buffer */
    printf("captions        %zu (%.1f tokens, %.1f nodes each)\n", pass.captions,
           (double)pass.tokens / (double)pass.captions, (double)pass.nodes / (double)pass.captions);
    printf("captions/s/core %.0f\n", best);
    printf("bytes allocated once warm: %zu\n", after - before);
    sg_parser_free(parser);
    sg_model_close(model);
    free(text);
    return 0;
}
