/* Rows of marked captions as `pairmill parse mark` reads them. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "ops/parse_score.h"
#include "tests/unit/tempdir.h"

#define CAPTION "a red car on a road"

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert(fputs(text, f) >= 0);
    cr_assert_eq(fclose(f), 0);
}

/* What marking CAPTION by one row with these spans prints, or the error it gives. */
static int mark(const char *spans, char **printed)
{
    char dir[TEMPDIR_MAX];
    char captions[TEMPDIR_MAX + 16];
    char marks[TEMPDIR_MAX + 16];
    char row[2048];
    size_t n;
    tempdir_make(dir);
    snprintf(captions, sizeof captions, "%s/captions", dir);
    snprintf(marks, sizeof marks, "%s/marks", dir);
    snprintf(row, sizeof row, "# a comment\n1\t%016llx\t%s\n",
             (unsigned long long)XXH3_64bits(CAPTION, strlen(CAPTION)), spans);
    write_text(captions, CAPTION "\n");
    write_text(marks, row);
    FILE *out = open_memstream(printed, &n);
    cr_assert_not_null(out);
    const int rc = parse_mark(captions, marks, out);
    cr_assert_eq(fclose(out), 0);
    tempdir_remove(dir);
    return rc;
}

static void expect_refused(const char *spans, int code, const char *sentence)
{
    char *printed;
    cr_assert_eq(mark(spans, &printed), code, "\"%s\": %s", spans, printed);
    cr_assert_not_null(strstr(err_text(), sentence), "\"%s\": %s", spans, err_text());
    free(printed);
}

Test(parse_score, marks_nodes_in_place)
{
    char *printed;
    cr_assert_eq(mark("a2-5 o6-9 r10-12 o15-19", &printed), 0, "%s", err_text());
    cr_assert_str_eq(printed, "a {red} [car] <on> a [road]\n");
    free(printed);
}

Test(parse_score, refuses_what_is_no_span)
{
    expect_refused("x2-5", E_FORMAT, "row 2: not \"line, hash, spans\"");
    expect_refused("a5-2", E_FORMAT, "row 2");
    expect_refused("a2-5x", E_FORMAT, "row 2");
    expect_refused("a2-5,o6-9", E_FORMAT, "row 2");
    expect_refused("o6-9 a2-5", E_FORMAT, "out of order");
    expect_refused("o15-20", E_FORMAT, "out of order");
}

Test(parse_score, cuts_no_row_silently)
{
    char spans[65 * 5];
    for (size_t i = 0; i < sizeof spans; i++) {
        spans[i] = "o0-1 "[i % 5];
    }
    spans[sizeof spans - 1] = 0;
    expect_refused(spans, E_TOO_BIG, "row 2: more than 64 spans");
}

/* Its own nodes as the gold ones, repeated labels of the same words too, are all right, once. */
Test(parse_score, finds_a_parser_s_own_nodes_right)
{
    static const char caption[] = "bald man in black jacket and sunglasses";
    struct sg_model *model;
    struct sg_parser *parser;
    const struct sg_graph *g;
    char dir[TEMPDIR_MAX];
    char captions[TEMPDIR_MAX + 16];
    char marks[TEMPDIR_MAX + 16];
    char *printed;
    size_t n;
    cr_assert_eq(sg_model_open("sceneparse/captions.sgm", &model), 0, "%s", err_text());
    cr_assert_eq(sg_parser_new(model, &parser), 0);
    cr_assert_eq(sg_parse(parser, caption, strlen(caption), &g), 0);
    FILE *row = open_memstream(&printed, &n);
    fprintf(row, "1\t%016llx\t", (unsigned long long)XXH3_64bits(caption, strlen(caption)));
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct sg_node *v = &g->nodes[i];
        const int again = i > 0 && v[-1].beg == v->beg && v[-1].type == v->type;
        if (v->beg < v->end && !again) {
            fprintf(row, "%s%c%u-%u", i ? " " : "", "?oar"[v->type], v -> beg, v -> end);
        }
    }
    cr_assert_eq(fclose(row), 0);
    tempdir_make(dir);
    snprintf(captions, sizeof captions, "%s/captions", dir);
    snprintf(marks, sizeof marks, "%s/marks", dir);
    write_text(captions, caption);
    write_text(marks, printed);
    free(printed);
    FILE *out = open_memstream(&printed, &n);
    cr_assert_eq(parse_score(parser, captions, marks, out), 0, "%s", err_text());
    cr_assert_eq(fclose(out), 0);
    const char *all =
        strstr(printed, "all rows: 1 captions\n  all nodes  precision 100.0 recall 100.0");
    cr_assert_not_null(all, "%s", printed);
    free(printed);
    tempdir_remove(dir);
    sg_parser_free(parser);
    sg_model_close(model);
}
