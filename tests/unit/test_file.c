/* Files that are none: pipes, of which only file_read() takes any bytes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "detector/detector.h"
#include "detector/weights.h"
#include "detector_fixture.h"

TestSuite(file, .timeout = 5);

static void make_pipe(struct scratch_file *f)
{
    scratch_file_init(f);
    cr_assert_eq(mkfifo(f->path, 0600), 0);
}

/* No one will ever write to it. */
Test(file, is_refused_where_it_is_a_pipe_instead_of_waited_for)
{
    struct scratch_file f;
    struct view bytes;
    struct id digest;
    make_pipe(&f);
    cr_assert_eq(file_map(f.path, &bytes), E_FORMAT);
    cr_assert(strstr(err_text(), "is not a regular file"), "%s", err_text());
    cr_assert_eq(file_digest(f.path, &digest), E_FORMAT);
    cr_assert(strstr(err_text(), "is not a regular file"), "%s", err_text());
    scratch_file_release(&f);
}

Test(file, of_a_model_or_of_weights_is_no_pipe)
{
    struct scratch_file f;
    struct detector *det = NULL;
    struct weights *weights = NULL;
    make_pipe(&f);
    cr_assert_eq(detector_open(f.path, NULL, &det), E_FORMAT);
    cr_assert(strstr(err_text(), f.path), "%s", err_text());
    cr_assert_eq(weights_open(f.path, &weights), E_FORMAT);
    scratch_file_release(&f);
}

/* As the shell's <(...) gives one. */
Test(file, is_read_from_a_pipe_that_has_a_writer)
{
    int end[2];
    char path[32];
    struct buf b;
    buf_init(&b, 100);
    cr_assert_eq(pipe(end), 0);
    cr_assert_eq(write(end[1], "bytes", 5), 5);
    close(end[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", end[0]);
    cr_assert_eq(file_read(path, &b), 0, "%s", err_text());
    cr_assert(view_equal(buf_view(&b), view_str("bytes")));
    close(end[0]);
    buf_release(&b);
}

Test(file, without_bytes_maps_to_nothing_and_has_a_digest)
{
    struct scratch_file f;
    struct view bytes;
    struct id digest;
    scratch_file_init(&f);
    scratch_file_write(&f, "", 0);
    cr_assert_eq(file_map(f.path, &bytes), 0);
    cr_assert_eq(bytes.n, 0);
    file_unmap(bytes);
    cr_assert_eq(file_digest(f.path, &digest), 0);
    scratch_file_release(&f);
}
