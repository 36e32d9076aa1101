#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(void *) == 8, "pairmill needs a 64-bit machine");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pairmill needs a little-endian machine");

static _Thread_local char sentence[1001];

static const struct {
    int number;
    const char *name;
    const char *meaning;
} codes[] = {
#define X(name, number, text) {number, #name, text},
    ERR_LIST(X)
#undef X
};

const char *err_name(int rc)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].number == rc) {
            return codes[i].name;
        }
    }
    return rc == 0 ? "OK" : "E_UNKNOWN";
}

const char *err_meaning(int rc)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].number == rc) {
            return codes[i].meaning;
        }
    }
    return rc == 0 ? "no error" : "an unknown error";
}

int err_from_name(const char *name)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strcmp(codes[i].name, name) == 0) {
            return codes[i].number;
        }
    }
    return 0;
}

int err_set(int rc, const char *fmt, ...)
{
    /* Through a second buffer, so that err_text() itself may be an argument. */
    char next[sizeof sentence];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(next, sizeof next, fmt, ap);
    va_end(ap);
    memcpy(sentence, next, sizeof next);
    return rc;
}

int err_errno(const char *fmt, ...)
{
    const int saved = errno;
    char what[800];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    const int rc = saved == ENOENT ? E_NO_FILE : saved == ENOMEM ? E_NOMEM : E_SYSTEM;
    return err_set(rc, "%s: %s", what, strerror(saved));
}

const char *err_text(void)
{
    return sentence;
}

void err_bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "pairmill: bug at %s:%d: %s\n", file, line, what);
    abort();
}
