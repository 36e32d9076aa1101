/* Model files that are none, or no longer. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "sceneparse/sceneparse.h"

static char *shipped;
static size_t size;

static void set_up(void)
{
    FILE *f = fopen("sceneparse/captions.sgm", "rb");
    cr_assert(f);
    fseek(f, 0, SEEK_END);
    size = (size_t)ftell(f);
    rewind(f);
    shipped = malloc(size);
    cr_assert(shipped && fread(shipped, 1, size, f) == size);
    fclose(f);
}

static void tear_down(void)
{
    free(shipped);
}

TestSuite(sceneparse_model, .init = set_up, .fini = tear_down);

/* What opening a file of these bytes gives; the sentence must name the file. */
static int open_bytes(const void *bytes, size_t n)
{
    char path[] = "/tmp/sceneparse-model-XXXXXX";
    struct sg_model *model;
    const int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
    const int rc = sg_model_open(path, &model);
    unlink(path);
    cr_assert(rc == 0 || strstr(err_text(), path), "%s", err_text());
    cr_assert(rc == 0 || model == NULL);
    sg_model_close(rc == 0 ? model : NULL);
    return rc;
}

Test(sceneparse_model, opens_as_shipped_and_is_at_most_6_mb)
{
    cr_assert_eq(open_bytes(shipped, size), 0);
    cr_assert_leq(size, 6 * 1000 * 1000);
}

Test(sceneparse_model, a_missing_file_is_named)
{
    struct sg_model *model;
    cr_assert_eq(sg_model_open("/nowhere/captions.sgm", &model), E_NO_FILE);
    cr_assert(strstr(err_text(), "/nowhere/captions.sgm"));
}

Test(sceneparse_model, another_files_bytes_are_refused)
{
    char other[4096] = "\x89PNG\r\n";
    cr_assert_eq(open_bytes(other, sizeof other), E_MODEL);
    cr_assert_eq(open_bytes("", 0), E_MODEL);
}

Test(sceneparse_model, another_version_is_refused_by_name)
{
    shipped[8]++;
    cr_assert_eq(open_bytes(shipped, size), E_VERSION);
}

Test(sceneparse_model, a_truncated_file_is_refused)
{
    cr_assert_eq(open_bytes(shipped, size / 2), E_TRUNCATED);
}

Test(sceneparse_model, one_flipped_bit_anywhere_is_noticed)
{
    for (size_t i = 32; i < size; i += size / 37) {
        shipped[i] ^= 16;
        cr_assert_eq(open_bytes(shipped, size), E_CHECKSUM, "byte %zu", i);
        shipped[i] ^= 16;
    }
}
