/* The .npz writer, read back by the zip format's own rules. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/file.h"
#include "detector_fixture.h"
#include "ops/npz.h"

/* Inflates the member whose local header is at `at`; returns its length. */
static size_t inflate_member(const unsigned char *zip, size_t at, const char *name,
                             unsigned char *out, size_t room)
{
    const unsigned char *local = zip + at;
    cr_assert_eq(get_le32(local), 0x04034b50);
    const size_t name_length = get_le16(local + 26);
    cr_assert_eq(name_length, strlen(name));
    cr_assert_arr_eq(local + 30, name, name_length);
    z_stream s = {.next_in = (unsigned char *)local + 30 + name_length,
                  .avail_in = get_le32(local + 18),
                  .next_out = out,
                  .avail_out = (unsigned)room};
    cr_assert_eq(inflateInit2(&s, -MAX_WBITS), Z_OK);
    cr_assert_eq(inflate(&s, Z_FINISH), Z_STREAM_END);
    inflateEnd(&s);
    cr_assert_eq(s.total_out, get_le32(local + 22));
    cr_assert_eq(get_le32(local + 14), crc32(0, out, (unsigned)s.total_out));
    return s.total_out;
}

Test(npz, holds_arrays_as_numpy_stores_them)
{
    struct scratch_file f;
    struct npz z;
    struct buf file;
    unsigned char npy[512];
    const float boxes[6] = {1, 2, 3, 4, 5, 6};
    const int64_t ids[3] = {7, -8, 9};
    scratch_file_init(&f);
    npz_init(&z);
    buf_init(&file, 1 << 20);
    cr_assert_eq(npz_add(&z, "boxes", NPZ_F32, 2, (size_t[]){3, 2}, boxes), 0);
    cr_assert_eq(npz_add(&z, "ids", NPZ_I64, 1, (size_t[]){3}, ids), 0);
    cr_assert_eq(npz_write(&z, f.path), 0);
    cr_assert_eq(file_read(f.path, &file), 0);

    const unsigned char *end = file.p + file.n - 22;
    cr_assert_eq(get_le32(end), 0x06054b50);
    cr_assert_eq(get_le16(end + 10), 2);
    const unsigned char *entry = file.p + get_le32(end + 16);
    cr_assert_eq(get_le32(entry), 0x02014b50);
    cr_assert_eq(inflate_member(file.p, get_le32(entry + 42), "boxes.npy", npy, sizeof npy),
                 128 + sizeof boxes);
    cr_assert_arr_eq(npy, "\x93NUMPY\x01", 8);
    cr_assert_eq(get_le16(npy + 8), 118);
    const char *dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2,), }";
    cr_assert_arr_eq(npy + 10, dict, strlen(dict));
    cr_assert_eq(npy[127], '\n');
    cr_assert_arr_eq(npy + 128, boxes, sizeof boxes);

    entry += 46 + get_le16(entry + 28);
    cr_assert_eq(inflate_member(file.p, get_le32(entry + 42), "ids.npy", npy, sizeof npy),
                 128 + sizeof ids);
    cr_assert_arr_eq(npy + 128, ids, sizeof ids);
    npz_release(&z);
    buf_release(&file);
    scratch_file_release(&f);
}
