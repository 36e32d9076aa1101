#include "tests/unit/tempdir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void tempdir_make(char *out)
{
    snprintf(out, TEMPDIR_MAX, "/tmp/pm-test-XXXXXX");
    cr_assert_not_null(mkdtemp(out));
}

static void copy_file(const char *from, const char *to)
{
    char piece[65536];
    const int in = open(from, O_RDONLY);
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    cr_assert(in >= 0 && out >= 0, "%s to %s", from, to);
    for (ssize_t n; (n = read(in, piece, sizeof piece)) > 0;) {
        cr_assert_eq(write(out, piece, (size_t)n), n);
    }
    close(in);
    close(out);
}

const char *tempdir_path(const char *dir, const char *name)
{
    static char paths[64][512];
    static size_t used;
    cr_assert_lt(used, sizeof paths / sizeof *paths);
    char *path = paths[used++];
    cr_assert_lt(snprintf(path, sizeof *paths, "%s/%s", dir, name), (int)sizeof *paths);
    return path;
}

void tempdir_copy(const char *from, const char *to)
{
    DIR *d = opendir(from);
    cr_assert_not_null(d);
    for (const struct dirent *e; (e = readdir(d));) {
        char a[512];
        char b[512];
        struct stat st;
        snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        if (stat(a, &st) == 0 && S_ISREG(st.st_mode)) {
            copy_file(a, b);
        }
    }
    closedir(d);
}

static int delete_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void tempdir_remove(const char *dir)
{
    nftw(dir, delete_one, 16, FTW_DEPTH | FTW_PHYS);
}
