/*
 * Fault points: places where a test may stop the process dead, to see what a crash there leaves
 * behind.
 *
 * FAULT("after_stage_commit") does nothing in an ordinary build.  Built with FAULTS=1, and with
 * PM_FAULT=after_stage_commit:3 in the environment, the third arrival there is the process' last
 * (SIGKILL); it first makes the file that PM_FAULT_FIRED names, so that a test knows. A sweep runs
 * n = 1, 2, 3... until nothing fires any more.
 */
#ifndef COMMON_FAULT_H
#define COMMON_FAULT_H

#ifdef PM_FAULTS
void fault_point(const char *name);
#define FAULT(name) fault_point(name)
#else
#define FAULT(name) ((void)0)
#endif

#endif
