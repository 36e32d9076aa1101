#include "detector/gate.h"

#include <math.h>
#include <string.h>

#include "detector/simd.h"

/* sum[n] += the n channels of `pixels` neighbouring pixels, `step` floats apart. */
SIMD_CLONES
static void add_row(double *restrict sum, float *restrict row, const float *restrict x,
                    size_t pixels, size_t step, size_t n)
{
    memset(row, 0, n * sizeof *row);
    for (size_t i = 0; i < pixels; i++, x += step) {
        for (size_t c = 0; c < n; c++) {
            row[c] += x[c];
        }
    }
    for (size_t c = 0; c < n; c++) {
        sum[c] += (double)row[c];
    }
}

SIMD_CLONES
static void scale_pixels(float *restrict x, const float *restrict by, size_t pixels, size_t step,
                         size_t n)
{
    for (size_t i = 0; i < pixels; i++, x += step) {
        for (size_t c = 0; c < n; c++) {
            x[c] *= by[c];
        }
    }
}

/* A row of pixels at a time in single precision, the rows in double: a clip has a million. */
static void mean_of(const struct tensor *y, int at, size_t n, double *sum, float *mean)
{
    const size_t rows = (size_t)y->n * (size_t)y->h;
    const size_t step = (size_t)y->c;
    memset(sum, 0, n * sizeof *sum);
    for (size_t r = 0; r < rows; r++) {
        add_row(sum, mean, y->p + r * (size_t)y->w * step + (size_t)at, (size_t)y->w, step, n);
    }
    for (size_t c = 0; c < n; c++) {
        mean[c] = (float)(sum[c] / (double)tensor_pixels(y));
    }
}

void gate_run(const struct conv *fc, struct pass *pass, const struct tensor *y, int at)
{
    const size_t n = (size_t)fc->in;
    double *sum = workspace_take(pass->ws, n, sizeof *sum);
    const struct tensor mean = pass_tensor(pass, 1, 1, 1, fc->in);
    if (pass_step(pass, fc->name, 0)) {
        mean_of(y, at, n, sum, mean.p);
    }
    const struct tensor gate = conv_run(fc, pass, &mean);
    if (!pass->dry) {
        for (size_t c = 0; c < n; c++) {
            gate.p[c] = 1.0f / (1.0f + expf(-gate.p[c]));
        }
        scale_pixels(y->p + at, gate.p, tensor_pixels(y), (size_t)y->c, n);
    }
    pass_give(pass, sum);
    pass_give(pass, mean.p);
    pass_give(pass, gate.p);
}
