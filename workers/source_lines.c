/* JSON lines and TSV: one image and its caption (or captions) a line. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "workers/source_internal.h"

struct lines {
    FILE *file;
    char *path;
    char *dir;
    bool tsv;
    char *line;
    size_t room;
    uint64_t number;
    json_t *object; /* of the current JSON line */
    size_t caption; /* the next of its captions */
    char *image;
    char key[200];
    char detail[900];
};

static void lines_close(void *state)
{
    struct lines *l = state;
    if (l->file) {
        fclose(l->file);
    }
    json_decref(l->object);
    free(l->path);
    free(l->dir);
    free(l->line);
    free(l->image);
    free(l);
}

static int wrong_line(struct lines *l, struct source_item *out, int problem, struct view line,
                      const char *why)
{
    snprintf(l->detail, sizeof l->detail, "line %llu of %s %s", (unsigned long long)l->number,
             l->path, why);
    out->problem = problem;
    out->detail = l->detail;
    out->text = view_of(line.p, line.n > 1000 ? 1000 : line.n);
    return 0;
}

static int set_image(struct lines *l, struct source_item *out, const char *name)
{
    free(l->image);
    l->image = path_below(l->dir, name);
    out->image = l->image;
    return l->image ? 0 : err_set(E_NOMEM, "no memory for a path");
}

static int next_tsv(struct lines *l, struct source_item *out, struct view line)
{
    char *tab = memchr(l->line, '\t', line.n);
    if (!tab || tab == l->line) {
        return wrong_line(l, out, E_FORMAT, line, "is not PATH, a tab, CAPTION");
    }
    *tab = '\0';
    out->text = view_of(tab + 1, line.n - (size_t)(tab + 1 - l->line));
    return set_image(l, out, l->line);
}

/* The n-th caption of the current object, or NULL after the last. */
static const json_t *caption_at(const struct lines *l, size_t n)
{
    const json_t *one = json_object_get(l->object, "caption");
    if (one) {
        return n == 0 ? one : NULL;
    }
    return json_array_get(json_object_get(l->object, "captions"), n);
}

/* A number is an id as well as a string; without one the line's number is. */
static void name_caption(struct lines *l, const json_t *id)
{
    if (json_is_string(id)) {
        snprintf(l->key, sizeof l->key, "%.150s caption %zu", json_string_value(id), l->caption);
    } else if (json_is_integer(id)) {
        snprintf(l->key, sizeof l->key, "%lld caption %zu", (long long)json_integer_value(id),
                 l->caption);
    } else {
        snprintf(l->key, sizeof l->key, "line %llu caption %zu", (unsigned long long)l->number,
                 l->caption);
    }
}

static int give_caption(struct lines *l, struct source_item *out, const json_t *caption)
{
    const json_t *id = json_object_get(l->object, "id");
    const json_t *split = json_object_get(l->object, "split");
    name_caption(l, id);
    l->caption++;
    out->key = view_str(l->key);
    out->image = l->image;
    out->text = view_of(json_string_value(caption), json_string_length(caption));
    out->split = view_of(json_string_value(split), json_string_length(split));
    if (id && !json_is_string(id) && !json_is_integer(id)) {
        return wrong_line(l, out, E_FORMAT, out->text,
                          "has an id that is neither a string nor a whole number");
    }
    const json_t *coco = json_object_get(l->object, "coco_image_id");
    if (coco && json_integer_value(coco) <= 0) {
        return wrong_line(l, out, E_FORMAT, out->text, "has a coco_image_id that is no number");
    }
    out->coco_image_id = (uint64_t)json_integer_value(coco);
    if (!json_is_string(caption)) {
        return wrong_line(l, out, E_FORMAT, view_of("", 0), "has a caption that is not a string");
    }
    return 0;
}

static int next_json(struct lines *l, struct source_item *out, struct view line)
{
    json_error_t error;
    l->object = json_loadb(line.p, line.n, 0, &error);
    l->caption = 0;
    if (!l->object) {
        const bool utf8 = json_error_code(&error) == json_error_invalid_utf8;
        char why[300];
        snprintf(why, sizeof why, "is not JSON: %s", error.text);
        return wrong_line(l, out, utf8 ? E_TEXT_UTF8 : E_FORMAT, line, why);
    }
    const char *name = json_string_value(json_object_get(l->object, "image"));
    const json_t *caption = caption_at(l, 0);
    if (!name || !caption) {
        json_decref(l->object);
        l->object = NULL;
        return wrong_line(l, out, E_FORMAT, line,
                          "lacks \"image\", or both \"caption\" and \"captions\"");
    }
    const int rc = set_image(l, out, name);
    return rc ? rc : give_caption(l, out, caption);
}

static int lines_next(void *state, struct source_item *out)
{
    struct lines *l = state;
    const json_t *more = l->object ? caption_at(l, l->caption) : NULL;
    if (more) {
        return give_caption(l, out, more);
    }
    json_decref(l->object);
    l->object = NULL;
    struct view line;
    do {
        errno = 0;
        const ssize_t n = getline(&l->line, &l->room, l->file);
        if (n < 0) {
            return errno ? err_errno("cannot read %s", l->path) : E_NOT_FOUND;
        }
        l->number++;
        line = view_of(l->line, (size_t)n);
        while (line.n && (l->line[line.n - 1] == '\n' || l->line[line.n - 1] == '\r')) {
            line.n--;
        }
    } while (line.n == 0);
    snprintf(l->key, sizeof l->key, "line %llu", (unsigned long long)l->number);
    out->key = view_str(l->key);
    return l->tsv ? next_tsv(l, out, line) : next_json(l, out, line);
}

static const struct source_kind lines_kind = {lines_next, lines_close};

int lines_open(const char *path, bool tsv, struct source *out)
{
    struct lines *l = calloc(1, sizeof *l);
    if (!l) {
        return err_set(E_NOMEM, "no memory for %s", path);
    }
    out->kind = &lines_kind;
    out->state = l;
    l->tsv = tsv;
    l->path = strdup(path);
    l->dir = file_folder(path);
    if (!l->path || !l->dir) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    l->file = fopen(path, "re");
    return l->file ? 0 : err_errno("cannot open %s", path);
}
