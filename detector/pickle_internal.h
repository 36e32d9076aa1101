/*
 * The machine that reads a pickle, for the files that hold its opcodes.
 */
#ifndef DETECTOR_PICKLE_INTERNAL_H
#define DETECTOR_PICKLE_INTERNAL_H

#include "detector/pickle.h"

enum { CHUNK = 1024 };

struct chunk {
    struct chunk *next;
    size_t n;
    struct pickle_value value[CHUNK];
};

struct pointers {
    struct pickle_value **p;
    size_t n;
    size_t room;
};

struct pickle {
    struct chunk *chunks;
    size_t values;
    struct pickle_value *root;
    size_t size;
    struct pointers persistent;
    void **owned;
    size_t owned_count;
};

/* The machine while it runs. Marks are heights of the stack. */
struct machine {
    struct pickle *pickle;
    const char *path;
    const unsigned char *begin;
    const unsigned char *at;
    const unsigned char *end;
    struct pointers stack;
    struct pointers memo; /* NULL where nothing was put */
    size_t *mark;
    size_t marks;
    size_t mark_room;
    size_t copied; /* what calls made of what was there already */
    bool stopped;
};

/* "FILE holds a pickle that <why>, at byte N" */
int pickle_malformed(const struct machine *m, const char *why) MUST_CHECK;
int pickle_no_memory(const struct machine *m) MUST_CHECK;

int pickle_append(const struct machine *m, struct pointers *to, struct pickle_value *v) MUST_CHECK;
int pickle_new_value(struct machine *m, enum pickle_kind kind,
                     struct pickle_value **out) MUST_CHECK;
bool pickle_is_list(const struct pickle_value *v); /* or a tuple or a dict */

/* Appends stack[from..] to a list, a tuple or a dict, and takes them off the stack. */
int pickle_move_items(struct machine *m, size_t from, struct pickle_value *to) MUST_CHECK;

/* A new value on top of the stack. */
int pickle_push(struct machine *m, enum pickle_kind kind, struct pickle_value **out) MUST_CHECK;

/* The value `depth` below the top; NULL where the stack, down to its last mark, is too short. */
struct pickle_value *pickle_peek(const struct machine *m, size_t depth);
struct pickle_value *pickle_pop(struct machine *m);

/* The operand up to the next newline. */
int pickle_take_line(struct machine *m, struct view *out) MUST_CHECK;

/* Opcodes, each with the table's argument, which these do not need. */
int pickle_op_global(struct machine *m, int arg) MUST_CHECK;
int pickle_op_stack_global(struct machine *m, int arg) MUST_CHECK;
int pickle_op_inst(struct machine *m, int arg) MUST_CHECK;
int pickle_op_call(struct machine *m, int arg) MUST_CHECK;
int pickle_op_build(struct machine *m, int arg) MUST_CHECK;
int pickle_op_persistent(struct machine *m, int arg) MUST_CHECK;

#endif
