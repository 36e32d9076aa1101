#include "detector/zip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    END_BYTES = 22,           /* 4.3.16 end of central directory record */
    END64_LOCATOR_BYTES = 20, /* 4.3.15 */
    END64_BYTES = 56,         /* 4.3.14 */
    ENTRY_BYTES = 46,         /* 4.3.12 central directory header */
    LOCAL_BYTES = 30,         /* 4.3.7 local file header */
    COMMENT_MAX = 65535,
    FLAG_ENCRYPTED = 1,
};

/* A run of the file's bytes being walked. */
struct cursor {
    const unsigned char *p;
    size_t n;
};

struct directory {
    uint64_t entries;
    uint64_t bytes;
    uint64_t offset;
};

static int damaged(const struct zip *z, const char *what)
{
    return err_set(E_FORMAT, "%s is a damaged zip archive: %s", z->path, what);
}

static bool is_at(struct view file, uint64_t at, size_t n, const char *signature)
{
    return at <= file.n && file.n - at >= n && memcmp((const char *)file.p + at, signature, 4) == 0;
}

/* The end record, searched backwards: only a comment may follow it. */
static bool find_end(struct view file, size_t *at)
{
    for (size_t back = END_BYTES; back <= file.n && back <= END_BYTES + COMMENT_MAX; back++) {
        const unsigned char *p = (const unsigned char *)file.p + file.n - back;
        if (memcmp(p, "PK\5\6", 4) == 0 && get_le16(p + 20) == back - END_BYTES) {
            *at = file.n - back;
            return true;
        }
    }
    return false;
}

/* Replaces what did not fit into the end record. */
static int read_end64(const struct zip *z, struct view file, size_t end, struct directory *d)
{
    const unsigned char *base = file.p;
    const size_t locator = end - END64_LOCATOR_BYTES;
    if (end < END64_LOCATOR_BYTES || !is_at(file, locator, END64_LOCATOR_BYTES, "PK\6\7")) {
        return damaged(z, "its Zip64 directory is missing");
    }
    const uint64_t at = get_le64(base + locator + 8);
    if (!is_at(file, at, END64_BYTES, "PK\6\6")) {
        return damaged(z, "its Zip64 directory is not where it should be");
    }
    d->entries = get_le64(base + at + 32);
    d->bytes = get_le64(base + at + 40);
    d->offset = get_le64(base + at + 48);
    return 0;
}

static int read_end(const struct zip *z, struct view file, struct directory *d)
{
    size_t at;
    if (!find_end(file, &at)) {
        return err_set(E_TRUNCATED, "%s is cut short: the directory of its zip archive is missing",
                       z->path);
    }
    const unsigned char *end = (const unsigned char *)file.p + at;
    d->entries = get_le16(end + 10);
    d->bytes = get_le32(end + 12);
    d->offset = get_le32(end + 16);
    if (d->entries == UINT16_MAX || d->bytes == UINT32_MAX || d->offset == UINT32_MAX) {
        const int rc = read_end64(z, file, at, d);
        if (rc) {
            return rc;
        }
    }
    if (d->offset > at || d->bytes > at - d->offset) {
        return damaged(z, "its directory is not within the file");
    }
    if (d->entries > ZIP_ENTRIES_MAX || d->entries > d->bytes / ENTRY_BYTES) {
        return damaged(z, "its directory has fewer entries than it says");
    }
    return 0;
}

/* Sizes and offset of 64 bits, from the entry's extra field 1 (4.5.3), in their order. */
static bool read_extra64(struct cursor extra, uint64_t *size, uint64_t *stored, uint64_t *offset)
{
    uint64_t *const wanted[] = {size, stored, offset};
    while (extra.n >= 4) {
        const size_t n = get_le16(extra.p + 2);
        struct cursor field = {extra.p + 4, n};
        if (n > extra.n - 4) {
            return false;
        }
        for (int i = 0; get_le16(extra.p) == 1 && i < 3; i++) {
            if (*wanted[i] == UINT32_MAX && field.n >= 8) {
                *wanted[i] = get_le64(field.p);
                field = (struct cursor){field.p + 8, field.n - 8};
            }
        }
        extra = (struct cursor){extra.p + 4 + n, extra.n - 4 - n};
    }
    return true;
}

/* The entry's bytes follow its local header. */
static int find_bytes(const struct zip *z, struct view file, uint64_t offset, uint64_t size,
                      struct zip_entry *entry)
{
    if (!is_at(file, offset, LOCAL_BYTES, "PK\3\4")) {
        return damaged(z, "an entry is not where its directory says");
    }
    const unsigned char *local = (const unsigned char *)file.p + offset;
    const uint64_t data = offset + LOCAL_BYTES + get_le16(local + 26) + get_le16(local + 28);
    if (data > file.n || size > file.n - data) {
        return damaged(z, "an entry reaches beyond the end of the file");
    }
    entry->bytes = view_of((const unsigned char *)file.p + data, (size_t)size);
    return 0;
}

static int read_entry(const struct zip *z, struct view file, struct cursor *at,
                      struct zip_entry *entry)
{
    const unsigned char *p = at->p;
    if (at->n < ENTRY_BYTES || memcmp(p, "PK\1\2", 4) != 0) {
        return damaged(z, "its directory is not one");
    }
    const size_t name = get_le16(p + 28);
    const size_t extra = get_le16(p + 30);
    const size_t all = ENTRY_BYTES + name + extra + get_le16(p + 32);
    if (all > at->n) {
        return damaged(z, "its directory ends within an entry");
    }
    uint64_t stored = get_le32(p + 20);
    uint64_t size = get_le32(p + 24);
    uint64_t offset = get_le32(p + 42);
    if (!read_extra64((struct cursor){p + ENTRY_BYTES + name, extra}, &size, &stored, &offset)) {
        return damaged(z, "an entry has a damaged extra field");
    }
    if (get_le16(p + 10) != 0 || (get_le16(p + 8) & FLAG_ENCRYPTED) || size != stored) {
        return err_set(E_FORMAT,
                       "%s is a zip archive with compressed entries, which torch does not write: "
                       "unpack it first",
                       z->path);
    }
    entry->name = view_of(p + ENTRY_BYTES, name);
    entry->crc = get_le32(p + 16);
    *at = (struct cursor){p + all, at->n - all};
    return find_bytes(z, file, offset, size, entry);
}

static int compare(struct view a, struct view b)
{
    const int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_name(const void *a, const void *b)
{
    return compare(((const struct zip_entry *)a)->name, ((const struct zip_entry *)b)->name);
}

static int read_entries(struct zip *z, struct view file, const struct directory *d)
{
    struct cursor at = {(const unsigned char *)file.p + d->offset, (size_t)d->bytes};
    z->entry = calloc((size_t)d->entries + 1, sizeof *z->entry);
    if (!z->entry) {
        return err_set(E_NOMEM, "%s: no memory for its %llu entries", z->path,
                       (unsigned long long)d->entries);
    }
    size_t bytes = 0;
    for (; z->count < d->entries; z->count++) {
        const int rc = read_entry(z, file, &at, &z->entry[z->count]);
        if (rc) {
            return rc;
        }
        if (z->entry[z->count].bytes.n > file.n - bytes) {
            return damaged(z, "its entries overlap");
        }
        bytes += z->entry[z->count].bytes.n;
    }
    qsort(z->entry, z->count, sizeof *z->entry, by_name);
    for (size_t i = 1; i < z->count; i++) {
        if (by_name(&z->entry[i - 1], &z->entry[i]) == 0) {
            return damaged(z, "two entries have the same name");
        }
    }
    return 0;
}

int zip_init(struct zip *z, const char *path, struct view file)
{
    struct directory d;
    *z = (struct zip){.path = path};
    int rc = read_end(z, file, &d);
    rc = rc ? rc : read_entries(z, file, &d);
    if (rc) {
        zip_release(z);
    }
    return rc;
}

void zip_release(struct zip *z)
{
    free(z->entry);
    z->entry = NULL;
    z->count = 0;
}

const struct zip_entry *zip_find(const struct zip *z, struct view name)
{
    const struct zip_entry key = {.name = name};
    return bsearch(&key, z->entry, z->count, sizeof *z->entry, by_name);
}

int zip_check(const struct zip *z, const struct zip_entry *entry)
{
    const uint32_t crc = (uint32_t)crc32_z(0, entry->bytes.p, entry->bytes.n);
    return crc == entry->crc
               ? 0
               : err_set(E_CHECKSUM,
                         "%s is damaged: the bytes of %.*s are not those that were written",
                         z->path, (int)(entry->name.n < 80 ? entry->name.n : 80),
                         (const char *)entry->name.p);
}
