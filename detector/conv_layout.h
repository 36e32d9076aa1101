/*
 * What the methods of convolution share: bundles of channels, filters in the file's weights, taps
 * along the leading axis.
 */
#ifndef DETECTOR_CONV_LAYOUT_H
#define DETECTOR_CONV_LAYOUT_H

#include "detector/conv.h"

/* Bundles work apart from each other: bundle b reads inputs [b * in, (b + 1) * in) and writes
 * outputs [b * out, (b + 1) * out). */
struct bundles {
    int count;
    int in;
    int out;
};

struct bundles conv_bundles(const struct conv *c);

/* taps * kernel * kernel */
size_t conv_area(const struct conv *c);

/* The filter [taps][kernel][kernel] from input i to output o of bundle b, in the file's weights;
 * NULL between groups. */
const float *conv_filter(const struct conv *c, const struct bundles *k, const float *weight, int b,
                         int o, int i);

static inline int conv_taps(const struct conv *c)
{
    return c->taps > 1 ? c->taps : 1;
}

/* One tap along the leading axis: output frames [from, to) see input frames t * stride + offset. */
struct tap {
    int index; /* in the weights */
    int from;
    int to;
    int stride;
    int offset;
};

/* Whether conv_tap() can serve: the first tap covers every output frame. */
static inline bool conv_taps_centred(const struct conv *c)
{
    return 2 * c->tap_pad < conv_taps(c);
}

/* The i-th of conv_taps(c) taps, the one without offset first. */
struct tap conv_tap(const struct conv *c, int i, int frames_in, int frames_out);

#endif
