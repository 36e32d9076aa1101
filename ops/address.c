#include "ops/address.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/id.h"

/* Others could put a socket of theirs into a directory that they own. */
static int check_private(const char *dir)
{
    struct stat st;
    if (lstat(dir, &st)) {
        return err_errno("cannot stat %s", dir);
    }
    if (st.st_uid != geteuid()) {
        return err_set(E_SYSTEM,
                       "%s, where the processes of this corpus meet, belongs to user %u, who alone "
                       "may use it; be that user, or give another address (--broker or --bind)",
                       dir, st.st_uid);
    }
    if (!S_ISDIR(st.st_mode) || (st.st_mode & 077)) {
        return err_set(E_SYSTEM,
                       "%s must be a directory of yours that nobody else can enter (mode 0700)",
                       dir);
    }
    return 0;
}

int address_of_corpus(const char *corpus, const char *what, char out[ADDRESS_MAX])
{
    char real[PATH_MAX];
    char dir[ADDRESS_MAX];
    if (!realpath(corpus, real)) {
        return err_errno("cannot find the corpus directory %s", corpus);
    }
    const struct id id = id_of_locator(view_str(real));
    const char *base = getenv("XDG_RUNTIME_DIR");
    int n = snprintf(dir, sizeof dir, "%s/pairmill-%016llx", base && *base ? base : "/tmp",
                     (unsigned long long)id_number(&id));
    if (n < (int)sizeof dir && mkdir(dir, 0700) && errno != EEXIST) {
        return err_errno("cannot make %s", dir);
    }
    if (n < (int)sizeof dir) {
        n = snprintf(out, ADDRESS_MAX, "ipc://%s/%s", dir, what);
    }
    if (n >= ADDRESS_MAX) {
        return err_set(E_TOO_BIG,
                       "the socket's path under %s is longer than a socket's path may be", base);
    }
    return check_private(dir);
}
