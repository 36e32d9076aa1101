/*
 * From an 8-bit RGB image to the network's input: channel order, mean, standard deviation, size.
 *
 * The short side becomes `short_side` unless the long one would pass `long_side`.  How exactly
 * sizes are rounded and pixels resampled is one of several rules, each a program's whose numbers
 * must be met:
 *
 * - PREPROCESS_CAFFE: py-faster-rcnn (BUTD lib/fast_rcnn/test.py, _get_image_blob). Normalise, then
 *   OpenCV's resize of floats; sizes rounded half to even.
 * - PREPROCESS_TORCHVISION: GeneralizedRCNNTransform. Normalise, then torch's interpolate; sizes
 *   rounded down.
 * - PREPROCESS_DETECTRON2: ResizeShortestEdge. Pillow's resize of bytes, then normalise; sizes
 *   rounded half up.
 * - PREPROCESS_MASKRCNN: maskrcnn-benchmark's transforms.Resize. The same, but rounded down.
 */
#ifndef DETECTOR_PREPROCESS_H
#define DETECTOR_PREPROCESS_H

#include "detector/box.h"
#include "detector/model.h"
#include "detector/pass.h"

enum preprocess_rule {
    PREPROCESS_CAFFE,
    PREPROCESS_TORCHVISION,
    PREPROCESS_DETECTRON2,
    PREPROCESS_MASKRCNN,
};

struct preprocess {
    enum preprocess_rule rule;
    bool bgr;
    double mean[3]; /* in the network's channel order, of values 0..255 */
    double std[3];
    int short_side; /* px */
    int long_side;
    int multiple; /* zeros to the right and below make both sides multiples of this; 0 is 1 */
};

/* How one image is resized. */
struct geometry {
    int width; /* px of the original */
    int height;
    int net_width;
    int net_height;
    int padded_width; /* px of the network's input */
    int padded_height;
    double scale; /* network px an original px, before sizes were rounded */
};

void preprocess_read(struct model *m, struct preprocess *pre);

/* "channels", "mean" and "std", as every network's preprocessing has them. */
void preprocess_read_colours(struct model *m, bool *bgr, double mean[3], double std[3]);

/* E_IMAGE_TOO_BIG, or E_ARG for an image without pixels. */
int preprocess_geometry(const struct preprocess *pre, uint32_t width, uint32_t height,
                        struct geometry *out) MUST_CHECK;

/* The network's input [1][padded_height][padded_width][3], in workspace memory. */
struct tensor preprocess_run(const struct preprocess *pre, struct pass *pass,
                             const struct geometry *g, const uint8_t *rgb);

/* A box in the network's px, without padding, in the original's: multiplied by the ratio of the
 * sizes. */
struct box geometry_unscale(const struct geometry *g, struct box b);

#endif
