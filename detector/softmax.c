#include "detector/softmax.h"

#include <math.h>

void softmax_rows(float *x, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++, x += n) {
        const float top = x[argmax(x, n)];
        float sum = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = expf(x[i] - top);
            sum += x[i];
        }
        for (size_t i = 0; i < n; i++) {
            x[i] /= sum;
        }
    }
}

size_t argmax(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = x[i] > x[best] ? i : best;
    }
    return best;
}
