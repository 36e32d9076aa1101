/* Numbers on the command line.  Each function reads the whole of `text`, the value of option
 * --`name`, into *out; E_ARG, and *out as it was, where it is no such number or not in
 * [least, most]. */
#ifndef OPS_OPTION_H
#define OPS_OPTION_H

#include <stdint.h>

#include "common/err.h"

/* What the broker's options may be, for those who hand them on to it too. */
enum { OPTION_TRIES_MAX = 1000000, OPTION_SECONDS_MAX = 86400 * 365 };
#define OPTION_LEASE_MIN 0.001

int option_whole(const char *name, const char *text, uint64_t least, uint64_t most,
                 uint64_t *out) MUST_CHECK;
int option_real(const char *name, const char *text, double least, double most,
                double *out) MUST_CHECK;

#endif
