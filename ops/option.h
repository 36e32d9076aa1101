/* Numbers on the command line.  Each function reads the whole of `text`, the value of option
 * --`name`, into *out; E_ARG, and *out as it was, where it is no such number or not in
 * [least, most]. */
#ifndef OPS_OPTION_H
#define OPS_OPTION_H

#include <stdint.h>

#include "common/err.h"

int option_whole(const char *name, const char *text, uint64_t least, uint64_t most,
                 uint64_t *out) MUST_CHECK;
int option_real(const char *name, const char *text, double least, double most,
                double *out) MUST_CHECK;

#endif
