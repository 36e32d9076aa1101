#include <criterion/criterion.h>
#include <stdio.h>

#include "common/buf.h"
#include "detector/safetensors.h"
#include "detector_fixture.h"

/* Writes length, header and `data` zero bytes, opens the file and returns the error. */
static int open_bytes(const char *header, size_t data, struct safetensors **st)
{
    struct scratch_file f;
    struct buf b;
    unsigned char length[8];
    scratch_file_init(&f);
    buf_init(&b, 1 << 20);
    put_le64(length, strlen(header));
    cr_assert_eq(buf_append(&b, length, 8), 0);
    cr_assert_eq(buf_append(&b, header, strlen(header)), 0);
    cr_assert_eq(buf_append_zeros(&b, data), 0);
    scratch_file_write(&f, b.p, b.n);
    const int rc = safetensors_open(f.path, st);
    scratch_file_release(&f);
    buf_release(&b);
    return rc;
}

static void refuses(int code, const char *header, size_t data, const char *sentence)
{
    struct safetensors *st = NULL;
    const int rc = open_bytes(header, data, &st);
    cr_assert_eq(rc, code, "%s: %s", header, rc ? err_text() : "was accepted");
    cr_assert(strstr(err_text(), sentence), "\"%s\" does not say \"%s\"", err_text(), sentence);
}

Test(safetensors, gives_tensors_by_name_with_shape_and_bytes)
{
    struct safetensors *st = NULL;
    const char *header = "{\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[2,26]},"
                         "\"a\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]},"
                         "\"__metadata__\":{\"k\":\"v\"}}   ";
    cr_assert_eq(open_bytes(header, 26, &st), 0, "%s", err_text());
    cr_assert_eq(safetensors_count(st), 2);
    cr_assert_str_eq(safetensors_at(st, 0)->name, "a");
    const struct safetensors_tensor *b = safetensors_find(st, "b", NULL);
    cr_assert(b && b->dims == 2 && b->shape[0] == 2 && b->shape[1] == 3 && b->count == 6);
    cr_assert_eq((const char *)b->data - (const char *)safetensors_find(st, "a", NULL)->data, 2);
    cr_assert_str_eq(safetensors_metadata(st, "k"), "v");
    cr_assert_null(safetensors_metadata(st, "absent"));
    cr_assert_null(safetensors_find(st, "c", NULL));
    safetensors_close(st);
}

Test(safetensors, refuses_a_header_that_is_not_one)
{
    refuses(E_FORMAT, "[]", 0, "not a JSON object");
    refuses(E_FORMAT, "{\"a\":", 0, "not a JSON object");
    refuses(E_FORMAT,
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
            "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
            0, "duplicate");
    refuses(E_FORMAT, "{\"__metadata__\":{\"k\":1}}", 0, "not a string");
    refuses(E_FORMAT, "{\"__metadata__\":[]}", 0, "__metadata__");
}

Test(safetensors, refuses_offsets_that_do_not_fit)
{
    refuses(E_FORMAT, "{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
            "dtype");
    refuses(E_FORMAT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
            "do not fit its shape");
    refuses(E_FORMAT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
            "shape");
    refuses(E_FORMAT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4,
            "data_offsets");
    refuses(E_FORMAT,
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}",
            0, "impossible shape");
    refuses(E_FORMAT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
            "a hole");
    refuses(E_FORMAT,
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}",
            6, "an overlap");
    refuses(E_FORMAT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5,
            "belong to none");
}

Test(safetensors, notices_a_cut_file)
{
    refuses(E_TRUNCATED, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7,
            "cut short");
    struct scratch_file f;
    struct safetensors *st = NULL;
    scratch_file_init(&f);
    scratch_file_write(&f, "\x05\0\0", 3);
    cr_assert_eq(safetensors_open(f.path, &st), E_TRUNCATED);
    scratch_file_write(&f, "", 0);
    cr_assert_eq(safetensors_open(f.path, &st), E_TRUNCATED);
    scratch_file_write(&f, "\xff\0\0\0\0\0\0\0{}", 10);
    cr_assert_eq(safetensors_open(f.path, &st), E_TRUNCATED);
    scratch_file_write(&f, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    cr_assert_eq(safetensors_open(f.path, &st), E_FORMAT);
    scratch_file_release(&f);
}

Test(safetensors, names_a_missing_file)
{
    struct safetensors *st = NULL;
    cr_assert_eq(safetensors_open("/nowhere/model.safetensors", &st), E_NO_FILE);
    cr_assert(strstr(err_text(), "/nowhere/model.safetensors"));
}
