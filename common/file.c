#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, const char *path, struct buf *out)
{
    for (;;) {
        const size_t left = out->limit - out->n;
        const int rc = out->room > out->n ? 0 : buf_reserve(out, left < 1 << 16 ? left : 1 << 16);
        if (rc) {
            return rc;
        }
        const size_t room = left < out->room - out->n ? left : out->room - out->n;
        char spill;
        const ssize_t n = room ? read(fd, out->p + out->n, room) : read(fd, &spill, 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno("cannot read %s", path);
        }
        if (n == 0) {
            return 0;
        }
        if (room == 0) {
            return err_set(E_TOO_BIG, "%s is larger than %zu bytes", path, out->limit);
        }
        out->n += (size_t)n;
    }
}

int file_read(const char *path, struct buf *out)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno("cannot open %s", path);
    }
    struct stat st;
    int rc = 0;
    if (fstat(fd, &st)) {
        rc = err_errno("cannot stat %s", path);
    } else if (S_ISDIR(st.st_mode)) {
        rc = err_set(E_FORMAT, "%s is a directory, not a file", path);
    } else if (S_ISREG(st.st_mode) && (size_t)st.st_size > out->limit - out->n) {
        rc = err_set(E_TOO_BIG, "%s has %lld bytes; the limit is %zu", path, (long long)st.st_size,
                     out->limit);
    } else {
        if (S_ISREG(st.st_mode)) {
            rc = buf_reserve(out, (size_t)st.st_size);
        }
        rc = rc ? rc : read_all(fd, path, out);
    }
    close(fd);
    return rc;
}

static int check_regular(int fd, const char *path, size_t *bytes)
{
    struct stat st;
    if (fstat(fd, &st)) {
        return err_errno("cannot stat %s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(E_FORMAT, "%s is not a regular file", path);
    }
    *bytes = (size_t)st.st_size;
    return 0;
}

/* A pipe without a writer would hold open() up for ever, but for O_NONBLOCK, which means nothing to
 * a regular file. */
static int open_regular(const char *path, int *out, size_t *bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return err_errno("cannot open %s", path);
    }
    const int rc = check_regular(fd, path, bytes);
    if (rc) {
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

int file_read_regular(const char *path, struct buf *out)
{
    int fd;
    size_t bytes;
    int rc = open_regular(path, &fd, &bytes);
    if (rc) {
        return rc;
    }
    if (bytes > out->limit - out->n) {
        rc = err_set(E_TOO_BIG, "%s has %zu bytes; the limit is %zu", path, bytes, out->limit);
    }
    rc = rc ? rc : buf_reserve(out, bytes);
    rc = rc ? rc : read_all(fd, path, out);
    close(fd);
    return rc;
}

int file_map(const char *path, struct view *out)
{
    int fd;
    size_t bytes;
    int rc = open_regular(path, &fd, &bytes);
    if (rc) {
        return rc;
    }
    void *p = bytes ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0) : NULL;
    if (p == MAP_FAILED) {
        rc = err_errno("cannot map %s", path);
    } else {
        *out = view_of(p, bytes);
    }
    close(fd);
    return rc;
}

void file_unmap(struct view bytes)
{
    if (bytes.n > 0) {
        munmap((void *)bytes.p, bytes.n);
    }
}

void file_forget(struct view bytes)
{
    if (bytes.n > 0) {
        (void)madvise((void *)bytes.p, bytes.n, MADV_DONTNEED); /* else they stay: no harm */
    }
}

static int write_all(int fd, struct view bytes)
{
    const char *p = bytes.p;
    size_t left = bytes.n;
    while (left) {
        const ssize_t n = write(fd, p, left);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        p += n;
        left -= (size_t)n;
    }
    return 0;
}

int file_sync(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno("cannot open %s", path);
    }
    const int rc =
        fsync(fd) ? err_set(E_STORAGE, "cannot sync %s to disk: %s", path, strerror(errno)) : 0;
    close(fd);
    return rc;
}

char *file_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return strdup(".");
    }
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int file_sync_parent(const char *path)
{
    char *dir = file_folder(path);
    if (!dir) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    const int rc = file_sync(dir);
    free(dir);
    return rc;
}

int file_rename(const char *from, const char *to)
{
    if (rename(from, to)) {
        return err_errno("cannot rename %s to %s", from, to);
    }
    return file_sync_parent(to);
}

int file_remove(const char *path)
{
    return unlink(path) && errno != ENOENT ? err_errno("cannot delete %s", path) : 0;
}

int file_size(const char *path, uint64_t *bytes)
{
    struct stat st;
    if (stat(path, &st)) {
        return err_errno("cannot stat %s", path);
    }
    *bytes = (uint64_t)st.st_size;
    return 0;
}

static int hash_descriptor(int fd, const char *path, struct id *digest)
{
    enum { PIECE = 1 << 20 };
    crypto_generichash_state state;
    unsigned char *piece = malloc(PIECE);
    if (!piece) {
        return err_set(E_NOMEM, "no memory to read %s", path);
    }
    int rc = 0;
    ssize_t n = 1;
    crypto_generichash_init(&state, NULL, 0, ID_BYTES);
    while (rc == 0 && n != 0) {
        n = read(fd, piece, PIECE);
        if (n > 0) {
            crypto_generichash_update(&state, piece, (size_t)n);
        } else if (n < 0 && errno != EINTR) {
            rc = err_errno("cannot read %s", path);
        }
    }
    crypto_generichash_final(&state, digest->b, ID_BYTES);
    free(piece);
    return rc;
}

int file_digest(const char *path, struct id *digest)
{
    int fd;
    size_t bytes;
    int rc = open_regular(path, &fd, &bytes);
    if (rc) {
        return rc;
    }
    rc = hash_descriptor(fd, path, digest);
    close(fd);
    return rc;
}

int file_write_atomic(const char *path, struct view bytes)
{
    char *tmp = NULL;
    int fd = -1;
    int rc = 0;
    if (asprintf(&tmp, "%s.tmp.%d", path, (int)getpid()) < 0) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        rc = err_errno("cannot write %s", tmp);
        goto out;
    }
    if (write_all(fd, bytes) || fsync(fd)) {
        rc = err_set(E_STORAGE, "cannot write %s: %s", tmp, strerror(errno));
        goto out;
    }
    rc = file_rename(tmp, path);
out:
    if (fd >= 0) {
        close(fd);
    }
    if (rc) {
        unlink(tmp);
    }
    free(tmp);
    return rc;
}

int file_make_dirs(const char *path)
{
    if (!*path) {
        return err_set(E_ARG, "a directory's path is empty");
    }
    char *copy = strdup(path);
    if (!copy) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    int rc = 0;
    for (char *p = copy + 1; rc == 0; p++) {
        if (*p != '/' && *p != '\0') {
            continue;
        }
        const char end = *p;
        *p = '\0';
        if (mkdir(copy, 0755) && errno != EEXIST) {
            rc = err_errno("cannot make the directory %s", copy);
        }
        *p = end;
        if (end == '\0') {
            break;
        }
    }
    free(copy);
    return rc;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

char *file_join(const char *dir, const char *name)
{
    const size_t n = strlen(dir);
    char *path = NULL;
    const int rc = asprintf(&path, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
    return rc < 0 ? NULL : path;
}
