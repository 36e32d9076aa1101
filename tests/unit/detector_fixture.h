/*
 * What the detector's tests share: seeded random numbers, a pass to run operators in, and model
 * files with random weights.
 */
#ifndef TESTS_UNIT_DETECTOR_FIXTURE_H
#define TESTS_UNIT_DETECTOR_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "detector/conv.h"
#include "detector/pass.h"
#include "detector/tensor.h"

/* A stream of random numbers: start from any seed. */
struct dice {
    uint64_t seed;
    uint32_t at;
};

float dice_unit(struct dice *d); /* [0, 1) */
float dice_between(struct dice *d, float lo, float hi);
int dice_int(struct dice *d, int lo, int hi); /* [lo, hi] */
float dice_normal(struct dice *d);
float *dice_floats(struct dice *d, size_t n, float lo, float hi); /* free() it */

/* Smooth random blobs: an image [height][width][3] whose features differ from place to place;
 * free() it. */
uint8_t *random_image(uint64_t seed, int width, int height);

/* A pass over 256 MB of scratch memory, for one operator at a time. */
struct bench {
    struct workspace ws;
    struct profile profile;
    struct pass pass;
};

void bench_init(struct bench *b);
void bench_release(struct bench *b);

/* Prepares c with these weights, after bench_init(), in memory that c->weight holds: free() it. */
void bench_prepare(struct conv *c, const float *weight);

/* A file in a fresh directory; release deletes both. */
struct scratch_file {
    char dir[64];
    char path[96];
};

void scratch_file_init(struct scratch_file *f);
void scratch_file_release(struct scratch_file *f);
void scratch_file_write(const struct scratch_file *f, const void *bytes, size_t n);

/* A small model of the C4 family. */
struct c4_plan {
    uint64_t seed;
    int blocks[4];
    int width[4]; /* narrow width of a stage's blocks; the wide one is 4 times that */
    int stem;
    int rpn;
    int scales; /* of anchors, in three ratios each */
    int roi;
    int groups; /* of the 3x3 convolutions; 0: the config does not say */
    int res5_dilation;
    int objects;
    int attributes;
    const char *block_names;
    int stride_in_1x1;
    int caffe_pool;
    int short_side;
    int long_side;
    int post_nms;
    int min_boxes;
    int max_boxes;
};

struct c4_plan c4_plan_default(void);

/* Writes the model with weights drawn so that activations keep their scale. What `spoil` names is
 * done to the file: NULL nothing, "-NAME" leaves out a tensor, "+NAME" adds one, "#NAME" makes its
 * first dimension one longer, "?NAME" puts a NaN in it, "!KEY" leaves out a metadata entry, "=KEY"
 * replaces it by nonsense. */
void c4_plan_write(const struct c4_plan *plan, const char *spoil, const char *path);

#endif
