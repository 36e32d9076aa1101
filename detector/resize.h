/*
 * Bilinear resampling of interleaved 8-bit RGB, in the arithmetic of the programs whose numbers
 * must be met.
 *
 * OpenCV's and torch's work on single-precision values, Pillow's on 8-bit ones.  Only a window of
 * the resized image is made, so that a centre crop costs nothing.  Scratch memory comes from the
 * pass; in a dry pass nothing else happens.
 */
#ifndef DETECTOR_RESIZE_H
#define DETECTOR_RESIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "detector/pass.h"
#include "detector/tensor.h"

enum resize_filter {
    /* cv2.resize(fx=, fy=, INTER_LINEAR) (opencv resize.cpp): between two source pixels a side,
     * whose place follows from the scale that was asked for */
    RESIZE_OPENCV,
    /* torch.nn.functional.interpolate(size=, mode="bilinear", align_corners=False): the same, but
     * the place follows from the two sizes */
    RESIZE_TORCH,
    /* PIL.Image.resize(BILINEAR) (Pillow Resample.c): a triangle as wide as the scale, so that
     * shrinking loses no pixel; 8-bit after each of its two passes */
    RESIZE_PIL
};

struct resize {
    enum resize_filter filter;
    int in_width; /* px of the source */
    int in_height;
    int full_width; /* px of the whole resized image */
    int full_height;
    double scale; /* resized px a source px; for RESIZE_OPENCV alone */
    int left;     /* the window of it that is made */
    int top;
    int width;
    int height;
};

/* What each 8-bit value of each channel becomes: the network's channel c is made of the source's
 * channel from[c]. */
struct levels {
    int from[3];
    float of[3][256];
};

/* (value - mean) / std, rounded once; mean and std in the network's order of channels, of values 0
 * to 255. */
void levels_init(struct levels *levels, bool bgr, const double mean[3], const double std[3]);

/* out[pixels][3] of rgb[pixels][3]. */
void levels_apply(const struct levels *levels, const uint8_t *rgb, size_t pixels, float *out);

/* E_ARG for an image without pixels, E_IMAGE_TOO_BIG. */
int resize_check(uint32_t width, uint32_t height) MUST_CHECK;

/* rgb[in_height][in_width][3] -> out[height][width][3] of levels, interpolated between levels.
 * RESIZE_OPENCV and RESIZE_TORCH. */
void resize_levels(const struct resize *r, struct pass *pass, const struct levels *levels,
                   const uint8_t *rgb, float *out);

/* rgb[in_height][in_width][3] -> out[height][width][3], rounded to 8 bits: RESIZE_PIL, and
 * RESIZE_TORCH as torchvision's transforms treat an 8-bit tensor. */
void resize_bytes(const struct resize *r, struct pass *pass, const uint8_t *rgb, uint8_t *out);

#endif
