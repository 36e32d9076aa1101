/* A folder of images, at any depth, each with a .txt of the same name: one caption a line. */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "workers/source_internal.h"

enum { TEXT_FILE_MAX = 16 << 20 };

/* What a name is by its suffix, in the order in which those of one stem are walked. */
enum kind { KIND_OTHER, KIND_IMAGE, KIND_TEXT };

struct folder {
    FTS *walk;
    size_t root;    /* length of the folder's own path */
    char *file;     /* current image, or what is wrong on its own; NULL before the first */
    bool orphan;    /* the current file is a .txt without an image */
    int unreadable; /* why the current file's captions could not be read, with `detail` */
    struct buf text;
    size_t at;     /* in text */
    unsigned line; /* of the last caption given */
    bool gave;     /* an item of the current file */
    char key[4200];
    char detail[4400];
};

static size_t stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : strlen(name);
}

static enum kind kind_of_name(const char *name)
{
    static const char *const images[] = {".jpg", ".jpeg", ".png", ".webp",
                                         ".gif", ".bmp",  ".tif", ".tiff"};
    const char *suffix = name + stem_length(name);
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        if (strcasecmp(suffix, images[i]) == 0) {
            return KIND_IMAGE;
        }
    }
    return strcasecmp(suffix, ".txt") == 0 ? KIND_TEXT : KIND_OTHER;
}

/* A link to nothing and a pipe count too: that nothing can be read from them is for their reader to
 * say. */
static enum kind kind_of(const FTSENT *e)
{
    switch (e->fts_info) {
    case FTS_F:
    case FTS_NS:
    case FTS_SLNONE:
    case FTS_DEFAULT: return kind_of_name(e->fts_name);
    default: return KIND_OTHER;
    }
}

static int compare_stems(const FTSENT *a, const FTSENT *b)
{
    const size_t n = stem_length(a->fts_name);
    const size_t m = stem_length(b->fts_name);
    const int order = memcmp(a->fts_name, b->fts_name, n < m ? n : m);
    return order || n == m ? order : n < m ? -1 : 1;
}

static int by_stem(const FTSENT **a, const FTSENT **b)
{
    const int stems = compare_stems(*a, *b);
    const int kinds = (int)kind_of_name((*a)->fts_name) - (int)kind_of_name((*b)->fts_name);
    return stems ? stems : kinds ? kinds : strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Tells each image of the folder that is entered its .txt (fts_pointer, which is walked later and
 * so lives long enough), and each .txt that images take it (fts_number). */
static void pair_up(FTS *walk)
{
    FTSENT *first = NULL; /* image of the current stem */
    for (FTSENT *e = fts_children(walk, 0); e; e = e->fts_link) {
        if (first && compare_stems(first, e) != 0) {
            first = NULL;
        }
        if (!first && kind_of(e) == KIND_IMAGE) {
            first = e;
        }
        if (first && !first->fts_pointer && kind_of(e) == KIND_TEXT) {
            for (FTSENT *image = first; image != e; image = image->fts_link) {
                image->fts_pointer = e;
            }
            e->fts_number = 1;
        }
    }
}

/* Begins with a file and, where it has one, its .txt. */
static int take(struct folder *f, const FTSENT *e, const FTSENT *text)
{
    free(f->file);
    f->file = strdup(e->fts_path);
    f->orphan = text == e;
    f->unreadable = 0;
    buf_reset(&f->text);
    f->at = 0;
    f->line = 0;
    f->gave = false;
    if (!f->file) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    if (!text) {
        return 0;
    }
    char *path = NULL;
    if (asprintf(&path, "%.*s%s", (int)(e->fts_pathlen - e->fts_namelen), e->fts_path,
                 text->fts_name) < 0) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    const int rc = file_read_regular(path, &f->text);
    free(path);
    if (rc == 0 || rc == E_NOMEM) {
        return rc;
    }
    buf_reset(&f->text);
    f->unreadable = rc;
    snprintf(f->detail, sizeof f->detail, "%s", err_text());
    return 0;
}

/* A folder below that cannot be read is one problem; the folder itself is the end. */
static int take_folder(struct folder *f, const FTSENT *e)
{
    errno = e->fts_errno;
    const int unreadable = err_errno("cannot read the folder %s", e->fts_path);
    if (e->fts_level <= FTS_ROOTLEVEL) {
        return unreadable;
    }
    const int rc = take(f, e, NULL);
    f->unreadable = unreadable;
    snprintf(f->detail, sizeof f->detail, "%s", err_text());
    return rc;
}

/* The next image, or the next .txt or folder that is a problem on its own; E_NOT_FOUND at the end.
 */
static int walk_on(struct folder *f)
{
    FTSENT *e;
    while ((errno = 0, e = fts_read(f->walk))) {
        if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR) {
            return take_folder(f, e);
        }
        if (e->fts_info == FTS_D) {
            pair_up(f->walk);
        } else if (kind_of(e) == KIND_IMAGE) {
            return take(f, e, e->fts_pointer);
        } else if (kind_of(e) == KIND_TEXT && !e->fts_number) {
            return take(f, e, e);
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
    const char *name = f->file + f->root + 1;
    f->gave = true;
    snprintf(f->key, sizeof f->key, "%s line %u", name, f->line);
    out->key = view_str(f->key);
    out->text = text;
    out->detail = f->detail;
    if (f->unreadable) { /* which is not the image's fault */
        out->problem = f->unreadable;
        return 0;
    }
    out->image = f->file;
    if (f->orphan) {
        snprintf(f->detail, sizeof f->detail, "%s has no image beside it that takes its captions",
                 f->file);
        out->problem = E_NO_FILE;
    } else if (text.n == 0) {
        snprintf(f->detail, sizeof f->detail, "%s has no .txt beside it with a caption", f->file);
        out->problem = E_TEXT_EMPTY;
    }
    return 0;
}

static int folder_next(void *state, struct source_item *out)
{
    struct folder *f = state;
    for (;;) {
        struct view line;
        if (f->file && next_line(f, &line)) {
            return give(f, out, line);
        }
        if (f->file && !f->gave) {
            return give(f, out, view_of("", 0));
        }
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
    free(f->file);
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
    f->walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_stem);
    return f->walk ? 0 : err_errno("cannot walk the folder %s", path);
}
