/*
 * From a .caffemodel to the tensors of a pairmill model (docs/model-format.md).
 *
 * A convolution without bias is followed by BatchNorm and Scale layers in Caffe's ResNets:
 * "res2a_branch1" by "bn2a_branch1" and "scale2a_branch1", "conv1" by "bn_conv1" and "scale_conv1".
 * They are folded into it: w' = w g / sqrt(var + eps), b' = beta - mean g / sqrt(var + eps).
 */
#ifndef DETECTOR_IMPORT_CAFFE_H
#define DETECTOR_IMPORT_CAFFE_H

#include "detector/caffemodel.h"
#include "detector/safetensors_write.h"

/* Caffe's default BatchNormParameter.eps */
#define CAFFE_BATCH_NORM_EPS 1e-5

/* Adds every layer's weight and bias; E_MODEL names a layer that cannot be understood. */
int import_caffe(const struct caffemodel *model, struct safetensors_writer *out) MUST_CHECK;

#endif
