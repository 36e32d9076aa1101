/*
 * What the detector found, written for people and for other programs.
 */
#ifndef OPS_REGIONS_H
#define OPS_REGIONS_H

#include <stdio.h>

#include "detector/detector.h"

/* One image's regions with what is needed to write them. */
struct regions {
    const char *path; /* the image */
    const char *id;   /* its file name without the extension */
    uint32_t width;
    uint32_t height;
    const struct detector_info *model;
    const struct detections *found;
};

/* A table: confidence, object, attribute, box. */
void regions_print_table(const struct regions *r, FILE *out);

/* One JSON object on one line; E_MODEL, and nothing written, where a number is not finite. */
int regions_print_json(const struct regions *r, FILE *out) MUST_CHECK;

/* One line of the bottom-up-attention TSV: img_id, img_h, img_w, objects_id, objects_conf,
 * attrs_id, attrs_conf, num_boxes, boxes, features as LXMERT reads it, or image_id, image_w,
 * image_h, num_boxes, boxes, features as BUTD wrote it; arrays in base64. */
enum regions_tsv { REGIONS_TSV_LXMERT, REGIONS_TSV_BUTD };
int regions_print_tsv(const struct regions *r, enum regions_tsv flavour, FILE *out) MUST_CHECK;

/* UNITER's file: norm_bb [n][6], features, conf [n][1], soft_labels, all in half precision
 * (BUTD-UNITER-NLVR2 tools/generate_npz.py). */
int regions_write_npz(const struct regions *r, const char *path) MUST_CHECK;

/* The image with its regions drawn (refined boxes, each thing once) and named, as PNG. rgb is
 * [height][width][3]. */
int regions_draw(const struct regions *r, const uint8_t *rgb, const char *path) MUST_CHECK;

#endif
