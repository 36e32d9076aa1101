#include "detector/conv_layout.h"

enum { BUNDLE_MIN = 32 /* channels that keep a matrix product's vectors filled */ };

struct bundles conv_bundles(const struct conv *c)
{
    const int all = conv_groups(c);
    const int in = c->in / all;
    const int out = c->out / all;
    int together = 1; /* groups in a bundle */
    while (together < all && all % (2 * together) == 0 &&
           (in * together < BUNDLE_MIN || out * together < BUNDLE_MIN)) {
        together *= 2;
    }
    return (struct bundles){all / together, in * together, out * together};
}

size_t conv_area(const struct conv *c)
{
    return (size_t)conv_taps(c) * (size_t)c->kernel * (size_t)c->kernel;
}

const float *conv_filter(const struct conv *c, const struct bundles *k, const float *weight, int b,
                         int o, int i)
{
    const int in = c->in / conv_groups(c);
    const int out = c->out / conv_groups(c);
    if (o / out != i / in) {
        return NULL;
    }
    const size_t row = (size_t)b * (size_t)k->out + (size_t)o;
    return weight + (row * (size_t)in + (size_t)(i % in)) * conv_area(c);
}

struct tap conv_tap(const struct conv *c, int i, int frames_in, int frames_out)
{
    const int stride = c->tap_stride > 1 ? c->tap_stride : 1;
    const int index = i == 0 ? c->tap_pad : i <= c->tap_pad ? i - 1 : i;
    struct tap tap = {.index = index, .stride = stride, .offset = index - c->tap_pad};
    tap.to = frames_out;
    while (tap.from * stride + tap.offset < 0) {
        tap.from++;
    }
    while (tap.to > tap.from && (tap.to - 1) * stride + tap.offset >= frames_in) {
        tap.to--;
    }
    return tap;
}

int conv_side(const struct conv *c, int in)
{
    return (in + 2 * c->pad - c->dilation * (c->kernel - 1) - 1) / c->stride + 1;
}

int conv_frames(const struct conv *c, int in)
{
    const int stride = c->tap_stride > 1 ? c->tap_stride : 1;
    return (in + 2 * c->tap_pad - conv_taps(c)) / stride + 1;
}
