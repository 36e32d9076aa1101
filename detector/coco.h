/*
 * COCO's categories (https://cocodataset.org, instances_*.json) as JSON lists, for the metadata
 * entry "objects" of a network trained on it.
 */
#ifndef DETECTOR_COCO_H
#define DETECTOR_COCO_H

/* By category id, 1 to 90; ids that are not in use are called "N/A", as torchvision calls them. */
extern const char coco_ids[];

/* The 80 categories in use, in the same order, as detectron2 numbers them. */
extern const char coco_categories[];

#endif
