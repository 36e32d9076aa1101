#include "ops/option.h"

#include <errno.h>
#include <stdlib.h>

int option_whole(const char *name, const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long v = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9' || v < least || v > most) {
        return err_set(E_ARG, "--%s takes a whole number from %llu to %llu, not \"%.40s\"", name,
                       (unsigned long long)least, (unsigned long long)most, text);
    }
    *out = v;
    return 0;
}

int option_real(const char *name, const char *text, double least, double most, double *out)
{
    char *end = NULL;
    const double v = strtod(text, &end);
    if (*end || end == text || !(v >= least && v <= most)) {
        return err_set(E_ARG, "--%s takes a number from %g to %g, not \"%.40s\"", name, least, most,
                       text);
    }
    *out = v;
    return 0;
}
