#include "workers/medium_file.h"

#include <limits.h>
#include <stdlib.h>

#include "common/file.h"

/* The real path of as much of `path` as there is, and the rest as it was given: what realpath()
 * will say once the file is there. */
static int print_real(const char *path, struct buf *out)
{
    char real[PATH_MAX];
    char there[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof there) {
        return err_set(E_TOO_BIG, "a path of %zu bytes; the limit is %zu", n, sizeof there - 1);
    }
    memcpy(there, path, n + 1);
    while (!realpath(n ? there : *path == '/' ? "/" : ".", real)) {
        if (n == 0) {
            return err_errno("cannot resolve %s", path);
        }
        while (n && path[n - 1] == '/') {
            n--;
        }
        while (n && path[n - 1] != '/') {
            n--;
        }
        there[n] = '\0';
    }
    const char *rest = path + n;
    return buf_printf(out, "path:%s%s%s", real, *rest && strcmp(real, "/") != 0 ? "/" : "", rest);
}

int locator_of_path(const char *path, struct buf *out)
{
    buf_reset(out);
    return print_real(path, out);
}

int medium_fetch(const char *locator, struct buf *out)
{
    buf_reset(out);
    if (strncmp(locator, "path:", 5) != 0) {
        return err_set(
            E_VERSION,
            "the locator \"%.100s\" is of a kind this pairmill cannot fetch; use the one "
            "that ingested it",
            locator);
    }
    const char *path = locator + 5;
    const int rc = file_read_regular(path, out);
    return rc == E_FORMAT ? err_set(E_IMAGE_UNREADABLE,
                                    "%s is not a regular file, so it cannot be an image", path)
                          : rc;
}
