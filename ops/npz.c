#include "ops/npz.h"

#include <stdio.h>
#include <zlib.h>

#include "common/file.h"

enum {
    ZIP_VERSION = 20, /* deflate */
    ZIP_DEFLATED = 8,
    ZIP_DATE = 1 << 5 | 1, /* 1980-01-01: the same input gives the same bytes */
    NPY_ALIGN = 64,
    LIMIT = 0x7fffffff
};

static const struct {
    const char *descr;
    size_t bytes;
} dtypes[] = {[NPZ_F16] = {"<f2", 2}, [NPZ_F32] = {"<f4", 4}, [NPZ_I64] = {"<i8", 8}};

void npz_init(struct npz *z)
{
    *z = (struct npz){.members = 0};
    buf_init(&z->file, LIMIT);
    buf_init(&z->directory, 1 << 20);
}

void npz_release(struct npz *z)
{
    buf_release(&z->file);
    buf_release(&z->directory);
}

/* "\x93NUMPY", version, length, a Python literal padded with spaces to a multiple of 64. */
static int npy_header(enum npz_dtype dtype, int dims, const size_t *shape, struct buf *out)
{
    unsigned char magic[10] = "\x93NUMPY\x01";
    int rc = buf_append(out, magic, sizeof magic);
    rc = rc ? rc
            : buf_printf(out, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                         dtypes[dtype].descr);
    for (int d = 0; d < dims && !rc; d++) {
        rc = buf_printf(out, "%zu,%s", shape[d], d + 1 < dims ? " " : "");
    }
    rc = rc ? rc : buf_printf(out, "), }");
    while (!rc && out->n % NPY_ALIGN != NPY_ALIGN - 1) {
        rc = buf_append(out, " ", 1);
    }
    rc = rc ? rc : buf_append(out, "\n", 1);
    if (!rc) {
        put_le16(out->p + 8, (uint16_t)(out->n - sizeof magic));
    }
    return rc;
}

/* Raw deflate (no zlib wrapper), as zip wants it. */
static int deflate_into(struct view raw, struct buf *out)
{
    z_stream s = {.next_in = (unsigned char *)raw.p, .avail_in = (unsigned)raw.n};
    if (deflateInit2(&s, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return err_set(E_NOMEM, "no memory to compress an array");
    }
    const size_t most = deflateBound(&s, raw.n);
    const int rc = buf_reserve(out, most);
    if (!rc) {
        s.next_out = out->p + out->n;
        s.avail_out = (unsigned)most;
        BUG_ON(deflate(&s, Z_FINISH) != Z_STREAM_END);
        out->n += s.total_out;
    }
    deflateEnd(&s);
    return rc;
}

/* The 26 bytes that a local header and a directory entry share. */
struct member {
    uint32_t crc;
    size_t packed;
    size_t raw;
    char name[64];
};

static void common_fields(const struct member *m, unsigned char *p)
{
    put_le16(p, ZIP_VERSION);
    put_le16(p + 2, 0);
    put_le16(p + 4, ZIP_DEFLATED);
    put_le16(p + 6, 0);
    put_le16(p + 8, ZIP_DATE);
    put_le32(p + 10, m->crc);
    put_le32(p + 14, (uint32_t)m->packed);
    put_le32(p + 18, (uint32_t)m->raw);
    put_le16(p + 22, (uint16_t)strlen(m->name));
    put_le16(p + 24, 0);
}

static int add_entry(struct npz *z, const struct member *m, size_t at)
{
    unsigned char entry[46] = "PK\x01\x02";
    put_le16(entry + 4, ZIP_VERSION);
    common_fields(m, entry + 6);
    put_le32(entry + 42, (uint32_t)at);
    const int rc = buf_append(&z->directory, entry, sizeof entry);
    return rc ? rc : buf_append(&z->directory, m->name, strlen(m->name));
}

static int add_member(struct npz *z, struct member *m, struct view raw)
{
    unsigned char local[30] = "PK\x03\x04";
    const size_t at = z->file.n;
    int rc = buf_append(&z->file, local, sizeof local);
    rc = rc ? rc : buf_append(&z->file, m->name, strlen(m->name));
    const size_t from = z->file.n;
    rc = rc ? rc : deflate_into(raw, &z->file);
    if (rc) {
        return rc;
    }
    m->raw = raw.n;
    m->packed = z->file.n - from;
    m->crc = (uint32_t)crc32(0, raw.p, (unsigned)raw.n);
    common_fields(m, z->file.p + at + 4);
    z->members++;
    return add_entry(z, m, at);
}

int npz_add(struct npz *z, const char *name, enum npz_dtype dtype, int dims, const size_t *shape,
            const void *data)
{
    size_t bytes = dtypes[dtype].bytes;
    for (int d = 0; d < dims; d++) {
        bytes *= shape[d];
    }
    struct member m = {.crc = 0};
    struct buf npy;
    snprintf(m.name, sizeof m.name, "%s.npy", name);
    buf_init(&npy, LIMIT);
    int rc = npy_header(dtype, dims, shape, &npy);
    rc = rc ? rc : buf_append(&npy, data, bytes);
    rc = rc ? rc : add_member(z, &m, buf_view(&npy));
    buf_release(&npy);
    return rc;
}

int npz_write(struct npz *z, const char *path)
{
    unsigned char end[22] = "PK\x05\x06";
    put_le16(end + 8, (uint16_t)z->members);
    put_le16(end + 10, (uint16_t)z->members);
    put_le32(end + 12, (uint32_t)z->directory.n);
    put_le32(end + 16, (uint32_t)z->file.n);
    int rc = buf_append(&z->file, z->directory.p, z->directory.n);
    rc = rc ? rc : buf_append(&z->file, end, sizeof end);
    return rc ? rc : file_write_atomic(path, buf_view(&z->file));
}
