/* Media: one name for a file, there or not yet, and never a wait. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "tests/unit/tempdir.h"
#include "workers/medium_file.h"

static char dir[TEMPDIR_MAX];
static struct buf locator;
static struct buf bytes;

static void begin(void)
{
    tempdir_make(dir);
    buf_init(&locator, 1 << 16);
    buf_init(&bytes, 16);
}

static void end(void)
{
    buf_release(&locator);
    buf_release(&bytes);
    tempdir_remove(dir);
}

TestSuite(medium_file, .init = begin, .fini = end, .timeout = 60);

static const char *locator_of(const char *path)
{
    cr_assert_eq(locator_of_path(path, &locator), 0, "%s", err_text());
    cr_assert_eq(buf_terminate(&locator), 0);
    return (const char *)locator.p;
}

static void make(const char *name, const char *text)
{
    FILE *f = fopen(name, "we");
    cr_assert_not_null(f, "cannot write %s", name);
    cr_assert_geq(fputs(text, f), 0);
    fclose(f);
}

Test(medium_file, a_missing_file_has_the_locator_it_will_have)
{
    char real[4096];
    cr_assert_eq(chdir(dir), 0);
    cr_assert_eq(mkdir("folder", 0755) | symlink("folder", "link"), 0);
    cr_assert_not_null(getcwd(real, sizeof real));
    char *before = strdup(locator_of("link/../link/a.jpg"));
    make("folder/a.jpg", "a");
    cr_assert_str_eq(locator_of("link/../link/a.jpg"), before);
    cr_assert(strstr(before, real) == before + 5 && strstr(before, "/folder/a.jpg"), "%s", before);
    free(before);
    before = strdup(locator_of("b.jpg"));
    make("b.jpg", "b");
    cr_assert_str_eq(locator_of("b.jpg"), before);
    free(before);
    before = strdup(locator_of("not/yet//there.jpg"));
    cr_assert(strstr(before, real) == before + 5 && strstr(before, "/not/yet//there.jpg"), "%s",
              before);
    free(before);
    cr_assert_str_eq(locator_of("/no-such-folder/c.jpg"), "path:/no-such-folder/c.jpg");
    cr_assert_str_eq(locator_of("/no-such-file"), "path:/no-such-file");
}

Test(medium_file, a_path_that_no_file_can_have_is_refused)
{
    static char path[9000];
    memset(path, 'x', sizeof path - 1);
    cr_assert_eq(locator_of_path(path, &locator), E_TOO_BIG);
}

static int fetch(const char *path)
{
    return medium_fetch(locator_of(path), &bytes);
}

Test(medium_file, what_is_no_regular_file_is_refused_and_not_waited_for)
{
    cr_assert_eq(chdir(dir), 0);
    cr_assert_eq(mkfifo("pipe.jpg", 0644), 0);
    cr_assert_eq(fetch("pipe.jpg"), E_IMAGE_UNREADABLE);
    cr_assert(strstr(err_text(), "pipe.jpg"), "%s", err_text());
    const int writer = open("pipe.jpg", O_RDWR | O_CLOEXEC); /* nor for what it will write */
    cr_assert_eq(fetch("pipe.jpg"), E_IMAGE_UNREADABLE);
    close(writer);
    cr_assert_eq(fetch("/dev/zero"), E_IMAGE_UNREADABLE);
    cr_assert_eq(fetch(dir), E_IMAGE_UNREADABLE);
    cr_assert_eq(fetch("none.jpg"), E_NO_FILE);
}

Test(medium_file, a_files_bytes_come_whole_or_not_at_all)
{
    cr_assert_eq(chdir(dir), 0);
    make("empty", "");
    make("full", "0123456789abcdef");
    make("over", "0123456789abcdefg");
    cr_assert_eq(fetch("full"), 0, "%s", err_text());
    cr_assert(view_equal(buf_view(&bytes), view_str("0123456789abcdef")));
    cr_assert_eq(fetch("empty"), 0, "%s", err_text());
    cr_assert_eq(bytes.n, 0);
    cr_assert_eq(fetch("over"), E_TOO_BIG);
}

Test(medium_file, a_locator_of_another_kind_is_not_a_path)
{
    cr_assert_eq(medium_fetch("s3:bucket/a.jpg", &bytes), E_VERSION);
}
