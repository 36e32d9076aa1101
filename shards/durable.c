#include "shards/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

static int write_all(int fd, const char *path, struct view bytes)
{
    const unsigned char *p = bytes.p;
    for (size_t done = 0; done < bytes.n;) {
        const ssize_t n = write(fd, p + done, bytes.n - done);
        if (n < 0 && errno != EINTR) {
            return err_set(E_STORAGE, "%s cannot be written: %s", path, strerror(errno));
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) ? err_set(E_STORAGE, "%s cannot be synced to disk: %s", path, strerror(errno))
                     : 0;
}

static int sync_parent(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return durable_sync(".");
    }
    if ((size_t)(slash - path) >= sizeof dir) {
        return err_set(E_TOO_BIG, "the path %.80s... is too long", path);
    }
    snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return durable_sync(dir);
}

int durable_write(const char *path, struct view bytes)
{
    char tmp[PATH_MAX];
    if ((size_t)snprintf(tmp, sizeof tmp, "%s.tmp", path) >= sizeof tmp) {
        return err_set(E_TOO_BIG, "the path %.80s... is too long", path);
    }
    const int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return err_errno("%s cannot be written", tmp);
    }
    int rc = write_all(fd, tmp, bytes);
    close(fd);
    if (rc == 0 && rename(tmp, path)) {
        rc = err_errno("%s cannot be renamed to %s", tmp, path);
    }
    if (rc) {
        unlink(tmp);
        return rc;
    }
    return sync_parent(path);
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

int durable_mkdir(const char *dir)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s", dir) >= sizeof path) {
        return err_set(E_TOO_BIG, "the path %.80s... is too long", dir);
    }
    for (char *p = path + 1;; p++) {
        const char was = *p;
        if (was == '/' || was == '\0') {
            *p = '\0';
            if (mkdir(path, 0755) && errno != EEXIST) {
                return err_errno("the directory %s cannot be made", path);
            }
            *p = was;
        }
        if (was == '\0') {
            return 0;
        }
    }
}

int file_size(const char *path, uint64_t *out)
{
    struct stat st;
    if (stat(path, &st)) {
        return err_errno("%s", path);
    }
    *out = (uint64_t)st.st_size;
    return 0;
}

/* Calls `use` with piece after piece of a file. */
static int read_pieces(const char *path, int (*use)(void *ctx, struct view piece), void *ctx)
{
    enum { PIECE = 1 << 20 };
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno("%s cannot be read", path);
    }
    unsigned char *piece = malloc(PIECE);
    int rc = piece ? 0 : err_set(E_NOMEM, "no memory to read %s", path);
    ssize_t n = 1;
    while (rc == 0 && n > 0) {
        n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        rc = n < 0 ? err_errno("%s cannot be read", path) : use(ctx, view_of(piece, (size_t)n));
    }
    free(piece);
    close(fd);
    return rc;
}

static int append_piece(void *ctx, struct view piece)
{
    return buf_append(ctx, piece.p, piece.n);
}

int file_read(const char *path, size_t limit, struct buf *out)
{
    uint64_t size = 0;
    int rc = file_size(path, &size);
    if (rc == 0 && size > limit) {
        rc = err_set(E_TOO_BIG, "%s has %llu bytes; %zu are allowed", path,
                     (unsigned long long)size, limit);
    }
    buf_reset(out);
    rc = rc ? rc : read_pieces(path, append_piece, out);
    return rc ? rc : buf_terminate(out);
}

static int hash_piece(void *ctx, struct view piece)
{
    crypto_generichash_update(ctx, piece.p, piece.n);
    return 0;
}

int file_digest(const char *path, struct id *out)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, ID_BYTES);
    const int rc = read_pieces(path, hash_piece, &state);
    crypto_generichash_final(&state, out->b, ID_BYTES);
    return rc;
}
