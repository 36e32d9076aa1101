/* Training, on captions and a lexicon of our own. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "sceneparse/sceneparse.h"
#include "sceneparse/train.h"

static char folder[] = "/tmp/sceneparse-train-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
}

static void put_captions(void)
{
    static const char *const things[] = {"dog", "cat", "ball", "cup", "chair"};
    static const char *const colours[] = {"red", "blue", "green", "white", "black"};
    char path[256];
    snprintf(path, sizeof path, "%s/captions.csv", folder);
    FILE *f = fopen(path, "w");
    cr_assert(f);
    fputs("caption,scene_graph_id\n", f);
    for (int i = 0; i < 200; i++) {
        const char *a = things[i % 5];
        const char *b = things[(i / 5 + i + 1) % 5];
        const char *c = colours[i / 7 % 5];
        if (a != b) {
            fprintf(f, "a %s %s sitting on the %s,\"( %s , v:sit on , %s ) , ( %s , is , %s )\"\n",
                    c, a, b, a, b, a, c);
        }
    }
    fclose(f);
}

static void set_up(void)
{
    cr_assert(mkdtemp(folder));
    put("index.noun", "ball n 1 0 1 0 00000003\ncat n 1 0 1 0 00000002\nchair n 1 0 1 0 00000003\n"
                      "cup n 1 0 1 0 00000003\ndog n 1 0 1 0 00000002\n");
    put("data.noun", "00000001 03 n 01 entity 0 000 | a thing\n"
                     "00000002 05 n 01 animal 0 001 @ 00000001 n 0000 | it moves\n"
                     "00000003 06 n 01 artifact 0 001 @ 00000001 n 0000 | it is made\n");
    put("index.verb", "sit v 1 0 1 0 00000009\n");
    put("index.adj", "red a 1 0 1 0 00000009\n");
    put("index.adv", "fast r 1 0 1 0 00000009\n");
    put("noun.exc", "men man\n");
    put("verb.exc", "sitting sit\n");
    put_captions();
}

static void tear_down(void)
{
    static const char *const names[] = {"index.noun", "data.noun", "index.verb", "index.adj",
                                        "index.adv",  "noun.exc",  "verb.exc",   "captions.csv",
                                        "marked.txt", "a.sgm",     "b.sgm"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

TestSuite(sceneparse_train, .init = set_up, .fini = tear_down);

static void train(const char *name, char path[256])
{
    char csv[256];
    snprintf(csv, sizeof csv, "%s/captions.csv", folder);
    snprintf(path, 256, "%s/%s", folder, name);
    const struct train_options o = {
        .csv = csv, .wordnet = folder, .out = path, .date = "2000-01-01"};
    cr_assert_eq(sg_train(&o), 0, "%s", err_text());
}

static char *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f);
    char *bytes = malloc(1 << 24);
    *n = fread(bytes, 1, 1 << 24, f);
    fclose(f);
    return bytes;
}

Test(sceneparse_train, the_same_captions_make_the_same_bytes)
{
    char a[256];
    char b[256];
    size_t n;
    size_t m;
    train("a.sgm", a);
    train("b.sgm", b);
    char *x = slurp(a, &n);
    char *y = slurp(b, &m);
    cr_assert(n > 0 && n == m && memcmp(x, y, n) == 0);
    free(x);
    free(y);
}

Test(sceneparse_train, captions_to_score_are_not_learned)
{
    char csv[256];
    char score[256];
    char path[256];
    size_t n;
    put("marked.txt",
        "caption,scene_graph_id\na zebra hugging a dog,\"( zebra , v:hug , dog )\"\n");
    snprintf(csv, sizeof csv, "%s/captions.csv", folder);
    snprintf(score, sizeof score, "%s/marked.txt", folder);
    snprintf(path, sizeof path, "%s/a.sgm", folder);
    const struct train_options o = {.csv = csv, .wordnet = folder, .out = path, .score = score};
    cr_assert_eq(sg_train(&o), 0, "%s", err_text());
    char *bytes = slurp(path, &n);
    cr_assert(memmem(bytes, n, "sit on", 7), "a label of the training captions is in the model");
    cr_assert_null(memmem(bytes, n, "zebra", 5));
    free(bytes);
}

Test(sceneparse_train, other_graphs_are_learned_and_told)
{
    char csv[256];
    char graphs[256];
    char path[256];
    size_t n;
    put("marked.txt", "caption,scene_graph_id\n"
                      "a zebra hugging a dog,\"( zebra , v:hug , dog )\"\n"
                      "a zebra hugging a cup,\"( zebra , v:hug , cup )\"\n");
    snprintf(csv, sizeof csv, "%s/captions.csv", folder);
    snprintf(graphs, sizeof graphs, "%s/marked.txt", folder);
    snprintf(path, sizeof path, "%s/a.sgm", folder);
    const struct train_options o = {
        .csv = csv, .graphs = graphs, .graphs_licence = "ours", .wordnet = folder, .out = path};
    cr_assert_eq(sg_train(&o), 0, "%s", err_text());
    char *bytes = slurp(path, &n);
    cr_assert(memmem(bytes, n, "hug", 3), "a label of the other graphs is in the model");
    cr_assert(memmem(bytes, n, "graphs: 2 captions more", 23));
    cr_assert(memmem(bytes, n, "licence of the graphs: ours", 27));
    free(bytes);
}

/* "Cup holding the ball" is of a man whom no word says; the verb is not his name. */
Test(sceneparse_train, a_verb_is_no_name_of_somebody_unsaid)
{
    char csv[256];
    char graphs[256];
    char path[256];
    char rows[1024] = "caption,scene_graph_id\n";
    struct sg_model *model;
    struct sg_parser *parser;
    const struct sg_graph *g;
    for (int i = 0; i < 8; i++) {
        strcat(rows, "cup holding the ball,\"( man , v:hold , ball )\"\n");
    }
    put("index.verb", "hold v 1 0 1 0 00000009\nsit v 1 0 1 0 00000009\n");
    put("marked.txt", rows);
    snprintf(csv, sizeof csv, "%s/captions.csv", folder);
    snprintf(graphs, sizeof graphs, "%s/marked.txt", folder);
    snprintf(path, sizeof path, "%s/a.sgm", folder);
    const struct train_options o = {.csv = csv, .graphs = graphs, .wordnet = folder, .out = path};
    cr_assert_eq(sg_train(&o), 0, "%s", err_text());
    cr_assert_eq(sg_model_open(path, &model), 0, "%s", err_text());
    cr_assert_eq(sg_parser_new(model, &parser), 0);
    const char *text = "cup holding the ball";
    cr_assert_eq(sg_parse(parser, text, strlen(text), &g), 0);
    for (uint32_t i = 0; i < g->node_count; i++) {
        cr_assert(g->nodes[i].type != SG_OBJECT || g->nodes[i].beg != 4, "`holding` is a man");
    }
    sg_parser_free(parser);
    sg_model_close(model);
}

Test(sceneparse_train, learns_what_the_captions_teach)
{
    char path[256];
    struct sg_model *model;
    struct sg_parser *parser;
    const struct sg_graph *g;
    train("a.sgm", path);
    cr_assert_eq(sg_model_open(path, &model), 0, "%s", err_text());
    cr_assert_eq(sg_parser_new(model, &parser), 0);
    const char *text = "a white cup sitting on the ball";
    cr_assert_eq(sg_parse(parser, text, strlen(text), &g), 0);
    cr_assert_eq(g->node_count, 4);
    cr_assert_eq(g->edge_count, 2);
    cr_assert_str_eq(g->labels + g->nodes[2].label, "sit on");
    sg_parser_free(parser);
    sg_model_close(model);
}

Test(sceneparse_train, a_csv_without_its_columns_is_refused)
{
    put("captions.csv", "text,graph\na dog,( dog )\n");
    char csv[256];
    snprintf(csv, sizeof csv, "%s/captions.csv", folder);
    const struct train_options o = {.csv = csv, .wordnet = folder, .out = "/dev/null"};
    cr_assert_eq(sg_train(&o), E_FORMAT);
    cr_assert(strstr(err_text(), "caption"));
}

Test(sceneparse_train, a_short_row_is_named_by_its_place_in_its_own_file)
{
    char csv[256];
    char graphs[256];
    put("marked.txt", "caption,scene_graph_id\na dog,( dog )\na cat\n");
    snprintf(csv, sizeof csv, "%s/captions.csv", folder);
    snprintf(graphs, sizeof graphs, "%s/marked.txt", folder);
    const struct train_options o = {
        .csv = csv, .graphs = graphs, .wordnet = folder, .out = "/dev/null"};
    cr_assert_eq(sg_train(&o), E_FORMAT);
    cr_assert(strstr(err_text(), "marked.txt: row 3 "), "%s", err_text());
}

Test(sceneparse_train, a_missing_lexicon_is_named)
{
    const struct train_options o = {
        .csv = "/nowhere.csv", .wordnet = "/nowhere", .out = "/dev/null"};
    cr_assert_eq(sg_train(&o), E_NO_FILE);
    cr_assert(strstr(err_text(), "/nowhere/index.noun"));
}

static int train_marked(const char *marked, const char *name, char path[256])
{
    char csv[256];
    char captions[256];
    put("marked.txt", marked);
    snprintf(csv, sizeof csv, "%s/captions.csv", folder);
    snprintf(captions, sizeof captions, "%s/marked.txt", folder);
    snprintf(path, 256, "%s/%s", folder, name);
    const struct train_options o = {.csv = csv,
                                    .wordnet = folder,
                                    .out = path,
                                    .date = "2000-01-01",
                                    .captions = {captions},
                                    .captions_count = 1};
    return sg_train(&o);
}

Test(sceneparse_train, learns_from_marked_captions)
{
    char path[256];
    struct sg_model *model;
    struct sg_parser *parser;
    const struct sg_graph *g;
    cr_assert_eq(train_marked("## names of two nouns\n\n"
                              "# a [dog ball] <sitting on> the [chair]\n"
                              "the {red} [dog ball] <sitting on> a [cup]\n",
                              "a.sgm", path),
                 0, "%s", err_text());
    cr_assert_eq(sg_model_open(path, &model), 0, "%s", err_text());
    cr_assert(strstr(sg_model_provenance(model), "marked: 2 captions"));
    cr_assert_eq(sg_parser_new(model, &parser), 0);
    const char *text = "a dog ball sitting on the chair";
    cr_assert_eq(sg_parse(parser, text, strlen(text), &g), 0);
    cr_assert_str_eq(g->labels + g->nodes[0].label, "dog ball");
    cr_assert_eq(g->nodes[0].beg, 2);
    cr_assert_eq(g->nodes[0].end, 10);
    sg_parser_free(parser);
    sg_model_close(model);
}

Test(sceneparse_train, marks_that_do_not_hold_whole_words_are_refused_by_line)
{
    static const char *const wrong[] = {"a [dog\n",   "a [dog}\n", "a [dog [ball]]\n",
                                        "a [] dog\n", "a [do]g\n", "a d[og]\n",
                                        "a dog]\n",   "[ dog]\n",  "a [cat] [ dog]\n"};
    char path[256];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[64];
        snprintf(text, sizeof text, "a [cup]\n%s", wrong[i]);
        cr_assert_eq(train_marked(text, "a.sgm", path), E_FORMAT, "%s", wrong[i]);
        cr_assert(strstr(err_text(), "line 2"), "%s", err_text());
    }
}
