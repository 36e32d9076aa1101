#include "common/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

static enum log_level threshold = LOG_LEVEL_WARN;
static char process[32] = "pairmill";

static const char *const words[] = {"error", "warn", "info", "debug"};

int log_set_level(const char *word)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], word) == 0) {
            threshold = (enum log_level)i;
            return 0;
        }
    }
    return err_set(E_ARG, "log level \"%s\" is none of error, warn, info, debug", word);
}

void log_set_name(const char *name)
{
    snprintf(process, sizeof process, "%s", name);
}

/* Control bytes would let a hostile path forge log lines. */
static void defang(char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            *s = '?';
        }
    }
}

static void write_line(enum log_level level, const char *event, const char *text)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);
    char stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    char line[1400];
    int n = snprintf(line, sizeof line, "%s.%03ldZ %-5s %s %s %s", stamp, now.tv_nsec / 1000000,
                     words[level], process, event, text);
    if (n >= (int)sizeof line) {
        n = (int)sizeof line - 1;
    }
    line[n] = '\0';
    defang(line);
    line[n] = '\n';
    /* One write, so that lines of several processes do not mix; nobody to tell if it fails. */
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)n + 1);
    (void)ignored;
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    if (level > threshold) {
        return;
    }
    char text[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    write_line(level, event, text);
}

void log_warn_rare(const char *event, const char *fmt, ...)
{
    /* Guards `seen`.  Events are string literals, so their addresses name them. */
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        const char *event;
        int64_t next_ms;
        unsigned held_back;
    } seen[64];
    if (threshold < LOG_LEVEL_WARN) {
        return;
    }
    unsigned held_back = 0;
    pthread_mutex_lock(&lock);
    size_t i = 0;
    while (i < 63 && seen[i].event && seen[i].event != event) {
        i++;
    }
    seen[i].event = event;
    const int64_t now = clock_now_ms();
    const int quiet = now < seen[i].next_ms;
    if (quiet) {
        seen[i].held_back++;
    } else {
        held_back = seen[i].held_back;
        seen[i].held_back = 0;
        seen[i].next_ms = now + 60000;
    }
    pthread_mutex_unlock(&lock);
    if (quiet) {
        return;
    }
    char text[1200];
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (held_back && n >= 0 && n < (int)sizeof text) {
        snprintf(text + n, sizeof text - (size_t)n, " held_back=%u", held_back);
    }
    write_line(LOG_LEVEL_WARN, event, text);
}
