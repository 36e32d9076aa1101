#include "workers/source.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/file.h"
#include "workers/source_internal.h"

char *path_below(const char *dir, const char *name)
{
    return *name == '/' ? strdup(name) : file_join(dir, name);
}

static bool ends(const char *s, const char *with)
{
    const size_t n = strlen(s);
    const size_t m = strlen(with);
    return n >= m && strcasecmp(s + n - m, with) == 0;
}

static bool has_annotations(const char *path)
{
    char *dir = file_join(path, "annotations");
    const bool found = dir && file_exists(dir);
    free(dir);
    return found;
}

static int open_kind(const char *path, const struct source_options *options, bool is_folder,
                     struct source *s)
{
    if (is_folder) {
        return has_annotations(path) ? coco_root_open(path, options, s) : folder_open(path, s);
    }
    if (ends(path, ".json")) {
        return coco_open(path, options->images, s);
    }
    if (ends(path, ".jsonl") || ends(path, ".ndjson")) {
        return lines_open(path, false, s);
    }
    if (ends(path, ".tsv")) {
        return lines_open(path, true, s);
    }
    return err_set(E_FORMAT,
                   "%s is not a source pairmill knows: give a COCO captions .json, a .jsonl, a "
                   ".tsv, or a folder "
                   "of images with .txt files beside them",
                   path);
}

int source_open(const char *path, const struct source_options *options, struct source **out)
{
    struct stat st;
    struct source *s = calloc(1, sizeof *s);
    if (!s) {
        return err_set(E_NOMEM, "no memory for a source");
    }
    int rc = 0;
    s->name = realpath(path, NULL);
    if (!s->name || stat(s->name, &st)) {
        rc = err_errno("cannot open the source %s", path);
    }
    rc = rc ? rc : open_kind(s->name, options, S_ISDIR(st.st_mode), s);
    if (rc) {
        source_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

int source_next(struct source *s, struct source_item *out)
{
    *out = (struct source_item){0};
    return s->kind->next(s->state, out);
}

uint64_t source_total(const struct source *s)
{
    return s->total;
}

const char *source_name(const struct source *s)
{
    return s->name;
}

void source_close(struct source *s)
{
    if (!s) {
        return;
    }
    if (s->kind) {
        s->kind->close(s->state);
    }
    free(s->name);
    free(s);
}
