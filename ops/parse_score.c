#include "ops/parse_score.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>
#include <string.h>

#include "common/err.h"

/* right: same type, same bytes. */
struct tally {
    size_t right, found, there;
};

enum { SPANS_MAX = 64, TYPES = 4 };

struct marked {
    uint32_t type, beg, end;
};

/* "o3-9 r10-12 a13-18": object, relation, attribute, bytes of the caption. */
static int read_spans(const char *p, struct marked out[SPANS_MAX])
{
    int n = 0;
    while (*p && *p != '\n' && n < SPANS_MAX) {
        char *end;
        out[n].type = *p == 'o' ? SG_OBJECT : *p == 'a' ? SG_ATTRIBUTE : SG_RELATION;
        out[n].beg = (uint32_t)strtoul(p + 1, &end, 10);
        out[n].end = *end == '-' ? (uint32_t)strtoul(end + 1, &end, 10) : 0;
        if (out[n].end <= out[n].beg) {
            return -1;
        }
        n++;
        p = end + (*end == ' ');
    }
    return n;
}

static void compare(const struct sg_graph *g, const struct marked *gold, int n,
                    struct tally of[TYPES])
{
    for (int k = 0; k < n; k++) {
        of[gold[k].type].there++;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct sg_node *v = &g->nodes[i];
        int right = 0;
        for (int k = 0; k < n; k++) {
            right |= gold[k].type == v->type && gold[k].beg == v->beg && gold[k].end == v->end;
        }
        of[v->type].found += v->beg < v->end;
        of[v->type].right += (size_t)right;
    }
}

static void print(FILE *out, const char *half, struct tally of[TYPES], size_t captions)
{
    static const char *const names[TYPES] = {"all nodes", "objects", "attributes", "relations"};
    for (int t = 1; t < TYPES; t++) {
        of[0].right += of[t].right;
        of[0].found += of[t].found;
        of[0].there += of[t].there;
    }
    fprintf(out, "%s: %zu captions\n", half, captions);
    for (int t = 0; t < TYPES; t++) {
        const double p = of[t].found ? 100.0 * (double)of[t].right / (double)of[t].found : 0;
        const double r = of[t].there ? 100.0 * (double)of[t].right / (double)of[t].there : 0;
        fprintf(out, "  %-10s precision %5.1f recall %5.1f F1 %5.1f (%zu there)\n", names[t], p, r,
                p + r > 0 ? 2 * p * r / (p + r) : 0, of[t].there);
    }
}

/* The captions' lines; *text is freed by the caller, *lines too. */
static int read_lines(const char *path, char **text, char ***lines, size_t *count)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        return err_errno("cannot read the captions %s", path);
    }
    size_t room = 0;
    size_t line_room = 0;
    ssize_t n;
    while ((n = getline(text, &line_room, f)) >= 0) {
        if (*count == room) {
            room = 2 * room + 1024;
            char **grown = reallocarray(*lines, room, sizeof **lines);
            if (!grown) {
                fclose(f);
                return err_set(E_NOMEM, "out of memory for the lines of %s", path);
            }
            *lines = grown;
        }
        (*text)[n - ((*text)[n - 1] == '\n')] = 0;
        (*lines)[(*count)++] = *text;
        *text = NULL;
        line_room = 0;
    }
    fclose(f);
    return 0;
}

static int score_line(struct sg_parser *parser, const char *row, char **lines, size_t count,
                      struct tally halves[2][TYPES], size_t captions[2])
{
    char *rest;
    struct marked gold[SPANS_MAX];
    const size_t number = strtoul(row, &rest, 10);
    const unsigned long long hash = strtoull(rest, &rest, 16);
    const int n = *rest == '\t' ? read_spans(rest + 1, gold) : -1;
    if (n < 0 || number == 0) {
        return err_set(E_FORMAT, "a row of the spans is not \"line, hash, spans\": %.60s", row);
    }
    if (number > count || XXH3_64bits(lines[number - 1], strlen(lines[number - 1])) != hash) {
        return err_set(E_CHECKSUM, "line %zu is not the caption that was annotated", number);
    }
    const struct sg_graph *g;
    const int rc = sg_parse(parser, lines[number - 1], strlen(lines[number - 1]), &g);
    if (rc) {
        return rc;
    }
    const size_t half = (captions[0] + captions[1]) % 2;
    captions[half]++;
    compare(g, gold, n, halves[half]);
    return 0;
}

int parse_score(struct sg_parser *parser, const char *captions_path, const char *spans_path,
                FILE *out)
{
    struct tally halves[2][TYPES] = {{{0}}};
    size_t captions[2] = {0};
    char *text = NULL;
    char *row = NULL;
    char **lines = NULL;
    size_t count = 0;
    size_t room = 0;
    FILE *spans = fopen(spans_path, "r");
    int rc = spans ? read_lines(captions_path, &text, &lines, &count)
                   : err_errno("cannot read the spans %s", spans_path);
    while (!rc && getline(&row, &room, spans) >= 0) {
        rc = row[0] == '#' ? 0 : score_line(parser, row, lines, count, halves, captions);
    }
    if (!rc) {
        print(out, "tuned on", halves[0], captions[0]);
        print(out, "held out", halves[1], captions[1]);
    }
    for (size_t i = 0; i < count; i++) {
        free(lines[i]);
    }
    free(lines);
    free(text);
    free(row);
    if (spans) {
        fclose(spans);
    }
    return rc;
}
