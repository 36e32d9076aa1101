#include "ops/corpus_queue.h"

#include <stdlib.h>

#include "broker/broker.h"
#include "common/file.h"

int corpus_queue_open(const char *corpus, struct queue **q)
{
    char *path = file_join(corpus, QUEUE_FILE);
    const struct queue_options options = queue_default_options();
    int rc = path ? 0 : err_set(E_NOMEM, "no memory for a path");
    if (rc == 0 && !file_exists(path)) {
        rc = err_set(E_NO_FILE, "%s holds no queue; is it a corpus?", corpus);
    }
    rc = rc ? rc : queue_open(path, &options, q);
    free(path);
    return rc;
}
