/*
 * The record codec: struct visual_record and struct pair_record (common/record.h) to
 * self-describing bytes and back.  docs/shard-format.md draws the layout.
 *
 * Encoded bytes begin with a format number and a table of fields (name, dtype, shape); numbers are
 * little-endian and every array begins on a multiple of 64 bytes, so decoding copies nothing: the
 * decoded record's pointers are views into the encoded bytes, which must begin on a 64-byte
 * boundary (a struct buf does) and outlive the record.
 *
 * Fields that a reader does not know are skipped; a required one that is missing, or whose dtype or
 * shape is wrong, is E_FORMAT; a newer format number is E_VERSION.  The decoder trusts nothing:
 * every length is checked before use, and every offset inside a decoded record (token spans, graph
 * nodes, edges, labels) points inside its text or array, so that no later reader has to check
 * again.
 *
 * Pure functions; any thread.
 */
#ifndef SHARDS_CODEC_H
#define SHARDS_CODEC_H

#include "common/buf.h"
#include "common/record.h"

enum {
    CODEC_FORMAT = 1,
    CODEC_ALIGN = 64,
    CODEC_MAX_RECORD = 1 << 30, /* bytes; a visual record of 100 regions is about 1 MB */
};

enum record_kind { RECORD_VISUAL = 1, RECORD_PAIR = 2 };

/* High nibble: the kind of number; low nibble: log2 of its bytes, so that the length of a dtype
 * that a reader does not know can still be told. */
enum dtype {
    DTYPE_U8 = 0x10,
    DTYPE_U16 = 0x11,
    DTYPE_U32 = 0x12,
    DTYPE_U64 = 0x13,
    DTYPE_I32 = 0x22,
    DTYPE_I64 = 0x23,
    DTYPE_F16 = 0x31,
    DTYPE_F32 = 0x32,
    DTYPE_UTF8 = 0x40,
};

/* "f16", "utf8", ...; "?" for a number outside the list. */
const char *dtype_name(unsigned dtype);

/* Replace the buffer's content by the encoded record.  E_ARG when the record contradicts itself
 * (a span outside the text, a label without its NUL, too many regions), E_TOO_BIG beyond the
 * buffer's limit. */
int codec_encode_visual(const struct visual_record *r, struct buf *out) MUST_CHECK;
int codec_encode_pair(const struct pair_record *r, struct buf *out) MUST_CHECK;

/* Fill *out with views into `bytes`.  E_FORMAT, E_VERSION; then *out is not to be used. */
int codec_decode_visual(struct view bytes, struct visual_record *out) MUST_CHECK;
int codec_decode_pair(struct view bytes, struct pair_record *out) MUST_CHECK;

/* One field of an encoded record, for tools that show or move fields without knowing them. */
enum { CODEC_MAX_DIMS = 4, CODEC_MAX_NAME = 31, CODEC_MAX_FIELDS = 64 };
struct codec_field {
    char name[CODEC_MAX_NAME + 1];
    unsigned dtype;
    unsigned dims; /* 0 for a scalar */
    uint32_t shape[CODEC_MAX_DIMS];
    size_t offset; /* of its data within the record */
    size_t bytes;
};

struct codec_fields {
    enum record_kind kind;
    size_t count;
    struct codec_field field[CODEC_MAX_FIELDS];
};

/* Reads the table of fields of a record of either kind and checks that each field's data lies
 * within `bytes`.  E_FORMAT, E_VERSION. */
int codec_read_fields(struct view bytes, struct codec_fields *out) MUST_CHECK;

#endif
