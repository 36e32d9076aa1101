#include "ops/parse_score.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train.h"

/* right: same type, same bytes.  Of the types, 0 stands for all. */
struct tally {
    size_t right, found, there;
};

enum { SPANS_MAX = 64, TYPES = 4 };

struct marked {
    uint32_t type, beg, end;
};

/* "o3-9 r10-12 a13-18": object, relation, attribute, bytes of the caption; how many, -1: no such
 * row, or SPANS_MAX + 1: too many. */
static int read_spans(const char *p, struct marked out[SPANS_MAX])
{
    static const char letters[] = "?oar"; /* by enum sg_node_type */
    int n = 0;
    for (; *p && *p != '\n'; n++) {
        if (n == SPANS_MAX) {
            return SPANS_MAX + 1;
        }
        const char *letter = strchr(letters + 1, *p);
        char *end;
        const unsigned long beg = strtoul(p + 1, &end, 10);
        const unsigned long stop = *end == '-' ? strtoul(end + 1, &end, 10) : 0;
        if (!letter || stop <= beg || stop > UINT32_MAX || !strchr(" \n", *end)) {
            return -1;
        }
        out[n] = (struct marked){(uint32_t)(letter - letters), (uint32_t)beg, (uint32_t)stop};
        p = end + (*end == ' ');
    }
    return n;
}

/* Whether an earlier node has the same type and bytes: words may say two relations. */
static int is_repeated(const struct sg_graph *g, uint32_t node)
{
    const struct sg_node *v = &g->nodes[node];
    for (uint32_t i = 0; i < node; i++) {
        const struct sg_node *u = &g->nodes[i];
        if (u->type == v->type && u->beg == v->beg && u->end == v->end) {
            return 1;
        }
    }
    return 0;
}

static void compare(const struct sg_graph *g, const struct marked *gold, int n,
                    struct tally of[TYPES])
{
    for (int k = 0; k < n; k++) {
        of[gold[k].type].there++;
        of[0].there++;
    }
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct sg_node *v = &g->nodes[i];
        int right = 0;
        if (v->beg == v->end || is_repeated(g, i)) {
            continue;
        }
        for (int k = 0; k < n; k++) {
            right |= gold[k].type == v->type && gold[k].beg == v->beg && gold[k].end == v->end;
        }
        of[v->type].found++;
        of[v->type].right += (size_t)right;
        of[0].found++;
        of[0].right += (size_t)right;
    }
}

/* a becomes a + b. */
static void add(struct tally a[TYPES], const struct tally b[TYPES])
{
    for (int t = 0; t < TYPES; t++) {
        a[t].right += b[t].right;
        a[t].found += b[t].found;
        a[t].there += b[t].there;
    }
}

static void print(FILE *out, const char *which, const struct tally of[TYPES], size_t captions)
{
    static const char *const names[TYPES] = {"all nodes", "objects", "attributes", "relations"};
    fprintf(out, "%s: %zu captions\n", which, captions);
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
    const int rc = ferror(f) ? err_errno("cannot read the captions %s", path) : 0;
    fclose(f);
    return rc;
}

/* Captions, one a line, and the rows of marks that belong to them. */
struct source {
    char *text;
    char **lines;
    size_t count;
    FILE *marks;
    const char *marks_path;
    char *row;
    size_t room;
    size_t row_number;
};

static int source_open(struct source *s, const char *captions_path, const char *spans_path)
{
    *s = (struct source){.marks_path = spans_path};
    s->marks = fopen(spans_path, "r");
    return s->marks ? read_lines(captions_path, &s->text, &s->lines, &s->count)
                    : err_errno("cannot read the spans %s", spans_path);
}

static void source_close(struct source *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->lines[i]);
    }
    free(s->lines);
    free(s->text);
    free(s->row);
    if (s->marks) {
        fclose(s->marks);
    }
}

/* The next caption and its marks: 1, or 0 at the end, or an error. */
static int source_next(struct source *s, const char **caption, struct marked marks[SPANS_MAX],
                       int *n)
{
    do {
        if (getline(&s->row, &s->room, s->marks) < 0) {
            return ferror(s->marks) ? err_errno("cannot read the spans %s", s->marks_path) : 0;
        }
        s->row_number++;
    } while (s->row[0] == '#');
    char *rest;
    const size_t number = strtoul(s->row, &rest, 10);
    const unsigned long long hash = strtoull(rest, &rest, 16);
    *n = *rest == '\t' ? read_spans(rest + 1, marks) : -1;
    if (*n < 0 || number == 0) {
        return err_set(E_FORMAT, "%s, row %zu: not \"line, hash, spans\", each span as o3-9: %.60s",
                       s->marks_path, s->row_number, s->row);
    }
    if (*n > SPANS_MAX) {
        return err_set(E_TOO_BIG, "%s, row %zu: more than %d spans; split its caption",
                       s->marks_path, s->row_number, SPANS_MAX);
    }
    *caption = number <= s->count ? s->lines[number - 1] : NULL;
    if (!*caption || XXH3_64bits(*caption, strlen(*caption)) != hash) {
        return err_set(E_CHECKSUM, "%s, row %zu: line %zu is not the caption that was annotated",
                       s->marks_path, s->row_number, number);
    }
    return 1;
}

int parse_score(struct sg_parser *parser, const char *captions_path, const char *spans_path,
                FILE *out)
{
    struct tally halves[2][TYPES] = {{{0}}};
    size_t captions[2] = {0};
    struct source s;
    struct marked gold[SPANS_MAX];
    const char *caption;
    int n;
    int rc = source_open(&s, captions_path, spans_path);
    while (!rc && (rc = source_next(&s, &caption, gold, &n)) > 0) {
        const struct sg_graph *g;
        rc = sg_parse(parser, caption, strlen(caption), &g);
        if (!rc) {
            const size_t half = (captions[0] + captions[1]) % 2;
            captions[half]++;
            compare(g, gold, n, halves[half]);
        }
    }
    if (!rc) {
        print(out, "odd rows", halves[0], captions[0]);
        print(out, "even rows", halves[1], captions[1]);
        add(halves[0], halves[1]);
        print(out, "all rows", halves[0], captions[0] + captions[1]);
    }
    source_close(&s);
    return rc;
}

/* Marks that cover bytes in the order of the caption, none inside another. */
static int print_marked(const char *caption, const struct marked *marks, int n, FILE *out)
{
    uint32_t at = 0;
    if (marked_is_comment(caption)) {
        return err_set(E_FORMAT,
                       "\"%.60s\" begins with ##, which marks a comment; leave its row out",
                       caption);
    }
    for (int i = 0; i < n; i++) {
        if (marks[i].beg < at || marks[i].end > strlen(caption)) {
            return err_set(E_FORMAT, "the marks of \"%.60s\" are out of order", caption);
        }
        fprintf(out, "%.*s%c%.*s%c", (int)(marks[i].beg - at), caption + at, "?[{<"[marks[i].type],
                (int)(marks[i].end - marks[i].beg), caption + marks[i].beg, "?]}>"[marks[i].type]);
        at = marks[i].end;
    }
    fprintf(out, "%s\n", caption + at);
    return 0;
}

int parse_mark(const char *captions_path, const char *spans_path, FILE *out)
{
    struct source s;
    struct marked marks[SPANS_MAX];
    const char *caption;
    int n;
    int rc = source_open(&s, captions_path, spans_path);
    while (!rc && (rc = source_next(&s, &caption, marks, &n)) > 0) {
        rc = print_marked(caption, marks, n, out);
    }
    source_close(&s);
    return rc;
}
