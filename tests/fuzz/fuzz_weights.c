/*
 * libFuzzer target: any bytes as a weight file.  It is refused in a sentence, or its arrays are
 * what they claim to be: every number can be read.
 *
 *     make build/fuzz/fuzz_weights && build/fuzz/fuzz_weights -max_total_time=60 CORPUS
 *
 * tests/fuzz/weight_seeds.py writes a first file of each format.
 */
#include <stdint.h>
#include <string.h>

#include "detector/weights.h"

enum { SOME = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct weights *w)
{
    double chunk[SOME];
    for (size_t i = 0; i < weights_count(w); i++) {
        const struct weights_array *a = weights_at(w, i);
        BUG_ON(weights_find(w, a->name) != a);
        BUG_ON(a->dims < 0 || a->dims > WEIGHTS_DIMS);
        for (uint64_t done = 0; weights_type_is_float(a->type) && done < a->count;) {
            const uint64_t n = a->count - done < SOME ? a->count - done : SOME;
            weights_values(a, done, n, chunk);
            done += n;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weights *w;
    if (weights_read("FILE", view_of(data, size), &w) == 0) {
        BUG_ON(weights_count(w) == 0);
        read_all(w);
        weights_close(w);
    } else {
        BUG_ON(strlen(err_text()) == 0);
    }
    return 0;
}
