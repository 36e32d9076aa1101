#include "detector/softmax.h"

#include <math.h>
#include <string.h>

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

void last_to_front(float *x, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++, x += n) {
        const float last = x[n - 1];
        memmove(x + 1, x, (n - 1) * sizeof *x);
        x[0] = last;
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
