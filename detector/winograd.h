/*
 * 3x3 convolution by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016): 36 products
 * for 16 outputs instead of 144.
 *
 * A dilated 3x3 is computed on its phases: with dilation d, the pixels whose coordinates agree
 * modulo d form d * d smaller images, each under an ordinary 3x3.  The 36 products of each tile are
 * gathered into 36 matrix products over all tiles.  The transforms' constants are small, so results
 * differ from the direct sum by a few parts in a million of the largest term.
 */
#ifndef DETECTOR_WINOGRAD_H
#define DETECTOR_WINOGRAD_H

#include "detector/conv.h"

/* Whether it serves: 3x3, stride 1, padded by its dilation, channels in multiples of 16.  Taps
 * along the leading axis add up in the transformed domain. */
bool winograd_fits(const struct conv *c);

/* Floats that winograd_prepare() fills: packed matrices [bundle][36][tap]. */
size_t winograd_floats(const struct conv *c);

/* weight [out][in / groups][taps][3][3] */
void winograd_prepare(const struct conv *c, const float *weight, float *prepared);

/* Scratch floats that winograd_run() needs for `images` images, or frames, of the size of x. */
size_t winograd_scratch(const struct conv *c, const struct tensor *x, int images);

/* Channels [at, at + out) of y = act(conv(x) + bias), plus y itself before `act` where `add`. */
void winograd_run(const struct conv *c, const struct tensor *x, bool add, const struct tensor *y,
                  int at, float *scratch);

#endif
