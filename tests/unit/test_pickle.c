/* Pickles: what is read of them, what is refused, and that neither runs anything. */
#include <criterion/criterion.h>

#include "detector/pickle.h"
#include "weights_fixture.h"

static struct pickle *read_or_fail(const struct buf *b)
{
    struct pickle *p = NULL;
    cr_assert_eq(pickle_read(buf_view(b), "FILE", &p), 0, "%s", err_text());
    return p;
}

/* A copy of exactly those bytes, so that AddressSanitizer sees a step beyond them. */
static int read_exactly(const void *bytes, size_t n)
{
    struct pickle *p = NULL;
    void *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    const int rc = pickle_read(view_of(copy, n), "FILE", &p);
    if (!rc) {
        pickle_free(p);
    }
    free(copy);
    return rc;
}

static void refuses(const char *opcodes, size_t n, int rc, const char *part)
{
    const int got = read_exactly(opcodes, n);
    cr_assert_eq(got, rc, "%s: %s", err_name(got), err_text());
    cr_assert(strstr(err_text(), part), "\"%s\" is not in: %s", part, err_text());
}

#define REFUSES(opcodes, rc, part) refuses(opcodes, sizeof(opcodes) - 1, rc, part)

Test(pickle, reads_numbers_of_every_width_and_sign)
{
    static const char bytes[] =
        "\x80\x02(K\xffM\xff\xffJ\xfe\xff\xff\xff\x8a\x01\xff\x8a\x02\x00\x01\x8a\x00\x8a\x09"
        "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x88NG\x00\x00\x00\x00\x00\x00\x00\x00t.";
    static const int64_t wanted[] = {255, 65535, -2, -1, 256, 0};
    struct pickle *p = NULL;
    cr_assert_eq(pickle_read(view_of(bytes, sizeof bytes - 1), "FILE", &p), 0, "%s", err_text());
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const struct pickle_value *v = pickle_item(pickle_root(p), i);
        cr_assert(v && v->kind == PICKLE_INT);
        cr_assert_eq(v->integer, wanted[i]);
    }
    cr_assert_eq(pickle_item(pickle_root(p), 6)->kind, PICKLE_BIG);
    cr_assert_eq(pickle_item(pickle_root(p), 7)->integer, 1);
    cr_assert_eq(pickle_item(pickle_root(p), 8)->kind, PICKLE_NONE);
    cr_assert_eq(pickle_item(pickle_root(p), 9)->kind, PICKLE_FLOAT);
    cr_assert_null(pickle_item(pickle_root(p), 10));
    cr_assert_eq(pickle_size(p), sizeof bytes - 1);
    pickle_free(p);
}

/* {"a": [x, x], "b": x}, where x is one tuple, by memo; protocol 4's framing and memo. */
Test(pickle, shares_what_was_remembered)
{
    static const char bytes[] = "\x80\x04\x95\x1c\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
                                "a\x94]\x94(K\x07\x85\x94h\x03"
                                "e\x8c\x01"
                                "b\x94h\x03"
                                "u.";
    struct pickle *p = NULL;
    cr_assert_eq(pickle_read(view_of(bytes, sizeof bytes - 1), "FILE", &p), 0, "%s", err_text());
    const struct pickle_value *list = pickle_get(pickle_root(p), "a");
    cr_assert(list && list->kind == PICKLE_LIST && list->list.n == 2);
    cr_assert_eq(list->list.item[0], list->list.item[1]);
    cr_assert_eq(list->list.item[0], pickle_get(pickle_root(p), "b"));
    cr_assert_null(pickle_get(pickle_root(p), "c"));
    pickle_free(p);
}

Test(pickle, survives_a_list_that_holds_itself)
{
    static const char whole[] = "\x80\x02]q\x00h\x00"
                                "a.";
    cr_assert_eq(read_exactly(whole, sizeof whole - 1), 0, "%s", err_text());
}

Test(pickle, makes_dicts_of_the_pairs_of_python_2)
{
    struct buf b;
    buf_init(&b, 1000);
    pickle_begin(&b);
    pickle_global(&b, "collections", "OrderedDict");
    pickle_op(&b, "](U\x01"
                  "aK\x01\x86U\x01"
                  "bK\x02\x86"
                  "e\x85R.");
    struct pickle *p = read_or_fail(&b);
    const struct pickle_value *dict = pickle_root(p);
    cr_assert(dict->kind == PICKLE_DICT && dict->list.n == 4);
    cr_assert_eq(pickle_get(dict, "b")->integer, 2);
    pickle_free(p);
    buf_release(&b);
}

Test(pickle, decodes_the_bytes_of_protocol_2)
{
    struct buf b;
    buf_init(&b, 1000);
    pickle_begin(&b);
    pickle_global(&b, "_codecs", "encode");
    pickle_text(&b, "a\xc3\xbf\xc2\x80");
    pickle_text(&b, "latin1");
    pickle_op(&b, "\x86R.");
    struct pickle *p = read_or_fail(&b);
    cr_assert_eq(pickle_root(p)->kind, PICKLE_BYTES);
    cr_assert(view_equal(pickle_root(p)->bytes, view_str("a\xff\x80")));
    void *bytes = pickle_take_owned(p);
    cr_assert(bytes && !pickle_take_owned(p));
    free(bytes);
    pickle_free(p);
    b.p[b.n - 14] = 'x'; /* no longer latin1 */
    cr_assert_eq(pickle_read(buf_view(&b), "FILE", &p), E_FORMAT);
    buf_release(&b);
}

Test(pickle, refuses_by_name_what_asks_to_run)
{
    REFUSES("\x80\x02"
            "cbuiltins\neval\nX\x01\x00\x00\x00x\x85R.",
            E_MODEL, "FILE asks to run builtins.eval; refused");
    REFUSES("\x80\x02"
            "cos\nsystem\n.",
            E_MODEL, "asks to run os.system; refused");
    REFUSES("\x80\x04\x8c\x05posix\x8c\x06system\x93.", E_MODEL, "asks to run posix.system");
    REFUSES("(S'rm'\nios\nsystem\n.", E_FORMAT, "opcode 0x53");
    REFUSES("(ios\nsystem\n.", E_MODEL, "asks to run os.system");
    REFUSES("\x80\x02"
            "cos\n\x1b[2J\n.",
            E_MODEL, "asks to run os.?[2J");
    REFUSES("\x80\x02"
            "ctorch\nFloatStorageX\n.",
            E_MODEL, "torch.FloatStorageX");
    REFUSES("\x80\x02"
            "ctorch.jit\nload\n.",
            E_MODEL, "asks to run torch.jit.load");
}

Test(pickle, refuses_what_weights_never_need)
{
    REFUSES("\x80\x02I1\n.", E_FORMAT, "opcode 0x49");
    REFUSES("\x80\x04\x8f.", E_FORMAT, "opcode 0x8f");     /* a set */
    REFUSES("\x80\x05\x97.", E_FORMAT, "opcode 0x97");     /* a buffer elsewhere */
    REFUSES("\x80\x02\x82\x01.", E_FORMAT, "opcode 0x82"); /* an extension */
    REFUSES("\x80\x02Pid\n.", E_FORMAT, "opcode 0x50");
}

Test(pickle, refuses_programs_that_make_no_sense)
{
    REFUSES("\x80\x02.", E_FORMAT, "ends without a value");
    REFUSES("\x80\x02t.", E_FORMAT, "misses a mark");
    REFUSES("\x80\x02N\x86.", E_FORMAT, "takes values where there are none");
    REFUSES("\x80\x02N(\x85.", E_FORMAT, "takes values where there are none");
    REFUSES("\x80\x02](Nu.", E_FORMAT, "sets an item of what is no dict");
    REFUSES("\x80\x02}(Nu.", E_FORMAT, "a key without a value");
    REFUSES("\x80\x02(Nd.", E_FORMAT, "a key without a value");
    REFUSES("\x80\x02}Na.", E_FORMAT, "appends to what is no list");
    REFUSES("\x80\x02h\x00.", E_FORMAT, "recalls what it never remembered");
    REFUSES("\x80\x02Nr\xff\xff\xff\xff.", E_FORMAT, "remembers a value under a number larger");
    REFUSES("\x80\x02Nr\x09\x00\x00\x00.", E_FORMAT, "remembers a value under a number larger");
    REFUSES("\x80\x02N)R.", E_FORMAT, "calls what is no function");
    REFUSES("\x80\x02NNb.", E_FORMAT, "sets the state of what is no object");
    REFUSES("\x80\x02X\xff\xff\xff\xff"
            "a.",
            E_TRUNCATED, "cut short");
    REFUSES("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
            "a.",
            E_TRUNCATED, "cut short");
    REFUSES("", E_TRUNCATED, "cut short");
}

/* A text of 100 bytes that is encoded again and again, and a list of pairs made a dict as often. */
Test(pickle, refuses_calls_that_multiply_what_the_file_has)
{
    static const struct {
        const char *module;
        const char *name;
    } calls[] = {{"_codecs", "encode"}, {"collections", "OrderedDict"}};
    for (int dict = 0; dict < 2; dict++) {
        struct buf b;
        struct pickle *p = NULL;
        char text[101] = "";
        buf_init(&b, 10000);
        pickle_begin(&b);
        pickle_global(&b, calls[dict].module, calls[dict].name);
        pickle_op(&b, "q\x01");
        pickle_op(&b, dict ? "](" : "(");
        for (int i = 0; dict && i < 100; i++) {
            pickle_op(&b, "NN\x86");
        }
        pickle_text(&b, memset(text, 'a', 100));
        pickle_text(&b, "latin1");
        pickle_op(&b, dict ? "00e\x85q\x02" : "tq\x02");
        for (int i = 0; i < 100; i++) {
            pickle_op(&b, "h\x01h\x02R");
        }
        pickle_op(&b, ".");
        cr_assert_eq(pickle_read(buf_view(&b), "FILE", &p), E_FORMAT);
        cr_assert(strstr(err_text(), "makes more of its values than it has"), "%s", err_text());
        buf_release(&b);
    }
}
