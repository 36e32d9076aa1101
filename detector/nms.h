/*
 * Non-maximum suppression, Caffe's rule (py-faster-rcnn lib/nms/cpu_nms.pyx): in order of falling
 * score, a box suppresses every later one whose IoU with it is at least the threshold.  torch's
 * rule is "more than": its thresholds go through above() (box.h).
 */
#ifndef DETECTOR_NMS_H
#define DETECTOR_NMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detector/box.h"

/* order[n] = indices of boxes in falling order of score -> the first `limit` kept of them, in the
 * same order, in kept[limit]; returns how many.  A box suppresses only those of its own group;
 * `group` may be NULL: they are all of one. */
size_t nms_ordered(const struct box *box, const uint16_t *group, const uint32_t *order, size_t n,
                   float threshold, float plus, size_t limit, uint32_t *kept);

/* Which boxes suppress which: n rows of nms_words(n) 64-bit words, bit j of row i set when
 * IoU(i, j) >= threshold, i != j. Computed once, it serves the NMS of every class. */
size_t nms_words(size_t n);
void nms_matrix(const struct box *box, size_t n, float threshold, float plus, uint64_t *matrix);

/* One class: order[n] = indices in falling order of score; survivors are set in alive[words]. */
void nms_by_matrix(const uint64_t *matrix, size_t n, const uint32_t *order, uint64_t *alive);

/* Indices of score[n] in falling order, equal scores in rising order of index: order[n]; `scratch`
 * holds 2 * n words of 64 bits. No NaN among the scores. */
void order_falling(const float *score, size_t n, uint32_t *order, uint64_t *scratch);

#endif
