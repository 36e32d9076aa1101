/*
 * Reads a Python pickle without running it: bytes in, a graph of plain values out.
 *
 * A pickle is a program for a stack machine (PEP 307, 3154, 574; CPython's Lib/pickle.py and
 * pickletools.py), and Python's machine calls any function that the file names.  This one calls
 * none.  It knows the handful of names that torch and numpy put into weight files; a call of one
 * becomes a PICKLE_OBJECT that remembers its arguments, and any other name is refused as soon as it
 * is named: "... asks to run builtins.eval; refused".
 *
 * Opcodes: those that protocols 2 to 5 write for dicts, lists, tuples, strings, numbers and such
 * objects.  Protocol 0's text, sets, instances, extensions and out-of-band buffers are refused.
 *
 * Bounded: a value costs at least one byte of the file and there are at most PICKLE_VALUES_MAX;
 * none is remembered under a number larger than the bytes before it are many; nothing recurses. But
 * values may be shared and contain themselves, so whoever walks them must bound its depth.  Strings
 * and bytes are views of the file, which must outlive the pickle; the few that had to be decoded
 * are the pickle's own, until pickle_take_owned().
 */
#ifndef DETECTOR_PICKLE_H
#define DETECTOR_PICKLE_H

#include <stdbool.h>

#include "detector/weights.h"

enum { PICKLE_VALUES_MAX = 1 << 22 };

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_BIG,   /* an integer beyond 64 bits: `bytes`, little-endian */
    PICKLE_FLOAT, /* its value is of no interest here */
    PICKLE_TEXT,  /* `bytes`, UTF-8 */
    PICKLE_BYTES, /* `bytes`, also Python 2's str */
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,
    PICKLE_GLOBAL,
    PICKLE_OBJECT,
    PICKLE_PERSISTENT /* `object.arguments` names something outside of the pickle */
};

/* What a weight file may name. */
enum pickle_global {
    GLOBAL_ORDERED_DICT,
    GLOBAL_ENCODE,
    GLOBAL_BYTES,
    GLOBAL_REBUILD_TENSOR, /* torch: storage, offset, size, stride, ... */
    GLOBAL_REBUILD_PARAMETER,
    GLOBAL_SIZE,
    GLOBAL_STORAGE,
    GLOBAL_RECONSTRUCT, /* numpy: an empty array whose state follows */
    GLOBAL_FROM_BUFFER, /* numpy, protocol 5: buffer, dtype, shape, order */
    GLOBAL_NDARRAY,
    GLOBAL_DTYPE,
    GLOBAL_INERT /* what may stand beside weights and says nothing about them */
};

struct pickle_value {
    enum pickle_kind kind;
    enum pickle_global global;      /* of a GLOBAL, and of an OBJECT's callable */
    enum weights_type storage_type; /* of a GLOBAL_STORAGE */
    union {
        int64_t integer; /* BOOL too */
        struct view bytes;
        struct {
            struct pickle_value **item; /* a DICT's are key, value, key, value */
            size_t n;
            size_t room;
        } list; /* TUPLE, LIST, DICT */
        struct {
            struct pickle_value *arguments; /* a TUPLE, of a PERSISTENT any value */
            struct pickle_value *state;     /* NULL when none was set */
        } object;
    };
};

struct pickle;

/* Reads one pickle from the beginning of `bytes`; `path` is for messages. E_TRUNCATED, E_FORMAT;
 * E_MODEL for a name that is refused. */
int pickle_read(struct view bytes, const char *path, struct pickle **out) MUST_CHECK;
void pickle_free(struct pickle *p);

/* The value; valid until pickle_free(). */
const struct pickle_value *pickle_root(const struct pickle *p);

/* Bytes up to and with its STOP. */
size_t pickle_size(const struct pickle *p);

/* Everything outside of the pickle that it names, in order of appearance, with repetitions. */
size_t pickle_persistents(const struct pickle *p);
const struct pickle_value *pickle_persistent(const struct pickle *p, size_t i);

/* Takes the next of the decoded byte strings, which the caller frees; NULL after the last. */
void *pickle_take_owned(struct pickle *p);

/* The value of a dict's key; NULL when it has none of that name, or is no dict. */
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);

/* The i-th item of a tuple or a list; NULL when it has no such, or is neither. */
const struct pickle_value *pickle_item(const struct pickle_value *v, size_t i);

/* Whether a value is that text. */
bool pickle_is_text(const struct pickle_value *v, const char *text);

/* A non-negative integer. */
bool pickle_size_of(const struct pickle_value *v, uint64_t *out);

/* Whether a value is what a call of `global` gave. */
bool pickle_is_object(const struct pickle_value *v, enum pickle_global global);

#endif
