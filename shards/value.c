#include "shards/value.h"

#include <stdbool.h>
#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

#include "shards/codec.h"

enum {
    FLAG_DICTIONARY = 1,
    PREFIX_BYTES = 8, /* before the ranges */
    RANGE_BYTES = 12,
    CHECKSUM_BYTES = 4,
    SHUFFLE_MIN = 256, /* bytes; below, a range's entry and blocks cost what they save */
};

struct value_coder {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    struct buf scratch; /* the record with its planes shuffled */
};

struct value_dictionary {
    ZSTD_CDict *compress;
    ZSTD_DDict *decompress;
};

struct range {
    uint32_t offset;
    uint32_t bytes;
    uint32_t element;
};

int value_coder_new(struct value_coder **out)
{
    struct value_coder *c = calloc(1, sizeof *c);
    if (c) {
        buf_init(&c->scratch, CODEC_MAX_RECORD);
        c->compress = ZSTD_createCCtx();
        c->decompress = ZSTD_createDCtx();
    }
    if (!c || !c->compress || !c->decompress ||
        ZSTD_isError(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_compressionLevel, VALUE_LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_checksumFlag, 1))) {
        value_coder_free(c);
        return err_set(E_NOMEM, "no memory for compressing records");
    }
    *out = c;
    return 0;
}

void value_coder_free(struct value_coder *c)
{
    if (c) {
        ZSTD_freeCCtx(c->compress);
        ZSTD_freeDCtx(c->decompress);
        buf_release(&c->scratch);
        free(c);
    }
}

int value_dictionary_new(struct view bytes, struct value_dictionary **out)
{
    struct value_dictionary *d = calloc(1, sizeof *d);
    if (d) {
        d->compress = ZSTD_createCDict(bytes.p, bytes.n, VALUE_LEVEL);
        d->decompress = ZSTD_createDDict(bytes.p, bytes.n);
    }
    if (!d || !d->compress || !d->decompress) {
        value_dictionary_free(d);
        return err_set(E_FORMAT, "%zu bytes that zstd does not take as a dictionary", bytes.n);
    }
    *out = d;
    return 0;
}

void value_dictionary_free(struct value_dictionary *d)
{
    if (d) {
        ZSTD_freeCDict(d->compress);
        ZSTD_freeDDict(d->decompress);
        free(d);
    }
}

/* ---- byte planes ---- */

/* to[k * n + i] = byte k of element i. */
static void shuffle(const unsigned char *restrict from, unsigned char *restrict to, size_t n,
                    uint32_t element)
{
    if (element == 2) {
        for (size_t i = 0; i < n; i++) {
            to[i] = from[2 * i];
            to[n + i] = from[2 * i + 1];
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        to[i] = from[4 * i];
        to[n + i] = from[4 * i + 1];
        to[2 * n + i] = from[4 * i + 2];
        to[3 * n + i] = from[4 * i + 3];
    }
}

static void unshuffle(const unsigned char *restrict from, unsigned char *restrict to, size_t n,
                      uint32_t element)
{
    if (element == 2) {
        for (size_t i = 0; i < n; i++) {
            to[2 * i] = from[i];
            to[2 * i + 1] = from[n + i];
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        to[4 * i] = from[i];
        to[4 * i + 1] = from[n + i];
        to[4 * i + 2] = from[2 * n + i];
        to[4 * i + 3] = from[3 * n + i];
    }
}

/* The planes of a record that are worth shuffling: large arrays of floats. */
static int find_ranges(struct view record, struct range out[VALUE_MAX_RANGES], unsigned *n)
{
    struct codec_fields fields;
    const int rc = codec_read_fields(record, &fields);
    *n = 0;
    for (size_t i = 0; rc == 0 && i < fields.count && *n < VALUE_MAX_RANGES; i++) {
        const struct codec_field *f = &fields.field[i];
        if ((f->dtype == DTYPE_F16 || f->dtype == DTYPE_F32) && f->bytes >= SHUFFLE_MIN) {
            out[(*n)++] = (struct range){(uint32_t)f->offset, (uint32_t)f->bytes,
                                         f->dtype == DTYPE_F16 ? 2 : 4};
        }
    }
    return rc;
}

/* Copies a record of n bytes with its ranges moved through `move`; the ranges ascend. */
static void move_ranges(const unsigned char *from, unsigned char *to, size_t n,
                        const struct range *ranges, unsigned count,
                        void (*move)(const unsigned char *restrict, unsigned char *restrict, size_t,
                                     uint32_t))
{
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct range *r = &ranges[i];
        memcpy(to + at, from + at, r->offset - at);
        move(from + r->offset, to + r->offset, r->bytes / r->element, r->element);
        at = (size_t)r->offset + r->bytes;
    }
    memcpy(to + at, from + at, n - at);
}

/* ---- prefix ---- */

/* Bytes of the prefix before its checksum. */
static size_t prefix_bytes(unsigned ranges)
{
    return PREFIX_BYTES + (size_t)ranges * RANGE_BYTES;
}

static uint32_t prefix_checksum(const unsigned char *p, unsigned ranges)
{
    return (uint32_t)XXH3_64bits(p, prefix_bytes(ranges));
}

static int append_prefix(struct buf *out, size_t record, bool dictionary,
                         const struct range *ranges, unsigned n)
{
    const int rc = buf_append_zeros(out, prefix_bytes(n) + CHECKSUM_BYTES);
    if (rc) {
        return rc;
    }
    unsigned char *p = out->p;
    p[0] = VALUE_MAGIC;
    p[1] = VALUE_FORMAT;
    p[2] = dictionary ? FLAG_DICTIONARY : 0;
    p[3] = (unsigned char)n;
    put_le32(p + 4, (uint32_t)record);
    for (unsigned i = 0; i < n; i++) {
        unsigned char *r = p + PREFIX_BYTES + (size_t)i * RANGE_BYTES;
        put_le32(r, ranges[i].offset);
        put_le32(r + 4, ranges[i].bytes);
        put_le32(r + 8, ranges[i].element);
    }
    put_le32(p + prefix_bytes(n), prefix_checksum(p, n));
    return 0;
}

struct prefix {
    bool dictionary;
    uint32_t record; /* bytes */
    unsigned ranges;
    struct range range[VALUE_MAX_RANGES];
    struct view frame;
};

/* Each range within the record and behind the one before it, whole elements only. */
static bool ranges_sane(const struct prefix *x)
{
    size_t at = 0;
    for (unsigned i = 0; i < x->ranges; i++) {
        const struct range *r = &x->range[i];
        if ((r->element != 2 && r->element != 4) || r->offset < at || r->bytes % r->element ||
            (size_t)r->offset + r->bytes > x->record) {
            return false;
        }
        at = (size_t)r->offset + r->bytes;
    }
    return true;
}

static int read_prefix(struct view stored, struct prefix *x)
{
    const unsigned char *p = stored.p;
    if (stored.n < PREFIX_BYTES || p[0] != VALUE_MAGIC) {
        return err_set(E_FORMAT, "%zu bytes that are no stored value", stored.n);
    }
    const size_t prefix = prefix_bytes(p[3]) + CHECKSUM_BYTES;
    if (p[3] > VALUE_MAX_RANGES || stored.n < prefix ||
        get_le32(p + prefix_bytes(p[3])) != prefix_checksum(p, p[3])) {
        return err_set(E_CHECKSUM, "the head of a stored value was damaged");
    }
    if (p[1] != VALUE_FORMAT) {
        return err_set(E_VERSION, "a stored value of format %u; this pairmill reads %d", p[1],
                       VALUE_FORMAT);
    }
    x->dictionary = p[2] & FLAG_DICTIONARY;
    x->record = get_le32(p + 4);
    x->ranges = p[3];
    for (unsigned i = 0; i < x->ranges; i++) {
        const unsigned char *r = p + PREFIX_BYTES + (size_t)i * RANGE_BYTES;
        x->range[i] = (struct range){get_le32(r), get_le32(r + 4), get_le32(r + 8)};
    }
    x->frame = view_of(p + prefix, stored.n - prefix);
    return ranges_sane(x) ? 0 : err_set(E_FORMAT, "a stored value whose ranges make no sense");
}

/* ---- packing ---- */

/* A frame in the making, at the end of `out`. */
struct frame {
    ZSTD_CCtx *stream;
    ZSTD_outBuffer out;
    const unsigned char *record;
    size_t done; /* bytes of the record that were given to zstd */
};

/* Gives zstd the record up to `end`; its block ends there, and so does its statistics. */
static int compress_until(struct frame *f, size_t end, ZSTD_EndDirective how)
{
    ZSTD_inBuffer in = {f->record + f->done, end - f->done, 0};
    size_t left = 1;
    while (left) { /* room was reserved for the worst case, so this ends */
        left = ZSTD_compressStream2(f->stream, &f->out, &in, how);
        if (ZSTD_isError(left)) {
            return err_set(E_NOMEM, "zstd could not compress a record: %s",
                           ZSTD_getErrorName(left));
        }
    }
    f->done = end;
    return 0;
}

/* One block for each plane, so that exponents do not share a Huffman table with mantissas: on f16
 * features and soft labels 8 to 11 % smaller than planes alone, and faster to unpack, since a plane
 * of mantissas is then stored as it is (tests/bench/shards_bench.c). */
static int compress_planes(struct frame *f, const struct range *ranges, unsigned n)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < n; i++) {
        const struct range *r = &ranges[i];
        for (uint32_t plane = 0; rc == 0 && plane < r->element; plane++) {
            rc = compress_until(f, r->offset + (size_t)plane * (r->bytes / r->element),
                                ZSTD_e_flush);
        }
        rc = rc ? rc : compress_until(f, (size_t)r->offset + r->bytes, ZSTD_e_flush);
    }
    return rc;
}

static int compress(struct value_coder *c, const unsigned char *record, size_t n,
                    const struct range *ranges, unsigned range_count,
                    const struct value_dictionary *dictionary, struct buf *out)
{
    enum { FLUSH_BYTES = 64 }; /* more than what a block that ends early can cost */
    const size_t bound = ZSTD_compressBound(n) + (size_t)range_count * 5 * FLUSH_BYTES;
    int rc = buf_reserve(out, bound);
    if (rc) {
        return rc;
    }
    size_t status = ZSTD_CCtx_reset(c->compress, ZSTD_reset_session_only);
    if (!ZSTD_isError(status)) {
        status = ZSTD_CCtx_refCDict(c->compress, dictionary ? dictionary->compress : NULL);
    }
    if (!ZSTD_isError(status)) {
        status = ZSTD_CCtx_setPledgedSrcSize(c->compress, n);
    }
    if (ZSTD_isError(status)) {
        return err_set(E_NOMEM, "zstd could not start a frame: %s", ZSTD_getErrorName(status));
    }
    struct frame f = {c->compress, {out->p + out->n, bound, 0}, record, 0};
    rc = compress_planes(&f, ranges, range_count);
    rc = rc ? rc : compress_until(&f, n, ZSTD_e_end);
    out->n += rc ? 0 : f.out.pos;
    return rc;
}

int value_pack(struct value_coder *c, struct view record, const struct value_dictionary *dictionary,
               struct buf *out)
{
    if (record.n > CODEC_MAX_RECORD) {
        return err_set(E_TOO_BIG, "a record of %zu bytes; the limit is %d", record.n,
                       CODEC_MAX_RECORD);
    }
    struct range ranges[VALUE_MAX_RANGES];
    unsigned n = 0;
    int rc = find_ranges(record, ranges, &n);
    const unsigned char *bytes = record.p;
    if (rc == 0 && n) {
        buf_reset(&c->scratch);
        rc = buf_reserve(&c->scratch, record.n);
        if (rc == 0) {
            move_ranges(record.p, c->scratch.p, record.n, ranges, n, shuffle);
            bytes = c->scratch.p;
        }
    }
    buf_reset(out);
    rc = rc ? rc : append_prefix(out, record.n, dictionary != NULL, ranges, n);
    return rc ? rc : compress(c, bytes, record.n, ranges, n, dictionary, out);
}

static int decompress(struct value_coder *c, const struct prefix *x,
                      const struct value_dictionary *dictionary, unsigned char *to)
{
    const size_t n =
        x->dictionary ? ZSTD_decompress_usingDDict(c->decompress, to, x->record, x->frame.p,
                                                   x->frame.n, dictionary->decompress)
                      : ZSTD_decompressDCtx(c->decompress, to, x->record, x->frame.p, x->frame.n);
    if (ZSTD_isError(n)) {
        return err_set(E_CHECKSUM, "a stored value was damaged: %s", ZSTD_getErrorName(n));
    }
    if (n != x->record) {
        return err_set(E_CHECKSUM, "a stored value was damaged: %zu bytes instead of %u", n,
                       x->record);
    }
    return 0;
}

int value_unpack(struct value_coder *c, struct view stored,
                 const struct value_dictionary *dictionary, struct buf *out)
{
    struct prefix x = {0};
    int rc = read_prefix(stored, &x);
    if (rc == 0 && x.dictionary && !dictionary) {
        rc = err_set(E_FORMAT, "a stored value that needs its shard's dictionary");
    }
    struct buf *target = x.ranges ? &c->scratch : out;
    buf_reset(out);
    buf_reset(target);
    rc = rc ? rc : buf_reserve(out, x.record);
    rc = rc ? rc : buf_reserve(target, x.record);
    rc = rc ? rc : decompress(c, &x, dictionary, target->p);
    if (rc) {
        return rc;
    }
    if (x.ranges) {
        move_ranges(target->p, out->p, x.record, x.range, x.ranges, unshuffle);
    }
    out->n = x.record;
    return 0;
}
