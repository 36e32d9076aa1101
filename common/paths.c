#include "common/paths.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"

static int executable_dir(char out[PATH_MAX])
{
    const ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n < 0) {
        return err_errno("cannot read /proc/self/exe");
    }
    out[n] = '\0';
    *strrchr(out, '/') = '\0';
    return 0;
}

static int try(const char *dir, const char *between, const char *name, char **out)
{
    char *path = NULL;
    if (asprintf(&path, "%s%s/%s", dir, between, name) < 0) {
        return err_set(E_NOMEM, "no memory for a path");
    }
    if (access(path, R_OK) == 0) {
        *out = path;
        return 0;
    }
    free(path);
    return E_NO_FILE;
}

int paths_find_data(const char *name, char **out)
{
    char dir[PATH_MAX];
    int rc = executable_dir(dir);
    if (rc) {
        return rc;
    }
    const char *env = getenv("PAIRMILL_DATA");
    rc = env ? try(env, "", name, out) : E_NO_FILE;
    /* build/<variant>/, and build/<variant>/tests/ for the tests' own programs */
    rc = rc == E_NO_FILE ? try(dir, "/../..", name, out) : rc;
    rc = rc == E_NO_FILE ? try(dir, "/../../..", name, out) : rc;
    rc = rc == E_NO_FILE ? try(dir, "/../share/pairmill", name, out) : rc;
    if (rc == E_NO_FILE) {
        return err_set(E_NO_FILE,
                       "%s is neither in $PAIRMILL_DATA, nor in the source tree around %s, nor in "
                       "%s/../share/pairmill; set PAIRMILL_DATA to the folder that holds it",
                       name, dir, dir);
    }
    return rc;
}

int paths_find_program(const char *name, char **out)
{
    char dir[PATH_MAX];
    int rc = executable_dir(dir);
    rc = rc ? rc : try(dir, "", name, out);
    rc = rc == E_NO_FILE ? try(dir, "/..", name, out) : rc;
    if (rc == E_NO_FILE) {
        return err_set(E_NO_FILE, "the program %s is not beside %s; build it with make", name, dir);
    }
    return rc;
}
