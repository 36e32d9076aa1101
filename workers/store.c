#include "workers/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/file.h"

/* Puts the file there whole, unless one is there already. */
static int put_mark(const char *path, const char *hex)
{
    char *tmp = NULL;
    if (asprintf(&tmp, "%s.%d", path, (int)getpid()) < 0) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    int rc = file_write_atomic(tmp, view_of(hex, strlen(hex)));
    if (rc == 0 && link(tmp, path) && errno != EEXIST) {
        rc = err_errno("cannot write %s", path);
    }
    unlink(tmp);
    free(tmp);
    return rc;
}

int store_claim(const char *dir, const struct id *queue)
{
    char hex[ID_HEX];
    struct buf mark;
    char *path = file_join(dir, "queue.id");
    if (!path) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    id_to_hex(queue, hex);
    buf_init(&mark, 4096);
    int rc = file_exists(path) ? 0 : put_mark(path, hex);
    rc = rc ? rc : file_read(path, &mark);
    if (rc == 0 && !view_equal(buf_view(&mark), view_str(hex))) {
        rc = err_set(E_ARG,
                     "the store %s holds the shards of another queue; use another, or move them "
                     "away",
                     dir);
    }
    buf_release(&mark);
    free(path);
    return rc;
}
