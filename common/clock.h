/*
 * Time: milliseconds since boot, suspends included (CLOCK_BOOTTIME), so that setting the wall clock
 * moves no deadline.  Tests replace it by a number of their own.  Wall time is for log stamps and
 * records only.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

int64_t clock_now_ms(void);

/* Seconds as a double, for rates shown to a person. */
double clock_now_s(void);

/* From now on clock_now_ms() returns `ms`, until set again; a negative number returns to real time.
 */
void clock_set_virtual(int64_t ms);

/* Seconds since 1970, for records and reports. */
int64_t clock_wall_s(void);

#endif
