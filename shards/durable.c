#include "shards/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int durable_sync(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno("%s cannot be opened", path);
    }
    const int rc =
        fsync(fd) ? err_set(E_STORAGE, "%s cannot be synced to disk: %s", path, strerror(errno))
                  : 0;
    close(fd);
    return rc;
}

int durable_rename(const char *dir, const char *from, const char *to)
{
    if (rename(from, to)) {
        return err_errno("%s cannot be renamed to %s", from, to);
    }
    return durable_sync(dir);
}

int durable_unlink(const char *path)
{
    if (unlink(path) && errno != ENOENT) {
        return err_errno("%s cannot be deleted", path);
    }
    return 0;
}

int file_size(const char *path, uint64_t *out)
{
    struct stat st;
    if (stat(path, &st)) {
        return err_errno("%s cannot be read", path);
    }
    *out = (uint64_t)st.st_size;
    return 0;
}

int file_digest(const char *path, struct id *out)
{
    enum { PIECE = 1 << 20 };
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno("%s cannot be read", path);
    }
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, ID_BYTES);
    unsigned char *piece = malloc(PIECE);
    int rc = piece ? 0 : err_set(E_NOMEM, "no memory to read %s", path);
    for (ssize_t n = 1; rc == 0 && n != 0;) {
        n = read(fd, piece, PIECE);
        if (n > 0) {
            crypto_generichash_update(&state, piece, (size_t)n);
        } else if (n < 0 && errno != EINTR) {
            rc = err_errno("%s cannot be read", path);
        }
    }
    crypto_generichash_final(&state, out->b, ID_BYTES);
    free(piece);
    close(fd);
    return rc;
}
