#include "detector/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "detector/pickle_internal.h"

/* ---- errors ---- */

static size_t offset(const struct machine *m)
{
    return (size_t)(m->at - m->begin);
}

static int cut_short(const struct machine *m)
{
    return err_set(E_TRUNCATED, "%s is cut short: its pickle does not end within its %zu bytes",
                   m->path, (size_t)(m->end - m->begin));
}

int pickle_malformed(const struct machine *m, const char *why)
{
    return err_set(E_FORMAT, "%s holds a pickle that %s, at byte %zu", m->path, why, offset(m));
}

int pickle_no_memory(const struct machine *m)
{
    return err_set(E_NOMEM, "%s: no memory for its pickle", m->path);
}

/* ---- memory ---- */

/* Room for `more` pointers: exactly that at first, so that a tuple takes no more than it needs. */
static int reserve(const struct machine *m, struct pointers *to, size_t more)
{
    const size_t needed = to->n + more;
    if (needed > to->room) {
        const size_t room = needed > 2 * to->room ? needed : 2 * to->room;
        struct pickle_value **bigger = reallocarray(to->p, room, sizeof *bigger);
        if (!bigger) {
            return pickle_no_memory(m);
        }
        to->p = bigger;
        to->room = room;
    }
    return 0;
}

int pickle_append(const struct machine *m, struct pointers *to, struct pickle_value *v)
{
    const int rc = reserve(m, to, 1);
    if (!rc) {
        to->p[to->n++] = v;
    }
    return rc;
}

int pickle_new_value(struct machine *m, enum pickle_kind kind, struct pickle_value **out)
{
    struct pickle *p = m->pickle;
    if (p->values == PICKLE_VALUES_MAX) {
        return pickle_malformed(m, "holds more values than weights ever have");
    }
    if (!p->chunks || p->chunks->n == CHUNK) {
        struct chunk *c = malloc(sizeof *c);
        if (!c) {
            return pickle_no_memory(m);
        }
        c->next = p->chunks;
        c->n = 0;
        p->chunks = c;
    }
    *out = &p->chunks->value[p->chunks->n++];
    memset(*out, 0, sizeof **out);
    (*out)->kind = kind;
    p->values++;
    return 0;
}

bool pickle_is_list(const struct pickle_value *v)
{
    return v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST || v->kind == PICKLE_DICT;
}

int pickle_move_items(struct machine *m, size_t from, struct pickle_value *to)
{
    struct pointers items = {to->list.item, to->list.n, to->list.room};
    const size_t n = m->stack.n - from;
    const int rc = reserve(m, &items, n);
    if (!rc && n > 0) {
        memcpy(items.p + items.n, m->stack.p + from, n * sizeof *items.p);
        items.n += n;
    }
    m->stack.n = from;
    to->list.item = items.p;
    to->list.n = items.n;
    to->list.room = items.room;
    return rc;
}

/* ---- stack ---- */

int pickle_push(struct machine *m, enum pickle_kind kind, struct pickle_value **out)
{
    const int rc = pickle_new_value(m, kind, out);
    return rc ? rc : pickle_append(m, &m->stack, *out);
}

struct pickle_value *pickle_peek(const struct machine *m, size_t depth)
{
    const size_t floor = m->marks ? m->mark[m->marks - 1] : 0;
    return m->stack.n - floor > depth ? m->stack.p[m->stack.n - 1 - depth] : NULL;
}

struct pickle_value *pickle_pop(struct machine *m)
{
    struct pickle_value *v = pickle_peek(m, 0);
    m->stack.n -= v ? 1 : 0;
    return v;
}

static int pop_mark(struct machine *m, size_t *height)
{
    if (m->marks == 0) {
        return pickle_malformed(m, "misses a mark");
    }
    *height = m->mark[--m->marks];
    return 0;
}

/* ---- reading operands ---- */

static int take(struct machine *m, uint64_t n, struct view *out)
{
    if (n > (uint64_t)(m->end - m->at)) {
        return cut_short(m);
    }
    *out = view_of(m->at, (size_t)n);
    m->at += n;
    return 0;
}

/* A little-endian number of 1, 2, 4 or 8 bytes. */
static int take_number(struct machine *m, int bytes, uint64_t *out)
{
    struct view v;
    const int rc = take(m, (uint64_t)bytes, &v);
    *out = 0;
    if (!rc) {
        memcpy(out, v.p, v.n);
    }
    return rc;
}

int pickle_take_line(struct machine *m, struct view *out)
{
    const unsigned char *newline = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!newline) {
        return cut_short(m);
    }
    *out = view_of(m->at, (size_t)(newline - m->at));
    m->at = newline + 1;
    return 0;
}

/* ---- opcodes; `arg` is what the table below says ---- */

static int op_skip(struct machine *m, int bytes)
{
    struct view v;
    return take(m, (uint64_t)bytes, &v);
}

static int op_stop(struct machine *m, int arg)
{
    (void)arg;
    m->pickle->root = pickle_pop(m);
    m->stopped = true;
    return m->pickle->root ? 0 : pickle_malformed(m, "ends without a value");
}

static int op_mark(struct machine *m, int arg)
{
    (void)arg;
    size_t *more = array_grown(m->mark, m->marks, &m->mark_room, sizeof *more);
    if (!more) {
        return pickle_no_memory(m);
    }
    m->mark = more;
    m->mark[m->marks++] = m->stack.n;
    return 0;
}

static int op_pop(struct machine *m, int arg)
{
    (void)arg;
    return pickle_pop(m) ? 0 : pickle_malformed(m, "takes a value where there is none");
}

static int op_pop_mark(struct machine *m, int arg)
{
    (void)arg;
    size_t height;
    const int rc = pop_mark(m, &height);
    m->stack.n = rc ? m->stack.n : height;
    return rc;
}

static int op_dup(struct machine *m, int arg)
{
    (void)arg;
    struct pickle_value *v = pickle_peek(m, 0);
    return v ? pickle_append(m, &m->stack, v)
             : pickle_malformed(m, "copies a value where there is none");
}

static int op_new(struct machine *m, int kind)
{
    struct pickle_value *v;
    return pickle_push(m, (enum pickle_kind)kind, &v);
}

static int op_bool(struct machine *m, int is)
{
    struct pickle_value *v;
    const int rc = pickle_push(m, PICKLE_BOOL, &v);
    if (!rc) {
        v->integer = is;
    }
    return rc;
}

/* BININT1, BININT2 and BININT, of which only the last has a sign. */
static int op_int(struct machine *m, int bytes)
{
    uint64_t n;
    struct pickle_value *v;
    int rc = take_number(m, bytes, &n);
    rc = rc ? rc : pickle_push(m, PICKLE_INT, &v);
    if (!rc) {
        v->integer = bytes == 4 ? (int64_t)(int32_t)n : (int64_t)n;
    }
    return rc;
}

/* Two's complement of any length, after a length of `bytes` bytes. */
static int op_long(struct machine *m, int bytes)
{
    uint64_t n;
    struct view digits;
    struct pickle_value *v;
    int rc = take_number(m, bytes, &n);
    rc = rc ? rc : take(m, n, &digits);
    rc = rc ? rc : pickle_push(m, n > 8 ? PICKLE_BIG : PICKLE_INT, &v);
    if (rc || n > 8) {
        if (!rc) {
            v->bytes = digits;
        }
        return rc;
    }
    const bool negative = n && ((const unsigned char *)digits.p)[n - 1] & 0x80;
    uint64_t bits = negative ? UINT64_MAX : 0;
    memcpy(&bits, digits.p, digits.n);
    v->integer = (int64_t)bits;
    return 0;
}

static int op_float(struct machine *m, int bytes)
{
    struct pickle_value *v;
    const int rc = op_skip(m, bytes);
    return rc ? rc : pickle_push(m, PICKLE_FLOAT, &v);
}

static int op_string(struct machine *m, int bytes, enum pickle_kind kind)
{
    uint64_t n;
    struct view text;
    struct pickle_value *v;
    int rc = take_number(m, bytes, &n);
    rc = rc ? rc : take(m, n, &text);
    rc = rc ? rc : pickle_push(m, kind, &v);
    if (!rc) {
        v->bytes = text;
    }
    return rc;
}

static int op_text(struct machine *m, int bytes)
{
    return op_string(m, bytes, PICKLE_TEXT);
}

static int op_bytes(struct machine *m, int bytes)
{
    return op_string(m, bytes, PICKLE_BYTES);
}

/* A list, a tuple or a dict of everything above the mark. */
static int op_collect(struct machine *m, int kind)
{
    size_t height;
    struct pickle_value *v;
    int rc = pop_mark(m, &height);
    rc = rc ? rc : pickle_new_value(m, (enum pickle_kind)kind, &v);
    if (!rc && kind == PICKLE_DICT && (m->stack.n - height) % 2) {
        rc = pickle_malformed(m, "has a key without a value");
    }
    rc = rc ? rc : pickle_move_items(m, height, v);
    return rc ? rc : pickle_append(m, &m->stack, v);
}

static int op_tuple(struct machine *m, int n)
{
    struct pickle_value *v;
    if (!pickle_peek(m, (size_t)n - 1)) {
        return pickle_malformed(m, "takes values where there are none");
    }
    int rc = pickle_new_value(m, PICKLE_TUPLE, &v);
    rc = rc ? rc : pickle_move_items(m, m->stack.n - (size_t)n, v);
    return rc ? rc : pickle_append(m, &m->stack, v);
}

/* The items above `height` go into the list or dict right below it. */
static int extend(struct machine *m, size_t height, enum pickle_kind kind)
{
    const size_t floor = m->marks ? m->mark[m->marks - 1] : 0;
    struct pickle_value *to = height > floor ? m->stack.p[height - 1] : NULL;
    if (!to || to->kind != kind) {
        return pickle_malformed(m, kind == PICKLE_DICT ? "sets an item of what is no dict"
                                                       : "appends to what is no list");
    }
    if (kind == PICKLE_DICT && (m->stack.n - height) % 2) {
        return pickle_malformed(m, "has a key without a value");
    }
    return pickle_move_items(m, height, to);
}

static int op_extend(struct machine *m, int kind)
{
    size_t height;
    const int rc = pop_mark(m, &height);
    return rc ? rc : extend(m, height, (enum pickle_kind)kind);
}

/* APPEND and SETITEM, with their one or two values. */
static int op_extend_one(struct machine *m, int kind)
{
    const size_t n = kind == PICKLE_DICT ? 2 : 1;
    if (!pickle_peek(m, n)) {
        return pickle_malformed(m, "takes values where there are none");
    }
    return extend(m, m->stack.n - n, (enum pickle_kind)kind);
}

static int remember(struct machine *m, uint64_t index)
{
    struct pickle_value *v = pickle_peek(m, 0);
    int rc = v ? 0 : pickle_malformed(m, "remembers a value where there is none");
    if (!rc && index > offset(m)) { /* who counts from 0 never gets there */
        rc = pickle_malformed(m, "remembers a value under a number larger than its bytes are many");
    }
    while (!rc && m->memo.n <= index) {
        rc = pickle_append(m, &m->memo, NULL);
    }
    if (!rc) {
        m->memo.p[index] = v;
    }
    return rc;
}

static int op_put(struct machine *m, int bytes)
{
    uint64_t index;
    const int rc = take_number(m, bytes, &index);
    return rc ? rc : remember(m, index);
}

static int op_memoize(struct machine *m, int arg)
{
    (void)arg;
    return remember(m, m->memo.n);
}

static int op_get(struct machine *m, int bytes)
{
    uint64_t index;
    const int rc = take_number(m, bytes, &index);
    if (rc) {
        return rc;
    }
    if (index >= m->memo.n || !m->memo.p[index]) {
        return pickle_malformed(m, "recalls what it never remembered");
    }
    return pickle_append(m, &m->stack, m->memo.p[index]);
}

static const struct opcode {
    int (*run)(struct machine *m, int arg);
    int arg;
} opcodes[256] = {
    [0x80] = {op_skip, 1}, /* PROTO */
    [0x95] = {op_skip, 8}, /* FRAME */
    ['.'] = {op_stop, 0},
    ['('] = {op_mark, 0},
    ['0'] = {op_pop, 0},
    ['1'] = {op_pop_mark, 0},
    ['2'] = {op_dup, 0},
    ['N'] = {op_new, PICKLE_NONE},
    [0x88] = {op_bool, 1},
    [0x89] = {op_bool, 0},
    ['K'] = {op_int, 1},
    ['M'] = {op_int, 2},
    ['J'] = {op_int, 4},
    [0x8a] = {op_long, 1},
    [0x8b] = {op_long, 4},
    ['G'] = {op_float, 8},
    ['X'] = {op_text, 4}, /* BINUNICODE and its forms */
    [0x8c] = {op_text, 1},
    [0x8d] = {op_text, 8},
    ['T'] = {op_bytes, 4}, /* BINSTRING, SHORT_BINSTRING: Python 2's str */
    ['U'] = {op_bytes, 1},
    ['B'] = {op_bytes, 4}, /* BINBYTES and its forms, BYTEARRAY8 */
    ['C'] = {op_bytes, 1},
    [0x8e] = {op_bytes, 8},
    [0x96] = {op_bytes, 8},
    [']'] = {op_new, PICKLE_LIST},
    ['}'] = {op_new, PICKLE_DICT},
    [')'] = {op_new, PICKLE_TUPLE},
    ['l'] = {op_collect, PICKLE_LIST},
    ['d'] = {op_collect, PICKLE_DICT},
    ['t'] = {op_collect, PICKLE_TUPLE},
    [0x85] = {op_tuple, 1},
    [0x86] = {op_tuple, 2},
    [0x87] = {op_tuple, 3},
    ['a'] = {op_extend_one, PICKLE_LIST},
    ['s'] = {op_extend_one, PICKLE_DICT},
    ['e'] = {op_extend, PICKLE_LIST},
    ['u'] = {op_extend, PICKLE_DICT},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
    [0x94] = {op_memoize, 0},
    ['h'] = {op_get, 1},
    ['j'] = {op_get, 4},
    ['c'] = {pickle_op_global, 0},
    [0x93] = {pickle_op_stack_global, 0},
    ['i'] = {pickle_op_inst, 0},
    ['R'] = {pickle_op_call, 0},
    [0x81] = {pickle_op_call, 0},
    ['b'] = {pickle_op_build, 0},
    ['Q'] = {pickle_op_persistent, 0},
};

static int run(struct machine *m)
{
    while (!m->stopped) {
        if (m->at == m->end) {
            return cut_short(m);
        }
        const struct opcode *op = &opcodes[*m->at];
        if (!op->run) {
            char why[80];
            snprintf(why, sizeof why, "uses opcode 0x%02x, which weights never need", *m->at);
            return pickle_malformed(m, why);
        }
        m->at++;
        const int rc = op->run(m, op->arg);
        if (rc) {
            return rc;
        }
    }
    m->pickle->size = offset(m);
    return 0;
}

int pickle_read(struct view bytes, const char *path, struct pickle **out)
{
    struct machine m = {.pickle = calloc(1, sizeof *m.pickle), .path = path, .begin = bytes.p};
    if (!m.pickle) {
        return pickle_no_memory(&m);
    }
    m.at = m.begin;
    m.end = m.begin + bytes.n;
    const int rc = run(&m);
    free(m.stack.p);
    free(m.memo.p);
    free(m.mark);
    if (rc) {
        pickle_free(m.pickle);
        return rc;
    }
    *out = m.pickle;
    return 0;
}

void pickle_free(struct pickle *p)
{
    if (!p) {
        return;
    }
    for (struct chunk *c = p->chunks; c;) {
        struct chunk *next = c->next;
        for (size_t i = 0; i < c->n; i++) {
            if (pickle_is_list(&c->value[i])) {
                free(c->value[i].list.item);
            }
        }
        free(c);
        c = next;
    }
    for (size_t i = 0; i < p->owned_count; i++) {
        free(p->owned[i]);
    }
    free(p->owned);
    free(p->persistent.p);
    free(p);
}

/* ---- looking ---- */

const struct pickle_value *pickle_root(const struct pickle *p)
{
    return p->root;
}

size_t pickle_size(const struct pickle *p)
{
    return p->size;
}

size_t pickle_persistents(const struct pickle *p)
{
    return p->persistent.n;
}

const struct pickle_value *pickle_persistent(const struct pickle *p, size_t i)
{
    return p->persistent.p[i];
}

void *pickle_take_owned(struct pickle *p)
{
    return p->owned_count ? p->owned[--p->owned_count] : NULL;
}
