/*
 * torch's files (torch/serialization.py): a zip archive with ROOT/data.pkl and a ROOT/data/KEY for
 * each storage; and, before torch 1.6, five pickles (a magic number, the protocol, the machine, the
 * object, the storages' keys) and after them each storage: its length and its bytes.
 *
 * The legacy form begins with a pickle, as a plain pickle of numpy arrays does, so its reader reads
 * those too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/state_dict.h"
#include "detector/weights_internal.h"
#include "detector/zip.h"

/* What a pickle had to decode, the arrays are views of. */
static int keep_owned(struct weights *w, struct pickle *p)
{
    int rc = 0;
    for (void *bytes; !rc && (bytes = pickle_take_owned(p));) {
        rc = weights_own(w, bytes);
    }
    return rc;
}

/* ---- zip ---- */

struct archive {
    const struct zip *zip;
    struct view root; /* "NAME/" */
    bool *checked;    /* [entries] */
};

/* The entry ROOT/<name>; NULL when there is none. */
static const struct zip_entry *find_in_root(const struct archive *a, const char *directory,
                                            struct view name)
{
    char path[2 * WEIGHTS_NAME_MAX];
    const int n = snprintf(path, sizeof path, "%.*s%s%.*s", (int)a->root.n, (const char *)a->root.p,
                           directory, (int)name.n, (const char *)name.p);
    return n > 0 && (size_t)n < sizeof path ? zip_find(a->zip, view_of(path, (size_t)n)) : NULL;
}

static int find_in_archive(void *context, const struct torch_storage *storage, struct view *bytes)
{
    struct archive *a = context;
    const struct zip_entry *entry = find_in_root(a, "data/", storage->key);
    if (!entry) {
        return err_set(E_FORMAT, "%s: the storage \"%.*s\" is missing from its archive",
                       a->zip->path, (int)(storage->key.n < 40 ? storage->key.n : 40),
                       (const char *)storage->key.p);
    }
    bool *checked = &a->checked[entry - a->zip->entry];
    const int rc = *checked ? 0 : zip_check(a->zip, entry);
    *checked = true;
    *bytes = entry->bytes;
    return rc;
}

/* The one entry ROOT/data.pkl, where ROOT is a single name. */
static const struct zip_entry *find_data(const struct zip *z, struct view *root)
{
    static const char name[] = "data.pkl";
    const size_t n = sizeof name - 1;
    for (size_t i = 0; i < z->count; i++) {
        const struct view path = z->entry[i].name;
        const char *slash = memchr(path.p, '/', path.n);
        if (slash && path.n < WEIGHTS_NAME_MAX &&
            view_equal(view_of(slash + 1, path.n - (size_t)(slash + 1 - (const char *)path.p)),
                       view_of(name, n))) {
            *root = view_of(path.p, path.n - n);
            return &z->entry[i];
        }
    }
    return NULL;
}

/* Archives since torch 2.1 say which byte order they are in. */
static int check_byte_order(const struct archive *a)
{
    const struct zip_entry *entry = find_in_root(a, "byteorder", view_str(""));
    return entry && view_equal(entry->bytes, view_str("big"))
               ? err_set(E_FORMAT,
                         "%s was written on a big-endian machine; save it from a little-endian one",
                         a->zip->path)
               : 0;
}

/* TorchScript archives hold code beside the data. */
static int check_script(const struct archive *a)
{
    return find_in_root(a, "constants.pkl", view_str(""))
               ? err_set(E_MODEL,
                         "%s is a TorchScript program, not a weight file; save the network's "
                         "state_dict()",
                         a->zip->path)
               : 0;
}

static int read_archive(struct weights *w, const struct zip *z)
{
    struct archive a = {.zip = z, .checked = calloc(z->count + 1, sizeof *a.checked)};
    const struct storage_finder storages = {find_in_archive, &a};
    struct pickle *p = NULL;
    if (!a.checked) {
        return err_set(E_NOMEM, "%s: no memory for its %zu entries", w->path, z->count);
    }
    const struct zip_entry *data = find_data(z, &a.root);
    int rc = data ? 0
                  : err_set(E_FORMAT,
                            "%s is a zip archive, but not one that torch wrote: it has no data.pkl",
                            w->path);
    rc = rc ? rc : check_byte_order(&a);
    rc = rc ? rc : check_script(&a);
    rc = rc ? rc : zip_check(z, data);
    rc = rc ? rc : pickle_read(data->bytes, w->path, &p);
    rc = rc ? rc : state_dict_read(w, pickle_root(p), &storages);
    rc = rc ? rc : keep_owned(w, p);
    pickle_free(p);
    free(a.checked);
    return rc;
}

int weights_read_torch_zip(struct weights *w)
{
    struct zip z;
    int rc = zip_init(&z, w->path, w->file);
    if (!rc) {
        rc = read_archive(w, &z);
        zip_release(&z);
    }
    return rc;
}

/* ---- before torch 1.6 ---- */

struct stored {
    struct torch_storage storage;
    struct view bytes; /* NULL until its key was met in the list */
};

struct legacy {
    const char *path;
    struct stored *stored; /* [count], by key */
    size_t count;
};

static int by_key(const void *a, const void *b)
{
    const struct view s = ((const struct stored *)a)->storage.key;
    const struct view t = ((const struct stored *)b)->storage.key;
    const int order = memcmp(s.p, t.p, s.n < t.n ? s.n : t.n);
    return order ? order : (s.n > t.n) - (s.n < t.n);
}

static struct stored *find_stored(const struct legacy *l, struct view key)
{
    const struct stored wanted = {.storage.key = key};
    return bsearch(&wanted, l->stored, l->count, sizeof *l->stored, by_key);
}

static int find_in_legacy(void *context, const struct torch_storage *storage, struct view *bytes)
{
    const struct legacy *l = context;
    const struct stored *s = find_stored(l, storage->key);
    if (!s || !s->bytes.p) {
        return err_set(E_FORMAT, "%s: the storage \"%.*s\" is missing from it", l->path,
                       (int)(storage->key.n < 40 ? storage->key.n : 40),
                       (const char *)storage->key.p);
    }
    *bytes = s->bytes;
    return 0;
}

/* One entry for each storage that the pickle names, however often it does. */
static int list_storages(struct legacy *l, const struct pickle *p)
{
    l->stored = calloc(pickle_persistents(p) + 1, sizeof *l->stored);
    if (!l->stored) {
        return err_set(E_NOMEM, "%s: no memory for its storages", l->path);
    }
    for (size_t i = 0; i < pickle_persistents(p); i++) {
        const int rc = torch_storage_read(l->path, pickle_persistent(p, i), &l->stored[i].storage);
        if (rc) {
            return rc;
        }
    }
    qsort(l->stored, pickle_persistents(p), sizeof *l->stored, by_key);
    for (size_t i = 0; i < pickle_persistents(p); i++) {
        if (l->count && by_key(&l->stored[l->count - 1], &l->stored[i]) == 0) {
            if (l->stored[l->count - 1].storage.type != l->stored[i].storage.type) {
                return err_set(E_FORMAT, "%s: a storage has two types", l->path);
            }
            continue;
        }
        l->stored[l->count++] = l->stored[i];
    }
    return 0;
}

/* The storages' bytes, in the order of the keys: for each its length in elements, then they. */
static int place_storages(struct legacy *l, const struct pickle_value *keys, struct view rest)
{
    const unsigned char *at = rest.p;
    const unsigned char *end = at + rest.n;
    for (size_t i = 0; keys->kind == PICKLE_LIST && i < keys->list.n; i++) {
        const struct pickle_value *key = pickle_item(keys, i);
        struct stored *s = key->kind == PICKLE_TEXT ? find_stored(l, key->bytes) : NULL;
        if (!s) {
            return err_set(E_FORMAT, "%s holds a storage that no tensor lies in", l->path);
        }
        uint64_t bytes;
        if (end - at < 8 ||
            __builtin_mul_overflow(get_le64(at), weights_type_bytes(s->storage.type), &bytes) ||
            bytes > (uint64_t)(end - at) - 8) {
            return err_set(E_TRUNCATED, "%s is cut short: it ends within storage %zu of %zu",
                           l->path, i + 1, keys->list.n);
        }
        s->bytes = view_of(at + 8, (size_t)bytes);
        at += 8 + bytes;
    }
    return 0;
}

/* Reads the pickle at the beginning of *rest and takes it off. */
static int next_pickle(const struct weights *w, struct view *rest, struct pickle **out)
{
    const int rc = pickle_read(*rest, w->path, out);
    if (!rc) {
        const size_t n = pickle_size(*out);
        *rest = view_of((const char *)rest->p + n, rest->n - n);
    }
    return rc;
}

/* sys_info: {"protocol_version": 1001, "little_endian": True, ...} */
static int check_machine(const struct weights *w, const struct pickle_value *info)
{
    const struct pickle_value *little = pickle_get(info, "little_endian");
    return little && little->kind == PICKLE_BOOL && !little->integer
               ? err_set(E_FORMAT,
                         "%s was written on a big-endian machine; save it from a little-endian one",
                         w->path)
               : 0;
}

/* The pickles after the magic number. */
static int read_legacy(struct weights *w, struct view rest)
{
    enum { PROTOCOL, MACHINE, OBJECT, KEYS, PICKLES };
    struct pickle *p[PICKLES] = {NULL};
    struct legacy l = {.path = w->path};
    const struct storage_finder storages = {find_in_legacy, &l};
    int rc = 0;
    for (int i = 0; i < PICKLES && !rc; i++) {
        rc = next_pickle(w, &rest, &p[i]);
    }
    rc = rc ? rc : check_machine(w, pickle_root(p[MACHINE]));
    rc = rc ? rc : list_storages(&l, p[OBJECT]);
    rc = rc ? rc : place_storages(&l, pickle_root(p[KEYS]), rest);
    rc = rc ? rc : state_dict_read(w, pickle_root(p[OBJECT]), &storages);
    rc = rc ? rc : keep_owned(w, p[OBJECT]);
    for (int i = 0; i < PICKLES; i++) {
        pickle_free(p[i]);
    }
    free(l.stored);
    return rc;
}

static bool is_magic(const struct pickle_value *v)
{
    static const unsigned char magic[] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    return v->kind == PICKLE_BIG && view_equal(v->bytes, view_of(magic, sizeof magic - 1));
}

int weights_read_pickle(struct weights *w)
{
    struct view rest = w->file;
    struct pickle *p = NULL;
    int rc = next_pickle(w, &rest, &p);
    if (!rc && is_magic(pickle_root(p))) {
        rc = read_legacy(w, rest);
    } else if (!rc) {
        rc = state_dict_read(w, pickle_root(p), NULL);
        rc = rc ? rc : keep_owned(w, p);
    }
    pickle_free(p);
    return rc;
}
