#include "recipes/recipe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "recipes/ernievil.h"
#include "recipes/uniter.h"

const struct recipe *const recipes[] = {&recipe_uniter, &recipe_ernievil, NULL};

int recipe_find(const char *name, const struct recipe **out)
{
    char known[400] = "";
    for (size_t i = 0, n = 0; recipes[i]; i++) {
        if (strcmp(recipes[i]->name, name) == 0) {
            *out = recipes[i];
            return 0;
        }
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", recipes[i]->name);
    }
    return err_set(E_ARG, "there is no recipe \"%.60s\"; there is: %s", name, known);
}

uint32_t recipe_task_count(const struct recipe *r)
{
    uint32_t n = 0;
    while (r->tasks[n]) {
        n++;
    }
    return n;
}

static const struct recipe_option *find_option(const struct recipe *r, const char *name, size_t n)
{
    for (uint32_t i = 0; i < r->option_count; i++) {
        if (strncmp(r->options[i].name, name, n) == 0 && r->options[i].name[n] == '\0') {
            return &r->options[i];
        }
    }
    return NULL;
}

static int parse_word(const struct recipe_option *o, const char *text, size_t n, double *out)
{
    char allowed[200] = "";
    for (size_t i = 0, at = 0; o->words[i]; i++) {
        if (strncmp(o->words[i], text, n) == 0 && o->words[i][n] == '\0') {
            *out = (double)i;
            return 0;
        }
        at +=
            (size_t)snprintf(allowed + at, sizeof allowed - at, "%s%s", i ? ", " : "", o->words[i]);
    }
    return err_set(E_ARG, "%s is \"%.*s\", but must be one of: %s", o->name, (int)n, text, allowed);
}

static int parse_number(const struct recipe_option *o, const char *text, size_t n, double *out)
{
    char copy[40];
    if (n == 0 || n >= sizeof copy) {
        return err_set(E_ARG, "%s needs a number", o->name);
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    char *end;
    const double v = strtod(copy, &end);
    if (*end || copy[0] == ' ' || !isfinite(v) || (o->whole && v != floor(v))) {
        return err_set(E_ARG, "%s is \"%s\", which is not a %snumber", o->name, copy,
                       o->whole ? "whole " : "");
    }
    if (v < o->min || v > o->max) {
        return err_set(E_ARG, "%s is %s, outside %g to %g", o->name, copy, o->min, o->max);
    }
    *out = v;
    return 0;
}

/* One "name=value" of n bytes. */
static int parse_option(const struct recipe *r, const char *text, size_t n,
                        struct recipe_options *out)
{
    const char *equals = memchr(text, '=', n);
    const size_t name = equals ? (size_t)(equals - text) : n;
    const struct recipe_option *o = find_option(r, text, name);
    if (!o || !equals) {
        return err_set(E_ARG, "\"%.*s\" is not an option of the recipe %s (name=value,...)",
                       (int)(n < 60 ? n : 60), text, r->name);
    }
    const size_t len = n - name - 1;
    double *v = &out->value[o - r->options];
    return o->words ? parse_word(o, equals + 1, len, v) : parse_number(o, equals + 1, len, v);
}

int recipe_options_parse(const struct recipe *r, const char *text, struct recipe_options *out)
{
    *out = (struct recipe_options){0};
    for (uint32_t i = 0; i < r->option_count; i++) {
        out->value[i] = r->options[i].value;
    }
    while (text && *text) {
        const size_t n = strcspn(text, ",");
        const int rc = parse_option(r, text, n, out);
        if (rc) {
            return rc;
        }
        text += n + (text[n] == ',');
    }
    return 0;
}

int recipe_options_print(const struct recipe *r, const struct recipe_options *o, struct buf *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < r->option_count && rc == 0; i++) {
        const struct recipe_option *option = &r->options[i];
        const char *comma = i ? "," : "";
        rc = option->words ? buf_printf(out, "%s%s=%s", comma, option->name,
                                        option->words[(size_t)o->value[i]])
                           : buf_printf(out, "%s%s=%.17g", comma, option->name, o->value[i]);
    }
    return rc;
}

int recipe_check(const struct recipe_context *c, uint32_t classes)
{
    return c->recipe->check(c, classes);
}

enum recipe_verdict recipe_judge(const struct recipe_context *c, uint32_t tokens, uint32_t regions)
{
    return c->recipe->judge(c, tokens, regions);
}

const char *recipe_verdict_name(enum recipe_verdict v)
{
    static const char *const names[] = {"takes", "text_empty", "text_too_long", "no_regions"};
    return names[v];
}

int recipe_plan(const struct recipe_context *c, const struct recipe_place *place,
                const struct pair_record *pair, struct plan *out)
{
    return c->recipe->plan(c, place, pair, out);
}

int recipe_materialise(const struct recipe_context *c, const struct pair_record *pair,
                       const struct visual_record *visual, struct plan *plan, struct sample *out)
{
    return c->recipe->materialise(c, pair, visual, plan, out);
}

int recipe_batch(const struct recipe *r, const struct sample *samples, size_t n, struct sample *out)
{
    return r->batch(samples, n, out);
}
