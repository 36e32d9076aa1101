/*
 * The 1000 classes of ImageNet's ILSVRC 2012 in the order that its classifiers number them, by
 * their usual short names, as a JSON list for the metadata entry "objects".
 */
#ifndef DETECTOR_IMAGENET_H
#define DETECTOR_IMAGENET_H

extern const char imagenet_classes[];

#endif
