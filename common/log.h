/*
 * Logs: one line, one event, on standard error: time, level, event, key=value...
 *
 *     log_info("shard_sealed", "shard=%llu pairs=%zu", ...);
 *
 * Nothing in a per-job path logs above debug.  A warning that may repeat goes through
 * log_warn_rare(), which prints the same event at most once a minute, with the number that were
 * held back. Captions are never logged, only their length and hash.  Any thread may call.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Sets the threshold from "error", "warn", "info" or "debug"; E_ARG for another word. */
int log_set_level(const char *word) MUST_CHECK;

/* Names the process in each line ("broker", "worker/2"); copied, cut at 31 bytes. */
void log_set_name(const char *name);

void log_write(enum log_level level, const char *event, const char *fmt, ...) PRINTF(3, 4);
void log_warn_rare(const char *event, const char *fmt, ...) PRINTF(2, 3);

#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_write(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_write(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

#endif
