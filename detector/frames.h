/*
 * From a clip's 8-bit RGB frames to the input of a frame or clip network: resize, crop the centre,
 * mean and standard deviation.
 *
 * torchvision's presets (transforms/_presets.py): "pil" for photos, which resizes the short side
 * with antialiasing; "torch" for videos, which resizes to one size without.  Both round to 8 bits
 * before the crop.
 */
#ifndef DETECTOR_FRAMES_H
#define DETECTOR_FRAMES_H

#include "detector/detector.h"
#include "detector/model.h"
#include "detector/pass.h"
#include "detector/resize.h"

struct frames_rule {
    enum resize_filter filter;
    int short_side; /* px that the shorter side becomes; 0: */
    int width;      /* the whole frame's size */
    int height;
    int crop_width;
    int crop_height;
    struct levels levels;
};

/* "channels", "mean", "std", "resize", "short" or "size", "crop" of the model's preprocessing. */
void frames_rule_read(struct model *m, struct frames_rule *rule);

/* Frames [from, from + count) as [count][crop_height][crop_width][3], in workspace memory.  In a
 * dry pass clip->rgb is not looked at. */
struct tensor frames_run(const struct frames_rule *rule, struct pass *pass,
                         const struct detector_clip *clip, int from, int count);

#endif
