#include <criterion/criterion.h>
#include <math.h>

#include "detector/softmax.h"
#include "detector_fixture.h"

Test(softmax, equals_its_definition_for_scores_of_any_size)
{
    struct dice dice = {.seed = 1};
    for (int trial = 0; trial < 50; trial++) {
        float x[2 * 300];
        double want[2 * 300];
        const size_t n = (size_t)dice_int(&dice, 1, 300);
        const float span = trial % 2 ? 5.0f : 500.0f;
        for (size_t r = 0; r < 2; r++) {
            double sum = 0;
            double top = -INFINITY;
            for (size_t i = 0; i < n; i++) {
                x[r * n + i] = dice_between(&dice, -span, span);
                top = fmax(top, (double)x[r * n + i]);
            }
            for (size_t i = 0; i < n; i++) {
                sum += want[r * n + i] = exp((double)x[r * n + i] - top);
            }
            for (size_t i = 0; i < n; i++) {
                want[r * n + i] /= sum;
            }
        }
        softmax_rows(x, 2, n);
        for (size_t i = 0; i < 2 * n; i++) {
            cr_assert_float_eq((double)x[i], want[i], 1e-6);
        }
    }
}

Test(argmax, is_the_first_maximum)
{
    cr_assert_eq(argmax((float[]){1, 3, 2, 3}, 4), 1);
    cr_assert_eq(argmax((float[]){-INFINITY}, 1), 0);
}

Test(softmax, moves_the_last_element_of_each_row_to_its_front)
{
    float x[6] = {1, 2, 3, 4, 5, 6};
    const float want[6] = {3, 1, 2, 6, 4, 5};
    float one[2] = {7, 8};
    last_to_front(x, 2, 3);
    last_to_front(one, 2, 1);
    cr_assert_arr_eq(x, want, sizeof want);
    cr_assert(one[0] == 7 && one[1] == 8);
}
