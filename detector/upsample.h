/*
 * The top-down path of a feature pyramid (Lin et al. 2017): a coarse map is enlarged by repeating
 * its nearest pixels and added to a finer one.
 */
#ifndef DETECTOR_UPSAMPLE_H
#define DETECTOR_UPSAMPLE_H

#include "detector/pass.h"
#include "detector/tensor.h"

/* y += x enlarged to y's size, as torch.nn.functional.interpolate(mode="nearest") picks pixels. */
void upsample_add(struct pass *pass, const char *name, const struct tensor *x,
                  const struct tensor *y);

#endif
