/* The opcodes of a pickle that name something and call it: taken as data, or refused. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "detector/pickle_internal.h"
#include "detector/pickle_names.h"

enum { NAME_ROOM = 80 };

/* A name from the file, fit for a message. */
static const char *printable(struct view name, char *room)
{
    const size_t n = name.n < NAME_ROOM - 1 ? name.n : NAME_ROOM - 1;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = ((const unsigned char *)name.p)[i];
        room[i] = isgraph(c) ? (char)c : '?';
    }
    room[n] = '\0';
    return room;
}

static int refuse(const struct machine *m, struct view module, struct view name)
{
    char a[NAME_ROOM];
    char b[NAME_ROOM];
    return err_set(E_MODEL,
                   "%s asks to run %s.%s; refused: only arrays, names and numbers are read (with "
                   "torch, save the state_dict alone)",
                   m->path, printable(module, a), printable(name, b));
}

static int push_global(struct machine *m, struct view module, struct view name)
{
    const struct pickle_name *known = pickle_name_find(module, name);
    struct pickle_value *v;
    if (!known) {
        return refuse(m, module, name);
    }
    const int rc = pickle_push(m, PICKLE_GLOBAL, &v);
    if (!rc) {
        v->global = known->global;
        v->storage_type = known->storage_type;
    }
    return rc;
}

int pickle_op_global(struct machine *m, int arg)
{
    (void)arg;
    struct view module;
    struct view name;
    int rc = pickle_take_line(m, &module);
    rc = rc ? rc : pickle_take_line(m, &name);
    return rc ? rc : push_global(m, module, name);
}

int pickle_op_stack_global(struct machine *m, int arg)
{
    (void)arg;
    const struct pickle_value *name = pickle_pop(m);
    const struct pickle_value *module = pickle_pop(m);
    if (!name || !module || name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT) {
        return pickle_malformed(m, "names a function by what is no text");
    }
    return push_global(m, module->bytes, name->bytes);
}

/* INST of protocol 0: a class' name and its call in one, which no array needs. */
int pickle_op_inst(struct machine *m, int arg)
{
    (void)arg;
    struct view module;
    struct view name;
    int rc = pickle_take_line(m, &module);
    rc = rc ? rc : pickle_take_line(m, &name);
    return rc ? rc : refuse(m, module, name);
}

static int own(struct machine *m, void *bytes)
{
    struct pickle *p = m->pickle;
    void **more = reallocarray(p->owned, p->owned_count + 1, sizeof *more);
    if (!more) {
        free(bytes);
        return pickle_no_memory(m);
    }
    p->owned = more;
    p->owned[p->owned_count++] = bytes;
    return 0;
}

/* A call's result is made of values that other calls may share, so it could cost more than the file
 * paid for: all of them together may have as many bytes or pairs as the file has bytes. */
static int may_copy(struct machine *m, size_t n)
{
    const size_t limit = (size_t)(m->end - m->begin);
    if (n > limit - m->copied) {
        return pickle_malformed(m, "makes more of its values than it has");
    }
    m->copied += n;
    return 0;
}

/* _codecs.encode(text, "latin1"): the code points, all below 256, as bytes. */
static int encode_latin1(struct machine *m, const struct pickle_value *arguments,
                         struct pickle_value *out)
{
    const struct pickle_value *text = pickle_item(arguments, 0);
    if (!text || text->kind != PICKLE_TEXT ||
        !pickle_is_text(pickle_item(arguments, 1), "latin1")) {
        return pickle_malformed(m, "encodes in another way than latin1");
    }
    int rc = may_copy(m, text->bytes.n + 1);
    if (rc) {
        return rc;
    }
    const unsigned char *c = text->bytes.p;
    const unsigned char *end = c + text->bytes.n;
    unsigned char *bytes = malloc(text->bytes.n + 1);
    size_t n = 0;
    rc = bytes ? own(m, bytes) : pickle_no_memory(m);
    if (rc) {
        return rc;
    }
    while (c < end) {
        if (c[0] < 0x80) {
            bytes[n++] = *c++;
        } else if (end - c >= 2 && (c[0] == 0xc2 || c[0] == 0xc3) && (c[1] & 0xc0) == 0x80) {
            bytes[n++] = (unsigned char)(c[0] << 6 | (c[1] & 0x3f));
            c += 2;
        } else {
            return pickle_malformed(m, "holds bytes that are not latin1");
        }
    }
    out->kind = PICKLE_BYTES;
    out->bytes = view_of(bytes, n);
    return 0;
}

/* OrderedDict([[key, value], ...]), as Python 2 wrote it; or OrderedDict(). */
static int fill_dict(struct machine *m, const struct pickle_value *pairs, struct pickle_value *out)
{
    memset(out, 0, sizeof *out);
    out->kind = PICKLE_DICT;
    const size_t height = m->stack.n;
    int rc = pairs && pickle_is_list(pairs) ? may_copy(m, pairs->list.n) : 0;
    for (size_t i = 0; pairs && pickle_item(pairs, i) && !rc; i++) {
        const struct pickle_value *pair = pickle_item(pairs, i);
        if (!pickle_is_list(pair) || pair->list.n != 2) {
            return pickle_malformed(m, "makes a dict of what are no pairs");
        }
        rc = pickle_append(m, &m->stack, pair->list.item[0]);
        rc = rc ? rc : pickle_append(m, &m->stack, pair->list.item[1]);
    }
    return rc ? rc : pickle_move_items(m, height, out);
}

static int call(struct machine *m, const struct pickle_value *callable,
                struct pickle_value *arguments)
{
    struct pickle_value *v;
    int rc = pickle_new_value(m, PICKLE_OBJECT, &v);
    if (rc) {
        return rc;
    }
    v->global = callable->global;
    v->object.arguments = arguments;
    if (callable->global == GLOBAL_ORDERED_DICT) {
        rc = fill_dict(m, pickle_item(arguments, 0), v);
    } else if (callable->global == GLOBAL_ENCODE) {
        rc = encode_latin1(m, arguments, v);
    } else if (callable->global == GLOBAL_BYTES) {
        rc = arguments->list.n ? pickle_malformed(m, "makes bytes of something") : 0;
        v->kind = PICKLE_BYTES;
        v->bytes = view_of("", 0);
    }
    return rc ? rc : pickle_append(m, &m->stack, v);
}

/* REDUCE and NEWOBJ: a callable and its arguments. */
int pickle_op_call(struct machine *m, int arg)
{
    (void)arg;
    struct pickle_value *arguments = pickle_pop(m);
    const struct pickle_value *callable = pickle_pop(m);
    if (!arguments || !callable || callable->kind != PICKLE_GLOBAL ||
        arguments->kind != PICKLE_TUPLE) {
        return pickle_malformed(m, "calls what is no function");
    }
    return call(m, callable, arguments);
}

/* BUILD: an object's state. That of a dict (torch's "_metadata") says nothing about weights. */
int pickle_op_build(struct machine *m, int arg)
{
    (void)arg;
    struct pickle_value *state = pickle_pop(m);
    struct pickle_value *v = pickle_peek(m, 0);
    if (!state || !v || (v->kind != PICKLE_OBJECT && v->kind != PICKLE_DICT)) {
        return pickle_malformed(m, "sets the state of what is no object");
    }
    if (v->kind == PICKLE_OBJECT) {
        v->object.state = state;
    }
    return 0;
}

int pickle_op_persistent(struct machine *m, int arg)
{
    (void)arg;
    struct pickle_value *id = pickle_pop(m);
    struct pickle_value *v;
    if (!id) {
        return pickle_malformed(m, "names nothing outside of it");
    }
    int rc = pickle_push(m, PICKLE_PERSISTENT, &v);
    if (!rc) {
        v->object.arguments = id;
        rc = pickle_append(m, &m->pickle->persistent, v);
    }
    return rc;
}
