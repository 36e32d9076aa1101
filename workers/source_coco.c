/* COCO captions: {"images": [{id, file_name}], "annotations": [{id, image_id, caption}]}, and
 * folders of such files. */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "workers/source_internal.h"

/* Of an id that is not a whole number from 0 on; no such number, because JSON's have a sign. */
#define NO_ID UINT64_MAX

struct annotation {
    uint64_t image_id;
    uint64_t id;
    size_t place;          /* in the file's list */
    const json_t *caption; /* borrowed from the document; NULL when it is not a string */
};

struct coco_image {
    uint64_t id;
    const char *file_name;
    bool ambiguous; /* listed again with another file */
};

struct coco {
    json_t *document;
    char *file;
    char *images_dir;
    const char *split;
    struct coco_image *images; /* by id */
    size_t image_count;
    struct annotation *annotations; /* by image, then id */
    size_t annotation_count;
    size_t at;
    char *path; /* of the current item */
    char key[48];
    char detail[600];
};

static int by_image(const void *a, const void *b)
{
    const struct annotation *x = a;
    const struct annotation *y = b;
    if (x->image_id != y->image_id) {
        return x->image_id < y->image_id ? -1 : 1;
    }
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }
    return x->place < y->place ? -1 : x->place > y->place;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t x = ((const struct coco_image *)a)->id;
    const uint64_t y = ((const struct coco_image *)b)->id;
    return x < y ? -1 : x > y;
}

static void coco_close(void *state)
{
    struct coco *c = state;
    json_decref(c->document);
    free(c->file);
    free(c->images_dir);
    free(c->images);
    free(c->annotations);
    free(c->path);
    free(c);
}

static uint64_t id_in(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v)
                                                            : NO_ID;
}

/* Sorted by id, those of one id are neighbours. */
static void mark_ambiguous(struct coco *c)
{
    for (size_t i = 0; i < c->image_count;) {
        size_t end = i + 1;
        bool differ = false;
        for (; end < c->image_count && c->images[end].id == c->images[i].id; end++) {
            differ = differ || strcmp(c->images[end].file_name, c->images[i].file_name) != 0;
        }
        for (; i < end; i++) {
            c->images[i].ambiguous = differ;
        }
    }
}

static int load_images(struct coco *c, const json_t *list)
{
    size_t i;
    json_t *v;
    c->images = calloc(json_array_size(list) + 1, sizeof *c->images);
    if (!c->images) {
        return err_set(E_NOMEM, "no memory for the images of %s", c->file);
    }
    json_array_foreach(list, i, v)
    {
        const char *name = json_string_value(json_object_get(v, "file_name"));
        if (name) {
            c->images[c->image_count++] =
                (struct coco_image){.id = id_in(v, "id"), .file_name = name};
        }
    }
    qsort(c->images, c->image_count, sizeof *c->images, by_id);
    mark_ambiguous(c);
    return 0;
}

static int load_annotations(struct coco *c, const json_t *list)
{
    size_t i;
    json_t *v;
    c->annotation_count = json_array_size(list);
    c->annotations = calloc(c->annotation_count + 1, sizeof *c->annotations);
    if (!c->annotations) {
        return err_set(E_NOMEM, "no memory for the annotations of %s", c->file);
    }
    json_array_foreach(list, i, v)
    {
        const json_t *caption = json_object_get(v, "caption");
        c->annotations[i] = (struct annotation){
            .image_id = id_in(v, "image_id"),
            .id = id_in(v, "id"),
            .place = i,
            .caption = json_is_string(caption) ? caption : NULL,
        };
    }
    qsort(c->annotations, c->annotation_count, sizeof *c->annotations, by_image);
    return 0;
}

/* The folder in which the first image that exists anywhere likely is found. */
static int find_images(struct coco *c, const char *given)
{
    static const char *const likely[] = {"",           "images",       "../images",  "../train2017",
                                         "../val2017", "../train2014", "../val2014", "../test2017"};
    if (given) {
        c->images_dir = strdup(given);
        return c->images_dir ? 0 : err_set(E_NOMEM, "no memory for a path");
    }
    char *dir = file_folder(c->file);
    for (size_t i = 0; i < c->image_count && i < 100; i++) {
        for (size_t k = 0; k < sizeof likely / sizeof *likely; k++) {
            char *folder = file_join(dir, likely[k]);
            char *path = folder ? path_below(folder, c->images[i].file_name) : NULL;
            const bool found = path && file_exists(path);
            free(path);
            if (found) {
                free(dir);
                c->images_dir = folder;
                return 0;
            }
            free(folder);
        }
    }
    free(dir);
    return err_set(E_NO_FILE,
                   "none of the first images of %s is beside it; say where they are with --images",
                   c->file);
}

static const char *split_of(const char *file)
{
    const char *base = strrchr(file, '/');
    base = base ? base : file;
    return strstr(base, "train") ? "train" : strstr(base, "val") ? "val" : "";
}

static int coco_problem(struct coco *c, struct source_item *out, int problem, const char *what)
{
    snprintf(c->detail, sizeof c->detail, "%s of %s %s", c->key, c->file, what);
    out->problem = problem;
    out->detail = c->detail;
    return 0;
}

static void name_annotation(struct coco *c, const struct annotation *a, struct source_item *out)
{
    if (a->id == NO_ID) {
        snprintf(c->key, sizeof c->key, "annotations[%zu]", a->place);
    } else {
        snprintf(c->key, sizeof c->key, "annotation %llu", (unsigned long long)a->id);
        out->coco_caption_id = a->id;
    }
    out->key = view_str(c->key);
    out->coco_image_id = a->image_id == NO_ID ? 0 : a->image_id;
}

static int coco_next(void *state, struct source_item *out)
{
    struct coco *c = state;
    if (c->at == c->annotation_count) {
        return E_NOT_FOUND;
    }
    const struct annotation *a = &c->annotations[c->at++];
    name_annotation(c, a, out);
    out->split = view_str(c->split);
    if (a->caption) {
        out->text = view_of(json_string_value(a->caption), json_string_length(a->caption));
    }
    if (a->id == NO_ID) {
        return coco_problem(c, out, E_FORMAT, "has no \"id\" that is a whole number from 0 on");
    }
    if (a->image_id == NO_ID) {
        return coco_problem(c, out, E_FORMAT,
                            "has no \"image_id\" that is a whole number from 0 on");
    }
    const struct coco_image wanted = {.id = a->image_id};
    const struct coco_image *image =
        bsearch(&wanted, c->images, c->image_count, sizeof wanted, by_id);
    if (!image) {
        return coco_problem(c, out, E_FORMAT, "names an image that the file does not list");
    }
    if (image->ambiguous) {
        return coco_problem(c, out, E_FORMAT,
                            "names an image that the file lists twice, with different files");
    }
    free(c->path);
    c->path = path_below(c->images_dir, image->file_name);
    out->image = c->path;
    if (!c->path) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    return a->caption ? 0 : coco_problem(c, out, E_FORMAT, "has no \"caption\" that is a string");
}

static const struct source_kind coco_kind = {coco_next, coco_close};

int coco_open(const char *path, const char *images, struct source *out)
{
    struct coco *c = calloc(1, sizeof *c);
    json_error_t error;
    if (!c) {
        return err_set(E_NOMEM, "no memory for %s", path);
    }
    out->kind = &coco_kind;
    out->state = c;
    c->file = strdup(path);
    c->document = json_load_file(path, 0, &error);
    if (!c->file || !c->document) {
        return err_set(E_FORMAT, "%s is not JSON: line %d: %s", path, error.line, error.text);
    }
    const json_t *list = json_object_get(c->document, "annotations");
    if (!json_is_array(list) || !json_is_array(json_object_get(c->document, "images"))) {
        return err_set(E_FORMAT,
                       "%s is not in COCO's format: it needs lists \"images\" and \"annotations\"",
                       path);
    }
    c->split = split_of(path);
    int rc = load_images(c, json_object_get(c->document, "images"));
    rc = rc ? rc : load_annotations(c, list);
    rc = rc ? rc : find_images(c, images);
    out->total = c->annotation_count;
    return rc;
}

/* ------------------------------------------------------------------ a folder of such files */

struct coco_root {
    struct source *files;
    size_t n;
    size_t at;
    char key[512];
};

static int is_captions(const struct dirent *d)
{
    const size_t n = strlen(d->d_name);
    return strncmp(d->d_name, "captions_", 9) == 0 && n > 5 &&
           strcmp(d->d_name + n - 5, ".json") == 0;
}

/* The key names the file too, because annotation numbers are unique in one file only. */
static int root_next(void *state, struct source_item *out)
{
    struct coco_root *r = state;
    while (r->at < r->n) {
        struct source *s = &r->files[r->at];
        const int rc = s->kind->next(s->state, out);
        if (rc != E_NOT_FOUND) {
            snprintf(r->key, sizeof r->key, "%s %.*s", s->name, (int)out->key.n,
                     (const char *)out->key.p);
            out->key = view_str(r->key);
            return rc;
        }
        r->at++;
    }
    return E_NOT_FOUND;
}

static void root_close(void *state)
{
    struct coco_root *r = state;
    for (size_t i = 0; i < r->n; i++) {
        if (r->files[i].kind) {
            r->files[i].kind->close(r->files[i].state);
        }
        free(r->files[i].name);
    }
    free(r->files);
    free(r);
}

static const struct source_kind root_kind = {root_next, root_close};

static int open_listed(struct coco_root *r, const char *dir, struct dirent **names, int n,
                       const struct source_options *options, struct source *out)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < n; i++) {
        struct source *s = &r->files[r->n++];
        char *path = file_join(dir, names[i]->d_name);
        s->name = strdup(names[i]->d_name);
        rc = path && s->name ? coco_open(path, options->images, s)
                             : err_set(E_NOMEM, "no memory for a path");
        out->total += s->total;
        free(path);
    }
    return rc;
}

int coco_root_open(const char *path, const struct source_options *options, struct source *out)
{
    struct dirent **names = NULL;
    struct coco_root *r = calloc(1, sizeof *r);
    char *dir = file_join(path, "annotations");
    const int n = dir ? scandir(dir, &names, is_captions, alphasort) : -1;
    int rc = 0;
    out->kind = &root_kind;
    out->state = r;
    if (r) {
        r->files = calloc(n > 0 ? (size_t)n : 1, sizeof *r->files);
    }
    if (!r || !r->files || !dir) {
        out->kind = r ? out->kind : NULL;
        rc = err_set(E_NOMEM, "no memory for the sources in %s", path);
    } else if (n <= 0) {
        rc = err_set(E_NO_FILE, "%s has no captions_*.json", dir);
    } else {
        rc = open_listed(r, dir, names, n, options, out);
    }
    for (int i = 0; i < n; i++) {
        free(names[i]);
    }
    free(names);
    free(dir);
    return rc;
}
