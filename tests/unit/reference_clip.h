/*
 * Frame and clip networks in double precision, written from torchvision's and MIL-NCE's
 * descriptions without looking at detector/: planes instead of interleaved channels, loops instead
 * of matrix products, concatenation by copying.
 *
 * A network is run and its model file written at once: each layer draws the weights that it needs
 * and puts them into the file under their published name.
 */
#ifndef TESTS_UNIT_REFERENCE_CLIP_H
#define TESTS_UNIT_REFERENCE_CLIP_H

#include "detector_fixture.h"

enum { REFERENCE_STAGES = 4 };

/* What to build and on what; a width is of the narrowest layers. */
struct clip_plan {
    const char *architecture;
    uint64_t seed;
    int frames;
    int width; /* px, both of the frames and of the crop, so that nothing is resized */
    int height;
    int narrow;                   /* channels */
    int blocks[REFERENCE_STAGES]; /* of the residual networks */
    int classes;
    const char *config; /* JSON */
    const char *spoil;  /* a tensor to leave out; may be NULL */
    int names;          /* class names in the file; 0: none */
};

struct reference_features {
    int n;
    int dim;
    int classes;
    int embedding_dim;
    double *features;  /* [n][dim] */
    double *scores;    /* [n][classes] */
    double *embedding; /* [n][embedding_dim] */
};

/* rgb[frames][height][width][3]. */
void reference_clip(const struct clip_plan *plan, const uint8_t *rgb, const char *path,
                    struct reference_features *out);
void reference_features_release(struct reference_features *f);

#endif
