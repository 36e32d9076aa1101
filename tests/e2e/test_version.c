/* pairmill version tells the commit that was built, and every number that another version may
 * refuse. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/paths.h"
#include "tests/e2e/mill.h"

static char dir[MILL_PATH];
static char output[MILL_OUTPUT];

static void begin(void)
{
    mill_dir(dir);
}

static void end(void)
{
    mill_clean(dir);
}

TestSuite(version, .init = begin, .fini = end, .timeout = 300);

Test(version, tells_commit_formats_and_protocols)
{
    static const char *const words[] = {
        "pairmill commit ",   "record ", "stored value ",      "shard ",  "manifest ",
        "catalog ",           "queue ",  "scene-graph model ", "broker ", "feed ",
        "trainers' library ",
    };
    cr_assert_eq(MILL_RUN(output, "version"), 0, "%s", output);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = strstr(output, words[i]);
        cr_assert_not_null(at, "%sis not told: %s", words[i], output);
        cr_assert(i == 0 || strtol(at + strlen(words[i]), NULL, 10) > 0, "%s", output);
    }
}

/* make in a build folder of the test's own. */
static void make_object(const char *commit, const char *object)
{
    char *makefile = NULL;
    char root[MILL_PATH];
    char folder[MILL_PATH + 8];
    char variable[64];
    cr_assert_eq(paths_find_data("Makefile", &makefile), 0, "%s", err_text());
    snprintf(root, sizeof root, "%.*s", (int)(strrchr(makefile, '/') - makefile), makefile);
    free(makefile);
    snprintf(folder, sizeof folder, "B=%s", dir);
    snprintf(variable, sizeof variable, "COMMIT=%s", commit);
    /* not as a part of the make that may run the tests */
    cr_assert_eq(MILL_RUN_PROGRAM(output, "env", "-u", "MAKEFLAGS", "-u", "MFLAGS", "-u",
                                  "MAKELEVEL", "make", "-s", "-C", root, folder, variable, object),
                 0, "%s", output);
    cr_assert_eq(MILL_RUN_PROGRAM(output, "grep", "-q", commit, object), 0);
}

Test(version, is_built_anew_with_another_commit_and_only_then)
{
    const char *object = mill_path(dir, "ops/cmd_version.o");
    struct stat first;
    struct stat second;
    make_object("0123456789ab", object);
    cr_assert_eq(stat(object, &first), 0);
    make_object("0123456789ab", object);
    cr_assert_eq(stat(object, &second), 0);
    cr_assert_eq(memcmp(&first.st_mtim, &second.st_mtim, sizeof first.st_mtim), 0);
    make_object("cdef01234567", object);
}
