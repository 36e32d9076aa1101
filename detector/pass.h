/*
 * A pass: one image on its way through a graph.  It carries what every operator needs besides its
 * operands: the workspace, the dry flag, the progress report and the profile.
 *
 * An operator begins with pass_step(); when that returns false the pass is dry and the operator
 * only takes the memory it would take.
 */
#ifndef DETECTOR_PASS_H
#define DETECTOR_PASS_H

#include <stdbool.h>

#include "detector/detector.h"
#include "detector/tensor.h"
#include "detector/workspace.h"

enum { PROFILE_ROWS = 512 };

struct profile {
    double since; /* when the current row's operator began, CPU seconds */
    int current;  /* -1: none yet */
    int rows;
    struct detector_profile_row row[PROFILE_ROWS];
};

struct pass {
    struct workspace *ws;
    struct profile *profile;                  /* NULL in a dry pass */
    const struct detector_progress *progress; /* may be NULL */
    bool dry;
    /* Memory is taken for at least this many images of a batch, though fewer may be there: how many
     * RoIs an image gives is not known in a dry pass, and both must take the same blocks. */
    int room;
    uint64_t macs;
    unsigned step;
    unsigned steps; /* total, known from the dry pass */
};

/* Announces the next operator; `name` must outlive the session. Returns false in a dry pass. */
bool pass_step(struct pass *pass, const char *name, uint64_t macs);

/* Ends the last operator's profile row. */
void pass_end(struct pass *pass);

static inline float *pass_floats(struct pass *pass, size_t n)
{
    return workspace_take(pass->ws, n, sizeof(float));
}

static inline void pass_give(struct pass *pass, const void *block)
{
    workspace_give(pass->ws, block);
}

/* Pixels that memory is taken for. */
static inline size_t pass_pixels(const struct pass *pass, const struct tensor *t)
{
    const size_t n = (size_t)(t->n > pass->room ? t->n : pass->room);
    return n * (size_t)t->h * (size_t)t->w;
}

static inline struct tensor pass_tensor(struct pass *pass, int n, int h, int w, int c)
{
    struct tensor t = {.n = n, .h = h, .w = w, .c = c};
    t.p = pass_floats(pass, pass_pixels(pass, &t) * (size_t)c);
    return t;
}

#endif
