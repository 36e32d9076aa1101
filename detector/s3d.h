/*
 * S3D's body after the stem (Xie et al. 2018, "Rethinking Spatiotemporal Feature Learning"): two
 * convolutions, then nine Inception blocks, each 3x3x3 separable; with self-gating it is S3D-G's.
 *
 *     pool | 2b 2c (gate) | pool | 3b 3c | pool | 4b 4c 4d 4e 4f | pool | 5b 5c
 */
#ifndef DETECTOR_S3D_H
#define DETECTOR_S3D_H

#include "detector/conv.h"
#include "detector/model.h"
#include "detector/pool.h"
#include "detector/separable.h"

enum { S3D_BLOCKS = 9, S3D_POOLS = 4, INCEPTION_BRANCHES = 4 };

/* How a source spells its layers, and with them what differs between the two. */
enum s3d_source {
    S3D_TORCHVISION, /* features.2 ... features.15; pools padded by 1; no gates */
    S3D_HOWTO100M    /* conv_2b ... mixed_5c; pools padded behind alone, with a partial window */
};

/* Four branches, concatenated: 1x1; 1x1 and 3x3x3, twice; max pool and 1x1. */
struct inception {
    struct conv point;
    struct conv reduce[2];
    struct separable wide[2];
    struct max_pool pool;
    struct conv pooled;
    struct conv gate[INCEPTION_BRANCHES]; /* out = 0: none */
};

struct s3d {
    struct max_pool pool[S3D_POOLS];
    struct conv narrow;    /* 2b */
    struct separable wide; /* 2c */
    struct conv gate;      /* out = 0: none */
    struct inception block[S3D_BLOCKS];
};

/* Reads the layers for a stem of `in` channels. Returns the last block's width. */
int s3d_build(struct model *m, enum s3d_source source, int in, struct s3d *s);

/* Takes x over: its memory is given back. */
struct tensor s3d_run(const struct s3d *s, struct pass *pass, struct tensor x);

/* What a side of the stem's output, or its number of frames, becomes. */
int s3d_side(const struct s3d *s, int in);
int s3d_frames(const struct s3d *s, int in);

#endif
