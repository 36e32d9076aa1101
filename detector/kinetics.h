/*
 * The 400 actions of Kinetics-400 (Kay et al. 2017) in the order that its classifiers number them,
 * which is the alphabet's, as a JSON list for the metadata entry "objects".
 */
#ifndef DETECTOR_KINETICS_H
#define DETECTOR_KINETICS_H

extern const char kinetics_classes[];

#endif
