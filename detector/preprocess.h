/*
 * From an 8-bit RGB image to the network's input: channel order, mean, standard deviation, size.
 *
 * "caffe" is py-faster-rcnn's way (BUTD lib/fast_rcnn/test.py, _get_image_blob) with OpenCV's
 * bilinear resize of floats: subtract the mean, then scale so that the short side is `short_side`
 * unless the long side would pass `long_side`.
 */
#ifndef DETECTOR_PREPROCESS_H
#define DETECTOR_PREPROCESS_H

#include "detector/model.h"
#include "detector/pass.h"

struct preprocess {
    bool bgr;
    double mean[3]; /* in the network's channel order, of values 0..255 */
    double std[3];
    int short_side; /* px */
    int long_side;
};

/* How one image is resized. */
struct geometry {
    int width; /* px of the original */
    int height;
    int net_width;
    int net_height;
    double scale; /* network px = original px * scale */
};

void preprocess_read(struct model *m, struct preprocess *pre);

/* E_IMAGE_TOO_BIG, or E_ARG for an image without pixels. */
int preprocess_geometry(const struct preprocess *pre, uint32_t width, uint32_t height,
                        struct geometry *out) MUST_CHECK;

/* The network's input [1][net_height][net_width][3], in workspace memory. */
struct tensor preprocess_run(const struct preprocess *pre, struct pass *pass,
                             const struct geometry *g, const uint8_t *rgb);

#endif
