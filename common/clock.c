#include "common/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t virtual_ms = -1;

static struct timespec boot_time(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return ts;
}

int64_t clock_now_ms(void)
{
    const int64_t fixed = atomic_load(&virtual_ms);
    if (fixed >= 0) {
        return fixed;
    }
    const struct timespec ts = boot_time();
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

double clock_now_s(void)
{
    const struct timespec ts = boot_time();
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

void clock_set_virtual(int64_t ms)
{
    atomic_store(&virtual_ms, ms);
}

int64_t clock_wall_s(void)
{
    return (int64_t)time(NULL);
}
