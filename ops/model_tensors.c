#include "ops/model_tensors.h"

#include <math.h>
#include <stdio.h>

#include "detector/weights.h"

enum { CHUNK = 4096 };

static void print_shape(const struct weights_array *a)
{
    for (int d = 0; d < a->dims; d++) {
        printf("%s%llu", d ? "x" : "", (unsigned long long)a->shape[d]);
    }
    fputs(a->dims ? "" : "scalar", stdout);
}

/* NaN, where there is one, is the least and the largest. */
static void print_values(const struct weights_array *a)
{
    double least = INFINITY;
    double largest = -INFINITY;
    double sum = 0;
    double chunk[CHUNK];
    for (uint64_t done = 0; done < a->count;) {
        const uint64_t n = a->count - done < CHUNK ? a->count - done : CHUNK;
        weights_values(a, done, n, chunk);
        for (uint64_t i = 0; i < n; i++) {
            least = chunk[i] < least || isnan(chunk[i]) ? chunk[i] : least;
            largest = chunk[i] > largest || isnan(chunk[i]) ? chunk[i] : largest;
            sum += chunk[i];
        }
        done += n;
    }
    printf("\t%.9g\t%.9g\t%.9g", least, largest, sum / (double)a->count);
}

int model_tensors_print(const char *path)
{
    struct weights *w = NULL;
    const int rc = weights_open(path, &w);
    if (rc) {
        return rc;
    }
    puts("tensor\ttype\tshape\tleast\tlargest\tmean");
    for (size_t i = 0; i < weights_count(w); i++) {
        const struct weights_array *a = weights_at(w, i);
        printf("%s\t%s\t", a->name, weights_type_name(a->type));
        print_shape(a);
        if (a->count && weights_type_is_float(a->type)) {
            print_values(a);
        }
        putchar('\n');
    }
    weights_close(w);
    return 0;
}
