/*
 * Grinding: a job's image and texts in, records out.  Regions from the detector, a scene graph and
 * sub-tokens for each text. Pure but for its workspace; knows no network and no shard.
 */
#ifndef WORKERS_GRIND_H
#define WORKERS_GRIND_H

#include "broker/queue.h"
#include "common/record.h"
#include "workers/decoder.h"
#include "workers/models.h"
#include "workers/pair_item.h"

struct grinder;

int grinder_new(const struct models *models, const struct worker_options *options,
                struct grinder **out) MUST_CHECK;
void grinder_free(struct grinder *g);

/* One text of the job, as leased. */
struct grind_text {
    struct id pair;
    struct pair_item item;
};

/* What came of it; views are valid until the grinder's next job. */
struct grinding {
    const struct visual_record *visual; /* NULL when `image` was NULL */
    const struct pair_record *pairs;    /* those that can be staged */
    size_t pair_count;
    const struct pair_outcome *outcomes; /* one a text, in the texts' order */
    size_t outcome_count;
};

/* `image` NULL: the visual record is in the corpus already.  `step` is called as the work goes on.
 * A text that cannot be ground is an outcome, not an error; errors are the image's or the
 * machine's. */
int grinder_run(struct grinder *g, const struct id *medium, const char *locator,
                const struct image *image, const struct grind_text *texts, size_t n,
                void (*step)(void *arg), void *arg, struct grinding *out) MUST_CHECK;

#endif
