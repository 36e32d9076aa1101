#include "reference_net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Everything that one run allocates, freed at its end. */
static void **held;
static size_t held_count;

void *reference_keep(size_t n, size_t size)
{
    held = realloc(held, (held_count + 1) * sizeof *held);
    held[held_count] = calloc(n + 1, size);
    return held[held_count++];
}

void reference_free(void)
{
    while (held_count) {
        free(held[--held_count]);
    }
    free(held);
    held = NULL;
}

struct map map_new(int c, int h, int w)
{
    return (struct map){c, h, w, reference_keep((size_t)c * h * w, sizeof(double))};
}

double map_at(struct map m, int c, int y, int x)
{
    return y < 0 || x < 0 || y >= m.h || x >= m.w ? 0 : m.v[(c * m.h + y) * m.w + x];
}

const float *reference_weight(const struct safetensors *st, const char *layer, const char *kind,
                              const struct safetensors_tensor **t)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", layer, kind);
    const struct safetensors_tensor *found = safetensors_find(st, name, NULL);
    BUG_ON(!found);
    *t = found;
    float *copy = reference_keep(found->bytes, 1); /* the file's tensors may lie at any address */
    memcpy(copy, found->data, found->bytes);
    return copy;
}

struct map map_convolve(const struct safetensors *st, const char *layer, struct map x, int stride,
                        int pad, int dilation, int relu)
{
    const struct safetensors_tensor *t;
    const struct safetensors_tensor *u;
    const float *w = reference_weight(st, layer, "weight", &t);
    const float *bias = reference_weight(st, layer, "bias", &u);
    const int k = (int)t->shape[2];
    const int depth = (int)t->shape[1]; /* of a group */
    const int together = (int)t->shape[0] / (x.c / depth);
    struct map y = map_new((int)t->shape[0], (x.h + 2 * pad - dilation * (k - 1) - 1) / stride + 1,
                           (x.w + 2 * pad - dilation * (k - 1) - 1) / stride + 1);
    for (int o = 0; o < y.c; o++) {
        for (int oy = 0; oy < y.h; oy++) {
            for (int ox = 0; ox < y.w; ox++) {
                double sum = (double)bias[o];
                for (int i = 0; i < depth; i++) {
                    for (int a = 0; a < k * k; a++) {
                        sum += (double)w[(o * depth + i) * k * k + a] *
                               map_at(x, o / together * depth + i,
                                      oy * stride - pad + a / k * dilation,
                                      ox * stride - pad + a % k * dilation);
                    }
                }
                y.v[(o * y.h + oy) * y.w + ox] = relu && sum < 0 ? 0 : sum;
            }
        }
    }
    return y;
}

double *reference_full(const struct safetensors *st, const char *layer, const double *x,
                       int *outputs)
{
    const struct safetensors_tensor *t;
    const struct safetensors_tensor *u;
    const float *w = reference_weight(st, layer, "weight", &t);
    const float *bias = reference_weight(st, layer, "bias", &u);
    const int in = (int)t->shape[1];
    *outputs = (int)t->shape[0];
    double *y = reference_keep((size_t)*outputs, sizeof *y);
    for (int o = 0; o < *outputs; o++) {
        y[o] = (double)bias[o];
        for (int i = 0; i < in; i++) {
            y[o] += (double)w[o * in + i] * x[i];
        }
    }
    return y;
}

void reference_softmax(double *x, int n)
{
    double sum = 0;
    double top = -INFINITY;
    for (int i = 0; i < n; i++) {
        top = fmax(top, x[i]);
    }
    for (int i = 0; i < n; i++) {
        sum += x[i] = exp(x[i] - top);
    }
    for (int i = 0; i < n; i++) {
        x[i] /= sum;
    }
}

int reference_best(const double *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++) {
        best = x[i] > x[best] ? i : best;
    }
    return best;
}
