/*
 * What a frame or clip network made of its frames, written for people and for other programs.
 */
#ifndef OPS_CLIP_H
#define OPS_CLIP_H

#include <stdio.h>

#include "detector/detector.h"

/* A clip with what is needed to write its features. */
struct clip {
    char *const *path; /* [frames] the images that it was read from */
    uint32_t frames;
    uint32_t width;
    uint32_t height;
    const struct detector_info *model;
    const struct clip_features *features;
};

/* The best classes of each row with their scores; without classes, what there is of features. */
void clip_print_table(const struct clip *c, FILE *out);

/* One JSON object on one line, with the best classes of each row; E_MODEL, and nothing written,
 * where a score is not finite. */
int clip_print_json(const struct clip *c, FILE *out) MUST_CHECK;

/* features [n][D], scores [n][C], embedding [n][E], as far as the model has them, in single
 * precision. */
int clip_write_npz(const struct clip *c, const char *path) MUST_CHECK;

#endif
