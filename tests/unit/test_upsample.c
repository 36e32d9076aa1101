/* The pyramid's enlarging against torch's definition of "nearest". */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "detector/upsample.h"
#include "detector_fixture.h"

Test(upsample, adds_the_nearest_pixel)
{
    struct dice dice = {.seed = 1};
    for (int trial = 0; trial < 100; trial++) {
        struct bench b;
        bench_init(&b);
        struct tensor x = {.n = 1, .h = dice_int(&dice, 1, 9), .w = dice_int(&dice, 1, 9)};
        x.c = dice_int(&dice, 1, 20);
        struct tensor y = x;
        y.h = dice_int(&dice, x.h, 2 * x.h);
        y.w = dice_int(&dice, x.w, 2 * x.w);
        x.p = dice_floats(&dice, tensor_count(&x), -1, 1);
        y.p = dice_floats(&dice, tensor_count(&y), -1, 1);
        float *before = malloc(tensor_count(&y) * sizeof *before);
        memcpy(before, y.p, tensor_count(&y) * sizeof *before);
        upsample_add(&b.pass, "up", &x, &y);
        for (int i = 0; i < y.h * y.w * y.c; i++) {
            const int c = i % y.c;
            const int ox = i / y.c % y.w;
            const int oy = i / y.c / y.w;
            const int iy = oy * x.h / y.h; /* floor(oy * h / H), exactly */
            const int ix = ox * x.w / y.w;
            cr_assert_eq(y.p[i], before[i] + tensor_at(&x, 0, iy, ix)[c]);
        }
        free(before);
        free(x.p);
        free(y.p);
        bench_release(&b);
    }
}
