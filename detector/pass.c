#include "detector/pass.h"

#include <time.h>

/* Of this thread alone: what a layer costs, however busy the machine is. */
static double cpu_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void profile_switch(struct profile *p, const char *name, uint64_t macs)
{
    const double now = cpu_seconds();
    if (p->current >= 0) {
        p->row[p->current].seconds += now - p->since;
    }
    p->since = now;
    int i = 0;
    while (i < p->rows && p->row[i].layer != name) {
        i++;
    }
    if (i == p->rows && p->rows < PROFILE_ROWS) {
        p->row[p->rows++] = (struct detector_profile_row){.layer = name};
    }
    p->current = i < PROFILE_ROWS ? i : -1;
    if (p->current >= 0) {
        p->row[i].macs += macs;
    }
}

bool pass_step(struct pass *pass, const char *name, uint64_t macs)
{
    pass->macs += macs;
    pass->step++;
    if (pass->dry) {
        return false;
    }
    profile_switch(pass->profile, name, macs);
    if (pass->progress && pass->progress->step) {
        pass->progress->step(pass->progress->arg, pass->step,
                             pass->step > pass->steps ? pass->step : pass->steps);
    }
    return true;
}

void pass_end(struct pass *pass)
{
    struct profile *p = pass->profile;
    if (p && p->current >= 0) {
        p->row[p->current].seconds += cpu_seconds() - p->since;
        p->current = -1;
    }
}
