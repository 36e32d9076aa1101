#include "workers/medium_file.h"

#include <limits.h>
#include <stdlib.h>

#include "common/file.h"

int locator_of_path(const char *path, struct buf *out)
{
    char real[PATH_MAX];
    buf_reset(out);
    /* A file that is missing keeps the name it was given. */
    const char *name = realpath(path, real) ? real : path;
    return buf_printf(out, "path:%s", name);
}

int medium_fetch(const char *locator, struct buf *out)
{
    buf_reset(out);
    if (strncmp(locator, "path:", 5) != 0) {
        return err_set(E_FORMAT, "the locator \"%.100s\" is of a kind this pairmill cannot fetch",
                       locator);
    }
    return file_read(locator + 5, out);
}
