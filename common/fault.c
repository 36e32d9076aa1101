#include "common/fault.h"

#ifdef PM_FAULTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>

void fault_point(const char *name)
{
    static unsigned long arrivals;
    const char *wanted = getenv("PM_FAULT");
    const size_t n = strlen(name);
    if (!wanted || strncmp(wanted, name, n) != 0 || wanted[n] != ':') {
        return;
    }
    if (++arrivals == strtoul(wanted + n + 1, NULL, 10)) {
        raise(SIGKILL);
    }
}
#else
typedef int fault_points_are_off; /* ISO C wants something in every file */
#endif
