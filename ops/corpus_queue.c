#include "ops/corpus_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "broker/broker.h"
#include "common/file.h"

/* The path of the corpus' queue, if it has one; the caller frees it. */
static int find_queue(const char *corpus, char **path)
{
    struct stat st;
    *path = file_join(corpus, QUEUE_FILE);
    if (!*path) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    if (stat(*path, &st) == 0) {
        return 0;
    }
    return errno == ENOENT || errno == ENOTDIR
               ? err_set(E_NO_FILE, "%s holds no queue; is it a corpus?", corpus)
               : err_errno("cannot look for the queue file %s", *path);
}

int corpus_queue_look(const char *corpus, struct queue **q)
{
    char *path;
    int rc = find_queue(corpus, &path);
    rc = rc ? rc : queue_open_to_look(path, q);
    free(path);
    return rc;
}

int corpus_queue_open(const char *corpus, struct queue **q)
{
    const struct queue_options options = queue_default_options();
    char *path;
    int rc = find_queue(corpus, &path);
    rc = rc ? rc : queue_open(path, &options, q);
    free(path);
    return rc;
}
