#include "workers/regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* At most `left` bytes: a file that grows meanwhile is taken as it was. */
static int read_bytes(int fd, const char *path, size_t left, struct buf *out)
{
    int rc = buf_reserve(out, left);
    while (rc == 0 && left) {
        const ssize_t n = read(fd, out->p + out->n, left);
        if (n == 0) {
            return 0;
        }
        if (n < 0) {
            rc = errno == EINTR ? 0 : err_errno("cannot read %s", path);
            continue;
        }
        out->n += (size_t)n;
        left -= (size_t)n;
    }
    return rc;
}

int regular_file_read(const char *path, struct buf *out)
{
    /* O_NONBLOCK: the open of a pipe would wait for its writer. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return err_errno("cannot open %s", path);
    }
    struct stat st;
    int rc = 0;
    if (fstat(fd, &st)) {
        rc = err_errno("cannot stat %s", path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = err_set(E_FORMAT, "%s is not a regular file", path);
    } else if ((size_t)st.st_size > out->limit - out->n) {
        rc = err_set(E_TOO_BIG, "%s has %lld bytes; the limit is %zu", path, (long long)st.st_size,
                     out->limit);
    } else {
        rc = read_bytes(fd, path, (size_t)st.st_size, out);
    }
    close(fd);
    return rc;
}
