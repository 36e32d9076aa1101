/* Softmax and its companions over rows of scores. */
#ifndef DETECTOR_SOFTMAX_H
#define DETECTOR_SOFTMAX_H

#include <stddef.h>

/* In place over x[rows][n], n >= 1: exp(x - max) / sum, as Caffe and torch compute it. */
void softmax_rows(float *x, size_t rows, size_t n);

/* Moves each row's last element before the first: background, where a program has it last. */
void last_to_front(float *x, size_t rows, size_t n);

/* The index of the first maximum of x[n], n >= 1. */
size_t argmax(const float *x, size_t n);

#endif
