#include "common/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"

void progress_init(struct progress *p, const char *what, uint64_t done, uint64_t total)
{
    const double now = clock_now_s();
    *p = (struct progress){
        .what = what,
        .total = total,
        .first = done,
        .start_s = now,
        .next_s = now + 2,
        .tty = isatty(STDERR_FILENO),
    };
}

static void write_eta(char out[32], double seconds)
{
    const unsigned s = seconds > 359999 ? 359999 : (unsigned)seconds;
    if (s >= 3600) {
        snprintf(out, 32, "%u h %02u min", s / 3600, s / 60 % 60);
    } else if (s >= 60) {
        snprintf(out, 32, "%u min %02u s", s / 60, s % 60);
    } else {
        snprintf(out, 32, "%u s", s);
    }
}

void progress_update(struct progress *p, uint64_t done, uint64_t total, const char *detail)
{
    const double now = clock_now_s();
    if (now < p->next_s) {
        return;
    }
    p->next_s = now + (p->tty ? 0.2 : 10);
    p->total = total;
    const double rate = (double)(done - p->first) / (now - p->start_s);
    char eta[32] = "?";
    if (rate > 0 && total >= done) {
        write_eta(eta, (double)(total - done) / rate);
    }
    fprintf(stderr, "%s%llu", p->tty ? "\r\033[K" : "", (unsigned long long)done);
    if (total) {
        fprintf(stderr, " of %llu", (unsigned long long)total);
    }
    fprintf(stderr, " %s, %.1f/s", p->what, rate);
    if (total) {
        fprintf(stderr, ", %s left", eta);
    }
    fprintf(stderr, "%s%s%s", detail && *detail ? ", " : "", detail ? detail : "",
            p->tty ? "" : "\n");
    fflush(stderr);
    p->shown = p->tty;
}

void progress_end(struct progress *p)
{
    if (p->shown) {
        fputc('\n', stderr);
        p->shown = false;
    }
}
