/*
 * Self-gating (S3D-G, Xie et al. 2018): each channel is scaled by the sigmoid of a fully connected
 * layer over the means of all channels, taken over space and time.
 */
#ifndef DETECTOR_GATE_H
#define DETECTOR_GATE_H

#include "detector/conv.h"
#include "detector/pass.h"

/* Scales channels [at, at + fc->in) of y in place; fc (model_linear()) has as many outputs as
 * inputs. */
void gate_run(const struct conv *fc, struct pass *pass, const struct tensor *y, int at);

#endif
