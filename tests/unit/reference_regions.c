#include "reference_regions.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

void reference_regions_allocate(struct reference_regions *out)
{
    const size_t n = (size_t)out->n + 1;
    out->boxes = calloc(4 * n, sizeof(double));
    out->refined = calloc(4 * n, sizeof(double));
    out->conf = calloc(n, sizeof(double));
    out->attr_conf = calloc(n, sizeof(double));
    out->object_id = calloc(n, sizeof(int));
    out->attr_id = calloc(n, sizeof(int));
    out->features = calloc(n * (size_t)out->dim, sizeof(double));
    out->prob = calloc(n * (size_t)out->classes, sizeof(double));
}

void reference_regions_release(struct reference_regions *r)
{
    free(r->boxes);
    free(r->refined);
    free(r->conf);
    free(r->attr_conf);
    free(r->object_id);
    free(r->attr_id);
    free(r->features);
    free(r->prob);
}

static double largest(const double *x, int n)
{
    double best = 0;
    for (int i = 0; i < n; i++) {
        best = fmax(best, fabs(x[i]));
    }
    return best;
}

static void expect_close(const char *what, const float *got, const double *want, int n,
                         double within)
{
    for (int i = 0; i < n; i++) {
        cr_assert_lt(fabs((double)got[i] - want[i]), within, "%s[%d] is %g, not %g", what, i,
                     (double)got[i], want[i]);
    }
}

void reference_regions_expect(const struct detections *got, const struct reference_regions *want)
{
    cr_assert_eq(got->n, (uint32_t)want->n, "%u regions, not %d", got->n, want->n);
    cr_assert_eq(got->dim, (uint32_t)want->dim);
    cr_assert_eq(got->classes, (uint32_t)want->classes);
    const int n = want->n;
    expect_close("boxes", got->boxes, want->boxes, 4 * n, 0.01);
    expect_close("refined", got->refined_boxes, want->refined, 4 * n, 0.01);
    expect_close("conf", got->conf, want->conf, n, 1e-5);
    expect_close("soft labels", got->soft_labels, want->prob, n * want->classes, 1e-5);
    expect_close("features", got->features, want->features, n * want->dim,
                 1e-5 * largest(want->features, n * want->dim));
    for (int i = 0; i < n; i++) {
        cr_assert_eq(got->object_id[i], want->object_id[i]);
        cr_assert_float_eq((double)got->object_conf[i],
                           want->prob[i * want->classes + 1 + want->object_id[i]], 1e-5);
    }
    if (got->attr_id) {
        expect_close("attributes", got->attr_conf, want->attr_conf, n, 1e-5);
        for (int i = 0; i < n; i++) {
            cr_assert_eq(got->attr_id[i], want->attr_id[i]);
        }
    }
}
