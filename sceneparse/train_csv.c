/* FACTUAL's CSV: RFC 4180, with a header line; facts as "( s , is , a ) , ( s , r , o ) , ( s )".
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

int text_read(const char *path, char **out, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        return err_errno("cannot read the training captions %s", path);
    }
    size_t room = 0;
    *out = NULL;
    *n = 0;
    for (size_t got = 1; got > 0; *n += got) {
        if (*n + 65536 > room) {
            room = 2 * room + (1 << 20);
            *out = xrealloc(*out, room, 1);
        }
        got = fread(*out + *n, 1, 65535, f);
    }
    (*out)[*n] = 0;
    const int rc = ferror(f) ? err_errno("cannot read the training captions %s", path) : 0;
    fclose(f);
    if (rc) {
        free(*out);
    }
    return rc;
}

/* Reads one field in place (quotes undone) and advances *p behind its separator; *last is set when
 * the field ended its row. */
static char *field(char **p, int *last)
{
    char *in = *p;
    char *out = in;
    char *start = in;
    int quoted = *in == '"';
    in += quoted;
    while (*in && (quoted || (*in != ',' && *in != '\n' && *in != '\r'))) {
        if (quoted && *in == '"') {
            if (in[1] != '"') {
                quoted = 0;
                in++;
                continue;
            }
            in++;
        }
        *out++ = *in++;
    }
    *last = *in != ',';
    in += *in == '\r';
    *p = in + (*in != 0);
    *out = 0;
    return start;
}

static char *trim(char *s)
{
    while (*s == ' ' || *s == '(') {
        s++;
    }
    char *e = s + strlen(s);
    while (e > s && (e[-1] == ' ' || e[-1] == ')')) {
        *--e = 0;
    }
    return s;
}

static uint32_t add(struct pool *pool, char *s)
{
    s = trim(s);
    return pool_add(pool, s, strlen(s));
}

/* A relation without its mark of a verb (v:), a passive (pv:). */
static uint32_t add_relation(struct pool *pool, char *s)
{
    s = trim(s);
    s += strncmp(s, "pv:", 3) == 0                              ? 3
         : strncmp(s, "v:", 2) == 0 || strncmp(s, "p:", 2) == 0 ? 2
                                                                : 0;
    return pool_add(pool, s, strlen(s));
}

static void parse_facts(char *g, struct pool *pool, struct example *e)
{
    char *next = g;
    while (next) {
        char *fact = next;
        next = strstr(fact, ") , (");
        if (next) {
            *next = 0;
            next += 5;
        }
        char *part[3] = {fact, NULL, NULL};
        int n = 1;
        for (char *q = fact; n < 3 && (q = strstr(q, " , ")) != NULL; part[n++] = q) {
            *q = 0;
            q += 3;
        }
        struct fact f = {add(pool, part[0]), NO_STRING, NO_STRING, 0};
        if (n == 3 && strcmp(trim(part[1]), "is") == 0) {
            f.object = add(pool, part[2]);
            f.is_attribute = 1;
        } else if (n == 3) {
            f.relation = add_relation(pool, part[1]);
            f.object = add(pool, part[2]);
        }
        e->facts = xrealloc(e->facts, e->fact_count + 1, sizeof f);
        e->facts[e->fact_count++] = f;
    }
}

int examples_read(const char *path, struct pool *pool, struct examples *out, uint64_t *hash)
{
    size_t n;
    char *text;
    const int rc = text_read(path, &text, &n);
    if (rc) {
        return rc;
    }
    *hash = XXH3_64bits(text, n);
    BUG_ON(out->text_count == TRAIN_CAPTIONS_MAX);
    out->texts[out->text_count++] = text;
    const uint32_t first = out->n;
    char *p = text;
    int caption = -1;
    int graph = -1;
    int last = 0;
    for (int i = 0; !last && *p; i++) {
        const char *name = field(&p, &last);
        caption = strcmp(name, "caption") == 0 ? i : caption;
        graph = strcmp(name, "scene_graph_id") == 0 ? i : graph;
    }
    if (caption < 0 || graph < 0) {
        return err_set(E_FORMAT, "%s: the header must name the columns caption and scene_graph_id",
                       path);
    }
    while (*p) {
        struct example e = {0};
        char *facts = NULL;
        last = 0;
        for (int i = 0; !last && *p; i++) {
            char *v = field(&p, &last);
            e.caption = i == caption ? v : e.caption;
            facts = i == graph ? v : facts;
        }
        if (!e.caption || !facts) {
            return err_set(E_FORMAT, "%s: row %u has too few fields", path, out->n - first + 2);
        }
        e.caption_n = (uint32_t)strlen(e.caption);
        parse_facts(facts, pool, &e);
        out->e = xrealloc(out->e, out->n + 1, sizeof e);
        out->e[out->n++] = e;
    }
    return out->n > first ? 0 : err_set(E_FORMAT, "%s has no captions below its header", path);
}
