/* What recipes write alike. */
#include <criterion/criterion.h>

#include "recipes/arrays.h"

enum { CLASSES = 600 };

/* The class of one chosen region whose soft labels are `low` but for a few. */
static int32_t class_of(const uint32_t *at, const float *p, size_t n)
{
    static half soft[CLASSES];
    for (uint32_t k = 0; k < CLASSES; k++) {
        soft[k] = half_from_float(0.001f);
    }
    soft[0] = half_from_float(0.9f); /* background never counts */
    for (size_t i = 0; i < n; i++) {
        soft[at[i]] = half_from_float(p[i]);
    }
    const struct visual_record v = {.n = 1, .classes = CLASSES, .soft_labels = soft};
    const struct plan plan = {.regions = 1, .region_op = {MASK_HIDE}};
    int32_t class = 0;
    array_region_targets(&plan, &v, TARGET_CLASS, &class);
    return class;
}

Test(arrays, the_class_of_a_region_is_its_best_wherever_it_stands)
{
    for (uint32_t best = 1; best < CLASSES; best++) {
        cr_assert_eq(class_of(&best, (const float[]){0.5f}, 1), (int32_t)best);
    }
    cr_assert_eq(class_of(NULL, NULL, 0), 1); /* all equal: the first */
    cr_assert_eq(class_of((const uint32_t[]){300, 20, 599}, (const float[]){0.5f, 0.5f, 0.5f}, 3),
                 20);
    cr_assert_eq(class_of((const uint32_t[]){20, 599}, (const float[]){0.4f, 0.5f}, 2), 599);
}
