/* torch's two file formats and numpy's pickles, on files written by hand. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "weights_fixture.h"

static const float numbers[6] = {1, 2, 3, 4, 5, 6};

/* One storage "0" of `numbers`, and a state dict of what `fill` adds. */
struct file {
    struct buf pickle;
    struct buf storage;
    struct buf bytes;
};

static void file_init(struct file *f)
{
    buf_init(&f->pickle, 1 << 20);
    buf_init(&f->storage, 1 << 20);
    buf_init(&f->bytes, 1 << 20);
    cr_assert_eq(buf_append(&f->storage, numbers, sizeof numbers), 0);
}

static void file_release(struct file *f)
{
    buf_release(&f->pickle);
    buf_release(&f->storage);
    buf_release(&f->bytes);
}

static struct tensor_plan plan_of(int dims, const unsigned *shape)
{
    struct tensor_plan t = {.key = "0", .type = "FloatStorage", .elements = 6, .dims = dims};
    unsigned stride = 1;
    for (int d = dims - 1; d >= 0; d--) {
        t.shape[d] = shape[d];
        t.stride[d] = stride;
        stride *= shape[d];
    }
    return t;
}

/* {"a": tensor} as a zip file. */
static void make_zip(struct file *f, const struct tensor_plan *t)
{
    buf_reset(&f->pickle);
    buf_reset(&f->bytes);
    pickle_begin(&f->pickle);
    pickle_op(&f->pickle, "}");
    pickle_text(&f->pickle, "a");
    pickle_tensor(&f->pickle, t);
    pickle_op(&f->pickle, "s.");
    torch_zip(&f->bytes, &f->pickle, 1, &f->storage);
}

static void make_legacy(struct file *f, const struct tensor_plan *t)
{
    make_zip(f, t);
    buf_reset(&f->bytes);
    torch_legacy(&f->bytes, &f->pickle, 1, &f->storage, &t->elements);
}

static struct weights *open_or_fail(const struct file *f)
{
    struct weights *w = NULL;
    cr_assert_eq(open_bytes(&f->bytes, &w), 0, "%s", err_text());
    return w;
}

/* The array's values, all of them. */
static void expect(const struct weights *w, const char *name, int n, const double *wanted)
{
    const struct weights_array *a = weights_find(w, name);
    double got[16];
    cr_assert(a, "%s is missing", name);
    cr_assert_eq(a->count, (uint64_t)n, "%s has %llu elements", name, (unsigned long long)a->count);
    weights_values(a, 0, a->count, got);
    for (int i = 0; i < n; i++) {
        cr_assert_eq(got[i], wanted[i], "%s[%d] is %g", name, i, got[i]);
    }
}

Test(torch_file, gives_the_tensors_of_a_zip_and_of_a_legacy_file)
{
    struct file f;
    const struct tensor_plan t = plan_of(2, (unsigned[]){2, 3});
    file_init(&f);
    for (int legacy = 0; legacy < 2; legacy++) {
        (legacy ? make_legacy : make_zip)(&f, &t);
        struct weights *w = open_or_fail(&f);
        cr_assert_eq(weights_count(w), 1);
        cr_assert(weights_at(w, 0)->dims == 2 && weights_at(w, 0)->shape[1] == 3);
        expect(w, "a", 6, (double[]){1, 2, 3, 4, 5, 6});
        weights_close(w);
    }
    file_release(&f);
}

Test(torch_file, follows_strides_and_offsets)
{
    struct file f;
    struct tensor_plan t = plan_of(2, (unsigned[]){3, 2});
    file_init(&f);
    t.stride[0] = 1; /* a transposed 2x3 */
    t.stride[1] = 3;
    make_zip(&f, &t);
    struct weights *w = open_or_fail(&f);
    expect(w, "a", 6, (double[]){1, 4, 2, 5, 3, 6});
    double tail[3];
    weights_values(weights_at(w, 0), 3, 3, tail);
    cr_assert(tail[0] == 5 && tail[1] == 3 && tail[2] == 6);
    weights_close(w);
    t = plan_of(1, (unsigned[]){2});
    t.offset = 1;
    t.stride[0] = 3;
    make_zip(&f, &t);
    w = open_or_fail(&f);
    expect(w, "a", 2, (double[]){2, 5});
    weights_close(w);
    file_release(&f);
}

Test(torch_file, reads_a_part_of_a_legacy_storage)
{
    struct file f;
    struct tensor_plan t = plan_of(1, (unsigned[]){2});
    file_init(&f);
    t.has_part = true;
    t.part_from = 3;
    t.part_elements = 3;
    t.offset = 1;
    make_legacy(&f, &t);
    struct weights *w = open_or_fail(&f);
    expect(w, "a", 2, (double[]){5, 6});
    weights_close(w);
    t.part_elements = 4;
    make_legacy(&f, &t);
    refuses_bytes(&f.bytes, E_FORMAT, "\"a\" lies in a part of a storage that is not within it");
    file_release(&f);
}

Test(torch_file, refuses_tensors_beyond_their_storage)
{
    struct file f;
    struct tensor_plan t = plan_of(1, (unsigned[]){7});
    file_init(&f);
    make_zip(&f, &t);
    refuses_bytes(&f.bytes, E_FORMAT, "\"a\" reaches beyond the end of its storage");
    t = plan_of(1, (unsigned[]){3});
    t.stride[0] = 3;
    make_zip(&f, &t);
    refuses_bytes(&f.bytes, E_FORMAT, "reaches beyond");
    t = plan_of(2, (unsigned[]){1000, 1000}); /* one number claims to be a million */
    t.stride[0] = t.stride[1] = 0;
    make_zip(&f, &t);
    refuses_bytes(&f.bytes, E_FORMAT, "\"a\" has more numbers than its storage");
    t = plan_of(2, (unsigned[]){4, 3}); /* a window that slides */
    t.stride[0] = t.stride[1] = 1;
    make_zip(&f, &t);
    refuses_bytes(&f.bytes, E_FORMAT, "\"a\" has more numbers than its storage");
    t = plan_of(4, (unsigned[]){65536, 65536, 65536, 65536});
    memset(t.stride, 0, sizeof t.stride);
    make_zip(&f, &t);
    refuses_bytes(&f.bytes, E_FORMAT, "\"a\" has a size, stride or offset that no tensor has");
    t = plan_of(1, (unsigned[]){6});
    t.elements = 7;
    make_zip(&f, &t);
    refuses_bytes(&f.bytes, E_FORMAT, "fewer numbers than it should");
    t.key = "1";
    make_zip(&f, &t);
    refuses_bytes(&f.bytes, E_FORMAT, "the storage \"1\" is missing");
    t.elements = 6;
    make_legacy(&f, &t);
    refuses_bytes(&f.bytes, E_FORMAT, "a storage that no tensor lies in");
    file_release(&f);
}

/* Each number is 1.5 in its type. */
Test(torch_file, reads_every_float_type_and_keeps_integers_apart)
{
    static const struct {
        const char *type;
        size_t bytes;
        uint64_t one_and_a_half;
    } types[] = {{"HalfStorage", 2, 0x3e00},
                 {"BFloat16Storage", 2, 0x3fc0},
                 {"FloatStorage", 4, 0x3fc00000},
                 {"DoubleStorage", 8, 0x3ff8000000000000}};
    struct file f;
    struct tensor_plan t = plan_of(0, NULL);
    file_init(&f);
    t.elements = 1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        t.type = types[i].type;
        buf_reset(&f.storage);
        cr_assert_eq(buf_append(&f.storage, &types[i].one_and_a_half, types[i].bytes), 0);
        make_zip(&f, &t);
        struct weights *w = open_or_fail(&f);
        expect(w, "a", 1, (double[]){1.5});
        weights_close(w);
    }
    t.type = "LongStorage";
    make_zip(&f, &t);
    struct weights *w = open_or_fail(&f);
    cr_assert(!weights_type_is_float(weights_at(w, 0)->type));
    weights_close(w);
    file_release(&f);
}

/* {"epoch": 3, "optimizer": {"state": {0: tensor}}, "model": {"state_dict": {"module.a": tensor}}}
 */
Test(torch_file, finds_the_state_dict_in_a_checkpoint)
{
    struct file f;
    const struct tensor_plan t = plan_of(1, (unsigned[]){6});
    file_init(&f);
    pickle_begin(&f.pickle);
    pickle_op(&f.pickle, "}(");
    pickle_text(&f.pickle, "epoch");
    pickle_int(&f.pickle, 3);
    pickle_text(&f.pickle, "optimizer");
    pickle_op(&f.pickle, "}");
    pickle_text(&f.pickle, "state");
    pickle_op(&f.pickle, "}");
    pickle_int(&f.pickle, 0);
    pickle_tensor(&f.pickle, &t);
    pickle_op(&f.pickle, "ss");
    pickle_text(&f.pickle, "model");
    pickle_op(&f.pickle, "}");
    pickle_text(&f.pickle, "state_dict");
    pickle_op(&f.pickle, "}(");
    pickle_text(&f.pickle, "module.a");
    pickle_tensor(&f.pickle, &t);
    pickle_text(&f.pickle, "module.note");
    pickle_text(&f.pickle, "no tensor");
    pickle_op(&f.pickle, "usu.");
    torch_zip(&f.bytes, &f.pickle, 1, &f.storage);
    struct weights *w = open_or_fail(&f);
    cr_assert_eq(weights_count(w), 1);
    expect(w, "a", 6, (double[]){1, 2, 3, 4, 5, 6});
    weights_close(w);
    file_release(&f);
}

Test(torch_file, says_which_keys_a_checkpoint_without_weights_has)
{
    struct file f;
    file_init(&f);
    pickle_begin(&f.pickle);
    pickle_op(&f.pickle, "}(");
    pickle_text(&f.pickle, "epoch");
    pickle_int(&f.pickle, 3);
    pickle_text(&f.pickle, "best\x1b");
    pickle_int(&f.pickle, 3);
    pickle_op(&f.pickle, "u.");
    torch_zip(&f.bytes, &f.pickle, 0, NULL);
    refuses_bytes(&f.bytes, E_MODEL, "its keys are: epoch, best?");
    file_release(&f);
}

Test(torch_file, refuses_what_is_no_weight_file_of_this_machine)
{
    struct file f;
    struct zip_plan z;
    file_init(&f);
    make_zip(&f, &(struct tensor_plan){.key = "0", .type = "FloatStorage"});
    const struct {
        const char *name;
        const char *content;
        const char *part;
    } extra[] = {{"archive/byteorder", "big", "big-endian machine"},
                 {"archive/constants.pkl", "", "TorchScript program"}};
    for (int i = 0; i < 2; i++) {
        zip_begin(&z);
        zip_add(&z, "archive/data.pkl", f.pickle.p, f.pickle.n);
        zip_add(&z, extra[i].name, extra[i].content, strlen(extra[i].content));
        buf_reset(&f.bytes);
        zip_end(&z, &f.bytes);
        refuses_bytes(&f.bytes, i ? E_MODEL : E_FORMAT, extra[i].part);
    }
    zip_begin(&z);
    zip_add(&z, "paper.docx", "x", 1);
    buf_reset(&f.bytes);
    zip_end(&z, &f.bytes);
    refuses_bytes(&f.bytes, E_FORMAT, "not one that torch wrote");
    make_legacy(&f, &(struct tensor_plan){.key = "0", .type = "FloatStorage", .elements = 6});
    f.bytes.p[15 + 6 + 21] = 0x89; /* little_endian: False */
    refuses_bytes(&f.bytes, E_FORMAT, "big-endian machine");
    file_release(&f);
}

Test(torch_file, notices_damage_inside_a_storage)
{
    struct file f;
    const struct tensor_plan t = plan_of(1, (unsigned[]){6});
    file_init(&f);
    make_zip(&f, &t);
    unsigned char *at = memmem(f.bytes.p, f.bytes.n, numbers, sizeof numbers);
    at[5] ^= 1;
    refuses_bytes(&f.bytes, E_CHECKSUM, "is damaged: the bytes of archive/data/0");
    file_release(&f);
}

Test(torch_file, refuses_compressed_and_doubled_entries)
{
    struct file f;
    struct zip_plan z;
    file_init(&f);
    zip_begin(&z);
    zip_add(&z, "archive/data.pkl", "N.", 2);
    z.directory.p[10] = 8; /* deflated */
    zip_end(&z, &f.bytes);
    refuses_bytes(&f.bytes, E_FORMAT, "compressed entries");
    buf_reset(&f.bytes);
    zip_begin(&z);
    zip_add(&z, "archive/data.pkl", "N.", 2);
    zip_add(&z, "archive/data.pkl", "N.", 2);
    zip_end(&z, &f.bytes);
    refuses_bytes(&f.bytes, E_FORMAT, "two entries have the same name");
    file_release(&f);
}

Test(torch_file, refuses_every_cut_and_survives_every_flipped_byte)
{
    struct file f;
    const struct tensor_plan t = plan_of(2, (unsigned[]){2, 3});
    file_init(&f);
    make_zip(&f, &t);
    survive_damage(&f.bytes);
    make_legacy(&f, &t);
    survive_damage(&f.bytes);
    file_release(&f);
}

/* A hundred names for one storage would become a hundred arrays. */
Test(torch_file, refuses_arrays_that_multiply_what_the_file_has)
{
    struct file f;
    const unsigned many = 10000;
    struct tensor_plan t = plan_of(1, &many);
    file_init(&f);
    t.elements = many;
    cr_assert_eq(buf_append_zeros(&f.storage, many * sizeof(float)), 0);
    pickle_begin(&f.pickle);
    pickle_op(&f.pickle, "}(");
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%d", i);
        pickle_text(&f.pickle, name);
        pickle_tensor(&f.pickle, &t);
    }
    pickle_op(&f.pickle, "u.");
    torch_zip(&f.bytes, &f.pickle, 1, &f.storage);
    refuses_bytes(&f.bytes, E_FORMAT, "claims more numbers than it has bytes");
    file_release(&f);
}

/* As for files beyond 4 GB. */
Test(torch_file, reads_zip64_directories)
{
    struct file f;
    struct zip_plan z;
    const struct tensor_plan t = plan_of(2, (unsigned[]){2, 3});
    file_init(&f);
    make_zip(&f, &t); /* for its pickle */
    zip_begin(&z);
    z.wide = true;
    zip_add(&z, "archive/data.pkl", f.pickle.p, f.pickle.n);
    zip_add(&z, "archive/data/0", numbers, sizeof numbers);
    buf_reset(&f.bytes);
    zip_end(&z, &f.bytes);
    struct weights *w = open_or_fail(&f);
    expect(w, "a", 6, (double[]){1, 2, 3, 4, 5, 6});
    weights_close(w);
    survive_damage(&f.bytes);
    file_release(&f);
}

/* ---- numpy ---- */

static void make_pkl(struct file *f, const char *dtype, const char *order, bool fortran,
                     size_t bytes)
{
    buf_reset(&f->bytes);
    pickle_begin(&f->bytes);
    pickle_op(&f->bytes, "}(");
    pickle_text(&f->bytes, "__author__");
    pickle_text(&f->bytes, "someone");
    pickle_text(&f->bytes, "model");
    pickle_op(&f->bytes, "}");
    pickle_text(&f->bytes, "a");
    pickle_ndarray(&f->bytes, dtype, order, fortran, 2, (unsigned[]){2, 3}, numbers, bytes);
    pickle_op(&f->bytes, "su.");
}

Test(numpy_pickle, gives_arrays_in_either_order)
{
    struct file f;
    file_init(&f);
    make_pkl(&f, "f4", "<", false, sizeof numbers);
    struct weights *w = open_or_fail(&f);
    expect(w, "a", 6, (double[]){1, 2, 3, 4, 5, 6});
    weights_close(w);
    make_pkl(&f, "f4", "<", true, sizeof numbers);
    w = open_or_fail(&f);
    expect(w, "a", 6, (double[]){1, 3, 5, 2, 4, 6});
    weights_close(w);
    file_release(&f);
}

Test(numpy_pickle, refuses_arrays_that_are_no_weights)
{
    struct file f;
    file_init(&f);
    make_pkl(&f, "f4", ">", false, sizeof numbers);
    refuses_bytes(&f.bytes, E_FORMAT, "\"a\" is in big-endian byte order");
    make_pkl(&f, "O8", "|", false, sizeof numbers);
    refuses_bytes(&f.bytes, E_FORMAT, "\"a\" is of a numpy type that no weight is");
    make_pkl(&f, "f8", "<", false, sizeof numbers);
    refuses_bytes(&f.bytes, E_FORMAT, "\"a\" has fewer bytes than its shape needs");
    make_pkl(&f, "f4", "<", false, sizeof numbers);
    survive_damage(&f.bytes);
    file_release(&f);
}

/* ---- what people have instead ---- */

Test(weights, says_what_a_file_is_instead)
{
    static const struct {
        const char *bytes;
        int rc;
        const char *part;
    } files[] = {{"<!DOCTYPE html>", E_FORMAT, "is a web page"},
                 {"version https://git-lfs.github.com/spec/v1", E_FORMAT, "git lfs pull"},
                 {"\x1f\x8b\x08", E_FORMAT, "gzip"},
                 {"(dp0", E_FORMAT, "protocol 0 or 1"},
                 {"\x89PNG", E_FORMAT, "is neither a .safetensors file"},
                 {"", E_TRUNCATED, "is empty"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct buf b;
        buf_init(&b, 100);
        cr_assert_eq(buf_append(&b, files[i].bytes, strlen(files[i].bytes)), 0);
        refuses_bytes(&b, files[i].rc, files[i].part);
        buf_release(&b);
    }
}
