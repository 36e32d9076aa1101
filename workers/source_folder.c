/* A folder of images, at any depth, each with a .txt of the same name: one caption a line. */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "workers/source_internal.h"

enum { TEXT_FILE_MAX = 16 << 20 };

struct folder {
    FTS *walk;
    size_t root; /* length of the folder's own path */
    char *image; /* current image, or NULL */
    bool orphan; /* the current .txt has no image */
    struct buf text;
    size_t at;     /* in text */
    unsigned line; /* of the last caption given */
    bool gave;     /* an item of the current image */
    char key[4200];
    char detail[4400];
};

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool has_suffix(const char *s, const char *const *suffixes)
{
    const char *dot = strrchr(s, '.');
    for (; dot && *suffixes; suffixes++) {
        if (strcasecmp(dot, *suffixes) == 0) {
            return true;
        }
    }
    return false;
}

static const char *const image_suffixes[] = {".jpg", ".jpeg", ".png",  ".webp", ".gif",
                                             ".bmp", ".tif",  ".tiff", NULL};
static const char *const text_suffixes[] = {".txt", NULL};

static char *with_suffix(const char *path, const char *suffix)
{
    char *out = NULL;
    const char *dot = strrchr(path, '.');
    return asprintf(&out, "%.*s%s", (int)(dot - path), path, suffix) < 0 ? NULL : out;
}

static bool has_image(const char *text_path)
{
    for (const char *const *s = image_suffixes; *s; s++) {
        char *path = with_suffix(text_path, *s);
        const bool found = path && file_exists(path);
        free(path);
        if (found) {
            return true;
        }
    }
    return false;
}

static int take_image(struct folder *f, const char *path)
{
    free(f->image);
    f->image = strdup(path);
    char *text = with_suffix(path, ".txt");
    buf_reset(&f->text);
    f->at = 0;
    f->line = 0;
    f->gave = false;
    int rc = f->image && text ? 0 : err_set(E_NOMEM, "no memory for a path");
    if (rc == 0 && file_exists(text)) {
        rc = file_read(text, &f->text);
    }
    free(text);
    return rc;
}

/* The next image, or the next .txt without one; E_NOT_FOUND at the end. */
static int walk_on(struct folder *f)
{
    FTSENT *e;
    while ((errno = 0, e = fts_read(f->walk))) {
        if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR) {
            errno = e->fts_errno;
            return err_errno("cannot read %s", e->fts_path);
        }
        if (e->fts_info == FTS_F && has_suffix(e->fts_name, image_suffixes)) {
            return take_image(f, e->fts_path);
        }
        if (e->fts_info == FTS_F && has_suffix(e->fts_name, text_suffixes) &&
            !has_image(e->fts_path)) {
            f->orphan = true;
            return take_image(f, e->fts_path);
        }
    }
    return errno ? err_errno("cannot walk the folder") : E_NOT_FOUND;
}

static bool next_line(struct folder *f, struct view *line)
{
    while (f->at < f->text.n) {
        const char *start = (const char *)f->text.p + f->at;
        const char *end = memchr(start, '\n', f->text.n - f->at);
        size_t n = end ? (size_t)(end - start) : f->text.n - f->at;
        f->at += n + 1;
        f->line++;
        n -= n && start[n - 1] == '\r';
        if (n) {
            *line = view_of(start, n);
            return true;
        }
    }
    return false;
}

static int give(struct folder *f, struct source_item *out, struct view text)
{
    const char *name = f->image + f->root + 1;
    f->gave = true;
    snprintf(f->key, sizeof f->key, "%s line %u", name, f->line);
    out->key = view_str(f->key);
    out->image = f->image;
    out->text = text;
    if (f->orphan) {
        snprintf(f->detail, sizeof f->detail, "%s has no image beside it", f->image);
        out->problem = E_NO_FILE;
        out->detail = f->detail;
    } else if (text.n == 0) {
        snprintf(f->detail, sizeof f->detail, "%s has no .txt beside it with a caption", f->image);
        out->problem = E_TEXT_EMPTY;
        out->detail = f->detail;
    }
    return 0;
}

static int folder_next(void *state, struct source_item *out)
{
    struct folder *f = state;
    for (;;) {
        struct view line;
        if (f->image && next_line(f, &line)) {
            return give(f, out, line);
        }
        if (f->image && !f->gave) {
            return give(f, out, view_of("", 0));
        }
        f->orphan = false;
        const int rc = walk_on(f);
        if (rc) {
            return rc;
        }
    }
}

static void folder_close(void *state)
{
    struct folder *f = state;
    if (f->walk) {
        fts_close(f->walk);
    }
    free(f->image);
    buf_release(&f->text);
    free(f);
}

static const struct source_kind folder_kind = {folder_next, folder_close};

int folder_open(const char *path, struct source *out)
{
    struct folder *f = calloc(1, sizeof *f);
    if (!f) {
        return err_set(E_NOMEM, "no memory for the folder %s", path);
    }
    buf_init(&f->text, TEXT_FILE_MAX);
    out->kind = &folder_kind;
    out->state = f;
    f->root = strlen(path);
    char *const roots[] = {(char *)path, NULL};
    f->walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    return f->walk ? 0 : err_errno("cannot walk the folder %s", path);
}
